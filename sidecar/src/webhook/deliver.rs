//! One attempt at delivery.
//!
//! Purpose: posts a body to the business's endpoint and says what became of it. Any 2xx acknowledges; redirects are not followed, proxies of
//! the environment not used, answers not kept. Must not: decide about retries, or log a body or the endpoint's address.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use reqwest::{Certificate, Client, Identity, Url, redirect};

pub use super::outcome::{Failure, Outcome};
use super::sign::{EventId, Signer};
use crate::{
    config::{Egress, Secret},
    egress::{self, Refused, Resolver},
};

const X_HUB_SIGNATURE_256: HeaderName = HeaderName::from_static("x-hub-signature-256");
const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// How much of an answer is read away, and for how long, so that its connection can serve again.
const DRAIN_BYTES: usize = 64 << 10;
const DRAIN_TIME: Duration = Duration::from_millis(500);

/// Why an endpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidEndpoint {
    /// No URL, or none of this kind. Does not repeat it.
    #[error("the webhook URL must be an http:// or https:// URL without user name and password")]
    Url,
    /// The HTTP client cannot be built, for example because the system has no certificate store.
    #[error("cannot set up the HTTP client for webhooks")]
    Client(#[source] reqwest::Error),
    /// A certificate or key for webhooks is not one. Does not repeat it.
    #[error("the client certificate or the authorities for webhooks are not PEM, or do not belong together")]
    Tls(#[source] reqwest::Error),
    /// It was given through the API, and leads where that may not lead.
    #[error("the webhook URL is refused: {0}")]
    Refused(Refused),
}

/// How an endpoint is reached.
#[derive(Clone, Default)]
pub struct Reach {
    /// How long an attempt may take.
    pub timeout: Duration,
    /// Certificates (PEM) of further authorities.
    pub ca: Option<Vec<u8>>,
    /// What is shown to an endpoint that asks for a client certificate, in PEM.
    pub identity: Option<Secret>,
    /// Where it may lead, if somebody else than the operator of this process says so.
    pub walls: Option<Egress>,
}

/// A business's endpoint, with its connections.
#[derive(Clone)]
pub struct Endpoint {
    url: Url,
    client: Client,
    signer: Signer,
    walls: Option<Egress>,
}

impl Endpoint {
    /// Prepares an endpoint of the operator's choice. Nothing is sent yet.
    ///
    /// # Errors
    /// [`InvalidEndpoint`].
    pub fn new(url: &str, app_secret: &str, timeout: Duration) -> Result<Self, InvalidEndpoint> {
        let reach = Reach {
            timeout,
            ..Reach::default()
        };
        Self::reached(url, app_secret, &reach)
    }

    /// Prepares an endpoint. Nothing is sent yet.
    ///
    /// # Errors
    /// [`InvalidEndpoint`].
    pub fn reached(url: &str, app_secret: &str, reach: &Reach) -> Result<Self, InvalidEndpoint> {
        if let Some(walls) = &reach.walls {
            egress::check(url, walls).map_err(InvalidEndpoint::Refused)?;
        }
        let mut url = Url::parse(url).map_err(|_| InvalidEndpoint::Url)?;
        let plain = url.username().is_empty() && url.password().is_none() && url.has_host();
        if !plain || !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidEndpoint::Url);
        }
        url.set_fragment(None);
        // The TLS library needs one provider for the process; whoever installed one first was as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = match &reach.walls {
            Some(walls) => egress::client(Resolver::system(walls)),
            None => Client::builder()
                .user_agent(concat!("waxseal/", env!("CARGO_PKG_VERSION")))
                .redirect(redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .no_proxy()
                .http1_only(),
        };
        let mut builder = builder
            .tcp_nodelay(true)
            .timeout(reach.timeout)
            .connect_timeout(reach.timeout)
            .pool_idle_timeout(Duration::from_secs(20));
        if let Some(ca) = &reach.ca {
            builder = builder.tls_certs_merge(Certificate::from_pem_bundle(ca).map_err(InvalidEndpoint::Tls)?);
        }
        if let Some(identity) = &reach.identity {
            builder = builder.identity(Identity::from_pem(identity.reveal().as_bytes()).map_err(InvalidEndpoint::Tls)?);
        }
        Ok(Self {
            url,
            client: builder.build().map_err(InvalidEndpoint::Client)?,
            signer: Signer::new(app_secret),
            walls: reach.walls.clone(),
        })
    }

    /// Posts one event. The same body and id at every attempt.
    pub async fn attempt(&self, event: EventId, body: Bytes, now: SystemTime) -> Outcome {
        let timestamp_s = seconds(now);
        let hub = self.signer.hub(&body);
        let standard = self.signer.standard(event, timestamp_s, &body);
        let request = self
            .client
            .post(self.url.clone())
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(X_HUB_SIGNATURE_256, hub)
            .header(WEBHOOK_ID, event.to_string())
            .header(WEBHOOK_TIMESTAMP, timestamp_s)
            .header(WEBHOOK_SIGNATURE, standard)
            .body(body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                return Outcome::Failed {
                    failure: failure(&error),
                    retry_after: None,
                };
            }
        };
        if self.is_walled_off(&response) {
            return Outcome::Failed {
                failure: Failure::Connect,
                retry_after: None,
            };
        }
        let status = response.status();
        let retry_after = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| retry_after(value, now));
        // What the answer's body says does not matter, nor whether all of it comes.
        let _ = tokio::time::timeout(DRAIN_TIME, read(response, DRAIN_BYTES)).await;
        if status.is_success() {
            return Outcome::Delivered;
        }
        Outcome::Failed {
            failure: Failure::Status(status.as_u16()),
            retry_after,
        }
    }

    /// A GET with these pairs added to the query: the status and at most `limit_bytes` of the answer.
    pub(super) async fn get(&self, query: &[(&str, &str)], limit_bytes: usize) -> Result<(u16, Vec<u8>), Failure> {
        let mut url = self.url.clone();
        url.query_pairs_mut().extend_pairs(query);
        let response = self.client.get(url).send().await.map_err(|error| failure(&error))?;
        if self.is_walled_off(&response) {
            return Err(Failure::Connect);
        }
        let status = response.status().as_u16();
        read(response, limit_bytes)
            .await
            .map(|body| (status, body))
            .map_err(|error| failure(&error))
    }
}

