//! Who has to go when the port is full.
//!
//! Purpose: a port has room for so many connections. When there is none left for another, the connection goes that has waited the longest for
//! its client to ask something. Otherwise whoever opens enough connections and says nothing, or says it byte by byte, would keep everybody
//! else out. A connection in the middle of a request stays, also while its answer is on the way. Must not: do IO.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::{
    task::{AbortHandle, Id},
    time::Instant,
};

use crate::api::Body;

const BUSY: u64 = u64::MAX;
const GONE: u64 = u64::MAX - 1;

/// Every connection of a port.
pub(super) struct Crowd {
    began: Instant,
    members: HashMap<Id, (Turn, AbortHandle)>,
}

impl Crowd {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            members: HashMap::new(),
        }
    }

    /// For a new connection: it waits from now on.
    pub(super) fn turn(&self) -> Turn {
        let turn = Turn {
            began: self.began,
            state: Arc::new(AtomicU64::new(BUSY)),
        };
        turn.wait();
        turn
    }

    pub(super) fn join(&mut self, turn: Turn, task: AbortHandle) {
        self.members.insert(task.id(), (turn, task));
    }

    pub(super) fn leave(&mut self, task: Id) {
        self.members.remove(&task);
    }

    /// Ends the connection that has waited the longest, and at least for `patience`. `Err` with the time until there may be one.
    pub(super) fn make_room(&self, patience: Duration) -> Result<(), Duration> {
        let waits = |turn: &Turn| Some(turn.state.load(Acquire)).filter(|since| *since < GONE);
        let longest = self
            .members
            .values()
            .filter_map(|(turn, task)| Some((waits(turn)?, turn, task)))
            .min_by_key(|(since, ..)| *since);
        let Some((since, turn, task)) = longest else { return Err(patience) };
        let due = self.began + Duration::from_micros(since) + patience;
        match due.saturating_duration_since(Instant::now()) {
            Duration::ZERO if turn.state.compare_exchange(since, GONE, AcqRel, Relaxed).is_ok() => {
                task.abort();
                Ok(())
            }
            Duration::ZERO => Err(Duration::ZERO),
            left => Err(left),
        }
    }
}

/// What one connection is doing: waiting since so many microseconds, or one of the words above.
#[derive(Clone)]
pub(super) struct Turn {
    began: Instant,
    state: Arc<AtomicU64>,
}

impl Turn {
    /// A request has come. `None` if the connection has been ended meanwhile: nothing of it must happen.
    pub(super) fn begin(&self) -> Option<Busy> {
        let begun = self.state.fetch_update(AcqRel, Acquire, |state| (state != GONE).then_some(BUSY));
        begun.ok().map(|_| Busy(self.clone()))
    }

    fn wait(&self) {
        let since = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(GONE);
        self.state.store(since.min(GONE - 1), Release);
    }
}

/// A request is being answered for as long as this lives.
pub(super) struct Busy(Turn);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.wait();
    }
}

/// An answer's body, and the turn that ends with it.
pub(super) struct Held {
    pub(super) body: Body,
    pub(super) _busy: Busy,
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{task::JoinSet, time::advance};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn the_longest_silent_goes_and_nobody_who_is_served() {
        let (mut crowd, mut tasks) = (Crowd::new(), JoinSet::new());
        let mut enter = |crowd: &mut Crowd| {
            let turn = crowd.turn();
            let task = tasks.spawn(std::future::pending::<()>());
            crowd.join(turn.clone(), task.clone());
            (turn, task)
        };
        let served = enter(&mut crowd);
        let busy = served.0.begin().unwrap();
        advance(Duration::from_secs(5)).await;
        let (first, second) = (enter(&mut crowd), {
            advance(Duration::from_millis(400)).await;
            enter(&mut crowd)
        });
        // Who has just come may say something first.
        assert_eq!(crowd.make_room(PATIENCE), Err(Duration::from_millis(600)));
        advance(Duration::from_millis(600)).await;
        assert_eq!(crowd.make_room(PATIENCE), Ok(()));
        assert!(first.0.begin().is_none(), "nothing is done for one that was ended");
        crowd.leave(first.1.id());
        advance(PATIENCE).await;
        // A request, and the longest silent is another.
        drop(second.0.begin().unwrap());
        drop(busy);
        assert_eq!(crowd.make_room(PATIENCE), Err(PATIENCE));
        let (_one, _other) = (served.0.begin().unwrap(), second.0.begin().unwrap());
        advance(Duration::from_secs(60)).await;
        assert_eq!(crowd.make_room(PATIENCE), Err(PATIENCE), "both are served");
    }
}
