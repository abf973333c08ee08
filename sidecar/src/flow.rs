//! Flows: forms of several screens that a consumer fills in, described in a document of the business's (`flow.json`).
//!
//! Purpose: what is kept of a flow, which change of it is allowed when, and what is wrong with its document. A flow is a draft until it is
//! published, and from then on it does not change; nobody reviews it. Pure.
//!
//! What is where: [`catalogue`] has the flows of a number, `check` looks at a document, `finding` is what it finds, `place` finds where in it something stands.
//!
//! Must not: send anything, or know HTTP; repeat to a log what a document says.

pub mod catalogue;
mod check;
mod finding;
mod place;

use serde::{Deserialize, Serialize};

pub use self::{
    check::check,
    finding::{Checked, Finding, Pointer},
};

/// What a flow is for, as the Cloud API calls it.
pub const CATEGORIES: [&str; 9] = [
    "SIGN_UP",
    "SIGN_IN",
    "APPOINTMENT_BOOKING",
    "LEAD_GENERATION",
    "SHOPPING",
    "CONTACT_US",
    "CUSTOMER_SUPPORT",
    "SURVEY",
    "OTHER",
];
/// The longest name of a flow.
pub const MAX_NAME_CHARS: usize = 200;
/// The longest address of an endpoint.
pub const MAX_ENDPOINT_CHARS: usize = 2048;
/// The largest document of a flow. As it is kept, with its quotes escaped, it must fit into a document of the book besides.
pub const MAX_JSON_BYTES: usize = 1 << 20;

/// Whether a flow may be changed, and sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = FlowStatus)]
pub enum Status {
    /// May be changed, and sent to try it.
    Draft,
    /// May be sent, and not be changed any more.
    Published,
    /// Not to be sent any more.
    Deprecated,
    /// Its endpoint was found ill: not to be sent until it is well.
    Blocked,
    /// Its endpoint was found slow: ten messages an hour.
    Throttled,
}

impl Status {
    const ALL: [Self; 5] = [Self::Draft, Self::Published, Self::Deprecated, Self::Blocked, Self::Throttled];

    /// As the Cloud API writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Draft => "DRAFT",
            Self::Published => "PUBLISHED",
            Self::Deprecated => "DEPRECATED",
            Self::Blocked => "BLOCKED",
            Self::Throttled => "THROTTLED",
        }
    }

    /// Reads what the Cloud API writes.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(word))
    }
}

/// A flow, without its document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Digits.
    pub id: String,
    /// The only one of this name.
    pub name: String,
    /// What may be done with it.
    pub status: Status,
    /// What it is for: of [`CATEGORIES`], at least one.
    pub categories: Vec<String>,
    /// Where the business answers for it, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_uri: Option<String>,
    /// The app it is connected to, where that is not the account's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application_id: Option<String>,
    /// When it was created, in milliseconds since 1970.
    pub created_ms: u64,
    /// When it was changed last, in seconds.
    pub updated_s: u64,
    /// How long its document is; `None` when it has none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_bytes: Option<usize>,
    /// What was found in its document.
    #[serde(default)]
    pub checked: Checked,
}

/// A flow as it is kept.
#[derive(Clone, Serialize, Deserialize)]
pub struct Kept {
    /// All but the document.
    pub flow: Flow,
    /// The document, byte by byte as the business wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json: Option<String>,
}

