//! What became of messages, over several of them.

use serde_json::Value;

use super::world::{World, until};

fn listed(list: &Value) -> Vec<String> {
    let rows = list["data"].as_array().unwrap().iter();
    rows.map(|row| row["message_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_listed_while_they_wait_and_after_they_have_arrived() {
    let world = World::start().await;
    let (mut here, gone) = (world.consumer(0).await, world.consumer(1).await);
    gone.say("back soon").await;
    until("the message", || async { world.texts_of(&gone) == ["back soon"] }).await;
    gone.consumer.clone().close().await;
    let mut sent = Vec::new();
    for text in ["one", "two", "three"] {
        let answer = world.send(here.wa_id(), text).await.ok();
        sent.push(answer["messages"][0]["id"].as_str().unwrap().to_owned());
        assert_eq!(here.hear().await, text);
    }
    let answer = world.send(gone.wa_id(), "four").await.ok();
    sent.push(answer["messages"][0]["id"].as_str().unwrap().to_owned());
    until("three have arrived", || async {
        let list = world.read("/message_history").await.ok();
        let events = |row: &Value| row["events"]["data"].as_array().unwrap().len();
        listed(&list).len() == 4 && list["data"].as_array().unwrap().iter().take(3).all(|row| events(row) == 2)
    })
    .await;
    let all = listed(&world.read("/message_history").await.ok());
    assert_eq!(all[3], sent[3], "what waits comes last");
    let sorted = |mut ids: Vec<String>| {
        ids.sort_unstable();
        ids
    };
    assert_eq!(sorted(all.clone()), sorted(sent));
    let first = world.read("/message_history?limit=3").await.ok();
    assert_eq!(listed(&first), all[..3]);
    let after = first["paging"]["cursors"]["after"].as_str().unwrap();
    let rest = world.read(&format!("/message_history?limit=3&after={after}")).await.ok();
    assert_eq!(listed(&rest), all[3..]);
}
