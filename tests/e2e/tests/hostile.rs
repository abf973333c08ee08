//! A registered consumer that sends what no honest client would: garbage, truncated messages, the same envelope again and again. It is
//! counted, answered where that can help, and never holds up anybody else.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rand::RngCore as _;
use waxseal_e2e::{PATIENCE, World, numbers};
use waxseal_protocol::{
    Account, Client, Credential,
    proto::{Envelope, Role, from_relay::Frame},
};

/// What a retry receipt begins with.
const PLAINTEXT: u8 = 8;

fn garbage() -> Vec<Vec<u8>> {
    let mut random = vec![0; 300];
    rand::rng().fill_bytes(&mut random);
    let with_type = |kind: u8, bytes: &[u8]| [&[kind], bytes].concat();
    let mut bodies: Vec<Vec<u8>> = vec![vec![], vec![2], vec![3], vec![PLAINTEXT], vec![7, 1, 2]];
    for kind in [0, 2, 3, PLAINTEXT, 255] {
        bodies.push(with_type(kind, &random));
        bodies.push(with_type(kind, &[0xff; 64]));
        // Type byte, then Signal's version byte and nothing sensible.
        bodies.push(with_type(kind, &[0x44, 0x0a, 0x21, 5]));
    }
    bodies.push(vec![2; 96 * 1024]);
    bodies
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_counted_and_holds_nobody_up() -> Result<()> {
    let world = World::start().await?;
    let endpoints = world.up.endpoints();
    let client = Client::new(&endpoints.relay)?;
    let account = Account {
        number: numbers::consumer(),
        credential: Credential::random(&mut rand::rng()),
    };
    client.register(&account, Role::Consumer, None, &[5; 33], 1).await?;
    let mut link = client.connect(&account, 0).await?;
    let business = endpoints.numbers.first().context("a number")?.phone_number.clone();
    let envelope = |body: Vec<u8>, id: u8| Envelope {
        id: vec![id; 16].into(),
        recipient: business.clone(),
        body: body.into(),
        ..Envelope::default()
    };
    let bodies = garbage();
    let count = u8::try_from(bodies.len())?;
    for round in 0..3 {
        // The same ids in every round: repeats.
        let envelopes = bodies.iter().cloned().zip(1..=count).map(|(body, id)| envelope(body, id)).collect();
        link.sender.submit(envelopes).await.with_context(|| format!("round {round}"))?;
    }
    // A session message of an unknown session is what an honest client may send that has lost nothing: it gets a retry receipt.
    let lost = [
        &[2, 0x44][..],
        &[0x0a, 0x21, 0x05],
        &[9; 32],
        &[0x10, 0, 0x18, 0, 0x22, 0x10],
        &[7; 16],
        &[1; 8],
    ]
    .concat();
    link.sender.submit(vec![envelope(lost, 200)]).await?;

    let (honest, mut chat) = world.online().await?;
    chat.say("not held up")?;
    let messages = world.receiver.wait_for_messages(honest.number(), 1, PATIENCE).await?;
    assert_eq!(messages[0].text, "not held up");

    let receipt = async {
        while let Some(frame) = link.receiver.next().await {
            if let Frame::Deliver(deliver) = frame? {
                let first = deliver
                    .deliveries
                    .into_iter()
                    .find_map(|delivery| delivery.envelope)
                    .context("an envelope")?;
                ensure!(first.body.first() == Some(&PLAINTEXT), "only retry receipts answer garbage");
                return Ok(());
            }
        }
        anyhow::bail!("the relay closed the link")
    };
    tokio::time::timeout(Duration::from_secs(20), receipt)
        .await
        .context("no retry receipt came")??;
    assert!(world.metric("waxseal_sidecar_envelopes_refused_total").await? >= u64::from(count) / 2);
    assert_eq!(
        world
            .receiver
            .deliveries()
            .iter()
            .filter(|delivery| String::from_utf8_lossy(&delivery.body).contains(&account.number[1..]))
            .count(),
        0
    );
    Ok(())
}
