//! A relay in this process, consumers with state in a temporary directory, and waiting with a deadline.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use waxseal_consumer::{Consumer, Error, Event, Incoming, Options, PhoneNumber};
use waxseal_relay::{Config, Relay, Running};

/// Generous: other tests share the machine. A condition that holds ends the wait at once.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Bench {
    directory: tempfile::TempDir,
    address: SocketAddr,
    relay: Option<Running>,
    /// Which of the relay's states is in use.
    generation: u32,
}

impl Bench {
    pub(crate) async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut bench = Self {
            directory,
            address: ([127, 0, 0, 1], 0).into(),
            relay: None,
            generation: 0,
        };
        bench.resume().await;
        bench
    }

    /// Ends the relay.
    pub(crate) async fn pause(&mut self) {
        if let Some(relay) = self.relay.take() {
            relay.shutdown().await;
        }
    }

    /// Starts the relay, again on its address and with its state.
    pub(crate) async fn resume(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let relay = loop {
            match Relay::start(Config::new(
                self.address,
                self.directory.path().join(format!("relay{}", self.generation)),
            ))
            .await
            {
                Ok(relay) => break relay,
                // The port may linger.
                Err(error) if Instant::now() > deadline => panic!("{error}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        self.address = relay.addr();
        self.relay = Some(relay);
    }

    pub(crate) async fn restart(&mut self) {
        self.pause().await;
        self.resume().await;
    }

    pub(crate) async fn lose_state(&mut self) {
        self.pause().await;
        self.generation += 1;
        self.resume().await;
    }

    pub(crate) async fn stop(mut self) {
        self.pause().await;
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// Opens a consumer with state on disk; waits for one that was just dropped to let go of it.
    pub(crate) async fn open(&self, number: &str) -> Consumer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let options = Options::new(tel(number), self.url(), self.state_dir()).named(format!("Name of {number}"));
            match Consumer::open(options).await {
                Ok(consumer) => return consumer,
                Err(Error::InUse { .. }) if Instant::now() < deadline => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

pub(crate) fn tel(number: &str) -> PhoneNumber {
    PhoneNumber::parse(number).unwrap()
}

/// Reads events until one is what is wanted.
pub(crate) async fn until<T>(consumer: &Consumer, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            let event = consumer.next_event().await.expect("the consumer ended");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    });
    found.await.expect("the event does not come")
}

/// The next texts.
pub(crate) async fn texts(consumer: &Consumer, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        texts.push(
            until(consumer, |event| {
                if let Event::Message(message) = event {
                    Some(text_of(&message))
                } else {
                    None
                }
            })
            .await,
        );
    }
    texts
}

pub(crate) fn text_of(message: &Incoming) -> String {
    message.text().unwrap().reveal().to_owned()
}

/// Asks until it holds.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
