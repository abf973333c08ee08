//! What is said is read back, also after a restart, and lies sealed in the store.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use waxseal_harness::redis::{RedisOptions, RedisServer};
use waxseal_sidecar::config::Retention;

use super::world::{APP, APP_SECRET, ID, TOKEN, WABA, World, until};

fn public_key() -> String {
    let mut der = vec![
        0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x03, 0x82, 0x01,
        0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00,
    ];
    der.resize(294, 0xab);
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----",
        BASE64_STANDARD.encode(der)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_said_survives_a_restart_sealed_and_with_an_end() {
    let redis = RedisServer::start(RedisOptions::default()).await.unwrap();
    let mut world = World::with(Some(&redis.url()), |_| {}).await;
    let chatter = world.consumer(0).await;
    chatter.say("hello").await;
    until("the message", || async { world.texts_of(&chatter) == ["hello"] }).await;
    for (edge, said) in [
        (
            "/whatsapp_business_profile",
            json!({"messaging_product": "whatsapp", "about": "Open", "websites": ["https://a.example"]}),
        ),
        (
            "/conversational_automation",
            json!({"prompts": ["Hi"], "commands": "[{\"command_name\":\"help\",\"command_description\":\"Helps\"}]"}),
        ),
        (
            "/whatsapp_commerce_settings?is_cart_enabled=false&is_catalog_visible=true",
            json!({}),
        ),
        (
            "/business_compliance_info",
            json!({"entity_name": "Acme", "messaging_product": "whatsapp"}),
        ),
        ("/official_business_account", json!({"business_website_url": "https://a.example"})),
        ("/whatsapp_business_encryption", json!({"business_public_key": public_key()})),
        ("/settings", json!({"user_identity_change": {"enable_identity_key_check": true}})),
        (
            "/settings",
            json!({"storage_configuration": {"status": "DEFAULT", "data_localization_region": null}}),
        ),
        ("", json!({"search_visibility": "NON_VISIBLE"})),
        ("", json!({"new_display_name": "Acme", "messaging_product": "whatsapp"})),
    ] {
        world.post(edge, said).await.succeeded();
    }
    assert_eq!(
        world.post("/username", json!({"username": "Acme.Shop"})).await.ok(),
        json!({"status": "approved"})
    );
    let code = world.post("/message_qrdls", json!({"prefilled_message": "Hi there"})).await.ok()["code"].clone();
    let block = json!({"messaging_product": "whatsapp", "block_users": [{"user": chatter.number}]});
    world.post("/block_users", block).await.ok();

    let mut before = None;
    for _ in 0..2 {
        let fields = "username,search_visibility,conversational_automation{prompts,commands{command_name}}";
        let told = [
            world.read("/whatsapp_business_profile?fields=about,websites,vertical").await.ok(),
            world.read(&format!("?fields={fields}")).await.ok(),
            world.read("/whatsapp_commerce_settings").await.ok(),
            world.read("/business_compliance_info").await.ok(),
            world.read("/official_business_account").await.ok(),
            world.read("/whatsapp_business_encryption").await.ok(),
            world.read("/settings?include_sip_credentials=true").await.ok(),
            world.read("/username").await.ok(),
            world.read("/message_qrdls").await.ok(),
        ];
        assert_eq!(
            told[0],
            json!({"data": [{"about": "Open", "websites": ["https://a.example"], "vertical": "UNDEFINED", "messaging_product": "whatsapp"}]})
        );
        assert_eq!(
            told[1],
            json!({
                "id": ID, "username": "acme.shop", "search_visibility": "NON_VISIBLE",
                "conversational_automation": {"id": ID, "prompts": ["Hi"], "commands": [{"command_name": "help"}]},
            })
        );
        assert_eq!(
            told[2],
            json!({"data": [{"id": ID, "is_cart_enabled": false, "is_catalog_visible": true}]})
        );
        assert_eq!(told[3], json!({"data": [{"entity_name": "Acme"}]}));
        assert_eq!(told[4], json!({"id": ID, "oba_status": "PENDING"}));
        assert_eq!(told[5]["data"][0]["business_public_key_signature_status"], "VALID");
        assert_eq!(
            told[6],
            json!({
                "storage_configuration": {"status": "DEFAULT"}, "user_identity_change": {"enable_identity_key_check": true},
                "payload_encryption": {"status": "DISABLED"},
            })
        );
        assert_eq!(told[7], json!({"username": "acme.shop", "status": "approved"}));
        assert_eq!(told[8]["data"][0]["code"], code);
        if let Some(before) = before.replace(told.clone()) {
            assert_eq!(told, before);
        }

        let keys = redis.keys().await.unwrap();
        assert!(keys.iter().any(|key| key.contains(":book:profile")), "{keys:?}");
        for key in &keys {
            assert!(!key.contains(chatter.wa_id()), "a name tells of a consumer");
            let left = redis.command(&["PTTL", key]).await.unwrap().int().unwrap();
            assert!(left > 0 || left == -2, "{key} never expires");
            if key.contains(":book") {
                assert!(left <= 30 * 24 * 3600 * 1000, "{key} lives longer than promised");
                let value = redis.command(&["GET", key]).await.unwrap().text();
                assert!(
                    !value.contains("Open") && !value.contains("Acme") && !value.contains("profile"),
                    "{key} is not sealed"
                );
            }
        }
        world.restart().await;
    }
    world.delete("/username", None).await.succeeded();
    assert_eq!(world.read("/username").await.error(), (400, 100));
}

#[tokio::test(flavor = "multi_thread")]
async fn qr_codes_are_made_shown_changed_and_deleted() {
    let world = World::start().await;
    let mut codes = Vec::new();
    for message in ["One%20%26%20all", "Two", "Three"] {
        let made = world
            .post(
                &format!("/message_qrdls?generate_qr_image=png&prefilled_message={message}"),
                json!({}),
            )
            .await
            .ok();
        codes.push(made["code"].as_str().unwrap().to_owned());
        assert_eq!(made["deep_link_url"], format!("https://wa.me/message/{}", codes.last().unwrap()));
        // Without a token: a picture says nothing that its link does not.
        let picture = world.client.get(made["qr_image_url"].as_str().unwrap()).send().await.unwrap();
        assert_eq!(picture.headers()["content-type"], "image/png");
        assert!(picture.bytes().await.unwrap().starts_with(b"\x89PNG"));
    }
    let one = world
        .read(&format!(
            "/message_qrdls/{}?fields=code,prefilled_message,qr_image_url.format(SVG)",
            codes[0]
        ))
        .await;
    let one = one.ok()["data"][0].clone();
    assert_eq!(one["prefilled_message"], "One & all");
    let picture = world.client.get(one["qr_image_url"].as_str().unwrap()).send().await.unwrap();
    assert!(picture.text().await.unwrap().starts_with("<svg"));

    for (path, body, message) in [
        (
            "/message_qrdls".to_owned(),
            json!({"code": codes[0], "prefilled_message": "New"}),
            "New",
        ),
        (format!("/message_qrdls/{}?prefilled_message=Newer", codes[0]), json!({}), "Newer"),
    ] {
        let changed = world.post(&path, body).await.ok();
        assert_eq!(
            (&changed["code"], &changed["prefilled_message"]),
            (&json!(codes[0]), &json!(message))
        );
    }
    let first = world.read("/message_qrdls?limit=2").await.ok();
    assert_eq!(first["data"].as_array().unwrap().len(), 2);
    let after = first["paging"]["cursors"]["after"].as_str().unwrap();
    let rest = world.read(&format!("/message_qrdls?limit=2&after={after}")).await.ok();
    assert_eq!(rest["data"].as_array().unwrap().len(), 1);
    assert!(rest["paging"].get("next").is_none());
    world.delete(&format!("/message_qrdls/{}", codes[0]), None).await.succeeded();
    assert_eq!(
        world.delete(&format!("/message_qrdls/{}", codes[0]), None).await.error(),
        (400, 131_009)
    );
    let gone = world
        .client
        .get(world.url(&format!("/qr/{ID}/{}.png", codes[0])))
        .send()
        .await
        .unwrap();
    assert_eq!(gone.status(), 400);
    assert_eq!(world.read("/message_qrdls").await.ok()["data"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_messages_are_kept_is_as_declared() {
    let mut world = World::with(None, |number| number.surface.storage_region = Some("BR".to_owned())).await;
    let storage = async |world: &World| world.read("/settings?fields=storage_configuration").await.ok()["storage_configuration"].clone();
    let set = async |world: &World, configuration: Value| {
        let answer = world.post("/settings", json!({"storage_configuration": configuration})).await;
        (answer.error().1, answer.details().to_owned())
    };
    let in_brazil = json!({"status": "IN_COUNTRY_STORAGE_ENABLED", "data_localization_region": "BR"});
    let no_storage = json!({"status": "NO_STORAGE_ENABLED", "retention_minutes": 60});
    assert_eq!(storage(&world).await, in_brazil);
    assert_eq!(set(&world, in_brazil.clone()).await.0, 0);
    let (code, details) = set(
        &world,
        json!({"status": "IN_COUNTRY_STORAGE_ENABLED", "data_localization_region": "DE"}),
    )
    .await;
    assert!(
        code == 131_009 && details.contains("spec.regionRef") && details.contains("deregistered"),
        "{details}"
    );
    let (code, details) = set(&world, no_storage.clone()).await;
    assert!(code == 131_009 && details.contains("spec.retentionPolicyRef"), "{details}");
    world.post("/deregister", json!({})).await.succeeded();
    let (code, details) = set(&world, json!({"status": "DEFAULT"})).await;
    assert!(code == 131_009 && !details.contains("deregistered"), "{details}");
    let other = json!({"messaging_product": "whatsapp", "pin": super::world::PIN, "data_localization_region": "DE"});
    assert_eq!(world.post("/register", other).await.error(), (400, 131_009));
    let same = json!({"messaging_product": "whatsapp", "pin": super::world::PIN, "data_localization_region": "BR"});
    world.post("/register", same).await.succeeded();

    world.restart_with(|number| number.retention = Retention::NoStorage).await;
    assert_eq!(storage(&world).await, no_storage);
    assert_eq!(set(&world, no_storage).await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_have_the_fields_that_clients_ask_for() {
    let world = World::with(None, |number| number.surface.rules.throughput_per_second = 1000).await;
    let fields = "id,verified_name,display_phone_number,conversational_automation,status,quality_rating,quality_score,webhook_configuration,\
                  name_status,new_name_status,code_verification_status,account_mode,is_on_biz_app,is_official_business_account,is_pin_enabled,\
                  is_preverified_number,search_visibility,platform_type,throughput,eligibility_for_api_business_global_search,health_status,\
                  certificate,new_certificate,last_onboarded_time,country_code,country_dial_code,whatsapp_business_manager_messaging_limit";
    let node = world.read(&format!("/?fields={fields}")).await.ok();
    assert_eq!(
        (&node["status"], &node["platform_type"]),
        (&json!("CONNECTED"), &json!("CLOUD_API"))
    );
    assert_eq!(node["throughput"], json!({"level": "HIGH"}));
    assert_eq!(node["country_code"], "US");
    assert!(node.get("certificate").is_none());
    until("the webhook is verified", || async {
        let health = world.read("?fields=health_status").await.ok();
        health["health_status"]["can_send_message"] == "AVAILABLE"
    })
    .await;

    let account = world
        .get(&format!(
            "/v23.0/{WABA}?fields=id,name,timezone_id,status,phone_numbers,subscribed_apps,health_status,country"
        ))
        .await
        .ok();
    assert_eq!((&account["id"], &account["name"]), (&json!(WABA), &json!("Acme")));
    assert_eq!(account["phone_numbers"]["data"][0]["id"], ID);
    let numbers = world
        .get(&format!("/v23.0/{WABA}/phone_numbers?fields=id,throughput&filtering=[]"))
        .await
        .ok();
    assert_eq!(numbers["data"], json!([{"id": ID, "throughput": {"level": "HIGH"}}]));
    for (mode, found) in [("LIVE", 1), ("SANDBOX", 0)] {
        let filtering = format!("%5B%7B%22field%22:%22account_mode%22,%22operator%22:%22EQUAL%22,%22value%22:%22{mode}%22%7D%5D");
        let filtered = world.get(&format!("/{WABA}/phone_numbers?filtering={filtering}")).await.ok();
        assert_eq!(filtered["data"].as_array().map(Vec::len), Some(found), "{mode}");
    }
    let wrong = world
        .get(&format!("/{WABA}/phone_numbers?filtering=%5B%7B%22field%22:1%7D%5D"))
        .await;
    assert!(wrong.error() == (400, 100) && wrong.details().contains("filtering"), "{wrong:?}");
    // What libraries for all of the Graph ask of an account.
    let fields = "account_review_status,analytics,auth_international_rate_eligibility,business_verification_status,country,creation_time,\
                  currency,disable_marketing_messages_on_cloud_api,health_status,id,is_enabled_for_insights,is_shared_with_partners,\
                  linked_commerce_account,marketing_messages_ad_account,marketing_messages_lite_api_status,\
                  marketing_messages_onboarding_status,message_template_namespace,name,on_behalf_of_business_info,owner_business,\
                  owner_business_info,ownership_type,primary_business_location,primary_funding_id,purchase_order_number,\
                  service_pricing_policy,status,template_auto_archival_enabled,timezone_id,whatsapp_business_manager_messaging_limit,\
                  whatsapp_manager_marketing_messages_max_price_enroll_status,eligible_for_sending_notifications,\
                  ineligible_for_sending_notifications_reason";
    let account = world.get(&format!("/{WABA}?fields={fields}")).await.ok();
    assert_eq!(account["owner_business"]["id"], account["owner_business_info"]["id"]);
    assert_eq!(world.get(&format!("/{WABA}/activities")).await.ok(), json!({"data": []}));
    let declared = world
        .call("POST", &format!("/{WABA}/phone_numbers"), Some(&json!({"cc": "1"})))
        .await;
    assert!(
        declared.error() == (400, 131_009) && declared.details().contains("BusinessPhoneNumber"),
        "{declared:?}"
    );

    let plain = async |path: String| {
        let answer = world.client.get(world.url(&path)).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let secret = format!("/oauth/access_token?grant_type=client_credentials&client_id={APP}&client_secret={APP_SECRET}");
    let (status, token) = plain(secret.clone()).await;
    assert_eq!((status, &token["token_type"]), (200, &json!("bearer")));
    let token = token["access_token"].as_str().unwrap().replace('|', "%7C");
    assert_eq!(plain(format!("{secret}x")).await.0, 401);
    assert_eq!(plain(secret.replace("client_credentials", "code")).await.0, 400);
    assert_eq!(plain(format!("/{APP}")).await.0, 401);
    assert_eq!(plain(format!("/{APP}?access_token={token}x")).await.0, 401);
    assert_eq!(plain(format!("/{APP}?access_token={token}")).await.1["id"], APP);
    assert_eq!(world.get(&format!("/{APP}")).await.ok()["name"], "Waxseal");
    for (input, kind) in [
        (token.as_str(), json!("APP")),
        (TOKEN, json!("SYSTEM_USER")),
        ("nobody", Value::Null),
    ] {
        let (status, told) = plain(format!("/debug_token?input_token={input}&access_token={token}")).await;
        assert_eq!((status, &told["data"]["type"]), (200, &kind), "{told}");
        assert_eq!(told["data"]["is_valid"], kind != Value::Null);
    }
    assert_eq!(plain(format!("/debug_token?input_token={token}")).await.0, 401);
}
