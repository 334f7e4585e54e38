//! How the engine's threads wake Node's loop.

use ferrio_embed::Wake;
use napi::bindgen_prelude::*;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};

/// Not counted among what keeps a process alive (`Weak`): its sockets and servers do that. Unbounded queue: the engine wakes
/// at most once between two drains.
type WakeFunction = ThreadsafeFunction<(), (), (), Status, false, true>;

/// Calls a JavaScript function of no arguments from any thread.
pub(crate) struct JsWake(WakeFunction);

impl JsWake {
    pub(crate) fn new(function: &Function<'_, (), ()>) -> Result<Self> {
        let function = function.build_threadsafe_function::<()>().callee_handled::<false>().weak::<true>().build()?;
        Ok(Self(function))
    }
}

impl Wake for JsWake {
    fn wake(&self) {
        // Anything but `Ok` means that the environment is ending; there is nobody left to wake.
        self.0.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }
}
