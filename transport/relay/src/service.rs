//! The gRPC services: who calls, is what they say well-formed, and may they ask now. What passes becomes a job of the writer.

mod blobs;
mod directory;
mod reports;
mod stream;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tonic::{Request, Status};
use waxseal_protocol::{Credential, wire};

use crate::account::credential_hash;
use crate::bucket::Buckets;
use crate::number::Number;
use crate::shared::{Shared, Stage};
use crate::status;
use crate::writer::{Job, Refusal, Reply};

/// Buckets that are not full; about 50 bytes each.
const BUCKETS: usize = 1_000_000;

/// Both services; clones share everything.
#[derive(Clone)]
pub(crate) struct Service {
    shared: Arc<Shared>,
    limiter: Arc<Mutex<Limiter>>,
    /// Whether business numbers have to show a client certificate.
    requires_client_certificates: bool,
    /// Held by every message stream, so that its end can be waited for.
    open: tokio::sync::mpsc::Sender<std::convert::Infallible>,
}

/// Who asked how often.
struct Limiter {
    bundle_pairs: Buckets<(Number, Number)>,
    bundle_requesters: Buckets<Number>,
    pins: Buckets<Number>,
    pin_changes: Buckets<Number>,
    reports: Buckets<Number>,
    uploads: Buckets<Number>,
    downloads: Buckets<Number>,
}

/// An authenticated caller.
struct Caller {
    number: Number,
    credential_hash: [u8; 32],
    is_business: bool,
}

impl Service {
    pub(crate) fn new(
        shared: Arc<Shared>,
        open: tokio::sync::mpsc::Sender<std::convert::Infallible>,
        requires_client_certificates: bool,
    ) -> Self {
        let limiter = Limiter {
            bundle_pairs: Buckets::new(BUCKETS),
            bundle_requesters: Buckets::new(BUCKETS),
            pins: Buckets::new(BUCKETS),
            pin_changes: Buckets::new(BUCKETS),
            reports: Buckets::new(BUCKETS),
            uploads: Buckets::new(BUCKETS),
            downloads: Buckets::new(BUCKETS),
        };
        Self {
            shared,
            limiter: Arc::new(Mutex::new(limiter)),
            requires_client_certificates,
            open,
        }
    }

    /// Who calls. An unknown number and a wrong credential look the same.
    fn authenticate<T>(&self, request: &Request<T>) -> Result<Caller, Status> {
        let metadata = request.metadata();
        let text = |name| metadata.get(name).and_then(|value| value.to_str().ok());
        let number = text(wire::NUMBER).and_then(Number::parse);
        let credential = text(wire::AUTHORIZATION).and_then(Credential::from_bearer);
        let (Some(number), Some(credential)) = (number, credential) else {
            return Err(status::unauthenticated());
        };
        let credential_hash = credential_hash(&credential);
        let accounts = self.shared.accounts();
        let account = accounts.get(&number).filter(|account| account.has_credential(&credential_hash));
        let is_business = account.ok_or_else(status::unauthenticated)?.is_business();
        drop(accounts);
        if is_business {
            self.check_client_certificate(request)?;
        }
        Ok(Caller {
            number,
            credential_hash,
            is_business,
        })
    }

    /// Whether somebody who acts for a business number has shown what they have to. A certificate that is there has been verified.
    fn check_client_certificate<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let connection = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>();
        let has_certificate = connection
            .and_then(TlsConnectInfo::peer_certs)
            .is_some_and(|chain| !chain.is_empty());
        match has_certificate || !self.requires_client_certificates {
            true => Ok(()),
            false => Err(status::no_client_certificate()),
        }
    }

    /// Hands a job to the writer and waits for its answer, which comes when it is durable.
    async fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<Result<T, Refusal>, Status> {
        if *self.shared.stage.borrow() != Stage::Running {
            return Err(status::unavailable());
        }
        let (reply, answer) = oneshot::channel();
        self.shared.jobs.send(job(reply)).await.map_err(|_| status::unavailable())?;
        answer.await.map_err(|_| status::unavailable())
    }

    fn limiter(&self) -> MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
