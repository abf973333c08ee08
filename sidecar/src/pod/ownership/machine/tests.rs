//! The machine against a model of the store, with processes that pause, die, leave and come back, answers that are late or lost, and a store
//! that fails or forgets.

use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

const T: Timing = Timing::POD;
const TICK: Duration = Duration::from_millis(20);
/// The longest that a step may take; longer ones are given up.
const STEP_TIMEOUT: Duration = Duration::from_secs(4);

fn s(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// The store as its contract describes it.
#[derive(Clone, Default)]
struct Store {
    record: Option<(Instance, u64, Now)>,
    mark: Option<(Instance, Now)>,
    epoch: u64,
    seq: u64,
    beats: u64,
}

impl Store {
    fn apply(&mut self, me: Instance, pod_of: impl Fn(Instance) -> bool, step: Step, now: Now) -> Answer {
        if self.record.is_some_and(|record| now >= record.2) {
            self.record = None;
        }
        let record = self.record.map(|(instance, beat, _)| Seen {
            instance,
            beat,
            is_predecessor: instance != me && pod_of(instance),
        });
        let fresh = (me, self.beats, now + T.ttl);
        match step {
            Step::Read | Step::Check => Answer::Record {
                record,
                given_back_by: self.mark.filter(|mark| now < mark.1).map(|mark| mark.0),
            },
            Step::Take => {
                let free = self.record.is_none();
                if free {
                    self.beats += 1;
                    (self.record, self.mark) = (Some(fresh), None);
                }
                Answer::Took(free)
            }
            Step::Claim => {
                // Above whatever an earlier store has given out.
                self.epoch = self.epoch.max(u64::try_from(now.as_millis()).unwrap()) + 1;
                Answer::Claimed {
                    epoch: self.epoch,
                    seq: self.seq,
                }
            }
            Step::Renew { epoch, seq } | Step::Release { epoch, seq } => {
                if epoch != self.epoch || seq > self.seq + 1 {
                    return Answer::Fenced;
                }
                if seq <= self.seq {
                    return Answer::Repeated;
                }
                self.seq = seq;
                self.beats += 1;
                if matches!(step, Step::Renew { .. }) {
                    self.record = Some(fresh);
                } else {
                    (self.record, self.mark) = (None, Some((me, now + T.ttl)));
                }
                Answer::Done
            }
        }
    }
}

struct Op {
    step: Step,
    sent: Now,
    apply_at: Now,
    reply_at: Now,
    lost: bool,
    answer: Option<Answer>,
}

struct Process {
    machine: Machine,
    me: Instance,
    pod: u32,
    paused_until: Now,
    leaving: bool,
    op: Option<Op>,
}

struct World {
    now: Now,
    store: Store,
    store_down: bool,
    /// How likely an answer is late or lost.
    trouble: f64,
    processes: Vec<Process>,
    dead: Vec<(Instance, u32)>,
    /// Given up by who asked, and on their way to the store all the same.
    adrift: Vec<(Instance, u32, Op)>,
    born: u128,
    rng: StdRng,
    /// Two believed at the same time.
    overlap: Duration,
    /// Nobody believed.
    vacant: Duration,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            now: Duration::ZERO,
            store: Store::default(),
            store_down: false,
            trouble: 0.0,
            processes: Vec::new(),
            dead: Vec::new(),
            adrift: Vec::new(),
            born: 0,
            rng: StdRng::seed_from_u64(seed),
            overlap: Duration::ZERO,
            vacant: Duration::ZERO,
        }
    }

    fn start(&mut self, pod: u32) {
        self.born += 1;
        let me = Instance(self.born);
        let mut machine = Machine::new(me, T);
        machine.phase = Phase::Watch(self.now);
        self.processes.push(Process {
            machine,
            me,
            pod,
            paused_until: self.now,
            leaving: false,
            op: None,
        });
    }

    fn kill(&mut self, index: usize) {
        let mut process = self.processes.remove(index);
        self.adrift.extend(process.op.take().map(|op| (process.me, process.pod, op)));
        self.dead.push((process.me, process.pod));
    }

    fn tick(&mut self) {
        self.now += TICK;
        let now = self.now;
        for (me, pod, op) in std::mem::take(&mut self.adrift) {
            if op.answer.is_none() && now < op.apply_at {
                self.adrift.push((me, pod, op));
            } else if op.answer.is_none() && !self.store_down {
                self.store.apply(me, |other| self.dead.contains(&(other, pod)), op.step, now);
            }
        }
        for index in 0..self.processes.len() {
            let process = &mut self.processes[index];
            if let Some(op) = &mut process.op
                && op.answer.is_none()
                && now >= op.apply_at
            {
                let pod = process.pod;
                let dead = &self.dead;
                let same_pod = |instance| dead.contains(&(instance, pod));
                op.answer = Some(match self.store_down {
                    true => Answer::Failed,
                    false => self.store.apply(process.me, same_pod, op.step, now),
                });
            }
            if now < process.paused_until {
                continue;
            }
            if let Some(op) = &process.op {
                let given_up = now >= op.sent + STEP_TIMEOUT;
                if now < op.reply_at && !given_up {
                    continue;
                }
                let Some(op) = process.op.take() else { continue };
                let answer = op.answer.clone().filter(|_| !op.lost && !given_up).unwrap_or(Answer::Failed);
                process.machine.answer(op.step, op.sent, now, &answer);
                self.adrift.push((process.me, process.pod, op));
            }
            if let Next::Ask(step) = process.machine.next(now) {
                let rng = &mut self.rng;
                let slow = rng.random_bool(self.trouble);
                let most = if slow { 6_000 } else { 30 };
                let apply_at = now + Duration::from_millis(rng.random_range(0..=most));
                process.op = Some(Op {
                    step,
                    sent: now,
                    apply_at,
                    reply_at: apply_at + Duration::from_millis(rng.random_range(0..=most)),
                    lost: rng.random_bool(self.trouble / 2.0),
                    answer: None,
                });
            }
        }
        match self.owners().len() {
            0 => self.vacant += TICK,
            1 => self.vacant = Duration::ZERO,
            _ => self.overlap += TICK,
        }
    }

    fn owners(&self) -> Vec<Instance> {
        let owns = |process: &&Process| matches!(process.machine.standing(self.now), Standing::Owner { .. });
        self.processes.iter().filter(owns).map(|process| process.me).collect()
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.tick();
        }
    }

    fn run_until(&mut self, most: Duration, mut is_so: impl FnMut(&Self) -> bool) -> Duration {
        let (begun, end) = (self.now, self.now + most);
        while !is_so(self) {
            assert!(self.now < end, "not within {most:?}");
            self.tick();
        }
        self.now - begun
    }
}

