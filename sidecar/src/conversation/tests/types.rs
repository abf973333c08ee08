//! Messages of every type: what the business is told of them, and what is kept to do it.

use std::time::Duration;

use serde_json::{Value, json};
use waxseal_content::{
    Blob, BlobId, Body, ButtonReply, Contacts, Context, FileSecret, InteractiveReply, Location, Media, MediaKind, MessageId, Order,
    OrderItem, Payload, PhoneNumber, ReceiptKind, Reply, Text,
};
use waxseal_sealing::Class;

use super::{
    super::record::UserRecord,
    phone::Wish,
    world::{BUSINESS, Posted, RETENTION, World},
};
use crate::{file as files, webhook::bsuid};

fn file(kind: MediaKind, size_bytes: u64) -> Media {
    Media {
        kind,
        blob: Blob {
            id: BlobId::new([5; 16]),
            key: FileSecret::new([9; 32]),
        },
        sha256: [7; 32],
        size_bytes,
        mime_type: "audio/ogg; codecs=opus".into(),
        caption: None,
        filename: Some("Übung.ogg".into()),
        voice: kind == MediaKind::Audio,
        animated: false,
    }
}

/// The members that messages of other types than text had, in order.
fn told(world: &World) -> Vec<Value> {
    let of = |posted: &Posted| match posted {
        Posted::Message(message) => Some(message.clone()),
        _ => None,
    };
    world.posted.iter().filter_map(of).collect()
}

