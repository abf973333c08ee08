//! What the script itself refuses, whoever sends it.

use waxseal_harness::redis::{RedisOptions, RedisServer, Reply};

const SCRIPT: &str = concat!("#!lua\n", include_str!("../../src/redis/commit.lua"));
const CAP: &str = "100000";

/// Runs operations on the keys k1, k2, ... without a fence.
async fn run(server: &RedisServer, cap: &str, ops: &[&[&str]]) -> Reply {
    let keys: Vec<String> = (1..=ops.len()).map(|number| format!("{{t}}k{number}")).collect();
    let count = ops.len().to_string();
    let mut arguments = vec!["EVAL", SCRIPT, &count];
    arguments.extend(keys.iter().map(String::as_str));
    arguments.extend([cap, "", "", "0", "", ""]);
    arguments.extend(ops.iter().copied().flatten());
    server.command(&arguments).await.unwrap()
}

#[tokio::test]
async fn the_script_refuses_what_does_not_expire_and_applies_nothing() {
    let server = RedisServer::start(RedisOptions::default()).await.unwrap();
    for ttl in [
        "",
        "0",
        "-1",
        "100001",
        "nan",
        "inf",
        "0x10",
        "1.5",
        "1e3",
        " 5",
        "99999999999999999999",
    ] {
        for bad in [
            ["P", ttl, "value", ""].as_slice(),
            &["A", ttl, "value", ""],
            &["S", ttl, "member", "1"],
        ] {
            let bad = if bad[0] == "S" { bad } else { &bad[..3] };
            let reply = run(&server, CAP, &[&["P", "1000", "fine"], bad]).await;
            assert!(matches!(&reply, Reply::Error(text) if text.contains("WAXSEAL")), "{ttl}: {reply:?}");
        }
    }
    for odd in [["X", "1000", "v"].as_slice(), &["P"], &["P", "x"]] {
        assert!(
            matches!(run(&server, CAP, &[&["P", "1000", "fine"], odd]).await, Reply::Error(_)),
            "{odd:?}"
        );
    }
    for cap in ["", "0", "-5", "nan"] {
        assert!(
            matches!(run(&server, cap, &[&["P", "1000", "fine"]]).await, Reply::Error(_)),
            "{cap}"
        );
    }
    assert_eq!(server.keys().await.unwrap(), Vec::<String>::new());
    assert_eq!(run(&server, CAP, &[&["P", CAP, "fine"]]).await, Reply::Array(vec![Reply::Int(0)]));
}

#[tokio::test]
async fn thirty_days_are_the_end_whatever_the_cap_says() {
    let server = RedisServer::start(RedisOptions::default()).await.unwrap();
    let days = |days: u64| (days * 24 * 3_600_000).to_string();
    let (thirty, more, year) = (days(30), (30 * 24 * 3_600_000_u64 + 1).to_string(), days(365));
    assert!(matches!(run(&server, &year, &[&["P", &more, "v"]]).await, Reply::Error(_)));
    assert!(matches!(run(&server, &year, &[&["A", &year, "v"]]).await, Reply::Error(_)));
    assert_eq!(server.keys().await.unwrap(), Vec::<String>::new());
    assert_eq!(
        run(&server, &year, &[&["P", &thirty, "v"]]).await,
        Reply::Array(vec![Reply::Int(0)])
    );
}

#[tokio::test]
async fn a_queue_lives_as_long_as_its_longest_entry_and_is_trimmed_at_the_cap() {
    let server = RedisServer::start(RedisOptions::default()).await.unwrap();
    let left = async || server.command(&["PTTL", "{t}k1"]).await.unwrap().int().unwrap();
    run(&server, CAP, &[&["A", "50000", "v"]]).await;
    run(&server, CAP, &[&["A", "1000", "v"]]).await;
    assert!(left().await > 40_000, "a shorter entry does not cut it");
    run(&server, CAP, &[&["A", "90000", "v"]]).await;
    assert!(left().await > 80_000);
    // Entries from before the cap go when something is appended.
    server.command(&["DEL", "{t}k1"]).await.unwrap();
    server.command(&["XADD", "{t}k1", "1000-0", "50000", "ancient"]).await.unwrap();
    server.command(&["PEXPIRE", "{t}k1", "50000"]).await.unwrap();
    run(&server, CAP, &[&["A", "50000", "v"]]).await;
    assert_eq!(server.command(&["XLEN", "{t}k1"]).await.unwrap(), Reply::Int(1));
}
