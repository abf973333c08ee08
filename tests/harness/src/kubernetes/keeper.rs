//! The folder of a cluster, and what makes sure that nothing of the cluster outlives us, however we end: a shell that waits for the end of a
//! pipe which the kernel closes with our process. It then ends what the folder has process ids of and removes the folder.

use std::{
    env, fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};

const END_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// A process id may be another program's by now: only one whose arguments name the folder is ended. A folder below which something is still
/// mounted is not removed: what is mounted there may be somebody else's.
const SCRIPT: &str = r#"
trap '' HUP INT TERM QUIT
PATH=$PATH:/usr/sbin:/sbin
cat >/dev/null
is_ours() {
    if [ -d /proc/self ]; then grep -qsaF -- "$FOLDER/" "/proc/$1/cmdline"; else ps -o args= -p "$1" | grep -qF -- "$FOLDER/"; fi
}
for path in "$FOLDER"/pids/*; do
    pid=${path##*/}
    if is_ours "$pid"; then kill -KILL "$pid"; fi
done
for path in "$FOLDER"/pids/*; do
    pid=${path##*/}
    tries=100
    while is_ours "$pid" && [ "$tries" -gt 0 ]; do sleep 0.05; tries=$((tries - 1)); done
done
if [ -f "$FOLDER/after.sh" ]; then . "$FOLDER/after.sh"; fi
if [ -n "$KEEP" ]; then exit 0; fi
if grep -qsF -- " $FOLDER/" /proc/self/mounts; then exit 1; fi
rm -rf -- "$FOLDER"
"#;

/// A temporary folder and its keeper.
pub(super) struct Keeper {
    folder: PathBuf,
    shell: Child,
}

impl Keeper {
    /// Makes the folder, with `logs` and `pids` in it. `WAXSEAL_KEEP_CLUSTER` leaves the folder behind, for its logs.
    pub(super) fn start() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("waxseal-cluster-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir()?
            .keep();
        fs::create_dir(folder.join("logs"))?;
        fs::create_dir(folder.join("pids"))?;
        let shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .env("FOLDER", &folder)
            .env("KEEP", env::var_os("WAXSEAL_KEEP_CLUSTER").unwrap_or_default())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("sh cannot be started")?;
        Ok(Self { folder, shell })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file that only we may read.
    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Shell commands to run after the last process has ended.
    pub(super) fn afterwards(&self, commands: &str) -> Result<()> {
        self.write("after.sh", commands).map(|_| ())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let end = Instant::now() + END_TIMEOUT;
        while Instant::now() < end && matches!(self.shell.try_wait(), Ok(None)) {
            std::thread::sleep(POLL);
        }
    }
}