/// Why a flow was not created or changed: the Cloud API's code and what is wrong. Names members and rules, never values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is none of this id.
    #[error("There is no flow of this id.")]
    Unknown,
    /// The name is none.
    #[error("name must be 1 to 200 characters long.")]
    Name,
    /// Another one has it.
    #[error("name is not unique: another flow of this account has it.")]
    NameTaken,
    /// What it is for is none of what there is.
    #[error(
        "categories must be one or more of SIGN_UP, SIGN_IN, APPOINTMENT_BOOKING, LEAD_GENERATION, SHOPPING, CONTACT_US, CUSTOMER_SUPPORT, SURVEY and OTHER."
    )]
    Categories,
    /// The address is none.
    #[error("endpoint_uri must be an address with https:// of at most 2048 characters.")]
    Endpoint,
    /// There are as many as there may be.
    #[error("There are 200 flows already, which is as many as there may be.")]
    Full,
    /// Their documents are as long as they may be.
    #[error("The documents of all flows together have at most 8 MiB.")]
    TooMuch,
    /// The document is too long.
    #[error("The flow's JSON must have at most 1 MiB, each quote counted twice.")]
    TooLarge,
    /// It is not a draft any more.
    #[error("Only a draft can be changed. Create another flow with this one's id as clone_flow_id.")]
    NotChangeable,
    /// A draft's status is changed by publishing it, and what is deprecated stays so.
    #[error("status can be changed between PUBLISHED, THROTTLED and BLOCKED only.")]
    StatusNotChangeable,
    /// An older document says itself where the endpoint is.
    #[error("endpoint_uri is said in the flow's JSON, as data_channel_uri, while its version is below 3.0.")]
    EndpointInJson,
    /// It was published before.
    #[error("Only a draft can be published.")]
    NotPublishable,
    /// It has no document.
    #[error("The flow has no JSON yet. POST /{{flow}}/assets uploads it.")]
    NoJson,
    /// Its document is wrong.
    #[error("The flow's JSON has validation errors. GET /{{flow}}?fields=validation_errors tells them.")]
    Findings,
    /// Its document needs an endpoint.
    #[error("The flow's JSON has a data_api_version, and so the flow needs an endpoint_uri.")]
    NoEndpoint,
    /// A draft cannot be deprecated.
    #[error("Only a published flow can be deprecated. A draft can be deleted.")]
    NotDeprecable,
    /// It is deprecated.
    #[error("The flow is deprecated already.")]
    Deprecated,
    /// It was published.
    #[error("Only a draft can be deleted. A published flow can be deprecated.")]
    NotDeletable,
}

impl Refused {
    /// The Cloud API's code.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Unknown
            | Self::Name
            | Self::NameTaken
            | Self::Categories
            | Self::Endpoint
            | Self::Full
            | Self::TooMuch
            | Self::StatusNotChangeable => 100,
            Self::TooLarge | Self::NotChangeable | Self::EndpointInJson => 139_001,
            Self::NotPublishable | Self::NoJson | Self::Findings | Self::NoEndpoint => 139_002,
            Self::NotDeprecable | Self::Deprecated => 139_003,
            Self::NotDeletable => 139_004,
        }
    }
}

/// Why a flow cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// It is a draft, and the message does not say so.
    #[error("The flow is a draft: publish it, or say \"mode\": \"draft\" to try it.")]
    Draft,
    /// It is no draft, and the message says so.
    #[error("The flow is not a draft: leave mode out, or say \"published\".")]
    NotDraft,
    /// It is out of use.
    #[error("The flow is deprecated.")]
    Deprecated,
    /// Its status is BLOCKED.
    #[error("The flow is blocked.")]
    Blocked,
    /// Its status is THROTTLED, and as much as that allows was sent.
    #[error("The flow is throttled: ten messages with it in an hour.")]
    Throttled,
}

/// What is to change about a flow. What is absent stays.
#[derive(Debug, Default, Clone)]
pub struct Edit {
    /// Another name.
    pub name: Option<String>,
    /// Other categories, all of them.
    pub categories: Option<Vec<String>>,
    /// Another endpoint.
    pub endpoint_uri: Option<String>,
    /// Another app.
    pub application_id: Option<String>,
    /// Another status.
    pub status: Option<Status>,
}

impl Kept {
    /// Takes another document.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn upload(&mut self, json: String, now_s: u64) -> Result<(), Refused> {
        if self.flow.status != Status::Draft {
            return Err(Refused::NotChangeable);
        }
        if json.len() > MAX_JSON_BYTES {
            return Err(Refused::TooLarge);
        }
        self.flow.checked = check(&json);
        self.flow.json_bytes = Some(json.len());
        self.flow.updated_s = now_s;
        self.json = Some(json);
        Ok(())
    }
}

