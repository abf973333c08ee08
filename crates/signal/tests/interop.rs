//! Against the official Signal client library, in a Node process of its own: what this crate writes it reads, and the other way round, whatever
//! the network does; the safety numbers are equal; and it can go on with a session that this crate has stored.
//!
//! `WAXSEAL_INTEROP_STEPS` and `WAXSEAL_INTEROP_SEED` make the walks longer and repeatable.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests"
)]

#[path = "steps/party.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod party;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use waxseal_signal::{Bundle, Ciphertext, Error, Kind, OneTimePublicKey, SignedPublicKey, safety_number};

use party::{Party, Stock, Turns, acquainted, exchange};

const OUR_NUMBER: &str = "+15550100";
const THEIR_NUMBER: &str = "+15550101";

/// The process with the official library.
struct Official {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Official {
    fn start(my_name: &str, peer_name: &str) -> Self {
        let modules = node_modules();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/tools/signal-peer/peer.mjs");
        let mut process = Command::new("node")
            .arg(script)
            .arg(&modules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is not installed: run `cargo xtask test`, which installs it");
        let input = process.stdin.take().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut official = Self { process, input, output };
        official
            .call(&json!({ "op": "start", "my_name": my_name, "peer_name": peer_name }))
            .unwrap();
        official
    }

    fn call(&mut self, request: &Value) -> Result<Value, String> {
        writeln!(self.input, "{request}").expect("the Node process has ended");
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).expect("the Node process has ended");
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer),
        }
    }

    fn establish(&mut self, bundle: &Bundle) {
        let signed =
            |key: &SignedPublicKey| json!({ "id": key.id, "key": hex::encode(&key.key), "signature": hex::encode(&key.signature) });
        self.call(&json!({
            "op": "establish",
            "registration_id": bundle.registration_id,
            "identity_key": hex::encode(&bundle.identity_key),
            "signed": signed(&bundle.signed_pre_key),
            "kyber": signed(&bundle.kyber_pre_key),
            "one_time": bundle.one_time_ec.as_ref().map(|key| json!({ "id": key.id, "key": hex::encode(&key.key) })),
        }))
        .unwrap();
    }

    fn bundle(&mut self, stock: Stock) -> Bundle {
        let bundle = self.call(&json!({ "op": "bundle", "one_time": stock == Stock::Plenty })).unwrap();
        let id = |value: &Value| u32::try_from(value["id"].as_u64().unwrap()).unwrap();
        let signed = |key: &Value| SignedPublicKey {
            id: id(key),
            key: bytes(&key["key"]),
            signature: bytes(&key["signature"]),
        };
        Bundle {
            registration_id: u32::try_from(bundle["registration_id"].as_u64().unwrap()).unwrap(),
            identity_key: bytes(&bundle["identity_key"]),
            signed_pre_key: signed(&bundle["signed"]),
            kyber_pre_key: signed(&bundle["kyber"]),
            one_time_ec: bundle["one_time"].as_object().map(|_| OneTimePublicKey {
                id: id(&bundle["one_time"]),
                key: bytes(&bundle["one_time"]["key"]),
            }),
        }
    }

    fn send(&mut self, text: &[u8]) -> Ciphertext {
        let message = self.call(&json!({ "op": "encrypt", "text": hex::encode(text) })).unwrap();
        let kind = match message["kind"].as_u64() {
            Some(2) => Kind::Whisper,
            Some(3) => Kind::PreKey,
            other => panic!("kind {other:?}"),
        };
        Ciphertext {
            kind,
            bytes: bytes(&message["bytes"]),
        }
    }

    fn receive(&mut self, message: &Ciphertext) -> Result<Vec<u8>, String> {
        let request = json!({ "op": "decrypt", "kind": message.kind as u8, "bytes": hex::encode(&message.bytes) });
        self.call(&request).map(|answer| bytes(&answer["text"]))
    }

    /// Goes on in the place of our party.
    fn adopt(&mut self, party: &Party) {
        let peer = party.peer();
        self.call(&json!({
            "op": "adopt",
            // Format and registration id come first.
            "private_key": hex::encode(&party.identity.to_bytes()[5..]),
            "registration_id": party.identity.registration_id(),
            "peer_identity_key": hex::encode(peer.identity().unwrap().to_bytes()),
            "record": hex::encode(peer.record()),
        }))
        .unwrap();
    }
}

impl Drop for Official {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn node_modules() -> PathBuf {
    let modules = std::env::var_os("WAXSEAL_NODE_MODULES").map_or_else(
        || {
            let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            let cache = cache.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
            cache.unwrap_or_default().join("waxseal/tools/signal-peer/node_modules")
        },
        PathBuf::from,
    );
    assert!(
        modules.join("@signalapp/libsignal-client").is_dir(),
        "the official Signal library is not in {}: run `cargo xtask test`, which installs it",
        modules.display()
    );
    modules
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name)
        .ok()
        .map(|value| value.parse().ok().unwrap_or_else(|| panic!("{name} is not a number")))
}

fn seeded() -> (u64, StdRng) {
    let seed = from_environment("WAXSEAL_INTEROP_SEED").unwrap_or_else(|| rand::rng().random());
    println!("WAXSEAL_INTEROP_SEED={seed}");
    (seed, StdRng::seed_from_u64(seed))
}

struct OnTheWay {
    text: Vec<u8>,
    ciphertext: Ciphertext,
    read: bool,
}

#[derive(Debug, Default)]
struct Tally {
    sent: u32,
    read: u32,
    lost: u32,
    duplicates: u32,
}

