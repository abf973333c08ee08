//! The HTTP port: Cloud API wire compatibility.
//!
//! Purpose: routes, authenticates and validates a request, hands it to the number's [`Engine`], and answers with the documented shapes; every
//! refusal is a Graph error object. Knows no ratchet, no store key and no lane.
//!
//! May touch: the API listener and the engines it is given. Must not: log or repeat in an error what a request said.
//!
//! Built on hyper rather than on a router with middleware: the send path is the hottest of the system and its paths are few.

mod answer;
mod auth;
mod body;
mod engine;
mod error;
pub(crate) mod fuzzing;
mod graph;
mod idempotency;
mod json;
mod limits;
mod node;
mod parameters;
mod recipient;
mod route;
mod send;
mod server;
mod shape;

pub mod admin;
pub mod openapi;
pub mod tls;

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as HttpBody, Incoming};

use self::{
    answer::{json, success},
    auth::{Everyone, Presented, Tokens},
    error::GraphError,
    graph::{Call, Target},
    route::Route,
    send::Command,
};
use crate::{
    limits::{
        Clock,
        calls::{Calls, Usage},
    },
    number::Number,
};

pub use self::{
    answer::{Body, Response},
    engine::Engine,
    server::{Handler, serve, serve_secured},
};

/// A request as it comes from a connection.
pub type Request = http::Request<Incoming>;

/// The version answered to requests that name none: the one whose reference this port follows.
const VERSION: &str = "v23.0";

const FACEBOOK_API_VERSION: HeaderName = HeaderName::from_static("facebook-api-version");

/// Bounds of the port.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The largest body of `POST /messages`.
    pub body_bytes: usize,
    /// The largest request line and headers.
    pub head_bytes: usize,
    /// How long a request's body may take.
    pub body: Duration,
    /// How long a request's head may take, and how long a kept-alive connection may idle.
    pub idle: Duration,
    /// How many connections are open at once. For one more, the one is ended that has waited the longest for a request; while all are in the
    /// middle of one, more wait in the kernel's queue.
    pub connections: usize,
    /// How long a connection may wait for a request, at least, also while others want its place.
    pub crowded: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            head_bytes: 64 << 10,
            body: Duration::from_secs(30),
            idle: Duration::from_secs(75),
            connections: 4096,
            crowded: Duration::from_secs(1),
        }
    }
}

/// One number to be served.
pub struct Served<E> {
    /// Takes what is asked of the number.
    pub engine: Arc<E>,
    tokens: Tokens,
}

/// What happened at the port since the start. Counts only.
#[derive(Default)]
pub struct Counters {
    /// Messages accepted.
    pub accepted: AtomicU64,
    /// Read marks taken.
    pub read: AtomicU64,
    /// Requests refused for what they said (HTTP 4xx).
    pub refused: AtomicU64,
    /// Requests that failed for what is wrong here (HTTP 5xx).
    pub failed: AtomicU64,
}

/// The port: numbers by their ids.
pub struct Api<E> {
    numbers: HashMap<Box<str>, Served<E>>,
    everyone: Everyone,
    source: Bytes,
    limits: Limits,
    calls: Calls,
    clock: Clock,
    /// What happened since the start.
    pub counters: Counters,
}

impl<E: Engine> Api<E> {
    /// A port that serves no number yet.
    #[must_use]
    pub fn new(source_url: &str, limits: Limits) -> Self {
        Self {
            numbers: HashMap::new(),
            everyone: Everyone::default(),
            source: graph::source(source_url).into(),
            limits,
            calls: Calls::default(),
            clock: Clock::system(),
            counters: Counters::default(),
        }
    }

