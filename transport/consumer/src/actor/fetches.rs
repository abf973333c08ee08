//! Whose bundle is wanted, and when it may be asked for again.

use std::collections::HashMap;
use std::time::Duration;

use rand::Rng;
use tokio::time::Instant;
use waxseal_content::PhoneNumber;

use super::backoff::Backoff;

#[derive(Default)]
pub(super) struct Fetches(HashMap<PhoneNumber, Fetch>);

struct Fetch {
    backoff: Backoff,
    state: State,
}

enum State {
    Due(Instant),
    Running,
}

impl Fetches {
    pub(super) fn want(&mut self, numbers: Vec<PhoneNumber>) {
        for number in numbers {
            self.0.entry(number).or_insert_with(|| Fetch {
                backoff: Backoff::default(),
                state: State::Due(Instant::now()),
            });
        }
    }

    /// A new connection: those that waited out a failure are tried at once.
    pub(super) fn retry_all(&mut self, numbers: Vec<PhoneNumber>) {
        for fetch in self.0.values_mut() {
            if matches!(fetch.state, State::Due(_)) {
                fetch.state = State::Due(Instant::now());
            }
        }
        self.want(numbers);
    }

    /// When the next one is due.
    pub(super) fn next(&self, online: bool) -> Option<Instant> {
        let due = |fetch: &Fetch| if let State::Due(at) = fetch.state { Some(at) } else { None };
        if online { self.0.values().filter_map(due).min() } else { None }
    }

    /// Those that are due now; they count as running.
    pub(super) fn start(&mut self, now: Instant) -> Vec<PhoneNumber> {
        let mut started = Vec::new();
        for (number, fetch) in &mut self.0 {
            if matches!(fetch.state, State::Due(at) if at <= now) {
                fetch.state = State::Running;
                started.push(number.clone());
            }
        }
        started
    }

    pub(super) fn finished(&mut self, number: &PhoneNumber) {
        self.0.remove(number);
    }

    pub(super) fn failed<R: Rng>(&mut self, number: &PhoneNumber, at_least: Option<Duration>, rng: &mut R) {
        if let Some(fetch) = self.0.get_mut(number) {
            fetch.state = State::Due(Instant::now() + fetch.backoff.next(at_least, rng));
        }
    }
}
