use std::collections::BTreeMap;

use super::*;

mod model;

impl Place for u64 {
    const START: Self = 0;
}

const FAR_MS: u64 = 7 * 24 * 3_600_000;

fn tag(peer: u8) -> PeerTag {
    PeerTag([peer; 16])
}

fn entry(id: u64, peer: u8) -> Entry<u64, u64> {
    Entry {
        id,
        peer: tag(peer),
        until_ms: FAR_MS,
        payload: id,
    }
}

fn config(entries: usize, entries_per_peer: usize, concurrency: usize) -> Config {
    Config {
        entries,
        entries_per_peer,
        concurrency,
        ..Config::default()
    }
}

/// A line that has read an empty queue.
fn fresh(config: Config) -> Line<u64, u64> {
    let mut line = Line::new(config);
    assert_eq!(line.read(), Some(0));
    line.page(Vec::new(), false, 0);
    assert!(!line.behind());
    line
}

fn attempts(line: &mut Line<u64, u64>, now_ms: u64) -> Vec<u64> {
    std::iter::from_fn(|| line.step(now_ms))
        .map(|step| match step {
            Step::Attempt { id, payload, .. } => {
                assert_eq!(id, payload);
                id
            }
            Step::GiveUp { id, .. } => panic!("gave up {id}"),
        })
        .collect()
}

fn failed(kind: FailureKind) -> Ended {
    Ended::Failed {
        kind,
        retry_after_ms: None,
    }
}

#[test]
fn one_at_a_time_for_a_consumer_and_side_by_side_for_several() {
    let mut line = fresh(config(100, 10, 3));
    for (id, peer) in [(1, 1), (2, 1), (3, 2), (4, 3), (5, 4)] {
        assert_eq!(line.offer(entry(id, peer), 0), Offer::Taken);
    }
    assert_eq!(line.offer(entry(1, 1), 0), Offer::Known);
    assert_eq!(attempts(&mut line, 0), [1, 3, 4]);
    assert_eq!(
        line.wake_at_ms(),
        Some(FAR_MS),
        "nothing but the end of the window while all hands are full"
    );
    assert!(matches!(line.finished(1, Ended::Delivered, 5, 0), Some(Verdict::Remove)));
    assert_eq!(attempts(&mut line, 5), [5], "the one that waited longest comes first");
    assert!(matches!(line.finished(3, Ended::Delivered, 5, 0), Some(Verdict::Remove)));
    assert_eq!(attempts(&mut line, 5), [2]);
    assert!(line.finished(3, Ended::Delivered, 5, 0).is_none(), "an attempt ends once");
    assert_eq!(line.held(), 5, "what is done with counts until its removal is durable");
    line.removed(1);
    line.removed(3);
    assert_eq!(line.held(), 3);
}

#[test]
fn a_failed_event_holds_back_its_own_consumer_only() {
    let mut line = fresh(config(100, 10, 10));
    line.offer(entry(1, 1), 0);
    line.offer(entry(2, 1), 0);
    line.offer(entry(3, 2), 0);
    assert_eq!(attempts(&mut line, 0), [1, 3]);
    assert!(matches!(
        line.finished(1, failed(FailureKind::Rejected), 10, u32::MAX),
        Some(Verdict::Retry)
    ));
    assert!(matches!(line.finished(3, Ended::Delivered, 10, 0), Some(Verdict::Remove)));
    assert!(attempts(&mut line, 10).is_empty());
    assert_eq!(line.wake_at_ms(), Some(1_010));
    assert_eq!(attempts(&mut line, 1_010), [1]);
    let late = Ended::Failed {
        kind: FailureKind::Rejected,
        retry_after_ms: Some(60_000),
    };
    assert!(matches!(line.finished(1, late, 1_010, 0), Some(Verdict::Retry)));
    assert_eq!(line.wake_at_ms(), Some(61_010), "Retry-After counts if it is longer");
    assert_eq!(attempts(&mut line, 61_010), [1]);
    line.finished(1, Ended::Delivered, 61_020, 0);
    assert_eq!(attempts(&mut line, 61_020), [2]);
}

