//! HTTP long-polling echo: per client one pending GET and one POST at a time, on two keep-alive connections.
use crate::payload::*;
use crate::util::*;

#[derive(PartialEq, Clone, Copy, Debug)]
enum St {
    Open,    // GET handshake under way
    Connect, // POST 40 under way
    WaitCon, // GET for 40{..} under way
    Run,
}
struct Cl {
    get: i32,
    post: i32,
    st: St,
    sid: String,
    grb: Vec<u8>,
    prb: Vec<u8>,
    t0: u64,
    posted: bool,
    got: bool,
    getting: bool,
    pong: bool,
}
struct Cx {
    ep: Epoll,
    port: u16,
    going: bool,
    measuring: bool,
    units: u64,
    lat: Vec<u32>,
    ready: usize,
    bad: u64,
    msg: String,
    expect: Vec<u8>,
    batch: usize,
}

/// (status, body, bytes used) when a whole response is there
fn response(d: &[u8]) -> Option<(u16, Vec<u8>, usize)> {
    let e = find(d, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&d[..e]).unwrap_or("");
    let st: u16 = head.get(9..12).and_then(|x| x.parse().ok()).unwrap_or(0);
    let mut clen = None;
    let mut chunked = false;
    for l in head.split("\r\n").skip(1) {
        if let Some((k, v)) = l.split_once(':') {
            if k.eq_ignore_ascii_case("content-length") {
                clen = v.trim().parse::<usize>().ok();
            } else if k.eq_ignore_ascii_case("transfer-encoding") {
                chunked = v.trim().eq_ignore_ascii_case("chunked");
            }
        }
    }
    let b = e + 4;
    if chunked {
        let mut body = vec![];
        let mut p = b;
        loop {
            let q = find(&d[p..], b"\r\n")?;
            let n = usize::from_str_radix(std::str::from_utf8(&d[p..p + q]).ok()?.trim(), 16).ok()?;
            p += q + 2;
            if d.len() < p + n + 2 {
                return None;
            }
            body.extend_from_slice(&d[p..p + n]);
            p += n + 2;
            if n == 0 {
                return Some((st, body, p));
            }
        }
    }
    let n = clen.unwrap_or(0);
    if d.len() < b + n {
        return None;
    }
    Some((st, d[b..b + n].to_vec(), b + n))
}

fn put(fd: i32, s: String) {
    let mut v = s.into_bytes();
    let _ = flush(fd, &mut v);
}
fn get(c: &mut Cl, cx: &Cx) {
    let sid = if c.sid.is_empty() { String::new() } else { format!("&sid={}", c.sid) };
    c.getting = true;
    put(
        c.get,
        format!(
            "GET /socket.io/?EIO=4&transport=polling{} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAccept: */*\r\nUser-Agent: sioload\r\nConnection: keep-alive\r\n\r\n",
            sid, cx.port
        ),
    );
}
fn post(c: &mut Cl, cx: &Cx, body: &str) {
    put(
        c.post,
        format!(
            "POST /socket.io/?EIO=4&transport=polling&sid={} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAccept: */*\r\nUser-Agent: sioload\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: {}\r\nConnection: keep-alive\r\n\r\n{}",
            c.sid,
            cx.port,
            body.len(),
            body
        ),
    );
}

fn next(c: &mut Cl, cx: &Cx) {
    if cx.going && c.posted && c.got {
        c.posted = false;
        c.got = false;
        c.t0 = now();
        let m = if c.pong { format!("3\x1e{}", cx.msg) } else { cx.msg.clone() };
        c.pong = false;
        post(c, cx, &m);
    }
}

fn on_get(c: &mut Cl, cx: &mut Cx, st: u16, body: &[u8]) {
    c.getting = false;
    if st != 200 {
        cx.bad += 1;
        eprintln!("GET status {st}: {}", String::from_utf8_lossy(&body[..body.len().min(200)]));
        return;
    }
    match c.st {
        St::Open => {
            let s = String::from_utf8_lossy(body);
            if let Some(i) = s.find("\"sid\":\"") {
                let r = &s[i + 7..];
                c.sid = r[..r.find('"').unwrap_or(0)].to_string();
                c.st = St::Connect;
                post(c, cx, "40");
            } else {
                cx.bad += 1;
            }
        }
        St::WaitCon => {
            for m in body.split(|b| *b == 0x1e) {
                if m.starts_with(b"40") {
                    c.st = St::Run;
                    cx.ready += 1;
                } else if m == b"2" {
                    c.pong = true; // goes out with the next POST
                } else {
                    cx.bad += 1;
                }
            }
            get(c, cx);
        }
        St::Run => {
            let mut n = 0;
            for m in body.split(|b| *b == 0x1e) {
                if m.starts_with(&cx.expect) {
                    n += 1;
                } else if m == b"2" {
                    c.pong = true;
                } else {
                    cx.bad += 1;
                }
            }
            if n > 0 {
                c.got = true; // (batch > 1: all replies come in one or more GETs; counted as they come)
                if cx.measuring {
                    cx.units += n;
                    cx.lat.push((now() - c.t0).min(u32::MAX as u64) as u32);
                }
            }
            get(c, cx);
            next(c, cx);
        }
        St::Connect => cx.bad += 1,
    }
}
fn on_post(c: &mut Cl, cx: &mut Cx, st: u16) {
    if st != 200 {
        cx.bad += 1;
        eprintln!("POST status {st}");
        return;
    }
    if c.st == St::Connect {
        c.st = St::WaitCon;
        get(c, cx);
    } else {
        c.posted = true;
        next(c, cx);
    }
}

