//! The relay: forwards ciphertext between consumers and sidecars, keeps pre-key bundles and the queues of who is offline.
//!
//! It sees numbers, sizes and times, and of a message one opaque body. It may touch its state folder and the network. It must depend on
//! neither the content crate nor Signal's code (a test looks at its dependency tree), and it must let no number reach a log or a metric.
//!
//! Its promises:
//! * What it answered `ACCEPTED` is durable: neither a restart nor a crash loses it.
//! * Envelopes of one sender to one recipient arrive in the order of submission, each at least once; after the acknowledgement never again.
//! * An id that one sender submits again is accepted again and delivered once.
//! * A one-time key is handed out once.
//! * A blob that it answered to have is durable until it expires; of an upload that did not end well nothing stays.
//! * A connection that was displaced changes nothing any more.
//!
//! How it is built: a [`writer`] thread owns all changes and commits them in groups; every [`connection`] has a reader and a pump; the
//! [`store`] is one redb file; [`blobs`] are files beside it; [`service`] is the gRPC edge.

mod account;
mod blobs;
mod bucket;
mod config;
mod connection;
mod integrity;
mod metrics;
mod number;
mod prompt;
mod relay;
mod service;
mod shared;
mod status;
mod store;
mod tls;
mod writer;

pub use config::{Badness, BlobLimits, BlobQuota, Clock, Config, IntegrityLimits, Limits, Rate, Reregistration};
pub use relay::{Error, Relay, Running, Stats};
pub use store::Error as StateError;
pub use tls::{Error as TlsError, Tls};
