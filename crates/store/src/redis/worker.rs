//! Group commit over one connection.
//!
//! A worker owns a connection, the batches that wait for it, and the groups that are on their way (flights). An idle worker sends at once; a
//! busy one gathers for a moment, so that groups grow with the load. Order is kept: within a connection batches run in the order in which
//! they came, and when some must be run again, nothing new is sent before they are.
//!
//! What happens to a batch whose reply is lost is decided here and nowhere else: it is run again while it is repeatable and its deadline has
//! not passed, else its caller hears that it is in doubt.

mod pending;

use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use redis::{Pipeline, RedisResult, Value};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

use self::pending::{Landing, Pending};
use super::endpoint::{Backoff, Endpoint, Link, Reached, reached};
use super::preflight::{Barrier, Unfit};
use super::reply::Remedy;
use super::script;
use crate::work::Admitted;
use crate::{Error, Key};

/// A group is also closed at this size: one command line after another, not one huge one.
const GROUP_MAX_BYTES: usize = 1 << 20;
/// Lanes with a failed batch that are remembered; see [`Worker::failed_lanes`].
const MAX_FAILED_LANES: usize = 10_000;
/// ... and for how long: batches that were under way together land together.
const FAILURE_MEMORY: Duration = Duration::from_secs(5);

type Sending = Pin<Box<dyn Future<Output = RedisResult<Vec<Value>>> + Send>>;
type Connecting = Pin<Box<dyn Future<Output = Result<Link, Unfit>> + Send>>;

/// A group on its way.
struct Flight {
    group: Vec<Pending>,
    skip: usize,
    barrier: Barrier,
    sending: Sending,
}

struct Failure {
    epoch: u64,
    seq: u64,
    at: Instant,
}

pub(super) struct Worker {
    endpoint: Arc<Endpoint>,
    inbox: mpsc::UnboundedReceiver<Admitted>,
    closing: watch::Receiver<bool>,
    /// In the order of arrival, and so in the order of their deadlines.
    waiting: VecDeque<Pending>,
    /// To be run again, in order, before anything that waits, once all flights have landed.
    again: VecDeque<Pending>,
    flights: VecDeque<Flight>,
    link: Option<Link>,
    connecting: Option<Connecting>,
    backoff: Backoff,
    scripts_missing: bool,
    retire: bool,
    /// Why the last attempt failed, for those whose deadline passes.
    trouble: Arc<str>,
    /// Lanes with a batch that failed here a moment ago. A gap right behind it is that failure again, not a rollback.
    failed_lanes: HashMap<Key, Failure>,
}

impl Worker {
    pub(super) fn new(endpoint: Arc<Endpoint>, inbox: mpsc::UnboundedReceiver<Admitted>, closing: watch::Receiver<bool>) -> Self {
        Self {
            endpoint,
            inbox,
            closing,
            waiting: VecDeque::new(),
            again: VecDeque::new(),
            flights: VecDeque::new(),
            link: None,
            connecting: None,
            backoff: Backoff::default(),
            scripts_missing: false,
            retire: false,
            trouble: "not connected yet".into(),
            failed_lanes: HashMap::new(),
        }
    }

    pub(super) async fn run(mut self) {
        let mut open = true;
        let mut finishing = false;
        loop {
            while let Ok(admitted) = self.inbox.try_recv() {
                self.arrived(admitted);
            }
            self.expire();
            self.advance(finishing).await;
            if !open && self.waiting.is_empty() && self.again.is_empty() && self.flights.is_empty() {
                return;
            }
            let wake = self.wake_at(finishing);
            let idle = self.flights.is_empty();
            let Self {
                flights,
                connecting,
                link,
                inbox,
                closing,
                ..
            } = &mut self;
            tokio::select! {
                biased;
                result = landing(flights) => self.landed(result),
                result = connected(connecting) => self.connected(result),
                () = closed(link, idle) => self.lost("Redis closed the connection".into()),
                admitted = inbox.recv(), if open => match admitted {
                    Some(admitted) => self.arrived(admitted),
                    None => (open, finishing) = (false, true),
                },
                _ = closing.changed(), if !finishing => {
                    // Nothing more is let in; what is in already is still handed out.
                    inbox.close();
                    finishing = true;
                }
                () = until(wake) => {}
            }
        }
    }

    fn arrived(&mut self, admitted: Admitted) {
        self.waiting.push_back(Pending::new(admitted, &self.endpoint));
    }

