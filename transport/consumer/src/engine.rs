//! What happens to messages: a synchronous core over the state. Each call puts its changes into a [`Step`]; the caller commits the step and
//! only then lets its effects out. Ratchet steps are pure functions of `waxseal_signal`; time comes from the caller.
//!
//! May touch: the state, keys, plaintext. Must not: know the network, wait for anything, or emit anything.

mod budget;
mod change;
mod keys;
mod log;
mod queue;
mod receive;
mod retry;
mod send;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use waxseal_content::{BlobId, MessageId, PhoneNumber, Text};
use waxseal_protocol::Credential;
use waxseal_signal::{Identity, IdentityKey, PeerId};
use zeroize::Zeroizing;

use crate::state::{Persistence, Store, Transaction, keys as names, rows};
use crate::{Error, Event};

pub(crate) use keys::{Counts, ONE_TIME_TTL, Upload};
pub(crate) use queue::Verdict;
pub(crate) use send::Outgoing;

/// Most rows that may wait (for a session or for the relay) before new messages are refused.
const MAX_WAITING: usize = 10_000;

/// One consumer's conversations.
pub(crate) struct Engine {
    store: Store,
    number: PhoneNumber,
    name: Option<Text>,
    identity: Identity,
    account: rows::Account,
    counters: rows::Counters,
    /// Rows in the queue and in the outbox.
    waiting: usize,
    one_time_keys: u32,
    policy: waxseal_signal::Policy,
    budget: budget::Budget,
    pub(crate) faults: Faults,
    rng: StdRng,
}

/// For tests of the other end: what goes wrong here on purpose.
#[derive(Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Nothing that arrives can be decrypted.
    pub(crate) cannot_decrypt: bool,
    /// The first envelope of the next message cannot be decrypted.
    pub(crate) damage_next: bool,
}

/// A file in the spool whose message waits until the relay has it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct WaitingFile {
    /// Of the message in the queue.
    pub(crate) key: Vec<u8>,
    pub(crate) blob: BlobId,
    pub(crate) ciphertext_bytes: u64,
}

/// Changes that belong together, and what may happen once they are durable.
pub(crate) struct Step {
    pub(crate) tx: Transaction,
    pub(crate) effects: Effects,
    persistence: Persistence,
    /// Messages to be told delivered, per sender.
    delivered: BTreeMap<PhoneNumber, Vec<MessageId>>,
}

/// What may leave the process after the commit.
#[derive(Default)]
pub(crate) struct Effects {
    pub(crate) events: Vec<Event>,
    /// Deliveries that the relay may forget.
    pub(crate) acks: Vec<u64>,
    /// Peers whose bundle is needed.
    pub(crate) fetch: Vec<PhoneNumber>,
    /// Files that the relay should get.
    pub(crate) upload: Vec<WaitingFile>,
    /// Files in the spool that nothing waits for any more.
    pub(crate) unspool: Vec<BlobId>,
}

impl Step {
    /// Something will be emitted that relies on this step.
    const fn must_be_durable(&mut self) {
        self.persistence = Persistence::Durable;
    }
}

impl Engine {
    /// Loads the state, or makes a new identity in an empty one.
    pub(crate) async fn open(store: Store, number: PhoneNumber, name: Option<Text>, one_time_keys: u32) -> Result<Self, Error> {
        let mut rng = StdRng::from_os_rng();
        let mut tx = Transaction::new(store.clone());
        let (identity, account) = match tx.row::<rows::Account>(names::ACCOUNT)? {
            Some(account) => (Identity::from_bytes(&account.identity)?, account),
            None => {
                let identity = Identity::generate(&mut rng)?;
                let account = rows::Account {
                    credential: Credential::random(&mut rng).reveal().to_vec(),
                    identity: identity.to_bytes().to_vec(),
                    ..rows::Account::default()
                };
                tx.put_row(names::ACCOUNT.to_vec(), &account);
                (identity, account)
            }
        };
        let counters = tx.row(names::COUNTERS)?.unwrap_or_default();
        let waiting = tx.keys(names::QUEUE)?.len() + tx.keys(names::OUTBOX)?.len();
        store.commit(tx.into_changes(), Persistence::Durable).await?;
        Ok(Self {
            store,
            number,
            name,
            identity,
            account,
            counters,
            waiting,
            one_time_keys,
            policy: waxseal_signal::Policy::default(),
            budget: budget::Budget::default(),
            faults: Faults::default(),
            rng,
        })
    }

