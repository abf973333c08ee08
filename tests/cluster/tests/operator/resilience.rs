//! The operator outlives what happens around it, and never works twice.

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::json;
use waxseal_cluster::{eventually, install_definitions};
use waxseal_crds::v1alpha1::BusinessPhoneNumber;
use waxseal_harness::ports;
use waxseal_operator::{Error, children::Child, lease, options::Options};

use crate::world::{SYSTEM, World, number, options};

fn candidate(identity: &str) -> Options {
    Options {
        election: Some(lease::Settings {
            namespace: SYSTEM.into(),
            name: "waxseal-operator".into(),
            identity: identity.into(),
            timing: lease::Timing::default(),
        }),
        ..options()
    }
}

async fn holder(world: &World) -> String {
    let leases: Api<Lease> = world.api(SYSTEM);
    let lease = leases.get_opt("waxseal-operator").await.unwrap();
    lease.and_then(|lease| lease.spec?.holder_identity).unwrap_or_default()
}

async fn is_held_by(world: &World, identity: &str) {
    eventually(&format!("{identity} is the leader"), || async {
        (holder(world).await == identity).then_some(())
    })
    .await;
}

#[tokio::test]
async fn of_two_operators_one_works() {
    let world = World::start().await;
    world.surroundings("acme").await;
    let one = world.operate(candidate("one")).await;
    is_held_by(&world, "one").await;
    let other = world.operate(candidate("other")).await;
    world.apply(&number("acme", "desk", "+15550100")).await;
    world.appears("acme", "desk", Child::Deployment).await;
    let settled = world.settles().await;
    assert_eq!(settled["create secrets"], 1, "only one of them has worked: {settled:#?}");
    assert_eq!(holder(&world).await, "one");

    // One that stops gives the lease back: the other need not wait for it to run out.
    let begun = tokio::time::Instant::now();
    one.stop().await.unwrap();
    is_held_by(&world, "other").await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
    world.apply(&number("acme", "shop", "+15550101")).await;
    world.appears("acme", "shop", Child::Deployment).await;

    // One whose lease is taken away ends at once, and says so.
    let leases: Api<Lease> = world.api(SYSTEM);
    let taken = json!({"spec": {"holderIdentity": "thief", "renewTime": "2030-01-01T00:00:00.000000Z"}});
    world.meddle(&leases, "waxseal-operator", taken).await;
    assert!(matches!(other.ended().await, Err(Error::LeaseLost)));
}

#[tokio::test]
async fn an_api_server_that_goes_and_comes_back_is_waited_for() {
    let mut world = World::start().await;
    world.surroundings("acme").await;
    let operator = world.operate(options()).await;
    world.apply(&number("acme", "desk", "+15550100")).await;
    world.appears("acme", "desk", Child::ServiceAccount).await;
    world.control_plane.stop_api_server().unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    world.control_plane.start_api_server().await.unwrap();
    world.appears("acme", "desk", Child::Deployment).await;
    world.condition("acme", "desk", "Ready", "False", "Starting").await;
    // The watches are back, too.
    world.apply(&number("acme", "shop", "+15550101")).await;
    world.appears("acme", "shop", Child::Deployment).await;
    let numbers: Api<BusinessPhoneNumber> = world.api("acme");
    world.meddle(&numbers, "shop", json!({"spec": {"suspend": true}})).await;
    world.condition("acme", "shop", "Ready", "False", "Suspended").await;
    operator.stop().await.unwrap();
}

#[tokio::test]
async fn definitions_that_are_not_there_are_waited_for() {
    let world = World::bare().await;
    let address = ports::reserve().unwrap();
    let options = Options {
        admin_listen: Some(address),
        ..options()
    };
    let operator = world.operate(options.clone()).await;
    let ask = async |path: &str| {
        let answer = reqwest::get(format!("http://{address}{path}")).await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    };
    let (_, text) = eventually("it is not ready, and says why", || async {
        ask("/readyz")
            .await
            .filter(|(status, text)| *status == 503 && text.contains("waxseal-crds"))
    })
    .await;
    assert!(text.contains("businessphonenumbers.waxseal.dev"), "{text}");
    assert_eq!(ask("/livez").await.unwrap().0, 200);
    let (_, metrics) = ask("/metrics").await.unwrap();
    assert!(
        metrics.contains(r#"waxseal_operator_crd_missing{crd="dataregions.waxseal.dev"} 1"#),
        "{metrics}"
    );
    // It can be stopped meanwhile.
    operator.stop().await.unwrap();
    let operator = world.operate(options).await;
    install_definitions(&world.client).await;
    eventually("it is ready", || async {
        ask("/readyz?verbose").await.filter(|(status, _)| *status == 200)
    })
    .await;
    world.surroundings("acme").await;
    world.apply(&number("acme", "desk", "+15550100")).await;
    world.appears("acme", "desk", Child::Deployment).await;
    world.settles().await;
    let (_, metrics) = ask("/metrics").await.unwrap();
    for line in [
        r#"waxseal_operator_crd_missing{crd="dataregions.waxseal.dev"} 0"#,
        r#"waxseal_operator_objects{kind="BusinessPhoneNumber",ready="False"} 1"#,
        r#"waxseal_operator_objects{kind="DataRegion",ready="True"} 1"#,
        r#"waxseal_operator_writes_total{kind="Secret",verb="create"} 1"#,
        "waxseal_operator_leader 1",
        "waxseal_operator_paused_objects 0",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    // No name of an object is a label.
    assert!(!metrics.contains("desk") && !metrics.contains("15550100"), "{metrics}");
    operator.stop().await.unwrap();
    assert!(ask("/livez").await.is_none());
}

#[tokio::test]
async fn in_namespaces_of_its_own_it_looks_at_nothing_else() {
    let world = World::start().await;
    world.surroundings("acme").await;
    world.surroundings("globex").await;
    world.surroundings("umbrella").await;
    let options = Options {
        watch_namespaces: vec!["acme".into(), "globex".into()],
        ..options()
    };
    let operator = world.operate(options).await;
    for (namespace, phone_number) in [("umbrella", "+15550102"), ("acme", "+15550100"), ("globex", "+15550101")] {
        world.apply(&number(namespace, "desk", phone_number)).await;
    }
    world.appears("acme", "desk", Child::Deployment).await;
    world.appears("globex", "desk", Child::Deployment).await;
    world.settles().await;
    assert!(world.child("umbrella", "desk", Child::Deployment).await.is_none());
    assert_eq!(world.number("umbrella", "desk").await.status, None);
    operator.stop().await.unwrap();
}
