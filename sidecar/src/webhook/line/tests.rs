use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};

use super::*;

impl Place for u64 {
    const START: Self = 0;
}

const FAR_MS: u64 = 7 * 24 * 3_600_000;

fn tag(peer: u8) -> PeerTag {
    PeerTag([peer; 16])
}

fn entry(id: u64, peer: u8) -> Entry<u64, u64> {
    Entry {
        id,
        peer: tag(peer),
        until_ms: FAR_MS,
        payload: id,
    }
}

fn config(entries: usize, entries_per_peer: usize, concurrency: usize) -> Config {
    Config {
        entries,
        entries_per_peer,
        concurrency,
        ..Config::default()
    }
}

/// A line that has read an empty queue.
fn fresh(config: Config) -> Line<u64, u64> {
    let mut line = Line::new(config);
    assert_eq!(line.read(), Some(0));
    line.page(Vec::new(), false, 0);
    assert!(!line.behind());
    line
}

fn attempts(line: &mut Line<u64, u64>, now_ms: u64) -> Vec<u64> {
    std::iter::from_fn(|| line.step(now_ms))
        .map(|step| match step {
            Step::Attempt { id, payload, .. } => {
                assert_eq!(id, payload);
                id
            }
            Step::GiveUp { id, .. } => panic!("gave up {id}"),
        })
        .collect()
}

fn failed(kind: FailureKind) -> Ended {
    Ended::Failed {
        kind,
        retry_after_ms: None,
    }
}

#[test]
fn one_at_a_time_for_a_consumer_and_side_by_side_for_several() {
    let mut line = fresh(config(100, 10, 3));
    for (id, peer) in [(1, 1), (2, 1), (3, 2), (4, 3), (5, 4)] {
        assert_eq!(line.offer(entry(id, peer), 0), Offer::Taken);
    }
    assert_eq!(line.offer(entry(1, 1), 0), Offer::Known);
    assert_eq!(attempts(&mut line, 0), [1, 3, 4]);
    assert_eq!(
        line.wake_at_ms(),
        Some(FAR_MS),
        "nothing but the end of the window while all hands are full"
    );
    assert!(matches!(line.finished(1, Ended::Delivered, 5, 0), Some(Verdict::Remove)));
    assert_eq!(attempts(&mut line, 5), [5], "the one that waited longest comes first");
    assert!(matches!(line.finished(3, Ended::Delivered, 5, 0), Some(Verdict::Remove)));
    assert_eq!(attempts(&mut line, 5), [2]);
    assert!(line.finished(3, Ended::Delivered, 5, 0).is_none(), "an attempt ends once");
    assert_eq!(line.held(), 5, "what is done with counts until its removal is durable");
    line.removed(1);
    line.removed(3);
    assert_eq!(line.held(), 3);
}

#[test]
fn a_failed_event_holds_back_its_own_consumer_only() {
    let mut line = fresh(config(100, 10, 10));
    line.offer(entry(1, 1), 0);
    line.offer(entry(2, 1), 0);
    line.offer(entry(3, 2), 0);
    assert_eq!(attempts(&mut line, 0), [1, 3]);
    assert!(matches!(
        line.finished(1, failed(FailureKind::Rejected), 10, u32::MAX),
        Some(Verdict::Retry)
    ));
    assert!(matches!(line.finished(3, Ended::Delivered, 10, 0), Some(Verdict::Remove)));
    assert!(attempts(&mut line, 10).is_empty());
    assert_eq!(line.wake_at_ms(), Some(1_010));
    assert_eq!(attempts(&mut line, 1_010), [1]);
    let late = Ended::Failed {
        kind: FailureKind::Rejected,
        retry_after_ms: Some(60_000),
    };
    assert!(matches!(line.finished(1, late, 1_010, 0), Some(Verdict::Retry)));
    assert_eq!(line.wake_at_ms(), Some(61_010), "Retry-After counts if it is longer");
    assert_eq!(attempts(&mut line, 61_010), [1]);
    line.finished(1, Ended::Delivered, 61_020, 0);
    assert_eq!(attempts(&mut line, 61_020), [2]);
}

