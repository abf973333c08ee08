//! Calls that are wanted (the bundle of a peer, the upload of a file), and when each may be tried again.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use rand::Rng;
use tokio::time::Instant;

use super::backoff::Backoff;

/// Named by what is wanted.
pub(super) struct Fetches<K>(HashMap<K, Fetch>);

struct Fetch {
    backoff: Backoff,
    state: State,
}

enum State {
    Due(Instant),
    Running,
}

impl<K> Default for Fetches<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Clone + Eq + Hash> Fetches<K> {
    pub(super) fn want(&mut self, wanted: Vec<K>) {
        for wanted in wanted {
            self.0.entry(wanted).or_insert_with(|| Fetch {
                backoff: Backoff::default(),
                state: State::Due(Instant::now()),
            });
        }
    }

    /// A new connection: those that waited out a failure are tried at once.
    pub(super) fn retry_all(&mut self, wanted: Vec<K>) {
        for fetch in self.0.values_mut() {
            if matches!(fetch.state, State::Due(_)) {
                fetch.state = State::Due(Instant::now());
            }
        }
        self.want(wanted);
    }

    /// When the next one is due, if one more may run.
    pub(super) fn next(&self, online: bool, most: usize) -> Option<Instant> {
        let due = |fetch: &Fetch| if let State::Due(at) = fetch.state { Some(at) } else { None };
        let running = self.0.values().filter(|fetch| matches!(fetch.state, State::Running)).count();
        if online && running < most {
            self.0.values().filter_map(due).min()
        } else {
            None
        }
    }

    /// Those that are due now, as far as no more than `most` run at a time; they count as running.
    pub(super) fn start(&mut self, now: Instant, most: usize) -> Vec<K> {
        let running = self.0.values().filter(|fetch| matches!(fetch.state, State::Running)).count();
        let mut started = Vec::new();
        for (wanted, fetch) in &mut self.0 {
            if running + started.len() >= most {
                break;
            }
            if matches!(fetch.state, State::Due(at) if at <= now) {
                fetch.state = State::Running;
                started.push(wanted.clone());
            }
        }
        started
    }

    pub(super) fn finished(&mut self, wanted: &K) {
        self.0.remove(wanted);
    }

    pub(super) fn failed<R: Rng>(&mut self, wanted: &K, at_least: Option<Duration>, rng: &mut R) {
        if let Some(fetch) = self.0.get_mut(wanted) {
            fetch.state = State::Due(Instant::now() + fetch.backoff.next(at_least, rng));
        }
    }
}
