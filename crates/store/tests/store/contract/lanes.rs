//! Fences and claims.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::future::join_all;
use waxseal_store::{Batch, Claim, Error, Outcome};

use super::small;
use crate::fixture::{Fixture, Kind, bytes};

pub async fn a_fence_lets_each_step_through_once(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let step = |epoch, seq, value: &str| Batch {
        fence: fixture.fence("lane", epoch, seq),
        absent: vec![],
        ops: vec![fixture.put("state", value), fixture.append("q", value)],
    };
    assert_eq!(
        fixture.store.commit(step(1, 1, "unclaimed")).await.unwrap(),
        Outcome::Gap { epoch: 0, seq: 0 }
    );
    let claim = fixture.store.claim(&fixture.key("lane"), 0).await.unwrap();
    assert_eq!(
        claim,
        Claim {
            epoch: 1,
            seq: 0,
            previous_epoch: 0
        }
    );
    assert!(matches!(fixture.store.commit(step(1, 1, "one")).await.unwrap(), Outcome::Applied { appended } if appended.len() == 1));
    assert!(matches!(
        fixture.store.commit(step(1, 2, "two")).await.unwrap(),
        Outcome::Applied { .. }
    ));
    for (epoch, seq, outcome) in [
        (1, 1, Outcome::AlreadyApplied),
        (1, 2, Outcome::AlreadyApplied),
        (1, 4, Outcome::Gap { epoch: 1, seq: 2 }),
        (2, 1, Outcome::Gap { epoch: 1, seq: 2 }),
        (2, 3, Outcome::Gap { epoch: 1, seq: 2 }),
        (0, 3, Outcome::Stale { epoch: 1 }),
    ] {
        assert_eq!(
            fixture.store.commit(step(epoch, seq, "no")).await.unwrap(),
            outcome,
            "{epoch} {seq}"
        );
    }
    assert_eq!(fixture.value("state").await, Some(bytes("two")));
    assert_eq!(fixture.entries("q").await.len(), 2);
    let empty = Batch {
        fence: fixture.fence("lane", 1, 3),
        ..Batch::default()
    };
    assert_eq!(fixture.store.commit(empty).await.unwrap(), Outcome::Applied { appended: vec![] });
    let zero = Batch {
        fence: fixture.fence("lane", 1, 0),
        ..Batch::default()
    };
    assert!(matches!(fixture.store.commit(zero).await, Err(Error::Refused(_))));
}

pub async fn a_claim_shuts_the_old_owner_out(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let lane = fixture.key("lane");
    let step = |epoch, seq| Batch {
        fence: fixture.fence("lane", epoch, seq),
        ops: vec![fixture.put("s", "v")],
        ..Batch::default()
    };
    assert_eq!(
        fixture.store.claim(&lane, 41).await.unwrap(),
        Claim {
            epoch: 42,
            seq: 0,
            previous_epoch: 0
        }
    );
    fixture.store.commit(step(42, 1)).await.unwrap();
    // The sequence goes on under the next owner; a lower wish does not lower the epoch.
    assert_eq!(
        fixture.store.claim(&lane, 7).await.unwrap(),
        Claim {
            epoch: 43,
            seq: 1,
            previous_epoch: 42
        }
    );
    assert_eq!(fixture.store.commit(step(42, 2)).await.unwrap(), Outcome::Stale { epoch: 43 });
    assert_eq!(
        fixture.store.commit(step(42, 1)).await.unwrap(),
        Outcome::Stale { epoch: 43 },
        "not even what was applied"
    );
    assert_eq!(
        fixture.store.commit(step(43, 2)).await.unwrap(),
        Outcome::Applied { appended: vec![] }
    );
    assert!(matches!(fixture.store.claim(&lane, u64::MAX).await, Err(Error::Refused(_))));
}

pub async fn claims_are_never_equal(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let lane = fixture.key("lane");
    let claims = join_all((0..50).map(|_| fixture.store.claim(&lane, 0))).await;
    let epochs: BTreeSet<u64> = claims.into_iter().map(|claim| claim.unwrap().epoch).collect();
    assert_eq!(epochs, (1..=50).collect());
}

pub async fn a_lane_may_have_many_batches_under_way(kind: Kind) {
    let fixture = Fixture::open(kind, small()).await;
    let lanes = ["l0", "l1", "l2", "l3", "l4"];
    for lane in lanes {
        fixture.store.claim(&fixture.key(lane), 0).await.unwrap();
    }
    let mut commits = Vec::new();
    for seq in 1..=200_u64 {
        for lane in lanes {
            let ops = vec![fixture.append(&format!("q{lane}"), &seq.to_string())];
            commits.push(fixture.store.commit(Batch {
                fence: fixture.fence(lane, 1, seq),
                absent: vec![],
                ops,
            }));
        }
    }
    for outcome in join_all(commits).await {
        assert!(matches!(outcome.unwrap(), Outcome::Applied { .. }));
    }
    for lane in lanes {
        let values: Vec<Bytes> = fixture
            .entries(&format!("q{lane}"))
            .await
            .into_iter()
            .map(|(_, value)| value)
            .collect();
        assert!(values.into_iter().eq((1..=200).map(|seq: u64| bytes(&seq.to_string()))));
    }
}
