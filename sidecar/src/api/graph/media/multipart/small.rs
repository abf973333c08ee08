//! A form with a small file: one that is read whole.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http::header;
use multer::{Field, Multipart};
use tokio::time::{Instant, timeout_at};

use super::{super::super::super::GraphError, Call, MOST_PARTS, Pieces, Unread, broken, drain, value};

/// How long the whole form may take.
const TIME: Duration = Duration::from_secs(60);

/// What a form says.
pub(in crate::api::graph) struct Small {
    /// The part named `file`.
    pub(in crate::api::graph) file: Option<Vec<u8>>,
    values: Vec<(String, String)>,
}

impl Small {
    /// What a part says that is no file.
    pub(in crate::api::graph) fn said(&self, name: &str) -> Option<&str> {
        self.values
            .iter()
            .find_map(|(named, value)| (named == name).then_some(value.as_str()))
    }
}

/// Reads a form whose file has at most so many bytes.
///
/// # Errors
/// The Graph error to answer with.
pub(in crate::api::graph) async fn small(call: &mut Call<'_>, most_bytes: usize) -> Result<Small, GraphError> {
    let boundary = call
        .header(&header::CONTENT_TYPE)
        .and_then(|kind| multer::parse_boundary(kind).ok());
    let body = Arc::new(Mutex::new(call.take_body()));
    let read = match boundary {
        Some(boundary) => read(Arc::clone(&body), boundary, most_bytes).await,
        None => Err(GraphError::invalid("The request body must be multipart/form-data with a boundary.")),
    };
    drain(&body).await;
    read
}

async fn read(body: Arc<Mutex<Unread>>, boundary: String, most_bytes: usize) -> Result<Small, GraphError> {
    let deadline = Instant::now() + TIME;
    let patience = Arc::new(AtomicUsize::new(0));
    let pieces = Pieces {
        body,
        unshown: Arc::clone(&patience),
        rests: false,
    };
    let mut parts = Multipart::new(pieces, boundary);
    let mut form = Small {
        file: None,
        values: Vec::new(),
    };
    for _ in 0..MOST_PARTS {
        let next = timeout_at(deadline, parts.next_field()).await.map_err(|_| GraphError::too_slow())?;
        let Some(part) = next.map_err(|error| broken(&error))? else {
            return Ok(form);
        };
        patience.store(0, Relaxed);
        let name = part.name().unwrap_or_default().to_owned();
        if name != "file" {
            form.values.push((name, value(part, &patience).await?));
        } else if form.file.is_some() {
            return Err(GraphError::invalid("The request body has more than one part named file."));
        } else {
            form.file = Some(file(part, &patience, most_bytes, deadline).await?);
        }
    }
    Err(GraphError::invalid("The request body has more than 32 parts."))
}

async fn file(mut part: Field<'_>, patience: &AtomicUsize, most_bytes: usize, deadline: Instant) -> Result<Vec<u8>, GraphError> {
    let mut content = Vec::new();
    loop {
        let chunk = timeout_at(deadline, part.chunk()).await.map_err(|_| GraphError::too_slow())?;
        let Some(chunk) = chunk.map_err(|error| broken(&error))? else {
            return Ok(content);
        };
        patience.store(0, Relaxed);
        if content.len() + chunk.len() > most_bytes {
            return Err(GraphError::too_large(most_bytes));
        }
        content.extend_from_slice(&chunk);
    }
}
