//! A registered number, and who may register it anew. Pure.

use rand::{CryptoRng, Rng};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use waxseal_protocol::Credential;
use waxseal_protocol::proto::{KeyCounts, Role};

use crate::config::{Limits, Reregistration};

/// What the relay keeps of a number, as stored and as cached. No `Debug`.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub(crate) struct Account {
    /// SHA-256 of the credential. The credential is random, so a plain hash suffices.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) credential_hash: Vec<u8>,
    #[prost(enumeration = "Role", tag = "2")]
    pub(crate) role: i32,
    /// Empty: no PIN.
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) pin_salt: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(crate) pin_hash: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) identity_key: Vec<u8>,
    #[prost(uint32, tag = "6")]
    pub(crate) registration_id: u32,
    #[prost(uint64, tag = "7")]
    pub(crate) highest_epoch: u64,
    /// Whose the highest epoch is; empty: nobody may come back with it.
    #[prost(bytes = "vec", tag = "8")]
    pub(crate) terminator: Vec<u8>,
    #[prost(message, optional, tag = "9")]
    pub(crate) ec: Option<Pool>,
    #[prost(message, optional, tag = "10")]
    pub(crate) kyber: Option<Pool>,
    #[prost(uint32, tag = "11")]
    pub(crate) signed_pre_key_id: u32,
}

/// What is known of a pool of one-time keys without reading it.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(crate) struct Pool {
    #[prost(uint32, tag = "1")]
    pub(crate) count: u32,
    /// The count after the last publication.
    #[prost(uint32, tag = "2")]
    pub(crate) published: u32,
    /// Not later than the expiry of any key in it, in Unix seconds.
    #[prost(uint64, tag = "3")]
    pub(crate) soonest_expiry_s: u64,
}

impl Pool {
    fn is_low(self, limits: &Limits) -> bool {
        let share = u64::from(self.published) * u64::from(limits.keys_low_percent) / 100;
        u64::from(self.count) < share.max(u64::from(limits.keys_low_floor))
    }
}

impl Account {
    pub(crate) fn is_business(&self) -> bool {
        self.role() == Role::Business
    }

    pub(crate) fn has_credential(&self, hash: &[u8; 32]) -> bool {
        self.credential_hash.ct_eq(hash).into()
    }

    pub(crate) fn has_pin(&self) -> bool {
        !self.pin_hash.is_empty()
    }

    pub(crate) fn set_pin(&mut self, pin: Pin) {
        self.pin_salt = pin.salt;
        self.pin_hash = pin.hash.to_vec();
    }

    pub(crate) fn counts(&self) -> KeyCounts {
        KeyCounts {
            one_time_ec: self.ec.unwrap_or_default().count,
            one_time_kyber: self.kyber.unwrap_or_default().count,
            signed_pre_key_id: self.signed_pre_key_id,
        }
    }

    /// Whether the owner should publish more one-time keys.
    pub(crate) fn keys_are_low(&self, limits: &Limits) -> bool {
        self.ec.unwrap_or_default().is_low(limits) || self.kyber.unwrap_or_default().is_low(limits)
    }
}

/// The hash of a credential.
pub(crate) fn credential_hash(credential: &Credential) -> [u8; 32] {
    Sha256::digest(credential.reveal()).into()
}

/// A PIN, hashed with the salt stored for the number (or a fresh one).
pub(crate) struct Pin {
    salt: Vec<u8>,
    hash: [u8; 32],
}

/// Six digits cannot withstand a search of the stored hash, whatever its cost; the rounds only make it a nuisance. Guessing over the wire
/// is what `Limits::pin_attempts` stops.
const PIN_ROUNDS: u32 = 4_096;

