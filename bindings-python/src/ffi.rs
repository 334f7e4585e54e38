//! CPython calls that the limited API lacks, found at run time.
//!
//! The wheel is abi3, so that one file serves every CPython. Contexts and vectorcalls are outside the limited API, and what
//! it offers in their place costs more than the rest of a dispatch (1.9 us against 0.7 us an event). They are public,
//! exported functions, so they are looked up once by name; where one is missing the limited API's way is taken.

use std::ffi::{CStr, c_int};
use std::sync::OnceLock;

use pyo3::exceptions::PyStopIteration;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

type Object = *mut ffi::PyObject;

struct Functions {
    vectorcall: Option<unsafe extern "C" fn(Object, *const Object, usize, Object) -> Object>,
    context: Option<ContextFunctions>,
}

#[derive(Clone, Copy)]
struct ContextFunctions {
    copy: unsafe extern "C" fn(Object) -> Object,
    copy_current: unsafe extern "C" fn() -> Object,
    enter: unsafe extern "C" fn(Object) -> c_int,
    exit: unsafe extern "C" fn(Object) -> c_int,
}

/// How far one step of a coroutine went.
pub(crate) enum Step<'py> {
    /// It waits for what it yielded.
    Waits(Bound<'py, PyAny>),
    /// It returned.
    Returned(Bound<'py, PyAny>),
    /// It raised.
    Raised(PyErr),
}

/// Calls `callable` with positional arguments.
pub(crate) fn call<'py>(callable: &Bound<'py, PyAny>, args: &[Bound<'py, PyAny>]) -> PyResult<Bound<'py, PyAny>> {
    let py = callable.py();
    let Some(vectorcall) = functions().vectorcall else {
        return callable.call1(PyTuple::new(py, args)?);
    };
    // SAFETY: `Bound` is a non-null pointer to an object, so the slice is an array of such pointers, all alive during the
    // call. The result is a new reference, or null with the error set.
    unsafe {
        let result = vectorcall(callable.as_ptr(), args.as_ptr().cast(), args.len(), std::ptr::null_mut());
        Bound::from_owned_ptr_or_err(py, result)
    }
}

/// A copy of `context`, or of the current context.
pub(crate) fn copy_context<'py>(py: Python<'py>, context: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
    let Some(functions) = functions().context else {
        return match context {
            Some(context) => context.call_method0("copy"),
            None => py.import("contextvars")?.call_method0("copy_context"),
        };
    };
    // SAFETY: both return a new reference, or null with the error set; `context` is only ever a `contextvars.Context`.
    unsafe {
        let copy = match context {
            Some(context) => (functions.copy)(context.as_ptr()),
            None => (functions.copy_current)(),
        };
        Bound::from_owned_ptr_or_err(py, copy)
    }
}

/// Calls `callable` within `context`.
pub(crate) fn call_in<'py>(
    context: &Bound<'py, PyAny>,
    callable: &Bound<'py, PyAny>,
    args: &[Bound<'py, PyAny>],
) -> PyResult<Bound<'py, PyAny>> {
    match enter(context)? {
        Some(_entered) => call(callable, args),
        None => {
            let all = std::iter::once(callable).chain(args);
            context.getattr("run")?.call1(PyTuple::new(context.py(), all.collect::<Vec<_>>())?)
        }
    }
}

/// Runs `coroutine` to its next wait, within `context`.
pub(crate) fn send_in<'py>(context: &Bound<'py, PyAny>, coroutine: &Bound<'py, PyAny>) -> Step<'py> {
    let py = context.py();
    match enter(context) {
        Err(error) => Step::Raised(error),
        Ok(Some(_entered)) => {
            let mut result = std::ptr::null_mut();
            // SAFETY: `PyIter_Send` sets `result` to a new reference, or to null with the error set.
            unsafe {
                match ffi::PyIter_Send(coroutine.as_ptr(), ffi::Py_None(), &raw mut result) {
                    ffi::PySendResult::PYGEN_NEXT => Step::Waits(Bound::from_owned_ptr(py, result)),
                    ffi::PySendResult::PYGEN_RETURN => Step::Returned(Bound::from_owned_ptr(py, result)),
                    ffi::PySendResult::PYGEN_ERROR => Step::Raised(PyErr::fetch(py)),
                }
            }
        }
        Ok(None) => {
            step_of(py, coroutine.getattr("send").and_then(|send| context.call_method1("run", (send, py.None()))))
        }
    }
}

