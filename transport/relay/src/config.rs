//! What a relay is started with.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use waxseal_protocol::wire;

use crate::tls::Tls;

/// Where the relay reads the time; tests turn it.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// What a relay is started with.
#[derive(Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The folder of `relay.redb`; made when missing, readable by its owner only.
    pub state_dir: PathBuf,
    /// How connections are encrypted; `None`: not at all.
    pub tls: Option<Tls>,
    /// Who may replace the credential of a consumer's number that has no PIN.
    pub reregistration: Reregistration,
    /// Everything that is bounded.
    pub limits: Limits,
    /// The time.
    pub clock: Clock,
}

impl Config {
    /// A relay with the usual limits, without TLS, open re-registration and the system's clock.
    #[must_use]
    pub fn new(listen: SocketAddr, state_dir: PathBuf) -> Self {
        Self {
            listen,
            state_dir,
            tls: None,
            reregistration: Reregistration::Open,
            limits: Limits::default(),
            clock: Arc::new(SystemTime::now),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("state_dir", &self.state_dir)
            .field("tls", &self.tls)
            .field("reregistration", &self.reregistration)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Who may replace the credential of a consumer's number. A number with a PIN always wants its PIN (or, for a consumer, its credential).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reregistration {
    /// Anyone: stands for the SMS code that a real network would send. For the laptop.
    #[default]
    Open,
    /// Whoever has the credential or the PIN.
    PinOrCredential,
}

/// A token bucket: `capacity` at once, then one per `refill`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many at once.
    pub capacity: u32,
    /// How long one more takes.
    pub refill: Duration,
}

/// Everything that is bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The longest envelope body.
    pub body_bytes: usize,
    /// The most envelopes waiting for one recipient.
    pub queue_envelopes: u32,
    /// The most bytes waiting for one recipient.
    pub queue_bytes: u64,
    /// The longest an envelope waits.
    pub ttl_cap: Duration,
    /// How long an accepted id is remembered at least; longer when its envelope's TTL is longer. Whole minutes.
    pub mark_lifetime: Duration,
    /// The most accepted ids remembered, over all senders (about 50 bytes each on disk). Beyond it the oldest are forgotten early.
    pub marks: u64,
    /// The most one-time keys of each kind per number.
    pub one_time_keys: u32,
    /// The owner is told that a pool is low below this share of what it last published ...
    pub keys_low_percent: u32,
    /// ... or below this count.
    pub keys_low_floor: u32,
    /// The most registered consumers.
    pub consumers: u64,
    /// The most registered business numbers.
    pub businesses: u64,
    /// The most open message streams.
    pub connections: usize,
    /// The most unacknowledged deliveries of one connection.
    pub window_envelopes: usize,
    /// The most bytes in unacknowledged deliveries of one connection.
    pub window_bytes: usize,
    /// The most submitted envelopes of one connection that have no outcome yet.
    pub unanswered_envelopes: usize,
    /// The most bytes of submitted frames, over all connections, that wait to be committed.
    pub uncommitted_bytes: usize,
    /// The most bytes of envelopes, over all connections, kept in memory for delivery; beyond it they are read back from the disk.
    pub live_bytes: usize,
    /// Envelopes per second that one sender may submit; more make its stream wait. `None`: as fast as it goes.
    pub submit_per_second: Option<u32>,
    /// How often one requester may fetch bundles of one number.
    pub bundles_per_pair: Rate,
    /// How often a consumer may fetch bundles.
    pub bundles_per_consumer: Rate,
    /// How often a business number may fetch bundles: it opens a session with each of its customers.
    pub bundles_per_business: Rate,
    /// How often a wrong PIN may be tried for one number.
    pub pin_attempts: Rate,
    /// How often the owner of a number may change its PIN.
    pub pin_changes: Rate,
    /// How often a consumer may report a business.
    pub reports: Rate,
    /// How businesses are judged.
    pub integrity: IntegrityLimits,
    /// Of blobs.
    pub blobs: BlobLimits,
    /// The page cache of the state file.
    pub cache_bytes: usize,
}

/// How the quality of a business number is derived from its last days: unknown below a least activity, else red or yellow when it is as bad
/// as that says, else green.
///
/// Reports count once per consumer, business and day, for seven days, and are held against the recipients of each of these days. Numbers
/// that were tried and are not registered count for 24 hours, and are held against all that were tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntegrityLimits {
    /// Below so many recipients (summed over the days) and unknown numbers together the quality is unknown.
    pub least_recipients: u32,
    /// What is yellow.
    pub yellow: Badness,
    /// What is red.
    pub red: Badness,
    /// A business is told of changes this often at most.
    pub pause: Duration,
    /// The most businesses that are watched at a time, 60 KiB each at most; the quality of others is unknown.
    pub businesses: usize,
    /// The most reports of one business on one day that count.
    pub reports_per_day: u32,
}

