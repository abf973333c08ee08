//! A template, filled in: what the consumer is shown.

use crate::{
    Error, Header, Text,
    body::{plain, some},
    proto::{self, template_button::Kind},
};

/// Most buttons a reader takes; a sender may write 10.
const MAX_BUTTONS: usize = 64;

/// A template, filled in.
#[derive(Clone, PartialEq)]
pub struct Template {
    /// Its name; business information.
    pub name: String,
    /// Its language, for example `en_US`.
    pub language: String,
    /// Above the body.
    pub header: Option<Header>,
    /// The message itself.
    pub body: Text,
    /// Below the body.
    pub footer: Option<Text>,
    /// What can be pressed.
    pub buttons: Vec<TemplateButton>,
}

/// A button of a template.
#[derive(Clone, PartialEq, Eq)]
pub struct TemplateButton {
    /// What pressing it does.
    pub kind: TemplateButtonKind,
    /// What the consumer sees.
    pub text: Text,
    /// The payload, URL, phone number or code.
    pub value: Text,
}

/// What pressing a button does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TemplateButtonKind {
    /// Answers with its payload.
    QuickReply,
    /// Opens a URL.
    Url,
    /// Calls a phone number.
    PhoneNumber,
    /// Copies a code.
    CopyCode,
    /// Opens a flow.
    Flow,
    /// Something else.
    Other,
}

impl Template {
    pub(crate) fn to_proto(&self) -> proto::Template {
        proto::Template {
            name: self.name.clone(),
            language: self.language.clone(),
            header: self.header.as_ref().map(Header::to_proto),
            body: self.body.to_plain(),
            footer: plain(self.footer.as_ref()),
            buttons: self
                .buttons
                .iter()
                .map(|button| proto::TemplateButton {
                    kind: match button.kind {
                        TemplateButtonKind::QuickReply => Kind::QuickReply,
                        TemplateButtonKind::Url => Kind::Url,
                        TemplateButtonKind::PhoneNumber => Kind::PhoneNumber,
                        TemplateButtonKind::CopyCode => Kind::CopyCode,
                        TemplateButtonKind::Flow => Kind::Flow,
                        TemplateButtonKind::Other => Kind::Other,
                    }
                    .into(),
                    text: button.text.to_plain(),
                    value: button.value.to_plain(),
                })
                .collect(),
        }
    }

    pub(crate) fn from_proto(template: proto::Template) -> Result<Self, Error> {
        if template.buttons.len() > MAX_BUTTONS {
            return Err(Error::Member("template.buttons"));
        }
        let button = |button: proto::TemplateButton| TemplateButton {
            kind: match button.kind() {
                Kind::QuickReply => TemplateButtonKind::QuickReply,
                Kind::Url => TemplateButtonKind::Url,
                Kind::PhoneNumber => TemplateButtonKind::PhoneNumber,
                Kind::CopyCode => TemplateButtonKind::CopyCode,
                Kind::Flow => TemplateButtonKind::Flow,
                Kind::Other | Kind::Unspecified => TemplateButtonKind::Other,
            },
            text: Text::new(button.text),
            value: Text::new(button.value),
        };
        Ok(Self {
            name: template.name,
            language: template.language,
            header: Header::from_proto(template.header)?,
            body: Text::new(template.body),
            footer: some(template.footer),
            buttons: template.buttons.into_iter().map(button).collect(),
        })
    }
}
