//! The queue core against a model: random submissions, acknowledgements, reads, passing time, sweeps, aborted transactions and restarts.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::store::Store;

const START_MS: u64 = 1_800_000_000_000;
const PEOPLE: u64 = 3;

fn limits() -> Limits {
    Limits {
        queue_envelopes: 6,
        queue_bytes: 2_000,
        body_bytes: 900,
        ttl_cap: Duration::from_secs(3_600),
        mark_lifetime: Duration::from_secs(1_800),
        ..Limits::default()
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Submit {
        sender: u64,
        recipient: u64,
        id: u8,
        bytes: usize,
        ttl_s: u32,
    },
    /// The n-th of what waits.
    Acknowledge {
        recipient: u64,
        place: usize,
    },
    AcknowledgeUnknown {
        recipient: u64,
    },
    Read {
        recipient: u64,
        after: usize,
        envelopes: usize,
        bytes: usize,
    },
    Pass {
        seconds: u64,
    },
    Sweep,
    Forget {
        number: u64,
    },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let person = 0..PEOPLE;
    prop_oneof![
        8 => (person.clone(), person.clone(), 0..40u8, prop_oneof![0..300usize, Just(899), 900..902usize], prop_oneof![Just(0u32), 1..200u32, Just(9_999)])
            .prop_map(|(sender, recipient, id, bytes, ttl_s)| Step::Submit { sender, recipient, id, bytes, ttl_s }),
        4 => (person.clone(), 0..6usize).prop_map(|(recipient, place)| Step::Acknowledge { recipient, place }),
        1 => person.clone().prop_map(|recipient| Step::AcknowledgeUnknown { recipient }),
        3 => (person.clone(), 0..6usize, 1..6usize, 1..1_500usize)
            .prop_map(|(recipient, after, envelopes, bytes)| Step::Read { recipient, after, envelopes, bytes }),
        3 => (1..400u64).prop_map(|seconds| Step::Pass { seconds }),
        2 => Just(Step::Sweep),
        1 => person.prop_map(|number| Step::Forget { number }),
        1 => Just(Step::Restart),
    ]
}

/// An envelope as the model knows it.
#[derive(Clone)]
struct Expected {
    sequence: u64,
    sender: u64,
    id: u8,
    bytes: usize,
    expires_at_ms: u64,
}

#[derive(Default)]
struct Model {
    queues: HashMap<u64, Vec<Expected>>,
    /// (sender, id) -> at least remembered until, at most remembered until.
    marks: HashMap<(u64, u8), (u64, u64)>,
    last_sequence: u64,
}

impl Model {
    fn live(&self, recipient: u64, now_ms: u64) -> Vec<Expected> {
        let queue = self.queues.get(&recipient).into_iter().flatten();
        queue.filter(|envelope| envelope.expires_at_ms > now_ms).cloned().collect()
    }
}

struct World {
    dir: TempDir,
    store: Option<Store>,
    queues: Queues,
    model: Model,
    now_ms: u64,
}

fn number(person: u64) -> Number {
    Number::from_key(15_550_000 + person)
}

impl World {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path(), 1024 * 1024).unwrap();
        let queues = Queues::load(&store.read().unwrap(), &limits()).unwrap();
        Self {
            dir,
            store: Some(store),
            queues,
            model: Model::default(),
            now_ms: START_MS,
        }
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn write<T>(&mut self, act: impl FnOnce(&mut Queues, &mut Tables<'_>) -> T) -> T {
        let transaction = self.store().write().unwrap();
        let mut tables = Tables::open(&transaction).unwrap();
        let result = act(&mut self.queues, &mut tables);
        self.queues.finish(&mut tables).unwrap();
        drop(tables);
        transaction.commit().unwrap();
        result
    }

    fn run(&mut self, step: Step) -> Result<(), TestCaseError> {
        let now_ms = self.now_ms;
        match step {
            Step::Submit {
                sender,
                recipient,
                id,
                bytes,
                ttl_s,
            } => self.submit(sender, recipient, id, bytes, ttl_s)?,
            Step::Acknowledge { recipient, place } => {
                let queue = self.model.queues.entry(recipient).or_default();
                if place < queue.len() {
                    let gone = queue.remove(place);
                    let there = self
                        .write(|queues, tables| queues.acknowledge(tables, number(recipient), gone.sequence))
                        .unwrap();
                    prop_assert!(there || gone.expires_at_ms <= now_ms, "what is alive is there to be acknowledged");
                }
            }
            Step::AcknowledgeUnknown { recipient } => {
                let unknown = self.model.last_sequence + 1;
                prop_assert!(
                    !self
                        .write(|queues, tables| queues.acknowledge(tables, number(recipient), unknown))
                        .unwrap()
                );
            }
            Step::Read {
                recipient,
                after,
                envelopes,
                bytes,
            } => self.read(recipient, after, envelopes, bytes)?,
            Step::Pass { seconds } => self.now_ms += seconds * 1_000,
            Step::Sweep => {
                self.write(|queues, tables| {
                    queues.drop_expired(tables, now_ms).unwrap();
                    queues.marks().sweep(tables, now_ms).unwrap();
                });
            }
            Step::Forget { number: person } => {
                self.write(|queues, tables| queues.forget(tables, number(person))).unwrap();
                self.model.queues.remove(&person);
                self.model.marks.retain(|(sender, _), _| *sender != person);
            }
            Step::Restart => {
                let before = self.queues.totals();
                self.store.take().unwrap().close();
                self.store = Some(Store::open(self.dir.path(), 1024 * 1024).unwrap());
                self.queues = Queues::load(&self.store().read().unwrap(), &limits()).unwrap();
                prop_assert_eq!(self.queues.totals(), before, "counted in memory as found on the disk");
            }
        }
        self.check()
    }

    fn submit(&mut self, sender: u64, recipient: u64, id: u8, bytes: usize, ttl_s: u32) -> Result<(), TestCaseError> {
        let now_ms = self.now_ms;
        let envelope = Envelope {
            id: vec![id; 16].into(),
            body: vec![id; bytes].into(),
            ttl_seconds: ttl_s,
            ..Envelope::default()
        };
        let outcome = self
            .write(|queues, tables| queues.submit(tables, number(sender), number(recipient), envelope, now_ms))
            .unwrap();
        let live = self.model.live(recipient, now_ms);
        let size = HEADER_BYTES + bytes;
        let waiting: usize = live.iter().map(|envelope| HEADER_BYTES + envelope.bytes).sum();
        let fits = live.len() < 6 && waiting + size <= 2_000;
        match outcome {
            Submitted::Rejected(Verdict::Malformed) => prop_assert_eq!(bytes, 0),
            Submitted::Rejected(Verdict::TooLarge) => prop_assert!(bytes > 900),
            Submitted::Rejected(Verdict::QueueFull) => {
                // What expired within the last minute may still count.
                let counted = self
                    .model
                    .queues
                    .get(&recipient)
                    .into_iter()
                    .flatten()
                    .filter(|envelope| envelope.expires_at_ms + MINUTE_MS > now_ms);
                let (count, sum) = counted.fold((0, 0), |(count, sum), envelope| (count + 1, sum + HEADER_BYTES + envelope.bytes));
                prop_assert!(count >= 6 || sum + size > 2_000);
            }
            Submitted::Rejected(_) => prop_assert!(false, "no other verdict"),
            Submitted::Duplicate => {
                let remembered = self.model.marks.get(&(sender, id));
                prop_assert!(
                    remembered.is_some_and(|(_, most)| now_ms < *most),
                    "was never accepted, or long ago"
                );
            }
            Submitted::Queued(queued) => {
                let remembered = self.model.marks.get(&(sender, id));
                prop_assert!(remembered.is_none_or(|(least, _)| *least <= now_ms), "accepted twice");
                prop_assert!(fits && bytes > 0 && bytes <= 900);
                prop_assert!(queued.sequence > self.model.last_sequence, "sequences rise");
                self.model.last_sequence = queued.sequence;
                let ttl_ms = if ttl_s == 0 {
                    3_600_000
                } else {
                    u64::from(ttl_s.min(3_600)) * 1_000
                };
                let expires_at_ms = now_ms + ttl_ms;
                prop_assert_eq!(queued.expires_at_ms(), expires_at_ms);
                let lifetime_ms = ttl_ms.max(1_800_000);
                self.model
                    .marks
                    .insert((sender, id), (now_ms + lifetime_ms, now_ms + lifetime_ms + 2 * MINUTE_MS));
                let expected = Expected {
                    sequence: queued.sequence,
                    sender,
                    id,
                    bytes,
                    expires_at_ms,
                };
                self.model.queues.entry(recipient).or_default().push(expected);
            }
        }
        if let Some((_, most)) = self.model.marks.get_mut(&(sender, id)) {
            // A submission again makes the mark live longer.
            *most = (*most).max(now_ms + 3_600_000 + 2 * MINUTE_MS);
        }
        Ok(())
    }

    fn read(&mut self, recipient: u64, after: usize, envelopes: usize, bytes: usize) -> Result<(), TestCaseError> {
        let live = self.model.live(recipient, self.now_ms);
        let after_sequence = after
            .checked_sub(1)
            .and_then(|place| live.get(place))
            .map_or(0, |envelope| envelope.sequence);
        let mut expected = live.into_iter().filter(|envelope| envelope.sequence > after_sequence).peekable();
        let page = page(
            &self.store().read().unwrap(),
            number(recipient),
            after_sequence,
            envelopes,
            bytes,
            self.now_ms,
        )
        .unwrap();
        let mut total = 0;
        prop_assert!(
            !page.queued.is_empty() || expected.peek().is_none(),
            "at least one when there is one"
        );
        for queued in &page.queued {
            let expected = expected.next();
            let is_expected = expected.is_some_and(|expected| {
                queued.sequence == expected.sequence
                    && queued.sender == number(expected.sender)
                    && queued.id == vec![expected.id; 16]
                    && queued.body == vec![expected.id; expected.bytes]
            });
            prop_assert!(is_expected, "in order, none missing, unchanged");
            total += queued.size();
        }
        prop_assert!(page.queued.len() <= envelopes && (total <= bytes || page.queued.len() == 1));
        let next = expected.next();
        prop_assert_eq!(page.is_last, next.is_none());
        if let Some(next) = next {
            prop_assert!(
                page.queued.len() == envelopes || total + HEADER_BYTES + next.bytes > bytes,
                "as many as fit"
            );
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for person in 0..PEOPLE {
            let live = self.model.live(person, self.now_ms).len() as u64;
            let all = self.model.queues.get(&person).map_or(0, Vec::len) as u64;
            let waiting = self.queues.waiting_for(number(person));
            prop_assert!(live <= waiting && waiting <= all, "{live} <= {waiting} <= {all}");
        }
        Ok(())
    }
}

/// Found by the model: the second submission left a mark that went before the envelope of the first did.
#[test]
fn submitted_again_for_a_shorter_time_an_envelope_stays_known() {
    let mut world = World::new();
    let submit = |ttl_s| Step::Submit {
        sender: 0,
        recipient: 0,
        id: 36,
        bytes: 1,
        ttl_s,
    };
    for step in [submit(9_999), submit(1), Step::Pass { seconds: 2_060 }, submit(0)] {
        world.run(step).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_the_model(steps in proptest::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.run(step)?;
        }
        // In the end everybody is read and time takes the rest.
        for person in 0..PEOPLE {
            world.read(person, 0, 1_000, usize::MAX)?;
        }
        world.now_ms += 3_600_000 + MINUTE_MS;
        let now_ms = world.now_ms;
        world.write(|queues, tables| queues.drop_expired(tables, now_ms).unwrap());
        prop_assert_eq!(world.queues.totals(), (0, 0));
    }
}

#[test]
fn marks_are_bounded_and_forgotten_oldest_first() {
    let mut world = World::new();
    world.queues.marks = Marks::load(&world.store().read().unwrap(), &Limits { marks: 100, ..limits() }).unwrap();
    let insert = |world: &mut World, id: u128| {
        let now_ms = world.now_ms;
        world
            .write(|queues, tables| queues.marks().insert(tables, number(1), id, 60, now_ms))
            .unwrap()
    };
    for id in 0..90 {
        assert!(insert(&mut world, id));
    }
    world.now_ms += 2 * MINUTE_MS;
    for id in 90..150 {
        assert!(insert(&mut world, id));
    }
    assert!(!insert(&mut world, 149));
    let now_ms = world.now_ms;
    assert!(world.queues.marks().needs_sweep(now_ms));
    world.write(|queues, tables| queues.marks().sweep(tables, now_ms)).unwrap();
    assert_eq!(world.queues.marks().total(), 60, "the older minute is gone");
    assert!(!insert(&mut world, 90) && insert(&mut world, 0));

    // Expired ones go by themselves, whatever the count.
    world.now_ms += 1_800_000 + 2 * MINUTE_MS;
    let now_ms = world.now_ms;
    assert!(world.queues.marks().needs_sweep(now_ms));
    world.write(|queues, tables| queues.marks().sweep(tables, now_ms)).unwrap();
    assert_eq!(world.queues.marks().total(), 0);
    assert!(!world.queues.marks().needs_sweep(now_ms));
    let reloaded = Marks::load(&world.store().read().unwrap(), &limits()).unwrap();
    assert_eq!(reloaded.total(), 0);
}

#[test]
fn a_damaged_entry_is_an_error_and_no_panic() {
    let world = World::new();
    for value in [&[][..], &[1; 5], &[9; 100]] {
        let transaction = world.store().write().unwrap();
        transaction.open_table(QUEUE).unwrap().insert((number(1).key(), 7), value).unwrap();
        transaction.commit().unwrap();
        let read = world.store().read().unwrap();
        assert!(matches!(
            page(&read, number(1), 0, 10, 1_000, START_MS),
            Err(Error::Damaged("queue"))
        ));
        assert!(Queues::load(&read, &limits()).is_err());
    }
}
