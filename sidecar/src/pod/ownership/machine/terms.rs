//! What the machine is asked and told.

use std::time::Duration;

/// Since any fixed moment, the same for all calls of one machine.
pub type Now = Duration;

/// A process, by a random number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord, Hash)]
pub struct Instance(pub u128);

/// All times.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long a record lives.
    pub ttl: Duration,
    /// How much earlier its owner stops believing in it.
    pub margin: Duration,
    /// How often an owner renews it.
    pub renew: Duration,
    /// How often others look.
    pub poll: Duration,
    /// How often they look when the record is overdue, or when asked to.
    pub poll_soon: Duration,
    /// How soon a step is tried again that the store did not answer.
    pub retry: Duration,
    /// How long others wait when the store is back, for an owner who lives.
    pub settle: Duration,
    /// How long one waits who gave the number back because it could not serve it.
    pub stand_back: Duration,
}

impl Timing {
    /// What pods use.
    pub const POD: Self = Self {
        ttl: Duration::from_secs(10),
        margin: Duration::from_secs(1),
        renew: Duration::from_secs(3),
        poll: Duration::from_secs(2),
        poll_soon: Duration::from_millis(200),
        retry: Duration::from_millis(500),
        settle: Duration::from_secs(4),
        stand_back: Duration::from_secs(10),
    };
}

/// A record, as far as it matters here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Who owns the number.
    pub instance: Instance,
    /// Counts renewals: a record that was renewed is another one.
    pub beat: u64,
    /// Whether its process is surely gone: an earlier one in the same pod.
    pub is_predecessor: bool,
}

/// What to ask the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// For the record and the mark that it was given back.
    Read,
    /// To write the record if there is none, and to remove the mark.
    Take,
    /// To claim the fence.
    Claim,
    /// For the record.
    Check,
    /// To write the record under the fence.
    Renew {
        /// Of the fence.
        epoch: u64,
        /// Of the fence.
        seq: u64,
    },
    /// To remove the record and to set the mark, under the fence.
    Release {
        /// Of the fence.
        epoch: u64,
        /// Of the fence.
        seq: u64,
    },
}

/// What the store said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// To `Read` and `Check`.
    Record {
        /// The record.
        record: Option<Seen>,
        /// Who gave it back last.
        given_back_by: Option<Instance>,
    },
    /// To `Take`: whether there was none.
    Took(bool),
    /// To `Claim`.
    Claimed {
        /// The new epoch.
        epoch: u64,
        /// The last sequence.
        seq: u64,
    },
    /// To `Renew` and `Release`: done.
    Done,
    /// To `Renew` and `Release`: had been done before.
    Repeated,
    /// To `Renew` and `Release`: not done, the fence is another's or forgotten.
    Fenced,
    /// Nothing; it may have been done or not.
    Failed,
}

/// What is to be done now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Ask, and pass the answer to [`Machine::answer`].
    Ask(Step),
    /// Nothing until then.
    Wait(Now),
}

/// What a pod may believe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Nobody owns the number, as far as is known.
    Nobody,
    /// Another process owns it.
    Follower(Instance),
    /// This one owns it, until then if the store confirms nothing else.
    Owner {
        /// The end of the belief.
        until: Now,
    },
    /// This one owned it and cannot say whether it still does. It must not serve, and need not forget.
    Suspended,
}
