//! Files that travel beside the messages: whole or not at all, for their time, within everybody's bounds.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use waxseal_protocol::proto::blobs_client::BlobsClient;
use waxseal_protocol::proto::{BlobHeader, GetBlob, PutBlob, Role, put_blob::Frame};
use waxseal_protocol::{Error, wire};

use crate::durability::Process;
use crate::hostile::{authorized, channel};
use crate::support::{PIN, Person, TestRelay, soon, until};

const ID: [u8; 16] = [7; 16];
const OTHER: [u8; 16] = [8; 16];
const HOUR: Duration = Duration::from_secs(3_600);

/// Bytes that tell where they are.
fn content(size: usize) -> Vec<u8> {
    (0..size)
        .map(|at| u8::try_from((at ^ (at >> 8) ^ (at >> 16)) & 0xff).unwrap())
        .collect()
}

fn parts(content: &[u8], part: usize) -> impl futures_util::Stream<Item = Bytes> + use<> {
    stream::iter(content.chunks(part).map(Bytes::copy_from_slice).collect::<Vec<_>>())
}

async fn put(person: &Person, id: &[u8; 16], content: &[u8], ttl: Duration) -> Result<bool, Error> {
    let data = parts(content, 65_552);
    soon(person.client.put_blob(&person.account, id, content.len() as u64, ttl, data)).await
}

async fn get_part(person: &Person, id: &[u8; 16], offset: u64, length: u64) -> Result<Vec<u8>, Error> {
    let mut parts = soon(person.client.get_blob(&person.account, id, offset, length)).await?;
    let mut read = Vec::new();
    while let Some(part) = soon(parts.next()).await {
        read.extend_from_slice(&part?);
    }
    assert_eq!(parts.left_bytes(), 0);
    Ok(read)
}

async fn get(person: &Person, id: &[u8; 16]) -> Result<Vec<u8>, Error> {
    get_part(person, id, 0, 0).await
}

