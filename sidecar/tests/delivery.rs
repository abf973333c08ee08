//! Webhook delivery to a real receiver.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use waxseal_sidecar::webhook::{
    deliver::{Endpoint, Failure, Outcome},
    handshake::{self, Unverified},
    schedule::Backoff,
    sign::EventId,
};

const EVENT: EventId = EventId::new([7; 16]);
const BODY: &[u8] = br#"{"body":"Gr\u00fc\u00dfe"}"#;

/// What the receiver got: the request line, its headers in lower case, its body.
#[derive(Clone, Debug)]
struct Got {
    line: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
    connection: usize,
}

/// Answers every request with what the script says for it.
struct Receiver {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
}

type Script = Arc<dyn Fn(&Got, usize) -> Option<String> + Send + Sync>;

impl Receiver {
    async fn start(script: impl Fn(&Got, usize) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::<Mutex<Vec<Got>>>::default();
        let (script, log): (Script, _) = (Arc::new(script), Arc::clone(&got));
        tokio::spawn(async move {
            for connection in 0.. {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (script, log) = (Arc::clone(&script), Arc::clone(&log));
                tokio::spawn(async move {
                    let mut read = Vec::new();
                    while let Some(request) = next(&mut stream, &mut read, connection).await {
                        let number = {
                            let mut log = log.lock().unwrap();
                            log.push(request.clone());
                            log.len()
                        };
                        match script(&request, number) {
                            Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap(),
                            None => return,
                        }
                    }
                });
            }
        });
        Self { address, got }
    }

