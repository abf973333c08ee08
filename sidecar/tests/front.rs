//! The API port of a pod, through real sockets: what becomes of a request while the number is here, elsewhere or nowhere.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking, and needs only some of what tests share"
)]

#[path = "support/engine.rs"]
mod engine;
#[path = "support/http.rs"]
mod http;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use engine::Fake;
use http::{Answer, Connection, PATIENCE, exchange};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::{Notify, Semaphore},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use waxseal_sidecar::{
    api::{self, Api, Limits},
    pod::{
        front::{Bounds, Front},
        metrics::Metrics,
        ownership::{Lease, machine::Instance},
    },
};

const ID: &str = "106540352242922";
const HOUR: Duration = Duration::from_secs(3600);

/// A pod: its port, and the number that it serves once its gate is open.
struct Pod {
    address: SocketAddr,
    front: Arc<Front<Fake>>,
    api: Arc<Api<Fake>>,
    engine: Arc<Fake>,
    stop: CancellationToken,
    served: JoinHandle<()>,
}

async fn pod(instance: u128, bounds: Bounds) -> Pod {
    let engine = Fake::new();
    let limits = Limits {
        body_bytes: 16 << 10,
        ..Limits::default()
    };
    let api = Api::new("https://example.com/source", limits).with_number(ID, Arc::clone(&engine), ["token"]);
    let front = Arc::new(Front::new(Instance(instance), limits, bounds, Arc::new(Metrics::default())));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    Pod {
        address,
        served: tokio::spawn(api::serve(listener, Arc::clone(&front), stop.clone())),
        front,
        api: Arc::new(api),
        engine,
        stop,
    }
}

impl Pod {
    fn own(&self) {
        self.front.gate.open(Arc::clone(&self.api), Arc::new(Lease::lasting(HOUR)));
    }

    /// Sends a text without waiting for the answer.
    fn post(&self, text: &str, headers: &str) -> JoinHandle<(Answer, Duration)> {
        let (address, bytes) = (self.address, message(text, headers));
        tokio::spawn(async move {
            let begun = Instant::now();
            let answer = exchange(address, &bytes).await;
            (answer, begun.elapsed())
        })
    }

    async fn is_asked(&self, count: usize) {
        let asked = async {
            while self.engine.waiting.load(Ordering::SeqCst) < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, asked).await.unwrap();
    }
}

fn request(method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn message(text: &str, headers: &str) -> Vec<u8> {
    let body = json!({"messaging_product": "whatsapp", "to": "15550101", "type": "text", "text": {"body": text}}).to_string();
    request("POST", &format!("/v23.0/{ID}/messages"), headers, body.as_bytes())
}

/// A server that reads requests and closes the connection without an answer. Counts them.
async fn hangs_up() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = [0; 4096];
            if stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                counter.fetch_add(1, Ordering::SeqCst);
            }
            let _ = stream.shutdown().await;
        }
    });
    (address, count)
}

/// An address at which nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test]
async fn requests_wait_for_an_owner_and_are_answered() {
    let pod = pod(1, Bounds::default()).await;
    let posts: Vec<_> = (0..20).map(|index| pod.post(&format!("text {index}"), "")).collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(posts.iter().all(|post| !post.is_finished()), "answered by nobody");
    pod.own();
    for post in posts {
        let (answer, _) = timeout(PATIENCE, post).await.unwrap().unwrap();
        assert_eq!(answer.status, 200);
    }
    assert_eq!(pod.engine.asked.take().len(), 20);
}

#[tokio::test]
async fn without_an_owner_the_answer_is_that_of_a_store_that_is_away() {
    let bounds = Bounds {
        patience: Duration::from_millis(300),
        waiting: 3,
        ..Bounds::default()
    };
    let pod = pod(1, bounds).await;
    let posts: Vec<_> = (0..8).map(|_| pod.post("text", "")).collect();
    let mut at_once = 0;
    for post in posts {
        let (answer, took) = timeout(PATIENCE, post).await.unwrap().unwrap();
        assert_eq!(answer.error(), (503, 131_016));
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(answer.header("facebook-api-version"), Some("v23.0"));
        assert!(answer.json()["error"]["is_transient"].as_bool().unwrap());
        at_once += usize::from(took < Duration::from_millis(200));
    }
    assert_eq!(at_once, 5, "three wait, the others are told at once");
}

