//! Which events go where.
//!
//! Purpose: the routing table of a number and its subscriptions. Pure.

use std::collections::BTreeSet;

/// Who says where the events of a number go, from the first that is heard to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// The API, for this number.
    NumberOverride,
    /// Whoever declared the number.
    Number,
    /// The API, for the number's account.
    AccountOverride,
    /// The API, for the app.
    App,
    /// Whoever declared the account.
    Account,
}

impl Level {
    const ALL: [Self; 5] = [Self::NumberOverride, Self::Number, Self::AccountOverride, Self::App, Self::Account];
}

/// Where events go, as each level says.
#[derive(Clone)]
pub struct Table<T>([Option<T>; 5]);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self([const { None }; 5])
    }
}

impl<T> Table<T> {
    /// What a level says.
    #[must_use]
    pub fn get(&self, level: Level) -> Option<&T> {
        self.0.get(level as usize).and_then(Option::as_ref)
    }

    /// A level says something else.
    pub fn set(&mut self, level: Level, target: Option<T>) {
        if let Some(place) = self.0.get_mut(level as usize) {
            *place = target;
        }
    }

    /// Where events go: what the first level says that says anything.
    #[must_use]
    pub fn target(&self) -> Option<(Level, &T)> {
        Level::ALL.into_iter().find_map(|level| Some((level, self.get(level)?)))
    }
}

/// The field that is subscribed when nothing was said.
pub const MESSAGES: &str = "messages";

/// Which events the business wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriptions {
    /// Whether the account is subscribed at all.
    pub account: bool,
    /// The fields that were asked for; `None` when nothing was said.
    pub fields: Option<BTreeSet<String>>,
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self {
            account: true,
            fields: None,
        }
    }
}

impl Subscriptions {
    /// Whether events of this field are wanted.
    #[must_use]
    pub fn wants(&self, field: &str) -> bool {
        self.account
            && match &self.fields {
                None => field == MESSAGES,
                Some(fields) => fields.contains(field),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_level_that_says_anything_is_heard() {
        for said in 0_usize..32 {
            let mut table = Table::default();
            for (at, level) in Level::ALL.into_iter().enumerate().filter(|(at, _)| said >> at & 1 == 1) {
                table.set(level, Some(at));
            }
            let first = (0..5).find(|at| said >> at & 1 == 1);
            assert_eq!(table.target().map(|(_, at)| *at), first, "{said:05b}");
            assert_eq!(table.target().map(|(level, _)| level), first.map(|at| Level::ALL[at]));
        }
    }

    #[test]
    fn messages_are_wanted_unless_somebody_says_otherwise() {
        let mut subscriptions = Subscriptions::default();
        assert!(subscriptions.wants(MESSAGES));
        assert!(!subscriptions.wants("security"));
        subscriptions.fields = Some(BTreeSet::from(["security".to_owned()]));
        assert!(!subscriptions.wants(MESSAGES));
        assert!(subscriptions.wants("security"));
        subscriptions.account = false;
        assert!(!subscriptions.wants("security"));
    }
}
