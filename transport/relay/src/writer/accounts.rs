//! Registrations, connections and keys.

use std::sync::Arc;
use std::time::Duration;

use waxseal_protocol::proto::{Bundle, KeyCounts, PublishKeysRequest, Role};

use super::{Job, Opened, Refusal, Writer};
use crate::account::{self, Account, NotAllowed, Pin, Registered, Registration};
use crate::connection::{Connection, End};
use crate::number::Number;
use crate::store::{self, Tables, keys, spent};

/// What a job answers, unless the state file failed.
type Answer<T> = Result<Result<T, Refusal>, store::Error>;

/// Where the owner of one-time keys says nothing else.
const KEY_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// The longest that a one-time key is kept.
const KEY_LIFETIME_CAP: Duration = Duration::from_secs(90 * 24 * 60 * 60);

impl Writer {
    pub(super) fn account_job(&mut self, tables: &mut Tables<'_>, job: Job) -> Result<(), store::Error> {
        match job {
            Job::Open { connection, reply } => {
                let answer = self.open(tables, connection)?;
                self.reply(reply, answer);
            }
            Job::Register {
                number,
                registration,
                reply,
            } => {
                let answer = self.register(tables, number, *registration)?;
                self.reply(reply, answer);
            }
            Job::Deregister {
                number,
                credential_hash,
                pin,
                reply,
            } => {
                let answer = self.deregister(tables, number, &credential_hash, pin)?;
                self.reply(reply, answer);
            }
            Job::ChangePin {
                number,
                credential_hash,
                pin,
                reply,
            } => {
                let answer = self.change_pin(tables, number, &credential_hash, pin)?;
                self.reply(reply, answer);
            }
            Job::Publish {
                number,
                credential_hash,
                keys,
                reply,
            } => {
                let answer = self.publish(tables, number, &credential_hash, *keys)?;
                self.reply(reply, answer);
            }
            Job::Count { number, reply } => {
                let answer = self.count(tables, number)?;
                self.reply(reply, answer);
            }
            Job::Fetch { requester, number, reply } => {
                let answer = self.fetch(tables, requester, number)?;
                self.reply(reply, answer);
            }
            // Not about accounts.
            _ => {}
        }
        Ok(())
    }

    fn account(&self, number: Number) -> Option<Account> {
        self.shared.accounts().get(&number).cloned()
    }

    fn keep(&self, tables: &mut Tables<'_>, number: Number, account: Account) -> Result<(), store::Error> {
        tables.put_account(number, &account)?;
        self.shared.accounts_mut().insert(number, account);
        Ok(())
    }

    /// Makes `connection` the present one of its number, if its epoch allows it. From here on nothing of the one before counts.
    fn open(&mut self, tables: &mut Tables<'_>, connection: Arc<Connection>) -> Answer<Opened> {
        let number = connection.number;
        let account = self
            .account(number)
            .filter(|account| account.has_credential(&connection.credential_hash));
        let (Some(mut account), false) = (account, connection.is_gone()) else {
            return Ok(Err(Refusal::Unauthenticated));
        };
        let mut is_changed = keys::drop_expired(tables, number, &mut account, self.now_ms / 1_000)?;
        if account.is_business() {
            let comes_back = connection.epoch == account.highest_epoch
                && !connection.terminator.is_empty()
                && connection.terminator == account.terminator;
            if connection.epoch <= account.highest_epoch && !comes_back {
                return Ok(Err(Refusal::StaleEpoch {
                    highest: account.highest_epoch,
                }));
            }
            if !comes_back {
                account.highest_epoch = connection.epoch;
                account.terminator.clone_from(&connection.terminator);
                is_changed = true;
            }
        }
        let expired = self.queues.drop_expired_of(tables, number, self.now_ms)?;
        self.shared.metrics.expired.inc_by(expired);
        self.end_present(
            number,
            End::Displaced {
                by_epoch: connection.epoch,
            },
        );
        let opened = Opened {
            queued: self.queues.waiting_for(number),
            highest_epoch: account.highest_epoch,
            last_sequence: self.queues.last_sequence(),
        };
        if account.keys_are_low(&self.shared.limits) {
            self.tell_keys_low(Arc::clone(&connection), account.counts());
        }
        if connection.wants_integrity && account.is_business() {
            let integrity = self.watch.introduce(number, self.now_ms);
            let connection = Arc::clone(&connection);
            self.after(move || connection.integrity(integrity));
        }
        if is_changed {
            self.keep(tables, number, account)?;
        }
        self.present.insert(
            number,
            super::Present {
                connection,
                fresh: Vec::new(),
            },
        );
        Ok(Ok(opened))
    }

