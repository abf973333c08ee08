//! The life cycle of a number.

use serde_json::{Value, json};
use waxseal_sidecar::config::{CustodyLocation, Number, Secret};

use super::world::{NUMBER, PIN, World, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_deregistered_number_is_silent_until_it_is_registered_again() {
    let mut world = World::start().await;
    let mut chatter = world.consumer(0).await;
    chatter.say("before").await;
    until("the message", || async { world.texts_of(&chatter) == ["before"] }).await;
    world.send(chatter.wa_id(), "one").await.ok();
    assert_eq!(chatter.hear().await, "one");
    let onboarded = world.read("?fields=last_onboarded_time").await.ok();
    assert!(onboarded["last_onboarded_time"].is_string(), "{onboarded}");

    let accounts = world.relay.stats().accounts;
    world
        .post("/deregister", json!({"messaging_product": "whatsapp"}))
        .await
        .succeeded();
    assert_eq!(world.relay.stats().accounts, accounts - 1, "the relay has forgotten the number");
    assert_eq!(world.send(chatter.wa_id(), "refused").await.error(), (400, 133_010));
    for _ in 0..2 {
        let node = world
            .read("?fields=status,platform_type,health_status{can_send_message}")
            .await
            .ok();
        assert_eq!(node["status"], "DISCONNECTED");
        assert_eq!(node["platform_type"], "NOT_APPLICABLE");
        assert_eq!(node["health_status"], json!({"can_send_message": "BLOCKED"}));
        assert_eq!(world.post("", json!({"pin": "222222"})).await.error(), (400, 133_010));
        assert_eq!(world.send(chatter.wa_id(), "refused").await.error(), (400, 133_010));
        world.restart().await;
    }
    world.post("/deregister", json!({})).await.succeeded();

    let wrong = world
        .post("/register", json!({"messaging_product": "whatsapp", "pin": "000000"}))
        .await;
    assert_eq!(wrong.error(), (400, 133_005));
    assert_eq!(world.relay.stats().accounts, accounts - 1);
    let register = json!({"messaging_product": "whatsapp", "pin": PIN, "backup": {"data": "x", "password": "y"}, "phoneId": 1});
    world.post("/register", register.clone()).await.succeeded();
    assert_eq!(world.relay.stats().accounts, accounts);
    world.send(chatter.wa_id(), "two").await.ok();
    assert_eq!(chatter.hear().await, "two", "and nothing of what was refused");
    chatter.say("after").await;
    until("messages flow again", || async { world.texts_of(&chatter) == ["before", "after"] }).await;
    world.post("/register", register).await.succeeded();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pin_set_last_holds_be_it_through_the_api_or_declared() {
    let fields = |number: &mut Number| number.surface.webhooks.fields = Some(vec!["security".to_owned()]);
    let mut world = World::with(None, fields).await;
    world.post("", json!({"pin": "222222"})).await.succeeded();
    let announced = world
        .receiver
        .wait_for("the changed PIN", super::world::PATIENCE, |deliveries| {
            deliveries
                .iter()
                .filter_map(|delivery| serde_json::from_slice::<Value>(&delivery.body).ok())
                .map(|body| body["entry"][0]["changes"][0].clone())
                .find(|change| change["field"] == "security")
        })
        .await
        .unwrap();
    assert_eq!(announced["value"]["event"], "PIN_CHANGED");
    assert_eq!(announced["value"]["display_phone_number"], NUMBER.trim_start_matches('+'));
    let register = async |world: &World, pin: &str| {
        let answer = world.post("/register", json!({"messaging_product": "whatsapp", "pin": pin})).await;
        answer.body["error"]["code"].as_u64().unwrap_or_default()
    };
    assert_eq!(register(&world, PIN).await, 133_005);
    assert_eq!(register(&world, "222222").await, 0);
    world.restart().await;
    assert_eq!(register(&world, "222222").await, 0, "the relay and the book agree after a restart");
    world.restart_with(|number| number.pin = Secret::from("333333")).await;
    assert_eq!(register(&world, "222222").await, 133_005);
    assert_eq!(register(&world, "333333").await, 0, "the relay has taken the declared one");
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_and_requests_have_limits_that_survive_a_restart() {
    let mut world = World::start().await;
    let register = async |world: &World, pin: &str| {
        let body = json!({"messaging_product": "whatsapp", "pin": pin});
        world.post("/register", body).await.error().1
    };
    for _ in 0..3 {
        assert_eq!(register(&world, "000000").await, 133_005);
    }
    assert_eq!(register(&world, "000000").await, 133_009);
    world.restart().await;
    assert_eq!(register(&world, PIN).await, 133_009, "no guess is looked at before its time");
    for _ in 5..10 {
        register(&world, PIN).await;
    }
    assert_eq!(register(&world, PIN).await, 133_016);
    world.post("/deregister", json!({})).await.succeeded();
    assert_eq!(register(&world, PIN).await, 133_016);

    let code = json!({"code_method": "SMS", "language": "en_US"});
    assert_eq!(world.post("/verify_code", json!({"code": "123456"})).await.error(), (400, 136_025));
    for _ in 0..5 {
        world
            .post("/request_code?code_method=VOICE&language=en", json!({}))
            .await
            .succeeded();
    }
    assert_eq!(world.post("/request_code", code).await.error(), (400, 136_024));
}

/// It was told as a relay that does not answer.
#[tokio::test(flavor = "multi_thread")]
async fn pins_that_change_too_fast_are_told_from_a_relay_that_is_away() {
    let world = World::start().await;
    let mut changed = 0;
    let refused = loop {
        let answer = world.post("", json!({"pin": format!("{changed:06}")})).await;
        if answer.status != 200 {
            break answer.error();
        }
        changed += 1;
        assert!(changed < 100, "PINs may change as often as they like");
    };
    assert_eq!(refused, (400, 133_009));
    assert!(changed >= 10, "after {changed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_is_away_or_knows_another_number_is_told_apart() {
    let mut world = World::start().await;
    world
        .restart_unlinked(|number| {
            // As if the keys were lost, and the PIN with them.
            if let CustodyLocation::File(file) = &mut number.custody {
                file.set_extension("new");
            }
            number.pin = Secret::from("222222");
        })
        .await;
    until("refused", || async {
        let node = world.read("?fields=status,health_status").await.ok();
        let phone = &node["health_status"]["entities"][0];
        node["status"] == "DISCONNECTED" && phone["can_send_message"] == "BLOCKED" && phone["errors"][0]["error_code"] == 131_045
    })
    .await;
    let register = json!({"messaging_product": "whatsapp", "pin": "222222"});
    let refused = world.post("/register", register).await;
    assert_eq!(refused.error(), (500, 131_045), "{}", refused.body);

    world.restart_with(|_| {}).await;
    world.end_relay().await;
    assert_eq!(world.post("/deregister", json!({})).await.error(), (500, 133_000));
    let register = json!({"messaging_product": "whatsapp", "pin": PIN});
    assert_eq!(world.post("/register", register).await.error(), (503, 133_004));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_business_is_told_of_what_becomes_of_its_number() {
    let subscribed = |number: &mut Number| {
        let fields = ["account_update", "phone_number_quality_update"];
        number.surface.webhooks.fields = Some(fields.map(str::to_owned).to_vec());
    };
    let mut world = World::with(None, subscribed).await;
    let register = json!({"messaging_product": "whatsapp", "pin": PIN});
    for _ in 0..2 {
        world.post("/deregister", json!({})).await.succeeded();
    }
    for _ in 0..2 {
        world.post("/register", register.clone()).await.succeeded();
    }
    for _ in 0..2 {
        world
            .restart_with(|number| {
                let fields = ["account_update", "phone_number_quality_update"];
                number.surface.webhooks.fields = Some(fields.map(str::to_owned).to_vec());
                number.surface.rules.throughput_per_second = 1000;
            })
            .await;
        let told = || {
            let deliveries = world.receiver.deliveries();
            let values = deliveries.iter().map(|delivery| &delivery.json["entry"][0]["changes"][0]["value"]);
            values
                .map(|value| value["event"].as_str().unwrap_or_default().to_owned())
                .collect::<Vec<_>>()
        };
        until("three events", || async { told().len() >= 3 }).await;
        assert_eq!(
            told(),
            ["ACCOUNT_OFFBOARDED", "ACCOUNT_RECONNECTED", "THROUGHPUT_UPGRADE"],
            "each once"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_takes_what_metas_description_puts_there() {
    let world = World::start().await;
    let nested = json!({"whatsapp_business_api_data": {"pin": "654321", "show_security_notifications": true}});
    world.post("", nested).await.succeeded();
    let register = async |pin: &str| {
        let body = json!({"messaging_product": "whatsapp", "pin": pin});
        world.post("/register", body).await.error().1
    };
    assert_eq!((register(PIN).await, register("654321").await), (133_005, 0));
    let username = world.post("", json!({"username": "my.business"})).await;
    assert_eq!(username.ok(), json!({"status": "approved"}));
    assert_eq!(world.read("?fields=username").await.ok()["username"], "my.business");
}
