#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ferrio_protocol_fuzz::run("payload_v4", data));
