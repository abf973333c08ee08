//! Random walks: whatever two parties and the network between them do, every message that is not lost is read once, as it was written.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use waxseal_signal::{Answer, Ciphertext, Error, Trust, archive, decryption_error, must_archive};

use crate::party::{Party, Stock, Turns};

#[derive(Debug, Clone)]
enum Event {
    Send {
        from: usize,
    },
    Deliver {
        to: usize,
        which: Index,
        again: bool,
    },
    Lose {
        to: usize,
        which: Index,
    },
    /// A bundle is fetched though there may be a session.
    Renew {
        who: usize,
        stock: bool,
    },
    Reinstall {
        who: usize,
    },
    LoseSessions {
        who: usize,
    },
}

fn events(disasters: bool) -> impl Strategy<Value = Vec<Event>> {
    let who = 0..2_usize;
    let event = prop_oneof![
        20 => who.clone().prop_map(|from| Event::Send { from }),
        20 => (who.clone(), any::<Index>(), prop::bool::weighted(0.2)).prop_map(|(to, which, again)| Event::Deliver { to, which, again }),
        3 => (who.clone(), any::<Index>()).prop_map(|(to, which)| Event::Lose { to, which }),
        u32::from(disasters) * 2 => (who.clone(), any::<bool>()).prop_map(|(who, stock)| Event::Renew { who, stock }),
        u32::from(disasters) => who.clone().prop_map(|who| Event::Reinstall { who }),
        u32::from(disasters) => who.prop_map(|who| Event::LoseSessions { who }),
    ];
    proptest::collection::vec(event, 1..120)
}

struct Message {
    text: u32,
    ciphertext: Ciphertext,
}

struct Walk {
    parties: [Party; 2],
    /// On the way to each.
    wires: [Vec<Message>; 2],
    /// How often each text was read.
    read: BTreeMap<u32, u32>,
    texts: u32,
    /// What each has read so far.
    turns: [Turns; 2],
}

impl Walk {
    fn new(seed: u64) -> Self {
        Self {
            parties: [Party::new(seed), Party::new(!seed)],
            wires: [Vec::new(), Vec::new()],
            read: BTreeMap::new(),
            texts: 0,
            turns: Default::default(),
        }
    }

    fn renew(&mut self, who: usize, stock: Stock) {
        let bundle = self.parties[1 - who].bundle(stock);
        self.parties[who].establish(&bundle).unwrap();
    }

    fn send(&mut self, from: usize) {
        self.texts += 1;
        self.read.insert(self.texts, 0);
        self.send_text(from, self.texts);
    }

    fn send_text(&mut self, from: usize, text: u32) {
        let ciphertext = self.parties[from].send(&text.to_be_bytes()).or_else(|error| {
            assert_eq!(error, Error::NoSession);
            self.renew(from, Stock::Plenty);
            self.parties[from].send(&text.to_be_bytes())
        });
        self.wires[1 - from].push(Message {
            text,
            ciphertext: ciphertext.unwrap(),
        });
    }

    /// Loses what comes too late.
    fn expire(&mut self) {
        for (wire, turns) in self.wires.iter_mut().zip(&self.turns) {
            wire.retain(|message| !turns.overtaken(&message.ciphertext));
        }
    }

    /// Returns the error of the receiver.
    fn deliver(&mut self, to: usize, which: usize, again: bool) -> Option<(u32, Error)> {
        let message = if again {
            let message = &self.wires[to][which];
            Message {
                text: message.text,
                ciphertext: message.ciphertext.clone(),
            }
        } else {
            self.wires[to].remove(which)
        };
        match self.parties[to].receive(&message.ciphertext) {
            Ok(text) => {
                assert_eq!(text, message.text.to_be_bytes());
                *self.read.get_mut(&message.text).unwrap() += 1;
                self.turns[to].note(&message.ciphertext);
                None
            }
            Err(error) => {
                if let Answer::Retry { .. } = error.answer() {
                    self.retry(1 - to, &message, to);
                }
                Some((message.text, error))
            }
        }
    }