#[test]
fn the_window_ends_after_a_last_chance() {
    let mut line = fresh(config(100, 10, 10));
    let mut short = entry(1, 1);
    short.until_ms = 5_000;
    line.offer(short, 0);
    line.offer(entry(2, 1), 0);
    let mut tried_at = Vec::new();
    let mut now_ms = 0;
    let gave_up = loop {
        match line.step(now_ms) {
            Some(Step::Attempt { id, number, .. }) => {
                tried_at.push((id, number, now_ms));
                if let Some(Verdict::GiveUp(payload)) = line.finished(id, failed(FailureKind::Rejected), now_ms, u32::MAX) {
                    break payload;
                }
            }
            Some(Step::GiveUp { payload, .. }) => break payload,
            None => now_ms = line.wake_at_ms().unwrap(),
        }
    };
    assert_eq!(gave_up, 1);
    assert_eq!(tried_at, [(1, 1, 0), (1, 2, 1_000), (1, 3, 3_000), (1, 4, 4_000)]);
    assert_eq!(attempts(&mut line, now_ms), [2], "the next one has its own window");
}

#[test]
fn an_ended_window_gives_up_without_an_attempt() {
    let mut line = fresh(config(100, 10, 10));
    let mut short = entry(1, 1);
    short.until_ms = 5_000;
    line.offer(short, 6_000);
    assert!(matches!(line.step(6_000), Some(Step::GiveUp { id: 1, payload: 1 })));
    assert_eq!(line.held(), 1);
    line.removed(1);
    assert_eq!((line.held(), line.wake_at_ms()), (0, None));
}

/// One hour, a thousand events of a hundred consumers.
#[test]
fn an_outage_is_probed_and_then_everything_flows() {
    for (kind, most) in [(FailureKind::Unreachable, 250), (FailureKind::Rejected, 250)] {
        let mut line = fresh(config(2_000, 50, 64));
        for id in 1..=1_000 {
            line.offer(entry(id, u8::try_from(id % 100).unwrap()), 0);
        }
        let (mut now_ms, mut tried) = (0, 0);
        while now_ms < 3_600_000 {
            let batch = attempts(&mut line, now_ms);
            assert!(!line.endpoint_down() || batch.len() <= 1, "one probe at a time");
            tried += batch.len();
            for id in batch {
                line.finished(id, failed(kind), now_ms, u32::MAX / 2);
            }
            now_ms = line.wake_at_ms().unwrap();
        }
        assert!(line.endpoint_down());
        assert!(tried < most, "{tried} attempts in an hour");
        // The endpoint is back.
        let mut delivered: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let started_ms = now_ms;
        while line.held() > 0 {
            let batch = attempts(&mut line, now_ms);
            if batch.is_empty() {
                now_ms = line.wake_at_ms().unwrap();
            }
            for id in batch {
                line.finished(id, Ended::Delivered, now_ms, 0);
                line.removed(id);
                delivered.entry(id % 100).or_default().push(id);
            }
        }
        assert!(now_ms - started_ms <= 30_000, "{} ms until all was delivered", now_ms - started_ms);
        assert_eq!(delivered.values().map(Vec::len).sum::<usize>(), 1_000);
        assert!(delivered.values().all(|ids| ids.is_sorted()));
    }
}

#[test]
fn a_lone_consumer_feels_an_unreachable_endpoint_for_half_a_minute_at_most() {
    let mut line = fresh(config(10, 10, 10));
    line.offer(entry(1, 1), 0);
    let mut now_ms = 0;
    let mut longest_ms = 0;
    while now_ms < 3_600_000 {
        for id in attempts(&mut line, now_ms) {
            line.finished(id, failed(FailureKind::Unreachable), now_ms, u32::MAX);
        }
        let next_ms = line.wake_at_ms().unwrap();
        assert!(next_ms > now_ms);
        longest_ms = longest_ms.max(next_ms - now_ms);
        now_ms = next_ms;
    }
    assert_eq!(longest_ms, 30_000);
}

