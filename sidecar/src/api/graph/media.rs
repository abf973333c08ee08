//! Media: upload, address, download, deletion.
//!
//! Purpose: the HTTP of files. The files themselves are the business of [`crate::media`]; bytes only pass through here.

pub(in crate::api) mod multipart;
pub(in crate::api) mod range;

use std::time::SystemTime;

use futures_util::TryStreamExt as _;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{OpenApi, ToSchema};

use self::range::Wanted;
use super::{
    super::{
        GraphError,
        answer::{Body, Response, ok, success},
        shape::{Fields, File, Id, Product, Success},
    },
    Answer, Call,
};
use crate::{
    id::MediaId,
    media::{File as Stored, Refusal, Unfit},
    number::Number,
};

/// A file and what is said of it.
#[derive(ToSchema)]
#[schema(as = Upload)]
#[expect(dead_code, reason = "only described")]
struct Form {
    #[schema(value_type = File, inline)]
    file: Vec<u8>,
    messaging_product: Product,
    /// The type, where the part has none.
    #[serde(rename = "type")]
    kind: Option<String>,
    #[schema(schema_with = multipart::ttl_minutes)]
    ttl_minutes: Option<u64>,
}

/// Where a file can be fetched.
#[derive(Serialize, ToSchema)]
#[schema(as = Media)]
struct Node {
    messaging_product: Option<Product>,
    /// Good for five minutes, with the token.
    #[schema(format = "uri")]
    url: Option<String>,
    mime_type: Option<String>,
    /// In hexadecimal.
    sha256: Option<String>,
    file_size: Option<u64>,
    id: String,
}

/// Whose file it has to be.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
struct Owner {
    /// Whose file it has to be.
    phone_number_id: Option<String>,
}

#[derive(OpenApi)]
#[openapi(paths(upload, read, delete, download), tags((name = "Media", description = "Files: upload, lookup, download, deletion.")))]
pub(super) struct Described;

/// `/{number}/media`.
pub(super) async fn phone(number: &Number, call: &mut Call<'_>) -> Answer {
    if *call.method != Method::POST || !call.rest().is_empty() {
        return Ok(None);
    }
    upload(number, call).await.map(Some)
}

/// Upload a file.
///
/// The file is a part named `file` with its `Content-Type`; parts and query members come in any order, `messaging_product` also in the query. What
/// the file is has to agree with its type (131053). The id is good for 30 days or the number's retention time, whichever is less, and for this
/// number only.
#[utoipa::path(
    post,
    path = "/{phone_number_id}/media",
    operation_id = "uploadMedia",
    request_body(content = Form, content_type = "multipart/form-data"),
    responses((status = 200, body = Id, examples(("uploaded" = (value = json!({"id": "1013859600285441"}))))))
)]
async fn upload(number: &Number, call: &mut Call<'_>) -> Result<Response, GraphError> {
    let id = multipart::upload(number.media(), call).await?;
    Ok(ok(&Id { id: id.to_string() }))
}

/// `/{media}`: `None` when no number has media of this id.
pub(super) async fn object(id: &str, numbers: &[&Number], call: &mut Call<'_>) -> Answer {
    let Some(id) = MediaId::parse(id).filter(|_| call.path.is_empty()) else {
        return Ok(None);
    };
    if !matches!(*call.method, Method::GET | Method::HEAD | Method::DELETE) {
        return Ok(None);
    }
    let now = SystemTime::now();
    let Some((number, file)) = find(id, numbers, now).await? else {
        return Ok(None);
    };
    if call.query("phone_number_id").is_some_and(|wanted| wanted != number.id()) {
        return Err(GraphError::invalid(
            "phone_number_id is not the phone number that this media belongs to.",
        ));
    }
    match *call.method {
        Method::DELETE => delete(number, id, now).await.map(Some),
        _ => Ok(Some(read(number, &file, call, now))),
    }
}

