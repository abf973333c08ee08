//! Uploads that go on where they broke off.
//!
//! Nothing is kept of one before its first bytes are there: what was said of the file stands in the id that the client holds, sealed. What
//! arrives is kept piece by piece, each encrypted like a file of its own; once all is there the pieces become one file. All of it goes with the
//! upload's time.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use prost::Message;
use rand::RngCore as _;
use tokio::time::{Instant, timeout_at};
use waxseal_content::{BlobId, Text};
use waxseal_sealing::Class;
use waxseal_store::{Batch, Key, Op};

use super::{
    super::{Record, Shelf},
    Draft, WHOLE,
};
use crate::{
    conversation::record,
    file::{
        File, Place, Refusal, Unfit,
        kind::{self, Checked},
    },
    id::MediaId,
    moment::Moment,
};

/// How long an upload may go on, and what became of it be used.
const LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a client may send nothing before what is there is kept and the rest waited for no more. Shorter than whoever takes files waits,
/// since then nothing would be kept.
const SILENCE: Duration = Duration::from_secs(20);
/// How long one request may take, likewise.
const REQUEST: Duration = Duration::from_secs(25 * 60);
/// How often an upload may break off.
const MOST_PIECES: usize = 32;
/// More than any id or handle has.
const MOST_CHARS: usize = 1024;
const ID_LABEL: &[u8] = b"resumable upload";
const HANDLE: &str = "4::";
const HANDLE_LABEL: &[u8] = b"handle of an upload";

/// What was said of a file that is to come.
#[derive(Clone, Message)]
#[prost(skip_debug)]
pub struct Upload {
    /// 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    session: Vec<u8>,
    /// Unix milliseconds.
    #[prost(uint64, tag = "2")]
    expires_ms: u64,
    #[prost(uint64, tag = "3")]
    size_bytes: u64,
    #[prost(string, tag = "4")]
    mime_type: String,
    #[prost(string, optional, tag = "5")]
    filename: Option<String>,
}

/// What is there of it.
#[derive(Clone, Message)]
#[prost(skip_debug)]
struct Progress {
    /// Until it is whole.
    #[prost(message, repeated, tag = "1")]
    pieces: Vec<Record>,
    /// The file it has become.
    #[prost(uint64, optional, tag = "2")]
    file: Option<u64>,
}

impl Progress {
    fn received_bytes(&self, upload: &Upload) -> u64 {
        match self.file {
            Some(_) => upload.size_bytes,
            None => self.pieces.iter().map(|piece| piece.size_bytes).sum(),
        }
    }
}

/// What a request has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resumed {
    /// The file is whole; this names it.
    Whole(String),
    /// So much of so much is there.
    Part {
        /// What is kept.
        received_bytes: u64,
        /// What was said at the beginning.
        size_bytes: u64,
    },
}

/// Why a request did nothing for an upload. What was there before is still there, unless the file turned out not to be what it was said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// Another one is at it.
    #[error("Another request uploads to this session at the moment.")]
    Busy,
    /// It does not go on where the last one ended.
    #[error("file_offset must be {0}: so many bytes of the file are here.")]
    Offset(u64),
    /// There would be more of the file than was said.
    #[error("The body is longer than what is missing of file_length. Nothing of it was kept.")]
    TooMuch,
    /// It broke off too often.
    #[error("The upload broke off 32 times. Create another session.")]
    Pieces,
    /// The file is not taken.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// The sessions that a request is at.
pub(in crate::media) type Active = Mutex<HashSet<Vec<u8>>>;

/// The only request of its session.
struct Alone<'a> {
    active: &'a Active,
    session: &'a [u8],
}

impl<'a> Alone<'a> {
    fn with(active: &'a Active, session: &'a [u8]) -> Result<Self, Stopped> {
        let mut sessions = active.lock().unwrap_or_else(PoisonError::into_inner);
        match sessions.insert(session.to_vec()) {
            true => Ok(Self { active, session }),
            false => Err(Stopped::Busy),
        }
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.active.lock().unwrap_or_else(PoisonError::into_inner).remove(self.session);
    }
}

impl Shelf {
    /// The id of an upload of a file of this type and length; good for a day, or for as long as uploads live if that is shorter.
    ///
    /// # Errors
    /// [`Refusal::Unfit`] when such a file is not taken, [`Refusal::NoPlace`].
    pub fn begin_upload(&self, mime_type: &str, size_bytes: u64, filename: Option<&Text>, now: SystemTime) -> Result<String, Refusal> {
        if self.objects.is_none() {
            return Err(Refusal::NoPlace);
        }
        let declared = kind::parse(mime_type)?;
        let most_bytes = kind::most_bytes(declared.kind);
        match size_bytes {
            0 => return Err(Unfit::Empty.into()),
            size if size > most_bytes => return Err(Unfit::TooLarge(most_bytes).into()),
            _ => {}
        }
        let mut session = vec![0; 16];
        rand::rng().fill_bytes(&mut session);
        let upload = Upload {
            session,
            expires_ms: Moment::of(now + LIFETIME.min(self.shared.lifetimes.uploads)).ms,
            size_bytes,
            mime_type: declared.name,
            filename: filename.map(|name| name.reveal().to_owned()),
        };
        let token = self.shared.tokens.wrap(ID_LABEL, &upload.encode_to_vec());
        Ok(BASE64_URL_SAFE_NO_PAD.encode(token))
    }

