//! Nothing that was acknowledged is lost: not by a restart, not by a crash, not by `kill -9`.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use waxseal_protocol::proto::from_relay::Frame;
use waxseal_protocol::proto::{Envelope, Role, Verdict};
use waxseal_protocol::{Client, Error};

use crate::support::{PIN, Person, TestRelay, body, envelope, numbered, pre_keys, soon};

#[tokio::test]
async fn an_offline_queue_survives_a_crash_and_a_restart() {
    let mut relay = TestRelay::start().await;
    let (ann, bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    ann.connect(0).await.submit_all_accepted(numbered("+15550002", 0..100)).await;
    relay.crash().await;
    ann.at(relay.client())
        .connect(0)
        .await
        .submit_all_accepted(numbered("+15550002", 100..200))
        .await;
    relay.restart().await;
    ann.at(relay.client())
        .connect(0)
        .await
        .submit_all_accepted(numbered("+15550002", 200..300))
        .await;
    let mut inbox = bob.at(relay.client()).connect(0).await;
    assert_eq!(inbox.link.welcome.queued, 300);
    let deliveries = inbox.drained().await;
    assert!(deliveries.iter().map(body).eq((0..300).map(|i: usize| i.to_string())));
    assert!(deliveries.is_sorted_by_key(|delivery| delivery.sequence));
}

#[tokio::test]
async fn sequences_are_never_used_again() {
    let mut relay = TestRelay::start().await;
    let ann = relay.consumer("+15550001").await;
    let mut inbox = ann.connect(0).await;
    inbox.submit_all_accepted(numbered("+15550001", 0..3)).await;
    let before = inbox.receive(3).await;
    inbox.ack(&before).await;
    crate::support::until("acknowledged", || relay.running().stats().queued_envelopes == 0).await;
    ann.client.deregister(&ann.account, None).await.unwrap();
    relay.crash().await;
    let ann = Person::register(relay.client(), "+15550001", Role::Consumer, None).await;
    let mut inbox = ann.connect(0).await;
    inbox.submit_all_accepted(numbered("+15550001", 0..1)).await;
    let after = inbox.receive(1).await;
    assert!(after[0].sequence > before[2].sequence);
    // A late acknowledgement of what came before hits nothing.
    inbox.ack(&before).await;
    inbox.submit_all_accepted(numbered("+15550001", 1..2)).await;
    assert_eq!(relay.running().stats().queued_envelopes, 2);
}

#[tokio::test]
async fn shutting_down_answers_what_is_under_way() {
    let mut relay = TestRelay::start().await;
    let ann = relay.consumer("+15550001").await;
    let accepted = Arc::new(Mutex::new(Vec::new()));
    let submitting = tokio::spawn(submit_until_cut(ann.client.clone(), ann.clone(), Arc::clone(&accepted)));
    crate::support::until("some accepted", || accepted.lock().unwrap().len() > 200).await;
    relay.restart().await;
    soon(submitting).await.unwrap();
    let accepted = accepted.lock().unwrap().clone();
    let mut inbox = ann.at(relay.client()).connect(0).await;
    let stored: Vec<_> = inbox.drained_acknowledging().await;
    assert_eq!(stored[..accepted.len()], accepted[..], "every accepted one, in order");
}

#[tokio::test]
async fn the_state_is_readable_by_its_owner_only_and_opened_once() {
    let relay = TestRelay::start().await;
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(relay.state_dir()), 0o700);
    assert_eq!(mode(&relay.state_dir().join("relay.redb")), 0o600);
    let config = waxseal_relay::Config::new("127.0.0.1:0".parse().unwrap(), relay.root().join("relay"));
    let error = waxseal_relay::Relay::start(config).await.err().unwrap();
    assert!(
        matches!(error, waxseal_relay::Error::State(waxseal_relay::StateError::InUse)),
        "{error}"
    );
}

