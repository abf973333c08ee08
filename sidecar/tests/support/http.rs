//! HTTP by hand: what clients do that no HTTP library would let a test do.
#![allow(dead_code, reason = "each test uses only some of it")]

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// No test waits longer for anything.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// HTTP status and Graph error code.
    pub fn error(&self) -> (u16, u64) {
        (self.status, self.json()["error"]["code"].as_u64().unwrap())
    }
}

/// A connection.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    pub async fn open(to: SocketAddr) -> Self {
        let stream = timeout(PATIENCE, TcpStream::connect(to)).await.unwrap().unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        timeout(PATIENCE, self.stream.write_all(bytes)).await.unwrap().unwrap();
    }

    /// Writes for as long as the other side takes it.
    pub async fn try_write(&mut self, bytes: &[u8]) -> bool {
        timeout(PATIENCE, self.stream.write_all(bytes)).await.unwrap().is_ok()
    }

    /// Says that nothing more will be written.
    pub async fn finish(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// The next answer, `None` if the connection ends first.
    pub async fn answer(&mut self) -> Option<Answer> {
        let end = self.read_until(|read| find(read, b"\r\n\r\n")).await?;
        let head = String::from_utf8(self.read.drain(..end + 4).collect()).unwrap();
        let mut answer = Answer {
            status: head[9..12].parse().unwrap(),
            head,
            body: String::new(),
        };
        let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
        self.read_until(|read| (read.len() >= length).then_some(0)).await?;
        answer.body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        Some(answer)
    }

    /// Whether the other side has closed, all answers read.
    pub async fn is_closed(&mut self) -> bool {
        self.read_until(|_| None::<usize>).await.is_none() && self.read.is_empty()
    }

    /// Everything until the other side closes.
    pub async fn rest(&mut self) -> String {
        self.read_until(|_| None::<usize>).await;
        String::from_utf8(std::mem::take(&mut self.read)).unwrap()
    }

    async fn read_until(&mut self, done: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
        loop {
            if let Some(at) = done(&self.read) {
                return Some(at);
            }
            match timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await.unwrap() {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// One request on its own connection.
pub async fn exchange(to: SocketAddr, request: &[u8]) -> Answer {
    let mut connection = Connection::open(to).await;
    connection.write(request).await;
    connection.answer().await.unwrap()
}