#[tokio::test]
async fn another_pod_answers_as_if_it_had_been_asked() {
    let (one, other) = (pod(1, Bounds::default()).await, pod(2, Bounds::default()).await);
    other.own();
    one.front.gate.pass_on(other.address);
    let (answer, _) = one.post("hello", "").await.unwrap();
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, Some("application/json; charset=UTF-8"))
    );
    assert!(answer.json()["messages"][0]["id"].as_str().unwrap().starts_with("wamid."));
    assert_eq!(other.engine.asked.take(), ["+15550101: hello"]);
    assert!(one.engine.asked.take().is_empty());
    // Everything else of the port, too: the same answers, but for the trace.
    let large = vec![b' '; 32 << 10];
    for bytes in [
        request("GET", &format!("/v20.0/{ID}?fields=id,verified_name"), "", b""),
        request("GET", "/source", "", b""),
        request("GET", "/nonsense", "", b""),
        request("POST", &format!("/{ID}/messages"), "", b"{"),
        request("POST", &format!("/{ID}/messages"), "Expect: 100-continue\r\n", &large),
        request("DELETE", &format!("/v23.0/{ID}"), "", b""),
        String::from_utf8(request("GET", &format!("/{ID}"), "", b""))
            .unwrap()
            .replace("token", "wrong")
            .into_bytes(),
    ] {
        let (through, direct) = (exchange(one.address, &bytes).await, exchange(other.address, &bytes).await);
        let plain = |answer: &Answer| {
            let mut json: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
            if let Some(error) = json.get_mut("error") {
                error["fbtrace_id"] = "".into();
            }
            let headers = ["facebook-api-version", "content-type", "www-authenticate", "cache-control"]
                .map(|name| answer.header(name).map(str::to_owned));
            (answer.status, json, headers)
        };
        assert_eq!(plain(&through), plain(&direct));
        assert_eq!(through.header("waxseal-hop"), None);
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let head = async |address: SocketAddr| {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{address}/v20.0/{ID}");
        let answer = client.head(url).bearer_auth("token").send().await.unwrap();
        (answer.status(), answer.headers()["content-length"].clone())
    };
    assert_eq!(head(one.address).await, head(other.address).await);
}

#[tokio::test]
async fn a_request_is_passed_on_once_and_looks_again_when_nothing_was_done() {
    let (one, other) = (pod(1, Bounds::default()).await, pod(2, Bounds::default()).await);
    // Each takes the other for the owner.
    one.front.gate.pass_on(other.address);
    other.front.gate.pass_on(one.address);
    let look = Arc::new(Notify::new());
    one.front.tell(Some(Arc::clone(&look)));
    let post = one.post("hello", "");
    timeout(PATIENCE, look.notified()).await.unwrap();
    let passed_on = exchange(other.address, &message("hello", "Waxseal-Hop: 1\r\n")).await;
    assert_eq!((passed_on.status, passed_on.header("waxseal-hop")), (421, Some("0")));
    assert!(!post.is_finished());
    // It takes over itself meanwhile.
    one.own();
    let (answer, _) = timeout(PATIENCE, post).await.unwrap().unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(one.engine.asked.take(), ["+15550101: hello"]);
    assert!(other.engine.asked.take().is_empty());
}

#[tokio::test]
async fn a_request_that_was_passed_on_waits_for_a_pod_that_is_about_to_serve() {
    let (one, other) = (pod(1, Bounds::default()).await, pod(2, Bounds::default()).await);
    one.front.gate.pass_on(other.address);
    other.front.gate.hold(true);
    let post = one.post("hello", "");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!post.is_finished());
    other.own();
    assert_eq!(timeout(PATIENCE, post).await.unwrap().unwrap().0.status, 200);
}

#[tokio::test]
async fn what_was_never_sent_goes_to_the_next_owner() {
    let one = pod(1, Bounds::default()).await;
    one.front.gate.pass_on(nobody().await);
    let post = one.post("hello", "");
    tokio::time::sleep(Duration::from_millis(200)).await;
    one.own();
    assert_eq!(timeout(PATIENCE, post).await.unwrap().unwrap().0.status, 200);
    assert_eq!(one.engine.asked.take().len(), 1);
}

