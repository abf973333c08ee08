//! A relay in this process with a clock that tests turn, and people who talk to it.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tempfile::TempDir;
use waxseal_protocol::proto::from_relay::Frame;
use waxseal_protocol::proto::{
    Delivery, Envelope, Integrity, KeyCounts, OneTimeKey, Outcome, PublishKeysRequest, Role, SignedKey, Verdict,
};
use waxseal_protocol::{Account, Client, Credential, Error, Link};
use waxseal_relay::{Config, Relay, Running};

pub(crate) const PIN: &str = "123456";
/// Anything that does not happen in this time does not happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for `future`, but not for ever.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("nothing happened")
}

/// Waits until `condition` holds.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "not so in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A relay and its state folder.
pub(crate) struct TestRelay {
    dir: TempDir,
    config: Config,
    ahead_ms: Arc<AtomicU64>,
    running: Option<Running>,
}

impl TestRelay {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = TempDir::new().unwrap();
        let ahead_ms = Arc::new(AtomicU64::new(0));
        let mut config = Config::new("127.0.0.1:0".parse().unwrap(), dir.path().join("relay"));
        let ahead = Arc::clone(&ahead_ms);
        config.clock = Arc::new(move || SystemTime::now() + Duration::from_millis(ahead.load(Ordering::SeqCst)));
        change(&mut config);
        let running = Some(Relay::start(config.clone()).await.unwrap());
        Self {
            dir,
            config,
            ahead_ms,
            running,
        }
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub(crate) fn state_dir(&self) -> &Path {
        &self.config.state_dir
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.running().addr())).unwrap()
    }

    /// Moves the relay's clock on.
    pub(crate) fn pass(&self, time: Duration) {
        self.ahead_ms.fetch_add(u64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Ends the relay without any good-bye and starts it on the same folder, at another port.
    pub(crate) async fn crash(&mut self) {
        drop(self.running.take());
        self.running = Some(Relay::start(self.config.clone()).await.unwrap());
    }

    pub(crate) async fn restart(&mut self) {
        soon(self.running.take().unwrap().shutdown()).await;
        self.running = Some(Relay::start(self.config.clone()).await.unwrap());
    }

    /// Starts it again on the same folder with another configuration.
    pub(crate) async fn restart_with(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
        self.restart().await;
    }

    pub(crate) async fn consumer(&self, number: &str) -> Person {
        Person::register(self.client(), number, Role::Consumer, None).await
    }

    pub(crate) async fn business(&self, number: &str) -> Person {
        Person::register(self.client(), number, Role::Business, Some(PIN)).await
    }
}

/// A registered number.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) client: Client,
    pub(crate) account: Account,
}

impl Person {
    pub(crate) async fn register(client: Client, number: &str, role: Role, pin: Option<&str>) -> Self {
        let account = Account {
            number: number.to_owned(),
            credential: Credential::random(&mut rand::rng()),
        };
        let replaced = soon(client.register(&account, role, pin, &[5; 33], 7)).await.unwrap();
        assert!(!replaced);
        Self { client, account }
    }

    /// The same person after the relay came back somewhere else.
    pub(crate) fn at(&self, client: Client) -> Self {
        Self {
            client,
            account: self.account.clone(),
        }
    }

    pub(crate) async fn connect(&self, epoch: u64) -> Inbox {
        Inbox::new(
            soon(self.client.connect(&self.account, epoch))
                .await
                .map_err(|error| panic!("{error}"))
                .unwrap(),
        )
    }

    pub(crate) async fn connect_error(&self, epoch: u64) -> Error {
        soon(self.client.connect(&self.account, epoch))
            .await
            .err()
            .expect("must be refused")
    }
}

/// A link with what came in sorted.
pub(crate) struct Inbox {
    pub(crate) link: Link,
    pub(crate) outcomes: VecDeque<Outcome>,
    pub(crate) deliveries: VecDeque<Delivery>,
    pub(crate) keys_low: VecDeque<KeyCounts>,
    /// The last.
    pub(crate) integrity: Option<Integrity>,
    pub(crate) drained_after: Option<usize>,
    pub(crate) seen: usize,
}

impl Inbox {
    pub(crate) fn new(link: Link) -> Self {
        Self {
            link,
            outcomes: VecDeque::new(),
            deliveries: VecDeque::new(),
            keys_low: VecDeque::new(),
            integrity: None,
            drained_after: None,
            seen: 0,
        }
    }

