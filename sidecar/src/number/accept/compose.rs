//! From what the business asks for to what the consumer is shown: files are found or fetched, templates filled in.
//!
//! Nothing here is durable yet, and nothing here is on the way of a text.

use std::time::{Duration, SystemTime};

use waxseal_content::{Body, Media, MessageId, PhoneNumber, Template};
use waxseal_sealing::Class;

use super::{Number, refusal};
use crate::{
    conversation::record::UserRecord,
    file,
    id::{MediaId, Wamid},
    message::{Addressee, Attachment, File, Header, Interactive, MessageStatus, Outbound, OutboundBody, Refusal},
    template::{self, Category},
};

/// A message, ready to be made durable.
pub(super) struct Composed {
    pub(super) body: Body,
    /// After which time it is not worth delivering any more, if sooner than any message.
    pub(super) worth: Option<Duration>,
}

impl From<Body> for Composed {
    fn from(body: Body) -> Self {
        Self { body, worth: None }
    }
}

/// Whether a message names anything that may be gone when it is sent again.
pub(super) const fn names_something(message: &Outbound) -> bool {
    let whole = matches!(
        message.body,
        OutboundBody::Text { .. } | OutboundBody::Reaction { .. } | OutboundBody::Location(_) | OutboundBody::Contacts(_)
    );
    !whole || matches!(message.to, Addressee::UserId(_))
}

/// What the answer to a message of this kind says of it.
pub(super) const fn message_status(body: &OutboundBody) -> Option<MessageStatus> {
    match body {
        OutboundBody::Template(_) => Some(MessageStatus::Accepted),
        _ => None,
    }
}

/// The number of a consumer.
pub(in crate::number) async fn addressee(number: &Number, to: Addressee) -> Result<PhoneNumber, Refusal> {
    let user_id = match to {
        Addressee::Number(to) => return Ok(to),
        Addressee::UserId(user_id) => user_id,
    };
    let shared = &number.shared;
    let key = shared.names.user(&shared.blind.of(&user_id));
    let values = number
        .store
        .get(std::slice::from_ref(&key))
        .await
        .map_err(|error| refusal(&error))?;
    let sealed = values.into_iter().next().flatten().ok_or(Refusal::UnknownUser)?;
    let user: UserRecord = shared.open(Class::Session, &key, &sealed).ok_or(Refusal::UnknownUser)?;
    PhoneNumber::parse(&user.number).map_err(|_| Refusal::UnknownUser)
}

/// Makes a message whole. What files need is boxed, so that a text does not carry it along. `of_peer` tells which message of the conversation a `wamid` names.
pub(super) async fn compose(
    number: &Number,
    body: OutboundBody,
    by_user_id: bool,
    of_peer: impl Fn(&Wamid) -> Result<MessageId, Refusal>,
) -> Result<Composed, Refusal> {
    Ok(match body {
        OutboundBody::Text { body, preview_url } => Body::Text { body, preview_url }.into(),
        OutboundBody::Reaction { message, emoji } => Body::Reaction {
            message_id: of_peer(&message)?,
            emoji,
        }
        .into(),
        OutboundBody::Location(location) => Body::Location(*location).into(),
        OutboundBody::Contacts(contacts) => Body::Contacts(contacts).into(),
        OutboundBody::Media(attachment) => Body::Media(Box::pin(attach(number, *attachment)).await?).into(),
        OutboundBody::Interactive(interactive) => {
            let Interactive { mut content, header } = *interactive;
            if let ("flow", Some(action)) = (content.kind.as_str(), &content.action_json) {
                number.admit_flow(action.reveal())?;
            }
            content.header = Box::pin(self::header(number, header)).await?;
            Body::Interactive(Box::new(content)).into()
        }
        OutboundBody::Template(call) => {
            let filled = template::fill(&number.templates(), &call)?;
            if by_user_id && filled.category == Category::Authentication {
                return Err(Refusal::NumberNeeded);
            }
            Composed {
                worth: filled.worth,
                body: Body::Template(Box::new(Template {
                    name: filled.name,
                    language: filled.language,
                    header: Box::pin(header(number, filled.header)).await?,
                    body: filled.body,
                    footer: filled.footer,
                    buttons: filled.buttons,
                })),
            }
        }
    })
}

async fn header(number: &Number, header: Option<Header>) -> Result<Option<waxseal_content::Header>, Refusal> {
    Ok(match header {
        None => None,
        Some(Header::Text(text)) => Some(waxseal_content::Header::Text(text)),
        Some(Header::Location(location)) => Some(waxseal_content::Header::Location(*location)),
        Some(Header::Media(attachment)) => Some(waxseal_content::Header::Media(attach(number, *attachment).await?)),
    })
}

/// The file of a message, at the relay by the time this returns.
async fn attach(number: &Number, attachment: Attachment) -> Result<Media, Refusal> {
    let Attachment {
        kind,
        file,
        caption,
        filename,
        voice,
    } = attachment;
    let (shelf, now) = (number.media(), SystemTime::now());
    let file = match file {
        File::Id(id) => {
            let id = MediaId::parse(&id).ok_or(Refusal::UnknownMedia)?;
            let file = shelf.find(id, now).await?;
            file::suits(kind, &file.mime_type, file.size_bytes).map_err(file::Refusal::from)?;
            file
        }
        File::Link(link) => shelf.fetch_link(link.reveal(), kind, now).await?,
    };
    let pointer = shelf.outbound_file(&file, now).await?;
    Ok(pointer.into_media(kind, caption, filename, voice))
}

impl From<file::Refusal> for Refusal {
    fn from(refusal: file::Refusal) -> Self {
        match refusal {
            file::Refusal::NotFound => Self::UnknownMedia,
            file::Refusal::Unavailable => Self::Unavailable,
            file::Refusal::Overloaded => Self::Overloaded,
            file::Refusal::Internal => Self::Internal,
            file::Refusal::Unfit(_)
            | file::Refusal::BrokenOff
            | file::Refusal::TooSlow
            | file::Refusal::Link(_)
            | file::Refusal::NoPlace => Self::Media(refusal),
        }
    }
}
