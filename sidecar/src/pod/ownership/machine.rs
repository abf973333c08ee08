//! Who owns a number, as a state machine: what to ask the store next, and what to believe after its answer.
//!
//! Pure: time is passed in, steps come out, answers go in. Two things are kept in the store: the *record*, a value with a time to live that
//! says who owns the number, and the *fence*, a lane that only its last claimant can write under.
//!
//! To become the owner: write the record where there is none (`Take`), claim the fence (`Claim`), see that the record is still one's own
//! (`Check`), write it again under the fence (`Renew`). The order matters. After the claim nobody who owned the number before can renew; if
//! one of them did so between `Take` and `Claim`, `Check` shows it, and the number stays his. To stay the owner: renew, under the fence, more
//! often than the record expires. A belief ends by itself, before the record can have expired, if the store does not confirm it.
//!
//! A store that fails may come back without what it was told last. The owner is the one who knows what is lost, so he is given the first
//! chance to come back, and others wait a little: an owner whose belief has ended is [`Standing::Suspended`], not gone, until he sees
//! somebody else's record.

mod terms;

use std::time::Duration;

pub use self::terms::{Answer, Instance, Next, Now, Seen, Standing, Step, Timing};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Looks at the record, next at that time.
    Watch(Now),
    Take,
    Claim {
        over_predecessor: bool,
    },
    Check {
        over_predecessor: bool,
        epoch: u64,
        seq: u64,
    },
    /// Owns the number, or is about to; renews at that time.
    Own {
        epoch: u64,
        seq: u64,
        at: Now,
    },
    Release {
        epoch: u64,
        seq: u64,
        tries: u32,
    },
}

/// The record of another, as it was seen last.
#[derive(Clone, Debug)]
struct Watched {
    seen: Seen,
    /// When this beat was seen first.
    since: Now,
    /// It was written after this moment; unknown for the first record ever seen.
    written_after: Option<Now>,
}

const RELEASE_TRIES: u32 = 3;

/// One process's view.
#[derive(Debug)]
pub struct Machine {
    me: Instance,
    timing: Timing,
    phase: Phase,
    /// The end of the belief.
    until: Option<Now>,
    /// Was the owner, and has seen nobody else since.
    kept: bool,
    watched: Option<Watched>,
    /// When the last read that was answered had been sent.
    last_read: Option<Now>,
    /// The store has failed; nobody's absence means anything before then. `None` in it: not answered yet.
    unsettled: Option<Option<Now>>,
    barred_until: Now,
    leaving: bool,
}

impl Machine {
    /// A candidate.
    #[must_use]
    pub const fn new(me: Instance, timing: Timing) -> Self {
        Self {
            me,
            timing,
            phase: Phase::Watch(Duration::ZERO),
            until: None,
            kept: false,
            watched: None,
            last_read: None,
            unsettled: None,
            barred_until: Duration::ZERO,
            leaving: false,
        }
    }

    /// What may be believed at `now`.
    #[must_use]
    pub fn standing(&self, now: Now) -> Standing {
        match (self.until, self.kept, &self.watched) {
            (Some(until), _, _) if now < until => Standing::Owner { until },
            (_, true, _) => Standing::Suspended,
            (_, false, Some(watched)) => Standing::Follower(watched.seen.instance),
            (_, false, None) => Standing::Nobody,
        }
    }

    /// What to do.
    pub fn next(&mut self, now: Now) -> Next {
        if let (Phase::Own { .. }, Some(until)) = (self.phase, self.until)
            && now >= until
        {
            self.suspend(now);
        }
        match self.phase {
            Phase::Watch(at) | Phase::Own { at, .. } if now < at => Next::Wait(at),
            Phase::Watch(_) => Next::Ask(Step::Read),
            Phase::Take => Next::Ask(Step::Take),
            Phase::Claim { .. } => Next::Ask(Step::Claim),
            Phase::Check { .. } => Next::Ask(Step::Check),
            Phase::Own { epoch, seq, .. } => Next::Ask(Step::Renew { epoch, seq }),
            Phase::Release { epoch, seq, .. } => Next::Ask(Step::Release { epoch, seq }),
        }
    }

    /// Something suggests that the record has changed.
    pub fn look(&mut self, now: Now) {
        if let Phase::Watch(at) = &mut self.phase {
            let soonest = self.last_read.map_or(now, |last| last + self.timing.poll_soon);
            *at = (*at).min(soonest.max(now));
        }
    }

    /// Gives the number back, if it is owned, and never takes it again. The number must have been stopped.
    pub fn leave(&mut self, now: Now) {
        self.leaving = true;
        self.give_back(now);
    }

    /// Gives the number back because it cannot be served here, and lets others try for a while.
    pub fn stand_back(&mut self, now: Now) {
        self.barred_until = now + self.timing.stand_back;
        self.give_back(now);
    }

    /// Whether it is still to be given back.
    #[must_use]
    pub const fn is_giving_back(&self) -> bool {
        matches!(self.phase, Phase::Release { .. })
    }

    fn give_back(&mut self, now: Now) {
        self.until = None;
        self.kept = false;
        if let Phase::Own { epoch, seq, .. } = self.phase {
            self.phase = Phase::Release { epoch, seq, tries: 0 };
        } else {
            self.look(now);
        }
    }

    fn is_barred(&self, now: Now) -> bool {
        self.leaving || now < self.barred_until
    }

    fn suspend(&mut self, now: Now) {
        self.until = None;
        self.phase = Phase::Watch(now);
    }

