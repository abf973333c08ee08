use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

const YAML: &str = r#"
digest: "abc"
namespace: shop
name: acme
phoneNumber: "+15550100"
phoneNumberId: "105550100"
businessAccountId: "77"
displayName: Acme
retentionMinutes: 10080
contentDeletion: OnDelivery
webhookRetryWindowMinutes: 1440
webhook:
  url: https://acme.example/hook
  timeoutSeconds: 7
throughputMessagesPerSecond: 80
durability: Replicated
durabilityReplicas: 2
region: de
redisUrl: rediss://redis.example:6380/3
relayUrl: https://relay.example:7400
relayClientCertificate: true
tokens: [main, ci]
keysSecret: acme-keys
secrets:
- {path: pin, secret: acme, key: pin, field: spec.pinSecretRef, required: true}
- {path: app-secret, secret: acme, key: appSecret, field: "spec.appSecretRef of the BusinessAccount 'a'", required: true}
- {path: verify-token, secret: acme, key: verifyToken, field: spec.webhook.verifyTokenSecretRef, required: true}
- {path: tokens/main, secret: acme, key: token, field: "spec.tokens[0].secretRef", required: true}
- {path: tokens/ci, secret: acme-ci, key: token, field: "spec.tokens[1].secretRef", required: true}
- {path: redis/username, secret: redis, key: username, field: spec.redis.credentialsSecretRef, required: false}
- {path: redis/password, secret: redis, key: password, field: spec.redis.credentialsSecretRef, required: true}
- {path: relay/tls.crt, secret: relay, key: tls.crt, field: spec.relay.clientCertificateSecretRef, required: true}
- {path: relay/tls.key, secret: relay, key: tls.key, field: spec.relay.clientCertificateSecretRef, required: true}
"#;

