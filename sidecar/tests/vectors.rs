//! The published test vectors for webhook receivers: `docs/reference/webhook-vectors.json`.
//!
//! They are generated from the code that writes real webhooks. `WAXSEAL_WRITE_VECTORS=1 cargo test -p waxseal-sidecar --test vectors`
//! writes the file anew; without it the test compares.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use waxseal_content::{PhoneNumber, Text};
use waxseal_sidecar::{
    message::{FailureReason, InboundBody, InboundContext, InboundMessage, NumberFacts, Quoted, Status, StatusUpdate, Wamid},
    webhook::{
        body::Account,
        bsuid,
        sign::{EventId, Signer},
    },
};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/reference/webhook-vectors.json");
const APP_SECRET: &str = "0123456789abcdef0123456789abcdef";
const TIMESTAMP_S: u64 = 1_750_000_000;

fn inbound(text: &str) -> InboundMessage {
    let from = PhoneNumber::parse("+15550101").unwrap();
    InboundMessage {
        user_id: bsuid::of(&[0; 32], &from),
        from,
        identity_key_hash: None,
        profile_name: Some(Text::from("Ada Löwe")),
        wamid: Wamid::from_token(b"an inbound message").unwrap(),
        timestamp_s: TIMESTAMP_S,
        body: InboundBody::Text(Text::from(text)),
        context: None,
    }
}

fn status(status: Status) -> StatusUpdate {
    let recipient = PhoneNumber::parse("+15550101").unwrap();
    StatusUpdate {
        wamid: Wamid::from_token(b"an outbound message").unwrap(),
        user_id: bsuid::of(&[0; 32], &recipient),
        recipient,
        status,
        timestamp_s: TIMESTAMP_S,
        opaque_callback_data: Some(Text::from("order/7 ä@b")),
        identity_key_hash: None,
    }
}

fn vectors() -> Value {
    let account = Account::new(&NumberFacts {
        phone_number: "+15550100".to_owned(),
        phone_number_id: "106540352242922".to_owned(),
        waba_id: "102290129340398".to_owned(),
        app_id: "670843887433847".to_owned(),
        display_name: "Sample Shop".to_owned(),
        connected: true,
        pin_enabled: true,
        webhook_url: None,
    });
    let text = |text: &str| account.message(&inbound(text)).unwrap();
    let mut quoting = inbound("yes");
    quoting.context = Some(InboundContext {
        quoted: Some(Quoted {
            wamid: Wamid::from_token(b"an outbound message").unwrap(),
            from: PhoneNumber::parse("+15550100").unwrap(),
        }),
        forwarded: false,
    });
    let mut reaction = inbound("");
    reaction.body = InboundBody::Reaction {
        message: Wamid::from_token(b"an outbound message").unwrap(),
        emoji: Text::from("👍🏽"),
    };
    let mut removed = inbound("");
    removed.body = InboundBody::Reaction {
        message: Wamid::from_token(b"an outbound message").unwrap(),
        emoji: Text::from(""),
    };
    let mut unsupported = inbound("");
    unsupported.body = InboundBody::Unsupported;
    let cases = [
        ("text", text("Hello")),
        ("accents", text("Grüße, çà et là")),
        ("emoji", text("👋🏽 👨‍👩‍👧‍👦 🇩🇪")),
        (
            "at sign, slashes, quotes",
            text(r#"me@example.com </script> https://example.com/?a=b&c "quoted" back\slash"#),
        ),
        ("control characters", text("tab\tline\nreturn\r\u{8}\u{c}\u{0}\u{1f}\u{7f}")),
        (
            "line separators and noncharacters",
            text("\u{2028}\u{2029}\u{feff}\u{ffff}\u{10ffff}"),
        ),
        ("right to left", text("שלום עולם مرحبا")),
        ("answer", account.message(&quoting).unwrap()),
        ("reaction", account.message(&reaction).unwrap()),
        ("reaction removed", account.message(&removed).unwrap()),
        ("unsupported", account.message(&unsupported).unwrap()),
        ("status sent", account.status(&status(Status::Sent)).unwrap()),
        ("status delivered", account.status(&status(Status::Delivered)).unwrap()),
        ("status read", account.status(&status(Status::Read)).unwrap()),
        (
            "status failed",
            account.status(&status(Status::Failed(FailureReason::Expired))).unwrap(),
        ),
    ];
    let signer = Signer::new(APP_SECRET);
    let vectors: Vec<Value> = (1_u8..)
        .zip(cases)
        .map(|(number, (name, body))| {
            let event = EventId::new([number; 16]);
            json!({
                "name": name,
                "body": std::str::from_utf8(&body).unwrap(),
                "headers": {
                    "content-type": "application/json",
                    "x-hub-signature-256": signer.hub(&body),
                    "webhook-id": event.to_string(),
                    "webhook-timestamp": TIMESTAMP_S.to_string(),
                    "webhook-signature": signer.standard(event, TIMESTAMP_S, &body),
                },
            })
        })
        .collect();
    json!({
        "about": "Webhook bodies as Waxseal sends them, and the headers that go with them. A receiver that computes these signatures from the \
                  bytes of these bodies (the string, once unescaped from this file, is pure ASCII) verifies every webhook.",
        "app_secret": APP_SECRET,
        "vectors": vectors,
    })
}

#[test]
fn the_published_vectors_are_what_is_sent() {
    let current = vectors();
    if std::env::var_os("WAXSEAL_WRITE_VECTORS").is_some() {
        std::fs::write(FILE, format!("{}\n", serde_json::to_string_pretty(&current).unwrap())).unwrap();
    }
    let published: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap_or_default()).unwrap_or_default();
    assert!(
        published == current,
        "docs/reference/webhook-vectors.json is out of date: see this test's head for how to write it anew"
    );
}

#[test]
fn every_body_is_ascii_and_survives_a_receiver_that_escapes_again() {
    for vector in vectors()["vectors"].as_array().unwrap() {
        let body = vector["body"].as_str().unwrap();
        assert!(body.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{body}");
        // What whatsapp-api-js does before it hashes: parse nothing, escape what is beyond `~`.
        let escaped: String = body
            .encode_utf16()
            .map(|unit| match char::from_u32(u32::from(unit)) {
                Some(char) if char <= '~' => char.to_string(),
                _ => format!("\\u{unit:04x}"),
            })
            .collect();
        assert_eq!(escaped, body);
        let signature = Signer::new(APP_SECRET).hub(escaped.as_bytes());
        assert_eq!(vector["headers"]["x-hub-signature-256"], signature);
    }
}
