//! Opening message streams.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use waxseal_protocol::proto::relay_server::Relay;
use waxseal_protocol::proto::{self, FromRelay, ToRelay, to_relay::Frame};
use waxseal_protocol::wire;

use super::{Caller, Service};
use crate::connection::{Connection, End, Hello, pump, reader};
use crate::number::Number;
use crate::shared::{Shared, Stage};
use crate::status;
use crate::writer::{Job, Opened};

const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Frames between the pump and the socket; each at most about 256 KiB, or one envelope.
const FRAMES_UNDER_WAY: usize = 2;

#[tonic::async_trait]
impl Relay for Service {
    type ConnectStream = ReceiverStream<Result<FromRelay, Status>>;

    async fn connect(&self, request: Request<Streaming<ToRelay>>) -> Result<Response<Self::ConnectStream>, Status> {
        let caller = self.authenticate(&request)?;
        let terminator = request.metadata().get(wire::TERMINATOR).and_then(|value| value.to_str().ok());
        let terminator = terminator
            .and_then(|text| hex::decode(text).ok())
            .filter(|bytes| bytes.len() == 16)
            .unwrap_or_default();
        let guard = Guard::enter(&self.shared, caller.number)?;
        let mut stream = request.into_inner();
        let hello = hello(&mut stream).await?;
        let connection = self.connection(&caller, &guard, &hello, terminator);
        let guard = guard.of(Arc::clone(&connection));
        let opened = self
            .ask(|reply| Job::Open {
                connection: Arc::clone(&connection),
                reply,
            })
            .await??;
        let (frames, receiver) = mpsc::channel(FRAMES_UNDER_WAY);
        let (shared, open) = (Arc::clone(&self.shared), self.open.clone());
        tokio::spawn(async move {
            run(&connection, &shared, stream, frames, opened).await;
            drop((guard, open));
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

impl Service {
    fn connection(&self, caller: &Caller, guard: &Guard, hello: &proto::Hello, terminator: Vec<u8>) -> Arc<Connection> {
        let Caller {
            number, credential_hash, ..
        } = *caller;
        let hello = Hello {
            id: guard.id,
            number,
            credential_hash,
            epoch: hello.epoch,
            terminator,
            wants_integrity: hello.wants_integrity,
        };
        let Shared { limits, live_bytes, .. } = self.shared.as_ref();
        Arc::new(Connection::new(
            hello,
            limits.unanswered_envelopes,
            Arc::clone(live_bytes),
            limits.live_bytes,
        ))
    }
}

async fn hello(stream: &mut Streaming<ToRelay>) -> Result<proto::Hello, Status> {
    match tokio::time::timeout(HELLO_TIMEOUT, stream.message()).await {
        Ok(Ok(Some(ToRelay {
            frame: Some(Frame::Hello(hello)),
        }))) => Ok(hello),
        Ok(Err(_) | Ok(_)) => Err(status::malformed()),
        Err(_) => Err(Status::deadline_exceeded("no hello")),
    }
}

/// Runs a stream until either side ends it.
async fn run(connection: &Arc<Connection>, shared: &Arc<Shared>, stream: Streaming<ToRelay>, frames: pump::Frames, opened: Opened) {
    let read = async {
        reader::run(connection, shared, stream).await;
        // The pump sends what is left and ends the stream.
        std::future::pending::<()>().await;
    };
    let watch = async {
        let mut stage = shared.stage.subscribe();
        if stage.wait_for(|stage| *stage != Stage::Running).await.is_ok() {
            connection.end(End::Stopping);
        }
        // What is under way will be answered, unless the writer has ended.
        let _ = stage.wait_for(|stage| *stage == Stage::Ended).await;
    };
    tokio::select! {
        () = pump::run(connection, shared, frames, opened) => {}
        () = read => {}
        () = watch => {}
    }
}

/// Counts a connection, and tells the writer when it is gone.
struct Guard {
    shared: Arc<Shared>,
    number: Number,
    id: u64,
    connection: Option<Arc<Connection>>,
}

impl Guard {
    fn enter(shared: &Arc<Shared>, number: Number) -> Result<Self, Status> {
        let most = i64::try_from(shared.limits.connections).unwrap_or(i64::MAX);
        if shared.metrics.connections.inc() >= most {
            shared.metrics.connections.dec();
            return Err(status::full("too many connections"));
        }
        Ok(Self {
            shared: Arc::clone(shared),
            number,
            id: shared.next_connection_id(),
            connection: None,
        })
    }

    fn of(mut self, connection: Arc<Connection>) -> Self {
        self.connection = Some(connection);
        self
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.metrics.connections.dec();
        if let Some(connection) = &self.connection {
            connection.leave();
            self.shared.gone(self.number, self.id);
        }
    }
}