/// Bad by reports or by unknown numbers: each needs a least count and a least share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Badness {
    /// At least so many reports ...
    pub least_reports: u32,
    /// ... which are at least this share of the recipients.
    pub reports_per_mille: u32,
    /// Or at least so many unknown numbers ...
    pub least_unknown: u32,
    /// ... which are at least this share of all numbers that were tried.
    pub unknown_per_mille: u32,
}

impl Default for IntegrityLimits {
    fn default() -> Self {
        Self {
            least_recipients: 10,
            yellow: Badness {
                least_reports: 2,
                reports_per_mille: 20,
                least_unknown: 20,
                unknown_per_mille: 250,
            },
            red: Badness {
                least_reports: 5,
                reports_per_mille: 50,
                least_unknown: 50,
                unknown_per_mille: 500,
            },
            pause: Duration::from_secs(5),
            businesses: 10_000,
            reports_per_day: 10_000,
        }
    }
}

/// What of blobs is bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobLimits {
    /// The largest blob.
    pub bytes: u64,
    /// Of a consumer.
    pub consumer: BlobQuota,
    /// Of a business number.
    pub business: BlobQuota,
    /// The most bytes kept of all accounts together.
    pub total_bytes: u64,
    /// No upload begins that would leave less than this on the disk, which the relay's other state needs too.
    pub spare_bytes: u64,
    /// The most uploads and downloads at a time ...
    pub streams: usize,
    /// ... and of one account.
    pub streams_per_account: usize,
    /// How long an upload may bring no byte and a download may take none.
    pub idle: Duration,
    /// An upload or download that is slower than this on the whole is cut off ...
    pub least_bytes_per_second: u64,
    /// ... but not before this.
    pub grace: Duration,
}

/// What one account may do with blobs. A blob counts as 64 KiB at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobQuota {
    /// The most bytes kept.
    pub kept_bytes: u64,
    /// The most bytes uploaded in an hour, also in vain.
    pub uploaded_bytes_per_hour: u64,
    /// The most bytes downloaded in an hour.
    pub downloaded_bytes_per_hour: u64,
}

impl BlobLimits {
    pub(crate) fn quota(&self, is_business: bool) -> BlobQuota {
        if is_business { self.business } else { self.consumer }
    }
}

impl Default for BlobLimits {
    fn default() -> Self {
        const GIB: u64 = 1 << 30;
        Self {
            bytes: wire::MAX_BLOB_BYTES,
            consumer: BlobQuota {
                kept_bytes: 2 * GIB,
                uploaded_bytes_per_hour: 2 * GIB,
                downloaded_bytes_per_hour: 10 * GIB,
            },
            business: BlobQuota {
                kept_bytes: 50 * GIB,
                uploaded_bytes_per_hour: 50 * GIB,
                downloaded_bytes_per_hour: 100 * GIB,
            },
            total_bytes: 200 * GIB,
            spare_bytes: 512 << 20,
            streams: 512,
            streams_per_account: 64,
            idle: Duration::from_secs(30),
            least_bytes_per_second: 32 << 10,
            grace: Duration::from_secs(60),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        let seldom = Rate {
            capacity: 30,
            refill: Duration::from_secs(10),
        };
        Self {
            body_bytes: wire::MAX_BODY_BYTES,
            queue_envelopes: 20_000,
            queue_bytes: 64 * 1024 * 1024,
            ttl_cap: 30 * DAY,
            mark_lifetime: 2 * DAY,
            marks: 20_000_000,
            one_time_keys: 1_000,
            keys_low_percent: 20,
            keys_low_floor: 10,
            consumers: 1_000_000,
            businesses: 100_000,
            connections: 50_000,
            window_envelopes: 4_096,
            window_bytes: 8 * 1024 * 1024,
            unanswered_envelopes: 8_192,
            uncommitted_bytes: 64 * 1024 * 1024,
            live_bytes: 64 * 1024 * 1024,
            submit_per_second: None,
            bundles_per_pair: seldom,
            bundles_per_consumer: seldom,
            bundles_per_business: Rate {
                capacity: 10_000,
                refill: Duration::from_millis(1),
            },
            pin_attempts: Rate {
                capacity: 10,
                refill: Duration::from_secs(60),
            },
            pin_changes: Rate {
                capacity: 10,
                refill: Duration::from_secs(60),
            },
            reports: Rate {
                capacity: 20,
                refill: Duration::from_secs(60 * 60),
            },
            integrity: IntegrityLimits::default(),
            blobs: BlobLimits::default(),
            cache_bytes: 128 * 1024 * 1024,
        }
    }
}
