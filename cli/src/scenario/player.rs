//! One consumer that plays its steps.

mod events;

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use waxseal_consumer::{Consumer, MessageId, Options, PhoneNumber};

use super::document::{Act, Reads, Role, Step};
use super::expect::{Expect, Progress, Seen, Wanted};
use super::port::Port;
use super::report::{Failure, Outcome, Report};
use crate::consumer::{Said, Talk, show};

/// How long a consumer may take to be connected.
const CONNECT: Duration = Duration::from_secs(30);
/// How long the last receipts may take to leave.
const PARTING: Duration = Duration::from_secs(10);
/// What came and was not expected; the oldest go when there are more.
const INBOX: usize = 10_000;

/// What all consumers of a scenario have in common.
pub(super) struct Stage {
    pub(super) relay: String,
    pub(super) state_dir: PathBuf,
    pub(super) business: PhoneNumber,
    pub(super) port: Port,
    pub(super) report: Report,
}

/// A consumer at work.
pub(super) struct Player {
    stage: Arc<Stage>,
    role: Role,
    label: String,
    talk: Talk,
    reads: Reads,
    /// What came and nothing has expected yet.
    inbox: VecDeque<Seen>,
    /// Messages to be marked read, and when.
    due: VecDeque<(Instant, MessageId)>,
    /// Came, and was not marked read.
    unread: Vec<MessageId>,
    last_voice: Option<MessageId>,
    last_sent: Option<MessageId>,
    progress: HashMap<MessageId, Progress>,
    connected: bool,
    drained: bool,
    done: u64,
}

/// Plays a role to its end or its first failure.
pub(super) async fn play(stage: Arc<Stage>, role: Role) -> Outcome {
    let label = label(&role);
    let mut player = match Player::open(Arc::clone(&stage), role, label.clone()).await {
        Ok(player) => player,
        Err(text) => {
            let failure = Failure { line: 0, text };
            stage.report.failed(&label, &failure);
            return Outcome {
                label,
                done: 0,
                failure: Some(failure),
            };
        }
    };
    let steps = std::mem::take(&mut player.role.steps);
    let failure = player.steps(&steps).await.err();
    if let Some(failure) = &failure {
        stage.report.failed(&label, failure);
    }
    player.part().await;
    Outcome {
        label,
        done: player.done,
        failure,
    }
}

/// What a consumer is called in reports.
pub(super) fn label(role: &Role) -> String {
    role.name.clone().unwrap_or_else(|| role.number.reveal().to_owned())
}

impl Player {
    async fn open(stage: Arc<Stage>, role: Role, label: String) -> Result<Self, String> {
        let talk = open(&stage, &role).await?;
        let mut player = Self {
            stage,
            label,
            talk,
            reads: role.reads,
            role,
            inbox: VecDeque::new(),
            due: VecDeque::new(),
            unread: Vec::new(),
            last_voice: None,
            last_sent: None,
            progress: HashMap::new(),
            connected: false,
            drained: false,
            done: 0,
        };
        player.come_online().await?;
        Ok(player)
    }

    /// Waits for the connection and for what waited; that is of an earlier play and does not count.
    async fn come_online(&mut self) -> Result<(), String> {
        let ready = self.until(Instant::now() + CONNECT, |player| {
            (player.connected && player.drained).then_some(())
        });
        if ready.await?.is_none() {
            return Err(format!(
                "the relay at {} cannot be reached: is `waxseal up` running?",
                self.stage.relay
            ));
        }
        self.inbox.clear();
        Ok(())
    }

    /// What is due is still read, and what was said leaves.
    async fn part(&mut self) {
        if let Some((last, _)) = self.due.back().copied() {
            let until = last.min(Instant::now() + PARTING);
            let _ended = self.until(until, |player| player.due.is_empty().then_some(())).await;
        }
        self.talk.consumer.flush(PARTING).await;
        self.talk.consumer.clone().close().await;
    }

