//! Real `redis-server` processes: started on a free loopback port in a directory of their own, killed, stopped, paused, restarted on the same
//! port and data, and made replicas of each other.
//!
//! Every server belongs to the value that started it: dropping the value kills the process. Only processes started here are ever signalled.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const START_TIMEOUT: Duration = Duration::from_secs(20);
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);
const START_ATTEMPTS: usize = 5;

/// When the append-only file is written through to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AppendOnly {
    /// No append-only file: a killed server forgets everything.
    #[default]
    Off,
    /// `appendfsync everysec`.
    EverySecond,
    /// `appendfsync always`: a reply means that the write is on the disk.
    Always,
}

/// Certificate and key for a TLS port next to the plain one.
#[derive(Clone, Debug)]
pub struct RedisTls {
    /// Server certificate, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub private_key: PathBuf,
}

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct RedisOptions {
    /// Further lines of redis.conf, for example `maxmemory 10mb`.
    pub config: Vec<String>,
    /// The append-only file.
    pub appendonly: AppendOnly,
    /// Data directory; a temporary one, removed on drop, when absent.
    pub dir: Option<PathBuf>,
    /// `requirepass`.
    pub password: Option<String>,
    /// Opens a TLS port as well.
    pub tls: Option<RedisTls>,
}

/// A reply to [`RedisServer::command`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+OK`.
    Status(String),
    /// `-ERR ...`.
    Error(String),
    /// An integer.
    Int(i64),
    /// A binary string.
    Bulk(Vec<u8>),
    /// A list.
    Array(Vec<Reply>),
    /// Nothing.
    Nil,
}

impl Reply {
    /// The text of a status or a string; empty for the rest.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Status(text) | Self::Error(text) => text.clone(),
            Self::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Int(number) => number.to_string(),
            Self::Array(_) | Self::Nil => String::new(),
        }
    }

    /// The elements of a list; empty for the rest.
    #[must_use]
    pub fn items(self) -> Vec<Self> {
        match self {
            Self::Array(items) => items,
            _ => Vec::new(),
        }
    }

    /// The number, when it is one.
    #[must_use]
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }
}

enum Directory {
    Temporary(tempfile::TempDir),
    Given(PathBuf),
}

impl Directory {
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(dir) => dir.path(),
            Self::Given(path) => path,
        }
    }
}

/// A running (or killed, or stopped) `redis-server`.
pub struct RedisServer {
    child: Option<Child>,
    directory: Directory,
    options: RedisOptions,
    port: u16,
    tls_port: u16,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    ///
    /// # Errors
    /// When `redis-server` is not installed or does not come up.
    pub async fn start(options: RedisOptions) -> Result<Self> {
        let directory = match &options.dir {
            Some(dir) => {
                fs::create_dir_all(dir)?;
                Directory::Given(dir.clone())
            }
            None => Directory::Temporary(tempfile::tempdir()?),
        };
        let mut server = Self {
            child: None,
            directory,
            options,
            port: 0,
            tls_port: 0,
        };
        let mut last = anyhow!("not tried");
        // Another process may take the free port between our look and the server's bind.
        for _ in 0..START_ATTEMPTS {
            server.port = free_port()?;
            server.tls_port = free_port()?;
            match server.spawn().await {
                Ok(()) => return Ok(server),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Starts a server with everything at its default.
    ///
    /// # Errors
    /// As [`RedisServer::start`].
    pub async fn start_default() -> Result<Self> {
        Self::start(RedisOptions::default()).await
    }

    async fn spawn(&mut self) -> Result<()> {
        let dir = self.directory.path();
        let conf = dir.join("redis.conf");
        fs::write(&conf, self.config_text())?;
        let log = File::create(dir.join("stdout.log"))?;
        let child = Command::new("redis-server")
            .arg(&conf)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("redis-server cannot be started: is it installed?")?;
        self.child = Some(child);
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(child) = self.child.as_mut()
                && let Some(status) = child.try_wait()?
            {
                self.child = None;
                bail!("redis-server ended with {status}: {}", self.log_text());
            }
            if matches!(self.command(&["PING"]).await, Ok(Reply::Status(text)) if text == "PONG") {
                return Ok(());
            }
            if Instant::now() > deadline {
                self.kill()?;
                bail!("redis-server did not answer in {START_TIMEOUT:?}: {}", self.log_text());
            }
            sleep(POLL).await;
        }
    }

    fn config_text(&self) -> String {
        let mut lines = vec![
            "bind 127.0.0.1".to_owned(),
            format!("port {}", self.port),
            format!("dir {}", self.directory.path().display()),
            "logfile redis.log".to_owned(),
            "daemonize no".to_owned(),
            "save \"\"".to_owned(),
            // A diskless replica gets its first writes only after its first periodic acknowledgement, up to a second later.
            "repl-diskless-sync no".to_owned(),
        ];
        match self.options.appendonly {
            AppendOnly::Off => lines.push("appendonly no".to_owned()),
            AppendOnly::EverySecond => lines.extend(["appendonly yes".to_owned(), "appendfsync everysec".to_owned()]),
            AppendOnly::Always => lines.extend(["appendonly yes".to_owned(), "appendfsync always".to_owned()]),
        }
        if let Some(password) = &self.options.password {
            lines.push(format!("requirepass {password}"));
        }
        if let Some(tls) = &self.options.tls {
            lines.push(format!("tls-port {}", self.tls_port));
            lines.push(format!("tls-cert-file {}", tls.certificate.display()));
            lines.push(format!("tls-key-file {}", tls.private_key.display()));
            lines.push(format!("tls-ca-cert-file {}", tls.certificate.display()));
            lines.push("tls-auth-clients no".to_owned());
        }
        lines.extend(self.options.config.iter().cloned());
        lines.push(String::new());
        lines.join("\n")
    }

    /// What the server has written to its log.
    #[must_use]
    pub fn log_text(&self) -> String {
        ["stdout.log", "redis.log"]
            .iter()
            .filter_map(|name| fs::read_to_string(self.directory.path().join(name)).ok())
            .collect()
    }

    /// Where its data and log are.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.directory.path()
    }

    /// The plain port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:port`, with the password when there is one.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_with("redis", "127.0.0.1", self.port)
    }

