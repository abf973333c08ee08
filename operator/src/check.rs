//! Bounds and formats that the schemas ask for, asked again: an object may be older than a rule, or the rule may be missing in the cluster.

use std::ops::RangeInclusive;

use crate::{
    endpoint::Endpoint,
    fault::{Fault, Reason},
};

/// Collects what is wrong with one object.
pub(crate) struct Check {
    reason: Reason,
    faults: Vec<Fault>,
}

impl Check {
    pub(crate) fn new(reason: Reason) -> Self {
        Self {
            reason,
            faults: Vec::new(),
        }
    }

    pub(crate) fn done(self) -> Vec<Fault> {
        self.faults
    }

    pub(crate) fn wrong(&mut self, field: &str, message: impl Into<String>) {
        self.faults.push(Fault::new(self.reason, field, message));
    }

    /// A text for people.
    pub(crate) fn text(&mut self, field: &str, value: &str, max: usize) {
        if !(1..=max).contains(&value.chars().count()) || value.chars().any(char::is_control) {
            self.wrong(field, format!("must be 1 to {max} characters without line breaks"));
        }
    }

    pub(crate) fn digits(&mut self, field: &str, value: &str, max: usize) {
        if !(1..=max).contains(&value.len()) || !value.bytes().all(|byte| byte.is_ascii_digit()) {
            self.wrong(field, format!("must be 1 to {max} digits"));
        }
    }

    pub(crate) fn number(&mut self, field: &str, value: i32, bounds: RangeInclusive<i32>) {
        if !bounds.contains(&value) {
            self.wrong(field, format!("is {value} and must be {} to {}", bounds.start(), bounds.end()));
        }
    }

    /// The name of an object, which may have dots.
    pub(crate) fn object_name(&mut self, field: &str, value: &str) {
        let good = value.len() <= 253 && value.split('.').all(crate::names::is_dns_label);
        if !good {
            self.wrong(
                field,
                "must be the name of an object: lower-case letters, digits, '-' and '.', and a letter or a digit at both ends",
            );
        }
    }

    pub(crate) fn url(&mut self, field: &str, value: &str, schemes: &[&str]) {
        let good = value.len() <= 2048 && schemes.iter().any(|scheme| value.starts_with(scheme)) && Endpoint::parse(value).is_some();
        if !good {
            let schemes = schemes.iter().map(|scheme| format!("'{scheme}'")).collect::<Vec<_>>().join(" or ");
            self.wrong(
                field,
                format!(
                    "must be a URL that begins with {schemes}, with a host and without user name and password, at most 2048 characters"
                ),
            );
        }
    }
}
