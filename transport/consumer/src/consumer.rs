//! The handle. Every call is a request to the actor that owns the state.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use waxseal_content::{Body, Context, Media, MessageId, PhoneNumber, ReceiptKind, Text};
use waxseal_protocol::{Account, Client, Tls, proto};

use crate::actor::{self, Command};
use crate::engine::Engine;
use crate::spool::Spool;
use crate::state::Store;
use crate::{Attachment, Download, Entry, Error, Event, Options, Storage};

const COMMANDS: usize = 1_024;
const EVENTS: usize = 1_024;

/// A consumer: open it, send, and read its events. Cheap to clone; ends when the last clone is gone or on [`Consumer::close`].
///
/// Somebody must read the events: when thousands wait unread, nothing more is taken from the relay.
#[derive(Clone)]
pub struct Consumer {
    number: PhoneNumber,
    client: Client,
    account: Arc<Account>,
    spool: Spool,
    commands: mpsc::Sender<Command>,
    events: Arc<Mutex<mpsc::Receiver<Event>>>,
    task: Arc<Mutex<Option<JoinHandle<()>>>>,
}

/// What can be said: a body, or a file.
pub enum Content {
    /// Anything but a file of one's own. A [`Body::Media`] names a file that is at the relay already, as when it is forwarded.
    Body(Body),
    /// A file.
    File(Attachment),
}

impl From<Body> for Content {
    fn from(body: Body) -> Self {
        Self::Body(body)
    }
}

impl From<Attachment> for Content {
    fn from(file: Attachment) -> Self {
        Self::File(file)
    }
}

