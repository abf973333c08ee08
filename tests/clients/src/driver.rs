//! A driver: a program that uses a client library as its users do, and prints one JSON object a line: `{"check": name, "ok": true}`, with
//! whatever else the test is to look at, or `"ok": false` and why. Dropping the value kills the process.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tokio::{sync::Notify, time::Instant};

use crate::{PATIENCE, namespace::package, stage::Stage};

/// The language of a driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `tests/clients/*/*.py`, with the Python that has the libraries; those of `pywa` unless another folder is named.
    Python,
    /// `tests/clients/*/*.mjs`; those of `whatsapp_api_js` unless another folder is named.
    Node,
}

impl Kind {
    /// The folder of a script, and its name in there.
    fn place(self, script: &str) -> (PathBuf, &str) {
        let (folder, name) = script.split_once('/').unwrap_or(match self {
            Self::Python => ("pywa", script),
            Self::Node => ("whatsapp_api_js", script),
        });
        (package().join(folder), name)
    }
}

/// A line of a driver.
#[derive(Clone, Debug)]
pub struct Line {
    /// What was checked.
    pub check: String,
    /// Everything it said.
    pub json: Value,
}

#[derive(Default)]
struct Shared {
    lines: Mutex<Vec<Line>>,
    ended: Mutex<bool>,
    arrived: Notify,
}

/// A driver that runs.
pub struct Driver {
    child: Child,
    stdin: Option<ChildStdin>,
    shared: Arc<Shared>,
    folder: tempfile::TempDir,
}

/// The Python that has the client libraries.
///
/// # Errors
/// When they are not installed.
pub fn python() -> Result<PathBuf> {
    installed("WAXSEAL_CLIENTS_PYTHON", "clients-python/bin/python")
}

fn installed(variable: &str, place: &str) -> Result<PathBuf> {
    if let Some(path) = env::var_os(variable) {
        return Ok(PathBuf::from(path));
    }
    let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache")));
    cache
        .map(|cache| cache.join("waxseal/tools").join(place))
        .filter(|path| path.exists())
        .with_context(|| format!("the client libraries are not installed: use `cargo xtask test --only clients`, or set {variable}"))
}

