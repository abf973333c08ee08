//! Requests while the number moves from pod to pod: the heart of what pods promise.

use std::time::Duration;

use crate::{
    sender::{Endpoints, Ledger, Sender, post},
    world::{Chatter, Pod, World, check, until},
};

/// How long after a SIGTERM a pod still gets requests, because not every node knows yet that it goes.
const ENDPOINTS_LAG: Duration = Duration::from_secs(3);
const CONSUMERS: usize = 3;

/// Two pods that serve, consumers with sessions, and a business that posts to both pods.
struct Play {
    world: World,
    pods: Vec<Pod>,
    endpoints: Endpoints,
    chatters: Vec<Chatter>,
    senders: Vec<Sender>,
}

impl Play {
    async fn start() -> Self {
        let world = World::start().await;
        let mut pods = vec![world.pod("acme-a"), world.pod("acme-b")];
        for pod in &mut pods {
            pod.start();
        }
        world.ready(&pods.iter().collect::<Vec<_>>()).await;
        let endpoints = Endpoints::of(&pods.iter().map(|pod| pod.api).collect::<Vec<_>>());
        let mut chatters = Vec::new();
        for index in 0..CONSUMERS {
            chatters.push(world.consumer(index).await);
        }
        let senders = chatters
            .iter()
            .map(|chatter| Sender::start(&world.client, &endpoints, &chatter.number))
            .collect();
        Self {
            world,
            pods,
            endpoints,
            chatters,
            senders,
        }
    }

    async fn owner(&self) -> usize {
        self.world.owner(&self.pods.iter().collect::<Vec<_>>()).await
    }

    /// SIGTERM as the kubelet sends it: requests still come for a while; then the pod is replaced by another.
    async fn replace(&mut self, index: usize, name: &str) {
        self.pods[index].signal("TERM");
        tokio::time::sleep(ENDPOINTS_LAG).await;
        self.endpoints.remove(self.pods[index].api);
        let status = self.pods[index].ended().await;
        assert!(status.success(), "{status}: {}", self.pods[index].output());
        let mut pod = self.world.pod(name);
        pod.start();
        self.world.ready(&[&pod]).await;
        self.endpoints.add(pod.api);
        self.pods[index] = pod;
    }

    /// Waits until everybody has posted some more texts with success.
    async fn flow(&self) {
        for sender in &self.senders {
            let enough = sender.accepted() + 50;
            until("texts are accepted", || async { sender.accepted() >= enough }).await;
        }
    }

