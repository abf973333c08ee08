//! Keeps a number's keys in a Kubernetes Secret, under the entry `keys`.
//!
//! The Secret exists already: the operator creates it, empty, and can neither read nor change it; this process may read and replace it and
//! nothing else. An absent or empty entry means that nothing is kept.
//!
//! Replacing is optimistic: it names the version that was read or written last. When the API server reports a conflict, or when it is not
//! known whether a write happened (no answer in time, a future that was dropped), the Secret is read again before anything else is written,
//! and what is there is compared with what was there and with what this keeper tried to write. Either of the two: go on from there. Anything
//! else: another process has written it, and this keeper never writes again ([`Error::Displaced`]).
//!
//! What comes and goes is handled as bytes here instead of through kube's typed API, which logs a body that it cannot read, and types that
//! can be printed. Our own copies are wiped; those in the buffers of HTTP and TLS are not.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::future::BoxFuture;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{Cause, Error, Keeper};

/// How long one call may take.
const CALL: Duration = Duration::from_secs(5);
/// The entry of the Secret.
const ENTRY: &str = "keys";
/// Whose change it is.
const MANAGER: &str = "waxseal-sidecar";
/// A Secret has at most 1 MiB, base64 makes it a third more, the rest is metadata.
const MOST_BYTES: usize = 2 << 20;
/// Others that change labels may get in between, but not for ever.
const MOST_CONFLICTS: usize = 5;
/// Writes whose outcome is not known. Older ones are long over: each was given up after [`CALL`].
const MOST_ATTEMPTS: usize = 32;

/// How the API server is reached from inside a pod: with its ServiceAccount, without tries of kube's own, and with deadlines.
///
/// # Errors
/// When this is no pod, or its ServiceAccount token is not mounted.
pub fn client() -> Result<kube::Client, Cause> {
    let mut config = kube::Config::incluster()?;
    // It would try for minutes inside one call. Whoever calls here tries again by itself.
    config.default_retry = false;
    config.connect_timeout = Some(CALL);
    config.read_timeout = Some(2 * CALL);
    config.write_timeout = Some(CALL);
    config.reset_reader_on_write = true;
    Ok(kube::Client::try_from(config)?)
}

/// Why a call to the API server came to nothing.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the API server cannot be reached: {0}")]
    Unreachable(String),
    #[error("the API server did not answer within {} s", CALL.as_secs())]
    Timeout,
    #[error("the API server does not allow it (status {0}): the sidecar's Role must allow get and update of this Secret")]
    Forbidden(u16),
    #[error("the API server answered with status {0}")]
    Refused(u16),
    #[error("the API server's answer cannot be understood")]
    Answer,
    #[error("others change it all the time")]
    Contended,
}

/// Text that is wiped.
struct Wiped(Zeroizing<String>);

impl<'de> Deserialize<'de> for Wiped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

/// A Secret, as far as it matters here. What is not named here is not written back: the API server keeps or defaults it. No `Debug`.
#[derive(Deserialize)]
struct Object {
    metadata: serde_json::Map<String, serde_json::Value>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    data: BTreeMap<String, Wiped>,
}

