//! sioload: load generator for Engine.IO v4 / Socket.IO v5 servers on 127.0.0.1.
//!   sioload echo    --port P --pid PID [--n 50] [--window 1] [--payload small|medium|binary] [--secs 4] [--warm 1] [--nsp /x]
//!   sioload ack     (same)
//!   sioload fanout  --n 1000 --window 4 [--slow 1]
//!   sioload rooms   --n 1024 --size 16
//!   sioload storm   --n 64
//!   sioload idle    --n 5000 [--ramp 64] [--settle 3] [--hold 0] [--gc [--rest 30]]
//!   sioload polling --n 50 [--batch 1]
//! One JSON line on stdout. One thread, level-triggered epoll, hand-written masked frames.
mod payload;
mod polling;
mod util;
mod wsmodes;

fn main() {
    let v: Vec<String> = std::env::args().collect();
    let cmd = v.get(1).map(|s| s.as_str()).unwrap_or("");
    let a = util::Args::parse(&v[2.min(v.len())..]);
    unsafe {
        let mut r = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut r);
        r.rlim_cur = r.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &r);
    }
    match cmd {
        "echo" => wsmodes::run(wsmodes::Mode::Echo, &a),
        "ack" => wsmodes::run(wsmodes::Mode::Ack, &a),
        "fanout" => wsmodes::run(wsmodes::Mode::Fanout, &a),
        "rooms" => wsmodes::run(wsmodes::Mode::Rooms, &a),
        "storm" => wsmodes::run(wsmodes::Mode::Storm, &a),
        "idle" => wsmodes::run(wsmodes::Mode::Idle, &a),
        "polling" => polling::run(&a),
        _ => {
            eprintln!("usage: sioload echo|ack|fanout|rooms|storm|idle|polling --port P --pid PID ...");
            std::process::exit(2);
        }
    }
}
