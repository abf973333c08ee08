//! A mirror of the library's session record: just enough of it to weigh a message before it is decrypted, to hand the library only the
//! state that a message belongs to, and to keep archived states few.
//!
//! The field numbers are those of `storage.proto` and `pq_ratchet.proto` of the library; the tests here fail if they move.

use libsignal_protocol::SessionRecord;
use prost::Message;
use prost::bytes::Bytes;
use zeroize::Zeroizing;

use crate::wiped::wiped_on_drop;
use crate::{Error, Policy};

/// One peer's states, each left encoded. Re-encoding it gives the library's own bytes.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Record {
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub(crate) current: Option<Bytes>,
    /// The youngest first.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub(crate) previous: Vec<Bytes>,
}

/// What the guard reads of one state.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct State {
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) remote_identity: Bytes,
    #[prost(message, repeated, tag = "7")]
    pub(crate) receiver_chains: Vec<Chain>,
    #[prost(bytes = "bytes", tag = "13")]
    pub(crate) base_key: Bytes,
    #[prost(bytes = "bytes", tag = "15")]
    pub(crate) post_quantum: Bytes,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Chain {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) ratchet_key: Bytes,
    #[prost(message, optional, tag = "3")]
    pub(crate) position: Option<Position>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) skipped: Vec<Skipped>,
}

#[derive(Clone, Copy, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Position {
    #[prost(uint32, tag = "1")]
    pub(crate) index: u32,
}

/// A key kept for a message that has not arrived: only counted.
#[derive(Clone, Copy, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Skipped {}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct PostQuantum {
    #[prost(message, optional, tag = "2")]
    pub(crate) chain: Option<Epochs>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Epochs {
    #[prost(uint64, tag = "2")]
    pub(crate) current: u64,
    /// The last is that of the current epoch.
    #[prost(message, repeated, tag = "3")]
    pub(crate) links: Vec<Epoch>,
}

#[derive(Clone, Copy, PartialEq, Message)]
#[prost(skip_debug)]
pub(crate) struct Epoch {
    #[prost(message, optional, tag = "2")]
    pub(crate) receiving: Option<Position>,
}

/// Which state of a record a message belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    Current,
    Archived(usize),
    /// A state that the message itself creates.
    New,
}

impl Record {
    pub(crate) fn decode(bytes: &Bytes) -> Result<Self, Error> {
        // Borrows from the record: nothing is copied.
        Message::decode(bytes.clone()).map_err(|_| Error::DamagedRecord)
    }

    pub(crate) fn encode(&self) -> Bytes {
        wiped_on_drop(self.encode_to_vec())
    }

    /// Every state, with where it is: the current one first, then from young to old.
    pub(crate) fn states(&self) -> Result<Vec<(Home, State)>, Error> {
        let current = self.current.iter().map(|bytes| (Home::Current, bytes));
        let archived = self
            .previous
            .iter()
            .enumerate()
            .map(|(index, bytes)| (Home::Archived(index), bytes));
        current
            .chain(archived)
            .map(|(home, bytes)| Ok((home, State::parse(bytes)?)))
            .collect()
    }

    /// For the library: the one state, in the place where the record has it, or nothing.
    pub(crate) fn only(&self, home: Home) -> Zeroizing<Vec<u8>> {
        let record = match home {
            Home::Current => Self {
                current: self.current.clone(),
                previous: Vec::new(),
            },
            Home::Archived(index) => Self {
                current: None,
                previous: self.previous.get(index).cloned().into_iter().collect(),
            },
            Home::New => Self::default(),
        };
        Zeroizing::new(record.encode_to_vec())
    }

    /// Puts the state that decrypted a message, one step further, back into its place.
    ///
    /// `lead`: it becomes the session that is written with. The library's own way would do this for an archived state of a replaced
    /// identity too.
    pub(crate) fn advance(mut self, home: Home, state: Bytes, lead: bool) -> Result<Self, Error> {
        match (home, lead) {
            (Home::Current, _) => self.current = Some(state),
            (Home::Archived(index), false) => match self.previous.get_mut(index) {
                Some(archived) => *archived = state,
                None => return Err(Error::Internal("archived state")),
            },
            (Home::Archived(index), true) => {
                if index >= self.previous.len() {
                    return Err(Error::Internal("archived state"));
                }
                self.previous.remove(index);
                self = self.archived()?;
                self.current = Some(state);
            }
            (Home::New, _) => {
                self = self.archived()?;
                self.current = Some(state);
            }
        }
        Ok(self)
    }

    /// Moves the current state to the archive, as the library does: it also drops what only a first message needs.
    pub(crate) fn archived(mut self) -> Result<Self, Error> {
        if self.current.is_none() {
            return Ok(self);
        }
        let mut alone = SessionRecord::deserialize(&self.only(Home::Current))?;
        alone.archive_current_state()?;
        let alone = Self::decode(&wiped_on_drop(alone.serialize()?))?;
        self.current = None;
        self.previous.splice(0..0, alone.previous);
        Ok(self)
    }

