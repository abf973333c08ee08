//! An upload: `multipart/form-data` as clients write it. The parts come in any order, the file before or after what is said of it, and what
//! is said may stand in the query instead; so the file is taken in first and judged at the end.
//!
//! Nothing is gathered in memory: the parser is handed one piece at a time, and no more of them than a bound while it has nothing to show.

mod small;

pub(in crate::api::graph) use self::small::small;

use std::{
    ops::RangeInclusive,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use futures_util::Stream;
use http::header;
use http_body_util::BodyExt as _;
use hyper::body::Body as _;
use multer::{Field, Multipart};
use tokio::time::{Instant, timeout_at};
use utoipa::openapi::{Object, ObjectBuilder, Type};
use waxseal_content::Text;

use super::{
    super::{
        super::GraphError,
        Call,
        call::{BrokenOff, Unread},
    },
    Direction, refused,
};
use crate::{
    id::MediaId,
    media::{Draft, MOST_BYTES, Refusal, Shelf, Unfit},
};

/// What may come before the first part, and what the head of a part may take.
const HEAD_BYTES: usize = 64 << 10;
/// The longest value beside the file.
pub(in crate::api) const VALUE_BYTES: usize = 4 << 10;
/// More parts than any client sends.
const MOST_PARTS: usize = 32;
/// How long what is no file may take, from part to part.
const PART_TIME: Duration = Duration::from_secs(30);
/// How much is read away of an upload that was refused, or of what comes after the end of a form, and for how long: a client that writes
/// first and reads later would not see the answer otherwise.
const DRAIN_BYTES: usize = 8 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(5);
/// How long a file may be asked to be kept.
const TTL_MINUTES: RangeInclusive<u64> = 60..=43_200;
/// The longest file name that is kept, in bytes.
pub(in crate::api) const NAME_BYTES: usize = 255;

/// How the member is described.
pub(super) fn ttl_minutes() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(*TTL_MINUTES.start()))
        .maximum(Some(*TTL_MINUTES.end()))
        .build()
}

/// Takes an upload in and keeps it.
///
/// # Errors
/// The Graph error to answer with; nothing is left of the file then.
pub(super) async fn upload(shelf: &Shelf, call: &mut Call<'_>) -> Result<MediaId, GraphError> {
    let boundary = call
        .header(&header::CONTENT_TYPE)
        .and_then(|kind| multer::parse_boundary(kind).ok());
    let form = Form {
        said: Said {
            product: call.query("messaging_product").map(str::to_owned),
            mime_type: call.query("type").map(str::to_owned),
            ttl: call.query("ttl_minutes").map(str::to_owned),
        },
        file: None,
    };
    let body = Arc::new(Mutex::new(call.take_body()));
    let taken = match boundary {
        Some(boundary) => take(shelf, form, Arc::clone(&body), boundary).await,
        None => Err(GraphError::invalid("The request body must be multipart/form-data with a boundary.")),
    };
    drain(&body).await;
    taken
}

async fn take(shelf: &Shelf, mut form: Form, body: Arc<Mutex<Unread>>, boundary: String) -> Result<MediaId, GraphError> {
    let now = SystemTime::now();
    let patience = Arc::new(AtomicUsize::new(0));
    let pieces = Pieces {
        body,
        unshown: Arc::clone(&patience),
        rests: false,
    };
    let mut parts = Multipart::new(pieces, boundary);
    for _ in 0..MOST_PARTS {
        let next = timeout_at(Instant::now() + PART_TIME, parts.next_field()).await;
        let Some(part) = next.map_err(|_| GraphError::too_slow())?.map_err(|error| broken(&error))? else {
            return form.keep(shelf, now).await;
        };
        patience.store(0, Relaxed);
        form.part(shelf, part, &patience, now).await?;
    }
    Err(GraphError::invalid("The request body has more than 32 parts."))
}

struct Form {
    said: Said,
    file: Option<(Draft, Option<String>, Option<Text>)>,
}

/// What is said of the file.
struct Said {
    product: Option<String>,
    mime_type: Option<String>,
    ttl: Option<String>,
}