    /// The upload with this id; `None` when this number gave out no such id, or its time is over.
    #[must_use]
    pub fn upload_of(&self, id: &str, now: SystemTime) -> Option<Upload> {
        let token = (id.len() <= MOST_CHARS).then(|| BASE64_URL_SAFE_NO_PAD.decode(id).ok())??;
        let said = self.shared.tokens.unwrap(ID_LABEL, &token).ok()?;
        let upload = Upload::decode(said.as_slice()).ok()?;
        (Moment::of(now).ms < upload.expires_ms).then_some(upload)
    }

    /// How much of it is there.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`], [`Refusal::Overloaded`].
    pub async fn received_bytes(&self, upload: &Upload) -> Result<u64, Refusal> {
        Ok(self.progress(upload).await?.received_bytes(upload))
    }

    /// Takes more of it, from this offset on, until the source ends, breaks off or is silent for too long.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn resume<S>(&self, upload: &Upload, offset: u64, source: S, now: SystemTime) -> Result<Resumed, Stopped>
    where
        S: Stream<Item = Result<Bytes, Refusal>> + Send,
    {
        let _alone = Alone::with(&self.active, &upload.session)?;
        let mut progress = self.progress(upload).await?;
        let received_bytes = progress.received_bytes(upload);
        if offset != received_bytes {
            return Err(Stopped::Offset(received_bytes));
        }
        if let Some(file) = progress.file {
            return Ok(Resumed::Whole(self.handle(file)));
        }
        let left = upload.size_bytes.saturating_sub(received_bytes);
        if left > 0 {
            if progress.pieces.len() >= MOST_PIECES {
                return Err(Stopped::Pieces);
            }
            let draft = self.receive_within(patient(source), left, WHOLE, now).await;
            let mut draft = draft.map_err(|refusal| match refusal {
                Refusal::Unfit(Unfit::TooLarge(_)) => Stopped::TooMuch,
                refusal => refusal.into(),
            })?;
            if draft.size_bytes == upload.size_bytes {
                return self.complete(upload, draft, progress, now).await;
            }
            if draft.size_bytes == 0 {
                return Ok(part(received_bytes, upload));
            }
            draft.expire(now + left_of(upload, now)).await?;
            progress.pieces.push(piece(&draft, upload).to_record());
            self.put_progress(upload, &progress, now).await?;
            draft.kept = true;
        }
        let received_bytes = progress.received_bytes(upload);
        if received_bytes < upload.size_bytes {
            return Ok(part(received_bytes, upload));
        }
        // What came at once is there already in its last form; only what broke off is written again, as one.
        let whole = self.receive_within(self.pieces(&progress), upload.size_bytes, WHOLE, now).await?;
        self.complete(upload, whole, progress, now).await
    }

    /// The file that a handle names.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::Unavailable`], [`Refusal::Overloaded`].
    pub async fn uploaded(&self, handle: &str, now: SystemTime) -> Result<File, Refusal> {
        let number = handle
            .strip_prefix(HANDLE)
            .filter(|handle| handle.len() <= MOST_CHARS)
            .and_then(|handle| BASE64_URL_SAFE_NO_PAD.decode(handle).ok())
            .and_then(|token| self.shared.tokens.unwrap(HANDLE_LABEL, &token).ok())
            .and_then(|number| Some(u64::from_be_bytes(number.try_into().ok()?)));
        let id = number.and_then(|number| MediaId::parse(&number.to_string()));
        self.find(id.ok_or(Refusal::NotFound)?, now).await
    }

    fn handle(&self, file: u64) -> String {
        let token = self.shared.tokens.wrap(HANDLE_LABEL, &file.to_be_bytes());
        format!("{HANDLE}{}", BASE64_URL_SAFE_NO_PAD.encode(token))
    }

    async fn complete(&self, upload: &Upload, draft: Draft, before: Progress, now: SystemTime) -> Result<Resumed, Stopped> {
        let checked = match check(upload, &draft) {
            Ok(checked) => checked,
            Err(unfit) => {
                // More of the same would not mend it.
                self.forget_progress(upload, before).await?;
                return Err(Refusal::from(unfit).into());
            }
        };
        let filename = upload.filename.clone().map(Text::new);
        let file = self.commit(draft, checked, filename, Some(left_of(upload, now)), now).await?;
        let after = Progress {
            pieces: Vec::new(),
            file: Some(file.id.number()),
        };
        self.put_progress(upload, &after, now).await?;
        self.delete_pieces(before).await;
        Ok(Resumed::Whole(self.handle(file.id.number())))
    }

