mod types;

use http::HeaderValue;
use waxseal_content::PhoneNumber;

use super::*;
use crate::message::{Accepted, MessageStatus};

fn command(json: &str) -> Result<Command, GraphError> {
    parse(&HeaderMap::new(), json.as_bytes(), Edge::Messages)
}

fn message(json: &str) -> Outbound {
    match command(json) {
        Ok(Command::Send { message, .. }) => *message,
        Ok(Command::MarkRead { .. }) => panic!("not a message"),
        Err(error) => panic!("{error:?}"),
    }
}

fn wa_id(message: &Outbound) -> &str {
    match &message.to {
        Addressee::Number(number) => number.wa_id(),
        Addressee::UserId(user_id) => user_id,
    }
}

fn refusal(json: &str) -> (u32, String) {
    let error = command(json).err().unwrap();
    (error.code, format!("{error:?}"))
}

fn text_of(message: &Outbound) -> (&str, bool) {
    match &message.body {
        OutboundBody::Text { body, preview_url } => (body.reveal(), *preview_url),
        _ => panic!("no text"),
    }
}

#[test]
fn a_text_as_the_documentation_writes_it() {
    let message = message(
        r#"{"messaging_product":"whatsapp","recipient_type":"individual","to":"+1 (555) 0101","type":"text",
            "context":{"message_id":"wamid.QUOTED"},"biz_opaque_callback_data":"order 7",
            "text":{"preview_url":true,"body":"Grüße \ud83d\udc4b"}}"#,
    );
    assert_eq!(wa_id(&message), "15550101");
    assert_eq!(text_of(&message), ("Grüße 👋", true));
    assert_eq!(message.quoted.unwrap().as_str(), "wamid.QUOTED");
    assert_eq!(message.opaque_callback_data.unwrap().reveal(), "order 7");
    assert!(message.idempotency_key.is_none());
}

#[test]
fn what_clients_leave_out_or_write_otherwise() {
    for json in [
        r#"{"messaging_product":"whatsapp","to":"15550101","text":{"body":"hi"}}"#,
        r#"{"messaging_product":"whatsapp","to":15550101,"text":{"body":"hi"}}"#,
        r#"{"messaging_product":"WhatsApp","to":"15550101","type":"TEXT","text":{"body":"hi","preview_url":"false"}}"#,
        r#"{"messaging_product":"whatsapp","to":"15550101","type":null,"recipient_type":null,"context":null,"recipient":null,
            "biz_opaque_callback_data":null,"status":null,"typing_indicator":null,"text":{"body":"hi","preview_url":null},"image":null}"#,
        r#"{"x":{"deep":[1,[2,[3]]]},"messaging_product":"no","messaging_product":"whatsapp","to":"15550101","text":{"body":"hi","y":[]}}"#,
        r#"{"messaging_product":"whatsapp","to":"15550101","recipient":"US.1","context":{"message_id":null},"text":{"body":"hi"}}"#,
        "\u{feff}{\"messaging_product\":\"whatsapp\",\"to\":\"15550101\",\"text\":{\"body\":\"hi\"}}\r\n",
    ] {
        let message = message(json);
        assert_eq!((wa_id(&message), text_of(&message)), ("15550101", ("hi", false)), "{json}");
        assert!(message.quoted.is_none() && message.opaque_callback_data.is_none());
    }
}

#[test]
fn reactions_and_their_removal() {
    for emoji in ["👍🏽", ""] {
        let message = message(&format!(
            r#"{{"messaging_product":"whatsapp","to":"+15550101","type":"reaction","reaction":{{"message_id":"wamid.A","emoji":"{emoji}"}}}}"#
        ));
        let OutboundBody::Reaction { message, emoji: read } = &message.body else {
            panic!("a text");
        };
        assert_eq!((message.as_str(), read.reveal()), ("wamid.A", emoji));
    }
}

