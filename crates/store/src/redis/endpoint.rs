//! The server's address and how to get a checked connection to it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo, Pipeline, ProtocolVersion, PushInfo, RedisError, Value};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::encode::Tag;
use super::preflight::{Barrier, Facts, Unfit};
use super::script;
use crate::options::millis;
use crate::{Durability, Error, Options};

const FIRST_BACKOFF: Duration = Duration::from_millis(10);
const LONGEST_BACKOFF: Duration = Duration::from_millis(500);

pub(super) struct Endpoint {
    client: Client,
    address: String,
    password: Option<String>,
    pub(super) options: Options,
    /// Replicas were seen; see [`Durability::Auto`].
    replicated: AtomicBool,
    tag_base: u64,
    tag_counter: AtomicU64,
}

/// A connection to a server that was found fit.
pub(super) struct Link {
    pub(super) connection: MultiplexedConnection,
    pub(super) barrier: Barrier,
    /// Speaks when the connection is closed.
    pub(super) events: mpsc::UnboundedReceiver<PushInfo>,
}

impl Endpoint {
    pub(super) fn new(url: &str, options: Options) -> Result<Self, Error> {
        // The text of a parse error could repeat the URL, and with it the password: it is not passed on.
        let info = url.into_connection_info().map_err(|_| {
            Error::refused("the Redis URL cannot be read: expected redis://[user[:password]@]host[:port][/db] or rediss://...")
        })?;
        let address = info.addr().to_string();
        let password = info
            .redis_settings()
            .password()
            .filter(|password| !password.is_empty())
            .map(str::to_owned);
        let tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        if tls && rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(Error::refused(
                "rediss:// needs a TLS provider: install one (rustls CryptoProvider) at start",
            ));
        }
        // RESP3, because only there the client says when a connection was closed.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let info = info
            .set_tcp_settings(TcpSettings::default().set_nodelay(true))
            .set_redis_settings(settings);
        let client = match &options.root_certificates {
            Some(certificates) if tls => {
                let certificates = redis::TlsCertificates {
                    client_tls: None,
                    root_cert: Some(certificates.clone()),
                };
                Client::build_with_tls(info, certificates)
            }
            _ => Client::open(info),
        };
        let client = client.map_err(|_| Error::refused("the Redis URL or the root certificates cannot be used"))?;
        Ok(Self {
            client,
            address,
            password,
            options,
            replicated: AtomicBool::new(false),
            tag_base: rand::random(),
            tag_counter: AtomicU64::new(0),
        })
    }

    /// A tag that no other batch has: random per process, counted within.
    pub(super) fn tag(&self) -> Tag {
        let counter = self.tag_counter.fetch_add(1, Ordering::Relaxed);
        ((u128::from(self.tag_base) << 64) | u128::from(counter)).to_be_bytes()
    }

    /// Connects, checks the server and loads the scripts.
    pub(super) async fn connect(&self) -> Result<Link, Unfit> {
        let (sender, events) = mpsc::unbounded_channel();
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.options.connect_timeout))
            .set_response_timeout(Some(self.options.response_timeout))
            .set_push_sender(sender);
        let connect = self.client.get_multiplexed_async_connection_with_config(&config);
        // The client's own timeout does not cover the handshake after TCP on every path.
        let connection = match timeout(self.options.connect_timeout * 2, connect).await {
            Ok(result) => result.map_err(|error| self.unfit(&error))?,
            Err(_) => return Err(Unfit::NotNow(format!("{}: no answer", self.address))),
        };
        let mut link = Link {
            connection,
            barrier: Barrier::None,
            events,
        };
        let mut pipeline = Pipeline::with_capacity(script::LOADS);
        script::load(&mut pipeline);
        let (facts, barrier) = self.check(&mut link.connection, &pipeline).await?;
        link.barrier = barrier;
        tracing::debug!(address = %self.address, promise = facts.promise(barrier), "connected to Redis");
        Ok(link)
    }

    /// Asks the server about itself and judges the answer; `more` commands ride along and must succeed.
    pub(super) async fn check(&self, connection: &mut MultiplexedConnection, more: &Pipeline) -> Result<(Facts, Barrier), Unfit> {
        let mut pipeline = redis::pipe();
        pipeline
            .cmd("INFO")
            .arg("server")
            .arg("memory")
            .arg("replication")
            .arg("persistence");
        pipeline.cmd("CONFIG").arg("GET").arg("appendfsync");
        for command in more.cmd_iter() {
            pipeline.add_command(command.clone());
        }
        let values = connection
            .send_packed_commands(&pipeline, 0, pipeline.len())
            .await
            .map_err(|error| self.unfit(&error))?;
        let mut values = values.into_iter();
        let info = match values.next().map(Value::extract_error) {
            Some(Ok(value)) => redis::from_redis_value::<String>(value).unwrap_or_default(),
            Some(Err(error)) => return Err(self.unfit(&error)),
            None => String::new(),
        };
        // CONFIG is often forbidden; then the policy is unknown and only some durabilities are refused.
        let append_fsync = values
            .next()
            .and_then(|value| value.extract_error().ok())
            .and_then(|value| redis::from_redis_value::<Vec<(String, String)>>(value).ok())
            .and_then(|pairs| pairs.into_iter().next())
            .map(|(_, policy)| policy);
        let facts = Facts::parse(&info, append_fsync);
        let durability = self.options.durability;
        let barrier = facts
            .judge(durability, self.replicated.load(Ordering::Relaxed))
            .map_err(|unfit| self.located(unfit))?;
        for value in values {
            value.extract_error().map_err(|error| self.unfit(&error))?;
        }
        if durability == Durability::Auto && matches!(barrier, Barrier::Replicas(_)) {
            self.replicated.store(true, Ordering::Relaxed);
        }
        Ok((facts, barrier))
    }

    fn unfit(&self, error: &RedisError) -> Unfit {
        let text = format!("{}: {}", self.address, self.describe(error));
        let settings = matches!(
            error.kind(),
            redis::ErrorKind::AuthenticationFailed | redis::ErrorKind::InvalidClientConfig
        ) || matches!(error.code(), Some("NOPERM" | "NOAUTH" | "WRONGPASS"));
        if settings { Unfit::Settings(text) } else { Unfit::NotNow(text) }
    }

    fn located(&self, unfit: Unfit) -> Unfit {
        match unfit {
            Unfit::Settings(text) => Unfit::Settings(format!("{}: {text}", self.address)),
            Unfit::NotNow(text) => Unfit::NotNow(format!("{}: {text}", self.address)),
        }
    }

    /// The text of a client error, without the password whatever the client put into it.
    pub(super) fn describe(&self, error: &RedisError) -> String {
        let text = error.to_string();
        match &self.password {
            Some(password) => text.replace(password, "***"),
            None => text,
        }
    }

    /// Adds the command that ends a group; says whether there is one.
    pub(super) fn end_group(&self, pipeline: &mut Pipeline, barrier: Barrier) -> bool {
        let timeout_ms = millis(self.options.barrier_timeout);
        match barrier {
            Barrier::None => return false,
            Barrier::Replicas(wanted) => pipeline.cmd("WAIT").arg(wanted).arg(timeout_ms),
            Barrier::Disk => pipeline.cmd("WAITAOF").arg(1).arg(0).arg(timeout_ms),
        };
        true
    }
}

