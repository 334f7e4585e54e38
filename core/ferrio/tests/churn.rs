//! What comes and goes leaves nothing: every byte that is allocated is counted, so nothing hides in what an allocator keeps.
//! A program of its own, for it has an allocator of its own.
//!
//! `FERRIO_TEST_TIMES=1000000` does it a million times each.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};
use std::time::Duration;

use ferrio::{ConnectError, Data, Server, Socket, Value};

struct Counting;

static LIVING: AtomicIsize = AtomicIsize::new(0);

// SAFETY: everything is the system allocator's own; the count says nothing to it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVING.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVING.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a table may keep for the next time, and the runtime for its threads.
const SLACK: isize = 64 << 10;

#[test]
fn nothing_is_left() {
    let times = env::var("FERRIO_TEST_TIMES").map_or(20_000, |times| times.parse().unwrap());
    // One thread for the server: each has a buffer from its first read on, and which of several reads is up to chance.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = Server::builder()
        .runtime(runtime.handle().clone())
        .cleanup_empty_child_namespaces(true)
        .ping_interval(Duration::from_secs(3600))
        .hard_limit(1 << 30)
        .build();
    let unanswered = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&unanswered);
    server.on("ask", move |socket: Socket, Data(count): Data<usize>| {
        for _ in 0..count {
            let (socket, counter) = (socket.clone(), Arc::clone(&counter));
            tokio::spawn(async move {
                let answer = socket.emit_with_ack::<Value>("?", ()).await;
                assert!(answer.is_err(), "nobody answers");
                counter.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    server.on("rooms", |socket: Socket, Data((from, count)): Data<(usize, usize)>| {
        for n in from..from + count {
            socket.join(format!("room {n}"));
            socket.leave(format!("room {n}"));
        }
    });
    server.of_regex("/child-[0-9]+").unwrap();
    server.of_regex("/refused-[0-9]+").unwrap().with(|| Err::<(), _>(ConnectError::new("no")));
    let address = runtime.block_on(server.listen("127.0.0.1:0")).unwrap();

    let asks = |count: usize| {
        let before = unanswered.load(Ordering::Relaxed);
        let mut client = Client::join(address);
        client.send(&format!(r#"42["ask",{count}]"#));
        for _ in 0..count {
            client.read();
        }
        drop(client);
        wait(|| unanswered.load(Ordering::Relaxed) == before + count);
    };
    let rooms = |count: usize| {
        let mut client = Client::join(address);
        client.send(&format!(r#"421["rooms",[0,{count}]]"#));
        client.expect("431[]");
    };
    let children = |count: usize| {
        let mut client = Client::join(address);
        for n in 0..count {
            client.send(&format!("40/child-{n},"));
            client.expect(&format!(r#"40/child-{n},{{"sid":""#));
            client.send(&format!("41/child-{n},"));
        }
    };
    let refusals = |count: usize| {
        let mut client = Client::join(address);
        for n in 0..count {
            client.send(&format!("40/refused-{n},"));
            client.expect(&format!("44/refused-{n},"));
        }
    };
    let unknown = |count: usize| {
        let mut client = Client::join(address);
        for n in 0..count {
            client.send(&format!("40/unknown-{n},"));
            client.expect(&format!("44/unknown-{n},"));
        }
    };
    let clients = |count: usize| (0..count / 20).for_each(|_| drop(Client::join(address)));

    let kinds: [(&str, &dyn Fn(usize)); 6] = [
        ("acks that nobody answers", &asks),
        ("rooms that are joined and left", &rooms),
        ("dynamic namespaces", &children),
        ("dynamic namespaces that refuse", &refusals),
        ("namespaces that are not there", &unknown),
        ("clients", &clients),
    ];
    for (what, churn) in kinds {
        // Once for what is there from then on.
        churn(times / 10);
        wait(|| server.connections() == 0);
        let before = LIVING.load(Ordering::Relaxed);
        churn(times);
        wait(|| server.connections() == 0);
        // Tasks that have ended are freed by their runtime a moment later.
        let mut grown = 0;
        for _ in 0..2000 {
            grown = LIVING.load(Ordering::Relaxed) - before;
            if grown < SLACK {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        println!("{what}: {grown} bytes more after {times}");
        assert!(grown < SLACK, "{what}: {grown} bytes are left of {times}");
    }
}

fn wait(holds: impl Fn() -> bool) {
    while !holds() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A WebSocket that speaks to a server which sends frames of less than 64 KiB.
struct Client(BufReader<TcpStream>);

impl Client {
    fn join(address: SocketAddr) -> Self {
        const HEAD: &str = "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
            upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let mut tcp = TcpStream::connect(address).unwrap();
        tcp.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        tcp.set_nodelay(true).unwrap();
        tcp.write_all(HEAD.as_bytes()).unwrap();
        let mut client = Self(BufReader::new(tcp));
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            client.0.read_line(&mut line).unwrap();
        }
        client.expect("0{");
        client.send("40");
        client.expect("40{");
        client
    }

    fn send(&mut self, text: &str) {
        let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        self.0.get_mut().write_all(&frame).unwrap();
    }

    fn read(&mut self) -> String {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        let mut length = usize::from(head[1]);
        if length == 126 {
            self.0.read_exact(&mut head).unwrap();
            length = usize::from(u16::from_be_bytes(head));
        }
        let mut text = vec![0; length];
        self.0.read_exact(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    fn expect(&mut self, prefix: &str) {
        let text = self.read();
        assert!(text.starts_with(prefix), "{text} and not {prefix}");
    }
}
