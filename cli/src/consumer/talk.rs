//! One conversation of a consumer: what "the last message" means, and from what is to be said to what is sent.

use std::path::Path;

use waxseal_consumer::{
    Act, Attachment, Body, Choice, Consumer, Contacts, Content, Context, Direction, Entry, Incoming, MessageId, PhoneNumber, choices,
};

use super::say::{File, Pick, Quoted, Say, What};

/// One conversation.
pub(crate) struct Talk {
    pub(crate) consumer: Consumer,
    pub(crate) peer: PhoneNumber,
    last_incoming: Option<MessageId>,
    /// The last of ours that could be edited or taken back.
    last_own: Option<MessageId>,
    /// The last incoming message that offers something.
    offer: Option<MessageId>,
}

/// What came of it.
pub(crate) enum Said {
    /// It is on its way; what the log says of it (nothing for edits and revocations).
    Sent { id: MessageId, body: Box<Body> },
    /// Choosing this sends nothing; a person would now see or do this.
    Shown(String),
}

impl Talk {
    pub(crate) const fn new(consumer: Consumer, peer: PhoneNumber) -> Self {
        Self {
            consumer,
            peer,
            last_incoming: None,
            last_own: None,
            offer: None,
        }
    }

    pub(crate) const fn last_incoming(&self) -> Option<MessageId> {
        self.last_incoming
    }

    /// Takes note of what was said earlier.
    pub(crate) fn remember(&mut self, entry: &Entry) {
        match entry.direction {
            Direction::Incoming { .. } => self.note_incoming(entry.message_id, &entry.body),
            Direction::Outgoing(_) => self.note_own(entry.message_id, &entry.body),
        }
    }

    /// Takes note of a message of the peer.
    pub(crate) fn arrived(&mut self, message: &Incoming) {
        if message.from == self.peer {
            self.note_incoming(message.message_id, &message.body);
        }
    }

    fn note_incoming(&mut self, id: MessageId, body: &Body) {
        if matches!(body, Body::Reaction { .. }) {
            return;
        }
        self.last_incoming = Some(id);
        if !choices(body).is_empty() {
            self.offer = Some(id);
        }
    }

    fn note_own(&mut self, id: MessageId, body: &Body) {
        if !matches!(
            body,
            Body::Reaction { .. } | Body::Edit { .. } | Body::Revoke { .. } | Body::RequestWelcome | Body::NumberChanged { .. }
        ) {
            self.last_own = Some(id);
        }
    }

    /// Says it. What cannot be said is told in words for whoever asked for it.
    pub(crate) async fn say(&mut self, say: Say) -> anyhow::Result<Said> {
        let quoted = match say.reply_to {
            None => None,
            Some(Quoted::Id(id)) => Some(id),
            Some(Quoted::Last) => Some(self.last_incoming.ok_or_else(|| wrong("there is no message to reply to yet"))?),
        };
        let mut context = None;
        if let Some(message_id) = quoted {
            context = Some(self.context(message_id).await?);
        }
        let content: Content = match say.what {
            What::Text(body) => Body::Text { body, preview_url: false }.into(),
            What::File(file) => attachment(&file).into(),
            What::Location(location) => {
                // Whoever answers a question for a place says so.
                context = context.or(self.asked_for("location_request_message").await?);
                Body::Location(location).into()
            }
            What::Contacts(cards_json) => Body::Contacts(Contacts { cards_json }).into(),
            What::Reaction { message_id, emoji } => {
                let target = message_id.or(self.last_incoming);
                let message_id = target.ok_or_else(|| wrong("there is no message to react to yet"))?;
                Body::Reaction { message_id, emoji }.into()
            }
            What::Choose { message_id, pick } => {
                let (id, choice) = self.chosen(message_id, &pick).await?;
                let body = match choice.act {
                    Act::Answer(body) => *body,
                    Act::Open(url) => return Ok(Said::Shown(format!("it opens {}", url.reveal()))),
                    Act::Call(number) => return Ok(Said::Shown(format!("it calls {}", number.reveal()))),
                    Act::Copy(code) => return Ok(Said::Shown(format!("it copies {}", code.reveal()))),
                    Act::Locate => return Ok(Said::Shown("it asks for a location: send one".to_owned())),
                    Act::Flow => return Ok(Said::Shown("it opens a form: send what it gives (flow_reply, /form)".to_owned())),
                    Act::Nothing => return Ok(Said::Shown("this version does not know what it does".to_owned())),
                };
                context = context.or(Some(answer_to(id)));
                body.into()
            }
            What::Flow { message_id, reply } => {
                context = context.or(message_id.or(self.offer).map(answer_to));
                Body::InteractiveReply(reply).into()
            }
            What::Reply(reply) => {
                context = context.or(self.offer.map(answer_to));
                Body::InteractiveReply(reply).into()
            }
            What::Button(reply) => {
                context = context.or(self.offer.map(answer_to));
                Body::ButtonReply(reply).into()
            }
            What::Edit { message_id, text, caption } => {
                let message_id = self.own(message_id)?;
                let caption = match caption {
                    Some(caption) => caption,
                    None => matches!(self.body(message_id).await?, Some(Body::Media(_))),
                };
                Body::Edit { message_id, text, caption }.into()
            }
            What::Revoke { message_id } => Body::Revoke {
                message_id: self.own(message_id)?,
            }
            .into(),
            What::Welcome => Body::RequestWelcome.into(),
            What::Order(order) => Body::Order(order).into(),
            What::NumberChanged(number) => Body::NumberChanged { number }.into(),
        };
        let body = match &content {
            Content::Body(body) => Some(body.clone()),
            Content::File(_) => None,
        };
        let id = self.consumer.send(&self.peer, content, context).await?;
        let body = match body {
            Some(body) => body,
            None => self.body(id).await?.unwrap_or(Body::Unsupported),
        };
        self.note_own(id, &body);
        Ok(Said::Sent { id, body: Box::new(body) })
    }

