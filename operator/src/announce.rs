//! Which event a change of conditions is worth. One for each outcome that is new, none for one that lasts.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;

use crate::{
    conditions::{READY, STALLED},
    events::Events,
};

/// Reasons of `Ready=False` that nobody has to look at.
const HARMLESS: [&str; 4] = ["Starting", "Suspended", "Deleting", "Paused"];

/// Publishes an event if the outcome is new.
pub async fn announce(events: &Events, about: &impl Resource<DynamicType = ()>, before: &[Condition], now: &[Condition]) {
    let Some(news) = news(before, now) else { return };
    if news.is_warning {
        events
            .warning(about, "Reconcile", &news.condition.reason, &news.condition.message)
            .await;
    } else {
        events
            .normal(about, "Reconcile", &news.condition.reason, &news.condition.message)
            .await;
    }
}

struct News<'a> {
    condition: &'a Condition,
    is_warning: bool,
}

fn news<'a>(before: &[Condition], now: &'a [Condition]) -> Option<News<'a>> {
    // What is stuck says more than that something is not ready.
    [STALLED, READY].into_iter().find_map(|kind| {
        let condition = of(now, kind)?;
        let is_new = of(before, kind).is_none_or(|before| before.status != condition.status || before.reason != condition.reason);
        let is_harmless = condition.status == "True" || HARMLESS.contains(&condition.reason.as_str());
        is_new.then_some(News {
            condition,
            is_warning: kind == STALLED || !is_harmless,
        })
    })
}

fn of<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::{Now, list};

    fn conditions(now: Vec<Now>) -> Vec<Condition> {
        list(now, &[], Some(1), jiff::Timestamp::UNIX_EPOCH)
    }

    fn said(before: &[Condition], now: &[Condition]) -> Option<(String, bool)> {
        news(before, now).map(|news| (news.condition.reason.clone(), news.is_warning))
    }

    #[test]
    fn says_what_is_new_and_once() {
        let starting = conditions(vec![Now::new(READY, false, "Starting", "a")]);
        let serving = conditions(vec![Now::new(READY, true, "Serving", "b")]);
        let taken = conditions(vec![
            Now::new(READY, false, "NumberTaken", "c"),
            Now::new(STALLED, true, "NumberTaken", "c"),
        ]);
        let failing = conditions(vec![Now::new(READY, false, "Unschedulable", "d")]);
        assert_eq!(said(&[], &starting), Some(("Starting".into(), false)));
        assert_eq!(said(&starting, &starting), None);
        assert_eq!(said(&starting, &serving), Some(("Serving".into(), false)));
        assert_eq!(said(&serving, &taken), Some(("NumberTaken".into(), true)));
        assert_eq!(said(&taken, &taken), None);
        assert_eq!(said(&serving, &failing), Some(("Unschedulable".into(), true)));
        assert_eq!(said(&taken, &serving), Some(("Serving".into(), false)));
        assert_eq!(said(&serving, &[]), None);
    }
}
