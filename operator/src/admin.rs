//! The admin port: `/livez`, `/readyz`, `/metrics`.
//!
//! Alive is whoever answers. Ready is whoever waits for nothing: every part that has to wait for something holds a [`Latch`] meanwhile and
//! says for what. `/readyz` names what is waited for; `/readyz?verbose` names everything. A standby, which waits only for the leader to go,
//! is ready.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use waxseal_telemetry::metrics;

/// What the process still waits for.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, Option<String>>>>);

impl Readiness {
    /// A latch, closed until [`Latch::open`] is called.
    #[must_use]
    pub fn latch(&self, name: &'static str, waits_for: &str) -> Latch {
        let latch = Latch {
            name,
            readiness: self.clone(),
        };
        latch.close(waits_for);
        latch
    }

    /// Whether nothing is waited for, and a line for each latch: all of them, or only the closed ones.
    fn report(&self, verbose: bool) -> (bool, String) {
        let latches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        let mut ready = true;
        for (name, waits_for) in &*latches {
            if let Some(reason) = waits_for {
                ready = false;
                text.push_str(&format!("[-]{name} waits: {reason}\n"));
            } else if verbose {
                text.push_str(&format!("[+]{name} ok\n"));
            }
        }
        text.push_str(if ready { "ok\n" } else { "not ready\n" });
        (ready, text)
    }

    fn set(&self, name: &'static str, waits_for: Option<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, waits_for);
    }
}

/// One thing that may be waited for.
pub struct Latch {
    name: &'static str,
    readiness: Readiness,
}

impl Latch {
    /// It is there.
    pub fn open(&self) {
        self.readiness.set(self.name, None);
    }

    /// It is waited for.
    pub fn close(&self, waits_for: &str) {
        self.readiness.set(self.name, Some(waits_for.to_owned()));
    }
}

/// Brings the gauges that are counted only when asked up to date.
pub type Refresh = Arc<dyn Fn() + Send + Sync>;

/// What the admin port tells.
#[derive(Clone)]
pub struct Admin {
    /// What is waited for.
    pub readiness: Readiness,
    /// What is counted.
    pub registry: Arc<Registry>,
    /// Called before what is counted is written down.
    pub refresh: Refresh,
}

/// The admin port cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

/// Listens on `address` and answers until `stop`. The address that was taken.
///
/// # Errors
/// When the address is taken or not ours.
pub async fn serve(address: SocketAddr, admin: Admin, stop: CancellationToken) -> Result<SocketAddr, Error> {
    let listen = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let taken = listener.local_addr().map_err(listen)?;
    let router = router(admin);
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        if let Err(error) = served.await {
            tracing::error!(%error, "the admin port failed");
        }
    });
    Ok(taken)
}

fn router(admin: Admin) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(encoded))
        .with_state(admin)
}

async fn readyz(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Response {
    let verbose = query.is_some_and(|query| query.split('&').any(|part| part == "verbose" || part.starts_with("verbose=")));
    let (ready, text) = admin.readiness.report(verbose);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, text).into_response()
}

async fn encoded(State(admin): State<Admin>) -> Response {
    (admin.refresh)();
    match metrics::encode(&admin.registry) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_ready_when_every_latch_is_open() {
        let readiness = Readiness::default();
        let crds = readiness.latch("crds", "the definitions");
        let caches = readiness.latch("caches", "the first list of everything");
        assert_eq!(
            readiness.report(false),
            (
                false,
                "[-]caches waits: the first list of everything\n[-]crds waits: the definitions\nnot ready\n".to_owned()
            )
        );
        crds.open();
        caches.open();
        assert_eq!(readiness.report(false), (true, "ok\n".to_owned()));
        assert_eq!(readiness.report(true), (true, "[+]caches ok\n[+]crds ok\nok\n".to_owned()));
        caches.close("the end");
        assert_eq!(
            readiness.report(true),
            (false, "[-]caches waits: the end\n[+]crds ok\nnot ready\n".to_owned())
        );
    }
}