    /// Adds a number under its id. Each of the tokens admits to it.
    #[must_use]
    pub fn with_number<'a>(mut self, phone_number_id: &str, engine: Arc<E>, tokens: impl IntoIterator<Item = &'a str>) -> Self {
        let tokens = Tokens::new(tokens);
        self.everyone.add(&tokens);
        self.numbers.insert(phone_number_id.into(), Served { engine, tokens });
        self
    }

    /// Answers one request, whatever it says.
    pub async fn answer<B: HttpBody<Data = Bytes> + Send + Unpin + 'static>(&self, request: http::Request<B>) -> Response {
        let (mut parts, body) = request.into_parts();
        let answered = if parts.headers.contains_key(header::AUTHORIZATION) {
            self.dispatch(&parts, body).await
        } else {
            self.dispatch_parameters(&mut parts, body).await
        };
        let response = match answered {
            Ok(response) => response,
            Err(error) => {
                let counter = if error.status.is_server_error() {
                    &self.counters.failed
                } else {
                    &self.counters.refused
                };
                counter.fetch_add(1, Relaxed);
                error.into_response()
            }
        };
        versioned(response, route::parse(parts.uri.path()).0)
    }

    /// A request without a token in its head: it may be a parameter.
    async fn dispatch_parameters<B: HttpBody<Data = Bytes> + Send + Unpin + 'static>(
        &self,
        parts: &mut http::request::Parts,
        body: B,
    ) -> Result<Response, GraphError> {
        parameters::take_token(&mut parts.headers, &parts.uri, None);
        if parts.headers.contains_key(header::AUTHORIZATION) || !parameters::is_form(&parts.headers) {
            return self.dispatch(parts, body).await;
        }
        let limit_bytes = self.limits.body_bytes.min(parameters::STRANGERS_BYTES);
        let form = body::read(body, limit_bytes, self.limits.body).await?;
        parameters::take_token(&mut parts.headers, &parts.uri, Some(&form));
        self.dispatch(parts, Full::new(form)).await
    }

    async fn dispatch<B: HttpBody<Data = Bytes> + Send + Unpin + 'static>(
        &self,
        parts: &http::request::Parts,
        body: B,
    ) -> Result<Response, GraphError> {
        match (route::parse(parts.uri.path()).1, &parts.method) {
            (Route::Messages(id), &Method::POST) => self.messages(parts, id, body, send::message).await,
            (Route::MarketingMessages(id), &Method::POST) => self.messages(parts, id, body, send::marketing_message).await,
            (Route::Node(id), &(Method::GET | Method::HEAD)) if self.numbers.contains_key(id) => {
                let engine = self.authorize(parts, id)?;
                let usage = self.count(engine.number().map(Target::Phone).as_ref(), None)?;
                let fields = query(&parts.uri, "fields")?;
                let node = node::read(&engine.facts(), engine.number(), fields.as_deref())?;
                Ok(with_usage(json(StatusCode::OK, node), usage.as_ref()))
            }
            (Route::Source, &(Method::GET | Method::HEAD)) => Ok(json(StatusCode::OK, self.source.clone())),
            (Route::Messages(id) | Route::MarketingMessages(id), method) => {
                self.authorize(parts, id)?;
                Err(GraphError::unsupported_object(method))
            }
            (Route::Node(id) | Route::Edge(id), _) => {
                let target = self.target(parts, id)?;
                let mut call = self.call(parts, body)?;
                let usage = self.count(Some(&target), call.edge())?;
                let response = graph::answer(target, &mut call).await?;
                Ok(with_usage(response, usage.as_ref()))
            }
            (Route::Word(word @ "media"), _) => {
                let numbers = self.admitted(parts)?;
                graph::answer(Target::Word(word, numbers), &mut self.call(parts, body)?).await
            }
            // These look at tokens themselves.
            (Route::Word(word), _) => {
                let numbers = self.numbers.values().filter_map(|served| served.engine.number()).collect();
                graph::answer(Target::Word(word, numbers), &mut self.call(parts, body)?).await
            }
            (Route::Root, method) => {
                // Some ask for nothing to see whether their token is one.
                if parts.headers.contains_key(header::AUTHORIZATION) {
                    self.admitted(parts)?;
                }
                Err(GraphError::batch(method))
            }
            (Route::Source, method) => Err(GraphError::unsupported_object(method)),
            (Route::Unknown, _) => Err(graph::unknown(&route::rest(parts.uri.path()))),
        }
    }

    /// The numbers that the token admits to.
    fn admitted(&self, parts: &http::request::Parts) -> Result<Vec<&Number>, GraphError> {
        let presented = Presented::from_headers(&parts.headers)?;
        self.everyone.check(&presented, None)?;
        let admitted = self.numbers.values().filter(|served| served.tokens.admits(&presented));
        Ok(admitted.filter_map(|served| served.engine.number()).collect())
    }

    /// What an id names, if the token admits to it.
    fn target<'a>(&'a self, parts: &http::request::Parts, id: &'a str) -> Result<Target<'a>, GraphError> {
        let unknown = || GraphError::unsupported_object(&parts.method);
        if self.numbers.contains_key(id) {
            let number = self.authorize(parts, id)?.number();
            return number
                .map(Target::Phone)
                .ok_or_else(|| match route::rest(parts.uri.path()).is_empty() {
                    true => unknown(),
                    false => GraphError::unknown_path(),
                });
        }
        let numbers = || {
            self.numbers
                .values()
                .filter_map(|served| Some((served, served.engine.number()?, served.engine.facts())))
        };
        let of_app: Vec<&Number> = numbers()
            .filter(|(_, _, facts)| facts.app_id == id)
            .map(|(_, number, _)| number)
            .collect();
        if !of_app.is_empty() {
            return Ok(Target::App(of_app));
        }
        let presented = Presented::from_headers(&parts.headers)?;
        self.everyone.check(&presented, None)?;
        let admitted = |served: &Served<E>| served.tokens.admits(&presented);
        let of_account: Vec<_> = numbers().filter(|(_, _, facts)| facts.waba_id == id).collect();
        if !of_account.is_empty() {
            let admitted: Vec<&Number> = of_account
                .into_iter()
                .filter(|(served, ..)| admitted(served))
                .map(|(_, number, _)| number)
                .collect();
            return match admitted.is_empty() {
                false => Ok(Target::Account(admitted)),
                true => Err(GraphError::forbidden()),
            };
        }
        let admitted: Vec<&Number> = numbers()
            .filter(|(served, ..)| admitted(served))
            .map(|(_, number, _)| number)
            .collect();
        match admitted.is_empty() {
            false => Ok(Target::Object(id, admitted)),
            true => Err(unknown().naming_nothing()),
        }
    }

    /// Counts a management call where they are limited. Messages and media are none.
    fn count(&self, target: Option<&Target<'_>>, edge: Option<&str>) -> Result<Option<(String, Usage)>, GraphError> {
        let (numbers, of_app) = match target {
            Some(Target::Phone(number)) if edge != Some("media") => (std::slice::from_ref(number), false),
            Some(Target::Account(numbers)) => (numbers.as_slice(), false),
            Some(Target::Object(id, numbers))
                if numbers
                    .iter()
                    .any(|number| number.templates().by_id(id).is_some() || number.flows().by_id(id).is_some()) =>
            {
                (numbers.as_slice(), false)
            }
            Some(Target::App(numbers)) => (numbers.as_slice(), true),
            Some(Target::Phone(_) | Target::Object(..) | Target::Word(..)) | None => return Ok(None),
        };
        let Some(limited) = numbers.iter().find(|number| number.limits_calls()) else {
            return Ok(None);
        };
        let facts = limited.facts();
        let is_active = numbers.iter().any(|number| number.is_linked());
        let usage = self.calls.call(&facts.app_id, &facts.waba_id, is_active, self.clock.now_us());
        match usage.retry_after_us {
            Some(_) => Err(GraphError::too_many_calls(of_app, &usage)),
            None => Ok(Some((facts.waba_id, usage))),
        }
    }

    fn call<'a, B: HttpBody<Data = Bytes> + Send + Unpin + 'static>(
        &self,
        parts: &'a http::request::Parts,
        body: B,
    ) -> Result<Call<'a>, GraphError> {
        let axum::extract::Query(query) = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| GraphError::invalid("The query string is not valid percent-encoded UTF-8."))?;
        Ok(Call {
            method: &parts.method,
            headers: &parts.headers,
            uri: &parts.uri,
            path: route::rest(parts.uri.path()),
            query,
            is_secured: parts.extensions.get::<server::Secured>().is_some(),
            body: Some(body.map_err(|_| graph::BrokenOff).boxed_unsync()),
            read: None,
            body_bytes: self.limits.body_bytes,
            body_time: self.limits.body,
        })
    }

    /// The engine of the number that the path names, if the token is one of its own.
    fn authorize(&self, parts: &http::request::Parts, id: &str) -> Result<&E, GraphError> {
        let presented = Presented::from_headers(&parts.headers)?;
        let served = self.numbers.get(id);
        self.everyone.check(&presented, served.map(|served| &served.tokens))?;
        served
            .map(|served| &*served.engine)
            .ok_or_else(|| GraphError::unsupported_object(&parts.method))
    }

    async fn messages<B: HttpBody<Data = Bytes> + Send + Unpin + 'static>(
        &self,
        parts: &http::request::Parts,
        id: &str,
        body: B,
        parse: fn(&HeaderMap, &[u8]) -> Result<Command, GraphError>,
    ) -> Result<Response, GraphError> {
        let engine = self.authorize(parts, id)?;
        let body = body::read(body, self.limits.body_bytes, self.limits.body).await?;
        let body = parameters::message(&parts.headers, &parts.uri, &body).unwrap_or(body);
        match parse(&parts.headers, &body)? {
            Command::Send { message, input } => {
                if let Some(code) = engine.number().and_then(|number| number.surface().faults.as_ref()?.of_send()) {
                    return Err(GraphError::on_purpose(code));
                }
                // The request's bytes are not kept while the message becomes durable.
                drop(body);
                let contact = send::contact(&input, &message.to);
                let accepted = engine.send(*message).await?;
                self.counters.accepted.fetch_add(1, Relaxed);
                let mut response = json(StatusCode::OK, send::accepted(contact, &accepted));
                limits::of_message(response.headers_mut(), &accepted.quota);
                Ok(response)
            }
            Command::MarkRead { message, typing } => {
                drop(body);
                engine.mark_read(message, typing).await?;
                self.counters.read.fetch_add(1, Relaxed);
                Ok(success())
            }
        }
    }
}

