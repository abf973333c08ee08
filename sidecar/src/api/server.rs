//! The accept loop of the API port.
//!
//! Purpose: HTTP/1.1 connections straight on hyper, without a middleware stack, since every message passes here; over TLS where there is a
//! certificate. Bounds the number of connections, the time a handshake, a request's head and body, and taking an answer may take, and on
//! shutdown finishes what is in flight.

mod crowd;
mod patience;

use std::{pin::pin, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{Id, JoinError, JoinSet},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use self::{
    crowd::{Crowd, Held, Turn},
    patience::Patient,
};
use super::{Api, Limits, Request, Response, tls::Certificate};
use crate::api::Engine;

/// Answers the requests of a port.
pub trait Handler: Send + Sync + 'static {
    /// Bounds of the port.
    fn limits(&self) -> Limits;

    /// Answers one request, whatever it says.
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send;
}

impl<E: Engine> Handler for Api<E> {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send {
        self.answer(request)
    }
}

/// Goes with a request that came over TLS.
#[derive(Debug, Clone, Copy)]
pub(super) struct Secured;

/// How long the loop waits when the process has no file left for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The shortest pause between looks for a connection that can be ended.
const ROOM_PAUSE: Duration = Duration::from_millis(5);
/// How long a client may take to shake hands.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The connection was ended for another while its request came in.
#[derive(Debug, thiserror::Error)]
#[error("ended for another connection")]
struct Ended;

/// Serves the port over plain HTTP, as [`serve_secured`] otherwise.
pub async fn serve<H: Handler>(listener: TcpListener, handler: Arc<H>, shutdown: CancellationToken) {
    let (_plain, certificate) = watch::channel(None);
    serve_secured(listener, certificate, handler, shutdown).await;
}

/// Serves the port until `shutdown` is cancelled, then lets every request in flight finish. Idle connections are closed at once.
///
/// While there is a certificate, new connections speak TLS with it, and only TLS; those that are open keep what they began with.
///
/// Dropping the future ends the connections where they are: that is how a caller puts a limit to the finishing.
pub async fn serve_secured<H: Handler>(
    listener: TcpListener,
    certificate: watch::Receiver<Option<Certificate>>,
    handler: Arc<H>,
    shutdown: CancellationToken,
) {
    let limits = handler.limits();
    let (mut connections, mut crowd) = (JoinSet::new(), Crowd::new());
    'open: loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(kind = ?error.kind(), "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        loop {
            while let Some(ended) = connections.try_join_next_with_id() {
                crowd.leave(task_of(&ended));
            }
            if connections.len() < limits.connections {
                break;
            }
            let wait = crowd.make_room(limits.crowded).err().unwrap_or_default();
            tokio::select! {
                () = shutdown.cancelled() => break 'open,
                Some(ended) = connections.join_next_with_id() => crowd.leave(task_of(&ended)),
                () = tokio::time::sleep(wait.max(ROOM_PAUSE)) => {}
            }
        }
        // Answers are small and written whole.
        let _ = stream.set_nodelay(true);
        let acceptor = certificate
            .borrow()
            .as_ref()
            .map(|certificate| TlsAcceptor::from(Arc::clone(&certificate.config)));
        let turn = crowd.turn();
        let connection = shake_hands(stream, acceptor, limits, turn.clone(), Arc::clone(&handler), shutdown.clone());
        crowd.join(turn, connections.spawn(connection));
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

fn task_of(ended: &Result<(Id, ()), JoinError>) -> Id {
    match ended {
        Ok((task, ())) => *task,
        Err(error) => error.id(),
    }
}

async fn shake_hands<H: Handler>(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    limits: Limits,
    turn: Turn,
    handler: Arc<H>,
    shutdown: CancellationToken,
) {
    let Some(acceptor) = acceptor else {
        return connection(stream, false, limits, turn, handler, shutdown).await;
    };
    let handshake = tokio::select! {
        handshake = timeout(HANDSHAKE_TIMEOUT.min(limits.idle), acceptor.accept(stream)) => handshake,
        () = shutdown.cancelled() => return,
    };
    match handshake {
        Ok(Ok(stream)) => connection(stream, true, limits, turn, handler, shutdown).await,
        Ok(Err(error)) => tracing::debug!(kind = ?error.kind(), "a client could not shake hands"),
        Err(_) => tracing::debug!("a client did not shake hands in time"),
    }
}

async fn connection<S, H>(stream: S, is_secured: bool, limits: Limits, turn: Turn, handler: Arc<H>, shutdown: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Handler,
{
    let service = service_fn(move |mut request: Request| {
        if is_secured {
            request.extensions_mut().insert(Secured);
        }
        let (busy, handler) = (turn.begin(), Arc::clone(&handler));
        async move {
            let busy = busy.ok_or(Ended)?;
            let response = handler.handle(request).await;
            Ok::<_, Ended>(response.map(|body| Held { body, _busy: busy }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        // A client that has sent its request may close its side; what it asked for is done and answered all the same.
        .half_close(true)
        // Not `pipeline_flush`: with it, the answer to a request that is no HTTP stays in the buffer when more of it has been read.
        .max_buf_size(limits.head_bytes.max(8192))
        .serve_connection(TokioIo::new(Patient::new(stream, limits.idle)), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // hyper's words name the step that failed, not what was said.
        tracing::debug!(%error, "connection ended");
    }
}
