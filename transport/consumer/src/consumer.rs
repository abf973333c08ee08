//! The handle. Every call is a request to the actor that owns the state.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use waxseal_content::{Context, MessageId, PhoneNumber, Text};
use waxseal_protocol::{Client, Tls};

use crate::actor::{self, Command};
use crate::engine::Engine;
use crate::state::Store;
use crate::{Entry, Error, Event, Options, Storage};

const COMMANDS: usize = 1_024;
const EVENTS: usize = 1_024;

/// A consumer: open it, send, and read its events. Cheap to clone; ends when the last clone is gone or on [`Consumer::close`].
///
/// Somebody must read the events: when thousands wait unread, nothing more is taken from the relay.
#[derive(Clone)]
pub struct Consumer {
    number: PhoneNumber,
    commands: mpsc::Sender<Command>,
    events: Arc<Mutex<mpsc::Receiver<Event>>>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Consumer {
    /// Opens the state and starts connecting. Returns before the relay is reached: [`Event::Connected`] tells when it is.
    ///
    /// # Errors
    /// [`Error`] when the state cannot be used (another process has it open, for example) or the relay's URL or certificates are none.
    pub async fn open(options: Options) -> Result<Self, Error> {
        let tls = Tls {
            ca: options.relay_ca.clone(),
            identity: None,
        };
        let client = Client::with_tls(&options.relay_url, &tls).map_err(Error::Relay)?;
        let store = match &options.storage {
            Storage::Memory => Store::memory(),
            Storage::Directory(state_dir) => Store::open(&directory(state_dir, &options.number))?,
        };
        let number = options.number.clone();
        let engine = Engine::open(store, options.number, options.name, options.one_time_keys).await?;
        let (commands, command_receiver) = mpsc::channel(COMMANDS);
        let (event_sender, events) = mpsc::channel(EVENTS);
        let task = tokio::spawn(actor::run(engine, client, &number, command_receiver, event_sender)?);
        Ok(Self {
            number,
            commands,
            events: Arc::new(Mutex::new(events)),
            task: Arc::new(Mutex::new(Some(task))),
        })
    }

    /// Our number.
    #[must_use]
    pub const fn number(&self) -> &PhoneNumber {
        &self.number
    }

    /// Sends a text. Returns once it is durable here; [`Event::Sent`] tells when it is durable at the relay.
    ///
    /// # Errors
    /// [`Error::TextLength`], [`Error::ToOneself`], [`Error::Overloaded`], [`Error::Closed`].
    pub async fn send_text(&self, to: &PhoneNumber, text: Text) -> Result<MessageId, Error> {
        self.send_reply(to, text, None).await
    }

    /// Sends a text that refers to another message.
    ///
    /// # Errors
    /// As [`Consumer::send_text`].
    pub async fn send_reply(&self, to: &PhoneNumber, text: Text, context: Option<Context>) -> Result<MessageId, Error> {
        let to = to.clone();
        self.ask(|reply| Command::Text { to, text, context, reply }).await?
    }

    /// Reacts to a message; an empty emoji takes the reaction back.
    ///
    /// # Errors
    /// As [`Consumer::send_text`].
    pub async fn send_reaction(&self, to: &PhoneNumber, message_id: MessageId, emoji: Text) -> Result<MessageId, Error> {
        let to = to.clone();
        self.ask(|reply| Command::Reaction {
            to,
            message_id,
            emoji,
            reply,
        })
        .await?
    }

    /// Marks messages of a peer read and tells the peer. Those unknown or read before are passed over.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn mark_read(&self, peer: &PhoneNumber, message_ids: &[MessageId]) -> Result<(), Error> {
        let (peer, message_ids) = (peer.clone(), message_ids.to_vec());
        self.ask(|reply| Command::Read { peer, message_ids, reply }).await?
    }

    /// Shows us as typing at the peer's, if we are connected and in a conversation.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn typing(&self, to: &PhoneNumber) -> Result<(), Error> {
        let to = to.clone();
        self.ask(|reply| Command::Typing { to, reply }).await?
    }

    /// The next event; `None` after the last.
    pub async fn next_event(&self) -> Option<Event> {
        self.events.lock().await.recv().await
    }

    /// The last `limit` messages and reactions with a peer, the oldest first.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Storage`].
    pub async fn history(&self, peer: &PhoneNumber, limit: usize) -> Result<Vec<Entry>, Error> {
        let peer = peer.clone();
        self.ask(|reply| Command::History { peer, limit, reply }).await?
    }

    /// The 60 digits to compare with the peer's; `None` before its identity is known (before the first message).
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Storage`].
    pub async fn safety_number(&self, peer: &PhoneNumber) -> Result<Option<String>, Error> {
        let peer = peer.clone();
        self.ask(|reply| Command::SafetyNumber { peer, reply }).await?
    }

    /// Forgets the session with a peer, for a conversation that seems stuck: the next message opens a new one.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Storage`].
    pub async fn forget_session(&self, peer: &PhoneNumber) -> Result<(), Error> {
        let peer = peer.clone();
        self.ask(|reply| Command::ForgetSession { peer, reply }).await?
    }

    /// Waits until the relay has accepted everything, receipts included. `false` when `patience` ended first.
    pub async fn flush(&self, patience: Duration) -> bool {
        tokio::time::timeout(patience, self.ask(|reply| Command::Flush { reply }))
            .await
            .is_ok_and(|idle| idle.is_ok())
    }

    /// Ends the consumer for every clone of the handle and releases its state. What was not sent yet is sent when it is opened again.
    pub async fn close(self) {
        let _ended_already = self.commands.send(Command::Close).await;
        if let Some(task) = self.task.lock().await.take() {
            let _panicked = task.await;
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)
    }
}

fn directory(state_dir: &Path, number: &PhoneNumber) -> std::path::PathBuf {
    state_dir.join("consumers").join(number.wa_id())
}
