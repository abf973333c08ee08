//! HTTP byte by byte: what a client writes and no library tidies up.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use waxseal_harness::up::{Number, Up};

use crate::PATIENCE;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Status line and headers, in lower case.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
    /// The body as JSON; `null` if it is none.
    pub json: Value,
}

impl Answer {
    /// The Graph error code.
    #[must_use]
    pub fn code(&self) -> Option<u64> {
        self.json["error"]["code"].as_u64()
    }

    /// Whether it is a Graph error object as clients parse it.
    #[must_use]
    pub fn is_graph_error(&self) -> bool {
        let error = &self.json["error"];
        self.status >= 400
            && error["code"].is_u64()
            && ["message", "type", "fbtrace_id"].iter().all(|member| error[member].is_string())
            && self.head.contains("content-type: application/json")
    }
}

/// Sends bytes on a connection of their own and reads the answer to its end.
///
/// # Errors
/// When there is none.
pub async fn exchange(address: SocketAddr, request: &[u8]) -> Result<Answer> {
    let mut stream = TcpStream::connect(address).await?;
    // Who is refused early may not get rid of everything.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let mut piece = vec![0; 64 << 10];
    let read = async {
        loop {
            match stream.read(&mut piece).await {
                Ok(0) => return Ok(()),
                Ok(count) => answer.extend_from_slice(&piece[..count]),
                // Closed on bytes that were not read, after the answer.
                Err(_) if is_whole(&answer) => return Ok(()),
                Err(error) => return Err(error),
            }
            if is_whole(&answer) {
                return Ok(());
            }
        }
    };
    timeout(PATIENCE, read).await.context("no answer in time")??;
    parse(&answer)
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = end_of_head(bytes) else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| bytes.len() >= end + length)
}

fn parse(bytes: &[u8]) -> Result<Answer> {
    let end = end_of_head(bytes).context("no HTTP answer")?;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let body = bytes[end..].to_vec();
    Ok(Answer {
        status: head.split(' ').nth(1).context("no status")?.parse()?,
        json: serde_json::from_slice(&body).unwrap_or(Value::Null),
        head,
        body,
    })
}

/// A request as it is written. Members may be changed before it is sent.
#[derive(Clone)]
pub struct Request {
    /// `GET`, …
    pub method: String,
    /// Path and query as they are written.
    pub target: String,
    /// The bearer token.
    pub token: Option<String>,
    /// Further lines, each with its line break.
    pub headers: String,
    /// The body.
    pub body: Vec<u8>,
    /// Whether it goes in pieces, without a length.
    pub chunked: bool,
}

impl Request {
    /// A request of a number's client without a body.
    #[must_use]
    pub fn new(method: &str, target: &str, number: &Number) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            token: Some(number.token.clone()),
            headers: String::new(),
            body: Vec::new(),
            chunked: false,
        }
    }

    /// With a body of JSON.
    #[must_use]
    pub fn json(self, body: impl Into<Vec<u8>>) -> Self {
        self.body("application/json", body)
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        self.headers.push_str(&format!("Content-Type: {kind}\r\n"));
        self.body = body.into();
        self
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!(
            "{} {} HTTP/1.1\r\nHost: graph.facebook.com\r\nConnection: close\r\n{}",
            self.method, self.target, self.headers
        )
        .into_bytes();
        if let Some(token) = &self.token {
            bytes.extend(format!("Authorization: Bearer {token}\r\n").into_bytes());
        }
        if self.chunked {
            bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
            for piece in self.body.chunks(7) {
                bytes.extend(format!("{:x}\r\n", piece.len()).into_bytes());
                bytes.extend(piece);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
        } else {
            if !self.body.is_empty() || self.method != "GET" {
                bytes.extend(format!("Content-Length: {}\r\n", self.body.len()).into_bytes());
            }
            bytes.extend(b"\r\n");
            bytes.extend(&self.body);
        }
        bytes
    }

    /// Sends it.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(&self, up: &Up) -> Result<Answer> {
        exchange(address(up)?, &self.bytes())
            .await
            .with_context(|| format!("{} {:.200}", self.method, self.target))
    }
}

/// Host and port of the API.
///
/// # Errors
/// When it is not plain HTTP at an address.
pub fn address(up: &Up) -> Result<SocketAddr> {
    let api = up.endpoints().api.strip_prefix("http://").context("not plain HTTP")?;
    Ok(api.trim_end_matches('/').parse()?)
}
