//! Against a bucket on loopback that believes no signature it has not computed itself.

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use waxseal_harness::{bucket, certificates::Authority};
use waxseal_sealing::Hour;

use crate::{
    config::{Bucket, MediaLocation, Secret},
    media::objects::{Error, Objects},
};

fn config(bucket: &bucket::Bucket, scheme: &str) -> Bucket {
    let access = bucket.access();
    Bucket {
        name: access.name.clone(),
        endpoint: Some(format!("{scheme}://{}", bucket.address())),
        prefix: None,
        region: Some("eu-test-1".to_owned()),
        ca: None,
        credentials: Some((access.key_id.clone(), Secret::from(access.secret.as_str()))),
    }
}

fn open(config: Bucket) -> Objects {
    Objects::open(&MediaLocation::S3(config)).unwrap()
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
    let bucket = bucket::Bucket::start().await.unwrap();
    let objects = open(Bucket {
        prefix: prefix.map(str::to_owned),
        ..config(&bucket, "http")
    });
    let (small, large) = (content(1000), content((11 << 20) + 7));
    let (one, other) = (Objects::name("106", Hour(100)), Objects::name("106", Hour(200)));
    put(&objects, &one, &small).await.unwrap();
    bucket.held().failing = 1;
    put(&objects, &other, &large).await.unwrap();
    assert_eq!(get(&objects, &one, 0..1000).await.unwrap(), small);
    assert!(get(&objects, &other, 0..large.len() as u64).await.unwrap() == large);
    assert!(get(&objects, &other, 6_000_000..6_000_100).await.unwrap() == large[6_000_000..6_000_100]);
    {
        let held = bucket.held();
        assert_eq!(held.badly_signed, 0);
        assert!(held.uploads.is_empty());
        assert_eq!(
            (held.count("POST uploads"), held.count("PUT ")),
            (1, 1),
            "a small file goes at once: {:?}",
            held.asked
        );
        assert_eq!(held.count("PUT partNumber"), 4, "three parts, one of them twice");
    }
    let moved = Objects::renamed(&one, Hour(150)).unwrap();
    objects.rename(&one, &moved).await.unwrap();
    assert!(matches!(get(&objects, &one, 0..1).await, Err(Error::NotFound)));
    assert_eq!(objects.sweep("106", Hour(160)).await.unwrap(), 1);
    assert!(matches!(get(&objects, &moved, 0..1).await, Err(Error::NotFound)));
    put(&objects, &Objects::name("1067", Hour(1)), b"x").await.unwrap();
    objects.erase("106").await.unwrap();
    let left = bucket.keys();
    assert!(left.len() == 1 && left[0].contains("1067/"), "another number's: {left:?}");
    let name = left[0].trim_start_matches("a/b/");
    objects.delete(name).await.unwrap();
    assert!(bucket.held().objects.is_empty());
    left[0].clone()
}

#[tokio::test]
async fn what_is_cut_off_is_ended_in_the_bucket() {
    let bucket = bucket::Bucket::start().await.unwrap();
    let objects = open(config(&bucket, "http"));
    let mut writer = objects.write("106/1/a");
    writer.buffer().resize(6 << 20, 0);
    writer.flush().await.unwrap();
    assert_eq!(bucket.held().uploads.len(), 1);
    drop(writer);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while !bucket.held().uploads.is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "the upload is still open");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_bucket_that_does_not_know_us_is_an_error_without_our_secret() {
    let bucket = bucket::Bucket::start().await.unwrap();
    let objects = open(Bucket {
        credentials: Some((bucket.access().key_id.clone(), Secret::from("another secret"))),
        ..config(&bucket, "http")
    });
    let error = put(&objects, "106/1/a", b"x").await.unwrap_err().to_string();
    assert!(!error.contains("another secret"), "{error}");
    assert_eq!(bucket.held().badly_signed, 1);
}

#[tokio::test]
async fn everything_of_a_number_goes_however_much_it_is() {
    let bucket = bucket::Bucket::start().await.unwrap();
    let objects = open(config(&bucket, "http"));
    for index in 0..2500 {
        bucket.held().objects.insert(format!("106/{}/{index:032x}", index % 7), vec![1]);
    }
    bucket.held().objects.insert("1060/1/a".to_owned(), vec![1]);
    let begun = async {
        while bucket.keys().len() == 2501 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    // Cut off once it has begun; what was deleted by then stays so.
    tokio::select! {
        () = begun => {}
        erased = objects.erase("106") => erased.unwrap(),
    }
    assert!(bucket.keys().len() < 2501);
    objects.erase("106").await.unwrap();
    assert_eq!(bucket.keys(), ["1060/1/a"]);
    objects.erase("106").await.unwrap();
}

#[tokio::test]
async fn a_bucket_is_believed_by_the_authorities_that_are_declared_for_it() {
    let authority = Authority::new().unwrap();
    let identity = authority.server("bucket", &["127.0.0.1"]).unwrap();
    let bucket = bucket::Bucket::start_secured(&identity).await.unwrap();
    let believing = |ca: &str| Bucket {
        ca: Some(ca.as_bytes().to_vec()),
        ..config(&bucket, "https")
    };
    let objects = open(believing(authority.certificate()));
    put(&objects, "106/1/a", b"x").await.unwrap();
    assert_eq!(bucket.keys(), ["106/1/a"]);
    let other = Authority::new().unwrap();
    let unbelieving = open(believing(other.certificate()));
    let refused = tokio::time::timeout(std::time::Duration::from_secs(1), put(&unbelieving, "106/1/b", b"x")).await;
    assert!(!matches!(refused, Ok(Ok(()))));
    assert_eq!(bucket.keys(), ["106/1/a"]);
    for nonsense in ["", "no certificate"] {
        let error = Objects::open(&MediaLocation::S3(believing(nonsense))).err().unwrap();
        assert!(matches!(error, Error::Configuration(_)), "{error}");
    }
}
