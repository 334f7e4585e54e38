//! WebSocket scenarios: echo, ack, fanout, idle. One thread, one epoll.
use crate::payload::*;
use crate::util::*;
use std::collections::VecDeque;

#[derive(PartialEq, Clone, Copy, Debug)]
enum Phase {
    Tcp,
    Http,
    Eio,
    Sio,
    Ready,
    Dead,
}
#[derive(PartialEq, Clone, Copy)]
pub enum Mode {
    Echo,
    Ack,
    Fanout,
    /// As many senders as rooms, each speaking to its own.
    Rooms,
    Idle,
    /// Connections that only come and go.
    Storm,
}

pub struct Conn {
    fd: i32,
    index: usize,
    phase: Phase,
    born: u64,
    rb: Vec<u8>,
    wb: Vec<u8>,
    sent: VecDeque<u64>,
    next_id: u64,
    seen: u64,
    sender: bool,
    joined: bool,
}

pub struct Ctx {
    mode: Mode,
    nsp: String, // "" or "/x,"
    port: u16,
    window: usize,
    binary: bool,
    payload: String,
    tmpl: Vec<u8>,   // echo / bcast frame(s), masked
    expect: Vec<u8>, // prefix of the reply
    reply_len: usize,
    going: bool, // keep the loop closed
    measuring: bool,
    units: u64,
    lat: Vec<u32>,
    ready: usize,
    joined: usize,
    errors: u64,
    bad: u64,
    // fanout
    n: usize,
    bsent: Vec<u64>,
    bdone: Vec<u32>,
    bcomplete: u64,
    // rooms: when each was last spoken to, who has heard it, and which are to be spoken to again
    size: usize,
    rsent: Vec<u64>,
    rdone: Vec<usize>,
    rnext: Vec<usize>,
    // storm: connections that are ready, and how long each took
    came: Vec<usize>,
}

pub struct Load {
    ep: Epoll,
    conns: Vec<Conn>,
    cx: Ctx,
    buf: Vec<u8>,
}

impl Load {
    fn open(&mut self) {
        let i = self.conns.len();
        let fd = connect(self.cx.port, i);
        self.ep.add(fd, true, i as u64);
        self.conns.push(Conn {
            fd,
            index: i,
            phase: Phase::Tcp,
            born: now(),
            rb: vec![],
            wb: vec![],
            sent: VecDeque::new(),
            next_id: 0,
            seen: 0,
            sender: false,
            joined: false,
        });
    }

    fn kill(&mut self, i: usize) {
        let c = &mut self.conns[i];
        if c.phase != Phase::Dead {
            unsafe { libc::close(c.fd) };
            c.phase = Phase::Dead;
            self.cx.errors += 1;
        }
    }

    fn out(&mut self, i: usize) {
        let c = &mut self.conns[i];
        if c.phase == Phase::Dead || c.wb.is_empty() {
            return;
        }
        match flush(c.fd, &mut c.wb) {
            Ok(true) => {}
            Ok(false) => self.ep.set(c.fd, true, i as u64),
            Err(()) => self.kill(i),
        }
    }

    /// one pass over the ready events
    fn turn(&mut self, ms: i32) {
        let mut evs: [libc::epoll_event; 256] = unsafe { std::mem::zeroed() };
        let n = self.ep.wait(&mut evs, ms);
        for e in &evs[..n] {
            let (ev, i) = (e.events as i32, e.u64 as usize);
            if self.conns[i].phase == Phase::Dead {
                continue;
            }
            if ev & libc::EPOLLOUT != 0 {
                let c = &mut self.conns[i];
                if c.phase == Phase::Tcp {
                    c.phase = Phase::Http;
                    let path = "/socket.io/?EIO=4&transport=websocket";
                    c.wb.extend_from_slice(
                        format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", self.cx.port).as_bytes(),
                    );
                }
                self.ep.set(c.fd, false, i as u64);
                self.out(i);
            }
            if ev & (libc::EPOLLIN | libc::EPOLLHUP | libc::EPOLLERR) != 0 {
                self.readable(i);
            }
        }
        match self.cx.mode {
            Mode::Fanout if self.cx.going => self.pump_sender(),
            Mode::Rooms => self.pump_rooms(),
            Mode::Storm => self.close_those_that_came(),
            _ => {}
        }
    }