    /// Gives up on those whose deadline has passed.
    fn expire(&mut self) {
        let now = Instant::now();
        for queue in [&mut self.again, &mut self.waiting] {
            while let Some(pending) = queue.pop_front_if(|pending| pending.deadline <= now) {
                remember_failure(&mut self.failed_lanes, &pending);
                pending.give_up(&self.trouble);
            }
        }
    }

    /// When there is something to do although nothing happened.
    fn wake_at(&self, closing: bool) -> Option<Instant> {
        let deadline = self.again.front().or(self.waiting.front()).map(|pending| pending.deadline);
        let gathered = self
            .waiting
            .front()
            .filter(|_| self.may_send() && !closing)
            .map(|first| first.arrived + self.endpoint.options.group_max_wait);
        deadline.into_iter().chain(gathered).min()
    }

    fn may_send(&self) -> bool {
        self.link.is_some() && !self.retire && self.again.is_empty() && self.flights.len() < self.groups_in_flight()
    }

    fn groups_in_flight(&self) -> usize {
        let most = self.endpoint.options.groups_in_flight;
        match &self.link {
            // A server holds a connection's next commands back while it waits for replicas or the disk.
            Some(link) if link.barrier != Barrier::None => most.min(2),
            _ => most,
        }
    }

    /// Reconnects and sends what may be sent now.
    async fn advance(&mut self, closing: bool) {
        if self.flights.is_empty() {
            if self.retire {
                self.link = None;
                self.retire = false;
            }
            while let Some(pending) = self.again.pop_back() {
                self.waiting.push_front(pending);
            }
        }
        if self.link.is_none() && self.connecting.is_none() {
            let endpoint = Arc::clone(&self.endpoint);
            let pause = self.backoff.next();
            self.connecting = Some(Box::pin(async move {
                sleep(pause).await;
                endpoint.connect().await
            }));
        }
        while self.may_send() && self.is_due(closing) {
            self.send().await;
        }
    }

    fn is_due(&self, closing: bool) -> bool {
        let Some(first) = self.waiting.front() else { return false };
        let options = &self.endpoint.options;
        self.flights.is_empty()
            || closing
            || self.waiting.len() >= options.group_max_batches
            || first.arrived + options.group_max_wait <= Instant::now()
    }

    async fn send(&mut self) {
        let Some(link) = &self.link else { return };
        let options = &self.endpoint.options;
        let mut pipeline = Pipeline::with_capacity(self.waiting.len().min(options.group_max_batches) + 1);
        let mut skip = 0;
        if self.scripts_missing {
            script::load(&mut pipeline);
            skip = script::LOADS;
            self.scripts_missing = false;
        }
        let mut group = Vec::with_capacity(self.waiting.len().min(options.group_max_batches));
        let mut bytes = 0;
        while group.len() < options.group_max_batches && bytes < GROUP_MAX_BYTES {
            let Some(pending) = self.waiting.pop_front() else { break };
            bytes += pending.size();
            pipeline.add_command(pending.command(options));
            group.push(pending);
        }
        self.endpoint.end_group(&mut pipeline, link.barrier);
        let mut connection = link.connection.clone();
        let barrier = link.barrier;
        // Unconstrained: the first poll must put the group into the connection's queue, or a later group could overtake it.
        let mut sending: Sending = Box::pin(tokio::task::unconstrained(async move {
            let replies = pipeline.len();
            connection.send_packed_commands(&pipeline, 0, replies).await
        }));
        let first = poll_fn(|context| Poll::Ready(sending.as_mut().poll(context))).await;
        if let Poll::Ready(result) = first {
            sending = Box::pin(std::future::ready(result));
        }
        self.flights.push_back(Flight {
            group,
            skip,
            barrier,
            sending,
        });
    }

    fn connected(&mut self, result: Result<Link, Unfit>) {
        self.connecting = None;
        match result {
            Ok(link) => {
                self.backoff.reset();
                self.scripts_missing = false;
                self.link = Some(link);
            }
            Err(unfit) => {
                let text = unfit.text();
                if self.trouble != text {
                    tracing::warn!(reason = %text, "Redis is not usable");
                }
                self.trouble = text;
            }
        }
    }

    /// The oldest group has its reply, or the connection is gone.
    fn landed(&mut self, result: RedisResult<Vec<Value>>) {
        let Some(flight) = self.flights.pop_front() else { return };
        let Flight { group, skip, barrier, .. } = flight;
        match result {
            Ok(values) if values.len() == skip + group.len() + usize::from(barrier != Barrier::None) => {
                let reached = reached(barrier, values.last());
                if reached == Reached::Unknown {
                    self.retire = true;
                }
                for (pending, value) in group.into_iter().zip(values.into_iter().skip(skip)) {
                    self.settle(pending, value, reached == Reached::Yes);
                }
            }
            Ok(_) => {
                self.doubt_all(group, "Redis answered with the wrong number of replies".into());
            }
            Err(error) => {
                let text = self.endpoint.describe(&error);
                self.doubt_all(group, text.into());
            }
        }
    }