/// Both write, and the network loses, reorders and repeats.
fn walk(ours: &mut Party, official: &mut Official, steps: u32, rng: &mut StdRng) -> Tally {
    let mut tally = Tally::default();
    let mut to_official: Vec<OnTheWay> = Vec::new();
    let mut to_us: Vec<OnTheWay> = Vec::new();
    let (mut official_turns, mut our_turns) = (Turns::default(), Turns::default());
    for step in 0..steps + 10_000 {
        let (draining, we) = (step >= steps, rng.random_bool(0.5));
        if draining && to_official.is_empty() && to_us.is_empty() {
            return tally;
        }
        let length = rng.random_range(0..400);
        let event = if draining { 5 } else { rng.random_range(0..10) };
        let (wire, turns) = if we {
            (&mut to_official, &mut official_turns)
        } else {
            (&mut to_us, &mut our_turns)
        };
        if event < 4 {
            // Sometimes a burst that keeps the chain.
            for _ in 0..if rng.random_bool(0.1) { 20 } else { 1 } {
                let text: Vec<u8> = (0..length).map(|_| rng.random()).collect();
                let ciphertext = if we { ours.send(&text).unwrap() } else { official.send(&text) };
                wire.push(OnTheWay {
                    text,
                    ciphertext,
                    read: false,
                });
                tally.sent += 1;
            }
        } else if wire.is_empty() {
        } else if event == 4 && rng.random_bool(0.3) {
            let gone = wire.swap_remove(rng.random_range(0..wire.len()));
            tally.lost += u32::from(!gone.read);
        } else {
            // Mostly the oldest, sometimes any.
            let at = if rng.random_bool(0.7) { 0 } else { rng.random_range(0..wire.len()) };
            let message = &wire[at];
            if turns.overtaken(&message.ciphertext) {
                tally.lost += u32::from(!message.read);
                wire.remove(at);
                continue;
            }
            let read = if we {
                official.receive(&message.ciphertext).map_err(|error| (error == "duplicate", error))
            } else {
                ours.receive(&message.ciphertext)
                    .map_err(|error| (error == Error::Duplicate, error.to_string()))
            };
            match read {
                Ok(text) => {
                    assert!(!message.read, "read twice");
                    assert_eq!(text, message.text);
                    tally.read += 1;
                    turns.note(&message.ciphertext);
                }
                Err((duplicate, error)) => {
                    assert!(duplicate && message.read, "{error}");
                    tally.duplicates += 1;
                }
            }
            if draining || rng.random_bool(0.8) {
                wire.remove(at);
            } else {
                wire[at].read = true;
            }
        }
    }
    panic!("the walk does not end")
}

fn both_write(stock: Stock, we_initiate: bool, my_name: &str, peer_name: &str) {
    let (seed, mut rng) = seeded();
    let steps = from_environment("WAXSEAL_INTEROP_STEPS").unwrap_or(1_000);
    let mut ours = Party::new(seed);
    let mut official = Official::start(my_name, peer_name);
    if we_initiate {
        ours.establish(&official.bundle(stock)).unwrap();
        let first = ours.send(b"hello").unwrap();
        assert_eq!(official.receive(&first).unwrap(), b"hello");
    } else {
        official.establish(&ours.bundle(stock));
        let first = official.send(b"hello");
        assert_eq!(ours.receive(&first).unwrap(), b"hello");
    }
    let tally = walk(&mut ours, &mut official, steps, &mut rng);
    println!("{tally:?}");
    assert_eq!(tally.sent, tally.read + tally.lost);
    assert!(tally.lost > 0 && tally.duplicates > 0, "the walk was not a test");

    let them = ours.peer().identity().copied().unwrap();
    let me = ours.identity.public_key();
    let theirs = official
        .call(&json!({
            "op": "safety",
            "my_number": THEIR_NUMBER,
            "peer_number": OUR_NUMBER,
            "peer_identity_key": hex::encode(me.to_bytes()),
        }))
        .unwrap();
    assert_eq!(theirs["digits"], safety_number(&me, OUR_NUMBER, &them, THEIR_NUMBER).unwrap());
}

#[test]
fn we_initiate_and_the_official_library_answers() {
    both_write(
        Stock::Plenty,
        true,
        "33333333333333333333333333333333",
        "44444444444444444444444444444444",
    );
}

/// The names are service ids here: the official library then binds them into each message, which ours passes through.
#[test]
fn the_official_library_initiates_and_we_answer() {
    both_write(
        Stock::Plenty,
        false,
        "9d0652a3-dcc3-4d11-975f-74d61598733f",
        "796abedb-ca4e-4f18-8803-1fde5b921f9f",
    );
}

#[test]
fn both_directions_work_without_one_time_keys() {
    both_write(Stock::Exhausted, true, "a", "b");
    both_write(Stock::Exhausted, false, "a", "b");
}

/// So a later version of the library can take over the stored sessions. There is no way back: what the newer version has stored, this one
/// cannot always go on with.
#[test]
fn the_official_library_goes_on_with_our_record() {
    let (seed, mut rng) = seeded();
    for round in 0..4 {
        let (mut ours, mut other) = acquainted(seed.wrapping_add(round));
        for _ in 0..rng.random_range(0..120) {
            if rng.random_bool(0.5) {
                exchange(&mut ours, &mut other);
            } else {
                exchange(&mut other, &mut ours);
            }
        }
        let left_out = other.send(b"left out").unwrap();
        exchange(&mut other, &mut ours);

        let mut official = Official::start("ours", "other");
        official.adopt(&ours);
        assert_eq!(
            official.receive(&left_out).unwrap(),
            b"left out",
            "keys of messages left out are handed over too"
        );
        let tally = walk(&mut other, &mut official, 700, &mut rng);
        println!("round {round}: {tally:?}");
        assert_eq!(tally.sent, tally.read + tally.lost);
    }
}
