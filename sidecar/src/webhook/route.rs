//! Which events go where.
//!
//! Purpose: the subscriptions of a number. Pure.

use std::collections::BTreeSet;

/// The field that is subscribed when nothing was said.
pub const MESSAGES: &str = "messages";

/// Which events the business wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriptions {
    /// Whether the account is subscribed at all.
    pub account: bool,
    /// The fields that were asked for; `None` when nothing was said.
    pub fields: Option<BTreeSet<String>>,
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self {
            account: true,
            fields: None,
        }
    }
}

impl Subscriptions {
    /// Whether events of this field are wanted.
    #[must_use]
    pub fn wants(&self, field: &str) -> bool {
        self.account
            && match &self.fields {
                None => field == MESSAGES,
                Some(fields) => fields.contains(field),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_wanted_unless_somebody_says_otherwise() {
        let mut subscriptions = Subscriptions::default();
        assert!(subscriptions.wants(MESSAGES));
        assert!(!subscriptions.wants("security"));
        subscriptions.fields = Some(BTreeSet::from(["security".to_owned()]));
        assert!(!subscriptions.wants(MESSAGES));
        assert!(subscriptions.wants("security"));
        subscriptions.account = false;
        assert!(!subscriptions.wants("security"));
    }
}