const SECRETS: [(&str, &str); 9] = [
    ("pin", "654321"),
    ("app-secret", "0123456789abcdef"),
    ("verify-token", "v"),
    ("tokens/main", "canary-token-of-main"),
    ("tokens/ci", "canary-token-of-ci"),
    ("redis/username", "wax"),
    ("redis/password", "p@ss/w:rd%"),
    ("relay/tls.crt", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
    ("relay/tls.key", "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"),
];

fn files() -> Files {
    let entry = |(path, text): (&str, &str)| (path.to_owned(), Zeroizing::new(text.as_bytes().to_vec()));
    Files {
        config: Some(YAML.as_bytes().to_vec()),
        secrets: SECRETS.map(entry).into(),
    }
}

fn planned(files: &Files) -> Result<Plan, Vec<SidecarProblem>> {
    planned_to(Purpose::Serve, files)
}

fn planned_to(purpose: Purpose, files: &Files) -> Result<Plan, Vec<SidecarProblem>> {
    let place = Place {
        api_listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
        admin_listen: SocketAddr::from(([0, 0, 0, 0], 9090)),
        source_url: "s".to_owned(),
    };
    plan(files, &place, purpose, |declared| {
        CustodyLocation::File(PathBuf::from(&declared.keys_secret))
    })
}

fn problems(change: impl FnOnce(&mut Files)) -> Vec<(ProblemReason, String)> {
    let mut files = files();
    change(&mut files);
    let problems = planned(&files).err().unwrap_or_default();
    problems.into_iter().map(|problem| (problem.reason, problem.message)).collect()
}

fn set(path: &'static str, text: &'static str) -> impl FnOnce(&mut Files) {
    move |files| {
        files.secrets.insert(path.to_owned(), Zeroizing::new(text.as_bytes().to_vec()));
    }
}

fn replace(from: &'static str, to: &'static str) -> impl FnOnce(&mut Files) {
    move |files| {
        assert!(YAML.contains(from), "{from} is not in it");
        files.config = Some(YAML.replace(from, to).into_bytes());
    }
}

#[test]
fn complete_files_are_a_configuration() {
    let plan = planned(&files()).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(plan.declared.digest, "abc");
    let config = plan.config;
    let StoreLocation::Redis(url) = &config.store else {
        panic!("no Redis");
    };
    assert_eq!(url.reveal(), "rediss://wax:p%40ss%2Fw%3Ard%25@redis.example:6380/3");
    assert_eq!(config.durability, Durability::Replicated(2));
    assert!(config.relay_tls.identity.is_some() && config.relay_tls.ca.is_none());
    let number = &config.numbers[0];
    assert_eq!(number.phone_number.reveal(), "+15550100");
    assert_eq!((number.pin.reveal(), number.app_secret.reveal()), ("654321", "0123456789abcdef"));
    let tokens: Vec<&str> = number.tokens.iter().map(Secret::reveal).collect();
    assert_eq!(tokens, ["canary-token-of-main", "canary-token-of-ci"]);
    let webhook = number.webhook.as_ref().unwrap();
    assert_eq!((webhook.timeout.as_secs(), webhook.retry_window.as_secs()), (7, 86_400));
    assert_eq!(number.retention, Retention::Days(7));
}

#[test]
fn one_line_break_at_the_end_of_an_entry_is_not_part_of_it() {
    for text in ["654321\n", "654321\r\n"] {
        let mut files = files();
        set("pin", text)(&mut files);
        let plan = planned(&files).unwrap_or_else(|problems| panic!("{problems:?}"));
        assert_eq!(plan.config.numbers[0].pin.reveal(), "654321");
    }
    assert_eq!(problems(set("pin", "654321\n\n")).len(), 1, "two are two");
    assert_eq!(problems(set("pin", "654321\r")).len(), 1);
}

#[test]
fn what_is_missing_is_named_all_of_it() {
    let found = problems(|files| {
        files.secrets.remove("pin");
        files.secrets.remove("tokens/ci");
    });
    assert_eq!(
        found,
        [
            (
                ProblemReason::SecretMissing,
                "the Secret 'acme' has no entry 'pin' (spec.pinSecretRef)".to_owned()
            ),
            (
                ProblemReason::SecretMissing,
                "the Secret 'acme-ci' does not exist, or has no entry 'token' (spec.tokens[1].secretRef)".to_owned()
            ),
        ]
    );
    // The user name may be absent, the password not.
    assert!(
        problems(|files| {
            files.secrets.remove("redis/username");
        })
        .is_empty()
    );
    let found = problems(|files| {
        files.secrets.remove("redis/password");
    });
    assert!(found[0].1.contains("the Secret 'redis' has no entry 'password'"), "{found:?}");
}

#[test]
fn what_is_wrong_is_named_and_never_repeated() {
    for (path, text, expected) in [
        (
            "pin",
            "65432x",
            "the entry 'pin' of the Secret 'acme' (spec.pinSecretRef) must be a PIN of exactly six digits",
        ),
        ("pin", "6543210", "six digits"),
        ("tokens/main", "canary-short", "must be 16 to 512 letters"),
        ("tokens/main", " canary-token-of-main", "spaces or a line break at its ends"),
        ("app-secret", "canary canary canary", "the entry 'appSecret'"),
        ("verify-token", "", "must be 1 to 256"),
        ("relay/tls.key", "canary", "must be in PEM form"),
    ] {
        let found = problems(set(path, text));
        assert_eq!(found.len(), 1, "{path}: {found:?}");
        let (reason, message) = &found[0];
        assert_eq!(*reason, ProblemReason::SecretInvalid);
        assert!(message.contains(expected), "{message}");
        assert!(text.is_empty() || !message.contains(text.trim()), "{message}");
    }
    let found = problems(|files| {
        files.secrets.insert("pin".to_owned(), Zeroizing::new(vec![0xff; 6]));
    });
    assert!(found[0].1.ends_with("is not text (UTF-8)"), "{found:?}");
}

#[test]
fn a_wrong_configuration_is_explained() {
    for (from, to, expected) in [
        ("phoneNumberId:", "phoneNumberID:", "did you mean `phoneNumberId`"),
        ("\"+15550100\"", "\"15550100\"", "phoneNumber is not in E.164 form"),
        ("10080", "61", "retentionMinutes"),
        ("10080", "44640", "retentionMinutes"),
        ("[main, ci]", "[]", "nobody could call"),
        ("rediss://", "http://", "redisUrl is not a URL"),
        ("rediss://redis", "rediss://user:pw@redis", "holds credentials"),
        ("https://relay.example:7400", "relay.example", "relayUrl is not a URL"),
        ("durabilityReplicas: 2", "durabilityReplicas: 0", "durabilityReplicas is 0"),
        ("timeoutSeconds: 7", "timeoutSeconds: 0", "webhook.timeoutSeconds"),
    ] {
        let found = problems(replace(from, to));
        assert!(
            found.len() == 1 && found[0].0 == ProblemReason::ConfigurationInvalid && found[0].1.contains(expected),
            "{from}: {found:?}"
        );
    }
    assert!(problems(|files| files.config = None)[0].1.contains("is not mounted"));
    assert!(problems(|files| files.config = Some(vec![0xff]))[0].1.contains("UTF-8"));
}

#[test]
fn rules_and_address_have_the_defaults_of_what_is_declared() {
    let surface = planned(&files()).ok().unwrap().config.numbers.remove(0).surface;
    assert_eq!(surface.api_url.as_deref(), Some("http://acme-sidecar.shop.svc"));
    let expected = crate::config::Rules {
        conversation_window: true,
        ..crate::config::Rules::default()
    };
    assert_eq!(surface.rules, expected, "the window holds unless it is switched off");
    assert!(surface.app_id.is_none() && surface.media.location.is_none() && surface.storage_region.is_none());
    assert!(surface.webhooks.fields.is_none() && surface.webhooks.identity.is_none());
}

#[test]
fn everything_that_is_declared_beyond_messages_reaches_the_number() {
    let mut files = files();
    let config = [
        (
            "  timeoutSeconds: 7\n",
            "  timeoutSeconds: 7\n  ofNumber: true\n  fields: [messages, security]\n  ca: PEM\n",
        ),
        (
            "region: de\n",
            "region: de\ncountry: DE\nappId: '42'\napiUrl: https://graph.example\n\
             mediaLifetimeDays: 2\n\
             media: {bucket: {name: files, prefix: a/b, endpoint: \"https://s3.example\", ca: PEM}}\n\
             rules: {conversationWindow: Disabled, pairRateLimit: Enabled, apiCallLimits: Enabled, qualityEmulation: Enabled, overLimit: Queue}\n",
        ),
        (
            "secrets:\n",
            "secrets:\n- {path: media/access-key-id, secret: s3, key: accessKeyId, field: f, required: true}\n\
             - {path: media/secret-access-key, secret: s3, key: secretAccessKey, field: f, required: true}\n\
             - {path: webhook/tls.crt, secret: hook, key: tls.crt, field: f, required: true}\n\
             - {path: webhook/tls.key, secret: hook, key: tls.key, field: f, required: true}\n",
        ),
    ]
    .into_iter()
    .fold(YAML.to_owned(), |yaml, (from, to)| yaml.replacen(from, to, 1));
    files.config = Some(config.into_bytes());
    let missing: Vec<_> = planned(&files).err().unwrap();
    assert_eq!(missing.len(), 4, "{missing:?}");
    assert!(missing.iter().all(|problem| problem.reason == ProblemReason::SecretMissing));
    set("media/access-key-id", "KEYID\n")(&mut files);
    set("media/secret-access-key", "canary-media-key")(&mut files);
    set("webhook/tls.crt", "-----BEGIN CERTIFICATE-----")(&mut files);
    set("webhook/tls.key", "-----BEGIN PRIVATE KEY-----")(&mut files);
    let surface = planned(&files).ok().unwrap().config.numbers.remove(0).surface;
    assert_eq!(surface.app_id.as_deref(), Some("42"));
    assert_eq!(surface.api_url.as_deref(), Some("https://graph.example"));
    assert_eq!(surface.storage_region.as_deref(), Some("DE"));
    let rules = surface.rules;
    assert!(!rules.conversation_window && rules.pair_limit && rules.call_limits && rules.quality);
    assert_eq!(rules.over_limit, crate::config::OverLimit::Queue);
    let webhooks = surface.webhooks;
    assert_eq!(webhooks.fields, Some(vec!["messages".to_owned(), "security".to_owned()]));
    assert!(webhooks.of_number && webhooks.ca.as_deref() == Some(b"PEM"));
    assert_eq!(
        webhooks.identity.unwrap().reveal(),
        "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n"
    );
    let Some(crate::config::MediaLocation::S3(bucket)) = surface.media.location else {
        panic!("a bucket");
    };
    assert_eq!(
        (bucket.name.as_str(), bucket.prefix.as_deref(), bucket.region),
        ("files", Some("a/b"), None)
    );
    assert_eq!(bucket.endpoint.as_deref(), Some("https://s3.example"));
    assert_eq!(bucket.ca.as_deref(), Some(&b"PEM"[..]));
    assert_eq!(surface.media.lifetime, Some(Duration::from_secs(2 * 86_400)));
    let (id, key) = bucket.credentials.unwrap();
    assert_eq!((id.as_str(), key.reveal()), ("KEYID", "canary-media-key"));

    set("media/secret-access-key", "canary media key")(&mut files);
    set("webhook/tls.key", "canary")(&mut files);
    let problems = planned(&files).err().unwrap();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems.iter().all(|problem| !problem.message.contains("canary")), "{problems:?}");
}

