//! Ownership over a real store, with times that are twenty times as short as in a pod.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use tokio::{sync::watch, time::timeout};
use waxseal_sidecar::{
    custody::Keys,
    pod::ownership::{
        Ownership, View,
        machine::{Instance, Timing},
        record::{Author, Seal},
    },
};
use waxseal_store::{Batch, Namespace, Op, Options, Store};

const PATIENCE: Duration = Duration::from_secs(20);
const ID: &str = "105550100";

fn timing() -> Timing {
    let short = |time: Duration| time / 20;
    let pod = Timing::POD;
    Timing {
        ttl: short(pod.ttl),
        margin: short(pod.margin),
        renew: short(pod.renew),
        poll: short(pod.poll),
        poll_soon: short(pod.poll_soon),
        retry: short(pod.retry),
        settle: short(pod.settle),
        stand_back: short(pod.stand_back),
    }
}

fn author(instance: u8) -> Author {
    Author {
        instance: Instance(instance.into()),
        pod: format!("acme-{instance}"),
        address: address(instance),
        phone_number_id: ID.to_owned(),
    }
}

fn address(instance: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, instance], 8080))
}

fn seal() -> Seal {
    Seal::of(&Keys::generate(SystemTime::now(), &mut rand::rng()).unwrap())
}

async fn store(folder: &tempfile::TempDir) -> Store {
    Store::open_embedded(&folder.path().join("state"), Options::default())
        .await
        .unwrap()
}

/// Waits for a view.
async fn sees(view: &mut watch::Receiver<View>, wanted: &View) {
    let seen = timeout(PATIENCE, view.wait_for(|view| view == wanted))
        .await
        .map(|seen| seen.is_ok());
    assert!(seen.is_ok_and(|seen| seen), "never {wanted:?}, but {:?}", *view.borrow());
}

#[tokio::test]
async fn one_owns_the_other_follows_and_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let (store, seal) = (store(&folder).await, seal());
    let one = Ownership::start(author(1), &store, Some(seal.clone()), timing());
    let mut ones = one.view();
    sees(&mut ones, &View::Mine).await;
    assert!(one.lease().holds());
    let two = Ownership::start(author(2), &store, Some(seal), timing());
    let mut twos = two.view();
    sees(&mut twos, &View::Other(Instance(1), Some(address(1)))).await;
    assert!(!two.lease().holds());
    let waits = async {
        while one.successor().await.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waits).await.unwrap();
    assert_eq!(one.successor().await, Some((Instance(2), address(2))));

    one.leave().await;
    assert!(!one.lease().holds());
    two.looker().notify_one();
    sees(&mut twos, &View::Mine).await;
    sees(&mut ones, &View::Other(Instance(2), Some(address(2)))).await;
    assert_eq!(two.successor().await, None, "who has left does not wait");

    // Whoever disappears is replaced, even by one that comes later; and whoever cannot serve lets others try.
    drop(two);
    let three = Ownership::start(author(3), &store, None, timing());
    let mut threes = three.view();
    sees(&mut threes, &View::Mine).await;
    three.stand_back().await;
    assert_ne!(*threes.borrow_and_update(), View::Mine);
    sees(&mut threes, &View::Mine).await;
}

#[tokio::test]
async fn an_address_is_believed_with_the_keys_of_the_number_only() {
    let folder = tempfile::tempdir().unwrap();
    let (store, seal) = (store(&folder).await, seal());
    // The first owner makes the keys.
    let one = Ownership::start(author(1), &store, None, timing());
    sees(&mut one.view(), &View::Mine).await;
    let two = Ownership::start(author(2), &store, Some(seal.clone()), timing());
    let mut twos = two.view();
    sees(&mut twos, &View::Other(Instance(1), None)).await;
    one.believe(seal);
    sees(&mut twos, &View::Other(Instance(1), Some(address(1)))).await;
    one.leave().await;
    sees(&mut twos, &View::Mine).await;

    // Somebody who can write to the store names himself.
    let forged = author(66).record(1, Some(&self::seal()), SystemTime::now());
    let batch = Batch {
        ops: vec![Op::Put {
            key: Namespace::new(ID).key("pod:next"),
            value: forged.encode(),
            ttl: PATIENCE,
        }],
        ..Batch::default()
    };
    store.commit(batch).await.unwrap();
    assert_eq!(two.successor().await, None);
}

#[tokio::test]
async fn a_store_that_is_gone_ends_the_belief_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder).await;
    let one = Ownership::start(author(1), &store, None, timing());
    let (mut view, lease) = (one.view(), one.lease());
    sees(&mut view, &View::Mine).await;
    store.close().await;
    let closed = std::time::Instant::now();
    sees(&mut view, &View::Suspended).await;
    assert!(!lease.holds());
    assert!(closed.elapsed() < timing().ttl + Duration::from_secs(1), "{:?}", closed.elapsed());
}
