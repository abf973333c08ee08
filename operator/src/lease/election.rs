//! The rules of the election, without clocks and without the API server.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use tokio::time::Instant;

use super::Timing;

/// A lease that claims to last longer than this is taken to last this long: a slip of the hand must not stop the operator for ever.
const LEASE_MAX: Duration = Duration::from_secs(300);

/// What is to be done now.
#[derive(Debug)]
pub(super) enum Action {
    /// Somebody else is the leader.
    Wait,
    /// There is no lease: make this one.
    Create(Lease),
    /// Write this one over the version it names.
    Replace(Lease),
}

/// What one candidate knows.
pub(super) struct Election {
    identity: String,
    timing: Timing,
    /// The lease's content and when we first saw that content.
    seen: Option<(LeaseSpec, Instant)>,
    /// When the request began that last made us the leader.
    held: Option<Instant>,
}

impl Election {
    pub(super) fn new(identity: String, timing: Timing) -> Self {
        Self {
            identity,
            timing,
            seen: None,
            held: None,
        }
    }

    /// Until when we are the leader, if we are.
    pub(super) fn deadline(&self) -> Option<Instant> {
        Some(self.held? + self.timing.renew_deadline)
    }

    /// What to do, the lease being as it is. `now` is our own clock; `wall` is only written down, for people.
    pub(super) fn next(&mut self, now: Instant, wall: Timestamp, lease: Option<&Lease>) -> Action {
        let Some(lease) = lease else {
            return Action::Create(Lease {
                spec: Some(self.spec(wall, wall, 0)),
                ..Lease::default()
            });
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let since = match &self.seen {
            Some((known, since)) if *known == spec => *since,
            _ => now,
        };
        self.seen = Some((spec.clone(), since));
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let transitions = spec.lease_transitions.unwrap_or_default();
        let written = if holder == self.identity {
            let acquired = spec.acquire_time.map_or(wall, |time| time.0);
            self.spec(acquired, wall, transitions)
        } else {
            self.held = None;
            if !holder.is_empty() && now < since + duration(&spec, self.timing.lease) {
                return Action::Wait;
            }
            self.spec(wall, wall, transitions.saturating_add(1))
        };
        Action::Replace(Lease {
            spec: Some(written),
            ..lease.clone()
        })
    }

    /// The request that began at `begun` was granted; the lease is now this.
    pub(super) fn written(&mut self, begun: Instant, lease: &Lease) {
        self.held = Some(begun);
        self.seen = Some((lease.spec.clone().unwrap_or_default(), begun));
    }

    /// The lease without us, if it is ours.
    pub(super) fn released(&self, lease: &Lease, wall: Timestamp) -> Option<Lease> {
        let spec = lease.spec.clone().unwrap_or_default();
        (spec.holder_identity.as_deref() == Some(&self.identity)).then(|| Lease {
            spec: Some(LeaseSpec {
                holder_identity: Some(String::new()),
                lease_duration_seconds: Some(1),
                renew_time: Some(MicroTime(wall)),
                ..spec
            }),
            ..lease.clone()
        })
    }

    fn spec(&self, acquired: Timestamp, renewed: Timestamp, transitions: i32) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.timing.lease.as_secs()).ok(),
            acquire_time: Some(MicroTime(acquired)),
            renew_time: Some(MicroTime(renewed)),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }
    }
}

/// How long the holder asked for; as long as we would when it says nothing of use.
fn duration(spec: &LeaseSpec, default: Duration) -> Duration {
    match spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok()) {
        Some(seconds) if seconds > 0 => Duration::from_secs(seconds).min(LEASE_MAX),
        _ => default,
    }
}