impl Flow {
    /// Changes what is said of it. A name's uniqueness is the catalogue's business.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn edit(&mut self, edit: Edit, now_s: u64) -> Result<(), Refused> {
        if self.status != Status::Draft && (edit.name.is_some() || edit.categories.is_some()) {
            return Err(Refused::NotChangeable);
        }
        if let Some(status) = edit.status {
            let is_out = |status| matches!(status, Status::Published | Status::Throttled | Status::Blocked);
            if !is_out(self.status) || !is_out(status) {
                return Err(Refused::StatusNotChangeable);
            }
            self.status = status;
        }
        if let Some(name) = edit.name {
            check_name(&name)?;
            self.name = name;
        }
        if let Some(categories) = edit.categories {
            self.categories = self::categories(categories)?;
        }
        if let Some(endpoint) = edit.endpoint_uri {
            check_endpoint(&endpoint)?;
            if self.checked.is_below_3() {
                return Err(Refused::EndpointInJson);
            }
            self.endpoint_uri = Some(endpoint);
        }
        if let Some(application) = edit.application_id {
            self.application_id = Some(application);
        }
        self.updated_s = now_s;
        Ok(())
    }

    /// Lets it be sent to consumers.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn publish(&mut self, now_s: u64) -> Result<(), Refused> {
        if let Some(fault) = self.publish_fault() {
            return Err(fault);
        }
        (self.status, self.updated_s) = (Status::Published, now_s);
        Ok(())
    }

    /// Why it cannot be published, if it cannot.
    #[must_use]
    pub fn publish_fault(&self) -> Option<Refused> {
        if self.status != Status::Draft {
            Some(Refused::NotPublishable)
        } else if self.json_bytes.is_none() {
            Some(Refused::NoJson)
        } else if !self.checked.findings.is_empty() {
            Some(Refused::Findings)
        } else if self.checked.needs_endpoint() && self.endpoint_uri.is_none() {
            Some(Refused::NoEndpoint)
        } else {
            None
        }
    }

    /// Takes it out of use.
    ///
    /// # Errors
    /// [`Refused`].
    pub const fn deprecate(&mut self, now_s: u64) -> Result<(), Refused> {
        match self.status {
            Status::Draft => return Err(Refused::NotDeprecable),
            Status::Deprecated => return Err(Refused::Deprecated),
            Status::Published | Status::Blocked | Status::Throttled => {}
        }
        (self.status, self.updated_s) = (Status::Deprecated, now_s);
        Ok(())
    }

    /// Where the business answers for it.
    #[must_use]
    pub fn endpoint(&self) -> Option<&str> {
        self.endpoint_uri.as_deref().or(self.checked.data_channel_uri.as_deref())
    }
}

fn check_name(name: &str) -> Result<(), Refused> {
    match !name.trim().is_empty() && name.chars().count() <= MAX_NAME_CHARS && !name.chars().any(char::is_control) {
        true => Ok(()),
        false => Err(Refused::Name),
    }
}

/// Each once, as the Cloud API writes them.
fn categories(said: Vec<String>) -> Result<Vec<String>, Refused> {
    let mut known: Vec<String> = Vec::new();
    for word in said {
        let word = word.to_ascii_uppercase();
        if !CATEGORIES.contains(&word.as_str()) {
            return Err(Refused::Categories);
        }
        if !known.contains(&word) {
            known.push(word);
        }
    }
    match known.is_empty() {
        true => Err(Refused::Categories),
        false => Ok(known),
    }
}

fn check_endpoint(address: &str) -> Result<(), Refused> {
    let is_address = address
        .strip_prefix("https://")
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && !address.chars().any(|char| char.is_whitespace() || char.is_control());
    match is_address && address.chars().count() <= MAX_ENDPOINT_CHARS {
        true => Ok(()),
        false => Err(Refused::Endpoint),
    }
}

#[cfg(test)]
mod tests;
