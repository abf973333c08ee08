//! What is found in a flow's document, as the Cloud API tells it. Plain.

use serde::{Deserialize, Serialize};

/// What was found in a document.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Its `version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub json_version: Option<String>,
    /// Its `data_api_version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_api_version: Option<String>,
    /// Its endpoint, while documents said that themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_channel_uri: Option<String>,
}

impl Checked {
    /// Whether the document says itself where the endpoint is.
    pub(super) fn is_below_3(&self) -> bool {
        let major = self
            .json_version
            .as_ref()
            .and_then(|version| version.split('.').next()?.parse::<u32>().ok());
        major.is_some_and(|major| major < 3)
    }

    /// Whether a flow with it is published only together with an endpoint that it does not name itself.
    pub(super) const fn needs_endpoint(&self) -> bool {
        self.data_api_version.is_some() && self.data_channel_uri.is_none()
    }
}

/// Something that is wrong with a document, as the Cloud API tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = FlowFinding)]
pub struct Finding {
    /// Which rule.
    pub error: String,
    /// Which kind of rule.
    pub error_type: String,
    /// The rule in words.
    pub message: String,
    /// Where, counted from 1, both ends included.
    pub line_start: usize,
    /// See `line_start`.
    pub line_end: usize,
    /// See `line_start`.
    pub column_start: usize,
    /// See `line_start`.
    pub column_end: usize,
    /// The same, with the way there.
    pub pointers: Vec<Pointer>,
}

/// Where in a document something is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = FlowPointer)]
pub struct Pointer {
    /// See [`Finding`].
    pub line_start: usize,
    /// See [`Finding`].
    pub line_end: usize,
    /// See [`Finding`].
    pub column_start: usize,
    /// See [`Finding`].
    pub column_end: usize,
    /// The way there, as in `screens[0].layout.children[1].type`.
    pub path: String,
}