impl Pin {
    /// Hashes `pin`, six digits. `None` when it is anything else.
    pub(crate) fn new<R: CryptoRng + Rng>(pin: &str, existing: Option<&Account>, rng: &mut R) -> Option<Self> {
        if pin.len() != 6 || !pin.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let salt = match existing {
            Some(account) if account.has_pin() => account.pin_salt.clone(),
            _ => rng.random::<[u8; 16]>().to_vec(),
        };
        let mut hash: [u8; 32] = Sha256::new().chain_update(&salt).chain_update(pin).finalize().into();
        for _ in 0..PIN_ROUNDS {
            hash = Sha256::new().chain_update(hash).chain_update(&salt).finalize().into();
        }
        Some(Self { salt, hash })
    }

    pub(crate) fn matches(&self, account: &Account) -> bool {
        account.has_pin() && self.hash.ct_eq(account.pin_hash.as_slice()).into()
    }
}

/// A wish to register a number.
pub(crate) struct Registration {
    pub(crate) role: Role,
    pub(crate) credential_hash: [u8; 32],
    pub(crate) pin: Option<Pin>,
    pub(crate) identity_key: Vec<u8>,
    pub(crate) registration_id: u32,
}

/// Why a registration is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAllowed {
    Pin,
    Taken,
}

/// What a registration changes.
pub(crate) struct Registered {
    pub(crate) account: Account,
    /// Another credential than before: connections made with the old one end.
    pub(crate) credential_replaced: bool,
    /// Another identity than before: the published keys belong to the old one.
    pub(crate) identity_replaced: bool,
}

