//! A registered template.
//!
//! Templates are business information: they may be printed and stored as they are.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use waxseal_content::MediaKind;

use super::pattern::Pattern;

/// What a template is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = TemplateCategory)]
pub enum Category {
    /// One-time codes.
    Authentication,
    /// What the consumer asked for.
    Utility,
    /// Everything else.
    Marketing,
}

/// Whether a template may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = TemplateStatus)]
pub enum Status {
    /// It may.
    Approved,
    /// Nobody has looked at it yet.
    Pending,
    /// It was found wanting.
    Rejected,
    /// It may again, once it is unpaused.
    Paused,
    /// It may not any more.
    Disabled,
    /// It is put away.
    Archived,
}

/// How variables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ParameterFormat {
    /// `{{1}}`.
    Positional,
    /// `{{name}}`.
    Named,
}

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal,)* }) => {
        impl $type {
            /// The Cloud API's word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// Reads the Cloud API's word, in capitals or not.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                [$(Self::$variant,)*].into_iter().find(|known| known.as_str().eq_ignore_ascii_case(word))
            }
        }
    };
}
words! { Category { Authentication = "AUTHENTICATION", Marketing = "MARKETING", Utility = "UTILITY", } }
words! { Status { Approved = "APPROVED", Pending = "PENDING", Rejected = "REJECTED", Paused = "PAUSED", Disabled = "DISABLED", Archived = "ARCHIVED", } }
words! { ParameterFormat { Positional = "POSITIONAL", Named = "NAMED", } }

/// A registered template.
#[derive(Clone, Serialize, Deserialize)]
pub struct Entry {
    /// Digits.
    pub id: String,
    /// Lower-case letters, digits and `_`.
    pub name: String,
    /// For example `en_US`.
    pub language: String,
    /// What it is for.
    pub category: Category,
    /// What it was for before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_category: Option<Category>,
    /// Whether it may be sent.
    pub status: Status,
    /// How its variables are written.
    pub parameter_format: ParameterFormat,
    /// As the business wrote them, in the form that clients read.
    pub components: Vec<Value>,
    /// How long a message made from it is worth delivering; -1 for as long as anything is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_send_ttl_seconds: Option<i64>,
    /// A word of the business's own that clients like to keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub_category: Option<String>,
    /// When it was registered, in seconds since 1970.
    #[serde(default)]
    pub created_s: u64,
    /// When it was changed last.
    #[serde(default)]
    pub updated_s: u64,
    /// What the components say.
    #[serde(skip)]
    pub definition: Definition,
}

/// What the components of a template say.
#[derive(Clone, PartialEq)]
pub struct Definition {
    /// Above the body.
    pub header: Option<Header>,
    /// The message itself.
    pub body: Pattern,
    /// Below the body.
    pub footer: Option<String>,
    /// In order.
    pub buttons: Vec<Button>,
    /// Whether the body stands alone, which may then be longer once filled in.
    pub body_only: bool,
}

impl Default for Definition {
    fn default() -> Self {
        Self {
            header: None,
            body: Pattern::literal(""),
            footer: None,
            buttons: Vec::new(),
            body_only: true,
        }
    }
}

/// What stands above the body.
#[derive(Clone, PartialEq)]
pub enum Header {
    /// A line of text.
    Text(Pattern),
    /// A file that each message names.
    Media(MediaKind),
    /// A place that each message names.
    Location,
}

/// What can be pressed.
#[derive(Clone, PartialEq)]
pub struct Button {
    /// What the consumer sees.
    pub text: String,
    /// What it does.
    pub action: Action,
}

/// What pressing a button does.
#[derive(Clone, PartialEq)]
pub enum Action {
    /// Answers with the message's payload, or with its text.
    QuickReply,
    /// Opens an address, which may end in a variable.
    Url(Pattern),
    /// Calls.
    PhoneNumber(String),
    /// Copies the message's coupon.
    CouponCode,
    /// Copies the message's code.
    OneTimeCode,
    /// Opens a flow; its members, as they were given.
    Flow(Value),
    /// Something that takes no parameter.
    Other,
}
