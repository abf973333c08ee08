//! The admin port.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

#[path = "support/http.rs"]
mod http;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use http::exchange;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use waxseal_sidecar::api::admin::{self, Admin, Check};
use waxseal_sidecar::faults::Faults;

#[derive(Default)]
struct Desk {
    store: AtomicBool,
    allowed: AtomicBool,
    faults: Faults,
}

impl Admin for Desk {
    async fn checks(&self) -> Vec<Check> {
        let store = if self.store.load(Ordering::SeqCst) {
            Ok(())
        } else {
            Err("does not answer".to_owned())
        };
        vec![
            Check {
                name: "relay".to_owned(),
                state: Ok(()),
            },
            Check {
                name: "store".to_owned(),
                state: store,
            },
        ]
    }

    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }

    async fn status(&self) -> serde_json::Value {
        serde_json::json!({"numbers": []})
    }

    fn faults(&self) -> Option<&Faults> {
        self.allowed.load(Ordering::SeqCst).then_some(&self.faults)
    }
}

#[tokio::test]
async fn probes_metrics_and_status() {
    let desk = Arc::new(Desk::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let served = tokio::spawn(admin::serve(listener, Arc::clone(&desk), stop.clone()));
    let get = async |path: &str| {
        exchange(
            address,
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes(),
        )
        .await
    };

    let answer = get("/livez").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    let answer = get("/readyz").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (503, "[-]store failed: does not answer\nnot ready\n")
    );
    let answer = get("/readyz?verbose").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (503, "[+]relay ok\n[-]store failed: does not answer\nnot ready\n")
    );
    desk.store.store(true, Ordering::SeqCst);
    assert_eq!(get("/readyz").await.body, "ok\n");
    assert_eq!(get("/readyz?verbose=1").await.body, "[+]relay ok\n[+]store ok\nok\n");
    let answer = get("/metrics").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "# EOF\n"));
    assert_eq!(
        answer.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert_eq!(get("/status").await.json(), serde_json::json!({"numbers": []}));
    assert_eq!(get("/other").await.status, 404);
    assert_eq!(get("/faults").await.status, 404, "nobody allowed them");
    desk.allowed.store(true, Ordering::SeqCst);
    let add = async |rules: &str| {
        let length = rules.len();
        let head = format!(
            "POST /faults HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        exchange(address, format!("{head}{rules}").as_bytes()).await
    };
    assert_eq!(add(r#"[{"api":130429,"times":2}]"#).await.status, 200);
    let refused = add(r#"[{"api":7}]"#).await;
    assert_eq!(
        (refused.status, refused.body.as_str()),
        (400, "api is one of 130429, 131000, 131016, 131056 and 131057\n")
    );
    assert_eq!(add(r#"[{"nonsense":7}]"#).await.status, 422);
    assert_eq!(get("/faults").await.json(), serde_json::json!([{"api": 130_429, "times": 2}]));
    let cleared = exchange(address, b"DELETE /faults HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!((cleared.status, cleared.body.as_str()), (200, "[]"));
    assert_eq!(get("/openapi.json").await.json()["openapi"], "3.1.0");
    let page = get("/docs").await;
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/html")));
    assert!(
        page.header("content-security-policy")
            .is_some_and(|policy| policy.contains("default-src 'none'"))
    );

    stop.cancel();
    served.await.unwrap().unwrap();
}