#[test]
fn a_folder_for_files_is_the_one_that_is_mounted() {
    let mut files = files();
    replace("region: de\n", "region: de\nmedia: local\n")(&mut files);
    let surface = planned(&files).ok().unwrap().config.numbers.remove(0).surface;
    let Some(crate::config::MediaLocation::Directory(folder)) = surface.media.location else {
        panic!("a folder");
    };
    assert_eq!(folder, PathBuf::from(waxseal_crds::pod::MEDIA_DIR));
    for (from, to) in [
        ("region: de\n", "region: de\nappId: 12a\n"),
        ("region: de\n", "region: de\napiUrl: ftp://graph\n"),
        ("region: de\n", "region: de\nmedia: {bucket: {name: files, endpoint: s3}}\n"),
        ("region: de\n", "region: de\nrules: {window: Disabled}\n"),
        ("region: de\n", "region: de\nmediaLifetimeDays: 0\n"),
    ] {
        let problems = problems(replace(from, to));
        assert!(
            matches!(problems.as_slice(), [(ProblemReason::ConfigurationInvalid, _)]),
            "{to}: {problems:?}"
        );
    }
}

#[test]
fn without_credentials_the_url_is_what_was_declared() {
    let mut files = files();
    files.secrets.retain(|path, _| !path.starts_with("redis/"));
    let at = YAML.find("- {path: redis/username").unwrap();
    let end = YAML.find("- {path: relay/tls.crt").unwrap();
    files.config = Some(format!("{}{}", &YAML[..at], &YAML[end..]).into_bytes());
    let plan = planned(&files).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert!(matches!(&plan.config.store, StoreLocation::Redis(url) if url.reveal() == "rediss://redis.example:6380/3"));
}