    fn register(&mut self, tables: &mut Tables<'_>, number: Number, registration: Registration) -> Answer<bool> {
        let existing = self.account(number);
        let is_business = registration.role == Role::Business;
        let is_counted = existing.as_ref().is_some_and(|account| account.is_business() == is_business);
        if !is_counted && !self.shared.has_room_for(is_business) {
            return Ok(Err(Refusal::Full));
        }
        let registered = match account::register(existing.as_ref(), registration, self.shared.reregistration) {
            Ok(registered) => registered,
            Err(NotAllowed::Pin) => return Ok(Err(Refusal::PinMismatch)),
            Err(NotAllowed::Taken) => return Ok(Err(Refusal::Taken)),
        };
        let Registered {
            account,
            credential_replaced,
            identity_replaced,
        } = registered;
        if identity_replaced {
            keys::drop_all(tables, number)?;
        }
        if credential_replaced {
            self.end_present(
                number,
                End::Displaced {
                    by_epoch: account.highest_epoch,
                },
            );
        }
        if existing.as_ref() != Some(&account) {
            self.keep(tables, number, account)?;
        }
        Ok(Ok(credential_replaced || identity_replaced))
    }

    fn deregister(&mut self, tables: &mut Tables<'_>, number: Number, credential_hash: &[u8; 32], pin: Option<Pin>) -> Answer<()> {
        let account = self.account(number).filter(|account| account.has_credential(credential_hash));
        let Some(account) = account else {
            return Ok(Err(Refusal::Unauthenticated));
        };
        if account.has_pin() && !pin.is_some_and(|pin| pin.matches(&account)) {
            return Ok(Err(Refusal::PinMismatch));
        }
        self.end_present(number, End::Deregistered);
        keys::drop_all(tables, number)?;
        spent::forget(tables, number)?;
        self.queues.forget(tables, number)?;
        self.forget_blobs(tables, number)?;
        tables.remove_account(number)?;
        self.shared.accounts_mut().remove(number);
        Ok(Ok(()))
    }

    fn change_pin(&mut self, tables: &mut Tables<'_>, number: Number, credential_hash: &[u8; 32], pin: Pin) -> Answer<()> {
        let account = self.account(number).filter(|account| account.has_credential(credential_hash));
        let Some(mut account) = account else {
            return Ok(Err(Refusal::Unauthenticated));
        };
        account.set_pin(pin);
        self.keep(tables, number, account)?;
        Ok(Ok(()))
    }

    fn publish(
        &mut self,
        tables: &mut Tables<'_>,
        number: Number,
        credential_hash: &[u8; 32],
        request: PublishKeysRequest,
    ) -> Answer<KeyCounts> {
        let account = self.account(number).filter(|account| account.has_credential(credential_hash));
        let Some(mut account) = account else {
            return Ok(Err(Refusal::Unauthenticated));
        };
        let now_s = self.now_ms / 1_000;
        keys::drop_expired(tables, number, &mut account, now_s)?;
        let lifetime_s = match request.one_time_ttl_seconds {
            0 => KEY_LIFETIME.as_secs(),
            seconds => u64::from(seconds).min(KEY_LIFETIME_CAP.as_secs()),
        };
        let most = self.shared.limits.one_time_keys;
        let published = keys::publish(tables, number, &mut account, request, most, now_s + lifetime_s)?;
        let counts = account.counts();
        // Also when nothing was published: what had expired is gone.
        self.keep(tables, number, account)?;
        Ok(published.map(|()| counts).map_err(|keys::TooMany| Refusal::Full))
    }

    fn count(&mut self, tables: &mut Tables<'_>, number: Number) -> Answer<KeyCounts> {
        let Some(mut account) = self.account(number) else {
            return Ok(Err(Refusal::Unauthenticated));
        };
        let counts = |account: &Account| account.counts();
        if keys::drop_expired(tables, number, &mut account, self.now_ms / 1_000)? {
            self.keep(tables, number, account.clone())?;
        }
        Ok(Ok(counts(&account)))
    }

    fn fetch(&mut self, tables: &mut Tables<'_>, requester: Number, number: Number) -> Answer<Bundle> {
        let Some(mut account) = self.account(number) else {
            // Whoever tries number after number never gets as far as sending.
            if self.account(requester).is_some_and(|account| account.is_business()) {
                self.watch.wrote(requester, number, false, self.now_ms);
            }
            return Ok(Err(Refusal::NotRegistered));
        };
        let before = account.counts();
        let was_low = account.keys_are_low(&self.shared.limits);
        let bundle = keys::take_bundle(tables, &mut self.spent, number, &mut account, self.now_ms / 1_000)?;
        let counts = account.counts();
        let is_empty_now = (before.one_time_ec > 0 && counts.one_time_ec == 0) || (before.one_time_kyber > 0 && counts.one_time_kyber == 0);
        if account.keys_are_low(&self.shared.limits)
            && (!was_low || is_empty_now)
            && let Some(present) = self.present.get(&number)
        {
            let connection = Arc::clone(&present.connection);
            self.tell_keys_low(connection, counts);
        }
        if before != counts {
            self.keep(tables, number, account)?;
        }
        if bundle.is_some() {
            self.shared.metrics.bundles.inc();
        }
        Ok(bundle.ok_or(Refusal::NoKeys))
    }

    fn tell_keys_low(&mut self, connection: Arc<Connection>, counts: KeyCounts) {
        self.shared.metrics.keys_low.inc();
        self.after(move || connection.keys_low(counts));
    }
}
