//! Where a server is: from a URL to the parts that requests are made of.

use std::fmt::Write as _;

use http::Uri;
use http::uri::Authority;

use super::failure::Failure;

/// A server's endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) secure: bool,
    /// Name or address, without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// As the `Host` header has it: the port only where it is unusual.
    pub(super) authority: String,
    /// Of the URL's query, as it stood there.
    pub(super) query: String,
    /// The namespace that the URL's path names.
    pub(super) namespace: String,
}

impl Target {
    /// # Errors
    /// No `http`, `https`, `ws` or `wss` URL with a host.
    pub(super) fn parse(url: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| Failure::Url { url: url.to_owned(), why: why.to_owned() };
        if url.len() > LONGEST {
            return Err(Failure::Url {
                url: format!("{}…", url.chars().take(40).collect::<String>()),
                why: TOO_LONG.into(),
            });
        }
        let uri: Uri = url.split('#').next().unwrap_or_default().parse().map_err(|error| wrong(&format!("{error}")))?;
        let secure = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            Some(_) => return Err(wrong("its scheme is none of http, https, ws, wss")),
            None => return Err(wrong("it has no scheme: http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("it has no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("a user belongs into an Authorization header"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong("it has no host"));
        }
        let usual = if secure { 443 } else { 80 };
        let port = port_of(authority, usual).ok_or_else(|| wrong(BAD_PORT))?;
        let authority =
            if port == usual { authority.host().to_owned() } else { format!("{}:{port}", authority.host()) };
        let namespace = match uri.path() {
            "" => "/",
            path => path,
        };
        Ok(Self {
            secure,
            host: host.to_owned(),
            port,
            authority,
            query: uri.query().unwrap_or_default().to_owned(),
            namespace: namespace.to_owned(),
        })
    }

    /// Host and port, as messages and proxies have it.
    pub(super) fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// The port of an authority; `None` if what stands there is none.
pub(super) fn port_of(authority: &Authority, usual: u16) -> Option<u16> {
    match authority
        .as_str()
        .rsplit_once('@')
        .map_or(authority.as_str(), |(_, place)| place)
        .strip_prefix(authority.host())?
    {
        "" | ":" => Some(usual),
        _ => authority.port_u16(),
    }
}

pub(super) const BAD_PORT: &str = "its port is no number below 65536";

/// As socket.io-client has it.
const LONGEST: usize = 8000;
const TOO_LONG: &str = "it is longer than 8000 bytes";

/// Appends `key=value` to a query.
pub(super) fn push_pair(query: &mut String, key: &str, value: &str) {
    if !query.is_empty() {
        query.push('&');
    }
    encode(query, key);
    query.push('=');
    encode(query, value);
}

/// As `encodeURIComponent`.
fn encode(into: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            into.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_url() {
        let target = Target::parse("https://example.com/admin?a=1&b=x%20y#hash").unwrap();
        assert_eq!((target.secure, target.host.as_str(), target.port), (true, "example.com", 443));
        assert_eq!((target.authority.as_str(), target.namespace.as_str()), ("example.com", "/admin"));
        assert_eq!(target.query, "a=1&b=x%20y");
        let target = Target::parse("ws://[::1]:3000").unwrap();
        assert_eq!((target.secure, target.host.as_str(), target.port), (false, "::1", 3000));
        assert_eq!((target.authority.as_str(), target.namespace.as_str()), ("[::1]:3000", "/"));
        assert_eq!(target.place(), "[::1]:3000");
        assert_eq!(Target::parse("http://h:80").unwrap().authority, "h");
    }

    #[test]
    fn what_is_none() {
        for url in
            ["", "localhost:3000", "/admin", "ftp://h", "http://", "http://h:99999", "http://a:b@h", "http://h/ x"]
        {
            assert!(matches!(Target::parse(url), Err(Failure::Url { .. })), "{url}");
        }
        assert!(Target::parse(&format!("http://h/{}", "x".repeat(8000))).is_err());
    }

    #[test]
    fn a_query_is_encoded() {
        let mut query = String::new();
        push_pair(&mut query, "a b", "ü&=");
        push_pair(&mut query, "c", "");
        assert_eq!(query, "a%20b=%C3%BC%26%3D&c=");
    }
}
