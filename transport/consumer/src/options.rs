//! What a consumer is opened with.

use std::path::PathBuf;

use waxseal_content::{PhoneNumber, Text};

/// What a consumer is opened with.
pub struct Options {
    /// Our number.
    pub number: PhoneNumber,
    /// Where the relay listens, such as `http://127.0.0.1:7000` or `https://relay.example`.
    pub relay_url: String,
    /// Certificates (PEM) to trust with `https` instead of the public ones.
    pub relay_ca: Option<Vec<u8>>,
    /// The profile name that goes with our messages.
    pub name: Option<Text>,
    /// Where the state is.
    pub storage: Storage,
    /// How many one-time pre-keys of each kind the relay should hold.
    pub one_time_keys: u32,
}

/// Where a consumer keeps its state.
pub enum Storage {
    /// In `<state_dir>/consumers/<digits of the number>/`, private to the user, one process at a time.
    Directory(PathBuf),
    /// In memory, gone with the consumer.
    Memory,
}

impl Options {
    /// State under `state_dir`, 100 one-time keys of each kind.
    pub fn new(number: PhoneNumber, relay_url: impl Into<String>, state_dir: impl Into<PathBuf>) -> Self {
        Self {
            number,
            relay_url: relay_url.into(),
            relay_ca: None,
            name: None,
            storage: Storage::Directory(state_dir.into()),
            one_time_keys: 100,
        }
    }

    /// State in memory.
    pub fn in_memory(number: PhoneNumber, relay_url: impl Into<String>) -> Self {
        Self {
            storage: Storage::Memory,
            ..Self::new(number, relay_url, PathBuf::new())
        }
    }

    /// With a profile name.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(Text::new(name.into())).filter(|name| !name.is_empty());
        self
    }
    /// Trusting these certificates (PEM) with `https`, and no others.
    #[must_use]
    pub fn trusting(mut self, relay_ca: impl Into<Vec<u8>>) -> Self {
        self.relay_ca = Some(relay_ca.into());
        self
    }
}
