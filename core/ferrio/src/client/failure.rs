//! Why a client is not connected.

use std::io;

use ferrio_protocol::engine::Transport;
use serde_json::Value;

/// Why a connection was not made, or a namespace not joined.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Failure {
    /// The URL leads nowhere.
    #[error("{url:?} is not the URL of a server: {why}")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A header's name or value is none.
    #[error("{name:?} is no header, or its value cannot be one")]
    Header {
        /// Its name.
        name: String,
    },
    /// A connection has one client in a namespace.
    #[error("there is a client in {namespace} already")]
    Taken {
        /// Which.
        namespace: String,
    },
    /// The name of the host is unknown, or nobody answers there.
    #[error("cannot reach {host}: {why}")]
    Unreachable {
        /// Host and port.
        host: String,
        /// What the operating system says.
        why: String,
    },
    /// The proxy is unknown, or does not want to lead there.
    #[error("the proxy {proxy} does not lead to {host}: {why}")]
    Proxy {
        /// Host and port of the proxy.
        proxy: String,
        /// Host and port of the server.
        host: String,
        /// What the proxy said, or the operating system.
        why: String,
    },
    /// No TLS with this server: its certificate, most often.
    #[error("no TLS with {host}: {why}")]
    Tls {
        /// Host and port.
        host: String,
        /// What is wrong.
        why: String,
    },
    /// An answer that a Socket.IO server gives to nobody whom it lets in.
    #[error("{} error: the server answered with status {status}{}", .transport.as_str(), said(.body))]
    Status {
        /// What was tried.
        transport: Transport,
        /// Of the answer. A redirection (3xx) is not followed: the server that was named is the server that is meant.
        status: u16,
        /// The beginning of its body.
        body: String,
    },
    /// The transport broke, or what came over it is not Engine.IO.
    #[error("{} error: {why}", .transport.as_str())]
    Transport {
        /// Which.
        transport: Transport,
        /// What happened.
        why: String,
    },
    /// It took too long.
    #[error("timeout")]
    Timeout,
    /// The server does not let us into the namespace: a middleware of it refuses, or there is none of this name.
    #[error("{message}")]
    Refused {
        /// The server's words.
        message: String,
        /// What came with them.
        data: Option<Value>,
    },
    /// The program gave no auth for the namespace: its function failed.
    #[error("no auth: {why}")]
    Auth {
        /// What happened.
        why: String,
    },
    /// The client was disconnected before it was connected.
    #[error("the client was disconnected")]
    Disconnected,
}

impl Failure {
    pub(super) fn unreachable(host: impl Into<String>, error: &io::Error) -> Self {
        Self::Unreachable { host: host.into(), why: error.to_string() }
    }

    pub(super) fn transport(transport: Transport, why: impl Into<String>) -> Self {
        Self::Transport { transport, why: why.into() }
    }

    /// From a CONNECT_ERROR: an object with `message` (and `data`) from Node, or a text from Python.
    pub(super) fn refused(json: &str) -> Self {
        match serde_json::from_str(json) {
            Ok(Value::String(message)) => Self::Refused { message, data: None },
            Ok(Value::Object(mut object)) => {
                let message = match object.remove("message") {
                    Some(Value::String(message)) => message,
                    Some(other) => other.to_string(),
                    None => String::new(),
                };
                Self::Refused { message, data: object.remove("data") }
            }
            Ok(other) => Self::Refused { message: other.to_string(), data: Some(other) },
            Err(_) => Self::Refused { message: json.to_owned(), data: None },
        }
    }
}

fn said(body: &str) -> String {
    if body.is_empty() { String::new() } else { format!(": {body}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn refusals_of_both_originals() {
        let refused = |message: &str, data| Failure::Refused { message: message.into(), data };
        let node = Failure::refused(r#"{"message":"no","data":{"code":1}}"#);
        assert_eq!(node, refused("no", Some(json!({"code": 1}))));
        assert_eq!(Failure::refused(r#""Unable to connect""#), refused("Unable to connect", None));
        assert_eq!(Failure::refused("{}"), refused("", None));
        assert_eq!(Failure::refused("[1]"), refused("[1]", Some(json!([1]))));
    }

    #[test]
    fn a_status_is_told_with_what_was_said() {
        let failure = |body: &str| Failure::Status { transport: Transport::Polling, status: 404, body: body.into() };
        assert_eq!(failure("").to_string(), "polling error: the server answered with status 404");
        assert_eq!(failure("gone").to_string(), "polling error: the server answered with status 404: gone");
    }
}
