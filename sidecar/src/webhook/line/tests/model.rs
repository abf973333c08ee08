//! The line against a model: a queue, lanes that commit and offer with delay, an endpoint that fails, a store that reads and removes with
//! delay, a process that is killed.

use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use super::*;

const PEERS: u8 = 3;

#[derive(Clone, Debug)]
enum Move {
    /// A lane commits an event.
    Append(u8),
    /// A lane offers the oldest event that it has committed and not offered.
    Offer(u8),
    /// The caller asks what to read, and the store takes its snapshot.
    BeginRead(usize),
    /// The page arrives, or the read fails.
    EndRead(bool),
    /// Everything to be done now is begun.
    Step,
    /// An attempt ends.
    Finish(usize, u8),
    /// Events go to another endpoint.
    Redirect,
    /// A removal becomes durable.
    Commit(usize),
    /// Time passes.
    Wait(u64),
    /// The process is killed and comes back with an empty line.
    Restart,
}

/// What was committed, per consumer, in order.
#[derive(Clone, Debug, Default)]
struct Committed {
    /// Entries, entries per consumer, attempts at once.
    bounds: (usize, usize, usize),
    /// After how many failures an event may be passed over.
    patience: u32,
    ids: BTreeMap<u8, Vec<u64>>,
    next: u64,
}

impl ReferenceStateMachine for Committed {
    type State = Self;
    type Transition = Move;

    fn init_state() -> BoxedStrategy<Self> {
        let bounds = (2..16_usize, 1..5_usize, 1..4_usize);
        let patience = prop_oneof![Just(u32::MAX), 1..4_u32];
        let committed = |(bounds, patience)| Self {
            bounds,
            patience,
            ..Self::default()
        };
        (bounds, patience).prop_map(committed).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Move> {
        prop_oneof![
            8 => (0..PEERS + 3).prop_map(|peer| Move::Append(peer.saturating_sub(3))),
            8 => (0..PEERS + 3).prop_map(|peer| Move::Offer(peer.saturating_sub(3))),
            5 => (1..5_usize).prop_map(Move::BeginRead),
            5 => prop::bool::weighted(0.9).prop_map(Move::EndRead),
            6 => Just(Move::Step),
            8 => (any::<usize>(), any::<u8>()).prop_map(|(which, how)| Move::Finish(which, how)),
            1 => Just(Move::Redirect),
            6 => any::<usize>().prop_map(Move::Commit),
            3 => (0..20_000_u64).prop_map(Move::Wait),
            1 => prop::bool::weighted(0.2).prop_map(|restart| if restart { Move::Restart } else { Move::Step }),
        ]
        .boxed()
    }

    fn apply(mut state: Self, transition: &Move) -> Self {
        if let Move::Append(peer) = transition {
            state.next += 1;
            state.ids.entry(*peer).or_default().push(state.next);
        }
        state
    }
}

struct World {
    bounds: (usize, usize, usize),
    patience: u32,
    /// How often each was rejected or not reached.
    failures: BTreeMap<u64, u32>,
    /// Those behind which others were delivered.
    aside: BTreeSet<u64>,
    line: Line<u64, u64>,
    queue: BTreeMap<u64, u8>,
    next: u64,
    now_ms: u64,
    unoffered: BTreeMap<u8, VecDeque<u64>>,
    page: Option<(Vec<u64>, bool)>,
    under_way: Vec<u64>,
    removing: Vec<u64>,
    /// First deliveries, in their order.
    delivered: BTreeMap<u8, Vec<u64>>,
    /// Delivered, but the removal was lost with the process.
    again: BTreeSet<u64>,
}

impl World {
    fn peer_of(&self, id: u64) -> u8 {
        self.queue[&id]
    }

    /// What was committed for the same consumer before it and is not done with.
    fn before(&self, id: u64) -> Vec<u64> {
        let peer = self.peer_of(id);
        let before = self.queue.range(..id).filter(|(_, of)| **of == peer);
        before
            .map(|(other, _)| *other)
            .filter(|other| !self.removing.contains(other))
            .collect()
    }

    fn begin_read(&mut self, limit: usize) {
        if let Some(after) = self.line.read() {
            let mut rest = self.queue.range(after + 1..).map(|(id, _)| *id);
            let ids: Vec<u64> = rest.by_ref().take(limit).collect();
            self.page = Some((ids, rest.next().is_some()));
        }
    }

    fn end_read(&mut self) {
        if let Some((ids, more)) = self.page.take() {
            // What was removed since the snapshot is on the page all the same; all that is left of it here is its consumer.
            let entries = ids
                .into_iter()
                .map(|id| entry(id, self.queue.get(&id).copied().unwrap_or_else(|| self.former_peer(id))))
                .collect();
            self.line.page(entries, more, self.now_ms);
        }
    }

    fn former_peer(&self, id: u64) -> u8 {
        *self.delivered.iter().find(|(_, ids)| ids.contains(&id)).unwrap().0
    }

    fn begin_all(&mut self) {
        while let Some(step) = self.line.step(self.now_ms) {
            let Step::Attempt { id, payload, .. } = step else {
                panic!("no window ends in this test");
            };
            assert_eq!(id, payload);
            let peer = self.peer_of(id);
            assert!(!self.removing.contains(&id), "tried again though delivered");
            let has_failed = |other: &u64, times| self.failures.get(other).is_some_and(|failures| *failures >= times);
            let mut passed = self.before(id).into_iter().filter(|other| !self.aside.contains(other)).peekable();
            if !self.aside.contains(&id) {
                assert!(
                    passed.peek().is_none_or(|first| has_failed(first, self.patience)),
                    "an earlier one was passed over"
                );
                assert!(passed.all(|other| has_failed(&other, 1)), "one was passed over that was not tried");
            }
            assert!(
                self.under_way
                    .iter()
                    .all(|other| self.peer_of(*other) != peer || has_failed(other, 1) || has_failed(&id, 1)),
                "two attempts for one consumer"
            );
            self.under_way.push(id);
        }
        assert!(self.under_way.len() <= self.bounds.2);
    }

