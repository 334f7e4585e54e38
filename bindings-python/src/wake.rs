//! Waking the host's loop. Engine threads write to a descriptor and never touch the interpreter: handing the GIL over costs
//! more than a message (12 us an event by `call_soon_threadsafe` against 1.2 in a batch), and a thread that holds it while
//! the interpreter ends crashes the process.

use std::io;
#[cfg(unix)]
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ferrio_embed::Wake;
use parking_lot::{Condvar, Mutex};

/// Rung by the engine, heard by the loop: through a descriptor that the loop watches, or, on a loop without `add_reader`,
/// through a Python thread that waits in [`Bell::wait`] and calls `call_soon_threadsafe`.
pub(crate) struct Bell {
    #[cfg(unix)]
    read: OwnedFd,
    /// The same descriptor for an eventfd.
    #[cfg(unix)]
    write: Option<OwnedFd>,
    waited_for: AtomicBool,
    rung: Mutex<Rung>,
    changed: Condvar,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rung {
    No,
    Yes,
    /// Nobody shall wait any more.
    Gone,
}

impl Bell {
    pub(crate) fn new() -> io::Result<Arc<Self>> {
        #[cfg(unix)]
        let (read, write) = descriptors()?;
        Ok(Arc::new(Self {
            #[cfg(unix)]
            read,
            #[cfg(unix)]
            write,
            waited_for: AtomicBool::new(false),
            rung: Mutex::new(Rung::No),
            changed: Condvar::new(),
        }))
    }

    /// What the loop watches.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<i32> {
        Some(self.read.as_raw_fd())
    }

    #[cfg(not(unix))]
    pub(crate) fn descriptor(&self) -> Option<i32> {
        None
    }

    /// From now on a thread waits: the descriptor is left alone.
    pub(crate) fn use_thread(&self) {
        self.waited_for.store(true, Ordering::Release);
    }

    /// Takes the ring back. Before draining: what is pushed later rings again.
    pub(crate) fn silence(&self) {
        #[cfg(unix)]
        if !self.waited_for.load(Ordering::Acquire) {
            let mut buffer = [0_u8; 64];
            // SAFETY: the buffer is ours and as long as said; the descriptor does not block.
            unsafe { libc::read(self.read.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) };
        }
    }

    /// Blocks until rung. False: nobody needs to wait any more.
    pub(crate) fn wait(&self) -> bool {
        let mut rung = self.rung.lock();
        while *rung == Rung::No {
            self.changed.wait(&mut rung);
        }
        let go_on = *rung == Rung::Yes;
        if go_on {
            *rung = Rung::No;
        }
        go_on
    }

    /// Ends a waiting thread; one that watches the descriptor hears it too.
    pub(crate) fn retire(&self) {
        *self.rung.lock() = Rung::Gone;
        self.changed.notify_all();
        self.write();
    }

    fn write(&self) {
        #[cfg(unix)]
        {
            let one = 1_u64.to_ne_bytes();
            let fd = self.write.as_ref().unwrap_or(&self.read).as_raw_fd();
            // A full pipe or counter is a ring that nobody has heard yet.
            // SAFETY: eight bytes of ours; the descriptor is open as long as `self` and does not block.
            unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) };
        }
    }
}

impl Wake for Bell {
    fn wake(&self) {
        if self.waited_for.load(Ordering::Acquire) {
            let mut rung = self.rung.lock();
            if *rung == Rung::No {
                *rung = Rung::Yes;
                self.changed.notify_one();
            }
            return;
        }
        self.write();
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn descriptors() -> io::Result<(OwnedFd, Option<OwnedFd>)> {
    // SAFETY: a new descriptor, or -1.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open and nobody else's.
    Ok((unsafe { OwnedFd::from_raw_fd(fd) }, None))
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
fn descriptors() -> io::Result<(OwnedFd, Option<OwnedFd>)> {
    let mut fds = [0; 2];
    // SAFETY: room for two descriptors.
    if unsafe { libc::pipe(fds.as_mut_ptr()) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: both are open and nobody else's.
    let (read, write) = unsafe { (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1])) };
    for fd in fds {
        // SAFETY: flags of descriptors that are open.
        let done = unsafe {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) >= 0
                && libc::fcntl(fd, libc::F_SETFL, libc::O_NONBLOCK) >= 0
        };
        if !done {
            return Err(io::Error::last_os_error());
        }
    }
    Ok((read, Some(write)))
}