impl Endpoint {
    /// Whether somebody answered whom the endpoint may not lead to.
    fn is_walled_off(&self, response: &reqwest::Response) -> bool {
        let walls = self.walls.as_ref();
        walls.is_some_and(|walls| egress::check_peer(response.remote_addr(), walls).is_err())
    }
}

async fn read(mut response: reqwest::Response, limit_bytes: usize) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = limit_bytes - body.len();
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if body.len() >= limit_bytes {
            break;
        }
    }
    Ok(body)
}

fn failure(error: &reqwest::Error) -> Failure {
    if error.is_connect() {
        Failure::Connect
    } else if error.is_timeout() {
        Failure::Timeout
    } else {
        Failure::Broken
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Seconds or a date.
fn retry_after(value: &HeaderValue, now: SystemTime) -> Option<Duration> {
    let value = value.to_str().ok()?.trim();
    match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(value).ok()?.duration_since(now).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::line::FailureKind;

    #[test]
    fn urls_that_are_no_endpoints() {
        let time = Duration::from_secs(1);
        for url in [
            "",
            "example.com",
            "ftp://example.com/",
            "https://user@example.com/",
            "https://:pw@example.com/",
            "unix:/run/x",
            "file:///etc",
        ] {
            assert!(matches!(Endpoint::new(url, "s", time), Err(InvalidEndpoint::Url)), "{url}");
        }
        for url in ["http://127.0.0.1:8080/hook", "https://example.com/hook?a=b#c", "http://[::1]/"] {
            assert!(Endpoint::new(url, "s", time).is_ok(), "{url}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let read = |text: &'static str| retry_after(&HeaderValue::from_static(text), now).map(|time| time.as_secs());
        assert_eq!(read("120"), Some(120));
        assert_eq!(read("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(read("Sun, 06 Nov 1994 08:48:37 GMT"), None);
        assert_eq!(read("-1"), None);
        assert_eq!(read("soon"), None);
    }

    #[test]
    fn gateways_speak_for_the_endpoint() {
        for (failure, kind) in [
            (Failure::Connect, FailureKind::Unreachable),
            (Failure::Status(503), FailureKind::Unreachable),
            (Failure::Status(500), FailureKind::Rejected),
            (Failure::Status(302), FailureKind::Rejected),
            (Failure::Timeout, FailureKind::Rejected),
        ] {
            assert_eq!(failure.kind(), kind, "{failure}");
        }
    }
}