    /// Everything that is there, one piece after the other.
    fn pieces(&self, progress: &Progress) -> impl Stream<Item = Result<Bytes, Refusal>> + Send + '_ {
        futures_util::stream::iter(progress.pieces.clone())
            .then(move |record| async move {
                let piece = File::of(MediaId::random(&mut rand::rng()), record).ok_or(Refusal::Internal)?;
                let reader = self.open(&piece, 0..piece.size_bytes).await?;
                Ok::<_, Refusal>(reader.map_err(|_| Refusal::Unavailable))
            })
            .try_flatten()
    }

    fn progress_key(&self, upload: &Upload) -> Key {
        self.shared.names.upload(&upload.session)
    }

    async fn progress(&self, upload: &Upload) -> Result<Progress, Refusal> {
        let key = self.progress_key(upload);
        let found = self.store.get(std::slice::from_ref(&key)).await?;
        let sealed = found.into_iter().next().flatten();
        Ok(sealed
            .and_then(|sealed| self.shared.open(Class::Media, &key, &sealed))
            .unwrap_or_default())
    }

    async fn put_progress(&self, upload: &Upload, progress: &Progress, now: SystemTime) -> Result<(), Refusal> {
        let key = self.progress_key(upload);
        let plaintext = record::encode(progress);
        let sealer = &self.shared.sealer;
        let sealed = sealer.seal(Class::Media, key.as_str(), 0, &plaintext, now, &mut rand::rng());
        let value = sealed.map_err(|error| {
            tracing::error!(%error, "what is there of an upload could not be sealed");
            Refusal::Internal
        })?;
        let put = Op::Put {
            key,
            value: value.into(),
            ttl: left_of(upload, now),
        };
        self.apply(put).await
    }

    async fn forget_progress(&self, upload: &Upload, progress: Progress) -> Result<(), Refusal> {
        self.apply(Op::Delete {
            key: self.progress_key(upload),
        })
        .await?;
        self.delete_pieces(progress).await;
        Ok(())
    }

    async fn apply(&self, op: Op) -> Result<(), Refusal> {
        let batch = Batch {
            ops: vec![op],
            ..Batch::default()
        };
        self.store.commit(batch).await?;
        Ok(())
    }

    /// Without the record that has their keys they are noise; the sweeper takes what this does not.
    async fn delete_pieces(&self, progress: Progress) {
        let Some(objects) = &self.objects else { return };
        for piece in progress.pieces {
            if let Err(error) = objects.delete(&piece.object).await {
                tracing::warn!(%error, "a piece of an upload could not be deleted at once; it goes when it expires");
            }
        }
    }
}

/// At least a moment: what expires right now is still put away for it.
fn left_of(upload: &Upload, now: SystemTime) -> Duration {
    let left_ms = upload.expires_ms.saturating_sub(Moment::of(now).ms);
    Duration::from_millis(left_ms).max(Duration::from_secs(1))
}

fn part(received_bytes: u64, upload: &Upload) -> Resumed {
    Resumed::Part {
        received_bytes,
        size_bytes: upload.size_bytes,
    }
}

fn piece(draft: &Draft, upload: &Upload) -> File {
    File {
        id: MediaId::random(&mut rand::rng()),
        sha256: draft.sha256,
        size_bytes: draft.size_bytes,
        mime_type: String::new(),
        filename: None,
        animated: false,
        created_ms: 0,
        expires_ms: upload.expires_ms,
        place: Place::Object(draft.object.clone()),
        blob: BlobId::random(&mut rand::rng()),
        key: draft.key.clone(),
    }
}

/// What the file is. Clients that do not know which kind of picture they have say that it is a JPEG.
fn check(upload: &Upload, draft: &Draft) -> Result<Checked, Unfit> {
    const PICTURES: [&str; 2] = ["image/jpeg", "image/png"];
    let guessed = kind::guess(&draft.head, None);
    let both = PICTURES.contains(&upload.mime_type.as_str()) && PICTURES.contains(&guessed);
    let declared = kind::parse(if both { guessed } else { &upload.mime_type })?;
    kind::check(&declared, draft.size_bytes, &draft.head)
}

/// The source, which ends where it breaks off or falls silent: what came before is worth keeping.
fn patient<S>(source: S) -> impl Stream<Item = Result<Bytes, Refusal>> + Send
where
    S: Stream<Item = Result<Bytes, Refusal>> + Send,
{
    let end = Instant::now() + REQUEST;
    futures_util::stream::unfold(Box::pin(source), move |mut source| async move {
        match timeout_at(end.min(Instant::now() + SILENCE), source.next()).await {
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), source)),
            Ok(Some(Err(_)) | None) | Err(_) => None,
        }
    })
}