    /// The sender gets a retry receipt: a new session if the failed one is current, and the text again.
    fn retry(&mut self, sender: usize, message: &Message, to: usize) {
        if self.read[&message.text] > 0 || self.wires[to].iter().any(|other| other.text == message.text) {
            return;
        }
        let report = decryption_error(&message.ciphertext, 1).unwrap();
        let peer = self.parties[sender].peer();
        if must_archive(&peer, &report).unwrap() {
            self.parties[sender].store(&archive(&peer).unwrap());
        }
        self.send_text(sender, message.text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// As long as nobody forgets anything, the ratchet alone delivers everything exactly once, though both may initiate at once. Only what
    /// five turns of the conversation have overtaken is lost.
    #[test]
    fn every_message_that_arrives_is_read_exactly_once(seed: u64, events in events(false)) {
        let mut walk = Walk::new(seed);
        for event in events {
            walk.expire();
            match event {
                Event::Send { from } => walk.send(from),
                Event::Deliver { to, which, again } if !walk.wires[to].is_empty() => {
                    let which = which.index(walk.wires[to].len());
                    let text = walk.wires[to][which].text;
                    let before = walk.read[&text];
                    let error = walk.deliver(to, which, again);
                    match error {
                        None => prop_assert_eq!(before, 0),
                        Some((_, error)) => {
                            prop_assert_eq!(error, Error::Duplicate);
                            prop_assert_eq!(before, 1);
                        }
                    }
                }
                Event::Lose { to, which } if !walk.wires[to].is_empty() => {
                    let which = which.index(walk.wires[to].len());
                    walk.wires[to].remove(which);
                }
                _ => {}
            }
        }
        for to in 0..2 {
            walk.expire();
            while let Some(message) = walk.wires[to].first() {
                let read = walk.read[&message.text];
                let error = walk.deliver(to, 0, false);
                prop_assert_eq!(error.map(|(_, error)| error), (read == 1).then_some(Error::Duplicate));
                walk.expire();
            }
        }
    }

    /// With telephones replaced, sessions lost and renewed at any moment, retry receipts bring everything through that was not lost on
    /// the way, and nothing twice.
    #[test]
    fn retries_heal_everything(seed: u64, events in events(true)) {
        let mut walk = Walk::new(seed);
        let mut lost = Vec::new();
        for party in &mut walk.parties {
            party.trust = Trust::AcceptChange;
        }
        for event in events {
            match event {
                Event::Send { from } => walk.send(from),
                Event::Deliver { to, which, again } if !walk.wires[to].is_empty() => {
                    let which = which.index(walk.wires[to].len());
                    walk.deliver(to, which, again);
                }
                Event::Lose { to, which } if !walk.wires[to].is_empty() => {
                    let which = which.index(walk.wires[to].len());
                    lost.push(walk.wires[to].remove(which).text);
                }
                Event::Renew { who, stock } => walk.renew(who, if stock { Stock::Plenty } else { Stock::Exhausted }),
                Event::Reinstall { who } => {
                    // What a telephone has sent it does not send again from another one.
                    lost.extend(walk.wires[1 - who].iter().map(|message| message.text));
                    walk.wires[1 - who].clear();
                    walk.parties[who].reinstall();
                }
                Event::LoseSessions { who } => walk.parties[who].lose_sessions(),
                Event::Deliver { .. } | Event::Lose { .. } => {}
            }
        }
        for _ in 0..1_000 {
            let Some(to) = (0..2).find(|to| !walk.wires[*to].is_empty()) else { break };
            walk.deliver(to, 0, false);
        }
        prop_assert!(walk.wires.iter().all(Vec::is_empty), "the retries come to an end");
        for (text, read) in &walk.read {
            prop_assert!(*read == 1 || lost.contains(text), "text {} was read {} times", text, read);
            prop_assert!(*read <= 1);
        }
    }
}
