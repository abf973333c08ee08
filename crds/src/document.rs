//! Reading YAML files of several documents into objects.
//!
//! Strict on purpose: an unknown field is an error that names the nearest known one, a number where Kubernetes wants a text is an error,
//! and every document's errors are reported, with file, document and line. What is accepted here, `kubectl apply` takes too. Messages
//! never repeat a value out of a Secret.

use std::fmt;

use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    meta::Written,
    secret::Secret,
    v1alpha1::{self, BusinessAccountSpec, BusinessPhoneNumberSpec, DataRegionSpec, RetentionPolicySpec},
};

/// Where an object was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The file, as the caller named it.
    pub file: String,
    /// Which document in the file, from 1, empty ones not counted.
    pub document: usize,
    /// The line the document or the mistake is on, from 1.
    pub line: usize,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, document {}, line {}", self.file, self.document, self.line)
    }
}

/// One object and where it was written.
pub struct Object {
    /// Where it was written.
    pub origin: Origin,
    /// What it is.
    pub resource: Resource,
}

/// The kinds that can be read.
#[allow(missing_docs, reason = "each is named like the type it holds")]
pub enum Resource {
    BusinessAccount(Box<Written<BusinessAccountSpec>>),
    BusinessPhoneNumber(Box<Written<BusinessPhoneNumberSpec>>),
    DataRegion(Box<Written<DataRegionSpec>>),
    RetentionPolicy(Box<Written<RetentionPolicySpec>>),
    Secret(Box<Secret>),
}

/// A document that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Where.
    pub origin: Origin,
    /// The kind, once it is known.
    pub kind: Option<&'static str>,
    /// What is wrong and what is allowed.
    pub text: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if let Some(kind) = self.kind {
            write!(f, "{kind}: ")?;
        }
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

/// The larger a file, the likelier it is the wrong one.
const FILE_BYTES_MAX: usize = 4 << 20;

/// `kind` and the `apiVersion` that goes with it.
const KINDS: [(&str, &str); 5] = [
    ("BusinessAccount", v1alpha1::API_VERSION),
    ("BusinessPhoneNumber", v1alpha1::API_VERSION),
    ("DataRegion", v1alpha1::API_VERSION),
    ("RetentionPolicy", v1alpha1::API_VERSION),
    ("Secret", "v1"),
];

/// Reads all documents of one file. `file` is only its name, for messages.
///
/// # Errors
/// Every document that cannot be read, at once.
pub fn documents(file: &str, text: &str) -> Result<Vec<Object>, Vec<Error>> {
    let mut objects = Vec::new();
    let mut errors = Vec::new();
    if text.len() > FILE_BYTES_MAX {
        let origin = Origin {
            file: file.to_owned(),
            document: 1,
            line: 1,
        };
        return Err(vec![Error {
            origin,
            kind: None,
            text: format!("the file is larger than {} MiB", FILE_BYTES_MAX >> 20),
        }]);
    }
    let mut number = 0;
    for (first_line, chunk) in split(text) {
        if chunk.lines().all(is_blank) {
            continue;
        }
        number += 1;
        let origin = Origin {
            file: file.to_owned(),
            document: number,
            line: first_line,
        };
        match read(chunk, &origin) {
            Ok(resource) => objects.push(Object {
                origin: Origin {
                    line: first_line + content_line(chunk),
                    ..origin
                },
                resource,
            }),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(objects) } else { Err(errors) }
}

/// Cuts at lines that start with `---`: YAML forbids such a line inside a document, block texts included. Yields the line number of
/// each piece's first line; a piece keeps its marker.
fn split(text: &str) -> Vec<(usize, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut pieces = Vec::new();
    let (mut start, mut start_line, mut at) = (0, 1, 0);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if is_marker(line) && at > 0 {
            pieces.push((start_line, &text[start..at]));
            (start, start_line) = (at, index + 1);
        }
        at += line.len();
    }
    pieces.push((start_line, &text[start..]));
    pieces
}

fn is_marker(line: &str) -> bool {
    line.strip_prefix("---")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn is_blank(line: &str) -> bool {
    let line = if is_marker(line) { &line[3..] } else { line };
    let line = line.trim();
    line.is_empty() || line.starts_with(['#', '%']) || line == "..."
}

/// How many lines of the piece come before its content.
fn content_line(chunk: &str) -> usize {
    chunk.lines().take_while(|line| is_blank(line)).count()
}

/// What has to be known before the rest can be understood.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    api_version: Option<String>,
    kind: Option<String>,
}

fn read(chunk: &str, origin: &Origin) -> Result<Resource, Error> {
    let header: Header = parse(chunk, origin, None)?;
    let here = Origin {
        line: origin.line + content_line(chunk),
        ..origin.clone()
    };
    let kind = known_kind(&header).map_err(|text| Error {
        origin: here,
        kind: None,
        text,
    })?;
    Ok(match kind {
        "BusinessAccount" => Resource::BusinessAccount(parse(chunk, origin, Some(kind))?),
        "BusinessPhoneNumber" => Resource::BusinessPhoneNumber(parse(chunk, origin, Some(kind))?),
        "DataRegion" => Resource::DataRegion(parse(chunk, origin, Some(kind))?),
        "RetentionPolicy" => Resource::RetentionPolicy(parse(chunk, origin, Some(kind))?),
        _ => Resource::Secret(parse(chunk, origin, Some(kind))?),
    })
}

