//! The shelf of a number between a real store, a real folder and a relay that a test can break.

use std::{
    collections::HashMap,
    sync::{
        RwLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::UNIX_EPOCH,
};

use bytes::Bytes;
use futures_util::{
    StreamExt as _, TryStreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use prometheus_client::registry::Registry;
use rand::SeedableRng as _;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use waxseal_content::{Blob, BlobId, FileSecret, Media, MediaKind, PhoneNumber, Text};
use waxseal_protocol::Error as TransportError;
use waxseal_sealing::{BlindIndex, Chain, Sealer, Tokens, stream as sealed};
use waxseal_signal::Identity;
use waxseal_store::Options;
use zeroize::Zeroizing;

use super::*;
use crate::{
    conversation::shared::{SentTimes, SignedKeys},
    message::NumberFacts,
    metrics::Metrics,
    names::Names,
    transport::blobs,
    webhook::body::Account,
};

const ID: &str = "106540352242922";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A relay in memory.
#[derive(Default)]
struct Relay {
    blobs: Mutex<HashMap<BlobId, (Vec<u8>, Duration)>>,
    /// Bytes that came in.
    uploads: AtomicUsize,
    puts: AtomicUsize,
    away: AtomicBool,
}

impl Relay {
    fn set(&self, id: BlobId, ciphertext: Vec<u8>) {
        self.blobs.lock().unwrap().insert(id, (ciphertext, DAY));
    }

    fn blob(&self, id: BlobId) -> (Vec<u8>, Duration) {
        self.blobs.lock().unwrap().get(&id).cloned().unwrap()
    }
}

impl Blobs for Relay {
    fn put<'a>(
        &'a self,
        id: BlobId,
        size_bytes: u64,
        ttl: Duration,
        mut data: BoxStream<'a, Bytes>,
    ) -> BoxFuture<'a, Result<bool, TransportError>> {
        Box::pin(async move {
            self.puts.fetch_add(1, Ordering::SeqCst);
            if self.away.load(Ordering::SeqCst) {
                return Err(TransportError::Unavailable);
            }
            if let Some((_, kept)) = self.blobs.lock().unwrap().get_mut(&id) {
                *kept = ttl.max(*kept);
                return Ok(true);
            }
            let mut content = Vec::new();
            while let Some(part) = data.next().await {
                tokio::task::yield_now().await;
                content.extend_from_slice(&part);
            }
            if content.len() as u64 != size_bytes {
                return Err(TransportError::BlobSize);
            }
            self.uploads.fetch_add(content.len(), Ordering::SeqCst);
            self.blobs.lock().unwrap().insert(id, (content, ttl));
            Ok(false)
        })
    }

    fn get(&self, id: BlobId, offset: u64, length: u64) -> BoxFuture<'_, Result<blobs::Blob, TransportError>> {
        Box::pin(async move {
            if self.away.load(Ordering::SeqCst) {
                return Err(TransportError::Unavailable);
            }
            let (content, _) = self.blobs.lock().unwrap().get(&id).cloned().ok_or(TransportError::NoBlob)?;
            let start = usize::try_from(offset).unwrap().min(content.len());
            let end = (start + usize::try_from(length).unwrap()).min(content.len());
            let parts: Vec<_> = content[start..end]
                .chunks(10_000)
                .map(|part| Ok(Bytes::copy_from_slice(part)))
                .collect();
            Ok(blobs::Blob {
                size_bytes: content.len() as u64,
                parts: stream::iter(parts).boxed(),
            })
        })
    }
}

struct World {
    folder: TempDir,
    relay: Arc<Relay>,
    shared: Arc<Shared>,
    store: Store,
    shelf: Arc<Shelf>,
    now: SystemTime,
}

impl World {
    async fn new(retention: Duration) -> Self {
        Self::lasting(retention, None).await
    }

    /// One whose policy says how long files are kept at most.
    async fn lasting(retention: Duration, most: Option<Duration>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_embedded(&folder.path().join("state.redb"), Options::default())
            .await
            .unwrap();
        // The store has a clock of its own.
        let now = SystemTime::now();
        let shared = Arc::new(Shared {
            lifetimes: file::Lifetimes::under(retention, most),
            ..shared(retention, now)
        });
        let relay = Arc::new(Relay::default());
        let media = config::Media {
            location: Some(config::MediaLocation::Directory(folder.path().join("media"))),
            egress: config::Egress {
                loopback: true,
                ports: Vec::new(),
            },
            ..config::Media::default()
        };
        let shelf = Shelf::new(ID, &media, Arc::clone(&shared), store.clone(), Arc::<Relay>::clone(&relay)).unwrap();
        Self {
            folder,
            relay,
            shared,
            store,
            shelf: Arc::new(shelf),
            now,
        }
    }