    /// Stops posting and checks what arrived.
    async fn finish(self) -> Vec<Ledger> {
        let mut ledgers = Vec::new();
        self.flow().await;
        for sender in self.senders {
            ledgers.push(sender.stop().await);
        }
        for (mut chatter, ledger) in self.chatters.into_iter().zip(&mut ledgers) {
            let last = "the last";
            let address = self.pods[0].api;
            until("the last text is accepted", || async {
                post(&self.world.client, address, &chatter.number, last).await.is_ok()
            })
            .await;
            chatter.wait_for(last).await;
            let texts: Vec<String> = chatter.texts.iter().filter(|text| *text != last).cloned().collect();
            let accepted = check(&ledger.sent, &texts);
            assert!(accepted > 100, "only {accepted} texts were accepted: the test shows nothing");
        }
        for pod in &self.pods {
            assert!(!pod.output().contains("panicked"), "{}", pod.output());
        }
        ledgers
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_pods_are_replaced_and_configurations_change() {
    let mut play = Play::start().await;
    for round in 0..2 {
        let owner = play.owner().await;
        play.replace(owner, &format!("acme-owner-{round}")).await;
        let standby = 1 - play.owner().await;
        play.replace(standby, &format!("acme-standby-{round}")).await;
        let owner = play.owner().await;
        let digest = format!("round {round}");
        play.world.set_config(|config| {
            config["digest"] = digest.clone().into();
            config["displayName"] = format!("Acme {round}").into();
        });
        let (world, pod) = (&play.world, &play.pods[owner]);
        until("the new configuration is used", || async {
            pod.status(world)
                .await
                .is_some_and(|status| status["configuration"] == digest.as_str())
        })
        .await;
        assert!(pod.metric(world, "waxseal_sidecar_pod_reloads_total{outcome=\"used\"}").await >= 1);
    }
    play.flow().await;
    let standby = 1 - play.owner().await;
    assert!(
        play.pods[standby]
            .metric(&play.world, "waxseal_sidecar_pod_requests_passed_on_total{outcome=\"answered\"}")
            .await
            > 20,
        "the other pod took no part"
    );
    for ledger in play.finish().await {
        assert!(ledger.failures.is_empty(), "{:#?}", ledger.failures);
        assert!(ledger.slowest < Duration::from_secs(2), "a request took {:?}", ledger.slowest);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_accepted_is_lost_when_pods_are_killed() {
    let mut play = Play::start().await;
    for round in 0..3 {
        // As the kubelet, which asks every few seconds.
        play.world.ready(&play.pods.iter().collect::<Vec<_>>()).await;
        let owner = play.owner().await;
        let (name, address) = (play.pods[owner].name.clone(), play.pods[owner].api);
        if round == 1 {
            // Started again in its pod, it goes on where it was; the other one waits for the record to expire.
            play.pods[owner].kill9();
            play.pods[owner].start();
            let begun = std::time::Instant::now();
            assert_eq!(play.owner().await, owner, "{name} did not take over from itself");
            assert!(begun.elapsed() < Duration::from_secs(8), "it took {:?}", begun.elapsed());
        } else {
            play.pods[owner].kill9();
            play.endpoints.remove(address);
            let begun = std::time::Instant::now();
            let (world, other) = (&play.world, &play.pods[1 - owner]);
            until("the other one owns the number", || async {
                // It is about to: whoever asks is to wait, not to find nobody.
                assert!(other.is_ready(world).await);
                other.owns(world).await
            })
            .await;
            assert!(begun.elapsed() < Duration::from_secs(15), "it took {:?}", begun.elapsed());
            let mut pod = play.world.pod(&format!("acme-{round}"));
            pod.start();
            play.world.ready(&[&pod]).await;
            play.endpoints.add(pod.api);
            play.pods[owner] = pod;
        }
        play.flow().await;
    }
    play.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_sleeps_too_long_gives_way_and_takes_part_again() {
    let play = Play::start().await;
    let owner = play.owner().await;
    play.pods[owner].signal("STOP");
    play.endpoints.remove(play.pods[owner].api);
    let (world, other) = (&play.world, &play.pods[1 - owner]);
    until("the other one owns the number", || other.owns(world)).await;
    play.pods[owner].signal("CONT");
    world.ready(&[&play.pods[owner]]).await;
    play.endpoints.add(play.pods[owner].api);
    play.flow().await;
    assert!(!play.pods[owner].owns(world).await && other.owns(world).await, "two own the number");
    play.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_for_a_while_leaves_the_number_where_it_is() {
    let mut play = Play::start().await;
    let owner = play.owner().await;
    for away in [Duration::from_secs(1), Duration::from_secs(13)] {
        play.world.redis.kill().unwrap();
        tokio::time::sleep(away).await;
        play.world.redis.restart().await.unwrap();
        let world = &play.world;
        for pod in &play.pods {
            until("ready again", || pod.is_ready(world)).await;
        }
        assert_eq!(play.owner().await, owner, "after {away:?}");
        play.flow().await;
    }
    play.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_is_alone_serves_until_nobody_comes_any_more() {
    let world = World::start().await;
    let mut pod = world.pod("acme-a");
    pod.start();
    world.owner(&[&pod]).await;
    let mut chatter = world.consumer(0).await;
    let endpoints = Endpoints::of(&[pod.api]);
    let sender = Sender::start(&world.client, &endpoints, &chatter.number);
    until("texts are accepted", || async { sender.accepted() > 10 }).await;
    let told = std::time::Instant::now();
    pod.signal("TERM");
    until("not ready any more", || async { !pod.is_ready(&world).await }).await;
    assert!(told.elapsed() < Duration::from_secs(1), "it took {:?}", told.elapsed());
    tokio::time::sleep(ENDPOINTS_LAG.saturating_sub(told.elapsed())).await;
    let ledger = sender.stop().await;
    assert!(ledger.failures.is_empty(), "{:#?}", ledger.failures);
    assert!(pod.ended().await.success());
    assert!(told.elapsed() < Duration::from_secs(20), "it took {:?}", told.elapsed());

    pod.start();
    let again = std::time::Instant::now();
    world.owner(&[&pod]).await;
    assert!(
        again.elapsed() < Duration::from_secs(5),
        "what was given back is free: {:?}",
        again.elapsed()
    );
    post(&world.client, pod.api, &chatter.number, "the last").await.unwrap();
    chatter.wait_for("the last").await;
    let texts: Vec<String> = chatter.texts.iter().filter(|text| *text != "the last").cloned().collect();
    check(&ledger.sent, &texts);
}