    /// `rediss://localhost:port` of the TLS port.
    #[must_use]
    pub fn tls_url(&self) -> String {
        self.url_with("rediss", "localhost", self.tls_port)
    }

    fn url_with(&self, scheme: &str, host: &str, port: u16) -> String {
        match &self.options.password {
            Some(password) => format!("{scheme}://:{password}@{host}:{port}"),
            None => format!("{scheme}://{host}:{port}"),
        }
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// SIGKILL, and waits for the end.
    ///
    /// # Errors
    /// When the process cannot be signalled.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// SIGTERM (the server writes what it must), and waits for the end.
    ///
    /// # Errors
    /// When the process does not end in time.
    pub async fn stop(&mut self) -> Result<()> {
        self.signal("TERM")?;
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let deadline = Instant::now() + STOP_TIMEOUT;
        while child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                child.kill()?;
                child.wait()?;
                bail!("redis-server did not end after SIGTERM");
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Starts again on the same port and directory; kills first when it still runs.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill()?;
        let mut last = anyhow!("not tried");
        for _ in 0..START_ATTEMPTS {
            match self.spawn().await {
                Ok(()) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// SIGSTOP: the process is there and answers nothing.
    ///
    /// # Errors
    /// When the process cannot be signalled.
    pub fn pause(&self) -> Result<()> {
        self.signal("STOP")
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// When the process cannot be signalled.
    pub fn resume(&self) -> Result<()> {
        self.signal("CONT")
    }

    fn signal(&self, name: &str) -> Result<()> {
        let pid = self.pid().context("redis-server is not running")?;
        // The shell's own kill: no program besides /bin/sh is needed.
        let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status()?;
        if !status.success() {
            bail!("kill -{name} failed");
        }
        Ok(())
    }

    /// Makes this server a replica of `master` and waits until the link is up.
    ///
    /// # Errors
    /// When the link does not come up in time.
    pub async fn replica_of(&self, master: &Self) -> Result<()> {
        if let Some(password) = &master.options.password {
            self.command(&["CONFIG", "SET", "masterauth", password]).await?;
        }
        self.command(&["REPLICAOF", "127.0.0.1", &master.port.to_string()]).await?;
        let deadline = Instant::now() + START_TIMEOUT;
        while !self
            .command(&["INFO", "replication"])
            .await?
            .text()
            .contains("master_link_status:up")
        {
            if Instant::now() > deadline {
                bail!("the replica did not connect: {}", self.log_text());
            }
            sleep(POLL).await;
        }
        // The master counts a replica for WAIT only once it is online there, too.
        while !master.command(&["INFO", "replication"]).await?.text().contains("state=online") {
            if Instant::now() > deadline {
                bail!("the master does not count its replica: {}", master.log_text());
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Makes a replica a master again.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn promote(&self) -> Result<()> {
        self.command(&["REPLICAOF", "NO", "ONE"]).await.map(drop)
    }

    /// Sends one command on a connection of its own. Server errors come back as [`Reply::Error`].
    ///
    /// # Errors
    /// When the server cannot be reached or does not answer.
    pub async fn command(&self, arguments: &[&str]) -> Result<Reply> {
        timeout(COMMAND_TIMEOUT, self.send(arguments))
            .await
            .context("redis-server did not answer")?
    }

    async fn send(&self, arguments: &[&str]) -> Result<Reply> {
        let mut stream = BufReader::new(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?);
        if let Some(password) = &self.options.password {
            stream.write_all(&encode(&["AUTH", password])).await?;
            read_reply(&mut stream).await?;
        }
        stream.write_all(&encode(arguments)).await?;
        read_reply(&mut stream).await
    }

    /// The names of all keys.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn keys(&self) -> Result<Vec<String>> {
        Ok(self.command(&["KEYS", "*"]).await?.items().iter().map(Reply::text).collect())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Nothing can be done about a failure here, and the process may already be gone.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn encode(arguments: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        bytes.extend_from_slice(format!("${}\r\n{argument}\r\n", argument.len()).as_bytes());
    }
    bytes
}

async fn read_reply(stream: &mut BufReader<TcpStream>) -> Result<Reply> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        bail!("redis-server closed the connection");
    }
    let line = line.trim_end();
    let (kind, rest) = line.split_at_checked(1).context("empty reply")?;
    Ok(match kind {
        "+" => Reply::Status(rest.to_owned()),
        "-" => Reply::Error(rest.to_owned()),
        ":" => Reply::Int(rest.parse()?),
        "$" | "*" if rest == "-1" => Reply::Nil,
        "$" => {
            let mut bytes = vec![0; rest.parse::<usize>()? + 2];
            stream.read_exact(&mut bytes).await?;
            bytes.truncate(bytes.len() - 2);
            Reply::Bulk(bytes)
        }
        "*" => {
            let mut items = Vec::new();
            for _ in 0..rest.parse::<usize>()? {
                items.push(Box::pin(read_reply(stream)).await?);
            }
            Reply::Array(items)
        }
        _ => bail!("unknown reply {line}"),
    })
}
