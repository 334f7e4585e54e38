//! What must hold of any input: nothing panics, what was decoded encodes back to itself, and the session machine keeps its
//! contract. Each target takes bytes and panics if it does not hold.

mod codecs;
pub mod mutate;
mod seeds;
mod session;

/// A target, with the inputs that mutation begins from.
pub struct Target {
    /// Its name, and that of its file in `fuzz_targets/`.
    pub name: &'static str,
    /// Panics if the input breaks a promise.
    pub run: fn(&[u8]),
    /// Inputs that reach every part of the code under test.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 10] = [
    Target { name: "engine_packet", run: codecs::engine_packet, seeds: seeds::engine_packet },
    Target { name: "handshake", run: codecs::handshake, seeds: seeds::handshake },
    Target { name: "json", run: codecs::json, seeds: seeds::json },
    Target { name: "jsonp", run: codecs::jsonp, seeds: seeds::jsonp },
    Target { name: "msgpack", run: codecs::msgpack, seeds: seeds::msgpack },
    Target { name: "payload_v3_binary", run: codecs::payload_v3_binary, seeds: seeds::payload_v3_binary },
    Target { name: "payload_v3_text", run: codecs::payload_v3_text, seeds: seeds::payload_v3_text },
    Target { name: "payload_v4", run: codecs::payload_v4, seeds: seeds::payload_v4 },
    Target { name: "session", run: session::session, seeds: seeds::session },
    Target { name: "socket_packet", run: codecs::socket_packet, seeds: seeds::socket_packet },
];

/// Runs a target by name: what the files in `fuzz_targets/` do.
///
/// # Panics
/// If there is no such target, or `data` breaks one of its promises.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target's name");
    (target.run)(data);
}
