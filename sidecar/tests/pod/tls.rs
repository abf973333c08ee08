//! The API port with a certificate: in every pod, between pods, and when the certificate changes.

use std::net::SocketAddr;

use waxseal_harness::{
    business::text_to,
    certificates::{Authority, Identity},
};

use crate::world::{ID, TOKEN, World, until};

const NAME: &str = "graph.acme.example";

/// A business that trusts the authority and finds the name at a pod.
fn client(authority: &Authority, pod: SocketAddr) -> reqwest::Client {
    // Each certificate has to be shown: no connection is used again.
    reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(authority.certificate().as_bytes()).unwrap()])
        .resolve(NAME, pod)
        .pool_max_idle_per_host(0)
        .no_proxy()
        .build()
        .unwrap()
}

async fn post(client: &reqwest::Client, pod: SocketAddr, to: &str, text: &str) -> Result<(), String> {
    let url = format!("https://{NAME}:{}/v23.0/{ID}/messages", pod.port());
    let answer = client.post(url).bearer_auth(TOKEN).json(&text_to(to, text)).send().await;
    match answer {
        Ok(answer) if answer.status() == 200 => Ok(()),
        Ok(answer) => Err(format!("{} {}", answer.status(), answer.text().await.unwrap_or_default())),
        Err(error) => Err(format!("{error:?}")),
    }
}

fn mount(world: &World, identity: &Identity) {
    world.set_secret("api/tls.crt", Some(&identity.certificate));
    world.set_secret("api/tls.key", Some(&identity.private_key));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_secures_the_port_of_every_pod_and_may_change() {
    let world = World::start().await;
    let (first, second) = (Authority::new().unwrap(), Authority::new().unwrap());
    std::fs::create_dir(world.path("secrets/api")).unwrap();
    mount(&world, &first.server(NAME, &[NAME]).unwrap());
    let mut pods = [world.pod("acme-a"), world.pod("acme-b")];
    for pod in &mut pods {
        pod.start();
    }
    let all: Vec<_> = pods.iter().collect();
    world.ready(&all).await;
    let owner = world.owner(&all).await;
    let mut chatter = world.consumer(0).await;

    // The pod that does not own the number passes on, over TLS too.
    for (index, pod) in pods.iter().enumerate() {
        let text = format!("to pod {index}");
        post(&client(&first, pod.api), pod.api, &chatter.number, &text).await.unwrap();
        chatter.wait_for(&text).await;
    }
    assert!(pods[1 - owner].metric(&world, "waxseal_sidecar_pod_requests_passed_on").await > 0);
    let plain = world.client.get(format!("http://{}/v23.0/{ID}", pods[0].api)).send().await;
    assert!(plain.is_err_and(|error| error.is_request()), "plain HTTP was answered");

    // Another certificate, of another authority, is shown without a restart; a key that does not belong to it changes nothing.
    let other = second.server(NAME, &[NAME]).unwrap();
    world.set_secret("api/tls.crt", Some(&other.certificate));
    until("the wrong key is told", || async {
        let problems = pods[0].problems(&world).await;
        problems
            .iter()
            .any(|(reason, message)| reason == "SecretInvalid" && message.contains("does not belong"))
    })
    .await;
    post(&client(&first, pods[0].api), pods[0].api, &chatter.number, "the old one")
        .await
        .unwrap();
    mount(&world, &other);
    for (index, pod) in pods.iter().enumerate() {
        let (client, text) = (client(&second, pod.api), format!("again to pod {index}"));
        until("the new certificate is shown", || async {
            post(&client, pod.api, &chatter.number, &text).await.is_ok()
        })
        .await;
        chatter.wait_for(&text).await;
        assert!(pod.problems(&world).await.is_empty());
        assert!(!pod.output().contains("PRIVATE KEY"), "a key in the log");
    }
}
