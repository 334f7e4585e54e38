//! Arguments, clock, /proc readings, latency summary, socket helpers.
use std::collections::HashMap;
use std::fs;

pub struct Args(pub HashMap<String, String>);
impl Args {
    pub fn parse(v: &[String]) -> Args {
        let mut m = HashMap::new();
        let mut i = 0;
        while i < v.len() {
            let k = v[i].trim_start_matches("--").to_string();
            if i + 1 < v.len() && !v[i + 1].starts_with("--") {
                m.insert(k, v[i + 1].clone());
                i += 2;
            } else {
                m.insert(k, "1".into());
                i += 1;
            }
        }
        Args(m)
    }
    pub fn num<T: std::str::FromStr>(&self, k: &str, d: T) -> T {
        self.0.get(k).and_then(|s| s.parse().ok()).unwrap_or(d)
    }
    pub fn str<'a>(&'a self, k: &str, d: &'a str) -> &'a str {
        self.0.get(k).map(|s| s.as_str()).unwrap_or(d)
    }
    pub fn flag(&self, k: &str) -> bool {
        self.0.contains_key(k)
    }
}

pub fn now() -> u64 {
    let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut t) };
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

fn stat_fields(pid: i32) -> Option<Vec<u64>> {
    stat_of(&format!("/proc/{pid}/stat"))
}

fn stat_of(path: &str) -> Option<Vec<u64>> {
    let s = fs::read_to_string(path).ok()?;
    let r = &s[s.rfind(')')? + 2..];
    Some(r.split(' ').map(|x| x.trim().parse::<i64>().unwrap_or(0) as u64).collect())
}

/// pid and all its descendants
pub fn tree(pid: i32) -> Vec<i32> {
    let mut par: Vec<(i32, i32)> = vec![];
    if let Ok(d) = fs::read_dir("/proc") {
        for e in d.flatten() {
            if let Ok(p) = e.file_name().to_string_lossy().parse::<i32>()
                && let Some(f) = stat_fields(p)
            {
                par.push((p, f[1] as i32));
            }
        }
    }
    let mut out = vec![pid];
    let mut i = 0;
    while i < out.len() {
        let p = out[i];
        out.extend(par.iter().filter(|x| x.1 == p).map(|x| x.0));
        i += 1;
    }
    out
}

#[derive(Clone, Copy, Default, Debug)]
pub struct Cpu {
    pub user: f64,
    pub sys: f64,
}
impl Cpu {
    pub fn total(&self) -> f64 {
        self.user + self.sys
    }
    pub fn sub(&self, o: &Cpu) -> Cpu {
        Cpu { user: self.user - o.user, sys: self.sys - o.sys }
    }
}

/// user + sys seconds of the process tree (all threads; /proc/PID/stat sums them)
pub fn cpu(pid: i32) -> Cpu {
    let mut c = Cpu::default();
    if pid <= 0 {
        return c;
    }
    for p in tree(pid) {
        if let Some(f) = stat_fields(p) {
            c.user += f[11] as f64 / 100.0;
            c.sys += f[12] as f64 / 100.0;
        }
    }
    c
}

/// user + sys seconds of the first thread of the process: the host's own thread in Node and Python.
fn main_thread(pid: i32) -> f64 {
    let stat = if pid > 0 { stat_of(&format!("/proc/{pid}/task/{pid}/stat")) } else { None };
    stat.map_or(0.0, |f| (f[11] + f[12]) as f64 / 100.0)
}

/// (rss_kib, pss_kib) of the process tree
pub fn mem(pid: i32) -> (u64, u64) {
    let (mut r, mut p) = (0, 0);
    if pid <= 0 {
        return (0, 0);
    }
    for q in tree(pid) {
        if let Ok(s) = fs::read_to_string(format!("/proc/{q}/smaps_rollup")) {
            for l in s.lines() {
                let n = || l.split_whitespace().nth(1).and_then(|x| x.parse::<u64>().ok()).unwrap_or(0);
                if l.starts_with("Rss:") {
                    r += n();
                } else if l.starts_with("Pss:") {
                    p += n();
                }
            }
        }
    }
    (r, p)
}

/// whole-machine (busy incl. irq/softirq, softirq only, steal) seconds
pub fn machine() -> (f64, f64, f64) {
    let s = fs::read_to_string("/proc/stat").unwrap_or_default();
    let f: Vec<f64> =
        s.lines().next().unwrap_or("").split_whitespace().skip(1).map(|x| x.parse().unwrap_or(0.0)).collect();
    if f.len() < 8 {
        return (0.0, 0.0, 0.0);
    }
    ((f[0] + f[1] + f[2] + f[5] + f[6]) / 100.0, f[6] / 100.0, f[7] / 100.0)
}