fn known_kind(header: &Header) -> Result<&'static str, String> {
    let Some(kind) = header.kind.as_deref() else {
        return Err(format!("`kind` is missing; allowed: {}", names(KINDS.iter().map(|known| known.0))));
    };
    let Some(&(known, api_version)) = KINDS.iter().find(|known| known.0 == kind) else {
        let guess = nearest(kind, KINDS.iter().map(|known| known.0));
        return Err(format!(
            "`kind` is {}{guess}; allowed: {}",
            quote(kind),
            names(KINDS.iter().map(|known| known.0))
        ));
    };
    match header.api_version.as_deref() {
        Some(version) if version == api_version => Ok(known),
        Some(version) => Err(format!("`apiVersion` of a {known} must be '{api_version}', not {}", quote(version))),
        None => Err(format!("`apiVersion` is missing; for a {known} it is '{api_version}'")),
    }
}

pub(crate) fn parse<T: DeserializeOwned>(chunk: &str, origin: &Origin, kind: Option<&'static str>) -> Result<T, Error> {
    let options = serde_saphyr::options! {
        // Texts that look like numbers must be quoted, as for kubectl; snippets would show secrets.
        no_schema: true,
        strict_booleans: true,
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(chunk, options).map_err(|error| {
        let line = error
            .location()
            .and_then(|location| usize::try_from(location.line()).ok())
            .filter(|&line| line > 0)
            .unwrap_or(1);
        Error {
            origin: Origin {
                line: origin.line + line - 1,
                ..origin.clone()
            },
            kind,
            text: explain(&error, kind),
        }
    })
}

/// The reader's error in plain words.
fn explain(error: &serde_saphyr::Error, kind: Option<&str>) -> String {
    use serde_saphyr::Error as E;
    // Inside a Secret, or where the kind is unknown and it may be one, nothing of the value may be repeated.
    let open = kind.is_some_and(|kind| kind != "Secret");
    match error {
        E::SerdeUnknownField { field, expected, .. } => {
            let known: Vec<&str> = expected.iter().copied().filter(|name| !API_SERVERS.contains(name)).collect();
            let guess = nearest(field, known.iter().copied());
            format!(
                "unknown field `{}`{guess}; allowed here: {}",
                printable(field),
                names(known.iter().copied())
            )
        }
        E::SerdeMissingField { field, .. } => format!("the field `{field}` is missing"),
        E::SerdeUnknownVariant { variant, expected, .. } if open => {
            let guess = nearest(variant, expected.iter().copied());
            format!(
                "{} is not a value that exists here{guess}; allowed: {}",
                quote(variant),
                names(expected.iter().copied())
            )
        }
        E::SerdeInvalidType { unexpected, expected, .. } | E::SerdeInvalidValue { unexpected, expected, .. } if open => {
            format!("expected {}, found {}", plain(expected), printable(unexpected))
        }
        E::DuplicateMappingKey { key: Some(key), .. } => format!("the field `{}` is there twice", printable(key)),
        E::QuotingRequired { .. } => {
            "a text that looks like a number or a boolean must be in quotes, for example \"+15550100\" or \"123456\"".to_owned()
        }
        E::NullIntoString { .. } => "a text is missing here".to_owned(),
        E::InvalidScalar { ty, .. } => format!("expected {}", plain(ty)),
        E::Unexpected { expected, .. } => format!("expected {expected}"),
        E::MultipleDocuments { .. } => "something follows the end of the document; put `---` between documents".to_owned(),
        E::Eof { .. } => "the document ends too early".to_owned(),
        E::AliasError { error, .. } => explain(error, kind),
        _ if open => error.render_with_formatter(&serde_saphyr::UserMessageFormatter),
        _ => "not valid YAML for this kind; every value in `data` and `stringData` must be a text".to_owned(),
    }
}

/// Fields that are accepted, and that nobody should write.
const API_SERVERS: [&str; 8] = [
    "uid",
    "resourceVersion",
    "generation",
    "finalizers",
    "ownerReferences",
    "managedFields",
    "creationTimestamp",
    "status",
];

fn plain(expected: &str) -> String {
    match expected {
        "i32" => "a whole number".to_owned(),
        "bool" | "boolean" => "true or false".to_owned(),
        other if other.starts_with("struct ") => "a mapping of fields".to_owned(),
        other => other.to_owned(),
    }
}

/// `, did you mean X?` when something is near.
fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    if word.len() > 64 {
        return String::new();
    }
    let lower = word.to_lowercase();
    known
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|&(distance, name)| distance <= 2.max(name.len() / 3))
        .min()
        .map(|(_, name)| format!(", did you mean `{name}`?"))
        .unwrap_or_default()
}

fn names<'a>(known: impl Iterator<Item = &'a str>) -> String {
    known.collect::<Vec<_>>().join(", ")
}

fn quote(text: &str) -> String {
    format!("'{}'", printable(text))
}

/// Bounded and without control characters, for a terminal.
pub(crate) fn printable(text: &str) -> String {
    let mut short: String = text.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect();
    if short.len() < text.len() && text.chars().count() > 80 {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
