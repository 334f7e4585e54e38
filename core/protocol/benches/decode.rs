//! Nanoseconds per call of the codecs on the hot path: `cargo bench -p ferrio-protocol [-- FILTER]`.
//!
//! The standard library only: what is wanted is a figure to watch, not statistics. Each line is the best of several rounds,
//! which on a shared machine is the one with the least of other people's work in it. With `--calls N` each is called N times
//! and nothing is timed: `make bench-codec` counts the instructions that takes.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ferrio_protocol::engine::{self, Frame, Revision, payload};
use ferrio_protocol::socket::json::{self, JsonRules};
use ferrio_protocol::socket::{Decoded, Packet};
use ferrio_protocol::{Limits, Text};

fn main() {
    let Arguments { filter, calls, list } = Arguments::parse();
    let run = |name: &str, bytes: usize, call: &mut dyn FnMut()| {
        if !name.contains(&filter) {
            return;
        }
        match calls {
            _ if list => println!("{name}"),
            Some(calls) => (0..calls).for_each(|_| call()),
            None => report(name, bytes, call),
        }
    };

    let small = r#"2["message","hello"]"#.to_owned();
    let named = r#"2/admin,17["message",{"text":"hello world","n":1}]"#.to_owned();
    let long_string = format!(r#"2["message","{}"]"#, "x".repeat(1000));
    let object = format!(r#"2["message",{}]"#, sample_object(1000));
    let large = format!(r#"2["message",{}]"#, sample_object(100_000));
    for (name, text) in [
        ("socket decode, 20 B event", &small),
        ("socket decode, namespace, id, object", &named),
        ("socket decode, 1 kB string", &long_string),
        ("socket decode, 1 kB object", &object),
        ("socket decode, 100 kB object", &large),
    ] {
        let text = Text::from(text.as_str());
        let limits = Limits::default();
        run(name, text.len(), &mut || {
            black_box(Packet::decode(black_box(&text), RULES, &limits)).ok();
        });
    }

    let header = Text::from(r#"51-["file",{"name":"a.png","data":{"_placeholder":true,"num":0}}]"#);
    let attachment = Bytes::from(vec![7; 1000]);
    run("socket decode, event with attachment", header.len(), &mut || {
        let limits = Limits::default();
        if let Ok(Decoded::Awaiting(reassembly)) = Packet::decode(black_box(&header), RULES, &limits) {
            black_box(reassembly.push(attachment.clone(), &limits)).ok();
        }
    });

    let mut encoded = Vec::new();
    if let Ok(Decoded::Whole(packet)) = Packet::decode(&Text::from(named.as_str()), RULES, &Limits::default()) {
        run("socket encode, namespace, id, object", named.len(), &mut || {
            encoded.clear();
            black_box(&packet).encode(&mut encoded);
        });
    }

    let plain = sample_object(1000);
    run("json check, 1 kB object", plain.len(), &mut || {
        black_box(json::check(black_box(&plain), RULES)).ok();
    });

    let frame = Frame::Text(Text::from(format!("4{small}").as_str()));
    run("engine decode, 21 B text frame", 21, &mut || {
        black_box(engine::Packet::decode(black_box(&frame).clone(), Revision::V4)).ok();
    });

    let hundred: Vec<_> = (0..100).map(|_| engine::Packet::Message(small.as_str().into())).collect();
    for (name, revision) in [("v4", Revision::V4), ("v3", Revision::V3)] {
        let body = payload::encode(&hundred, revision, false).bytes;
        run(&format!("payload decode, {name}, 100 packets"), body.len(), &mut || {
            let _ = black_box(payload::decode(black_box(&body).clone(), revision, false, &Limits::default()));
        });
        run(&format!("payload encode, {name}, 100 packets"), body.len(), &mut || {
            black_box(payload::encode(black_box(&hundred), revision, false));
        });
    }
}

#[derive(Default)]
struct Arguments {
    filter: String,
    calls: Option<u32>,
    list: bool,
}

impl Arguments {
    fn parse() -> Self {
        let mut parsed = Self::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--calls" => parsed.calls = arguments.next().and_then(|calls| calls.parse().ok()),
                "--list" => parsed.list = true,
                // Cargo says `--bench`.
                flag if flag.starts_with('-') => {}
                filter => filter.clone_into(&mut parsed.filter),
            }
        }
        parsed
    }
}

const RULES: JsonRules = JsonRules { max_depth: 128, nan_literals: false };

/// An object of about `bytes` bytes, mixed as application data is.
fn sample_object(bytes: usize) -> String {
    let item = r#"{"id":12345,"name":"Ada Lovelace","tags":["admin","user"],"score":0.75,"active":true,"note":null}"#;
    let items = vec![item; bytes.div_ceil(item.len())];
    format!(r#"{{"items":[{}]}}"#, items.join(","))
}

fn report(name: &str, bytes: usize, call: &mut dyn FnMut()) {
    const ROUNDS: usize = 12;
    const ROUND: Duration = Duration::from_millis(40);

    let start = Instant::now();
    let mut calls = 0_u32;
    while start.elapsed() < ROUND {
        call();
        calls += 1;
    }
    let best = (0..ROUNDS).map(|_| time(calls, call)).min().unwrap_or_default();
    let nanoseconds = best.as_secs_f64() * 1e9 / f64::from(calls);
    println!("{name:<42} {nanoseconds:>10.1} ns {:>8.0} MB/s", bytes as f64 * 1e3 / nanoseconds);
}

fn time(calls: u32, call: &mut dyn FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        call();
    }
    start.elapsed()
}
