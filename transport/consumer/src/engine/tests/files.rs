//! Messages that wait for their file, and what goes wrong on purpose.

use super::changes::media;
use super::*;
use crate::{Attachment, MediaKind, spool::Spool};

/// Sends a file that is in a spool; returns the message.
async fn send_file(side: &mut Side, to: &PhoneNumber, spool: &Spool) -> MessageId {
    let mut file = spool.take(Attachment::from_bytes(MediaKind::Image, vec![1; 9])).await.unwrap();
    let mut step = side.engine.begin();
    let outgoing = Outgoing {
        file: Some(&mut file),
        ..telling(to, Body::Media(media(false)))
    };
    let id = side.engine.send(&mut step, outgoing, side.now).unwrap();
    let effects = side.engine.commit(step, side.now).await.unwrap();
    assert_eq!(effects.upload.len(), 1);
    id
}

async fn uploaded(side: &mut Side, outcome: Result<(), Failure>) -> Effects {
    let file = side.engine.waiting_files().unwrap().remove(0);
    let mut step = side.engine.begin();
    side.engine.uploaded(&mut step, &file, outcome, side.now).unwrap();
    let effects = side.engine.commit(step, side.now).await.unwrap();
    assert!(effects.unspool == [file.blob]);
    effects
}

fn kinds(events: &[Event]) -> Vec<&str> {
    let kind = |event: &Event| match event {
        Event::Message(message) if message.text().is_some() => Some("text"),
        Event::Message(_) => Some("file"),
        _ => None,
    };
    events
        .iter()
        .filter_map(kind)
        .map(|kind| if kind == "text" { "text" } else { "file" })
        .collect()
}

#[tokio::test]
async fn messages_keep_their_order_behind_a_file_and_receipts_do_not_wait() {
    let (mut a, mut b) = pair().await;
    let spool = Spool::temporary().unwrap();
    let (at_a, at_b) = (a.number(), b.number());
    b.say(&at_a, "hello").await;
    settle_with_files(&mut a, &mut b).await;

    let file = send_file(&mut a, &at_b, &spool).await;
    let effects = a.say(&at_b, "see above").await.1;
    assert!(effects.fetch.is_empty(), "a session is not what is wanting");
    let incoming = a.engine.history(&at_b, 1_000).unwrap()[0].message_id;
    let mut step = a.engine.begin();
    a.engine.mark_read(&mut step, &at_b, &[incoming], a.now).unwrap();
    a.engine.commit(step, a.now).await.unwrap();
    let (_, to_b) = settle_with_files(&mut a, &mut b).await;
    assert!(kinds(&to_b).is_empty());
    assert_eq!(receipts(&to_b, ReceiptKind::Read), [incoming]);
    assert!(
        a.engine.waited_for().unwrap().is_empty(),
        "no bundle is fetched for what waits for a file"
    );

    uploaded(&mut a, Ok(())).await;
    let (to_a, to_b) = settle(&mut a, &mut b).await;
    assert_eq!(kinds(&to_b), ["file", "text"]);
    assert!(matches!(to_a[0], Event::Sent { message_id, .. } if message_id == file));
}

#[tokio::test]
async fn a_file_that_cannot_be_uploaded_fails_alone() {
    let (mut a, mut b) = pair().await;
    let spool = Spool::temporary().unwrap();
    let at_b = b.number();
    let file = send_file(&mut a, &at_b, &spool).await;
    a.say(&at_b, "after it").await;
    let effects = uploaded(&mut a, Err(Failure::TooLarge)).await;
    assert!(matches!(effects.events[..], [Event::Failed { message_id, reason: Failure::TooLarge, .. }] if message_id == file));
    assert!(effects.fetch == [at_b]);
    let (_, to_b) = settle(&mut a, &mut b).await;
    assert_eq!(texts(&to_b), ["after it"]);
}

#[tokio::test]
async fn what_waits_for_a_file_waits_after_a_restart_too() {
    let (a, b) = pair().await;
    let spool = Spool::temporary().unwrap();
    let store = a.engine.store.clone();
    let mut a = a;
    send_file(&mut a, &b.number(), &spool).await;
    let before = a.engine.waiting_files().unwrap();
    let pool = std::mem::take(&mut a.pool);
    drop(a);
    let mut b = b;
    let mut a = Side {
        pool,
        ..Side::on(store, "+15550123", 4).await
    };
    assert!(a.engine.waiting_files().unwrap() == before && !a.engine.is_idle());
    spool.sweep(&before.iter().map(|file| file.blob).collect());
    assert!(spool.path(before[0].blob).exists());
    uploaded(&mut a, Ok(())).await;
    let (_, to_b) = settle(&mut a, &mut b).await;
    assert_eq!(kinds(&to_b), ["file"]);
}

#[tokio::test]
async fn nobody_home_gives_the_file_up() {
    let (mut a, _) = pair().await;
    let spool = Spool::temporary().unwrap();
    let nobody = tel("+15550777");
    send_file(&mut a, &nobody, &spool).await;
    let mut step = a.engine.begin();
    a.engine.unknown_number(&mut step, &nobody).unwrap();
    let effects = a.engine.commit(step, a.now).await.unwrap();
    assert!(effects.unspool.len() == 1 && a.engine.waiting_files().unwrap().is_empty() && a.engine.is_idle());
}

#[tokio::test]
async fn a_damaged_message_heals() {
    let (mut a, mut b) = pair().await;
    let at_b = b.number();
    for round in 0..2 {
        a.engine.faults.damage_next = true;
        a.say(&at_b, &format!("damaged {round}")).await;
        a.say(&at_b, &format!("sound {round}")).await;
        let (to_a, to_b) = settle(&mut a, &mut b).await;
        let mut arrived = texts(&to_b);
        arrived.sort_unstable();
        assert_eq!(arrived, [format!("damaged {round}"), format!("sound {round}")]);
        assert_eq!(receipts(&to_a, ReceiptKind::Delivered).len(), 2);
    }
}

#[tokio::test]
async fn who_cannot_decrypt_gets_nothing_and_the_sender_is_told() {
    let (mut a, mut b) = pair().await;
    b.engine.faults.cannot_decrypt = true;
    let (id, _) = a.say(&b.number(), "in vain").await;
    let (to_a, to_b) = settle(&mut a, &mut b).await;
    assert!(texts(&to_b).is_empty());
    let failed = |event: &Event| matches!(event, Event::Failed { message_id, reason: Failure::Undecryptable, .. } if *message_id == id);
    assert!(to_a.iter().any(failed));

    // Garbage harms nobody and leaves nothing.
    let (mut a, mut b) = pair().await;
    a.say(&b.number(), "hello").await;
    settle(&mut a, &mut b).await;
    let mut step = a.engine.begin();
    a.engine.send_garbage(&mut step, &b.number());
    a.engine.commit(step, a.now).await.unwrap();
    let (_, to_b) = settle(&mut a, &mut b).await;
    assert!(to_b.is_empty());
    a.say(&b.number(), "still here").await;
    assert_eq!(texts(&settle(&mut a, &mut b).await.1), ["still here"]);
}
