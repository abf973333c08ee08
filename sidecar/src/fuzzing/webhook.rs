//! What a business receives of what a consumer wrote.

use serde_json::Value;
use waxseal_content::{ButtonReply, Contacts, InteractiveReply, Location, MediaKind, PhoneNumber, Reply, Text};

use crate::{
    id::Wamid,
    message::{InboundBody, InboundMedia, InboundMessage, NumberFacts, Status, StatusUpdate},
    webhook::{ascii, body::Account},
};

/// Texts of a consumer, each on a line: a body is printable ASCII whatever they say, and says the same when it is read.
#[must_use]
pub fn webhook(bytes: &[u8]) -> bool {
    let whole = String::from_utf8_lossy(bytes);
    let mut lines = whole.split('\n');
    let mut text = || Text::from(lines.next().unwrap_or_default());
    let (name, caption) = (text(), text());
    let all = Text::from(&*whole);
    let (Ok(from), Ok(wamid)) = (PhoneNumber::parse("+15550101"), Wamid::from_token(b"message")) else {
        return false;
    };
    let account = Account::new(&NumberFacts {
        phone_number: "+15550100".to_owned(),
        phone_number_id: "1".to_owned(),
        waba_id: "2".to_owned(),
        app_id: "3".to_owned(),
        display_name: "Shop".to_owned(),
        connected: true,
        pin_enabled: false,
        webhook_url: None,
    });
    let says = |body: InboundBody, pointers: &[(&str, &Text)]| {
        let message = InboundMessage {
            from: from.clone(),
            profile_name: Some(name.clone()),
            user_id: "US.1".to_owned(),
            identity_key_hash: None,
            wamid: wamid.clone(),
            timestamp_s: 1,
            body,
            context: None,
        };
        let read = read(&account.message(&message));
        let value = "/entry/0/changes/0/value";
        let found = read.pointer(&format!("{value}/contacts/0/profile/name"));
        assert!(found.and_then(Value::as_str) == Some(name.reveal()));
        for (pointer, text) in pointers {
            let found = read.pointer(&format!("{value}/messages/0/{pointer}"));
            assert!(
                found.and_then(Value::as_str) == Some(text.reveal()),
                "{pointer} says something else"
            );
        }
        read.pointer(&format!("{value}/messages/0/contacts")).cloned()
    };

    says(InboundBody::Text(all.clone()), &[("text/body", &all)]);
    let media = InboundMedia {
        kind: MediaKind::Document,
        id: "4".to_owned(),
        url: None,
        mime_type: name.clone(),
        sha256: [0; 32],
        caption: Some(caption.clone()),
        filename: Some(all.clone()),
        voice: false,
        animated: false,
    };
    let pointers = [
        ("document/caption", &caption),
        ("document/filename", &all),
        ("document/mime_type", &name),
    ];
    says(InboundBody::Media(Box::new(media)), &pointers);
    let place = Location {
        latitude: 1.5,
        longitude: -1.5,
        name: Some(name.clone()),
        address: Some(all.clone()),
        url: Some(caption.clone()),
    };
    says(InboundBody::Location(Box::new(place)), &[("location/address", &all)]);
    let button = ButtonReply {
        text: name.clone(),
        payload: all.clone(),
    };
    says(InboundBody::Button(button), &[("button/payload", &all), ("button/text", &name)]);
    let row = Reply {
        id: name.clone(),
        title: all.clone(),
        description: Some(caption.clone()),
    };
    let pointers = [
        ("interactive/list_reply/title", &all),
        ("interactive/list_reply/description", &caption),
    ];
    says(InboundBody::Interactive(InteractiveReply::List(row)), &pointers);
    let flow = InteractiveReply::Flow {
        response_json: all.clone(),
        name: None,
        body: Some(caption.clone()),
    };
    says(
        InboundBody::Interactive(flow),
        &[
            ("interactive/nfm_reply/response_json", &all),
            ("interactive/nfm_reply/body", &caption),
        ],
    );
    let update = StatusUpdate {
        wamid: wamid.clone(),
        recipient: from.clone(),
        user_id: "US.1".to_owned(),
        status: Status::Sent,
        timestamp_s: 1,
        opaque_callback_data: Some(all.clone()),
        identity_key_hash: None,
    };
    let status = read(&account.status(&update));
    let found = status.pointer("/entry/0/changes/0/value/statuses/0/biz_opaque_callback_data");
    assert!(found.and_then(Value::as_str) == Some(all.reveal()));

    if let Ok(value) = serde_json::from_str::<Value>(all.reveal()) {
        let written = ascii::to_vec(&value);
        assert!(
            written.is_ok_and(|written| is_printable(&written) && serde_json::from_slice(&written).is_ok_and(|read| same(&read, &value)))
        );
    }
    let cards = Contacts { cards_json: all.clone() };
    let Some(said) = says(InboundBody::Contacts(cards), &[]) else {
        return false;
    };
    let wrote: Option<Value> = serde_json::from_str(all.reveal()).ok();
    assert!(wrote.is_some_and(|wrote| same(&wrote, &said)), "cards say something else");
    true
}

/// A body, as a receiver reads it.
fn read<B: AsRef<[u8]>>(body: &serde_json::Result<B>) -> Value {
    let body = body.as_ref().map_or(&[] as &[u8], AsRef::as_ref);
    assert!(is_printable(body), "a body that is no printable ASCII");
    let read = serde_json::from_slice(body);
    assert!(read.is_ok(), "a body that cannot be read");
    read.unwrap_or_default()
}

fn is_printable(body: &[u8]) -> bool {
    body.iter().all(|byte| (0x20..0x7f).contains(byte))
}

/// The same value, but for the last bit of a fraction: the reader may miss that one.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(a, b))),
        (Value::Number(a), Value::Number(b)) if a.is_f64() && b.is_f64() => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= a.abs() * 1e-15,
            _ => false,
        },
        (a, b) => a == b,
    }
}