#[test]
fn authorities_of_the_redis_reach_the_store() {
    let mut files = files();
    files.config = Some(format!("{YAML}\nredisCa: authorities\n").into_bytes());
    let plan = planned(&files).unwrap_or_else(|problems| panic!("{problems:?}"));
    assert_eq!(plan.config.store_ca.as_deref(), Some(&b"authorities"[..]));
}

#[test]
fn to_erase_a_number_only_the_ways_to_its_state_are_needed() {
    let mut files = files();
    files
        .secrets
        .retain(|path, _| path.starts_with("redis/") || path.starts_with("relay/"));
    assert!(planned(&files).is_err());
    assert!(planned_to(Purpose::Erase, &files).is_ok());
    files.secrets.remove("redis/password");
    let problems = planned_to(Purpose::Erase, &files).err().unwrap_or_default();
    assert!(problems.len() == 1 && problems[0].message.contains("'redis'"), "{problems:?}");
}

#[test]
fn where_files_rest_is_known_to_whoever_erases_them() {
    let mut files = files();
    let media = "region: de\nmedia: {bucket: {name: files, endpoint: \"https://s3.example\"}}\n";
    let secrets = "secrets:\n- {path: media/access-key-id, secret: s3, key: accessKeyId, field: f, required: true}\n\
                   - {path: media/secret-access-key, secret: s3, key: secretAccessKey, field: f, required: true}\n";
    files.config = Some(YAML.replace("region: de\n", media).replace("secrets:\n", secrets).into_bytes());
    let problems = planned_to(Purpose::Erase, &files).err().unwrap_or_default();
    assert_eq!(problems.len(), 2, "the files could not be deleted: {problems:?}");
    set("media/access-key-id", "KEYID")(&mut files);
    set("media/secret-access-key", "canary-media-key")(&mut files);
    let plan = planned_to(Purpose::Erase, &files).unwrap_or_else(|problems| panic!("{problems:?}"));
    let location = &plan.config.numbers[0].surface.media.location;
    assert!(matches!(location, Some(crate::config::MediaLocation::S3(bucket)) if bucket.name == "files" && bucket.credentials.is_some()));
    replace("region: de\n", "region: de\nmedia: local\n")(&mut files);
    let plan = planned_to(Purpose::Erase, &files).unwrap_or_else(|problems| panic!("{problems:?}"));
    let location = &plan.config.numbers[0].surface.media.location;
    assert!(matches!(location, Some(crate::config::MediaLocation::Directory(_))));
}