    async fn steps(&mut self, steps: &[Step]) -> Result<(), Failure> {
        for step in steps {
            if let Act::Repeat { times, steps } = &step.act {
                for _ in 0..*times {
                    Box::pin(self.steps(steps)).await?;
                }
                continue;
            }
            self.step(step).await.map_err(|text| Failure { line: step.line, text })?;
            self.done += 1;
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        let consumer = self.talk.consumer.clone();
        let peer = self.stage.business.clone();
        let told = |error: waxseal_consumer::Error| error.to_string();
        if !matches!(step.act, Act::Say(_) | Act::Expect(_)) {
            self.stage.report.does(&self.label, step.line, step.act.name(), &detail(&step.act));
        }
        match &step.act {
            Act::Say(say) => {
                // Not content of the file, but what became of it.
                match self.talk.say((**say).clone()).await.map_err(|error| format!("{error:#}"))? {
                    Said::Sent { id, body } => {
                        self.last_sent = Some(id);
                        let text = show::text(&body).replace('\n', " / ");
                        self.stage.report.does(&self.label, step.line, step.act.name(), &text);
                    }
                    Said::Shown(text) => self.stage.report.does(&self.label, step.line, step.act.name(), &text),
                }
            }
            Act::Expect(expect) => self.expect(expect, step.line).await?,
            Act::Silence(time) => self.silence(*time).await?,
            Act::Wait(time) => {
                let _time_over: Option<()> = self.until(Instant::now() + *time, |_| None).await?;
            }
            Act::Typing => consumer.typing(&peer).await.map_err(told)?,
            Act::Read => {
                self.due.clear();
                let unread = std::mem::take(&mut self.unread);
                consumer.mark_read(&peer, &unread).await.map_err(told)?;
            }
            Act::Played => {
                let voice = self.last_voice.ok_or("no voice message has come yet")?;
                consumer.mark_played(&peer, &[voice]).await.map_err(told)?;
            }
            Act::Reads(reads) => self.reads = *reads,
            Act::Offline => {
                consumer.stay_offline(true).await.map_err(told)?;
                self.connected = false;
            }
            Act::Online => consumer.stay_offline(false).await.map_err(told)?,
            Act::NewIdentity => self.new_identity().await?,
            Act::Garbage(count) => {
                for _ in 0..*count {
                    consumer.send_garbage(&peer).await.map_err(told)?;
                }
            }
            Act::DamageNext => consumer.damage_next().await.map_err(told)?,
            Act::Undecryptable(refuse) => consumer.refuse_to_decrypt(*refuse).await.map_err(told)?,
            Act::Report(reason) => {
                let counted = consumer.report_spam(&peer, *reason).await.map_err(told)?;
                let text = if counted { "counted" } else { "reported before today" };
                self.stage.report.hears(&self.label, text);
            }
            Act::Fault(rule) => {
                self.meanwhile(|stage| async move { stage.port.add(std::slice::from_ref(rule)).await })
                    .await?;
            }
            Act::NoFaults => self.meanwhile(|stage| async move { stage.port.clear().await }).await?,
            Act::RelayOutage(time) => self.meanwhile(|stage| async move { stage.port.outage(*time).await }).await?,
            Act::Note(_) | Act::Repeat { .. } => {}
        }
        Ok(())
    }

    /// Does something elsewhere. Events wait meanwhile: they are many thousands before anything stops.
    async fn meanwhile<F: Future<Output = anyhow::Result<()>>>(&self, act: impl FnOnce(Arc<Stage>) -> F) -> Result<(), String> {
        act(Arc::clone(&self.stage)).await.map_err(|error| format!("{error:#}"))
    }

    async fn expect(&mut self, expect: &Expect, line: u64) -> Result<(), String> {
        let mut passed: Vec<String> = Vec::new();
        let deadline = Instant::now() + expect.within;
        let met = self
            .until(deadline, |player| {
                if let Wanted::Progress(wanted) = expect.wanted {
                    return player.has_come(wanted).then_some(());
                }
                while let Some(seen) = player.inbox.pop_front() {
                    if expect.is_met_by(&seen, player.last_sent) {
                        return Some(());
                    }
                    passed.push(seen.describe());
                }
                None
            })
            .await?;
        if met.is_some() {
            self.stage.report.met(&self.label, line, &expect.describe());
            return Ok(());
        }
        let came = match (&expect.wanted, passed.as_slice()) {
            (Wanted::Progress(_), _) => {
                let progress = self.last_sent.and_then(|id| self.progress.get(&id));
                progress.map_or("it is not even sent".to_owned(), |progress| {
                    format!("it is {progress:?}").to_lowercase()
                })
            }
            (_, []) => "nothing came".to_owned(),
            (_, passed) => {
                let last = passed.len().saturating_sub(3);
                format!("what came instead: {}", passed[last..].join("; "))
            }
        };
        Err(format!("expected {} within {:?}; {came}", expect.describe(), expect.within))
    }

    /// Failing is no step on the way to anything, and a failure may be proved wrong.
    fn has_come(&self, wanted: Progress) -> bool {
        let progress = self.last_sent.and_then(|id| self.progress.get(&id).copied());
        match (progress, wanted) {
            (Some(Progress::Failed), wanted) => wanted == Progress::Failed,
            (Some(progress), wanted) => wanted != Progress::Failed && progress >= wanted,
            (None, _) => false,
        }
    }

    async fn silence(&mut self, time: Duration) -> Result<(), String> {
        let heard = self
            .until(Instant::now() + time, |player| {
                while let Some(seen) = player.inbox.pop_front() {
                    if !matches!(seen, Seen::Typing) {
                        return Some(seen.describe());
                    }
                }
                None
            })
            .await?;
        match heard {
            Some(what) => Err(format!("expected nothing for {time:?}; there came {what}")),
            None => Ok(()),
        }
    }

    async fn new_identity(&mut self) -> Result<(), String> {
        self.talk.consumer.clone().close().await;
        Consumer::forget(&self.stage.state_dir, &self.role.number).map_err(|error| error.to_string())?;
        self.talk = open(&self.stage, &self.role).await?;
        (self.connected, self.drained) = (false, false);
        self.due.clear();
        self.unread.clear();
        let ready = self.until(Instant::now() + CONNECT, |player| player.connected.then_some(()));
        match ready.await? {
            Some(()) => Ok(()),
            None => Err("the relay cannot be reached".to_owned()),
        }
    }
}

async fn open(stage: &Stage, role: &Role) -> Result<Talk, String> {
    let mut options = Options::new(role.number.clone(), stage.relay.clone(), &stage.state_dir);
    if let Some(name) = &role.name {
        options = options.named(name);
    }
    let consumer = Consumer::open(options).await.map_err(|error| error.to_string())?;
    Ok(Talk::new(consumer, stage.business.clone()))
}

/// What a step is about, where its name does not say it.
fn detail(act: &Act) -> String {
    match act {
        Act::Silence(time) | Act::Wait(time) | Act::RelayOutage(time) => format!("{time:?}"),
        Act::Reads(Reads::After(time)) => format!("after {time:?}"),
        Act::Reads(Reads::AtOnce) => "at once".to_owned(),
        Act::Reads(Reads::Never) => "never".to_owned(),
        Act::Garbage(count) => count.to_string(),
        Act::Undecryptable(refuse) => refuse.to_string(),
        Act::Fault(rule) => serde_json::to_string(rule).unwrap_or_default(),
        Act::Note(text) => text.clone(),
        _ => String::new(),
    }
}
