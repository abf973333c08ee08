//! The files that blobs rest in, and how much of everything each account may have.
//!
//! A file is written as `NAME.part`, made durable, renamed to `NAME.blob`, and counts once the state file names it; whatever else lies in the
//! folder is removed when the relay starts. Names are random: they tell neither ids nor numbers. May touch its folder; must not know what
//! the bytes mean.

mod room;

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rand::Rng as _;

pub(crate) use room::{Reservation, Room, TooMuch};

use crate::config::BlobLimits;
use crate::number::Number;
use crate::store::blobs::Blob;
use crate::store::{self, Store, Tables};

const FOLDER: &str = "blobs";
const PART: &str = "part";
const WHOLE: &str = "blob";

/// Everything about blobs that is not in the state file.
pub(crate) struct Blobs {
    folder: PathBuf,
    pub(crate) room: Arc<Room>,
    /// Files that nothing needs any more.
    garbage: Arc<Mutex<Vec<PathBuf>>>,
    /// When the first of the blobs expired or will, as of the start.
    pub(crate) soonest_expiry_s: u64,
}

impl Blobs {
    /// Opens the folder and makes it and the state file agree: what an upload left behind that nobody was told is stored goes, and so does
    /// the entry of a file that is missing.
    pub(crate) fn open(state_dir: &Path, store: &Store, limits: &BlobLimits) -> Result<Self, store::Error> {
        let folder = state_dir.join(FOLDER);
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let mut known = HashSet::new();
        store::blobs::for_each(&store.read()?, |_, blob| {
            known.insert(blob.file);
        })?;
        let mut present = HashSet::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            match name(&path) {
                Some((file, WHOLE)) if known.contains(&file) => {
                    present.insert(file);
                }
                Some(_) => fs::remove_file(&path)?,
                // Not ours.
                None => {}
            }
        }
        let room = Room::new(limits.clone());
        let mut missing = Vec::new();
        let mut soonest_expiry_s = u64::MAX;
        store::blobs::for_each(&store.read()?, |id, blob| match present.contains(&blob.file) {
            true => {
                room.found(blob.owner(), blob.size_bytes);
                soonest_expiry_s = soonest_expiry_s.min(blob.expires_s);
            }
            false => missing.push((id, blob)),
        })?;
        if !missing.is_empty() {
            tracing::warn!(count = missing.len(), "blobs whose files are missing are forgotten");
            let transaction = store.write()?;
            let mut tables = Tables::open(&transaction)?;
            for (id, blob) in &missing {
                store::blobs::remove(&mut tables, *id, blob)?;
            }
            drop(tables);
            transaction.commit()?;
        }
        Ok(Self {
            folder,
            room: Arc::new(room),
            garbage: Arc::default(),
            soonest_expiry_s,
        })
    }

    /// A new file for an upload. Blocks.
    pub(crate) fn create(&self) -> io::Result<(Upload, File)> {
        let name = rand::rng().random();
        let path = self.path(name, PART);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let upload = Upload {
            name,
            folder: self.folder.clone(),
            path,
            garbage: Arc::clone(&self.garbage),
            is_kept: false,
        };
        Ok((upload, file))
    }

    /// The file of `blob`. Blocks.
    pub(crate) fn read(&self, blob: &Blob) -> io::Result<File> {
        let file = File::open(self.path(blob.file, WHOLE))?;
        match file.metadata()?.len() == blob.size_bytes {
            true => Ok(file),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Forgets the file and the size of a blob that the state file names no more.
    pub(crate) fn removed(&self, blob: &Blob) {
        self.room.release(blob.owner(), blob.size_bytes);
        let path = self.path(blob.file, WHOLE);
        self.garbage.lock().unwrap_or_else(PoisonError::into_inner).push(path);
    }

    pub(crate) fn has_garbage(&self) -> bool {
        !self.garbage.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Removes files that nothing needs any more. Blocks.
    pub(crate) fn remove_garbage(&self) {
        let garbage = std::mem::take(&mut *self.garbage.lock().unwrap_or_else(PoisonError::into_inner));
        for path in garbage {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => tracing::warn!(%error, "a blob's file could not be removed"),
                _ => {}
            }
        }
    }

    /// How much the disk has left. Blocks.
    pub(crate) fn free_bytes(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(&self.folder)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn path(&self, name: u64, suffix: &str) -> PathBuf {
        self.folder.join(format!("{name:016x}.{suffix}"))
    }
}

fn name(path: &Path) -> Option<(u64, &str)> {
    let stem = path.file_stem()?.to_str().filter(|stem| stem.len() == 16)?;
    let suffix = path.extension()?.to_str()?;
    (suffix == PART || suffix == WHOLE).then_some((u64::from_str_radix(stem, 16).ok()?, suffix))
}

/// A file that is being written. Dropped before [`keep`](Self::keep), it goes.
pub(crate) struct Upload {
    pub(crate) name: u64,
    folder: PathBuf,
    path: PathBuf,
    garbage: Arc<Mutex<Vec<PathBuf>>>,
    is_kept: bool,
}

impl Upload {
    /// Makes the whole file durable under its lasting name. Blocks.
    pub(crate) fn finish(&mut self, file: &File) -> io::Result<()> {
        file.sync_all()?;
        let path = self.path.with_extension(WHOLE);
        fs::rename(&self.path, &path)?;
        self.path = path;
        File::open(&self.folder)?.sync_all()
    }

    /// The state file names it.
    pub(crate) fn keep(&mut self) {
        self.is_kept = true;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.is_kept {
            let path = std::mem::take(&mut self.path);
            self.garbage.lock().unwrap_or_else(PoisonError::into_inner).push(path);
        }
    }
}

/// An upload that is durable but for its entry in the state file. Dropped before it has one, all of it goes.
pub(crate) struct Stored {
    pub(crate) owner: Number,
    pub(crate) size_bytes: u64,
    pub(crate) expires_s: u64,
    pub(crate) upload: Upload,
    pub(crate) reservation: Reservation,
}

impl Stored {
    pub(crate) fn blob(&self) -> Blob {
        Blob::new(self.owner, self.size_bytes, self.expires_s, self.upload.name)
    }

    pub(crate) fn keep(mut self) {
        self.upload.keep();
        self.reservation.keep();
    }
}
