//! Edits, revocations, played receipts, and every kind of message in the log.

use waxseal_content::{
    Blob, BlobId, ButtonReply, Contacts, FileSecret, InteractiveReply, Location, Media, MediaKind, Order, OrderItem, Payload, ReceiptKind,
    Reply,
};

use super::*;

fn edit(message_id: MessageId, text: &str, caption: bool) -> Body {
    Body::Edit {
        message_id,
        text: text.into(),
        caption,
    }
}

pub(super) fn media(voice: bool) -> Media {
    Media {
        kind: if voice { MediaKind::Audio } else { MediaKind::Image },
        blob: Blob {
            id: BlobId::new([5; 16]),
            key: FileSecret::new([6; 32]),
        },
        sha256: [7; 32],
        size_bytes: 8,
        mime_type: "image/png".into(),
        caption: None,
        filename: Some("a.png".into()),
        voice,
        animated: false,
    }
}

fn texts_in_log(side: &Side, peer: &PhoneNumber) -> Vec<(String, bool)> {
    let said = |entry: crate::Entry| match entry.body {
        Body::Text { body, .. } => (body.reveal().to_owned(), entry.edited),
        Body::Media(media) => (
            media.caption.map_or_else(String::new, |text| text.reveal().to_owned()),
            entry.edited,
        ),
        Body::Revoke { .. } => ("(taken back)".to_owned(), entry.edited),
        _ => ("(something else)".to_owned(), entry.edited),
    };
    side.engine.history(peer, 99).unwrap().into_iter().map(said).collect()
}

