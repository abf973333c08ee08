//! Every invalid resource is refused by a real API server, with a message that says what is allowed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use waxseal_cluster::{client, install_definitions};
use waxseal_harness::kubernetes::Cluster;

fn account() -> Value {
    json!({
        "apiVersion": "waxseal.dev/v1alpha1", "kind": "BusinessAccount", "metadata": {"name": "shop"},
        "spec": {
            "displayName": "Shop", "appSecretRef": {"name": "shop"}, "businessAccountId": "77",
            "tokens": [{"name": "first", "secretRef": {"name": "shop"}}],
            "webhook": {"url": "https://shop.example/hook", "verifyTokenSecretRef": {"name": "shop"}}
        }
    })
}

fn number() -> Value {
    json!({
        "apiVersion": "waxseal.dev/v1alpha1", "kind": "BusinessPhoneNumber", "metadata": {"name": "line"},
        "spec": {
            "phoneNumber": "+15550142", "phoneNumberId": "123", "accountRef": {"name": "shop"}, "regionRef": {"name": "south"},
            "retentionPolicyRef": {"name": "week"}, "pinSecretRef": {"name": "shop"}
        }
    })
}

fn region() -> Value {
    json!({
        "apiVersion": "waxseal.dev/v1alpha1", "kind": "DataRegion", "metadata": {"name": "south"},
        "spec": {
            "country": "BR", "retentionCapDays": 30, "placement": {"nodeSelector": {"topology.kubernetes.io/region": "sa-east"}},
            "redis": {"url": "rediss://redis.data:6379"}, "relay": {"url": "https://relay.example"}
        }
    })
}

fn policy() -> Value {
    json!({
        "apiVersion": "waxseal.dev/v1alpha1", "kind": "RetentionPolicy", "metadata": {"name": "week"}, "spec": {"days": 7}
    })
}

/// JSON merge patch, RFC 7396.
fn merged(base: Value, patch: &Value) -> Value {
    let Some(patch) = patch.as_object() else {
        return patch.clone();
    };
    let Value::Object(mut members) = base else {
        return merged(json!({}), &Value::Object(patch.clone()));
    };
    for (name, value) in patch {
        let old = members.remove(name).unwrap_or(Value::Null);
        if !value.is_null() {
            members.insert(name.clone(), merged(old, value));
        }
    }
    Value::Object(members)
}

fn api(client: &Client, object: &Value) -> Api<DynamicObject> {
    let kind = object["kind"].as_str().unwrap();
    let plural = match kind {
        "RetentionPolicy" => "retentionpolicies".to_owned(),
        _ => format!("{}s", kind.to_lowercase()),
    };
    let mut resource = ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk("waxseal.dev", "v1alpha1", kind));
    resource.plural = plural;
    if kind == "DataRegion" || kind == "RetentionPolicy" {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), "default", &resource)
    }
}

/// What the API server says to an object that differs from a good one by `patch`.
async fn refusal(client: &Client, base: Value, patch: &Value) -> String {
    let object = merged(base, patch);
    let dry = PostParams {
        dry_run: true,
        field_manager: None,
    };
    let parsed: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    match api(client, &object).create(&dry, &parsed).await {
        Ok(_) => format!("accepted: {object}"),
        Err(kube::Error::Api(status)) => status.message,
        Err(error) => panic!("{error}"),
    }
}

