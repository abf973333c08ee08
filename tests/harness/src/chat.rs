//! `waxseal chat` as a process: a consumer that a test drives line by line, or one that sends, waits and ends.
//!
//! What is known of its `--json` output is in [`event`]: one object a line, its kind in `event`.

pub mod event;

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{ChildStdin, ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use tokio::sync::Notify;

pub use self::event::{Event, Kind};
use crate::{
    program::{self, Killed},
    up::Up,
};

const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// How much longer than its own `--timeout` a one-shot chat may take to start and end.
const GRACE: Duration = Duration::from_secs(60);

/// Who talks to whom, and where the state is.
#[derive(Clone)]
pub struct Consumer {
    number: String,
    to: String,
    state_dir: PathBuf,
    relay: Option<String>,
}

impl Consumer {
    /// A consumer that talks to a number through a relay.
    #[must_use]
    pub fn new(number: &str, to: &str, state_dir: &Path, relay: &str) -> Self {
        Self {
            number: number.to_owned(),
            to: to.to_owned(),
            state_dir: state_dir.to_owned(),
            relay: Some(relay.to_owned()),
        }
    }

    /// A consumer that talks to the first number of `up`; its state is in the same state directory.
    ///
    /// # Errors
    /// When no number is served.
    pub fn of(up: &Up, number: &str) -> Result<Self> {
        let business = up.endpoints().numbers.first().context("no number is served")?;
        Ok(Self {
            number: number.to_owned(),
            to: business.phone_number.clone(),
            state_dir: up.state_dir().to_owned(),
            relay: None,
        })
    }

    /// The same consumer with its state elsewhere, as on another computer: the relay is named to it.
    #[must_use]
    pub fn at(mut self, state_dir: &Path, relay: &str) -> Self {
        self.state_dir = state_dir.to_owned();
        self.relay = Some(relay.to_owned());
        self
    }

    /// The consumer's number.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.number
    }

    fn args(&self) -> Vec<String> {
        let mut args = vec!["chat", "--as", &self.number, "--to", &self.to, "--json", "--state-dir"]
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>();
        args.push(self.state_dir.display().to_string());
        if let Some(relay) = &self.relay {
            args.extend(["--relay".to_owned(), relay.clone()]);
        }
        args
    }

    /// Opens a chat that goes on until it is closed.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn chat(&self) -> Result<Chat> {
        Chat::start(&self.args())
    }

    /// Sends these texts, waits for so many messages, and ends: `--send … --wait N --timeout S`.
    ///
    /// # Errors
    /// When it cannot be started or does not end.
    pub async fn once(&self, send: &[&str], wait: usize, timeout: Duration) -> Result<Once> {
        let mut args = self.args();
        args.extend(send.iter().flat_map(|text| ["--send".to_owned(), (*text).to_owned()]));
        if wait > 0 {
            args.extend(["--wait".to_owned(), wait.to_string()]);
        }
        args.extend(["--timeout".to_owned(), timeout.as_secs().to_string()]);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = program::run(&args, timeout + GRACE).await?;
        let events = String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(Event::parse)
            .collect::<Result<_>>()?;
        Ok(Once {
            status: output.status,
            events,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }
}

/// How a one-shot chat ended.
pub struct Once {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it printed.
    pub events: Vec<Event>,
    /// What it complained about.
    pub stderr: String,
}

impl Once {
    /// The texts that arrived, in order.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        event::texts(&self.events)
    }

    /// Fails unless it ended well.
    ///
    /// # Errors
    /// Its exit status and complaints.
    pub fn ok(self) -> Result<Self> {
        if !self.status.success() {
            bail!("waxseal chat ended with {}: {}", self.status, self.stderr);
        }
        Ok(self)
    }
}