    fn finish(&mut self, which: usize, how: u8) {
        if self.under_way.is_empty() {
            return;
        }
        let id = self.under_way.swap_remove(which % self.under_way.len());
        let ended = match how % 4 {
            0 => failed(FailureKind::Unreachable),
            1 => failed(FailureKind::Rejected),
            _ => Ended::Delivered,
        };
        if ended != Ended::Delivered {
            *self.failures.entry(id).or_default() += 1;
        }
        match self.line.finished(id, ended, self.now_ms, u32::from(how)) {
            Some(Verdict::Remove) => {
                assert_eq!(ended, Ended::Delivered);
                if !self.again.remove(&id) {
                    self.delivered.entry(self.peer_of(id)).or_default().push(id);
                }
                self.aside.extend(self.before(id));
                self.removing.push(id);
            }
            Some(Verdict::Retry) => assert_ne!(ended, Ended::Delivered),
            _ => panic!("neither delivered nor to be tried again"),
        }
    }

    fn commit(&mut self, which: usize) {
        if !self.removing.is_empty() {
            let id = self.removing.swap_remove(which % self.removing.len());
            self.queue.remove(&id).unwrap();
            self.line.removed(id);
        }
    }

    fn offer(&mut self, peer: u8) {
        if let Some(id) = self.unoffered.get_mut(&peer).and_then(VecDeque::pop_front) {
            // It may have been read, delivered and removed before the lane came to offer it.
            self.line.offer(entry(id, peer), self.now_ms);
        }
    }

    /// Whatever happened before: when everything works again, everything arrives.
    fn drain(&mut self) {
        for _ in 0..100_000 {
            for peer in 0..PEERS {
                self.offer(peer);
            }
            self.end_read();
            self.begin_read(4);
            self.end_read();
            self.begin_all();
            while !self.under_way.is_empty() {
                self.finish(0, 3);
            }
            self.commit(0);
            if self.queue.is_empty() && !self.line.behind() {
                return;
            }
            if let Some(wake_ms) = self.line.wake_at_ms().filter(|_| self.under_way.is_empty()) {
                self.now_ms = self.now_ms.max(wake_ms.min(self.now_ms + 60_000));
            }
        }
        panic!("{} events never came through", self.queue.len());
    }
}

fn bounded(bounds: (usize, usize, usize), patience: u32) -> Config {
    Config {
        patience,
        ..config(bounds.0, bounds.1, bounds.2)
    }
}

struct Delivery;

impl StateMachineTest for Delivery {
    type SystemUnderTest = World;
    type Reference = Committed;

    fn init_test(committed: &Committed) -> World {
        let bounds = committed.bounds;
        World {
            bounds,
            patience: committed.patience,
            failures: BTreeMap::new(),
            aside: BTreeSet::new(),
            line: Line::new(bounded(bounds, committed.patience)),
            queue: BTreeMap::new(),
            next: 0,
            now_ms: 0,
            unoffered: BTreeMap::new(),
            page: None,
            under_way: Vec::new(),
            removing: Vec::new(),
            delivered: BTreeMap::new(),
            again: BTreeSet::new(),
        }
    }

    fn apply(mut world: World, _: &Committed, transition: Move) -> World {
        match transition {
            Move::Append(peer) => {
                world.next += 1;
                world.queue.insert(world.next, peer);
                world.unoffered.entry(peer).or_default().push_back(world.next);
            }
            Move::Offer(peer) => world.offer(peer),
            Move::BeginRead(limit) => world.begin_read(limit),
            Move::EndRead(true) => world.end_read(),
            Move::EndRead(false) => {
                if world.page.take().is_some() {
                    world.line.unreadable();
                }
            }
            Move::Step => world.begin_all(),
            Move::Finish(which, how) => world.finish(which, how),
            Move::Redirect => world.line.endpoint_changed(world.now_ms),
            Move::Commit(which) => world.commit(which),
            Move::Wait(ms) => world.now_ms += ms,
            Move::Restart => {
                world.line = Line::new(bounded(world.bounds, world.patience));
                world.unoffered.clear();
                world.page = None;
                world.under_way.clear();
                world.failures.clear();
                world.aside.clear();
                // These will be delivered once more: at least once, and the same bytes.
                let lost = std::mem::take(&mut world.removing);
                world.again.extend(lost);
            }
        }
        world
    }

    fn check_invariants(world: &World, committed: &Committed) {
        assert!(world.line.held() <= world.bounds.0);
        assert!(world.line.peers.len() <= world.bounds.0);
        assert!(world.line.peers.values().all(|peer| peer.queue.len() <= world.bounds.1));
        assert_eq!(world.line.in_flight(), world.under_way.len());
        for (peer, ids) in world.delivered.iter().filter(|_| world.patience == u32::MAX) {
            assert!(
                committed.ids[peer].starts_with(ids),
                "consumer {peer}: {ids:?} is no beginning of what was committed"
            );
        }
    }

    fn teardown(mut world: World, committed: Committed) {
        world.drain();
        if world.patience != u32::MAX {
            world.delivered.values_mut().for_each(|ids| ids.sort_unstable());
        }
        assert_eq!(world.delivered, committed.ids);
        assert!(world.again.is_empty());
        assert_eq!(world.line.held(), 0);
        assert!(world.line.peers.is_empty() && world.line.due.is_empty() && world.line.ends.is_empty());
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_doubled_or_out_of_order(sequential 1..300 => Delivery);
}
