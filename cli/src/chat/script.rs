//! The line tool: `--json`, `--send`, `--wait`, or no terminal.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{anyhow, bail};
use futures_util::FutureExt as _;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};
use waxseal_consumer::{Body, Direction, Down, Event, Failure, Incoming, MessageId, PhoneNumber, ReceiptKind, Text};

use super::command::{self, Line};
use super::output::Output;
use super::{Args, Chat, PARTING, Stage};
use crate::consumer::save::Saved;
use crate::consumer::talk::home;
use crate::consumer::{Files, Said, Say, Talk, What, show};

/// Longest time when nobody says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);
/// Messages on their way before the next line is read.
const UNSETTLED: usize = 1_000;
/// How far back unread messages are looked for.
const LOOK_BACK: usize = 10_000;

/// What is to be done.
pub(super) struct Plan {
    send: Vec<Say>,
    until: Stage,
    reads_stdin: bool,
    wait: Option<usize>,
    timeout: Option<Duration>,
    json: bool,
    marks_read: bool,
    saves: bool,
}

impl Plan {
    pub(super) fn of(args: &Args, send: Vec<Say>) -> Self {
        Self {
            reads_stdin: send.is_empty(),
            send,
            saves: !args.no_save,
            until: args.until,
            wait: args.wait,
            timeout: args.timeout.map(Duration::from_secs),
            json: args.json,
            marks_read: !args.no_read,
        }
    }
}

struct Script {
    talk: Talk,
    relay: String,
    files: Files,
    plan: Plan,
    output: Output,
    input: Option<Lines<BufReader<Stdin>>>,
    deadline: Option<Instant>,
    /// Ours that have not got as far as they have to.
    unsettled: HashSet<MessageId>,
    /// Those of them that the relay has.
    sent: HashSet<MessageId>,
    failed: Option<Failure>,
    /// A file could not be fetched.
    not_saved: bool,
    received: usize,
    /// The last message with a file, for `/save`.
    last_file: Option<MessageId>,
    /// Shown and not marked read yet, with their sender.
    shown: Vec<(PhoneNumber, MessageId)>,
    /// The last thing heard of the relay, for the error text.
    down: Option<Down>,
    connected: bool,
    drained: bool,
}

/// Does what is planned, then says what did not happen.
pub(super) async fn run(chat: Chat, plan: Plan) -> anyhow::Result<()> {
    let one_shot = !plan.send.is_empty() || plan.wait.is_some();
    let patience = plan.timeout.or(one_shot.then_some(PATIENCE));
    let mut script = Script {
        output: Output::new(plan.json),
        input: plan.reads_stdin.then(|| BufReader::new(tokio::io::stdin()).lines()),
        deadline: patience.map(|patience| Instant::now() + patience),
        talk: chat.talk,
        relay: chat.relay,
        files: Files::new(chat.files),
        plan,
        unsettled: HashSet::new(),
        sent: HashSet::new(),
        failed: None,
        not_saved: false,
        received: 0,
        last_file: None,
        shown: Vec::new(),
        down: None,
        connected: false,
        drained: false,
    };
    let stop = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    let outcome = script.work(stop).await;
    script.mark_shown().await;
    script.talk.consumer.flush(PARTING).await;
    script.talk.consumer.close().await;
    outcome
}

impl Script {
    async fn work(&mut self, [mut interrupt, mut terminate]: [Signal; 2]) -> anyhow::Result<()> {
        self.tell_unread().await?;
        for say in std::mem::take(&mut self.plan.send) {
            self.say(say).await?;
        }
        while !self.is_done() {
            let deadline = self.deadline.unwrap_or_else(|| Instant::now() + PATIENCE);
            tokio::select! {
                event = self.talk.consumer.next_event() => match event {
                    Some(event) => self.event(&event).await?,
                    None => bail!("the conversation ended"),
                },
                line = next_line(&mut self.input), if self.unsettled.len() < UNSETTLED => self.line(line?).await?,
                saved = self.files.next(), if !self.files.is_idle() => self.saved(&saved),
                () = sleep_until(deadline), if self.deadline.is_some() => return Err(self.timed_out()),
                _ = interrupt.recv() => return self.interrupted(),
                _ = terminate.recv() => return self.interrupted(),
            }
        }
        match self.failed {
            Some(reason) => Err(anyhow!("a message was not sent: {}", super::advice(reason))),
            None if self.not_saved => Err(anyhow!("a file that arrived could not be saved")),
            None => Ok(()),
        }
    }

    /// Ctrl-C is how a person ends it; for a script with something left to wait for it is a failure.
    fn interrupted(&self) -> anyhow::Result<()> {
        if self.unsettled.len() > self.sent.len() {
            bail!("interrupted; what the relay does not have yet is sent when chat runs again");
        }
        if !self.sent.is_empty() {
            bail!(
                "interrupted; the relay has all messages, and {} of them wait there",
                self.sent.len()
            );
        }
        match self.plan.wait {
            Some(wanted) => bail!("interrupted; {} of {wanted} messages arrived", self.received),
            None => Ok(()),
        }
    }