/// Look a file up.
///
/// The address is good for five minutes and needs the token; `Range` is served.
#[utoipa::path(
    get,
    path = "/{media_id}",
    operation_id = "getMedia",
    params(Owner, Fields),
    responses((status = 200, body = Node, examples(("found" = (value = json!({
        "messaging_product": "whatsapp",
        "url": "https://graph.facebook.com/media/1013859600285441?phone_number_id=106540352242922&expires=1700000300&signature=9d8c…",
        "mime_type": "image/png",
        "sha256": "0c2b…",
        "file_size": 70,
        "id": "1013859600285441",
    }))))))
)]
fn read(number: &Number, file: &Stored, call: &Call<'_>, now: SystemTime) -> Response {
    let url = number.media().url(file.id, &call.base(None), now);
    ok(&node(file, url, call.query("fields")))
}

/// Delete a file.
#[utoipa::path(delete, path = "/{media_id}", operation_id = "deleteMedia", params(Owner), responses(Success))]
async fn delete(number: &Number, id: MediaId, now: SystemTime) -> Result<Response, GraphError> {
    let deleted = number.media().delete(id, now).await;
    deleted.map_err(|refusal| refused(refusal, Direction::Out))?;
    Ok(success())
}

/// Fetch a file.
///
/// The address that the lookup or a webhook gave. 404 when its time is over.
// `numbers` are those that the token admits to.
#[utoipa::path(
    get,
    path = "/media/{ticket}",
    operation_id = "downloadMedia",
    params(("Range" = Option<String>, Header, description = "A part of the file, as `bytes=0-99`.")),
    responses(
        (status = 200, body = inline(File), content_type = "*/*"),
        (status = 206, body = inline(File), content_type = "*/*")
    )
)]
pub(super) async fn download(numbers: &[&Number], call: &mut Call<'_>) -> Answer {
    if !matches!(*call.method, Method::GET | Method::HEAD) || !call.rest().is_empty() {
        return Ok(None);
    }
    let now = SystemTime::now();
    let id = call.edge().and_then(MediaId::parse).ok_or_else(GraphError::gone)?;
    let owner = call.query("phone_number_id").ok_or_else(GraphError::gone)?;
    let number = numbers
        .iter()
        .find(|number| number.id() == owner)
        .ok_or_else(GraphError::forbidden)?;
    let (expires, signature) = (call.query("expires"), call.query("signature"));
    if !number
        .media()
        .is_good(id, expires.unwrap_or_default(), signature.unwrap_or_default(), now)
    {
        return Err(GraphError::gone());
    }
    let file = match number.media().find(id, now).await {
        Err(Refusal::NotFound) => return Err(GraphError::gone()),
        found => found.map_err(|refusal| refused(refusal, Direction::Out))?,
    };
    let etag = format!("\"{}\"", hex::encode(file.sha256));
    let mut response = Response::new(Body::default());
    let wanted = range::wanted(call.headers, &etag, file.size_bytes);
    let bytes = match &wanted {
        Wanted::Whole => 0..file.size_bytes,
        Wanted::Part(part) => part.clone(),
        Wanted::Unchanged => 0..0,
        Wanted::Unsatisfiable => 0..0,
    };
    *response.status_mut() = match &wanted {
        Wanted::Whole => StatusCode::OK,
        Wanted::Part(_) => StatusCode::PARTIAL_CONTENT,
        Wanted::Unchanged => StatusCode::NOT_MODIFIED,
        Wanted::Unsatisfiable => StatusCode::RANGE_NOT_SATISFIABLE,
    };
    let has_content = matches!(wanted, Wanted::Whole | Wanted::Part(_));
    if has_content && *call.method == Method::GET {
        let opened = number.media().open(&file, bytes.clone()).await;
        let reader = opened.map_err(|refusal| match refusal {
            Refusal::NotFound => GraphError::gone(),
            refusal => refused(refusal, Direction::Out),
        })?;
        *response.body_mut() = Body::stream(StreamBody::new(reader.map_ok(Frame::data)));
    }
    let headers = response.headers_mut();
    let text = |text: String| HeaderValue::from_str(&text).ok();
    let mut set = |name, value: Option<HeaderValue>| {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    };
    set(header::ETAG, text(etag));
    set(header::CACHE_CONTROL, Some(HeaderValue::from_static("private, no-store")));
    set(header::ACCEPT_RANGES, Some(HeaderValue::from_static("bytes")));
    match wanted {
        Wanted::Unchanged => return Ok(Some(response)),
        Wanted::Unsatisfiable => set(header::CONTENT_RANGE, text(format!("bytes */{}", file.size_bytes))),
        Wanted::Part(part) => set(
            header::CONTENT_RANGE,
            text(format!("bytes {}-{}/{}", part.start, part.end - 1, file.size_bytes)),
        ),
        Wanted::Whole => {}
    }
    if has_content {
        set(header::CONTENT_LENGTH, Some(HeaderValue::from(bytes.end - bytes.start)));
        // What a consumer wrote there may be no header value.
        let kind = HeaderValue::from_str(&file.mime_type).ok();
        set(
            header::CONTENT_TYPE,
            kind.or(Some(HeaderValue::from_static("application/octet-stream"))),
        );
        set(header::CONTENT_DISPOSITION, text(disposition(&file)));
        // A consumer chose the content: no browser is to run it, or to make something else of it.
        set(header::X_CONTENT_TYPE_OPTIONS, Some(HeaderValue::from_static("nosniff")));
        set(
            header::CONTENT_SECURITY_POLICY,
            Some(HeaderValue::from_static("default-src 'none'; sandbox")),
        );
    }
    Ok(Some(response))
}

