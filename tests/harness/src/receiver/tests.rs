use super::*;
use crate::business::http_client;

const PATIENCE: Duration = Duration::from_secs(10);

fn event(from: &str, id: &str) -> String {
    let value = serde_json::json!({
        "contacts": [{"wa_id": from, "user_id": "US.1"}],
        "messages": [{"from": from, "id": id, "type": "text", "text": {"body": "hi"}}],
    });
    serde_json::json!({"entry": [{"changes": [{"value": value}]}]}).to_string()
}

fn signed(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"secret").unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

async fn post(receiver: &Receiver, body: &str, signature: String) -> reqwest::Result<u16> {
    let request = http_client()
        .unwrap()
        .post(receiver.url())
        .header("x-hub-signature-256", signature)
        .body(body.to_owned());
    request.send().await.map(|response| response.status().as_u16())
}

#[tokio::test]
async fn answers_the_handshake_with_the_challenge() {
    let receiver = Receiver::start().unwrap();
    let url = format!("{}?hub.mode=subscribe&hub.challenge=c1&hub.verify_token=v1", receiver.url());
    assert_eq!(http_client().unwrap().get(url).send().await.unwrap().text().await.unwrap(), "c1");
    assert_eq!(receiver.verify_tokens(), ["v1"]);
}

#[tokio::test]
async fn keeps_what_arrives_and_checks_signatures() {
    let receiver = Receiver::start().unwrap();
    let body = event("1555", "wamid.1");
    assert_eq!(post(&receiver, &body, signed(&body)).await.unwrap(), 200);
    assert_eq!(post(&receiver, &body, signed("other")).await.unwrap(), 200);
    let deliveries = receiver.deliveries();
    assert_eq!(deliveries[0].body, body.as_bytes());
    assert!(deliveries[0].check("secret").is_ok());
    assert!(deliveries[0].check("another").is_err() && deliveries[1].check("secret").is_err());
    let messages = receiver.wait_for_messages("+1555", 1, PATIENCE).await.unwrap();
    assert_eq!(messages.len(), 1, "a repeated event is one message");
    assert!(receiver.wait_for_messages("+1555", 2, Duration::from_millis(50)).await.is_err());
}

#[tokio::test]
async fn answers_as_it_is_told() {
    let receiver = Receiver::start().unwrap();
    receiver.answer_with(|delivery| Answer::Status(if delivery.consumer() == "1" { 500 } else { 202 }));
    let (poison, fine) = (event("1", "wamid.1"), event("2", "wamid.2"));
    assert_eq!(post(&receiver, &poison, signed(&poison)).await.unwrap(), 500);
    assert_eq!(post(&receiver, &fine, signed(&fine)).await.unwrap(), 202);
    assert!(messages(&receiver.deliveries(), "1").is_empty());
    assert_eq!(messages(&receiver.deliveries(), "2").len(), 1);
    receiver.answer(Answer::Hang);
    let hangs = http_client()
        .unwrap()
        .post(receiver.url())
        .timeout(Duration::from_millis(100))
        .body(fine)
        .send()
        .await;
    assert!(hangs.unwrap_err().is_timeout());
}

#[tokio::test]
async fn goes_down_and_comes_back_on_the_same_port() {
    let mut receiver = Receiver::start().unwrap();
    let body = event("1", "wamid.1");
    // One client, so that a connection is kept open over the outage.
    let client = http_client().unwrap();
    for _ in 0..3 {
        let send = || client.post(receiver.url()).body(body.clone()).send();
        assert!(send().await.is_ok());
        receiver.down();
        let send = || client.post(receiver.url()).body(body.clone()).send();
        assert!(send().await.is_err(), "neither the open connection nor a new one works");
        receiver.up().unwrap();
    }
    assert_eq!(receiver.deliveries().len(), 3);
}
