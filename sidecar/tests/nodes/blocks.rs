//! Blocked consumers.

use serde_json::{Value, json};

use super::world::{Chatter, World, until};

fn users(named: &[&str]) -> Value {
    let users: Vec<Value> = named.iter().map(|user| json!({"user": user})).collect();
    json!({"messaging_product": "whatsapp", "block_users": users})
}

async fn blocked(world: &World) -> Vec<Value> {
    world.read("/block_users").await.ok()["data"].as_array().unwrap().clone()
}

async fn wait(world: &World, chatter: &Chatter, texts: &[&str]) {
    until("the messages", || async { world.texts_of(chatter) == texts }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_consumer_is_not_heard_and_not_written_to() {
    let mut world = World::start().await;
    let (mut chatter, other) = (world.consumer(0).await, world.consumer(1).await);
    chatter.say("hello").await;
    wait(&world, &chatter, &["hello"]).await;

    // Who has not written cannot be blocked; for the others it is done.
    let mixed = world
        .post("/block_users", users(&[&chatter.number, other.wa_id(), "nonsense"]))
        .await;
    assert_eq!(mixed.error(), (400, 139_100));
    let lists = &mixed.body["block_users"];
    assert_eq!(lists["added_users"][0]["input"], chatter.number.as_str());
    assert_eq!(lists["added_users"][0]["wa_id"], chatter.wa_id());
    let user_id = lists["added_users"][0]["user_id"].as_str().unwrap().to_owned();
    let failed = lists["failed_users"].as_array().unwrap();
    let mut reasons: Vec<(&str, u64)> = failed
        .iter()
        .map(|failed| (failed["input"].as_str().unwrap(), failed["errors"][0]["code"].as_u64().unwrap()))
        .collect();
    reasons.sort_unstable();
    assert_eq!(reasons, [(other.wa_id(), 131_047), ("nonsense", 131_009)]);

    let row = json!({"messaging_product": "whatsapp", "input": chatter.wa_id(), "wa_id": chatter.wa_id(), "user_id": user_id});
    for _ in 0..2 {
        assert_eq!(blocked(&world).await, std::slice::from_ref(&row));
        let refused = world.send(chatter.wa_id(), "refused").await;
        assert_eq!(refused.error(), (400, 131_026));
        assert!(refused.details().contains("blocked"), "{refused:?}");
        world.restart().await;
    }
    chatter.say("unheard").await;
    other.say("heard").await;
    wait(&world, &other, &["heard"]).await;
    // Their messages are dealt with in order: that the relay holds none says that it was.
    until("the relay has got rid of it", || async {
        world.relay.stats().queued_envelopes == 0
    })
    .await;

    let unblock = json!({"messaging_product": "whatsapp", "block_users": [{"user_id": user_id}]});
    let removed = world.delete("/block_users", Some(unblock)).await.ok();
    assert_eq!(removed["block_users"]["removed_users"][0]["input"], user_id.as_str());
    assert_eq!(blocked(&world).await, Vec::<Value>::new());
    chatter.say("heard again").await;
    wait(&world, &chatter, &["hello", "heard again"]).await;
    world.send(chatter.wa_id(), "welcome back").await.ok();
    assert_eq!(chatter.hear().await, "welcome back");

    // By user id, while the conversation is known.
    let by_id = json!({"messaging_product": "whatsapp", "block_users": [{"user_id": user_id}]});
    let added = world.post("/block_users", by_id).await.ok();
    assert_eq!(added["block_users"]["added_users"][0]["wa_id"], chatter.wa_id());
    world.delete("/block_users", Some(users(&[chatter.wa_id()]))).await.ok();
    assert_eq!(blocked(&world).await, Vec::<Value>::new());
    let unknown = json!({"messaging_product": "whatsapp", "block_users": [{"user_id": "US.12345678901234567890"}]});
    assert_eq!(world.post("/block_users", unknown).await.error(), (400, 139_100));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_comes_in_pages() {
    let world = World::start().await;
    let mut numbers = Vec::new();
    for index in 0..5 {
        let chatter = world.consumer(index).await;
        chatter.say("hello").await;
        wait(&world, &chatter, &["hello"]).await;
        numbers.push(chatter.number.clone());
    }
    let all: Vec<&str> = numbers.iter().map(String::as_str).collect();
    world.post("/block_users", users(&all)).await.ok();
    let mut seen = Vec::new();
    let mut path = format!("/v23.0/{}/block_users?limit=2", super::world::ID);
    loop {
        let page = world.get(&path).await.ok();
        let rows = page["data"].as_array().unwrap();
        assert!(rows.len() <= 2);
        seen.extend(rows.iter().map(|row| format!("+{}", row["wa_id"].as_str().unwrap())));
        let Some(next) = page["paging"]["next"].as_str() else { break };
        path = next.strip_prefix(&world.url("")).unwrap().to_owned();
    }
    seen.sort_unstable();
    assert_eq!(seen, numbers);
}
