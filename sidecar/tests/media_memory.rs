//! A large file takes no memory: up, to the relay, and back. A process of its own, so that nothing else is measured.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a test fails by panicking"
)]
#![cfg(target_os = "linux")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use hyper::body::Frame;
use sha2::{Digest as _, Sha256};

#[path = "support/files.rs"]
mod files;

use self::files::{ID, TOKEN, World, product};
use waxseal_sidecar::id::MediaId;

const FILE_BYTES: usize = 100 << 20;
const PIECE_BYTES: usize = 64 << 10;
const MOST_GROWTH_BYTES: u64 = 40 << 20;

/// Memory of our own; pages of the program's file come and go with whatever else the machine does.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
}

/// The piece of the file with this index.
fn piece(index: usize) -> Bytes {
    let start = if index == 0 { b"%PDF-1.7".as_slice() } else { b"" };
    let mut piece = vec![index.to_le_bytes()[0]; PIECE_BYTES];
    piece[..start.len()].copy_from_slice(start);
    piece.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_file_takes_no_memory() {
    let world = World::start().await;
    let peak = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let watcher = std::thread::spawn({
        let (peak, stop) = (Arc::clone(&peak), Arc::clone(&stop));
        move || {
            while !stop.load(Ordering::Relaxed) {
                peak.fetch_max(resident_bytes(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    });
    let before = resident_bytes();

    let pieces = FILE_BYTES / PIECE_BYTES;
    let head = Bytes::from(
        [
            product().as_slice(),
            b"--XX\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n",
        ]
        .concat(),
    );
    let end = Bytes::from_static(b"\r\n--XX--\r\n");
    let frames = (0..pieces + 2).map(move |index| match index {
        0 => Frame::data(head.clone()),
        last if last == pieces + 1 => Frame::data(end.clone()),
        index => Frame::data(piece(index - 1)),
    });
    let body = http_body_util::StreamBody::new(futures_util::stream::iter(frames.map(Ok::<_, std::io::Error>)));
    let client = reqwest::Client::new();
    let request = client.post(world.url(&format!("/{ID}/media"))).bearer_auth(TOKEN);
    let request = request.header("content-type", "multipart/form-data; boundary=XX");
    let answer: serde_json::Value = request.body(reqwest::Body::wrap(body)).send().await.unwrap().json().await.unwrap();
    let id = answer["id"].as_str().unwrap_or_else(|| panic!("{answer}"));

    let media = MediaId::parse(id).unwrap();
    world.number().media().outbound(media, SystemTime::now()).await.unwrap();

    let node = client.get(world.url(&format!("/{id}"))).bearer_auth(TOKEN).send().await.unwrap();
    let node: serde_json::Value = node.json().await.unwrap();
    assert_eq!(node["file_size"], FILE_BYTES);
    let mut response = client.get(node["url"].as_str().unwrap()).bearer_auth(TOKEN).send().await.unwrap();
    let (mut hash, mut length) = (Sha256::new(), 0);
    while let Some(chunk) = response.chunk().await.unwrap() {
        hash.update(&chunk);
        length += chunk.len();
    }
    assert_eq!(
        (length, hex::encode(hash.finalize())),
        (FILE_BYTES, node["sha256"].as_str().unwrap().to_owned())
    );

    stop.store(true, Ordering::Relaxed);
    watcher.join().unwrap();
    let growth = peak.load(Ordering::Relaxed).saturating_sub(before);
    assert!(growth < MOST_GROWTH_BYTES, "{} MiB more than before", growth >> 20);
    // Sanity of the measurement: it was looked at while something happened.
    assert!(peak.load(Ordering::Relaxed) > before);
}
