//! Files on their way in: encrypted as they come, chunk by chunk, into the object store. What a file is, and whether it is taken, is known
//! only when it is there whole: until then it is a [`Draft`].

pub(super) mod resumable;

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout_at},
};
use waxseal_content::{BlobId, MediaKind, Text};
use waxseal_sealing::{
    Class, Hour,
    stream::{Encryptor, FileKey},
};
use waxseal_store::{Batch, Op, Outcome};
use zeroize::Zeroizing;

use super::{LONG, Shelf, TURN, long_label, objects::Objects, slot};
use crate::{
    conversation::record,
    file::{
        File, HEAD_BYTES, LinkFailure, MOST_BYTES, Place, Refusal, Unfit,
        kind::{self, Checked, Type},
    },
    id::MediaId,
    moment::Moment,
};

/// How long a client may send nothing.
const IDLE: Duration = Duration::from_secs(30);
/// How long a whole upload may take.
const WHOLE: Duration = Duration::from_secs(30 * 60);
/// How long a link's file may take.
const LINK_WHOLE: Duration = Duration::from_secs(3 * 60);
/// How long a link's file is taken to be the same.
const LINK_MEMORY_MS: u64 = 10 * 60 * 1000;
/// How long a link's file is kept: as long as it is remembered, and for the message to take it from here to the relay.
const LINK_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// No Storage.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A file that is here whole and not kept yet. Dropped, it goes.
pub struct Draft {
    objects: Objects,
    object: String,
    hour: Hour,
    blob: BlobId,
    key: FileKey,
    sha256: [u8; 32],
    size_bytes: u64,
    head: Zeroizing<Vec<u8>>,
    kept: bool,
    _turn: OwnedSemaphorePermit,
}

/// A link that was fetched.
pub(super) struct Link {
    id: MediaId,
    until_ms: u64,
}

impl Draft {
    /// How long the file is.
    #[must_use]
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Lets the sweeper take its object once this time is over.
    async fn expire(&mut self, end: SystemTime) -> Result<(), Refusal> {
        let hour = Hour::of(end);
        if hour != self.hour {
            let renamed = Objects::renamed(&self.object, hour).ok_or(Refusal::Internal)?;
            self.objects.rename(&self.object, &renamed).await?;
            (self.object, self.hour) = (renamed, hour);
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let (objects, object) = (self.objects.clone(), std::mem::take(&mut self.object));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // Nobody has its key any more; the sweeper takes it if this does not.
                let _ = objects.delete(&object).await;
            });
        }
    }
}

impl Shelf {
    /// Takes a file in, as it comes, of at most `most_bytes`.
    ///
    /// # Errors
    /// [`Refusal`]; nothing is left of the file then.
    pub async fn receive<S>(&self, source: S, most_bytes: u64, now: SystemTime) -> Result<Draft, Refusal>
    where
        S: Stream<Item = Result<Bytes, Refusal>> + Send,
    {
        self.receive_within(source, most_bytes.min(MOST_BYTES), WHOLE, now).await
    }

