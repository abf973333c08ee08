//! The lanes, driven as the actor drives them: gather, load, plan, commit, settle, let out.

use std::{collections::HashSet, sync::Arc};

use waxseal_content::{EnvelopeId, MessageId, PhoneNumber};
use waxseal_protocol::proto;
use waxseal_sealing::Class;
use waxseal_store::{Batch, Key, Outcome};

use super::{
    super::super::{
        core::Core,
        outbound,
        record::{Event, Job, Outgoing},
    },
    BUSINESS, Lane, World,
    view::posted,
};
use crate::{
    conversation::{
        input::{Accepted, Delivery, Input, Loaded},
        turn::{Unplanned, Waiting},
    },
    id::{self, LANES},
};

impl World {
    /// Starts, or starts anew after a crash: nothing in memory survives.
    pub fn start(&mut self) {
        self.lanes = (0..LANES)
            .map(|lane| {
                let (epoch, seq) = self.store.claim(&self.shared.names.fence(lane));
                Lane {
                    core: Core::new(Arc::clone(&self.shared), lane, epoch, seq),
                    input: Input::default(),
                    answers: Vec::new(),
                    wanted: HashSet::new(),
                    under_way: HashSet::new(),
                }
            })
            .collect();
        self.link();
    }

    /// The link comes up: what was under way on the one before is lost.
    pub fn link(&mut self) {
        for lane in 0..self.lanes.len() {
            let state = &mut self.lanes[lane];
            state.input.deliveries.clear();
            state.answers.clear();
            state.under_way.clear();
            self.resend(lane);
        }
    }

    fn resend(&mut self, lane: usize) {
        let queue = self.shared.names.outbox(self.lanes[lane].core.lane);
        let mut envelopes = Vec::new();
        for (entry, sealed) in self.store.range(&queue) {
            let stored: Outgoing = self.shared.open(Class::Message, &queue, &sealed).unwrap();
            let envelope_id = EnvelopeId::from_slice(&stored.envelope_id).unwrap();
            if stored.expires_at_ms <= self.moment().ms {
                self.lanes[lane].input.lapsed.push(envelope_id);
            } else {
                envelopes.push(outbound::envelope(&stored, self.moment().ms));
            }
            let waiting = Waiting {
                entry,
                to: PhoneNumber::parse(&stored.to).unwrap(),
                tracked: stored.tracked,
                opaque: None,
            };
            self.lanes[lane].core.recall(envelope_id, waiting);
        }
        self.submit(lane, envelopes);
    }

    fn submit(&mut self, lane: usize, envelopes: Vec<proto::Envelope>) {
        for envelope in envelopes {
            let id = EnvelopeId::from_slice(&envelope.id).unwrap();
            let verdict = self.relay.submit(BUSINESS, &envelope.recipient, id, &envelope.body);
            self.lanes[lane].answers.push((id, verdict));
        }
    }

    /// The relay delivers to the business what has not been delivered on this link. `twice`: every envelope comes two times.
    pub fn deliver(&mut self, twice: bool) -> bool {
        let now_ms = self.moment().ms;
        let mut any = false;
        for envelope in self.relay.waiting(BUSINESS) {
            let sender = PhoneNumber::parse(&envelope.sender).unwrap();
            let peer = self.shared.blind.of(sender.reveal());
            let lane = &mut self.lanes[usize::from(id::lane_of(&peer))];
            if !lane.under_way.insert(envelope.sequence) {
                continue;
            }
            any = true;
            for _ in 0..=usize::from(twice) {
                lane.input.deliveries.push(Delivery {
                    sequence: envelope.sequence,
                    envelope_id: envelope.id,
                    sender: sender.clone(),
                    peer,
                    body: envelope.body.clone().into(),
                    accepted_at_ms: now_ms,
                });
            }
        }
        any
    }

    /// The relay's answers arrive.
    pub fn answer(&mut self) -> bool {
        let mut any = false;
        for lane in &mut self.lanes {
            any |= !lane.answers.is_empty();
            lane.input.verdicts.append(&mut lane.answers);
        }
        any
    }

    /// The bundles that lanes wait for arrive.
    pub fn fetch(&mut self) -> bool {
        let mut any = false;
        for lane in 0..self.lanes.len() {
            for peer in std::mem::take(&mut self.lanes[lane].wanted) {
                let phone = (0..self.phones.len()).find(|phone| self.peer(*phone) == peer).unwrap();
                let bundle = self.phones[phone].bundle();
                self.lanes[lane].input.bundles.insert(peer, bundle);
                any = true;
            }
        }
        any
    }

    /// One turn of every lane. Whether there was anything to do.
    pub fn turn(&mut self) -> bool {
        let turns: Vec<bool> = (0..self.lanes.len()).map(|lane| self.turn_of(lane)).collect();
        turns.contains(&true)
    }

    pub fn turn_of(&mut self, lane: usize) -> bool {
        let Some((input, loaded)) = self.gather(lane) else { return false };
        self.run(lane, input, loaded);
        true
    }

