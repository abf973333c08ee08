//! A bucket as S3 has them, in memory, as far as an object store is used here: whole and partial puts, gets of ranges, copies, lists and
//! deletions of many. It believes no signature that it has not computed itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Result;
use axum::{
    Router,
    body::{self, Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, Method, Response, StatusCode},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use tokio::{net::TcpListener, task::AbortHandle};

/// The least that a part of a file may have, but for the last one.
const LEAST_PART_BYTES: usize = 5 << 20;
/// The most keys that one list tells, as of the real one.
const LIST_KEYS: usize = 1000;

/// Who may use it.
#[derive(Clone, Debug)]
pub struct Access {
    /// The name of the bucket.
    pub name: String,
    /// The id of the only key.
    pub key_id: String,
    /// The key.
    pub secret: String,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            name: "bucket".to_owned(),
            key_id: "AKIDEXAMPLE".to_owned(),
            secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        }
    }
}

/// What a bucket holds, and what it was asked.
#[derive(Default)]
pub struct Held {
    /// Objects by their key.
    pub objects: BTreeMap<String, Vec<u8>>,
    /// Parts of what is being written, by upload.
    pub uploads: BTreeMap<String, BTreeMap<usize, Vec<u8>>>,
    /// The method and the first word of the query of every request.
    pub asked: Vec<String>,
    /// How many requests were not signed by the key.
    pub badly_signed: usize,
    /// So many parts are answered with 503 first.
    pub failing: usize,
    /// Everything is answered with 503 once so many requests were.
    pub down_after: Option<usize>,
}

impl Held {
    /// How many requests there were of this method and first word.
    #[must_use]
    pub fn count(&self, asked: &str) -> usize {
        self.asked.iter().filter(|one| one.as_str() == asked).count()
    }
}

/// Told of every object that is put or deleted: `PUT` or `DELETE`, and its key.
pub type Watcher = fn(&str, &str);

#[derive(Clone)]
struct Service {
    access: Arc<Access>,
    held: Arc<Mutex<Held>>,
    watcher: Option<Watcher>,
}

/// What answers for a bucket.
pub fn router(access: Access, held: Arc<Mutex<Held>>, watcher: Option<Watcher>) -> Router {
    let access = Arc::new(access);
    Router::new().fallback(serve).with_state(Service { access, held, watcher })
}

/// A bucket on a loopback port of its own; ends with the value.
pub struct Bucket {
    address: SocketAddr,
    access: Access,
    held: Arc<Mutex<Held>>,
    serving: AbortHandle,
}

impl Bucket {
    /// One that is empty.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        Ok(Self::on(address, |router| {
            tokio::spawn(axum::serve(listener, router).into_future())
        }))
    }

    /// One that shows a certificate for 127.0.0.1.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start_secured(identity: &crate::certificates::Identity) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let listener = crate::tls::Secured::new(listener, &identity.certificate, &identity.private_key, None)?;
        Ok(Self::on(address, |router| {
            tokio::spawn(axum::serve(listener, router).into_future())
        }))
    }

    fn on<T>(address: SocketAddr, serve: impl FnOnce(Router) -> tokio::task::JoinHandle<T>) -> Self {
        let (access, held) = (Access::default(), Arc::<Mutex<Held>>::default());
        let serving = serve(router(access.clone(), Arc::clone(&held), None)).abort_handle();
        Self {
            address,
            access,
            held,
            serving,
        }
    }

    /// Its port.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who may use it.
    #[must_use]
    pub const fn access(&self) -> &Access {
        &self.access
    }

    /// What it holds.
    pub fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys of its objects.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.held().objects.keys().cloned().collect()
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    // Keys of every length are taken.
    Hmac::<Sha256>::new_from_slice(key).map_or_else(
        |_| Vec::new(),
        |mut mac| {
            mac.update(text.as_bytes());
            mac.finalize().into_bytes().to_vec()
        },
    )
}