#[test]
fn each_type_is_told_in_its_own_member() {
    let mut world = World::new(1);
    let original = world.write(0, "the first");
    let moved = PhoneNumber::parse("+15550199").unwrap();
    world.settle();
    let reply = |description: Option<&str>| Reply {
        id: "id".into(),
        title: "Title".into(),
        description: description.map(Text::from),
    };
    let place = Location {
        latitude: 1.5,
        longitude: -2.0,
        name: None,
        address: Some("Hafenstraße 1".into()),
        url: None,
    };
    let cards = |json: &str| Body::Contacts(Contacts { cards_json: json.into() });
    let bodies = vec![
        Body::Location(place),
        cards(r#"[{"name":{"formatted_name":"Ada"}}]"#),
        cards("[]"),
        cards("no JSON"),
        Body::ButtonReply(ButtonReply {
            text: "Yes".into(),
            payload: "yes".into(),
        }),
        Body::InteractiveReply(InteractiveReply::Button(reply(None))),
        Body::InteractiveReply(InteractiveReply::List(reply(Some("more")))),
        Body::InteractiveReply(InteractiveReply::Flow {
            response_json: "{}".into(),
            name: None,
            body: None,
        }),
        Body::Edit {
            message_id: original,
            text: "another".into(),
            caption: false,
        },
        Body::Revoke { message_id: original },
        Body::RequestWelcome,
        Body::Order(Box::new(Order {
            catalog_id: "7".into(),
            text: None,
            items: vec![OrderItem {
                product_retailer_id: "shirt".into(),
                quantity: 2,
                price: 12.5,
                currency: "EUR".into(),
            }],
        })),
        Body::NumberChanged { number: moved.clone() },
    ];
    for body in bodies {
        world.say(0, body);
    }
    world.settle();
    let wamid = world.wamid(0, original);
    let unsupported = (json!("unsupported"), Value::Null);
    let expected = [
        (
            json!("location"),
            json!({"latitude": 1.5, "longitude": -2.0, "address": "Hafenstraße 1"}),
        ),
        (json!("contacts"), json!([{"name": {"formatted_name": "Ada"}}])),
        unsupported.clone(),
        unsupported,
        (json!("button"), json!({"payload": "yes", "text": "Yes"})),
        (
            json!("interactive"),
            json!({"type": "button_reply", "button_reply": {"id": "id", "title": "Title"}}),
        ),
        (
            json!("interactive"),
            json!({"type": "list_reply", "list_reply": {"id": "id", "title": "Title", "description": "more"}}),
        ),
        (
            json!("interactive"),
            json!({"type": "nfm_reply", "nfm_reply": {"response_json": "{}", "body": "Sent", "name": "flow"}}),
        ),
        (
            json!("edit"),
            json!({"original_message_id": wamid, "message": {"type": "text", "text": {"body": "another"}}}),
        ),
        (json!("revoke"), json!({"original_message_id": wamid})),
        (json!("request_welcome"), Value::Null),
        (
            json!("order"),
            json!({"catalog_id": "7", "text": "", "product_items": [
                {"product_retailer_id": "shirt", "quantity": 2, "item_price": 12.5, "currency": "EUR"},
            ]}),
        ),
        (
            json!("system"),
            json!({
                "body": "This consumer has changed to another phone number.", "type": "user_changed_number",
                "wa_id": moved.wa_id(), "user_id": bsuid::of(&world.shared.user_id_key, &moved),
            }),
        ),
    ];
    let told = told(&world);
    let found: Vec<_> = told
        .iter()
        .map(|message| {
            let kind = message["type"].clone();
            let member = message[kind.as_str().unwrap()].clone();
            (kind, member)
        })
        .collect();
    assert_eq!(found, expected);
    let of_unsupported = |message: &&Value| message["type"] == "unsupported";
    assert!(
        told.iter()
            .filter(of_unsupported)
            .all(|message| message["errors"][0]["code"] == 131_051)
    );
}

#[test]
fn a_file_is_told_by_an_id_under_which_its_key_is_kept() {
    let mut world = World::new(1);
    world.say(0, Body::Media(file(MediaKind::Audio, 1000)));
    world.settle();
    let told = told(&world);
    let audio = &told[0]["audio"];
    assert_eq!(
        (audio["mime_type"].as_str(), audio["sha256"].as_str(), audio["voice"].as_bool()),
        (
            Some("audio/ogg; codecs=opus"),
            Some("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="),
            Some(true)
        )
    );
    let id = crate::id::MediaId::parse(audio["id"].as_str().unwrap()).unwrap();
    let key = world.shared.names.media(id);
    let sealed = world.store.get(&key).unwrap();
    let opened = world.shared.sealer.open(Class::Media, key.as_str(), &sealed).unwrap();
    assert!(opened.windows(32).any(|window| window == [9; 32]), "the key of the file is kept");
    world.pass(RETENTION);
    assert!(world.store.get(&key).is_none());
}

#[test]
fn a_file_that_is_too_large_is_an_error_and_leaves_nothing() {
    let mut world = World::new(1);
    world.say(0, Body::Media(file(MediaKind::Video, files::MOST_BYTES)));
    world.say(0, Body::Media(file(MediaKind::Video, files::MOST_BYTES + 1)));
    world.settle();
    let told = told(&world);
    assert_eq!(
        (told[0]["type"].as_str(), told[1]["type"].as_str()),
        (Some("video"), Some("unsupported"))
    );
    assert_eq!(told[1]["errors"][0]["code"], 131_052);
    let records = world
        .store
        .everything()
        .into_iter()
        .filter(|(key, _)| key.as_str().contains("media:"));
    assert_eq!(records.count(), 1);
}

#[test]
fn what_is_quoted_and_what_is_forwarded() {
    let mut world = World::new(1);
    let ours = world.send(0, "question");
    world.settle();
    let contexts = [
        Context {
            message_id: ours,
            from_recipient: true,
            forwarded: false,
        },
        Context {
            message_id: MessageId::new([0; 16]),
            from_recipient: false,
            forwarded: true,
        },
    ];
    for context in contexts {
        let (sender, business) = (world.phones[0].number.clone(), world.shared.number.clone());
        let id = MessageId::random(&mut rand::rng());
        let payload = Payload::new(sender, business, id, world.moment().ms, Body::RequestWelcome).in_context(Some(context));
        world.grant(
            0,
            Wish::Encrypt {
                payload: payload.encode().to_vec(),
                attempt: 0,
            },
        );
    }
    world.settle();
    let contexts: Vec<Value> = told(&world).iter().map(|message| message["context"].clone()).collect();
    let wamid = world.wamid(0, ours);
    assert_eq!(
        contexts,
        [
            json!({"from": BUSINESS.trim_start_matches('+'), "id": wamid}),
            json!({"forwarded": true})
        ]
    );
}

#[test]
fn a_voice_message_is_read_and_then_played_and_others_are_only_read() {
    for keep_content in [false, true] {
        let mut world = World::with(1, keep_content, RETENTION);
        let voice = world.send_body(0, Body::Media(file(MediaKind::Audio, 1000)));
        let text = world.send(0, "text");
        world.settle();
        for kind in [
            ReceiptKind::Delivered,
            ReceiptKind::Read,
            ReceiptKind::Played,
            ReceiptKind::Read,
            ReceiptKind::Played,
            ReceiptKind::Delivered,
        ] {
            let message_ids = vec![voice, text];
            world.say(0, Body::Receipt { kind, message_ids });
            world.settle();
        }
        assert_eq!(world.statuses(0, voice), ["sent", "delivered", "read", "played"]);
        assert_eq!(world.statuses(0, text), ["sent", "delivered", "read"]);
    }
}

#[test]
fn played_at_once_is_not_followed_by_read() {
    let mut world = World::new(1);
    let voice = world.send_body(0, Body::Media(file(MediaKind::Audio, 1000)));
    world.settle();
    for kind in [ReceiptKind::Delivered, ReceiptKind::Played, ReceiptKind::Read] {
        let message_ids = vec![voice];
        world.say(0, Body::Receipt { kind, message_ids });
        world.settle();
    }
    assert_eq!(world.statuses(0, voice), ["sent", "delivered", "played"]);
}

#[test]
fn a_user_id_leads_to_its_consumer_for_as_long_as_the_conversation_lives() {
    let mut world = World::new(2);
    world.write(0, "hello");
    world.settle();
    let number = world.phones[0].number.clone();
    let user_id = bsuid::of(&world.shared.user_id_key, &number);
    let key = world.shared.names.user(&world.shared.blind.of(&user_id));
    let open = |world: &World| {
        let sealed = world.store.get(&key)?;
        world
            .shared
            .open::<UserRecord>(Class::Session, &key, &sealed)
            .map(|user| (sealed, user.number))
    };
    let (first, found) = open(&world).unwrap();
    assert_eq!(found, number.reveal());
    assert!(!key.as_str().contains(number.wa_id()));
    // Not written anew with every message ...
    world.pass(Duration::from_secs(1));
    world.write(0, "again");
    world.settle();
    assert!(open(&world).unwrap().0 == first);
    // ... but in time, so that it lives as long as the conversation does.
    for round in 0..6 {
        world.pass(RETENTION / 5);
        world.write(0, &format!("still here {round}"));
        world.settle();
        assert!(open(&world).is_some());
    }
    world.pass(RETENTION);
    assert!(open(&world).is_none());
}
