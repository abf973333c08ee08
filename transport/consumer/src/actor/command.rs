//! What the handle asks for, and the answers that wait for the commit.

use tokio::sync::oneshot;
use waxseal_content::{Body, Context, MessageId, PhoneNumber, ReceiptKind};

use super::{Actor, Turn};
use crate::engine::{Faults, Outgoing};
use crate::spool::Spooled;
use crate::{Entry, Error};

type Reply<T> = oneshot::Sender<Result<T, Error>>;

pub(crate) enum Command {
    Send {
        to: PhoneNumber,
        body: Box<Body>,
        context: Option<Context>,
        file: Option<Box<Spooled>>,
        reply: Reply<MessageId>,
    },
    Mark {
        kind: ReceiptKind,
        peer: PhoneNumber,
        message_ids: Vec<MessageId>,
        reply: Reply<()>,
    },
    Typing {
        to: PhoneNumber,
        reply: Reply<()>,
    },
    History {
        peer: PhoneNumber,
        limit: usize,
        reply: Reply<Vec<Entry>>,
    },
    Entry {
        peer: PhoneNumber,
        message_id: MessageId,
        reply: Reply<Option<Entry>>,
    },
    SafetyNumber {
        peer: PhoneNumber,
        reply: Reply<Option<String>>,
    },
    ForgetSession {
        peer: PhoneNumber,
        reply: Reply<()>,
    },
    Offline {
        offline: bool,
        reply: oneshot::Sender<()>,
    },
    Faults {
        change: Box<dyn FnOnce(&mut Faults) + Send>,
        reply: oneshot::Sender<()>,
    },
    Garbage {
        to: PhoneNumber,
        reply: oneshot::Sender<()>,
    },
    Flush {
        reply: oneshot::Sender<()>,
    },
    Close,
}

/// An answer that may be given once the step is durable.
pub(super) enum Answer {
    Message(Reply<MessageId>, MessageId),
    Done(Reply<()>),
}

impl Answer {
    /// Whoever asked may be gone; the work was done all the same.
    pub(super) fn give(self) {
        match self {
            Self::Message(reply, id) => drop(reply.send(Ok(id))),
            Self::Done(reply) => drop(reply.send(Ok(()))),
        }
    }
}

impl Actor {
    pub(super) fn command(&mut self, turn: &mut Turn, command: Command) -> Result<(), Error> {
        let now = turn.now;
        match command {
            Command::Send {
                to,
                body,
                context,
                mut file,
                reply,
            } => {
                let outgoing = Outgoing {
                    to: &to,
                    body: *body,
                    context,
                    file: file.as_deref_mut(),
                };
                let sent = self.engine.send(&mut turn.step, outgoing, now);
                answer_message(turn, reply, sent)
            }
            Command::Mark {
                kind,
                peer,
                message_ids,
                reply,
            } => {
                match kind {
                    ReceiptKind::Played => self.engine.mark_played(&mut turn.step, &peer, &message_ids, now)?,
                    ReceiptKind::Read | ReceiptKind::Delivered => self.engine.mark_read(&mut turn.step, &peer, &message_ids, now)?,
                }
                turn.answers.push(Answer::Done(reply));
                Ok(())
            }
            Command::Typing { to, reply } => {
                if self.online.is_some() {
                    self.engine.send_typing(&mut turn.step, &to, now)?;
                }
                turn.answers.push(Answer::Done(reply));
                Ok(())
            }
            Command::ForgetSession { peer, reply } => {
                self.engine.forget_session(&mut turn.step, &peer)?;
                turn.answers.push(Answer::Done(reply));
                Ok(())
            }
            Command::History { peer, limit, reply } => {
                let _gone = reply.send(self.engine.history(&peer, limit));
                Ok(())
            }
            Command::Entry { peer, message_id, reply } => {
                let _gone = reply.send(self.engine.entry(&peer, message_id));
                Ok(())
            }
            Command::SafetyNumber { peer, reply } => {
                let _gone = reply.send(self.engine.safety_number(&peer));
                Ok(())
            }
            Command::Offline { offline, reply } => {
                self.stay_offline(offline);
                let _gone = reply.send(());
                Ok(())
            }
            Command::Faults { change, reply } => {
                change(&mut self.engine.faults);
                let _gone = reply.send(());
                Ok(())
            }
            Command::Garbage { to, reply } => {
                self.engine.send_garbage(&mut turn.step, &to);
                let _gone = reply.send(());
                Ok(())
            }
            Command::Flush { reply } => {
                self.flushes.push(reply);
                Ok(())
            }
            Command::Close => {
                turn.closed = true;
                Ok(())
            }
        }
    }
}

/// A refused message is answered at once and changes nothing; any other error is the store's and ends the actor.
fn answer_message(turn: &mut Turn, reply: Reply<MessageId>, sent: Result<MessageId, Error>) -> Result<(), Error> {
    match sent {
        Ok(id) => turn.answers.push(Answer::Message(reply, id)),
        Err(error @ (Error::TextLength { .. } | Error::NotAMessage | Error::NotOurs | Error::ToOneself | Error::Overloaded)) => {
            drop(reply.send(Err(error)));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