proptest! {
    #[test]
    fn any_files_are_answered_for_without_telling_them(
        path in prop::sample::select(SECRETS.map(|(path, _)| path).to_vec()),
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        cut in 0..YAML.len(),
    ) {
        let mut files = files();
        files.secrets.insert(path.to_owned(), Zeroizing::new(bytes.clone()));
        if let Err(problems) = planned(&files) {
            let told = format!("{problems:?}");
            if let Ok(text) = std::str::from_utf8(&bytes) && text.trim().len() > 7 {
                prop_assert!(!told.contains(text.trim()));
            }
        }
        if YAML.is_char_boundary(cut) {
            files.config = Some(YAML.as_bytes()[..cut].to_vec());
            let _ = planned(&files);
        }
    }

    #[test]
    fn any_password_survives_the_url(password in "[!-~]{1,40}") {
        let mut files = files();
        files.secrets.insert("redis/password".to_owned(), Zeroizing::new(password.clone().into_bytes()));
        let plan = planned(&files);
        prop_assert!(plan.is_ok());
        if let Ok(Plan { config: Config { store: StoreLocation::Redis(url), .. }, .. }) = plan {
            let parsed = reqwest::Url::parse(&url.reveal().replacen("rediss", "http", 1)).unwrap();
            let mut decoded = Vec::new();
            let mut rest = parsed.password().unwrap().bytes();
            while let Some(byte) = rest.next() {
                let hex = [rest.clone().next(), rest.clone().nth(1)];
                if let (b'%', [Some(high), Some(low)]) = (byte, hex) {
                    decoded.push(u8::from_str_radix(std::str::from_utf8(&[high, low]).unwrap(), 16).unwrap());
                    rest.nth(1);
                } else {
                    decoded.push(byte);
                }
            }
            prop_assert_eq!(decoded, password.into_bytes());
            prop_assert_eq!(parsed.host_str(), Some("redis.example"));
        }
    }
}

#[test]
fn a_webhook_may_have_authorities_fields_and_a_client_certificate() {
    let mut files = files();
    let webhook = "  timeoutSeconds: 7\n  ofNumber: true\n  fields: [messages, security]\n  ca: |\n    -----BEGIN CERTIFICATE-----\n";
    files.config = Some(YAML.replace("  timeoutSeconds: 7\n", webhook).into_bytes());
    let secret = |text: &str| Zeroizing::new(text.as_bytes().to_vec());
    files
        .secrets
        .insert(path::WEBHOOK_CERTIFICATE.to_owned(), secret("-----BEGIN CERTIFICATE-----\n"));
    let place = || Place {
        api_listen: "127.0.0.1:0".parse().unwrap(),
        admin_listen: "127.0.0.1:0".parse().unwrap(),
        source_url: "s".to_owned(),
    };
    let planned = |files: &Files| {
        plan(files, &place(), Purpose::Serve, |_| {
            CustodyLocation::File(PathBuf::from("/nowhere"))
        })
    };
    let problems = planned(&files).err().unwrap();
    assert!(problems[0].message.contains(path::WEBHOOK_KEY), "{problems:?}");
    files
        .secrets
        .insert(path::WEBHOOK_KEY.to_owned(), secret("-----BEGIN PRIVATE KEY-----\n"));
    let planned = planned(&files).ok().unwrap();
    let webhooks = &planned.config.numbers[0].surface.webhooks;
    assert!(webhooks.of_number);
    assert_eq!(
        webhooks.fields.as_deref(),
        Some(["messages".to_owned(), "security".to_owned()].as_slice())
    );
    assert_eq!(webhooks.ca.as_deref(), Some("-----BEGIN CERTIFICATE-----\n".as_bytes()));
    let identity = webhooks.identity.as_ref().unwrap().reveal();
    assert!(identity.contains("BEGIN CERTIFICATE") && identity.contains("BEGIN PRIVATE KEY"));
}
