//! Which proxy a connection goes through: as the environment says, in the manner of curl.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ferrio_protocol::query;

use super::failure::Failure;
use super::target::{BAD_PORT, Target, port_of};

/// An HTTP proxy that opens tunnels (`CONNECT`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    /// Of a `Proxy-Authorization` header.
    pub(super) authorization: Option<String>,
}

impl Proxy {
    /// `HTTPS_PROXY` (or `http_proxy`, in lower case only: a CGI program's `HTTP_PROXY` comes from its client), then
    /// `ALL_PROXY`, unless `NO_PROXY` names the server.
    ///
    /// # Errors
    /// A variable that is no URL of a proxy.
    pub(super) fn from_env(
        target: &Target,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, Failure> {
        let first = |names: &[&str]| names.iter().filter_map(|name| variable(name)).find(|value| !value.is_empty());
        let own: &[&str] = if target.secure { &["https_proxy", "HTTPS_PROXY"] } else { &["http_proxy"] };
        let Some(url) = first(own).or_else(|| first(&["all_proxy", "ALL_PROXY"])) else { return Ok(None) };
        let exempt = first(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
        if is_exempt(&target.host, &exempt) { Ok(None) } else { Self::parse(&url).map(Some) }
    }

    /// `http://user:password@host:port`; scheme, user and port may be left out.
    ///
    /// # Errors
    /// Anything else.
    pub(super) fn parse(url: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| Failure::Url { url: url.to_owned(), why: why.to_owned() };
        let rest = match url.split_once("://") {
            Some(("http", rest)) => rest,
            Some(_) => return Err(wrong("only proxies over http:// are spoken to")),
            None => url,
        };
        let rest = rest.split('/').next().unwrap_or_default();
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        let authority: http::uri::Authority = place.parse().map_err(|_| wrong("it is no URL of a proxy"))?;
        let port = port_of(&authority, 80).ok_or_else(|| wrong(BAD_PORT))?;
        Ok(Self {
            host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            authorization: user.map(|user| format!("Basic {}", STANDARD.encode(decode_user(user)))),
        })
    }
}

/// A plus sign is itself here, unlike in a query.
fn decode_user(user: &str) -> String {
    query::decode(&user.replace('+', "%2B")).into_owned()
}

/// Whether `list` (names, `.suffixes`, `*`) names `host`.
fn is_exempt(host: &str, list: &str) -> bool {
    let host = host.to_ascii_lowercase();
    list.split(',').map(|entry| entry.trim().to_ascii_lowercase()).any(|entry| {
        let name = entry.trim_start_matches('.');
        entry == "*"
            || (!name.is_empty() && (host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str, variables: &[(&str, &str)]) -> Option<String> {
        let variable =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let proxy = Proxy::from_env(&Target::parse(url).unwrap(), variable).unwrap();
        proxy.map(|proxy| format!("{}:{}", proxy.host, proxy.port))
    }

    #[test]
    fn as_the_environment_says() {
        assert_eq!(of("http://h", &[]), None);
        assert_eq!(of("http://h", &[("http_proxy", "http://p:8080/")]).as_deref(), Some("p:8080"));
        assert_eq!(of("http://h", &[("HTTP_PROXY", "p"), ("HTTPS_PROXY", "p")]), None);
        assert_eq!(of("https://h", &[("HTTPS_PROXY", "p"), ("ALL_PROXY", "q")]).as_deref(), Some("p:80"));
        assert_eq!(of("https://h", &[("https_proxy", ""), ("ALL_PROXY", "q:1")]).as_deref(), Some("q:1"));
    }

    #[test]
    fn some_hosts_need_none() {
        let with = |host: &str, list: &str| of(&format!("http://{host}"), &[("http_proxy", "p"), ("NO_PROXY", list)]);
        for (host, list) in
            [("a.b", "*"), ("a.b", "a.b"), ("a.b", "x, .b"), ("x.a.b", "a.b"), ("A.B", "a.b"), ("[::1]", "::1")]
        {
            assert_eq!(with(host, list), None, "{host} {list}");
        }
        for (host, list) in [("ab", "b"), ("a.b", ""), ("a.b", "c,"), ("b", ".a.b")] {
            assert!(with(host, list).is_some(), "{host} {list}");
        }
    }

    #[test]
    fn with_a_user() {
        let proxy = Proxy::parse("http://me:a%40b+c@[::1]:3128").unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("::1", 3128));
        assert_eq!(proxy.authorization.unwrap(), format!("Basic {}", STANDARD.encode("me:a@b+c")));
        for url in ["https://p", "socks5://p", "http://", "http://p:x"] {
            assert!(Proxy::parse(url).is_err(), "{url}");
        }
    }
}
