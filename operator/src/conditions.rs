//! Conditions, as `metav1.Condition` has them and kstatus reads them.
//!
//! `Ready` is always there. `Reconciling` and `Stalled` are there only when they are true, and never both. A time changes only when a status
//! does, so that writing what is there already changes nothing.

use jiff::{Timestamp, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::{
    fault::{Fault, sentence},
    text::{CONDITION_MESSAGE_MAX_BYTES, clip},
};

/// The type `Ready`.
pub const READY: &str = "Ready";
/// The type `Reconciling`.
pub const RECONCILING: &str = "Reconciling";
/// The type `Stalled`.
pub const STALLED: &str = "Stalled";

/// The status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// Nobody knows at the moment.
    Unknown,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for State {
    fn from(is: bool) -> Self {
        if is { Self::True } else { Self::False }
    }
}

/// A condition as it is now, before it is known when it became so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    type_: &'static str,
    state: State,
    reason: &'static str,
    message: String,
}

impl Now {
    /// A condition as it is now.
    #[must_use]
    pub fn new(type_: &'static str, state: impl Into<State>, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            type_,
            state: state.into(),
            reason,
            message: message.into(),
        }
    }
}

/// The list of conditions to write: those of `now` and no others, each with the time of its last change.
#[must_use]
pub fn list(now: Vec<Now>, previous: &[Condition], generation: Option<i64>, time: Timestamp) -> Vec<Condition> {
    let time = time.round(Unit::Second).unwrap_or(time);
    now.into_iter()
        .map(|now| {
            let same = previous
                .iter()
                .find(|before| before.type_ == now.type_ && before.status == now.state.as_str());
            Condition {
                type_: now.type_.to_owned(),
                status: now.state.as_str().to_owned(),
                reason: now.reason.to_owned(),
                message: clip(&now.message, CONDITION_MESSAGE_MAX_BYTES),
                observed_generation: generation,
                last_transition_time: same.map_or(Time(time), |before| before.last_transition_time.clone()),
            }
        })
        .collect()
}

/// The conditions of an object that only its own fields can spoil.
#[must_use]
pub fn of_faults(faults: &[Fault], ready_message: &str) -> Vec<Now> {
    let Some(first) = faults.first() else {
        return vec![Now::new(READY, true, "Valid", ready_message)];
    };
    let (reason, message) = (first.reason.as_str(), sentence(faults));
    vec![
        Now::new(READY, false, reason, message.clone()),
        Now::new(STALLED, true, reason, message),
    ]
}

/// The conditions of an object that cannot even be read, for example because it has fields that this operator does not know.
#[must_use]
pub fn unreadable(error: &str) -> Vec<Now> {
    let message = format!(
        "this object cannot be read, so nothing is done with it: {error}. Correct it, or upgrade the operator if it is older than the resources"
    );
    vec![
        Now::new(READY, false, "Unreadable", message.clone()),
        Now::new(STALLED, true, "Unreadable", message),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_time_changes_only_with_the_status() {
        let first = list(vec![Now::new(READY, false, "Starting", "a")], &[], Some(1), at(10));
        let second = list(vec![Now::new(READY, false, "Unschedulable", "b")], &first, Some(2), at(20));
        assert_eq!(second[0].last_transition_time, Time(at(10)));
        assert_eq!(
            (second[0].observed_generation, second[0].reason.as_str()),
            (Some(2), "Unschedulable")
        );
        let third = list(vec![Now::new(READY, true, "Serving", "c")], &second, Some(2), at(30));
        assert_eq!(third[0].last_transition_time, Time(at(30)));
        assert_eq!(list(vec![Now::new(READY, true, "Serving", "c")], &third, Some(2), at(40)), third);
    }

    #[test]
    fn what_is_no_longer_so_goes() {
        let first = list(unreadable("no such field"), &[], Some(1), at(10));
        assert_eq!(first.len(), 2);
        let second = list(of_faults(&[], "all is well"), &first, Some(2), at(20));
        assert_eq!(second.len(), 1);
        assert_eq!((second[0].type_.as_str(), second[0].status.as_str()), (READY, "True"));
    }
}
