//! What all controllers share: the client, what the watches tell, and what is to be looked at.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use kube::{Client, runtime::controller::ReconcileRequest};
use tokio::{sync::mpsc, time::Instant};
use waxseal_crds::v1alpha1::{BusinessAccount, BusinessPhoneNumber, DataRegion, RetentionPolicy};

use crate::{
    backoff::Failures,
    cache::{Cache, Change, Kept},
    children::{Child, Children},
    events::Events,
    index::{Index, Referent, referents},
    key::Key,
    metrics::{Controller, LastSeen, Metrics},
    options::Options,
    rollout::Rollouts,
};

/// What all controllers share.
pub struct Context {
    /// The way to the API server.
    pub client: Client,
    /// What the operator runs with.
    pub options: Options,
    /// What is counted.
    pub metrics: Metrics,
    /// Events of the controllers.
    pub events: Events,
    /// The numbers.
    pub numbers: Cache<BusinessPhoneNumber>,
    /// The accounts.
    pub accounts: Cache<BusinessAccount>,
    /// The regions.
    pub regions: Cache<DataRegion>,
    /// The policies.
    pub policies: Cache<RetentionPolicy>,
    /// Which numbers refer to what.
    pub index: RwLock<Index>,
    /// What belongs to numbers.
    pub children: Children,
    /// Who gets a new image.
    pub rollouts: Mutex<Rollouts>,
    /// What is to be looked at.
    pub queues: Queues,
    /// What failed how often.
    pub failures: Failures<(Controller, Key)>,
    /// What we last wrote ourselves.
    pub written: Written,
    /// When each watch last told something, by kind.
    pub last_seen: Vec<(&'static str, LastSeen)>,
    optional: Mutex<Vec<Child>>,
}

/// The kinds that are watched, for [`Context::last_seen`].
pub const WATCHED: [&str; 4] = ["BusinessPhoneNumber", "BusinessAccount", "DataRegion", "RetentionPolicy"];

impl Context {
    /// Everything empty.
    #[must_use]
    pub fn new(client: Client, options: Options, metrics: Metrics, queues: Queues, instance: String) -> Self {
        let scopes = options.scopes();
        let kinds = WATCHED.into_iter().chain(Child::ALL.map(Child::kind)).chain(["Pod"]);
        Self {
            events: Events::new(client.clone(), instance, metrics.clone()),
            numbers: Cache::new(&scopes),
            accounts: Cache::new(&scopes),
            regions: Cache::new(&[None]),
            policies: Cache::new(&[None]),
            index: RwLock::default(),
            children: Children::default(),
            rollouts: Mutex::new(Rollouts::new(options.rollout_concurrency)),
            queues,
            failures: Failures::default(),
            written: Written::default(),
            last_seen: kinds.map(|kind| (kind, LastSeen::default())).collect(),
            optional: Mutex::default(),
            client,
            options,
            metrics,
        }
    }

    /// When the watch of a kind last told something.
    #[must_use]
    pub fn seen(&self, kind: &str) -> &LastSeen {
        let watched = self.last_seen.iter().find(|(name, _)| *name == kind);
        // Every kind that is watched is in the list from the start.
        &watched.unwrap_or(&self.last_seen[0]).1
    }

    /// Who gets a new image.
    pub fn rollouts(&self) -> MutexGuard<'_, Rollouts> {
        self.rollouts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the API server has a kind that it may do without.
    #[must_use]
    pub fn has_kind(&self, child: Child) -> bool {
        !child.is_optional() || self.optional.lock().unwrap_or_else(PoisonError::into_inner).contains(&child)
    }

    /// The API server has an optional kind, or has it no more.
    pub fn set_kind(&self, child: Child, is_there: bool) {
        let mut optional = self.optional.lock().unwrap_or_else(PoisonError::into_inner);
        optional.retain(|known| *known != child);
        if is_there {
            optional.push(child);
        }
    }

    /// The numbers that refer to something.
    #[must_use]
    pub fn referring(&self, referent: &Referent) -> Vec<Key> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.referring(referent).to_vec()
    }

    /// A number changed: look at it, and at whom else that concerns.
    pub fn number_changed(&self, change: &Change<BusinessPhoneNumber>) {
        let before = change.old.as_ref().and_then(Kept::last_readable);
        let after = change.new.as_ref().and_then(Kept::last_readable);
        let significant = change.is_significant() || {
            let reported =
                |number: Option<&std::sync::Arc<BusinessPhoneNumber>>| number.and_then(|number| number.status.as_ref()?.sidecar.clone());
            reported(before) != reported(after)
        };
        let spec_changed = before.map(|number| &number.spec) != after.map(|number| &number.spec);
        if spec_changed {
            let mut touched: Vec<Referent> = Vec::new();
            let mut alike = Vec::new();
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(before) = before {
                alike.extend(index.alike(&change.key, before));
                index.remove(&change.key, before);
                touched.extend(referents(&change.key, before));
            }
            if let Some(after) = after {
                index.insert(&change.key, after);
                alike.extend(index.alike(&change.key, after));
                touched.extend(referents(&change.key, after));
            }
            drop(index);
            // Whoever counts its numbers counts again, and a number that lost to this one may have its turn.
            for referent in touched {
                self.look_at_referent(&referent);
            }
            for other in alike {
                self.queues.numbers.push(&other);
            }
        }
        if change.new.is_none() {
            self.failures.clear(&(Controller::Number, change.key.clone()));
            self.written.forget(WATCHED[0], &change.key);
            self.children.forget(&change.key);
            if self.rollouts().finish(&change.key) {
                self.wake_rollouts();
            }
        } else if significant {
            self.queues.numbers.push(&change.key);
        }
    }