    fn is_done(&self) -> bool {
        if !self.unsettled.is_empty() || !self.files.is_idle() {
            return false;
        }
        match self.plan.wait {
            // What failed has no answer to wait for.
            Some(wanted) => self.received >= wanted || self.failed.is_some(),
            // With nothing to send it is still told what waited.
            None => self.input.is_none() && (self.drained || !self.plan.reads_stdin),
        }
    }

    /// What came in earlier and nobody has seen.
    async fn tell_unread(&mut self) -> anyhow::Result<()> {
        let unread = self.talk.consumer.history(&self.talk.peer, LOOK_BACK).await?;
        for entry in unread {
            self.talk.remember(&entry);
            let Direction::Incoming { read } = entry.direction else { continue };
            if read || !self.plan.marks_read || self.plan.wait == Some(self.received) {
                if show::files(&entry.body).is_some() {
                    self.last_file = Some(entry.message_id);
                }
                continue;
            }
            let from = self.talk.peer.clone();
            let event = match entry.body {
                Body::Reaction { message_id, emoji } => Event::Reaction {
                    from,
                    message_id,
                    emoji,
                    reaction_id: entry.message_id,
                    sent_at_ms: entry.at_ms,
                },
                body => Event::Message(Incoming {
                    from,
                    message_id: entry.message_id,
                    body,
                    sent_at_ms: entry.at_ms,
                    received_at_ms: entry.at_ms,
                    sender_name: entry.sender_name,
                    context: entry.context,
                }),
            };
            self.note(&event);
        }
        self.mark_shown().await;
        Ok(())
    }

    /// Takes an event, and those right behind it, so that one receipt covers a burst.
    async fn event(&mut self, event: &Event) -> anyhow::Result<()> {
        self.note(event);
        let mut stopped = matches!(event, Event::Stopped { .. });
        while !stopped && !self.is_done() {
            let Some(Some(event)) = self.talk.consumer.next_event().now_or_never() else {
                break;
            };
            self.note(&event);
            stopped = matches!(event, Event::Stopped { .. });
        }
        self.mark_shown().await;
        if stopped {
            bail!("the conversation ended");
        }
        Ok(())
    }

    fn note(&mut self, event: &Event) {
        self.output.event(event);
        match event {
            Event::Connected { .. } => self.connected = true,
            Event::Drained => self.drained = true,
            Event::Disconnected { reason, .. } => {
                self.connected = false;
                self.down = Some(*reason);
            }
            Event::Message(message) => self.arrived(message),
            Event::Reaction { from, reaction_id: id, .. }
            | Event::Edited { from, edit_id: id, .. }
            | Event::Revoked { from, revoke_id: id, .. } => {
                self.received += 1;
                self.shown.push((from.clone(), *id));
            }
            Event::Sent { message_id, .. } => self.reached(Stage::Sent, *message_id),
            Event::Receipt { kind, message_ids, .. } => {
                let stage = match kind {
                    ReceiptKind::Read | ReceiptKind::Played => Stage::Read,
                    ReceiptKind::Delivered => Stage::Delivered,
                };
                for message_id in message_ids {
                    self.reached(stage, *message_id);
                }
            }
            Event::Failed { message_id, reason, .. } => {
                let ours = self.unsettled.remove(message_id);
                self.sent.remove(message_id);
                self.failed = ours.then_some(*reason).or(self.failed);
            }
            _ => {}
        }
    }

    /// A later stage tells of the earlier ones too: receipts overtake each other.
    fn reached(&mut self, stage: Stage, message_id: MessageId) {
        if stage >= self.plan.until {
            self.unsettled.remove(&message_id);
            self.sent.remove(&message_id);
        } else if self.unsettled.contains(&message_id) {
            self.sent.insert(message_id);
        }
    }

    fn arrived(&mut self, message: &Incoming) {
        self.received += 1;
        self.talk.arrived(message);
        self.shown.push((message.from.clone(), message.message_id));
        if let Some(media) = show::files(&message.body) {
            self.last_file = Some(message.message_id);
            if self.plan.saves {
                self.files.fetch(&self.talk.consumer, message.message_id, media, None);
            }
        }
    }

    fn saved(&mut self, saved: &Saved) {
        self.output.saved(saved);
        self.not_saved |= saved.outcome.is_err();
    }

    async fn mark_shown(&mut self) {
        if !self.plan.marks_read {
            return;
        }
        let mut shown = std::mem::take(&mut self.shown);
        while let Some((peer, _)) = shown.first() {
            let peer = peer.clone();
            let (of_peer, others): (Vec<_>, Vec<_>) = shown.into_iter().partition(|(from, _)| *from == peer);
            shown = others;
            let ids: Vec<MessageId> = of_peer.into_iter().map(|(_, id)| id).collect();
            // Closed: then they stay unread, and come again next time.
            let _closed = self.talk.consumer.mark_read(&peer, &ids).await;
        }
    }