fn null_is_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Wiped>, D::Error> {
    Option::<BTreeMap<String, Wiped>>::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Object {
    fn version(&self) -> Option<&str> {
        self.metadata.get("resourceVersion").and_then(|version| version.as_str())
    }

    /// Takes the record out.
    fn take_record(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let entry = self.data.remove(ENTRY).filter(|entry| !entry.0.is_empty());
        let decoded = entry.map(|entry| STANDARD.decode(entry.0.as_bytes()).map(Zeroizing::new));
        decoded.transpose().map_err(|_| Failure::Answer)
    }
}

type Fingerprint = [u8; 32];

fn fingerprint(record: &[u8]) -> Fingerprint {
    Sha256::digest(record).into()
}

/// The Secret as it was last read or written, without the record.
struct Seen {
    object: Object,
    /// What the record was; `None`: nothing is kept.
    kept: Option<Fingerprint>,
}

/// Keeps a number's keys in a Secret.
pub struct SecretKeeper {
    client: kube::Client,
    namespace: String,
    name: String,
    seen: Option<Seen>,
    /// Whether the Secret may be another than the one seen.
    in_doubt: bool,
    /// What was written in the place of `seen` and may have been kept.
    attempts: Vec<Fingerprint>,
    displaced: bool,
}

/// What became of a write that was answered.
enum Written {
    Kept(Box<Object>),
    Conflict,
    Missing,
}

impl SecretKeeper {
    /// The keeper of the Secret with this name.
    pub fn new(client: kube::Client, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            client,
            namespace: namespace.into(),
            name: name.into(),
            seen: None,
            in_doubt: true,
            attempts: Vec::new(),
            displaced: false,
        }
    }

    async fn load(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        let (object, record) = self.read().await?;
        let kept = record.as_deref().map(|record| fingerprint(record));
        self.saw(object, kept);
        self.displaced = false;
        Ok(record)
    }

    async fn save(&mut self, record: &[u8]) -> Result<(), Error> {
        let wanted = fingerprint(record);
        for _ in 0..MOST_CONFLICTS {
            if self.displaced {
                return Err(Error::Displaced(self.place()));
            }
            if self.in_doubt {
                self.look_again().await?;
            }
            let Some(seen) = &self.seen else { break };
            if seen.kept == Some(wanted) {
                return Ok(());
            }
            let body = body(&seen.object, Some(record)).map_err(|failure| self.unwritten(failure))?;
            // Before the first byte leaves: from here on nobody knows, until there is an answer.
            self.in_doubt = true;
            if !self.attempts.contains(&wanted) {
                if self.attempts.len() == MOST_ATTEMPTS {
                    self.attempts.remove(0);
                }
                self.attempts.push(wanted);
            }
            match self.write(body).await? {
                Written::Kept(object) => {
                    self.saw(*object, Some(wanted));
                    return Ok(());
                }
                Written::Conflict => {}
                Written::Missing => return Err(self.missing()),
            }
        }
        Err(self.unwritten(Failure::Contended))
    }

    async fn destroy(&mut self) -> Result<(), Error> {
        for _ in 0..MOST_CONFLICTS {
            let object = match self.read().await {
                Ok((object, Some(_))) => object,
                Ok((_, None)) | Err(Error::Missing { .. }) => return Ok(()),
                Err(error) => return Err(error),
            };
            let body = body(&object, None).map_err(|failure| self.unwritten(failure))?;
            self.in_doubt = true;
            match self.write(body).await? {
                Written::Kept(_) | Written::Missing => return Ok(()),
                Written::Conflict => {}
            }
        }
        Err(self.unwritten(Failure::Contended))
    }

    /// Finds out what became of the last write.
    async fn look_again(&mut self) -> Result<(), Error> {
        let (object, record) = self.read().await?;
        let kept = record.as_deref().map(|record| fingerprint(record));
        let before = self.seen.as_ref().and_then(|seen| seen.kept);
        if kept != before && !kept.is_some_and(|kept| self.attempts.contains(&kept)) {
            self.displaced = true;
            return Err(Error::Displaced(self.place()));
        }
        self.saw(object, kept);
        Ok(())
    }

    fn saw(&mut self, object: Object, kept: Option<Fingerprint>) {
        // Writes that name an older version will be refused, whenever they arrive.
        if self.seen.as_ref().and_then(|seen| seen.object.version()) != object.version() {
            self.attempts.clear();
        }
        self.seen = Some(Seen { object, kept });
        self.in_doubt = false;
    }

    async fn read(&self) -> Result<(Object, Option<Zeroizing<Vec<u8>>>), Error> {
        let unread = |failure: Failure| Error::Read {
            place: self.place(),
            source: failure.into(),
        };
        let (status, answer) = self.call(Method::GET, Body::empty()).await.map_err(unread)?;
        match status {
            StatusCode::OK => {
                let mut object = object(&answer).map_err(unread)?;
                let record = object.take_record().map_err(unread)?;
                Ok((object, record))
            }
            StatusCode::NOT_FOUND => Err(self.missing()),
            status => Err(unread(refused(status))),
        }
    }

    async fn write(&self, body: Vec<u8>) -> Result<Written, Error> {
        let (status, answer) = self
            .call(Method::PUT, Body::from(body))
            .await
            .map_err(|failure| self.unwritten(failure))?;
        match status {
            StatusCode::OK => {
                let mut object = object(&answer).map_err(|failure| self.unwritten(failure))?;
                object.data.remove(ENTRY);
                Ok(Written::Kept(Box::new(object)))
            }
            StatusCode::CONFLICT => Ok(Written::Conflict),
            StatusCode::NOT_FOUND => Ok(Written::Missing),
            status => Err(self.unwritten(refused(status))),
        }
    }

    async fn call(&self, method: Method, body: Body) -> Result<(StatusCode, Zeroizing<Vec<u8>>), Failure> {
        let path = format!("/api/v1/namespaces/{}/secrets/{}?fieldManager={MANAGER}", self.namespace, self.name);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::ACCEPT, "application/json")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|_| Failure::Unreachable("the Secret's name is malformed".to_owned()))?;
        let exchange = async {
            let answer = self
                .client
                .send(request)
                .await
                .map_err(|error| Failure::Unreachable(chain(&error)))?;
            let status = answer.status();
            let length = answer.headers().get(http::header::CONTENT_LENGTH);
            let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
            // Growing by itself, a vector would leave copies behind.
            let mut bytes = Zeroizing::new(Vec::with_capacity(length.unwrap_or(MOST_BYTES).min(MOST_BYTES)));
            let mut body = Limited::new(answer.into_body(), MOST_BYTES);
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| Failure::Unreachable(chain(error.as_ref())))?;
                if let Some(data) = frame.data_ref() {
                    bytes.extend_from_slice(data);
                }
            }
            Ok((status, bytes))
        };
        tokio::time::timeout(CALL, exchange).await.unwrap_or(Err(Failure::Timeout))
    }

    fn missing(&self) -> Error {
        Error::Missing {
            place: self.place(),
            remedy: "the operator creates it for the number; without an operator create it empty",
        }
    }

    fn unwritten(&self, failure: Failure) -> Error {
        Error::Write {
            place: self.place(),
            source: failure.into(),
        }
    }
}

