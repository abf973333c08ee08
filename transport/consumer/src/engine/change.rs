//! Edits and revocations: what they do to the log. The old text is gone from it afterwards.

use waxseal_content::{Body, EnvelopeId, MessageId, Payload, PhoneNumber, Text};

use super::{Engine, Step};
use crate::Error;
use crate::state::{keys as names, rows};

impl Engine {
    /// Refuses to edit or take back what is not ours, or says nothing that could be edited.
    pub(super) fn check_target(&self, step: &Step, to: &PhoneNumber, body: &Body) -> Result<(), Error> {
        let (message_id, caption) = match body {
            Body::Edit { message_id, caption, .. } => (*message_id, Some(*caption)),
            Body::Revoke { message_id } => (*message_id, None),
            _ => return Ok(()),
        };
        let Some((_, row)) = Self::logged(step, to, true, message_id)? else {
            return Err(Error::NotOurs);
        };
        let fits = match (Payload::decode(&row.payload).map(|payload| payload.body), caption) {
            (Ok(Body::Text { .. }), Some(caption)) => !caption,
            (Ok(Body::Media(_)), Some(caption)) => caption,
            (Ok(Body::Revoke { .. } | Body::Edit { .. } | Body::Reaction { .. }) | Err(_), _) => false,
            (Ok(_), caption) => caption.is_none(),
        };
        if fits { Ok(()) } else { Err(Error::NotOurs) }
    }

    /// What a message of this peer (or ours to it) does to an earlier one of the same writer. Returns whether it did.
    pub(super) fn change_logged(step: &mut Step, peer: &PhoneNumber, outgoing: bool, change: &Payload) -> Result<bool, Error> {
        let (Body::Edit { message_id, .. } | Body::Revoke { message_id }) = &change.body else {
            return Ok(false);
        };
        let Some((key, mut row)) = Self::logged(step, peer, outgoing, *message_id)? else {
            return Ok(false);
        };
        let Ok(logged) = Payload::decode(&row.payload) else {
            return Ok(false);
        };
        let body = match (&logged.body, &change.body) {
            (Body::Text { preview_url, .. }, Body::Edit { text, caption: false, .. }) => Body::Text {
                body: text.clone(),
                preview_url: *preview_url,
            },
            (Body::Media(media), Body::Edit { text, caption: true, .. }) => {
                let mut media = media.clone();
                media.caption = Some(text.clone()).filter(|text| !text.is_empty());
                Body::Media(media)
            }
            (Body::Revoke { .. } | Body::Edit { .. } | Body::Reaction { .. }, _) | (_, Body::Edit { .. }) => return Ok(false),
            (_, _) => {
                // Nobody will ask for it anew.
                if let Some(envelope) = EnvelopeId::from_slice(&row.envelope) {
                    step.tx.delete(names::sent(envelope));
                }
                Body::Revoke { message_id: *message_id }
            }
        };
        row.edited = true;
        row.payload = Payload::new(logged.sender, logged.recipient, logged.message_id, logged.sent_at_ms, body)
            .named(logged.sender_name)
            .in_context(logged.context)
            .encode()
            .to_vec();
        step.tx.put_row(key, &row);
        Ok(true)
    }
}

/// What of a message goes into the log: of an edit only that there was one, since its text goes into the message it changes.
pub(super) fn logged_payload(payload: &Payload) -> Payload {
    let Body::Edit { message_id, caption, .. } = payload.body else {
        return payload.clone();
    };
    let body = Body::Edit {
        message_id,
        text: Text::from(""),
        caption,
    };
    Payload::new(
        payload.sender.clone(),
        payload.recipient.clone(),
        payload.message_id,
        payload.sent_at_ms,
        body,
    )
}

/// Whether a row of the log is one to show: a change shows in what it changed. A message that was taken back names itself.
pub(super) fn is_shown(message_id: MessageId, body: &Body) -> bool {
    match body {
        Body::Edit { .. } => false,
        Body::Revoke { message_id: target } => *target == message_id,
        _ => true,
    }
}

/// For a row that was read.
pub(super) const fn is_edited(row: &rows::Logged, body: &Body) -> bool {
    row.edited && !matches!(body, Body::Revoke { .. })
}
