//! The API port of a pod: open from the pod's start to its end, whoever owns the number.
//!
//! Purpose: a request goes to the number in this process, or to the pod that owns it, or waits a while until there is an owner; what cannot
//! be answered is a Graph error as for a store that does not answer. While the number moves from pod to pod, or starts anew with another
//! configuration, clients see that an answer takes a little longer.
//!
//! A request is passed on once at most: a pod that is asked by another and does not own the number says at once that it did nothing. It is
//! sent again only if nothing was done with it, or if doing it twice is once: reading, and whatever carries an `Idempotency-Key`.
//!
//! May touch: its port, the owner's port. Must not: log or keep what requests say. Files pass through as
//! they come: an upload is passed on once and never again. Bounded: connections, requests that wait, bytes of bodies, files.

mod dial;
mod forward;
mod gate;

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::Full;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};

pub use self::{
    forward::Presence,
    gate::{Gate, Way},
};
use self::{
    forward::{ASK, Forwarded, Forwarder, HOP, Whole},
    gate::Watch,
};
use super::{metrics::Metrics, ownership::machine::Instance};
use crate::api::{self, Api, Engine, Handler, Limits, Request, Response, tls::Certificate};

/// How often a waiting request looks again, should nobody tell it to.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Bounds of what the port does beyond those of the API.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long a request waits for an owner.
    pub patience: Duration,
    /// How long one waits that another pod passed on; less than that pod waits for the answer.
    pub patience_passed_on: Duration,
    /// Requests that wait at the same time; more are answered at once.
    pub waiting: usize,
    /// Bodies in memory at the same time; more are answered at once.
    pub bodies_kib: usize,
    /// Files on their way through to or from another pod; more are answered at once. They are not in memory.
    pub streams: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(10),
            patience_passed_on: Duration::from_secs(8),
            waiting: 1024,
            bodies_kib: 64 << 10,
            streams: 64,
        }
    }
}

/// The port.
pub struct Front<E> {
    /// Where requests go.
    pub gate: Gate<E>,
    limits: Limits,
    bounds: Bounds,
    me: Instance,
    forwarder: Forwarder,
    waiting: Semaphore,
    bodies: Arc<Semaphore>,
    /// Places of files on their way through.
    streams: Arc<Semaphore>,
    /// To be told when the owner may have changed.
    looker: Mutex<Option<Arc<Notify>>>,
    /// Whether this process would take the number over.
    waits: AtomicBool,
    /// Whether clients are asked to come back elsewhere.
    is_leaving: AtomicBool,
    metrics: Arc<Metrics>,
}

impl<E: Engine> Front<E> {
    /// A port behind which there is nothing yet.
    #[must_use]
    pub fn new(me: Instance, limits: Limits, bounds: Bounds, metrics: Arc<Metrics>) -> Self {
        Self {
            gate: Gate::default(),
            limits,
            bounds,
            me,
            forwarder: Forwarder::default(),
            waiting: Semaphore::new(bounds.waiting),
            bodies: Arc::new(Semaphore::new(bounds.bodies_kib)),
            streams: Arc::new(Semaphore::new(bounds.streams)),
            looker: Mutex::new(None),
            waits: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            metrics,
        }
    }

    /// Whom to tell when the owner may have changed.
    pub fn tell(&self, looker: Option<Arc<Notify>>) {
        *self.looker.lock().unwrap_or_else(PoisonError::into_inner) = looker;
    }

    /// Whether this process would take the number over, as other pods are told.
    pub fn set_waits(&self, waits: bool) {
        self.waits.store(waits, Ordering::Relaxed);
    }