    async fn upload(&self, content: &[u8], mime_type: &str, ttl: Option<Duration>) -> Result<MediaId, Refusal> {
        let name = Some(Text::from("secret-name.bin"));
        self.shelf.upload(pieces(content), mime_type, name, ttl, self.now).await
    }

    async fn read(&self, id: MediaId) -> Vec<u8> {
        let file = self.shelf.find(id, self.now).await.unwrap();
        let size = file.size_bytes;
        read(&self.shelf, &file, 0..size).await.unwrap()
    }

    fn objects(&self) -> Vec<std::path::PathBuf> {
        fn walk(path: &std::path::Path, found: &mut Vec<std::path::PathBuf>) {
            for entry in std::fs::read_dir(path).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                } else {
                    found.push(path);
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.folder.path().join("media"), &mut found);
        found
    }

    /// Until what is deleted in the background is gone.
    async fn until_objects(&self, count: usize) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        while self.objects().len() != count {
            assert!(tokio::time::Instant::now() < deadline, "{:?}", self.objects());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A consumer's file at the relay, and its record in the store.
    async fn inbound(&self, media: &Media) -> MediaId {
        let shared = &self.shared;
        let now = Moment::of(self.now);
        let shelved = file::inbound(&shared.names, media, shared.lifetimes, now.ms, &mut rand::rng());
        let plaintext = crate::conversation::record::encode(&shelved.record);
        let sealed = shared
            .sealer
            .seal(Class::Media, shelved.key.as_str(), 1, &plaintext, self.now, &mut rand::rng())
            .unwrap();
        let put = Op::Put {
            key: shelved.key,
            value: sealed.into(),
            ttl: shelved.ttl,
        };
        let batch = Batch {
            ops: vec![put],
            ..Batch::default()
        };
        self.store.commit(batch).await.unwrap();
        shelved.id
    }
}

fn shared(retention: Duration, now: SystemTime) -> Shared {
    let mut rng = rand::rngs::StdRng::seed_from_u64(1);
    let facts = NumberFacts {
        phone_number: "+15550100".to_owned(),
        phone_number_id: ID.to_owned(),
        waba_id: "1".to_owned(),
        app_id: "2".to_owned(),
        display_name: "Test".to_owned(),
        connected: true,
        pin_enabled: true,
        webhook_url: None,
    };
    Shared {
        number: PhoneNumber::parse("+15550100").unwrap(),
        display_name: Text::from("Test"),
        identity: Arc::new(Identity::generate(&mut rng).unwrap()),
        policy: waxseal_signal::Policy::default(),
        sealer: Sealer::new(ID, Chain::generate(Hour::of(now), &mut rng)),
        names: Names::new(ID),
        blind: BlindIndex::new(&Zeroizing::new([1; 32])),
        tokens: Tokens::new(&Zeroizing::new([2; 32])),
        user_id_key: Zeroizing::new([3; 32]),
        signed_keys: RwLock::new(SignedKeys::default()),
        retention,
        lifetimes: file::Lifetimes::under(retention, None),
        keep_content: false,
        webhook_window: retention,
        bodies: Account::new(&facts),
        urls: file::Urls::new(None, None, ID, Duration::from_secs(300)),
        subscriptions: RwLock::default(),
        sent: SentTimes::default(),
        conduct: crate::conversation::Conduct::default(),
        blocks: Default::default(),
        metrics: Metrics::register(&mut Registry::default()),
    }
}

fn pieces(content: &[u8]) -> impl futures_util::Stream<Item = Result<Bytes, Refusal>> + Send + use<> {
    let pieces: Vec<_> = content.chunks(30_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces)
}

async fn read(shelf: &Shelf, file: &File, range: std::ops::Range<u64>) -> Result<Vec<u8>, String> {
    let reader = shelf.open(file, range).await.map_err(|refusal| refusal.to_string())?;
    let parts: Vec<Bytes> = reader.try_collect().await.map_err(|error| error.to_string())?;
    Ok(parts.concat())
}

fn content(length: usize) -> Vec<u8> {
    let mut content = b"%PDF-1.7 a very secret document ".to_vec();
    content.extend((content.len()..length).map(|byte| byte.to_le_bytes()[0] ^ byte.to_le_bytes()[1]));
    content
}

/// A file as a consumer makes it: what its message says, and its ciphertext.
fn consumers(content: &[u8]) -> (Media, Vec<u8>) {
    let (key, mut encryptor) = sealed::Encryptor::new(&mut rand::rng());
    let mut ciphertext = Vec::new();
    encryptor.push(content, &mut ciphertext).unwrap();
    encryptor.finish(&mut ciphertext).unwrap();
    let media = Media {
        kind: MediaKind::Document,
        blob: Blob {
            id: BlobId::random(&mut rand::rng()),
            key: FileSecret::new(*key.as_bytes()),
        },
        sha256: Sha256::digest(content).into(),
        size_bytes: content.len() as u64,
        mime_type: Text::from("application/pdf"),
        caption: None,
        filename: Some(Text::from("theirs.pdf")),
        voice: false,
        animated: false,
    };
    (media, ciphertext)
}

#[tokio::test]
async fn a_file_comes_back_and_lies_nowhere_in_the_clear() {
    let world = World::new(7 * DAY).await;
    let content = content(300_000);
    let id = world.upload(&content, "application/pdf", None).await.unwrap();
    let file = world.shelf.find(id, world.now).await.unwrap();
    assert_eq!(file.sha256, <[u8; 32]>::from(Sha256::digest(&content)));
    assert_eq!((file.size_bytes, file.mime_type.as_str()), (300_000, "application/pdf"));
    assert!(world.read(id).await == content);
    for range in [0..0, 0..1, 65_535..65_537, 299_999..300_000, 100_000..250_000] {
        let (start, end) = (usize::try_from(range.start).unwrap(), usize::try_from(range.end).unwrap());
        assert!(read(&world.shelf, &file, range).await.unwrap() == content[start..end]);
    }
    let object = world.objects().pop().unwrap();
    let stored = std::fs::read(object).unwrap();
    assert_eq!(stored.len() as u64, sealed::ciphertext_bytes(300_000));
    world.store.clone().close().await;
    let database = std::fs::read(world.folder.path().join("state.redb")).unwrap();
    for place in [stored, database] {
        for secret in [b"very secret".as_slice(), b"secret-name", &content[1000..1032], file.key.as_bytes()] {
            assert!(!place.windows(secret.len()).any(|window| window == secret));
        }
    }
}

#[tokio::test]
async fn what_is_refused_leaves_nothing() {
    let world = World::new(7 * DAY).await;
    let png = b"\x89PNG\r\n\x1a\n0000";
    assert_eq!(
        world.upload(png, "image/jpeg", None).await.err(),
        Some(Refusal::Unfit(Unfit::Mismatch("image/jpeg")))
    );
    assert_eq!(
        world.upload(b"", "text/plain", None).await.err(),
        Some(Refusal::Unfit(Unfit::Empty))
    );
    let large = [png.as_slice(), &vec![0; 5 << 20]].concat();
    assert_eq!(
        world.upload(&large, "image/png", None).await.err(),
        Some(Refusal::Unfit(Unfit::TooLarge(5 << 20)))
    );
    let broken = pieces(&content(200_000)).chain(stream::iter([Err(Refusal::BrokenOff)]));
    assert_eq!(
        world.shelf.upload(broken, "application/pdf", None, None, world.now).await.err(),
        Some(Refusal::BrokenOff)
    );
    world.until_objects(0).await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_never_ends_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let objects = Objects::open(&config::MediaLocation::Directory(folder.path().join("media"))).unwrap();
    let (_, encryptor) = sealed::Encryptor::new(&mut rand::rng());
    let silent = stream::iter([Ok(Bytes::from_static(b"begun"))]).chain(stream::pending());
    let deadline = tokio::time::Instant::now() + Duration::from_secs(1800);
    let taken = upload::take(silent, encryptor, objects.write("1/1/a"), MOST_BYTES, deadline).await;
    assert_eq!(taken.err(), Some(Refusal::TooSlow));
    // One byte now and then does not keep it alive for ever either.
    let (_, encryptor) = sealed::Encryptor::new(&mut rand::rng());
    let dripping = stream::unfold((), |()| async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        Some((Ok(Bytes::from_static(b".")), ()))
    });
    let taken = upload::take(dripping, encryptor, objects.write("1/1/b"), MOST_BYTES, deadline).await;
    assert_eq!(taken.err(), Some(Refusal::TooSlow));
}

