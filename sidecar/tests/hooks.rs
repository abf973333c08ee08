//! Where a number's events go and what becomes of them: real receivers, a real store, the API as a business calls it. No relay: what the number
//! announces needs none.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]

use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::Instant,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::WebPkiClientVerifier,
    },
};
use waxseal_content::PhoneNumber;
use waxseal_harness::{
    certificates::{Authority, Identity},
    receiver::{Answer, Delivery, Receiver},
};
use waxseal_protocol::Tls;
use waxseal_sidecar::{
    Serving,
    config::{Config, CustodyLocation, Deletion, Egress, Media, Number, Retention, Secret, StoreLocation, Surface, Webhook, Webhooks},
    metrics::Metrics,
    webhook::{
        deliver::{Endpoint, Failure, InvalidEndpoint, Outcome, Reach},
        handshake::{self, Unverified},
        sign::EventId,
    },
};
use waxseal_store::{Durability, Options, Store};

const PATIENCE: Duration = Duration::from_secs(30);
const PHONE: &str = "105550100";
const ACCOUNT: &str = "102290129340398";
const APP: &str = "670843887433847";
const APP_SECRET: &str = "app-secret";

fn config(folder: &Path, declared: Option<&Receiver>, window: Duration, loopback: bool) -> Config {
    let any = "127.0.0.1:0".parse().unwrap();
    Config {
        api_listen: any,
        api_certificate: None,
        admin_listen: any,
        // Nobody listens there.
        relay_url: "http://127.0.0.1:9".to_owned(),
        relay_tls: Tls::default(),
        store: StoreLocation::Embedded(folder.join("store.redb")),
        store_ca: None,
        durability: Durability::Memory,
        numbers: vec![Number {
            phone_number: PhoneNumber::parse("+15550100").unwrap(),
            phone_number_id: PHONE.to_owned(),
            waba_id: ACCOUNT.to_owned(),
            display_name: "Shop".to_owned(),
            pin: Secret::from("123456"),
            tokens: vec![Secret::from("token")],
            app_secret: Secret::from(APP_SECRET),
            webhook: declared.map(|receiver| Webhook {
                url: receiver.url(),
                verify_token: Secret::from("declared"),
                timeout: Duration::from_secs(5),
                retry_window: window,
            }),
            retention: Retention::Days(1),
            deletion: Deletion::OnDelivery,
            custody: CustodyLocation::File(folder.join("custody")),
            surface: Surface {
                app_id: Some(APP.to_owned()),
                media: Media {
                    egress: Egress {
                        loopback,
                        ports: Vec::new(),
                    },
                    ..Media::default()
                },
                webhooks: Webhooks {
                    fields: Some(vec!["messages".to_owned(), "security".to_owned()]),
                    ..Webhooks::default()
                },
                ..Surface::default()
            },
        }],
        source_url: "s".to_owned(),
    }
}

/// A number at work.
struct Bed {
    config: Config,
    store: Store,
    serving: Option<Serving>,
    _folder: TempDir,
}

impl Bed {
    async fn start(declared: Option<&Receiver>, window: Duration, loopback: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), declared, window, loopback);
        let options = Options {
            durability: Durability::Memory,
            ..Options::default()
        };
        let store = Store::open_embedded(&folder.path().join("store.redb"), options).await.unwrap();
        let mut bed = Self {
            config,
            store,
            serving: None,
            _folder: folder,
        };
        bed.restart().await;
        bed
    }

    async fn restart(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.stop().await;
        }
        let metrics = Metrics::register(&mut Registry::default());
        self.serving = Some(Serving::start(&self.config, &self.store, &metrics).await.unwrap());
    }

    fn serving(&self) -> &Serving {
        self.serving.as_ref().unwrap()
    }

    async fn announce(&self, event: &str) {
        let number = &self.serving().numbers()[0];
        number.announce("security", json!({ "event": event })).await.unwrap();
    }

    async fn call_as(&self, token: Option<&str>, method: Method, path: &str, body: Value) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = match body {
            Value::Null => Bytes::new(),
            body => {
                request = request.header("content-type", "application/json");
                body.to_string().into()
            }
        };
        let answer = self.serving().api().answer(request.body(Full::new(body)).unwrap()).await;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        self.call_as(Some("token"), method, path, body).await
    }

    async fn succeeds(&self, method: Method, path: &str, body: Value) {
        assert_eq!(self.call(method, path, body).await, (200, json!({"success": true})), "{path}");
    }

    async fn dead_letters(&self) -> Vec<Value> {
        let (status, list) = self
            .call(Method::GET, &format!("/v23.0/{PHONE}/webhook_dead_letters"), Value::Null)
            .await;
        assert_eq!(status, 200);
        list["data"].as_array().unwrap().clone()
    }
}

