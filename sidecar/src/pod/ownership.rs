//! One owner among the pods of a number.
//!
//! Purpose: agree through the number's store which process serves it. What is decided is in [`machine`], what is written down in [`record`];
//! here is the asking: one task that puts the machine's steps to the store and tells what may be believed.
//!
//! The lanes' epochs stay the fence for what a number does: two owners could not write one ratchet. Ownership is there so that they do not
//! try, so that requests find the one that serves, and so that a number is handed over within a moment.
//!
//! Costs the store a write every three seconds for an owner, and a read every two and a write every three for each of the others.
//! May touch: four names in the number's namespace. Must not: know requests, or the number itself.

pub mod machine;
pub mod record;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::AbortHandle,
    time::Instant,
};
use waxseal_store::{Batch, Claim, Fence, Key, Namespace, Op, Outcome, Store};

use self::{
    machine::{Answer, Instance, Machine, Next, Standing, Step, Timing},
    record::{Author, Record, Seal},
};

/// How long one step may take; one that takes longer may be done all the same.
const STEP_TIMEOUT: Duration = Duration::from_secs(4);

/// What a pod knows about who owns its number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum View {
    /// Nobody, as far as is known.
    Nobody,
    /// Another process; where it takes requests, if that can be believed.
    Other(Instance, Option<SocketAddr>),
    /// This one.
    Mine,
    /// This one, until a moment ago; the store does not confirm it.
    Suspended,
}

/// Until when this process may act as the owner. To be looked at before every act.
#[derive(Debug)]
pub struct Lease {
    origin: Instant,
    /// Milliseconds since the origin; 0: not at all.
    until_ms: AtomicU64,
}

impl Lease {
    /// One that holds for so long from now on.
    #[must_use]
    pub fn lasting(time: Duration) -> Self {
        let lease = Self::new(Instant::now());
        lease.set(Some(time));
        lease
    }

    fn new(origin: Instant) -> Self {
        Self {
            origin,
            until_ms: AtomicU64::new(0),
        }
    }

    /// Whether it holds now.
    #[must_use]
    pub fn holds(&self) -> bool {
        let now = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        now < self.until_ms.load(Ordering::Acquire)
    }

    fn set(&self, until: Option<Duration>) {
        let ms = until.map_or(0, |until| u64::try_from(until.as_millis()).unwrap_or(u64::MAX));
        self.until_ms.store(ms, Ordering::Release);
    }
}

/// A part in the agreement. Ends with this value; what is owned then expires.
pub struct Ownership {
    view: watch::Receiver<View>,
    lease: Arc<Lease>,
    orders: mpsc::Sender<Order>,
    look: Arc<Notify>,
    seal: Arc<Mutex<Option<Seal>>>,
    store: Store,
    names: Names,
    author: Author,
    task: AbortHandle,
}

/// The answer to an order: the number has been given back, or there was nothing to give back.
struct Order {
    for_good: bool,
    done: oneshot::Sender<()>,
}

/// Where things are written.
#[derive(Clone)]
struct Names {
    /// The record: a value.
    owner: Key,
    /// Who gave the number back last: a value.
    given_back: Key,
    /// Who waits for the number: a value.
    next: Key,
    /// The fence: a lane.
    fence: Key,
}

impl Names {
    fn new(phone_number_id: &str) -> Self {
        let namespace = Namespace::new(phone_number_id);
        Self {
            owner: namespace.key("pod:owner"),
            given_back: namespace.key("pod:free"),
            next: namespace.key("pod:next"),
            fence: namespace.key("pod:fence"),
        }
    }
}

impl Ownership {
    /// Begins to take part. Without a seal, nobody else's address is believed; see [`Self::believe`].
    #[must_use]
    pub fn start(author: Author, store: &Store, seal: Option<Seal>, timing: Timing) -> Self {
        let origin = Instant::now();
        let lease = Arc::new(Lease::new(origin));
        let (publish, view) = watch::channel(View::Nobody);
        let (orders, inbox) = mpsc::channel(4);
        let look = Arc::new(Notify::new());
        let seal = Arc::new(Mutex::new(seal));
        let names = Names::new(&author.phone_number_id);
        let task = Task {
            machine: Machine::new(author.instance, timing),
            timing,
            origin,
            author: author.clone(),
            store: store.clone(),
            names: names.clone(),
            seal: Arc::clone(&seal),
            lease: Arc::clone(&lease),
            view: publish,
            orders: inbox,
            look: Arc::clone(&look),
            beat: 0,
            owner: None,
            announced: None,
            left: None,
            leaving: false,
        };
        let task = tokio::spawn(task.run()).abort_handle();
        Self {
            view,
            lease,
            orders,
            look,
            seal,
            store: store.clone(),
            names,
            author,
            task,
        }
    }

