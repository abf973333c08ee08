//! What the limits promise, over any time.

use proptest::prelude::*;

use super::{
    bucket::{Bucket, Rate},
    calls::Calls,
    pair::{Account, BURST, EACH_US, Pairs},
    throughput::Throughput,
    *,
};
use crate::config::{OverLimit, Rules};

const SECOND_US: u64 = 1_000_000;

#[test]
fn a_pair_borrows_and_pays_back() {
    let mut account = Account::default();
    for _ in 0..20 {
        account.send(0).unwrap();
    }
    // Twenty at once: two minutes.
    assert_eq!(account.left(EACH_US), 0);
    assert_eq!(account.send(EACH_US).unwrap_err(), 19 * EACH_US);
    account.send(20 * EACH_US).unwrap();
    let mut account = Account::default();
    for at in 0..u64::from(BURST) {
        account.send(at * 100_000).unwrap();
    }
    assert_eq!(account.send(5_000_000).unwrap_err(), 45 * EACH_US - 5_000_000);
    account.send(45 * EACH_US).unwrap();
}

#[test]
fn the_throughput_counts_both_ways() {
    let mut throughput = Throughput::new(10);
    for _ in 0..5 {
        throughput.send(0).unwrap();
        throughput.receive(1, 0);
    }
    assert_eq!(throughput.send(0).unwrap_err(), 100_000);
    assert_eq!(throughput.left(0), Some((0, SECOND_US)));
    throughput.send(100_000).unwrap();
    // What came in above the limit is owed, but never more than another bucket.
    throughput.receive(1000, 100_000);
    assert_eq!(throughput.send(100_000).unwrap_err(), SECOND_US + 100_000);
    let mut unlimited = Throughput::new(0);
    assert!((0..100_000).all(|_| unlimited.send(0).is_ok()));
    assert_eq!(unlimited.left(0), None);
}

#[test]
fn pairs_are_apart_and_bounded() {
    let mut pairs = Pairs::new();
    for _ in 0..BURST {
        pairs.account(0_u32).send(0).unwrap();
    }
    assert!(pairs.account(0).send(1).is_err());
    assert!(pairs.account(1).send(1).is_ok());
    for consumer in 0..100_000 {
        let _ = pairs.account(consumer).send(2);
    }
    assert!(pairs.len() <= 32_768);
}

#[test]
fn calls_are_counted_by_app_and_account() {
    let calls = Calls::default();
    for left in (0..200).rev() {
        let usage = calls.call("1", "2", false, 0);
        assert_eq!((usage.left, usage.limit, usage.retry_after_us), (left, 200, None));
    }
    let usage = calls.call("1", "2", false, 0);
    assert_eq!((usage.retry_after_us, usage.percent()), (Some(18 * SECOND_US), 100));
    assert_eq!(calls.call("1", "3", false, 0).retry_after_us, None);
    assert_eq!(calls.call("1", "2", false, 18 * SECOND_US).retry_after_us, None);
    // A number became active meanwhile.
    let usage = calls.call("1", "2", true, 18 * SECOND_US);
    assert_eq!((usage.limit, usage.retry_after_us), (5_000, None));
}

#[test]
fn what_is_refused_is_not_counted() {
    let rules = Rules {
        throughput_per_second: 1,
        pair_limit: true,
        ..Rules::default()
    };
    let limiter = Limiter::new(&rules, Clock::manual());
    let (ada, bob) = ([1; 16], [2; 16]);
    assert_eq!(limiter.accept(&ada).unwrap().pair.map(|(left, _)| left), Some(BURST - 1));
    assert!(matches!(limiter.accept(&bob), Err(Refused::Throughput(_))));
    assert_eq!(limiter.state_of(&bob).left(0), BURST);
    assert_eq!(limiter.grant(&ada), Grant::Go, "what was accepted goes");
}

#[test]
fn what_waits_is_granted_as_the_limits_say() {
    let rules = Rules {
        throughput_per_second: 60,
        pair_limit: true,
        over_limit: OverLimit::Queue,
        ..Rules::default()
    };
    let limiter = Limiter::new(&rules, Clock::manual());
    for _ in 0..1000 {
        limiter.accept(&[1; 16]).unwrap();
    }
    let granted = (0..BURST + 1).map(|_| limiter.grant(&[1; 16])).collect::<Vec<_>>();
    assert!(granted[..45].iter().all(|grant| *grant == Grant::Go));
    assert!(matches!(granted[45], Grant::Hold(_)));
    let granted = (2..40_u8).map(|consumer| limiter.grant(&[consumer; 16])).collect::<Vec<_>>();
    assert!(
        granted.iter().any(|grant| matches!(grant, Grant::Wait(_))),
        "the number's own limit holds for all"
    );
}

proptest! {
    /// However messages come, no span of time sees more of them than it may.
    #[test]
    fn a_bucket_never_gives_more_than_its_rate(
        capacity in 1_u32..50,
        refill_us in 1_u64..100_000,
        steps in prop::collection::vec(0_u64..200_000, 1..300),
    ) {
        let rate = Rate { capacity, refill_us };
        let (mut bucket, mut now_us, mut given) = (Bucket::default(), 0, Vec::new());
        for step in steps {
            now_us += step;
            match bucket.take(rate, now_us) {
                Ok(()) => given.push(now_us),
                Err(wait_us) => {
                    // Exactly then, and not before.
                    let mut early = bucket;
                    prop_assert!(early.take(rate, now_us + wait_us - 1).is_err());
                    let mut later = bucket;
                    prop_assert!(later.take(rate, now_us + wait_us).is_ok());
                }
            }
            prop_assert!(bucket.left(rate, now_us) <= capacity);
        }
        for (first, from) in given.iter().enumerate() {
            for (last, to) in given.iter().enumerate().skip(first) {
                prop_assert!((last - first + 1) as u64 <= u64::from(capacity) + (to - from) / refill_us);
            }
        }
    }

    #[test]
    fn a_pair_never_gets_more_than_one_in_six_seconds_but_for_the_burst(steps in prop::collection::vec(0_u64..20_000_000, 1..300)) {
        let (mut account, mut now_us, mut given) = (Account::default(), 0, Vec::new());
        for step in steps {
            now_us += step;
            let left = account.left(now_us);
            match account.send(now_us) {
                Ok(()) => {
                    prop_assert!(left > 0);
                    given.push(now_us);
                }
                Err(wait_us) => {
                    prop_assert_eq!(left, 0);
                    let mut early = account;
                    prop_assert!(early.send(now_us + wait_us - 1).is_err());
                    let mut later = account;
                    prop_assert!(later.send(now_us + wait_us).is_ok());
                }
            }
        }
        for (first, from) in given.iter().enumerate() {
            for (last, to) in given.iter().enumerate().skip(first) {
                prop_assert!((last - first + 1) as u64 <= u64::from(BURST) + (to - from) / EACH_US + 1);
            }
        }
    }

    /// A business that keeps to the pace is never refused.
    #[test]
    fn who_keeps_the_pace_is_never_refused(gaps in prop::collection::vec(EACH_US..5 * EACH_US, 1..100)) {
        let (mut account, mut now_us) = (Account::default(), 0);
        for gap in gaps {
            now_us += gap;
            prop_assert!(account.send(now_us).is_ok());
        }
    }
}
