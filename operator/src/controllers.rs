//! Runs the reconcilers: which object is looked at when, how many at a time, for how long, and what becomes of failures.
//!
//! kube's `applier` does the scheduling: an object is never reconciled twice at once, requests for one object become one, and a request that
//! is due earlier wins. What it is fed with comes from the watches ([`watches`]).

mod watches;

use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, future::BoxFuture, stream};
use kube::runtime::{
    applier,
    controller::{self, Action},
};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{debug, info, warn};
use waxseal_crds::v1alpha1::{BusinessAccount, BusinessPhoneNumber, DataRegion, RetentionPolicy};

pub use watches::start as start_watches;

use crate::{
    backoff,
    cache::{Cache, Kept, Unreadable},
    context::{Context, Requests},
    declared::{self, Declared},
    key::{self, Key},
    metrics::Outcome,
    number,
    request::{Ask, Failure},
    turn::{Next, Turn},
};

/// How soon it is looked again whether the watch has shown our own write.
const OWN_WRITE: Duration = Duration::from_millis(100);
/// How long writing the status of a turn that was broken off may take.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// The receiving ends of all queues.
pub struct Inbox {
    /// Numbers.
    pub numbers: Requests<BusinessPhoneNumber>,
    /// Accounts.
    pub accounts: Requests<BusinessAccount>,
    /// Regions.
    pub regions: Requests<DataRegion>,
    /// Policies.
    pub policies: Requests<RetentionPolicy>,
}

/// A kind of ours, with all that is needed to reconcile it.
trait Reconciled: Declared + std::fmt::Debug {
    fn cache(context: &Context) -> &Cache<Self>;
    fn turn(context: Arc<Context>, object: Arc<Self>) -> impl Future<Output = Result<Turn, Failure>> + Send;
    /// One turn for an object that cannot be read.
    fn turn_unreadable(
        context: Arc<Context>,
        kept: Arc<Kept<Self>>,
        object: Arc<Unreadable<Self>>,
    ) -> BoxFuture<'static, Result<Turn, Failure>> {
        Box::pin(async move { declared::unreadable(&context, &*kept, &object).await })
    }
    /// The turn took too long and was broken off.
    fn broken_off(_context: Arc<Context>, _object: Arc<Self>) -> impl Future<Output = ()> + Send {
        async {}
    }
}

impl Reconciled for BusinessPhoneNumber {
    fn cache(context: &Context) -> &Cache<Self> {
        &context.numbers
    }

    async fn turn(context: Arc<Context>, object: Arc<Self>) -> Result<Turn, Failure> {
        number::reconcile::turn(&context, &object).await
    }

    fn turn_unreadable(
        context: Arc<Context>,
        kept: Arc<Kept<Self>>,
        object: Arc<Unreadable<Self>>,
    ) -> BoxFuture<'static, Result<Turn, Failure>> {
        Box::pin(async move {
            match number::reconcile::turn_unreadable(&context, &object).await? {
                Some(turn) => Ok(turn),
                None => declared::unreadable(&context, &*kept, &object).await,
            }
        })
    }

    async fn broken_off(context: Arc<Context>, object: Arc<Self>) {
        let words = number::reconcile::broken_off(&context, &object);
        if !matches!(timeout(LAST_WORDS, words).await, Ok(Ok(()))) {
            debug!("the status of a turn that was broken off could not be written");
        }
    }
}

impl Reconciled for BusinessAccount {
    fn cache(context: &Context) -> &Cache<Self> {
        &context.accounts
    }

    async fn turn(context: Arc<Context>, object: Arc<Self>) -> Result<Turn, Failure> {
        declared::turn(&context, &*object).await
    }
}

impl Reconciled for DataRegion {
    fn cache(context: &Context) -> &Cache<Self> {
        &context.regions
    }

    async fn turn(context: Arc<Context>, object: Arc<Self>) -> Result<Turn, Failure> {
        declared::turn(&context, &*object).await
    }
}

impl Reconciled for RetentionPolicy {
    fn cache(context: &Context) -> &Cache<Self> {
        &context.policies
    }

    async fn turn(context: Arc<Context>, object: Arc<Self>) -> Result<Turn, Failure> {
        declared::turn(&context, &*object).await
    }
}

/// Reconciles everything until `stop`; what runs then is finished, for a bounded time.
pub async fn run(context: &Arc<Context>, inbox: Inbox, stop: &CancellationToken) {
    let controllers = [
        spawn(run_one::<BusinessPhoneNumber>(context, inbox.numbers, stop)),
        spawn(run_one::<BusinessAccount>(context, inbox.accounts, stop)),
        spawn(run_one::<DataRegion>(context, inbox.regions, stop)),
        spawn(run_one::<RetentionPolicy>(context, inbox.policies, stop)),
    ];
    let expiry = spawn(expire_rollouts(Arc::clone(context)));
    context.queues.numbers.open(&context.numbers);
    context.queues.accounts.open(&context.accounts);
    context.queues.regions.open(&context.regions);
    context.queues.policies.open(&context.policies);
    stop.cancelled().await;
    drop(expiry);
    let all = futures_util::future::join_all(controllers);
    if timeout(context.options.drain, all).await.is_err() {
        warn!("reconciliations that still run are broken off");
    } else {
        debug!("all reconciliations have ended");
    }
}

