//! Resumable uploads: a session for a file, its bytes, and the handle that names it afterwards.
//!
//! Purpose: the HTTP of them; the bytes only pass through here. They belong to an app: a session is one of the numbers that the token admits to,
//! the first by id unless `phone_number_id` says which.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use futures_util::{Stream, stream};
use http::{HeaderName, Method, StatusCode};
use hyper::body::Body as _;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use super::{
    super::{
        GraphError,
        answer::{Response, ok},
        shape::File,
    },
    Answer, Call, app,
    call::Unread,
    media::{self, Direction, multipart},
};
use crate::{
    media::{Refusal, Resumed, Stopped, Upload},
    number::Number,
};

/// What the ids of sessions start with.
const PREFIX: &str = "upload:";
const FILE_OFFSET: HeaderName = HeaderName::from_static("file_offset");

/// A session.
#[derive(Serialize, ToSchema)]
#[schema(as = UploadSession)]
struct Session {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_offset: Option<u64>,
}

/// A file that is there.
#[derive(Serialize, ToSchema)]
#[schema(as = UploadHandle)]
struct Handle {
    h: String,
}

#[derive(OpenApi)]
#[openapi(
    paths(begin, progress, receive),
    tags((name = "Resumable uploads", description = "Files that are no part of a message."))
)]
pub(super) struct Described;

/// `/{app}/uploads`.
pub(super) async fn app(numbers: &[&Number], call: &mut Call<'_>) -> Answer {
    match *call.method == Method::POST && call.rest().is_empty() {
        true => begin(numbers, call).await.map(Some),
        false => Ok(None),
    }
}

/// Begin a resumable upload.
///
/// For the picture of the profile and for examples of templates. The session is good for a day at most.
#[utoipa::path(
    post,
    path = "/{app_id}/uploads",
    operation_id = "beginUpload",
    params(
        ("file_length" = u64, Query, description = "How many bytes the file has."),
        ("file_type" = String, Query, description = "Its type, such as `image/png`."),
        ("file_name" = Option<String>, Query, description = "Its name."),
        ("phone_number_id" = Option<String>, Query, description = "Whose it is to be; the first number of the token by id unless it is said.")
    ),
    responses((status = 200, body = Session, examples(("session" = (value = json!({"id": "upload:AbCdEf"}))))))
)]
async fn begin(numbers: &[&Number], call: &mut Call<'_>) -> Result<Response, GraphError> {
    let mut admitted = app::authorize(numbers, call)?;
    admitted.sort_by(|a, b| a.id().cmp(b.id()));
    let said = call.arguments().await?;
    let wanted = said.text("phone_number_id")?;
    let number = admitted
        .into_iter()
        .find(|number| wanted.as_deref().is_none_or(|wanted| wanted == number.id()))
        .ok_or_else(GraphError::forbidden)?;
    if said.text("session_type")?.is_some_and(|kind| kind != "attachment") {
        return Err(GraphError::invalid("session_type must be attachment."));
    }
    let wrong_length = || GraphError::invalid("file_length must be a whole number of bytes above 0.");
    let length = said
        .number("file_length")?
        .ok_or_else(|| GraphError::missing("file_length is required."))?;
    let length = u64::try_from(length).map_err(|_| wrong_length())?;
    if length == 0 {
        return Err(wrong_length());
    }
    let mime_type = said.required("file_type")?;
    let filename = said.text("file_name")?.as_deref().and_then(multipart::clean);
    let id = number
        .media()
        .begin_upload(&mime_type, length, filename.as_ref(), SystemTime::now());
    let id = id.map_err(|refusal| media::refused(refusal, Direction::In))?;
    Ok(ok(&Session::of(&id, None)))
}