/// A good object, what is changed in it, and what the refusal must say.
fn bad_objects() -> Vec<(Value, Value, &'static str)> {
    let long = "x".repeat(3000);
    let two = json!([{"name": "a", "secretRef": {"name": "s"}}, {"name": "a", "secretRef": {"name": "s"}}]);
    let ftp = json!({"url": "ftp://a/b", "verifyTokenSecretRef": {"name": "a"}});
    let spec = |spec: Value| json!({ "spec": spec });
    vec![
        (region(), spec(json!({"mediaStore": {}})), "exactly one of `bucket` and `local`"),
        (
            region(),
            spec(json!({"mediaStore": {"bucket": "files", "local": {}}})),
            "exactly one of `bucket` and `local`",
        ),
        (
            region(),
            spec(json!({"mediaStore": {"local": {}, "prefix": "a"}})),
            "must only be set with `bucket`",
        ),
        (
            region(),
            spec(json!({"mediaStore": {"local": {}, "caBundle": "a"}})),
            "must only be set with `bucket`",
        ),
        (
            region(),
            spec(json!({"mediaStore": {"local": {"sizeLimit": "a lot"}}})),
            "must be an amount of storage",
        ),
        (
            region(),
            spec(json!({"mediaStore": {"bucket": "files", "prefix": "/a/"}})),
            "`prefix` must be letters",
        ),
        (
            region(),
            spec(json!({"mediaStore": {"bucket": "files", "url": "s3://files/"}})),
            "`url` must start with 'https://' or 'http://'",
        ),
        (account(), spec(json!({"appId": "12a"})), "`appId` must be 1 to 20 digits"),
        (account(), spec(json!({"overLimit": "Wait"})), "spec.overLimit: Unsupported value"),
        (account(), spec(json!({"conversationWindow": true})), "spec.conversationWindow"),
        (
            account(),
            spec(json!({"webhook": {"fields": ["Messages"]}})),
            "`fields` must be names of webhook fields",
        ),
        (
            account(),
            spec(json!({"webhook": {"url": "http://shop.example", "clientCertificateSecretRef": {"name": "a"}}})),
            "must only be set with an 'https://' `url`",
        ),
        (
            number(),
            spec(json!({"apiUrl": "https://graph.example/"})),
            "`apiUrl` must start with",
        ),
        (number(), spec(json!({"apiUrl": "graph.example"})), "`apiUrl` must start with"),
        (
            number(),
            spec(json!({"apiTlsSecretRef": {"name": "../etc"}})),
            "`name` must be the name of an object",
        ),
        (
            number(),
            spec(json!({"phoneNumber": "15550142"})),
            "`phoneNumber` must be in E.164 form",
        ),
        (
            number(),
            spec(json!({"phoneNumber": "+0555014200"})),
            "`phoneNumber` must be in E.164 form",
        ),
        (
            number(),
            spec(json!({"phoneNumber": "+1555014255555555"})),
            "may not be more than 16",
        ),
        (
            number(),
            spec(json!({"phoneNumberId": "12a"})),
            "`phoneNumberId` must be 1 to 15 digits",
        ),
        (
            number(),
            spec(json!({"phoneNumberId": ""})),
            "`phoneNumberId` must be 1 to 15 digits",
        ),
        (
            number(),
            spec(json!({"displayName": ""})),
            "spec.displayName in body should be at least 1 chars long",
        ),
        (number(), spec(json!({"accountRef": null})), "spec.accountRef: Required value"),
        (
            number(),
            spec(json!({"accountRef": {"name": "../etc"}})),
            "`name` must be the name of an object",
        ),
        (
            number(),
            spec(json!({"pinSecretRef": {"name": "A/B"}})),
            "`name` must be the name of a Secret",
        ),
        (
            number(),
            spec(json!({"pinSecretRef": {"key": "a/b"}})),
            "`key` must be the name of an entry",
        ),
        (number(), spec(json!({"replicas": 0})), "greater than or equal to 1"),
        (number(), spec(json!({"replicas": 33})), "less than or equal to 32"),
        (
            number(),
            spec(json!({"replicas": 2, "autoscaling": {"minReplicas": 1, "maxReplicas": 2}})),
            "must not be set together",
        ),
        (
            number(),
            spec(json!({"autoscaling": {"minReplicas": 3, "maxReplicas": 2}})),
            "must not be lower than `minReplicas`",
        ),
        (
            number(),
            spec(json!({"durability": {"mode": "Fsync", "replicas": 1}})),
            "must only be set when `mode` is 'Replicated'",
        ),
        (
            number(),
            spec(json!({"durability": {"mode": "Sometimes"}})),
            "supported values: \"Auto\", \"Memory\", \"Fsync\", \"Replicated\"",
        ),
        (
            number(),
            spec(json!({"deletionPolicy": "Burn"})),
            "supported values: \"Erase\", \"Retain\"",
        ),
        (
            number(),
            spec(json!({"throughputMessagesPerSecond": 1001})),
            "less than or equal to 1000",
        ),
        (number(), spec(json!({"webhook": ftp})), "must start with 'https://' or 'http://'"),
        (number(), json!({"metadata": {"name": "a".repeat(64)}}), "at most 63 characters"),
        (
            number(),
            json!({"metadata": {"name": "a.b"}}),
            "at most 63 characters: lower-case letters, digits and '-'",
        ),
        (account(), spec(json!({"tokens": []})), "should have at least 1 items"),
        (account(), spec(json!({"tokens": two})), "Duplicate value"),
        (
            account(),
            spec(json!({"tokens": [{"name": "../a", "secretRef": {"name": "s"}}]})),
            "`name` must be 1 to 63 lower-case letters",
        ),
        (account(), spec(json!({"businessAccountId": "x"})), "must be 1 to 20 digits"),
        (
            account(),
            spec(json!({"webhook": {"url": format!("https://{long}")}})),
            "may not be more than 2048",
        ),
        (
            account(),
            spec(json!({"webhook": {"timeoutSeconds": 61}})),
            "less than or equal to 60",
        ),
        (account(), spec(json!({"address": long})), "may not be more than 256"),
        (region(), spec(json!({"country": "Brazil"})), "may not be more than 2"),
        (region(), spec(json!({"country": "br"})), "two capital letters"),
        (region(), spec(json!({"retentionCapDays": 31})), "less than or equal to 30"),
        (
            region(),
            spec(json!({"redis": {"url": "http://redis"}})),
            "must start with 'redis://' or 'rediss://'",
        ),
        (
            region(),
            spec(json!({"redis": {"url": "redis://user:pw@redis"}})),
            "must not contain credentials",
        ),
        (
            region(),
            spec(json!({"relay": {"url": "relay.example"}})),
            "must start with 'https://' or 'http://'",
        ),
        (
            region(),
            spec(json!({"placement": {"nodeSelector": {"topology.kubernetes.io/region": null}}})),
            "should have at least 1 properties",
        ),
        (
            region(),
            spec(json!({"sidecar": {"resources": {"cpuRequest": "much"}}})),
            "an amount of processor",
        ),
        (
            region(),
            spec(json!({"sidecar": {"resources": {"memoryLimit": "1GB"}}})),
            "an amount of memory",
        ),
        (
            region(),
            spec(json!({"keyManagement": {"endpoint": "http://kms", "keyName": "k"}})),
            "must start with 'https://' or 'unix://'",
        ),
        (policy(), spec(json!({"days": 0})), "greater than or equal to 1"),
        (policy(), spec(json!({"days": 31})), "less than or equal to 30"),
        (
            policy(),
            spec(json!({"days": null})),
            "exactly one of `days` (1 to 30) and `noStorage: {}` (60 minutes)",
        ),
        (
            policy(),
            spec(json!({"noStorage": {}})),
            "exactly one of `days` (1 to 30) and `noStorage: {}` (60 minutes)",
        ),
        (policy(), spec(json!({"mediaLifetimeDays": 8})), "must not be longer than `days`"),
        (
            policy(),
            spec(json!({"days": null, "noStorage": {}, "mediaLifetimeDays": 1})),
            "must not be set with `noStorage`",
        ),
        (
            policy(),
            spec(json!({"webhookRetryWindowMinutes": 10_081})),
            "must not be longer than the retention",
        ),
        (
            policy(),
            spec(json!({"days": null, "noStorage": {}, "webhookRetryWindowMinutes": 61})),
            "must not be longer than the retention",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_objects_are_refused_in_words_and_nothing_is_changed_that_must_stay() {
    let cluster = Cluster::from_environment_or_start().await.unwrap();
    let client = client(cluster.kubeconfig()).await;
    install_definitions(&client).await;
    let mut wrong = Vec::new();
    for (base, patch, expected) in bad_objects() {
        let text = refusal(&client, base, &patch).await;
        if !text.contains(expected) {
            wrong.push(format!("{patch}: expected '{expected}', got: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    changes(&client).await;
}

async fn changes(client: &Client) {
    let manager = PatchParams::apply("test");
    for object in [account(), number(), region(), policy()] {
        let name = object["metadata"]["name"].as_str().unwrap();
        api(client, &object).patch(name, &manager, &Patch::Apply(&object)).await.unwrap();
    }
    let dry = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let refused = [
        (number(), json!({"phoneNumber": "+15550143"}), "`phoneNumber` cannot be changed"),
        (number(), json!({"phoneNumberId": "124"}), "`phoneNumberId` cannot be changed"),
        (number(), json!({"phoneNumberId": null}), "can be neither added nor removed"),
        (
            number(),
            json!({"regionRef": {"name": "north"}}),
            "data does not move between regions",
        ),
        (number(), json!({"accountRef": {"name": "other"}}), "`accountRef` cannot be changed"),
        (
            account(),
            json!({"businessAccountId": "78"}),
            "`businessAccountId` cannot be changed",
        ),
        (region(), json!({"country": "AR"}), "`country` cannot be changed"),
    ];
    for (object, spec, expected) in refused {
        let name = object["metadata"]["name"].as_str().unwrap();
        let patch = json!({ "spec": spec });
        let answer = api(client, &object).patch(name, &dry, &Patch::Merge(&patch)).await;
        let Err(kube::Error::Api(status)) = answer else {
            panic!("accepted: {patch}")
        };
        assert!(status.message.contains(expected), "{patch}: {}", status.message);
    }
    let accepted = [
        (
            number(),
            json!({"displayName": "Other", "replicas": 3, "suspend": true, "deletionPolicy": "Retain"}),
        ),
        (number(), json!({"retentionPolicyRef": {"name": "day"}})),
        (account(), json!({"tokens": [{"name": "second", "secretRef": {"name": "shop"}}]})),
        (
            region(),
            json!({"redis": {"url": "redis://other:6379"}, "sidecar": {"image": "a/b:1"}}),
        ),
        (region(), json!({"mediaStore": {"local": {}}})),
        (region(), json!({"mediaStore": {"local": {"sizeLimit": "1.5Gi"}}})),
        (
            region(),
            json!({"mediaStore": {"bucket": "files", "url": "http://s3:9000", "region": "us-east-1", "prefix": "a/b-c", "credentialsSecretRef": {"name": "s3"}, "caBundle": "-----BEGIN CERTIFICATE-----"}}),
        ),
        (
            account(),
            json!({"appId": "42", "conversationWindow": "Disabled", "pairRateLimit": "Enabled", "apiCallLimits": "Enabled",
                "qualityEmulation": "Enabled", "overLimit": "Queue",
                "webhook": {"fields": ["messages", "security"], "clientCertificateSecretRef": {"name": "hook"}}}),
        ),
        (
            number(),
            json!({"apiTlsSecretRef": {"name": "api"}, "apiUrl": "https://graph.example:8443/waxseal"}),
        ),
        (policy(), json!({"days": null, "noStorage": {}})),
    ];
    for (object, spec) in accepted {
        let name = object["metadata"]["name"].as_str().unwrap();
        let patch = json!({ "spec": spec });
        let answer = api(client, &object).patch(name, &dry, &Patch::Merge(&patch)).await;
        assert!(answer.is_ok(), "{patch}: {:?}", answer.err());
    }
    // Defaults are in the stored object.
    let stored = api(client, &number()).get("line").await.unwrap();
    assert_eq!(stored.data["spec"]["deletionPolicy"], "Erase");
    assert_eq!(stored.data["spec"]["suspend"], false);
    let stored = api(client, &account()).get("shop").await.unwrap();
    assert_eq!(stored.data["spec"]["conversationWindow"], "Enabled");
    assert_eq!(stored.data["spec"]["qualityEmulation"], "Disabled");
    assert_eq!(stored.data["spec"]["overLimit"], "Reject");
    for object in [number(), account(), region(), policy()] {
        let name = object["metadata"]["name"].as_str().unwrap();
        api(client, &object).delete(name, &Default::default()).await.unwrap();
    }
}
