//! What the handle asks for, and the answers that wait for the commit.

use tokio::sync::oneshot;
use waxseal_content::{Context, MessageId, PhoneNumber, Text};

use super::{Actor, Turn};
use crate::{Entry, Error};

type Reply<T> = oneshot::Sender<Result<T, Error>>;

pub(crate) enum Command {
    Text {
        to: PhoneNumber,
        text: Text,
        context: Option<Context>,
        reply: Reply<MessageId>,
    },
    Reaction {
        to: PhoneNumber,
        message_id: MessageId,
        emoji: Text,
        reply: Reply<MessageId>,
    },
    Read {
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
    SafetyNumber {
        peer: PhoneNumber,
        reply: Reply<Option<String>>,
    },
    ForgetSession {
        peer: PhoneNumber,
        reply: Reply<()>,
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
            Command::Text { to, text, context, reply } => {
                let sent = self.engine.send_text(&mut turn.step, &to, text, context, now);
                answer_message(turn, reply, sent)
            }
            Command::Reaction {
                to,
                message_id,
                emoji,
                reply,
            } => {
                let sent = self.engine.send_reaction(&mut turn.step, &to, message_id, emoji, now);
                answer_message(turn, reply, sent)
            }
            Command::Read { peer, message_ids, reply } => {
                self.engine.mark_read(&mut turn.step, &peer, &message_ids, now)?;
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
            Command::SafetyNumber { peer, reply } => {
                let _gone = reply.send(self.engine.safety_number(&peer));
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
        Err(error @ (Error::TextLength { .. } | Error::ToOneself | Error::Overloaded)) => drop(reply.send(Err(error))),
        Err(error) => return Err(error),
    }
    Ok(())
}
