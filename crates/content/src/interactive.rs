//! Messages to choose from, and the choices.

use crate::{
    Error, Location, Media, Text,
    body::{plain, some},
    proto::{self, header::Header as WireHeader, interactive_reply::Kind},
};

/// Most sections, rows and buttons a reader takes, of each: far above what a sender may write (10).
const MAX_PARTS: usize = 64;

/// Something to choose from or to press.
#[derive(Clone, PartialEq)]
pub struct Interactive {
    /// The Cloud API's word: `button`, `list`, `cta_url`, `location_request_message`, `flow` and those that are passed through.
    pub kind: String,
    /// Above the body.
    pub header: Option<Header>,
    /// The message itself.
    pub body: Option<Text>,
    /// Below the body.
    pub footer: Option<Text>,
    /// `button`: what can be pressed.
    pub replies: Vec<Reply>,
    /// `list`: what opens the list.
    pub list_button: Option<Text>,
    /// `list`: what can be chosen.
    pub sections: Vec<Section>,
    /// `cta_url`: what can be opened.
    pub link: Option<Link>,
    /// The action as the business wrote it (JSON), for types that are passed through.
    pub action_json: Option<Text>,
}

/// What stands above a body.
#[derive(Clone, PartialEq)]
pub enum Header {
    /// A line of text.
    Text(Text),
    /// A picture, film or document.
    Media(Media),
    /// A place.
    Location(Location),
}

/// One thing to choose.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// What the business knows it by.
    pub id: Text,
    /// What the consumer sees.
    pub title: Text,
    /// More about it.
    pub description: Option<Text>,
}

/// Rows of a list under one title.
#[derive(Clone, PartialEq, Eq)]
pub struct Section {
    /// Its title; may be empty where there is one section.
    pub title: Text,
    /// Its rows.
    pub rows: Vec<Reply>,
}

/// A link to press.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// What the consumer sees.
    pub title: Text,
    /// Where it leads.
    pub url: Text,
}

/// What was chosen.
#[derive(Clone, PartialEq, Eq)]
pub enum InteractiveReply {
    /// A button.
    Button(Reply),
    /// A row of a list.
    List(Reply),
    /// A flow was finished.
    Flow {
        /// What it gave, JSON.
        response_json: Text,
        /// Its name.
        name: Option<Text>,
        /// What the consumer sees of it.
        body: Option<Text>,
    },
}

/// A quick reply of a template was pressed.
#[derive(Clone, PartialEq, Eq)]
pub struct ButtonReply {
    /// What the consumer saw.
    pub text: Text,
    /// What the business knows it by.
    pub payload: Text,
}

impl Interactive {
    pub(crate) fn to_proto(&self) -> proto::Interactive {
        proto::Interactive {
            r#type: self.kind.clone(),
            header: self.header.as_ref().map(Header::to_proto),
            body: plain(self.body.as_ref()),
            footer: plain(self.footer.as_ref()),
            replies: self.replies.iter().map(Reply::to_proto).collect(),
            list_button: plain(self.list_button.as_ref()),
            sections: self.sections.iter().map(Section::to_proto).collect(),
            link: self.link.as_ref().map(|link| proto::Link {
                title: link.title.to_plain(),
                url: link.url.to_plain(),
            }),
            action_json: plain(self.action_json.as_ref()),
        }
    }

    pub(crate) fn from_proto(interactive: proto::Interactive) -> Result<Self, Error> {
        if interactive.replies.len() > MAX_PARTS || interactive.sections.len() > MAX_PARTS {
            return Err(Error::Member("interactive"));
        }
        Ok(Self {
            kind: interactive.r#type,
            header: Header::from_proto(interactive.header)?,
            body: some(interactive.body),
            footer: some(interactive.footer),
            replies: interactive.replies.into_iter().map(Reply::from_proto).collect(),
            list_button: some(interactive.list_button),
            sections: interactive
                .sections
                .into_iter()
                .map(Section::from_proto)
                .collect::<Result<_, _>>()?,
            link: interactive.link.map(|link| Link {
                title: Text::new(link.title),
                url: Text::new(link.url),
            }),
            action_json: some(interactive.action_json),
        })
    }
}

impl Header {
    pub(crate) fn to_proto(&self) -> proto::Header {
        proto::Header {
            header: Some(match self {
                Self::Text(text) => WireHeader::Text(text.to_plain()),
                Self::Media(media) => WireHeader::Media(media.to_proto()),
                Self::Location(location) => WireHeader::Location(location.to_proto()),
            }),
        }
    }

    pub(crate) fn from_proto(header: Option<proto::Header>) -> Result<Option<Self>, Error> {
        Ok(match header.and_then(|header| header.header) {
            None => None,
            Some(WireHeader::Text(text)) => Some(Self::Text(Text::new(text))),
            Some(WireHeader::Media(media)) => Some(Self::Media(Media::from_proto(media)?)),
            Some(WireHeader::Location(location)) => Some(Self::Location(Location::from_proto(location)?)),
        })
    }
}

impl Reply {
    fn to_proto(&self) -> proto::Reply {
        proto::Reply {
            id: self.id.to_plain(),
            title: self.title.to_plain(),
            description: plain(self.description.as_ref()),
        }
    }

    fn from_proto(reply: proto::Reply) -> Self {
        Self {
            id: Text::new(reply.id),
            title: Text::new(reply.title),
            description: some(reply.description),
        }
    }
}

impl Section {
    fn to_proto(&self) -> proto::Section {
        proto::Section {
            title: self.title.to_plain(),
            rows: self.rows.iter().map(Reply::to_proto).collect(),
        }
    }

    fn from_proto(section: proto::Section) -> Result<Self, Error> {
        if section.rows.len() > MAX_PARTS {
            return Err(Error::Member("interactive.sections.rows"));
        }
        Ok(Self {
            title: Text::new(section.title),
            rows: section.rows.into_iter().map(Reply::from_proto).collect(),
        })
    }
}

impl InteractiveReply {
    pub(crate) fn to_proto(&self) -> proto::InteractiveReply {
        let (kind, reply) = match self {
            Self::Button(reply) => (Kind::Button, Some(reply.to_proto())),
            Self::List(reply) => (Kind::List, Some(reply.to_proto())),
            Self::Flow { .. } => (Kind::Flow, None),
        };
        let mut wire = proto::InteractiveReply {
            kind: kind.into(),
            reply,
            ..Default::default()
        };
        if let Self::Flow { response_json, name, body } = self {
            wire.response_json = response_json.to_plain();
            wire.name = plain(name.as_ref());
            wire.body = plain(body.as_ref());
        }
        wire
    }

    pub(crate) fn from_proto(wire: proto::InteractiveReply) -> Result<Self, Error> {
        let kind = wire.kind();
        let reply = wire.reply.map(Reply::from_proto).ok_or(Error::Member("interactive_reply.reply"));
        Ok(match kind {
            Kind::Unspecified => return Err(Error::Member("interactive_reply.kind")),
            Kind::Button => Self::Button(reply?),
            Kind::List => Self::List(reply?),
            Kind::Flow => Self::Flow {
                response_json: Text::new(wire.response_json),
                name: some(wire.name),
                body: some(wire.body),
            },
        })
    }
}