#[tokio::test]
async fn what_may_have_been_done_is_repeated_only_if_twice_is_once() {
    let one = pod(1, Bounds::default()).await;
    let (address, count) = hangs_up().await;
    one.front.gate.pass_on(address);
    let (answer, _) = one.post("hello", "").await.unwrap();
    assert_eq!(answer.error(), (503, 131_016));
    assert_eq!(count.load(Ordering::SeqCst), 1, "a message sent twice");

    let post = one.post("hello", "Idempotency-Key: once\r\n");
    let again = async {
        while count.load(Ordering::SeqCst) < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, again).await.unwrap();
    one.own();
    assert_eq!(timeout(PATIENCE, post).await.unwrap().unwrap().0.status, 200);
}

#[tokio::test]
async fn whoever_closes_the_gate_knows_when_the_last_request_was_answered() {
    let pod = pod(1, Bounds::default()).await;
    pod.own();
    // A message is accepted when it gets a permit.
    let gate: &Semaphore = &pod.engine.gate;
    let all = gate
        .acquire_many(u32::try_from(gate.available_permits().min(1 << 20)).unwrap())
        .await
        .unwrap();
    gate.forget_permits(Semaphore::MAX_PERMITS);
    let first = pod.post("first", "");
    pod.is_asked(1).await;
    let closing = {
        let front = Arc::clone(&pod.front);
        tokio::spawn(async move { front.gate.close(true, PATIENCE).await })
    };
    let second = pod.post("second", "");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!closing.is_finished() && !first.is_finished() && !second.is_finished());
    drop(all);
    timeout(PATIENCE, closing).await.unwrap().unwrap();
    assert_eq!(first.await.unwrap().0.status, 200);
    assert!(!second.is_finished(), "it went through a closed gate");
    pod.own();
    assert_eq!(timeout(PATIENCE, second).await.unwrap().unwrap().0.status, 200);
    assert_eq!(pod.engine.asked.take(), ["+15550101: first", "+15550101: second"]);
}

#[tokio::test]
async fn without_a_lease_nothing_is_served() {
    let bounds = Bounds {
        patience: Duration::from_millis(300),
        ..Bounds::default()
    };
    let pod = pod(1, bounds).await;
    pod.front.gate.open(Arc::clone(&pod.api), Arc::new(Lease::lasting(Duration::ZERO)));
    assert_eq!(pod.post("hello", "").await.unwrap().0.error(), (503, 131_016));
    assert!(pod.engine.asked.take().is_empty());
}

#[tokio::test]
async fn bodies_in_memory_are_bounded() {
    let bounds = Bounds {
        patience: Duration::from_secs(2),
        bodies_kib: 20,
        ..Bounds::default()
    };
    let one = pod(1, bounds).await;
    one.front.gate.pass_on(nobody().await);
    // One whose length is not known counts as the longest.
    let mut slow = Connection::open(one.address).await;
    slow.write(format!("POST /{ID}/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n").as_bytes())
        .await;
    let full = async {
        loop {
            let (answer, took) = one.post(&"x".repeat(4000), "").await.unwrap();
            if answer.status == 503 && took < Duration::from_secs(1) {
                return;
            }
        }
    };
    timeout(PATIENCE, full).await.unwrap();
    // A short one still has room.
    let post = one.post("short", "");
    tokio::time::sleep(Duration::from_millis(100)).await;
    one.own();
    assert_eq!(timeout(PATIENCE, post).await.unwrap().unwrap().0.status, 200);
}

#[tokio::test]
async fn pods_ask_each_other_and_who_leaves_sends_clients_elsewhere() {
    let (one, other) = (pod(1, Bounds::default()).await, pod(0xabc, Bounds::default()).await);
    other.own();
    let look = Arc::new(Notify::new());
    other.front.tell(Some(Arc::clone(&look)));
    other.front.set_waits(true);
    let presence = one.front.ask(other.address).await.unwrap();
    assert!(presence.waits && presence.instance.ends_with("0abc"), "{presence:?}");
    timeout(PATIENCE, look.notified()).await.unwrap();
    // Clients cannot ask that.
    assert_eq!(
        exchange(other.address, &request("GET", "/waxseal/ownership", "", b""))
            .await
            .error(),
        (400, 2500)
    );

    let (answer, _) = other.post("before", "").await.unwrap();
    assert_eq!(answer.header("connection"), None);
    other.front.leave();
    let (answer, _) = other.post("after", "").await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(!one.front.ask(other.address).await.unwrap().waits);
    assert!(one.front.ask(nobody().await).await.is_none());
    other.stop.cancel();
    timeout(PATIENCE, other.served).await.unwrap().unwrap();
}

