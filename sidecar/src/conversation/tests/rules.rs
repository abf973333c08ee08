//! Who may be written what, and when: the window of 24 hours, identities that change, conversations begun in a day.

use std::time::Duration;

use proptest::prelude::*;
use waxseal_content::{Body, MessageId, Template, Text};

use super::{super::Conduct, world::World};
use crate::{config::Rules, limits::standing::Standing};

const HOUR: Duration = Duration::from_secs(60 * 60);
const RETENTION: Duration = Duration::from_secs(7 * 24 * 60 * 60);

fn world(rules: &Rules, identity_check: bool) -> World {
    World::ruled(2, RETENTION, Conduct::new(rules, identity_check, Standing::default()))
}

fn with_window() -> World {
    let rules = Rules {
        conversation_window: true,
        ..Rules::default()
    };
    world(&rules, false)
}

fn template() -> Body {
    Body::Template(Box::new(Template {
        name: "order".to_owned(),
        language: "en_US".to_owned(),
        header: None,
        body: Text::from("template"),
        footer: None,
        buttons: Vec::new(),
    }))
}

fn failure(world: &World, phone: usize, message: MessageId) -> Option<u64> {
    let wamid = world.wamid(phone, message);
    world.told.iter().find_map(|body| {
        let status = &body["entry"][0]["changes"][0]["value"]["statuses"][0];
        (status["id"] == wamid).then(|| status["errors"][0]["code"].as_u64()).flatten()
    })
}

#[test]
fn only_templates_reach_who_has_not_written_for_a_day() {
    let mut world = with_window();
    let cold = world.send(0, "hello");
    let first = world.send_for(0, template(), None);
    world.settle();
    assert_eq!(failure(&world, 0, cold), Some(131_047));
    assert_eq!(world.statuses(0, cold), ["failed"]);
    assert_eq!(failure(&world, 0, first), None);
    assert_eq!(world.statuses(0, first)[0], "sent");
    world.write(0, "yes?");
    world.settle();
    world.pass(24 * HOUR);
    let warm = world.send(0, "in time");
    world.settle();
    assert_eq!(world.statuses(0, warm), ["sent", "delivered"]);
    world.pass(Duration::from_millis(1));
    let late = world.send(0, "too late");
    let reaction = world.send_for(
        0,
        Body::Reaction {
            message_id: warm,
            emoji: "x".into(),
        },
        None,
    );
    world.settle();
    assert_eq!(failure(&world, 0, late), Some(131_047));
    assert_eq!(failure(&world, 0, reaction), Some(131_047));
    // A restart remembers who wrote when; another consumer has a window of its own.
    world.write(0, "still there");
    world.settle();
    world.start();
    world.send(0, "after a restart");
    let other = world.send(1, "hello");
    world.settle();
    assert_eq!(world.shown(0).last().copied(), Some("after a restart"));
    assert_eq!(failure(&world, 1, other), Some(131_047));
}

#[test]
fn what_was_accepted_in_time_may_wait() {
    let mut world = with_window();
    world.write(0, "hi");
    world.settle();
    world.pass(23 * HOUR);
    let message = world.send(0, "accepted in time");
    world.pass(2 * HOUR);
    world.settle();
    assert_eq!(world.statuses(0, message), ["sent", "delivered"]);
}

#[test]
fn read_marks_need_no_window() {
    let mut world = with_window();
    let question = world.write(0, "question");
    world.settle();
    world.pass(48 * HOUR);
    let told = world.posted.len();
    world.mark_read(0, question);
    world.settle();
    assert_eq!(world.posted.len(), told);
    assert!(
        world.phones[0]
            .noticed
            .iter()
            .any(|body| matches!(body, Body::Receipt { message_ids, .. } if *message_ids == [question]))
    );
}

fn hash(world: &World) -> String {
    let mut hashes = world.told.iter().filter_map(|body| {
        body["entry"][0]["changes"][0]["value"]["contacts"][0]["identity_key_hash"]
            .as_str()
            .map(str::to_owned)
    });
    hashes.next_back().unwrap()
}

fn text(text: &str) -> Body {
    Body::Text {
        body: text.into(),
        preview_url: false,
    }
}

fn changes(world: &World) -> Vec<&serde_json::Value> {
    let messages = world
        .told
        .iter()
        .map(|body| &body["entry"][0]["changes"][0]["value"]["messages"][0]);
    messages.filter(|message| message["type"] == "system").collect()
}

#[test]
fn a_message_for_another_identity_is_not_delivered() {
    let mut world = world(&Rules::default(), true);
    world.write(0, "it is me");
    world.settle();
    let before = hash(&world);
    assert_eq!(before.len(), 12, "eight bytes");
    let message = world.send_for(0, text("for you"), Some(before.clone()));
    world.settle();
    assert_eq!(world.statuses(0, message), ["sent", "delivered"]);
    let status = world
        .told
        .iter()
        .rev()
        .find(|body| body["entry"][0]["changes"][0]["value"]["statuses"].is_array());
    assert_eq!(
        status.unwrap()["entry"][0]["changes"][0]["value"]["statuses"][0]["recipient_identity_key_hash"],
        before
    );
    let wrong = world.send_for(0, text("for somebody else"), Some("AAAAAAAAAAA=".to_owned()));
    world.settle();
    assert_eq!(failure(&world, 0, wrong), Some(137_000));
    assert!(changes(&world).is_empty());
    // A new phone, which the business does not know of yet: what it cannot read is not encrypted to it anew.
    let now = world.now;
    world.phones[0].reinstall(now);
    let unread = world.send_for(0, text("for the old one"), Some(before.clone()));
    world.settle();
    assert_eq!(failure(&world, 0, unread), Some(137_000));
    assert!(!world.shown(0).contains(&"for the old one"));
    // The business is told once, and may write to the new one.
    let changed = changes(&world);
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0]["system"]["type"], "customer_identity_changed");
    let after = changed[0]["identity"]["hash"].as_str().unwrap().to_owned();
    assert_ne!(after, before);
    let known = world.send_for(0, text("for the new one"), Some(after));
    world.settle();
    assert_eq!(world.statuses(0, known).last().map(AsRef::as_ref), Some("delivered"));
}

#[test]
fn identities_are_nobodys_business_unless_asked_for() {
    let mut world = world(&Rules::default(), false);
    world.write(0, "hello");
    world.settle();
    let now = world.now;
    world.phones[0].reinstall(now);
    world.write(0, "hello again");
    world.settle();
    assert!(world.told.iter().all(|body| !body.to_string().contains("identity")));
    assert!(changes(&world).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever happened before: what is no template is delivered if and only if the consumer wrote within a day.
    #[test]
    fn the_window_is_open_for_a_day_after_each_message(steps in prop::collection::vec((0_u8..3, 0_u64..13), 1..12)) {
        let mut world = with_window();
        // There is a session while the keys of both are fresh.
        world.send_for(0, template(), None);
        world.settle();
        let mut heard = None;
        for (what, hours) in steps {
            match what {
                0 => world.pass(HOUR * u32::try_from(hours).unwrap()),
                1 => {
                    world.write(0, "hi");
                    world.settle();
                    heard = Some(world.now);
                }
                _ => {
                    let message = world.send(0, "hello");
                    let template = world.send_for(0, template(), None);
                    world.settle();
                    let open = heard.is_some_and(|heard| world.now.duration_since(heard).unwrap() <= 24 * HOUR);
                    prop_assert_eq!(failure(&world, 0, message), (!open).then_some(131_047));
                    prop_assert_eq!(failure(&world, 0, template), None);
                }
            }
        }
    }
}