    /// Something that numbers refer to changed.
    pub fn referent_changed(&self, referent: &Referent) {
        self.look_at_referent(referent);
        for number in self.referring(referent) {
            self.queues.numbers.push(&number);
        }
    }

    /// Those who wait for a roll-out slot that is free now may ask again.
    pub fn wake_rollouts(&self) {
        let next = self.rollouts().next();
        for key in next {
            self.queues.numbers.push(&key);
        }
    }

    fn look_at_referent(&self, referent: &Referent) {
        match referent {
            Referent::Account(account) => self.queues.accounts.push(account),
            Referent::Region(region) => self.queues.regions.push(&Key::cluster(region)),
            Referent::Policy(policy) => self.queues.policies.push(&Key::cluster(policy)),
        }
    }
}

/// What is to be looked at, by kind.
pub struct Queues {
    /// Numbers.
    pub numbers: Queue<BusinessPhoneNumber>,
    /// Accounts.
    pub accounts: Queue<BusinessAccount>,
    /// Regions.
    pub regions: Queue<DataRegion>,
    /// Policies.
    pub policies: Queue<RetentionPolicy>,
}

/// What is to be looked at of one kind. The receiver keeps each object once, so what is pushed again and again takes no room.
pub struct Queue<K: kube::Resource<DynamicType = ()> + Clone + 'static> {
    requests: mpsc::UnboundedSender<ReconcileRequest<Kept<K>>>,
    is_open: AtomicBool,
}

/// The other end of a [`Queue`].
pub type Requests<K> = mpsc::UnboundedReceiver<ReconcileRequest<Kept<K>>>;

impl<K: kube::Resource<DynamicType = ()> + Clone + 'static> Queue<K> {
    /// A queue that takes nothing until it is opened: what changes before then is looked at then.
    #[must_use]
    pub fn new() -> (Self, Requests<K>) {
        let (requests, receiver) = mpsc::unbounded_channel();
        let is_open = AtomicBool::new(false);
        (Self { requests, is_open }, receiver)
    }

    /// From now on, and at first everything there is.
    pub fn open(&self, cache: &Cache<K>) {
        self.is_open.store(true, Ordering::SeqCst);
        self.push_all(cache);
    }

    /// Have a look at everything.
    pub fn push_all(&self, cache: &Cache<K>) {
        for kept in cache.all() {
            self.push(&Key::of(&*kept));
        }
    }

    /// Have a look at this.
    pub fn push(&self, key: &Key) {
        if self.is_open.load(Ordering::SeqCst) {
            // Nobody listens any more once the operator stops.
            let _ = self.requests.send(ReconcileRequest::from(crate::cache::reference(key)));
        }
    }
}

/// The versions that our own writes to declared objects made. An object is not looked at again before the watch has shown them, or the
/// operator would act on what it has just changed.
#[derive(Default)]
pub struct Written(Mutex<HashMap<(String, Key), (u64, Instant)>>);

/// For how long the watch may be behind our own writes before it is believed nonetheless.
const WATCH_LAG_MAX: std::time::Duration = std::time::Duration::from_secs(5);

impl Written {
    /// We wrote this version.
    pub fn note(&self, kind: &str, key: &Key, version: u64) {
        self.table().insert((kind.to_owned(), key.clone()), (version, Instant::now()));
    }

    /// Whether `version`, which the watch shows, is older than what we wrote.
    pub fn is_stale(&self, kind: &str, key: &Key, version: u64) -> bool {
        let mut table = self.table();
        let key = (kind.to_owned(), key.clone());
        match table.get(&key) {
            Some((written, at)) if version < *written && at.elapsed() < WATCH_LAG_MAX => true,
            Some(_) => {
                table.remove(&key);
                false
            }
            None => false,
        }
    }

    /// The object is gone.
    pub fn forget(&self, kind: &str, key: &Key) {
        self.table().remove(&(kind.to_owned(), key.clone()));
    }

    fn table(&self) -> MutexGuard<'_, HashMap<(String, Key), (u64, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_for_the_watch_but_not_for_ever() {
        let written = Written::default();
        let key = Key::new("acme", "desk");
        assert!(!written.is_stale("X", &key, 1));
        written.note("X", &key, 7);
        assert!(written.is_stale("X", &key, 6));
        assert!(!written.is_stale("X", &key, 7));
        assert!(!written.is_stale("X", &key, 6), "once seen, the watch is believed");
        written.note("X", &key, 9);
        tokio::time::advance(WATCH_LAG_MAX).await;
        assert!(!written.is_stale("X", &key, 8));
    }
}
