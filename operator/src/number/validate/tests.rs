use std::{fmt::Write as _, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use waxseal_crds::v1alpha1::{
    Autoscaling, BusinessPhoneNumberStatus, Durability, HttpRoute, KeyManagement, LocalMedia, MediaStore, NoStorage, Resources,
    SidecarSettings,
};

use super::*;
use crate::{
    number::dereference::{Rival, Shared},
    testing::{gathered, golden, with_account, with_number, with_policy, with_region},
};

fn faults(gathered: &Gathered) -> Vec<Fault> {
    validate(gathered, &Settings::default()).err().unwrap_or_default()
}

fn plain() -> Gathered {
    gathered("plain.yaml")
}

fn rival(namespace: &str, created: Option<&str>, uid: &str, shared: Shared) -> Rival {
    Rival {
        namespace: namespace.to_owned(),
        name: "back-desk".to_owned(),
        uid: uid.to_owned(),
        created: created.map(|time| time.parse::<Timestamp>().unwrap()),
        shared,
    }
}

fn with_rivals(rivals: &[Rival]) -> Gathered {
    Gathered {
        rivals: rivals.to_vec(),
        ..plain()
    }
}

#[test]
fn what_is_right_is_in_plain_values() {
    let validated = validate(&plain(), &Settings::default()).unwrap();
    assert_eq!((validated.namespace.as_str(), validated.name.as_str()), ("team-blue", "front-desk"));
    assert_eq!(validated.phone_number_id, waxseal_crds::declared::phone_number_id("+15550100"));
    assert_eq!(
        validated.business_account_id,
        waxseal_crds::declared::business_account_id("team-blue", "acme")
    );
    assert_eq!(validated.display_name, "Acme Ltd");
    assert_eq!(
        (validated.retention_minutes, validated.webhook_retry_window_minutes),
        (7 * 1440, 7 * 1440)
    );
    assert_eq!(validated.replicas, Replicas::Fixed(1));
    assert_eq!(validated.throughput_messages_per_second, 80);
    assert_eq!(validated.webhook, None);
    let full = validate(&gathered("full.yaml"), &Settings::default()).unwrap();
    assert_eq!((full.retention_minutes, full.webhook_retry_window_minutes), (60, 30));
    assert_eq!(full.tokens, ["bot", "crm"]);
    assert_eq!(
        (full.phone_number_id.as_str(), full.business_account_id.as_str()),
        ("105550100", "987654321")
    );
    assert_eq!(
        full.webhook.unwrap().url,
        "https://desk.example.com:8443/hook",
        "the number's own webhook wins"
    );
}

#[test]
fn files_certificates_and_fields_are_checked() {
    let fields = |gathered: &Gathered| {
        faults(gathered)
            .into_iter()
            .map(|fault| fault.message)
            .collect::<Vec<_>>()
            .join("; ")
    };
    let store = |change: fn(&mut MediaStore)| {
        with_region(plain(), |region| {
            let mut store = MediaStore::default();
            change(&mut store);
            region.spec.media_store = Some(store);
        })
    };
    assert!(fields(&store(|_| {})).contains("exactly one of `bucket` and `local`"));
    let both = store(|store| (store.bucket, store.local) = (Some("files".to_owned()), Some(LocalMedia::default())));
    assert!(fields(&both).contains("exactly one of `bucket` and `local`"));
    let limit = store(|store| {
        store.local = Some(LocalMedia {
            size_limit: Some("a lot".to_owned()),
        });
    });
    assert!(fields(&limit).contains("'a lot'"));
    let url = store(|store| (store.bucket, store.url) = (Some("files".to_owned()), Some("s3://files".to_owned())));
    assert!(fields(&url).contains("https://"));

    for url in [
        "ftp://desk.example.com",
        "https://desk.example.com/",
        "https://desk.example.com?a=b",
        "https://",
    ] {
        let wrong = with_number(plain(), |number| number.spec.api_url = Some(url.to_owned()));
        assert!(
            faults(&wrong).iter().all(|fault| fault.field == "spec.apiUrl") && !faults(&wrong).is_empty(),
            "{url}"
        );
    }
    let hook = |change: fn(&mut waxseal_crds::v1alpha1::Webhook)| {
        with_number(gathered("full.yaml"), |number| change(number.spec.webhook.as_mut().unwrap()))
    };
    assert!(fields(&hook(|hook| hook.fields = vec!["Messages".to_owned()])).contains("'messages'"));
    assert!(fields(&hook(|hook| hook.url = "http://desk.example.com".to_owned())).contains("https://"));
    let app = with_account(plain(), |account| account.spec.app_id = Some("12a".to_owned()));
    assert!(fields(&app).contains("1 to 20 digits"));
}

#[test]
fn the_image_is_the_regions_then_the_pinned_then_the_operators() {
    let settings = Settings {
        sidecar_image: "operators:2".to_owned(),
        ..Settings::default()
    };
    let image = |gathered: &Gathered| validate(gathered, &settings).unwrap().image;
    assert_eq!(image(&plain()), "operators:2");
    let pinned = with_number(plain(), |number| {
        number.status = Some(BusinessPhoneNumberStatus {
            image: Some("pinned:1".to_owned()),
            ..BusinessPhoneNumberStatus::default()
        });
    });
    assert_eq!(image(&pinned), "pinned:1");
    let of_region = with_region(pinned, |region| {
        region.spec.sidecar = Some(SidecarSettings {
            image: Some("regions:3".to_owned()),
            ..SidecarSettings::default()
        });
    });
    assert_eq!(image(&of_region), "regions:3");
}

#[test]
fn of_two_alike_the_older_has_the_number() {
    let same_second = "2026-01-02T03:04:05Z";
    let lower = "00000000-0000-4000-8000-000000000000";
    let higher = "ffffffff-ffff-4fff-8fff-ffffffffffff";
    for (created, uid, taken) in [
        (Some("2026-01-01T00:00:00Z"), higher, true),
        (Some("2026-02-01T00:00:00Z"), lower, false),
        (Some(same_second), lower, true),
        (Some(same_second), higher, false),
        (None, lower, false),
    ] {
        let faults = faults(&with_rivals(&[rival("team-blue", created, uid, Shared::PhoneNumber)]));
        assert_eq!(
            faults.iter().any(|fault| fault.reason == Reason::NumberTaken),
            taken,
            "{created:?} {uid}"
        );
    }
}

#[test]
fn exactly_one_of_many_alike_has_the_number() {
    let numbers: Vec<BusinessPhoneNumber> = (0..4_u8)
        .map(|at| {
            let mut number = (*plain().number).clone();
            number.metadata.name = Some(format!("desk-{at}"));
            number.metadata.namespace = Some(format!("team-{}", at % 2));
            number.metadata.uid = Some(format!("{at}"));
            number.metadata.creation_timestamp = Some(Time(Timestamp::from_second(1000 + i64::from(at / 2)).unwrap()));
            // The last has another number, and the id of the first.
            if at == 3 {
                number.spec.phone_number_id = Some(phone_number_id(&numbers_own()));
                number.spec.phone_number = "+15550199".to_owned();
            }
            number
        })
        .collect();
    let owners = numbers
        .iter()
        .filter(|number| {
            let rivals: Vec<Rival> = numbers.iter().filter_map(|other| Rival::of(number, other)).collect();
            assert_eq!(rivals.len(), 3);
            let alone = Gathered {
                number: Arc::new((*number).clone()),
                rivals,
                ..plain()
            };
            !faults(&alone).iter().any(|fault| fault.reason == Reason::NumberTaken)
        })
        .count();
    assert_eq!(owners, 1);
}

fn numbers_own() -> BusinessPhoneNumber {
    (*plain().number).clone()
}

#[test]
fn nobody_learns_what_is_in_another_namespace() {
    let older = Some("2026-01-01T00:00:00Z");
    let here = faults(&with_rivals(&[rival("team-blue", older, "x", Shared::PhoneNumber)]));
    assert!(here[0].message.contains("back-desk"), "{}", here[0]);
    let there = faults(&with_rivals(&[rival("team-red", older, "x", Shared::PhoneNumber)]));
    assert!(
        !there[0].message.contains("back-desk") && !there[0].message.contains("team-red"),
        "{}",
        there[0]
    );
}

/// Every way to be wrong, by name. The golden file is what people read.
#[test]
#[allow(clippy::too_many_lines, reason = "a list")]
fn every_fault_says_what_is_allowed() {
    let older = Some("2026-01-01T00:00:00Z");
    let token_twice = with_account(plain(), |account| {
        let first = account.spec.tokens[0].clone();
        account.spec.tokens.push(first);
    });
    let cases: Vec<(&str, Gathered)> = vec![
        ("account not there", Gathered { account: None, ..plain() }),
        ("region not there", Gathered { region: None, ..plain() }),
        ("policy not there", Gathered { policy: None, ..plain() }),
        (
            "nothing there, and the number taken",
            Gathered {
                account: None,
                region: None,
                policy: None,
                ..with_rivals(&[rival("team-blue", older, "x", Shared::PhoneNumber)])
            },
        ),
        (
            "number taken in another namespace",
            with_rivals(&[rival("team-red", older, "x", Shared::PhoneNumber)]),
        ),
        ("id taken", with_rivals(&[rival("team-blue", older, "x", Shared::PhoneNumberId)])),
        (
            "region without redis and relay",
            with_region(plain(), |region| {
                region.spec.redis = None;
                region.spec.relay = None;
            }),
        ),
        (
            "retention above the cap",
            with_policy(plain(), |policy| policy.spec.days = Some(11)),
        ),
        (
            "retention above the cap, and a field wrong",
            with_number(with_policy(plain(), |policy| policy.spec.days = Some(11)), |number| {
                number.spec.throughput_messages_per_second = Some(0);
            }),
        ),
        (
            "policy with both",
            with_policy(plain(), |policy| policy.spec.no_storage = Some(NoStorage::default())),
        ),
        ("policy with neither", with_policy(plain(), |policy| policy.spec.days = None)),
        (
            "policy with too long a window and too long media",
            with_policy(plain(), |policy| {
                policy.spec.webhook_retry_window_minutes = Some(7 * 1440 + 1);
                policy.spec.media_lifetime_days = Some(8);
            }),
        ),
        (
            "region with wrong addresses",
            with_region(plain(), |region| {
                region.spec.redis.as_mut().unwrap().url = "redis://user:secret@cache".to_owned();
                region.spec.relay.as_mut().unwrap().url = "https://".to_owned();
                region.spec.relay.as_mut().unwrap().ca_bundle = Some("certificate".to_owned());
                region.spec.media_store = Some(MediaStore {
                    bucket: Some("files".to_owned()),
                    ca_bundle: Some("certificate".to_owned()),
                    ..MediaStore::default()
                });
            }),
        ),
        (
            "region that wants keys wrapped",
            with_region(plain(), |region| {
                region.spec.key_management = Some(KeyManagement {
                    endpoint: "https://keys".to_owned(),
                    key_name: "numbers".to_owned(),
                });
            }),
        ),
        (
            "region with wrong amounts",
            with_region(plain(), |region| {
                region.spec.sidecar = Some(SidecarSettings {
                    resources: Some(Resources {
                        cpu_request: Some("2".to_owned()),
                        cpu_limit: Some("500m".to_owned()),
                        memory_request: Some("64K".to_owned()),
                        memory_limit: None,
                    }),
                    ..SidecarSettings::default()
                });
            }),
        ),
        (
            "region with wrong country, cap and placement",
            with_region(gathered("full.yaml"), |region| {
                region.spec.country = "Chile".to_owned();
                region.spec.retention_cap_days = 31;
                region.spec.placement.as_mut().unwrap().node_selector.clear();
            }),
        ),
        (
            "account with wrong fields",
            with_account(gathered("full.yaml"), |account| {
                account.spec.display_name = String::new();
                account.spec.business_account_id = Some("x".to_owned());
                account.spec.webhook.as_mut().unwrap().url = "https://a:b@host/".to_owned();
                account.spec.webhook.as_mut().unwrap().timeout_seconds = Some(61);
                account.spec.app_secret_ref.name = "../other".to_owned();
                account.spec.tokens[0].name = "../crm".to_owned();
                account.spec.tokens[1].secret_ref.name = "A".to_owned();
            }),
        ),
        ("account with a token twice", token_twice),
        (
            "account without tokens",
            with_account(plain(), |account| account.spec.tokens.clear()),
        ),
        (
            "number with wrong fields",
            with_number(gathered("full.yaml"), |number| {
                number.metadata.name = Some("a.b".to_owned());
                number.spec.phone_number = "0800 12345".to_owned();
                number.spec.phone_number_id = Some("12x".to_owned());
                number.spec.display_name = Some("a\nb".to_owned());
                number.spec.throughput_messages_per_second = Some(1001);
                number.spec.replicas = Some(33);
                number.spec.autoscaling = Some(Autoscaling {
                    min_replicas: 5,
                    max_replicas: 4,
                    target_cpu_percent: Some(5),
                });
                number.spec.durability = Some(Durability {
                    mode: DurabilityMode::Fsync,
                    replicas: Some(5),
                });
                number.spec.http_route = Some(HttpRoute {
                    gateway_name: "Edge".to_owned(),
                    gateway_namespace: Some("a.b".to_owned()),
                    hostnames: vec!["*.example.com".to_owned(), "x y".to_owned()],
                });
            }),
        ),
    ];
    let mut text = String::new();
    for (name, gathered) in cases {
        let faults = faults(&gathered);
        assert!(!faults.is_empty(), "{name}");
        writeln!(text, "{name}:").unwrap();
        for fault in faults {
            writeln!(text, "  {}: {fault}", fault.reason).unwrap();
        }
    }
    assert!(!text.contains("user:secret"), "credentials are not repeated");
    golden("faults.txt", &text);
}
