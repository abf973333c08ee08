//! The election with paused time: two candidates and a store of leases that fails on demand.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use super::*;

/// One lease, with the API server's rule about versions.
#[derive(Clone, Default)]
struct Shelf {
    lease: Arc<Mutex<Option<Lease>>>,
    away: Arc<AtomicBool>,
    /// Requests are swallowed: they never end.
    hangs: Arc<AtomicBool>,
}

impl Shelf {
    fn holder(&self) -> String {
        let lease = self.lease.lock().unwrap();
        let spec = lease.as_ref().and_then(|lease| lease.spec.clone()).unwrap_or_default();
        spec.holder_identity.unwrap_or_default()
    }

    fn transitions(&self) -> i32 {
        let lease = self.lease.lock().unwrap();
        lease
            .as_ref()
            .and_then(|lease| lease.spec.as_ref()?.lease_transitions)
            .unwrap_or_default()
    }

    async fn reach(&self) -> Result<(), Error> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.away.load(Ordering::SeqCst) {
            return Err(Error::Timeout);
        }
        Ok(())
    }

    fn put(&self, mut lease: Lease) -> Lease {
        let mut kept = self.lease.lock().unwrap();
        let version = kept.as_ref().map_or(0, version) + 1;
        lease.metadata.resource_version = Some(version.to_string());
        *kept = Some(lease.clone());
        lease
    }
}

fn version(lease: &Lease) -> u64 {
    let version = lease.metadata.resource_version.as_ref();
    version.and_then(|version| version.parse().ok()).unwrap_or_default()
}

impl Leases for Shelf {
    async fn get(&self) -> Result<Option<Lease>, Error> {
        self.reach().await?;
        Ok(self.lease.lock().unwrap().clone())
    }

    async fn create(&self, lease: Lease) -> Result<Lease, Error> {
        self.reach().await?;
        if self.lease.lock().unwrap().is_some() {
            return Err(Error::Conflict);
        }
        Ok(self.put(lease))
    }

    async fn replace(&self, lease: Lease) -> Result<Lease, Error> {
        self.reach().await?;
        if self.lease.lock().unwrap().as_ref().map(version) != Some(version(&lease)) {
            return Err(Error::Conflict);
        }
        Ok(self.put(lease))
    }
}

fn settings(identity: &str) -> Settings {
    Settings {
        namespace: "system".into(),
        name: "operator".into(),
        identity: identity.into(),
        timing: Timing::default(),
    }
}