#[tokio::test]
async fn files_live_as_long_as_they_are_said_to() {
    let hour = Duration::from_secs(3600);
    for (retention, ttl, life) in [
        (30 * DAY, None, 30 * DAY),
        (7 * DAY, None, 7 * DAY),
        (7 * DAY, Some(2 * hour), 2 * hour),
        (7 * DAY, Some(30 * DAY), 7 * DAY),
        (hour, None, hour),
        (hour, Some(5 * DAY), 5 * DAY),
    ] {
        let world = World::new(retention).await;
        let id = world.upload(&content(100), "application/pdf", ttl).await.unwrap();
        let almost = world.now + life - Duration::from_secs(1);
        assert!(world.shelf.find(id, almost).await.is_ok(), "{retention:?} {ttl:?}");
        assert_eq!(world.shelf.find(id, world.now + life).await.err(), Some(Refusal::NotFound));
        // The object goes with the first whole hour after that.
        world.shelf.sweep(almost).await.unwrap();
        assert_eq!(world.objects().len(), 1, "{retention:?} {ttl:?}");
        world.shelf.sweep(world.now + life + 2 * hour).await.unwrap();
        assert_eq!(world.objects().len(), 0, "{retention:?} {ttl:?}");
    }
}

#[tokio::test]
async fn no_file_lives_longer_than_the_policy_lets_files_live() {
    let hour = Duration::from_secs(3600);
    let second = Duration::from_secs(1);
    for (retention, most, ttl, life) in [
        (30 * DAY, 3 * DAY, None, 3 * DAY),
        (30 * DAY, 3 * DAY, Some(30 * DAY), 3 * DAY),
        (30 * DAY, 3 * DAY, Some(2 * hour), 2 * hour),
        // Never longer than everything else.
        (2 * DAY, 3 * DAY, None, 2 * DAY),
    ] {
        let world = World::lasting(retention, Some(most)).await;
        let id = world.upload(&content(100), "application/pdf", ttl).await.unwrap();
        let file = world.shelf.find(id, world.now + life - second).await;
        assert!(file.is_ok(), "{retention:?} {ttl:?}");
        assert_eq!(world.shelf.find(id, world.now + life).await.err(), Some(Refusal::NotFound));
        world.shelf.sweep(world.now + life + 2 * hour).await.unwrap();
        assert_eq!(world.objects().len(), 0, "{retention:?} {ttl:?}");

        let (media, ciphertext) = consumers(&content(100));
        world.relay.set(media.blob.id, ciphertext);
        let inbound = world.inbound(&media).await;
        let life = most.min(retention);
        assert!(world.shelf.find(inbound, world.now + life - second).await.is_ok(), "{retention:?}");
        assert_eq!(world.shelf.find(inbound, world.now + life).await.err(), Some(Refusal::NotFound));
    }
}