    /// What the newest message of the peer offers, if it is the newest.
    pub(crate) async fn offered(&self) -> anyhow::Result<Vec<Choice>> {
        match self.offer {
            Some(offer) if self.last_incoming == Some(offer) => Ok(self.body(offer).await?.map(|body| choices(&body)).unwrap_or_default()),
            _ => Ok(Vec::new()),
        }
    }

    /// What a message of the log says.
    pub(crate) async fn body(&self, id: MessageId) -> anyhow::Result<Option<Body>> {
        Ok(self.consumer.message(&self.peer, id).await?.map(|entry| entry.body))
    }

    async fn chosen(&self, message_id: Option<MessageId>, pick: &Pick) -> anyhow::Result<(MessageId, Choice)> {
        let id = message_id
            .or(self.offer)
            .ok_or_else(|| wrong("there is no message to choose from yet"))?;
        let body = self.body(id).await?.ok_or_else(|| wrong("there is no such message"))?;
        let offered = choices(&body);
        if offered.is_empty() {
            return Err(wrong("this message offers nothing to choose"));
        }
        let count = offered.len();
        let is_meant = |choice: &Choice, number: usize| match pick {
            Pick::Number(wanted) => *wanted == number,
            Pick::Title(wanted) => choice.title.reveal() == wanted,
            Pick::Id(wanted) => choice.id.as_ref().is_some_and(|id| id.reveal() == wanted),
        };
        let found = offered.into_iter().zip(1..).find(|(choice, number)| is_meant(choice, *number));
        match found {
            Some((choice, _)) => Ok((id, choice)),
            None => Err(wrong(&format!("there is no such choice: it offers {count}"))),
        }
    }

    /// The last offer, if it is of this kind.
    async fn asked_for(&self, kind: &str) -> anyhow::Result<Option<Context>> {
        let Some(offer) = self.offer.filter(|offer| self.last_incoming == Some(*offer)) else {
            return Ok(None);
        };
        Ok(match self.body(offer).await? {
            Some(Body::Interactive(interactive)) if interactive.kind == kind => Some(answer_to(offer)),
            _ => None,
        })
    }

    fn own(&self, message_id: Option<MessageId>) -> anyhow::Result<MessageId> {
        message_id
            .or(self.last_own)
            .ok_or_else(|| wrong("there is no message of yours yet"))
    }

    /// A quotation of either side.
    async fn context(&self, message_id: MessageId) -> anyhow::Result<Context> {
        let entry = self.consumer.message(&self.peer, message_id).await?;
        let ours = entry.is_some_and(|entry| matches!(entry.direction, Direction::Outgoing(_)));
        Ok(Context {
            message_id,
            from_recipient: !ours,
            forwarded: false,
        })
    }
}

const fn answer_to(message_id: MessageId) -> Context {
    Context {
        message_id,
        from_recipient: true,
        forwarded: false,
    }
}

fn wrong(text: &str) -> anyhow::Error {
    anyhow::anyhow!("{text}")
}

fn attachment(file: &File) -> Attachment {
    let mut attachment = Attachment::from_path(file.kind, home(&file.path));
    if let Some(caption) = &file.caption {
        attachment = attachment.captioned(caption);
    }
    if let Some(filename) = &file.filename {
        attachment = attachment.named(filename);
    }
    if let Some(mime_type) = &file.mime_type {
        attachment = attachment.typed(mime_type);
    } else if file.voice {
        // What WhatsApp records.
        attachment = attachment.typed("audio/ogg; codecs=opus");
    }
    if file.voice {
        attachment = attachment.as_voice();
    }
    if file.animated {
        attachment = attachment.as_animated();
    }
    attachment
}

/// `~/` as a shell would take it; inside the full screen there is no shell.
pub(crate) fn home(path: &Path) -> std::path::PathBuf {
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}
