//! Refuses messages whose unauthenticated counters would make the library work for seconds.
//!
//! The library derives and stores a key for every message it believes it has missed, then looks at the authentication code. It does so for
//! each state it tries, and each key it stores costs a copy of all keys stored so far: one forged message of 84 bytes with counter 24 999
//! costs two seconds, with five archived states twelve. So the work is computed first, from the positions in the record. SPQR has a
//! counter of its own, with linear cost.

use crate::record::{Epochs, State};
use crate::wire::PostQuantumHeader;
use crate::{Error, Policy};

/// What one key of SPQR costs, in copies of one stored key.
const POST_QUANTUM_KEY_COST: u64 = 32;

/// What a message claims about itself.
pub(crate) struct Claim<'a> {
    pub(crate) ratchet_key: &'a [u8],
    pub(crate) counter: u32,
    pub(crate) post_quantum: Option<PostQuantumHeader>,
}

/// Refuses the message if following its counters through all of `states` costs more than skipping
/// [`max_skip_budget`](Policy::max_skip_budget) messages of one chain. A session that does not exist yet is an empty state.
pub(crate) fn check<'a>(claim: &Claim<'_>, states: impl Iterator<Item = &'a State>, policy: &Policy) -> Result<(), Error> {
    let budget = u64::from(policy.max_skip_budget).saturating_pow(2);
    let mut cost: u64 = 0;
    for state in states {
        cost = cost.saturating_add(cost_in(claim, state)?);
    }
    if cost > budget { Err(Error::ForgedCounter) } else { Ok(()) }
}

fn cost_in(claim: &Claim<'_>, state: &State) -> Result<u64, Error> {
    let chain = claim_chain(claim, state);
    let skip = u64::from(claim.counter.saturating_sub(chain.index));
    let post_quantum = match claim.post_quantum {
        Some(header) => u64::from(post_quantum_skip(header, state.epochs()?.as_ref())),
        None => 0,
    };
    Ok(skip
        .saturating_mul(chain.stored.saturating_mul(2).saturating_add(skip))
        .saturating_add(post_quantum * POST_QUANTUM_KEY_COST))
}

#[derive(Default)]
struct At {
    index: u32,
    stored: u64,
}

/// Where the chain of the message stands: at its start if the state does not know it.
fn claim_chain(claim: &Claim<'_>, state: &State) -> At {
    state.chain(claim.ratchet_key).map_or_else(At::default, |chain| At {
        index: chain.position.map_or(0, |position| position.index),
        stored: chain.skipped.len() as u64,
    })
}

/// How many keys SPQR derives on the way to the index, counted from zero where the epoch is not there yet.
fn post_quantum_skip(header: PostQuantumHeader, epochs: Option<&Epochs>) -> u32 {
    let reached = epochs.and_then(|epochs| {
        // Keys of an epoch protect messages of the next one.
        let back = usize::try_from(epochs.current.checked_sub(header.epoch.checked_sub(1)?)?).ok()?;
        let link = epochs.links.len().checked_sub(1)?.checked_sub(back)?;
        epochs.links.get(link)?.receiving
    });
    header
        .index
        .saturating_sub(reached.map_or(0, |position| position.index))
        .saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Chain, Epoch, Position, PostQuantum, Skipped};
    use prost::Message as _;

    const KEY: &[u8] = &[5; 33];

    fn state(index: u32, stored: usize, epochs: &[u32]) -> State {
        let post_quantum = PostQuantum {
            chain: Some(Epochs {
                current: 7,
                links: epochs
                    .iter()
                    .map(|index| Epoch {
                        receiving: Some(Position { index: *index }),
                    })
                    .collect(),
            }),
        };
        State {
            receiver_chains: vec![Chain {
                ratchet_key: KEY.into(),
                position: Some(Position { index }),
                skipped: vec![Skipped {}; stored],
            }],
            post_quantum: post_quantum.encode_to_vec().into(),
            ..State::default()
        }
    }

    fn verdict(counter: u32, key: &[u8], post_quantum: Option<(u64, u32)>, states: &[State]) -> Result<(), Error> {
        let post_quantum = post_quantum.map(|(epoch, index)| PostQuantumHeader { epoch, index });
        check(
            &Claim {
                ratchet_key: key,
                counter,
                post_quantum,
            },
            states.iter(),
            &Policy::default(),
        )
    }

    #[test]
    fn a_chain_may_skip_the_budget_and_no_more() {
        let known = [state(500, 0, &[])];
        assert_eq!(verdict(1500, KEY, None, &known), Ok(()));
        assert_eq!(verdict(1501, KEY, None, &known), Err(Error::ForgedCounter));
        assert_eq!(verdict(3, KEY, None, &known), Ok(()), "counters behind the chain cost nothing");
        assert_eq!(verdict(u32::MAX, KEY, None, &known), Err(Error::ForgedCounter));
    }

    #[test]
    fn an_unknown_chain_starts_at_zero_in_every_state() {
        let unknown = [6; 33];
        let states = vec![state(5000, 0, &[]); 6];
        assert_eq!(verdict(1000, &unknown, None, &states[..1]), Ok(()));
        assert_eq!(verdict(1001, &unknown, None, &states[..1]), Err(Error::ForgedCounter));
        assert_eq!(verdict(408, &unknown, None, &states), Ok(()));
        assert_eq!(verdict(409, &unknown, None, &states), Err(Error::ForgedCounter));
    }

    #[test]
    fn stored_keys_make_skipping_dearer() {
        let crowded = [state(0, 2000, &[])];
        assert_eq!(verdict(236, KEY, None, &crowded), Ok(()));
        assert_eq!(verdict(237, KEY, None, &crowded), Err(Error::ForgedCounter));
    }

    #[test]
    fn the_post_quantum_index_is_weighed_in_its_epoch() {
        let known = [state(0, 0, &[10, 40_000])];
        assert_eq!(verdict(0, KEY, Some((8, 71_251)), &known), Ok(()), "current epoch");
        assert_eq!(verdict(0, KEY, Some((8, 71_252)), &known), Err(Error::ForgedCounter));
        assert_eq!(verdict(0, KEY, Some((7, 31_261)), &known), Ok(()), "one epoch back");
        assert_eq!(verdict(0, KEY, Some((7, 31_262)), &known), Err(Error::ForgedCounter));
        for epoch in [0, 1, 6, 9, u64::MAX] {
            assert_eq!(verdict(0, KEY, Some((epoch, 31_251)), &known), Ok(()), "epoch {epoch} is not there");
            assert_eq!(
                verdict(0, KEY, Some((epoch, 31_252)), &known),
                Err(Error::ForgedCounter),
                "epoch {epoch} is not there"
            );
        }
    }
}
