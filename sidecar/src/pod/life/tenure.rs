//! The time a pod has with one store: as a candidate, as the owner, and as one that hands over.

use std::{future, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;
use waxseal_crds::v1alpha1::{ProblemReason, SidecarProblem};
use waxseal_store::Store;

use super::{Life, keys_problem, read_seal};
use crate::{
    config::{Config, StoreLocation},
    number,
    pod::{
        config::Plan,
        ownership::{
            Ownership, View,
            machine::{Instance, Timing},
            record::Seal,
        },
    },
    serving::{self, Serving},
};

/// How long requests under way may take when the number stops.
const FINISH: Duration = Duration::from_secs(5);
/// How long what is accepted may take to reach the relay before the number goes on elsewhere or anew, where it would be sent from the store.
const SHORT_DRAIN: Duration = Duration::from_millis(200);
/// The same when nobody takes over.
const LONG_DRAIN: Duration = Duration::from_secs(3);
/// How long requests still come after a pod is told to end: until then its endpoint is known everywhere to be gone.
const GOODBYE: Duration = Duration::from_secs(5);
/// For how long a pod that has handed over passes requests on, at least.
const AFTER_HANDOVER: Duration = Duration::from_secs(1);
const LOOK_FOR_SUCCESSOR: Duration = Duration::from_millis(250);
/// How often keys are looked for that somebody else makes.
const LOOK_FOR_KEYS: Duration = Duration::from_secs(2);
/// How soon a number is started again.
const START_AGAIN: Duration = Duration::from_secs(2);
/// How long it may fail to start before another pod is given the chance.
const GIVE_UP: Duration = Duration::from_secs(15);

/// How a tenure ended.
#[derive(PartialEq, Eq)]
pub(super) enum Ended {
    /// The pod is being ended.
    Terminated,
    /// There is another store now, or this one's state is unknown.
    Otherwise,
}

/// The number in this process.
enum Work {
    /// Not at work.
    None,
    Starting(AbortOnDropHandle<Result<Serving, serving::Error>>),
    Serving(Serving),
    /// Could not be started, and is again then.
    Resting(Instant),
}

pub(super) struct Tenure<'a> {
    life: &'a mut Life,
    plan: Arc<Plan>,
    store: Store,
    ownership: Ownership,
    view: watch::Receiver<View>,
    /// Whether there are keys that other pods' addresses are believed by.
    has_seal: bool,
    work: Work,
    /// Since when it cannot be started.
    failing_since: Option<Instant>,
}

impl<'a> Tenure<'a> {
    pub(super) fn new(life: &'a mut Life, plan: Arc<Plan>, store: Store, seal: Option<Seal>) -> Self {
        let has_seal = seal.is_some();
        let ownership = Ownership::start(life.author(&plan), &store, seal, Timing::POD);
        life.front.tell(Some(ownership.looker()));
        let view = ownership.view();
        Self {
            life,
            plan,
            store,
            ownership,
            view,
            has_seal,
            work: Work::None,
            failing_since: None,
        }
    }

    pub(super) async fn run(mut self) -> Ended {
        self.life.front.set_waits(true);
        let ended = self.serve().await;
        self.life.front.set_waits(false);
        if ended == Ended::Otherwise {
            self.stop(SHORT_DRAIN).await;
            self.life.front.gate.hold(false);
            self.ownership.leave().await;
        }
        self.life.front.tell(None);
        ended
    }

    async fn serve(&mut self) -> Ended {
        loop {
            self.settle().await;
            let look_for_keys = !self.has_seal;
            let terminate = self.life.terminate.clone();
            tokio::select! {
                biased;
                () = terminate.cancelled() => {
                    self.farewell().await;
                    return Ended::Terminated;
                }
                changed = self.view.changed() => {
                    if changed.is_err() {
                        tracing::error!("the task that watches the owner has ended");
                        return Ended::Otherwise;
                    }
                }
                turn = turn(&mut self.work) => match turn {
                    Turn::Started(started) => self.took_up(started).await,
                    Turn::BrokeDown => self.broke_down().await,
                    Turn::Rested => {}
                },
                changed = self.life.loaded.changed() => {
                    if changed.is_err() || !self.reload().await {
                        return Ended::Otherwise;
                    }
                }
                () = sleep(LOOK_FOR_KEYS), if look_for_keys => self.look_for_keys().await,
            }
        }
    }

