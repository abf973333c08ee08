//! What the sidecar says of itself, as conditions.

use waxseal_crds::v1alpha1::{ProblemReason, SidecarStatus, WebhookState};

use super::progress::Progress;
use crate::conditions::{Now, State};

/// The last report of a sidecar.
pub(super) struct Reported<'a> {
    report: Option<&'a SidecarStatus>,
    /// Whether somebody is there who would have said so if it were otherwise.
    fresh: bool,
}

impl<'a> Reported<'a> {
    pub(super) fn of(report: Option<&'a SidecarStatus>, progress: Option<&Progress>) -> Self {
        let available = progress.is_some_and(|progress| progress.available > 0);
        Self {
            report,
            fresh: report.is_some_and(|report| available || !report.problems.is_empty()),
        }
    }

    pub(super) fn configuration(&self) -> Option<&'a str> {
        self.report?.configuration.as_deref()
    }

    /// What the sidecar lacks, in one word and all its words.
    pub(super) fn first_problem(&self) -> Option<(&'static str, String)> {
        let first = self.report?.problems.first()?;
        Some((first.reason.as_str(), self.texts(|_| true)))
    }

    fn texts(&self, which: impl Fn(ProblemReason) -> bool) -> String {
        let problems = self.report.map_or(&[][..], |report| &report.problems);
        let texts: Vec<&str> = problems
            .iter()
            .filter(|problem| which(problem.reason))
            .map(|problem| problem.message.as_str())
            .collect();
        texts.join("; ")
    }

    pub(super) fn conditions(&self) -> Vec<Now> {
        use ProblemReason::{
            ConfigurationInvalid, KeysUnavailable, RedisUnavailable, RelayRefused, RelayUnavailable, SecretInvalid, SecretMissing,
        };
        let Some(report) = self.report else {
            return Vec::new();
        };
        // Without these it does not even try to reach anything.
        let hindered = report.problems.iter().any(|problem| {
            let reasons = [ConfigurationInvalid, SecretMissing, SecretInvalid, KeysUnavailable];
            reasons.contains(&problem.reason)
        });
        let mut conditions = vec![
            self.keys(report, KeysUnavailable),
            self.one(
                "SecretsAvailable",
                &[SecretMissing, SecretInvalid],
                State::True,
                ("Available", "every Secret that is named is there and can be used"),
            ),
            self.one(
                "RedisReachable",
                &[RedisUnavailable],
                if hindered && !report.linked { State::Unknown } else { State::True },
                ("Reachable", "the region's Redis answers and is set up as it has to be"),
            ),
            self.one(
                "RelayLinked",
                &[RelayUnavailable, RelayRefused],
                report.linked.into(),
                ("Linked", "the sidecar is linked to the region's relay"),
            ),
        ];
        conditions.extend(self.webhook(report));
        conditions
    }

    /// False while one of these problems is reported, unknown when nobody is there to say, else as it is.
    fn one(&self, type_: &'static str, problems: &[ProblemReason], is: State, good: (&'static str, &'static str)) -> Now {
        let found = self.report.and_then(|report| {
            let mut reasons = report.problems.iter().map(|problem| problem.reason);
            reasons.find(|reason| problems.contains(reason))
        });
        match found {
            Some(reason) => Now::new(type_, false, reason.as_str(), self.texts(|reason| problems.contains(&reason))),
            None if !self.fresh => Now::new(type_, State::Unknown, "NoReport", "no sidecar is there that could tell"),
            None if is == State::True => Now::new(type_, is, good.0, good.1),
            None => Now::new(type_, is, "NotYet", "the sidecar has not come that far yet"),
        }
    }

    /// Keys do not go away with the pod that made them.
    fn keys(&self, report: &SidecarStatus, problem: ProblemReason) -> Now {
        let unavailable = report.problems.iter().any(|known| known.reason == problem);
        match &report.identity_fingerprint {
            _ if unavailable => Now::new("KeysProvisioned", false, problem.as_str(), self.texts(|reason| reason == problem)),
            Some(fingerprint) => Now::new(
                "KeysProvisioned",
                true,
                "Provisioned",
                format!("the fingerprint of the number's identity is {fingerprint}"),
            ),
            None => Now::new(
                "KeysProvisioned",
                State::Unknown,
                "NoReport",
                "no sidecar has said that it has keys",
            ),
        }
    }

    fn webhook(&self, report: &SidecarStatus) -> Option<Now> {
        const TYPE: &str = "WebhookVerified";
        let last = report.last_webhook_result.as_deref();
        let last = last
            .map(|last| format!("; the last attempt ended with '{last}'"))
            .unwrap_or_default();
        Some(match report.webhook {
            WebhookState::None => return None,
            _ if !self.fresh => Now::new(TYPE, State::Unknown, "NoReport", "no sidecar is there that could tell"),
            WebhookState::Verified => Now::new(TYPE, true, "Verified", "events are delivered"),
            WebhookState::Verifying => Now::new(
                TYPE,
                false,
                "Verifying",
                format!(
                    "the webhook has not answered the verification request with the challenge yet{last}; check its URL and verify token. Events \
                     are kept until then"
                ),
            ),
            WebhookState::Failing => Now::new(
                TYPE,
                false,
                "Failing",
                format!("the webhook does not take events{last}; they are kept and tried again; `status.sidecar` says how many"),
            ),
        })
    }
}
