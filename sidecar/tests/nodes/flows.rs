//! Flows: from draft to deprecated, told to the business, kept over a restart, and what messages make of them.

use serde_json::{Value, json};

use super::world::{APP, Answer, ID, TOKEN, WABA, World, until};

fn document() -> Value {
    json!({"version": "7.1", "screens": [{
        "id": "ASK", "title": "Ask", "terminal": true, "success": true, "data": {},
        "layout": {"type": "SingleColumnLayout", "children": [
            {"type": "TextHeading", "text": "Zażółć"},
            {"type": "Footer", "label": "Done", "on-click-action": {"name": "complete", "payload": {}}},
        ]},
    }]})
}

/// A number whose business wants to hear of flows.
async fn start() -> World {
    World::with(None, |number| number.surface.webhooks.fields = Some(vec!["flows".to_owned()])).await
}

async fn flows(world: &World, method: &str, path: &str, body: Option<Value>) -> Answer {
    world.call(method, &format!("/v23.0/{path}"), body.as_ref()).await
}

async fn create(world: &World, body: Value) -> String {
    let made = flows(world, "POST", &format!("{WABA}/flows"), Some(body)).await.ok();
    assert_eq!(made["success"], true, "{made}");
    made["id"].as_str().unwrap().to_owned()
}

async fn upload(world: &World, id: &str, document: &[u8]) -> Answer {
    let part = |name: &str, more: &str, content: &[u8]| {
        let head = format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n");
        [head.as_bytes(), content, b"\r\n"].concat()
    };
    let body = [
        part("file", "; filename=\"flow.json\"\r\nContent-Type: application/json", document),
        part("name", "", b"flow.json"),
        part("asset_type", "", b"FLOW_JSON"),
        part("messaging_product", "", b"whatsapp"),
        b"--b--\r\n".to_vec(),
    ]
    .concat();
    let request = world.client.post(world.url(&format!("/v23.0/{id}/assets"))).bearer_auth(TOKEN);
    let request = request.header("Content-Type", "multipart/form-data; boundary=b").body(body);
    let answer = request.send().await.unwrap();
    Answer {
        status: answer.status().as_u16(),
        body: answer.json().await.unwrap(),
    }
}

async fn send(world: &World, parameters: Value) -> Answer {
    let mut all = json!({"flow_message_version": "3", "flow_cta": "Fill in"});
    all.as_object_mut().unwrap().extend(parameters.as_object().unwrap().clone());
    let interactive = json!({"type": "flow", "body": {"text": "Please"}, "action": {"name": "flow", "parameters": all}});
    let body = json!({"messaging_product": "whatsapp", "to": "+15552000000", "type": "interactive", "interactive": interactive});
    world.post("/messages", body).await
}