    pub(crate) fn begin(&self) -> Step {
        Step {
            tx: Transaction::new(self.store.clone()),
            effects: Effects::default(),
            persistence: Persistence::Lazy,
            delivered: BTreeMap::new(),
        }
    }

    /// Commits the step. What comes back may leave the process. After an error the engine must not be used any more: what it holds in
    /// memory is ahead of the store.
    pub(crate) async fn commit(&mut self, mut step: Step, now: SystemTime) -> Result<Effects, Error> {
        self.tell_delivered(&mut step, now)?;
        let changes = {
            let mut tx = step.tx;
            if tx.row::<rows::Counters>(names::COUNTERS)?.unwrap_or_default() != self.counters {
                tx.put_row(names::COUNTERS.to_vec(), &self.counters);
            }
            tx.into_changes()
        };
        self.store.commit(changes, step.persistence).await?;
        Ok(step.effects)
    }

    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) const fn rng(&mut self) -> &mut StdRng {
        &mut self.rng
    }

    pub(crate) fn identity_key(&self) -> IdentityKey {
        self.identity.public_key()
    }

    pub(crate) fn registration_id(&self) -> u32 {
        self.identity.registration_id()
    }

    pub(crate) fn credential(&self) -> Result<Credential, Error> {
        self.account
            .credential
            .as_slice()
            .try_into()
            .map(Credential::from_bytes)
            .map_err(|_| Error::Corrupt)
    }

    /// Whether nothing waits to be sent.
    pub(crate) const fn is_idle(&self) -> bool {
        self.waiting == 0
    }

    /// The 60 digits that both ends can compare; `None` before the peer's identity is known.
    pub(crate) fn safety_number(&self, peer: &PhoneNumber) -> Result<Option<String>, Error> {
        let tx = Transaction::new(self.store.clone());
        let Some(known) = stored_peer(&tx, peer)? else { return Ok(None) };
        let Some(theirs) = known.state.identity() else { return Ok(None) };
        Ok(Some(waxseal_signal::safety_number(
            &self.identity.public_key(),
            self.number.reveal(),
            theirs,
            peer.reveal(),
        )?))
    }

    /// Forgets the session with a peer, as a damaged device would.
    pub(crate) fn forget_session(&self, step: &mut Step, peer: &PhoneNumber) -> Result<(), Error> {
        if let Some(known) = stored_peer(&step.tx, peer)? {
            step.must_be_durable();
            store_peer(
                step,
                peer,
                &Known {
                    state: known.state.without_sessions(),
                    ..known
                },
            );
        }
        Ok(())
    }

    fn peer(&mut self, step: &Step, peer: &PhoneNumber) -> Result<Known, Error> {
        match stored_peer(&step.tx, peer)? {
            Some(known) => Ok(known),
            None => Ok(Known {
                id: PeerId::random(&mut self.rng),
                state: waxseal_signal::Peer::new(),
            }),
        }
    }
}

/// What we know of a peer.
struct Known {
    id: PeerId,
    state: waxseal_signal::Peer,
}

fn stored_peer(tx: &Transaction, peer: &PhoneNumber) -> Result<Option<Known>, Error> {
    let Some(row) = tx.row::<rows::Peer>(&names::peer(peer))? else {
        return Ok(None);
    };
    let id = PeerId::new(row.id.as_slice().try_into().map_err(|_| Error::Corrupt)?);
    // A damaged state counts as none: the session heals, an error here would block the peer for ever.
    Ok(Some(Known {
        id,
        state: waxseal_signal::Peer::from_bytes(&row.state).unwrap_or_default(),
    }))
}

fn store_peer(step: &mut Step, peer: &PhoneNumber, known: &Known) {
    let state: Zeroizing<Vec<u8>> = known.state.to_bytes();
    step.tx.put_row(
        names::peer(peer),
        &rows::Peer {
            id: known.id.as_bytes().to_vec(),
            state: state.to_vec(),
        },
    );
}

/// Unix milliseconds.
pub(crate) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
