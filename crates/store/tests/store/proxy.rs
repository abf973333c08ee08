//! A TCP proxy in front of a Redis that can swallow replies: the server has run the commands, and the client will never know.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub struct Proxy {
    address: SocketAddr,
    /// So many replies are swallowed, each with its connection.
    swallow: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub async fn start(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let swallow = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&swallow);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let counter = Arc::clone(&counter);
                tokio::spawn(async move {
                    // However a connection ends, both sides of it are closed.
                    let _ = forward(client, port, &counter).await;
                });
            }
        });
        Self { address, swallow, task }
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// The next replies to commits are swallowed.
    pub fn swallow(&self, replies: usize) {
        self.swallow.store(replies, Ordering::SeqCst);
    }

    pub fn left_to_swallow(&self) -> usize {
        self.swallow.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(client: TcpStream, port: u16, swallow: &AtomicUsize) -> std::io::Result<()> {
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let mut requests = tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
    let mut buffer = vec![0; 64 * 1024];
    loop {
        tokio::select! {
            read = from_server.read(&mut buffer) => {
                let read = read?;
                if read == 0 {
                    break;
                }
                // Greetings and preflights are long or bulk; the reply to a commit is a short array.
                let reply = &buffer[..read];
                let of_a_commit = reply.starts_with(b"*") && read < 200;
                if of_a_commit && swallow.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                    break;
                }
                to_client.write_all(reply).await?;
            }
            _ = &mut requests => break,
        }
    }
    requests.abort();
    Ok(())
}
