use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;
use crate::config::Config;
use crate::net::listener::Listener;
use crate::net::testing::{Seen, Toy};

/// Has a word on whoever names an origin.
struct Rule;

impl Gate for Rule {
    fn concerns(&self, head: &Head) -> bool {
        head.header("origin").is_some()
    }

    fn ask(&self, question: Question) {
        match question.head.header("origin") {
            Some("fail") => drop(question),
            origin => {
                let allowed = Some(origin == Some("good"));
                question.answer(Verdict { allowed, cookie: String::new() });
            }
        }
    }
}

async fn ask(origin: &str) -> (String, Option<Option<bool>>) {
    let (toy, mut seen) = Toy::new(Config::default());
    let listener = Listener::bind("127.0.0.1:0").await.expect("a port").with_gate(Arc::new(Rule));
    let address = listener.address().expect("an address");
    listener.start(toy);
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let request = format!("GET /socket.io/x HTTP/1.1\r\nHost: h\r\n{origin}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    timeout(Duration::from_secs(5), stream.read_to_string(&mut answer)).await.expect("in time").expect("an answer");
    let allowed = match seen.try_recv() {
        Ok(Seen::Request(head)) => Some(head.allowed),
        _ => None,
    };
    (answer, allowed)
}

#[tokio::test]
async fn a_host_has_a_word_on_what_concerns_it() {
    assert_eq!(ask("").await.1, Some(None));
    assert_eq!(ask("Origin: good\r\n").await.1, Some(Some(true)));
    assert_eq!(ask("Origin: bad\r\n").await.1, Some(Some(false)));
    let (answer, allowed) = ask("Origin: fail\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert_eq!(allowed, None);
}

#[test]
fn a_cookie_is_added_to_where_a_session_opens() {
    let verdict = Verdict { allowed: None, cookie: "; Expires=soon".into() };
    let response = Response::new(200).header("set-cookie", "io=1");
    assert_eq!(verdict.dress(response.clone()).headers, response.headers);
    let opened = Response { opened: Some("1".into()), ..response };
    assert_eq!(verdict.dress(opened).headers[0].1, "io=1; Expires=soon");
}
