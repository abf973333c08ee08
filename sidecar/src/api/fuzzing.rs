//! The port's entry points for a fuzzer: see [`crate::fuzzing`].

use std::{cell::OnceCell, convert::Infallible};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, Method, Uri, header};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use serde_json::Value;

use super::{
    Limits,
    error::GraphError,
    graph::{
        Call, Unread, fields as list,
        media::{
            multipart::{NAME_BYTES, Skimmed, VALUE_BYTES, skim},
            range::{Wanted, wanted},
        },
    },
    route::{self, Route},
    send::{self, Command, Edge},
};
use crate::{fuzzing::split_line, message::OutboundBody};

/// A body of `POST /messages`: what is taken keeps the documented bounds, and says the same at any other time.
#[must_use]
pub fn message(bytes: &[u8]) -> bool {
    let mut headers = HeaderMap::new();
    headers.insert("idempotency-key", HeaderValue::from_static("one"));
    let read = |edge| send::parse(&headers, bytes, edge);
    if let Err(error) = read(Edge::MarketingMessages) {
        is_refusal(&error);
    }
    let (message, input) = match read(Edge::Messages) {
        Err(error) => {
            is_refusal(&error);
            return false;
        }
        Ok(Command::MarkRead { .. }) => return true,
        Ok(Command::Send { message, input }) => (message, input),
    };
    if let OutboundBody::Text { body, .. } = &message.body {
        assert!((1..=4096).contains(&body.reveal().chars().count()));
    }
    let opaque = message.opaque_callback_data.as_ref();
    assert!(opaque.is_none_or(|data| (1..=512).contains(&data.reveal().chars().count())));
    let again = match read(Edge::Messages) {
        Ok(Command::Send { message, .. }) => message.idempotency_key,
        _ => None,
    };
    assert!(
        message.idempotency_key.is_some() && again == message.idempotency_key,
        "the same request counts as another"
    );
    let _ = send::contact(&input, &message.to);
    true
}

/// Arguments of any other call. The first byte says how the body is declared (even: JSON, odd: a form), the rest of the first line is the
/// query, what follows is the body.
#[must_use]
pub fn arguments(bytes: &[u8]) -> bool {
    let (line, body) = split_line(bytes);
    let Some((declared, query)) = line.split_first() else {
        return false;
    };
    let Ok(uri) = Uri::builder().path_and_query([b"/?".as_slice(), query].concat()).build() else {
        return false;
    };
    let Ok(axum::extract::Query(query)) = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri) else {
        return false;
    };
    let kind = ["application/json", "application/x-www-form-urlencoded"][usize::from(declared % 2)];
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(kind))]);
    let limits = Limits::default();
    let mut call = Call {
        method: &Method::POST,
        headers: &headers,
        uri: &uri,
        path: Vec::new(),
        query,
        is_secured: false,
        body: Some(whole(body)),
        read: None,
        body_bytes: limits.body_bytes,
        body_time: limits.body,
    };
    let said = match wait(call.arguments()) {
        Ok(said) => said,
        Err(error) => {
            is_refusal(&error);
            return false;
        }
    };
    let again = wait(call.arguments());
    assert!(
        again.is_ok_and(|again| again.members() == said.members()),
        "read twice it is another"
    );
    for (name, value) in said.members() {
        assert!(!value.is_null());
        let _ = (said.flag(name), said.whatsapp(), said.object(name).map(drop));
        let number = said.number(name);
        assert!(!value.is_i64() || number.is_ok_and(|number| number == value.as_i64()));
        let list = said.list(name);
        assert!(!value.is_array() || list.is_ok_and(|list| list.map(Value::Array).as_ref() == Some(value)));
        match said.bounded(name, 10) {
            Ok(text) => assert!(text.is_some_and(|text| text.chars().count() <= 10)),
            Err(error) => is_refusal(&error),
        }
    }
    true
}

/// `fields=`: no more fields and no deeper than the bounds say, whatever the notation.
#[must_use]
pub fn fields(bytes: &[u8]) -> bool {
    fn measure(fields: &[list::Field<'_>]) -> (usize, usize) {
        let each = fields.iter().map(|field| measure(&field.members));
        each.fold((0, 0), |(count, depth), (more, deeper)| (count + 1 + more, depth.max(deeper + 1)))
    }
    let Ok(text) = str::from_utf8(bytes) else { return false };
    match list::parse(text) {
        Ok(fields) => {
            let (count, depth) = measure(&fields);
            assert!(count <= 64 && depth <= 7, "more fields or deeper ones than are taken");
            // One that has everything, and nothing in it.
            let mut node: serde_json::Map<String, Value> = fields.iter().map(|field| (field.name.to_owned(), Value::Null)).collect();
            node.insert("id".to_owned(), "7".into());
            let chosen = list::Asked::of(Some(text), &[]).and_then(|asked| asked.choose(&node, "Thing"));
            assert!(chosen.is_ok_and(|chosen| chosen == serde_json::json!({"id": "7"})));
            true
        }
        Err(error) => {
            is_refusal(&error);
            false
        }
    }
}

/// A path: an id is digits, and doubled slashes change nothing.
#[must_use]
pub fn path(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let (version, found) = route::parse(text);
    assert!(version.is_none_or(|version| HeaderValue::from_str(version).is_ok()));
    if let Route::Messages(id) | Route::MarketingMessages(id) | Route::Node(id) | Route::Edge(id) = found {
        assert!((1..=39).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit()));
    }
    let rest = route::rest(text);
    assert!(rest.len() <= 6 && rest.iter().all(|segment| !segment.is_empty() && !segment.contains('/')));
    let doubled = format!("/{}/", text.replace('/', "//"));
    assert!(route::parse(&doubled) == (version, found) && route::rest(&doubled) == rest);
    found != Route::Unknown
}

