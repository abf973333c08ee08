//! The actor of a lane: gathers what has happened, has the turn planned, commits it, and only then lets anything out.
//!
//! One lane does one turn at a time; what happens during a commit makes the next turn, so under load turns grow and commits become fewer.
//! Everything that waits, waits in the store: what is in memory is bounded and can be read again.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use waxseal_content::{EnvelopeId, PhoneNumber};
use waxseal_store::{EntryId, Outcome};

use super::{
    core::Core,
    input::{Accepted, Input, Loaded},
    turn::{Settled, Turn, Unplanned},
};
use crate::{
    id::{self, PeerIndex},
    moment::Moment,
    webhook::{
        line::{self, Line, PeerTag},
        schedule::Backoff,
    },
};

mod durable;
mod edge;
mod jobs;
mod pace;
mod queues;
mod replay;

use durable::Tail;
use replay::Replay;

pub use edge::{Emit, End, Event, Outfit, Post, Poster};
use pace::Pace;
pub use replay::Selection;

/// How much of each kind one turn takes.
const DELIVERIES_PER_TURN: usize = 64;
const JOBS_PER_TURN: usize = 128;
/// Bodies of deliveries one turn takes; what they turn into is a few times larger.
const DELIVERY_BYTES_PER_TURN: usize = 512 * 1024;
const VERDICTS_PER_TURN: usize = 512;
const FINISHED_PER_TURN: usize = 512;
const ANNOUNCED_PER_TURN: usize = 64;
/// Envelopes the relay may owe an answer for; more stay unencrypted in the queue.
const MAX_UNANSWERED: usize = 2048;
/// Messages waiting in memory for bundles, and those of one consumer; more stay in the queue.
const MAX_PARKED: usize = 2048;
const MAX_PARKED_EACH: usize = 128;
/// A turn with so many messages and no envelopes takes well under a millisecond.
const SMALL_TURN_JOBS: usize = 24;
const PAGE: usize = 128;
/// Webhooks of one lane.
const LINE: line::Config = line::Config {
    entries: 1024,
    entries_per_peer: 64,
    concurrency: 16,
    backoff: Backoff::EVENT,
    probe_backoff: Backoff::ENDPOINT,
    patience: line::PATIENCE,
};
const DEADLINE_CHECK: Duration = Duration::from_secs(5);
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_MOST: Duration = Duration::from_secs(2);
const BUNDLE_RETRY: Duration = Duration::from_secs(2);
/// How often a consumer's bundle may turn out unusable before its messages fail.
const MAX_BAD_BUNDLES: u32 = 3;

/// A lane and its owner.
pub struct Lane {
    outfit: Outfit,
    core: Core,
    events: mpsc::Receiver<Event>,
    sender: mpsc::WeakSender<Event>,
    link: Option<mpsc::UnboundedSender<Emit>>,
    input: Input,
    jobs: VecDeque<Accepted>,
    job_cursor: EntryId,
    more_jobs: bool,
    parked: HashMap<PeerIndex, Parked>,
    pace: Pace,
    bad_bundles: HashMap<PeerIndex, u32>,
    /// Who waits for what is in [`Input::announced`], in the same order.
    announcers: VecDeque<oneshot::Sender<()>>,
    replays: VecDeque<Replay>,
    line: Line<EntryId, Post>,
    line_rests_until: Option<Instant>,
    next_deadline_check: Instant,
    tail: Tail,
}

/// Messages of one consumer that wait for a bundle.
struct Parked {
    number: PhoneNumber,
    jobs: Vec<Accepted>,
    /// Whether there are further ones in the queue that were passed over.
    more: bool,
    /// `None` while the bundle is being fetched.
    ask_at: Option<Instant>,
}

impl Lane {
    /// The owner of a lane that has been claimed.
    #[must_use]
    pub fn new(outfit: Outfit, core: Core, events: mpsc::Receiver<Event>, sender: mpsc::WeakSender<Event>) -> Self {
        Self {
            outfit,
            core,
            events,
            sender,
            link: None,
            input: Input {
                may_repeat: true,
                ..Input::default()
            },
            jobs: VecDeque::new(),
            job_cursor: EntryId::ZERO,
            more_jobs: true,
            parked: HashMap::new(),
            pace: Pace::default(),
            bad_bundles: HashMap::new(),
            announcers: VecDeque::new(),
            replays: VecDeque::new(),
            line: Line::new(LINE),
            line_rests_until: None,
            next_deadline_check: Instant::now(),
            tail: Tail::default(),
        }
    }

