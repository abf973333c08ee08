//! Fetching a file from a link.
//!
//! May touch: addresses that [`crate::egress`] lets through. Must not: log a link or repeat it in an error, follow a redirect, or take more
//! or longer than the bounds.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::header;
use reqwest::Client;
use tokio::time::timeout;

use crate::{
    config::Egress,
    egress::{self, Resolver},
    file::{LinkFailure, Refusal},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// What a link gave.
pub(super) struct Fetched {
    /// Its media type, as the server says.
    pub(super) mime_type: Option<String>,
    /// The file.
    pub(super) body: reqwest::Response,
}

/// Fetches files from links.
pub(super) struct Fetcher {
    client: Client,
    rules: Egress,
}

impl Fetcher {
    /// # Errors
    /// When the system has no certificate store.
    pub(super) fn new(rules: &Egress) -> Result<Self, reqwest::Error> {
        Self::with(Resolver::system(rules), rules)
    }

    pub(super) fn with(resolver: Resolver, rules: &Egress) -> Result<Self, reqwest::Error> {
        let client = egress::client(resolver)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(Self {
            client,
            rules: rules.clone(),
        })
    }

    /// Asks for the file; its bytes are still to come.
    ///
    /// # Errors
    /// [`LinkFailure`].
    pub(super) async fn begin(&self, link: &str) -> Result<Fetched, LinkFailure> {
        let url = egress::check(link, &self.rules).map_err(LinkFailure::Refused)?;
        let request = self.client.get(url).header(header::ACCEPT, "*/*").send();
        let answer = match timeout(HEAD_TIMEOUT, request).await {
            Err(_) => return Err(LinkFailure::Timeout),
            Ok(Err(error)) => {
                return Err(match egress::refused(&error) {
                    Some(refused) => LinkFailure::Refused(refused),
                    None if error.is_timeout() => LinkFailure::Timeout,
                    None if error.is_connect() => LinkFailure::Connect,
                    None => LinkFailure::Broken,
                });
            }
            Ok(Ok(answer)) => answer,
        };
        egress::check_peer(answer.remote_addr(), &self.rules).map_err(LinkFailure::Refused)?;
        if answer.status() != http::StatusCode::OK {
            return Err(LinkFailure::Status(answer.status().as_u16()));
        }
        let encoding = answer.headers().get(header::CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            return Err(LinkFailure::Encoded);
        }
        let kind = answer.headers().get(header::CONTENT_TYPE);
        let mime_type = kind.and_then(|kind| kind.to_str().ok()).map(str::to_owned);
        Ok(Fetched { mime_type, body: answer })
    }
}

impl Fetched {
    /// How long the file is, if the server says so.
    pub(super) fn size_bytes(&self) -> Option<u64> {
        self.body.content_length()
    }

    /// The file, as it comes.
    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Bytes, Refusal>> + Send {
        let parts = futures_util::stream::try_unfold(self.body, |mut body| async move {
            match body.chunk().await {
                Ok(Some(part)) => Ok(Some((part, body))),
                Ok(None) => Ok(None),
                Err(_) => Err(Refusal::Link(LinkFailure::Broken)),
            }
        });
        parts.boxed()
    }
}

#[cfg(test)]
mod tests;