const FILE_BYTES: usize = 6 << 20;

/// An owner that takes one upload and gives one file, and says how many bytes of body it was sent.
async fn owner_of_files() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let received = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&received);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                let (mut head, mut chunk) = (Vec::new(), vec![0; 64 << 10]);
                let body_at = loop {
                    let read = stream.read(&mut chunk).await.unwrap();
                    head.extend_from_slice(&chunk[..read]);
                    if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
                        break end + 4;
                    }
                };
                let text = String::from_utf8_lossy(&head[..body_at]).to_ascii_lowercase();
                assert!(text.contains("waxseal-hop: 1"), "{text}");
                if text.starts_with("get") {
                    let answer = format!("HTTP/1.1 206 Partial Content\r\ncontent-length: {FILE_BYTES}\r\netag: \"e\"\r\n\r\n");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    if text.contains("broken") {
                        stream.write_all(&[7; 1000]).await.unwrap();
                        return;
                    }
                    stream.write_all(&vec![7; FILE_BYTES]).await.unwrap();
                    return;
                }
                assert!(text.contains(&format!("content-length: {FILE_BYTES}")), "{text}");
                let mut got = head.len() - body_at;
                counter.store(got, Ordering::SeqCst);
                while got < FILE_BYTES {
                    got += stream.read(&mut chunk).await.unwrap();
                    counter.store(got, Ordering::SeqCst);
                }
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{\"id\":\"1\"}")
                    .await
                    .unwrap();
            });
        }
    });
    (address, received)
}

/// Files are larger than any body that is held here, both ways.
#[tokio::test]
async fn files_pass_through_as_they_come() {
    let (owner, received) = owner_of_files().await;
    let pod = pod(1, Bounds::default()).await;
    pod.front.gate.pass_on(owner);
    let upload = request("POST", &format!("/v23.0/{ID}/media"), "", &vec![1; FILE_BYTES]);
    let mut connection = Connection::open(pod.address).await;
    let half = upload.len() / 2;
    connection.write(&upload[..half]).await;
    // The first half is there before the second is sent.
    let arrives = async {
        while received.load(Ordering::SeqCst) < FILE_BYTES / 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, arrives).await.unwrap();
    connection.write(&upload[half..]).await;
    let answer = connection.answer().await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "{\"id\":\"1\"}"));
    assert_eq!(received.load(Ordering::SeqCst), FILE_BYTES);
    let answer = exchange(pod.address, &request("GET", "/media/1?a=b", "", b"")).await;
    assert_eq!((answer.status, answer.header("etag")), (206, Some("\"e\"")));
    assert_eq!(answer.body.len(), FILE_BYTES);
    assert!(answer.body.bytes().all(|byte| byte == 7));
    // What breaks off there breaks off here.
    let mut connection = Connection::open(pod.address).await;
    connection.write(&request("GET", "/media/broken", "", b"")).await;
    assert!(connection.answer().await.is_none(), "a part looks like the whole");
}

#[tokio::test]
async fn an_upload_is_passed_on_once() {
    let (address, count) = hangs_up().await;
    let bounds = Bounds {
        patience: Duration::from_millis(500),
        ..Bounds::default()
    };
    let pod = pod(1, bounds).await;
    pod.front.gate.pass_on(address);
    let upload = request("POST", &format!("/v23.0/{ID}/media"), "Idempotency-Key: k\r\n", b"--x--");
    assert_eq!(exchange(pod.address, &upload).await.error(), (503, 131_016));
    assert_eq!(count.load(Ordering::SeqCst), 1);
    // Nobody there at all.
    pod.front.gate.pass_on(nobody().await);
    assert_eq!(exchange(pod.address, &upload).await.error(), (503, 131_016));
    // No place for another.
    let none = Bounds {
        streams: 0,
        ..Bounds::default()
    };
    let full = self::pod(2, none).await;
    full.front.gate.pass_on(address);
    assert_eq!(exchange(full.address, &upload).await.error(), (503, 131_016));
    assert_eq!(
        exchange(full.address, &request("GET", "/media/1", "", b"")).await.error(),
        (503, 131_016)
    );
    assert_eq!(count.load(Ordering::SeqCst), 1);
}
