//! Passing a request on to the pod that owns the number.
//!
//! May touch: the owner's API port. Must not: send a request twice that may have been carried out, or look into one.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use serde::{Deserialize, Serialize};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::dial::{Dial, Siblings};
use crate::api::{self, Request, Response, tls::Certificate};

/// Marks what pods say to each other: on a request, that it was passed on once and must not be again; on an answer, that nothing was done.
pub const HOP: HeaderName = HeaderName::from_static("waxseal-hop");
/// What pods ask each other: who are you, and do you wait for the number? Also tells them to look who owns it.
pub const ASK: &str = "/waxseal/ownership";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// An owner holds a request for a while when it is being reloaded.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
const ASK_TIMEOUT: Duration = Duration::from_secs(1);
const IDLE_TIMEOUT: Duration = Duration::from_secs(20);
const MOST_ANSWER_BYTES: usize = 4 << 20;
/// How long the whole of a file may take; the owner is less patient.
const STREAM_TIMEOUT: Duration = Duration::from_secs(31 * 60);
/// How long nothing of a file may come from the owner.
const STREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// The body of a request to another pod.
type Passed = UnsyncBoxBody<Bytes, hyper::Error>;

/// A request whose body has been read.
pub struct Whole {
    /// Everything but the body.
    pub parts: http::request::Parts,
    /// The body.
    pub body: Bytes,
}

/// What became of a request.
pub enum Forwarded {
    /// Answered.
    Answered(Box<Response>),
    /// Nothing was done: it may be sent again, elsewhere.
    NotDone,
    /// It may have been carried out.
    InDoubt,
}

/// What a pod says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct Presence {
    /// The process, hex.
    pub instance: String,
    /// Whether it would take the number over.
    pub waits: bool,
}

/// Keeps connections to the owner.
pub struct Forwarder {
    client: Client<Dial, Passed>,
    siblings: Arc<Siblings>,
}

impl Default for Forwarder {
    fn default() -> Self {
        let siblings = Arc::new(Siblings::default());
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build(Dial::new(CONNECT_TIMEOUT, Arc::clone(&siblings)));
        Self { client, siblings }
    }
}

impl Forwarder {
    /// From now on other pods are reached over TLS, and have to show this certificate; over plain HTTP without one.
    pub fn set_certificate(&self, certificate: Option<&Certificate>) {
        self.siblings.set(certificate);
    }

    /// Passes a request on. The answer to one for a file comes as a stream, which holds `stream`'s place in the meantime.
    pub async fn forward(&self, to: SocketAddr, request: &Whole, stream: Option<OwnedSemaphorePermit>) -> Forwarded {
        let Ok(outgoing) = outgoing(to, &request.parts, whole(request.body.clone())) else {
            return Forwarded::NotDone;
        };
        let exchange = async {
            let (mut parts, body) = match self.exchange(outgoing).await {
                Ok(answer) => answer.into_parts(),
                Err(not_answered) => return not_answered,
            };
            if let Some(place) = stream {
                end_to_end(&mut parts.headers);
                let mut answer = Response::new(streamed(body, place));
                (*answer.status_mut(), *answer.headers_mut()) = (parts.status, parts.headers);
                return Forwarded::Answered(Box::new(answer));
            }
            collected(&request.parts.method, parts, body).await
        };
        timeout(ANSWER_TIMEOUT, exchange).await.unwrap_or(Forwarded::InDoubt)
    }

    /// Passes a request on as its body comes; it cannot be sent again.
    pub async fn stream(&self, to: SocketAddr, request: Request) -> Forwarded {
        let (parts, body) = request.into_parts();
        let Ok(outgoing) = outgoing(to, &parts, body.boxed_unsync()) else {
            return Forwarded::NotDone;
        };
        let exchange = async {
            match self.exchange(outgoing).await {
                Ok(answer) => {
                    let (answer, body) = answer.into_parts();
                    collected(&parts.method, answer, body).await
                }
                Err(not_answered) => not_answered,
            }
        };
        timeout(STREAM_TIMEOUT, exchange).await.unwrap_or(Forwarded::InDoubt)
    }

    /// The other pod's answer, unless it turns the request away.
    async fn exchange(&self, outgoing: http::Request<Passed>) -> Result<http::Response<Incoming>, Forwarded> {
        let answer = self.client.request(outgoing).await.map_err(|error| match was_never_sent(&error) {
            true => Forwarded::NotDone,
            false => Forwarded::InDoubt,
        })?;
        match answer.status() == StatusCode::MISDIRECTED_REQUEST && answer.headers().contains_key(HOP) {
            true => Err(Forwarded::NotDone),
            false => Ok(answer),
        }
    }