/// Statuses of flows that the business was told of.
fn told(world: &World) -> Vec<(String, String, String)> {
    let deliveries = world.receiver.deliveries();
    let events = deliveries.iter().map(|delivery| delivery.json.clone());
    let values = events.filter_map(|event| {
        let change = event.pointer("/entry/0/changes/0")?.clone();
        (change["field"] == "flows").then(|| change["value"].clone())
    });
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    values
        .map(|value| {
            assert_eq!(value["event"], "FLOW_STATUS_CHANGE");
            (text(&value["flow_id"]), text(&value["old_status"]), text(&value["new_status"]))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_from_draft_to_deprecated() {
    let mut world = start().await;
    let list = format!("{WABA}/flows");
    let id = create(&world, json!({"name": "first", "categories": ["SURVEY", "OTHER"]})).await;
    assert_eq!(
        flows(&world, "GET", &id, None).await.ok(),
        json!({"id": id, "name": "first", "status": "DRAFT", "categories": ["SURVEY", "OTHER"], "validation_errors": []})
    );
    assert_eq!(flows(&world, "GET", &format!("{id}/assets"), None).await.ok(), json!({"data": []}));
    assert_eq!(flows(&world, "POST", &format!("{id}/publish"), None).await.error(), (400, 139_002));

    // A document with something wrong is kept, and not published.
    let wrong = document().to_string().replace("TextHeading", "TextHeadings");
    let answer = upload(&world, &id, wrong.as_bytes()).await.ok();
    assert_eq!(answer["success"], true);
    let finding = &answer["validation_errors"][0];
    assert_eq!(finding["error"], "INVALID_PROPERTY_VALUE");
    assert_eq!(finding["pointers"][0]["path"], "screens[0].layout.children[0].type");
    let column = usize::try_from(finding["column_start"].as_u64().unwrap()).unwrap();
    assert_eq!(&wrong[wrong.find("\"TextHeadings").unwrap()..][..1], "\"");
    assert_eq!(wrong[..wrong.find("\"TextHeadings").unwrap()].chars().count() + 1, column);
    let refused = flows(&world, "POST", &format!("{id}/publish"), None).await;
    assert_eq!(refused.error(), (400, 139_002));
    assert!(refused.details().contains("validation errors"));

    let right = document().to_string();
    assert_eq!(
        upload(&world, &id, right.as_bytes()).await.ok(),
        json!({"success": true, "validation_errors": []})
    );
    flows(
        &world,
        "POST",
        &id,
        Some(json!({"name": "renamed", "endpoint_uri": "https://flows.example/answer"})),
    )
    .await
    .succeeded();
    flows(&world, "POST", &format!("{id}/publish"), None).await.succeeded();
    world.restart().await;

    let fields = "id,name,status,json_version,data_api_version,endpoint_uri,updated_at,preview.invalidate(true),application,\
                  whatsapp_business_account{name},health_status.phone_number(1)";
    let whole = flows(&world, "GET", &format!("{id}?fields={fields}"), None).await.ok();
    for (pointer, value) in [
        ("/name", json!("renamed")),
        ("/status", json!("PUBLISHED")),
        ("/json_version", json!("7.1")),
        ("/endpoint_uri", json!("https://flows.example/answer")),
        ("/application/id", json!(APP)),
        ("/whatsapp_business_account", json!({"id": WABA, "name": "Acme"})),
        (
            "/health_status/entities/0",
            json!({"entity_type": "FLOW", "id": id, "can_send_message": "AVAILABLE"}),
        ),
    ] {
        assert_eq!(whole.pointer(pointer), Some(&value), "{whole}");
    }
    assert!(whole.get("data_api_version").is_none());
    assert_eq!(flows(&world, "GET", &format!("{id}?fields=colour"), None).await.error(), (400, 100));
    let metric = format!("{id}?fields=metric.name(ENDPOINT_REQUEST_COUNT).granularity(DAY)");
    assert_eq!(flows(&world, "GET", &metric, None).await.error(), (400, 139_006));

    // The document is had without a token, byte by byte, at an address that nobody can make.
    let assets = flows(&world, "GET", &format!("{id}/assets?fields=name,asset_type,download_url"), None)
        .await
        .ok();
    assert_eq!(
        (&assets["data"][0]["name"], &assets["data"][0]["asset_type"]),
        (&json!("flow.json"), &json!("FLOW_JSON"))
    );
    for url in [&assets["data"][0]["download_url"], &whole["preview"]["preview_url"]] {
        let url = url.as_str().unwrap();
        let answer = world.client.get(url).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text().await.unwrap(), right);
        let forged = url.replace("expires=1", "expires=2");
        assert_eq!(world.client.get(forged).send().await.unwrap().status(), 404);
    }

    // Published, it does not change any more.
    assert_eq!(upload(&world, &id, right.as_bytes()).await.error(), (400, 139_001));
    assert_eq!(
        flows(&world, "POST", &id, Some(json!({"name": "again"}))).await.error(),
        (400, 139_001)
    );
    assert_eq!(flows(&world, "DELETE", &id, None).await.error(), (400, 139_004));
    let copy = create(
        &world,
        json!({"name": "copy", "categories": ["OTHER"], "clone_flow_id": id, "publish": true}),
    )
    .await;
    let listed = flows(&world, "GET", &format!("{list}?limit=1"), None).await.ok();
    assert_eq!(listed["data"][0]["id"], id);
    let next = listed["paging"]["next"].as_str().unwrap();
    let next = world
        .client
        .get(next)
        .bearer_auth(TOKEN)
        .send()
        .await
        .unwrap()
        .json::<Value>()
        .await
        .unwrap();
    assert_eq!(
        (&next["data"][0]["id"], &next["data"][0]["status"]),
        (&json!(copy), &json!("PUBLISHED"))
    );

    flows(&world, "POST", &format!("{id}/deprecate"), None).await.succeeded();
    assert_eq!(
        flows(&world, "POST", &format!("{id}/deprecate"), None).await.error(),
        (400, 139_003)
    );
    let draft = create(&world, json!({"name": "draft", "categories": "[\"OTHER\"]"})).await;
    assert_eq!(
        flows(&world, "POST", &format!("{draft}/deprecate"), None).await.error(),
        (400, 139_003)
    );
    flows(&world, "DELETE", &draft, None).await.succeeded();
    assert_eq!(flows(&world, "GET", &draft, None).await.error(), (400, 100));

    let change = |id: &str, from: &str, to: &str| (id.to_owned(), from.to_owned(), to.to_owned());
    let expected = [
        change(&id, "DRAFT", "PUBLISHED"),
        change(&copy, "DRAFT", "PUBLISHED"),
        change(&id, "PUBLISHED", "DEPRECATED"),
    ];
    // An event comes again when its answer took too long; never does a flow take the same step twice.
    let steps = || {
        let mut steps = told(&world);
        steps.dedup();
        steps
    };
    until("the events", || async { steps().len() >= 3 }).await;
    assert_eq!(steps(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn flows_that_are_refused() {
    let world = World::start().await;
    let list = format!("{WABA}/flows");
    create(&world, json!({"name": "taken", "categories": ["OTHER"]})).await;
    for (body, code) in [
        (json!({"categories": ["OTHER"]}), 131_008),
        (json!({"name": "x"}), 131_008),
        (json!({"name": "x", "categories": []}), 100),
        (json!({"name": "x", "categories": ["FUN"]}), 100),
        (json!({"name": "x", "categories": [7]}), 100),
        (json!({"name": "taken", "categories": ["OTHER"]}), 100),
        (json!({"name": "x", "categories": ["OTHER"], "endpoint_uri": "ftp://x"}), 100),
        (json!({"name": "x", "categories": ["OTHER"], "clone_flow_id": "17"}), 100),
        (json!({"name": "x", "categories": ["OTHER"], "clone_template": "x"}), 100),
        (json!({"name": "x", "categories": ["OTHER"], "flow_json": 1.5}), 100),
    ] {
        let answer = flows(&world, "POST", &list, Some(body.clone())).await;
        assert_eq!(answer.error(), (400, code), "{body}");
    }
    // Wrong, and published at once: it stays a draft.
    let body = json!({"name": "broken", "categories": ["OTHER"], "flow_json": "{", "publish": true});
    let made = flows(&world, "POST", &list, Some(body)).await.ok();
    assert_eq!(
        (&made["success"], &made["validation_errors"][0]["error"]),
        (&json!(false), &json!("INVALID_FLOW_JSON"))
    );
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        flows(&world, "GET", &format!("{id}?fields=status"), None).await.ok()["status"],
        "DRAFT"
    );
    assert_eq!(flows(&world, "POST", id, Some(json!({"name": "taken"}))).await.error(), (400, 100));
    assert_eq!(flows(&world, "POST", id, Some(json!({}))).await.error(), (400, 131_008));
    assert_eq!(
        flows(&world, "POST", id, Some(json!({"status": "BLOCKED"}))).await.error(),
        (400, 100)
    );
    // A document that is too long, and one that would be, as it is kept.
    let long = vec![b'x'; (1 << 20) + 1];
    assert_eq!(upload(&world, id, &long).await.error(), (413, 100));
    assert_eq!(upload(&world, id, "\"".repeat(600_000).as_bytes()).await.error(), (400, 139_001));
    assert_eq!(upload(&world, id, b"\xff").await.error(), (400, 139_001));
    assert_eq!(
        flows(&world, "POST", &format!("{WABA}/migrate_flows?source_waba_id=1"), None)
            .await
            .error(),
        (400, 100)
    );
    assert_eq!(flows(&world, "POST", "123456789012345/publish", None).await.error(), (400, 100));
    assert_eq!(
        flows(
            &world,
            "GET",
            &format!("flow_assets/{id}?phone_number_id={ID}&expires=9999999999&signature=x"),
            None
        )
        .await
        .status,
        404
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_name_flows_that_may_be_sent() {
    let world = start().await;
    // None of ours, and nothing is known of it.
    send(&world, json!({"flow_id": "17"})).await.ok();
    let id = create(
        &world,
        json!({"name": "ours", "categories": ["OTHER"], "flow_json": document().to_string()}),
    )
    .await;
    send(&world, json!({"flow_id": "17"})).await.ok();
    send(&world, json!({"flow_id": id, "mode": "draft"})).await.ok();
    assert_eq!(send(&world, json!({"flow_id": id})).await.error(), (400, 131_009));
    assert_eq!(send(&world, json!({"flow_name": "ours"})).await.error(), (400, 131_009));
    flows(&world, "POST", &format!("{id}/publish"), None).await.succeeded();
    send(&world, json!({"flow_id": id, "mode": "published"})).await.ok();
    send(&world, json!({"flow_name": "ours"})).await.ok();
    assert_eq!(send(&world, json!({"flow_id": id, "mode": "draft"})).await.error(), (400, 131_009));
    flows(&world, "POST", &id, Some(json!({"status": "BLOCKED"}))).await.succeeded();
    assert_eq!(send(&world, json!({"flow_id": id})).await.error(), (400, 132_068));
    flows(&world, "POST", &id, Some(json!({"status": "THROTTLED"}))).await.succeeded();
    for _ in 0..10 {
        send(&world, json!({"flow_id": id})).await.ok();
    }
    assert_eq!(send(&world, json!({"flow_id": id})).await.error(), (400, 132_069));
    flows(&world, "POST", &id, Some(json!({"status": "PUBLISHED"}))).await.succeeded();
    send(&world, json!({"flow_id": id})).await.ok();
    flows(&world, "POST", &format!("{id}/deprecate"), None).await.succeeded();
    assert_eq!(send(&world, json!({"flow_id": id})).await.error(), (400, 131_009));
    until("the events", || async { told(&world).len() >= 5 }).await;
    let last = told(&world).into_iter().map(|(_, _, to)| to).collect::<Vec<_>>();
    assert_eq!(last, ["PUBLISHED", "BLOCKED", "THROTTLED", "PUBLISHED", "DEPRECATED"]);
}
