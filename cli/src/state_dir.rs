//! The state directory of `waxseal up`, which shows the trust domains: `relay/`, `sidecar/`, `keys/`, `consumers/`, `logs/`.
//!
//! `authority/` has what a client of the proxy trusts. Only `relay/` may hold a consumer's number, only `consumers/` may hold text. Everything in it is for its owner alone, and one process
//! at a time works on it.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

/// Where state is when nobody says otherwise.
pub(crate) const DEFAULT: &str = ".waxseal";

/// A state directory that this process alone works on.
pub(crate) struct StateDir {
    path: PathBuf,
    _lock: File,
    /// Removes the directory when dropped.
    ephemeral: Option<tempfile::TempDir>,
}

impl StateDir {
    /// Creates what is missing and takes the directory.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        create_private(path).with_context(|| format!("the state directory {} cannot be created", path.display()))?;
        for domain in ["relay", "sidecar", "keys", "consumers", "logs"] {
            let path = path.join(domain);
            create_private(&path).with_context(|| format!("{} cannot be created", path.display()))?;
        }
        let lock = lock(path)?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
            ephemeral: None,
        })
    }

    /// A directory that goes when the value goes.
    pub(crate) fn ephemeral() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("waxseal-")
            .tempdir()
            .context("no temporary directory can be created")?;
        let mut state = Self::open(folder.path())?;
        state.ephemeral = Some(folder);
        Ok(state)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn is_ephemeral(&self) -> bool {
        self.ephemeral.is_some()
    }

    /// What only the relay may see.
    pub(crate) fn relay(&self) -> PathBuf {
        self.path.join("relay")
    }

    /// The embedded store.
    pub(crate) fn store_file(&self) -> PathBuf {
        self.path.join("sidecar").join("state.redb")
    }

    /// The ciphertext of files.
    pub(crate) fn media(&self) -> PathBuf {
        self.path.join("sidecar").join("media")
    }

    /// Identity and retention chain of a number.
    pub(crate) fn custody_file(&self, phone_number_id: &str) -> PathBuf {
        self.path.join("keys").join(format!("{phone_number_id}.custody"))
    }

    /// Secrets that this command made up.
    pub(crate) fn local_secrets_file(&self) -> PathBuf {
        self.path.join("keys").join("local.json")
    }

    /// The authority of the proxy, there once one was asked for.
    pub(crate) fn authority(&self) -> PathBuf {
        self.path.join("authority")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    /// Removes an ephemeral directory; says when that fails.
    pub(crate) fn close(self) -> io::Result<()> {
        self.ephemeral.map_or(Ok(()), tempfile::TempDir::close)
    }
}

fn lock(path: &Path) -> anyhow::Result<File> {
    let file = path.join("lock");
    let mut options = OpenOptions::new();
    options.create(true).read(true).write(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut lock = options
        .open(&file)
        .with_context(|| format!("{} cannot be opened", file.display()))?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            let _ = lock.read_to_string(&mut owner);
            let owner = owner.trim();
            let owner = if !owner.is_empty() && owner.bytes().all(|byte| byte.is_ascii_digit()) {
                format!(" (process {owner})")
            } else {
                String::new()
            };
            bail!(
                "another `waxseal up`{owner} works on the state directory {}; stop it, or choose another one with --state-dir",
                path.display()
            );
        }
        Err(TryLockError::Error(error)) => {
            return Err(anyhow::Error::new(error).context(format!("{} cannot be locked", file.display())));
        }
    }
    lock.set_len(0)
        .and_then(|()| lock.rewind())
        .and_then(|()| writeln!(lock, "{}", std::process::id()))
        .with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(lock)
}

/// Creates a directory for the owner alone; one that is there is made so.
pub(crate) fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let permissions = fs::metadata(path)?.permissions();
        if permissions.mode() & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        }
    }
    Ok(())
}

/// Writes a file for the owner alone: at once and whole, or not at all.
pub(crate) fn write_private(path: &Path, contents: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // Created with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(contents)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_trust_domains_to_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(&folder.path().join("new/state")).unwrap();
        let mut names: Vec<_> = fs::read_dir(state.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["consumers", "keys", "lock", "logs", "relay", "sidecar"]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            for folder in [state.path().to_owned(), state.relay(), state.logs(), state.path().join("keys")] {
                assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
            }
        }
    }

    #[test]
    fn is_taken_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = StateDir::open(folder.path()).unwrap();
        let error = StateDir::open(folder.path()).err().unwrap().to_string();
        assert!(
            error.contains(&format!("(process {})", std::process::id())) && error.contains("--state-dir"),
            "{error}"
        );
        drop(first);
        assert!(StateDir::open(folder.path()).is_ok());
    }

    #[test]
    fn an_ephemeral_one_goes() {
        let state = StateDir::ephemeral().unwrap();
        let path = state.path().to_owned();
        assert!(path.is_dir() && state.is_ephemeral());
        state.close().unwrap();
        assert!(!path.exists());
    }
}