    /// Every room whose members have all heard the last message hears the next.
    fn pump_rooms(&mut self) {
        for room in std::mem::take(&mut self.cx.rnext) {
            if !self.cx.going {
                continue;
            }
            let sender = room * self.cx.size;
            self.cx.rsent[room] = now();
            self.cx.rdone[room] = 0;
            let text = format!("42{}[\"say\",\"r{room}\",{}]", self.cx.nsp, self.cx.payload);
            frame(&mut self.conns[sender].wb, 1, text.as_bytes());
            self.out(sender);
        }
    }

    /// One that is ready leaves, and another comes.
    fn close_those_that_came(&mut self) {
        for i in std::mem::take(&mut self.cx.came) {
            let c = &mut self.conns[i];
            if c.phase == Phase::Dead {
                continue;
            }
            reset(c.fd);
            c.phase = Phase::Dead;
            if self.cx.measuring {
                self.cx.units += 1;
                self.cx.lat.push((now() - c.born).min(u32::MAX as u64) as u32);
            }
            if self.cx.going {
                self.open();
            }
        }
    }

    fn pump_sender(&mut self) {
        let i = self.conns.len() - 1;
        let c = &mut self.conns[i];
        if !c.sender {
            return;
        }
        let mut any = false;
        while (self.cx.bsent.len() as u64) < self.cx.bcomplete + self.cx.window as u64 {
            self.cx.bsent.push(now());
            self.cx.bdone.push(0);
            c.wb.extend_from_slice(&self.cx.tmpl);
            any = true;
        }
        if any {
            self.out(i);
        }
    }

    fn readable(&mut self, i: usize) {
        let c = &mut self.conns[i];
        let n = recv(c.fd, &mut self.buf);
        if n <= 0 {
            if n < 0 && again() {
                return;
            }
            self.kill(i);
            return;
        }
        let n = n as usize;
        let t = now();
        let ok = if c.rb.is_empty() {
            match eat(c, &mut self.cx, &self.buf[..n], t) {
                Some(used) => {
                    if used < n {
                        c.rb.extend_from_slice(&self.buf[used..n]);
                    }
                    true
                }
                None => false,
            }
        } else {
            let mut rb = std::mem::take(&mut c.rb);
            rb.extend_from_slice(&self.buf[..n]);
            match eat(c, &mut self.cx, &rb, t) {
                Some(used) => {
                    rb.drain(..used);
                    c.rb = rb;
                    true
                }
                None => false,
            }
        };
        if ok { self.out(i) } else { self.kill(i) }
    }

    fn open_all(&mut self, n: usize, ramp: usize, limit_s: u64) {
        let end = now() + limit_s * 1_000_000_000;
        let goal = self.cx.ready + n;
        let base = self.cx.ready + self.cx.errors as usize;
        let mut opened = 0;
        while self.cx.ready < goal && now() < end && self.cx.errors == 0 {
            while opened < n && opened - (self.cx.ready + self.cx.errors as usize - base) < ramp {
                self.open();
                opened += 1;
            }
            self.turn(20);
        }
        if self.cx.ready < goal {
            eprintln!("open: only {} of {} ready, {} errors", self.cx.ready, goal, self.cx.errors);
            println!(
                "{{\"error\":\"open\",\"ready\":{},\"goal\":{},\"errors\":{}}}",
                self.cx.ready, goal, self.cx.errors
            );
            std::process::exit(3);
        }
    }

    /// Sends everybody into a room, and waits until they are in it.
    fn join(&mut self, n: usize, text: impl Fn(usize) -> String) {
        for i in 0..n {
            frame(&mut self.conns[i].wb, 1, text(i).as_bytes());
            self.out(i);
            if i % 64 == 63 {
                self.turn(1);
            }
        }
        let end = now() + 20_000_000_000;
        while self.cx.joined < n && now() < end {
            self.turn(20);
        }
        if self.cx.joined < n {
            println!("{{\"error\":\"join\",\"joined\":{}}}", self.cx.joined);
            std::process::exit(3);
        }
    }

    fn spin(&mut self, secs: f64) {
        let end = now() + (secs * 1e9) as u64;
        loop {
            let t = now();
            if t >= end {
                break;
            }
            self.turn((((end - t) / 1_000_000) as i32).clamp(1, 50));
        }
    }
}