    /// Asks a pod who it is, and has it look who owns the number.
    pub async fn ask(&self, whom: SocketAddr) -> Option<Presence> {
        let request = http::Request::get(format!("http://{whom}{ASK}"))
            .header(HOP, "1")
            .body(whole(Bytes::new()))
            .ok()?;
        let exchange = async {
            let answer = self.client.request(request).await.ok()?;
            let body = Limited::new(answer.into_body(), 4096).collect().await.ok()?;
            serde_json::from_slice(&body.to_bytes()).ok()
        };
        timeout(ASK_TIMEOUT, exchange).await.ok()?
    }
}

/// An answer to a request of this method, once it is here whole.
async fn collected(method: &Method, mut parts: http::response::Parts, body: Incoming) -> Forwarded {
    let Ok(body) = Limited::new(body, MOST_ANSWER_BYTES).collect().await else {
        return Forwarded::InDoubt;
    };
    // The length is that of the body, except where the body is left out.
    let length = parts.headers.remove(header::CONTENT_LENGTH);
    end_to_end(&mut parts.headers);
    if let (&Method::HEAD, Some(length)) = (method, length) {
        parts.headers.insert(header::CONTENT_LENGTH, length);
    }
    let mut answer = Response::new(body.to_bytes().into());
    (*answer.status_mut(), *answer.headers_mut()) = (parts.status, parts.headers);
    Forwarded::Answered(Box::new(answer))
}

/// A body that is here.
fn whole(body: Bytes) -> Passed {
    Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// A file on its way from the owner. What breaks off there breaks off here.
fn streamed(body: Incoming, place: OwnedSemaphorePermit) -> api::Body {
    let frames = futures_util::stream::try_unfold((body, place), |(mut body, place)| async move {
        match timeout(STREAM_IDLE_TIMEOUT, body.frame()).await {
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
            Ok(None) => Ok(None),
            Ok(Some(Err(error))) => Err(io::Error::other(error)),
            Ok(Some(Ok(frame))) => Ok(Some((frame, (body, place)))),
        }
    });
    api::Body::stream(StreamBody::new(frames))
}

fn outgoing(to: SocketAddr, parts: &http::request::Parts, body: Passed) -> Result<http::Request<Passed>, http::Error> {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let uri = Uri::builder()
        .scheme("http")
        .authority(to.to_string())
        .path_and_query(path)
        .build()?;
    let mut outgoing = http::Request::new(body);
    *outgoing.method_mut() = parts.method.clone();
    *outgoing.uri_mut() = uri;
    let headers = outgoing.headers_mut();
    headers.clone_from(&parts.headers);
    // The body knows its own.
    headers.remove(header::CONTENT_LENGTH);
    // The body is here already.
    headers.remove(header::EXPECT);
    end_to_end(headers);
    headers.insert(HOP, HeaderValue::from_static("1"));
    Ok(outgoing)
}

/// Leaves out what is said between neighbours only (RFC 9110, 7.6.1).
fn end_to_end(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let between_neighbours = [
        header::CONNECTION,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ];
    for name in named.iter().chain(&between_neighbours) {
        headers.remove(name);
    }
}

/// Whether not a byte of the request can have reached the owner.
fn was_never_sent(error: &hyper_util::client::legacy::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_canceled) {
            return true;
        }
        cause = error.source();
    }
    error.is_connect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_neighbours_stays_there() {
        let request = http::Request::post("http://api.example/v23.0/1/messages?a=b")
            .header("host", "api.example")
            .header("authorization", "Bearer t")
            .header("idempotency-key", "k")
            .header("content-length", "3")
            .header("connection", "close, X-Private")
            .header("x-private", "p")
            .header("keep-alive", "5")
            .header("transfer-encoding", "chunked")
            .header("expect", "100-continue")
            .body(())
            .unwrap();
        let parts = request.into_parts().0;
        let outgoing = outgoing(SocketAddr::from(([10, 0, 0, 1], 8080)), &parts, whole(Bytes::from_static(b"{}"))).unwrap();
        assert_eq!(outgoing.uri().to_string(), "http://10.0.0.1:8080/v23.0/1/messages?a=b");
        let mut names: Vec<&str> = outgoing.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["authorization", "host", "idempotency-key", "waxseal-hop"]);
    }
}
