//! A proxy in which Waxseal is graph.facebook.com: for programs that have Meta's host name built in, without root and without a hosts file.
//!
//! Purpose: what a client's `HTTPS_PROXY` asks for under one of Meta's names leads to the HTTP API of this process, under a certificate of
//! the state directory's own [authority](super::authority). Everything else is refused: it is no way to anywhere else, and says how to
//! go around it.
//!
//! May touch: its own port, and the API's. Must not: look into what passes by, or log it.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use axum::{
    body::Body,
    http::{Method, Request, Response, StatusCode},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn, upgrade::Upgraded};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::authority::HOSTS;
use crate::terminal::{complain, harmless};

/// The port that the names are reached at.
const HTTPS: u16 = 443;
/// How long a client may take to say where it wants to go, and to agree on TLS.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections at a time; more wait.
const MAX_CONNECTIONS: usize = 256;
/// Names of elsewhere that are told on the terminal, once each.
const MAX_TOLD: usize = 16;

/// A proxy that listens; it stops when this is dropped.
pub(super) struct Running {
    /// What clients are told.
    pub(super) url: String,
    _served: JoinSet<()>,
}

/// Where the proxy leads.
struct Way {
    api: SocketAddr,
    tls: TlsAcceptor,
    /// Names of elsewhere that were asked for.
    told: Mutex<BTreeSet<String>>,
    is_quiet: bool,
}

/// Listens; what comes for Meta goes to `api`. With `is_quiet`, the terminal is not told what else was asked for.
pub(super) async fn start(listen: SocketAddr, api: SocketAddr, server: Arc<ServerConfig>, is_quiet: bool) -> anyhow::Result<Running> {
    let listener = TcpListener::bind(listen).await.context("the proxy cannot listen")?;
    let url = format!("http://{}", listener.local_addr()?);
    let way = Arc::new(Way {
        api: reachable(api),
        tls: TlsAcceptor::from(server),
        told: Mutex::default(),
        is_quiet,
    });
    let mut served = JoinSet::new();
    served.spawn(accept(listener, way));
    Ok(Running { url, _served: served })
}

/// An address that is listened on, as one to connect to.
const fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        _ => {}
    }
    address
}

async fn accept(listener: TcpListener, way: Arc<Way>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Dropped with this task, and the connections with it.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(turn) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let way = Arc::clone(&way);
                connections.spawn(async move {
                    serve(stream, way).await;
                    drop(turn);
                });
            }
            // Of this connection, or there are too many open files: the next one may do.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// One connection: a request for somewhere, then whatever client and API have to say to each other.
async fn serve(stream: TcpStream, way: Arc<Way>) {
    let (tunnel, mut tunnels) = tokio::sync::mpsc::channel(1);
    let asked = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(|request: Request<Incoming>| {
                let (answer, tunnel) = (way.answer(&request), tunnel.clone());
                async move {
                    if answer.status() == StatusCode::OK {
                        let _ = tunnel.try_send(hyper::upgrade::on(request));
                    }
                    Ok::<_, Infallible>(answer)
                }
            }),
        )
        .with_upgrades();
    // A client that is gone has nothing to complain about.
    let _ = asked.await;
    if let Ok(upgrade) = tunnels.try_recv()
        && let Ok(upgraded) = upgrade.await
    {
        let _ = way.connect(upgraded).await;
    }
}

impl Way {
    fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        let (host, port) = (request.uri().host().unwrap_or_default(), request.uri().port_u16());
        if request.method() != Method::CONNECT {
            return refused(
                StatusCode::NOT_IMPLEMENTED,
                "This is a proxy for HTTPS only, in which Waxseal is graph.facebook.com. Set HTTPS_PROXY to it, not HTTP_PROXY.\n",
            );
        }
        if HOSTS.iter().any(|name| name.eq_ignore_ascii_case(host)) && port == Some(HTTPS) {
            return Response::new(Body::empty());
        }
        self.tell(host);
        refused(
            StatusCode::FORBIDDEN,
            "This proxy leads to Waxseal in place of graph.facebook.com:443 and nowhere else. Name other hosts in NO_PROXY.\n",
        )
    }

    /// Clients seldom show why a proxy refused.
    fn tell(&self, host: &str) {
        let host = harmless(host);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_quiet && told.len() < MAX_TOLD && told.insert(host.clone()) {
            complain(&format!(
                "note: a program asked the proxy for {host}, which leads to graph.facebook.com only; NO_PROXY={host} lets it go there itself"
            ));
        }
    }

    async fn connect(&self, client: Upgraded) -> std::io::Result<()> {
        let mut client = timeout(PATIENCE, self.tls.accept(TokioIo::new(client))).await??;
        let mut api = TcpStream::connect(self.api).await?;
        // The API ends connections on which nothing happens.
        copy_bidirectional(&mut client, &mut api).await.map(drop)
    }
}

fn refused(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_that_is_listened_on_can_be_reached() {
        for (listened, reached) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("[fd00::7]:1", "[fd00::7]:1"),
        ] {
            assert_eq!(reachable(listened.parse().unwrap()), reached.parse().unwrap());
        }
    }
}
