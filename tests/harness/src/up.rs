//! `waxseal up` as a process: started with a state directory of its own on ports of its own, killed, stopped, started again.
//!
//! Dropping the value kills the process. Output goes to files beside the state directory, so that a test can search it.

use std::{
    fs::{self, File, OpenOptions},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::{business, ports, program};

const READY_TIMEOUT: Duration = Duration::from_secs(90);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
const START_ATTEMPTS: usize = 3;

/// How `waxseal up` is started.
#[derive(Clone, Default)]
pub struct Options {
    /// `--webhook`.
    pub webhook: Option<String>,
    /// `--redis`.
    pub redis: Option<String>,
    /// `--ephemeral`; there is no state directory then.
    pub ephemeral: bool,
    /// `--listen`; a free loopback port when absent.
    pub listen: Option<String>,
    /// Further arguments.
    pub args: Vec<String>,
    /// `WAXSEAL_LOG`.
    pub log: Option<String>,
}

impl Options {
    /// Events go to this URL.
    #[must_use]
    pub fn webhook(url: impl Into<String>) -> Self {
        Self {
            webhook: Some(url.into()),
            ..Self::default()
        }
    }

    /// Message state goes to this Redis.
    #[must_use]
    pub fn redis(mut self, url: impl Into<String>) -> Self {
        self.redis = Some(url.into());
        self
    }
}

/// `endpoints.json`.
#[derive(Clone, Deserialize)]
pub struct Endpoints {
    /// Base URL of the HTTP port.
    pub api: String,
    /// Base URL of the admin port.
    pub admin: String,
    /// URL of the relay.
    pub relay: String,
    /// The proxy in which it is graph.facebook.com, if there is one.
    #[serde(default)]
    pub proxy: Option<Proxy>,
    /// The process that wrote it, where it says so.
    #[serde(default)]
    pub pid: Option<u32>,
    /// The numbers served.
    pub numbers: Vec<Number>,
}

/// The proxy of `endpoints.json`.
#[derive(Clone, Deserialize)]
pub struct Proxy {
    /// For `HTTPS_PROXY`.
    pub url: String,
    /// File with the certificate of its authority.
    pub authority: PathBuf,
    /// File with that and the authorities the system trusts.
    pub bundle: PathBuf,
}

/// A number of `endpoints.json`.
#[derive(Clone, Deserialize)]
pub struct Number {
    /// With the `+`.
    pub phone_number: String,
    /// The id under which the HTTP port knows it.
    pub phone_number_id: String,
    /// The WhatsApp Business Account it belongs to.
    #[serde(default)]
    pub business_account_id: String,
    /// The app that calls it.
    #[serde(default)]
    pub app_id: String,
    /// Bearer token.
    pub token: String,
    /// Key of `X-Hub-Signature-256`.
    pub app_secret: String,
    /// Echo token of the webhook handshake.
    pub verify_token: String,
}

/// A `waxseal up`, running or not.
pub struct Up {
    child: Option<Child>,
    folder: tempfile::TempDir,
    options: Options,
    ports: [SocketAddr; 3],
    endpoints: Endpoints,
    state_dir: PathBuf,
    starts: usize,
}

/// How a `waxseal up` ended that was not expected to become ready.
pub struct Refused {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it said.
    pub output: String,
}

impl Up {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready in time; the error has its output.
    pub async fn start(options: Options) -> Result<Self> {
        let mut up = Self::new(options)?;
        let mut last = None;
        for _ in 0..START_ATTEMPTS {
            match up.launch().await {
                Ok(()) => return Ok(up),
                // Somebody took a port between our look and its bind.
                Err(error) if format!("{error:#}").contains("in use") => last = Some(error),
                Err(error) => return Err(error),
            }
            up.ports = free_ports()?;
        }
        Err(last.context("not tried")?)
    }

    /// Starts it when it must refuse to run, and returns how it ended.
    ///
    /// # Errors
    /// When it runs on instead.
    pub async fn refused(options: Options, deadline: Duration) -> Result<Refused> {
        let mut up = Self::new(options)?;
        up.spawn()?;
        let child = up.child.as_mut().context("not started")?;
        let status = program::wait(child, deadline)
            .await
            .context("waxseal up was expected to refuse to run")?;
        Ok(Refused {
            status,
            output: up.output(),
        })
    }

    fn new(options: Options) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("waxseal-test-").tempdir()?;
        let state_dir = folder.path().join("state");
        fs::create_dir(folder.path().join("output"))?;
        let endpoints = Endpoints {
            api: String::new(),
            admin: String::new(),
            relay: String::new(),
            proxy: None,
            pid: None,
            numbers: Vec::new(),
        };
        Ok(Self {
            child: None,
            folder,
            options,
            ports: free_ports()?,
            endpoints,
            state_dir,
            starts: 0,
        })
    }

    async fn launch(&mut self) -> Result<()> {
        self.spawn()?;
        let outcome = self.become_ready().await;
        if outcome.is_err() {
            self.kill9()?;
        }
        outcome.with_context(|| format!("waxseal up did not become ready; it said:\n{}", self.output()))
    }

    fn spawn(&mut self) -> Result<()> {
        // Not by the process to come: written by one that was killed.
        match fs::remove_file(self.state_dir.join("endpoints.json")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        self.starts += 1;
        let [api, admin, relay] = self.ports.map(|address| address.to_string());
        let api = self.options.listen.clone().unwrap_or(api);
        let state_dir = self.state_dir.display().to_string();
        let mut args = vec!["up", "--listen", &api, "--admin-listen", &admin, "--relay-listen", &relay];
        if self.options.ephemeral {
            args.extend(["--ephemeral", "--json"]);
        } else {
            args.extend(["--state-dir", &state_dir]);
        }
        if let Some(url) = &self.options.webhook {
            args.extend(["--webhook", url]);
        }
        if let Some(url) = &self.options.redis {
            args.extend(["--redis", url]);
        }
        if !self.options.args.iter().any(|arg| arg == "--throughput") {
            // Tests send as fast as they can.
            args.extend(["--throughput", "0"]);
        }
        args.extend(self.options.args.iter().map(String::as_str));
        let mut command = program::command(&args)?;
        if let Some(log) = &self.options.log {
            command.env("WAXSEAL_LOG", log);
        }
        command
            .current_dir(self.folder.path())
            .stdout(self.output_file("stdout")?)
            .stderr(self.output_file("stderr")?);
        self.child = Some(command.spawn().context("waxseal up cannot be started")?);
        Ok(())
    }

    fn output_file(&self, name: &str) -> Result<File> {
        let path = self.output_dir().join(format!("{name}-{}", self.starts));
        Ok(OpenOptions::new().create(true).append(true).open(path)?)
    }

    async fn become_ready(&mut self) -> Result<()> {
        let client = business::http_client()?;
        let end = Instant::now() + READY_TIMEOUT;
        loop {
            let child = self.child.as_mut().context("not started")?;
            if let Some(status) = child.try_wait()? {
                bail!("it ended with {status}");
            }
            if let Some(endpoints) = self.read_endpoints()? {
                let ready = client.get(format!("{}/readyz", endpoints.admin)).send().await;
                if ready.is_ok_and(|response| response.status().is_success()) {
                    self.endpoints = endpoints;
                    return Ok(());
                }
            }
            if Instant::now() > end {
                bail!("not ready after {READY_TIMEOUT:?}");
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The endpoints, once the process that runs has written them.
    fn read_endpoints(&mut self) -> Result<Option<Endpoints>> {
        if self.options.ephemeral {
            let stdout = fs::read_to_string(self.output_dir().join(format!("stdout-{}", self.starts)))?;
            let ready = stdout
                .lines()
                .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
                .find(|line| line["type"] == "ready");
            let Some(path) = ready.as_ref().and_then(|line| line["state_dir"].as_str()) else {
                return Ok(None);
            };
            self.state_dir = PathBuf::from(path);
        }
        let Ok(text) = fs::read(self.state_dir.join("endpoints.json")) else {
            return Ok(None);
        };
        let endpoints: Endpoints = serde_json::from_slice(&text).context("endpoints.json is not as documented")?;
        let ours = endpoints.pid.is_none_or(|pid| self.pid() == Some(pid));
        Ok(Some(endpoints).filter(|_| ours))
    }

    /// Where it can be reached.
    #[must_use]
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Its state directory.
    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// Where its standard output and error are.
    #[must_use]
    pub fn output_dir(&self) -> PathBuf {
        self.folder.path().join("output")
    }

    /// Everything it said so far, over all starts.
    #[must_use]
    pub fn output(&self) -> String {
        let names = (1..=self.starts).flat_map(|start| [format!("stdout-{start}"), format!("stderr-{start}")]);
        names
            .filter_map(|name| fs::read_to_string(self.output_dir().join(name)).ok())
            .collect()
    }

    /// Its process id, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// SIGKILL, and waits for the end.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn kill9(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// SIGINT (Ctrl-C), and waits for the end.
    ///
    /// # Errors
    /// When it does not end in time; it is killed then.
    pub async fn sigint_and_wait(&mut self) -> Result<ExitStatus> {
        let mut child = program::Killed(self.child.take().context("not running")?);
        program::signal(&child.0, "INT")?;
        program::wait(&mut child.0, STOP_TIMEOUT).await
    }

    /// Starts it again with the same state, on the same ports; kills it first when it still runs.
    ///
    /// # Errors
    /// When it does not become ready in time.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill9()?;
        self.launch().await
    }

    /// The answer of `/status` on the admin port.
    ///
    /// # Errors
    /// When there is none.
    pub async fn status(&self) -> Result<serde_json::Value> {
        let url = format!("{}/status", self.endpoints.admin);
        Ok(business::http_client()?.get(url).send().await?.error_for_status()?.json().await?)
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and the process may already be gone.
        let _ = self.kill9();
    }
}

fn free_ports() -> Result<[SocketAddr; 3]> {
    Ok([ports::reserve()?, ports::reserve()?, ports::reserve()?])
}
