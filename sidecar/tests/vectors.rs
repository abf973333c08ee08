//! The published test vectors for webhook receivers: `docs/reference/webhook-vectors.json`.
//!
//! They are generated from the code that writes real webhooks. `WAXSEAL_WRITE_VECTORS=1 cargo test -p waxseal-sidecar --test vectors`
//! writes the file anew; without it the test compares.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use waxseal_content::{ButtonReply, Contacts, InteractiveReply, Location, MediaKind, Order, OrderItem, PhoneNumber, Reply, Text};
use waxseal_sidecar::{
    id::Wamid,
    message::{FailureReason, InboundBody, InboundContext, InboundMedia, InboundMessage, NumberFacts, Quoted, Status, StatusUpdate},
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

fn file(kind: MediaKind) -> InboundBody {
    let (mime_type, filename) = match kind {
        // Only documents have names in webhooks, whatever a consumer says.
        MediaKind::Image => ("image/jpeg", Some(Text::from("holiday.jpg"))),
        MediaKind::Audio => ("audio/ogg; codecs=opus", None),
        MediaKind::Video => ("video/mp4", None),
        MediaKind::Document => ("application/pdf", Some(Text::from("Rechnung Nº 7.pdf"))),
        MediaKind::Sticker => ("image/webp", None),
    };
    let id = "1166846181421424";
    let url = "https://api.example.com/media/1166846181421424?phone_number_id=106540352242922&expires=1750000300&signature=AbC-_9";
    InboundBody::Media(Box::new(InboundMedia {
        kind,
        id: id.to_owned(),
        url: Some(url.to_owned()),
        mime_type: Text::from(mime_type),
        sha256: [7; 32],
        caption: matches!(kind, MediaKind::Image | MediaKind::Video | MediaKind::Document).then(|| Text::from("Schön / nice")),
        filename,
        voice: kind == MediaKind::Audio,
        animated: kind == MediaKind::Sticker,
    }))
}

/// Messages of every type that consumers write, but for texts.
fn types() -> Vec<(&'static str, InboundBody)> {
    let original = || Wamid::from_token(b"an earlier inbound message").unwrap();
    let reply = |description: Option<&str>| Reply {
        id: Text::from("row-1"),
        title: Text::from("Große Größe"),
        description: description.map(Text::from),
    };
    let place = |name: Option<&str>| {
        InboundBody::Location(Box::new(Location {
            latitude: 52.5163,
            longitude: -13.0,
            name: name.map(Text::from),
            address: name.map(|_| Text::from("Pariser Platz, Berlin")),
            url: name.map(|_| Text::from("https://example.com/gate")),
        }))
    };
    let cards = r#"[{"name":{"first_name":"Ada","formatted_name":"Ada Löwe"},"phones":[{"phone":"+1 555-0102","type":"HOME","wa_id":"15550102"}]}]"#;
    vec![
        ("image", file(MediaKind::Image)),
        ("voice message", file(MediaKind::Audio)),
        ("video", file(MediaKind::Video)),
        ("document", file(MediaKind::Document)),
        ("sticker", file(MediaKind::Sticker)),
        ("file too large", InboundBody::MediaTooLarge),
        ("location", place(Some("Brandenburger Tor"))),
        ("current location", place(None)),
        (
            "contacts",
            InboundBody::Contacts(Contacts {
                cards_json: Text::from(cards),
            }),
        ),
        (
            "template button",
            InboundBody::Button(ButtonReply {
                text: Text::from("Ja"),
                payload: Text::from("yes-payload"),
            }),
        ),
        ("reply button", InboundBody::Interactive(InteractiveReply::Button(reply(None)))),
        (
            "list row",
            InboundBody::Interactive(InteractiveReply::List(reply(Some("mehr davon")))),
        ),
        (
            "flow finished",
            InboundBody::Interactive(InteractiveReply::Flow {
                response_json: Text::from(r#"{"flow_token":"t","größe":"L"}"#),
                name: Some(Text::from("flow")),
                body: Some(Text::from("Sent")),
            }),
        ),
        (
            "edit",
            InboundBody::Edit {
                original: original(),
                text: Text::from("Hello, schön"),
            },
        ),
        ("revoke", InboundBody::Revoke { original: original() }),
        ("request welcome", InboundBody::RequestWelcome),
        (
            "order",
            InboundBody::Order(Box::new(Order {
                catalog_id: Text::from("194836987003835"),
                text: Some(Text::from("Bitte als Geschenk, schön verpackt")),
                items: vec![OrderItem {
                    product_retailer_id: Text::from("di9ozbzfi4"),
                    quantity: 2,
                    price: 30.5,
                    currency: Text::from("EUR"),
                }],
            })),
        ),
        (
            "number changed",
            InboundBody::NumberChanged {
                to: PhoneNumber::parse("+15550199").unwrap(),
                user_id: bsuid::of(&[0; 32], &PhoneNumber::parse("+15550199").unwrap()),
            },
        ),
    ]
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
    let mut forwarded = inbound("Hello");
    forwarded.context = Some(InboundContext {
        quoted: None,
        forwarded: true,
    });
    let mut identified = inbound("Hello");
    identified.identity_key_hash = Some("DF2lS5v2W6x=".to_owned());
    let mut cases = vec![
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
        ("status played", account.status(&status(Status::Played)).unwrap()),
        ("forwarded", account.message(&forwarded).unwrap()),
        ("with the identity key's hash", account.message(&identified).unwrap()),
    ];
    cases.extend(types().into_iter().map(|(name, body)| {
        let mut message = inbound("");
        message.body = body;
        if matches!(message.body, InboundBody::Button(_) | InboundBody::Interactive(_)) {
            message.context = Some(InboundContext {
                quoted: Some(Quoted {
                    wamid: Wamid::from_token(b"an outbound message").unwrap(),
                    from: PhoneNumber::parse("+15550100").unwrap(),
                }),
                forwarded: false,
            });
        }
        (name, account.message(&message).unwrap())
    }));
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
