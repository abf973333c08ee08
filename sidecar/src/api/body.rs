//! Reading a request's body.
//!
//! Purpose: a bounded, timed read of a body of known or unknown length. A body that came in one piece is not copied.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::{Instant, timeout_at};

use super::GraphError;

/// How much of a body that is too large is read away, so that a client that writes first and reads later still sees the answer.
const DRAIN_BYTES: usize = 8 << 20;

/// Reads a body of at most `limit_bytes` within `time`.
///
/// # Errors
/// HTTP 413, 408 or 400, each with a Graph error.
pub(super) async fn read<B: Body<Data = Bytes> + Unpin>(mut body: B, limit_bytes: usize, time: Duration) -> Result<Bytes, GraphError> {
    let deadline = Instant::now() + time;
    if body.size_hint().lower() > limit_bytes as u64 {
        return Err(refuse(body, 0, limit_bytes, deadline).await);
    }
    let mut whole = Bytes::new();
    let mut more = BytesMut::new();
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Err(_) => return Err(GraphError::too_slow()),
            Ok(None) => break,
            Ok(Some(Err(_))) => return Err(GraphError::broken_off()),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else { continue };
        let length = whole.len() + more.len() + data.len();
        if length > limit_bytes {
            return Err(refuse(body, length, limit_bytes, deadline).await);
        }
        if whole.is_empty() && more.is_empty() {
            whole = data;
        } else {
            if more.is_empty() {
                more.extend_from_slice(&std::mem::take(&mut whole));
            }
            more.extend_from_slice(&data);
        }
    }
    Ok(if more.is_empty() { whole } else { more.freeze() })
}

async fn refuse<B: Body<Data = Bytes> + Unpin>(mut body: B, mut length: usize, limit_bytes: usize, deadline: Instant) -> GraphError {
    while length < DRAIN_BYTES {
        match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => length += frame.data_ref().map_or(0, Bytes::len),
            _ => break,
        }
    }
    GraphError::too_large(limit_bytes)
}
