use std::sync::mpsc::{Receiver, channel};

use super::*;

fn collecting(length: Option<&str>, limit: usize) -> (Exchange, Receiver<Result<Bytes, BodyError>>) {
    let mut head = Head::default();
    head.headers.extend(length.map(|length| ("content-length".into(), length.to_owned())));
    let (sender, receiver) = channel();
    let exchange = Exchange::collecting(&head, limit, move |body| sender.send(body).expect("heard"));
    (exchange, receiver)
}

#[test]
fn bodies() {
    for pieces in [&[][..], &["a"], &["a", "b"], &["a", "b", "", "c"]] {
        let (mut exchange, body) = collecting(None, 3);
        for piece in pieces {
            assert!(exchange.body(Bytes::from_static(piece.as_bytes())));
        }
        assert!(body.try_recv().is_err(), "not before the end");
        exchange.end();
        assert_eq!(body.try_recv(), Ok(Ok(Bytes::from(pieces.concat()))));
        assert!(!exchange.body(Bytes::from_static(b"more")), "nothing counts after the end");
        drop(exchange);
        assert!(body.try_recv().is_err(), "told once");
    }
}

#[test]
fn bodies_over_the_limit() {
    let (_exchange, body) = collecting(Some("4"), 3);
    assert_eq!(body.try_recv(), Ok(Err(BodyError::TooLarge)), "before the first byte");
    for announced in [None, Some("3"), Some("-1"), Some("5,5"), Some("x")] {
        let (mut exchange, body) = collecting(announced, 3);
        assert!(exchange.body(Bytes::from_static(b"ab")));
        assert!(!exchange.body(Bytes::from_static(b"cd")));
        assert_eq!(body.try_recv(), Ok(Err(BodyError::TooLarge)));
        exchange.end();
        drop(exchange);
        assert!(body.try_recv().is_err(), "told once");
    }
}

#[test]
fn peers_that_leave() {
    let (mut exchange, body) = collecting(None, 3);
    exchange.body(Bytes::from_static(b"a"));
    drop(exchange);
    assert_eq!(body.try_recv(), Ok(Err(BodyError::Aborted)));

    let waiting = || {
        let (sender, gone) = channel();
        (Exchange::waiting(move || sender.send(()).expect("heard")), gone)
    };
    let (mut exchange, gone) = waiting();
    assert!(!exchange.body(Bytes::from_static(b"a")), "a poll's body is nothing to anyone");
    exchange.end();
    assert!(gone.try_recv().is_err());
    drop(exchange);
    assert!(gone.try_recv().is_ok());
    let (exchange, gone) = waiting();
    exchange.finish();
    assert!(gone.try_recv().is_err());
}