#[test]
fn read_marks_with_and_without_typing() {
    for (rest, expected) in [
        ("", false),
        (r#","typing_indicator":null"#, false),
        (r#","typing_indicator":{"type":"text"}"#, true),
    ] {
        let json = format!(r#"{{"messaging_product":"whatsapp","status":"read","message_id":"wamid.A"{rest}}}"#);
        let Ok(Command::MarkRead { message, typing }) = command(&json) else {
            panic!("{json}");
        };
        assert_eq!((message.as_str(), typing), ("wamid.A", expected));
    }
}

#[test]
fn every_mistake_has_its_code_and_names_its_member() {
    let with = |rest: &str| format!(r#"{{"messaging_product":"whatsapp",{rest}}}"#);
    let to = |rest: &str| with(&format!(r#""to":"+15550101",{rest}"#));
    let long = "ä".repeat(4097);
    let opaque = "x".repeat(513);
    for (json, code, names) in [
        (String::new(), 100, "empty"),
        (" \r\n".to_owned(), 100, "empty"),
        ("null".to_owned(), 100, "JSON object"),
        ("[]".to_owned(), 100, "JSON object"),
        ("messaging_product=whatsapp".to_owned(), 100, "line 1, column 1"),
        (r#"{"messaging_product":"whatsapp""#.to_owned(), 100, "line 1, column 31"),
        (with(r#""to":"15550101"} {"x":1"#), 100, "JSON"),
        ("{}".to_owned(), 131_008, "messaging_product"),
        (r#"{"messaging_product":"telegram"}"#.to_owned(), 100, "messaging_product"),
        (r#"{"messaging_product":["whatsapp"]}"#.to_owned(), 100, "messaging_product"),
        (with(r#""text":{"body":"hi"}"#), 131_008, "to or recipient is required"),
        (with(r#""to":null,"text":{"body":"hi"}"#), 131_008, "to or recipient is required"),
        (with(r#""to":["15550101"],"text":{"body":"hi"}"#), 100, "to must"),
        (with(r#""to":"5550101","text":{"body":"hi"}"#), 131_009, "calling code"),
        (with(r#""to":"","text":{"body":"hi"}"#), 131_009, "calling code"),
        (
            with(r#""recipient":"us.13491208655302741918","text":{"body":"hi"}"#),
            131_009,
            "recipient",
        ),
        (to(r#""recipient_type":"group","text":{"body":"hi"}"#), 100, "group"),
        (to(r#""recipient_type":"crowd","text":{"body":"hi"}"#), 100, "recipient_type"),
        (
            to(r#""recipient_identity_key_hash":"","text":{"body":"hi"}"#),
            131_009,
            "recipient_identity_key_hash",
        ),
        (
            to(r#""recipient_identity_key_hash":{},"text":{"body":"hi"}"#),
            100,
            "recipient_identity_key_hash",
        ),
        (to(r#""type":"image""#), 131_008, "image is required"),
        (to(r#""type":"pin","pin":{}"#), 131_051, "groups"),
        (to(r#""type":"hologram""#), 131_051, "type"),
        (to(r#""type":7"#), 131_051, "type"),
        (to(r#""type":{}"#), 100, "type must"),
        (to(r#""type":"text""#), 131_008, "text is required"),
        (to(r#""type":"reaction""#), 131_008, "reaction is required"),
        (to(r#""text":"hi""#), 100, "text must be a JSON object"),
        (to(r#""text":{}"#), 131_008, "text.body"),
        (to(r#""text":{"body":null}"#), 131_008, "text.body"),
        (to(r#""text":{"body":{}}"#), 100, "text.body"),
        (to(r#""text":{"body":""}"#), 131_009, "text.body"),
        (to(&format!(r#""text":{{"body":"{long}"}}"#)), 100, "4096"),
        (to(r#""text":{"body":"hi","preview_url":"maybe"}"#), 100, "preview_url"),
        (
            to(&format!(r#""text":{{"body":"hi"}},"biz_opaque_callback_data":"{opaque}""#)),
            100,
            "512",
        ),
        (to(r#""text":{"body":"hi"},"biz_opaque_callback_data":{}"#), 100, "biz_opaque"),
        (to(r#""text":{"body":"hi"},"context":"wamid.A""#), 100, "context"),
        (
            to(r#""text":{"body":"hi"},"context":{"message_id":"A"}"#),
            131_009,
            "context.message_id",
        ),
        (to(r#""type":"reaction","reaction":{"emoji":"👍"}"#), 131_008, "reaction.message_id"),
        (
            to(r#""type":"reaction","reaction":{"message_id":"wamid.A"}"#),
            131_008,
            "reaction.emoji",
        ),
        (
            to(r#""type":"reaction","reaction":{"message_id":"wamid.A","emoji":"okay"}"#),
            131_009,
            "one emoji",
        ),
        (with(r#""status":"delivered","message_id":"wamid.A""#), 100, "status"),
        (with(r#""status":"read""#), 131_008, "message_id"),
        (with(r#""status":"read","message_id":"A""#), 131_009, "message_id"),
        (
            with(r#""status":"read","message_id":"wamid.A","typing_indicator":{"type":"audio"}"#),
            100,
            "typing_indicator",
        ),
        (
            with(r#""status":"read","message_id":"wamid.A","typing_indicator":{}"#),
            131_008,
            "typing_indicator.type",
        ),
        (
            with(r#""status":"read","message_id":"wamid.A","typing_indicator":true"#),
            100,
            "typing_indicator",
        ),
    ] {
        let (found, told) = refusal(&json);
        assert_eq!(found, code, "{json}: {told}");
        assert!(told.contains(names), "{json}: {told}");
    }
}

#[test]
fn limits_count_characters_not_bytes() {
    let json = format!(
        r#"{{"messaging_product":"whatsapp","to":"15550101","text":{{"body":"{}"}}}}"#,
        "ä".repeat(4096)
    );
    assert_eq!(text_of(&message(&json)).0.chars().count(), 4096);
}

#[test]
fn errors_repeat_nothing_of_the_request() {
    for json in [
        r#"{"messaging_product":"SECRET"}"#,
        r#"{"messaging_product":"whatsapp","to":"SECRET"}"#,
        r#"{"messaging_product":"whatsapp","to":"+15550101","type":"SECRET"}"#,
        r#"{"messaging_product":"whatsapp","to":"+15550101","text":"SECRET"}"#,
        r#"{"messaging_product":"whatsapp","to":"+15550101","type":"reaction","reaction":{"message_id":"SECRET","emoji":""}}"#,
        r#"{"messaging_product":"whatsapp","to":"+15550101","text":{"body":"SECRET"}"#,
        r#"{"messaging_product":"whatsapp","SECRET":SECRET}"#,
    ] {
        assert!(!refusal(json).1.contains("SECRET"), "{json}");
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_refused() {
    let error = parse(
        &HeaderMap::new(),
        b"{\"messaging_product\":\"whatsapp\",\"to\":\"15550101\",\"text\":{\"body\":\"\xff\"}}",
        Edge::Messages,
    )
    .err()
    .unwrap();
    assert_eq!(error.code, 100);
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    assert_eq!(parse(&headers, b"\x1f\x8b\x08", Edge::Messages).err().unwrap().code, 100);
}

#[test]
fn the_fingerprint_is_of_the_meaning() {
    let keyed = |key: &[u8], json: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(idempotency::HEADER, HeaderValue::from_bytes(key).unwrap());
        match parse(&headers, json.as_bytes(), Edge::Messages) {
            Ok(Command::Send { message, .. }) => Ok(message.idempotency_key.unwrap()),
            Ok(Command::MarkRead { .. }) => panic!("not a message"),
            Err(error) => Err(error.code),
        }
    };
    let plain = r#"{"messaging_product":"whatsapp","to":"15550101","text":{"body":"hi"}}"#;
    let same = r#"{ "text":{"preview_url":false,"body":"\u0068i"}, "to":"+1 555 0101", "type":"text", "messaging_product":"whatsapp" }"#;
    let first = keyed(b"key-1", plain).ok().unwrap();
    assert!(keyed(b"key-1", same).ok().unwrap() == first);
    assert!(keyed(b"key-2", plain).ok().unwrap().key != first.key);
    for other in [
        r#"{"messaging_product":"whatsapp","to":"15550102","text":{"body":"hi"}}"#,
        r#"{"messaging_product":"whatsapp","to":"15550101","text":{"body":"ho"}}"#,
        r#"{"messaging_product":"whatsapp","to":"15550101","text":{"body":"hi","preview_url":true}}"#,
        r#"{"messaging_product":"whatsapp","to":"15550101","text":{"body":"hi"},"context":{"message_id":"wamid.A"}}"#,
        r#"{"messaging_product":"whatsapp","to":"15550101","text":{"body":"hi"},"biz_opaque_callback_data":"x"}"#,
    ] {
        let other = keyed(b"key-1", other).ok().unwrap();
        assert!(other.key == first.key && other.fingerprint != first.fingerprint);
    }
    assert_eq!(keyed(b"", plain).err(), Some(100));
    assert_eq!(keyed(b"with space", plain).err(), Some(100));
    assert_eq!(keyed(&[b'k'; 256], plain).err(), Some(100));
    assert!(keyed(&[b'k'; 255], plain).is_ok());
}

#[test]
fn answers_are_the_documented_bytes() {
    let to = Addressee::Number(PhoneNumber::parse("+15550101").unwrap());
    let mut answer = Accepted {
        wamid: Wamid::parse("wamid.AbC-_9").unwrap(),
        message_status: None,
        quota: crate::limits::Quota::default(),
    };
    assert_eq!(
        String::from_utf8(accepted(contact("+1 (555) 01-01", &to), &answer)).unwrap(),
        r#"{"messaging_product":"whatsapp","contacts":[{"input":"+1 (555) 01-01","wa_id":"15550101"}],"messages":[{"id":"wamid.AbC-_9"}]}"#
    );
    let to = Addressee::UserId("US.13491208655302741918".to_owned());
    answer.message_status = Some(MessageStatus::Accepted);
    assert_eq!(
        String::from_utf8(accepted(contact("US.13491208655302741918", &to), &answer)).unwrap(),
        concat!(
            r#"{"messaging_product":"whatsapp","contacts":[{"input":"US.13491208655302741918","user_id":"US.13491208655302741918"}],"#,
            r#""messages":[{"id":"wamid.AbC-_9","message_status":"accepted"}]}"#,
        )
    );
}
