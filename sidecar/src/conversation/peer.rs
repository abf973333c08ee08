//! A consumer as a lane knows it.

use waxseal_content::{PhoneNumber, Text};

use super::record::PeerRecord;

/// A consumer as a lane knows it.
#[derive(Clone)]
pub struct Peer {
    /// The number.
    pub number: PhoneNumber,
    /// The profile name last shown.
    pub name: Option<Text>,
    /// Session and pinned identity.
    pub signal: waxseal_signal::Peer,
    /// When it was last written down whom the consumer's user id names, Unix milliseconds; 0 for never.
    pub user_at_ms: u64,
    /// When the consumer last wrote, Unix milliseconds; 0 for never.
    pub heard_ms: u64,
}

impl Peer {
    /// A consumer there is no session with.
    pub(super) fn new(number: &PhoneNumber) -> Self {
        Self {
            number: number.clone(),
            name: None,
            signal: waxseal_signal::Peer::new(),
            user_at_ms: 0,
            heard_ms: 0,
        }
    }

    /// Reads a record; `None` when it is not one of this build's.
    pub(super) fn of(record: PeerRecord) -> Option<Self> {
        Some(Self {
            number: PhoneNumber::parse(&record.number).ok()?,
            name: record.name.map(Text::new),
            signal: waxseal_signal::Peer::from_bytes(&record.signal).ok()?,
            user_at_ms: record.user_at_ms,
            heard_ms: record.heard_ms,
        })
    }

    /// The stored form.
    pub(super) fn to_record(&self) -> PeerRecord {
        PeerRecord {
            number: self.number.reveal().to_owned(),
            name: self.name.as_ref().map(|name| name.reveal().to_owned()),
            signal: self.signal.to_bytes().to_vec(),
            user_at_ms: self.user_at_ms,
            heard_ms: self.heard_ms,
        }
    }
}