    /// The process ends after a commit of this lane, before anything of it left.
    pub fn crash_after_commit(&mut self, lane: usize) {
        if let Some((input, loaded)) = self.gather(lane) {
            self.advance(lane, input, loaded, false);
        }
        self.start();
    }

    /// What a turn begins with: its input, and what it has loaded so far.
    pub fn gather(&mut self, lane: usize) -> Option<(Input, Loaded)> {
        let moment = self.moment();
        let state = &mut self.lanes[lane];
        let mut input = std::mem::take(&mut state.input);
        input.may_repeat = true;
        let queue = self.shared.names.accepted(state.core.lane);
        for (entry, sealed) in self.store.range(&queue) {
            let job: Job = self.shared.open(Class::Message, &queue, &sealed).unwrap();
            let peer = self.shared.blind.of(&job.to);
            if !state.wanted.contains(&peer) {
                input.jobs.push(Accepted { entry, peer, job });
            }
        }
        let due = self.store.due(&self.shared.names.deadlines(state.core.lane), moment.ms);
        input.expired = due.iter().map(|member| MessageId::from_slice(member).unwrap()).collect();
        let loaded = self.load(&self.lanes[lane].core.needs(&input));
        (!input.is_empty()).then_some((input, loaded))
    }

    fn load(&self, keys: &[Key]) -> Loaded {
        keys.iter().map(|key| (key.clone(), self.store.get(key))).collect()
    }

    /// Plans and commits until something is durable, then lets it out.
    pub fn run(&mut self, lane: usize, input: Input, loaded: Loaded) {
        self.advance(lane, input, loaded, true);
    }

    fn advance(&mut self, lane: usize, mut input: Input, mut loaded: Loaded, lets_out: bool) {
        loop {
            let turn = match self.lanes[lane].core.plan(&input, &loaded, self.moment()) {
                Err(Unplanned::Missing(keys)) => {
                    loaded.extend(self.load(&keys));
                    continue;
                }
                Err(Unplanned::Seal(error)) => panic!("cannot seal: {error}"),
                Ok(turn) => turn,
            };
            let outcome = if turn.batch.ops.is_empty() {
                None
            } else {
                Some(self.commit(&turn.batch))
            };
            if !lets_out && !matches!(outcome, Some(Outcome::Exists(_))) {
                return;
            }
            let mut rest = match &outcome {
                Some(Outcome::Exists(index)) => {
                    assert!(
                        input.used.insert(turn.batch.absent[*index].clone()),
                        "planning goes round in circles"
                    );
                    continue;
                }
                Some(Outcome::Stale { .. } | Outcome::Gap { .. }) => panic!("the lane is not alone: {outcome:?}"),
                _ => input.split_off(&turn.taken),
            };
            // Read from the queue again.
            rest.jobs.clear();
            rest.expired.clear();
            self.lanes[lane].input = rest;
            let settled = match &outcome {
                None => turn.without_commit(),
                Some(Outcome::Applied { appended }) => self.lanes[lane].core.settle(turn, appended),
                _ => self.lanes[lane].core.settle(turn, &[]),
            };
            self.counts.push(settled.counts);
            self.submit(lane, settled.envelopes);
            for sequence in settled.acks {
                self.relay.acknowledge(BUSINESS, sequence);
            }
            self.lanes[lane].wanted.extend(settled.parked.iter().map(|accepted| accepted.peer));
            if outcome == Some(Outcome::AlreadyApplied) {
                self.lanes[lane].core.forget_outbox();
                self.lanes[lane].input.finished.clear();
                self.resend(lane);
            }
            return;
        }
    }

    fn commit(&mut self, batch: &Batch) -> Outcome {
        let outcome = self.store.commit(batch);
        if self.doubts > 0 && matches!(outcome, Outcome::Applied { .. }) {
            // The reply was lost; it is run again.
            self.doubts -= 1;
            return self.store.commit(batch);
        }
        outcome
    }

    /// The business takes every event there is.
    pub fn post(&mut self) -> bool {
        let mut any = false;
        for lane in 0..self.lanes.len() {
            let queue = self.shared.names.events(self.lanes[lane].core.lane);
            for (entry, sealed) in self.store.range(&queue) {
                if self.lanes[lane].input.finished.contains(&entry) {
                    continue;
                }
                any = true;
                let event: Event = self.shared.open(Class::Webhook, &queue, &sealed).unwrap();
                if self.events.insert(event.event_id) {
                    self.told.push(serde_json::from_slice(&event.body).unwrap());
                    self.posted.push(posted(&event.body));
                }
                self.lanes[lane].input.finished.push(entry);
            }
        }
        any
    }

    /// Until nothing happens any more.
    pub fn settle(&mut self) {
        for _ in 0..200 {
            let mut any = self.turn() | self.fetch() | self.answer() | self.deliver(false) | self.post();
            for phone in 0..self.phones.len() {
                any |= self.receive(phone, true);
            }
            if !any {
                return;
            }
        }
        panic!("the world does not come to rest");
    }
}