/// Fill a connection's window from the start.
fn kick(c: &mut Conn, cx: &Ctx) {
    for _ in 0..cx.window {
        send_one(c, cx, now());
    }
}
fn send_one(c: &mut Conn, cx: &Ctx, t: u64) {
    c.sent.push_back(t);
    if cx.mode == Mode::Ack {
        let s = format!("42{}{}[\"ack\",{}]", cx.nsp, c.next_id, cx.payload);
        c.next_id += 1;
        frame(&mut c.wb, 1, s.as_bytes());
    } else {
        c.wb.extend_from_slice(&cx.tmpl);
    }
}

/// Parse as much as is complete; bytes used, or None on a fatal error.
fn eat(c: &mut Conn, cx: &mut Ctx, d: &[u8], t: u64) -> Option<usize> {
    let mut p = 0;
    if c.phase == Phase::Http {
        let Some(e) = find(d, b"\r\n\r\n") else { return Some(0) };
        if !d.starts_with(b"HTTP/1.1 101") {
            eprintln!("upgrade refused: {}", String::from_utf8_lossy(&d[..d.len().min(300)]));
            return None;
        }
        p = e + 4;
        c.phase = Phase::Eio;
    }
    loop {
        let r = &d[p..];
        if r.len() < 2 {
            return Some(p);
        }
        let (op, l7) = (r[0] & 15, (r[1] & 127) as usize);
        if r[0] & 0x80 == 0 || r[1] & 0x80 != 0 {
            eprintln!("fragmented or masked frame from server");
            return None;
        }
        let (h, len) = match l7 {
            126 => {
                if r.len() < 4 {
                    return Some(p);
                }
                (4, u16::from_be_bytes([r[2], r[3]]) as usize)
            }
            127 => {
                if r.len() < 10 {
                    return Some(p);
                }
                (10, u64::from_be_bytes(r[2..10].try_into().unwrap()) as usize)
            }
            n => (2, n),
        };
        if r.len() < h + len {
            return Some(p);
        }
        let m = &r[h..h + len];
        p += h + len;
        match op {
            1 | 2 => message(c, cx, op, m, t),
            9 => frame(&mut c.wb, 10, m),
            8 => {
                eprintln!("close frame {:?}", m);
                return None;
            }
            _ => {}
        }
    }
}

fn message(c: &mut Conn, cx: &mut Ctx, op: u8, m: &[u8], t: u64) {
    if c.phase != Phase::Ready {
        if c.phase == Phase::Eio && m.starts_with(b"0{") {
            c.phase = Phase::Sio;
            let s = if cx.nsp.is_empty() { "40".to_string() } else { format!("40{}", cx.nsp) };
            frame(&mut c.wb, 1, s.as_bytes());
        } else if c.phase == Phase::Sio && m.starts_with(b"40") {
            c.phase = Phase::Ready;
            cx.ready += 1;
            if cx.mode == Mode::Storm {
                cx.came.push(c.index);
            }
        } else if m == b"2" {
            frame(&mut c.wb, 1, b"3");
        } else {
            eprintln!("unexpected in handshake: {}", String::from_utf8_lossy(m));
            cx.bad += 1;
        }
        return;
    }
    if op == 1 && m == b"2" {
        frame(&mut c.wb, 1, b"3");
        return;
    }
    match cx.mode {
        Mode::Echo | Mode::Ack => {
            if cx.binary && op == 1 {
                if !m.starts_with(&cx.expect) {
                    cx.bad += 1;
                }
                return; // header of a binary event; the attachment counts
            }
            let good = if cx.binary {
                op == 2 && m.len() == cx.reply_len
            } else {
                m.starts_with(&cx.expect) && (cx.mode == Mode::Ack || m.len() == cx.reply_len)
            };
            if !good {
                if cx.bad < 3 {
                    eprintln!("bad reply ({} bytes): {}", m.len(), String::from_utf8_lossy(&m[..m.len().min(200)]));
                }
                cx.bad += 1;
            }
            if let Some(s) = c.sent.pop_front() {
                if cx.measuring {
                    cx.units += 1;
                    cx.lat.push((t - s).min(u32::MAX as u64) as u32);
                }
                if cx.going {
                    send_one(c, cx, t);
                }
            } else {
                cx.bad += 1;
            }
        }
        Mode::Fanout => {
            if m.starts_with(&cx.expect) {
                let k = c.seen as usize;
                c.seen += 1;
                if k >= cx.bsent.len() {
                    cx.bad += 1;
                    return;
                }
                if cx.measuring {
                    cx.units += 1;
                    cx.lat.push((t - cx.bsent[k]).min(u32::MAX as u64) as u32);
                }
                cx.bdone[k] += 1;
                if cx.bdone[k] as usize == cx.n {
                    cx.bcomplete += 1;
                }
            } else if m.starts_with(b"43") {
                if !c.joined {
                    c.joined = true;
                    cx.joined += 1;
                }
            } else {
                cx.bad += 1;
            }
        }
        Mode::Rooms => {
            if m.starts_with(b"43") {
                cx.joined += usize::from(!std::mem::replace(&mut c.joined, true));
            } else if m.starts_with(&cx.expect) {
                let room = c.index / cx.size;
                if cx.measuring {
                    cx.units += 1;
                    cx.lat.push((t - cx.rsent[room]).min(u32::MAX as u64) as u32);
                }
                cx.rdone[room] += 1;
                if cx.rdone[room] == cx.size {
                    cx.rnext.push(room);
                }
            } else {
                cx.bad += 1;
            }
        }
        Mode::Idle | Mode::Storm => {}
    }
}