fn with_usage(mut response: Response, usage: Option<&(String, Usage)>) -> Response {
    if let Some((account, usage)) = usage {
        limits::of_call(response.headers_mut(), account, usage);
    }
    response
}

fn versioned(mut response: Response, version: Option<&str>) -> Response {
    response.headers_mut().insert(FACEBOOK_API_VERSION, version_header(version));
    response
}

/// Whether a `POST` to this path brings a file.
#[cfg(feature = "kubernetes")]
pub(crate) fn is_upload(path: &str) -> bool {
    match route::parse(path).1 {
        Route::Edge(_) => route::rest(path).first() == Some(&"media"),
        Route::Word(word) => word.starts_with("upload"),
        _ => false,
    }
}

/// Whether what is had from this path is a file.
#[cfg(feature = "kubernetes")]
pub(crate) fn is_download(path: &str) -> bool {
    matches!(route::parse(path).1, Route::Word("media" | "profile_pictures"))
}

/// The answer to a request that no replica can take now: for whoever holds requests before there is an [`Api`].
#[cfg(feature = "kubernetes")]
pub(crate) fn unavailable(path: &str) -> Response {
    versioned(GraphError::no_owner().into_response(), route::parse(path).0)
}

/// Reads a body as [`Api`] would.
///
/// # Errors
/// The answer, if it is too large, too slow or broken off.
#[cfg(feature = "kubernetes")]
pub(crate) async fn read_body<B: HttpBody<Data = Bytes> + Send + Unpin + 'static>(
    path: &str,
    body: B,
    limits: &Limits,
) -> Result<Bytes, Box<Response>> {
    body::read(body, limits.body_bytes, limits.body)
        .await
        .map_err(|error| Box::new(versioned(error.into_response(), route::parse(path).0)))
}

fn version_header(version: Option<&str>) -> HeaderValue {
    let asked = version.and_then(|version| match version.starts_with('v') {
        true => HeaderValue::from_str(version).ok(),
        false => HeaderValue::from_str(&format!("v{version}")).ok(),
    });
    asked.unwrap_or(HeaderValue::from_static(VERSION))
}

fn query(uri: &http::Uri, name: &str) -> Result<Option<String>, GraphError> {
    let axum::extract::Query(pairs) = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| GraphError::invalid("The query string is not valid percent-encoded UTF-8."))?;
    Ok(pairs.into_iter().find_map(|(key, value)| (key == name).then_some(value)))
}
