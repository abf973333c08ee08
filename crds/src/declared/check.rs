//! What one object can tell on its own: bounds and formats, with messages that say what is allowed.

use std::ops::RangeInclusive;

use super::{Problem, SecretText};
use crate::{document::Origin, secret, v1alpha1::Webhook};

/// Collects what is wrong with one object.
pub(super) struct Check<'a> {
    pub(super) origin: &'a Origin,
    pub(super) object: String,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Check<'_> {
    /// Notes a problem with a field, once.
    pub(super) fn wrong(&mut self, field: &str, text: impl Into<String>) {
        let problem = Problem {
            origin: self.origin.clone(),
            object: self.object.clone(),
            field: field.to_owned(),
            text: text.into(),
        };
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Lower-case letters, digits, `-` and `.`, as Kubernetes wants names.
    pub(super) fn object_name(&mut self, field: &str, name: &str) -> bool {
        let inside = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = (1..=63).contains(&name.len())
            && name.split('.').all(|label| {
                let bytes = label.as_bytes();
                bytes.first().copied().is_some_and(inside)
                    && bytes.last().copied().is_some_and(inside)
                    && bytes.iter().all(|&c| inside(c) || c == b'-')
            });
        if !good {
            self.wrong(
                field,
                "must be 1 to 63 lower-case letters, digits, `-` or `.`, and begin and end with a letter or a digit",
            );
        }
        good
    }

    /// A text for people.
    pub(super) fn text(&mut self, field: &str, value: &str, length: RangeInclusive<usize>) {
        if !length.contains(&value.chars().count()) || value.chars().any(char::is_control) || value.trim() != value {
            self.wrong(
                field,
                format!(
                    "must be {} to {} characters, without line breaks and without spaces at the ends",
                    length.start(),
                    length.end()
                ),
            );
        }
    }

    /// An id of digits.
    pub(super) fn digits(&mut self, field: &str, value: &str, max: usize) -> bool {
        let good = (1..=max).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit());
        if !good {
            self.wrong(field, format!("must be 1 to {max} digits"));
        }
        good
    }

    /// A phone number in E.164 form.
    pub(super) fn phone_number(&mut self, field: &str, value: &str) -> bool {
        let good = value.strip_prefix('+').is_some_and(|digits| {
            (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit())
        });
        if !good {
            self.wrong(
                field,
                "must be `+`, the country code and the number, 7 to 15 digits without spaces, for example \"+15550100\"",
            );
        }
        good
    }

    /// A whole number within bounds.
    pub(super) fn number(&mut self, field: &str, value: Option<i32>, bounds: RangeInclusive<i32>) -> Option<u32> {
        let value = value?;
        if !bounds.contains(&value) {
            self.wrong(field, format!("is {value} and must be {} to {}", bounds.start(), bounds.end()));
            return None;
        }
        u32::try_from(value).ok()
    }

    /// A URL with one of these schemes, a host, and nothing that cannot be in a URL.
    pub(super) fn url(&mut self, field: &str, value: &str, schemes: &[&str]) -> bool {
        let good = value.len() <= 2048
            && value.bytes().all(|byte| byte.is_ascii_graphic())
            && schemes.iter().any(|scheme| {
                value
                    .strip_prefix(scheme)
                    .is_some_and(|rest| !rest.is_empty() && (*scheme == "unix://" || !rest.starts_with(['/', '?', '#', ':'])))
            });
        if !good {
            self.wrong(
                field,
                format!(
                    "must be a URL that begins with {}, at most 2048 characters, without spaces",
                    schemes.join(" or ")
                ),
            );
        }
        good
    }

    /// The address under which the HTTP API is reached.
    pub(super) fn api_url(&mut self, field: &str, value: &str) {
        if self.url(field, value, &["https://", "http://"]) && (value.ends_with('/') || value.contains(['?', '#', '@'])) {
            self.wrong(field, "must have neither a slash at its end, nor a query, nor credentials");
        }
    }

    /// The parts of a webhook that need nothing else.
    pub(super) fn webhook(&mut self, webhook: &Webhook) {
        self.url("spec.webhook.url", &webhook.url, &["https://", "http://"]);
        self.number("spec.webhook.timeoutSeconds", webhook.timeout_seconds, 1..=60);
        let is_field = |field: &String| {
            field.len() <= 64
                && field.starts_with(|c: char| c.is_ascii_lowercase())
                && field.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        if webhook.fields.len() > 64 || !webhook.fields.iter().all(is_field) {
            self.wrong(
                "spec.webhook.fields",
                "must be at most 64 names of webhook fields, lower-case letters and '_', for example 'messages'",
            );
        }
        if webhook
            .ca_bundle
            .as_ref()
            .is_some_and(|pem| !pem.contains("-----BEGIN CERTIFICATE-----"))
        {
            self.wrong(
                "spec.webhook.caBundle",
                "must be certificates in PEM, which begin with '-----BEGIN CERTIFICATE-----'",
            );
        }
        if webhook.client_certificate_secret_ref.is_some() && !webhook.url.starts_with("https://") {
            self.wrong("spec.webhook.clientCertificateSecretRef", "must only be set with an https:// `url`");
        }
    }

    /// A secret of visible ASCII characters. Never repeats it.
    pub(super) fn secret(&mut self, field: &str, value: &SecretText, length: &RangeInclusive<usize>) {
        self.secret_fault(field, secret::text_fault(value, length));
    }

    /// A PIN of six digits. Never repeats it.
    pub(super) fn pin(&mut self, field: &str, value: &SecretText) {
        self.secret_fault(field, secret::pin_fault(value));
    }

    fn secret_fault(&mut self, field: &str, fault: Option<String>) {
        if let Some(fault) = fault {
            self.wrong(field, format!("the Secret's value {fault}"));
        }
    }
}