    /// Takes the next frame in; the error or end otherwise.
    pub(crate) async fn step(&mut self) -> Result<(), Option<Error>> {
        match self.link.receiver.next().await {
            None => Err(None),
            Some(Err(error)) => Err(Some(error)),
            Some(Ok(frame)) => {
                match frame {
                    Frame::Outcomes(outcomes) => self.outcomes.extend(outcomes.outcomes),
                    Frame::Deliver(deliver) => {
                        self.seen += deliver.deliveries.len();
                        self.deliveries.extend(deliver.deliveries);
                    }
                    Frame::KeysLow(counts) => self.keys_low.push_back(counts),
                    Frame::Integrity(integrity) => self.integrity = Some(integrity),
                    Frame::Drained(_) => assert!(self.drained_after.replace(self.seen).is_none(), "drained twice"),
                    Frame::Welcome(_) | Frame::Displaced(_) => panic!("not here"),
                }
                Ok(())
            }
        }
    }

    async fn must_step(&mut self) {
        soon(self.step())
            .await
            .map_err(|error| panic!("the stream ended: {error:?}"))
            .unwrap();
    }

    pub(crate) async fn submit(&mut self, envelopes: Vec<Envelope>) -> Vec<Verdict> {
        let ids: Vec<_> = envelopes.iter().map(|envelope| envelope.id.clone()).collect();
        soon(self.link.sender.submit(envelopes)).await.unwrap();
        while self.outcomes.len() < ids.len() {
            self.must_step().await;
        }
        let outcomes: Vec<_> = self.outcomes.drain(..ids.len()).collect();
        assert!(
            outcomes.iter().map(|outcome| &outcome.envelope_id).eq(&ids),
            "outcomes come in the order of submission"
        );
        outcomes.iter().map(Outcome::verdict).collect()
    }

    pub(crate) async fn submit_all_accepted(&mut self, envelopes: Vec<Envelope>) {
        assert!(self.submit(envelopes).await.iter().all(|verdict| *verdict == Verdict::Accepted));
    }

    /// The next `count` deliveries.
    pub(crate) async fn receive(&mut self, count: usize) -> Vec<Delivery> {
        while self.deliveries.len() < count {
            self.must_step().await;
        }
        self.deliveries.drain(..count).collect()
    }

    pub(crate) async fn receive_bodies(&mut self, count: usize) -> Vec<String> {
        self.receive(count).await.into_iter().map(|delivery| body(&delivery)).collect()
    }

    pub(crate) async fn ack(&self, deliveries: &[Delivery]) {
        soon(self.link.sender.ack(deliveries.iter().map(|delivery| delivery.sequence).collect()))
            .await
            .unwrap();
    }

    /// Reads up to the mark that says: everything queued before the connection is here.
    pub(crate) async fn drained(&mut self) -> Vec<Delivery> {
        while self.drained_after.is_none() {
            self.must_step().await;
        }
        self.deliveries.drain(..).collect()
    }

    pub(crate) async fn keys_low(&mut self) -> KeyCounts {
        while self.keys_low.is_empty() {
            self.must_step().await;
        }
        self.keys_low.pop_front().unwrap()
    }

    /// Reads to the end of the stream.
    pub(crate) async fn end(&mut self) -> Option<Error> {
        loop {
            if let Err(end) = soon(self.step()).await {
                return end;
            }
        }
    }
}

pub(crate) fn body(delivery: &Delivery) -> String {
    String::from_utf8(delivery.envelope.as_ref().unwrap().body.to_vec()).unwrap()
}

/// An envelope with a random id.
pub(crate) fn envelope(recipient: &str, body: impl Into<Bytes>) -> Envelope {
    Envelope {
        id: rand::random::<[u8; 16]>().to_vec().into(),
        recipient: recipient.to_owned(),
        body: body.into(),
        ..Envelope::default()
    }
}

pub(crate) fn numbered(recipient: &str, range: std::ops::Range<usize>) -> Vec<Envelope> {
    range.map(|i| envelope(recipient, i.to_string())).collect()
}

/// Public keys that are only bytes to the relay; those of the generation differ from those of another.
pub(crate) fn pre_keys(generation: u8, ids: std::ops::Range<u32>) -> PublishKeysRequest {
    let key = |kind: u8, id: u32| -> Bytes { [&[kind, generation][..], &id.to_be_bytes()].concat().into() };
    let signed = |kind, id| SignedKey {
        id,
        key: key(kind, id),
        signature: vec![9; 64].into(),
    };
    PublishKeysRequest {
        signed_pre_key: Some(signed(1, 1)),
        last_resort_kyber: Some(signed(2, 9_999)),
        one_time_ec: ids.clone().map(|id| OneTimeKey { id, key: key(3, id) }).collect(),
        one_time_kyber: ids.map(|id| signed(4, id)).collect(),
        ..PublishKeysRequest::default()
    }
}