#[test]
fn the_window_ends_after_a_last_chance() {
    let mut line = fresh(config(100, 10, 10));
    let mut short = entry(1, 1);
    short.until_ms = 5_000;
    line.offer(short, 0);
    line.offer(entry(2, 1), 0);
    let mut tried_at = Vec::new();
    let mut now_ms = 0;
    let gave_up = loop {
        match line.step(now_ms) {
            Some(Step::Attempt { id, number, .. }) => {
                tried_at.push((id, number, now_ms));
                if let Some(Verdict::GiveUp(payload)) = line.finished(id, failed(FailureKind::Rejected), now_ms, u32::MAX) {
                    break payload;
                }
            }
            Some(Step::GiveUp { payload, .. }) => break payload,
            None => now_ms = line.wake_at_ms().unwrap(),
        }
    };
    assert_eq!(gave_up, 1);
    assert_eq!(tried_at, [(1, 1, 0), (1, 2, 1_000), (1, 3, 3_000), (1, 4, 4_000)]);
    assert_eq!(attempts(&mut line, now_ms), [2], "the next one has its own window");
}

#[test]
fn an_ended_window_gives_up_without_an_attempt() {
    let mut line = fresh(config(100, 10, 10));
    let mut short = entry(1, 1);
    short.until_ms = 5_000;
    line.offer(short, 6_000);
    assert!(matches!(line.step(6_000), Some(Step::GiveUp { id: 1, payload: 1 })));
    assert_eq!(line.held(), 1);
    line.removed(1);
    assert_eq!((line.held(), line.wake_at_ms()), (0, None));
}

/// One hour, a thousand events of a hundred consumers.
#[test]
fn an_outage_is_probed_and_then_everything_flows() {
    for (kind, most) in [(FailureKind::Unreachable, 250), (FailureKind::Rejected, 250)] {
        let mut line = fresh(config(2_000, 50, 64));
        for id in 1..=1_000 {
            line.offer(entry(id, u8::try_from(id % 100).unwrap()), 0);
        }
        let (mut now_ms, mut tried) = (0, 0);
        while now_ms < 3_600_000 {
            let batch = attempts(&mut line, now_ms);
            assert!(!line.endpoint_down() || batch.len() <= 1, "one probe at a time");
            tried += batch.len();
            for id in batch {
                line.finished(id, failed(kind), now_ms, u32::MAX / 2);
            }
            now_ms = line.wake_at_ms().unwrap();
        }
        assert!(line.endpoint_down());
        assert!(tried < most, "{tried} attempts in an hour");
        // The endpoint is back.
        let mut delivered: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        let started_ms = now_ms;
        while line.held() > 0 {
            let batch = attempts(&mut line, now_ms);
            if batch.is_empty() {
                now_ms = line.wake_at_ms().unwrap();
            }
            for id in batch {
                line.finished(id, Ended::Delivered, now_ms, 0);
                line.removed(id);
                delivered.entry(id % 100).or_default().push(id);
            }
        }
        assert!(now_ms - started_ms <= 30_000, "{} ms until all was delivered", now_ms - started_ms);
        assert_eq!(delivered.values().map(Vec::len).sum::<usize>(), 1_000);
        assert!(delivered.values().all(|ids| ids.is_sorted()));
    }
}

#[test]
fn a_lone_consumer_feels_an_unreachable_endpoint_for_half_a_minute_at_most() {
    let mut line = fresh(config(10, 10, 10));
    line.offer(entry(1, 1), 0);
    let mut now_ms = 0;
    let mut longest_ms = 0;
    while now_ms < 3_600_000 {
        for id in attempts(&mut line, now_ms) {
            line.finished(id, failed(FailureKind::Unreachable), now_ms, u32::MAX);
        }
        let next_ms = line.wake_at_ms().unwrap();
        assert!(next_ms > now_ms);
        longest_ms = longest_ms.max(next_ms - now_ms);
        now_ms = next_ms;
    }
    assert_eq!(longest_ms, 30_000);
}

#[test]
fn one_consumer_fills_its_own_part_only() {
    let mut line = fresh(config(100, 4, 10));
    for id in 1..=20 {
        let offer = line.offer(entry(id, 1), 0);
        assert_eq!(offer, if id <= 4 { Offer::Taken } else { Offer::Later });
    }
    assert_eq!(line.offer(entry(21, 2), 0), Offer::Taken);
    assert_eq!(line.read(), None, "not before half of its part is free");
    for id in [1, 2] {
        assert!(attempts(&mut line, 0).contains(&id));
        line.finished(id, Ended::Delivered, 0, 0);
        line.removed(id);
    }
    assert_eq!(line.read(), Some(4));
    assert_eq!(line.read(), None, "one page at a time");
    line.page((5..=12).map(|id| entry(id, 1)).collect(), true, 0);
    assert_eq!(line.held(), 5, "two of the page fit");
    assert_eq!(line.read(), None, "nothing more fits");
}

