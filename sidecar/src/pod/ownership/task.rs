//! Puts the machine's steps to the store, and tells what may be believed.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time::Instant,
};
use waxseal_store::{Batch, Claim, Fence, Op, Outcome, Store};

use super::{
    Lease, Names, Order, STEP_TIMEOUT, View, lock,
    machine::{Answer, Instance, Machine, Next, Standing, Step, Timing},
    record::{Author, Record, Seal},
};

pub(super) struct Task {
    pub(super) machine: Machine,
    pub(super) timing: Timing,
    pub(super) origin: Instant,
    pub(super) author: Author,
    pub(super) store: Store,
    pub(super) names: Names,
    pub(super) seal: Arc<Mutex<Option<Seal>>>,
    pub(super) lease: Arc<Lease>,
    pub(super) view: watch::Sender<View>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) look: Arc<Notify>,
    /// Of the last record written.
    pub(super) beat: u64,
    /// The last record read.
    pub(super) owner: Option<Record>,
    /// When this process last wrote that it waits.
    pub(super) announced: Option<Instant>,
    pub(super) leaving: bool,
    /// Who waits for the number to be given back.
    pub(super) left: Option<oneshot::Sender<()>>,
}

impl Task {
    pub(super) async fn run(mut self) {
        loop {
            let next = self.machine.next(self.origin.elapsed());
            self.tell();
            if self.left.is_some() && !self.machine.is_giving_back() {
                self.left.take().map(|left| left.send(()));
            }
            match next {
                Next::Ask(step) => {
                    let sent = self.origin.elapsed();
                    let answer = tokio::time::timeout(STEP_TIMEOUT, self.perform(step)).await;
                    let answer = answer.unwrap_or(Answer::Failed);
                    tracing::trace!(?step, ?answer, "asked for the owner");
                    self.machine.answer(step, sent, self.origin.elapsed(), &answer);
                    self.tell();
                    self.announce().await;
                }
                Next::Wait(at) => {
                    // A moment later: times are compared in steps of a millisecond.
                    let until = self.origin + at + Duration::from_millis(1);
                    tokio::select! {
                        () = tokio::time::sleep_until(until) => {}
                        () = self.look.notified() => self.machine.look(self.origin.elapsed()),
                        order = self.orders.recv() => match order {
                            Some(order) => {
                                let now = self.origin.elapsed();
                                if order.for_good {
                                    self.leaving = true;
                                    self.machine.leave(now);
                                } else {
                                    self.machine.stand_back(now);
                                }
                                self.left = Some(order.done);
                            }
                            // Nobody is there any more.
                            None => return,
                        }
                    }
                }
            }
        }
    }

    fn tell(&self) {
        let standing = self.machine.standing(self.origin.elapsed());
        self.lease.set(match standing {
            Standing::Owner { until } => Some(until),
            _ => None,
        });
        let view = match standing {
            Standing::Nobody => View::Nobody,
            Standing::Owner { .. } => View::Mine,
            Standing::Suspended => View::Suspended,
            Standing::Follower(instance) => {
                let seal = lock(&self.seal).clone();
                let record = self.owner.as_ref().filter(|record| record.instance() == instance);
                let address = record
                    .zip(seal)
                    .and_then(|(record, seal)| record.address(&self.author.phone_number_id, &seal, SystemTime::now()));
                View::Other(instance, address)
            }
        };
        self.view.send_if_modified(|told| {
            let is_new = *told != view;
            if is_new {
                *told = view;
            }
            is_new
        });
    }

