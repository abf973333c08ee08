//! Limits and rules of conversations: what an account declares of them, and what its numbers' sidecars are told.

use serde::{Deserialize, Serialize};

use crate::v1alpha1::{BusinessAccountSpec, OverLimit, Switch};

/// Which rules of the Cloud API hold for a number. The default is what holds when nothing is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rules {
    /// Only templates reach a consumer who has not written for 24 hours.
    pub conversation_window: Switch,
    /// One message in 6 seconds to one consumer, 45 at once.
    pub pair_rate_limit: Switch,
    /// Management calls are limited.
    pub api_call_limits: Switch,
    /// Quality and messaging limits follow what the relay reports.
    pub quality_emulation: Switch,
    /// What happens to messages above a limit.
    pub over_limit: OverLimit,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            conversation_window: Switch::Enabled,
            pair_rate_limit: Switch::Disabled,
            api_call_limits: Switch::Disabled,
            quality_emulation: Switch::Disabled,
            over_limit: OverLimit::Reject,
        }
    }
}

impl Rules {
    /// Whether nothing but what holds anyway is said.
    #[must_use]
    pub fn are_default(&self) -> bool {
        *self == Self::default()
    }
}

impl From<&BusinessAccountSpec> for Rules {
    fn from(account: &BusinessAccountSpec) -> Self {
        Self {
            conversation_window: account.conversation_window,
            pair_rate_limit: account.pair_rate_limit,
            api_call_limits: account.api_call_limits,
            quality_emulation: account.quality_emulation,
            over_limit: account.over_limit,
        }
    }
}