impl Driver {
    /// Starts a driver of the stage (`name` or `folder/name`) and tells it the facts.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(kind: Kind, script: &str, stage: &Stage, more: &Value) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (scripts, name) = kind.place(script);
        let mut command = match kind {
            Kind::Python => {
                let mut command = Command::new(python()?);
                // What all of them share is there.
                command.arg(scripts.join(name)).env("PYTHONPATH", package().join("pywa"));
                command
            }
            Kind::Node => {
                // Modules are looked for beside the file that imports them.
                let modules = installed("WAXSEAL_CLIENTS_NODE_MODULES", "clients-node/node_modules")?;
                std::os::unix::fs::symlink(modules, folder.path().join("node_modules"))?;
                for entry in fs::read_dir(package().join("node"))?.chain(fs::read_dir(scripts)?) {
                    let path = entry?.path();
                    fs::copy(&path, folder.path().join(path.file_name().unwrap_or_default()))?;
                }
                let mut command = Command::new("node");
                command.arg(folder.path().join(name));
                command
            }
        };
        let authority = stage.authority();
        let mut facts = stage.facts(more)?;
        facts["work"] = folder.path().display().to_string().into();
        for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"] {
            command.env_remove(name);
        }
        command
            .env("SSL_CERT_FILE", &authority)
            .env("REQUESTS_CA_BUNDLE", &authority)
            .env("NODE_EXTRA_CA_CERTS", &authority)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONUNBUFFERED", "1")
            .env("WAXSEAL_FACTS", facts.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join("stderr"))?);
        let mut child = command.spawn().with_context(|| format!("{script} cannot be started"))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("no standard output")?;
        let shared = Arc::new(Shared::default());
        let reader = Arc::clone(&shared);
        // Ends with the process.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Libraries print, too.
                if let Some((check, json)) = parse(&line) {
                    lock(&reader.lines).push(Line { check, json });
                    reader.arrived.notify_waiters();
                }
            }
            *lock(&reader.ended) = true;
            reader.arrived.notify_waiters();
        });
        Ok(Self {
            child,
            stdin,
            shared,
            folder,
        })
    }

    /// Says something to the driver, as one line of JSON.
    ///
    /// # Errors
    /// When it does not read any more.
    pub fn say(&mut self, what: &Value) -> Result<()> {
        let stdin = self.stdin.as_mut().context("standard input is closed")?;
        writeln!(stdin, "{what}")
            .and_then(|()| stdin.flush())
            .context("the driver does not read")
    }

    /// Everything it said so far.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        lock(&self.shared.lines).clone()
    }

    /// Waits for a line.
    ///
    /// # Errors
    /// When it does not come in time, or the driver ends first.
    pub async fn line(&self, check: &str) -> Result<Value> {
        self.wait_for(check, PATIENCE, |lines| {
            lines.iter().find(|line| line.check == check).map(|line| line.json.clone())
        })
        .await
    }

    /// Waits until `look` finds what it wants among the lines.
    ///
    /// # Errors
    /// As [`Driver::line`].
    pub async fn wait_for<T>(&self, what: &str, patience: Duration, mut look: impl FnMut(&[Line]) -> Option<T>) -> Result<T> {
        let end = Instant::now() + patience;
        loop {
            let arrived = self.shared.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            let ended = *lock(&self.shared.ended);
            if let Some(found) = look(&lock(&self.shared.lines)) {
                return Ok(found);
            }
            if ended || tokio::time::timeout_at(end, arrived).await.is_err() {
                let seen: Vec<String> = self.lines().into_iter().map(|line| line.json.to_string()).collect();
                bail!(
                    "{what} did not come; the driver said:\n{}\nand complained:\n{}",
                    seen.join("\n"),
                    self.complaints()
                );
            }
        }
    }

    /// Waits for the driver's end and returns its checks. All expected ones have to be there and no other, each of them good.
    ///
    /// # Errors
    /// What is missing, unexpected or not good.
    pub async fn finish(mut self, expected: &[&str]) -> Result<BTreeMap<String, Value>> {
        self.stdin = None;
        let end = Instant::now() + PATIENCE;
        while !*lock(&self.shared.ended) {
            let arrived = self.shared.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if !*lock(&self.shared.ended) && tokio::time::timeout_at(end, arrived).await.is_err() {
                bail!(
                    "the driver does not end; it said {:?} and complained:\n{}",
                    self.lines(),
                    self.complaints()
                );
            }
        }
        let status = self.child.wait()?;
        let lines = self.lines();
        let mut faults: Vec<String> = lines
            .iter()
            .filter(|line| line.json["ok"] != true)
            .map(|line| format!("{}: {}", line.check, line.json["why"].as_str().unwrap_or("not good")))
            .collect();
        let checks: BTreeMap<String, Value> = lines.into_iter().map(|line| (line.check, line.json)).collect();
        faults.extend(
            expected
                .iter()
                .filter(|name| !checks.contains_key(**name))
                .map(|name| format!("{name}: not checked")),
        );
        let unexpected = checks.keys().filter(|name| !expected.contains(&name.as_str()));
        faults.extend(unexpected.map(|name| format!("{name}: the test does not know this check")));
        ensure!(
            faults.is_empty(),
            "{} faults:\n{}\n{}",
            faults.len(),
            faults.join("\n"),
            self.complaints()
        );
        ensure!(status.success(), "the driver ended with {status}: {}", self.complaints());
        Ok(checks)
    }

    /// What it wrote to standard error, the end of it.
    #[must_use]
    pub fn complaints(&self) -> String {
        tail(&self.folder.path().join("stderr"))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and the process may already be gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn parse(line: &str) -> Option<(String, Value)> {
    let json: Value = serde_json::from_str(line).ok()?;
    Some((json["check"].as_str()?.to_owned(), json))
}

fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let start = text.len().saturating_sub(6000);
    String::from_utf8_lossy(&text[start..]).into_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
