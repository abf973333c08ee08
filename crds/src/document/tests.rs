use proptest::prelude::*;

use super::*;

const POLICY: &str = "apiVersion: waxseal.dev/v1alpha1\nkind: RetentionPolicy\nmetadata:\n  name: week\nspec:\n  days: 7\n";

fn errors(text: &str) -> Vec<String> {
    match documents("a.yaml", text) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn reads_several_documents_and_knows_their_lines() {
    let text = format!(
        "# a comment\n---\n{POLICY}---\n# nothing here\n---\n\n{}",
        POLICY.replace("week", "other")
    );
    let objects = documents("a.yaml", &text).unwrap_or_default();
    let origins: Vec<String> = objects.iter().map(|object| object.origin.to_string()).collect();
    assert_eq!(origins, ["a.yaml, document 1, line 3", "a.yaml, document 2, line 13"]);
}

#[test]
fn accepts_what_a_cluster_prints() {
    let text = format!(
        "{}\nstatus:\n  conditions: []\n",
        POLICY.replace("  name: week\n", "  name: week\n  uid: abc\n  resourceVersion: \"7\"\n  creationTimestamp: \"2026-01-01T00:00:00Z\"\n  managedFields: [{manager: kubectl}]\n")
    );
    assert_eq!(errors(&text), Vec::<String>::new());
}

#[test]
fn unknown_fields_name_the_nearest() {
    let errors = errors(&POLICY.replace("days:", "dayz:"));
    assert_eq!(
        errors,
        [
            "a.yaml, document 1, line 6: RetentionPolicy: unknown field `dayz`, did you mean `days`?; allowed here: days, noStorage, \
          contentDeletion, mediaLifetimeDays, webhookRetryWindowMinutes"
        ]
    );
}

#[test]
fn every_bad_document_is_reported() {
    let text = format!(
        "{}---\n{POLICY}---\nkind: RetentionPolicy\n---\nkind: BusinesAccount\n",
        POLICY.replace("days: 7", "days: x")
    );
    let errors = errors(&text);
    assert_eq!(
        errors,
        [
            "a.yaml, document 1, line 6: RetentionPolicy: expected a whole number",
            "a.yaml, document 3, line 15: `apiVersion` is missing; for a RetentionPolicy it is 'waxseal.dev/v1alpha1'",
            "a.yaml, document 4, line 17: `kind` is 'BusinesAccount', did you mean `BusinessAccount`?; allowed: BusinessAccount, \
             BusinessPhoneNumber, DataRegion, RetentionPolicy, Secret",
        ]
    );
}

#[test]
fn enum_values_missing_fields_and_unquoted_texts_are_explained() {
    let errors_of = |from: &str, to: &str| errors(&POLICY.replace(from, to)).join("\n");
    assert!(errors_of("days: 7", "contentDeletion: AtExpiri").contains("did you mean `AtExpiry`?; allowed: OnDelivery, AtExpiry"));
    assert!(errors_of("  name: week", "  namespace: a").contains("the field `name` is missing"));
    assert!(errors_of("name: week", "name: 0123").contains("must be in quotes"));
    assert!(errors_of("days: 7", "days: 7\n  days: 8").contains("the field `days` is there twice"));
    assert!(errors_of("waxseal.dev/v1alpha1", "waxseal.dev/v1").contains("must be 'waxseal.dev/v1alpha1', not 'waxseal.dev/v1'"));
}

#[test]
fn what_is_wrong_in_a_secret_is_never_repeated() {
    let head = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n";
    for bad in [
        "stringData:\n  pin: 482913",
        "stringData:\n  pin: [482913]",
        "stringData: 482913",
        "data:\n  pin: {482913: 1}",
        "stringData:\n  a: 'x\n 482913",
    ] {
        let errors = errors(&format!("{head}{bad}\n"));
        assert_eq!(errors.len(), 1, "{bad}");
        assert!(!errors[0].contains("482913"), "{}", errors[0]);
        assert!(errors[0].starts_with("a.yaml, document 1, line "), "{}", errors[0]);
    }
}

#[test]
fn secrets_are_read_from_both_members() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ntype: Opaque\ndata: {a: YWJj, b: YWJj, c: '%%', d: /w==}\nstringData: {b: xyz}\n";
    let objects = documents("a.yaml", text).unwrap_or_default();
    let Some(Object {
        resource: Resource::Secret(secret),
        ..
    }) = objects.first()
    else {
        panic!("no Secret")
    };
    let entry = |key: &str| secret.entry(key).map(|value| value.to_string()).map_err(|error| error.to_string());
    assert_eq!(entry("a").as_deref(), Ok("abc"));
    assert_eq!(entry("b").as_deref(), Ok("xyz"));
    assert!(entry("c").is_err_and(|text| text.contains("is not base64")));
    assert!(entry("d").is_err_and(|text| text.contains("is not text")));
    assert_eq!(entry("e").unwrap_err(), "has no entry 'e'; it has: a, b, c, d");
}

#[test]
fn the_sample_can_be_read() {
    let objects = documents("local.yaml", include_str!("../../../docs/samples/local.yaml")).unwrap_or_default();
    assert_eq!(objects.len(), 5);
}

proptest! {
    #[test]
    fn never_panics_and_always_names_the_place(text in "(?s)(---|\n|kind: |Secret|apiVersion: v1|metadata:|  name: |[ -~]|\\PC){0,60}") {
        if let Err(errors) = documents("f.yaml", &text) {
            prop_assert!(!errors.is_empty());
            let lines = text.lines().count().max(1);
            for error in errors {
                prop_assert!(error.origin.line >= 1 && error.origin.line <= lines + 1, "{error}");
            }
        }
    }

    #[test]
    fn pieces_are_the_whole_text(text in "(---|\n|a|\r| ){0,40}") {
        let pieces: String = split(&text).iter().map(|piece| piece.1).collect();
        prop_assert_eq!(pieces, text);
    }
}
