//! Rules for whatever is built.

use std::collections::BTreeSet;

use proptest::prelude::*;
use waxseal_crds::v1alpha1::Autoscaling;

use super::*;

/// The Pod Security Standard `restricted`, as far as it concerns what is built here, and what is asked for beyond it.
fn assert_restricted(template: &Value) {
    let pod = &template["spec"];
    for field in [
        "hostNetwork",
        "hostPID",
        "hostIPC",
        "initContainers",
        "ephemeralContainers",
        "imagePullSecrets",
    ] {
        assert_eq!(pod.get(field), None, "{field}");
    }
    let security = &pod["securityContext"];
    assert_eq!(security["runAsNonRoot"], true);
    assert_eq!(security["runAsUser"], 65532);
    assert_eq!(security["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["enableServiceLinks"], false);
    for volume in pod["volumes"].as_array().unwrap() {
        assert!(volume.get("configMap").or(volume.get("projected")).is_some(), "{volume}");
    }
    for container in pod["containers"].as_array().unwrap() {
        let security = &container["securityContext"];
        assert_eq!(security["allowPrivilegeEscalation"], false);
        assert_eq!(security["readOnlyRootFilesystem"], true);
        assert_eq!(security["capabilities"], serde_json::json!({ "drop": ["ALL"] }));
        for field in ["privileged", "procMount", "runAsUser", "seLinuxOptions", "seccompProfile"] {
            assert_eq!(security.get(field), None, "{field}");
        }
        for port in container["ports"].as_array().into_iter().flatten() {
            assert_eq!(port.get("hostPort"), None);
        }
        for variable in container["env"].as_array().unwrap() {
            assert_eq!(
                variable["valueFrom"].as_object().unwrap().keys().collect::<Vec<_>>(),
                ["fieldRef"],
                "no Secret in the environment"
            );
        }
        for mount in container["volumeMounts"].as_array().unwrap() {
            assert_eq!(mount["readOnly"], true);
        }
    }
}

/// No empty collections, but where they mean "all".
fn assert_not_empty(value: &Value, path: &str) {
    match value {
        Value::Object(map) => {
            assert!(!map.is_empty() || path.ends_with("podSelector"), "{path} is empty");
            for (key, value) in map {
                assert_not_empty(value, &format!("{path}.{key}"));
            }
        }
        Value::Array(list) => {
            assert!(!list.is_empty(), "{path} is empty");
            for value in list {
                assert_not_empty(value, &format!("{path}[]"));
            }
        }
        Value::Null => panic!("{path} is null"),
        _ => {}
    }
}

fn assert_rules(gathered: &Gathered) {
    let number = &gathered.number;
    let name = number.metadata.name.clone().unwrap();
    let objects = built(gathered);
    assert_eq!(objects, built(gathered), "the same again");
    let validated = validate(gathered, &settings()).unwrap();
    let erasure = erasure(number, &Source::Declared(&validated), &settings()).unwrap();
    let all = values(&objects);
    let mut seen = BTreeSet::new();
    for object in all.iter().chain(&erasure_values(&erasure)) {
        let (kind, metadata) = (object["kind"].as_str().unwrap(), &object["metadata"]);
        assert_not_empty(object, kind);
        assert!(names::is_dns_label(metadata["name"].as_str().unwrap()), "{metadata}");
        assert_eq!(metadata["namespace"], "team-blue");
        let labels = metadata["labels"].as_object().unwrap();
        assert_eq!(labels.len(), 5);
        for value in labels.values() {
            assert!(value.as_str().unwrap().len() <= 63);
        }
        assert_eq!(labels[names::INSTANCE_LABEL], name.as_str());
        if kind == "Secret" {
            let fields: Vec<&String> = object.as_object().unwrap().keys().collect();
            assert!(
                fields
                    .iter()
                    .all(|field| ["apiVersion", "kind", "metadata", "type"].contains(&field.as_str())),
                "{fields:?}"
            );
        }
    }
    for object in &all {
        let kind = object["kind"].as_str().unwrap();
        assert!(seen.insert(kind), "{kind} twice");
        let owners = object["metadata"].get("ownerReferences");
        if kind == "Secret" {
            assert_eq!(owners, None, "keys survive the number");
        } else {
            let owner = &owners.unwrap()[0];
            assert_eq!(
                (&owner["uid"], &owner["controller"]),
                (&Value::from(number.metadata.uid.clone()), &Value::from(true))
            );
        }
    }
    assert_restricted(&serde_json::to_value(&objects.deployment.spec.template).unwrap());
    assert_restricted(&serde_json::to_value(&erasure.job.spec.unwrap().template).unwrap());
    let labels = objects.deployment.spec.template.metadata.unwrap().labels.unwrap();
    for (key, value) in objects.deployment.spec.selector.match_labels.unwrap() {
        assert_eq!(labels[&key], value);
    }
}

fn any_gathered() -> impl Strategy<Value = Gathered> {
    let name = prop_oneof!["[a-z]([-a-z0-9]{0,61}[a-z0-9])?", "[0-9]{1,15}", "[a-z]{63}"];
    let scale = (proptest::option::of(1..=32_i32), proptest::option::of((1..=16_i32, 0..=16_i32)));
    let switches = proptest::array::uniform5(any::<bool>());
    (any::<bool>(), name, scale, switches, proptest::option::of(".{1,20}")).prop_filter_map(
        "wrong text",
        |(full, name, (replicas, autoscaling), [suspend, webhook, placement, route, credentials], display)| {
            let start = gathered(if full { "full.yaml" } else { "plain.yaml" });
            let gathered = with_region(
                with_number(start, |number| {
                    number.metadata.name = Some(name);
                    number.spec.replicas = if autoscaling.is_some() { None } else { replicas };
                    number.spec.autoscaling = autoscaling.map(|(min, more)| Autoscaling {
                        min_replicas: min,
                        max_replicas: min + more,
                        target_cpu_percent: None,
                    });
                    number.spec.suspend = suspend;
                    number.spec.display_name = display;
                    if !webhook {
                        number.spec.webhook = None;
                    }
                    if !route {
                        number.spec.http_route = None;
                    }
                }),
                |region| {
                    if !placement {
                        region.spec.placement = None;
                    }
                    if !credentials {
                        region.spec.redis.as_mut().unwrap().credentials_secret_ref = None;
                    }
                },
            );
            validate(&gathered, &settings()).is_ok().then_some(gathered)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_is_built_keeps_the_rules(gathered in any_gathered()) {
        assert_rules(&gathered);
    }

    #[test]
    fn whatever_is_declared_panics_nowhere(phone in ".{0,20}", name in ".{0,70}", url in ".{0,40}", replicas in any::<i32>(), days in any::<i32>(), cap in any::<i32>()) {
        let gathered = with_policy(
            with_region(
                with_number(gathered("full.yaml"), |number| {
                    number.metadata.name = Some(name);
                    number.spec.phone_number = phone;
                    number.spec.autoscaling = None;
                    number.spec.replicas = Some(replicas);
                    number.spec.webhook.as_mut().unwrap().url = url;
                }),
                |region| region.spec.retention_cap_days = cap,
            ),
            |policy| {
                policy.spec.no_storage = None;
                policy.spec.days = Some(days);
            },
        );
        if let Ok(validated) = validate(&gathered, &settings()) {
            build(&validated, &settings()).unwrap();
        }
    }
}
