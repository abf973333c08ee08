mod rules;

use serde_json::Value;
use waxseal_crds::{
    pod::PodConfig,
    v1alpha1::{BusinessPhoneNumberStatus, LocalMedia, MediaStore, OverLimit, Switch},
};

use super::*;
use crate::{
    number::{dereference::Gathered, validate::validate},
    testing::{gathered, golden, with_account, with_number, with_policy, with_region, yaml},
};

fn settings() -> Settings {
    Settings {
        sidecar_image: "registry.example.com/sealed:9".to_owned(),
        ..Settings::default()
    }
}

fn built(gathered: &Gathered) -> Objects {
    build(&validate(gathered, &settings()).unwrap(), &settings()).unwrap()
}

fn template(gathered: &Gathered) -> PodTemplateSpec {
    built(gathered).deployment.spec.template
}

/// All objects as JSON, in order.
fn values(objects: &Objects) -> Vec<Value> {
    let Objects {
        keys_secret,
        service_account,
        role,
        role_binding,
        config_map,
        network_policy,
        service,
        pod_disruption_budget,
        deployment,
        autoscaler,
        service_monitor,
        http_route,
        digest: _,
    } = objects.clone();
    [
        Some(serde_json::to_value(keys_secret)),
        Some(serde_json::to_value(service_account)),
        Some(serde_json::to_value(role)),
        Some(serde_json::to_value(role_binding)),
        Some(serde_json::to_value(config_map)),
        Some(serde_json::to_value(network_policy)),
        Some(serde_json::to_value(service)),
        pod_disruption_budget.map(serde_json::to_value),
        Some(serde_json::to_value(deployment)),
        autoscaler.map(serde_json::to_value),
        service_monitor.map(serde_json::to_value),
        http_route.map(serde_json::to_value),
    ]
    .into_iter()
    .flatten()
    .map(Result::unwrap)
    .collect()
}

fn erasure_values(erasure: &Erasure) -> Vec<Value> {
    let Erasure {
        service_account,
        role,
        role_binding,
        config_map,
        network_policy,
        job,
    } = erasure.clone();
    [
        Some(serde_json::to_value(service_account)),
        Some(serde_json::to_value(role)),
        Some(serde_json::to_value(role_binding)),
        Some(serde_json::to_value(config_map)),
        network_policy.map(serde_json::to_value),
        Some(serde_json::to_value(job)),
    ]
    .into_iter()
    .flatten()
    .map(Result::unwrap)
    .collect()
}

fn documents(values: &[Value]) -> String {
    values.iter().map(yaml).collect::<Vec<_>>().join("---\n")
}

#[test]
fn objects_are_as_agreed() {
    golden("objects-plain.yaml", &documents(&values(&built(&gathered("plain.yaml")))));
    golden("objects-full.yaml", &documents(&values(&built(&gathered("full.yaml")))));
    let full = gathered("full.yaml");
    let validated = validate(&full, &settings()).unwrap();
    let erasure = erasure(&full.number, &Source::Declared(&validated), &settings()).unwrap();
    golden("objects-erasure.yaml", &documents(&erasure_values(&erasure)));
}

/// A failure here means: whoever upgrades to this operator has every sidecar restarted by that alone, without having asked for it.
///
/// That must not happen by accident, nor for something that can wait for the next change that a user makes. If it has to be, bless the
/// files, and say so in the change log, so that people can choose the hour.
#[test]
fn an_operator_upgrade_restarts_no_sidecar() {
    golden("pod-template-plain.yaml", &yaml(&template(&gathered("plain.yaml"))));
    golden("pod-template-full.yaml", &yaml(&template(&gathered("full.yaml"))));
}

#[test]
fn new_settings_of_the_operator_restart_no_sidecar() {
    let pinned = with_number(gathered("plain.yaml"), |number| {
        number.status = Some(BusinessPhoneNumberStatus {
            image: Some(settings().sidecar_image),
            ..BusinessPhoneNumberStatus::default()
        });
    });
    let new = Settings {
        sidecar_image: "registry.example.com/sealed:10".to_owned(),
        image_pull_secrets: vec!["pull".to_owned()],
        erase_deadline_seconds: 1,
    };
    let objects = build(&validate(&pinned, &new).unwrap(), &new).unwrap();
    assert_eq!(objects.deployment, built(&gathered("plain.yaml")).deployment);
    assert_eq!(objects.service_account.image_pull_secrets.unwrap()[0].name, "pull");
}

