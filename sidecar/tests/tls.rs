//! The API port over TLS, through real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking, and needs only some of what tests share"
)]

#[path = "support/engine.rs"]
mod engine;
#[path = "support/http.rs"]
mod http;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use engine::Fake;
use http::{Connection, PATIENCE};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use waxseal_harness::certificates::Authority;
use waxseal_sidecar::api::{self, Api, Limits, tls::Certificate};

const NAME: &str = "graph.example";

struct Port {
    address: SocketAddr,
    certificate: watch::Sender<Option<Certificate>>,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

async fn port(limits: Limits, certificate: Option<Certificate>) -> Port {
    let api = Api::new("https://example.com/source", limits).with_number("1", Fake::new(), ["token"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let (sender, certificate) = watch::channel(certificate);
    Port {
        address,
        certificate: sender,
        served: tokio::spawn(api::serve_secured(listener, certificate, Arc::new(api), stop.clone())),
        stop,
    }
}

fn signed(authority: &Authority) -> Certificate {
    let identity = authority.server(NAME, &[NAME]).unwrap();
    Certificate::from_pem(identity.certificate.as_bytes(), identity.private_key.as_bytes()).unwrap()
}

async fn asks(port: &Port, authority: &Authority) -> bool {
    waxseal_harness::business::http_client().unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(authority.certificate().as_bytes()).unwrap()])
        .resolve(NAME, port.address)
        .no_proxy()
        .build()
        .unwrap();
    let asked = client.get(format!("https://{NAME}:{}/source", port.address.port())).send().await;
    asked.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test]
async fn the_certificate_is_shown_and_may_change_or_go() {
    let (first, second) = (Authority::new().unwrap(), Authority::new().unwrap());
    let port = port(Limits::default(), Some(signed(&first))).await;
    assert!(asks(&port, &first).await && !asks(&port, &second).await);
    // Nothing is answered in the clear.
    let mut plain = Connection::open(port.address).await;
    plain.write(b"GET /source HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(plain.answer().await.is_none());

    port.certificate.send_replace(Some(signed(&second)));
    assert!(asks(&port, &second).await && !asks(&port, &first).await);
    port.certificate.send_replace(None);
    let mut plain = Connection::open(port.address).await;
    plain.write(b"GET /source HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!(plain.answer().await.unwrap().status, 200);
}

#[tokio::test]
async fn whoever_does_not_shake_hands_is_hung_up_on_and_holds_nobody_back() {
    let authority = Authority::new().unwrap();
    let limits = Limits {
        idle: Duration::from_millis(300),
        connections: 3,
        ..Limits::default()
    };
    let port = port(limits, Some(signed(&authority))).await;
    let mut silent = Connection::open(port.address).await;
    let mut half = Connection::open(port.address).await;
    half.write(b"\x16\x03\x01").await;
    assert!(asks(&port, &authority).await);
    let begun = Instant::now();
    assert!(silent.is_closed().await && half.is_closed().await);
    assert!(begun.elapsed() < Duration::from_secs(5));

    // Nor is the end of the port.
    let _silent = Connection::open(port.address).await;
    port.stop.cancel();
    timeout(PATIENCE, port.served).await.unwrap().unwrap();
}
