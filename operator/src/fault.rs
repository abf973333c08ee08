//! What is wrong with a declaration, in words for whoever declared it.

use std::fmt;

/// Why something declared cannot be done: a word for `status.conditions[].reason` and for events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Another object has the number or its id, and is older.
    NumberTaken,
    /// The retention is longer than is lawful in the region.
    RetentionAboveCap,
    /// The number's own fields contradict what is allowed.
    NumberInvalid,
    /// Somebody else's object has the name of one that the number needs.
    NameTaken,
    /// There is no such BusinessAccount.
    AccountNotFound,
    /// The BusinessAccount's fields contradict what is allowed.
    AccountInvalid,
    /// There is no such DataRegion.
    RegionNotFound,
    /// The DataRegion lacks what a number needs in a cluster.
    RegionIncomplete,
    /// The DataRegion's fields contradict what is allowed.
    RegionInvalid,
    /// There is no such RetentionPolicy.
    PolicyNotFound,
    /// The RetentionPolicy's fields contradict what is allowed.
    PolicyInvalid,
}

impl Reason {
    /// The reason as a word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NumberTaken => "NumberTaken",
            Self::RetentionAboveCap => "RetentionAboveCap",
            Self::NumberInvalid => "NumberInvalid",
            Self::NameTaken => "NameTaken",
            Self::AccountNotFound => "AccountNotFound",
            Self::AccountInvalid => "AccountInvalid",
            Self::RegionNotFound => "RegionNotFound",
            Self::RegionIncomplete => "RegionIncomplete",
            Self::RegionInvalid => "RegionInvalid",
            Self::PolicyNotFound => "PolicyNotFound",
            Self::PolicyInvalid => "PolicyInvalid",
        }
    }

    /// Whether sidecars that run already must be stopped. Otherwise they go on as they were last declared: a reference that is gone for a
    /// moment is no reason to stop serving, keeping data longer than is lawful or serving another's number is.
    #[must_use]
    pub const fn stops_sidecars(self) -> bool {
        matches!(self, Self::NumberTaken | Self::RetentionAboveCap)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind of wrong.
    pub reason: Reason,
    /// The path of the field.
    pub field: String,
    /// What is wrong, what is allowed and what to do; continues a sentence that begins with the field.
    pub message: String,
}

impl Fault {
    /// Something wrong with a field.
    #[must_use]
    pub fn new(reason: Reason, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            reason,
            field: field.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.field, self.message)
    }
}

/// All faults in one text, in the order given.
#[must_use]
pub fn sentence(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
