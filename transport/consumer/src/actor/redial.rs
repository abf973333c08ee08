//! The connection's ends: lost, refused, or not wanted; and when the next is made.

use std::time::Duration;

use tokio::time::Instant;

use super::backoff::Backoff;
use super::{Actor, Turn, link};
use crate::Event;

impl Actor {
    pub(super) fn disconnected(&mut self, turn: &mut Turn, error: Option<&waxseal_protocol::Error>) {
        if let Some(online) = self.online.take()
            && online.since.elapsed() > Duration::from_secs(5)
        {
            self.backoff = Backoff::default();
        }
        self.forget_connection();
        self.redial(turn, error);
    }

    pub(super) fn refused(&mut self, turn: &mut Turn, error: &waxseal_protocol::Error) {
        self.dialling = false;
        self.redial(turn, Some(error));
    }

    /// Ends the connection and makes none, or makes one again.
    pub(super) fn stay_offline(&mut self, offline: bool) {
        self.offline = offline;
        if offline {
            self.forget_connection();
            self.online = None;
            self.redial_at = None;
        } else if self.online.is_none() && !self.dialling {
            self.backoff = Backoff::default();
            self.redial_at = Some(Instant::now());
        }
    }

    /// What was on its way is sent again over the next connection.
    fn forget_connection(&mut self) {
        self.cursor = None;
        self.in_flight.clear();
        self.pause_until = None;
    }

    fn redial(&mut self, turn: &mut Turn, error: Option<&waxseal_protocol::Error>) {
        if let Some(stop) = error.and_then(link::is_final) {
            turn.stop = Some(stop);
            return;
        }
        if self.offline {
            return;
        }
        let retry_in = self.backoff.next(error.and_then(link::retry_after), self.engine.rng());
        self.redial_at = Some(Instant::now() + retry_in);
        turn.step.effects.events.push(Event::Disconnected {
            reason: link::down(error),
            retry_in,
        });
    }
}