/// The promise behind the lifetimes: with every key that is kept, nothing of a saved copy opens.
#[tokio::test]
async fn a_saved_copy_is_noise_after_the_retention() {
    let world = World::new(DAY).await;
    let id = world.upload(&content(100), "application/pdf", None).await.unwrap();
    let key = world.shared.names.media(id);
    let saved = world.store.get(std::slice::from_ref(&key)).await.unwrap().remove(0).unwrap();
    assert!(world.shelf.open_record(&key, &saved).is_some());
    let oldest = Hour::oldest_needed(world.now + DAY + Duration::from_secs(3600), DAY);
    world.shared.sealer.forget_before(world.shared.sealer.chain_from(oldest).unwrap());
    assert!(world.shelf.open_record(&key, &saved).is_none());
    assert_eq!(world.shelf.find(id, world.now).await.err(), Some(Refusal::NotFound));
}

#[tokio::test]
async fn a_deleted_file_is_gone() {
    let world = World::new(DAY).await;
    let id = world.upload(&content(100), "application/pdf", None).await.unwrap();
    world.shelf.delete(id, world.now).await.unwrap();
    assert_eq!(world.shelf.find(id, world.now).await.err(), Some(Refusal::NotFound));
    assert_eq!(world.shelf.delete(id, world.now).await.err(), Some(Refusal::NotFound));
    assert_eq!(world.objects().len(), 0);
}

