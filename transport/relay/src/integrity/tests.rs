use super::*;

const HOUR_MS: u64 = 60 * 60 * 1_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// The beginning of some day.
const START_MS: u64 = 20_000 * DAY_MS;
const BUSINESS: u64 = 15_550_100;

fn number(digits: u64) -> Number {
    Number::from_key(digits)
}

fn watch() -> Watch {
    Watch::new(IntegrityLimits::default(), Hasher([3; 16]))
}

fn write(watch: &mut Watch, recipients: std::ops::Range<u64>, is_registered: bool, now_ms: u64) {
    for recipient in recipients {
        watch.wrote(number(BUSINESS), number(20_000_000 + recipient), is_registered, now_ms);
    }
}

fn told(watch: &mut Watch, now_ms: u64) -> (Quality, u32, u32, u32) {
    let told = watch.introduce(number(BUSINESS), now_ms);
    (
        told.quality(),
        told.reports_7d,
        told.unique_recipients_24h,
        told.unknown_recipients_24h,
    )
}

#[test]
fn little_activity_is_unknown_and_more_is_green() {
    let mut watch = watch();
    assert_eq!(told(&mut watch, START_MS), (Quality::Unknown, 0, 0, 0));
    write(&mut watch, 0..9, true, START_MS);
    write(&mut watch, 0..9, true, START_MS + HOUR_MS);
    assert_eq!(told(&mut watch, START_MS + HOUR_MS), (Quality::Unknown, 0, 9, 0));
    write(&mut watch, 0..10, true, START_MS + 3 * HOUR_MS);
    assert_eq!(told(&mut watch, START_MS + 3 * HOUR_MS), (Quality::Green, 0, 10, 0));
}

#[test]
fn reports_are_a_share_of_recipients_and_fall_out_after_a_week() {
    let mut watch = watch();
    let at_day = |n: u64| START_MS + n * DAY_MS;
    write(&mut watch, 0..100, true, at_day(0));
    watch.reported(number(BUSINESS), day(at_day(0)));
    assert_eq!(told(&mut watch, at_day(0)).0, Quality::Green, "one is none");
    watch.reported(number(BUSINESS), day(at_day(0)));
    assert_eq!(told(&mut watch, at_day(0)).0, Quality::Yellow);
    for _ in 0..3 {
        watch.reported(number(BUSINESS), day(at_day(0)));
    }
    assert_eq!(told(&mut watch, at_day(0)), (Quality::Red, 5, 100, 0));
    // The same complaints weigh less for who wrote to more.
    write(&mut watch, 0..200, true, at_day(1));
    assert_eq!(told(&mut watch, at_day(1) + HOUR_MS).0, Quality::Green);
    assert_eq!(told(&mut watch, at_day(3)), (Quality::Green, 5, 0, 0), "300 in the week");
    assert_eq!(told(&mut watch, at_day(7)), (Quality::Green, 0, 0, 0), "the reports are a week old");
    assert_eq!(told(&mut watch, at_day(8)), (Quality::Unknown, 0, 0, 0));
}

#[test]
fn trying_numbers_that_do_not_exist_shows() {
    let mut watch = watch();
    write(&mut watch, 0..60, true, START_MS);
    write(&mut watch, 100..119, false, START_MS);
    assert_eq!(told(&mut watch, START_MS), (Quality::Green, 0, 60, 19));
    write(&mut watch, 100..120, false, START_MS);
    assert_eq!(told(&mut watch, START_MS), (Quality::Yellow, 0, 60, 20), "a quarter of 80");
    write(&mut watch, 100..160, false, START_MS);
    assert_eq!(told(&mut watch, START_MS), (Quality::Red, 0, 60, 60));
    assert_eq!(told(&mut watch, START_MS + 27 * HOUR_MS).3, 0);
}

#[test]
fn changes_are_told_after_a_pause_and_only_changes() {
    let mut watch = watch();
    write(&mut watch, 0..20, true, START_MS);
    let first = watch.look(START_MS);
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].1.unique_recipients_24h, 20);
    write(&mut watch, 0..30, true, START_MS + 1_000);
    assert!(watch.look(START_MS + 4_999).is_empty(), "told just now");
    assert_eq!(watch.look(START_MS + 5_000).len(), 1);
    write(&mut watch, 0..30, true, START_MS + 5_000);
    assert!(watch.look(START_MS + 20_000).is_empty(), "nothing new");
    // Counts fall without anybody doing anything.
    assert_eq!(watch.look(START_MS + 27 * HOUR_MS)[0].1.unique_recipients_24h, 0);
}

#[test]
fn what_is_written_down_comes_back() {
    let mut watch = watch();
    write(&mut watch, 0..1_000, true, START_MS);
    write(&mut watch, 2_000..2_100, false, START_MS + 5 * HOUR_MS);
    let before = told(&mut watch, START_MS + 5 * HOUR_MS);
    assert!(!watch.wants_save(START_MS) && watch.wants_save(START_MS + 6 * 60_000));
    let saved = watch.take_unsaved(START_MS, true);
    assert_eq!(saved.len(), 1);
    assert!(watch.take_unsaved(START_MS + DAY_MS, true).is_empty(), "once");
    let mut next = Watch::new(IntegrityLimits::default(), Hasher([3; 16]));
    let read = |now_ms| Activity::decode(&saved[0].1, now_ms);
    next.found(saved[0].0, read(START_MS + 5 * HOUR_MS).unwrap());
    assert_eq!(told(&mut next, START_MS + 5 * HOUR_MS), before);
    // The same recipients are known again.
    write(&mut next, 0..1_000, true, START_MS + 5 * HOUR_MS);
    assert_eq!(told(&mut next, START_MS + 5 * HOUR_MS), before);
    assert!(read(START_MS + 10 * DAY_MS).is_none());
    assert!(Activity::decode(&[0xff; 40], START_MS).is_none());
}

#[test]
fn the_number_of_businesses_is_bounded_and_the_idle_are_forgotten() {
    let limits = IntegrityLimits {
        businesses: 2,
        ..IntegrityLimits::default()
    };
    let mut watch = Watch::new(limits, Hasher([3; 16]));
    for business in 1..=3 {
        watch.wrote(number(business), number(77_777_777), true, START_MS);
    }
    assert_eq!(watch.businesses.len(), 2);
    assert_eq!(watch.introduce(number(3), START_MS), Integrity::default());
    watch.look(START_MS);
    watch.take_unsaved(START_MS, true);
    watch.look(START_MS + 10 * DAY_MS);
    assert!(watch.businesses.is_empty());
    watch.wrote(number(3), number(77_777_777), true, START_MS + 10 * DAY_MS);
    assert_eq!(watch.introduce(number(3), START_MS + 10 * DAY_MS).unique_recipients_24h, 1);
}

#[test]
fn a_clock_that_jumps_fills_no_memory() {
    let mut watch = watch();
    for n in 0..1_000u64 {
        let now_ms = START_MS - (n % 50) * 20 * HOUR_MS + n;
        write(&mut watch, n..n + 1, true, now_ms);
        watch.look(now_ms + LOOK_AGAIN_MS);
    }
    write(&mut watch, 0..300, true, u64::MAX);
    watch.look(u64::MAX);
    let bytes = watch.businesses[&number(BUSINESS)].activity.encode().len();
    assert!(bytes < 64 * 1024, "{bytes}");
}