    /// Brings the number and the port in line with who owns the number.
    async fn settle(&mut self) {
        let view = self.view.borrow_and_update().clone();
        let gate = &self.life.front.gate;
        match &view {
            View::Mine => match &self.work {
                Work::None => {
                    gate.hold(true);
                    self.start();
                }
                Work::Serving(serving) if !gate.is_open() => gate.open(Arc::clone(serving.api()), self.ownership.lease()),
                Work::Serving(_) => {}
                Work::Starting(_) | Work::Resting(_) => gate.hold(true),
            },
            // The lease holds requests back; what the number remembers may be needed when the store is back.
            View::Suspended => {
                if !matches!(self.work, Work::Serving(_)) {
                    gate.hold(true);
                }
            }
            View::Nobody | View::Other(_, None) => {
                self.lose().await;
                self.life.front.gate.hold(false);
            }
            View::Other(_, Some(address)) => {
                self.lose().await;
                self.life.front.gate.pass_on(*address);
            }
        }
        self.life.board.write(|state| state.view = Some(view));
    }

    fn start(&mut self) {
        let (plan, store, metrics) = (Arc::clone(&self.plan), self.store.clone(), Arc::clone(&self.life.number_metrics));
        let starting = tokio::spawn(async move { Serving::start(&plan.config, &store, &metrics).await });
        self.work = Work::Starting(AbortOnDropHandle::new(starting));
    }

    async fn took_up(&mut self, started: Option<Result<Serving, serving::Error>>) {
        let error = match started {
            Some(Ok(serving)) => {
                tracing::info!(configuration = %self.plan.declared.digest, "this pod serves the number");
                self.failing_since = None;
                self.life.metrics.owner.set(1);
                self.life.board.write(|state| {
                    state.start_problem = None;
                    state.number = serving.numbers().first().cloned();
                    state.configuration = Some(self.plan.declared.digest.clone());
                });
                self.work = Work::Serving(serving);
                if !self.has_seal {
                    // The keys have just been made.
                    self.look_for_keys().await;
                }
                return;
            }
            Some(Err(error)) => start_problem(&error.source),
            // A bug; the log has it.
            None => SidecarProblem {
                reason: ProblemReason::ConfigurationInvalid,
                message: "the number could not be started; the log of the pod tells why".to_owned(),
            },
        };
        tracing::error!(reason = error.reason.as_str(), problem = %error.message, "the number cannot be started; trying again");
        self.life.board.write(|state| state.start_problem = Some(error));
        self.work = Work::Resting(Instant::now() + START_AGAIN);
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        if since.elapsed() > GIVE_UP && self.successor().await.is_some() {
            tracing::warn!("another pod may try to serve the number");
            self.failing_since = None;
            self.ownership.stand_back().await;
        }
    }

    /// The number has stopped by itself: displaced by another process, or by a fault.
    async fn broke_down(&mut self) {
        tracing::error!("the number has stopped by itself; giving it back for a while");
        self.stop(Duration::ZERO).await;
        self.ownership.stand_back().await;
    }

    /// The number is another's now.
    async fn lose(&mut self) {
        if let Work::Serving(_) = self.work {
            tracing::warn!("another pod owns the number");
            // Whoever owns it has claimed its lanes: nothing that is under way here can harm it, and nothing of it needs to be waited for.
            self.life.front.gate.close(false, Duration::from_millis(500)).await;
        }
        self.stop(Duration::ZERO).await;
    }

    /// Stops the number, in good order if there is time to `drain`. Requests wait until the gate says otherwise.
    async fn stop(&mut self, drain: Duration) {
        let work = std::mem::replace(&mut self.work, Work::None);
        if let Work::Serving(serving) = work {
            if !drain.is_zero() {
                self.life.front.gate.close(true, FINISH).await;
                serving.drain(Instant::now() + drain).await;
            }
            self.life.front.gate.hold(true);
            self.life.board.write(|state| state.number = None);
            serving.stop().await;
            self.life.metrics.owner.set(0);
        }
    }

    /// There is another configuration, or something is wrong with it; `false` when it needs another store.
    async fn reload(&mut self) -> bool {
        let loaded = self.life.loaded.borrow_and_update().clone();
        self.life.show(&loaded);
        let Some(plan) = loaded.plan.filter(|plan| !Arc::ptr_eq(plan, &self.plan)) else {
            return true;
        };
        let is_same_number = plan.declared.phone_number_id == self.plan.declared.phone_number_id;
        if !(is_same_number && same_store(&plan.config, &self.plan.config)) {
            tracing::info!("the number's state is elsewhere now");
            return false;
        }
        self.plan = plan;
        self.stop(SHORT_DRAIN).await;
        // What was being started was started with the old one.
        self.work = Work::None;
        true
    }