    /// Takes the answer to `step`, which was asked at `sent`.
    pub fn answer(&mut self, step: Step, sent: Now, now: Now, answer: &Answer) {
        match (step, answer) {
            (Step::Read, Answer::Record { record, given_back_by }) => self.saw(record.as_ref(), *given_back_by, sent, now),
            (Step::Read, _) => {
                self.unsettled = Some(None);
                self.phase = Phase::Watch(now + self.timing.retry);
            }
            (Step::Take, Answer::Took(true)) => self.phase = Phase::Claim { over_predecessor: false },
            (Step::Take, Answer::Took(false)) => self.phase = Phase::Watch(now + self.timing.poll_soon),
            (Step::Claim, Answer::Claimed { epoch, seq }) => {
                let over_predecessor = matches!(self.phase, Phase::Claim { over_predecessor: true });
                self.phase = Phase::Check {
                    over_predecessor,
                    epoch: *epoch,
                    seq: *seq,
                };
            }
            (Step::Check, Answer::Record { record, .. }) => self.checked(record.as_ref(), now),
            (Step::Renew { epoch, seq }, Answer::Done | Answer::Repeated) => {
                // It may have been done long ago, when it was asked first: that is worth nothing.
                let done = *answer == Answer::Done;
                let at = if done { sent + self.timing.renew } else { now };
                if done {
                    self.until = Some(sent + self.timing.ttl - self.timing.margin);
                    self.kept = true;
                    self.watched = None;
                    self.unsettled = None;
                }
                self.phase = Phase::Own { epoch, seq: seq + 1, at };
            }
            (Step::Renew { .. }, Answer::Fenced) => self.suspend(now),
            (Step::Renew { epoch, seq }, _) => {
                let at = now + self.timing.retry;
                self.phase = match self.until {
                    Some(_) => Phase::Own { epoch, seq, at },
                    None => Phase::Watch(at),
                };
            }
            (Step::Release { .. }, Answer::Done | Answer::Fenced) => self.phase = Phase::Watch(now),
            (Step::Release { epoch, seq }, _) => {
                let tries = match self.phase {
                    Phase::Release { tries, .. } => tries + 1,
                    _ => RELEASE_TRIES,
                };
                // What had been done before may have been a renewal.
                let seq = seq + u64::from(*answer == Answer::Repeated);
                self.phase = match tries < RELEASE_TRIES {
                    true => Phase::Release { epoch, seq, tries },
                    // It expires.
                    false => Phase::Watch(now + self.timing.retry),
                };
            }
            // After no answer: the record tells what was done.
            (Step::Take | Step::Claim | Step::Check, _) => {
                self.unsettled = Some(None);
                self.phase = Phase::Watch(now + self.timing.retry);
            }
        }
    }

    fn saw(&mut self, record: Option<&Seen>, given_back_by: Option<Instance>, sent: Now, now: Now) {
        let before = self.last_read.replace(sent);
        match record {
            Some(seen) if seen.instance == self.me => {
                self.watched = None;
                // Own without knowing: an answer was lost, or the belief has ended and nobody else came. Also to give it back.
                self.phase = Phase::Claim { over_predecessor: false };
            }
            Some(seen) => {
                self.kept = false;
                self.unsettled = None;
                if seen.is_predecessor && !self.is_barred(now) {
                    self.phase = Phase::Claim { over_predecessor: true };
                    return;
                }
                let is_new = self.watched.as_ref().is_none_or(|watched| watched.seen != *seen);
                if is_new {
                    self.watched = Some(Watched {
                        seen: seen.clone(),
                        since: now,
                        written_after: before,
                    });
                }
                let overdue = self
                    .watched
                    .as_ref()
                    .is_some_and(|watched| now > watched.since + self.timing.renew + self.timing.poll);
                let pause = if overdue { self.timing.poll_soon } else { self.timing.poll };
                self.phase = Phase::Watch(now + pause);
            }
            None if self.is_barred(now) => {
                self.watched = None;
                self.phase = Phase::Watch(now + self.timing.poll_soon);
            }
            None => {
                let from = self.may_take_from(given_back_by, now);
                self.phase = match now >= from {
                    true => Phase::Take,
                    false => Phase::Watch(from.min(now + self.timing.poll_soon)),
                };
            }
        }
    }

    /// There is no record: when is the number free?
    fn may_take_from(&mut self, given_back_by: Option<Instance>, now: Now) -> Now {
        if self.kept {
            return now;
        }
        let settled = match self.unsettled {
            None => now,
            Some(Some(at)) => at,
            Some(None) => {
                let at = now + self.timing.settle;
                self.unsettled = Some(Some(at));
                at
            }
        };
        let Some(watched) = &self.watched else { return settled };
        let given_back = given_back_by == Some(watched.seen.instance);
        // Gone before it can have expired: the store has forgotten it, and its owner may live.
        let is_early = watched.written_after.is_some_and(|after| now < after + self.timing.ttl);
        if is_early && !given_back {
            settled.max(watched.since + self.timing.ttl)
        } else if given_back {
            now
        } else {
            settled
        }
    }

    fn checked(&mut self, record: Option<&Seen>, now: Now) {
        let Phase::Check {
            over_predecessor,
            epoch,
            seq,
        } = self.phase
        else {
            return;
        };
        let is_mine = record.is_some_and(|seen| seen.instance == self.me || (over_predecessor && seen.is_predecessor));
        self.phase = match (is_mine, self.is_barred(now)) {
            // Somebody renewed before the fence was claimed, or it has expired: look again.
            (false, _) => Phase::Watch(now),
            (true, true) => Phase::Release {
                epoch,
                seq: seq + 1,
                tries: 0,
            },
            (true, false) => Phase::Own {
                epoch,
                seq: seq + 1,
                at: now,
            },
        };
    }
}

#[cfg(test)]
mod tests;