#[tokio::test]
async fn edits_and_revocations_change_both_logs() {
    let (mut a, mut b) = pair().await;
    let (at_a, at_b) = (a.number(), b.number());
    let (text, _) = a.say(&at_b, "helo").await;
    let image = a.tell(&at_b, Body::Media(media(false))).await.unwrap();
    let (secret, _) = a.say(&at_b, "the secret").await;
    settle(&mut a, &mut b).await;

    a.tell(&at_b, edit(text, "hello", false)).await.unwrap();
    a.tell(&at_b, edit(image, "me", true)).await.unwrap();
    a.tell(&at_b, Body::Revoke { message_id: secret }).await.unwrap();
    let (_, to_b) = settle(&mut a, &mut b).await;
    let kinds: Vec<_> = to_b
        .iter()
        .filter_map(|event| match event {
            Event::Edited {
                message_id,
                text,
                caption,
                applied: true,
                ..
            } => Some((*message_id, text.reveal(), *caption)),
            Event::Revoked {
                message_id, applied: true, ..
            } => Some((*message_id, "", false)),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, [(text, "hello", false), (image, "me", true), (secret, "", false)]);
    let wanted = [
        ("hello".to_owned(), true),
        ("me".to_owned(), true),
        ("(taken back)".to_owned(), false),
    ];
    assert_eq!(texts_in_log(&a, &at_b), wanted);
    assert_eq!(texts_in_log(&b, &at_a), wanted);
    // Nothing of the old text is anywhere in the state of either.
    for side in [&a, &b] {
        for needle in [&b"the secret"[..], b"helo"] {
            for (_, value) in side.engine.store.page(b"", None, usize::MAX).unwrap() {
                assert!(!value.windows(needle.len()).any(|window| window == needle));
            }
        }
    }
    // What was taken back stays so.
    assert!(matches!(a.tell(&at_b, edit(secret, "again", false)).await, Err(Error::NotOurs)));
}

#[tokio::test]
async fn nobody_changes_what_another_wrote() {
    let (mut a, mut b) = pair().await;
    let (at_a, at_b) = (a.number(), b.number());
    let (text, _) = a.say(&at_b, "mine").await;
    settle(&mut a, &mut b).await;
    for body in [
        edit(text, "yours", false),
        Body::Revoke { message_id: text },
        edit(MessageId::new([9; 16]), "x", false),
    ] {
        assert!(matches!(b.tell(&at_a, body).await, Err(Error::NotOurs)));
    }
    for body in [edit(text, "", false), edit(text, "a caption", true)] {
        assert!(a.tell(&at_b, body).await.is_err());
    }
    // A peer whose client does not keep the rules.
    let mut step = b.engine.begin();
    let forged = Payload::new(
        at_a.clone(),
        at_b.clone(),
        MessageId::new([1; 16]),
        0,
        Body::Revoke { message_id: text },
    );
    assert!(!Engine::change_logged(&mut step, &at_a, true, &forged).unwrap());
    drop(step);
    assert_eq!(texts_in_log(&b, &at_a), [("mine".to_owned(), false)]);
}

#[tokio::test]
async fn played_is_told_once_and_of_voice_only() {
    let (mut a, mut b) = pair().await;
    let (at_a, at_b) = (a.number(), b.number());
    let voice = a.tell(&at_b, Body::Media(media(true))).await.unwrap();
    let image = a.tell(&at_b, Body::Media(media(false))).await.unwrap();
    settle(&mut a, &mut b).await;
    let mut step = b.engine.begin();
    b.engine.mark_read(&mut step, &at_a, &[voice, image], b.now).unwrap();
    b.engine.mark_played(&mut step, &at_a, &[voice, image], b.now).unwrap();
    b.engine.mark_played(&mut step, &at_a, &[voice], b.now).unwrap();
    b.engine.commit(step, b.now).await.unwrap();
    let (to_a, _) = settle(&mut a, &mut b).await;
    assert_eq!(receipts(&to_a, ReceiptKind::Played), [voice]);
    assert_eq!(statuses(&a, &at_b), [Status::Played, Status::Read]);
}

#[tokio::test]
async fn every_kind_arrives_as_it_was_sent() {
    let (mut a, mut b) = pair().await;
    let reply = Reply {
        id: "1".into(),
        title: "One".into(),
        description: None,
    };
    let bodies = [
        Body::Media(media(true)),
        Body::Location(Location {
            latitude: 52.5,
            longitude: 13.4,
            name: Some("Here".into()),
            address: None,
            url: None,
        }),
        Body::Contacts(Contacts {
            cards_json: r#"[{"name":{"formatted_name":"Ann"}}]"#.into(),
        }),
        Body::InteractiveReply(InteractiveReply::Button(reply.clone())),
        Body::InteractiveReply(InteractiveReply::List(reply)),
        Body::ButtonReply(ButtonReply {
            text: "Stop".into(),
            payload: "STOP".into(),
        }),
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
        Body::NumberChanged { number: a.number() },
    ];
    for body in &bodies {
        a.tell(&b.number(), body.clone()).await.unwrap();
    }
    let (_, to_b) = settle(&mut a, &mut b).await;
    let arrived: Vec<&Body> = to_b
        .iter()
        .filter_map(|event| {
            if let Event::Message(message) = event {
                Some(&message.body)
            } else {
                None
            }
        })
        .collect();
    assert!(arrived.len() == bodies.len() && arrived.iter().zip(&bodies).all(|(arrived, sent)| **arrived == *sent));
    for (side, peer) in [(&a, b.number()), (&b, a.number())] {
        let history = side.engine.history(&peer, 99).unwrap();
        assert!(history.len() == bodies.len() && history.iter().zip(&bodies).all(|(entry, sent)| entry.body == *sent));
    }
    // What a reader would refuse is not sent.
    let nowhere = Body::Location(Location {
        latitude: 91.0,
        longitude: 0.0,
        name: None,
        address: None,
        url: None,
    });
    let receipt = Body::Receipt {
        kind: ReceiptKind::Read,
        message_ids: vec![MessageId::new([1; 16])],
    };
    for body in [nowhere, receipt, Body::Typing, Body::Unsupported] {
        assert!(matches!(a.tell(&b.number(), body).await, Err(Error::NotAMessage)));
    }
    let cards_json = Text::new("x".repeat(61_000));
    let long = a.tell(&b.number(), Body::Contacts(Contacts { cards_json })).await;
    assert!(matches!(long, Err(Error::TextLength { .. })));
}

#[tokio::test]
async fn rows_of_an_earlier_build_are_read() {
    let (mut a, b) = pair().await;
    // As a build wrote it that knew text only: fields 1, 2, 4, 5, 6, 7 and the payload.
    let payload = Payload::new(
        a.number(),
        b.number(),
        MessageId::new([3; 16]),
        7,
        Body::Text {
            body: "old".into(),
            preview_url: false,
        },
    );
    let row = rows::Logged {
        peer: b.number().reveal().to_owned(),
        outgoing: true,
        payload: payload.encode().to_vec(),
        at_ms: 7,
        status: 4,
        ..rows::Logged::default()
    };
    let bytes = prost::Message::encode_to_vec(&row);
    let mut step = a.engine.begin();
    step.tx.put(names::log(0), bytes);
    a.engine.commit(step, a.now).await.unwrap();
    let history = a.engine.history(&b.number(), 9).unwrap();
    assert!(matches!(&history[0].body, Body::Text { body, .. } if body.reveal() == "old"));
    assert!(!history[0].edited && history[0].direction == Direction::Outgoing(Status::Read));
}