    async fn look_for_keys(&mut self) {
        match read_seal(&self.plan.config).await {
            Ok(seal) => {
                if let Some(seal) = seal {
                    self.has_seal = true;
                    self.ownership.believe(seal);
                }
                if matches!(self.work, Work::None) {
                    self.life.board.write(|state| state.start_problem = None);
                }
            }
            Err(error) => {
                if matches!(self.work, Work::None) {
                    self.life.board.write(|state| state.start_problem = Some(keys_problem(&error)));
                }
            }
        }
    }

    /// The pod is being ended: hands the number over, or serves on until nobody comes any more.
    async fn farewell(&mut self) {
        let told = Instant::now();
        self.life.board.write(|state| state.is_leaving = true);
        self.life.front.leave();
        let goodbye = told + GOODBYE;
        let successor = self.serve_until_handover(goodbye).await;
        let drain = if successor.is_some() { SHORT_DRAIN } else { LONG_DRAIN };
        self.stop(drain).await;
        self.work = Work::None;
        self.ownership.leave().await;
        let mut until = goodbye;
        if let Some((_, address)) = successor {
            // It looks at once who owns the number, and finds nobody.
            let _ = self.life.front.ask(address).await;
            until = until.max(Instant::now() + AFTER_HANDOVER);
            tracing::info!(took_ms = told.elapsed().as_millis(), "the number was handed over");
        }
        self.pass_on_until(until).await;
    }

    /// Who could take over, if this pod owns the number. Waits for somebody, and serves meanwhile.
    async fn serve_until_handover(&mut self, goodbye: Instant) -> Option<(Instance, std::net::SocketAddr)> {
        loop {
            if !matches!(*self.view.borrow(), View::Mine | View::Suspended) {
                return None;
            }
            if let Some(successor) = self.successor().await {
                return Some(successor);
            }
            let again = goodbye.min(Instant::now() + LOOK_FOR_SUCCESSOR);
            loop {
                self.settle().await;
                tokio::select! {
                    () = sleep_until(again) => break,
                    turn = turn(&mut self.work) => match turn {
                        Turn::Started(started) => self.took_up(started).await,
                        Turn::BrokeDown => {
                            self.stop(Duration::ZERO).await;
                            return None;
                        }
                        Turn::Rested => {}
                    },
                    changed = self.view.changed() => changed.ok()?,
                }
            }
            if Instant::now() >= goodbye {
                return None;
            }
        }
    }

    /// A pod that waits for the number, and answers.
    async fn successor(&self) -> Option<(Instance, std::net::SocketAddr)> {
        let (instance, address) = self.ownership.successor().await?;
        let presence = self.life.front.ask(address).await?;
        (presence.waits && presence.instance == hex::encode(instance.0.to_be_bytes())).then_some((instance, address))
    }

    async fn pass_on_until(&mut self, until: Instant) {
        loop {
            let view = self.view.borrow_and_update().clone();
            match view {
                View::Other(_, Some(address)) => self.life.front.gate.pass_on(address),
                _ => self.life.front.gate.hold(false),
            }
            tokio::select! {
                () = sleep_until(until) => return,
                changed = self.view.changed() => if changed.is_err() { return },
            }
        }
    }
}

/// What happens to the number by itself.
enum Turn {
    /// It could be started, or not; `None` for a fault.
    Started(Option<Result<Serving, serving::Error>>),
    /// It has stopped.
    BrokeDown,
    /// It is to be started again.
    Rested,
}

/// The next turn; never, while the number is not at work.
async fn turn(work: &mut Work) -> Turn {
    match work {
        Work::None => future::pending().await,
        Work::Starting(starting) => {
            let started = starting.await;
            *work = Work::None;
            Turn::Started(started.ok())
        }
        Work::Serving(serving) => {
            serving.stopped().await;
            Turn::BrokeDown
        }
        Work::Resting(until) => {
            sleep_until(*until).await;
            *work = Work::None;
            Turn::Rested
        }
    }
}

fn same_store(a: &Config, b: &Config) -> bool {
    let same_place = match (&a.store, &b.store) {
        (StoreLocation::Redis(a), StoreLocation::Redis(b)) => a.reveal() == b.reveal(),
        (StoreLocation::Embedded(a), StoreLocation::Embedded(b)) => a == b,
        _ => false,
    };
    same_place && a.durability == b.durability && a.store_ca == b.store_ca
}

fn start_problem(error: &number::Error) -> SidecarProblem {
    let reason = match error {
        number::Error::Custody(_) => ProblemReason::KeysUnavailable,
        number::Error::Claim(_) | number::Error::Book(_) => ProblemReason::RedisUnavailable,
        number::Error::Relay(_) | number::Error::Webhook(_) | number::Error::PreKeys(_) | number::Error::Media(_) => {
            ProblemReason::ConfigurationInvalid
        }
    };
    SidecarProblem {
        reason,
        message: error.to_string(),
    }
}
