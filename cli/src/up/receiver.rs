//! The built-in webhook receiver: answers the handshake, checks the signature and prints what arrives. What a business's own program would
//! do, as small as possible; on a free loopback port.

use std::{collections::HashMap, net::Ipv4Addr, sync::Arc};

use anyhow::Context as _;
use axum::{
    Router,
    body::Bytes,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    routing::get,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use waxseal_crds::DeclaredNumber;
use zeroize::Zeroizing;

use super::event_line;
use crate::terminal::{self, Style, complain};

/// How events are printed.
#[derive(Clone, Copy)]
pub(super) enum Print {
    /// For people.
    Lines(Style),
    /// For scripts.
    Json,
}

/// A receiver that listens.
pub(super) struct Running {
    url: String,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

impl Running {
    /// The URL to which the number's id is added.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Finishes the requests under way.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        let _ = self.served.await;
    }
}

struct Shared {
    print: Print,
    several: bool,
    verify_token: Zeroizing<String>,
    /// By number id.
    app_secrets: HashMap<String, Zeroizing<String>>,
}

/// Listens for the events of these numbers.
pub(super) async fn start(numbers: &[DeclaredNumber], verify_token: &str, print: Print) -> anyhow::Result<Running> {
    let shared = Arc::new(Shared {
        print,
        several: numbers.len() > 1,
        verify_token: Zeroizing::new(verify_token.to_owned()),
        app_secrets: numbers
            .iter()
            .map(|number| (number.phone_number_id.clone(), number.app_secret.clone()))
            .collect(),
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .context("the built-in webhook receiver cannot listen")?;
    let url = format!("http://{}/webhook", listener.local_addr()?);
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    let router = Router::new()
        .route("/webhook/{phone_number_id}", get(verify).post(receive))
        .with_state(shared);
    let served = tokio::spawn(async move {
        if axum::serve(listener, router).with_graceful_shutdown(stopped).await.is_err() {
            complain("warning: the built-in webhook receiver has stopped");
        }
    });
    Ok(Running { url, stop, served })
}

#[derive(Deserialize)]
struct Handshake {
    #[serde(rename = "hub.mode")]
    mode: String,
    #[serde(rename = "hub.challenge")]
    challenge: String,
    #[serde(rename = "hub.verify_token")]
    verify_token: Zeroed,
}

#[derive(Deserialize)]
#[serde(from = "String")]
struct Zeroed(Zeroizing<String>);

impl From<String> for Zeroed {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

async fn verify(
    State(shared): State<Arc<Shared>>,
    Path(phone_number_id): Path<String>,
    Query(asked): Query<Handshake>,
) -> Result<String, StatusCode> {
    let known = shared.app_secrets.contains_key(&phone_number_id);
    let right = bool::from(asked.verify_token.0.as_bytes().ct_eq(shared.verify_token.as_bytes()));
    if known && right && asked.mode == "subscribe" {
        Ok(asked.challenge)
    } else {
        Err(StatusCode::FORBIDDEN)
    }
}

async fn receive(State(shared): State<Arc<Shared>>, Path(phone_number_id): Path<String>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Some(app_secret) = shared.app_secrets.get(&phone_number_id) else {
        return StatusCode::NOT_FOUND;
    };
    let signature = headers
        .get("x-hub-signature-256")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !is_signed(app_secret, signature, &body) {
        complain("warning: an event with a wrong signature was refused");
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(event) = serde_json::from_slice::<serde_json::Value>(&body) else {
        return StatusCode::BAD_REQUEST;
    };
    match shared.print {
        Print::Json => terminal::say(&terminal::json_line(&serde_json::json!({ "type": "webhook", "body": event }))),
        Print::Lines(style) => {
            for line in event_line::lines(&event, style, shared.several) {
                terminal::say(&line);
            }
        }
    }
    StatusCode::OK
}

fn is_signed(app_secret: &str, signature: &str, body: &[u8]) -> bool {
    let Some(given) = signature.strip_prefix("sha256=").and_then(|text| hex::decode(text).ok()) else {
        return false;
    };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(app_secret.as_bytes()) else {
        return false;
    };
    mac.update(body);
    mac.verify_slice(&given).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_cloud_api() {
        // printf '{"a":1}' | openssl dgst -sha256 -hmac secret
        let right = "sha256=aa9e2e3575f5d7098b6caccd790888c36d5fdb63342a73bada2d6a51747a8494";
        assert!(is_signed("secret", right, br#"{"a":1}"#));
        assert!(!is_signed("secret", right, br#"{"a":2}"#));
        assert!(!is_signed("other", right, br#"{"a":1}"#));
        for wrong in ["", "sha256=", "sha256=zz", &right[..40], &right[7..]] {
            assert!(!is_signed("secret", wrong, br#"{"a":1}"#), "{wrong}");
        }
    }

    #[tokio::test]
    async fn only_the_right_token_and_the_right_signature_get_in() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let numbers = [super::super::business::sample(&super::super::secrets::tests::fixed())];
        let running = start(&numbers, "verify-me", Print::Lines(Style::PLAIN)).await.unwrap();
        let url = format!("{}/{}", running.url(), numbers[0].phone_number_id);
        let client = reqwest::Client::new();
        let ask = |url: &str, query: &str| client.get(format!("{url}?hub.mode=subscribe&hub.challenge=c-42&{query}")).send();
        let right = ask(&url, "hub.verify_token=verify-me").await.unwrap();
        assert_eq!((right.status().as_u16(), right.text().await.unwrap().as_str()), (200, "c-42"));
        assert_eq!(ask(&url, "hub.verify_token=verify-you").await.unwrap().status().as_u16(), 403);
        assert_eq!(
            ask(&format!("{}/1", running.url()), "hub.verify_token=verify-me")
                .await
                .unwrap()
                .status()
                .as_u16(),
            403
        );

        let sign = |body: &str| {
            let mut mac = Hmac::<Sha256>::new_from_slice(numbers[0].app_secret.as_bytes()).unwrap();
            mac.update(body.as_bytes());
            format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
        };
        let post = |body: &str, signature: String| {
            client
                .post(&url)
                .header("x-hub-signature-256", signature)
                .body(body.to_owned())
                .send()
        };
        assert_eq!(post("{}", sign("{}")).await.unwrap().status().as_u16(), 200);
        assert_eq!(post("{}", sign("{ }")).await.unwrap().status().as_u16(), 401);
        assert_eq!(post("{", sign("{")).await.unwrap().status().as_u16(), 400);
        running.stop().await;
        assert!(client.get(&url).send().await.is_err());
    }
}
