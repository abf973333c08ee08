//! Against a bucket on loopback that believes no signature it has not computed itself.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use sha2::{Digest as _, Sha256};
use waxseal_sealing::Hour;

use crate::{
    config::{Bucket, MediaLocation, Secret},
    media::objects::{Error, Objects},
};

const KEY_ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// What a bucket holds, and what it was asked.
#[derive(Default)]
struct Held {
    objects: BTreeMap<String, Vec<u8>>,
    uploads: BTreeMap<String, BTreeMap<usize, Vec<u8>>>,
    asked: Vec<String>,
    badly_signed: usize,
    /// Answers the next part with 503 so many times.
    failing: usize,
}

type Shared = Arc<Mutex<Held>>;

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Computes the signature as the service does (Signature Version 4).
fn is_signed(method: &Method, path: &str, query: &str, headers: &HeaderMap, body: &[u8]) -> bool {
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
    if id != KEY_ID || hash != hex::encode(Sha256::digest(body)) || !authorization.starts_with("AWS4-HMAC-SHA256 ") {
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
        .fold(format!("AWS4{SECRET}").into_bytes(), |key, part| mac(&key, part));
    hex::encode(mac(&key, &to_sign)) == signature
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header("etag", "\"e\"")
        .header("last-modified", "Sun, 22 Nov 2026 00:00:00 GMT")
        .body(Full::new(body.into()))
        .unwrap()
}

async fn serve(held: Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let (path, query) = (parts.uri.path().to_owned(), parts.uri.query().unwrap_or_default().to_owned());
    let mut held = held.lock().unwrap();
    held.asked
        .push(format!("{} {}", parts.method, query.split('=').next().unwrap_or_default()));
    if !is_signed(&parts.method, &path, &query, &parts.headers, &body) {
        held.badly_signed += 1;
        return answer(403, "<Error><Code>SignatureDoesNotMatch</Code></Error>");
    }
    let Some(rest) = path.strip_prefix("/bucket") else {
        return answer(404, "<Error><Code>NoSuchBucket</Code></Error>");
    };
    let key = rest.trim_start_matches('/').to_owned();
    let argument = |name: &str| {
        query.split('&').find_map(|pair| {
            pair.split_once('=')
                .filter(|(found, _)| *found == name)
                .map(|(_, value)| value.replace("%2F", "/"))
        })
    };
    match (&parts.method, argument("partNumber"), argument("uploadId")) {
        (&Method::PUT, Some(number), Some(upload)) => {
            if held.failing > 0 {
                held.failing -= 1;
                return answer(503, "<Error><Code>SlowDown</Code></Error>");
            }
            let upload = held.uploads.get_mut(&upload).unwrap();
            upload.insert(number.parse().unwrap(), body.to_vec());
            answer(200, "")
        }
        (&Method::PUT, ..) => {
            if let Some(source) = parts.headers.get("x-amz-copy-source") {
                let source = source
                    .to_str()
                    .unwrap()
                    .trim_start_matches("/")
                    .trim_start_matches("bucket/")
                    .replace("%2F", "/");
                let copied = held.objects.get(&source).cloned().unwrap();
                held.objects.insert(key, copied);
                return answer(200, "<CopyObjectResult><ETag>\"e\"</ETag></CopyObjectResult>");
            }
            held.objects.insert(key, body.to_vec());
            answer(200, "")
        }
        (&Method::POST, _, Some(upload)) => {
            let parts = held.uploads.remove(&upload).unwrap();
            let sizes: Vec<usize> = parts.values().map(Vec::len).collect();
            assert!(
                sizes[..sizes.len() - 1].iter().all(|size| *size >= 5 << 20),
                "parts are too small: {sizes:?}"
            );
            held.objects.insert(key, parts.into_values().flatten().collect());
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
            held.objects.remove(&key);
            answer(204, "")
        }
        (&Method::POST, ..) if query.starts_with("uploads") => {
            let id = format!("u{}", held.asked.len());
            held.uploads.insert(id.clone(), BTreeMap::new());
            answer(
                200,
                format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"),
            )
        }
        (&Method::POST, ..) if query.starts_with("delete") => {
            let text = String::from_utf8(body.to_vec()).unwrap();
            let mut told = String::new();
            for key in text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next()) {
                held.objects.remove(key);
                told.push_str(&format!("<Deleted><Key>{key}</Key></Deleted>"));
            }
            answer(200, format!("<DeleteResult>{told}</DeleteResult>"))
        }
        (&Method::GET, ..) if query.contains("list-type=2") => {
            let prefix = argument("prefix").unwrap_or_default();
            let found = held.objects.iter().filter(|(key, _)| key.starts_with(&prefix));
            let mut told = String::new();
            let mut prefixes = std::collections::BTreeSet::new();
            for (key, content) in found {
                match key[prefix.len()..].split_once('/') {
                    Some((first, _)) if argument("delimiter").is_some() => {
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
            answer(
                200,
                format!("<ListBucketResult><IsTruncated>false</IsTruncated>{told}</ListBucketResult>"),
            )
        }
        (&Method::GET, ..) => {
            let Some(content) = held.objects.get(&key) else {
                return answer(404, "<Error><Code>NoSuchKey</Code></Error>");
            };
            let range = parts.headers.get("range").unwrap().to_str().unwrap().trim_start_matches("bytes=");
            let (first, last) = range.split_once('-').unwrap();
            let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse::<usize>().unwrap().min(content.len() - 1));
            let mut response = answer(206, content[first..=last].to_vec());
            let told = format!("bytes {first}-{last}/{}", content.len());
            response.headers_mut().insert("content-range", told.parse().unwrap());
            response
        }
        _ => answer(400, ""),
    }
}

async fn bucket(prefix: Option<&str>) -> (Objects, Shared, Bucket) {
    let held = Shared::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = Arc::clone(&held);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let held = Arc::clone(&serving);
            let service = service_fn(move |request| {
                let held = Arc::clone(&held);
                async move { Ok::<_, std::convert::Infallible>(serve(held, request).await) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    let bucket = Bucket {
        name: "bucket".to_owned(),
        endpoint: Some(format!("http://{address}")),
        prefix: prefix.map(str::to_owned),
        region: Some("eu-test-1".to_owned()),
        credentials: Some((KEY_ID.to_owned(), Secret::from(SECRET))),
    };
    (Objects::open(&MediaLocation::S3(bucket.clone())).unwrap(), held, bucket)
}

async fn put(objects: &Objects, name: &str, content: &[u8]) -> Result<(), Error> {
    let mut writer = objects.write(name);
    for piece in content.chunks(1 << 20) {
        writer.buffer().extend_from_slice(piece);
        writer.flush().await?;
    }
    writer.finish().await
}

async fn get(objects: &Objects, name: &str, range: std::ops::Range<u64>) -> Result<Vec<u8>, Error> {
    let parts: Vec<Bytes> = objects.read(name, range).await?.try_collect().await?;
    Ok(parts.concat())
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|byte| byte.to_le_bytes()[0] ^ byte.to_le_bytes()[2]).collect()
}

#[tokio::test]
async fn objects_in_a_bucket_come_back() {
    come_back(None).await;
}

#[tokio::test]
async fn objects_in_a_part_of_a_bucket_come_back() {
    let left = come_back(Some("a/b")).await;
    assert!(left.starts_with("a/b/1067/"), "{left}");
}

/// Puts, gets, moves, sweeps and erases; returns the name of an object that belonged to another number.
async fn come_back(prefix: Option<&str>) -> String {
    let (objects, held, _) = bucket(prefix).await;
    let (small, large) = (content(1000), content((11 << 20) + 7));
    let (one, other) = (Objects::name("106", Hour(100)), Objects::name("106", Hour(200)));
    put(&objects, &one, &small).await.unwrap();
    held.lock().unwrap().failing = 1;
    put(&objects, &other, &large).await.unwrap();
    assert_eq!(get(&objects, &one, 0..1000).await.unwrap(), small);
    assert!(get(&objects, &other, 0..large.len() as u64).await.unwrap() == large);
    assert!(get(&objects, &other, 6_000_000..6_000_100).await.unwrap() == large[6_000_000..6_000_100]);
    {
        let held = held.lock().unwrap();
        assert_eq!(held.badly_signed, 0);
        assert!(held.uploads.is_empty());
        let count = |asked: &str| held.asked.iter().filter(|one| one.as_str() == asked).count();
        assert_eq!(
            (count("POST uploads"), count("PUT ")),
            (1, 1),
            "a small file goes at once: {:?}",
            held.asked
        );
        assert_eq!(count("PUT partNumber"), 4, "three parts, one of them twice");
    }
    let moved = Objects::renamed(&one, Hour(150)).unwrap();
    objects.rename(&one, &moved).await.unwrap();
    assert!(matches!(get(&objects, &one, 0..1).await, Err(Error::NotFound)));
    assert_eq!(objects.sweep("106", Hour(160)).await.unwrap(), 1);
    assert!(matches!(get(&objects, &moved, 0..1).await, Err(Error::NotFound)));
    put(&objects, &Objects::name("1067", Hour(1)), b"x").await.unwrap();
    objects.erase("106").await.unwrap();
    let left: Vec<String> = held.lock().unwrap().objects.keys().cloned().collect();
    assert!(left.len() == 1 && left[0].contains("1067/"), "another number's: {left:?}");
    let name = left[0].trim_start_matches("a/b/");
    objects.delete(name).await.unwrap();
    assert!(held.lock().unwrap().objects.is_empty());
    left[0].clone()
}

#[tokio::test]
async fn what_is_cut_off_is_ended_in_the_bucket() {
    let (objects, held, _) = bucket(None).await;
    let mut writer = objects.write("106/1/a");
    writer.buffer().resize(6 << 20, 0);
    writer.flush().await.unwrap();
    assert_eq!(held.lock().unwrap().uploads.len(), 1);
    drop(writer);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while !held.lock().unwrap().uploads.is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "the upload is still open");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_bucket_that_does_not_know_us_is_an_error_without_our_secret() {
    let (_, held, bucket) = bucket(None).await;
    let wrong = Bucket {
        credentials: Some((KEY_ID.to_owned(), Secret::from("another secret"))),
        ..bucket
    };
    let objects = Objects::open(&MediaLocation::S3(wrong)).unwrap();
    let error = put(&objects, "106/1/a", b"x").await.unwrap_err().to_string();
    assert!(!error.contains("another secret"), "{error}");
    assert_eq!(held.lock().unwrap().badly_signed, 1);
}
