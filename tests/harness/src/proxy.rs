//! A TCP proxy on loopback that a test can break: cut, refuse, delay, or forward requests and swallow the replies.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Semaphore, watch},
    task::JoinHandle,
};

/// Connections at once; more wait to be accepted.
const CONNECTIONS: usize = 256;
const CHUNK: usize = 16 * 1024;

/// What the proxy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Forwards both ways.
    Pass,
    /// Forwards requests; replies vanish. The other side has done what was asked, and nobody learns of it.
    DropReplies,
    /// Forwards both ways, each piece this much later.
    Delay(Duration),
    /// Ends new connections at once. Open ones go on as they were.
    Refuse,
}

struct Shared {
    upstream: SocketAddr,
    mode: watch::Sender<Mode>,
    // Each change ends the connections that were open before it.
    generation: watch::Sender<u64>,
    slots: Arc<Semaphore>,
    accepted: AtomicUsize,
}

/// A proxy in front of one address. Ends when dropped.
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port and forwards to `upstream`.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start(upstream: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("the proxy cannot listen")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            mode: watch::Sender::new(Mode::Pass),
            generation: watch::Sender::new(0),
            slots: Arc::new(Semaphore::new(CONNECTIONS)),
            accepted: AtomicUsize::new(0),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { shared, address, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it does this; open connections follow, except for [`Mode::Refuse`].
    pub fn set(&self, mode: Mode) {
        self.shared.mode.send_replace(mode);
    }

    /// Ends every open connection.
    pub fn cut(&self) {
        self.shared.generation.send_modify(|generation| *generation += 1);
    }

    /// Refuses new connections and ends the open ones, until [`Proxy::set`].
    pub fn partition(&self) {
        self.set(Mode::Refuse);
        self.cut();
    }

    /// How many connections were made so far, refused ones included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok(slot) = Arc::clone(&shared.slots).acquire_owned().await else {
            return;
        };
        let Ok((client, _)) = listener.accept().await else { return };
        shared.accepted.fetch_add(1, Ordering::Relaxed);
        if *shared.mode.borrow() == Mode::Refuse {
            continue;
        }
        let mut generation = shared.generation.subscribe();
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            tokio::select! {
                _ = generation.changed() => {}
                _ = forward(client, &shared) => {}
            }
            drop(slot);
        });
    }
}

async fn forward(client: TcpStream, shared: &Shared) -> Result<()> {
    let server = TcpStream::connect(shared.upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::try_join!(
        pump(from_client, to_server, shared, false),
        pump(from_server, to_client, shared, true)
    )?;
    Ok(())
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared, replies: bool) -> Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = from.read(&mut chunk).await?;
        if length == 0 {
            to.shutdown().await?;
            return Ok(());
        }
        let mode = *shared.mode.borrow();
        match mode {
            Mode::DropReplies if replies => continue,
            Mode::Delay(time) => tokio::time::sleep(time).await,
            _ => {}
        }
        to.write_all(&chunk[..length]).await?;
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::atomic::AtomicU64, time::Instant};

    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Answers each byte with the same byte, and counts the bytes.
    async fn echo() -> (SocketAddr, Arc<AtomicU64>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let count = Arc::clone(&counted);
                tokio::spawn(async move {
                    while let Ok(byte) = stream.read_u8().await {
                        count.fetch_add(1, Ordering::SeqCst);
                        if stream.write_u8(byte).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        (address, count)
    }

    async fn ask(stream: &mut TcpStream, byte: u8) -> std::io::Result<u8> {
        stream.write_u8(byte).await?;
        timeout(PATIENCE, stream.read_u8()).await.unwrap()
    }

    #[tokio::test]
    async fn passes_delays_and_swallows_replies() {
        let (upstream, count) = echo().await;
        let proxy = Proxy::start(upstream).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut stream, 1).await.unwrap(), 1);
        proxy.set(Mode::Delay(Duration::from_millis(30)));
        let began = Instant::now();
        assert_eq!(ask(&mut stream, 2).await.unwrap(), 2);
        assert!(began.elapsed() >= Duration::from_millis(60), "once each way");
        proxy.set(Mode::DropReplies);
        stream.write_u8(3).await.unwrap();
        assert!(timeout(Duration::from_millis(200), stream.read_u8()).await.is_err());
        assert_eq!(count.load(Ordering::SeqCst), 3, "the request arrived all the same");
    }

    #[tokio::test]
    async fn cuts_and_refuses_until_told_otherwise() {
        let (upstream, _) = echo().await;
        let proxy = Proxy::start(upstream).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut stream, 1).await.unwrap(), 1);
        proxy.partition();
        assert!(timeout(PATIENCE, stream.read_u8()).await.unwrap().is_err());
        let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(ask(&mut refused, 2).await.is_err());
        proxy.set(Mode::Pass);
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut stream, 3).await.unwrap(), 3);
        assert_eq!(proxy.connections(), 3);
    }
}