#[test]
fn configuration_that_is_reloaded_restarts_no_sidecar() {
    let before = built(&gathered("full.yaml"));
    let changed = with_policy(
        with_region(
            with_account(
                with_number(gathered("full.yaml"), |number| {
                    number.spec.display_name = Some("another".to_owned());
                    number.spec.throughput_messages_per_second = Some(1);
                    number.spec.durability = None;
                    number.spec.webhook.as_mut().unwrap().url = "https://elsewhere.example.org".to_owned();
                    number.spec.webhook.as_mut().unwrap().fields.clear();
                    number.spec.api_url = None;
                }),
                |account| {
                    account.spec.tokens.reverse();
                    account.spec.conversation_window = Switch::Enabled;
                    account.spec.over_limit = OverLimit::Reject;
                    account.spec.app_id = None;
                },
            ),
            |region| {
                region.spec.redis.as_mut().unwrap().url = "redis://other".to_owned();
                region.spec.relay.as_mut().unwrap().ca_bundle = None;
                region.spec.media_store.as_mut().unwrap().bucket = Some("others".to_owned());
            },
        ),
        |policy| policy.spec.webhook_retry_window_minutes = None,
    );
    let after = built(&changed);
    assert_eq!(before.deployment, after.deployment);
    assert_ne!(before.config_map, after.config_map);
    assert_ne!(before.digest, after.digest);
}

#[test]
fn the_digest_is_that_of_the_file() {
    let objects = built(&gathered("full.yaml"));
    let text = &objects.config_map.data.unwrap()[waxseal_crds::pod::FILE];
    let config = PodConfig::read(text).unwrap();
    assert_eq!(config.digest, objects.digest);
    assert_eq!(config.digest.len(), 64);
    assert_eq!(config.keys_secret, "front-desk-keys");
}

#[test]
fn files_rest_in_a_bounded_folder_where_the_region_says_so() {
    let with_store = |store| with_region(gathered("plain.yaml"), |region| region.spec.media_store = store);
    let local = |size_limit: Option<&str>| MediaStore {
        local: Some(LocalMedia {
            size_limit: size_limit.map(str::to_owned),
        }),
        ..MediaStore::default()
    };
    for (declared, expected) in [(None, "1Gi"), (Some("20Gi"), "20Gi")] {
        let template = template(&with_store(Some(local(declared))));
        let pod = template.spec.unwrap();
        let volume = pod.volumes.unwrap().pop().unwrap();
        assert_eq!(volume.empty_dir.unwrap().size_limit.unwrap().0, expected);
        let mount = pod.containers[0].volume_mounts.clone().unwrap().pop().unwrap();
        assert_eq!((mount.name, mount.mount_path.as_str()), (volume.name, waxseal_crds::pod::MEDIA_DIR));
        assert_eq!(mount.read_only, None, "the only one that can be written to");
    }
    // A bucket needs no folder, and nothing at all leaves the pods as they were.
    let bucket = MediaStore {
        bucket: Some("files".to_owned()),
        ..MediaStore::default()
    };
    assert_eq!(template(&with_store(Some(bucket))), template(&with_store(None)));
}

#[test]
fn how_long_files_are_kept_is_told_where_it_is_declared() {
    let told = |days| {
        let gathered = with_policy(gathered("plain.yaml"), |policy| policy.spec.media_lifetime_days = days);
        let config_map = built(&gathered).config_map;
        let text = config_map.data.unwrap().remove(waxseal_crds::pod::FILE).unwrap();
        let told = text.contains("mediaLifetimeDays");
        (told, PodConfig::read(&text).unwrap().media_lifetime_days)
    };
    assert_eq!(told(Some(2)), (true, Some(2)));
    // A sidecar that is older than this field is not told of it where it is not used.
    assert_eq!(told(None), (false, None));
}

