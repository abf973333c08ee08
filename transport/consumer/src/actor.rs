//! The task that owns one consumer's state: it gathers what is waiting (commands, frames of the relay, results of calls), runs it through
//! the engine as one step, commits, and only then answers, acknowledges and sends.
//!
//! May touch: the relay, through `waxseal_protocol`. Must not: decide anything about messages; that is the engine's.

mod backoff;
mod command;
mod fetches;
mod link;
mod outbox;
mod redial;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use waxseal_content::{EnvelopeId, PhoneNumber};
use waxseal_protocol::{Account, Client};

pub(crate) use command::Command;

use crate::engine::{Counts, Effects, Engine, Step, Upload, WaitingFile};
use crate::spool::Spool;
use crate::{Error, Event, Failure, Stop};
use backoff::Backoff;
use command::Answer;
use fetches::Fetches;
use link::{Done, Frame, Online};

/// Events that may wait unread before nothing more is taken from the relay.
const UNREAD: usize = 4_096;
/// Commands and frames that go into one commit.
const GROUP: usize = 128;
const MAINTENANCE: Duration = Duration::from_secs(3_600);
/// Calls of a kind that run at a time.
const FETCHES: usize = usize::MAX;
const UPLOADS: usize = 2;

struct Actor {
    engine: Engine,
    client: Client,
    account: Arc<Account>,
    spool: Spool,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    unread: VecDeque<Event>,
    jobs: JoinSet<Done>,
    online: Option<Online>,
    /// The person wants no connection.
    offline: bool,
    /// A connection is being made.
    dialling: bool,
    /// When to connect; `None` while connected or connecting.
    redial_at: Option<Instant>,
    backoff: Backoff,
    maintain_at: Instant,
    fetches: Fetches<PhoneNumber>,
    uploads: Fetches<WaitingFile>,
    /// The last envelope handed to the connection.
    cursor: Option<Vec<u8>>,
    in_flight: HashMap<EnvelopeId, Vec<u8>>,
    /// Nothing is sent before this.
    pause_until: Option<Instant>,
    flushes: Vec<oneshot::Sender<()>>,
}

enum Wake {
    Command(Option<Command>),
    Frame(Option<Frame>),
    Done(Result<Done, JoinError>),
    Told,
    Timer,
}

/// One step, and what waits for its commit.
struct Turn {
    step: Step,
    now: SystemTime,
    answers: Vec<Answer>,
    publish: Option<(Upload, bool)>,
    stop: Option<Stop>,
    closed: bool,
}

/// The relay as this consumer knows it, and the files for it.
pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) account: Arc<Account>,
    pub(crate) spool: Spool,
}

/// Prepares the actor.
pub(crate) fn run(
    engine: Engine,
    link: Link,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
) -> Result<impl Future<Output = ()> + Send + 'static, Error> {
    let Link { client, account, spool } = link;
    let files = engine.waiting_files()?;
    spool.sweep(&files.iter().map(|file| file.blob).collect());
    let mut uploads = Fetches::default();
    uploads.want(files);
    let actor = Actor {
        engine,
        client,
        account,
        spool,
        commands,
        events,
        unread: VecDeque::new(),
        jobs: JoinSet::new(),
        online: None,
        offline: false,
        dialling: false,
        redial_at: Some(Instant::now()),
        backoff: Backoff::default(),
        maintain_at: Instant::now() + MAINTENANCE,
        fetches: Fetches::default(),
        uploads,
        cursor: None,
        in_flight: HashMap::new(),
        pause_until: None,
        flushes: Vec::new(),
    };
    Ok(actor.work())
}

impl Actor {
    async fn work(mut self) {
        loop {
            let wake = self.wait().await;
            let stop = match self.turn(wake).await {
                Ok(true) => continue,
                Ok(false) => {
                    // The end was asked for; if this fails, something is sent once more next time.
                    let _known_next_time = self.engine.store().settle().await;
                    return;
                }
                Err(stop) => stop,
            };
            self.unread.push_back(Event::Stopped { reason: stop });
            break;
        }
        self.online = None;
        self.jobs.abort_all();
        self.commands.close();
        for event in std::mem::take(&mut self.unread) {
            if self.events.send(event).await.is_err() {
                return;
            }
        }
    }

