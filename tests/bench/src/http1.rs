//! The least HTTP/1.1 client that can load a server: one connection, one request under way. A generator shares the processor with what it
//! measures, so it has to be cheap.

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to `http://host:port`.
    pub async fn open(base_url: &str) -> Result<Self> {
        let address = base_url.strip_prefix("http://").context("an http:// URL")?;
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(4096),
        })
    }

    /// Sends one request and reads its answer: the status.
    pub async fn request(&mut self, bytes: &[u8]) -> Result<u16> {
        self.stream.write_all(bytes).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
            let Some(head) = find(&self.buffer, b"\r\n\r\n") else { continue };
            let text = std::str::from_utf8(&self.buffer[..head])?.to_ascii_lowercase();
            let length: usize = text
                .split("content-length:")
                .nth(1)
                .and_then(|rest| rest.lines().next())
                .context("length")?
                .trim()
                .parse()?;
            let total = head + 4 + length;
            while self.buffer.len() < total {
                if self.stream.read_buf(&mut self.buffer).await? == 0 {
                    bail!("the server closed the connection");
                }
            }
            return Ok(text.get(9..12).context("status")?.parse()?);
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// A JSON POST.
pub fn post(path: &str, token: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
