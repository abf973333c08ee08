//! What the business is told of its messages: each step once, never backwards, and never silence.

use std::time::Duration;

use waxseal_content::{Body, ReceiptKind};
use waxseal_protocol::proto::Verdict;

use super::world::{BUSINESS, Posted, RETENTION, World};

#[test]
fn delivered_before_the_relays_answer_says_sent_first() {
    let mut world = World::new(1);
    let message = world.send(0, "quick");
    world.turn();
    world.fetch();
    world.turn();
    world.receive(0, true);
    world.deliver(false);
    world.turn();
    world.post();
    assert_eq!(world.statuses(0, message), ["sent", "delivered"]);
    // The answer comes late, and once more after a restart.
    world.answer();
    world.settle();
    world.start();
    world.settle();
    assert_eq!(world.statuses(0, message), ["sent", "delivered"]);
}

#[test]
fn the_answer_and_the_receipt_in_one_turn() {
    let mut world = World::new(1);
    let message = world.send(0, "quick");
    while world.turn() | world.fetch() {}
    world.receive(0, true);
    world.deliver(false);
    world.answer();
    world.settle();
    assert_eq!(world.statuses(0, message), ["sent", "delivered"]);
}

#[test]
fn read_before_delivered_is_read() {
    let mut world = World::new(1);
    world.phones[0].tells_delivered = false;
    let message = world.send(0, "text");
    world.settle();
    for kind in [ReceiptKind::Read, ReceiptKind::Delivered, ReceiptKind::Read, ReceiptKind::Delivered] {
        world.say(
            0,
            Body::Receipt {
                kind,
                message_ids: vec![message],
            },
        );
        world.settle();
    }
    assert_eq!(world.statuses(0, message), ["sent", "read"]);
}

#[test]
fn each_step_is_told_once() {
    for keep_content in [false, true] {
        let mut world = World::with(1, keep_content, RETENTION);
        let message = world.send(0, "text");
        world.settle();
        for kind in [ReceiptKind::Delivered, ReceiptKind::Read, ReceiptKind::Delivered, ReceiptKind::Read] {
            world.say(
                0,
                Body::Receipt {
                    kind,
                    message_ids: vec![message, message],
                },
            );
            world.settle();
        }
        assert_eq!(world.statuses(0, message), ["sent", "delivered", "read"]);
    }
}

#[test]
fn receipts_for_somebody_elses_messages_count_for_nothing() {
    let mut world = World::new(2);
    world.phones[0].tells_delivered = false;
    let message = world.send(0, "text");
    world.settle();
    world.say(
        1,
        Body::Receipt {
            kind: ReceiptKind::Read,
            message_ids: vec![message],
        },
    );
    world.settle();
    assert_eq!(world.statuses(0, message), ["sent"]);
    assert!(
        !world
            .posted
            .iter()
            .any(|posted| matches!(posted, Posted::Status { status, .. } if status == "read"))
    );
}

#[test]
fn what_is_not_delivered_in_time_fails_once() {
    let mut world = World::new(1);
    world.phones[0].tells_delivered = false;
    let message = world.send(0, "too late");
    world.settle();
    world.pass(RETENTION - Duration::from_secs(300));
    world.settle();
    assert_eq!(world.statuses(0, message), ["sent", "failed"]);
    // A receipt that comes after all changes nothing any more.
    world.say(
        0,
        Body::Receipt {
            kind: ReceiptKind::Delivered,
            message_ids: vec![message],
        },
    );
    world.pass(Duration::from_secs(30));
    world.settle();
    assert_eq!(world.statuses(0, message), ["sent", "failed"]);
    assert_eq!(world.store.scheduled(), 0);
}

#[test]
fn a_message_that_expired_in_the_queue_is_never_sent() {
    let mut world = World::new(1);
    world.send(0, "opens the session");
    world.settle();
    let message = world.send(0, "too late");
    world.pass(RETENTION - Duration::from_secs(300));
    world.settle();
    assert_eq!(world.statuses(0, message), ["failed"]);
    assert_eq!(world.shown(0), ["opens the session"]);
    assert!(world.holding("too late").is_empty());
}

#[test]
fn a_message_that_expired_in_the_outbox_is_not_sent_after_it_failed() {
    let mut world = World::new(1);
    world.send(0, "opens the session");
    world.settle();
    // The relay is down: it takes nothing, and answers nothing.
    let message = world.send(0, "too late");
    world.relay.refuses = Some(Verdict::Accepted);
    world.turn();
    world.relay.refuses = None;
    world.pass(RETENTION - Duration::from_secs(300));
    // The process starts anew, and the link comes up before and after the deadline is looked at.
    world.start();
    world.settle();
    world.link();
    world.settle();
    assert_eq!(world.statuses(0, message), ["failed"]);
    assert_eq!(world.shown(0), ["opens the session"]);
    for lane in &world.lanes {
        assert_eq!(lane.core.unanswered(), 0);
    }
}

#[test]
fn a_receipt_and_the_deadline_in_one_turn_is_delivered() {
    let mut world = World::new(1);
    let message = world.send(0, "just in time");
    while world.turn() | world.fetch() | world.answer() {}
    world.receive(0, true);
    world.deliver(false);
    world.pass(RETENTION - Duration::from_secs(300));
    world.settle();
    assert_eq!(world.statuses(0, message), ["sent", "delivered"]);
}

#[test]
fn refusals_of_the_relay_fail_with_their_reason() {
    let mut world = World::new(1);
    world.send(0, "opens the session");
    world.settle();
    world.relay.unknown.insert("+15550120".to_owned());
    let unknown = world.send(0, "nobody there");
    world.settle();
    world.relay.unknown.clear();
    world.relay.refuses = Some(Verdict::QueueFull);
    let full = world.send(0, "too much");
    world.settle();
    world.relay.refuses = None;
    for (message, reason) in [(unknown, "no consumer"), (full, "refused")] {
        assert_eq!(world.statuses(0, message), ["failed"]);
        let wamid = world.wamid(0, message);
        let says = |posted: &Posted| matches!(posted, Posted::Status { wamid: of, details: Some(details), .. } if *of == wamid && details.contains(reason));
        assert!(world.posted.iter().any(says), "{reason}");
    }
    assert_eq!(world.store.scheduled(), 0);
    world.send(0, "works again");
    world.settle();
    assert_eq!(world.shown(0), ["opens the session", "works again"]);
}

#[test]
fn answers_for_unknown_envelopes_are_ignored() {
    let mut world = World::new(1);
    let foreign = crate::id::envelope_id(crate::id::message_id(0, &mut rand::rng()), 3);
    world.lanes[0].input.verdicts.push((foreign, Verdict::Accepted));
    world.settle();
    assert!(world.posted.is_empty());
    assert!(world.relay.waiting(BUSINESS).is_empty());
}
