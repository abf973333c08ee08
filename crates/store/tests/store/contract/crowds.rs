//! Many at once, too many at once, and the end.

use bytes::Bytes;
use futures_util::future::join_all;
use waxseal_store::{Error, Op, Options, Outcome};

use super::small;
use crate::fixture::{Fixture, Kind, LONG, bytes, plain};

pub async fn crowds_are_committed_exactly_once(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let tasks: Vec<_> = (0..50)
        .map(|task| {
            let (store, queue) = (fixture.store.clone(), fixture.key("q"));
            tokio::spawn(async move {
                for number in 0..20 {
                    let value = bytes(&format!("{task}/{number:02}"));
                    let batch = plain(vec![Op::Append {
                        queue: queue.clone(),
                        value,
                        ttl: LONG,
                    }]);
                    assert!(matches!(store.commit(batch).await.unwrap(), Outcome::Applied { appended } if appended.len() == 1));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let values: Vec<Bytes> = fixture.entries("q").await.into_iter().map(|(_, value)| value).collect();
    assert_eq!(values.len(), 1_000);
    for task in 0..50 {
        let prefix = format!("{task}/");
        let own: Vec<&Bytes> = values.iter().filter(|value| value.starts_with(prefix.as_bytes())).collect();
        assert!(
            own.len() == 20 && own.windows(2).all(|pair| pair[0] < pair[1]),
            "each task's entries are there once and in its order"
        );
    }
}

pub async fn too_much_at_once_is_refused_and_nothing_is_half_done(kind: Kind) {
    let fixture = Fixture::open(
        kind,
        Options {
            max_pending_batches: 8,
            ..small()
        },
    )
    .await;
    let commits = (0..100).map(|number| {
        fixture
            .store
            .commit(plain(vec![fixture.append("q", &number.to_string()), fixture.put("last", "v")]))
    });
    let outcomes = join_all(commits).await;
    let overloaded = outcomes.iter().filter(|outcome| matches!(outcome, Err(Error::Overloaded))).count();
    let applied = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Ok(Outcome::Applied { .. })))
        .count();
    assert_eq!(overloaded + applied, 100);
    assert!(applied >= 8 && overloaded > 0, "{applied} applied");
    assert_eq!(fixture.store.queue_len(&fixture.key("q")).await.unwrap(), applied as u64);
    fixture.apply(vec![fixture.put("after", "v")]).await;
}

pub async fn a_closed_store_says_so(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let pending: Vec<_> = (0..100)
        .map(|number| {
            let (store, op) = (fixture.store.clone(), fixture.put(&format!("v{number}"), "x"));
            tokio::spawn(async move { store.commit(plain(vec![op])).await })
        })
        .collect();
    fixture.store.clone().close().await;
    for task in pending {
        // Whatever was accepted before is done, whatever came later is told so.
        match task.await.unwrap() {
            Ok(outcome) => assert_eq!(outcome, Outcome::Applied { appended: vec![] }),
            Err(error) => assert!(matches!(error, Error::Unavailable { in_doubt: false, .. }), "{error}"),
        }
    }
    let late = fixture.store.commit(plain(vec![fixture.put("late", "x")])).await;
    assert!(matches!(late, Err(Error::Unavailable { in_doubt: false, .. })));
}