#[test]
fn alone_a_process_owns_at_once_and_asks_little() {
    let mut world = World::new(1);
    world.start(1);
    assert!(world.run_until(s(1.0), |world| world.owners().len() == 1) < s(0.5));
    let before = world.store.seq;
    world.run(s(60.0));
    assert_eq!(world.vacant, Duration::ZERO);
    assert!(world.store.seq - before <= 21, "one write every three seconds");
}

#[test]
fn a_number_given_back_is_taken_at_once() {
    let mut world = World::new(2);
    world.start(1);
    world.run(s(1.0));
    world.start(2);
    world.run(s(5.0));
    let now = world.now;
    world.processes[0].machine.leave(now);
    let owner = world.processes[1].me;
    world.processes[1].machine.look(now);
    // Without the hint it would be the next poll.
    let took = world.run_until(s(3.0), |world| world.owners() == [owner]);
    assert!(took < s(2.5), "{took:?}");
    world.run(s(30.0));
    assert_eq!(world.owners(), [owner], "who has left does not come back");
}

#[test]
fn the_next_one_takes_over_from_a_dead_owner_in_time() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        world.start(1);
        world.run(s(1.0));
        world.start(2);
        world.run(s(5.0) + Duration::from_millis(seed * 170));
        world.kill(0);
        let took = world.run_until(s(12.0), |world| world.owners().len() == 1);
        assert!(took > s(5.0) && took <= s(11.0), "{took:?}");
    }
}

#[test]
fn a_process_takes_over_from_its_predecessor_in_the_pod_without_waiting() {
    let mut world = World::new(3);
    world.start(1);
    world.run(s(5.0));
    world.kill(0);
    world.start(1);
    let took = world.run_until(s(1.0), |world| world.owners().len() == 1);
    assert!(took < s(0.5), "{took:?}");
}

#[test]
fn a_store_that_forgets_leaves_the_number_where_it_is() {
    let mut world = World::new(4);
    world.start(1);
    world.run(s(1.0));
    world.start(2);
    world.run(s(9.0));
    let owner = world.owners();
    world.store = Store::default();
    world.run(s(30.0));
    assert_eq!(world.owners(), owner, "who knows what is lost goes on");
    assert_eq!(world.overlap, Duration::ZERO);
}

#[test]
fn after_an_outage_the_number_stays_where_it_was() {
    let mut world = World::new(5);
    world.start(1);
    world.run(s(1.0));
    world.start(2);
    world.run(s(9.0));
    let owner = world.owners();
    world.store_down = true;
    world.run(s(60.0));
    assert!(world.owners().is_empty(), "nobody believes without the store");
    assert_eq!(world.processes[0].machine.standing(world.now), Standing::Suspended);
    world.store_down = false;
    let back = world.run_until(s(5.0), |world| world.owners().len() == 1);
    assert!(back < s(1.5), "{back:?}");
    assert_eq!(world.owners(), owner);
}

#[test]
fn who_slept_too_long_gives_way() {
    let mut world = World::new(6);
    world.start(1);
    world.run(s(1.0));
    world.start(2);
    world.run(s(5.0));
    world.processes[0].paused_until = world.now + s(30.0);
    let next = world.processes[1].me;
    world.run_until(s(14.0), |world| world.owners() == [next]);
    world.run(s(30.0));
    assert_eq!(world.owners(), [next]);
    assert_eq!(world.processes[0].machine.standing(world.now), Standing::Follower(next));
    assert_eq!(world.overlap, Duration::ZERO);
}