    async fn receive_within<S>(&self, source: S, most_bytes: u64, whole: Duration, now: SystemTime) -> Result<Draft, Refusal>
    where
        S: Stream<Item = Result<Bytes, Refusal>> + Send,
    {
        let objects = self.objects.clone().ok_or(Refusal::NoPlace)?;
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.uploads).acquire_owned()).await;
        let turn = turn.ok().and_then(Result::ok).ok_or(Refusal::Overloaded)?;
        let (key, encryptor) = Encryptor::new(&mut rand::rng());
        // As if it were to live as long as files can; moved, should it turn out that it is not.
        let hour = Hour::of(now + self.shared.lifetimes.uploads);
        let object = Objects::name(&self.number_id, hour);
        let received = take(source, encryptor, objects.write(&object), most_bytes, Instant::now() + whole).await?;
        self.shared.metrics.media("received", received.size_bytes);
        Ok(Draft {
            objects,
            object,
            hour,
            blob: BlobId::random(&mut rand::rng()),
            key,
            sha256: received.sha256,
            size_bytes: received.size_bytes,
            head: received.head,
            kept: false,
            _turn: turn,
        })
    }

    /// Keeps a file that is here, if it is what it is said to be. Without a media type it is looked at. `ttl` shortens its life; under No
    /// Storage it may also prolong it.
    ///
    /// # Errors
    /// [`Refusal`]; nothing is left of the file then.
    pub async fn keep(
        &self,
        draft: Draft,
        mime_type: Option<&str>,
        filename: Option<Text>,
        ttl: Option<Duration>,
        now: SystemTime,
    ) -> Result<File, Refusal> {
        let guessed = || kind::guess(&draft.head, filename.as_ref().map(Text::reveal));
        let declared = kind::parse(mime_type.unwrap_or_else(guessed))?;
        let checked = kind::check(&declared, draft.size_bytes, &draft.head)?;
        self.commit(draft, checked, filename, ttl, now).await
    }

    /// Takes a file in and keeps it.
    ///
    /// # Errors
    /// [`Refusal`]; nothing is left of the file then.
    pub async fn upload<S>(
        &self,
        source: S,
        mime_type: &str,
        filename: Option<Text>,
        ttl: Option<Duration>,
        now: SystemTime,
    ) -> Result<MediaId, Refusal>
    where
        S: Stream<Item = Result<Bytes, Refusal>> + Send,
    {
        let declared = kind::parse(mime_type)?;
        let draft = self.receive(source, kind::most_bytes(declared.kind), now).await?;
        Ok(self.keep(draft, Some(mime_type), filename, ttl, now).await?.id)
    }

    /// The file a link leads to, fetched unless that was done in the last ten minutes. It must be such as goes into a message of this kind.
    ///
    /// # Errors
    /// [`Refusal`]; [`Refusal::Link`] and [`Refusal::Unfit`] say what is wrong with the link or what it leads to.
    pub async fn fetch_link(&self, link: &str, kind: MediaKind, now: SystemTime) -> Result<File, Refusal> {
        let slot = slot(&self.links, Sha256::digest(link).into());
        let mut known = slot.lock().await;
        let now_ms = Moment::of(now).ms;
        if let Some(fetched) = known.as_ref().filter(|fetched| now_ms < fetched.until_ms) {
            match self.find(fetched.id, now).await {
                Ok(file) => {
                    kind::suits(kind, &file.mime_type, file.size_bytes)?;
                    return Ok(file);
                }
                Err(Refusal::NotFound) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        *known = None;
        let fetched = self.fetcher.begin(link).await?;
        let most_bytes = kind::most_bytes(kind);
        if fetched.size_bytes().is_some_and(|size| size > most_bytes) {
            return Err(Unfit::TooLarge(most_bytes).into());
        }
        let said = fetched.mime_type.clone();
        let received = self.receive_within(fetched.into_stream(), most_bytes, LINK_WHOLE, now).await;
        let draft = received.map_err(|refusal| match refusal {
            Refusal::TooSlow => Refusal::Link(LinkFailure::Timeout),
            refusal => refusal,
        })?;
        let checked = check_link(kind, said.as_deref(), &draft)?;
        let file = self.commit(draft, checked, None, Some(LINK_LIFETIME), now).await?;
        *known = Some(Link {
            id: file.id,
            until_ms: now_ms.saturating_add(LINK_MEMORY_MS),
        });
        self.shared.metrics.media("fetched", file.size_bytes);
        Ok(file)
    }

    /// How long an upload lives.
    fn lifetime(&self, ttl: Option<Duration>) -> Duration {
        match ttl {
            None => self.shared.lifetimes.uploads,
            Some(ttl) if self.shared.retention <= HOUR => ttl.min(Duration::from_secs(30 * 24 * 3600)),
            Some(ttl) => ttl.min(self.shared.lifetimes.uploads),
        }
    }

    async fn commit(
        &self,
        mut draft: Draft,
        checked: Checked,
        filename: Option<Text>,
        ttl: Option<Duration>,
        now: SystemTime,
    ) -> Result<File, Refusal> {
        let lifetime = self.lifetime(ttl);
        draft.expire(now + lifetime).await?;
        let now = Moment::of(now);
        let file = File {
            id: MediaId::random(&mut rand::rng()),
            sha256: draft.sha256,
            size_bytes: draft.size_bytes,
            mime_type: checked.mime_type,
            filename,
            animated: checked.animated,
            created_ms: now.ms,
            expires_ms: now.ms.saturating_add(u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX)),
            place: Place::Object(draft.object.clone()),
            blob: draft.blob,
            key: draft.key.clone(),
        };
        let key = self.shared.names.media(file.id);
        let plaintext = record::encode(&file.to_record());
        let value = if lifetime > self.shared.retention {
            let token = self.shared.tokens.wrap(&long_label(&key), &plaintext);
            [&[LONG], token.as_slice()].concat()
        } else {
            let sealer = &self.shared.sealer;
            let sealed = sealer.seal(Class::Media, key.as_str(), 0, &plaintext, now.time, &mut rand::rng());
            sealed.map_err(|error| {
                tracing::error!(%error, "a file's record could not be sealed");
                Refusal::Internal
            })?
        };
        let batch = Batch {
            fence: None,
            absent: vec![key.clone()],
            ops: vec![Op::Put {
                key,
                value: value.into(),
                ttl: lifetime,
            }],
        };
        match self.store.commit(batch).await? {
            Outcome::Applied { .. } | Outcome::AlreadyApplied => {}
            _ => return Err(Refusal::Internal),
        }
        draft.kept = true;
        self.shared.metrics.media("kept", 0);
        Ok(file)
    }
}