#[test]
fn a_certificate_moves_the_api_to_the_port_of_https() {
    let ports = |gathered: &Gathered| {
        let service = built(gathered).service.spec.unwrap();
        let ports = service.ports.unwrap().into_iter();
        ports
            .map(|port| (port.name.unwrap(), port.port, port.app_protocol.unwrap()))
            .collect::<Vec<_>>()
    };
    let of = |name: &str, port| (name.to_owned(), port, name.to_owned());
    let admin = ("admin".to_owned(), 9090, "http".to_owned());
    assert_eq!(ports(&gathered("plain.yaml")), [of("http", 80), admin.clone()]);
    assert_eq!(ports(&gathered("full.yaml")), [of("https", 443), admin]);
    let route = |gathered: &Gathered| built(gathered).http_route.unwrap().data["spec"]["rules"][0]["backendRefs"][0]["port"].clone();
    assert_eq!(route(&gathered("full.yaml")), 443);
    let plain = with_number(gathered("full.yaml"), |number| number.spec.api_tls_secret_ref = None);
    assert_eq!(route(&plain), 80);
}

#[test]
fn replicas_belong_to_the_autoscaler_while_there_is_one() {
    let full = built(&gathered("full.yaml"));
    assert_eq!(full.deployment.spec.replicas, None);
    assert!(full.autoscaler.is_some() && full.pod_disruption_budget.is_some());
    let suspended = built(&with_number(gathered("full.yaml"), |number| number.spec.suspend = true));
    assert_eq!(suspended.deployment.spec.replicas, Some(0));
    assert!(suspended.autoscaler.is_none() && suspended.pod_disruption_budget.is_none());
    let single = built(&gathered("plain.yaml"));
    assert_eq!(single.deployment.spec.replicas, Some(1));
    assert!(single.pod_disruption_budget.is_none());
    let several = built(&with_number(gathered("plain.yaml"), |number| number.spec.replicas = Some(2)));
    assert!(several.pod_disruption_budget.is_some());
}

#[test]
fn defaults_give_way_to_what_is_asked_for() {
    let resources = |request: Option<&str>, limit: Option<&str>| {
        let region = with_region(gathered("full.yaml"), |region| {
            let resources = region.spec.sidecar.as_mut().unwrap().resources.as_mut().unwrap();
            resources.memory_request = request.map(str::to_owned);
            resources.memory_limit = limit.map(str::to_owned);
        });
        let resources = template(&region).spec.unwrap().containers.remove(0).resources.unwrap();
        (
            resources.requests.unwrap()["memory"].0.clone(),
            resources.limits.unwrap()["memory"].0.clone(),
        )
    };
    assert_eq!(resources(None, None), ("64Mi".to_owned(), "256Mi".to_owned()));
    assert_eq!(resources(Some("1Gi"), None), ("1Gi".to_owned(), "1Gi".to_owned()));
    assert_eq!(resources(None, Some("32Mi")), ("32Mi".to_owned(), "32Mi".to_owned()));
    assert_eq!(resources(Some("96Mi"), Some("128Mi")), ("96Mi".to_owned(), "128Mi".to_owned()));
}

#[test]
fn erasing_needs_nothing_but_what_ran() {
    let full = gathered("full.yaml");
    let objects = built(&full);
    let validated = validate(&full, &settings()).unwrap();
    let declared = erasure(&full.number, &Source::Declared(&validated), &settings()).unwrap();
    let running = Source::Running {
        deployment: &objects.deployment,
        config_map: &objects.config_map,
    };
    let running = erasure(&full.number, &running, &settings()).unwrap();
    assert_eq!(running.job, declared.job);
    assert_eq!(running.config_map, declared.config_map);
    for object in erasure_values(&running).iter().chain(&erasure_values(&declared)) {
        assert_eq!(
            object["metadata"].get("ownerReferences"),
            None,
            "the garbage collector must not take it"
        );
    }
    let pod = declared.job.spec.unwrap().template;
    let labels = pod.metadata.unwrap().labels.unwrap();
    let service = objects.service.spec.unwrap().selector.unwrap();
    assert!(
        service.iter().any(|(key, value)| labels.get(key) != Some(value)),
        "requests must not go there"
    );
    assert_eq!(pod.spec.unwrap().containers[0].args.as_deref(), Some(&["erase".to_owned()][..]));
}