    fn endpoint(&self) -> Endpoint {
        Endpoint::new(
            &format!("http://{}/hook?shop=7", self.address),
            "app-secret",
            Duration::from_secs(10),
        )
        .unwrap()
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

async fn next(stream: &mut tokio::net::TcpStream, read: &mut Vec<u8>, connection: usize) -> Option<Got> {
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(read[..end].to_vec()).unwrap();
            let mut lines = head.split("\r\n");
            let line = lines.next().unwrap().to_owned();
            let headers: HashMap<String, String> = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect();
            let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
            if read.len() >= end + 4 + length {
                let body = read[end + 4..end + 4 + length].to_vec();
                read.drain(..end + 4 + length);
                return Some(Got {
                    line,
                    headers,
                    body,
                    connection,
                });
            }
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
}

fn answer(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[tokio::test]
async fn attempts_are_signed_and_identical() {
    let receiver = Receiver::start(|_, number| Some(answer(if number == 1 { 500 } else { 200 }, "", "thanks"))).await;
    let endpoint = receiver.endpoint();
    let first = endpoint.attempt(EVENT, Bytes::from_static(BODY), at(1_700_000_000)).await;
    assert_eq!(
        first,
        Outcome::Failed {
            failure: Failure::Status(500),
            retry_after: None
        }
    );
    let second = endpoint.attempt(EVENT, Bytes::from_static(BODY), at(1_700_000_060)).await;
    assert_eq!(second, Outcome::Delivered);
    let got = receiver.got();
    for (got, timestamp) in got.iter().zip(["1700000000", "1700000060"]) {
        assert_eq!(got.line, "POST /hook?shop=7 HTTP/1.1");
        assert_eq!(got.body, BODY);
        assert_eq!(got.headers["content-type"], "application/json");
        assert_eq!(
            got.headers["x-hub-signature-256"],
            "sha256=4624a1deb35588d7afe3dd76c541d9930eb9b07c2acc2672217f163015f7e03b"
        );
        assert_eq!(got.headers["webhook-id"], "evt_07070707070707070707070707070707");
        assert_eq!(got.headers["webhook-timestamp"], timestamp);
        assert!(got.headers["webhook-signature"].starts_with("v1,"));
        assert!(got.headers["user-agent"].starts_with("waxseal/"));
    }
    assert_ne!(got[0].headers["webhook-signature"], got[1].headers["webhook-signature"]);
    assert_eq!(got[0].connection, got[1].connection, "a connection serves again");
}

#[tokio::test]
async fn any_success_acknowledges_and_nothing_else_does() {
    for (status, headers, expected) in [
        (200, "", Outcome::Delivered),
        (202, "", Outcome::Delivered),
        (204, "", Outcome::Delivered),
        (
            301,
            "Location: /elsewhere\r\n",
            Outcome::Failed {
                failure: Failure::Status(301),
                retry_after: None,
            },
        ),
        (
            307,
            "Location: /elsewhere\r\n",
            Outcome::Failed {
                failure: Failure::Status(307),
                retry_after: None,
            },
        ),
        (
            404,
            "",
            Outcome::Failed {
                failure: Failure::Status(404),
                retry_after: None,
            },
        ),
        (
            503,
            "Retry-After: 7\r\n",
            Outcome::Failed {
                failure: Failure::Status(503),
                retry_after: Some(Duration::from_secs(7)),
            },
        ),
    ] {
        let receiver = Receiver::start(move |_, _| Some(answer(status, headers, ""))).await;
        let outcome = receiver.endpoint().attempt(EVENT, Bytes::from_static(BODY), at(0)).await;
        assert_eq!(outcome, expected, "{status}");
        assert_eq!(receiver.got().len(), 1, "{status}: no redirect is followed");
    }
}

#[tokio::test]
async fn an_answer_without_end_costs_little() {
    let receiver = Receiver::start(|_, _| {
        Some(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n{}",
            "x".repeat(1 << 20)
        ))
    })
    .await;
    let outcome = receiver.endpoint().attempt(EVENT, Bytes::from_static(BODY), at(0)).await;
    assert_eq!(outcome, Outcome::Delivered);
}

#[tokio::test]
async fn failures_are_told_apart() {
    let broken = Receiver::start(|_, _| None).await;
    let outcome = broken.endpoint().attempt(EVENT, Bytes::from_static(BODY), at(0)).await;
    assert_eq!(
        outcome,
        Outcome::Failed {
            failure: Failure::Broken,
            retry_after: None
        }
    );
    assert_eq!(broken.got().len(), 1, "the HTTP client does not try again on its own");

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let endpoint = Endpoint::new(&format!("http://{nobody}/"), "s", Duration::from_secs(10)).unwrap();
    let outcome = endpoint.attempt(EVENT, Bytes::from_static(BODY), at(0)).await;
    assert_eq!(
        outcome,
        Outcome::Failed {
            failure: Failure::Connect,
            retry_after: None
        }
    );

    let silent = Receiver::start(|_, _| Some(String::new())).await;
    let endpoint = Endpoint::new(&format!("http://{}/", silent.address), "s", Duration::from_millis(100)).unwrap();
    let outcome = endpoint.attempt(EVENT, Bytes::from_static(BODY), at(0)).await;
    assert_eq!(
        outcome,
        Outcome::Failed {
            failure: Failure::Timeout,
            retry_after: None
        }
    );
}

/// The value of a query parameter, percent-decoding left out.
fn parameter(got: &Got, name: &str) -> Option<String> {
    let (_, query) = got.line.split(' ').nth(1)?.split_once('?')?;
    query
        .split('&')
        .find_map(|pair| Some(pair.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}

#[tokio::test]
async fn the_handshake_wants_exactly_its_challenge() {
    let receiver = Receiver::start(|got, _| {
        let known = parameter(got, "hub.verify_token").as_deref() == Some("a+b%26c%3D");
        Some(if known {
            answer(200, "", &parameter(got, "hub.challenge").unwrap())
        } else {
            answer(403, "", "")
        })
    })
    .await;
    let endpoint = receiver.endpoint();
    assert_eq!(handshake::verify(&endpoint, "a b&c=", 1_158_201_444).await, Ok(()));
    assert_eq!(
        receiver.got()[0].line,
        "GET /hook?shop=7&hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=a+b%26c%3D HTTP/1.1"
    );
    assert_eq!(handshake::verify(&endpoint, "other", 1).await, Err(Unverified::Status(403)));
    for (status, body, expected) in [
        (200, "\"1158201444\"", Unverified::WrongAnswer),
        (200, "1158201444\n", Unverified::WrongAnswer),
        (200, "", Unverified::WrongAnswer),
        (201, "1158201444", Unverified::Status(201)),
        (302, "1158201444", Unverified::Status(302)),
    ] {
        let wrong = Receiver::start(move |_, _| Some(answer(status, "Location: /\r\n", body))).await;
        assert_eq!(
            handshake::verify(&wrong.endpoint(), "t", 1_158_201_444).await,
            Err(expected),
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn the_handshake_goes_on_until_the_receiver_is_there() {
    let receiver = Receiver::start(|got, number| match number {
        1 => None,
        2 => Some(answer(500, "", "")),
        3 => Some(answer(200, "", "0")),
        _ => Some(answer(200, "", &parameter(got, "hub.challenge").unwrap())),
    })
    .await;
    let mut failures = Vec::new();
    let backoff = Backoff { first_ms: 1, cap_ms: 4 };
    handshake::until_verified(&receiver.endpoint(), "t", backoff, |unverified| failures.push(unverified)).await;
    assert_eq!(
        failures,
        [
            Unverified::NoAnswer(Failure::Broken),
            Unverified::Status(500),
            Unverified::WrongAnswer
        ]
    );
    let challenges: Vec<_> = receiver.got().iter().map(|got| parameter(got, "hub.challenge").unwrap()).collect();
    assert!(
        challenges
            .iter()
            .all(|challenge| challenge.len() == 10 && challenge.parse::<i32>().is_ok()),
        "{challenges:?}"
    );
}
