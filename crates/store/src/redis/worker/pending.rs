//! One batch or claim between its arrival and its answer: what is known about it, and what each reply makes of it. No IO.

use std::sync::Arc;

use redis::{Cmd, Value};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::admission::Permit;
use crate::redis::encode::{self, Tag};
use crate::redis::endpoint::Endpoint;
use crate::redis::reply::{self, Remedy, Verdict};
use crate::work::{Admitted, ClaimRequest, Work};
use crate::{Batch, Claim, EntryId, Error, Fence, Key, Options, Outcome, options};

pub(super) struct Pending {
    request: Request,
    pub(super) arrived: Instant,
    pub(super) deadline: Instant,
    /// An earlier try may have been applied.
    in_doubt: bool,
    _permit: Permit,
}

enum Request {
    Commit {
        batch: Batch,
        /// Written with the mark, so that a second try recognises it.
        tag: Option<Tag>,
        /// What an earlier try appended, when only its durability is in doubt.
        appended: Option<Vec<EntryId>>,
        reply: oneshot::Sender<Result<Outcome, Error>>,
    },
    Claim {
        claim: ClaimRequest,
        token: Tag,
        reply: oneshot::Sender<Result<Claim, Error>>,
    },
}

pub(super) enum Answer {
    Outcome(Outcome),
    Claim(Claim),
}

impl Answer {
    pub(super) fn is_applied(&self) -> bool {
        matches!(self, Self::Outcome(Outcome::Applied { .. } | Outcome::AlreadyApplied))
    }

    pub(super) fn gap(&self) -> Option<(u64, u64)> {
        match self {
            Self::Outcome(Outcome::Gap { epoch, seq }) => Some((*epoch, *seq)),
            _ => None,
        }
    }
}

pub(super) enum Landing {
    Done(Pending, Answer),
    Again(Pending, Option<Remedy>),
    Failed(Pending, Error),
}

impl Pending {
    pub(super) fn new(admitted: Admitted, endpoint: &Endpoint) -> Self {
        let arrived = Instant::now();
        let request = match admitted.work {
            Work::Commit(batch, reply) => {
                let tag = (batch.fence.is_none() && batch.mark().is_some()).then(|| endpoint.tag());
                Request::Commit {
                    batch,
                    tag,
                    appended: None,
                    reply,
                }
            }
            Work::Claim(claim, reply) => Request::Claim {
                claim,
                token: endpoint.tag(),
                reply,
            },
        };
        Self {
            request,
            arrived,
            deadline: arrived + endpoint.options.commit_deadline,
            in_doubt: false,
            _permit: admitted.permit,
        }
    }

    pub(super) fn command(&self, options: &Options) -> Cmd {
        let ttl_cap_ms = options::millis(options.ttl_cap);
        match &self.request {
            Request::Commit { batch, tag, .. } => encode::commit(batch, tag.as_ref(), ttl_cap_ms),
            Request::Claim { claim, token, .. } => encode::claim(claim, token, ttl_cap_ms),
        }
    }

    pub(super) fn size(&self) -> usize {
        match &self.request {
            Request::Commit { batch, .. } => batch.size(),
            Request::Claim { .. } => 128,
        }
    }

    pub(super) fn fence(&self) -> Option<&Fence> {
        match &self.request {
            Request::Commit { batch, .. } => batch.fence.as_ref(),
            Request::Claim { .. } => None,
        }
    }

    pub(super) fn lane(&self) -> Option<&Key> {
        match &self.request {
            Request::Commit { batch, .. } => batch.fence.as_ref().map(|fence| &fence.lane),
            Request::Claim { claim, .. } => Some(&claim.lane),
        }
    }

    fn is_repeatable(&self) -> bool {
        match &self.request {
            Request::Commit { batch, .. } => batch.is_repeatable(),
            Request::Claim { .. } => true,
        }
    }

    /// What the reply means. `behind_failure`: an earlier batch of the same lane is going to be run again.
    pub(super) fn landing(mut self, value: Value, durable: bool, behind_failure: bool) -> Landing {
        let verdict = match &self.request {
            Request::Commit { .. } => map(reply::outcome(value), Answer::Outcome),
            Request::Claim { .. } => map(reply::claim(value), Answer::Claim),
        };
        match verdict {
            Verdict::Ran(Answer::Outcome(Outcome::Gap { .. })) if behind_failure => Landing::Again(self, None),
            // Nothing was applied and nothing follows from it: no durability is needed.
            Verdict::Ran(answer @ Answer::Outcome(Outcome::Gap { .. } | Outcome::Stale { .. })) => Landing::Done(self, answer),
            Verdict::Ran(answer) if durable => {
                let answer = self.with_known_entries(answer);
                Landing::Done(self, answer)
            }
            Verdict::Ran(answer) => {
                if let (Request::Commit { appended, .. }, Answer::Outcome(Outcome::Applied { appended: ids })) = (&mut self.request, answer)
                {
                    *appended = Some(ids);
                }
                self.doubt("it was not acknowledged durably in time")
            }
            Verdict::Again(remedy) => Landing::Again(self, Some(remedy)),
            // This try was not applied, but an earlier one may have been.
            Verdict::Failed(Error::Unavailable { reason, .. }) if self.in_doubt => Landing::Failed(self, Error::in_doubt(reason)),
            Verdict::Failed(error) | Verdict::Broken(error) => Landing::Failed(self, error),
        }
    }

    fn with_known_entries(&mut self, answer: Answer) -> Answer {
        match (answer, &mut self.request) {
            (
                Answer::Outcome(Outcome::AlreadyApplied),
                Request::Commit {
                    appended: appended @ Some(_),
                    ..
                },
            ) => Answer::Outcome(Outcome::Applied {
                appended: appended.take().unwrap_or_default(),
            }),
            (answer, _) => answer,
        }
    }

    /// The reply is lost, or it came without the durability that was asked for.
    pub(super) fn doubt(mut self, reason: &str) -> Landing {
        self.in_doubt = true;
        if self.is_repeatable() {
            Landing::Again(self, None)
        } else {
            Landing::Failed(self, Error::in_doubt(reason))
        }
    }

    pub(super) fn answer(self, answer: Answer) {
        // A caller that is gone is none of our business.
        match (self.request, answer) {
            (Request::Commit { reply, .. }, Answer::Outcome(outcome)) => drop(reply.send(Ok(outcome))),
            (Request::Claim { reply, .. }, Answer::Claim(claim)) => drop(reply.send(Ok(claim))),
            (Request::Commit { .. }, Answer::Claim(_)) | (Request::Claim { .. }, Answer::Outcome(_)) => {}
        }
    }

    pub(super) fn fail(self, error: Error) {
        match self.request {
            Request::Commit { reply, .. } => drop(reply.send(Err(error))),
            Request::Claim { reply, .. } => drop(reply.send(Err(error))),
        }
    }

    /// Its deadline has passed.
    pub(super) fn give_up(self, reason: &Arc<str>) {
        let error = Error::Unavailable {
            in_doubt: self.in_doubt,
            reason: Arc::clone(reason),
        };
        self.fail(error);
    }
}

fn map<T>(verdict: Verdict<T>, wrap: fn(T) -> Answer) -> Verdict<Answer> {
    match verdict {
        Verdict::Ran(value) => Verdict::Ran(wrap(value)),
        Verdict::Again(remedy) => Verdict::Again(remedy),
        Verdict::Failed(error) => Verdict::Failed(error),
        Verdict::Broken(error) => Verdict::Broken(error),
    }
}