impl Form {
    async fn part(&mut self, shelf: &Shelf, part: Field<'_>, patience: &Arc<AtomicUsize>, now: SystemTime) -> Result<(), GraphError> {
        let name = part.name().unwrap_or_default().to_owned();
        if name != "file" {
            let value = value(part, patience).await?;
            match name.as_str() {
                "messaging_product" => self.said.product = Some(value),
                "type" => self.said.mime_type = Some(value),
                "ttl_minutes" => self.said.ttl = Some(value),
                _ => {}
            }
            return Ok(());
        }
        if self.file.is_some() {
            return Err(GraphError::invalid("The request body has more than one part named file."));
        }
        let header = |name: &header::HeaderName| part.headers().get(name).and_then(|value| value.to_str().ok());
        let mime_type = header(&header::CONTENT_TYPE).map(str::to_owned);
        let encoding = header(&header::HeaderName::from_static("content-transfer-encoding")).unwrap_or("binary");
        if !["binary", "8bit", "7bit"]
            .iter()
            .any(|plain| encoding.trim().eq_ignore_ascii_case(plain))
        {
            return Err(GraphError::invalid("Content-Transfer-Encoding of file must be binary."));
        }
        let filename = part.file_name().and_then(clean);
        let patience = Arc::clone(patience);
        let content = futures_util::stream::try_unfold(part, move |mut part| {
            let patience = Arc::clone(&patience);
            async move {
                let chunk = part.chunk().await.map_err(|error| match error {
                    multer::Error::StreamReadFailed(_) | multer::Error::IncompleteFieldData { .. } => Refusal::BrokenOff,
                    _ => Refusal::Internal,
                })?;
                patience.store(0, Relaxed);
                Ok(chunk.map(|chunk| (chunk, part)))
            }
        });
        let draft = shelf
            .receive(content, MOST_BYTES, now)
            .await
            .map_err(|refusal| refused(refusal, Direction::In))?;
        self.file = Some((draft, mime_type, filename));
        Ok(())
    }

    async fn keep(self, shelf: &Shelf, now: SystemTime) -> Result<MediaId, GraphError> {
        let product = self.said.product.as_deref().map(str::trim);
        match product {
            None | Some("") => return Err(GraphError::missing("messaging_product is required.")),
            Some(product) if product.eq_ignore_ascii_case("whatsapp") => {}
            Some(_) => return Err(GraphError::invalid("messaging_product must be \"whatsapp\".")),
        }
        let ttl = self.said.ttl()?;
        let (draft, part_type, filename) = self
            .file
            .ok_or_else(|| GraphError::missing("file is required: a part of that name, with the file."))?;
        if draft.size_bytes() == 0 {
            return Err(refused(Unfit::Empty.into(), Direction::In));
        }
        // Some clients send a word like `image`, or say that they do not know.
        let says = |text: &String| text.contains('/') && !text.trim().eq_ignore_ascii_case("application/octet-stream");
        let mime_type = self.said.mime_type.filter(says).or_else(|| part_type.filter(says));
        let kept = shelf.keep(draft, mime_type.as_deref(), filename, ttl, now).await;
        kept.map(|file| file.id).map_err(|refusal| refused(refusal, Direction::In))
    }
}

impl Said {
    fn ttl(&self) -> Result<Option<Duration>, GraphError> {
        let Some(text) = self.ttl.as_deref().map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        match text.parse::<u64>() {
            Ok(minutes) if TTL_MINUTES.contains(&minutes) => Ok(Some(Duration::from_secs(minutes * 60))),
            _ => Err(GraphError::invalid("ttl_minutes must be a whole number from 60 to 43200.")),
        }
    }
}

/// The parts of a form, none of which is kept: the name, and what it says or, of a file, its name and how long it is.
///
/// For [`crate::fuzzing`]: what [`upload`] does, without a shelf to put the file on.
///
/// # Errors
/// The Graph error that an upload would be answered with.
pub(in crate::api) async fn skim(content_type: &str, body: Unread) -> Result<Vec<Skimmed>, GraphError> {
    let Ok(boundary) = multer::parse_boundary(content_type) else {
        return Err(GraphError::invalid("The request body must be multipart/form-data with a boundary."));
    };
    let patience = Arc::new(AtomicUsize::new(0));
    let pieces = Pieces {
        body: Arc::new(Mutex::new(body)),
        unshown: Arc::clone(&patience),
        rests: false,
    };
    let mut form = Multipart::new(pieces, boundary);
    let mut skimmed = Vec::new();
    while let Some(mut part) = form.next_field().await.map_err(|error| broken(&error))? {
        patience.store(0, Relaxed);
        let name = part.name().unwrap_or_default().to_owned();
        skimmed.push(if name == "file" {
            let filename = part.file_name().and_then(clean);
            let mut length = 0;
            while let Some(chunk) = part.chunk().await.map_err(|error| broken(&error))? {
                patience.store(0, Relaxed);
                length += chunk.len();
            }
            Skimmed::File { filename, length }
        } else {
            let value = value(part, &patience).await?;
            Skimmed::Value { name, value }
        });
    }
    Ok(skimmed)
}

