//! Cookies of a server, kept between the requests to it: sticky load balancers live from them.

use std::time::{Duration, SystemTime};

use http::header::{GetAll, HeaderValue};

/// Names and values. One endpoint, one jar: path, domain and the rest decide nothing here.
#[derive(Debug, Default)]
pub(super) struct Cookies(Vec<Cookie>);

#[derive(Debug)]
struct Cookie {
    name: String,
    value: String,
    until: Option<SystemTime>,
}

/// Cookies of one server. The oldest goes first.
const MOST: usize = 64;
/// Bytes of one cookie, as browsers have it.
const LONGEST: usize = 4096;

impl Cookies {
    /// Takes what an answer sets.
    pub(super) fn take(&mut self, set: &GetAll<'_, HeaderValue>, now: SystemTime) {
        for value in set.iter().filter_map(|value| value.to_str().ok()).filter(|value| value.len() <= LONGEST) {
            self.set(value, now);
        }
    }

    /// What a request says; `None` if there is nothing.
    pub(super) fn header(&mut self, now: SystemTime) -> Option<String> {
        self.0.retain(|cookie| cookie.until.is_none_or(|until| until > now));
        let pairs: Vec<_> = self.0.iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    fn set(&mut self, text: &str, now: SystemTime) {
        let mut parts = text.split(';');
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() {
            return;
        }
        let mut until = None;
        let mut by_age = false;
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim();
            if key.trim().eq_ignore_ascii_case("max-age") {
                // It outranks Expires (RFC 6265, 5.3).
                by_age = true;
                let seconds = value.parse::<i64>().unwrap_or_default();
                until = match u64::try_from(seconds) {
                    Ok(seconds) => now.checked_add(Duration::from_secs(seconds)),
                    Err(_) => Some(now),
                };
            } else if key.trim().eq_ignore_ascii_case("expires") && !by_age {
                until = httpdate::parse_http_date(value).ok();
            }
        }
        self.0.retain(|cookie| cookie.name != name);
        if until.is_none_or(|until| until > now) {
            if self.0.len() >= MOST {
                self.0.remove(0);
            }
            self.0.push(Cookie { name: name.to_owned(), value: value.to_owned(), until });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_replaced_and_expired() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let mut jar = Cookies::default();
        assert_eq!(jar.header(now), None);
        jar.set("io=abc; Path=/; HttpOnly", now);
        jar.set("lb=1; Max-Age=10; Expires=Thu, 01 Jan 1970 00:00:00 GMT", now);
        jar.set("old=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", now);
        jar.set("nothing", now);
        jar.set("=x", now);
        assert_eq!(jar.header(now).as_deref(), Some("io=abc; lb=1"));
        jar.set("io=def", now);
        assert_eq!(jar.header(now).as_deref(), Some("lb=1; io=def"));
        assert_eq!(jar.header(now + Duration::from_secs(11)).as_deref(), Some("io=def"));
        jar.set("io=; Max-Age=0", now);
        assert_eq!(jar.header(now + Duration::from_secs(11)), None);
    }

    #[test]
    fn their_number_is_bounded() {
        let now = SystemTime::now();
        let mut jar = Cookies::default();
        (0..1000).for_each(|number| jar.set(&format!("c{number}=1"), now));
        assert_eq!(jar.0.len(), MOST);
    }
}