/// Why somebody is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpamReason {
    /// Never asked for.
    NotRequested,
    /// Not wanted any more.
    NoLongerWanted,
    /// Spam.
    Spam,
    /// Offensive.
    Offensive,
    /// Fraud.
    Fraud,
    /// Something else.
    Other,
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
        let (store, spool) = match &options.storage {
            Storage::Memory => (Store::memory(), Spool::temporary()?),
            Storage::Directory(state_dir) => {
                let directory = directory(state_dir, &options.number);
                (Store::open(&directory)?, Spool::within(&directory)?)
            }
        };
        let number = options.number.clone();
        let engine = Engine::open(store, options.number, options.name, options.one_time_keys).await?;
        let account = Arc::new(Account {
            number: number.reveal().to_owned(),
            credential: engine.credential()?,
        });
        let (commands, command_receiver) = mpsc::channel(COMMANDS);
        let (event_sender, events) = mpsc::channel(EVENTS);
        let link = actor::Link {
            client: client.clone(),
            account: Arc::clone(&account),
            spool: spool.clone(),
        };
        let task = tokio::spawn(actor::run(engine, link, command_receiver, event_sender)?);
        Ok(Self {
            number,
            client,
            account,
            spool,
            commands,
            events: Arc::new(Mutex::new(events)),
            task: Arc::new(Mutex::new(Some(task))),
        })
    }

    /// Forgets everything about a number, so that it is opened with a new identity, as after a re-installation. It must not be open.
    ///
    /// # Errors
    /// [`Error::InUse`], [`Error::Io`].
    pub fn forget(state_dir: &Path, number: &PhoneNumber) -> Result<(), Error> {
        let directory = directory(state_dir, number);
        if !directory.exists() {
            return Ok(());
        }
        // Nobody else may have it open.
        drop(Store::open(&directory)?);
        Store::remove(&directory)?;
        Spool::within(&directory)?.sweep(&HashSet::new());
        Ok(())
    }

    /// Our number.
    #[must_use]
    pub const fn number(&self) -> &PhoneNumber {
        &self.number
    }

    /// Sends anything. Returns once it is durable here, of a file its ciphertext too; [`Event::Sent`] tells when it is durable at the relay.
    ///
    /// Messages to one peer keep their order: what is said after a file waits until the relay has the file.
    ///
    /// # Errors
    /// [`Error::TextLength`], [`Error::NotAMessage`], [`Error::NotOurs`] (edits and revocations), [`Error::ToOneself`],
    /// [`Error::Overloaded`], [`Error::Closed`]; of a file also [`Error::Io`], [`Error::Attachment`], [`Error::EmptyFile`],
    /// [`Error::FileTooLarge`].
    pub async fn send(&self, to: &PhoneNumber, content: impl Into<Content>, context: Option<Context>) -> Result<MessageId, Error> {
        let to = to.clone();
        let (body, file) = match content.into() {
            Content::Body(body) => (body, None),
            Content::File(attachment) => {
                let file = self.spool.take(attachment).await?;
                (Body::Media(file.media.clone()), Some(Box::new(file)))
            }
        };
        self.ask(|reply| Command::Send {
            to,
            body: Box::new(body),
            context,
            file,
            reply,
        })
        .await?
    }

    /// Sends a text.
    ///
    /// # Errors
    /// As [`Consumer::send`].
    pub async fn send_text(&self, to: &PhoneNumber, text: Text) -> Result<MessageId, Error> {
        self.send_reply(to, text, None).await
    }

    /// Sends a text that refers to another message.
    ///
    /// # Errors
    /// As [`Consumer::send`].
    pub async fn send_reply(&self, to: &PhoneNumber, text: Text, context: Option<Context>) -> Result<MessageId, Error> {
        let body = Body::Text {
            body: text,
            preview_url: false,
        };
        self.send(to, body, context).await
    }

    /// Reacts to a message; an empty emoji takes the reaction back.
    ///
    /// # Errors
    /// As [`Consumer::send`].
    pub async fn send_reaction(&self, to: &PhoneNumber, message_id: MessageId, emoji: Text) -> Result<MessageId, Error> {
        self.send(to, Body::Reaction { message_id, emoji }, None).await
    }

    /// Fetches the file of a message; [`Download`] gives it as a stream, into a file or into memory.
    #[must_use]
    pub fn download(&self, media: &Media) -> Download {
        Download::new(self.client.clone(), Arc::clone(&self.account), media.clone())
    }

    /// Marks messages of a peer read and tells the peer. Those unknown or read before are passed over.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn mark_read(&self, peer: &PhoneNumber, message_ids: &[MessageId]) -> Result<(), Error> {
        self.mark(ReceiptKind::Read, peer, message_ids).await
    }

    /// Marks voice messages of a peer played and tells the peer. Other messages, and those played before, are passed over.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn mark_played(&self, peer: &PhoneNumber, message_ids: &[MessageId]) -> Result<(), Error> {
        self.mark(ReceiptKind::Played, peer, message_ids).await
    }

    async fn mark(&self, kind: ReceiptKind, peer: &PhoneNumber, message_ids: &[MessageId]) -> Result<(), Error> {
        let (peer, message_ids) = (peer.clone(), message_ids.to_vec());
        self.ask(|reply| Command::Mark {
            kind,
            peer,
            message_ids,
            reply,
        })
        .await?
    }

    /// Reports a business to the relay; says nothing about any message. Returns whether it counts: it does once a day.
    ///
    /// # Errors
    /// [`Error::Relay`].
    pub async fn report_spam(&self, business: &PhoneNumber, reason: SpamReason) -> Result<bool, Error> {
        let reason = match reason {
            SpamReason::NotRequested => proto::SpamReason::NotRequested,
            SpamReason::NoLongerWanted => proto::SpamReason::NoLongerWanted,
            SpamReason::Spam => proto::SpamReason::Spam,
            SpamReason::Offensive => proto::SpamReason::Offensive,
            SpamReason::Fraud => proto::SpamReason::Fraud,
            SpamReason::Other => proto::SpamReason::Other,
        };
        let reported = self.client.report_spam(&self.account, business.reveal(), reason).await;
        reported.map_err(Error::Relay)
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

    /// One message of the history, if it is still there.
    ///
    /// # Errors
    /// [`Error::Closed`], [`Error::Storage`].
    pub async fn message(&self, peer: &PhoneNumber, message_id: MessageId) -> Result<Option<Entry>, Error> {
        let peer = peer.clone();
        self.ask(|reply| Command::Entry { peer, message_id, reply }).await?
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

    /// Breaks the connection until it is allowed again, as in a tunnel. What is sent meanwhile waits here.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn stay_offline(&self, offline: bool) -> Result<(), Error> {
        self.ask(|reply| Command::Offline { offline, reply }).await
    }

    /// For tests of the other end: as long as this is set, nothing that arrives can be decrypted here, and everything is asked for anew.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn refuse_to_decrypt(&self, refuse: bool) -> Result<(), Error> {
        self.ask(|reply| Command::Faults {
            change: Box::new(move |faults| faults.cannot_decrypt = refuse),
            reply,
        })
        .await
    }

    /// For tests of the other end: the next message arrives damaged. It is sent anew when the other end asks for it.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn damage_next(&self) -> Result<(), Error> {
        self.ask(|reply| Command::Faults {
            change: Box::new(|faults| faults.damage_next = true),
            reply,
        })
        .await
    }

    /// For tests of the other end: sends an envelope that nobody can decrypt and that no message belongs to.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn send_garbage(&self, to: &PhoneNumber) -> Result<(), Error> {
        let to = to.clone();
        self.ask(|reply| Command::Garbage { to, reply }).await
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