#[tokio::test]
async fn the_relay_gets_a_file_once_and_for_long_enough() {
    let world = World::new(4 * DAY).await;
    let content = content(200_000);
    let id = world.upload(&content, "application/pdf", None).await.unwrap();
    let sends = (0..20).map(|_| {
        let (shelf, now) = (Arc::clone(&world.shelf), world.now);
        tokio::spawn(async move { shelf.outbound(id, now).await.unwrap() })
    });
    let mut pointers = Vec::new();
    for send in sends.collect::<Vec<_>>() {
        pointers.push(send.await.unwrap());
    }
    let ciphertext = sealed::ciphertext_bytes(200_000);
    assert_eq!(world.relay.uploads.load(Ordering::SeqCst) as u64, ciphertext, "one upload");
    assert_eq!(world.relay.puts.load(Ordering::SeqCst), 1);
    let pointer = pointers.pop().unwrap();
    assert!(pointers.iter().all(|other| other.blob == pointer.blob));
    // What is there is what the message's key opens.
    let (stored, ttl) = world.relay.blob(pointer.blob.id);
    let mut plaintext = Vec::new();
    let mut decryptor = sealed::Decryptor::new(&sealed::FileKey::from_bytes(pointer.blob.key.reveal()));
    decryptor.push(&stored, &mut plaintext).unwrap();
    decryptor.finish(&mut plaintext).unwrap();
    assert!(plaintext == content);
    assert!(ttl >= 4 * DAY, "as long as the message may be on its way");
    // Later it is asked to keep it for longer, without the bytes.
    world.shelf.outbound(id, world.now + Duration::from_secs(3600)).await.unwrap();
    assert_eq!(world.relay.puts.load(Ordering::SeqCst), 1);
    world.shelf.outbound(id, world.now + 2 * DAY).await.unwrap();
    assert_eq!(world.relay.puts.load(Ordering::SeqCst), 2);
    assert_eq!(world.relay.uploads.load(Ordering::SeqCst) as u64, ciphertext);
}

#[tokio::test]
async fn a_relay_that_is_away_is_tried_again() {
    let world = World::new(DAY).await;
    let id = world.upload(&content(100), "application/pdf", None).await.unwrap();
    world.relay.away.store(true, Ordering::SeqCst);
    assert_eq!(world.shelf.outbound(id, world.now).await.err(), Some(Refusal::Unavailable));
    world.relay.away.store(false, Ordering::SeqCst);
    assert!(world.shelf.outbound(id, world.now).await.is_ok());
}

#[tokio::test]
async fn an_object_that_was_cut_never_reaches_anybody_as_whole() {
    let world = World::new(DAY).await;
    let id = world.upload(&content(200_000), "application/pdf", None).await.unwrap();
    let object = world.objects().pop().unwrap();
    let whole = std::fs::read(&object).unwrap();
    std::fs::write(&object, &whole[..150_000]).unwrap();
    let file = world.shelf.find(id, world.now).await.unwrap();
    assert!(read(&world.shelf, &file, 0..200_000).await.is_err());
    assert!(world.shelf.outbound(id, world.now).await.is_err());
    assert!(world.relay.blobs.lock().unwrap().is_empty());
    let mut changed = whole.clone();
    changed[100_000] ^= 1;
    std::fs::write(&object, &changed).unwrap();
    assert_eq!(
        read(&world.shelf, &file, 0..200_000).await.err().as_deref(),
        Some("it is not authentic")
    );
    assert!(read(&world.shelf, &file, 0..1000).await.is_ok(), "what is authentic is");
    std::fs::remove_file(&object).unwrap();
    assert!(read(&world.shelf, &file, 0..1).await.is_err());
}

#[tokio::test]
async fn a_consumer_s_file_stays_at_the_relay_until_it_is_asked_for() {
    let world = World::new(30 * DAY).await;
    let content = content(150_000);
    let (media, ciphertext) = consumers(&content);
    world.relay.set(media.blob.id, ciphertext);
    let id = world.inbound(&media).await;
    assert!(world.read(id).await == content);
    let file = world.shelf.find(id, world.now).await.unwrap();
    assert!(read(&world.shelf, &file, 70_000..70_010).await.unwrap() == content[70_000..70_010]);
    assert_eq!(world.objects().len(), 0);
    assert_eq!(
        world.shelf.find(id, world.now + 7 * DAY).await.err(),
        Some(Refusal::NotFound),
        "seven days"
    );
    // Passed on, it is our own copy.
    let pointer = world.shelf.outbound(id, world.now).await.unwrap();
    assert!(pointer.blob.id != media.blob.id && pointer.blob.key == media.blob.key);
    assert_eq!(world.relay.blob(pointer.blob.id).0, world.relay.blob(media.blob.id).0);
    assert!(world.shelf.outbound(id, world.now).await.unwrap().blob.id == pointer.blob.id);
}

