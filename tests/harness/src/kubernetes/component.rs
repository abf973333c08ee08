//! A long-running part of a cluster: a child process with a log of its own, in a process group of its own, so that Ctrl-C in a terminal ends
//! the parts in our order and not all at once.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    io,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::programs;

const POLL: Duration = Duration::from_millis(30);
const TAIL_LINES: usize = 25;

/// What to run. Its arguments must name something in the cluster's folder: by that, leftovers are known as ours.
pub(super) struct Component {
    name: String,
    program: PathBuf,
    args: Vec<OsString>,
    folder: PathBuf,
    child: Option<Child>,
}

impl Component {
    /// A component of the cluster in `folder`, not started.
    pub(super) fn new<A: Into<OsString>>(folder: &Path, name: &str, program: PathBuf, args: impl IntoIterator<Item = A>) -> Self {
        Self {
            name: name.to_owned(),
            program,
            args: args.into_iter().map(Into::into).collect(),
            folder: folder.to_owned(),
            child: None,
        }
    }

    /// Starts it, unless it runs.
    pub(super) fn start(&mut self) -> Result<()> {
        if self.ended()?.is_none() && self.child.is_some() {
            return Ok(());
        }
        let log = OpenOptions::new().create(true).append(true).open(self.log_path())?;
        let child = Command::new(&self.program)
            .args(&self.args)
            .current_dir(&self.folder)
            .env_remove("KUBECONFIG")
            .env("PATH", programs::search_path()?)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .with_context(|| format!("{} cannot be started", self.program.display()))?;
        fs::write(self.pid_path(&child), [])?;
        self.child = Some(child);
        Ok(())
    }

    /// SIGKILL, and waits for the end.
    pub(super) fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
            remove(&self.pid_path(&child))?;
        }
        Ok(())
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> Result<Option<String>> {
        let Some(child) = self.child.as_mut() else { return Ok(None) };
        Ok(child.try_wait()?.map(|status| status.to_string()))
    }

    /// Waits for an end that somebody else brings about.
    pub(super) fn wait(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.wait()?;
            remove(&self.pid_path(&child))?;
        }
        Ok(())
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Waits until `ready` says so; the error has the end of the log.
    pub(super) async fn until<F: Future<Output = Result<bool>>>(
        &mut self,
        what: &str,
        deadline: Duration,
        mut ready: impl FnMut() -> F,
    ) -> Result<()> {
        let end = Instant::now() + deadline;
        let mut last = None;
        loop {
            if let Some(status) = self.ended()? {
                bail!("{} ended with {status} before {what}; its last words:\n{}", self.name, self.tail());
            }
            match ready().await {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(error) => last = Some(error),
            }
            if Instant::now() > end {
                let last = last.map_or_else(String::new, |error| format!(" ({error:#})"));
                bail!(
                    "{what} did not happen in {deadline:?}{last}; the last words of {}:\n{}",
                    self.name,
                    self.tail()
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The last lines of its log.
    pub(super) fn tail(&self) -> String {
        let log = fs::read(self.log_path()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.join("logs").join(format!("{}.log", self.name))
    }

    fn pid_path(&self, child: &Child) -> PathBuf {
        self.folder.join("pids").join(child.id().to_string())
    }
}

impl Drop for Component {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and the process may already be gone; the keeper looks again.
        let _ = self.kill();
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
