//! Kubernetes' core/v1 Secret, as far as local YAML needs it to carry tokens, app secrets and PINs.
//!
//! Values are wiped when dropped and have no `Debug`; messages about a Secret name the Secret and the entry, never a value.

use std::{collections::BTreeMap, ops::RangeInclusive};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::meta::{Ignored, ObjectMeta};

/// A secret value as text. Wiped when dropped.
pub type SecretText = Zeroizing<String>;

/// How long a bearer token may be.
pub const TOKEN_LENGTH: RangeInclusive<usize> = 16..=512;
/// How long an app secret may be.
pub const APP_SECRET_LENGTH: RangeInclusive<usize> = 16..=256;
/// How long a verify token may be.
pub const VERIFY_TOKEN_LENGTH: RangeInclusive<usize> = 1..=256;

/// What is wrong with a value that must be visible ASCII characters, if anything: a sentence that begins with "must". Never repeats it.
#[must_use]
pub fn text_fault(value: &str, length: &RangeInclusive<usize>) -> Option<String> {
    if length.contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let ends = if value.trim().len() < value.len() {
        "; there are spaces or a line break at its ends"
    } else {
        ""
    };
    Some(format!(
        "must be {} to {} letters, digits or signs without spaces{ends}",
        length.start(),
        length.end()
    ))
}

/// What is wrong with a PIN, if anything. Never repeats it.
#[must_use]
pub fn pin_fault(value: &str) -> Option<String> {
    let good = value.len() == 6 && value.bytes().all(|byte| byte.is_ascii_digit());
    (!good).then(|| "must be a PIN of exactly six digits".to_owned())
}

/// A core/v1 Secret.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Secret {
    #[serde(rename = "apiVersion", default)]
    _api_version: Ignored,
    #[serde(rename = "kind", default)]
    _kind: Ignored,
    /// Name and namespace.
    pub metadata: ObjectMeta,
    #[serde(rename = "type", default)]
    _type: Ignored,
    #[serde(rename = "immutable", default)]
    _immutable: Ignored,
    /// Values in base64.
    #[serde(default)]
    data: BTreeMap<String, Value>,
    /// Values as they are. Wins over `data`, as in Kubernetes.
    #[serde(default)]
    string_data: BTreeMap<String, Value>,
}

/// Text that is wiped when dropped.
struct Value(SecretText);

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// Why an entry cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// No such entry; the names of those that exist.
    #[error("has no entry '{key}'; {}", match .present.is_empty() { true => "it is empty".to_owned(), false => format!("it has: {}", .present.join(", ")) })]
    Missing {
        /// What was asked for.
        key: String,
        /// What is there.
        present: Vec<String>,
    },
    /// The value in `data` is not base64.
    #[error("entry '{0}' in `data` is not base64; encode it with `printf %s VALUE | base64`, or put it as it is under `stringData`")]
    NotBase64(String),
    /// The decoded value is not UTF-8.
    #[error("entry '{0}' is not text (UTF-8)")]
    NotText(String),
}

impl Secret {
    /// The value of one entry.
    ///
    /// # Errors
    /// [`EntryError`] when it is absent or not text.
    pub fn entry(&self, key: &str) -> Result<SecretText, EntryError> {
        if let Some(value) = self.string_data.get(key) {
            return Ok(value.0.clone());
        }
        let Some(encoded) = self.data.get(key) else {
            let mut present: Vec<String> = self.string_data.keys().chain(self.data.keys()).cloned().collect();
            present.sort();
            present.dedup();
            return Err(EntryError::Missing {
                key: key.to_owned(),
                present,
            });
        };
        // YAML folds long base64 with line breaks inside.
        let compact = Zeroizing::new(encoded.0.split_ascii_whitespace().collect::<String>());
        let bytes = Zeroizing::new(
            STANDARD
                .decode(compact.as_bytes())
                .map_err(|_| EntryError::NotBase64(key.to_owned()))?,
        );
        let text = std::str::from_utf8(&bytes).map_err(|_| EntryError::NotText(key.to_owned()))?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}