#[tokio::test]
async fn a_consumer_s_file_that_is_not_what_was_said() {
    let world = World::new(DAY).await;
    let content = content(150_000);
    let (media, ciphertext) = consumers(&content);
    // Nothing there.
    let id = world.inbound(&media).await;
    let file = world.shelf.find(id, world.now).await.unwrap();
    assert_eq!(world.shelf.open(&file, 0..10).await.err(), Some(Refusal::NotFound));
    // Shorter, longer, changed, with another hash.
    for wrong in [ciphertext[..100_000].to_vec(), [ciphertext.as_slice(), b"x"].concat()] {
        world.relay.set(media.blob.id, wrong);
        assert_eq!(world.shelf.open(&file, 0..10).await.err(), Some(Refusal::NotFound));
    }
    let mut changed = ciphertext.clone();
    changed[80_000] ^= 1;
    world.relay.set(media.blob.id, changed);
    assert_eq!(
        read(&world.shelf, &file, 0..150_000).await.err().as_deref(),
        Some("it is not authentic")
    );
    world.relay.set(media.blob.id, ciphertext);
    let lied = Media {
        sha256: [0; 32],
        ..media.clone()
    };
    let id = world.inbound(&lied).await;
    let file = world.shelf.find(id, world.now).await.unwrap();
    assert_eq!(
        read(&world.shelf, &file, 0..150_000).await.err().as_deref(),
        Some("it is not what its sender said")
    );
}

/// Serves a picture, and counts how often.
async fn picture_server() -> (String, Arc<AtomicUsize>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&served);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut request = vec![0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\ncontent-length: 8\r\n\r\n\xff\xd8\xff\xe0JFIF")
                .await;
        }
    });
    (format!("http://{address}/a?token=secret"), served)
}

#[tokio::test]
async fn a_link_is_fetched_once_in_ten_minutes() {
    let world = World::new(DAY).await;
    let (link, served) = picture_server().await;
    let fetches = (0..10).map(|_| {
        let (shelf, now, link) = (Arc::clone(&world.shelf), world.now, link.clone());
        tokio::spawn(async move { shelf.fetch_link(&link, MediaKind::Image, now).await.unwrap().id })
    });
    let mut ids = Vec::new();
    for fetch in fetches.collect::<Vec<_>>() {
        ids.push(fetch.await.unwrap());
    }
    assert_eq!(served.load(Ordering::SeqCst), 1);
    assert!(ids.iter().all(|id| *id == ids[0]));
    let file = world.shelf.find(ids[0], world.now).await.unwrap();
    assert_eq!(file.mime_type, "image/jpeg", "what its server did not know is looked at");
    assert_eq!(
        world.shelf.fetch_link(&link, MediaKind::Audio, world.now).await.err(),
        Some(Refusal::Unfit(Unfit::WrongKind(MediaKind::Audio)))
    );
    let later = world.now + Duration::from_secs(601);
    world.shelf.fetch_link(&link, MediaKind::Image, later).await.unwrap();
    assert_eq!(served.load(Ordering::SeqCst), 2);
    assert_eq!(
        world
            .shelf
            .fetch_link("http://127.0.0.1:1/", MediaKind::Image, world.now)
            .await
            .err(),
        Some(Refusal::Link(LinkFailure::Connect))
    );
}

#[tokio::test]
async fn there_may_be_no_place_for_uploads() {
    let world = World::new(DAY).await;
    let nowhere = config::Media::default();
    let shelf = Shelf::new(
        ID,
        &nowhere,
        Arc::clone(&world.shared),
        world.store.clone(),
        Arc::<Relay>::clone(&world.relay),
    )
    .unwrap();
    let refused = shelf.upload(pieces(b"hi"), "text/plain", None, None, world.now).await;
    assert_eq!(refused.err(), Some(Refusal::NoPlace));
    let (media, ciphertext) = consumers(&content(100));
    world.relay.set(media.blob.id, ciphertext);
    let id = world.inbound(&media).await;
    let file = shelf.find(id, world.now).await.unwrap();
    assert!(
        read(&shelf, &file, 0..100).await.is_ok(),
        "what consumers send can be fetched all the same"
    );
    shelf.sweep(UNIX_EPOCH).await.unwrap();
}