    async fn wait(&mut self) -> Wake {
        let timer = [
            self.redial_at,
            Some(self.maintain_at),
            self.fetches.next(self.online.is_some(), FETCHES),
            self.uploads.next(self.online.is_some(), UPLOADS),
            self.pause_until,
        ]
        .into_iter()
        .flatten()
        .min();
        let timer = timer.unwrap_or(self.maintain_at);
        let room = self.unread.len() < UNREAD;
        tokio::select! {
            command = self.commands.recv() => Wake::Command(command),
            Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => Wake::Done(done),
            frame = link::next(&mut self.online), if room && self.online.is_some() => Wake::Frame(frame),
            permit = self.events.reserve(), if !self.unread.is_empty() => {
                match (permit, self.unread.pop_front()) {
                    (Ok(permit), Some(event)) => permit.send(event),
                    // Nobody reads events any more.
                    _ => self.unread.clear(),
                }
                Wake::Told
            }
            () = sleep_until(timer) => Wake::Timer,
        }
    }

    /// `Ok(false)` ends the actor quietly.
    async fn turn(&mut self, wake: Wake) -> Result<bool, Stop> {
        if matches!(wake, Wake::Told) {
            while let Some(event) = self.unread.pop_front() {
                if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
                    self.unread.push_front(event);
                    break;
                }
            }
            return Ok(true);
        }
        let now = SystemTime::now();
        let mut turn = Turn {
            step: self.engine.begin(),
            now,
            answers: Vec::new(),
            publish: None,
            stop: None,
            closed: false,
        };
        self.gather(&mut turn, wake).map_err(|error| storage(&error))?;
        let effects = self.engine.commit(turn.step, now).await.map_err(|error| storage(&error))?;
        for answer in turn.answers {
            answer.give();
        }
        if let Some((upload, dial)) = turn.publish {
            self.spawn(link::publish(self.client.clone(), self.account.clone(), upload, dial));
        }
        self.emit(effects);
        self.start_what_is_due();
        self.pump().map_err(|error| storage(&error))?;
        if self.engine.is_idle() {
            for flushed in self.flushes.drain(..) {
                let _gone = flushed.send(());
            }
        }
        match turn.stop {
            Some(stop) => Err(stop),
            None => Ok(!turn.closed),
        }
    }

    /// Everything that is there already goes into the same commit.
    fn gather(&mut self, turn: &mut Turn, wake: Wake) -> Result<(), Error> {
        match wake {
            Wake::Command(None) => turn.closed = true,
            Wake::Command(Some(command)) => self.command(turn, command)?,
            Wake::Frame(frame) => self.frame(turn, frame)?,
            Wake::Done(Ok(done)) => self.done(turn, done)?,
            Wake::Done(Err(_)) | Wake::Told | Wake::Timer => {}
        }
        for _ in 0..GROUP {
            if turn.closed || turn.stop.is_some() {
                break;
            }
            let mut idle = true;
            if let Ok(command) = self.commands.try_recv() {
                idle = false;
                self.command(turn, command)?;
            }
            if self.unread.len() + turn.step.effects.events.len() < UNREAD
                && let Some(frame) = self.online.as_mut().and_then(Online::try_next)
            {
                idle = false;
                self.frame(turn, Some(frame))?;
            }
            if idle {
                break;
            }
        }
        Ok(())
    }

    fn frame(&mut self, turn: &mut Turn, frame: Option<Frame>) -> Result<(), Error> {
        match frame {
            Some(Frame::Deliver(deliveries)) => {
                for (sequence, envelope) in deliveries {
                    self.engine
                        .receive(&mut turn.step, sequence, &envelope.sender, &envelope.id, &envelope.body, turn.now)?;
                }
            }
            Some(Frame::Outcomes(outcomes)) => {
                for (id, outcome) in outcomes {
                    self.outcome(turn, id, outcome)?;
                }
            }
            Some(Frame::Drained) => turn.step.effects.events.push(Event::Drained),
            Some(Frame::KeysLow(counts)) => self.prepare(turn, counts, false)?,
            Some(Frame::Lost(error)) => self.disconnected(turn, error.as_ref()),
            None => self.disconnected(turn, None),
        }
        Ok(())
    }

    fn prepare(&mut self, turn: &mut Turn, counts: Counts, dial: bool) -> Result<(), Error> {
        let upload = self.engine.prepare_keys(&mut turn.step, counts, turn.now)?;
        if dial || !upload.is_empty() {
            turn.publish = Some((upload, dial));
        }
        Ok(())
    }

    fn done(&mut self, turn: &mut Turn, done: Done) -> Result<(), Error> {
        match done {
            Done::Counted { counts: Ok(counts), dial } => self.prepare(turn, counts, dial)?,
            Done::Counted {
                counts: Err(error),
                dial: true,
            } => self.refused(turn, &error),
            Done::Counted {
                counts: Err(_),
                dial: false,
            } => {}
            Done::Published => {}
            Done::Dialled(Err(error)) => self.refused(turn, &error),
            Done::Dialled(Ok(_)) if self.offline => self.dialling = false,
            Done::Dialled(Ok((online, queued))) => {
                self.dialling = false;
                turn.step.effects.events.push(Event::Connected { queued });
                self.engine.drop_useless(&mut turn.step, turn.now)?;
                self.fetches.retry_all(self.engine.waited_for()?);
                self.uploads.retry_all(self.engine.waiting_files()?);
                self.online = Some(*online);
            }
            Done::Fetched { number, bundle } => match bundle {
                Ok(bundle) => {
                    self.engine.bundle(&mut turn.step, &number, &bundle, turn.now)?;
                    if turn.step.effects.fetch.contains(&number) {
                        self.fetches.failed(&number, None, self.engine.rng());
                    } else {
                        self.fetches.finished(&number);
                    }
                }
                Err(waxseal_protocol::Error::NotRegistered) => {
                    self.engine.unknown_number(&mut turn.step, &number)?;
                    self.fetches.finished(&number);
                }
                Err(error) => self.fetches.failed(&number, link::retry_after(&error), self.engine.rng()),
            },
            Done::Uploaded { file, outcome } => {
                let outcome = match outcome {
                    Ok(()) => Ok(()),
                    Err(error) => match link::refused_file(&error) {
                        Some(reason) => Err(reason),
                        None => {
                            self.uploads.failed(&file, link::retry_after(&error), self.engine.rng());
                            return Ok(());
                        }
                    },
                };
                self.uploads.finished(&file);
                self.engine.uploaded(&mut turn.step, &file, outcome, turn.now)?;
            }
            Done::Lost { file } => {
                self.uploads.finished(&file);
                self.engine.uploaded(&mut turn.step, &file, Err(Failure::FileLost), turn.now)?;
            }
        }
        Ok(())
    }

    fn emit(&mut self, effects: Effects) {
        if let Some(online) = &self.online {
            online.ack(effects.acks);
        }
        self.unread.extend(effects.events);
        self.fetches.want(effects.fetch);
        self.uploads.want(effects.upload);
        for id in effects.unspool {
            self.spool.remove(id);
        }
    }

    fn start_what_is_due(&mut self) {
        let now = Instant::now();
        if self.redial_at.is_some_and(|at| at <= now) {
            self.redial_at = None;
            self.count_keys(true);
        }
        if self.maintain_at <= now {
            self.maintain_at = now + MAINTENANCE;
            if self.online.is_some() {
                self.count_keys(false);
            }
        }
        if self.pause_until.is_some_and(|at| at <= now) {
            self.pause_until = None;
        }
        if self.online.is_some() {
            for number in self.fetches.start(now, FETCHES) {
                self.spawn(link::fetch(self.client.clone(), self.account.clone(), number));
            }
            for file in self.uploads.start(now, UPLOADS) {
                self.spawn(link::upload(self.client.clone(), self.account.clone(), self.spool.clone(), file));
            }
        }
    }

    fn count_keys(&mut self, dial: bool) {
        self.dialling |= dial;
        let registration = link::Registration {
            identity_key: self.engine.identity_key().to_bytes().to_vec(),
            registration_id: self.engine.registration_id(),
        };
        self.spawn(link::count(self.client.clone(), self.account.clone(), registration, dial));
    }

    fn spawn(&mut self, job: impl Future<Output = Done> + Send + 'static) {
        self.jobs.spawn(job);
    }
}

/// A store that fails ends the consumer: nothing may be sent that is not durable.
fn storage(error: &Error) -> Stop {
    tracing::error!(%error, "the consumer stops");
    Stop::Storage
}