/// Computes the signature as the service does (Signature Version 4).
fn is_signed(access: &Access, method: &Method, path: &str, query: &str, headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let authorization = header("authorization");
    let part = |name: &str| {
        let (_, rest) = authorization.split_once(&format!("{name}="))?;
        rest.split(',').next().map(str::trim)
    };
    let (Some(credential), Some(signed), Some(signature)) = (part("Credential"), part("SignedHeaders"), part("Signature")) else {
        return false;
    };
    let Some((id, scope)) = credential.split_once('/') else {
        return false;
    };
    let hash = header("x-amz-content-sha256");
    if id != access.key_id || hash != hex::encode(Sha256::digest(body)) || !authorization.starts_with("AWS4-HMAC-SHA256 ") {
        return false;
    }
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    pairs.sort();
    let canonical_headers: String = signed.split(';').map(|name| format!("{name}:{}\n", header(name).trim())).collect();
    let canonical = format!("{method}\n{path}\n{}\n{canonical_headers}\n{signed}\n{hash}", pairs.join("&"));
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
        header("x-amz-date"),
        hex::encode(Sha256::digest(canonical))
    );
    let key = scope
        .split('/')
        .fold(format!("AWS4{}", access.secret).into_bytes(), |key, part| mac(&key, part));
    hex::encode(mac(&key, &to_sign)) == signature
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in [("etag", "\"e\""), ("last-modified", "Sun, 22 Nov 2026 00:00:00 GMT")] {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn error(status: u16, code: &str) -> Response<Body> {
    answer(status, format!("<Error><Code>{code}</Code></Error>"))
}

async fn serve(State(service): State<Service>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body::to_bytes(body, usize::MAX).await else {
        return error(400, "IncompleteBody");
    };
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    let mut held = service.held.lock().unwrap_or_else(PoisonError::into_inner);
    held.asked
        .push(format!("{} {}", parts.method, query.split('=').next().unwrap_or_default()));
    if !is_signed(&service.access, &parts.method, path, query, &parts.headers, &body) {
        held.badly_signed += 1;
        return error(403, "SignatureDoesNotMatch");
    }
    match &mut held.down_after {
        Some(0) => return error(503, "SlowDown"),
        Some(left) => *left -= 1,
        None => {}
    }
    let Some(rest) = path.strip_prefix(&format!("/{}", service.access.name)) else {
        return error(404, "NoSuchBucket");
    };
    let ask = Ask {
        key: rest.trim_start_matches('/').to_owned(),
        query: query.to_owned(),
        method: parts.method,
        headers: parts.headers,
        body,
    };
    let tell = |what: &str, key: &str| {
        if let Some(watcher) = service.watcher {
            watcher(what, key);
        }
    };
    ask.answer(&mut held, tell)
}

struct Ask {
    method: Method,
    key: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Ask {
    fn argument(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            pair.split_once('=')
                .filter(|(found, _)| *found == name)
                .map(|(_, value)| value.replace("%2F", "/"))
        })
    }

    fn answer(self, held: &mut Held, tell: impl Fn(&str, &str)) -> Response<Body> {
        match (&self.method, self.argument("partNumber"), self.argument("uploadId")) {
            (&Method::PUT, Some(number), Some(upload)) => {
                if held.failing > 0 {
                    held.failing -= 1;
                    return error(503, "SlowDown");
                }
                let (Some(upload), Ok(number)) = (held.uploads.get_mut(&upload), number.parse()) else {
                    return error(404, "NoSuchUpload");
                };
                upload.insert(number, self.body.to_vec());
                answer(200, "")
            }
            (&Method::PUT, ..) => {
                let copied = match self.headers.get("x-amz-copy-source").and_then(|source| source.to_str().ok()) {
                    None => None,
                    Some(source) => {
                        let source = source.trim_start_matches('/').replace("%2F", "/");
                        let source = source.split_once('/').map_or("", |(_, key)| key);
                        match held.objects.get(source) {
                            Some(content) => Some(content.clone()),
                            None => return error(404, "NoSuchKey"),
                        }
                    }
                };
                tell("PUT", &self.key);
                let is_copy = copied.is_some();
                held.objects.insert(self.key, copied.unwrap_or_else(|| self.body.to_vec()));
                let told = if is_copy {
                    "<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>"
                } else {
                    ""
                };
                answer(200, told)
            }
            (&Method::POST, _, Some(upload)) => {
                let Some(parts) = held.uploads.remove(&upload) else {
                    return error(404, "NoSuchUpload");
                };
                if parts.values().rev().skip(1).any(|part| part.len() < LEAST_PART_BYTES) {
                    return error(400, "EntityTooSmall");
                }
                tell("PUT", &self.key);
                held.objects.insert(self.key, parts.into_values().flatten().collect());
                answer(
                    200,
                    "<CompleteMultipartUploadResult><ETag>\"e\"</ETag></CompleteMultipartUploadResult>",
                )
            }
            (&Method::DELETE, _, Some(upload)) => {
                held.uploads.remove(&upload);
                answer(204, "")
            }
            (&Method::DELETE, ..) => {
                held.objects.remove(&self.key);
                tell("DELETE", &self.key);
                answer(204, "")
            }
            (&Method::POST, ..) if self.query.starts_with("uploads") => {
                let id = format!("u{}", held.asked.len());
                held.uploads.insert(id.clone(), BTreeMap::new());
                answer(
                    200,
                    format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"),
                )
            }
            (&Method::POST, ..) if self.query.starts_with("delete") => {
                let text = String::from_utf8_lossy(&self.body);
                let mut told = String::new();
                for key in text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next()) {
                    held.objects.remove(key);
                    tell("DELETE", key);
                    told.push_str(&format!("<Deleted><Key>{key}</Key></Deleted>"));
                }
                answer(200, format!("<DeleteResult>{told}</DeleteResult>"))
            }
            (&Method::GET, ..) if self.query.contains("list-type=2") => self.list(held),
            (&Method::GET, ..) => self.get(held),
            _ => answer(400, ""),
        }
    }

    fn list(&self, held: &Held) -> Response<Body> {
        let prefix = self.argument("prefix").unwrap_or_default();
        let after = self.argument("continuation-token").unwrap_or_default();
        let (mut told, mut prefixes, mut last, mut is_truncated) = (String::new(), BTreeSet::new(), "", false);
        let found = held
            .objects
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix) && key.as_str() > after.as_str());
        for (count, (key, content)) in found.enumerate() {
            if count == LIST_KEYS {
                is_truncated = true;
                break;
            }
            last = key;
            match key[prefix.len()..].split_once('/') {
                Some((first, _)) if self.argument("delimiter").is_some() => {
                    prefixes.insert(format!("{prefix}{first}/"));
                }
                _ => told.push_str(&format!(
                    "<Contents><Key>{key}</Key><Size>{}</Size><LastModified>2026-11-22T00:00:00.000Z</LastModified><ETag>e</ETag></Contents>",
                    content.len()
                )),
            }
        }
        for prefix in prefixes {
            told.push_str(&format!("<CommonPrefixes><Prefix>{prefix}</Prefix></CommonPrefixes>"));
        }
        if is_truncated {
            told.push_str(&format!("<NextContinuationToken>{last}</NextContinuationToken>"));
        }
        answer(
            200,
            format!("<ListBucketResult><IsTruncated>{is_truncated}</IsTruncated>{told}</ListBucketResult>"),
        )
    }

    fn get(&self, held: &Held) -> Response<Body> {
        let Some(content) = held.objects.get(&self.key) else {
            return error(404, "NoSuchKey");
        };
        let range = self.headers.get("range").and_then(|range| range.to_str().ok());
        let bounds = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        let bounds = bounds.and_then(|(first, last)| Some((first.parse().ok()?, last.parse::<usize>().ok()?)));
        let Some((first, last)) = bounds.map(|(first, last): (usize, usize)| (first, last.min(content.len().saturating_sub(1)))) else {
            return error(400, "InvalidRange");
        };
        let mut response = answer(206, content.get(first..=last).unwrap_or_default().to_vec());
        if let Ok(told) = format!("bytes {first}-{last}/{}", content.len()).parse() {
            response.headers_mut().insert("content-range", told);
        }
        response
    }
}