async fn elect(shelf: &Shelf, identity: &str) -> Leader<Shelf> {
    let stop = CancellationToken::new();
    campaign(shelf.clone(), &settings(identity), &stop).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_first_candidate_leads_at_once_and_goes_on_leading() {
    let shelf = Shelf::default();
    let begun = Instant::now();
    let mut first = elect(&shelf, "one").await;
    assert_eq!(Instant::now(), begun);
    let kept = timeout(Duration::from_secs(120), first.keep()).await;
    assert!(kept.is_err(), "a leader that can renew stays the leader");
    assert_eq!((shelf.holder().as_str(), shelf.transitions()), ("one", 0));
}

#[tokio::test(start_paused = true)]
async fn a_second_candidate_waits_for_as_long_as_the_first_renews() {
    let shelf = Shelf::default();
    let mut first = elect(&shelf, "one").await;
    let keeping = tokio::spawn(async move { first.keep().await });
    let second = timeout(Duration::from_secs(300), elect(&shelf, "two")).await;
    assert!(second.is_err());
    keeping.abort();
    // From its end on, the first one's lease has to run out once.
    let ended = Instant::now();
    elect(&shelf, "two").await;
    let waited = ended.elapsed();
    assert!(waited >= Duration::from_secs(13) && waited <= Duration::from_secs(19), "{waited:?}");
    assert_eq!((shelf.holder().as_str(), shelf.transitions()), ("two", 1));
}

#[tokio::test(start_paused = true)]
async fn the_old_leader_has_stopped_before_another_begins() {
    for hangs in [false, true] {
        let shelf = Shelf::default();
        let mut first = elect(&shelf, "one").await;
        let cut_off = Shelf {
            lease: Arc::clone(&shelf.lease),
            ..Shelf::default()
        };
        first.leases = cut_off.clone();
        let begun = Instant::now();
        cut_off.away.store(!hangs, Ordering::SeqCst);
        cut_off.hangs.store(hangs, Ordering::SeqCst);
        let stopped = tokio::spawn(async move {
            first.keep().await;
            Instant::now()
        });
        elect(&shelf, "two").await;
        let (stopped, started) = (stopped.await.unwrap(), Instant::now());
        assert!(stopped.duration_since(begun) <= Duration::from_secs(10), "{hangs}");
        assert!(started.duration_since(stopped) >= Duration::from_secs(3), "{hangs}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_outlives_a_short_outage() {
    let shelf = Shelf::default();
    let mut first = elect(&shelf, "one").await;
    let away = Arc::clone(&shelf.away);
    tokio::spawn(async move {
        loop {
            away.store(true, Ordering::SeqCst);
            sleep(Duration::from_secs(6)).await;
            away.store(false, Ordering::SeqCst);
            sleep(Duration::from_secs(5)).await;
        }
    });
    assert!(timeout(Duration::from_secs(120), first.keep()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_given_back_is_taken_at_the_next_attempt() {
    let shelf = Shelf::default();
    let first = elect(&shelf, "one").await;
    let waiting = tokio::spawn({
        let shelf = shelf.clone();
        async move { elect(&shelf, "two").await }
    });
    sleep(Duration::from_secs(5)).await;
    let released = Instant::now();
    first.release().await.unwrap();
    assert_eq!(shelf.holder(), "");
    waiting.await.unwrap();
    assert!(released.elapsed() <= Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn who_is_not_the_holder_any_more_does_not_give_the_lease_back() {
    let shelf = Shelf::default();
    let first = elect(&shelf, "one").await;
    sleep(Duration::from_secs(20)).await;
    elect(&shelf, "two").await;
    first.release().await.unwrap();
    assert_eq!(shelf.holder(), "two");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_was_replaced_notices_at_its_next_renewal() {
    let shelf = Shelf::default();
    let mut first = elect(&shelf, "one").await;
    sleep(Duration::from_secs(9)).await;
    {
        let mut lease = shelf.lease.lock().unwrap().clone().unwrap();
        lease.spec.as_mut().unwrap().holder_identity = Some("two".into());
        shelf.put(lease);
    }
    let begun = Instant::now();
    first.keep().await;
    assert!(begun.elapsed() <= Duration::from_secs(2));
    assert_eq!(shelf.holder(), "two");
}

#[tokio::test(start_paused = true)]
async fn clocks_that_differ_do_not_matter() {
    let shelf = Shelf::default();
    let mut first = elect(&shelf, "one").await;
    // The holder's clock is an hour behind: to another's clock its lease was over long ago.
    let lease = shelf.lease.lock().unwrap().clone().unwrap();
    let mut spec = lease.spec.clone().unwrap();
    spec.renew_time = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime(
        Timestamp::now() - Duration::from_secs(3600),
    ));
    first.current = Some(shelf.put(Lease { spec: Some(spec), ..lease }));
    let second = timeout(Duration::from_secs(10), elect(&shelf, "two")).await;
    assert!(second.is_err(), "nobody saw it unrenewed for as long as a lease lasts");
}

#[tokio::test(start_paused = true)]
async fn a_lease_for_ever_is_taken_over_after_five_minutes() {
    let shelf = Shelf::default();
    elect(&shelf, "one").await;
    let mut lease = shelf.lease.lock().unwrap().clone().unwrap();
    lease.spec.as_mut().unwrap().lease_duration_seconds = Some(i32::MAX);
    shelf.put(lease);
    let begun = Instant::now();
    elect(&shelf, "two").await;
    let waited = begun.elapsed();
    assert!(
        waited >= Duration::from_secs(300) && waited <= Duration::from_secs(303),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_candidate_that_is_told_to_stop_stops() {
    let shelf = Shelf::default();
    let _first = elect(&shelf, "one").await;
    let stop = CancellationToken::new();
    stop.cancel();
    assert!(campaign(shelf, &settings("two"), &stop).await.is_none());
}
