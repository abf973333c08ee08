//! Everything at once, in any order: messages both ways, repeats, crashes at the worst moment, commits in doubt, links that break, phones that
//! lose their sessions. At the end everything is let run to rest, and nobody may miss anything.

use std::{collections::HashSet, time::Duration};

use proptest::prelude::*;

use super::world::World;

const PHONES: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    /// The business sends.
    Send(usize),
    /// A consumer writes.
    Write(usize),
    /// One lane, or all of them, take a turn.
    TurnOf(usize),
    Turn,
    /// The relay delivers to the business, perhaps everything twice; its answers come when they come.
    Deliver {
        twice: bool,
    },
    Answer,
    /// A phone takes its messages; perhaps the relay does not hear that it did.
    Receive {
        phone: usize,
        acknowledges: bool,
    },
    /// Bundles arrive.
    Fetch,
    /// The business takes its webhooks.
    Post,
    /// The process ends between two turns.
    Crash,
    /// The process ends after a commit, before anything of it left.
    CrashAfterCommit(usize),
    /// The link breaks and comes back; the relay may have been started anew.
    Relink,
    /// Replies of the store get lost.
    Doubts(usize),
    /// A phone forgets its session.
    LoseSession(usize),
    /// One-time keys run out, or are filled up.
    Exhaust,
    Publish,
    Pass,
}

fn step() -> impl Strategy<Value = Step> {
    let phone = 0..PHONES;
    prop_oneof![
        8 => phone.clone().prop_map(Step::Send),
        8 => phone.clone().prop_map(Step::Write),
        8 => phone.clone().prop_map(Step::TurnOf),
        6 => Just(Step::Turn),
        4 => any::<bool>().prop_map(|twice| Step::Deliver { twice }),
        4 => Just(Step::Answer),
        6 => (phone.clone(), any::<bool>()).prop_map(|(phone, acknowledges)| Step::Receive { phone, acknowledges }),
        4 => Just(Step::Fetch),
        2 => Just(Step::Post),
        2 => Just(Step::Crash),
        2 => phone.clone().prop_map(Step::CrashAfterCommit),
        2 => Just(Step::Relink),
        2 => (1usize..4).prop_map(Step::Doubts),
        1 => phone.prop_map(Step::LoseSession),
        1 => Just(Step::Exhaust),
        1 => Just(Step::Publish),
        1 => Just(Step::Pass),
    ]
}

/// How many steps of a kind a run may have: a message is sent anew five times at most, so a phone that forgets more often may miss one.
const MOST_LOSSES: usize = 4;

fn run(steps: &[Step]) {
    let mut world = World::new(PHONES);
    let mut sent = vec![Vec::new(); PHONES];
    let mut written = vec![Vec::new(); PHONES];
    let mut losses = [0; PHONES];
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Send(phone) => sent[*phone].push(world.send(*phone, &format!("canary out {number}"))),
            Step::Write(phone) => {
                world.write(*phone, &format!("canary in {number}"));
                written[*phone].push(format!("canary in {number}"));
            }
            Step::TurnOf(phone) => drop(world.turn_of(world.lane_of(*phone))),
            Step::Turn => drop(world.turn()),
            Step::Deliver { twice } => drop(world.deliver(*twice)),
            Step::Answer => drop(world.answer()),
            Step::Receive { phone, acknowledges } => drop(world.receive(*phone, *acknowledges)),
            Step::Fetch => drop(world.fetch()),
            Step::Post => drop(world.post()),
            Step::Crash => world.start(),
            Step::CrashAfterCommit(phone) => world.crash_after_commit(world.lane_of(*phone)),
            Step::Relink => world.link(),
            Step::Doubts(count) => world.doubts = *count,
            Step::LoseSession(phone) if losses[*phone] < MOST_LOSSES => {
                losses[*phone] += 1;
                world.phones[*phone].lose_session();
            }
            Step::LoseSession(_) => {}
            Step::Exhaust => world.exhaust_one_time_keys(),
            Step::Publish => world.publish(2),
            Step::Pass => world.pass(Duration::from_secs(600)),
        }
    }
    world.settle();
    for phone in 0..PHONES {
        let shown: Vec<_> = world.phones[phone].shown.iter().map(|(id, _)| *id).collect();
        let once: HashSet<_> = shown.iter().copied().collect();
        assert_eq!(once.len(), shown.len(), "a message was shown twice");
        assert_eq!(
            once,
            sent[phone].iter().copied().collect(),
            "every accepted message is shown, and nothing else"
        );
        if world.phones[phone].asked == 0 {
            assert_eq!(shown, sent[phone], "in order");
        }
        assert_eq!(world.texts(phone), written[phone], "every text is one webhook event, in order");
        for message in &sent[phone] {
            assert_eq!(world.statuses(phone, *message), ["sent", "delivered"]);
        }
    }
    assert!(world.holding("canary").is_empty(), "content is left behind");
    assert_eq!(world.store.scheduled(), 0);
    for lane in &world.lanes {
        assert_eq!(lane.core.unanswered(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn nobody_misses_anything(steps in prop::collection::vec(step(), 1..60)) {
        run(&steps);
    }
}