pub fn run(mode: Mode, a: &Args) {
    let port: u16 = a.num("port", 3000);
    let pid: i32 = a.num("pid", 0);
    let n: usize = a.num("n", 50);
    let kind = a.str("payload", "small");
    let nsp = a.str("nsp", "/");
    let nsp = if nsp == "/" { String::new() } else { format!("{nsp},") };
    let binary = kind == "binary" && mode == Mode::Echo;
    let payload = match kind {
        "small" => small(),
        "medium" => medium(),
        _ => small(),
    };
    let ev = if matches!(mode, Mode::Fanout | Mode::Rooms) { "bcast" } else { "echo" };
    let size: usize = a.num("size", 16);
    let slow: usize = a.num("slow", 0);
    let mut tmpl = vec![];
    let expect;
    let reply_len;
    if binary {
        let h = format!("451-{nsp}[\"echo\",{{\"_placeholder\":true,\"num\":0}}]");
        frame(&mut tmpl, 1, h.as_bytes());
        frame(&mut tmpl, 2, &binary_payload());
        expect = format!("451-{nsp}[\"echo\",").into_bytes();
        reply_len = 1024;
    } else {
        let s = format!("42{nsp}[\"{ev}\",{payload}]");
        frame(&mut tmpl, 1, s.as_bytes());
        reply_len = s.len();
        expect =
            if mode == Mode::Ack { format!("43{nsp}").into_bytes() } else { format!("42{nsp}[\"{ev}\",").into_bytes() };
    }
    let mut l = Load {
        ep: Epoll::new(),
        conns: vec![],
        buf: vec![0; 1 << 18],
        cx: Ctx {
            mode,
            nsp: nsp.clone(),
            port,
            window: a.num("window", if mode == Mode::Fanout { 4 } else { 1 }),
            binary,
            payload,
            tmpl,
            expect,
            reply_len,
            going: false,
            measuring: false,
            units: 0,
            lat: Vec::with_capacity(1 << 20),
            ready: 0,
            joined: 0,
            errors: 0,
            bad: 0,
            n,
            bsent: vec![],
            bdone: vec![],
            bcomplete: 0,
            size,
            rsent: vec![0; n / size + 1],
            rdone: vec![0; n / size + 1],
            rnext: vec![],
            came: vec![],
        },
    };
    let warm: f64 = a.num("warm", 1.0);
    let secs: f64 = a.num("secs", 4.0);
    let ramp: usize = a.num("ramp", 64);

    if mode == Mode::Idle {
        return idle(l, n, pid, ramp, a);
    }
    if mode == Mode::Storm {
        l.cx.going = true;
        for _ in 0..n {
            l.open();
        }
    } else {
        l.open_all(n, ramp, 60);
    }
    if mode == Mode::Rooms {
        l.join(n, |i| format!("42{nsp}0[\"join\",\"r{}\"]", i / size));
        l.cx.going = true;
        l.cx.rnext = (0..n / size).collect();
        l.pump_rooms();
    } else if mode == Mode::Storm {
    } else if mode == Mode::Fanout {
        l.join(n, |_| format!("42{nsp}0[\"join\"]"));
        // Slow ones take nothing any more: the kernel's buffers fill, then the server's.
        for i in 0..slow {
            l.ep.forget(l.conns[i].fd);
        }
        l.cx.n = n - slow;
        l.open_all(1, 1, 10);
        let last = l.conns.len() - 1;
        l.conns[last].sender = true;
        l.cx.going = true;
        l.pump_sender();
    } else {
        l.cx.going = true;
        for i in 0..n {
            kick(&mut l.conns[i], &l.cx);
            l.out(i);
        }
    }
    l.spin(warm);
    l.cx.measuring = true;
    let p0 = probe(pid);
    l.spin(secs);
    let p1 = probe(pid);
    l.cx.measuring = false;
    l.cx.going = false;
    let (rss, pss) = mem(pid);
    l.spin(0.15); // let what is outstanding drain
    println!(
        "{{{},{},\"rss_kib\":{},\"pss_kib\":{},\"errors\":{},\"bad\":{},\"conns\":{},\"window\":{}}}",
        probe_json(&p0, &p1, l.cx.units),
        lat_json(&mut l.cx.lat),
        rss,
        pss,
        l.cx.errors,
        l.cx.bad,
        n,
        l.cx.window
    );
    finish(l);
}

