//! The hourly key chain. `K(h + 1) = HKDF(K(h))`, class keys are `HKDF(K(h), class)`. Whoever holds `K(h)` can compute every later key and
//! no earlier one; so once the stored key has moved forward, the hours before are noise for everyone.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _};
use rand::{CryptoRng, RngCore};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::Error;

/// How far ahead of the oldest key an hour may lie: 30 days of retention and a year of a machine that was off. Bounds the derivation work.
const MAX_AHEAD_HOURS: u32 = 24 * (30 + 366);

/// Hours since the Unix epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Hour(pub u32);

impl Hour {
    /// The hour a moment lies in; before 1970 counts as 1970.
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Self(u32::try_from(seconds / 3600).unwrap_or(u32::MAX))
    }

    /// The first hour that is still needed when values live for `retention`: one sealed at the start of an hour may have to be read until
    /// `retention` after that hour's end.
    #[must_use]
    pub fn oldest_needed(now: SystemTime, retention: Duration) -> Self {
        Self::of(now.checked_sub(retention).unwrap_or(UNIX_EPOCH))
    }
}

/// The oldest chain key that is still needed, and its hour. All later keys follow from it; this is what custody keeps.
#[derive(Clone)]
pub struct Chain {
    hour: Hour,
    key: Zeroizing<[u8; 32]>,
}

impl Chain {
    /// A new chain that begins at `hour`.
    pub fn generate<R: RngCore + CryptoRng>(hour: Hour, rng: &mut R) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(key.as_mut());
        Self { hour, key }
    }

    /// The chain that custody kept.
    #[must_use]
    pub fn from_parts(hour: Hour, key: &[u8; 32]) -> Self {
        Self {
            hour,
            key: Zeroizing::new(*key),
        }
    }

    /// The oldest hour whose key can still be derived.
    #[must_use]
    pub const fn hour(&self) -> Hour {
        self.hour
    }

    /// The key of that hour, for custody to write down.
    #[must_use]
    pub fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// The chain moved forward to `hour`; unchanged if it is there already or past it.
    ///
    /// # Errors
    /// [`Error::TooFarAhead`].
    pub fn advanced_to(&self, hour: Hour) -> Result<Self, Error> {
        let mut next = self.clone();
        next.check_distance(hour)?;
        while next.hour < hour {
            next.step();
        }
        Ok(next)
    }

    pub(crate) fn check_distance(&self, hour: Hour) -> Result<(), Error> {
        if hour.0.saturating_sub(self.hour.0) > MAX_AHEAD_HOURS {
            Err(Error::TooFarAhead)
        } else {
            Ok(())
        }
    }

    fn step(&mut self) {
        let mut next = expand(&self.key, &[b"waxseal chain v1"]);
        *self.key = *next;
        next.zeroize();
        self.hour = Hour(self.hour.0 + 1);
    }
}

/// HMAC-SHA256 under a 32-byte key, which the standard pads with zeros to the 64 bytes of a block.
pub(crate) fn mac(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(key);
    Hmac::new(&(*block).into())
}

/// HKDF-Expand with the 32-byte key as pseudo-random key.
pub(crate) fn expand(key: &[u8; 32], info: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut out = Zeroizing::new([0; 32]);
    // Both lengths are those of one SHA-256 block, for which neither call has an error case.
    if let Ok(hkdf) = Hkdf::<Sha256>::from_prk(key) {
        let done = hkdf.expand_multi_info(info, out.as_mut());
        debug_assert!(done.is_ok());
    }
    out
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn moves_forward_only_and_in_any_number_of_steps() {
        let chain = Chain::generate(Hour(100), &mut rand::rngs::StdRng::seed_from_u64(1));
        let far = chain.advanced_to(Hour(110)).unwrap();
        let stepwise = (101..=110).fold(chain.clone(), |chain, hour| chain.advanced_to(Hour(hour)).unwrap());
        assert_eq!(far.key(), stepwise.key());
        assert_eq!(far.hour(), Hour(110));
        assert_eq!(far.advanced_to(Hour(50)).unwrap().hour(), Hour(110), "no way back");
        assert_ne!(chain.key(), far.key());
        assert_eq!(chain.advanced_to(Hour(100 + MAX_AHEAD_HOURS + 1)).err(), Some(Error::TooFarAhead));
    }

    #[test]
    fn known_answer() {
        // Fixed so that a change of the derivation, which would make stored data unreadable, does not pass unseen.
        let chain = Chain::from_parts(Hour(1), &[0x42; 32]).advanced_to(Hour(3)).unwrap();
        assert_eq!(hex::encode(chain.key()), include_str!("../tests/golden/chain.hex").trim());
    }

    #[test]
    fn an_hour_is_needed_until_the_retention_after_its_end() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let day = Duration::from_secs(86_400);
        // Sealed in hour 10 (36,000 to 39,599 s): the last second of that hour expires at 39,599 + 86,400.
        assert_eq!(Hour::oldest_needed(at(39_599 + 86_400), day), Hour(10));
        assert_eq!(Hour::oldest_needed(at(39_600 + 86_400), day), Hour(11));
        assert_eq!(Hour::oldest_needed(at(5), day), Hour(0));
    }
}