pub fn run(a: &Args) {
    let port: u16 = a.num("port", 3000);
    let pid: i32 = a.num("pid", 0);
    let n: usize = a.num("n", 50);
    let batch: usize = a.num("batch", 1);
    let one = format!("42[\"echo\",{}]", if a.str("payload", "small") == "medium" { medium() } else { small() });
    let msg = vec![one; batch].join("\x1e");
    let mut cx = Cx {
        ep: Epoll::new(),
        port,
        going: false,
        measuring: false,
        units: 0,
        lat: Vec::with_capacity(1 << 18),
        ready: 0,
        bad: 0,
        msg,
        expect: b"42[\"echo\",".to_vec(),
        batch,
    };
    let _ = cx.batch;
    let mut cl: Vec<Cl> = vec![];
    for i in 0..n {
        let c = Cl {
            get: connect(port, i),
            post: connect(port, i),
            st: St::Open,
            sid: String::new(),
            grb: vec![],
            prb: vec![],
            t0: 0,
            posted: true,
            got: true,
            getting: false,
            pong: false,
        };
        cx.ep.add(c.get, true, (i as u64) << 1);
        cx.ep.add(c.post, true, ((i as u64) << 1) | 1);
        cl.push(c);
    }
    let mut buf = vec![0u8; 1 << 16];
    let mut dead = 0u64;
    let warm: f64 = a.num("warm", 1.0);
    let secs: f64 = a.num("secs", 4.0);
    let t_limit = now() + 20_000_000_000;
    let (mut t_warm, mut t_end) = (u64::MAX, u64::MAX);
    let mut p0 = None;
    loop {
        let t = now();
        if !cx.going && cx.ready == n {
            cx.going = true;
            for c in cl.iter_mut() {
                next(c, &cx);
            }
            t_warm = t + (warm * 1e9) as u64;
        }
        if !cx.going && t > t_limit {
            println!("{{\"error\":\"open\",\"ready\":{},\"bad\":{}}}", cx.ready, cx.bad);
            std::process::exit(3);
        }
        if p0.is_none() && t >= t_warm {
            p0 = Some(probe(pid));
            cx.measuring = true;
            t_end = now() + (secs * 1e9) as u64;
        }
        if t >= t_end {
            break;
        }
        let mut evs: [libc::epoll_event; 256] = unsafe { std::mem::zeroed() };
        let k = cx.ep.wait(&mut evs, 20);
        for e in &evs[..k] {
            let (ev, tok) = (e.events as i32, e.u64);
            let (i, is_post) = ((tok >> 1) as usize, tok & 1 == 1);
            let c = &mut cl[i];
            let fd = if is_post { c.post } else { c.get };
            if ev & libc::EPOLLOUT != 0 {
                cx.ep.set(fd, false, tok);
                if !is_post {
                    get(c, &cx);
                }
            }
            if ev & (libc::EPOLLIN | libc::EPOLLHUP | libc::EPOLLERR) != 0 {
                let r = recv(fd, &mut buf);
                if r <= 0 {
                    if r < 0 && again() {
                        continue;
                    }
                    dead += 1;
                    cx.ep.set(fd, false, tok);
                    unsafe { libc::close(fd) };
                    continue;
                }
                let rb = if is_post { &mut c.prb } else { &mut c.grb };
                rb.extend_from_slice(&buf[..r as usize]);
                while let Some((st, body, used)) = response(if is_post { &c.prb } else { &c.grb }) {
                    if is_post {
                        c.prb.drain(..used);
                        on_post(c, &mut cx, st);
                    } else {
                        c.grb.drain(..used);
                        on_get(c, &mut cx, st, &body);
                    }
                }
            }
        }
    }
    let p1 = probe(pid);
    let (rss, pss) = mem(pid);
    println!(
        "{{{},{},\"rss_kib\":{},\"pss_kib\":{},\"errors\":{},\"bad\":{},\"conns\":{}}}",
        probe_json(p0.as_ref().unwrap(), &p1, cx.units),
        lat_json(&mut cx.lat),
        rss,
        pss,
        dead,
        cx.bad,
        n
    );
}
