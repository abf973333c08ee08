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
mod task;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    task::AbortHandle,
    time::Instant,
};
use waxseal_store::{Key, Namespace, Store};

use self::{
    machine::{Instance, Machine, Timing},
    record::{Author, Record, Seal},
    task::Task,
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