impl Keeper for SecretKeeper {
    fn load(&mut self) -> BoxFuture<'_, Result<Option<Zeroizing<Vec<u8>>>, Error>> {
        Box::pin(self.load())
    }

    fn save<'a>(&'a mut self, record: &'a [u8]) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(self.save(record))
    }

    fn destroy(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.destroy())
    }

    fn place(&self) -> String {
        format!("the Secret {}/{}", self.namespace, self.name)
    }
}

fn refused(status: StatusCode) -> Failure {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::Forbidden(status.as_u16()),
        status => Failure::Refused(status.as_u16()),
    }
}

fn object(answer: &[u8]) -> Result<Object, Failure> {
    let mut object: Object = serde_json::from_slice(answer).map_err(|_| Failure::Answer)?;
    // Long, and not ours to write.
    object.metadata.remove("managedFields");
    Ok(object)
}

/// The Secret with this record, or with nothing.
fn body(object: &Object, record: Option<&[u8]>) -> Result<Vec<u8>, Failure> {
    #[derive(Serialize)]
    struct Replacement<'a> {
        #[serde(rename = "apiVersion")]
        api_version: &'static str,
        kind: &'static str,
        metadata: &'a serde_json::Map<String, serde_json::Value>,
        #[serde(rename = "type")]
        type_: &'a str,
        data: BTreeMap<&'a str, &'a str>,
    }
    let entry = Zeroizing::new(STANDARD.encode(record.unwrap_or_default()));
    let others = object.data.iter().map(|(name, value)| (name.as_str(), value.0.as_str()));
    let replacement = Replacement {
        api_version: "v1",
        kind: "Secret",
        metadata: &object.metadata,
        type_: &object.kind,
        data: others.chain([(ENTRY, entry.as_str())]).collect(),
    };
    serde_json::to_vec(&replacement).map_err(|_| Failure::Answer)
}

/// An error with its causes; those of connections name addresses and reasons, never what was sent.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