fn spawn(task: impl Future<Output = ()> + Send + 'static) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(task))
}

/// Reconciles one kind until `stop`, and finishes what runs.
fn run_one<K: Reconciled>(context: &Arc<Context>, mut requests: Requests<K>, stop: &CancellationToken) -> BoxFuture<'static, ()> {
    let (context, stop) = (Arc::clone(context), stop.clone());
    Box::pin(async move {
        let store = K::cache(&context).store();
        let queue = stream::poll_fn(move |cx| requests.poll_recv(cx))
            .map(Ok::<_, Infallible>)
            .take_until(stop.cancelled_owned());
        let config = controller::Config::default()
            .debounce(context.options.debounce)
            .concurrency(context.options.concurrency);
        let reconcile = |kept: Arc<Kept<K>>, context: Arc<Context>| {
            // A task of its own: building is work for the processor, and one turn's must not hold up the others.
            let turn: JoinHandle<Action> = tokio::spawn(reconcile(kept, context));
            let turn = AbortOnDropHandle::new(turn);
            let done: BoxFuture<'static, Result<Action, Infallible>> = Box::pin(async move {
                // It panics only by a bug of ours, and then later is better than never.
                Ok(turn.await.unwrap_or_else(|_| Action::requeue(backoff::delay(u32::MAX, 1.0))))
            });
            done
        };
        let policy = |_: Arc<Kept<K>>, error: &Infallible, _: Arc<Context>| match *error {};
        applier(reconcile, policy, context, store, Box::pin(queue), config)
            .for_each(|result| async {
                match result {
                    // It was deleted in between.
                    Err(controller::Error::ObjectNotFound(object)) => debug!(%object, "is gone"),
                    Err(error) => warn!(%error, "a controller is not well"),
                    Ok(_) => {}
                }
            })
            .await;
    })
}

/// One turn for one object, and when the next is due.
async fn reconcile<K: Reconciled>(kept: Arc<Kept<K>>, context: Arc<Context>) -> Action {
    let key = Key::of(&*kept);
    let kind = K::kind(&());
    if context.written.is_stale(&kind, &key, key::version(&*kept)) {
        return Action::requeue(OWN_WRITE);
    }
    let running = context.metrics.begun(K::CONTROLLER);
    let deadline = context.options.reconcile_deadline;
    let result = match &*kept {
        Kept::Readable(object) => timeout(deadline, K::turn(Arc::clone(&context), Arc::clone(object))).await,
        Kept::Unreadable(object) => {
            let turn = K::turn_unreadable(Arc::clone(&context), Arc::clone(&kept), Arc::clone(object));
            timeout(deadline, turn).await
        }
    };
    let result = match (result, kept.readable()) {
        (Ok(result), _) => result,
        (Err(_), object) => {
            if let Some(object) = object {
                K::broken_off(Arc::clone(&context), Arc::clone(object)).await;
            }
            Err(Failure::Timeout(Ask::new("reconcile", &kind, &key.name)))
        }
    };
    let failed = (K::CONTROLLER, key.clone());
    match result {
        Ok(turn) => {
            running.ended(turn.outcome);
            debug!(kind = &*kind, object = %key, outcome = turn.outcome.as_str(), "reconciled");
            match turn.next {
                Next::Later => Action::requeue(backoff::delay(context.failures.add(failed), rand::random())),
                Next::After(period) => {
                    context.failures.clear(&failed);
                    Action::requeue(period)
                }
                Next::Resync => {
                    context.failures.clear(&failed);
                    Action::requeue(backoff::spread(context.options.resync, rand::random()))
                }
            }
        }
        Err(failure) => {
            running.ended(Outcome::Error);
            context.metrics.failed(K::CONTROLLER, failure.reason());
            let failures = context.failures.add(failed);
            let delay = backoff::delay(failures, rand::random());
            warn!(kind = &*kind, object = %key, failures, retry_in_seconds = delay.as_secs(), error = %failure, "reconciling failed");
            Action::requeue(delay)
        }
    }
}

/// Frees roll-out slots that were held for too long.
async fn expire_rollouts(context: Arc<Context>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(15));
    loop {
        ticks.tick().await;
        let expired = context.rollouts().expire(tokio::time::Instant::now());
        for key in &expired {
            info!(number = %key, "its roll-out takes too long; others go on");
            if let Some(number) = context.numbers.get(key).and_then(|kept| kept.readable().cloned()) {
                let note = "replacing the sidecars takes longer than ten minutes; the old ones go on serving, and other numbers do not wait any longer";
                context.events.warning(&*number, "RollOut", "RollOutSlow", note).await;
            }
        }
        if !expired.is_empty() {
            context.wake_rollouts();
        }
    }
}
