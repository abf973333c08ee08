//! From the state of a pod to `status.sidecar`.

use std::time::{Duration, Instant};

use waxseal_crds::v1alpha1::{ProblemReason, Quality, SidecarProblem, SidecarStatus, WebhookState};

use crate::{
    number::{Number, Waiting, WebhookResult},
    pod::board::State,
};

/// How long a number may take to link to its relay before that is a problem.
const LINK_PATIENCE: Duration = Duration::from_secs(15);
const MOST_PROBLEMS: usize = 16;
const MOST_CHARS: usize = 1024;

/// What waits.
#[derive(Clone, Copy)]
pub(super) struct Waits {
    outbound: i64,
    webhooks: i64,
}

impl From<Waiting> for Waits {
    fn from(waiting: Waiting) -> Self {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX).min((1 << 53) - 1);
        Self {
            outbound: count(waiting.outbound.saturating_add(waiting.unacknowledged)),
            webhooks: count(waiting.webhooks),
        }
    }
}

/// Since when the number is not linked.
#[derive(Default)]
pub(super) struct Unlinked(Option<Instant>);

/// The report of this state. Without new counts, those of the last report stand.
pub(super) fn of(
    state: &State,
    pod: &str,
    waits: Option<Waits>,
    unlinked: &mut Unlinked,
    last: Option<&SidecarStatus>,
    now: Instant,
) -> SidecarStatus {
    let mut problems = state.problems();
    if let Some(number) = &state.number {
        problems.extend(link_problem(number, unlinked, now));
    }
    for problem in &mut problems {
        shorten(&mut problem.message);
    }
    problems.truncate(MOST_PROBLEMS);
    let webhook = state
        .number
        .as_ref()
        .and_then(|number| number.webhook())
        .map(|webhook| webhook.result);
    SidecarStatus {
        pod: Some(pod.to_owned()),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        configuration: state.configuration.clone().filter(|_| state.number.is_some()),
        identity_fingerprint: state.number.as_ref().map(|number| number.fingerprint()),
        linked: state.number.as_ref().is_some_and(|number| number.is_linked()),
        webhook: match webhook {
            None => WebhookState::None,
            Some(WebhookResult::NotVerified) => WebhookState::Verifying,
            Some(WebhookResult::Verified | WebhookResult::Delivered) => WebhookState::Verified,
            Some(WebhookResult::HttpStatus(_) | WebhookResult::Unreachable) => WebhookState::Failing,
        },
        last_webhook_result: match webhook {
            None | Some(WebhookResult::NotVerified | WebhookResult::Verified) => None,
            Some(WebhookResult::Delivered) => Some("Delivered".to_owned()),
            Some(WebhookResult::Unreachable) => Some("Unreachable".to_owned()),
            Some(WebhookResult::HttpStatus(status)) => Some(format!("HTTP {status}")),
        },
        waiting_outbound: waits.map_or_else(|| last.map_or(0, |last| last.waiting_outbound), |waits| waits.outbound),
        waiting_webhooks: waits.map_or_else(|| last.map_or(0, |last| last.waiting_webhooks), |waits| waits.webhooks),
        quality: Quality::Unknown,
        problems,
    }
}

fn link_problem(number: &Number, unlinked: &mut Unlinked, now: Instant) -> Option<SidecarProblem> {
    // That the business does not want a link is no problem.
    if number.is_linked() || number.is_deregistered() {
        unlinked.0 = None;
        return None;
    }
    let since = *unlinked.0.get_or_insert(now);
    if number.is_refused() {
        return Some(SidecarProblem {
            reason: ProblemReason::RelayRefused,
            message:
                "the relay does not accept the number: check its PIN and the client certificate, or deregister it where it was registered \
                      before"
                    .to_owned(),
        });
    }
    (now.duration_since(since) >= LINK_PATIENCE).then(|| SidecarProblem {
        reason: ProblemReason::RelayUnavailable,
        message: "the relay does not answer; messages are accepted and wait".to_owned(),
    })
}

/// To what the API server takes.
fn shorten(message: &mut String) {
    if let Some((at, _)) = message.char_indices().nth(MOST_CHARS) {
        message.truncate(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_without_a_number_reports_its_problems_within_bounds() {
        let problem = |text: &str| SidecarProblem {
            reason: ProblemReason::SecretMissing,
            message: text.to_owned(),
        };
        let state = State {
            files: vec![problem(&"ä".repeat(2000)); 20],
            store_problem: Some(problem("store")),
            ..State::default()
        };
        let status = of(&state, "acme-1", None, &mut Unlinked::default(), None, Instant::now());
        assert_eq!(status.problems.len(), 16);
        assert!(status.problems.iter().all(|problem| problem.message.chars().count() == 1024));
        assert_eq!(
            (status.linked, status.webhook, status.configuration),
            (false, WebhookState::None, None)
        );
        assert_eq!(status.pod.as_deref(), Some("acme-1"));
    }

    #[test]
    fn counts_stay_what_they_were_until_there_are_new_ones() {
        let last = SidecarStatus {
            waiting_outbound: 5,
            waiting_webhooks: 7,
            ..SidecarStatus::default()
        };
        let report = |waits| {
            let status = of(&State::default(), "p", waits, &mut Unlinked::default(), Some(&last), Instant::now());
            (status.waiting_outbound, status.waiting_webhooks)
        };
        assert_eq!(report(None), (5, 7));
        let waits = Waiting {
            outbound: 1,
            unacknowledged: 2,
            webhooks: u64::MAX,
        };
        assert_eq!(report(Some(waits.into())), (3, (1 << 53) - 1));
    }
}
