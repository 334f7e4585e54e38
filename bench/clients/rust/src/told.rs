//! What a program that is measured is told, and tells: see `bench/clients.py`.

use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicU64, Ordering};

/// What the command line says.
pub struct Told {
    pub url: String,
    pub transport: String,
    pub clients: usize,
    /// Echoes that each client keeps in flight.
    pub window: usize,
}

/// Echoes that have come back.
pub static ECHOES: AtomicU64 = AtomicU64::new(0);

/// Connecting at once.
pub const AT_ONCE: usize = 100;

/// 32 characters.
pub const TEXT: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

impl Told {
    pub fn by_arguments() -> Self {
        let mut arguments = std::env::args().skip(1);
        let mut next = || arguments.next().expect("usage: PROGRAM URL TRANSPORT CLIENTS WINDOW");
        Self {
            url: next(),
            transport: next(),
            clients: next().parse().expect("a number of clients"),
            window: next().parse().expect("a number of echoes in flight"),
        }
    }
}

/// Says that all are connected and does what stdin tells; `go` is called once. Blocks.
pub fn follow(mut go: impl FnMut()) {
    let mut out = std::io::stdout();
    let mut say = |line: &dyn std::fmt::Display| {
        // Nobody to tell is the end, too.
        let _ = writeln!(out, "{line}").and_then(|()| out.flush());
    };
    say(&"ready");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        match line.as_str() {
            "go" => go(),
            "count" => say(&ECHOES.load(Ordering::Relaxed)),
            "quit" => break,
            other => panic!("told {other:?}"),
        }
    }
    std::process::exit(0);
}
