//! A store that forgets: no message key is used twice with different bytes. The relay's model fails the test if one is.

use super::world::World;

#[test]
fn a_session_that_may_be_old_is_skipped_ahead() {
    let mut world = World::new(1);
    world.send(0, "one");
    world.settle();
    world.write(0, "two");
    world.settle();
    let before = world.store.clone();
    world.send(0, "lost with the store");
    world.send(0, "this too");
    world.settle();
    assert_eq!(world.shown(0).len(), 3);
    // The store comes back as it was, and the process with it.
    world.store = before;
    world.start();
    for lane in &mut world.lanes {
        lane.core.rolled_back = true;
    }
    world.send(0, "after the loss");
    world.send(0, "and on");
    world.settle();
    assert_eq!(
        world.shown(0),
        ["one", "lost with the store", "this too", "after the loss", "and on"]
    );
    assert_eq!(world.phones[0].asked, 0, "64 missing messages are no reason to ask");
}

#[test]
#[should_panic(expected = "one message key encrypts two messages")]
fn without_skipping_ahead_a_message_key_would_be_used_twice() {
    let mut world = World::new(1);
    world.send(0, "one");
    world.settle();
    world.write(0, "two");
    world.settle();
    let before = world.store.clone();
    world.send(0, "lost with the store");
    world.settle();
    world.store = before;
    world.start();
    world.send(0, "after the loss");
    world.settle();
}

#[test]
fn sessions_are_skipped_ahead_once() {
    let mut world = World::new(1);
    world.send(0, "one");
    world.settle();
    world.write(0, "two");
    world.settle();
    world.start();
    for lane in &mut world.lanes {
        lane.core.rolled_back = true;
    }
    let mut counters = Vec::new();
    for number in 0..3 {
        world.send(0, &format!("{number}"));
        while world.turn() | world.fetch() {}
        let envelope = world.relay.waiting("+15550120").pop().unwrap();
        counters.push(super::relay::message_key(&envelope.body).unwrap().1);
        world.settle();
        let phone = &world.phones[0];
        assert_eq!(phone.asked, 0);
    }
    assert!(counters[0] >= 64, "{counters:?}");
    assert!(counters[2] < counters[0] + 8, "{counters:?}");
}

#[test]
fn a_living_owner_that_rolls_back_goes_on_under_its_new_epoch() {
    let mut world = World::new(1);
    world.send(0, "one");
    world.settle();
    world.write(0, "two");
    world.settle();
    let before = world.store.clone();
    world.send(0, "lost with the store");
    world.settle();
    world.store = before;
    let fences: Vec<_> = world.lanes.iter().map(|lane| world.shared.names.fence(lane.core.lane)).collect();
    for (lane, fence) in fences.iter().enumerate() {
        let (epoch, seq) = world.store.claim(fence);
        world.lanes[lane].core.roll_back(epoch, seq);
        world.lanes[lane].core.forget_outbox();
    }
    world.link();
    world.send(0, "after the loss");
    world.settle();
    assert_eq!(world.shown(0), ["one", "lost with the store", "after the loss"]);
}

#[test]
fn a_commit_in_doubt_is_one_commit() {
    let mut world = World::new(2);
    for number in 0..10 {
        for phone in 0..2 {
            world.send(phone, &format!("out {number}"));
            world.write(phone, &format!("in {number}"));
        }
        world.doubts = 3;
        world.settle();
    }
    for phone in 0..2 {
        assert_eq!(
            world.shown(phone),
            (0..10).map(|number| format!("out {number}")).collect::<Vec<_>>()
        );
        assert_eq!(world.texts(phone), (0..10).map(|number| format!("in {number}")).collect::<Vec<_>>());
    }
}
