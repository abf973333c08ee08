//! Faults on purpose, for the development of programs that use the port: requests that are refused, events that are not delivered, time that
//! passes at once.
//!
//! There are none unless [`Surface::faults`](crate::config::Surface::faults) holds a [`Faults`]; pods never do. Whoever holds a clone of it says
//! what goes wrong. Consulted where a message comes in at the port, where an attempt at delivery begins, and for the window of
//! a conversation; must not be known anywhere else.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use rand::Rng as _;
use serde::{Deserialize, Serialize};

use crate::{
    moment::Moment,
    webhook::outcome::{Failure, Outcome},
};

/// More rules make no sense.
const MAX_RULES: usize = 100;
/// Nothing is kept for longer.
const MAX_SKIP_S: f64 = 30.0 * 86_400.0;

/// What goes wrong now. Cheap to clone; every clone is the same.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Vec<Active>>>);

/// Something that goes wrong: one of `api` and `webhook`, as often and as long as the rest says. Or `skip` alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// `POST /messages` is refused with this code: one of [`CODES`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<u32>,
    /// An event is not delivered, as if its endpoint had done this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// So many seconds pass at once, for the windows of conversations: who wrote before this wrote that much earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip: Option<f64>,
    /// How often; for ever when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// The share of requests or attempts that it befalls, above 0 and up to 1; all when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// How long, in seconds; for ever when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
}

/// What an endpoint seems to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Webhook {
    /// Answers with this status.
    Status(u16),
    /// Something without an answer.
    Silent(Silent),
}

/// What an endpoint does that does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Silent {
    /// Takes the event and does not answer in time. Nobody waits for that time.
    Timeout,
    /// Takes no connection.
    Unreachable,
}

/// The codes that a send can be refused with.
pub const CODES: [u32; 5] = [130_429, 131_000, 131_016, 131_056, 131_057];

/// A rule that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// None or several of `api`, `webhook` and `skip`.
    #[error("a fault is one of api, webhook and skip")]
    Kind,
    /// A code that cannot be told.
    #[error("api is one of 130429, 131000, 131016, 131056 and 131057")]
    Code,
    /// A status that would be success, or none at all.
    #[error("webhook is a status from 300 to 599, timeout or unreachable")]
    Status,
    /// No share.
    #[error("share is above 0 and at most 1")]
    Share,
    /// No time.
    #[error("seconds is above 0 and at most a day")]
    Time,
    /// No time that could pass.
    #[error("skip is above 0 seconds and at most 30 days, and says neither times, share nor seconds")]
    Skip,
    /// Too many of them.
    #[error("at most 100 faults at a time")]
    Many,
}

struct Active {
    rule: Rule,
    since_ms: u64,
    until: Option<Instant>,
    left: Option<u32>,
}

impl Rule {
    fn check(&self) -> Result<(), Invalid> {
        if let Some(seconds) = self.skip {
            let is_alone = self.times.is_none() && self.share.is_none() && self.seconds.is_none();
            return match (self.api, self.webhook) {
                (None, None) if is_alone && seconds > 0.0 && seconds <= MAX_SKIP_S => Ok(()),
                (None, None) => Err(Invalid::Skip),
                _ => Err(Invalid::Kind),
            };
        }
        match (self.api, self.webhook) {
            (Some(code), None) if !CODES.contains(&code) => return Err(Invalid::Code),
            (None, Some(Webhook::Status(status))) if !(300..600).contains(&status) => return Err(Invalid::Status),
            (Some(_), None) | (None, Some(_)) => {}
            _ => return Err(Invalid::Kind),
        }
        if self.share.is_some_and(|share| share.is_nan() || share <= 0.0 || share > 1.0) {
            return Err(Invalid::Share);
        }
        if self.seconds.is_some_and(|seconds| !(seconds > 0.0 && seconds <= 86_400.0)) {
            return Err(Invalid::Time);
        }
        Ok(())
    }
}

impl Faults {
    /// Adds faults to those there are. All or none.
    ///
    /// # Errors
    /// [`Invalid`].
    pub fn add(&self, rules: Vec<Rule>) -> Result<(), Invalid> {
        rules.iter().try_for_each(Rule::check)?;
        let now = Instant::now();
        let mut active = self.current(now);
        if active.len() + rules.len() > MAX_RULES {
            return Err(Invalid::Many);
        }
        let since_ms = Moment::of(SystemTime::now()).ms;
        active.extend(rules.into_iter().map(|rule| Active {
            since_ms,
            until: rule.seconds.map(|seconds| now + Duration::from_secs_f64(seconds)),
            left: rule.times,
            rule,
        }));
        Ok(())
    }

    /// From now on nothing goes wrong on purpose.
    pub fn clear(&self) {
        self.current(Instant::now()).clear();
    }

    /// What goes wrong now; `times` is what is left.
    #[must_use]
    pub fn list(&self) -> Vec<Rule> {
        let active = self.current(Instant::now());
        let rule = |active: &Active| Rule {
            times: active.left,
            ..active.rule.clone()
        };
        active.iter().map(rule).collect()
    }