/// Readings at the two ends of a measured window.
pub struct Probe {
    pub t: u64,
    pub srv: Cpu,
    pub main: f64,
    pub me: Cpu,
    pub mach: (f64, f64, f64),
}
pub fn probe(pid: i32) -> Probe {
    let me = std::process::id() as i32;
    let f = stat_fields(me).unwrap_or_default();
    let mut c = Cpu::default();
    if f.len() > 12 {
        c = Cpu { user: f[11] as f64 / 100.0, sys: f[12] as f64 / 100.0 };
    }
    Probe { t: now(), srv: cpu(pid), main: main_thread(pid), me: c, mach: machine() }
}
pub fn probe_json(a: &Probe, b: &Probe, units: u64) -> String {
    let s = b.srv.sub(&a.srv);
    let m = b.me.sub(&a.me);
    let wall = (b.t - a.t) as f64 / 1e9;
    let other = (b.mach.0 - a.mach.0) - s.total() - m.total();
    format!(
        "\"wall_s\":{:.3},\"units\":{},\"per_s\":{:.1},\"srv_user_s\":{:.2},\"srv_sys_s\":{:.2},\"srv_cpu_pct\":{:.1},\"cpu_us_per_unit\":{:.3},\"main_us_per_unit\":{:.3},\"gen_cpu_pct\":{:.1},\"other_cpu_pct\":{:.1},\"steal_pct\":{:.1}",
        wall,
        units,
        units as f64 / wall,
        s.user,
        s.sys,
        100.0 * s.total() / wall,
        if units > 0 { 1e6 * s.total() / units as f64 } else { 0.0 },
        if units > 0 { 1e6 * (b.main - a.main) / units as f64 } else { 0.0 },
        100.0 * m.total() / wall,
        100.0 * other / wall,
        100.0 * (b.mach.2 - a.mach.2) / wall
    )
}

/// latency samples in ns -> "p50_us":..,"p99_us":..,"p999_us":..
pub fn lat_json(v: &mut [u32]) -> String {
    v.sort_unstable();
    let q = |p: f64| if v.is_empty() { 0.0 } else { v[((v.len() - 1) as f64 * p) as usize] as f64 / 1000.0 };
    format!("\"p50_us\":{:.1},\"p99_us\":{:.1},\"p999_us\":{:.1},\"max_us\":{:.1}", q(0.5), q(0.99), q(0.999), q(1.0))
}

pub fn find(h: &[u8], n: &[u8]) -> Option<usize> {
    h.windows(n.len()).position(|w| w == n)
}

/// Non-blocking connect to 127.0.0.1:port from source address 127.0.0.(2 + i % 60)
pub fn connect(port: u16, i: usize) -> i32 {
    unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0);
        if fd < 0 {
            panic!("socket: {}", std::io::Error::last_os_error());
        }
        let one: i32 = 1;
        let sz = std::mem::size_of::<i32>() as u32;
        libc::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, &one as *const _ as *const _, sz);
        // choose the port at connect time, so that source ports are per 4-tuple
        libc::setsockopt(fd, libc::IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &one as *const _ as *const _, sz);
        let mk = |last: u8, port: u16| libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: port.to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, last]) },
            sin_zero: [0; 8],
        };
        let src = mk(2 + (i % 60) as u8, 0);
        let l = std::mem::size_of::<libc::sockaddr_in>() as u32;
        libc::bind(fd, &src as *const _ as *const _, l);
        let dst = mk(1, port);
        let r = libc::connect(fd, &dst as *const _ as *const _, l);
        if r < 0 && *libc::__errno_location() != libc::EINPROGRESS {
            panic!("connect: {}", std::io::Error::last_os_error());
        }
        fd
    }
}

pub struct Epoll(pub i32);
impl Epoll {
    pub fn new() -> Epoll {
        Epoll(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })
    }
    fn ctl(&self, op: i32, fd: i32, ev: i32, tok: u64) {
        let mut e = libc::epoll_event { events: ev as u32, u64: tok };
        unsafe { libc::epoll_ctl(self.0, op, fd, &mut e) };
    }
    pub fn add(&self, fd: i32, out: bool, tok: u64) {
        self.ctl(libc::EPOLL_CTL_ADD, fd, if out { libc::EPOLLOUT | libc::EPOLLIN } else { libc::EPOLLIN }, tok)
    }
    pub fn set(&self, fd: i32, out: bool, tok: u64) {
        self.ctl(libc::EPOLL_CTL_MOD, fd, if out { libc::EPOLLOUT | libc::EPOLLIN } else { libc::EPOLLIN }, tok)
    }
    pub fn forget(&self, fd: i32) {
        self.ctl(libc::EPOLL_CTL_DEL, fd, 0, 0)
    }
    pub fn wait(&self, evs: &mut [libc::epoll_event], ms: i32) -> usize {
        let n = unsafe { libc::epoll_wait(self.0, evs.as_mut_ptr(), evs.len() as i32, ms) };
        if n < 0 { 0 } else { n as usize }
    }
}

/// Send what is in wb; true when all went out.
pub fn flush(fd: i32, wb: &mut Vec<u8>) -> Result<bool, ()> {
    let mut off = 0;
    while off < wb.len() {
        let n = unsafe { libc::send(fd, wb[off..].as_ptr() as *const _, wb.len() - off, libc::MSG_NOSIGNAL) };
        if n < 0 {
            let e = unsafe { *libc::__errno_location() };
            if e == libc::EAGAIN {
                wb.drain(..off);
                return Ok(false);
            }
            return Err(());
        }
        off += n as usize;
    }
    wb.clear();
    Ok(true)
}

pub fn recv(fd: i32, buf: &mut [u8]) -> isize {
    unsafe { libc::recv(fd, buf.as_mut_ptr() as *mut _, buf.len(), 0) }
}
pub fn again() -> bool {
    unsafe { *libc::__errno_location() == libc::EAGAIN }
}

/// Closes with RST, so that no TIME_WAIT is left behind.
pub fn reset(fd: i32) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let size = std::mem::size_of::<libc::linger>() as u32;
    unsafe {
        libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_LINGER, &linger as *const _ as *const _, size);
        libc::close(fd);
    }
}
