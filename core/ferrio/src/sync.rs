//! What the outbound side stands on, or its loom twins (`tests/outbound_loom.rs`).

#[cfg(not(loom))]
pub(crate) use parking_lot::Mutex;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
#[cfg(not(loom))]
pub(crate) use tokio::net::TcpStream;
#[cfg(not(loom))]
pub(crate) use tokio::sync::Notify;

#[cfg(loom)]
pub(crate) use std::sync::atomic::Ordering;
#[cfg(loom)]
pub(crate) use twins::{AtomicBool, AtomicUsize, Mutex, Notify, TcpStream};

#[cfg(loom)]
mod twins {
    use std::io::{self, IoSlice};
    use std::sync::atomic::Ordering::{self, SeqCst};

    use loom::sync::atomic::{self, fence};

    /// loom takes `SeqCst` of an access for acquire and release; of fences it knows the meaning.
    fn in_one_order<R>(order: Ordering, access: impl FnOnce() -> R) -> R {
        assert_eq!(order, SeqCst, "the only one that is played");
        fence(SeqCst);
        let result = access();
        fence(SeqCst);
        result
    }

    #[derive(Default)]
    pub(crate) struct AtomicBool(atomic::AtomicBool);

    impl AtomicBool {
        pub(crate) fn load(&self, order: Ordering) -> bool {
            in_one_order(order, || self.0.load(order))
        }

        pub(crate) fn store(&self, value: bool, order: Ordering) {
            in_one_order(order, || self.0.store(value, order));
        }
    }

    #[derive(Default)]
    pub(crate) struct AtomicUsize(atomic::AtomicUsize);

    impl AtomicUsize {
        pub(crate) fn load(&self, order: Ordering) -> usize {
            in_one_order(order, || self.0.load(order))
        }

        pub(crate) fn fetch_add(&self, value: usize, order: Ordering) -> usize {
            in_one_order(order, || self.0.fetch_add(value, order))
        }

        pub(crate) fn fetch_sub(&self, value: usize, order: Ordering) -> usize {
            in_one_order(order, || self.0.fetch_sub(value, order))
        }
    }

    /// loom's mutex with parking_lot's face.
    #[derive(Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().expect("loom never poisons")
        }
    }

    /// loom's notification with tokio's face; who waits for it blocks.
    pub(crate) struct Notify(loom::sync::Notify);

    impl Notify {
        pub(crate) fn new() -> Self {
            Self(loom::sync::Notify::new())
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify();
        }

        pub(crate) fn wait(&self) {
            self.0.wait();
        }
    }

    /// A socket whose kernel has room for so many bytes.
    pub(crate) struct TcpStream(Mutex<Kernel>);

    struct Kernel {
        room: usize,
        taken: Vec<u8>,
    }

    impl TcpStream {
        pub(crate) fn with_room(room: usize) -> Self {
            Self(Mutex::new(Kernel { room, taken: Vec::new() }))
        }

        /// The peer has read.
        pub(crate) fn make_room(&self, bytes: usize) {
            self.0.lock().room += bytes;
        }

        pub(crate) fn is_writable(&self) -> bool {
            self.0.lock().room > 0
        }

        /// What was written so far.
        pub(crate) fn taken(&self) -> Vec<u8> {
            self.0.lock().taken.clone()
        }

        pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
            self.try_write_vectored(&[IoSlice::new(bytes)])
        }

        pub(crate) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let mut kernel = self.0.lock();
            if kernel.room == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(kernel.room).collect();
            kernel.room -= bytes.len();
            kernel.taken.extend_from_slice(&bytes);
            Ok(bytes.len())
        }
    }
}