    /// From now on every answer asks its client to open another connection: most come out at another pod.
    pub fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
        self.set_waits(false);
    }

    /// What this pod's port shows, and other pods of the number show too: they are reached as this one is.
    pub fn set_certificate(&self, certificate: Option<&Certificate>) {
        self.forwarder.set_certificate(certificate);
    }

    /// Asks another pod who it is, and has it look who owns the number.
    pub async fn ask(&self, whom: SocketAddr) -> Option<Presence> {
        self.forwarder.ask(whom).await
    }

    fn look(&self) {
        if let Some(looker) = &*self.looker.lock().unwrap_or_else(PoisonError::into_inner) {
            looker.notify_one();
        }
    }

    async fn answer(&self, request: Request) -> Response {
        let is_passed_on = request.headers().contains_key(HOP);
        if is_passed_on && request.uri().path() == ASK {
            self.look();
            return self.presence();
        }
        let mut watch = self.gate.watch();
        // Nearly always.
        if let Way::Here(api, _inside) = watch.way() {
            return api.answer(request).await;
        }
        let mut journey = Journey {
            front: self,
            watch,
            request: Pending::Fresh(request),
            is_passed_on,
            waits: None,
            body_permit: None,
        };
        journey.answer().await
    }

    fn presence(&self) -> Response {
        let presence = Presence {
            instance: hex::encode(self.me.0.to_be_bytes()),
            waits: self.waits.load(Ordering::Relaxed),
        };
        // Texts and numbers into memory: cannot fail.
        let mut response = Response::new(serde_json::to_vec(&presence).unwrap_or_default().into());
        let kind = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

impl<E: Engine> Handler for Front<E> {
    fn limits(&self) -> Limits {
        self.limits
    }

    async fn handle(&self, request: Request) -> Response {
        let mut response = self.answer(request).await;
        if self.is_leaving.load(Ordering::Relaxed) {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        response
    }
}

enum Pending {
    /// Its body has not been read.
    Fresh(Request),
    Whole(Whole),
    Taken,
}

impl Pending {
    fn path(&self) -> &str {
        match self {
            Self::Fresh(request) => request.uri().path(),
            Self::Whole(whole) => whole.parts.uri.path(),
            Self::Taken => "/",
        }
    }
}

/// One request that does not simply go to the number in this process.
struct Journey<'a, E> {
    front: &'a Front<E>,
    watch: Watch<E>,
    request: Pending,
    is_passed_on: bool,
    waits: Option<SemaphorePermit<'a>>,
    body_permit: Option<OwnedSemaphorePermit>,
}

impl<E: Engine> Journey<'_, E> {
    async fn answer(&mut self) -> Response {
        let bounds = &self.front.bounds;
        let patience = if self.is_passed_on {
            bounds.patience_passed_on
        } else {
            bounds.patience
        };
        let deadline = Instant::now() + patience;
        loop {
            match self.watch.way() {
                Way::Here(api, _inside) => return self.here(&api).await,
                // Nobody here would do it: whoever passed it on had better look again.
                Way::There(_) | Way::None { mine: false } if self.is_passed_on => return misdirected(),
                Way::There(address) => {
                    if self.is_upload() {
                        return self.stream(address).await;
                    }
                    if let Err(response) = self.read().await {
                        return *response;
                    }
                    let Pending::Whole(whole) = &self.request else {
                        return self.unavailable();
                    };
                    let is_file = api::is_download(whole.parts.uri.path());
                    let stream = is_file.then(|| Arc::clone(&self.front.streams).try_acquire_owned()).transpose();
                    let Ok(stream) = stream else {
                        return self.unavailable();
                    };
                    match self.front.forwarder.forward(address, whole, stream).await {
                        Forwarded::Answered(response) => {
                            self.front.metrics.passed_on("answered");
                            return *response;
                        }
                        Forwarded::InDoubt if !is_repeatable(&whole.parts) => {
                            self.front.metrics.passed_on("in_doubt");
                            self.front.look();
                            return self.unavailable();
                        }
                        Forwarded::NotDone | Forwarded::InDoubt => {
                            self.front.metrics.passed_on("not_done");
                            self.front.look();
                        }
                    }
                }
                Way::None { .. } => {}
            }
            if self.waits.is_none() {
                match self.front.waiting.try_acquire() {
                    Ok(permit) => self.waits = Some(permit),
                    Err(_) => return self.unavailable(),
                }
            }
            let again = Instant::now() + LOOK_AGAIN;
            if again > deadline {
                self.front.metrics.gave_up();
                return self.unavailable();
            }
            // Either has the loop look again.
            let _ = timeout_at(again, self.watch.changed()).await;
        }
    }

    async fn here(&mut self, api: &Api<E>) -> Response {
        self.waits = None;
        match std::mem::replace(&mut self.request, Pending::Taken) {
            Pending::Fresh(request) => api.answer(request).await,
            Pending::Whole(whole) => api.answer(http::Request::from_parts(whole.parts, Full::new(whole.body))).await,
            Pending::Taken => api::unavailable("/"),
        }
    }

    /// Whether a file comes with the request.
    fn is_upload(&self) -> bool {
        matches!(&self.request, Pending::Fresh(request) if request.method() == Method::POST && api::is_upload(request.uri().path()))
    }

    /// Passes an upload on as it comes. What was begun cannot be begun again, so that its client has to repeat it if this fails.
    async fn stream(&mut self, address: SocketAddr) -> Response {
        let Ok(_place) = Arc::clone(&self.front.streams).try_acquire_owned() else {
            return self.unavailable();
        };
        let request = match std::mem::replace(&mut self.request, Pending::Taken) {
            Pending::Fresh(request) => request,
            other => {
                self.request = other;
                return self.unavailable();
            }
        };
        let path = request.uri().path().to_owned();
        let (told, answer) = match self.front.forwarder.stream(address, request).await {
            Forwarded::Answered(response) => ("answered", Some(response)),
            Forwarded::InDoubt => ("in_doubt", None),
            Forwarded::NotDone => ("not_done", None),
        };
        self.front.metrics.passed_on(told);
        match answer {
            Some(response) => *response,
            None => {
                self.front.look();
                api::unavailable(&path)
            }
        }
    }

    /// Reads the body, if there is room for it.
    async fn read(&mut self) -> Result<(), Box<Response>> {
        let request = match std::mem::replace(&mut self.request, Pending::Taken) {
            Pending::Fresh(request) => request,
            other => {
                self.request = other;
                return Ok(());
            }
        };
        let limits = &self.front.limits;
        let (parts, body) = request.into_parts();
        let expected = hyper::body::Body::size_hint(&body).upper().unwrap_or(u64::MAX);
        let kib = usize::try_from(expected).unwrap_or(usize::MAX).min(limits.body_bytes) / 1024 + 1;
        let Ok(permit) = Arc::clone(&self.front.bodies).try_acquire_many_owned(u32::try_from(kib).unwrap_or(u32::MAX)) else {
            return Err(Box::new(api::unavailable(parts.uri.path())));
        };
        self.body_permit = Some(permit);
        let body: Bytes = api::read_body(parts.uri.path(), body, limits).await?;
        self.request = Pending::Whole(Whole { parts, body });
        Ok(())
    }

    fn unavailable(&self) -> Response {
        api::unavailable(self.request.path())
    }
}

/// Whether doing it twice is doing it once.
fn is_repeatable(parts: &http::request::Parts) -> bool {
    matches!(parts.method, Method::GET | Method::HEAD) || parts.headers.contains_key("idempotency-key")
}

/// To another pod: nothing was done.
fn misdirected() -> Response {
    let mut response = Response::new(api::Body::default());
    *response.status_mut() = StatusCode::MISDIRECTED_REQUEST;
    response.headers_mut().insert(HOP, HeaderValue::from_static("0"));
    response
}