    async fn perform(&mut self, step: Step) -> Answer {
        match step {
            Step::Read | Step::Check => self.read().await,
            Step::Take => {
                let record = self.put_record();
                let batch = Batch {
                    fence: None,
                    absent: vec![self.names.owner.clone()],
                    ops: vec![
                        record,
                        Op::Delete {
                            key: self.names.given_back.clone(),
                        },
                    ],
                };
                match self.store.commit(batch).await {
                    Ok(Outcome::Applied { .. } | Outcome::AlreadyApplied) => Answer::Took(true),
                    Ok(_) => Answer::Took(false),
                    Err(error) => failed(step, &error),
                }
            }
            // Above whatever a store that has forgotten has given out: it would give it out again.
            Step::Claim => match self.store.claim(&self.names.fence, millis(SystemTime::now())).await {
                Ok(Claim { epoch, seq, .. }) => Answer::Claimed { epoch, seq },
                Err(error) => failed(step, &error),
            },
            Step::Renew { epoch, seq } => {
                let ops = vec![self.put_record()];
                self.fenced(step, epoch, seq, ops).await
            }
            Step::Release { epoch, seq } => {
                let instance = hex::encode(self.author.instance.0.to_be_bytes());
                let ops = vec![
                    Op::Delete {
                        key: self.names.owner.clone(),
                    },
                    Op::Put {
                        key: self.names.given_back.clone(),
                        value: instance.into(),
                        ttl: self.timing.ttl,
                    },
                ];
                self.fenced(step, epoch, seq, ops).await
            }
        }
    }

    async fn read(&mut self) -> Answer {
        let keys = [self.names.owner.clone(), self.names.given_back.clone()];
        match self.store.get(&keys).await {
            Ok(values) => {
                let [owner, given_back]: [Option<Bytes>; 2] = values.try_into().unwrap_or_default();
                // One that nobody can read is in nobody's way.
                self.owner = owner.and_then(|bytes| Record::decode(&bytes));
                let given_back_by = given_back.and_then(|bytes| {
                    let mut instance = [0; 16];
                    hex::decode_to_slice(&bytes, &mut instance).ok()?;
                    Some(Instance(u128::from_be_bytes(instance)))
                });
                Answer::Record {
                    record: self.owner.as_ref().map(|record| self.author.seen(record)),
                    given_back_by,
                }
            }
            Err(error) => failed(Step::Read, &error),
        }
    }

    async fn fenced(&self, step: Step, epoch: u64, seq: u64, ops: Vec<Op>) -> Answer {
        let batch = Batch {
            fence: Some(Fence {
                lane: self.names.fence.clone(),
                epoch,
                seq,
            }),
            absent: Vec::new(),
            ops,
        };
        match self.store.commit(batch).await {
            Ok(Outcome::Applied { .. }) => Answer::Done,
            Ok(Outcome::AlreadyApplied) => Answer::Repeated,
            Ok(Outcome::Stale { .. } | Outcome::Gap { .. } | Outcome::Exists(_)) => Answer::Fenced,
            Err(error) => failed(step, &error),
        }
    }

    fn put_record(&mut self) -> Op {
        self.beat += 1;
        let seal = lock(&self.seal).clone();
        Op::Put {
            key: self.names.owner.clone(),
            value: self.author.record(self.beat, seal.as_ref(), SystemTime::now()).encode(),
            ttl: self.timing.ttl,
        }
    }

    /// Writes that this process waits for the number, while it does. Of several that wait, any will do.
    async fn announce(&mut self) {
        let waits = !self.leaving && matches!(*self.view.borrow(), View::Other(..));
        let is_due = self.announced.is_none_or(|at| at.elapsed() >= self.timing.renew);
        let Some(seal) = lock(&self.seal).clone() else { return };
        if !(waits && is_due) {
            return;
        }
        self.announced = Some(Instant::now());
        self.beat += 1;
        let record = self.author.record(self.beat, Some(&seal), SystemTime::now());
        let batch = Batch {
            ops: vec![Op::Put {
                key: self.names.next.clone(),
                value: record.encode(),
                ttl: self.timing.ttl,
            }],
            ..Batch::default()
        };
        // One that was not written is written next time.
        let _ = tokio::time::timeout(STEP_TIMEOUT, self.store.commit(batch)).await;
    }
}

fn failed(step: Step, error: &waxseal_store::Error) -> Answer {
    tracing::debug!(?step, %error, "the store does not tell who owns the number");
    Answer::Failed
}

fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