    /// What is known, and when it changes.
    #[must_use]
    pub fn view(&self) -> watch::Receiver<View> {
        self.view.clone()
    }

    /// Until when this process may act as the owner.
    #[must_use]
    pub fn lease(&self) -> Arc<Lease> {
        Arc::clone(&self.lease)
    }

    /// To be told when something suggests that the owner has changed.
    #[must_use]
    pub fn looker(&self) -> Arc<Notify> {
        Arc::clone(&self.look)
    }

    /// From now on addresses with this seal are believed, and one's own is written with it.
    pub fn believe(&self, seal: Seal) {
        *lock(&self.seal) = Some(seal);
        self.look.notify_one();
    }

    /// Gives the number back for good; it must have been stopped. Goes on looking who owns it.
    pub async fn leave(&self) {
        self.give_back(true).await;
    }

    /// Gives the number back because it cannot be served here, and takes it again after a while, if nobody else does.
    pub async fn stand_back(&self) {
        self.give_back(false).await;
    }

    async fn give_back(&self, for_good: bool) {
        let (done, is_done) = oneshot::channel();
        if self.orders.send(Order { for_good, done }).await.is_ok() {
            let _ = is_done.await;
        }
    }

    /// Who waits for the number: the process, and where it is.
    pub async fn successor(&self) -> Option<(Instance, SocketAddr)> {
        let read = self.store.get(std::slice::from_ref(&self.names.next));
        let mut values = tokio::time::timeout(STEP_TIMEOUT, read).await.ok()?.ok()?;
        let record = Record::decode(&values.pop()??)?;
        let seal = lock(&self.seal).clone()?;
        let address = record.address(&self.author.phone_number_id, &seal, SystemTime::now())?;
        let instance = record.instance();
        (instance != self.author.instance).then_some((instance, address))
    }
}

impl Drop for Ownership {
    fn drop(&mut self) {
        self.lease.set(None);
        self.task.abort();
    }
}

struct Task {
    machine: Machine,
    timing: Timing,
    origin: Instant,
    author: Author,
    store: Store,
    names: Names,
    seal: Arc<Mutex<Option<Seal>>>,
    lease: Arc<Lease>,
    view: watch::Sender<View>,
    orders: mpsc::Receiver<Order>,
    look: Arc<Notify>,
    /// Of the last record written.
    beat: u64,
    /// The last record read.
    owner: Option<Record>,
    /// When this process last wrote that it waits.
    announced: Option<Instant>,
    leaving: bool,
    /// Who waits for the number to be given back.
    left: Option<oneshot::Sender<()>>,
}

impl Task {
    async fn run(mut self) {
        loop {
            let next = self.machine.next(self.origin.elapsed());
            self.tell();
            if self.left.is_some() && !self.machine.is_giving_back() {
                self.left.take().map(|left| left.send(()));
            }
            match next {
                Next::Ask(step) => {
                    let sent = self.origin.elapsed();
                    let answer = tokio::time::timeout(STEP_TIMEOUT, self.perform(step)).await;
                    let answer = answer.unwrap_or(Answer::Failed);
                    tracing::trace!(?step, ?answer, "asked for the owner");
                    self.machine.answer(step, sent, self.origin.elapsed(), &answer);
                    self.tell();
                    self.announce().await;
                }
                Next::Wait(at) => {
                    // A moment later: times are compared in steps of a millisecond.
                    let until = self.origin + at + Duration::from_millis(1);
                    tokio::select! {
                        () = tokio::time::sleep_until(until) => {}
                        () = self.look.notified() => self.machine.look(self.origin.elapsed()),
                        order = self.orders.recv() => match order {
                            Some(order) => {
                                let now = self.origin.elapsed();
                                if order.for_good {
                                    self.leaving = true;
                                    self.machine.leave(now);
                                } else {
                                    self.machine.stand_back(now);
                                }
                                self.left = Some(order.done);
                            }
                            // Nobody is there any more.
                            None => return,
                        }
                    }
                }
            }
        }
    }

    fn tell(&self) {
        let standing = self.machine.standing(self.origin.elapsed());
        self.lease.set(match standing {
            Standing::Owner { until } => Some(until),
            _ => None,
        });
        let view = match standing {
            Standing::Nobody => View::Nobody,
            Standing::Owner { .. } => View::Mine,
            Standing::Suspended => View::Suspended,
            Standing::Follower(instance) => {
                let seal = lock(&self.seal).clone();
                let record = self.owner.as_ref().filter(|record| record.instance() == instance);
                let address = record
                    .zip(seal)
                    .and_then(|(record, seal)| record.address(&self.author.phone_number_id, &seal, SystemTime::now()));
                View::Other(instance, address)
            }
        };
        self.view.send_if_modified(|told| {
            let is_new = *told != view;
            if is_new {
                *told = view;
            }
            is_new
        });
    }

