//! Keeps a number's keys in a file with mode 0600.
//!
//! Writing is atomic (a new file, flushed, renamed over the old one), and the old file's bytes are overwritten afterwards, so that a chain
//! key that was moved past does not simply lie on the disk. On copy-on-write file systems and flash that overwriting is best effort.
//!
//! Files are small and local: they are read and written where the caller runs.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use futures_util::future::{BoxFuture, ready};
use zeroize::Zeroizing;

use super::{Error, Keeper};

/// No key file is near this size.
const MAX_BYTES: u64 = 4 << 20;

/// Keeps a number's keys in a file; made when first saved.
pub struct FileKeeper {
    path: PathBuf,
}

impl FileKeeper {
    /// The keeper of the file at `path`, whose folder exists.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

impl Keeper for FileKeeper {
    fn load(&mut self) -> BoxFuture<'_, Result<Option<Zeroizing<Vec<u8>>>, Error>> {
        let loaded = load(&self.path).map_err(|source| Error::Read {
            place: self.place(),
            source: source.into(),
        });
        Box::pin(ready(loaded))
    }

    fn save<'a>(&'a mut self, record: &'a [u8]) -> BoxFuture<'a, Result<(), Error>> {
        let saved = save(&self.path, record).map_err(|source| Error::Write {
            place: self.place(),
            source: source.into(),
        });
        Box::pin(ready(saved))
    }

    fn destroy(&mut self) -> BoxFuture<'_, Result<(), Error>> {
        let destroyed = destroy(&self.path).map_err(|source| Error::Write {
            place: self.place(),
            source: source.into(),
        });
        Box::pin(ready(destroyed))
    }

    fn place(&self) -> String {
        format!("the key file {}", self.path.display())
    }
}

fn load(path: &Path) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn save(path: &Path, record: &[u8]) -> io::Result<()> {
    let fresh = fresh(path);
    let old = OpenOptions::new().write(true).open(path).ok();
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)?;
    file.write_all(record)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    sync_folder(path)?;
    old.map_or(Ok(()), overwrite)
}

fn destroy(path: &Path) -> io::Result<()> {
    for path in [path, &fresh(path)] {
        match OpenOptions::new().write(true).open(path) {
            Ok(file) => overwrite(file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        fs::remove_file(path)?;
        sync_folder(path)?;
    }
    Ok(())
}

/// Where the next record is written before it takes the file's place. A crash may leave it behind.
fn fresh(path: &Path) -> PathBuf {
    path.with_extension("new")
}

fn overwrite(mut file: File) -> io::Result<()> {
    let length = file.metadata()?.len().min(MAX_BYTES);
    file.rewind()?;
    io::copy(&mut io::repeat(0).take(length), &mut file)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    #[tokio::test]
    async fn only_the_owner_may_read_the_file_and_the_old_one_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.custody");
        let mut keeper = FileKeeper::new(&path);
        assert!(keeper.load().await.unwrap().is_none());
        keeper.save(b"first").await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut old = File::open(&path).unwrap();
        keeper.save(b"second").await.unwrap();
        assert_eq!(keeper.load().await.unwrap().unwrap().as_slice(), b"second");
        assert_ne!(
            fs::metadata(&path).unwrap().ino(),
            old.metadata().unwrap().ino(),
            "replaced, not rewritten"
        );
        let mut bytes = Vec::new();
        old.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, [0; 5]);
    }

    #[tokio::test]
    async fn destroying_overwrites_and_removes_and_may_be_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.custody");
        let mut keeper = FileKeeper::new(&path);
        keeper.save(b"secret").await.unwrap();
        let left_behind = path.with_extension("new");
        fs::write(&left_behind, b"half").unwrap();
        let mut files = [File::open(&path).unwrap(), File::open(&left_behind).unwrap()];
        keeper.destroy().await.unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        for file in &mut files {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            assert!(!bytes.is_empty() && bytes.iter().all(|byte| *byte == 0));
        }
        keeper.destroy().await.unwrap();
        assert!(keeper.load().await.unwrap().is_none());
    }
}