#[derive(Default)]
struct Shared {
    events: Mutex<Vec<Event>>,
    // Lines that are no events; a test that waits is told of them.
    faults: Mutex<Vec<String>>,
    arrived: Notify,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An open chat. Dropping it kills the process.
pub struct Chat {
    child: Killed,
    stdin: Option<ChildStdin>,
    shared: Arc<Shared>,
    folder: tempfile::TempDir,
}

impl Chat {
    fn start(args: &[String]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut command = program::command(&args)?;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.path().join("stderr"))?);
        let mut child = command.spawn().context("waxseal chat cannot be started")?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().context("no standard output")?;
        let chat = Self {
            child: Killed(child),
            stdin,
            shared: Arc::default(),
            folder,
        };
        let shared = Arc::clone(&chat.shared);
        // Ends with the process.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                match Event::parse(&line) {
                    Ok(event) => lock(&shared.events).push(event),
                    Err(error) => lock(&shared.faults).push(format!("{error:#}")),
                }
                shared.arrived.notify_waiters();
            }
        });
        Ok(chat)
    }

    /// Opens a chat and waits until it is connected.
    ///
    /// # Errors
    /// When it does not connect in time.
    pub async fn connected(consumer: &Consumer, deadline: Duration) -> Result<Self> {
        let chat = consumer.chat()?;
        chat.wait_for("a connection", deadline, |events| {
            events.iter().any(|event| event.kind == Kind::Connected).then_some(())
        })
        .await?;
        Ok(chat)
    }

    /// Types a line.
    ///
    /// # Errors
    /// When the process does not read any more.
    pub fn say(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("standard input is closed")?;
        writeln!(stdin, "{line}")
            .and_then(|()| stdin.flush())
            .context("waxseal chat does not read")
    }

    /// Types an object: any kind of message, as `docs/reference/chat.md` describes them.
    ///
    /// # Errors
    /// When the process does not read any more.
    pub fn send(&mut self, object: &serde_json::Value) -> Result<()> {
        self.say(&object.to_string())
    }

    /// Types an object that sends a message and returns the id of the message.
    ///
    /// # Errors
    /// When it is refused, or the time is over.
    pub async fn sent(&mut self, object: &serde_json::Value, deadline: Duration) -> Result<String> {
        let seen = self.events().len();
        self.send(object)?;
        let answered = self.wait_for("queued", deadline, |events| {
            let mut new = events.iter().skip(seen);
            new.find(|event| matches!(event.kind, Kind::Queued | Kind::Error)).cloned()
        });
        let answer = answered.await?;
        match answer.id {
            Some(id) if answer.kind == Kind::Queued => Ok(id),
            _ => bail!("refused: {}", answer.json["message"]),
        }
    }

    /// Waits for so many messages of a type (`image`, `interactive`...) and returns the last of them.
    ///
    /// # Errors
    /// When the time is over.
    pub async fn wait_for_message(&self, message_type: &str, count: usize, deadline: Duration) -> Result<Event> {
        self.wait_for(&format!("{count} messages of type {message_type}"), deadline, |events| {
            let mut of_type = events
                .iter()
                .filter(|event| event.kind == Kind::Message && event.message_type() == message_type);
            of_type.nth(count.checked_sub(1)?).cloned()
        })
        .await
    }

    /// Waits for the file of a message and returns where it is.
    ///
    /// # Errors
    /// When it could not be fetched, or the time is over.
    pub async fn wait_for_file(&self, message_id: &str, deadline: Duration) -> Result<PathBuf> {
        let saved = self.wait_for("a file", deadline, |events| {
            let mut of_message = events.iter().filter(|event| event.id.as_deref() == Some(message_id));
            of_message.find(|event| matches!(event.kind, Kind::Saved | Kind::NotSaved)).cloned()
        });
        let saved = saved.await?;
        match saved.json["path"].as_str() {
            Some(path) => Ok(path.into()),
            None => bail!("not saved: {}", saved.json["message"]),
        }
    }

    /// Everything it printed so far.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        lock(&self.shared.events).clone()
    }

    /// The texts that arrived so far, in order.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        event::texts(&lock(&self.shared.events))
    }

    /// Waits until `look` finds what it wants among what was printed.
    ///
    /// # Errors
    /// When the time is over or a line was no event; the error says what was printed.
    pub async fn wait_for<T>(&self, what: &str, deadline: Duration, mut look: impl FnMut(&[Event]) -> Option<T>) -> Result<T> {
        let end = tokio::time::Instant::now() + deadline;
        loop {
            let arrived = self.shared.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if let Some(found) = look(&lock(&self.shared.events)) {
                return Ok(found);
            }
            if let Some(fault) = lock(&self.shared.faults).first() {
                bail!("waxseal chat --json printed a line that is no event: {fault}");
            }
            if tokio::time::timeout_at(end, arrived).await.is_err() {
                let kinds: Vec<String> = lock(&self.shared.events).iter().map(|event| format!("{:?}", event.kind)).collect();
                bail!(
                    "{what}: not within {deadline:?}; it printed {}; and complained: {}",
                    kinds.join(", "),
                    self.complaints()
                );
            }
        }
    }

    /// Waits for so many texts and returns all that arrived, in order.
    ///
    /// # Errors
    /// When the time is over.
    pub async fn wait_for_texts(&self, count: usize, deadline: Duration) -> Result<Vec<String>> {
        self.wait_for(&format!("{count} texts"), deadline, |events| {
            Some(event::texts(events)).filter(|texts| texts.len() >= count)
        })
        .await
    }

    /// Waits for one event of a kind and returns the first.
    ///
    /// # Errors
    /// When the time is over.
    pub async fn wait_for_kind(&self, kind: &Kind, deadline: Duration) -> Result<Event> {
        self.wait_for(&format!("{kind:?}"), deadline, |events| {
            events.iter().find(|event| event.kind == *kind).cloned()
        })
        .await
    }

    /// What it wrote to standard error.
    #[must_use]
    pub fn complaints(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }

    /// Ends its input and waits for its end.
    ///
    /// # Errors
    /// When it does not end in time; it is killed then.
    pub async fn close(mut self) -> Result<ExitStatus> {
        self.stdin = None;
        program::wait(&mut self.child.0, STOP_TIMEOUT).await
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn kill9(mut self) -> Result<()> {
        self.child.0.kill()?;
        self.child.0.wait()?;
        Ok(())
    }
}
