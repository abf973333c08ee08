//! Where ciphertext of files rests: a folder, or an S3 bucket. Objects are named `{number}/{hour in which they expire}/{random}`, so that
//! what has expired is found without knowing of any file, and an upload that was never finished goes like the others.
//!
//! May touch: the folder or the bucket. Must not: see a key or plaintext; everything that comes here is ciphertext.

use std::{fs::DirBuilder, io, ops::Range, os::unix::fs::DirBuilderExt as _, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
#[cfg(feature = "s3")]
use object_store::prefix::PrefixStore;
use object_store::{
    GetOptions, GetRange, GetResultPayload, MultipartUpload, ObjectStore, ObjectStoreExt as _, PutPayload, local::LocalFileSystem,
    path::Path,
};
use rand::Rng as _;
use tokio::time::timeout;
use waxseal_sealing::Hour;

mod error;
#[cfg(feature = "s3")]
mod s3;

pub use self::error::Error;
use crate::config::MediaLocation;

/// Parts in which a file is written to a folder, and read from it.
const LOCAL_PART_BYTES: usize = 256 << 10;
/// The smallest part that S3 takes.
#[cfg(feature = "s3")]
const S3_PART_BYTES: usize = 5 << 20;
/// No single operation takes longer, attempts included.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(60);

/// A place for ciphertext.
#[derive(Clone)]
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    /// Where the store is a folder.
    folder: Option<PathBuf>,
    part_bytes: usize,
}

impl Objects {
    /// Opens the place; a folder is made when it is absent, a bucket is not looked at yet.
    ///
    /// # Errors
    /// [`Error::Configuration`].
    pub fn open(location: &MediaLocation) -> Result<Self, Error> {
        let unusable = |error: &dyn std::fmt::Display| Error::Configuration(error.to_string());
        match location {
            MediaLocation::Directory(folder) => {
                // Ciphertext, and still for nobody else.
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(folder)
                    .map_err(|error| unusable(&error))?;
                let store = LocalFileSystem::new_with_prefix(folder)
                    .map_err(|error| unusable(&error))?
                    .with_fsync(true);
                Ok(Self {
                    store: Arc::new(store),
                    folder: Some(folder.clone()),
                    part_bytes: LOCAL_PART_BYTES,
                })
            }
            #[cfg(feature = "s3")]
            MediaLocation::S3(bucket) => Ok(Self {
                store: match (s3::open(bucket)?, &bucket.prefix) {
                    (store, None) => Arc::new(store),
                    (store, Some(prefix)) => Arc::new(PrefixStore::new(store, prefix.as_str())),
                },
                folder: None,
                part_bytes: S3_PART_BYTES,
            }),
        }
    }

    /// The same for a place that is to be left: a folder is not made. `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Configuration`].
    pub fn existing(location: &MediaLocation) -> Result<Option<Self>, Error> {
        match location {
            MediaLocation::Directory(folder) if !folder.exists() => Ok(None),
            location => Self::open(location).map(Some),
        }
    }

    /// How many files may be written at the same time: each takes up to two parts of memory.
    pub(super) const fn writers(&self) -> usize {
        if self.part_bytes > (1 << 20) { 4 } else { 16 }
    }

    /// A fresh name for an object of this number that expires at the end of `hour`.
    pub(super) fn name(number_id: &str, hour: Hour) -> String {
        let random: u128 = rand::rng().random();
        format!("{number_id}/{}/{random:032x}", hour.0)
    }

    /// The same object's name for another hour.
    pub(super) fn renamed(name: &str, hour: Hour) -> Option<String> {
        let (rest, random) = name.rsplit_once('/')?;
        let (number_id, _) = rest.rsplit_once('/')?;
        Some(format!("{number_id}/{}/{random}", hour.0))
    }

    /// Begins to write an object. It is there when [`Writer::finish`] has returned, and not before.
    pub(super) fn write(&self, name: &str) -> Writer {
        Writer {
            objects: self.clone(),
            path: Path::from(name),
            waiting: Vec::new(),
            upload: None,
        }
    }

