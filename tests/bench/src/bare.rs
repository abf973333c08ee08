//! The parts alone: what the Signal library, an HTTP framework and a Redis can do by themselves on this machine.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, anyhow};
use axum::{Json, Router, routing::post};
use tokio::{net::TcpListener, task::JoinSet};
use waxseal_harness::redis::{AppendOnly, RedisOptions, RedisServer};
use waxseal_signal::{Bundle, Identity, Peer, PeerId, Policy, Trust, pre_keys};

use crate::{
    cpu, http1,
    latency::Latencies,
    report::{COMMITS, ECHO, ENCRYPT, Figures},
};

pub fn per_second(count: u64, elapsed: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
    let count = count as f64;
    count / elapsed.as_secs_f64()
}

pub fn micros_each(used: Duration, count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
    let count = count.max(1) as f64;
    used.as_secs_f64() * 1e6 / count
}

/// 100-byte texts in one chain, record decoded and encoded for each, as the message path does it.
pub fn signal_encrypt(duration: Duration) -> Result<Figures> {
    let (mut rng, now) = (rand::rng(), SystemTime::now());
    let (alice, bob) = (Identity::generate(&mut rng)?, Identity::generate(&mut rng)?);
    let (_, signed) = pre_keys::signed(&bob, 1, now, &mut rng)?;
    let (_, kyber) = pre_keys::kyber(&bob, 2, now, &mut rng)?;
    let bundle = Bundle {
        registration_id: bob.registration_id(),
        identity_key: bob.public_key().to_bytes(),
        signed_pre_key: signed,
        kyber_pre_key: kyber,
        one_time_ec: None,
    };
    let (policy, name) = (Policy::default(), PeerId::new([1; 16]));
    let mut peer = waxseal_signal::establish(&alice, &name, &Peer::new(), &bundle, Trust::Pinned, &policy, now, &mut rng)?.peer;
    let text = [b'x'; 100];
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < duration {
        for _ in 0..100 {
            peer = waxseal_signal::encrypt(&alice, &name, &peer, &text, &policy, now, &mut rng)?.peer;
        }
        count += 100;
    }
    let elapsed = begun.elapsed();
    let cpu_us = vec![("library", micros_each(elapsed, count))];
    Ok(Figures {
        part: ENCRYPT,
        rate_per_second: per_second(count, elapsed),
        p50_ms: None,
        p99_ms: None,
        cpu_us,
        failed: 0,
    })
}

/// A JSON document in, the same out.
pub async fn axum_echo(duration: Duration, connections: usize) -> Result<Figures> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = Router::new().route("/echo", post(|Json(body): Json<serde_json::Value>| async move { Json(body) }));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let request = http1::post("/echo", "none", &crate::outbound::body("15550123", 0));
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let (mut connection, request) = (http1::Connection::open(&url).await?, request.clone());
        tasks.spawn(async move {
            let mut latencies = Latencies::default();
            while begun.elapsed() < duration {
                let sent = Instant::now();
                connection.request(&request).await?;
                latencies.add(sent.elapsed());
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = collect(tasks).await?;
    let elapsed = begun.elapsed();
    server.abort();
    Ok(Figures {
        part: ECHO,
        rate_per_second: per_second(latencies.count(), elapsed),
        p50_ms: latencies.quantile_ms(0.5),
        p99_ms: latencies.quantile_ms(0.99),
        cpu_us: Vec::new(),
        failed: 0,
    })
}

/// A hand-written commit like those of the message path: a sealed message, a session record of 4 KiB, a queue entry.
const COMMIT: &str = "
redis.call('SET', KEYS[1], ARGV[1], 'PX', 2592000000)
redis.call('SET', KEYS[2], ARGV[2], 'PX', 2592000000)
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 10000, '*', 'v', ARGV[1])
redis.call('PEXPIRE', KEYS[3], 2592000000)
return 1";

pub async fn redis_commits(duration: Duration, clients: usize) -> Result<Figures> {
    let server = RedisServer::start(RedisOptions {
        appendonly: AppendOnly::EverySecond,
        ..RedisOptions::default()
    })
    .await?;
    let pid = server.pid().ok_or_else(|| anyhow!("redis-server has no pid"))?;
    let client = redis::Client::open(server.url())?;
    let mut connections = Vec::new();
    for _ in 0..4 {
        connections.push(client.get_multiplexed_async_connection().await?);
    }
    let script = redis::Script::new(COMMIT);
    let (before, begun) = (cpu::used(pid)?, Instant::now());
    let mut tasks = JoinSet::new();
    for index in 0..clients {
        let (mut connection, script) = (connections[index % connections.len()].clone(), script.clone());
        tasks.spawn(async move {
            let (mut latencies, mut count) = (Latencies::default(), 0_u64);
            let (message, session) = (vec![7_u8; 300], vec![9_u8; 4096]);
            while begun.elapsed() < duration {
                let sent = Instant::now();
                let mut call = script.key(format!("wx:{{1}}:msg:{index}:{count}"));
                call.key(format!("wx:{{1}}:peer:{index}"))
                    .key(format!("wx:{{1}}:out:{}", index % 8));
                let _: i64 = call.arg(&message).arg(&session).invoke_async(&mut connection).await?;
                latencies.add(sent.elapsed());
                count += 1;
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = collect(tasks).await?;
    let elapsed = begun.elapsed();
    let used = cpu::used(pid)?.saturating_sub(before);
    Ok(Figures {
        part: COMMITS,
        rate_per_second: per_second(latencies.count(), elapsed),
        p50_ms: latencies.quantile_ms(0.5),
        p99_ms: latencies.quantile_ms(0.99),
        cpu_us: vec![("redis", micros_each(used, latencies.count()))],
        failed: 0,
    })
}

pub async fn collect(mut tasks: JoinSet<Result<Latencies>>) -> Result<Latencies> {
    let mut all = Latencies::default();
    while let Some(latencies) = tasks.join_next().await {
        all.merge(latencies??);
    }
    Ok(all)
}
