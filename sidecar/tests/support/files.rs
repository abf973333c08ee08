//! A number with a place for files, at a real relay, behind a real port.
#![allow(dead_code, reason = "each test uses only some of it")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use prometheus_client::registry::Registry;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use waxseal_content::PhoneNumber;
use waxseal_protocol::Tls;
use waxseal_relay::Relay;
use waxseal_sidecar::{
    Serving, api,
    config::{Config, CustodyLocation, Deletion, Egress, Media, MediaLocation, Number, Retention, Secret, StoreLocation, Surface},
    metrics::Metrics,
};
use waxseal_store::{Durability, Options, Store};

pub const ID: &str = "106540352242922";
pub const OTHER: &str = "106540352242933";
pub const TOKEN: &str = "token-of-the-number";
pub const OTHER_TOKEN: &str = "token-of-another";

pub struct World {
    pub folder: TempDir,
    pub relay: waxseal_relay::Running,
    pub url_lifetime: Duration,
    running: Option<Running>,
}

struct Running {
    serving: Serving,
    store: Store,
    address: SocketAddr,
    closing: CancellationToken,
    server: JoinHandle<()>,
}

impl World {
    pub async fn start() -> Self {
        Self::with(Duration::from_secs(300)).await
    }

    pub async fn with(url_lifetime: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        let config = waxseal_relay::Config::new(listen, folder.path().join("relay"));
        let relay = Relay::start(config).await.unwrap();
        let mut world = Self {
            folder,
            relay,
            url_lifetime,
            running: None,
        };
        world.run().await;
        world
    }

    async fn run(&mut self) {
        let config = self.config();
        let store = Store::open_embedded(&self.folder.path().join("state.redb"), Options::default())
            .await
            .unwrap();
        let metrics = Metrics::register(&mut Registry::default());
        let serving = Serving::start(&config, &store, &metrics).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let closing = CancellationToken::new();
        let server = tokio::spawn(api::serve(listener, Arc::clone(serving.api()), closing.clone()));
        let linked = async {
            while !serving.is_linked() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), linked).await.expect("linked");
        self.running = Some(Running {
            serving,
            store,
            address,
            closing,
            server,
        });
    }

    pub async fn stop(&mut self) {
        let running = self.running.take().unwrap();
        running.closing.cancel();
        running.server.abort();
        let _ = running.server.await;
        running.serving.stop().await;
        running.store.close().await;
    }

    pub async fn restart(&mut self) {
        self.stop().await;
        self.run().await;
    }

    pub fn config(&self) -> Config {
        let number = |id: &str, phone: &str, token: &str| Number {
            phone_number: PhoneNumber::parse(phone).unwrap(),
            phone_number_id: id.to_owned(),
            waba_id: "102290129340398".to_owned(),
            display_name: "Test".to_owned(),
            pin: Secret::from("123456"),
            tokens: vec![Secret::from(token)],
            app_secret: Secret::from("secret"),
            webhook: None,
            retention: Retention::Days(7),
            deletion: Deletion::OnDelivery,
            custody: CustodyLocation::File(self.folder.path().join(format!("{id}.custody"))),
            surface: Surface {
                media: Media {
                    location: Some(MediaLocation::Directory(self.folder.path().join("media"))),
                    own_url: None,
                    lifetime: None,
                    url_lifetime: self.url_lifetime,
                    egress: Egress {
                        loopback: true,
                        ports: Vec::new(),
                    },
                },
                ..Surface::default()
            },
        };
        Config {
            api_listen: "127.0.0.1:0".parse().unwrap(),
            api_certificate: None,
            admin_listen: "127.0.0.1:0".parse().unwrap(),
            relay_url: format!("http://{}", self.relay.addr()),
            relay_tls: Tls::default(),
            store_ca: None,
            store: StoreLocation::Embedded(self.folder.path().join("state.redb")),
            durability: Durability::Auto,
            numbers: vec![number(ID, "+15550100", TOKEN), number(OTHER, "+15550101", OTHER_TOKEN)],
            source_url: "s".to_owned(),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.running.as_ref().unwrap().address
    }

    pub fn number(&self) -> &Arc<waxseal_sidecar::number::Number> {
        &self.running.as_ref().unwrap().serving.numbers()[0]
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// Files in the media store.
    pub fn objects(&self) -> usize {
        fn count(path: &std::path::Path) -> usize {
            let entries = std::fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().path());
            entries.map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
        }
        count(&self.folder.path().join("media"))
    }
}

/// A part of a form: its head and its content.
pub fn part(head: &str, content: &[u8]) -> Vec<u8> {
    [
        format!("--XX\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes(),
        content,
        b"\r\n",
    ]
    .concat()
}

/// A form of these parts.
pub fn form(parts: &[Vec<u8>]) -> Bytes {
    [parts.concat().as_slice(), b"--XX--\r\n"].concat().into()
}

pub fn product() -> Vec<u8> {
    part("name=\"messaging_product\"", b"whatsapp")
}

pub fn file(mime_type: &str, content: &[u8]) -> Vec<u8> {
    part(
        &format!("name=\"file\"; filename=\"a file.bin\"\r\nContent-Type: {mime_type}"),
        content,
    )
}

/// A picture of a given size.
pub fn jpeg(length: usize) -> Vec<u8> {
    let mut content = b"\xff\xd8\xff\xe0 marked-plaintext ".to_vec();
    content.extend((content.len()..length).map(|byte| byte.to_le_bytes()[0] ^ byte.to_le_bytes()[1]));
    content
}
