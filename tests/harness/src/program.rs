//! The `waxseal` program as a child process.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

const POLL: Duration = Duration::from_millis(10);

/// Where the program is: `WAXSEAL_BIN`, else beside the test that runs (`target/<profile>/waxseal`).
///
/// # Errors
/// When it has not been built.
pub fn path() -> Result<PathBuf> {
    if let Some(path) = env::var_os("WAXSEAL_BIN") {
        return Ok(PathBuf::from(path));
    }
    let test = env::current_exe()?;
    // target/<profile>/deps/<test>
    let folder = test.parent().and_then(Path::parent).context("the test has no folder")?;
    let path = folder.join(format!("waxseal{}", env::consts::EXE_SUFFIX));
    if !path.is_file() {
        bail!(
            "{} is missing: build it (cargo build -p waxseal), set WAXSEAL_BIN, or use cargo xtask test",
            path.display()
        );
    }
    Ok(path)
}

/// A command line of the program that takes nothing from this process's environment but what every program needs.
///
/// # Errors
/// As [`path`].
pub fn command(args: &[&str]) -> Result<Command> {
    let mut command = Command::new(path()?);
    command
        .args(args)
        .stdin(Stdio::null())
        .env_remove("WAXSEAL_LOG")
        .env_remove("WAXSEAL_REDIS")
        .env("RUST_BACKTRACE", "1");
    Ok(command)
}

/// Runs the program to its end.
///
/// # Errors
/// When it cannot be started or does not end in time.
pub async fn run(args: &[&str], deadline: Duration) -> Result<Output> {
    let folder = tempfile::tempdir()?;
    let (stdout, stderr) = (folder.path().join("stdout"), folder.path().join("stderr"));
    let mut command = command(args)?;
    let mut child = Killed(
        command
            .stdout(fs::File::create(&stdout)?)
            .stderr(fs::File::create(&stderr)?)
            .spawn()?,
    );
    let status = wait(&mut child.0, deadline).await;
    let (stdout, stderr) = (fs::read(&stdout)?, fs::read(&stderr)?);
    let status = status.with_context(|| format!("waxseal {}: {}", args.first().unwrap_or(&""), String::from_utf8_lossy(&stderr)))?;
    Ok(Output { status, stdout, stderr })
}

/// Waits for the end of a child, without blocking the runtime.
///
/// # Errors
/// When the time is over; the child goes on.
pub async fn wait(child: &mut Child, deadline: Duration) -> Result<ExitStatus> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() > end {
            bail!("process {} still runs after {deadline:?}", child.id());
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Sends a signal to a child by its id.
///
/// # Errors
/// When it cannot be signalled.
pub fn signal(child: &Child, name: &str) -> Result<()> {
    // The shell's own kill: no program besides /bin/sh is needed.
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {}", child.id())]).status()?;
    if !status.success() {
        bail!("kill -{name} failed");
    }
    Ok(())
}

/// A child that does not outlive this value.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Nothing can be done about a failure here, and the process may already be gone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
