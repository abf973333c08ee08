//! The line tool: `--json`, `--send`, `--wait`, or no terminal.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{anyhow, bail};
use futures_util::FutureExt as _;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};
use waxseal_consumer::{Direction, Down, Event, Failure, Incoming, MessageId, PhoneNumber, ReceiptKind, Said, Text};

use super::command::{self, Line};
use super::output::Output;
use super::{Args, Chat, PARTING, Stage};

/// Longest time when nobody says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);
/// Messages on their way before the next line is read.
const UNSETTLED: usize = 1_000;
/// How far back unread messages are looked for.
const LOOK_BACK: usize = 10_000;

/// What is to be done.
pub(super) struct Plan {
    send: Vec<String>,
    until: Stage,
    reads_stdin: bool,
    wait: Option<usize>,
    timeout: Option<Duration>,
    json: bool,
    marks_read: bool,
}

impl Plan {
    pub(super) fn of(args: &Args) -> Self {
        Self {
            send: args.send.clone(),
            until: args.until,
            reads_stdin: args.send.is_empty(),
            wait: args.wait,
            timeout: args.timeout.map(Duration::from_secs),
            json: args.json,
            marks_read: !args.no_read,
        }
    }
}

struct Script {
    chat: Chat,
    plan: Plan,
    output: Output,
    input: Option<Lines<BufReader<Stdin>>>,
    deadline: Option<Instant>,
    /// Ours that have not got as far as they have to.
    unsettled: HashSet<MessageId>,
    /// Those of them that the relay has.
    sent: HashSet<MessageId>,
    failed: Option<Failure>,
    received: usize,
    last_incoming: Option<MessageId>,
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
        chat,
        plan,
        unsettled: HashSet::new(),
        sent: HashSet::new(),
        failed: None,
        received: 0,
        last_incoming: None,
        shown: Vec::new(),
        down: None,
        connected: false,
        drained: false,
    };
    let stop = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    let outcome = script.work(stop).await;
    script.mark_shown().await;
    script.chat.consumer.flush(PARTING).await;
    script.chat.consumer.close().await;
    outcome
}

impl Script {
    async fn work(&mut self, [mut interrupt, mut terminate]: [Signal; 2]) -> anyhow::Result<()> {
        self.tell_unread().await?;
        for text in std::mem::take(&mut self.plan.send) {
            self.send(&text).await?;
        }
        while !self.is_done() {
            let deadline = self.deadline.unwrap_or_else(|| Instant::now() + PATIENCE);
            tokio::select! {
                event = self.chat.consumer.next_event() => match event {
                    Some(event) => self.event(&event).await?,
                    None => bail!("the conversation ended"),
                },
                line = next_line(&mut self.input), if self.unsettled.len() < UNSETTLED => self.line(line?).await?,
                () = sleep_until(deadline), if self.deadline.is_some() => return Err(self.timed_out()),
                _ = interrupt.recv() => return self.interrupted(),
                _ = terminate.recv() => return self.interrupted(),
            }
        }
        match self.failed {
            Some(reason) => Err(anyhow!("a message was not sent: {}", super::advice(reason))),
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
        if !self.unsettled.is_empty() {
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
        let unread = self.chat.consumer.history(&self.chat.peer, LOOK_BACK).await?;
        for entry in unread {
            let Direction::Incoming { read } = entry.direction else { continue };
            self.last_incoming = Some(entry.message_id);
            if read || !self.plan.marks_read || self.plan.wait == Some(self.received) {
                continue;
            }
            let from = self.chat.peer.clone();
            let event = match entry.said {
                Said::Reaction { message_id, emoji } => Event::Reaction {
                    from,
                    message_id,
                    emoji,
                    reaction_id: entry.message_id,
                    sent_at_ms: entry.at_ms,
                },
                said => Event::Message(Incoming {
                    from,
                    message_id: entry.message_id,
                    text: if let Said::Text(text) = said { Some(text) } else { None },
                    sent_at_ms: entry.at_ms,
                    received_at_ms: entry.at_ms,
                    sender_name: entry.sender_name,
                    context: None,
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
            let Some(Some(event)) = self.chat.consumer.next_event().now_or_never() else {
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
            Event::Message(message) => self.arrived(&message.from, message.message_id),
            Event::Reaction { from, reaction_id, .. } => {
                self.received += 1;
                self.shown.push((from.clone(), *reaction_id));
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

    fn arrived(&mut self, from: &PhoneNumber, message_id: MessageId) {
        self.received += 1;
        if *from == self.chat.peer {
            self.last_incoming = Some(message_id);
        }
        self.shown.push((from.clone(), message_id));
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
            let _closed = self.chat.consumer.mark_read(&peer, &ids).await;
        }
    }

    async fn line(&mut self, line: Option<String>) -> anyhow::Result<()> {
        let Some(line) = line else {
            self.end_of_input();
            return Ok(());
        };
        match command::parse(&line) {
            Line::Empty => {}
            Line::Text(text) => {
                if let Err(error) = self.send(text).await {
                    self.output.error(&format!("{error:#}"));
                }
            }
            Line::React { emoji, message_id } => self.react(emoji, message_id).await?,
            Line::Read(ids) => {
                let ids = if ids.is_empty() {
                    self.shown.drain(..).map(|(_, id)| id).collect()
                } else {
                    ids
                };
                self.chat.consumer.mark_read(&self.chat.peer, &ids).await?;
            }
            Line::Safety => {
                let number = self.chat.consumer.safety_number(&self.chat.peer).await?;
                self.output.safety_number(self.chat.peer.reveal(), number.as_deref());
            }
            Line::Typing => self.chat.consumer.typing(&self.chat.peer).await?,
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

    fn end_of_input(&mut self) {
        self.input = None;
        self.deadline = self.deadline.or_else(|| Some(Instant::now() + PATIENCE));
    }

    async fn send(&mut self, text: &str) -> anyhow::Result<()> {
        let message_id = self.chat.consumer.send_text(&self.chat.peer, text.into()).await?;
        self.unsettled.insert(message_id);
        self.output.queued(message_id, self.chat.peer.reveal(), Some(text));
        Ok(())
    }

    async fn react(&mut self, emoji: &str, message_id: Option<MessageId>) -> anyhow::Result<()> {
        let Some(target) = message_id.or(self.last_incoming) else {
            self.output.error("there is no message to react to yet");
            return Ok(());
        };
        let reaction = self.chat.consumer.send_reaction(&self.chat.peer, target, Text::from(emoji)).await?;
        self.unsettled.insert(reaction);
        self.output.queued(reaction, self.chat.peer.reveal(), None);
        Ok(())
    }

    fn timed_out(&self) -> anyhow::Error {
        let relay = &self.chat.relay;
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

/// The next line; never, after the end.
async fn next_line(input: &mut Option<Lines<BufReader<Stdin>>>) -> std::io::Result<Option<String>> {
    match input {
        Some(lines) => lines.next_line().await,
        None => std::future::pending().await,
    }
}