/// Fails what `refuses` says until the clock is past `until_ms`, and tells what was delivered when.
fn drive(line: &mut Line<u64, u64>, until_ms: u64, refuses: impl Fn(u64, u64) -> bool) -> Vec<(u64, u64)> {
    let (mut now_ms, mut delivered) = (0, Vec::new());
    while now_ms <= until_ms {
        for id in attempts(line, now_ms) {
            let ended = if refuses(id, now_ms) {
                failed(FailureKind::Rejected)
            } else {
                delivered.push((id, now_ms));
                Ended::Delivered
            };
            line.finished(id, ended, now_ms, u32::MAX);
            line.removed(id);
        }
        if line.held() == 0 {
            break;
        }
        now_ms = line.wake_at_ms().unwrap().max(now_ms);
    }
    delivered
}

#[test]
fn events_that_are_always_refused_stand_aside() {
    let mut line = fresh(config(100, 10, 10));
    for id in 1..=5 {
        line.offer(entry(id, 1), 0);
    }
    let delivered = drive(&mut line, 3_600_000, |id, now_ms| id <= 2 && now_ms < 600_000);
    assert_eq!(
        delivered[..3],
        [(3, 31_000), (4, 31_000), (5, 31_000)],
        "after the patience, in their order"
    );
    let late: BTreeMap<u64, u64> = delivered[3..].iter().copied().collect();
    assert!(
        late.len() == 2 && late.values().all(|at_ms| (600_000..1_500_000).contains(at_ms)),
        "{late:?}"
    );
    assert!(line.peers.is_empty(), "nothing is left of their places");
}

#[test]
fn an_endpoint_that_refuses_everything_gets_everything_in_order_afterwards() {
    let mut line = fresh(config(100, 10, 10));
    for id in 1..=8 {
        line.offer(entry(id, 1), 0);
    }
    let delivered = drive(&mut line, 3_600_000, |_, now_ms| now_ms < 600_000);
    let ids: Vec<u64> = delivered.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, (1..=8).collect::<Vec<_>>());
}

#[test]
fn what_stands_aside_ends_with_its_window() {
    let mut line = fresh(config(100, 10, 10));
    let mut short = entry(1, 1);
    short.until_ms = 100_000;
    line.offer(short, 0);
    line.offer(entry(2, 1), 0);
    let (mut now_ms, mut delivered) = (0, false);
    let given_up_at_ms = loop {
        match line.step(now_ms) {
            Some(Step::Attempt { id: 1, .. }) => {
                if let Some(Verdict::GiveUp(1)) = line.finished(1, failed(FailureKind::Rejected), now_ms, u32::MAX) {
                    break now_ms;
                }
            }
            Some(Step::Attempt { id, .. }) => {
                line.finished(id, Ended::Delivered, now_ms, 0);
                delivered = true;
            }
            Some(Step::GiveUp { .. }) => break now_ms,
            None => now_ms = line.wake_at_ms().unwrap(),
        }
    };
    assert!(delivered && given_up_at_ms == 99_000, "{given_up_at_ms}");
}

#[test]
fn windows_end_while_nothing_can_be_tried() {
    let mut line = fresh(config(100, 10, 10));
    for (id, until_ms) in [(1, 5_000), (2, 9_000)] {
        let mut short = entry(id, u8::try_from(id).unwrap());
        short.until_ms = until_ms;
        line.offer(short, 0);
    }
    assert!(line.overdue(4_999).is_none());
    assert_eq!(line.next_end_ms(), Some(5_000));
    assert!(matches!(line.overdue(5_000), Some(Step::GiveUp { id: 1, payload: 1 })));
    assert!(line.overdue(5_000).is_none());
    assert_eq!(attempts(&mut line, 5_000), [2]);
}

#[test]
fn another_endpoint_is_tried_at_once() {
    let mut line = fresh(config(100, 10, 10));
    for id in 1..=8 {
        line.offer(entry(id, u8::try_from(id).unwrap()), 0);
    }
    for id in attempts(&mut line, 0) {
        line.finished(id, failed(FailureKind::Unreachable), 0, u32::MAX);
    }
    assert!(line.endpoint_down() && attempts(&mut line, 1).is_empty());
    line.endpoint_changed(1);
    assert!(!line.endpoint_down());
    let mut tried = attempts(&mut line, 1);
    tried.sort_unstable();
    assert_eq!(tried, (1..=8).collect::<Vec<_>>());
}