#[test]
fn one_consumer_fills_its_own_part_only() {
    let mut line = fresh(config(100, 4, 10));
    for id in 1..=20 {
        let offer = line.offer(entry(id, 1), 0);
        assert_eq!(offer, if id <= 4 { Offer::Taken } else { Offer::Later });
    }
    assert_eq!(line.offer(entry(21, 2), 0), Offer::Taken);
    assert_eq!(line.read(), None, "not before half of its part is free");
    for id in [1, 2] {
        assert!(attempts(&mut line, 0).contains(&id));
        line.finished(id, Ended::Delivered, 0, 0);
        line.removed(id);
    }
    assert_eq!(line.read(), Some(4));
    assert_eq!(line.read(), None, "one page at a time");
    line.page((5..=12).map(|id| entry(id, 1)).collect(), true, 0);
    assert_eq!(line.held(), 5, "two of the page fit");
    assert_eq!(line.read(), None, "nothing more fits");
}

// ---------------------------------------------------------------------------------------------------------------------------------------------
// Against a model: a queue, lanes that commit and offer with delay, an endpoint that fails, a store that reads and removes with delay.

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
    ids: BTreeMap<u8, Vec<u64>>,
    next: u64,
}

impl ReferenceStateMachine for Committed {
    type State = Self;
    type Transition = Move;

    fn init_state() -> BoxedStrategy<Self> {
        let bounds = (2..16_usize, 1..5_usize, 1..4_usize);
        bounds.prop_map(|bounds| Self { bounds, ..Self::default() }).boxed()
    }

    fn transitions(_: &Self) -> BoxedStrategy<Move> {
        prop_oneof![
            8 => (0..PEERS + 3).prop_map(|peer| Move::Append(peer.saturating_sub(3))),
            8 => (0..PEERS + 3).prop_map(|peer| Move::Offer(peer.saturating_sub(3))),
            5 => (1..5_usize).prop_map(Move::BeginRead),
            5 => prop::bool::weighted(0.9).prop_map(Move::EndRead),
            6 => Just(Move::Step),
            8 => (any::<usize>(), any::<u8>()).prop_map(|(which, how)| Move::Finish(which, how)),
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
            assert!(
                self.under_way.iter().all(|other| self.peer_of(*other) != peer),
                "two attempts for one consumer"
            );
            assert!(!self.removing.contains(&id), "tried again though delivered");
            let before = self.queue.iter().filter(|(other, of)| **of == peer && **other < id);
            assert_eq!(
                before.filter(|(other, _)| !self.removing.contains(other)).count(),
                0,
                "an earlier one was passed over"
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
        match self.line.finished(id, ended, self.now_ms, u32::from(how)) {
            Some(Verdict::Remove) => {
                assert_eq!(ended, Ended::Delivered);
                if !self.again.remove(&id) {
                    self.delivered.entry(self.peer_of(id)).or_default().push(id);
                }
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

struct Delivery;

impl StateMachineTest for Delivery {
    type SystemUnderTest = World;
    type Reference = Committed;

    fn init_test(committed: &Committed) -> World {
        let bounds = committed.bounds;
        World {
            bounds,
            line: Line::new(config(bounds.0, bounds.1, bounds.2)),
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
            Move::Commit(which) => world.commit(which),
            Move::Wait(ms) => world.now_ms += ms,
            Move::Restart => {
                world.line = Line::new(config(world.bounds.0, world.bounds.1, world.bounds.2));
                world.unoffered.clear();
                world.page = None;
                world.under_way.clear();
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
        for (peer, ids) in &world.delivered {
            assert!(
                committed.ids[peer].starts_with(ids),
                "consumer {peer}: {ids:?} is no beginning of what was committed"
            );
        }
    }

    fn teardown(mut world: World, committed: Committed) {
        world.drain();
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