    async fn perform(&mut self, step: Step) -> Answer {
        match step {
            Step::Read | Step::Check => self.read().await,
            Step::Take => {
                let record = self.put_record();
                let batch = Batch {
                    fence: None,
                    absent: vec![self.names.owner.clone()],
                    ops: vec![
                        record,
                        Op::Delete {
                            key: self.names.given_back.clone(),
                        },
                    ],
                };
                match self.store.commit(batch).await {
                    Ok(Outcome::Applied { .. } | Outcome::AlreadyApplied) => Answer::Took(true),
                    Ok(_) => Answer::Took(false),
                    Err(error) => failed(step, &error),
                }
            }
            // Above whatever a store that has forgotten has given out: it would give it out again.
            Step::Claim => match self.store.claim(&self.names.fence, millis(SystemTime::now())).await {
                Ok(Claim { epoch, seq, .. }) => Answer::Claimed { epoch, seq },
                Err(error) => failed(step, &error),
            },
            Step::Renew { epoch, seq } => {
                let ops = vec![self.put_record()];
                self.fenced(step, epoch, seq, ops).await
            }
            Step::Release { epoch, seq } => {
                let instance = hex::encode(self.author.instance.0.to_be_bytes());
                let ops = vec![
                    Op::Delete {
                        key: self.names.owner.clone(),
                    },
                    Op::Put {
                        key: self.names.given_back.clone(),
                        value: instance.into(),
                        ttl: self.timing.ttl,
                    },
                ];
                self.fenced(step, epoch, seq, ops).await
            }
        }
    }

    async fn read(&mut self) -> Answer {
        let keys = [self.names.owner.clone(), self.names.given_back.clone()];
        match self.store.get(&keys).await {
            Ok(values) => {
                let [owner, given_back]: [Option<Bytes>; 2] = values.try_into().unwrap_or_default();
                // One that nobody can read is in nobody's way.
                self.owner = owner.and_then(|bytes| Record::decode(&bytes));
                let given_back_by = given_back.and_then(|bytes| {
                    let mut instance = [0; 16];
                    hex::decode_to_slice(&bytes, &mut instance).ok()?;
                    Some(Instance(u128::from_be_bytes(instance)))
                });
                Answer::Record {
                    record: self.owner.as_ref().map(|record| self.author.seen(record)),
                    given_back_by,
                }
            }
            Err(error) => failed(Step::Read, &error),
        }
    }

    async fn fenced(&self, step: Step, epoch: u64, seq: u64, ops: Vec<Op>) -> Answer {
        let batch = Batch {
            fence: Some(Fence {
                lane: self.names.fence.clone(),
                epoch,
                seq,
            }),
            absent: Vec::new(),
            ops,
        };
        match self.store.commit(batch).await {
            Ok(Outcome::Applied { .. }) => Answer::Done,
            Ok(Outcome::AlreadyApplied) => Answer::Repeated,
            Ok(Outcome::Stale { .. } | Outcome::Gap { .. } | Outcome::Exists(_)) => Answer::Fenced,
            Err(error) => failed(step, &error),
        }
    }

    fn put_record(&mut self) -> Op {
        self.beat += 1;
        let seal = lock(&self.seal).clone();
        Op::Put {
            key: self.names.owner.clone(),
            value: self.author.record(self.beat, seal.as_ref(), SystemTime::now()).encode(),
            ttl: self.timing.ttl,
        }
    }

    /// Writes that this process waits for the number, while it does. Of several that wait, any will do.
    async fn announce(&mut self) {
        let waits = !self.leaving && matches!(*self.view.borrow(), View::Other(..));
        let is_due = self.announced.is_none_or(|at| at.elapsed() >= self.timing.renew);
        let Some(seal) = lock(&self.seal).clone() else { return };
        if !(waits && is_due) {
            return;
        }
        self.announced = Some(Instant::now());
        self.beat += 1;
        let record = self.author.record(self.beat, Some(&seal), SystemTime::now());
        let batch = Batch {
            ops: vec![Op::Put {
                key: self.names.next.clone(),
                value: record.encode(),
                ttl: self.timing.ttl,
            }],
            ..Batch::default()
        };
        // One that was not written is written next time.
        let _ = tokio::time::timeout(STEP_TIMEOUT, self.store.commit(batch)).await;
    }
}

fn failed(step: Step, error: &waxseal_store::Error) -> Answer {
    tracing::debug!(?step, %error, "the store does not tell who owns the number");
    Answer::Failed
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