    /// Works until told to stop or displaced.
    pub async fn run(mut self) -> End {
        // What is in the outbox has to be known before the first message expires.
        if let Err(end) = self.resend_outbox().await {
            return end;
        }
        loop {
            if let Err(end) = self.round().await {
                return end;
            }
        }
    }

    async fn round(&mut self) -> Result<(), End> {
        self.refill_jobs().await?;
        self.refill_replays().await?;
        self.work_line().await;
        self.check_deadlines().await;
        self.ask_again();
        if self.input.is_empty() && self.replays.is_empty() && !self.can_refill() && (self.link.is_none() || !self.has_jobs()) {
            let stop = self.outfit.stop.clone();
            let wake = Arc::clone(&self.outfit.wake);
            let rest_until = self.wake_at();
            tokio::select! {
                () = stop.cancelled() => return Err(End::Stopped),
                event = self.events.recv() => match event {
                    Some(event) => self.take(event).await?,
                    None => return Err(End::Stopped),
                },
                () = wake.notified() => self.more_jobs = true,
                () = tokio::time::sleep_until(rest_until) => {}
            }
        }
        while self.has_room() {
            match self.events.try_recv() {
                Ok(event) => self.take(event).await?,
                Err(_) => break,
            }
        }
        self.turn().await
    }

    fn has_room(&self) -> bool {
        self.input.deliveries.len() < DELIVERIES_PER_TURN
            && self.input.deliveries.iter().map(|delivery| delivery.body.len()).sum::<usize>() < DELIVERY_BYTES_PER_TURN
            && self.input.verdicts.len() < VERDICTS_PER_TURN
            && self.input.finished.len() < FINISHED_PER_TURN
            && self.input.announced.len() < ANNOUNCED_PER_TURN
    }