/// Who may register a number:
/// * a business number always with its PIN, the first registration sets it;
/// * a number with a PIN: with the PIN, or as before (a consumer) with its credential;
/// * a number without a PIN: with its credential, or anyone where re-registration is open.
///
/// A PIN, once set, stays until its owner changes it (which registering does not) or the number is deregistered.
pub(crate) fn register(existing: Option<&Account>, wish: Registration, policy: Reregistration) -> Result<Registered, NotAllowed> {
    let is_business = wish.role == Role::Business;
    if is_business && wish.pin.is_none() {
        return Err(NotAllowed::Pin);
    }
    let same_credential = existing.is_some_and(|account| account.has_credential(&wish.credential_hash));
    let mut account = existing.cloned().unwrap_or_default();
    if let Some(existing) = existing {
        let matches = wish.pin.as_ref().map(|pin| pin.matches(existing));
        match (existing.has_pin(), matches) {
            (true, Some(true)) => {}
            (true, None) if same_credential && !existing.is_business() => {}
            (true, _) => return Err(NotAllowed::Pin),
            (false, _) if same_credential || policy == Reregistration::Open => {}
            (false, _) => return Err(NotAllowed::Taken),
        }
    }
    if let Some(pin) = wish.pin {
        account.set_pin(pin);
    }
    let identity_replaced = existing.is_some_and(|account| account.identity_key != wish.identity_key);
    if identity_replaced {
        account.ec = None;
        account.kyber = None;
        account.signed_pre_key_id = 0;
    }
    account.credential_hash = wish.credential_hash.to_vec();
    account.identity_key = wish.identity_key;
    account.registration_id = wish.registration_id;
    account.set_role(wish.role);
    Ok(Registered {
        account,
        credential_replaced: existing.is_some() && !same_credential,
        identity_replaced,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(role: Role, credential: u8, pin: Option<&str>, existing: Option<&Account>) -> Registration {
        let pin = pin.map(|pin| Pin::new(pin, existing, &mut rand::rng()).unwrap());
        Registration {
            role,
            credential_hash: [credential; 32],
            pin,
            identity_key: vec![5; 33],
            registration_id: 7,
        }
    }

    fn registered(role: Role, credential: u8, pin: Option<&str>) -> Account {
        register(None, wish(role, credential, pin, None), Reregistration::PinOrCredential)
            .ok()
            .unwrap()
            .account
    }

    #[test]
    fn a_business_number_needs_its_pin_every_time() {
        use Role::{Business, Consumer};
        assert_eq!(
            register(None, wish(Business, 1, None, None), Reregistration::Open).err(),
            Some(NotAllowed::Pin)
        );
        let account = registered(Business, 1, Some("123456"));
        let account = Some(&account);
        for policy in [Reregistration::Open, Reregistration::PinOrCredential] {
            let attempt = |role, credential, pin| {
                register(account, wish(role, credential, pin, account), policy).map(|done| done.credential_replaced)
            };
            assert_eq!(attempt(Business, 1, Some("123456")), Ok(false));
            assert_eq!(attempt(Business, 2, Some("123456")), Ok(true));
            assert_eq!(attempt(Business, 2, Some("123457")), Err(NotAllowed::Pin));
            assert_eq!(attempt(Business, 1, Some("123457")), Err(NotAllowed::Pin));
            assert_eq!(attempt(Business, 1, None), Err(NotAllowed::Pin));
            assert_eq!(
                attempt(Consumer, 2, None),
                Err(NotAllowed::Pin),
                "taking a business number over as a consumer"
            );
            assert_eq!(attempt(Consumer, 1, None), Err(NotAllowed::Pin));
        }
    }

    #[test]
    fn a_consumers_number_follows_the_policy() {
        let account = registered(Role::Consumer, 1, None);
        let account = Some(&account);
        let attempt = |credential, policy| {
            register(account, wish(Role::Consumer, credential, None, account), policy).map(|done| done.credential_replaced)
        };
        assert_eq!(attempt(1, Reregistration::PinOrCredential), Ok(false));
        assert_eq!(attempt(2, Reregistration::PinOrCredential), Err(NotAllowed::Taken));
        assert_eq!(attempt(2, Reregistration::Open), Ok(true));
    }

    #[test]
    fn a_consumers_pin_protects_under_both_policies() {
        let account = registered(Role::Consumer, 1, Some("000000"));
        let account = Some(&account);
        for policy in [Reregistration::Open, Reregistration::PinOrCredential] {
            let attempt = |credential, pin| {
                register(account, wish(Role::Consumer, credential, pin, account), policy).map(|done| done.credential_replaced)
            };
            assert_eq!(attempt(1, None), Ok(false));
            assert_eq!(attempt(2, None), Err(NotAllowed::Pin));
            assert_eq!(attempt(2, Some("111111")), Err(NotAllowed::Pin));
            assert_eq!(attempt(2, Some("000000")), Ok(true));
        }
    }

    #[test]
    fn a_new_identity_drops_the_keys_and_keeps_the_epoch() {
        let mut account = registered(Role::Consumer, 1, None);
        account.ec = Some(Pool {
            count: 5,
            published: 5,
            soonest_expiry_s: 1,
        });
        account.highest_epoch = 9;
        let mut same = wish(Role::Consumer, 1, None, None);
        let done = register(Some(&account), wish(Role::Consumer, 1, None, None), Reregistration::Open)
            .ok()
            .unwrap();
        assert!(!done.identity_replaced && done.account == account);
        same.identity_key = vec![6; 33];
        let done = register(Some(&account), same, Reregistration::Open).ok().unwrap();
        assert!(done.identity_replaced && done.account.ec.is_none());
        assert_eq!(done.account.highest_epoch, 9);
    }

    #[test]
    fn only_six_digits_are_a_pin() {
        for pin in ["", "12345", "1234567", "12345a", "١٢٣٤٥٦", "123 56"] {
            assert!(Pin::new(pin, None, &mut rand::rng()).is_none(), "{pin}");
        }
    }

    #[test]
    fn low_is_a_share_or_a_floor() {
        let limits = Limits::default();
        let low = |count, published| {
            Pool {
                count,
                published,
                soonest_expiry_s: 0,
            }
            .is_low(&limits)
        };
        assert!(!low(160, 800) && low(159, 800));
        assert!(!low(10, 20) && low(9, 20));
        assert!(low(0, 0));
    }
}