    /// Drops the oldest archived states until the record is within its bounds.
    pub(crate) fn bounded(mut self, policy: &Policy) -> Result<Bytes, Error> {
        self.previous.truncate(policy.max_archived);
        while self.encoded_len() > policy.max_record_bytes {
            if self.previous.pop().is_none() {
                return Err(Error::RecordTooLarge);
            }
        }
        Ok(self.encode())
    }
}

impl State {
    pub(crate) fn parse(bytes: &Bytes) -> Result<Self, Error> {
        Message::decode(bytes.clone()).map_err(|_| Error::DamagedRecord)
    }

    pub(crate) fn chain(&self, ratchet_key: &[u8]) -> Option<&Chain> {
        // The library ignores what follows a key.
        self.receiver_chains
            .iter()
            .find(|chain| chain.ratchet_key.get(..ratchet_key.len()) == Some(ratchet_key))
    }

    pub(crate) fn epochs(&self) -> Result<Option<Epochs>, Error> {
        let state: PostQuantum = Message::decode(self.post_quantum.clone()).map_err(|_| Error::DamagedRecord)?;
        Ok(state.chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bundle, Identity, Peer, PeerId, Trust, establish, pre_keys};
    use std::time::SystemTime;

    /// A record with a current and three archived states.
    fn record() -> Bytes {
        let mut rng = rand::rng();
        let [us, them] = std::array::from_fn(|_| Identity::generate(&mut rng).unwrap());
        let (now, policy) = (SystemTime::UNIX_EPOCH, Policy::default());
        let bundle = Bundle {
            registration_id: them.registration_id(),
            identity_key: them.public_key().to_bytes(),
            signed_pre_key: pre_keys::signed(&them, 1, now, &mut rng).unwrap().1,
            kyber_pre_key: pre_keys::kyber(&them, 2, now, &mut rng).unwrap().1,
            one_time_ec: None,
        };
        let peer_id = PeerId::random(&mut rng);
        let peer = (0..4).fold(Peer::new(), |peer, _| {
            establish(&us, &peer_id, &peer, &bundle, Trust::Pinned, &policy, now, &mut rng)
                .unwrap()
                .peer
        });
        peer.record_bytes().clone()
    }

    #[test]
    fn the_mirror_gives_back_the_bytes_of_the_library() {
        let bytes = record();
        let by_library = SessionRecord::deserialize(&bytes).unwrap().serialize().unwrap();
        assert_eq!(by_library, bytes);
        assert_eq!(Record::decode(&bytes).unwrap().encode(), bytes);
    }

    #[test]
    fn the_mirror_reads_the_fields_it_names() {
        let bytes = record();
        let library = SessionRecord::deserialize(&bytes).unwrap();
        let states = Record::decode(&bytes).unwrap().states().unwrap();
        let homes: Vec<_> = states.iter().map(|(home, _)| *home).collect();
        assert_eq!(homes, [Home::Current, Home::Archived(0), Home::Archived(1), Home::Archived(2)]);
        let current = &states[0].1;
        assert_eq!(current.base_key, library.alice_base_key().unwrap());
        assert_eq!(current.remote_identity, library.remote_identity_key_bytes().unwrap().unwrap());
        assert_eq!(&current.post_quantum[..], &library.current_pq_state().unwrap()[..]);
        assert_eq!(current.receiver_chains.len(), 1);
    }

    #[test]
    fn an_archived_state_that_leads_changes_places_with_the_current_one() {
        let record = Record::decode(&record()).unwrap();
        let advanced = record.previous[1].clone();
        let led = record.clone().advance(Home::Archived(1), advanced.clone(), true).unwrap();
        assert_eq!(led.current, Some(advanced.clone()));
        assert_eq!(led.previous.len(), 3);
        assert_eq!(led.previous[1..], [record.previous[0].clone(), record.previous[2].clone()]);
        let late = record.clone().advance(Home::Archived(0), advanced.clone(), false).unwrap();
        assert_eq!(late.current, record.current);
        assert_eq!(late.previous, [advanced.clone(), advanced.clone(), record.previous[2].clone()]);
        assert!(record.advance(Home::Archived(3), advanced, true).is_err());
    }

    #[test]
    fn the_oldest_states_go_first() {
        let record = Record::decode(&record()).unwrap();
        let bounded = |policy: Policy| {
            record
                .clone()
                .bounded(&policy)
                .map(|bytes| Record::decode(&bytes).unwrap().previous)
        };
        assert_eq!(bounded(Policy::default()).unwrap(), record.previous);
        assert_eq!(
            bounded(Policy {
                max_archived: 2,
                ..Policy::default()
            })
            .unwrap(),
            record.previous[..2]
        );
        let max_record_bytes = record.encoded_len() - 1;
        assert_eq!(
            bounded(Policy {
                max_record_bytes,
                ..Policy::default()
            })
            .unwrap(),
            record.previous[..2]
        );
        assert_eq!(
            bounded(Policy {
                max_record_bytes: 100,
                ..Policy::default()
            })
            .err(),
            Some(Error::RecordTooLarge)
        );
    }
}