    async fn take(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Delivery(delivery) => self.input.deliveries.push(delivery),
            Event::Verdict(envelope, verdict) => self.input.verdicts.push((envelope, verdict)),
            Event::Linked(link) => {
                self.link = Some(link);
                self.input.may_repeat = true;
                // They came through the link before, and come again: their sequences are not for this one.
                self.input.deliveries.clear();
                self.resend_outbox().await?;
            }
            Event::Drained => self.input.may_repeat = false,
            Event::Unlinked => {
                self.link = None;
                // Nothing is encrypted until the link is back; until then messages are kept in the store, not here.
                self.parked.clear();
                self.input.bundles.clear();
                self.read_jobs_again();
            }
            Event::Bundle(peer, answer) => self.take_bundle(peer, answer),
            Event::Posted(entry, ended) => {
                let metrics = &self.outfit.shared.metrics;
                metrics.webhook_attempt(ended == line::Ended::Delivered);
                match self.line.finished(entry, ended, now_ms(), rand::random()) {
                    Some(line::Verdict::Remove) => self.input.finished.push(entry),
                    Some(line::Verdict::GiveUp(post)) => self.give_up(entry, post),
                    Some(line::Verdict::Retry) | None => {}
                }
            }
            Event::WebhookReady => self.line.endpoint_changed(now_ms()),
            Event::Announce(announced, announcer) => {
                self.input.announced.push(announced);
                self.announcers.push_back(announcer);
            }
            Event::Replay(selection, asker) => self.replays.push_back(Replay::new(selection, asker, now_ms())),
        }
        Ok(())
    }

    fn wake_at(&self) -> Instant {
        let mut at = self.next_deadline_check;
        let line_wakes_ms = match self.outfit.poster.is_ready() {
            true => self.line.wake_at_ms(),
            false => self.line.next_end_ms(),
        };
        if let Some(rests) = self.line_rests_until {
            at = at.min(rests);
        } else if let Some(wake_ms) = line_wakes_ms {
            at = at.min(Instant::now() + Duration::from_millis(wake_ms.saturating_sub(now_ms())));
        }
        if self.link.is_none() {
            // Nobody can be asked.
            return at;
        }
        let at = self.paced_until().into_iter().fold(at, Instant::min);
        self.parked.values().filter_map(|parked| parked.ask_at).fold(at, Instant::min)
    }

    async fn turn(&mut self) -> Result<(), End> {
        if self.link.is_some() {
            self.take_jobs();
        }
        if self.input.is_empty() {
            return Ok(());
        }
        let may_repeat = self.input.may_repeat;
        let mut input = std::mem::replace(
            &mut self.input,
            Input {
                may_repeat,
                ..Input::default()
            },
        );
        let mut loaded = Loaded::new();
        let mut keys = self.core.needs(&input);
        let mut delay = RETRY_FIRST;
        loop {
            self.load(&keys, &mut loaded).await?;
            keys.clear();
            match self.plan(&input, &loaded).await {
                Err(Unplanned::Missing(more)) => keys = more,
                Err(Unplanned::Seal(error)) => {
                    tracing::error!(%error, "values cannot be sealed; the lane waits");
                    self.rest(&mut delay).await?;
                }
                Ok(turn) if turn.batch.ops.is_empty() => {
                    let rest = input.split_off(&turn.taken);
                    self.let_out(turn.without_commit(), &input, rest);
                    return Ok(());
                }
                Ok(turn) => match self.commit(&turn.batch).await? {
                    Outcome::Applied { appended } => {
                        let rest = input.split_off(&turn.taken);
                        self.tail.push(turn.batch.clone(), appended.clone());
                        let settled = self.core.settle(turn, &appended);
                        self.let_out(settled, &input, rest);
                        return Ok(());
                    }
                    Outcome::AlreadyApplied => {
                        let rest = input.split_off(&turn.taken);
                        self.tail.push(turn.batch.clone(), Vec::new());
                        let settled = self.core.settle(turn, &[]);
                        self.let_out(settled, &input, rest);
                        return self.resync().await;
                    }
                    Outcome::Exists(index) => {
                        input.used.extend(turn.batch.absent.get(index).cloned());
                    }
                    Outcome::Stale { .. } => return Err(End::Displaced),
                    Outcome::Gap { epoch, seq } => {
                        self.recover(epoch, seq).await?;
                        // Places in the queues may have changed.
                        input.jobs.clear();
                        input.hopeless.clear();
                        input.unreadable.clear();
                        input.finished.clear();
                        input.given_up.clear();
                        input.requeued.clear();
                        self.replays.iter_mut().for_each(Replay::begin_again);
                        loaded.clear();
                        keys = self.core.needs(&input);
                    }
                },
            }
        }
    }

    async fn plan(&self, input: &Input, loaded: &Loaded) -> Result<Turn, Unplanned> {
        let _core = self.outfit.cores.acquire().await;
        let now = Moment::of(SystemTime::now());
        // Handing this thread's other tasks over costs more than a small turn does.
        let is_small = input.deliveries.is_empty() && input.bundles.is_empty() && input.jobs.len() <= SMALL_TURN_JOBS;
        if is_small {
            return self.core.plan(input, loaded, now);
        }
        tokio::task::block_in_place(|| self.core.plan(input, loaded, now))
    }

    /// Everything that waited for the turn to be durable. The `rest` of its input is for the next one.
    fn let_out(&mut self, settled: Settled, input: &Input, mut rest: Input) {
        self.emit(Emit::Submit(settled.envelopes));
        self.emit(Emit::Acknowledge(settled.acks));
        let now = now_ms();
        for (id, event) in settled.events {
            let payload = Post {
                event_id: event.event_id,
                body: event.body,
                peer: event.peer,
                about: event.about,
            };
            let entry = line::Entry {
                id,
                peer: PeerTag(event.peer),
                until_ms: event.window_end_ms,
                payload,
            };
            self.line.offer(entry, now);
        }
        for id in input.finished.iter().chain(input.given_up.iter().map(|given_up| &given_up.entry)) {
            self.line.removed(*id);
        }
        for announcer in self.announcers.drain(..input.announced.len().min(self.announcers.len())) {
            // Whoever asked may have gone.
            let _ = announcer.send(());
        }
        self.more_jobs |= settled.requeued;
        for peer in input.bundles.keys() {
            // One bundle counts once, however many messages waited for it.
            if settled.parked.iter().any(|accepted| accepted.peer == *peer) {
                *self.bad_bundles.entry(*peer).or_insert(0) += 1;
            } else {
                self.bad_bundles.remove(peer);
            }
        }
        self.pace.has_paid(settled.parked.iter().chain(&rest.jobs));
        for accepted in std::mem::take(&mut rest.jobs).into_iter().rev() {
            self.jobs.push_front(accepted);
        }
        rest.lapsed.append(&mut self.input.lapsed);
        self.input = rest;
        self.replayed(input.requeued.len());
        self.park(settled.parked);
        self.outfit.limiter.received(settled.counts.received);
        self.outfit.shared.metrics.count(&settled.counts);
    }
}

fn now_ms() -> u64 {
    Moment::of(SystemTime::now()).ms
}

impl line::Place for EntryId {
    const START: Self = Self::ZERO;
}

/// The lane of an envelope the relay answers for.
#[must_use]
pub fn lane_of_answer(envelope: &[u8]) -> Option<(u8, EnvelopeId)> {
    let envelope = EnvelopeId::from_slice(envelope)?;
    Some((id::lane_of_envelope(envelope)?, envelope))
}
