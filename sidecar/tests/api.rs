//! The HTTP port through a real socket: what clients send that a strict server would refuse, and what deserves refusal.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

#[path = "support/engine.rs"]
mod engine;
#[path = "support/http.rs"]
mod http;

use std::{net::SocketAddr, sync::Arc, sync::atomic::Ordering, time::Duration};

use engine::{Fake, REFUSED};
use http::{Answer, Connection, PATIENCE, exchange};
use serde_json::json;
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use waxseal_sidecar::api::{self, Api, Limits};

const ID: &str = "106540352242922";
const OTHER_ID: &str = "106540352242923";

struct Port {
    address: SocketAddr,
    engine: Arc<Fake>,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

async fn port(limits: Limits) -> Port {
    let engine = Fake::new();
    let api = Api::new("https://example.com/source", limits)
        .with_number(ID, Arc::clone(&engine), ["token-old", "token"])
        .with_number(OTHER_ID, Fake::new(), ["token-of-other"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let served = tokio::spawn(api::serve(listener, Arc::new(api), stop.clone()));
    Port {
        address,
        engine,
        stop,
        served,
    }
}

fn request(method: &str, path: &str, token: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn messages(body: &str) -> Vec<u8> {
    request(
        "POST",
        &format!("/v23.0/{ID}/messages"),
        "token",
        "Content-Type: application/json\r\n",
        body.as_bytes(),
    )
}

fn text(to: &str, body: &str) -> String {
    json!({"messaging_product": "whatsapp", "to": to, "type": "text", "text": {"body": body}}).to_string()
}

impl Port {
    async fn send(&self, body: &str) -> Answer {
        exchange(self.address, &messages(body)).await
    }

    async fn get(&self, path: &str) -> Answer {
        exchange(self.address, &request("GET", path, "token", "", b"")).await
    }
}

#[tokio::test]
async fn a_message_is_accepted_with_the_documented_answer() {
    let port = port(Limits::default()).await;
    let answer = port.send(&text("+1 (555) 01-01", "hi")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        json!({
            "messaging_product": "whatsapp",
            "contacts": [{"input": "+1 (555) 01-01", "wa_id": "15550101"}],
            "messages": [{"id": "wamid.bWVzc2FnZSAw"}],
        })
    );
    assert_eq!(answer.header("content-type"), Some("application/json; charset=UTF-8"));
    assert_eq!(answer.header("facebook-api-version"), Some("v23.0"));
    assert_eq!(port.engine.asked.take(), ["+15550101: hi"]);
}

#[tokio::test]
async fn every_way_to_write_the_path_and_the_token() {
    let port = port(Limits::default()).await;
    for (path, version) in [
        (format!("/v23.0/{ID}/messages"), "v23.0"),
        (format!("/v26.0/{ID}/messages"), "v26.0"),
        (format!("/v1.0/{ID}/messages/"), "v1.0"),
        (format!("/23.0/{ID}/messages"), "v23.0"),
        (format!("/{ID}/messages"), "v23.0"),
        (format!("/{ID}/messages/"), "v23.0"),
        (format!("/v14.0/{ID}/messages?a=b"), "v14.0"),
    ] {
        for token in ["token", "token-old"] {
            let answer = exchange(port.address, &request("POST", &path, token, "", text("15550101", "hi").as_bytes())).await;
            assert_eq!(
                (answer.status, answer.header("facebook-api-version")),
                (200, Some(version)),
                "{path}: {answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn bodies_as_real_clients_send_them() {
    let port = port(Limits::default()).await;
    let path = format!("/v23.0/{ID}/messages");
    let utf8 = r#"{"messaging_product":"whatsapp","to":"15550101","text":{"body":"Grüße 👋"}}"#;
    let nulls = r#"{"messaging_product":"whatsapp","recipient_type":null,"to":"15550101","type":"text","context":null,
        "biz_opaque_callback_data":null,"text":{"body":"Grüße 👋","preview_url":null}}"#;
    let marked = format!("\u{feff}{utf8}");
    let unknown = r#"{"messaging_product":"whatsapp","phoneId":7,"to":"15550101","to":"15550101","text":{"body":"Grüße 👋","x":[]}}"#;
    for (headers, body) in [
        ("Content-Type: application/json\r\n", utf8),
        ("Content-Type: application/json; charset=utf-8\r\n", nulls),
        ("Content-Type: text/plain\r\n", utf8),
        ("", marked.as_str()),
        ("Content-Type: application/json\r\n", unknown),
    ] {
        let answer = exchange(port.address, &request("POST", &path, "token", headers, body.as_bytes())).await;
        assert_eq!(answer.status, 200, "{body}: {answer:?}");
        assert_eq!(port.engine.asked.take(), ["+15550101: Grüße 👋"]);
    }
    // Chunked, split inside a character, and without a length.
    let mut connection = Connection::open(port.address).await;
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.write(head.as_bytes()).await;
    for chunk in utf8.as_bytes().chunks(7) {
        connection.write(format!("{:x}\r\n", chunk.len()).as_bytes()).await;
        connection.write(chunk).await;
        connection.write(b"\r\n").await;
    }
    connection.write(b"0\r\n\r\n").await;
    assert_eq!(connection.answer().await.unwrap().status, 200);
    assert_eq!(port.engine.asked.take(), ["+15550101: Grüße 👋"]);
    // As curl does with a larger body.
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        utf8.len()
    );
    connection.write(head.as_bytes()).await;
    assert_eq!(connection.answer().await.unwrap().status, 100);
    connection.write(utf8.as_bytes()).await;
    assert_eq!(connection.answer().await.unwrap().status, 200);
    // A client that closes its side once it has asked.
    connection.write(&messages(utf8)).await;
    connection.finish().await;
    assert_eq!(connection.answer().await.unwrap().status, 200);
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn reactions_and_read_marks() {
    let port = port(Limits::default()).await;
    let reaction = json!({"messaging_product": "whatsapp", "to": "+15550101", "type": "reaction",
        "reaction": {"message_id": "wamid.AAA", "emoji": "👍"}});
    assert_eq!(port.send(&reaction.to_string()).await.status, 200);
    let read = json!({"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.AAA"});
    let answer = port.send(&read.to_string()).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"success": true})));
    let typing =
        json!({"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.AAA", "typing_indicator": {"type": "text"}});
    assert_eq!(port.send(&typing.to_string()).await.json(), json!({"success": true}));
    assert_eq!(
        port.engine.asked.take(),
        ["+15550101: 👍 on wamid.AAA", "read wamid.AAA false", "read wamid.AAA true"]
    );
    let expired = json!({"messaging_product": "whatsapp", "status": "read", "message_id": "wamid.expired"});
    assert_eq!(port.send(&expired.to_string()).await.error(), (400, 131_009));
}

#[tokio::test]
async fn requests_without_the_right_to_it() {
    let port = port(Limits::default()).await;
    let path = format!("/v23.0/{ID}/messages");
    let body = text("15550101", "hi");
    let with = |method: &str, path: &str, token: &str| request(method, path, token, "", body.as_bytes());
    let none = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for (name, raw, expected) in [
        ("no token", none.into_bytes(), (401, 190)),
        ("an empty token", with("POST", &path, ""), (401, 190)),
        ("a wrong token", with("POST", &path, "tokem"), (401, 190)),
        ("another number's token", with("POST", &path, "token-of-other"), (403, 10)),
        ("an unknown number", with("POST", "/v23.0/999/messages", "token"), (400, 100)),
        (
            "an unknown number and a wrong token",
            with("POST", "/v23.0/999/messages", "tokem"),
            (401, 190),
        ),
        ("nothing, with a wrong token", with("GET", "/v13.0/", "tokem"), (401, 190)),
        (
            "the node without its token",
            with("GET", &format!("/{ID}"), "token-of-other"),
            (403, 10),
        ),
    ] {
        let answer = exchange(port.address, &raw).await;
        assert_eq!(answer.error(), expected, "{name}");
        assert_eq!(answer.header("www-authenticate").is_some(), expected.0 == 401, "{name}");
    }
    assert!(port.engine.asked.take().is_empty());
}

#[tokio::test]
async fn tokens_and_messages_as_parameters() {
    let port = port(Limits::default()).await;
    let path = format!("/v23.0/{ID}/messages");
    let form = "messaging_product=whatsapp&to=%2B15550101&type=text&text=%7B%22body%22%3A%22hi%22%7D";
    let (encoded, json) = (
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: application/json\r\n",
    );
    let without_header = |method: &str, path: &str, headers: &str, body: &str| {
        let length = body.len();
        format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into_bytes()
    };
    // Meta's own sample programs and libraries: the token in the query or in the form, the members as JSON or as a form.
    for (path, headers, body) in [
        (format!("{path}?access_token=token"), json, text("15550101", "hi")),
        (format!("{path}?access_token=token-old&format=json"), encoded, form.to_owned()),
        (path.clone(), encoded, format!("{form}&access_token=token&format=json")),
        (format!("{path}?{form}&access_token=token"), "", String::new()),
        (format!("{path}?access_token=token"), encoded, text("15550101", "hi")),
    ] {
        let answer = exchange(port.address, &without_header("POST", &path, headers, &body)).await;
        assert_eq!(answer.status, 200, "{path} {body}: {answer:?}");
        assert_eq!(port.engine.asked.take(), ["+15550101: hi"], "{path} {body}");
    }
    let node = exchange(
        port.address,
        &without_header("GET", &format!("/{ID}?access_token=token&fields=id"), "", ""),
    )
    .await;
    assert_eq!((node.status, node.json()), (200, json!({"id": ID})));
    let too_large = format!("access_token=token&x={}", "x".repeat(64 << 10));
    for (path, body, expected) in [
        (format!("{path}?access_token=tokem"), form.to_owned(), (401, 190)),
        (path.clone(), format!("{form}&access_token=token-of-other"), (403, 10)),
        (path.clone(), form.to_owned(), (401, 190)),
        (path.clone(), too_large, (413, 100)),
        (format!("{path}?access_token=token"), "to=15550101".to_owned(), (400, 131_008)),
    ] {
        let answer = exchange(port.address, &without_header("POST", &path, encoded, &body)).await;
        assert_eq!(answer.error(), expected, "{path}");
    }
    // The header counts, if there is one.
    let both = request(
        "POST",
        &format!("{path}?access_token=token"),
        "tokem",
        json,
        text("15550101", "hi").as_bytes(),
    );
    assert_eq!(exchange(port.address, &both).await.error(), (401, 190));
    assert!(port.engine.asked.take().is_empty());
}

#[tokio::test]
async fn paths_and_methods_that_are_not_there() {
    let port = port(Limits::default()).await;
    for (method, path, expected, subcode) in [
        ("POST", "/v23.0/999/messages".to_owned(), (400, 100), Some(33)),
        ("GET", "/v23.0/999".to_owned(), (400, 100), Some(33)),
        ("GET", format!("/v23.0/{ID}/messages"), (400, 100), Some(33)),
        ("DELETE", format!("/v23.0/{ID}/messages"), (400, 100), Some(33)),
        ("PATCH", format!("/v23.0/{ID}"), (400, 100), Some(33)),
        ("OPTIONS", format!("/v23.0/{ID}/messages"), (400, 100), Some(33)),
        ("BREW", format!("/v23.0/{ID}/messages"), (400, 100), Some(33)),
        ("GET", "/".to_owned(), (400, 100), Some(33)),
        ("POST", "/source".to_owned(), (400, 100), Some(33)),
        ("GET", "/v23.0/no/such/path".to_owned(), (400, 2500), None),
        ("POST", format!("/v23.0/{ID}/unheard_of"), (400, 2500), None),
        ("GET", "/%2e%2e/secret".to_owned(), (400, 2500), None),
    ] {
        let answer = exchange(port.address, &request(method, &path, "token", "", b"")).await;
        assert_eq!(answer.error(), expected, "{method} {path}");
        assert_eq!(answer.json()["error"]["error_subcode"].as_u64(), subcode, "{method} {path}");
        assert!(answer.json()["error"]["fbtrace_id"].is_string());
        assert_eq!(answer.header("content-type"), Some("application/json; charset=UTF-8"));
    }
    // The answer to HEAD has no body, whatever it says about its length.
    for (path, status) in [("/source", "200"), ("/v23.0/999/messages", "400")] {
        let mut connection = Connection::open(port.address).await;
        connection
            .write(&request("HEAD", path, "token", "Connection: close\r\n", b""))
            .await;
        let answer = connection.rest().await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn every_bad_message_is_told_what_is_wrong() {
    let port = port(Limits::default()).await;
    let long = text("15550101", &"x".repeat(4097));
    for (body, expected) in [
        ("", (400, 100)),
        ("{", (400, 100)),
        ("[]", (400, 100)),
        ("messaging_product=whatsapp&to=15550101", (400, 100)),
        ("{}", (400, 131_008)),
        (r#"{"messaging_product":"sms","to":"15550101"}"#, (400, 100)),
        (r#"{"messaging_product":"whatsapp","text":{"body":"hi"}}"#, (400, 131_008)),
        (r#"{"messaging_product":"whatsapp","to":"15550101"}"#, (400, 131_008)),
        (
            r#"{"messaging_product":"whatsapp","to":"15550101","text":{"body":null}}"#,
            (400, 131_008),
        ),
        (
            r#"{"messaging_product":"whatsapp","to":"5550101","text":{"body":"hi"}}"#,
            (400, 131_009),
        ),
        (
            r#"{"messaging_product":"whatsapp","to":"00491701234567","text":{"body":"hi"}}"#,
            (400, 131_009),
        ),
        (
            r#"{"messaging_product":"whatsapp","to":"+1555010101010101","text":{"body":"hi"}}"#,
            (400, 131_009),
        ),
        (
            r#"{"messaging_product":"whatsapp","to":"ada","text":{"body":"hi"}}"#,
            (400, 131_009),
        ),
        (
            r#"{"messaging_product":"whatsapp","to":"15550101","type":"carrier_pigeon"}"#,
            (400, 131_051),
        ),
        (
            r#"{"messaging_product":"whatsapp","to":"15550101","type":"image","image":{"id":"one"}}"#,
            (400, 131_009),
        ),
        (
            r#"{"messaging_product":"whatsapp","recipient":"13491208655302741918","text":{"body":"hi"}}"#,
            (400, 131_009),
        ),
        (long.as_str(), (400, 100)),
    ] {
        let answer = port.send(body).await;
        assert_eq!(answer.error(), expected, "{body}");
        let error = &answer.json()["error"];
        assert!(
            error["message"].as_str().unwrap().starts_with(&format!("(#{})", expected.1)),
            "{error}"
        );
        assert!(!error["error_data"]["details"].as_str().unwrap().is_empty(), "{error}");
        assert!(!answer.body.contains("5550101"), "{error} repeats the number");
    }
    assert!(port.engine.asked.take().is_empty());
}

#[tokio::test]
async fn every_refusal_of_the_number_is_told() {
    let port = port(Limits::default()).await;
    let mut seen = Vec::new();
    for (to, _) in REFUSED {
        let answer = port.send(&text(to, "hi")).await;
        seen.push(answer.error());
        let later = matches!(answer.error().1, 131_016 | 130_429);
        assert_eq!(answer.header("retry-after").is_some(), later);
    }
    assert_eq!(
        seen,
        [
            (503, 131_016),
            (400, 130_429),
            (400, 131_009),
            (400, 133_010),
            (500, 131_000),
            (400, 131_021),
            (409, 100)
        ]
    );
}

#[tokio::test]
async fn a_repeated_request_is_one_message() {
    let port = port(Limits::default()).await;
    let send = async |key: &str, body: String| {
        let path = format!("/v23.0/{ID}/messages");
        exchange(
            port.address,
            &request("POST", &path, "token", &format!("Idempotency-Key: {key}\r\n"), body.as_bytes()),
        )
        .await
    };
    let first = send("order-7", text("15550101", "hi")).await;
    let again = send("order-7", text("+1 555 0101", "hi")).await;
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(first.json()["messages"], again.json()["messages"]);
    assert_ne!(
        send("order-8", text("15550101", "hi")).await.json()["messages"],
        first.json()["messages"]
    );
    assert_eq!(send("order-7", text("15550101", "ho")).await.error(), (409, 100));
    assert_eq!(send("", text("15550101", "hi")).await.error(), (400, 100));
    assert_eq!(send(&"k".repeat(256), text("15550101", "hi")).await.error(), (400, 100));
}

#[tokio::test]
async fn the_number_and_the_source() {
    let port = port(Limits::default()).await;
    let answer = port.get(&format!("/v23.0/{ID}/?fields=id%2Cdisplay_phone_number,status")).await;
    assert_eq!(
        answer.json(),
        json!({"id": ID, "display_phone_number": "+15550100", "status": "CONNECTED"})
    );
    assert_eq!(port.get(&format!("/{ID}")).await.json()["verified_name"], "Sample Shop");
    assert_eq!(port.get(&format!("/{ID}?fields=nonsense")).await.error(), (400, 100));
    assert_eq!(port.get(&format!("/{ID}?fields=%ff")).await.status, 400);
    let source = exchange(port.address, b"GET /source HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(
        (source.status, &source.json()["source"]),
        (200, &json!("https://example.com/source"))
    );
}

#[tokio::test]
async fn an_oversized_body_is_refused_whatever_it_says_of_its_length() {
    let port = port(Limits::default()).await;
    let body = text("15550101", &"x".repeat(1 << 20));
    let mut connection = Connection::open(port.address).await;
    connection.write(&messages(&body)).await;
    let answer = connection.answer().await.unwrap();
    assert_eq!(answer.error(), (413, 100));
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(connection.is_closed().await);

    let mut connection = Connection::open(port.address).await;
    let head = format!("POST /{ID}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token\r\nTransfer-Encoding: chunked\r\n\r\n");
    connection.write(head.as_bytes()).await;
    connection
        .write(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes())
        .await;
    assert_eq!(connection.answer().await.unwrap().error(), (413, 100));

    // A length that nobody will ever send costs nothing.
    let mut connection = Connection::open(port.address).await;
    let head = format!("POST /{ID}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong\r\nContent-Length: 99999999999\r\n\r\n");
    connection.write(head.as_bytes()).await;
    assert_eq!(connection.answer().await.unwrap().error(), (401, 190));
    assert!(port.engine.asked.take().is_empty());
}

#[tokio::test]
async fn deep_nesting_is_no_weapon() {
    let port = port(Limits::default()).await;
    let deep = format!(
        r#"{{"x":{}{},"messaging_product":"whatsapp","to":"15550101","text":{{"body":"hi"}}}}"#,
        "[".repeat(200_000),
        "]".repeat(200_000)
    );
    assert_eq!(port.send(&deep).await.status, 200);
    assert_eq!(port.send(&"{\"text\":".repeat(100_000)).await.error(), (400, 100));
}

#[tokio::test]
async fn slow_clients_are_not_waited_for() {
    let limits = Limits {
        body: Duration::from_millis(200),
        idle: Duration::from_millis(200),
        ..Limits::default()
    };
    let port = port(limits).await;
    let whole = messages(&text("15550101", "hi"));
    // A body that never comes whole.
    let mut connection = Connection::open(port.address).await;
    connection.write(&whole[..whole.len() - 5]).await;
    assert_eq!(connection.answer().await.unwrap().error(), (408, 100));
    assert!(connection.is_closed().await);
    // A head that never comes whole, and nothing at all.
    for start in [&whole[..20], b""] {
        let mut connection = Connection::open(port.address).await;
        connection.write(start).await;
        assert!(connection.is_closed().await);
    }
    // A body that breaks off.
    let mut connection = Connection::open(port.address).await;
    connection.write(&whole[..whole.len() - 5]).await;
    connection.finish().await;
    if let Some(answer) = connection.answer().await {
        assert_eq!(answer.error(), (400, 100));
    }
    assert!(port.engine.asked.take().is_empty());
}

#[tokio::test]
async fn one_connection_serves_many_requests_also_pipelined() {
    let port = port(Limits::default()).await;
    let mut connection = Connection::open(port.address).await;
    let three = [
        messages(&text("15550101", "one")),
        messages("{"),
        messages(&text("15550101", "three")),
    ]
    .concat();
    for _ in 0..10 {
        connection.write(&three).await;
        let mut statuses = Vec::new();
        for _ in 0..3 {
            statuses.push(connection.answer().await.unwrap().status);
        }
        assert_eq!(statuses, [200, 400, 200]);
        assert_eq!(port.engine.asked.take(), ["+15550101: one", "+15550101: three"]);
    }
}

#[tokio::test]
async fn garbage_that_is_no_http_ends_its_own_connection_only() {
    let port = port(Limits::default()).await;
    let mut good = Connection::open(port.address).await;
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"POST / HTTP/9.9\r\n\r\n",
        &[0xff; 100_000],
    ] {
        let mut connection = Connection::open(port.address).await;
        let _ = connection.try_write(garbage).await;
        while connection.answer().await.is_some_and(|answer| answer.status >= 400) {}
        good.write(&messages(&text("15550101", "hi"))).await;
        assert_eq!(good.answer().await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn shutdown_finishes_what_was_begun() {
    let mut port = port(Limits::default()).await;
    let mut idle = Connection::open(port.address).await;
    idle.write(&messages(&text("15550101", "first"))).await;
    assert_eq!(idle.answer().await.unwrap().status, 200);
    let permits = port.engine.gate.available_permits();
    port.engine.gate.forget_permits(permits);
    let before = port.engine.waiting.load(Ordering::SeqCst);
    let mut busy = Connection::open(port.address).await;
    busy.write(&messages(&text("15550101", "second"))).await;
    timeout(PATIENCE, async {
        while port.engine.waiting.load(Ordering::SeqCst) == before {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    port.stop.cancel();
    assert!(idle.is_closed().await);
    assert!(!port.served.is_finished());
    port.engine.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    let answer = busy.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    timeout(PATIENCE, &mut port.served).await.unwrap().unwrap();
    assert!(
        tokio::net::TcpStream::connect(port.address).await.is_err(),
        "nobody listens any more"
    );
}

#[tokio::test]
async fn connections_over_the_limit_wait_for_those_that_are_served() {
    let port = port(Limits {
        connections: 2,
        crowded: Duration::from_millis(50),
        ..Limits::default()
    })
    .await;
    let permits = port.engine.gate.available_permits();
    port.engine.gate.forget_permits(permits);
    let (mut first, mut second) = (Connection::open(port.address).await, Connection::open(port.address).await);
    first.write(&messages(&text("15550101", "first"))).await;
    second.write(&messages(&text("15550101", "second"))).await;
    timeout(PATIENCE, async {
        while port.engine.waiting.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    let mut third = Connection::open(port.address).await;
    third.write(&messages(&text("15550101", "third"))).await;
    // However long the third waits, nobody goes for it.
    assert!(timeout(Duration::from_millis(300), third.answer()).await.is_err());
    port.engine.gate.add_permits(Semaphore::MAX_PERMITS / 2);
    for connection in [&mut first, &mut second, &mut third] {
        assert_eq!(connection.answer().await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn who_says_nothing_keeps_nobody_out() {
    let limits = Limits {
        connections: 8,
        crowded: Duration::from_millis(50),
        ..Limits::default()
    };
    let port = port(limits).await;
    let mut good = Connection::open(port.address).await;
    let mut silent = Vec::new();
    for index in 0..64 {
        let mut connection = Connection::open(port.address).await;
        // The head of a request that never ends, or nothing at all.
        if index % 2 == 0 {
            let _ = connection.try_write(b"GET /source HTTP/1.1\r\nHost: x\r\nX-").await;
        }
        silent.push(connection);
    }
    let answer = exchange(port.address, &messages(&text("15550101", "hi"))).await;
    assert_eq!(answer.status, 200);
    // The connections were ended, not answered.
    assert!(silent[0].is_closed().await && good.is_closed().await);
}

#[tokio::test]
async fn what_is_no_http_is_told_so_whatever_comes_behind_it() {
    let port = port(Limits::default()).await;
    for wrong in [
        "GET /source HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
        "POST /source HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /source HTTP/1.1\r\n\r\n",
        "POST /source HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody of some kind",
    ] {
        let mut connection = Connection::open(port.address).await;
        connection.write(wrong.as_bytes()).await;
        assert_eq!(connection.answer().await.unwrap().status, 400, "{wrong}");
        assert!(connection.is_closed().await);
    }
}