/// What the file of a link is: what its server says, if it is that; else what it looks like; else, as a document, anything.
fn check_link(kind: MediaKind, said: Option<&str>, draft: &Draft) -> Result<Checked, Refusal> {
    let size_bytes = draft.size_bytes;
    let guessed = kind::guess(&draft.head, None);
    let said = said.and_then(|said| kind::parse(said).ok());
    let of_kind = |declared: &Type| declared.kind == kind;
    if let Some(declared) = said.clone().filter(of_kind)
        && let Ok(checked) = kind::check(&declared, size_bytes, &draft.head)
    {
        return Ok(checked);
    }
    match kind::parse(guessed) {
        Ok(declared) if of_kind(&declared) => Ok(kind::check(&declared, size_bytes, &draft.head)?),
        _ if size_bytes == 0 => Err(Unfit::Empty.into()),
        // The names of types that go nowhere else are names all the same.
        _ if kind == MediaKind::Document => Ok(Checked {
            mime_type: said.map_or_else(|| guessed.to_owned(), |said| said.name),
            animated: false,
        }),
        _ => Err(Unfit::WrongKind(kind).into()),
    }
}

pub(super) struct Received {
    sha256: [u8; 32],
    size_bytes: u64,
    head: Zeroizing<Vec<u8>>,
}

/// Moves a file into an object, encrypted.
pub(super) async fn take<S>(
    source: S,
    mut encryptor: Encryptor,
    mut writer: super::objects::Writer,
    most_bytes: u64,
    deadline: Instant,
) -> Result<Received, Refusal>
where
    S: Stream<Item = Result<Bytes, Refusal>> + Send,
{
    let mut source = pin!(source);
    let mut hash = Sha256::new();
    let (mut size_bytes, mut head) = (0_u64, Zeroizing::new(Vec::with_capacity(HEAD_BYTES)));
    loop {
        let next = timeout_at(deadline.min(Instant::now() + IDLE), source.next()).await;
        let Some(piece) = next.map_err(|_| Refusal::TooSlow)?.transpose()? else {
            break;
        };
        size_bytes = size_bytes.saturating_add(piece.len() as u64);
        if size_bytes > most_bytes {
            return Err(Unfit::TooLarge(most_bytes).into());
        }
        let wanted = HEAD_BYTES - head.len();
        head.extend_from_slice(&piece[..piece.len().min(wanted)]);
        hash.update(&piece);
        encryptor.push(&piece, writer.buffer()).map_err(|_| Refusal::Internal)?;
        drop(piece);
        writer.flush().await?;
    }
    encryptor.finish(writer.buffer()).map_err(|_| Refusal::Internal)?;
    writer.flush().await?;
    writer.finish().await?;
    Ok(Received {
        sha256: hash.finalize().into(),
        size_bytes,
        head,
    })
}
