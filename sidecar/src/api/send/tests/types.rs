//! Every type of message: what is taken, and what each mistake is told.

mod interactive;
mod templates;

use proptest::prelude::*;
use waxseal_content::{Body, MessageId, Payload};

use self::{
    interactive::{BUTTONS, FLOW, LINK, LIST},
    templates::TEMPLATE,
};
use super::*;
use crate::message::{Attachment, File};

/// A message of this type with this member.
fn of(kind: &str, member: &str) -> Outbound {
    message(&request(kind, member))
}

fn request(kind: &str, member: &str) -> String {
    format!(r#"{{"messaging_product":"whatsapp","to":"+15550101","type":"{kind}","{kind}":{member}}}"#)
}

/// Replaces the one place of `from` in `valid`.
fn but(valid: &str, from: &str, to: &str) -> String {
    assert_eq!(valid.matches(from).count(), 1, "{from} in {valid}");
    valid.replacen(from, to, 1)
}

/// Each change of a valid member, with the code and the words it must be told with.
fn mistakes(kind: &str, valid: &str, changes: &[(&str, &str, u32, &str)]) {
    message(&request(kind, valid));
    for (from, to, code, names) in changes {
        let (found, told) = refusal(&request(kind, &but(valid, from, to)));
        assert_eq!(found, *code, "{kind}: {from} -> {to}: {told}");
        assert!(told.contains(names), "{kind}: {from} -> {to}: {told}");
    }
}

fn attachment(message: &Outbound) -> &Attachment {
    match &message.body {
        OutboundBody::Media(attachment) => attachment,
        _ => panic!("no file"),
    }
}

#[test]
fn files_by_id_and_by_link() {
    for kind in ["image", "audio", "video", "document", "sticker"] {
        let by_id = of(kind, r#"{"id":"1166846181421424","link":null,"caption":null}"#);
        assert_eq!(attachment(&by_id).kind.as_str(), kind);
        assert!(attachment(&by_id).file == File::Id("1166846181421424".to_owned()));
        // Some clients write ids as numbers, types in capitals, and members that other types have.
        let number = message(
            &request(kind, r#"{"id":1166846181421424,"provider":{"name":"x"}}"#)
                .replace(&format!(r#""type":"{kind}""#), &format!(r#""type":"{}""#, kind.to_uppercase())),
        );
        assert!(attachment(&number).file == attachment(&by_id).file);
        let by_link = of(kind, r#"{"link":"HTTPS://example.com/a?b=c"}"#);
        assert!(attachment(&by_link).file == File::Link("HTTPS://example.com/a?b=c".into()));
        mistakes(
            kind,
            r#"{"id":"7"}"#,
            &[
                (r#"{"id":"7"}"#, "null", 131_008, "is required"),
                (r#"{"id":"7"}"#, r#""7""#, 100, "must be a JSON object"),
                (r#""id":"7""#, "", 131_008, ".id or"),
                (r#""id":"7""#, r#""id":"7","link":"https://example.com""#, 100, "not both"),
                (r#""7""#, r#""""#, 131_009, ".id is no media id"),
                (r#""7""#, r#""7a""#, 131_009, ".id is no media id"),
                (r#""7""#, "{}", 100, ".id must be a string"),
                (r#""7""#, r#""123456789012345678901""#, 100, "20 characters"),
                (r#""id":"7""#, r#""link":"example.com/a.jpg""#, 131_009, ".link must be a URL"),
                (r#""id":"7""#, r#""link":"https://""#, 131_009, ".link must be a URL"),
                (r#""id":"7""#, r#""link":"https://example.com/a b""#, 131_009, ".link must be a URL"),
                (r#""id":"7""#, r#""link":"file:///etc/passwd""#, 131_009, ".link must be a URL"),
            ],
        );
    }
}

#[test]
fn what_is_said_about_a_file() {
    let document = of("document", r#"{"id":"7","caption":"Grüße","filename":"a.pdf"}"#);
    let file = attachment(&document);
    assert_eq!(file.caption.as_ref().unwrap().reveal(), "Grüße");
    assert_eq!(file.filename.as_ref().unwrap().reveal(), "a.pdf");
    assert!(attachment(&of("audio", r#"{"id":"7","voice":true}"#)).voice);
    assert!(attachment(&of("audio", r#"{"id":"7","voice":"true"}"#)).voice);
    assert!(!attachment(&of("audio", r#"{"id":"7"}"#)).voice);
    assert!(attachment(&of("image", r#"{"id":"7","filename":"a.jpg"}"#)).filename.is_none());
    let long = "x".repeat(1025);
    for (kind, member, code, names) in [
        (
            "image",
            format!(r#"{{"id":"7","caption":"{long}"}}"#),
            100,
            "image.caption must be at most 1024",
        ),
        (
            "image",
            r#"{"id":"7","caption":[]}"#.to_owned(),
            100,
            "image.caption must be a string",
        ),
        (
            "audio",
            r#"{"id":"7","caption":"hi"}"#.to_owned(),
            100,
            "audio.caption is not served",
        ),
        (
            "sticker",
            r#"{"id":"7","caption":"hi"}"#.to_owned(),
            100,
            "sticker.caption is not served",
        ),
        (
            "document",
            format!(r#"{{"id":"7","filename":"{long}"}}"#),
            100,
            "document.filename must be at most 240",
        ),
        (
            "audio",
            r#"{"id":"7","voice":"loud"}"#.to_owned(),
            100,
            "audio.voice must be true or false",
        ),
    ] {
        let (found, told) = refusal(&request(kind, &member));
        assert!(found == code && told.contains(names), "{member}: {told}");
    }
}

#[test]
fn places() {
    for member in [
        r#"{"latitude":-37.5,"longitude":144,"name":"Café","address":null,"url":""}"#,
        r#"{"latitude":"-37.5","longitude":" 144.0 ","name":"Café"}"#,
    ] {
        let OutboundBody::Location(location) = of("location", member).body else {
            panic!("no place");
        };
        assert!((location.latitude + 37.5).abs() < f64::EPSILON && (location.longitude - 144.0).abs() < f64::EPSILON);
        assert_eq!(location.name.unwrap().reveal(), "Café");
        assert!(location.address.is_none() && location.url.is_none());
    }
    let long = format!(r#""name":"{}""#, "x".repeat(1001));
    mistakes(
        "location",
        r#"{"latitude":1,"longitude":2,"name":"x"}"#,
        &[
            (r#""latitude":1,"#, "", 131_008, "location.latitude is required"),
            (r#","longitude":2"#, "", 131_008, "location.longitude is required"),
            (
                r#""latitude":1"#,
                r#""latitude":"north""#,
                100,
                "location.latitude must be a number",
            ),
            (r#""latitude":1"#, r#""latitude":"NaN""#, 100, "location.latitude must be a number"),
            (r#""latitude":1"#, r#""latitude":true"#, 100, "location.latitude must be a number"),
            (r#""latitude":1"#, r#""latitude":90.1"#, 131_009, "between -90 and 90"),
            (r#""longitude":2"#, r#""longitude":-180.5"#, 131_009, "between -180 and 180"),
            (r#""longitude":2"#, r#""longitude":1e400"#, 100, "number out of range"),
            (r#""name":"x""#, &long, 100, "location.name must be at most 1000"),
        ],
    );
}

#[test]
fn address_cards() {
    let card = r#"[{"name":{"formatted_name":"Ada Löwe","first_name":"Ada","last_name":null},"phones":[{"phone":"+1 555 0102","type":"HOME"}],
        "emails":[{"email":"a@example.com"}],"urls":[],"addresses":[{"zip":12345}],"org":{"company":"Waxseal"},"birthday":"2000-02-29"}]"#;
    let OutboundBody::Contacts(contacts) = of("contacts", card).body else {
        panic!("no cards");
    };
    let cards: Value = serde_json::from_str(contacts.cards_json.reveal()).unwrap();
    assert_eq!(
        cards[0]["name"],
        serde_json::json!({"formatted_name": "Ada Löwe", "first_name": "Ada"})
    );
    assert_eq!(cards[0]["phones"][0]["phone"], "+1 555 0102");
    let many = format!("[{}]", vec![r#"{"name":{"formatted_name":"x"}}"#; 258].join(","));
    mistakes(
        "contacts",
        r#"[{"name":{"formatted_name":"Ada"},"phones":[{"phone":"+15550102"}],"org":{"title":"x"},"birthday":"2000-01-01"}]"#,
        &[
            (
                r#"[{"name":{"formatted_name":"Ada"},"phones":[{"phone":"+15550102"}],"org":{"title":"x"},"birthday":"2000-01-01"}]"#,
                "[]",
                131_009,
                "1 to 257",
            ),
            (
                r#"[{"name":{"formatted_name":"Ada"},"phones":[{"phone":"+15550102"}],"org":{"title":"x"},"birthday":"2000-01-01"}]"#,
                &many,
                131_009,
                "1 to 257",
            ),
            (
                r#"[{"name":{"formatted_name":"Ada"},"phones":[{"phone":"+15550102"}],"org":{"title":"x"},"birthday":"2000-01-01"}]"#,
                r#"{"name":"Ada"}"#,
                100,
                "contacts must be a list",
            ),
            (r#""name":{"formatted_name":"Ada"},"#, "", 131_008, "contacts[0].name is required"),
            (
                r#"{"formatted_name":"Ada"}"#,
                r#""Ada""#,
                100,
                "contacts[0].name must be a JSON object",
            ),
            (
                r#""formatted_name":"Ada""#,
                r#""first_name":"Ada""#,
                131_008,
                "contacts[0].name.formatted_name is required",
            ),
            (r#""Ada""#, r#""""#, 131_009, "contacts[0].name.formatted_name must not be empty"),
            (
                r#"[{"phone":"+15550102"}]"#,
                r#"{"phone":"1"}"#,
                100,
                "contacts[0].phones must be a list",
            ),
            (
                r#"{"phone":"+15550102"}"#,
                r#""+15550102""#,
                100,
                "contacts[0].phones[0] must be a JSON object",
            ),
            (r#""+15550102""#, "[1]", 100, "contacts[0].phones[0].phone must be a string"),
            (r#"{"title":"x"}"#, r#""x""#, 100, "contacts[0].org must be a JSON object"),
            (r#""2000-01-01""#, r#""01.01.2000""#, 131_009, "YYYY-MM-DD"),
            (r#""2000-01-01""#, r#""2000-13-01""#, 131_009, "YYYY-MM-DD"),
        ],
    );
}

#[test]
fn consumers_by_user_id() {
    for id in ["US.13491208655302741918", "DE.ENT.11815799212886844830"] {
        let message = message(&format!(
            r#"{{"messaging_product":"whatsapp","recipient":"{id}","recipient_identity_key_hash":"DF2lS5v2W6x=","text":{{"body":"hi"}}}}"#
        ));
        assert!(message.to == Addressee::UserId(id.to_owned()));
        assert_eq!(message.identity_key_hash.unwrap().reveal(), "DF2lS5v2W6x=");
    }
    for id in [
        "",
        "US.",
        "US",
        "13491208655302741918",
        "USA.1",
        "us.1",
        "US.1.2",
        "US.1 ",
        "US.ENT.",
    ] {
        let json = format!(r#"{{"messaging_product":"whatsapp","recipient":"{id}","text":{{"body":"hi"}}}}"#);
        match command(&json) {
            Ok(_) => assert_eq!(id.trim(), "US.1", "{id:?}"),
            Err(error) => assert_eq!(error.code, 131_009, "{id:?}"),
        }
    }
}

#[test]
fn a_member_of_a_type_is_bounded_and_looked_into_only_where_it_counts() {
    let large = format!(r#"{{"id":"7","x":"{}"}}"#, "x".repeat(64 << 10));
    let (code, told) = refusal(&request("image", &large));
    assert!(code == 100 && told.contains("image must be at most 65536 bytes"), "{told}");
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let (code, told) = refusal(&request("image", &deep));
    assert!(code == 100 && told.contains("nested too deeply"), "{told}");
    // In a text they are nobody's business.
    for other in [large, deep] {
        message(&format!(
            r#"{{"messaging_product":"whatsapp","to":"+15550101","text":{{"body":"hi"}},"image":{other},"template":7}}"#
        ));
    }
}

#[test]
fn fingerprints_of_every_type() {
    let fingerprint = |kind: &str, member: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(idempotency::HEADER, HeaderValue::from_static("key"));
        match parse(&headers, request(kind, member).as_bytes(), Edge::Messages) {
            Ok(Command::Send { message, .. }) => message.idempotency_key.unwrap().fingerprint,
            _ => panic!("{kind}: {member}"),
        }
    };
    for (kind, member, same, other) in [
        (
            "image",
            r#"{"id":"7","caption":"x"}"#,
            r#"{"caption":"\u0078", "id":"7","link":null}"#,
            r#"{"id":"8","caption":"x"}"#,
        ),
        (
            "location",
            r#"{"latitude":1,"longitude":2}"#,
            r#"{"longitude":2,"latitude":1}"#,
            r#"{"latitude":2,"longitude":1}"#,
        ),
        (
            "contacts",
            r#"[{"name":{"formatted_name":"A"}}]"#,
            r#"[ {"birthday":null,"name":{"formatted_name":"A"}} ]"#,
            r#"[{"name":{"formatted_name":"A"}},{"name":{"formatted_name":"A"}}]"#,
        ),
        ("interactive", LINK, &LINK.replace("\n", " "), &LINK.replace("See", "Look")),
        (
            "template",
            TEMPLATE,
            &TEMPLATE.replace("\n", ""),
            &TEMPLATE.replace("en_US", "en_GB"),
        ),
    ] {
        assert_eq!(fingerprint(kind, member), fingerprint(kind, same), "{kind}");
        assert_ne!(fingerprint(kind, member), fingerprint(kind, other), "{kind}");
    }
    assert_ne!(fingerprint("image", r#"{"id":"7"}"#), fingerprint("video", r#"{"id":"7"}"#));
}

/// Requests that are nearly right: a valid one with one stretch of it replaced.
fn nearly() -> impl Strategy<Value = String> {
    let valid = prop::sample::select(vec![
        request("image", r#"{"id":"7","caption":"x"}"#),
        request("location", r#"{"latitude":1,"longitude":2}"#),
        request("contacts", r#"[{"name":{"formatted_name":"A"},"phones":[{"phone":"1"}]}]"#),
        request("interactive", BUTTONS),
        request("interactive", LIST),
        request("interactive", FLOW),
        request("template", TEMPLATE),
    ]);
    let piece = prop::sample::select(vec![
        "",
        "{}",
        "[]",
        "null",
        "7",
        "\"\"",
        "\"SECRET\"",
        "-1e9",
        "true",
        ",",
        "}",
        "\u{0}",
        "ä",
    ]);
    (valid, 0..1000_usize, 0..40_usize, piece).prop_map(|(valid, at, length, piece)| {
        let floor = |at: usize| (0..=at.min(valid.len())).rev().find(|at| valid.is_char_boundary(*at)).unwrap_or(0);
        let (from, to) = (floor(at), floor(at + length));
        format!("{}{piece}{}", &valid[..from], &valid[to..])
    })
}

proptest! {
    #[test]
    fn whatever_comes_is_answered_and_nothing_is_repeated(json in nearly()) {
        match command(&json) {
            Err(error) => prop_assert!(!format!("{error:?}").contains("SECRET"), "{:?}", error),
            Ok(Command::Send { message, .. }) => {
                // What needs nothing from elsewhere can be written and read as it is.
                let body = match message.body {
                    OutboundBody::Location(location) => Body::Location(*location),
                    OutboundBody::Contacts(contacts) => Body::Contacts(contacts),
                    OutboundBody::Interactive(interactive) => Body::Interactive(Box::new(interactive.content)),
                    _ => return Ok(()),
                };
                let number = PhoneNumber::parse("+15550101").unwrap();
                let payload = Payload::new(number.clone(), number, MessageId::new([1; 16]), 1, body);
                prop_assert!(Payload::decode(&payload.encode()).unwrap().body == payload.body);
            }
            Ok(Command::MarkRead { .. }) => {}
        }
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in prop::sample::select(vec!["image", "contacts", "interactive", "template"])) {
        let _ = parse(&HeaderMap::new(), &bytes, Edge::Messages);
        let text = String::from_utf8_lossy(&bytes);
        let _ = command(&request(kind, &text));
        let _ = command(&request(kind, &serde_json::json!({"type": text, "action": {"name": text, "buttons": [text]}, "components": [{"type": text}]}).to_string()));
    }
}

#[test]
fn the_examples_that_describe_the_port_are_taken() {
    let document: Value = serde_json::from_slice(&crate::api::openapi::json()).unwrap();
    let (_, messages) = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .find(|(path, _)| path.ends_with("/messages"))
        .unwrap();
    let examples = messages["post"]["requestBody"]["content"]["application/json"]["examples"]
        .as_object()
        .unwrap();
    assert!(examples.len() > 10);
    for (name, example) in examples {
        if let Err(error) = command(&example["value"].to_string()) {
            panic!("{name}: {error:?}");
        }
    }
}