/// What the reply to the command of [`Endpoint::end_group`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    Yes,
    /// Fewer than asked in time.
    No,
    /// The server does not know the command.
    Unknown,
}

pub(super) fn reached(barrier: Barrier, reply: Option<&Value>) -> Reached {
    match (barrier, reply) {
        (Barrier::None, _) => Reached::Yes,
        (Barrier::Replicas(wanted), Some(Value::Int(acknowledged))) if *acknowledged >= i64::from(wanted) => Reached::Yes,
        (Barrier::Disk, Some(Value::Array(counts))) if matches!(counts.first(), Some(Value::Int(local)) if *local >= 1) => Reached::Yes,
        (_, Some(Value::Int(_) | Value::Array(_))) => Reached::No,
        _ => Reached::Unknown,
    }
}

/// Pauses between attempts: short at first, doubling to half a second, with jitter so that connections do not come back in step.
#[derive(Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(super) fn next(&mut self) -> Duration {
        let ceiling = FIRST_BACKOFF.saturating_mul(1 << self.failures.min(10)).min(LONGEST_BACKOFF);
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(rand::random_range(0.5..=1.0))
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

impl From<Unfit> for Error {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Settings(text) => Self::refused(text),
            Unfit::NotNow(text) => Self::unavailable(text),
        }
    }
}

impl Unfit {
    pub(super) fn text(&self) -> Arc<str> {
        match self {
            Self::Settings(text) | Self::NotNow(text) => text.as_str().into(),
        }
    }
}
