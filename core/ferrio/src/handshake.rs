//! What is known about a client from the beginning.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use ferrio_protocol::{Text, query};
use serde::de::DeserializeOwned;

use crate::error::Mismatch;
use crate::net::Head;

/// The HTTP request that opened a connection.
#[derive(Debug)]
pub struct Request {
    head: Head,
    query: OnceLock<Vec<(String, String)>>,
}

impl Request {
    pub(crate) fn new(head: Head) -> Self {
        Self { head, query: OnceLock::new() }
    }

    pub(crate) fn into_head(self) -> Head {
        self.head
    }

    /// Path and query, as they stood in the request.
    pub fn url(&self) -> &str {
        &self.head.target
    }

    /// The first header of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All headers, names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.head.headers.iter().map(|(name, value)| (name.as_ref(), value.as_str()))
    }

    /// A parameter of the query, decoded; of two the last counts.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query_pairs().rev().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// All parameters of the query, those of the protocol (`EIO`, `transport`, …) included.
    pub fn query_pairs(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        let pairs = self.query.get_or_init(|| {
            let query = self.url().split_once('?').map_or("", |(_, query)| query);
            let pairs = query::pairs(query.split('#').next().unwrap_or_default());
            pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
        });
        pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The client's address, as text; empty if unknown. Behind a proxy it is the proxy's.
    pub fn address(&self) -> &str {
        &self.head.remote
    }

    /// It came over TLS.
    pub fn is_secure(&self) -> bool {
        self.head.secure
    }

    /// It came from another origin than the server's own: a browser sent `Origin`.
    pub fn is_cross_origin(&self) -> bool {
        self.header("origin").is_some()
    }
}

/// How a client joined a namespace: the [`Request`] of its connection, and what it sent along as `auth`.
#[derive(Clone, Debug)]
pub struct Handshake {
    request: Arc<Request>,
    auth: Option<Text>,
    issued: SystemTime,
}

impl Handshake {
    pub(crate) fn new(request: Arc<Request>, auth: Option<Text>) -> Self {
        Self { request, auth, issued: SystemTime::now() }
    }

    /// What the client sent as `auth`; `{}` if it sent nothing.
    ///
    /// # Errors
    /// It is something else than a `T`.
    pub fn auth<T: DeserializeOwned>(&self) -> Result<T, Mismatch> {
        serde_json::from_str(self.auth_json()).map_err(|error| Mismatch::new(format_args!("auth: {error}")))
    }

    /// The same as JSON text.
    pub fn auth_json(&self) -> &str {
        self.auth.as_deref().unwrap_or("{}")
    }

    /// When it asked to join.
    pub fn issued(&self) -> SystemTime {
        self.issued
    }
}

impl std::ops::Deref for Handshake {
    type Target = Request;

    fn deref(&self) -> &Request {
        &self.request
    }
}