    fn settle(&mut self, pending: Pending, value: Value, durable: bool) {
        let behind_failure = !self.again.is_empty()
            && pending
                .lane()
                .is_some_and(|lane| self.again.iter().any(|other| other.lane() == Some(lane)));
        match pending.landing(value, durable, behind_failure) {
            Landing::Done(pending, answer) => {
                if let Some(fence) = pending.fence()
                    && !self.failed_lanes.is_empty()
                {
                    if answer.is_applied() {
                        self.failed_lanes.remove(&fence.lane);
                    } else if answer.gap().is_some() && answer.gap() == self.expected_gap(&fence.lane) {
                        return pending.fail(Error::unavailable("an earlier batch of this lane was not applied"));
                    }
                }
                pending.answer(answer);
            }
            Landing::Again(pending, remedy) => {
                match remedy {
                    Some(Remedy::LoadScripts) => self.scripts_missing = true,
                    Some(Remedy::Reconnect) => {
                        self.retire = true;
                        self.trouble = "Redis cannot take writes now".into();
                    }
                    None if !durable => self.trouble = "too few replicas (or the disk) acknowledged in time".into(),
                    None => {}
                }
                self.again.push_back(pending);
            }
            Landing::Failed(pending, error) => {
                remember_failure(&mut self.failed_lanes, &pending);
                pending.fail(error);
            }
        }
    }

    /// Where a lane stands when the batch that failed is all that is missing.
    fn expected_gap(&self, lane: &Key) -> Option<(u64, u64)> {
        let failure = self
            .failed_lanes
            .get(lane)
            .filter(|failure| failure.at.elapsed() < FAILURE_MEMORY)?;
        Some((failure.epoch, failure.seq.saturating_sub(1)))
    }

    /// The connection is of no use any more: nothing is known about what is under way on it.
    fn doubt_all(&mut self, group: Vec<Pending>, trouble: Arc<str>) {
        let groups = std::iter::once(group).chain(std::mem::take(&mut self.flights).into_iter().map(|flight| flight.group));
        let under_way: Vec<Pending> = groups.flatten().collect();
        self.lost(trouble);
        for pending in under_way {
            match pending.doubt(&self.trouble) {
                Landing::Again(pending, _) => self.again.push_back(pending),
                Landing::Failed(pending, error) => {
                    remember_failure(&mut self.failed_lanes, &pending);
                    pending.fail(error);
                }
                Landing::Done(pending, answer) => pending.answer(answer),
            }
        }
    }

    fn lost(&mut self, trouble: Arc<str>) {
        tracing::debug!(reason = %trouble, "lost a connection to Redis");
        self.link = None;
        self.retire = false;
        self.trouble = trouble;
    }
}

fn remember_failure(failed_lanes: &mut HashMap<Key, Failure>, pending: &Pending) {
    if let Some(fence) = pending.fence() {
        if failed_lanes.len() >= MAX_FAILED_LANES {
            failed_lanes.clear();
        }
        // The first failure is the one that the others stand behind.
        let known = failed_lanes
            .get(&fence.lane)
            .is_some_and(|known| known.epoch == fence.epoch && known.seq <= fence.seq && known.at.elapsed() < FAILURE_MEMORY);
        if !known {
            failed_lanes.insert(
                fence.lane.clone(),
                Failure {
                    epoch: fence.epoch,
                    seq: fence.seq,
                    at: Instant::now(),
                },
            );
        }
    }
}

async fn landing(flights: &mut VecDeque<Flight>) -> RedisResult<Vec<Value>> {
    match flights.front_mut() {
        Some(flight) => flight.sending.as_mut().await,
        None => std::future::pending().await,
    }
}

async fn connected(connecting: &mut Option<Connecting>) -> Result<Link, Unfit> {
    match connecting {
        Some(connecting) => connecting.as_mut().await,
        None => std::future::pending().await,
    }
}

/// Ends when an idle connection is closed. While groups are under way, they report it.
async fn closed(link: &mut Option<Link>, idle: bool) {
    match link {
        // The channel is used for nothing else: whatever comes, also its end, means that the connection is over.
        Some(link) if idle => drop(link.events.recv().await),
        _ => std::future::pending().await,
    }
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(wake) => sleep_until(wake).await,
        None => std::future::pending().await,
    }
}