/// `/upload:…`. Nobody has looked at a token yet.
pub(super) async fn session(word: &str, numbers: &[&Number], call: &mut Call<'_>) -> Answer {
    let Some(id) = id_of(word).filter(|_| call.path.is_empty()) else {
        return Ok(None);
    };
    let admitted = app::authorize(numbers, call)?;
    let now = SystemTime::now();
    // An id of a number that the token does not admit to is as unknown as one that was made up.
    let found = admitted
        .iter()
        .find_map(|number| Some((*number, number.media().upload_of(id, now)?)));
    let Some((number, upload)) = found else {
        return Ok(None);
    };
    match *call.method {
        Method::GET | Method::HEAD => progress(number, id, &upload).await.map(Some),
        Method::POST => receive(number, &upload, call, now).await.map(Some),
        _ => Ok(None),
    }
}

/// What follows the prefix, whose colon some clients escape.
fn id_of(word: &str) -> Option<&str> {
    word.strip_prefix(PREFIX)
        .or_else(|| word.strip_prefix("upload%3A"))
        .or_else(|| word.strip_prefix("upload%3a"))
}

/// How much of an upload is there.
#[utoipa::path(
    get,
    path = "/{upload_id}",
    operation_id = "getUpload",
    responses((status = 200, body = Session, examples(("session" = (value = json!({"id": "upload:AbCdEf", "file_offset": 0}))))))
)]
async fn progress(number: &Number, id: &str, upload: &Upload) -> Result<Response, GraphError> {
    let received = number.media().received_bytes(upload).await;
    let received = received.map_err(|refusal| media::refused(refusal, Direction::Out))?;
    Ok(ok(&Session::of(id, Some(received))))
}

/// Upload a file, or the rest of it.
///
/// What arrives is kept also when it breaks off: go on from where `GET` says.
#[utoipa::path(
    post,
    path = "/{upload_id}",
    operation_id = "continueUpload",
    params(("file_offset" = Option<u64>, Header, description = "Where in the file the body begins; 0 unless it is said.")),
    request_body(content = inline(File), content_type = "application/octet-stream"),
    responses((status = 200, body = Handle, examples(("whole" = (value = json!({"h": "4::AbCdEf"}))))))
)]
async fn receive(number: &Number, upload: &Upload, call: &mut Call<'_>, now: SystemTime) -> Result<Response, GraphError> {
    let offset = match call.header(&FILE_OFFSET).map(str::trim) {
        None | Some("") => 0,
        Some(offset) => offset
            .parse()
            .map_err(|_| GraphError::invalid("file_offset must be a whole number of bytes."))?,
    };
    let body = Arc::new(Mutex::new(call.take_body()));
    let resumed = number.media().resume(upload, offset, pieces(Arc::clone(&body)), now).await;
    // Whoever writes first and reads later would not see a refusal otherwise.
    multipart::drain(&body).await;
    match resumed {
        Ok(Resumed::Whole(h)) => Ok(ok(&Handle { h })),
        Ok(Resumed::Part {
            received_bytes,
            size_bytes,
        }) => Err(GraphError::invalid(format!(
            "The body ended before the file did: {received_bytes} of {size_bytes} bytes are here. Send the rest with file_offset {received_bytes}."
        ))),
        Err(Stopped::Refused(refusal)) => Err(media::refused(refusal, Direction::In)),
        Err(Stopped::Busy) => Err(GraphError::invalid(Stopped::Busy.to_string())
            .with_status(StatusCode::CONFLICT)
            .retry_after(1)),
        Err(stopped) => Err(GraphError::invalid(stopped.to_string())),
    }
}

/// The body as it comes.
fn pieces(body: Arc<Mutex<Unread>>) -> impl Stream<Item = Result<bytes::Bytes, Refusal>> + Send {
    stream::poll_fn(move |context| {
        let mut body = body.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(context).map(|frame| {
            frame.map(|frame| {
                frame
                    .map(|frame| frame.into_data().unwrap_or_default())
                    .map_err(|_| Refusal::BrokenOff)
            })
        })
    })
}

impl Session {
    fn of(id: &str, file_offset: Option<u64>) -> Self {
        Self {
            id: format!("{PREFIX}{id}"),
            file_offset,
        }
    }
}
