//! The errors a program may see thrown by the addon itself.

use ferrio_embed::StartError;
use napi::{Error, Status};

/// An engine that did not start: an option is wrong, or the system said no.
pub(crate) fn start(error: StartError) -> Error {
    let status = match error {
        StartError::Options(_) => Status::InvalidArg,
        StartError::Runtime(_) => Status::GenericFailure,
    };
    Error::new(status, format!("ferrio: {error}"))
}

/// No listener: the address is taken or none of ours, or the files of TLS are not as they should be.
pub(crate) fn listen(address: &str, error: &std::io::Error) -> Error {
    Error::new(Status::GenericFailure, format!("ferrio: cannot listen on {address}: {error}"))
}

/// The engine was told to go, and still used. `lib/engine.ts` does not.
pub(crate) fn disposed() -> Error {
    Error::new(Status::GenericFailure, "ferrio: the engine is closed")
}

/// Records that do not follow the layout. Only a mixture of versions writes such.
pub(crate) fn layout(what: &str) -> Error {
    Error::new(Status::InvalidArg, format!("ferrio: the JavaScript is not of the addon's version ({what})"))
}

/// A number of milliseconds that is no time.
pub(crate) fn time(ms: f64) -> Error {
    Error::new(Status::InvalidArg, format!("ferrio: {ms} is no time in ms"))
}
