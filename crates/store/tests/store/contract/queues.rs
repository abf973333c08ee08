//! Queues and their ids.

use bytes::Bytes;
use waxseal_store::{EntryId, Op};

use super::small;
use crate::fixture::{Fixture, Kind, bytes};

pub async fn a_queue_keeps_its_order(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let queue = fixture.key("q");
    let mut ids = fixture
        .apply(vec![
            fixture.append("q", "0"),
            fixture.append("other", "x"),
            fixture.append("q", "1"),
        ])
        .await;
    ids.remove(1);
    for number in 2..10 {
        ids.extend(fixture.apply(vec![fixture.append("q", &number.to_string())]).await);
    }
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    let expected: Vec<(EntryId, Bytes)> = ids
        .iter()
        .enumerate()
        .map(|(number, id)| (*id, bytes(&number.to_string())))
        .collect();
    assert_eq!(fixture.entries("q").await, expected);
    assert_eq!(fixture.store.range(&queue, ids[3], 2).await.unwrap(), expected[4..6]);
    assert_eq!(fixture.store.range(&queue, ids[9], 5).await.unwrap(), []);
    assert_eq!(fixture.store.range(&queue, EntryId::ZERO, 0).await.unwrap(), []);
    assert_eq!(fixture.store.queue_len(&queue).await.unwrap(), 10);
    // Removing is idempotent and takes only what it names, and only from the queue it names.
    let remove = |queue: &str, id: EntryId| Op::Remove {
        queue: fixture.key(queue),
        id,
    };
    fixture
        .apply(vec![
            remove("q", ids[0]),
            remove("q", ids[5]),
            remove("q", ids[5]),
            remove("other", ids[7]),
        ])
        .await;
    let left: Vec<Bytes> = fixture.entries("q").await.into_iter().map(|(_, value)| value).collect();
    assert_eq!(left, ["1", "2", "3", "4", "6", "7", "8", "9"].map(bytes));
    assert_eq!(fixture.store.queue_len(&queue).await.unwrap(), 8);
    assert_eq!(fixture.store.queue_len(&fixture.key("other")).await.unwrap(), 1);
    assert_eq!(fixture.store.queue_len(&fixture.key("none")).await.unwrap(), 0);
}

pub async fn entry_ids_are_never_used_twice(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let mut last = EntryId::ZERO;
    for _ in 0..200 {
        let ids = fixture.apply(vec![fixture.append("q", "v")]).await;
        assert!(
            ids[0] > last,
            "the queue was emptied in between, and a reader's cursor must still hold"
        );
        last = ids[0];
        fixture
            .apply(vec![Op::Remove {
                queue: fixture.key("q"),
                id: last,
            }])
            .await;
    }
    assert_eq!(fixture.store.queue_len(&fixture.key("q")).await.unwrap(), 0);
}
