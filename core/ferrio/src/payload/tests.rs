use std::collections::HashMap;

use bytes::Bytes;
use ferrio_protocol::socket::Payload;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::*;

fn sealed(arguments: impl Arguments) -> Payload {
    let mut sealer = Sealer::event("x").expect("a free name");
    arguments.seal(&mut sealer).expect("serializable");
    sealer.finish().expect("UTF-8")
}

fn text(arguments: impl Arguments) -> String {
    sealed(arguments).text.to_string()
}

fn event(text: &str, attachments: &[&'static [u8]]) -> Payload {
    let attachments = attachments.iter().map(|bytes| Bytes::from_static(bytes)).collect();
    Payload { text: text.into(), attachments }
}

fn opened<T: FromArguments>(text: &str) -> Result<T, Mismatch> {
    T::open(&Sealed::event(&event(text, &[])))
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Image {
    name: String,
    data: Binary,
}

#[test]
fn tuples_are_several_arguments() {
    assert_eq!(text(()), r#"["x"]"#);
    assert_eq!(text(1), r#"["x",1]"#);
    assert_eq!(text("a\"b"), r#"["x","a\"b"]"#);
    assert_eq!(text((1, "b", [2, 3])), r#"["x",1,"b",[2,3]]"#);
    assert_eq!(text([1, 2]), r#"["x",1,2]"#);
    assert_eq!(text(vec![1, 2]), r#"["x",[1,2]]"#);
    assert_eq!(text(&[1, 2][..]), r#"["x",[1,2]]"#);
    assert_eq!(text((vec![1],)), r#"["x",[1]]"#);
    assert_eq!(text(None::<u8>), r#"["x",null]"#);
    assert_eq!(text(Some((1, 2))), r#"["x",[1,2]]"#);
    assert_eq!(text(json!({ "a": [null] })), r#"["x",{"a":[null]}]"#);
    assert_eq!(text(HashMap::from([(1, 2)])), r#"["x",{"1":2}]"#);
    assert_eq!(text(Ok::<_, ()>((1, 2))), r#"["x",{"Ok":[1,2]}]"#);
    assert_eq!(text(f64::NAN), r#"["x",null]"#);
}

#[test]
fn lists_are_several_arguments_where_asked() {
    assert_eq!(text(Args(vec![json!(1), json!("b")])), r#"["x",1,"b"]"#);
    assert_eq!(text(Args((1, "b"))), r#"["x",1,"b"]"#);
    assert_eq!(text(Args(Vec::<u8>::new())), r#"["x"]"#);
    assert_eq!(text(Args(())), r#"["x"]"#);
}

#[test]
fn bytes_become_attachments() {
    let (one, two) = (Bytes::from_static(b"one"), Bytes::from_static(b"two"));
    let image = Image { name: "a".into(), data: one.clone().into() };
    let payload = sealed((&image, vec![Binary(two.clone())]));
    assert_eq!(
        payload.text,
        r#"["x",{"name":"a","data":{"_placeholder":true,"num":0}},[{"_placeholder":true,"num":1}]]"#
    );
    assert_eq!(payload.attachments, [one.clone(), two]);
    assert_eq!(payload.attachments[0].as_ptr(), one.as_ptr(), "not copied");
    let (back, rest) = Args::<(Image, Vec<Binary>)>::open(&Sealed::event(&payload)).expect("the same").0;
    assert_eq!((back, rest.len()), (image, 1));
}

/// Serialized as `serde_bytes` and `bytes` do it.
#[derive(Debug, PartialEq)]
struct Foreign(Vec<u8>);

impl Serialize for Foreign {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Foreign {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(BinaryVisitor).map(|Binary(bytes)| Self(bytes.into()))
    }
}

#[test]
fn foreign_bytes_become_attachments_too() {
    let payload = sealed((Foreign(b"one".into()), Some(Foreign(b"two".into()))));
    assert_eq!(payload.attachments, [&b"one"[..], &b"two"[..]]);
    let back = Args::<(Foreign, Option<Foreign>)>::open(&Sealed::event(&payload)).expect("the same").0;
    assert_eq!(back, (Foreign(b"one".into()), Some(Foreign(b"two".into()))));
}

#[test]
fn placeholders_are_found_wherever_serde_puts_them() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Flat {
        id: u8,
        #[serde(flatten)]
        image: Image,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Bytes(Binary),
    }
    #[derive(Debug, PartialEq, Deserialize)]
    enum Tagged {
        Image(Image),
        None,
    }

    let placeholder = r#"{"num":0,"_placeholder":true}"#;
    let payload = event(
        &format!(
            r#"["x",{{"id":1,"name":"a","data":{placeholder}}},{placeholder},{{"Image":{{"name":"a","data":{placeholder}}}}},"None"]"#
        ),
        &[b"one"],
    );
    let data = Binary(Bytes::from_static(b"one"));
    let image = Image { name: "a".into(), data: data.clone() };
    let Args(all) = Args::<(Flat, Either, Tagged, Tagged)>::open(&Sealed::event(&payload)).expect("all of it");
    let expected = (Flat { id: 1, image: image.clone() }, Either::Bytes(data), Tagged::Image(image), Tagged::None);
    assert_eq!(all, expected);
    assert_eq!(opened(r#"["x","text"]"#), Ok(Either::Text("text".into())));
}

#[test]
fn values_keep_their_placeholders() {
    let payload = event(r#"["x",{"a":{"_placeholder":true,"num":0}}]"#, &[b"one"]);
    let value = serde_json::Value::open(&Sealed::event(&payload)).expect("any JSON");
    assert_eq!(value, json!({ "a": { "_placeholder": true, "num": 0 } }));
}

#[test]
fn any_value_keeps_its_bytes() {
    let text = r#"["x",{"a":[{"_placeholder":true,"num":0},{"_placeholder":true,"num":7}],"b":null,"c":-1.5}]"#;
    let payload = event(text, &[b"one"]);
    let value = Value::open(&Sealed::event(&payload)).expect("any value");
    let Some(Value::Array(items)) = value.get("a") else { panic!("{value:?}") };
    assert_eq!(items[0], Value::Bytes(Bytes::from_static(b"one")));
    assert_eq!(items[1].get("num").and_then(Value::as_u64), Some(7), "nothing stands for it");
    assert_eq!(sealed(&value), event(text, &[b"one"]));
    assert_eq!(Value::from(json!({ "b": [null] })), opened(r#"["x",{"b":[null]}]"#).expect("any value"));
}

#[test]
fn the_first_argument_or_all_of_them() {
    assert_eq!(opened(r#"["x","a"]"#), Ok("a".to_owned()));
    assert_eq!(opened(r#"["x","a",2]"#), Ok("a".to_owned()));
    assert_eq!(opened(r#"["x"]"#), Ok(()));
    assert_eq!(opened(r#"["x"]"#), Ok(None::<String>));
    assert_eq!(opened(r#" [ "x" , null ] "#), Ok(None::<String>));
    assert_eq!(opened(r#"["x"]"#), Ok(serde_json::Value::Null));
    assert_eq!(opened(r#"["x","a",2]"#), Ok(Args(("a".to_owned(), 2, None::<u8>))));
    assert_eq!(opened(r#"["x","a",2]"#), Ok(Args(vec![json!("a"), json!(2)])));
    assert_eq!(opened(r#"["x"]"#), Ok(Args(Vec::<serde_json::Value>::new())));
    assert_eq!(opened(r#"["x",1]"#), Ok(Args(())));
    assert!(opened::<String>(r#"["x"]"#).is_err());
    assert!(opened::<String>(r#"["x",1]"#).is_err());
    assert!(opened::<Args<(u8, u8)>>(r#"["x",1]"#).is_err());
    assert!(opened::<Binary>(r#"["x",{"_placeholder":true,"num":0}]"#).is_err());
    assert!(opened::<Binary>(r#"["x",{"a":1}]"#).is_err());
}

#[test]
fn raw_arguments_pass_through() {
    for (whole, inner) in
        [(r#"["x",1,"b"]"#, r#"1,"b""#), (r#" [ "x" , [ 1 ] ] "#, "[ 1 ]"), (r#"["x"]"#, ""), ("[7,7]", "7")]
    {
        assert_eq!(opened::<RawArgs>(whole).expect("any").as_str(), inner);
    }
    let payload = event(r#"["from",{"_placeholder":true,"num":0},2]"#, &[b"one"]);
    let raw = RawArgs::open(&Sealed::event(&payload)).expect("any");
    let again = sealed(&raw);
    assert_eq!(again.text, r#"["x",{"_placeholder":true,"num":0},2]"#);
    assert_eq!(again.attachments, payload.attachments);
    assert_eq!(raw.parse(), Ok(Args((Binary(Bytes::from_static(b"one")), 2))));
    assert_eq!(text(RawArgs::default()), r#"["x"]"#);
}

#[test]
fn what_a_handler_returns() {
    let answer = |value: &dyn Fn(&mut Sealer) -> Result<Given, EmitError>| {
        let mut sealer = Sealer::answer();
        let given = value(&mut sealer).expect("serializable");
        (given, sealer.finish().expect("UTF-8").text.to_string())
    };
    assert_eq!(answer(&|sealer| sealer.returned(&())), (Given::Nothing, "[]".into()));
    assert_eq!(answer(&|sealer| sealer.returned(&(1, 2))), (Given::Arguments, "[1,2]".into()));
    assert_eq!(answer(&|sealer| sealer.returned("a")), (Given::Arguments, r#"["a"]"#.into()));
    assert_eq!(answer(&|sealer| sealer.returned(&Ok::<_, ()>(()))), (Given::Nothing, "[]".into()));
    assert_eq!(answer(&|sealer| sealer.returned(&Ok::<_, ()>("a"))), (Given::Arguments, r#"["a"]"#.into()));
    assert_eq!(answer(&|sealer| sealer.returned(&Err::<(), _>("no"))), (Given::Error, r#"[{"error":"no"}]"#.into()));
    assert_eq!(failure(&Err::<(), _>("no")).as_deref(), Some(r#"{"error":"no"}"#));
    assert_eq!(failure(&(1, 2)), None);
    assert_eq!(failure(&Ok::<_, ()>(vec![1])), None);
}

#[test]
fn what_cannot_be_sent_is_an_error() {
    for name in ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"] {
        assert_eq!(Sealer::event(name).map(drop), Err(EmitError::Reserved(name.into())));
    }
    let mut sealer = Sealer::event("x").expect("a free name");
    let unserializable = HashMap::from([(vec![1], 2)]);
    assert!(matches!(unserializable.seal(&mut sealer), Err(EmitError::Serialize(_))));
}