#[test]
fn who_cannot_serve_lets_others_try() {
    let mut world = World::new(7);
    world.start(1);
    world.run(s(1.0));
    world.start(2);
    world.run(s(5.0));
    let now = world.now;
    world.processes[0].machine.stand_back(now);
    let next = world.processes[1].me;
    world.run_until(s(3.0), |world| world.owners() == [next]);
    // Alone, it comes back.
    world.kill(1);
    let first = world.processes[0].me;
    world.run_until(s(14.0), |world| world.owners() == [first]);
}

#[derive(Clone, Debug)]
enum Event {
    Run(u64),
    Start(u32),
    Kill(usize),
    Pause(usize, u64),
    Leave(usize),
    StandBack(usize),
    Look(usize),
    Outage(u64),
    Trouble(bool),
    /// To nothing, or to a copy of some time ago.
    Forget(bool),
    Snapshot,
}

fn events(may_forget: bool) -> impl Strategy<Value = Vec<Event>> {
    let common = prop_oneof![
        6 => (20u64..8_000).prop_map(Event::Run),
        2 => (0u32..4).prop_map(Event::Start),
        1 => (0usize..4).prop_map(Event::Kill),
        1 => (0usize..4, 100u64..20_000).prop_map(|(which, ms)| Event::Pause(which, ms)),
        1 => (0usize..4).prop_map(Event::Leave),
        1 => (0usize..4).prop_map(Event::StandBack),
        1 => (0usize..4).prop_map(Event::Look),
        1 => (100u64..20_000).prop_map(Event::Outage),
        1 => any::<bool>().prop_map(Event::Trouble),
    ]
    .boxed();
    let event = match may_forget {
        true => prop_oneof![8 => common, 1 => any::<bool>().prop_map(Event::Forget), 1 => Just(Event::Snapshot)].boxed(),
        false => common,
    };
    prop::collection::vec(event, 1..40)
}

/// Returns how often the store forgot.
fn play(world: &mut World, events: &[Event]) -> u32 {
    let mut forgot = 0;
    let mut snapshot = Store::default();
    for event in events {
        let now = world.now;
        let count = world.processes.len();
        match *event {
            Event::Run(ms) => world.run(Duration::from_millis(ms)),
            Event::Start(pod) => {
                if count < 4 && world.processes.iter().all(|process| process.pod != pod) {
                    world.start(pod);
                }
            }
            Event::Kill(which) if which < count => world.kill(which),
            Event::Pause(which, ms) if which < count => world.processes[which].paused_until = now + Duration::from_millis(ms),
            // As the task does it: between two steps.
            Event::Leave(which) if which < count && world.processes[which].op.is_none() => {
                world.processes[which].leaving = true;
                world.processes[which].machine.leave(now);
            }
            Event::StandBack(which) if which < count && world.processes[which].op.is_none() => {
                world.processes[which].machine.stand_back(now);
            }
            Event::Look(which) if which < count => world.processes[which].machine.look(now),
            Event::Outage(ms) => {
                world.store_down = true;
                world.run(Duration::from_millis(ms));
                world.store_down = false;
            }
            Event::Trouble(is_on) => world.trouble = if is_on { 0.3 } else { 0.0 },
            Event::Forget(all) => {
                forgot += 1;
                let beats = world.store.beats;
                world.store = if all { Store::default() } else { snapshot.clone() };
                world.store.beats = beats;
            }
            Event::Snapshot => snapshot = world.store.clone(),
            Event::Kill(_) | Event::Pause(..) | Event::Leave(_) | Event::StandBack(_) => {}
            Event::Look(_) => {}
        }
    }
    forgot
}

/// In peace again, with one process at least that may own, one of them does, and stays.
fn recovers(world: &mut World) -> Result<(), TestCaseError> {
    world.trouble = 0.0;
    world.adrift.clear();
    for process in &mut world.processes {
        process.paused_until = world.now;
    }
    if world.processes.iter().all(|process| process.leaving) {
        world.processes.clear();
        world.start(9);
    }
    world.run(s(45.0));
    let owners = world.owners();
    prop_assert_eq!(owners.len(), 1);
    let overlap = world.overlap;
    world.run(s(30.0));
    prop_assert_eq!(world.owners(), owners);
    prop_assert_eq!(world.vacant, Duration::ZERO);
    prop_assert_eq!(world.overlap, overlap);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn never_do_two_believe_at_the_same_time(seed in any::<u64>(), events in events(false)) {
        let mut world = World::new(seed);
        play(&mut world, &events);
        prop_assert_eq!(world.overlap, Duration::ZERO);
        recovers(&mut world)?;
        prop_assert_eq!(world.overlap, Duration::ZERO);
    }

    #[test]
    fn a_forgetting_store_makes_two_believe_for_one_belief_at_most(seed in any::<u64>(), events in events(true)) {
        let mut world = World::new(seed);
        let forgot = play(&mut world, &events);
        recovers(&mut world)?;
        // One that is not renewed any more ends by itself.
        prop_assert!(world.overlap <= (T.ttl - T.margin) * forgot, "{:?} after {forgot}", world.overlap);
    }
}
