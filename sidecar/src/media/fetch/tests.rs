use std::{net::SocketAddr, sync::Arc};

use futures_util::TryStreamExt as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use super::*;
use crate::egress::Lookup;

/// A server that answers every request with these bytes and closes.
async fn server(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer).await;
            });
        }
    });
    address
}

fn open() -> Egress {
    Egress {
        loopback: true,
        ports: Vec::new(),
    }
}

async fn fetch(answer: &'static [u8]) -> Result<(Option<String>, Result<Vec<Bytes>, Refusal>), LinkFailure> {
    let address = server(answer).await;
    let fetcher = Fetcher::new(&open()).unwrap();
    let fetched = fetcher.begin(&format!("http://{address}/file?secret=1")).await?;
    let mime_type = fetched.mime_type.clone();
    Ok((mime_type, fetched.into_stream().try_collect().await))
}

#[tokio::test]
async fn a_file_comes_with_what_its_server_says_of_it() {
    let (mime_type, body) = fetch(b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 4\r\n\r\nabcd")
        .await
        .ok()
        .unwrap();
    assert_eq!(mime_type.as_deref(), Some("image/png"));
    assert_eq!(body.unwrap().concat(), b"abcd");
}

#[tokio::test]
async fn answers_that_are_no_file() {
    for (answer, failure) in [
        (
            b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n".as_slice(),
            LinkFailure::Status(302),
        ),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", LinkFailure::Status(404)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", LinkFailure::Status(204)),
        (
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 0\r\n\r\n",
            LinkFailure::Encoded,
        ),
        (b"", LinkFailure::Broken),
        (b"220 mail.example ESMTP\r\n", LinkFailure::Broken),
    ] {
        assert_eq!(fetch(answer).await.err(), Some(failure), "{}", String::from_utf8_lossy(answer));
    }
}

#[tokio::test]
async fn a_file_that_breaks_off_is_no_file() {
    let (_, body) = fetch(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await.ok().unwrap();
    assert_eq!(body.err(), Some(Refusal::Link(LinkFailure::Broken)));
    let (_, body) = fetch(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n")
        .await
        .ok()
        .unwrap();
    assert_eq!(body.err(), Some(Refusal::Link(LinkFailure::Broken)));
}

#[tokio::test]
async fn nothing_private_is_asked() {
    let address = server(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret").await;
    let strict = Egress {
        loopback: false,
        ports: vec![address.port()],
    };
    let home: Lookup = Arc::new(|_| Box::pin(async { Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))]) }));
    let fetcher = Fetcher::with(Resolver::with(home, &strict), &strict).unwrap();
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433", "evil.example"] {
        let failed = fetcher.begin(&format!("https://{host}:{}/", address.port())).await.err();
        assert_eq!(failed, Some(LinkFailure::Refused(egress::Refused::Private)), "{host}");
    }
    let failed = fetcher.begin(&format!("http://evil.example:{}/", address.port())).await.err();
    assert_eq!(failed, Some(LinkFailure::Refused(egress::Refused::Scheme)));
}

#[tokio::test]
async fn nobody_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let fetcher = Fetcher::new(&open()).unwrap();
    assert_eq!(fetcher.begin(&format!("http://{address}/")).await.err(), Some(LinkFailure::Connect));
    assert_eq!(
        fetcher.begin("http://no-such-host.invalid/").await.err(),
        Some(LinkFailure::Refused(egress::Refused::Unresolved))
    );
}
