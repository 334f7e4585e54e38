#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ferrio_protocol_fuzz::run("msgpack", data));