/// What lies in the relay's folder.
fn files(state_dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(state_dir.join("blobs")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn until_empty(relay: &TestRelay) {
    until("nothing left", || {
        files(relay.state_dir()).is_empty() && relay.running().stats().blobs == 0
    })
    .await;
}

#[tokio::test]
async fn what_was_put_is_there_for_who_knows_the_id() {
    let mut relay = TestRelay::start().await;
    let (ann, business) = (relay.consumer("+15550001").await, relay.business("+15550100").await);
    // Around the borders of frames and parts.
    for (n, size) in [1, 65_535, 131_072, 131_073, 1_000_000].into_iter().enumerate() {
        let id = [u8::try_from(n).unwrap(); 16];
        let content = content(size);
        assert_eq!(put(&business, &id, &content, HOUR).await, Ok(false));
        assert!(get(&ann, &id).await.unwrap() == content, "{size}");
    }
    relay.crash().await;
    let ann = ann.at(relay.client());
    let all = content(1_000_000);
    let id = [4; 16];
    for (offset, length) in [
        (0, 1),
        (1, 1),
        (999_999, 1),
        (999_999, 0),
        (131_000, 300_000),
        (500_000, u64::MAX),
        (0, 0),
    ] {
        let from = usize::try_from(offset).unwrap();
        let until = match length {
            0 => all.len(),
            length => from.saturating_add(usize::try_from(length).unwrap()).min(all.len()),
        };
        assert!(
            get_part(&ann, &id, offset, length).await.unwrap() == all[from..until],
            "{offset} {length}"
        );
    }
    let whole = soon(ann.client.get_blob(&ann.account, &id, 10, 5)).await.unwrap();
    assert_eq!((whole.size_bytes(), whole.left_bytes()), (1_000_000, 5));
    assert_eq!(get_part(&ann, &id, 1_000_000, 0).await, Ok(Vec::new()));
    assert_eq!(get_part(&ann, &id, 1_000_001, 0).await.err(), Some(Error::Malformed));
    assert_eq!(get(&ann, &OTHER).await.err(), Some(Error::NoBlob));
    let names = files(relay.state_dir());
    assert_eq!(names.len(), 5);
    assert!(
        names
            .iter()
            .all(|name| name.ends_with(".blob") && !name.contains("0404") && !name.contains("5550")),
        "{names:?}"
    );
    assert_eq!(relay.running().stats().blobs, 5);
}

#[tokio::test]
async fn putting_again_needs_no_bytes_and_changes_nothing_but_the_time() {
    let mut relay = TestRelay::start().await;
    let business = relay.business("+15550100").await;
    let first = content(300_000);
    assert_eq!(put(&business, &ID, &first, Duration::from_secs(60)).await, Ok(false));
    // The answer comes although the content never does.
    let never = stream::pending::<Bytes>();
    let again = business.client.put_blob(&business.account, &ID, 300_000, HOUR, never);
    assert_eq!(soon(again).await, Ok(true));
    assert_eq!(put(&business, &ID, &vec![0; 300_000], Duration::from_secs(30)).await, Ok(true));
    assert_eq!(put(&business, &ID, &vec![0; 299_999], HOUR).await, Err(Error::BlobSize));
    relay.pass(Duration::from_secs(120));
    relay.restart().await;
    let business = business.at(relay.client());
    assert!(get(&business, &ID).await.unwrap() == first);
    relay.pass(HOUR);
    assert_eq!(get(&business, &ID).await.err(), Some(Error::NoBlob));
    until_empty(&relay).await;
    // The id is free again.
    assert_eq!(put(&business, &ID, &content(10), HOUR).await, Ok(false));
    assert_eq!(get(&business, &ID).await, Ok(content(10)));
}

#[tokio::test]
async fn somebody_elses_id_is_refused() {
    let relay = TestRelay::start().await;
    let (ann, bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    assert_eq!(put(&ann, &ID, b"of ann", HOUR).await, Ok(false));
    assert_eq!(put(&bob, &ID, b"of bob", HOUR).await, Err(Error::BlobTaken));
    assert_eq!(put(&bob, &ID, b"bob again", HOUR).await, Err(Error::BlobTaken));
    assert_eq!(get(&bob, &ID).await.as_deref(), Ok(&b"of ann"[..]));
    // Two at once: one has it, and what the other brought is gone.
    let attempts = (0..8u8).map(|n| {
        let person = if n % 2 == 0 { ann.clone() } else { bob.clone() };
        async move {
            let body = if n % 2 == 0 { vec![1; 200_000] } else { vec![2; 200_000] };
            (n % 2, put(&person, &OTHER, &body, HOUR).await)
        }
    });
    let outcomes = futures_util::future::join_all(attempts).await;
    let stored: Vec<_> = outcomes.iter().filter(|(_, outcome)| *outcome == Ok(false)).collect();
    assert_eq!(stored.len(), 1, "{outcomes:?}");
    let winner = stored[0].0;
    for (of, outcome) in &outcomes {
        let same = outcome == &Ok(false) || outcome == &Ok(true);
        assert!(if *of == winner { same } else { *outcome == Err(Error::BlobTaken) }, "{outcomes:?}");
    }
    assert!(get(&ann, &OTHER).await.unwrap() == vec![winner + 1; 200_000]);
    until("two left", || {
        files(relay.state_dir()).len() == 2 && relay.running().stats().blobs == 2
    })
    .await;
}

/// Sends these frames and returns the answer; the stream stays open when `ends` is not so.
async fn send(relay: &TestRelay, person: &Person, frames: Vec<Option<Frame>>, ends: bool) -> Result<bool, Status> {
    let (sender, receiver) = mpsc::channel(64);
    for frame in frames {
        sender.try_send(PutBlob { frame }).unwrap();
    }
    let held = (!ends).then_some(sender);
    let mut client = BlobsClient::new(channel(relay).await).max_encoding_message_size(usize::MAX);
    let answer = soon(client.put(authorized(person, ReceiverStream::new(receiver)))).await;
    drop(held);
    answer.map(|answer| answer.into_inner().existed)
}

fn header(id: &[u8], size_bytes: u64) -> Option<Frame> {
    Some(Frame::Header(BlobHeader {
        id: id.to_vec().into(),
        size_bytes,
        ttl_seconds: 60,
    }))
}

fn data(bytes: usize) -> Option<Frame> {
    Some(Frame::Data(vec![1; bytes].into()))
}

#[tokio::test]
async fn an_upload_that_lies_leaves_nothing() {
    let relay = TestRelay::start_with(|config| config.limits.blobs.bytes = 1_000_000).await;
    let ann = relay.consumer("+15550001").await;
    let bad = Code::InvalidArgument;
    let cases = vec![
        ("nothing", vec![], bad),
        ("an empty frame first", vec![None], bad),
        ("data first", vec![data(1)], bad),
        ("a short id", vec![header(&[1; 15], 1), data(1)], bad),
        ("a long id", vec![header(&[1; 17], 1), data(1)], bad),
        ("no size", vec![header(&ID, 0)], bad),
        ("too large", vec![header(&ID, 1_000_001)], Code::OutOfRange),
        ("absurdly large", vec![header(&ID, u64::MAX)], Code::OutOfRange),
        ("no bytes", vec![header(&ID, 10)], bad),
        ("one byte less", vec![header(&ID, 10), data(9)], bad),
        ("one byte more", vec![header(&ID, 10), data(5), data(6)], bad),
        ("much more", vec![header(&ID, 1), data(200_000)], bad),
        ("an empty part", vec![header(&ID, 10), data(0)], bad),
        ("an empty frame", vec![header(&ID, 10), None], bad),
        ("a second header", vec![header(&ID, 10), data(5), header(&ID, 10)], bad),
        (
            "a part that is too long",
            vec![header(&ID, 1_000_000), data(wire::MAX_PART_BYTES + 1)],
            bad,
        ),
        ("a frame that is too long", vec![header(&ID, 1_000_000), data(600_000)], bad),
    ];
    for (what, frames, code) in cases {
        let refused = send(&relay, &ann, frames, true).await.err().unwrap();
        assert_eq!(refused.code(), code, "{what}: {refused:?}");
    }
    until_empty(&relay).await;
    assert_eq!(get(&ann, &ID).await.err(), Some(Error::NoBlob));
    // The client says it before the relay does.
    for (declared, sent) in [(10, 9), (10, 11), (100_000, 300_000)] {
        let data = parts(&content(sent), 50_000);
        let put = ann.client.put_blob(&ann.account, &ID, declared, HOUR, data);
        assert_eq!(soon(put).await, Err(Error::BlobSize), "{declared} {sent}");
    }
    assert_eq!(put(&ann, &ID, &content(1_000_001), HOUR).await, Err(Error::TooLarge));
    until_empty(&relay).await;
    assert_eq!(put(&ann, &ID, &content(1_000_000), HOUR).await, Ok(false));
}

#[tokio::test]
async fn an_upload_that_stops_or_never_ends_is_cut_off() {
    let relay = TestRelay::start_with(|config| {
        config.limits.blobs.idle = Duration::from_millis(200);
        config.limits.blobs.grace = Duration::from_millis(600);
        config.limits.blobs.least_bytes_per_second = 100 << 20;
    })
    .await;
    let ann = relay.consumer("+15550001").await;
    let refused = send(&relay, &ann, vec![header(&ID, 1_000_000), data(100_000)], false).await.err();
    assert_eq!(refused.unwrap().code(), Code::DeadlineExceeded, "nothing more comes");
    let trickle = Box::pin(stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Some((Bytes::from_static(&[1; 10]), ()))
    }));
    let endless = ann.client.put_blob(&ann.account, &ID, 1_000_000, HOUR, trickle);
    assert_eq!(soon(endless).await, Err(Error::BlobSlow), "never idle, never done");
    until_empty(&relay).await;

    // Whoever goes away half-way.
    let (sender, receiver) = mpsc::channel(1);
    let client = ann.client.clone();
    let account = ann.account.clone();
    let half = tokio::spawn(async move {
        let data = ReceiverStream::new(receiver);
        client.put_blob(&account, &ID, 1_000_000, HOUR, data).await
    });
    sender.send(Bytes::from(vec![1; 200_000])).await.unwrap();
    until("it has begun", || {
        files(relay.state_dir()).iter().any(|name| name.ends_with(".part"))
    })
    .await;
    half.abort();
    until_empty(&relay).await;
    assert_eq!(put(&ann, &ID, &content(100), HOUR).await, Ok(false));
}

#[tokio::test]
async fn a_download_that_nobody_takes_is_cut_off_and_does_not_look_whole() {
    let relay = TestRelay::start_with(|config| {
        config.limits.blobs.idle = Duration::from_millis(200);
        config.limits.blobs.streams_per_account = 1;
    })
    .await;
    let ann = relay.consumer("+15550001").await;
    let large = content(8 << 20);
    assert_eq!(put(&ann, &ID, &large, HOUR).await, Ok(false));
    let mut stalled = soon(ann.client.get_blob(&ann.account, &ID, 0, 0)).await.unwrap();
    // When this is no longer refused, the other was given up.
    let second = soon(async {
        loop {
            match get(&ann, &ID).await {
                Err(Error::RateLimited { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
                other => break other,
            }
        }
    });
    assert!(second.await.unwrap() == large);
    let mut read = Vec::new();
    let end = loop {
        match soon(stalled.next()).await {
            Some(Ok(part)) => read.extend_from_slice(&part),
            other => break other,
        }
    };
    assert_eq!(end, Some(Err(Error::Unavailable)));
    assert!(read.len() < large.len() && large.starts_with(&read), "{}", read.len());
}

#[tokio::test]
async fn what_an_account_keeps_and_uploads_is_bounded() {
    const MIB: u64 = 1 << 20;
    let relay = TestRelay::start_with(|config| {
        let limits = &mut config.limits.blobs;
        limits.consumer.kept_bytes = 2 * MIB;
        limits.consumer.uploaded_bytes_per_hour = 4 * MIB;
        limits.business.kept_bytes = 10 * MIB;
        limits.total_bytes = 5 * MIB;
    })
    .await;
    let (ann, business) = (relay.consumer("+15550001").await, relay.business("+15550100").await);
    let one = content(1 << 20);
    let id = |n: u8| [n; 16];
    let minute = Duration::from_secs(60);
    assert_eq!(put(&ann, &id(1), &one, minute).await, Ok(false));
    assert_eq!(put(&ann, &id(2), &one, HOUR).await, Ok(false));
    // This attempt costs an hour's share, but nothing is kept of it.
    let refused = put(&ann, &id(3), &one, HOUR).await;
    assert!(matches!(refused, Err(Error::RateLimited { .. })), "{refused:?}");
    // A business is not held up by it, but by what all keep together.
    for n in 10..13 {
        assert_eq!(put(&business, &id(n), &one, HOUR).await, Ok(false));
    }
    assert_eq!(put(&business, &id(13), &one, HOUR).await, Err(Error::Full));
    // Room comes with time.
    relay.pass(Duration::from_secs(61));
    until("one has expired", || relay.running().stats().blobs == 4).await;
    assert_eq!(put(&ann, &id(3), &one, HOUR).await, Ok(false));
    relay.pass(Duration::from_secs(61));
    let refused = put(&ann, &id(4), &one, HOUR).await;
    let Err(Error::RateLimited { retry_after }) = refused else {
        panic!("{refused:?}");
    };
    assert!(retry_after > Duration::from_secs(60) && retry_after <= HOUR, "{retry_after:?}");
}

#[tokio::test]
async fn uploads_in_an_hour_are_bounded_and_so_are_downloads() {
    let relay = TestRelay::start_with(|config| {
        let limits = &mut config.limits.blobs;
        limits.consumer.uploaded_bytes_per_hour = 3 << 20;
        limits.consumer.downloaded_bytes_per_hour = 3 << 20;
    })
    .await;
    let ann = relay.consumer("+15550001").await;
    let one = content(1 << 20);
    for n in 0..3 {
        assert_eq!(put(&ann, &[n; 16], &one, HOUR).await, Ok(false));
        assert!(get(&ann, &[n; 16]).await.is_ok());
    }
    let refused = put(&ann, &[3; 16], &one, HOUR).await;
    assert!(
        matches!(refused, Err(Error::RateLimited { retry_after }) if retry_after.as_secs() > 1_100 && retry_after.as_secs() <= 1_200),
        "{refused:?}"
    );
    assert!(matches!(get(&ann, &[0; 16]).await, Err(Error::RateLimited { .. })));
    assert_eq!(put(&ann, &[0; 16], &one, HOUR).await, Ok(true), "what is there costs nothing");
    relay.pass(Duration::from_secs(1_201));
    assert_eq!(put(&ann, &[3; 16], &one, HOUR).await, Ok(false));
    assert!(get(&ann, &[0; 16]).await.is_ok());
}

#[tokio::test]
async fn uploads_at_a_time_are_bounded() {
    let relay = TestRelay::start_with(|config| config.limits.blobs.streams_per_account = 1).await;
    let (ann, bob) = (relay.consumer("+15550001").await, relay.consumer("+15550002").await);
    let (sender, receiver) = mpsc::channel(1);
    let (client, account) = (ann.client.clone(), ann.account.clone());
    let slow = tokio::spawn(async move { client.put_blob(&account, &ID, 2, HOUR, ReceiverStream::new(receiver)).await });
    sender.send(Bytes::from_static(b"1")).await.unwrap();
    until("it has begun", || files(relay.state_dir()).len() == 1).await;
    assert!(matches!(put(&ann, &OTHER, b"x", HOUR).await, Err(Error::RateLimited { .. })));
    assert_eq!(put(&bob, &OTHER, b"x", HOUR).await, Ok(false));
    sender.send(Bytes::from_static(b"2")).await.unwrap();
    drop(sender);
    assert_eq!(soon(slow).await.unwrap(), Ok(false));
    assert!(get(&ann, &ID).await.is_ok());
}

#[tokio::test]
async fn a_blob_goes_with_its_time_and_with_its_owner() {
    let mut relay = TestRelay::start().await;
    let (ann, business) = (relay.consumer("+15550001").await, relay.business("+15550100").await);
    assert_eq!(put(&business, &[1; 16], b"short", Duration::from_secs(60)).await, Ok(false));
    assert_eq!(put(&business, &[2; 16], b"for ever", Duration::MAX).await, Ok(false));
    assert_eq!(put(&business, &[3; 16], b"not said", Duration::ZERO).await, Ok(false));
    assert_eq!(put(&ann, &[4; 16], b"of ann", Duration::ZERO).await, Ok(false));
    relay.pass(Duration::from_secs(61));
    assert_eq!(
        get(&ann, &[1; 16]).await.err(),
        Some(Error::NoBlob),
        "at once, not when it is swept"
    );
    until("swept", || files(relay.state_dir()).len() == 3).await;
    business.client.deregister(&business.account, Some(PIN)).await.unwrap();
    assert_eq!(get(&ann, &[2; 16]).await.err(), Some(Error::NoBlob));
    until("forgotten", || files(relay.state_dir()).len() == 1).await;
    relay.crash().await;
    let ann = ann.at(relay.client());
    assert_eq!(get(&ann, &[4; 16]).await.as_deref(), Ok(&b"of ann"[..]));
    assert_eq!((relay.running().stats().blobs, relay.running().stats().blob_bytes), (1, 65_536));
    relay.pass(Duration::from_secs(30 * 24 * 3_600 + 1));
    relay.restart().await;
    until_empty(&relay).await;
}

#[tokio::test]
async fn only_registered_numbers_put_and_get() {
    let relay = TestRelay::start().await;
    let ann = relay.consumer("+15550001").await;
    put(&ann, &ID, b"x", HOUR).await.unwrap();
    let stranger = Person {
        client: ann.client.clone(),
        account: waxseal_protocol::Account {
            number: ann.account.number.clone(),
            credential: waxseal_protocol::Credential::random(&mut rand::rng()),
        },
    };
    assert_eq!(put(&stranger, &OTHER, b"x", HOUR).await, Err(Error::Unauthenticated));
    assert_eq!(get(&stranger, &ID).await.err(), Some(Error::Unauthenticated));
    for id in [&[][..], &[1; 15], &[1; 17]] {
        let wish = GetBlob {
            id: id.to_vec().into(),
            ..GetBlob::default()
        };
        let refused = soon(BlobsClient::new(channel(&relay).await).get(authorized(&ann, wish)))
            .await
            .err();
        assert_eq!(refused.unwrap().code(), Code::InvalidArgument);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_keeps_what_was_answered_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let (process, client) = Process::start(dir.path());
    let ann = Person::register(client, "+15550001", Role::Consumer, None).await;
    let kept = content(500_000);
    assert_eq!(put(&ann, &ID, &kept, HOUR).await, Ok(false));
    let (sender, receiver) = mpsc::channel(1);
    let (client, account) = (ann.client.clone(), ann.account.clone());
    let cut = tokio::spawn(async move {
        client
            .put_blob(&account, &OTHER, 900_000, HOUR, ReceiverStream::new(receiver))
            .await
    });
    sender.send(Bytes::from(vec![1; 300_000])).await.unwrap();
    until("it has begun", || files(dir.path()).len() == 2).await;
    process.kill();
    assert_eq!(soon(cut).await.unwrap(), Err(Error::Unavailable));
    assert_eq!(files(dir.path()).len(), 2, "nobody tidied up");
    // A file that was renamed and never entered, and one that is not the relay's.
    std::fs::write(dir.path().join("blobs/00000000000000ff.blob"), "x").unwrap();
    std::fs::write(dir.path().join("blobs/lost+found"), "x").unwrap();

    let (process, client) = Process::start(dir.path());
    let ann = ann.at(client);
    assert_eq!(files(dir.path()).len(), 2);
    assert!(get(&ann, &ID).await.unwrap() == kept);
    assert_eq!(get(&ann, &OTHER).await.err(), Some(Error::NoBlob));
    process.kill();

    // An entry whose file is missing does not pretend to be there.
    let blob = files(dir.path()).into_iter().find(|name| name.ends_with(".blob")).unwrap();
    std::fs::remove_file(dir.path().join("blobs").join(blob)).unwrap();
    let (_process, client) = Process::start(dir.path());
    let ann = ann.at(client);
    assert_eq!(get(&ann, &ID).await.err(), Some(Error::NoBlob));
    assert_eq!(put(&ann, &ID, &kept, HOUR).await, Ok(false));
    assert!(get(&ann, &ID).await.unwrap() == kept);
}

/// The most memory the process has had.
fn peak_kib(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_blob_never_sits_in_memory() {
    const MIB: usize = 1 << 20;
    let dir = TempDir::new().unwrap();
    let (process, client) = Process::start(dir.path());
    let ann = Person::register(client, "+15550001", Role::Consumer, None).await;
    put(&ann, &OTHER, &content(MIB), HOUR).await.unwrap();
    let before = peak_kib(&process);
    let part = Bytes::from(content(MIB));
    let data = stream::iter(std::iter::repeat_n(part.clone(), 96));
    let size = 96 * MIB as u64;
    assert_eq!(soon(ann.client.put_blob(&ann.account, &ID, size, HOUR, data)).await, Ok(false));
    let mut parts = soon(ann.client.get_blob(&ann.account, &ID, 0, 0)).await.unwrap();
    // Who takes nothing fills no memory either.
    let stalled = soon(ann.client.get_blob(&ann.account, &ID, 0, 0)).await.unwrap();
    let mut read = 0;
    while let Some(bytes) = soon(parts.next()).await {
        let bytes = bytes.unwrap();
        for (at, byte) in bytes.iter().enumerate().step_by(4_093) {
            assert_eq!(*byte, part[(read + at) % MIB]);
        }
        read += bytes.len();
    }
    assert_eq!(read, 96 * MIB);
    drop(stalled);
    let grown = peak_kib(&process) - before;
    assert!(grown < 24 * 1024, "{grown} KiB");
}

#[tokio::test]
async fn metrics_count_blobs() {
    let relay = TestRelay::start().await;
    let ann = relay.consumer("+15550001").await;
    put(&ann, &ID, &content(100_000), HOUR).await.unwrap();
    get(&ann, &ID).await.unwrap();
    let _ = send(&relay, &ann, vec![header(&OTHER, 10), data(9)], true).await;
    until("let go", || relay.running().stats().blobs == 1).await;
    let text = relay.running().metrics_text();
    for line in [
        "waxseal_relay_blobs_stored_total 1",
        "waxseal_relay_blob_bytes_stored_total 100000",
        "waxseal_relay_blobs_served_total 1",
        "waxseal_relay_blob_bytes_served_total 100000",
        "waxseal_relay_blobs_refused_total{reason=\"malformed\"} 1",
        "waxseal_relay_kept_blobs 1",
        "waxseal_relay_kept_blob_bytes 100000",
    ] {
        assert!(text.lines().any(|present| present == line), "{line} is not in\n{text}");
    }
}
