//! What is reported of a number that works, and of one that the relay does not accept.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use prometheus_client::registry::Registry;
use waxseal_content::PhoneNumber;
use waxseal_crds::v1alpha1::{ProblemReason, SidecarStatus, WebhookState};
use waxseal_protocol::Tls;
use waxseal_sidecar::{
    Serving,
    config::{Config, CustodyLocation, Deletion, Number, Retention, Secret, StoreLocation, Surface, Webhook},
    metrics::Metrics,
    pod::{self, board::Board, ownership::View, report::Reporter},
};
use waxseal_store::{Durability, Options, Store};

use crate::{
    sender::post,
    world::{ID, NUMBER, TOKEN, World, until},
};

#[derive(Clone, Default)]
struct Desk(Arc<Mutex<Vec<SidecarStatus>>>);

impl pod::report::Desk for Desk {
    async fn write(&self, _: &str, _: &str, status: &SidecarStatus) -> Result<(), String> {
        self.0.lock().unwrap().push(status.clone());
        Ok(())
    }
}

impl Desk {
    fn last(&self) -> Option<SidecarStatus> {
        self.0.lock().unwrap().last().cloned()
    }

    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

/// A number at work as in a pod that owns it, without the pod.
async fn number(world: &World, name: &str, pin: &str) -> (Serving, Desk) {
    let nowhere = "127.0.0.1:0".parse().unwrap();
    let config = Config {
        api_listen: nowhere,
        admin_listen: nowhere,
        relay_url: format!("http://{}", world.relay.as_ref().unwrap().addr()),
        relay_tls: Tls::default(),
        store_ca: None,
        store: StoreLocation::Embedded(world.path(name)),
        durability: Durability::Auto,
        api_certificate: None,
        source_url: "s".to_owned(),
        numbers: vec![Number {
            phone_number: PhoneNumber::parse(NUMBER).unwrap(),
            phone_number_id: ID.to_owned(),
            waba_id: "77".to_owned(),
            display_name: "Acme".to_owned(),
            pin: Secret::from(pin),
            tokens: vec![Secret::from(TOKEN)],
            app_secret: Secret::from("app-secret-of-acme"),
            webhook: Some(Webhook {
                url: world.receiver.url(),
                verify_token: Secret::from("verify-me"),
                timeout: Duration::from_secs(5),
                retry_window: Duration::from_secs(3600),
            }),
            retention: Retention::Days(1),
            deletion: Deletion::OnDelivery,
            custody: CustodyLocation::File(world.path(&format!("keys/{name}"))),
            surface: Surface::default(),
        }],
    };
    let store = Store::open_embedded(&world.path(name), Options::default()).await.unwrap();
    let metrics = Metrics::register(&mut Registry::default());
    let serving = Serving::start(&config, &store, &metrics).await.unwrap();
    let (board, desk) = (Arc::new(Board::default()), Desk::default());
    board.write(|state| {
        state.number_name = Some(("shop".to_owned(), "acme".to_owned()));
        state.configuration = Some("digest".to_owned());
        state.view = Some(View::Mine);
        state.number = serving.numbers().first().cloned();
    });
    let reporter = Reporter {
        desk: desk.clone(),
        board,
        pod: name.to_owned(),
        fallback: None,
        metrics: Arc::new(pod::metrics::Metrics::default()),
    };
    tokio::spawn(reporter.run());
    (serving, desk)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_works_is_reported_once_and_a_refused_one_with_its_reason() {
    let world = World::start().await;
    let (first, desk) = number(&world, "first", "123456").await;
    let works = |status: &SidecarStatus| status.linked && status.webhook == WebhookState::Verified;
    until("the number works", || async { desk.last().as_ref().is_some_and(works) }).await;
    let status = desk.last().unwrap();
    assert_eq!(
        (status.pod.as_deref(), status.configuration.as_deref()),
        (Some("first"), Some("digest"))
    );
    assert_eq!(status.version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(
        status.identity_fingerprint.as_deref(),
        Some(first.numbers()[0].fingerprint().as_str())
    );
    assert!(status.problems.is_empty());
    let reports = desk.count();
    assert!(reports <= 3, "{reports} reports to come up");

    let (_second, refused) = number(&world, "second", "654321").await;
    until("the refusal is told", || async {
        refused
            .last()
            .is_some_and(|status| status.problems.iter().any(|problem| problem.reason == ProblemReason::RelayRefused))
    })
    .await;
    let status = refused.last().unwrap();
    assert!(!status.linked && !serde_json::to_string(&status).unwrap().contains("654321"));
    assert_eq!(desk.count(), reports, "nothing has changed for the first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_away_makes_no_pod_unready() {
    let mut world = World::start().await;
    let mut pod = world.pod("acme-a");
    pod.start();
    world.owner(&[&pod]).await;
    let mut chatter = world.consumer(0).await;
    let relay = world.relay.take().unwrap();
    let address = relay.addr();
    relay.shutdown().await;
    until("the link is down", || async {
        pod.status(&world)
            .await
            .is_some_and(|status| status["numbers"][0]["linked"] == false)
    })
    .await;
    assert!(pod.is_ready(&world).await);
    post(&world.client, pod.api, &chatter.number, "for later").await.unwrap();
    let config = waxseal_relay::Config::new(address, world.path("relay"));
    world.relay = Some(waxseal_relay::Relay::start(config).await.unwrap());
    chatter.wait_for("for later").await;
}
