//! The limits of one number.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{
    clock::Clock,
    pair::{self, Pairs},
    throughput::Throughput,
};
use crate::{
    config::{OverLimit, Rules},
    id::PeerIndex,
};

/// Which limit stands in the way, and for how many microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Messages a second of the number.
    Throughput(u64),
    /// Messages to this consumer.
    Pair(u64),
}

impl Refused {
    /// Microseconds until the message may go.
    #[must_use]
    pub const fn wait_us(self) -> u64 {
        match self {
            Self::Throughput(wait_us) | Self::Pair(wait_us) => wait_us,
        }
    }
}

/// What is left of the limits that there are, after a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// Of the number: messages a second, how many may follow at once, and in how many microseconds all may again.
    pub throughput: Option<(u32, u32, u64)>,
    /// To this consumer: how many may follow at once, and in how many microseconds all may again.
    pub pair: Option<(u32, u64)>,
}

/// Whether a message that waits may go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// It may.
    Go,
    /// None may, for so many microseconds.
    Wait(u64),
    /// None to this consumer, for so many microseconds.
    Hold(u64),
}

/// The limits of one number. Shared by all that send.
pub struct Limiter {
    clock: Clock,
    over_limit: OverLimit,
    limits_pairs: bool,
    state: Mutex<State>,
}

struct State {
    throughput: Throughput,
    pairs: Pairs<PeerIndex>,
}

impl Limiter {
    /// As the rules say.
    #[must_use]
    pub fn new(rules: &Rules, clock: Clock) -> Self {
        Self {
            clock,
            over_limit: rules.over_limit,
            limits_pairs: rules.pair_limit,
            state: Mutex::new(State {
                throughput: Throughput::new(rules.throughput_per_second),
                pairs: Pairs::new(),
            }),
        }
    }

    /// The time, as [`Grant`]s count it.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.clock.now_us()
    }

    /// Whether messages above a limit wait in their lanes.
    #[must_use]
    pub fn is_queueing(&self) -> bool {
        self.over_limit == OverLimit::Queue
    }

    /// Counts a message of the business as it is accepted. When messages wait, none is refused here.
    ///
    /// # Errors
    /// [`Refused`]; then nothing is counted.
    pub fn accept(&self, consumer: &PeerIndex) -> Result<Quota, Refused> {
        let now_us = self.clock.now_us();
        if self.is_queueing() {
            return Ok(self.quota(&mut self.state(), consumer, now_us));
        }
        let mut state = self.state();
        self.take(&mut state, consumer, now_us)?;
        Ok(self.quota(&mut state, consumer, now_us))
    }

    /// Asks for a message that waits in its lane.
    #[must_use]
    pub fn grant(&self, consumer: &PeerIndex) -> Grant {
        if !self.is_queueing() {
            return Grant::Go;
        }
        match self.take(&mut self.state(), consumer, self.clock.now_us()) {
            Ok(()) => Grant::Go,
            Err(Refused::Throughput(wait_us)) => Grant::Wait(wait_us),
            Err(Refused::Pair(wait_us)) => Grant::Hold(wait_us),
        }
    }

    /// Counts messages of consumers.
    pub fn received(&self, messages: u64) {
        if messages > 0 {
            self.state().throughput.receive(messages, self.clock.now_us());
        }
    }

    fn take(&self, state: &mut State, consumer: &PeerIndex, now_us: u64) -> Result<(), Refused> {
        if !self.limits_pairs {
            return state.throughput.send(now_us).map_err(Refused::Throughput);
        }
        let account = state.pairs.account(*consumer);
        let before = *account;
        account.send(now_us).map_err(Refused::Pair)?;
        if let Err(wait_us) = state.throughput.send(now_us) {
            *account = before;
            return Err(Refused::Throughput(wait_us));
        }
        Ok(())
    }

    fn quota(&self, state: &mut State, consumer: &PeerIndex, now_us: u64) -> Quota {
        let throughput = state.throughput;
        Quota {
            throughput: throughput
                .per_second()
                .zip(throughput.left(now_us))
                .map(|(limit, (left, full_us))| (limit, left, full_us)),
            pair: self.limits_pairs.then(|| {
                let account = state.pairs.account(*consumer);
                (account.left(now_us).min(pair::BURST), account.free_in_us(now_us))
            }),
        }
    }

    #[cfg(test)]
    pub(super) fn state_of(&self, consumer: &PeerIndex) -> pair::Account {
        *self.state().pairs.account(*consumer)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