    async fn line(&mut self, line: Option<String>) -> anyhow::Result<()> {
        let Some(line) = line else {
            self.end_of_input();
            return Ok(());
        };
        let line = if self.plan.json {
            command::parse_json(&line)
        } else {
            command::parse(&line)
        };
        match line {
            Line::Empty => {}
            Line::Text(text) => self.say_or_complain(text_to_say(text)).await,
            Line::Say(say) => self.say_or_complain(*say).await,
            Line::Read(ids) => {
                let ids = if ids.is_empty() {
                    self.shown.drain(..).map(|(_, id)| id).collect()
                } else {
                    ids
                };
                self.talk.consumer.mark_read(&self.talk.peer, &ids).await?;
            }
            Line::Played(ids) => {
                let ids = if ids.is_empty() {
                    self.last_file.into_iter().collect()
                } else {
                    ids
                };
                self.talk.consumer.mark_played(&self.talk.peer, &ids).await?;
            }
            Line::Save { message_id, path } => self.save(message_id.or(self.last_file), path).await?,
            Line::Report(reason) => match self.talk.consumer.report_spam(&self.talk.peer, reason).await {
                Ok(counted) => self.output.reported(self.talk.peer.reveal(), counted),
                Err(error) => self.output.error(&error.to_string()),
            },
            Line::Safety => {
                let number = self.talk.consumer.safety_number(&self.talk.peer).await?;
                self.output.safety_number(self.talk.peer.reveal(), number.as_deref());
            }
            Line::Typing => self.talk.consumer.typing(&self.talk.peer).await?,
            Line::Help => self.output.error("`waxseal chat --help` lists the commands"),
            Line::Quit => {
                self.plan.wait = None;
                self.drained = true;
                self.end_of_input();
            }
            Line::Wrong(why) => self.output.error(&why),
        }
        Ok(())
    }

    async fn save(&mut self, message_id: Option<MessageId>, path: Option<std::path::PathBuf>) -> anyhow::Result<()> {
        let body = match message_id {
            Some(id) => self.talk.body(id).await?,
            None => None,
        };
        match (message_id, body.as_ref().and_then(show::files)) {
            (Some(id), Some(media)) => {
                let path = path.map(|path| home(&path));
                self.files.fetch(&self.talk.consumer, id, media, path);
            }
            _ => self.output.error("there is no file to save"),
        }
        Ok(())
    }

    fn end_of_input(&mut self) {
        self.input = None;
        self.deadline = self.deadline.or_else(|| Some(Instant::now() + PATIENCE));
    }

    async fn say_or_complain(&mut self, say: Say) {
        if let Err(error) = self.say(say).await {
            self.output.error(&format!("{error:#}"));
        }
    }

    async fn say(&mut self, say: Say) -> anyhow::Result<()> {
        match self.talk.say(say).await? {
            Said::Sent { id, body } => {
                self.unsettled.insert(id);
                self.output.queued(id, self.talk.peer.reveal(), &body);
            }
            Said::Shown(message) => self.output.shown(&message),
        }
        Ok(())
    }

    fn timed_out(&self) -> anyhow::Error {
        let relay = &self.relay;
        if !self.connected {
            return match self.down {
                Some(Down::Untrusted) => anyhow!(
                    "the certificate of the relay at {relay} is not to be trusted: --relay-ca says whom to trust, the relay's name has to be in \
                     the certificate, and it must not have expired"
                ),
                Some(Down::RateLimited) => anyhow!("the relay at {relay} asked to come back later"),
                _ => anyhow!("the relay at {relay} cannot be reached: is `waxseal up` running?"),
            };
        }
        let unsent = self.unsettled.len() - self.sent.len();
        if unsent > 0 {
            return anyhow!(
                "{unsent} of the messages wait for keys of the other side: it is registered but has not been online yet, or it was asked too often. \
                 They are sent when chat runs again"
            );
        }
        if !self.sent.is_empty() {
            let receipt = if self.plan.until == Stage::Read { "read" } else { "delivered" };
            return anyhow!(
                "the relay has all messages, and {} of them were not {receipt} in time: the other side is not online, or does not say so",
                self.sent.len()
            );
        }
        match self.plan.wait {
            Some(wanted) => anyhow!(
                "{} of {wanted} messages arrived in time; --timeout SECONDS waits longer",
                self.received
            ),
            None => anyhow!("not done in time; --timeout SECONDS waits longer"),
        }
    }
}

/// A text, as it is.
pub(super) fn text_to_say(text: &str) -> Say {
    Say {
        what: What::Text(Text::from(text)),
        reply_to: None,
    }
}

/// The next line; never, after the end.
async fn next_line(input: &mut Option<Lines<BufReader<Stdin>>>) -> std::io::Result<Option<String>> {
    match input {
        Some(lines) => lines.next_line().await,
        None => std::future::pending().await,
    }
}