/// Throws `error` into `coroutine`, within `context`.
pub(crate) fn throw_in<'py>(
    context: &Bound<'py, PyAny>,
    coroutine: &Bound<'py, PyAny>,
    error: &Bound<'py, PyAny>,
) -> Step<'py> {
    let thrown = coroutine.getattr("throw").and_then(|throw| call_in(context, &throw, std::slice::from_ref(error)));
    step_of(context.py(), thrown)
}

/// References to `object`, comparable with an earlier count of the same object only.
pub(crate) fn reference_count(object: &Bound<'_, PyAny>) -> u32 {
    // SAFETY: the object is alive. Since 3.14 flags stand above the low 32 bits of the field.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) as u32 }
}

fn step_of<'py>(py: Python<'py>, result: PyResult<Bound<'py, PyAny>>) -> Step<'py> {
    match result {
        Ok(waits_for) => Step::Waits(waits_for),
        Err(error) if error.is_instance_of::<PyStopIteration>(py) => match error.value(py).getattr("value") {
            Ok(value) => Step::Returned(value),
            Err(error) => Step::Raised(error),
        },
        Err(error) => Step::Raised(error),
    }
}

/// Leaves the context at the end of its scope.
struct Entered<'a, 'py>(&'a Bound<'py, PyAny>, ContextFunctions);

impl Drop for Entered<'_, '_> {
    fn drop(&mut self) {
        // An error may be in flight, which `PyContext_Exit` would take for its own.
        // SAFETY: `enter` entered this context in this scope; nothing between the calls needs the error indicator.
        unsafe {
            let raised = PyErr::take(self.0.py());
            (self.1.exit)(self.0.as_ptr());
            if let Some(error) = raised {
                error.restore(self.0.py());
            }
        }
    }
}

/// `None` where only `Context.run` is there.
fn enter<'a, 'py>(context: &'a Bound<'py, PyAny>) -> PyResult<Option<Entered<'a, 'py>>> {
    let Some(functions) = functions().context else { return Ok(None) };
    // SAFETY: `context` is only ever a `contextvars.Context`.
    if unsafe { (functions.enter)(context.as_ptr()) } < 0 {
        return Err(PyErr::fetch(context.py()));
    }
    Ok(Some(Entered(context, functions)))
}

fn functions() -> &'static Functions {
    static FUNCTIONS: OnceLock<Functions> = OnceLock::new();
    FUNCTIONS.get_or_init(|| {
        // SAFETY: the names are those of CPython's functions, whose signatures have not changed since 3.8.
        unsafe {
            let context = (|| {
                Some(ContextFunctions {
                    copy: std::mem::transmute::<*const (), unsafe extern "C" fn(Object) -> Object>(symbol(
                        c"PyContext_Copy",
                    )?),
                    copy_current: std::mem::transmute::<*const (), unsafe extern "C" fn() -> Object>(symbol(
                        c"PyContext_CopyCurrent",
                    )?),
                    enter: std::mem::transmute::<*const (), unsafe extern "C" fn(Object) -> c_int>(symbol(
                        c"PyContext_Enter",
                    )?),
                    exit: std::mem::transmute::<*const (), unsafe extern "C" fn(Object) -> c_int>(symbol(
                        c"PyContext_Exit",
                    )?),
                })
            })();
            let vectorcall = symbol(c"PyObject_Vectorcall").map(|address| {
                std::mem::transmute::<*const (), unsafe extern "C" fn(Object, *const Object, usize, Object) -> Object>(
                    address,
                )
            });
            Functions { vectorcall, context }
        }
    })
}

/// `FERRIO_LIMITED_API=1` (read at the first call) takes the limited API's way, for the tests of it.
#[cfg(unix)]
fn symbol(name: &CStr) -> Option<*const ()> {
    if std::env::var_os("FERRIO_LIMITED_API").is_some_and(|value| value == "1") {
        return None;
    }
    // SAFETY: looking a name up has no side effect. The interpreter that loaded us exports its API to us.
    let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then_some(address.cast_const().cast())
}

#[cfg(not(unix))]
fn symbol(_name: &CStr) -> Option<*const ()> {
    None
}