/// Which bytes a download asks for: eight bytes of the file's size, then `Range`, `If-Range` and `If-None-Match`, each on a line.
#[must_use]
pub fn range(bytes: &[u8]) -> bool {
    let Some((size, text)) = bytes.split_first_chunk() else {
        return false;
    };
    let size = u64::from_be_bytes(*size);
    let names = [header::RANGE, header::IF_RANGE, header::IF_NONE_MATCH];
    let lines = text.split(|byte| *byte == b'\n').map(HeaderValue::from_bytes);
    let headers: HeaderMap = names
        .into_iter()
        .zip(lines)
        .filter_map(|(name, value)| Some((name, value.ok().filter(|value| !value.is_empty())?)))
        .collect();
    match wanted(&headers, "\"tag\"", size) {
        Wanted::Part(part) => {
            assert!(part.start < part.end && part.end <= size, "bytes that the file does not have");
            true
        }
        Wanted::Unsatisfiable => headers.contains_key(header::RANGE),
        Wanted::Unchanged => headers.contains_key(header::IF_NONE_MATCH),
        Wanted::Whole => false,
    }
}

/// An upload's form. The first byte says in pieces of how many bytes it comes, the rest of the first line is the boundary, what follows is the
/// body. However it is cut, it says the same.
#[must_use]
pub fn multipart(bytes: &[u8]) -> bool {
    let (line, body) = split_line(bytes);
    let Some((size, boundary)) = line.split_first() else { return false };
    let Ok(boundary) = str::from_utf8(boundary) else { return false };
    let kind = format!("multipart/form-data; boundary={boundary}");
    let read = wait(skim(&kind, whole(body)));
    let cut = wait(skim(&kind, pieces(body, usize::from(*size) + 1)));
    let parts = match (read, cut) {
        (Ok(parts), Ok(cut)) => {
            assert!(parts == cut, "cut otherwise it says something else");
            parts
        }
        (Err(error), Err(cut)) => {
            is_refusal(&error);
            is_refusal(&cut);
            return false;
        }
        // Heads have a bound, and what is more than that comes at once or piece by piece.
        (read, cut) => {
            assert!(
                body.len() > (64 << 10),
                "cut otherwise it is no form: {:?}",
                read.err().or(cut.err())
            );
            return false;
        }
    };
    for part in &parts {
        match part {
            Skimmed::File { filename, length } => {
                assert!(*length <= body.len());
                let name = filename.as_ref().map_or("a", waxseal_content::Text::reveal);
                assert!((1..=NAME_BYTES).contains(&name.len()) && !matches!(name, "." | ".."));
                assert!(!name.contains(['/', '\\']) && !name.contains(char::is_control));
            }
            Skimmed::Value { value, .. } => assert!(value.len() <= VALUE_BYTES),
        }
    }
    !parts.is_empty()
}

fn whole(body: &[u8]) -> Unread {
    Full::new(Bytes::copy_from_slice(body))
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

fn pieces(body: &[u8], size: usize) -> Unread {
    let frames: Vec<_> = body
        .chunks(size)
        .map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece))))
        .collect();
    StreamBody::new(stream::iter(frames)).boxed_unsync()
}

/// Nothing that a client wrote is a fault of this system.
fn is_refusal(error: &GraphError) {
    assert!(
        error.status.is_client_error() && error.code != 0,
        "not the client's fault: {error:?}"
    );
}

fn wait<F: Future>(future: F) -> F::Output {
    thread_local! {
        static RUNTIME: OnceCell<tokio::runtime::Runtime> = const { OnceCell::new() };
    }
    RUNTIME.with(|cell| {
        let runtime = cell.get_or_init(|| match tokio::runtime::Builder::new_current_thread().enable_time().build() {
            Ok(runtime) => runtime,
            Err(error) => unreachable!("no clock for deadlines: {error}"),
        });
        runtime.block_on(future)
    })
}
