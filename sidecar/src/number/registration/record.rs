//! What is kept of a number's registration, and what that allows. Pure.

use serde::{Deserialize, Serialize};

const SECOND_MS: u64 = 1000;
const HOUR_MS: u64 = 60 * 60 * SECOND_MS;
/// Registrations, and deregistrations, within [`WINDOW_MS`].
const MAX_REQUESTS: usize = 10;
const WINDOW_MS: u64 = 72 * HOUR_MS;
/// Wrong PINs within [`GUESSES_MS`].
const MAX_GUESSES: usize = 10;
const GUESSES_MS: u64 = 12 * HOUR_MS;
/// After so many wrong PINs the next one has to wait.
const FREE_GUESSES: usize = 3;
const GUESS_PAUSE_MS: u64 = 30 * SECOND_MS;
/// How long a code can be used.
const CODE_MS: u64 = 10 * 60 * SECOND_MS;
/// How often a code can be tried.
const CODE_TRIES: u8 = 5;
/// Codes within [`CODE_MS`].
const MAX_CODES: usize = 5;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The PIN is not the number's.
    #[error("the PIN is wrong")]
    PinMismatch,
    /// Too many wrong PINs.
    #[error("too many wrong PINs; the next may be tried in {wait_s} seconds")]
    TooManyGuesses {
        /// Until when.
        wait_s: u64,
    },
    /// Wrong PINs in too quick succession.
    #[error("PINs come too fast; the next may be tried in {wait_s} seconds")]
    TooFast {
        /// Until when.
        wait_s: u64,
    },
    /// Too many registrations or deregistrations.
    #[error("too many requests in 72 hours; the next is taken in {wait_s} seconds")]
    TooMany {
        /// Until when.
        wait_s: u64,
    },
    /// It is not registered.
    #[error("the number is not registered")]
    NotRegistered,
    /// No code was asked for, or it has expired, or was tried too often.
    #[error("there is no code that could be verified")]
    NoCode,
    /// The code is wrong.
    #[error("the code is wrong")]
    WrongCode,
    /// Too many codes were asked for.
    #[error("too many codes; the next can be had in {wait_s} seconds")]
    TooManyCodes {
        /// Until when.
        wait_s: u64,
    },
}

/// What is kept of a number's registration. No `Debug`: it holds the PIN.
#[derive(Default, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// Since when the business wants it not to be registered.
    deregistered_ms: Option<u64>,
    /// When it was first linked to the transport.
    pub(super) onboarded_s: Option<u64>,
    /// The PIN that was set through the API.
    pin: Option<SetPin>,
    registrations: Vec<u64>,
    deregistrations: Vec<u64>,
    guesses: Vec<u64>,
    code: Option<Code>,
    codes: Vec<u64>,
}

/// A PIN that holds until another one is declared.
#[derive(Clone, Serialize, Deserialize)]
struct SetPin {
    pin: String,
    /// What was declared when it was set.
    declared: String,
}

#[derive(Clone, Serialize, Deserialize)]
struct Code {
    digits: String,
    made_ms: u64,
    tries: u8,
}

impl Record {
    /// Whether the business has deregistered the number.
    #[must_use]
    pub const fn is_deregistered(&self) -> bool {
        self.deregistered_ms.is_some()
    }

    /// When it was first linked, seconds since 1970.
    #[must_use]
    pub const fn onboarded_s(&self) -> Option<u64> {
        self.onboarded_s
    }

    /// The PIN that holds now: the one set last, be that through the API or by declaring another.
    #[must_use]
    pub fn pin<'a>(&'a self, declared: &'a str) -> &'a str {
        match &self.pin {
            Some(set) if set.declared == declared => &set.pin,
            _ => declared,
        }
    }

    pub(super) fn register(&mut self, pin: &str, declared: &str, now_ms: u64) -> Result<(), Refused> {
        admit(&mut self.registrations, now_ms)?;
        self.check_guesses(now_ms)?;
        if self.pin(declared) != pin {
            self.guesses.push(now_ms);
            return Err(Refused::PinMismatch);
        }
        self.guesses.clear();
        self.deregistered_ms = None;
        Ok(())
    }

    pub(super) fn deregister(&mut self, now_ms: u64) -> Result<(), Refused> {
        admit(&mut self.deregistrations, now_ms)?;
        self.deregistered_ms.get_or_insert(now_ms);
        Ok(())
    }

    pub(super) fn set_pin(&mut self, pin: &str, declared: &str) {
        self.pin = (pin != declared).then(|| SetPin {
            pin: pin.to_owned(),
            declared: declared.to_owned(),
        });
        self.guesses.clear();
    }

    fn check_guesses(&mut self, now_ms: u64) -> Result<(), Refused> {
        self.guesses.retain(|guess| now_ms.saturating_sub(*guess) < GUESSES_MS);
        let Some(last) = self.guesses.last() else { return Ok(()) };
        if self.guesses.len() >= MAX_GUESSES {
            let wait_s = until(last + GUESSES_MS, now_ms);
            return Err(Refused::TooManyGuesses { wait_s });
        }
        if self.guesses.len() >= FREE_GUESSES && now_ms < last + GUESS_PAUSE_MS {
            let wait_s = until(last + GUESS_PAUSE_MS, now_ms);
            return Err(Refused::TooFast { wait_s });
        }
        Ok(())
    }

