//! When a report is due. Pure: time is passed in.

use std::time::{Duration, Instant};

use waxseal_crds::v1alpha1::SidecarStatus;

/// Between reports in which only counts differ, and between looks at the counts.
const COUNTS: Duration = Duration::from_secs(30);
/// Between reports, whatever differs but problems.
const SHORTEST: Duration = Duration::from_secs(5);
/// After a report that could not be written.
const AGAIN: Duration = Duration::from_secs(5);

/// What was reported last, and when.
#[derive(Default)]
pub(super) struct Pace {
    last: Option<(Instant, SidecarStatus)>,
    counted: Option<Instant>,
    not_before: Option<Instant>,
}

impl Pace {
    /// Whether the counts are to be looked at.
    pub(super) fn counts_are_due(&self, now: Instant) -> bool {
        self.counted.is_none_or(|at| now >= at + COUNTS)
    }

    /// What was reported last.
    pub(super) fn last(&self) -> Option<&SidecarStatus> {
        self.last.as_ref().map(|(_, status)| status)
    }

    /// Whether this is to be reported now.
    pub(super) fn is_due(&mut self, now: Instant, status: &SidecarStatus) -> bool {
        if self.counts_are_due(now) {
            self.counted = Some(now);
        }
        if self.not_before.is_some_and(|at| now < at) {
            return false;
        }
        let Some((at, last)) = &self.last else { return true };
        if status == last {
            return false;
        }
        let since = now.duration_since(*at);
        if status.problems != last.problems {
            return true;
        }
        let only_counts = without_counts(status) == without_counts(last);
        since >= if only_counts { COUNTS } else { SHORTEST }
    }

    pub(super) fn written(&mut self, now: Instant, status: SidecarStatus) {
        self.last = Some((now, status));
        self.not_before = None;
    }

    pub(super) fn failed(&mut self, now: Instant) {
        self.not_before = Some(now + AGAIN);
    }
}

fn without_counts(status: &SidecarStatus) -> SidecarStatus {
    SidecarStatus {
        waiting_outbound: 0,
        waiting_webhooks: 0,
        last_webhook_result: None,
        ..status.clone()
    }
}

#[cfg(test)]
mod tests {
    use waxseal_crds::v1alpha1::{ProblemReason, SidecarProblem};

    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn nothing_is_written_when_nothing_changes() {
        let (mut pace, begun) = (Pace::default(), Instant::now());
        let status = SidecarStatus::default();
        assert!(pace.is_due(begun, &status));
        pace.written(begun, status.clone());
        assert!((1..7200).all(|second| !pace.is_due(begun + s(second), &status)));
    }

    #[test]
    fn counts_are_written_twice_a_minute_at_most() {
        let (mut pace, begun) = (Pace::default(), Instant::now());
        let mut writes = 0;
        for second in 0..600 {
            let status = SidecarStatus {
                waiting_outbound: i64::try_from(second).unwrap(),
                last_webhook_result: Some(format!("HTTP {second}")),
                ..SidecarStatus::default()
            };
            if pace.is_due(begun + s(second), &status) {
                pace.written(begun + s(second), status);
                writes += 1;
            }
        }
        assert_eq!(writes, 20);
    }

    #[test]
    fn problems_are_written_at_once_and_other_changes_soon() {
        let (mut pace, begun) = (Pace::default(), Instant::now());
        let status = SidecarStatus::default();
        pace.written(begun, status.clone());
        let linked = SidecarStatus { linked: true, ..status };
        assert!(!pace.is_due(begun + s(1), &linked));
        assert!(pace.is_due(begun + s(5), &linked));
        let problems = vec![SidecarProblem {
            reason: ProblemReason::SecretMissing,
            message: "m".to_owned(),
        }];
        let broken = SidecarStatus { problems, ..linked };
        assert!(pace.is_due(begun + s(1), &broken));
        pace.failed(begun + s(1));
        assert!(!pace.is_due(begun + s(3), &broken), "a failed write is not repeated at once");
        assert!(pace.is_due(begun + s(6), &broken));
    }
}