fn binary_payload() -> Vec<u8> {
    crate::payload::binary()
}

fn finish(l: Load) {
    for c in &l.conns {
        if c.phase != Phase::Dead {
            reset(c.fd);
        }
    }
}

fn idle(mut l: Load, n: usize, pid: i32, ramp: usize, a: &Args) {
    // warm the code paths with 200 connections, close them, then take the baseline
    let wn = a.num("warmconns", 200usize);
    if wn > 0 {
        l.open_all(wn, ramp, 30);
        l.spin(0.3);
        for i in 0..wn {
            unsafe { libc::close(l.conns[i].fd) };
            l.conns[i].phase = Phase::Dead;
        }
        l.spin(1.0);
    }
    let (rss0, pss0) = mem(pid);
    let p0 = probe(pid);
    l.open_all(n, ramp, 120);
    let p1 = probe(pid);
    let settle: f64 = a.num("settle", 3.0);
    l.spin(settle);
    let (rss1, pss1) = mem(pid);
    // ask the server for a full collection, where it offers one, and read again once it has rested: what an engine gives back
    // to the system it gives back when nothing happens
    let (mut rss2, mut pss2) = (0, 0);
    if a.flag("gc") {
        let i = l.conns.len() - 1;
        frame(&mut l.conns[i].wb, 1, b"42[\"gc\"]");
        l.out(i);
        l.spin(a.num("rest", 30.0));
        let m = mem(pid);
        rss2 = m.0;
        pss2 = m.1;
    }
    let q0 = probe(pid);
    let hold: f64 = a.num("hold", 0.0);
    if hold > 0.0 {
        l.spin(hold);
    }
    let q1 = probe(pid);
    let per = |a: u64, b: u64| (b as f64 - a as f64) * 1024.0 / n as f64;
    println!(
        "{{{},\"rss0_kib\":{},\"rss1_kib\":{},\"pss0_kib\":{},\"pss1_kib\":{},\"rss_per_conn_b\":{:.0},\"pss_per_conn_b\":{:.0},\"rss_gc_kib\":{},\"pss_gc_per_conn_b\":{:.0},\"hold_s\":{:.1},\"hold_cpu_s\":{:.2},\"errors\":{},\"bad\":{},\"conns\":{}}}",
        probe_json(&p0, &p1, n as u64),
        rss0,
        rss1,
        pss0,
        pss1,
        per(rss0, rss1),
        per(pss0, pss1),
        rss2,
        if pss2 > 0 { per(pss0, pss2) } else { 0.0 },
        hold,
        q1.srv.total() - q0.srv.total(),
        l.cx.errors,
        l.cx.bad,
        n
    );
    finish(l);
}