/// The relay as a process of its own.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(state_dir: &Path) -> (Self, Client) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_waxseal-relay"))
            .args(["--listen", "127.0.0.1:0", "--reregistration", "open", "--state-dir"])
            .arg(state_dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line
            .trim()
            .strip_prefix("listening on ")
            .expect("the relay did not start")
            .to_owned();
        (Self(child), Client::new(&format!("http://{address}")).unwrap())
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Submits to itself as fast as it goes, and notes what was accepted, until the connection breaks.
async fn submit_until_cut(client: Client, person: Person, accepted: Arc<Mutex<Vec<String>>>) -> Vec<Envelope> {
    let link = soon(client.connect(&person.account, 1))
        .await
        .map_err(|error| panic!("{error}"))
        .unwrap();
    let (sender, mut receiver) = (link.sender, link.receiver);
    let number = person.account.number.clone();
    let submitting = tokio::spawn(async move {
        let mut submitted = Vec::new();
        for i in 0.. {
            let batch: Vec<_> = (i * 7..i * 7 + 7).map(|n: usize| envelope(&number, n.to_string())).collect();
            submitted.extend_from_slice(&batch);
            if sender.submit(batch).await.is_err() {
                break;
            }
        }
        submitted
    });
    let mut next = 0usize;
    while let Some(Ok(frame)) = soon(receiver.next()).await {
        match frame {
            Frame::Outcomes(outcomes) => {
                let mut accepted = accepted.lock().unwrap();
                for outcome in outcomes.outcomes {
                    assert_eq!(outcome.verdict(), Verdict::Accepted);
                    accepted.push(next.to_string());
                    next += 1;
                }
            }
            Frame::Deliver(_) | Frame::Drained(_) | Frame::KeysLow(_) | Frame::Integrity(_) => {}
            Frame::Welcome(_) | Frame::Displaced(_) => panic!("not here"),
        }
    }
    drop(receiver);
    soon(submitting).await.unwrap()
}

impl crate::support::Inbox {
    /// Everything that was queued, acknowledged as it comes.
    async fn drained_acknowledging(&mut self) -> Vec<String> {
        let mut bodies = Vec::new();
        while self.drained_after.is_none() {
            soon(self.step()).await.map_err(|error| panic!("{error:?}")).unwrap();
            let deliveries: Vec<_> = self.deliveries.drain(..).collect();
            self.ack(&deliveries).await;
            bodies.extend(deliveries.iter().map(body));
        }
        bodies
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_nothing_acknowledged() {
    let dir = TempDir::new().unwrap();
    let (mut process, mut client) = Process::start(dir.path());
    let business = Person::register(client.clone(), "+15550100", Role::Business, Some(PIN)).await;
    client.publish_keys(&business.account, pre_keys(1, 1..101)).await.unwrap();
    for round in 0..3u32 {
        let person = Person::register(client.clone(), &format!("+1555000{round}"), Role::Consumer, None).await;
        let accepted = Arc::new(Mutex::new(Vec::new()));
        let submitting = tokio::spawn(submit_until_cut(client.clone(), person.clone(), Arc::clone(&accepted)));
        let bundle = client.fetch_bundle(&person.account, "+15550100").await.ok().unwrap();
        assert_eq!(bundle.one_time_ec.unwrap().id, round + 1, "none twice");
        crate::support::until("some accepted", || accepted.lock().unwrap().len() > 300 * (round as usize + 1)).await;
        process.kill();
        let submitted = soon(submitting).await.unwrap();
        let accepted = accepted.lock().unwrap().clone();

        (process, client) = Process::start(dir.path());
        let person = person.at(client.clone());
        let unanswered = submitted[accepted.len()..].to_vec();
        let mut again = person.connect(0).await;
        // What had no answer is submitted again under the same ids, as a sender does, up to a bound.
        let unanswered: Vec<_> = unanswered.into_iter().take(2_000).collect();
        let total = accepted.len() + unanswered.len();
        again.submit_all_accepted(unanswered).await;
        drop(again);
        let mut inbox = person.connect(0).await;
        let stored = inbox.drained_acknowledging().await;
        assert!(
            stored[..total]
                .iter()
                .map(String::as_str)
                .eq((0..total).map(|i| i.to_string()).collect::<Vec<_>>().iter().map(String::as_str)),
            "each once, in order"
        );
    }
}

#[tokio::test]
async fn the_process_stops_in_good_order_on_sigterm() {
    let dir = TempDir::new().unwrap();
    let (mut process, client) = Process::start(dir.path());
    let ann = Person::register(client, "+15550001", Role::Consumer, None).await;
    let mut inbox = ann.connect(0).await;
    inbox.submit_all_accepted(numbered("+15550001", 0..10)).await;
    let id = process.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(inbox.end().await.is_some());
    let status = soon(tokio::task::spawn_blocking(move || process.0.wait().unwrap())).await.unwrap();
    assert!(status.success());
    let (_process, client) = Process::start(dir.path());
    assert_eq!(ann.at(client).connect(0).await.link.welcome.queued, 10);
}

/// A relay that freezes sends no good-bye; the client's pings notice.
#[tokio::test]
async fn a_frozen_relay_is_noticed() {
    let dir = TempDir::new().unwrap();
    let (process, client) = Process::start(dir.path());
    let ann = Person::register(client, "+15550001", Role::Consumer, None).await;
    let mut inbox = ann.connect(0).await;
    inbox.drained().await;
    let signal = |name: &str| {
        let status = Command::new("kill").args([name, &process.0.id().to_string()]).status();
        assert!(status.unwrap().success());
    };
    signal("-STOP");
    let noticed = tokio::time::timeout(Duration::from_secs(30), inbox.step()).await;
    signal("-CONT");
    assert_eq!(noticed.ok(), Some(Err(Some(Error::Unavailable))));
    // The same client finds the relay again by itself.
    soon(async { while ann.client.connect(&ann.account, 0).await.is_err() {} }).await;
}
