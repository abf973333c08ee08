//! What an answer is made of.
//!
//! Purpose: the body of an answer: bytes, as nearly always, or a stream, for media. Pure.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::body::{Frame, SizeHint};
use serde::Serialize;

use super::shape::Success;

/// An answer.
pub type Response = http::Response<Body>;

/// The body of an answer.
pub enum Body {
    /// In one piece.
    Whole(Full<Bytes>),
    /// As it comes. An error ends the connection, so that nobody takes a part for the whole.
    Stream(UnsyncBoxBody<Bytes, std::io::Error>),
}

impl Body {
    /// A body that comes bit by bit.
    pub fn stream<B: hyper::body::Body<Data = Bytes, Error = std::io::Error> + Send + 'static>(body: B) -> Self {
        Self::Stream(body.boxed_unsync())
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::Whole(Full::default())
    }
}

impl<T: Into<Bytes>> From<T> for Body {
    fn from(bytes: T) -> Self {
        Self::Whole(Full::new(bytes.into()))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Stream(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// An answer in JSON.
pub(super) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json; charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// 200 with this value.
pub(super) fn ok<T: Serialize>(value: &T) -> Response {
    // What is answered has names for keys and no numbers but finite ones: it always serializes.
    json(StatusCode::OK, serde_json::to_vec(value).unwrap_or_default())
}

/// What Graph answers to a change: `{"success":true}`.
pub(super) fn success() -> Response {
    ok(&Success::default())
}
