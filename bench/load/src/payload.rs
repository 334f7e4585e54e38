//! Payloads and client frames.
pub fn small() -> String {
    r#"{"id":1234567,"txt":"hello wrld"}"#.into() // 33 bytes
}
/// a 1 KiB JSON object of mixed values
pub fn medium() -> String {
    let mut s = String::from(
        r#"{"id":987654321,"type":"order.update","active":true,"ratio":0.4375,"tags":["alpha","beta","gamma","delta"],"user":{"id":42,"name":"Ada Lovelace","email":"ada@example.org","roles":["admin","ops"]},"items":["#,
    );
    for i in 0..8 {
        if i > 0 {
            s.push(',');
        }
        s.push_str(&format!(
            r#"{{"sku":"SKU-{:05}","qty":{},"price":{}.5,"note":"item number {}"}}"#,
            10000 + i * 77,
            i + 1,
            10 + i,
            i
        ));
    }
    s.push_str(r#"],"pad":""#);
    while s.len() < 1022 {
        s.push((b'a' + (s.len() % 26) as u8) as char);
    }
    s.push_str("\"}");
    s
}
pub fn binary() -> Vec<u8> {
    (0..1024u32).map(|i| (i * 31 % 251) as u8).collect()
}

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// append one masked client frame (non-zero mask, so servers cannot skip unmasking)
pub fn frame(out: &mut Vec<u8>, op: u8, p: &[u8]) {
    out.push(0x80 | op);
    if p.len() < 126 {
        out.push(0x80 | p.len() as u8);
    } else if p.len() < 65536 {
        out.push(0x80 | 126);
        out.extend_from_slice(&(p.len() as u16).to_be_bytes());
    } else {
        out.push(0x80 | 127);
        out.extend_from_slice(&(p.len() as u64).to_be_bytes());
    }
    out.extend_from_slice(&MASK);
    let at = out.len();
    out.extend_from_slice(p);
    for (i, b) in out[at..].iter_mut().enumerate() {
        *b ^= MASK[i & 3];
    }
}