    pub(super) fn make_code(&mut self, random: u32, now_ms: u64) -> Result<String, Refused> {
        self.codes.retain(|made| now_ms.saturating_sub(*made) < CODE_MS);
        if let Some(first) = self.codes.first().filter(|_| self.codes.len() >= MAX_CODES) {
            let wait_s = until(first + CODE_MS, now_ms);
            return Err(Refused::TooManyCodes { wait_s });
        }
        self.codes.push(now_ms);
        let digits = format!("{:06}", random % 1_000_000);
        self.code = Some(Code {
            digits: digits.clone(),
            made_ms: now_ms,
            tries: 0,
        });
        Ok(digits)
    }

    pub(super) fn verify_code(&mut self, digits: &str, now_ms: u64) -> Result<(), Refused> {
        let lives = |code: &&mut Code| now_ms.saturating_sub(code.made_ms) < CODE_MS && code.tries < CODE_TRIES;
        let code = self.code.as_mut().filter(lives).ok_or(Refused::NoCode)?;
        if code.digits != digits {
            code.tries += 1;
            return Err(Refused::WrongCode);
        }
        self.code = None;
        Ok(())
    }
}

/// Takes a request into its window, in which there is room for so many; after that, none until the window has passed since the last.
fn admit(requests: &mut Vec<u64>, now_ms: u64) -> Result<(), Refused> {
    if let Some(last) = requests.last()
        && requests.len() >= MAX_REQUESTS
        && now_ms < last + WINDOW_MS
    {
        let wait_s = until(last + WINDOW_MS, now_ms);
        return Err(Refused::TooMany { wait_s });
    }
    requests.retain(|request| now_ms.saturating_sub(*request) < WINDOW_MS);
    requests.push(now_ms);
    Ok(())
}

fn until(then_ms: u64, now_ms: u64) -> u64 {
    then_ms.saturating_sub(now_ms).div_ceil(SECOND_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    #[test]
    fn the_pin_set_last_holds() {
        let mut record = Record::default();
        assert_eq!(record.pin("111111"), "111111");
        record.set_pin("222222", "111111");
        assert_eq!(record.pin("111111"), "222222");
        assert_eq!(record.pin("333333"), "333333", "declared later");
        record.set_pin("333333", "333333");
        assert_eq!(record.pin("111111"), "111111");
    }

    #[test]
    fn registering_takes_the_pin_and_deregistering_does_not() {
        let mut record = Record::default();
        record.deregister(NOW).unwrap();
        assert!(record.is_deregistered());
        record.deregister(NOW + 1).unwrap();
        assert_eq!(record.register("222222", "111111", NOW), Err(Refused::PinMismatch));
        assert!(record.is_deregistered());
        record.register("111111", "111111", NOW).unwrap();
        record.register("111111", "111111", NOW).unwrap();
        assert!(!record.is_deregistered());
    }

    #[test]
    fn ten_requests_in_72_hours_and_then_none_for_72_hours() {
        let mut record = Record::default();
        for request in 0..10 {
            record.register("1", "1", NOW + request).unwrap();
        }
        let last = NOW + 9;
        let refused = record.register("1", "1", last + 1000).unwrap_err();
        assert_eq!(refused, Refused::TooMany { wait_s: 72 * 3600 - 1 });
        assert!(record.register("1", "1", last + WINDOW_MS - 1).is_err());
        record.register("1", "1", last + WINDOW_MS).unwrap();
        record.deregister(NOW).unwrap();
        assert_eq!(record.deregistrations.len(), 1, "counted apart");
    }

    #[test]
    fn wrong_pins_slow_down_and_stop() {
        let mut record = Record::default();
        let mut now = NOW;
        let guess = |record: &mut Record, now: u64| {
            // The limit of registrations is another matter.
            record.registrations.clear();
            record.register("2", "1", now).unwrap_err()
        };
        for _ in 0..3 {
            assert_eq!(guess(&mut record, now), Refused::PinMismatch);
        }
        assert_eq!(guess(&mut record, now), Refused::TooFast { wait_s: 30 });
        record.registrations.clear();
        assert_eq!(record.register("1", "1", now).unwrap_err(), Refused::TooFast { wait_s: 30 });
        for _ in 3..10 {
            now += GUESS_PAUSE_MS;
            assert_eq!(guess(&mut record, now), Refused::PinMismatch);
        }
        now += GUESS_PAUSE_MS;
        assert!(matches!(guess(&mut record, now), Refused::TooManyGuesses { .. }));
        now += GUESSES_MS;
        record.register("1", "1", now).unwrap();
        assert!(record.guesses.is_empty());
    }

    #[test]
    fn a_code_is_good_once_for_ten_minutes_and_five_tries() {
        let mut record = Record::default();
        assert_eq!(record.verify_code("000042", NOW), Err(Refused::NoCode));
        assert_eq!(record.make_code(42, NOW).unwrap(), "000042");
        assert_eq!(record.verify_code("000043", NOW), Err(Refused::WrongCode));
        record.verify_code("000042", NOW).unwrap();
        assert_eq!(record.verify_code("000042", NOW), Err(Refused::NoCode), "once");
        let code = record.make_code(7_123_456, NOW).unwrap();
        assert_eq!(code, "123456");
        assert_eq!(record.clone().verify_code(&code, NOW + CODE_MS), Err(Refused::NoCode), "in time");
        for _ in 0..5 {
            assert_eq!(record.verify_code("0", NOW), Err(Refused::WrongCode));
        }
        assert_eq!(record.verify_code(&code, NOW), Err(Refused::NoCode), "not after five wrong ones");
        for _ in 2..5 {
            record.make_code(1, NOW + 1).unwrap();
        }
        assert_eq!(record.make_code(1, NOW + 1000).unwrap_err(), Refused::TooManyCodes { wait_s: 599 });
    }
}