    /// Part of an object.
    pub(super) async fn read(&self, name: &str, range: Range<u64>) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            ..GetOptions::default()
        };
        let found = timeout(OPERATION_TIMEOUT, self.store.get_opts(&Path::from(name), options)).await??;
        let range = found.range.clone();
        Ok(match found.payload {
            GetResultPayload::File(file, _) => from_file(file, range).boxed(),
            GetResultPayload::Stream(stream) => stream.map_err(Error::from).boxed(),
        })
    }

    /// Deletes an object; it need not be there.
    pub(super) async fn delete(&self, name: &str) -> Result<(), Error> {
        match timeout(OPERATION_TIMEOUT, self.store.delete(&Path::from(name))).await? {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Moves an object.
    pub(super) async fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        Ok(timeout(OPERATION_TIMEOUT, self.store.rename(&Path::from(from), &Path::from(to))).await??)
    }

    /// Deletes the objects of a number that expired before `hour`, and says how many hours that were.
    pub(super) async fn sweep(&self, number_id: &str, hour: Hour) -> Result<u64, Error> {
        let mut swept = 0;
        for expired in self.hours(number_id).await?.into_iter().filter(|expired| *expired < hour.0) {
            self.delete_all(&format!("{number_id}/{expired}")).await?;
            swept += 1;
        }
        Ok(swept)
    }

    /// Deletes everything of a number.
    ///
    /// # Errors
    /// As for every operation; erasing again is safe.
    pub async fn erase(&self, number_id: &str) -> Result<(), Error> {
        self.delete_all(number_id).await
    }

    /// The hours in which objects of a number expire.
    async fn hours(&self, number_id: &str) -> Result<Vec<u32>, Error> {
        let prefix = Path::from(number_id);
        let listed = match timeout(OPERATION_TIMEOUT, self.store.list_with_delimiter(Some(&prefix))).await? {
            Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
            listed => listed?,
        };
        let hour = |path: &Path| path.filename().and_then(|name| name.parse().ok());
        Ok(listed.common_prefixes.iter().filter_map(hour).collect())
    }

    async fn delete_all(&self, prefix: &str) -> Result<(), Error> {
        if let Some(folder) = &self.folder {
            // With the folders themselves, and with what an upload left that was cut off in the middle.
            let folder = folder.join(prefix);
            let deleted = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(folder)).await;
            return match deleted.map_err(|error| Error::Failed(error.to_string()))? {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::Failed(error.to_string())),
                _ => Ok(()),
            };
        }
        let listed = self.store.list(Some(&Path::from(prefix))).map_ok(|object| object.location).boxed();
        let mut deleted = self.store.delete_stream(listed);
        while let Some(one) = timeout(OPERATION_TIMEOUT, deleted.next()).await? {
            match one {
                Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Reads a file in parts larger than those of the library, each of which costs a change of threads.
fn from_file(file: std::fs::File, range: Range<u64>) -> impl futures_util::Stream<Item = Result<Bytes, Error>> {
    futures_util::stream::try_unfold((file, range), |(mut file, range)| async move {
        if range.is_empty() {
            return Ok(None);
        }
        let read = tokio::task::spawn_blocking(move || {
            let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX).min(LOCAL_PART_BYTES);
            let mut part = vec![0; length];
            io::Seek::seek(&mut file, io::SeekFrom::Start(range.start))?;
            io::Read::read_exact(&mut file, &mut part)?;
            Ok::<_, io::Error>((part, (file, range.start + length as u64..range.end)))
        });
        let read = read.await.map_err(|error| Error::Failed(error.to_string()))?;
        let (part, rest) = read.map_err(|error| Error::Failed(error.kind().to_string()))?;
        Ok(Some((Bytes::from(part), rest)))
    })
}

/// An object that is being written. Dropped before it is finished, it leaves nothing behind.
pub(super) struct Writer {
    objects: Objects,
    path: Path,
    waiting: Vec<u8>,
    upload: Option<Box<dyn MultipartUpload>>,
}

impl Writer {
    /// Where the next bytes are appended; then call [`Writer::flush`].
    pub(super) const fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.waiting
    }

    /// Sends off what fills a part.
    pub(super) async fn flush(&mut self) -> Result<(), Error> {
        while self.waiting.len() >= self.objects.part_bytes {
            let rest = self.waiting.split_off(self.objects.part_bytes);
            let part = std::mem::replace(&mut self.waiting, rest);
            self.put(part).await?;
        }
        Ok(())
    }

    async fn put(&mut self, part: Vec<u8>) -> Result<(), Error> {
        let mut upload = match self.upload.take() {
            Some(upload) => upload,
            None => timeout(OPERATION_TIMEOUT, self.objects.store.put_multipart(&self.path)).await??,
        };
        let sent = upload.put_part(PutPayload::from(part));
        // There before waiting, so that dropping the future ends the upload.
        self.upload = Some(upload);
        timeout(OPERATION_TIMEOUT, sent).await??;
        Ok(())
    }

    /// The object is complete.
    pub(super) async fn finish(mut self) -> Result<(), Error> {
        let last = std::mem::take(&mut self.waiting);
        if self.upload.is_none() {
            let whole = PutPayload::from(last);
            timeout(OPERATION_TIMEOUT, self.objects.store.put(&self.path, whole)).await??;
            return Ok(());
        }
        if !last.is_empty() {
            self.put(last).await?;
        }
        if let Some(upload) = &mut self.upload {
            timeout(OPERATION_TIMEOUT, upload.complete()).await??;
        }
        // Complete: nothing to end.
        self.upload = None;
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let Some(mut upload) = self.upload.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if !matches!(timeout(OPERATION_TIMEOUT, upload.abort()).await, Ok(Ok(()))) {
                    tracing::warn!("an unfinished upload to the media store could not be ended");
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Objects) {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::open(&MediaLocation::Directory(folder.path().join("media"))).unwrap();
        (folder, objects)
    }

    async fn put(objects: &Objects, name: &str, content: &[u8]) {
        let mut writer = objects.write(name);
        for piece in content.chunks(100_000) {
            writer.buffer().extend_from_slice(piece);
            writer.flush().await.unwrap();
        }
        writer.finish().await.unwrap();
    }

    async fn get(objects: &Objects, name: &str, range: Range<u64>) -> Result<Vec<u8>, Error> {
        let parts: Vec<Bytes> = objects.read(name, range).await?.try_collect().await?;
        Ok(parts.concat())
    }

    fn files(folder: &std::path::Path) -> usize {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
    }

    #[tokio::test]
    async fn objects_of_every_size_come_back() {
        let (folder, objects) = folder();
        let content: Vec<u8> = (0..700_000_u32).map(|byte| byte.to_le_bytes()[1]).collect();
        for length in [1, LOCAL_PART_BYTES - 1, LOCAL_PART_BYTES, LOCAL_PART_BYTES + 1, 700_000] {
            let name = Objects::name("1", Hour(7));
            put(&objects, &name, &content[..length]).await;
            assert!(
                get(&objects, &name, 0..length as u64).await.unwrap() == content[..length],
                "{length}"
            );
        }
        let name = Objects::name("1", Hour(7));
        put(&objects, &name, &content).await;
        assert!(get(&objects, &name, 300_000..600_000).await.unwrap() == content[300_000..600_000]);
        let renamed = Objects::renamed(&name, Hour(9)).unwrap();
        objects.rename(&name, &renamed).await.unwrap();
        assert!(matches!(get(&objects, &name, 0..1).await, Err(Error::NotFound)));
        assert_eq!(get(&objects, &renamed, 0..1).await.unwrap(), content[..1]);
        objects.delete(&renamed).await.unwrap();
        objects.delete(&renamed).await.unwrap();
        assert_eq!(files(folder.path()), 5);
    }

    #[tokio::test]
    async fn what_is_cut_off_leaves_nothing() {
        let (folder, objects) = folder();
        let mut writer = objects.write("1/5/a");
        writer.buffer().resize(3 * LOCAL_PART_BYTES, 0);
        writer.flush().await.unwrap();
        assert!(files(folder.path()) > 0, "parts are there while it is written");
        drop(writer);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while files(folder.path()) > 0 {
            assert!(tokio::time::Instant::now() < deadline, "the parts are still there");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn sweeping_takes_what_has_expired_and_nothing_else() {
        let (folder, objects) = folder();
        for (number, hour) in [("1", 99), ("1", 100), ("1", 101), ("2", 99)] {
            put(&objects, &Objects::name(number, Hour(hour)), b"x").await;
        }
        // A leftover of a process that died.
        std::fs::write(folder.path().join("media/1/99/dead#1"), b"x").unwrap();
        assert_eq!(objects.sweep("1", Hour(100)).await.unwrap(), 1);
        assert_eq!(objects.sweep("1", Hour(100)).await.unwrap(), 0);
        assert_eq!(objects.sweep("3", Hour(100)).await.unwrap(), 0);
        assert_eq!(files(folder.path()), 3);
        objects.erase("1").await.unwrap();
        objects.erase("1").await.unwrap();
        assert_eq!(files(folder.path()), 1);
        assert_eq!(objects.sweep("2", Hour(100)).await.unwrap(), 1);
        assert_eq!(files(folder.path()), 0);
    }
}