    /// How much time was made to pass between two moments, all in Unix milliseconds.
    pub(crate) fn skipped_ms(&self, from_ms: u64, until_ms: u64) -> u64 {
        let active = self.current(Instant::now());
        let between = active.iter().filter(|one| (from_ms..=until_ms).contains(&one.since_ms));
        let skips = between.filter_map(|one| Duration::try_from_secs_f64(one.rule.skip?).ok());
        u64::try_from(skips.sum::<Duration>().as_millis()).unwrap_or(u64::MAX)
    }

    /// With what code this send is refused, if it is.
    pub(crate) fn of_send(&self) -> Option<u32> {
        self.strike(|rule| rule.api)
    }

    /// What becomes of this attempt at delivery, if something does.
    pub(crate) fn of_delivery(&self) -> Option<Outcome> {
        let failure = match self.strike(|rule| rule.webhook)? {
            Webhook::Status(status) => Failure::Status(status),
            Webhook::Silent(Silent::Timeout) => Failure::Timeout,
            Webhook::Silent(Silent::Unreachable) => Failure::Connect,
        };
        Some(Outcome::Failed {
            failure,
            retry_after: None,
        })
    }

    /// The first rule of a kind that strikes; it has struck then.
    fn strike<T>(&self, of: impl Fn(&Rule) -> Option<T>) -> Option<T> {
        let mut active = self.current(Instant::now());
        for one in active.iter_mut() {
            let Some(found) = of(&one.rule) else { continue };
            if one.rule.share.is_some_and(|share| !rand::rng().random_bool(share)) {
                continue;
            }
            one.left = one.left.map(|left| left.saturating_sub(1));
            return Some(found);
        }
        None
    }

    /// Without those that are over.
    fn current(&self, now: Instant) -> MutexGuard<'_, Vec<Active>> {
        let mut active = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        active.retain(|one| one.left != Some(0) && one.until.is_none_or(|until| now < until));
        active
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(json: &str) -> Rule {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn nothing_goes_wrong_by_itself() {
        let faults = Faults::default();
        assert!(faults.of_send().is_none() && faults.of_delivery().is_none() && faults.list().is_empty());
    }

    #[test]
    fn faults_strike_their_kind_so_often_and_then_no_more() {
        let faults = Faults::default();
        faults
            .add(vec![
                rule(r#"{"api":130429,"times":2}"#),
                rule(r#"{"webhook":500,"times":1}"#),
                rule(r#"{"webhook":"timeout"}"#),
            ])
            .unwrap();
        assert_eq!(
            [faults.of_send(), faults.of_send(), faults.of_send()],
            [Some(130_429), Some(130_429), None]
        );
        let failure = || match faults.of_delivery() {
            Some(Outcome::Failed { failure, .. }) => Some(failure),
            _ => None,
        };
        assert_eq!(
            [failure(), failure(), failure()],
            [Some(Failure::Status(500)), Some(Failure::Timeout), Some(Failure::Timeout)]
        );
        assert_eq!(faults.clone().list(), [rule(r#"{"webhook":"timeout"}"#)]);
        faults.clear();
        assert!(failure().is_none());
    }

    #[test]
    fn time_passes_for_who_was_there_before() {
        let faults = Faults::default();
        let before = Moment::of(SystemTime::now()).ms;
        faults.add(vec![rule(r#"{"skip":3600}"#), rule(r#"{"skip":60.5}"#)]).unwrap();
        let after = Moment::of(SystemTime::now()).ms;
        assert_eq!(faults.skipped_ms(before, after), 3_660_500);
        assert_eq!(faults.skipped_ms(after + 1, after + 2), 0);
        assert!(faults.of_send().is_none() && faults.list().len() == 2);
        faults.clear();
        assert_eq!(faults.skipped_ms(before, after), 0);
    }

    #[test]
    fn a_share_strikes_some_and_a_time_ends() {
        let faults = Faults::default();
        faults.add(vec![rule(r#"{"api":131056,"share":0.5}"#)]).unwrap();
        let struck = (0..400).filter(|_| faults.of_send().is_some()).count();
        assert!((100..300).contains(&struck), "{struck} of 400");
        faults.clear();
        faults.add(vec![rule(r#"{"api":131056,"seconds":0.000001}"#)]).unwrap();
        assert!(faults.current(Instant::now() + Duration::from_secs(1)).is_empty());
    }

    #[test]
    fn nonsense_is_refused_and_changes_nothing() {
        let faults = Faults::default();
        for (json, error) in [
            ("{}", Invalid::Kind),
            (r#"{"api":130429,"webhook":500}"#, Invalid::Kind),
            (r#"{"api":200}"#, Invalid::Code),
            (r#"{"webhook":200}"#, Invalid::Status),
            (r#"{"webhook":500,"share":0}"#, Invalid::Share),
            (r#"{"webhook":500,"share":1.5}"#, Invalid::Share),
            (r#"{"webhook":500,"seconds":-1}"#, Invalid::Time),
            (r#"{"webhook":500,"skip":60}"#, Invalid::Kind),
            (r#"{"skip":60,"times":1}"#, Invalid::Skip),
            (r#"{"skip":0}"#, Invalid::Skip),
            (r#"{"skip":1e9}"#, Invalid::Skip),
        ] {
            assert_eq!(faults.add(vec![rule(r#"{"api":130429}"#), rule(json)]), Err(error), "{json}");
        }
        assert_eq!(faults.add(vec![rule(r#"{"api":130429}"#); 101]), Err(Invalid::Many));
        assert!(faults.list().is_empty());
    }
}
