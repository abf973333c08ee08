use proptest::prelude::*;

use super::*;
use crate::{
    document::documents,
    v1alpha1::{OverLimit, Switch},
};

const SAMPLE: &str = include_str!("../../../docs/samples/local.yaml");

fn resolved(text: &str) -> Result<Vec<DeclaredNumber>, Vec<String>> {
    let objects = documents("a.yaml", text).map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    resolve(&objects).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn problems(text: &str) -> Vec<String> {
    resolved(text).err().unwrap_or_default()
}

/// The problems of the sample with a change.
fn changed(from: &str, to: &str) -> String {
    assert!(SAMPLE.contains(from), "the sample has no {from}");
    problems(&SAMPLE.replace(from, to)).join("\n")
}

/// The sample's last document, a second time.
fn second_number(number: &str, name: &str) -> String {
    let last = SAMPLE.rsplit("---\n").next().unwrap_or_default();
    format!("---\n{}", last.replace("+15550111", number).replace("acme-support", name))
}

#[test]
fn the_sample_resolves() {
    let numbers = resolved(SAMPLE).unwrap_or_default();
    assert_eq!(numbers.len(), 1);
    let number = &numbers[0];
    assert_eq!((number.namespace.as_str(), number.name.as_str()), ("default", "acme-support"));
    assert_eq!(number.phone_number, "+15550111");
    assert_eq!(number.phone_number_id, phone_number_id("+15550111"));
    assert_eq!(number.business_account_id, business_account_id("default", "acme"));
    assert_eq!(number.display_name, "Acme Support");
    assert_eq!(*number.pin, "246810");
    assert_eq!(number.tokens.len(), 1);
    assert_eq!(*number.tokens[0], "acme-token-for-trying-out-0001");
    assert_eq!(*number.app_secret, "acme-app-secret-for-trying-out-0001");
    assert!(number.webhook.is_none());
    assert_eq!(number.retention, Retention::Days(7));
    assert_eq!(number.webhook_retry_window, Duration::from_secs(7 * 86_400));
    assert_eq!(number.content_deletion, ContentDeletion::OnDelivery);
    assert!(!number.suspended);
}

#[test]
fn webhooks_come_from_the_number_or_else_from_the_account() {
    let webhook =
        |url: &str| format!("  webhook:\n    url: \"{url}\"\n    verifyTokenSecretRef: {{name: acme, key: pin}}\n    timeoutSeconds: 5\n");
    let account = SAMPLE.replace(
        "  displayName: \"Acme\"\n",
        &format!("  displayName: \"Acme\"\n{}", webhook("http://a.example/")),
    );
    let url = |text: &str| {
        resolved(text)
            .unwrap_or_default()
            .first()
            .and_then(|number| number.webhook.as_ref().map(|webhook| (webhook.url.clone(), webhook.timeout)))
    };
    assert_eq!(url(&account), Some(("http://a.example/".to_owned(), Duration::from_secs(5))));
    let both = account.replace("  displayName: \"Acme Support\"\n", &webhook("https://n.example/"));
    assert_eq!(url(&both), Some(("https://n.example/".to_owned(), Duration::from_secs(5))));
}

#[test]
fn all_problems_come_at_once() {
    let text = SAMPLE
        .replace("\"+15550111\"", "\"555 0111\"")
        .replace("days: 7", "days: 31")
        .replace("\"246810\"", "\"24681\"")
        .replace("country: \"BR\"", "country: br")
        .replace("accountRef:\n    name: acme", "accountRef:\n    name: acne");
    let problems = problems(&text);
    assert_eq!(
        problems,
        [
            "a.yaml, document 1, line 5: DataRegion laptop: `spec.country` must be an ISO 3166-1 country code, two capital letters, for \
             example \"BR\"",
            "a.yaml, document 2, line 15: RetentionPolicy one-week: `spec.days` is 31 and must be 1 to 30",
            "a.yaml, document 5, line 52: BusinessPhoneNumber default/acme-support: `spec.phoneNumber` must be `+`, the country code and the \
             number, 7 to 15 digits without spaces, for example \"+15550100\"",
            "a.yaml, document 5, line 52: BusinessPhoneNumber default/acme-support: `spec.accountRef` names the BusinessAccount 'acne', which \
             does not exist in namespace 'default'; there is: acme",
            "a.yaml, document 5, line 52: BusinessPhoneNumber default/acme-support: `spec.pinSecretRef` the Secret's value must be a PIN of \
             exactly six digits",
        ]
    );
}

#[test]
fn exactly_one_of_days_and_no_storage() {
    assert!(changed("days: 7", "days: 7\n  noStorage: {}").contains("exactly one of them must be set"));
    assert!(changed("days: 7 #", "#").contains("must have exactly one of `days` (1 to 30) and `noStorage: {}`"));
    let numbers = resolved(
        &SAMPLE
            .replace("days: 7", "noStorage: {}")
            .replace("retentionCapDays: 30", "retentionCapDays: 1"),
    )
    .unwrap_or_default();
    assert_eq!(numbers[0].retention, Retention::NoStorage);
    assert_eq!(numbers[0].webhook_retry_window, Duration::from_secs(3600));
    assert_eq!(numbers[0].media_lifetime, None);
    let numbers = resolved(&SAMPLE.replace("days: 7", "days: 7\n  mediaLifetimeDays: 2")).unwrap_or_default();
    assert_eq!(numbers[0].media_lifetime, Some(Duration::from_secs(2 * 86_400)));
}

#[test]
fn retention_above_the_cap_is_refused() {
    assert!(
        changed("retentionCapDays: 30", "retentionCapDays: 6")
            .contains("names the RetentionPolicy 'one-week' with 7 days, and the region 'laptop' allows at most 6")
    );
    assert_eq!(changed("retentionCapDays: 30", "retentionCapDays: 7"), "");
}

#[test]
fn windows_do_not_outlive_the_retention() {
    assert!(
        changed("days: 7", "days: 1\n  webhookRetryWindowMinutes: 1441")
            .contains("must not be longer than the retention, which is 1440 minutes")
    );
    assert_eq!(changed("days: 7", "days: 1\n  webhookRetryWindowMinutes: 1440"), "");
    assert!(changed("days: 7", "days: 1\n  mediaLifetimeDays: 2").contains("must not be longer than `days`, which is 1"));
    assert!(changed("days: 7", "noStorage: {}\n  mediaLifetimeDays: 1").contains("must not be set with `noStorage`"));
}

#[test]
fn of_two_numbers_alike_the_older_stays() {
    let twice = problems(&format!("{SAMPLE}{}", second_number("+15550111", "other")));
    assert_eq!(twice.len(), 1);
    assert!(
        twice[0].contains("BusinessPhoneNumber default/other: `spec.phoneNumber` is taken by BusinessPhoneNumber default/acme-support")
    );
    let dated = second_number("+15550111", "other").replace("metadata:\n", "metadata:\n  creationTimestamp: \"2020-01-01T00:00:00Z\"\n");
    let older_last = problems(&format!("{SAMPLE}{dated}"));
    assert!(older_last[0].contains("default/acme-support: `spec.phoneNumber` is taken by BusinessPhoneNumber default/other"));
    let same_id = format!("{SAMPLE}{}", second_number("+15550112", "other"))
        .replace("spec:\n  phoneNumber:", "spec:\n  phoneNumberId: \"77\"\n  phoneNumber:");
    assert!(problems(&same_id).join("\n").contains("`spec.phoneNumberId` is taken by"));
}

#[test]
fn numbers_come_in_the_order_of_declaration() {
    let dated = second_number("+15550112", "other").replace("metadata:\n", "metadata:\n  creationTimestamp: \"2020-01-01T00:00:00Z\"\n");
    let numbers = resolved(&format!("{SAMPLE}{dated}")).unwrap_or_default();
    let names: Vec<&str> = numbers.iter().map(|number| number.name.as_str()).collect();
    assert_eq!(names, ["acme-support", "other"]);
}

#[test]
fn the_same_object_twice_is_refused() {
    let again = problems(&format!("{SAMPLE}{}", second_number("+15550112", "acme-support")));
    assert_eq!(again.len(), 1);
    assert!(again[0].contains("is the same as in a.yaml, document 5, line 52"), "{}", again[0]);
}

#[test]
fn secrets_that_are_missing_or_wrong_are_named_and_never_shown() {
    assert!(
        changed("appSecretRef:\n    name: acme", "appSecretRef:\n    name: gone").contains("names the Secret 'gone', which does not exist")
    );
    assert!(changed("  appSecret: acme-app", "  other: acme-app").contains("which has no entry 'appSecret'; it has: other, pin, token"));
    let broken = changed(
        "token: acme-token-for-trying-out-0001",
        "token: \"acme-token-for-trying-out-0001\\n\"",
    );
    assert!(
        broken.contains("a line break at its ends") && !broken.contains("trying"),
        "{broken}"
    );
    assert!(changed("token: acme-token-for-trying-out-0001", "token: \"short\"").contains("must be 16 to 512"));
}

#[test]
fn an_account_that_is_wrong_is_reported_once() {
    let problems = changed("displayName: \"Acme\"", "displayName: \"\"");
    assert_eq!(problems.lines().count(), 1, "{problems}");
}

#[test]
fn names_urls_and_counts_are_checked() {
    assert!(changed("name: acme-support", "name: Acme_Support").contains("lower-case letters"));
    assert!(changed("displayName: \"Acme Support\"", "replicas: 0").contains("is 0 and must be 1 to 32"));
    assert!(
        changed(
            "displayName: \"Acme Support\"",
            "replicas: 1\n  autoscaling: {minReplicas: 3, maxReplicas: 2}"
        )
        .contains("together with `replicas`")
    );
    assert!(
        changed("displayName: \"Acme Support\"", "durability: {mode: Fsync, replicas: 1}")
            .contains("only be set when `mode` is 'Replicated'")
    );
    assert!(changed("displayName: \"Acme Support\"", "phoneNumberId: \"1234567890123456\"").contains("must be 1 to 15 digits"));
    for url in ["ftp://a", "http://", "http:///x", "http://a b", "a.example"] {
        let webhook = format!("webhook: {{url: \"{url}\", verifyTokenSecretRef: {{name: acme, key: pin}}}}");
        assert!(
            changed("displayName: \"Acme Support\"", &webhook).contains("must be a URL"),
            "{url}"
        );
    }
    assert!(
        changed("retentionCapDays: 30", "retentionCapDays: 30\n  redis: {url: \"redis://u:p@h\"}").contains("must not contain credentials")
    );
}

#[test]
fn rules_hold_as_the_account_says_and_the_window_unless_it_is_switched_off() {
    let of = |text: &str| resolved(text).unwrap_or_default().remove(0);
    let sample = of(SAMPLE);
    assert_eq!(sample.rules.conversation_window, Switch::Disabled, "the sample says so");
    assert_eq!((sample.app_id, sample.api_url, sample.country.as_deref()), (None, None, Some("BR")));
    let silent = SAMPLE
        .lines()
        .filter(|line| !line.trim_start().starts_with("conversationWindow:"))
        .collect::<Vec<_>>()
        .join("\n");
    assert!(of(&silent).rules.are_default());
    assert_eq!(of(&silent).rules.conversation_window, Switch::Enabled);
    let all = SAMPLE.replace(
        "  displayName: \"Acme\"\n",
        "  displayName: \"Acme\"\n  appId: \"42\"\n  overLimit: Queue\n  pairRateLimit: Enabled\n  qualityEmulation: Enabled\n",
    );
    let all = of(&all.replace("  displayName: \"Acme Support\"\n", "  apiUrl: https://graph.example\n"));
    assert_eq!(
        (all.app_id.as_deref(), all.api_url.as_deref()),
        (Some("42"), Some("https://graph.example"))
    );
    assert_eq!(
        (all.rules.over_limit, all.rules.pair_rate_limit),
        (OverLimit::Queue, Switch::Enabled)
    );
    for (text, said) in [
        ("appId: \"4x\"", "must be 1 to 20 digits"),
        ("mediaStore: {}", "exactly one of `bucket` and `local`"),
        ("mediaStore: {local: {}, prefix: a}", "only with `bucket`"),
        ("mediaStore: {local: {}, caBundle: a}", "only with `bucket`"),
        ("mediaStore: {bucket: files, url: \"s3://files\"}", "must be a URL"),
    ] {
        let at = if text.starts_with("app") {
            "displayName: \"Acme\""
        } else {
            "area: \"this computer\""
        };
        assert!(changed(at, &format!("{at}\n  {text}")).contains(said), "{text}");
    }
    for url in ["https://graph.example/", "https://graph.example?a=b", "graph.example"] {
        let url = format!("apiUrl: \"{url}\"");
        assert!(
            changed("displayName: \"Acme Support\"", &url).contains("`spec.apiUrl` must"),
            "{url}"
        );
    }
}

#[test]
fn a_webhooks_certificate_is_two_entries_of_a_secret() {
    let webhook = |more: &str| {
        SAMPLE.replace(
            "displayName: \"Acme Support\"",
            &format!("webhook: {{url: \"https://a.example\", verifyTokenSecretRef: {{name: acme, key: pin}}, {more}}}"),
        )
    };
    let certificate = webhook("fields: [messages, security], clientCertificateSecretRef: {name: hook}");
    let secret = |key: &str| format!("{certificate}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: hook}}\nstringData: {{{key}}}\n");
    let numbers = resolved(&secret("tls.crt: \"-----BEGIN A\", tls.key: \"-----BEGIN B\"")).unwrap_or_default();
    let found = numbers[0].webhook.as_ref();
    assert!(found.is_some_and(|webhook| webhook.of_number && webhook.fields == ["messages", "security"]));
    assert_eq!(
        found
            .and_then(|webhook| webhook.client_certificate.as_ref())
            .map(|pair| (pair.chain.as_str(), pair.key.as_str())),
        Some(("-----BEGIN A", "-----BEGIN B"))
    );
    assert!(problems(&certificate).join("").contains("there is: acme"));
    assert!(problems(&secret("tls.crt: \"-----BEGIN A\"")).join("").contains("tls.key"));
    let not_pem = problems(&secret("tls.crt: \"canary\", tls.key: \"-----BEGIN B\"")).join("");
    assert!(not_pem.contains("must be in PEM form") && !not_pem.contains("canary"), "{not_pem}");
    assert!(problems(&webhook("fields: [Messages]")).join("").contains("'messages'"));
    assert!(problems(&webhook("caBundle: x")).join("").contains("-----BEGIN CERTIFICATE-----"));
    let plain = secret("tls.crt: \"-----BEGIN A\", tls.key: \"-----BEGIN B\"").replace("https://a.example", "http://a.example");
    assert!(problems(&plain).join("").contains("only be set with an https://"));
}

#[test]
fn suspended_numbers_are_said_to_be() {
    let numbers = resolved(&SAMPLE.replace("  displayName: \"Acme Support\"\n", "  suspend: true\n")).unwrap_or_default();
    assert!(numbers[0].suspended);
    assert_eq!(numbers[0].display_name, "Acme");
}

proptest! {
    #[test]
    fn days_are_right_exactly_from_1_to_the_cap(days in any::<i32>(), cap in 1_i32..=30) {
        let text = SAMPLE.replace("days: 7", &format!("days: {days}")).replace("retentionCapDays: 30", &format!("retentionCapDays: {cap}"));
        prop_assert_eq!(resolved(&text).is_ok(), (1..=cap).contains(&days));
    }

    #[test]
    fn phone_numbers_are_right_exactly_in_e164(number in "\\+?[0-9]{0,17}|\\+[0-9 ]{7,12}") {
        let digits = number.strip_prefix('+');
        let good = digits.is_some_and(|digits| (7..=15).contains(&digits.len()) && !digits.starts_with('0') && !digits.contains(' '));
        prop_assert_eq!(resolved(&SAMPLE.replace("+15550111", &number)).is_ok(), good);
    }

    #[test]
    fn derived_ids_are_15_digits_and_do_not_begin_with_zero(number in "\\+[1-9][0-9]{6,14}", other in "\\+[1-9][0-9]{6,14}") {
        let id = phone_number_id(&number);
        prop_assert_eq!(id.len(), 15);
        prop_assert!(id.bytes().all(|byte| byte.is_ascii_digit()) && !id.starts_with('0'));
        prop_assert_eq!(number == other, id == phone_number_id(&other));
    }
}
