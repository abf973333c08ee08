//! The admin port: `/livez`, `/readyz`, `/metrics`, `/status`; `/openapi.json` and `/docs`, which describe the API port; in development
//! `/faults`.
//!
//! Purpose: what probes, Prometheus and `waxseal status` read. What they learn is handed in by the caller as an [`Admin`]; nothing here
//! knows a number or a store. Must never answer with consumer data: implementations hand in counts and states only.

use std::sync::Arc;

use axum::{
    Router,
    extract::{RawQuery, State},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use http::{StatusCode, header};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::openapi;
use crate::faults::{Faults, Rule};

/// The page of `/docs` reads the document and loads nothing else.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; img-src data:";

const NO_FAULTS: &str = "faults on purpose are not allowed here; `waxseal up --allow-faults` allows them\n";

/// One named condition of readiness.
pub struct Check {
    /// Its name, as `/readyz?verbose` prints it.
    pub name: String,
    /// Whether it holds; if not, in a word why. The reason is printed and must name no consumer.
    pub state: Result<(), String>,
}

/// What the admin port tells.
pub trait Admin: Send + Sync + 'static {
    /// The conditions under which requests can be served.
    fn checks(&self) -> impl Future<Output = Vec<Check>> + Send;

    /// Prometheus or OpenMetrics text.
    fn metrics(&self) -> String;

    /// JSON for `waxseal status`.
    fn status(&self) -> impl Future<Output = serde_json::Value> + Send;

    /// What goes wrong on purpose, where that is allowed.
    fn faults(&self) -> Option<&Faults> {
        None
    }
}

/// The routes.
pub fn router<A: Admin>(admin: Arc<A>) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz::<A>))
        .route("/metrics", get(metrics::<A>))
        .route("/status", get(status::<A>))
        .route(
            "/openapi.json",
            get(async || ([(header::CONTENT_TYPE, "application/json")], openapi::json())),
        )
        .route(
            "/docs",
            get(async || ([(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)], Html(openapi::page()))),
        )
        .route("/faults", get(list_faults::<A>).post(add_faults::<A>).delete(clear_faults::<A>))
        .with_state(admin)
}

/// Serves the port until `shutdown` is cancelled.
///
/// # Errors
/// Those of the listener.
pub async fn serve<A: Admin>(listener: TcpListener, admin: Arc<A>, shutdown: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, router(admin))
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

async fn readyz<A: Admin>(State(admin): State<Arc<A>>, RawQuery(query): RawQuery) -> Response {
    let checks = admin.checks().await;
    let ready = checks.iter().all(|check| check.state.is_ok());
    let verbose = query.is_some_and(|query| query.split('&').any(|part| part == "verbose" || part.starts_with("verbose=")));
    let mut text = String::new();
    for check in &checks {
        match &check.state {
            Ok(()) if verbose => text.push_str(&format!("[+]{} ok\n", check.name)),
            Ok(()) => {}
            // What is wrong is told in any case.
            Err(reason) => text.push_str(&format!("[-]{} failed: {reason}\n", check.name)),
        }
    }
    text.push_str(if ready { "ok\n" } else { "not ready\n" });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, text).into_response()
}

async fn metrics<A: Admin>(State(admin): State<Arc<A>>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], admin.metrics()).into_response()
}

/// The faults there are; 404 where none are allowed.
async fn list_faults<A: Admin>(State(admin): State<Arc<A>>) -> Response {
    match admin.faults() {
        Some(faults) => axum::Json(faults.list()).into_response(),
        None => (StatusCode::NOT_FOUND, NO_FAULTS).into_response(),
    }
}

async fn add_faults<A: Admin>(State(admin): State<Arc<A>>, axum::Json(rules): axum::Json<Vec<Rule>>) -> Response {
    match admin.faults().map(|faults| faults.add(rules)) {
        Some(Ok(())) => list_faults(State(admin)).await,
        Some(Err(invalid)) => (StatusCode::BAD_REQUEST, format!("{invalid}\n")).into_response(),
        None => (StatusCode::NOT_FOUND, NO_FAULTS).into_response(),
    }
}

async fn clear_faults<A: Admin>(State(admin): State<Arc<A>>) -> Response {
    if let Some(faults) = admin.faults() {
        faults.clear();
    }
    list_faults(State(admin)).await
}

async fn status<A: Admin>(State(admin): State<Arc<A>>) -> Response {
    axum::Json(admin.status().await).into_response()
}
