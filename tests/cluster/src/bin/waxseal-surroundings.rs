//! What a business and a platform team bring themselves, for pods: a webhook endpoint that prints every event as one line, and a bucket that
//! prints every object that comes and goes.
//!
//! `waxseal-surroundings webhook ADDRESS VERIFY_TOKEN [CERTIFICATES]`
//! `waxseal-surroundings bucket ADDRESS NAME KEY_ID SECRET [CERTIFICATES]`
//!
//! With a folder of certificates (`tls.crt`, `tls.key`, `ca.crt`) it speaks TLS, and the endpoint lets nobody in without a certificate.
#![allow(clippy::print_stdout, reason = "what happens is its output")]

use std::{collections::HashMap, net::SocketAddr, path::Path};

use anyhow::{Context as _, Result, bail};
use axum::{Router, extract::Query, http::StatusCode, routing::get};
use tokio::net::TcpListener;
use waxseal_harness::{
    bucket::{self, Access},
    tls::Secured,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &'static str| arguments.next().context(what);
    let what = next("what to be")?;
    let address: SocketAddr = next("an address to listen on")?.parse()?;
    match what.as_str() {
        "webhook" => {
            let router = webhook(next("the verify token")?);
            serve(address, router, next("").ok(), true).await
        }
        "bucket" => {
            let access = Access {
                name: next("the name of the bucket")?,
                key_id: next("the id of the key")?,
                secret: next("the key")?,
            };
            let router = bucket::router(access, std::sync::Arc::default(), Some(|what, key| println!("{what} {key}")));
            serve(address, router, next("").ok(), false).await
        }
        other => bail!("there is no {other}"),
    }
}

fn webhook(token: String) -> Router {
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
    Router::new().route("/hook", get(handshake).post(event))
}

async fn serve(address: SocketAddr, router: Router, certificates: Option<String>, demands: bool) -> Result<()> {
    let listener = TcpListener::bind(address).await?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let ended = async move {
        terminate.recv().await;
    };
    match certificates {
        None => axum::serve(listener, router).with_graceful_shutdown(ended).await?,
        Some(folder) => {
            let read = |name| std::fs::read_to_string(Path::new(&folder).join(name)).with_context(|| format!("cannot read {name}"));
            let clients = if demands { Some(read("ca.crt")?) } else { None };
            let listener = Secured::new(listener, &read("tls.crt")?, &read("tls.key")?, clients.as_deref())?;
            axum::serve(listener, router).with_graceful_shutdown(ended).await?;
        }
    }
    Ok(())
}