fn is(delivery: &Delivery, event: &str) -> bool {
    delivery.json["entry"][0]["changes"][0]["value"]["event"] == event
}

async fn gets(receiver: &Receiver, event: &str) -> Delivery {
    let look = |deliveries: &[Delivery]| deliveries.iter().find(|delivery| is(delivery, event)).cloned();
    receiver.wait_for(event, PATIENCE, look).await.unwrap()
}

fn override_with(receiver: &Receiver, token: &str) -> Value {
    json!({"override_callback_uri": receiver.url(), "verify_token": token})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nearest_override_wins_and_survives_a_restart() {
    let [declared, app, account, phone] = [(); 4].map(|()| Receiver::start().unwrap());
    let mut bed = Bed::start(Some(&declared), PATIENCE, true).await;
    bed.announce("DECLARED").await;
    let delivery = gets(&declared, "DECLARED").await;
    assert!(delivery.headers.contains_key("x-hub-signature-256"));
    assert_eq!(delivery.json["entry"][0]["id"], ACCOUNT);
    assert!(delivery.json["entry"][0]["time"].is_u64());

    // The app's callback, as pywa sets it: all in the query. It comes before what is declared for the account.
    let subscribe = format!(
        "/v23.0/{APP}/subscriptions?object=whatsapp_business_account&callback_url={}&verify_token=app&fields=messages%2Csecurity&access_token={APP}%7C{APP_SECRET}",
        app.url()
    );
    assert_eq!(
        bed.call_as(None, Method::POST, &subscribe, Value::Null).await,
        (200, json!({"success": true}))
    );
    assert_eq!(app.verify_tokens(), ["app"]);
    bed.announce("APP").await;
    gets(&app, "APP").await;

    let subscribed_apps = format!("/v23.0/{ACCOUNT}/subscribed_apps");
    bed.succeeds(Method::POST, &subscribed_apps, override_with(&account, "account"))
        .await;
    bed.announce("ACCOUNT").await;
    gets(&account, "ACCOUNT").await;
    let (_, apps) = bed.call(Method::GET, &subscribed_apps, Value::Null).await;
    assert_eq!(apps["data"][0]["override_callback_uri"], account.url());
    assert_eq!(apps["data"][0]["whatsapp_business_api_data"]["id"], APP);

    // With a slash at the end, as pywa writes it.
    let node = format!("/v23.0/{PHONE}/");
    let to_phone = json!({"webhook_configuration": override_with(&phone, "phone")});
    bed.succeeds(Method::POST, &node, to_phone).await;
    assert_eq!(phone.verify_tokens(), ["phone"]);
    bed.announce("PHONE").await;
    gets(&phone, "PHONE").await;
    bed.restart().await;
    bed.announce("RESTARTED").await;
    gets(&phone, "RESTARTED").await;
    assert_eq!(phone.verify_tokens(), ["phone"], "it was verified when it was set");
    let configuration = bed.serving().numbers()[0].webhook_configuration();
    assert_eq!(configuration.phone_number, Some(phone.url()));
    assert_eq!(configuration.whatsapp_business_account, Some(account.url()));
    assert_eq!(configuration.application, Some(app.url()));

    bed.succeeds(Method::POST, &node, json!({"webhook_configuration": {"override_callback_uri": ""}}))
        .await;
    bed.announce("PHONE REMOVED").await;
    gets(&account, "PHONE REMOVED").await;
    bed.succeeds(Method::POST, &subscribed_apps, Value::Null).await;
    bed.announce("ACCOUNT REMOVED").await;
    gets(&app, "ACCOUNT REMOVED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_apps_callback_serves_where_nothing_is_declared() {
    let app = Receiver::start().unwrap();
    let bed = Bed::start(None, PATIENCE, true).await;
    bed.announce("EARLY").await;
    let number = &bed.serving().numbers()[0];
    let path = format!("/{APP}/subscriptions");
    let body = json!({"object": "whatsapp_business_account", "callback_url": app.url(), "verify_token": "app", "fields": ["security"]});
    for token in [None, Some("token"), Some("1|app-secret")] {
        assert_eq!(bed.call_as(token, Method::POST, &path, body.clone()).await.0, 401);
    }
    assert!(app.verify_tokens().is_empty());
    let token = number.app_token();
    assert_eq!(bed.call_as(Some(&token), Method::POST, &path, body).await.0, 200);
    gets(&app, "EARLY").await;
    let (_, subscriptions) = bed.call_as(Some(&token), Method::GET, &path, Value::Null).await;
    assert_eq!(
        subscriptions["data"][0],
        json!({
            "object": "whatsapp_business_account", "callback_url": app.url(), "active": true,
            "fields": [{"name": "security", "version": "v23.0"}],
        })
    );
    // Of a field that nobody subscribed, and of an account that is not subscribed, nothing is told.
    number.announce("account_update", json!({"event": "UNWANTED"})).await.unwrap();
    bed.succeeds(Method::DELETE, &format!("/{ACCOUNT}/subscribed_apps"), Value::Null)
        .await;
    bed.announce("UNSUBSCRIBED").await;
    let (_, apps) = bed.call(Method::GET, &format!("/{ACCOUNT}/subscribed_apps"), Value::Null).await;
    assert_eq!(apps, json!({"data": []}));
    bed.succeeds(Method::POST, &format!("/{ACCOUNT}/subscribed_apps"), Value::Null)
        .await;
    bed.announce("SUBSCRIBED").await;
    gets(&app, "SUBSCRIBED").await;
    assert_eq!(app.deliveries().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_verified_is_not_taken() {
    let declared = Receiver::start().unwrap();
    let mut closed = Receiver::start().unwrap();
    closed.down();
    let bed = Bed::start(Some(&declared), PATIENCE, true).await;
    let node = format!("/v23.0/{PHONE}");
    let (status, refused) = bed
        .call(Method::POST, &node, json!({"webhook_configuration": override_with(&closed, "t")}))
        .await;
    assert_eq!((status, refused["error"]["code"].as_u64()), (400, Some(2200)), "{refused}");
    let details = refused["error"]["error_data"]["details"].as_str().unwrap();
    assert!(details.contains("no connection") && !details.contains("127.0.0.1"), "{details}");
    for (body, code) in [
        (json!({"override_callback_uri": "https://example.com/"}), 131_008),
        (
            json!({"override_callback_uri": format!("https://example.com/{}", "x".repeat(200)), "verify_token": "t"}),
            100,
        ),
        (json!({"override_callback_uri": "ftp://example.com/", "verify_token": "t"}), 2200),
    ] {
        let (status, refused) = bed.call(Method::POST, &node, json!({"webhook_configuration": body})).await;
        assert_eq!((status, refused["error"]["code"].as_u64()), (400, Some(code)), "{refused}");
    }
    bed.announce("STILL").await;
    gets(&declared, "STILL").await;
    assert_eq!(bed.serving().numbers()[0].webhook_configuration().phone_number, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_leads_into_no_private_network() {
    let declared = Receiver::start().unwrap();
    let inside = Receiver::start().unwrap();
    let bed = Bed::start(Some(&declared), PATIENCE, false).await;
    for url in [
        inside.url(),
        inside.url().replace("http://", "https://"),
        "https://localhost/".to_owned(),
    ] {
        let configuration = json!({"override_callback_uri": url, "verify_token": "t"});
        let (status, refused) = bed
            .call(
                Method::POST,
                &format!("/v23.0/{PHONE}"),
                json!({ "webhook_configuration": configuration }),
            )
            .await;
        assert_eq!((status, refused["error"]["code"].as_u64()), (400, Some(2200)), "{refused}");
    }
    assert!(inside.verify_tokens().is_empty(), "nobody connected to it");
    // What is declared may lead there.
    bed.announce("DECLARED").await;
    gets(&declared, "DECLARED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_come_back_as_they_were() {
    let receiver = Receiver::start().unwrap();
    receiver.answer(Answer::Status(500));
    let mut bed = Bed::start(Some(&receiver), Duration::from_secs(2), true).await;
    for event in ["ONE", "TWO", "THREE"] {
        bed.announce(event).await;
    }
    let deadline = Instant::now() + PATIENCE;
    while bed.dead_letters().await.len() < 3 {
        assert!(Instant::now() < deadline, "the windows do not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let first = gets(&receiver, "ONE").await;
    let letters = bed.dead_letters().await;
    assert_eq!(letters[0]["id"], first.headers["webhook-id"].to_str().unwrap());
    assert_eq!(letters[0]["field"], "security");
    assert_eq!(letters[0]["kind"], "notice");
    assert!(letters[0]["attempts"].as_u64().unwrap() >= 1);
    assert_eq!(letters[0]["last_error"], "HTTP status 500");
    // A page at a time.
    let path = format!("/v23.0/{PHONE}/webhook_dead_letters");
    let (_, page) = bed.call(Method::GET, &format!("{path}?limit=2"), Value::Null).await;
    let after = page["paging"]["cursors"]["after"].as_str().unwrap();
    let (_, rest) = bed.call(Method::GET, &format!("{path}?limit=2&after={after}"), Value::Null).await;
    assert_eq!((page["data"].as_array().unwrap().len(), &rest["data"][0]), (2, &letters[2]));

    bed.restart().await;
    assert_eq!(bed.dead_letters().await.len(), 3, "a restart loses none");
    receiver.answer(Answer::Status(200));
    let tried = receiver.deliveries().len();
    let replay = format!("/v23.0/{PHONE}/webhook_replay");
    let dropped = bed.call(Method::DELETE, &path, json!({"ids": [letters[1]["id"]]})).await;
    assert_eq!(dropped, (200, json!({"success": true, "dropped": 1})));
    let (one, two) = tokio::join!(
        bed.call(Method::POST, &replay, json!({"all": true})),
        bed.call(Method::POST, &replay, json!({"all": true}))
    );
    let replayed: u64 = [one, two].iter().map(|(_, answer)| answer["replayed"].as_u64().unwrap()).sum();
    assert_eq!(replayed, 2, "nothing is put back twice");
    let look = |deliveries: &[Delivery]| (deliveries.len() >= tried + 2).then(|| deliveries[tried..].to_vec());
    let again = receiver.wait_for("the replayed ones", PATIENCE, look).await.unwrap();
    assert!(is(&again[0], "ONE") && is(&again[1], "THREE"), "in order");
    assert_eq!(again[0].body, first.body);
    assert_eq!(again[0].headers["webhook-id"], first.headers["webhook-id"]);
    assert!(bed.dead_letters().await.is_empty());
    assert_eq!(
        bed.call(Method::POST, &replay, json!({"all": true})).await,
        (200, json!({"success": true, "replayed": 0}))
    );
    assert_eq!(
        bed.call(Method::POST, &replay, json!({})).await.0,
        400,
        "what is meant has to be said"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_have_a_history() {
    let receiver = Receiver::start().unwrap();
    let bed = Bed::start(Some(&receiver), PATIENCE, true).await;
    let body = json!({"messaging_product": "whatsapp", "to": "+15550120", "text": {"body": "hello"}});
    let (status, accepted) = bed.call(Method::POST, &format!("/v23.0/{PHONE}/messages"), body).await;
    assert_eq!(status, 200, "{accepted}");
    let wamid = accepted["messages"][0]["id"].as_str().unwrap();
    let path = format!("/v23.0/{PHONE}/message_history");
    let (_, history) = bed.call(Method::GET, &format!("{path}?message_id={wamid}"), Value::Null).await;
    assert_eq!(history["data"][0]["message_id"], wamid);
    assert_eq!(
        history["data"][0]["events"]["data"],
        json!([]),
        "without a relay it is not even sent"
    );
    let (_, open) = bed.call(Method::GET, &path, Value::Null).await;
    assert_eq!(open["data"], history["data"]);
    let id = history["data"][0]["id"].as_str().unwrap();
    let (status, events) = bed
        .call(Method::GET, &format!("/v23.0/{id}/events?status_filter=SENT"), Value::Null)
        .await;
    assert_eq!((status, events), (200, json!({"data": []})));
    assert_eq!(
        bed.call(Method::GET, &format!("/v23.0/{id}/events?status_filter=LOST"), Value::Null)
            .await
            .0,
        400
    );
    let (_, unknown) = bed.call(Method::GET, &format!("{path}?message_id=wamid.AAAA"), Value::Null).await;
    assert_eq!(unknown, json!({"data": []}));
}

/// A receiver that wants a certificate of its clients, signed by `clients`; answers every request with 200 and the challenge in it.
async fn strict_receiver(server: &Identity, clients: &Authority) -> SocketAddr {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(clients.certificate().as_bytes()).unwrap())
        .unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let chain = vec![CertificateDer::from_pem_slice(server.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(server.private_key.as_bytes()).unwrap();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut read = vec![0; 8192];
                let length = stream.read(&mut read).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&read[..length]).into_owned();
                let challenge = request.split("hub.challenge=").nth(1).and_then(|rest| rest.split('&').next());
                let body = challenge.unwrap_or("ok");
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    address
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_whoever_asks_for_it() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (servers, clients, strangers) = (Authority::new().unwrap(), Authority::new().unwrap(), Authority::new().unwrap());
    let address = strict_receiver(&servers.server("hook", &["127.0.0.1"]).unwrap(), &clients).await;
    let url = format!("https://{address}/hook");
    let identity = |authority: &Authority| {
        let identity = authority.client("shop", None).unwrap();
        Some(Secret::new(identity.certificate + &identity.private_key))
    };
    let ca = Some(servers.certificate().as_bytes().to_vec());
    let reach = |ca: &Option<Vec<u8>>, identity: Option<Secret>| Reach {
        timeout: PATIENCE,
        ca: ca.clone(),
        identity,
        walls: None,
    };
    let endpoint = Endpoint::reached(&url, "s", &reach(&ca, identity(&clients))).unwrap();
    assert_eq!(handshake::verify(&endpoint, "t", 1_158_201_444).await, Ok(()));
    let outcome = endpoint
        .attempt(EventId::new([7; 16]), Bytes::from_static(b"{}"), SystemTime::now())
        .await;
    assert_eq!(outcome, Outcome::Delivered);
    // Without it, with a stranger's, and without knowing who signed the receiver's.
    for wrong in [reach(&ca, None), reach(&ca, identity(&strangers)), reach(&None, identity(&clients))] {
        let endpoint = Endpoint::reached(&url, "s", &wrong).unwrap();
        let refused = handshake::verify(&endpoint, "t", 1_158_201_444).await;
        assert!(
            matches!(refused, Err(Unverified::NoAnswer(Failure::Connect | Failure::Broken))),
            "{refused:?}"
        );
    }
    let nonsense = Some(Secret::from("no PEM"));
    assert!(matches!(
        Endpoint::reached(&url, "s", &reach(&ca, nonsense)),
        Err(InvalidEndpoint::Tls(_))
    ));
}