/// The file, and the number it belongs to.
async fn find<'a>(id: MediaId, numbers: &[&'a Number], now: SystemTime) -> Result<Option<(&'a Number, Stored)>, GraphError> {
    for number in numbers {
        match number.media().find(id, now).await {
            Ok(file) => return Ok(Some((number, file))),
            Err(Refusal::NotFound) => {}
            Err(refusal) => return Err(refused(refusal, Direction::Out)),
        }
    }
    Ok(None)
}

fn node(file: &Stored, url: String, fields: Option<&str>) -> Value {
    let mut node = json!(Node {
        messaging_product: Some(Product::Whatsapp),
        url: Some(url),
        mime_type: Some(file.mime_type.clone()),
        sha256: Some(hex::encode(file.sha256)),
        file_size: Some(file.size_bytes),
        id: file.id.to_string(),
    });
    let asked: Vec<&str> = fields
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|field| !field.is_empty())
        .collect();
    if let (Value::Object(members), false) = (&mut node, asked.is_empty()) {
        members.retain(|name, _| name == "id" || asked.contains(&name.as_str()));
    }
    node
}

/// `attachment`, and the name to save the file under: as it is (RFC 6266) and for old clients in ASCII.
fn disposition(file: &Stored) -> String {
    let Some(name) = file
        .filename
        .as_ref()
        .map(waxseal_content::Text::reveal)
        .filter(|name| !name.is_empty())
    else {
        return "attachment".to_owned();
    };
    let plain: String = name
        .chars()
        .map(|char| match char {
            '"' | '\\' | '/' | '%' => '_',
            ' '..='~' => char,
            _ => '_',
        })
        .collect();
    let mut disposition = format!("attachment; filename=\"{plain}\"");
    if plain != name {
        disposition.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                disposition.push(char::from(byte));
            } else {
                disposition.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    disposition
}

/// Which way a file was to go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    In,
    Out,
}

/// What is answered when something was not done with a file.
pub(super) fn refused(refusal: Refusal, direction: Direction) -> GraphError {
    match refusal {
        Refusal::Unfit(unfit @ (Unfit::UnsupportedType | Unfit::MalformedType)) => GraphError::invalid(sentence(&unfit)),
        Refusal::BrokenOff => GraphError::broken_off(),
        Refusal::TooSlow => GraphError::too_slow(),
        Refusal::Unavailable => GraphError::media_unavailable(),
        Refusal::Overloaded => GraphError::media_overloaded(),
        Refusal::Internal => GraphError::from(crate::message::Refusal::Internal),
        refusal if direction == Direction::In => GraphError::media_upload(sentence(&refusal)),
        refusal => GraphError::media_download(sentence(&refusal)),
    }
}

/// An error's words as a sentence.
fn sentence(error: &impl std::fmt::Display) -> String {
    let mut text = error.to_string();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text.push('.');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_sentences() {
        assert_eq!(sentence(&Unfit::Empty), "The file is empty.");
        assert_eq!(sentence(&""), ".");
    }
}
