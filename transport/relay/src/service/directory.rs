//! Accounts and their public keys.

use tonic::{Request, Response, Status};
use waxseal_protocol::Credential;
use waxseal_protocol::proto::directory_server::Directory;
use waxseal_protocol::proto::{
    Bundle, ChangePinRequest, ChangePinResponse, CountKeysRequest, DeregisterRequest, DeregisterResponse, FetchBundleRequest, KeyCounts,
    OneTimeKey, PublishKeysRequest, RegisterRequest, RegisterResponse, Role, SignedKey,
};

use super::{Caller, Service};
use crate::account::{Account, Pin, Registration, credential_hash};
use crate::number::Number;
use crate::status;
use crate::writer::{Job, Refusal, Reply};

const IDENTITY_KEY_BYTES: std::ops::RangeInclusive<usize> = 1..=64;
/// A Kyber1024 public key has 1,569 bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 1..=2_048;
const SIGNATURE_BYTES: std::ops::RangeInclusive<usize> = 1..=256;

#[tonic::async_trait]
impl Directory for Service {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterResponse>, Status> {
        let certificate = self.check_client_certificate(&request);
        let request = request.into_inner();
        let number = Number::parse(&request.number).ok_or_else(|| status::invalid("number"))?;
        let role = request.role();
        if role == Role::Unspecified {
            return Err(status::invalid("role"));
        }
        if role == Role::Business || self.existing(number).as_ref().is_some_and(Account::is_business) {
            certificate?;
        }
        let credential: [u8; 32] = request.credential.as_ref().try_into().map_err(|_| status::invalid("credential"))?;
        if !IDENTITY_KEY_BYTES.contains(&request.identity_key.len()) {
            return Err(status::invalid("identity_key"));
        }
        let credential_hash = credential_hash(&Credential::from_bytes(credential));
        // Again when another registration of the number set the salt meanwhile.
        loop {
            let existing = self.existing(number);
            let pin = self.pin(number, &request.pin, existing.as_ref())?;
            let registration = Box::new(Registration {
                role,
                credential_hash,
                pin,
                identity_key: request.identity_key.to_vec(),
                registration_id: request.registration_id,
            });
            match self
                .ask_with_pin(number, |reply| Job::Register {
                    number,
                    registration,
                    reply,
                })
                .await
            {
                Err(PinAnswer::Mismatch) if salt(self.existing(number).as_ref()) != salt(existing.as_ref()) => {}
                Err(answer) => return Err(answer.into()),
                Ok(replaced) => return Ok(Response::new(RegisterResponse { replaced })),
            }
        }
    }

    async fn deregister(&self, request: Request<DeregisterRequest>) -> Result<Response<DeregisterResponse>, Status> {
        let Caller {
            number, credential_hash, ..
        } = self.authenticate(&request)?;
        let pin = self.pin(number, &request.get_ref().pin, self.existing(number).as_ref())?;
        let job = |reply| Job::Deregister {
            number,
            credential_hash,
            pin,
            reply,
        };
        self.ask_with_pin(number, job).await.map_err(Status::from)?;
        Ok(Response::new(DeregisterResponse {}))
    }

    async fn change_pin(&self, request: Request<ChangePinRequest>) -> Result<Response<ChangePinResponse>, Status> {
        let Caller {
            number, credential_hash, ..
        } = self.authenticate(&request)?;
        // With a salt of its own; also when it is the PIN that is there already.
        let pin = Pin::new(&request.get_ref().pin, None, &mut rand::rng()).ok_or_else(|| status::invalid("pin: six digits"))?;
        self.allow_pin_change(number)?;
        self.ask(|reply| Job::ChangePin {
            number,
            credential_hash,
            pin,
            reply,
        })
        .await??;
        Ok(Response::new(ChangePinResponse {}))
    }

    async fn publish_keys(&self, request: Request<PublishKeysRequest>) -> Result<Response<KeyCounts>, Status> {
        let Caller {
            number, credential_hash, ..
        } = self.authenticate(&request)?;
        let keys = Box::new(request.into_inner());
        check_keys(&keys, self.shared.limits.one_time_keys)?;
        let counts = self
            .ask(|reply| Job::Publish {
                number,
                credential_hash,
                keys,
                reply,
            })
            .await??;
        Ok(Response::new(counts))
    }

    async fn count_keys(&self, request: Request<CountKeysRequest>) -> Result<Response<KeyCounts>, Status> {
        let Caller { number, .. } = self.authenticate(&request)?;
        Ok(Response::new(self.ask(|reply| Job::Count { number, reply }).await??))
    }