/// A part, as [`skim`] found it.
#[derive(PartialEq, Eq)]
pub(in crate::api) enum Skimmed {
    /// The file.
    File { filename: Option<Text>, length: usize },
    /// Something said of it.
    Value { name: String, value: String },
}

/// A part that is no file.
async fn value(mut part: Field<'_>, patience: &AtomicUsize) -> Result<String, GraphError> {
    let deadline = Instant::now() + PART_TIME;
    let mut value = Vec::new();
    loop {
        let chunk = timeout_at(deadline, part.chunk()).await.map_err(|_| GraphError::too_slow())?;
        let Some(chunk) = chunk.map_err(|error| broken(&error))? else {
            break;
        };
        patience.store(0, Relaxed);
        if value.len() + chunk.len() > VALUE_BYTES {
            return Err(GraphError::invalid(
                "A part of the request body that is not named file is longer than 4096 bytes.",
            ));
        }
        value.extend_from_slice(&chunk);
    }
    String::from_utf8(value).map_err(|_| GraphError::invalid("A part of the request body that is not named file is not UTF-8."))
}

/// A file name without folders and what no name has.
pub(in crate::api::graph) fn clean(name: &str) -> Option<Text> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut kept: String = name.chars().filter(|char| !char.is_control()).collect();
    while kept.len() > NAME_BYTES {
        kept.pop();
    }
    let kept = kept.trim();
    (!kept.is_empty() && kept != "." && kept != "..").then(|| Text::from(kept))
}

fn broken(error: &multer::Error) -> GraphError {
    match error {
        multer::Error::StreamReadFailed(cause) if cause.is::<TooLong>() => {
            GraphError::invalid("The head of a part of the request body is longer than 65536 bytes.")
        }
        multer::Error::StreamReadFailed(_) | multer::Error::IncompleteFieldData { .. } | multer::Error::IncompleteStream => {
            GraphError::broken_off()
        }
        _ => GraphError::invalid("The request body is not well-formed multipart/form-data."),
    }
}

pub(in crate::api::graph) async fn drain(body: &Mutex<Unread>) {
    let deadline = Instant::now() + DRAIN_TIME;
    // Nobody else reads it any more.
    let empty = http_body_util::Empty::new()
        .map_err(|never: std::convert::Infallible| match never {})
        .boxed_unsync();
    let mut body = std::mem::replace(&mut *body.lock().unwrap_or_else(PoisonError::into_inner), empty);
    let mut drained = 0;
    while drained < DRAIN_BYTES {
        match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => drained += frame.data_ref().map_or(0, Bytes::len),
            _ => return,
        }
    }
}

/// More came than the head of a part may take.
#[derive(Debug, thiserror::Error)]
#[error("the head of a part is too long")]
struct TooLong;

/// The body, one piece at a poll: the parser would take whatever is ready and gather it.
struct Pieces {
    body: Arc<Mutex<Unread>>,
    /// Bytes handed to the parser since it last had something to show.
    unshown: Arc<AtomicUsize>,
    rests: bool,
}

impl Stream for Pieces {
    type Item = Result<Bytes, Box<dyn std::error::Error + Send + Sync>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.rests) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.unshown.load(Relaxed) > HEAD_BYTES {
            return Poll::Ready(Some(Err(Box::new(TooLong))));
        }
        let polled = {
            let mut body = self.body.lock().unwrap_or_else(PoisonError::into_inner);
            Pin::new(&mut *body).poll_frame(context)
        };
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Err(BrokenOff))) => Poll::Ready(Some(Err(Box::new(BrokenOff)))),
            Poll::Ready(Some(Ok(frame))) => {
                self.rests = true;
                let piece = frame.into_data().unwrap_or_default();
                self.unshown.fetch_add(piece.len(), Relaxed);
                Poll::Ready(Some(Ok(piece)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_names_of_files() {
        let cleaned = |name: &str| clean(name).map(|name| name.reveal().to_owned());
        assert_eq!(cleaned("a.jpg").as_deref(), Some("a.jpg"));
        assert_eq!(cleaned("C:\\Users\\x\\a.jpg").as_deref(), Some("a.jpg"));
        assert_eq!(cleaned("../../etc/passwd").as_deref(), Some("passwd"));
        assert_eq!(cleaned("a\r\nb.txt").as_deref(), Some("ab.txt"));
        assert_eq!(cleaned("naïve résumé.pdf").as_deref(), Some("naïve résumé.pdf"));
        assert_eq!((cleaned(""), cleaned(".."), cleaned("a/")), (None, None, None));
        assert!(cleaned(&"ü".repeat(200)).unwrap().len() <= NAME_BYTES);
    }
}
