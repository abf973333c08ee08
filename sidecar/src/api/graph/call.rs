//! One request, as the areas see it.
//!
//! Purpose: path, query and headers, and the body once, in the form an area wants it: arguments (JSON, form or query alike, as clients write
//! them), or the raw stream.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header};
use http_body_util::{BodyExt as _, Empty, combinators::UnsyncBoxBody};
use serde_json::{Map, Value};

use super::{
    super::{GraphError, parameters},
    arguments::Arguments,
};

/// The body of a request while nobody has read it. An error says that it broke off.
pub(in crate::api) type Unread = UnsyncBoxBody<Bytes, BrokenOff>;

/// A body ended before its end.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the body broke off")]
pub(in crate::api) struct BrokenOff;

/// One request.
pub(in crate::api) struct Call<'a> {
    /// Its method.
    pub(in crate::api) method: &'a Method,
    /// Its headers.
    pub(in crate::api) headers: &'a HeaderMap,
    /// Its address.
    pub(in crate::api) uri: &'a Uri,
    /// What follows the node's id in the path.
    pub(in crate::api) path: Vec<&'a str>,
    /// The decoded query.
    pub(in crate::api) query: Vec<(String, String)>,
    /// Whether it came over TLS.
    pub(in crate::api) is_secured: bool,
    pub(in crate::api) body: Option<Unread>,
    /// The body once it was read for its arguments: several areas may look at them.
    pub(in crate::api) read: Option<Bytes>,
    pub(in crate::api) body_bytes: usize,
    pub(in crate::api) body_time: Duration,
}

impl<'a> Call<'a> {
    /// A request without a body.
    #[cfg(test)]
    pub(super) fn for_tests(method: &'a Method, headers: &'a HeaderMap, uri: &'a Uri, query: Vec<(String, String)>) -> Self {
        Self {
            method,
            headers,
            uri,
            path: Vec::new(),
            query,
            is_secured: false,
            body: None,
            read: None,
            body_bytes: 0,
            body_time: Duration::ZERO,
        }
    }

    /// The first word after the node's id.
    pub(in crate::api) fn edge(&self) -> Option<&'a str> {
        self.path.first().copied()
    }

    /// What follows the edge.
    pub(in crate::api) fn rest(&self) -> &[&'a str] {
        self.path.get(1..).unwrap_or_default()
    }

    /// A member of the query; the first of several.
    pub(in crate::api) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find_map(|(key, value)| (key == name).then_some(value.as_str()))
    }

    /// Where this port is reached, without a slash at the end: as configured, or else as this request reached it.
    pub(in crate::api) fn base(&self, configured: Option<&str>) -> String {
        if let Some(configured) = configured {
            return configured.to_owned();
        }
        let is_host = |host: &&str| {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']' | b'_'))
        };
        let host = self.header(&header::HOST).filter(is_host).unwrap_or("localhost");
        format!("{}://{host}", if self.is_secured { "https" } else { "http" })
    }

    /// A header, if it is text.
    pub(in crate::api) fn header(&self, name: &header::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as it comes; empty when it was taken before.
    pub(in crate::api) fn take_body(&mut self) -> Unread {
        self.body
            .take()
            .unwrap_or_else(|| Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync())
    }

    /// What the request says, wherever its client wrote it: a JSON object or a form in the body, and whatever of the query the body does not
    /// say. Parameters of every call (`access_token` and the like) and `fields` are no arguments.
    ///
    /// # Errors
    /// HTTP 413, 408 or 400 when there is no such body.
    pub(in crate::api) async fn arguments(&mut self) -> Result<Arguments, GraphError> {
        let body = match self.read.take() {
            Some(body) => body,
            None => super::super::body::read(self.take_body(), self.body_bytes, self.body_time).await?,
        };
        self.read = Some(body.clone());
        let mut members = self.members(&body)?;
        members.retain(|name, _| !parameters::is_of_every_call(name));
        for (name, value) in &self.query {
            if !(name == "fields" || parameters::is_of_every_call(name) || members.contains_key(name)) {
                members.insert(name.clone(), Value::String(value.clone()));
            }
        }
        Ok(Arguments::new(members))
    }

    fn members(&self, body: &[u8]) -> Result<Map<String, Value>, GraphError> {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        if body.trim_ascii().is_empty() {
            return Ok(Map::new());
        }
        if parameters::is_form(self.headers) && !body.trim_ascii_start().starts_with(b"{") {
            let said = parameters::of_form(body).map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())));
            return Ok(said.collect());
        }
        // The reader's own words may repeat the request.
        match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err(GraphError::invalid("The request body must be a JSON object.")),
            Err(error) => Err(GraphError::invalid(format!(
                "The request body is not valid JSON in UTF-8 (line {}, column {}).",
                error.line(),
                error.column()
            ))),
        }
    }
}