    async fn fetch_bundle(&self, request: Request<FetchBundleRequest>) -> Result<Response<Bundle>, Status> {
        let caller = self.authenticate(&request)?;
        let number = Number::parse(&request.get_ref().number).ok_or_else(|| status::invalid("number"))?;
        self.allow_bundle(&caller, number)?;
        Ok(Response::new(
            self.ask(|reply| Job::Fetch {
                requester: caller.number,
                number,
                reply,
            })
            .await??,
        ))
    }
}

/// What a job that carries a PIN came to.
enum PinAnswer {
    Mismatch,
    Other(Status),
}

impl From<PinAnswer> for Status {
    fn from(answer: PinAnswer) -> Self {
        match answer {
            PinAnswer::Mismatch => Refusal::PinMismatch.into(),
            PinAnswer::Other(status) => status,
        }
    }
}

impl Service {
    fn existing(&self, number: Number) -> Option<Account> {
        self.shared.accounts().get(&number).cloned()
    }

    /// Hashes the PIN of a request, if guesses for this number are not used up. An empty one is none.
    fn pin(&self, number: Number, pin: &str, existing: Option<&Account>) -> Result<Option<Pin>, Status> {
        if pin.is_empty() {
            return Ok(None);
        }
        if existing.is_some_and(Account::has_pin) {
            let mut limiter = self.limiter();
            // Taken before the answer is known, so that guesses side by side count too; a right one gives all back.
            let token = limiter.pins.check(number, self.shared.limits.pin_attempts, self.shared.now_us());
            limiter.pins.take(token.map_err(status::too_often)?);
        }
        match Pin::new(pin, existing, &mut rand::rng()) {
            Some(pin) => Ok(Some(pin)),
            None => Err(status::invalid("pin: six digits")),
        }
    }

    fn allow_pin_change(&self, number: Number) -> Result<(), Status> {
        let mut limiter = self.limiter();
        let token = limiter
            .pin_changes
            .check(number, self.shared.limits.pin_changes, self.shared.now_us());
        limiter.pin_changes.take(token.map_err(status::too_often)?);
        Ok(())
    }

    async fn ask_with_pin<T>(&self, number: Number, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, PinAnswer> {
        match self.ask(job).await.map_err(PinAnswer::Other)? {
            Ok(answer) => {
                self.limiter().pins.refill(&number);
                Ok(answer)
            }
            Err(Refusal::PinMismatch) => Err(PinAnswer::Mismatch),
            Err(refusal) => Err(PinAnswer::Other(refusal.into())),
        }
    }

    /// One-time keys can be used up by whoever may ask for them, so asking is rationed by requester, and by requester and number.
    fn allow_bundle(&self, caller: &Caller, number: Number) -> Result<(), Status> {
        let limits = &self.shared.limits;
        let per_requester = if caller.is_business {
            limits.bundles_per_business
        } else {
            limits.bundles_per_consumer
        };
        let now_us = self.shared.now_us();
        let mut limiter = self.limiter();
        let requester = limiter.bundle_requesters.check(caller.number, per_requester, now_us);
        let pair = limiter.bundle_pairs.check((caller.number, number), limits.bundles_per_pair, now_us);
        match (requester, pair) {
            (Ok(requester), Ok(pair)) => {
                limiter.bundle_requesters.take(requester);
                limiter.bundle_pairs.take(pair);
                Ok(())
            }
            (requester, pair) => {
                self.shared.metrics.bundles_refused.inc();
                let wait = |result: Option<std::time::Duration>| result.unwrap_or_default();
                Err(status::too_often(wait(requester.err()).max(wait(pair.err()))))
            }
        }
    }
}

fn salt(account: Option<&Account>) -> &[u8] {
    account.map_or(&[], |account| &account.pin_salt)
}

fn check_keys(keys: &PublishKeysRequest, most: u32) -> Result<(), Status> {
    let signed = |key: &SignedKey| KEY_BYTES.contains(&key.key.len()) && SIGNATURE_BYTES.contains(&key.signature.len());
    let one_time = |key: &OneTimeKey| KEY_BYTES.contains(&key.key.len());
    if keys.one_time_ec.len() as u64 > u64::from(most) || keys.one_time_kyber.len() as u64 > u64::from(most) {
        return Err(status::full("too many one-time keys"));
    }
    let lasting = keys.signed_pre_key.iter().chain(&keys.last_resort_kyber);
    if !lasting.chain(&keys.one_time_kyber).all(signed) || !keys.one_time_ec.iter().all(one_time) {
        return Err(status::invalid("keys"));
    }
    Ok(())
}
