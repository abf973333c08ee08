//! A business's webhook endpoint for a pod: answers the handshake, prints every event as one line, and says 200.
//!
//! `waxseal-webhook-receiver ADDRESS VERIFY_TOKEN`
#![allow(clippy::print_stdout, reason = "the events are its output")]

use std::{collections::HashMap, net::SocketAddr};

use anyhow::Context as _;
use axum::{Router, extract::Query, http::StatusCode, routing::get};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().context("an address to listen on")?.parse()?;
    let token = arguments.next().context("the verify token")?;
    let handshake = move |Query(query): Query<HashMap<String, String>>| {
        let good = query.get("hub.verify_token").is_some_and(|given| *given == token);
        let challenge = query.get("hub.challenge").cloned().unwrap_or_default();
        std::future::ready(if good {
            (StatusCode::OK, challenge)
        } else {
            (StatusCode::FORBIDDEN, String::new())
        })
    };
    let event = async |body: String| {
        println!("{body}");
        StatusCode::OK
    };
    let router = Router::new().route("/hook", get(handshake).post(event));
    let listener = tokio::net::TcpListener::bind(address).await?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            terminate.recv().await;
        })
        .await?;
    Ok(())
}
