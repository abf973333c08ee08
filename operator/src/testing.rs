//! Fixtures and golden files of this crate's tests.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests: a failure here fails the test"
)]

use std::{fs, path::PathBuf, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use waxseal_crds::v1alpha1::{BusinessAccount, BusinessPhoneNumber, DataRegion, RetentionPolicy};

use crate::number::dereference::Gathered;

/// A fixture: a number with everything that it refers to.
#[derive(Deserialize)]
struct Scenario {
    number: Value,
    account: Value,
    region: Value,
    policy: Value,
}

/// Reads a fixture.
pub(crate) fn gathered(name: &str) -> Gathered {
    let text = fs::read_to_string(folder("fixtures").join(name)).unwrap();
    let scenario: Scenario = serde_saphyr::from_str(&text).unwrap();
    let of = |kind: &str, object: Value| {
        let mut object = object;
        object["apiVersion"] = "waxseal.dev/v1alpha1".into();
        object["kind"] = kind.into();
        object
    };
    Gathered {
        number: Arc::new(serde_json::from_value::<BusinessPhoneNumber>(of("BusinessPhoneNumber", scenario.number)).unwrap()),
        account: Some(Arc::new(
            serde_json::from_value::<BusinessAccount>(of("BusinessAccount", scenario.account)).unwrap(),
        )),
        region: Some(Arc::new(
            serde_json::from_value::<DataRegion>(of("DataRegion", scenario.region)).unwrap(),
        )),
        policy: Some(Arc::new(
            serde_json::from_value::<RetentionPolicy>(of("RetentionPolicy", scenario.policy)).unwrap(),
        )),
        rivals: Vec::new(),
    }
}

/// Changes the number of a fixture.
pub(crate) fn with_number(mut gathered: Gathered, change: impl FnOnce(&mut BusinessPhoneNumber)) -> Gathered {
    change(Arc::make_mut(&mut gathered.number));
    gathered
}

/// Changes the account of a fixture.
pub(crate) fn with_account(mut gathered: Gathered, change: impl FnOnce(&mut BusinessAccount)) -> Gathered {
    change(Arc::make_mut(gathered.account.as_mut().unwrap()));
    gathered
}

/// Changes the region of a fixture.
pub(crate) fn with_region(mut gathered: Gathered, change: impl FnOnce(&mut DataRegion)) -> Gathered {
    change(Arc::make_mut(gathered.region.as_mut().unwrap()));
    gathered
}

/// Changes the policy of a fixture.
pub(crate) fn with_policy(mut gathered: Gathered, change: impl FnOnce(&mut RetentionPolicy)) -> Gathered {
    change(Arc::make_mut(gathered.policy.as_mut().unwrap()));
    gathered
}

/// YAML with sorted keys, whatever else in the workspace decides about the order of maps.
pub(crate) fn yaml(object: &impl Serialize) -> String {
    serde_saphyr::to_string(&sorted(serde_json::to_value(object).unwrap())).unwrap()
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().collect();
            entries.sort_by(|one, other| one.0.cmp(&other.0));
            Value::Object(entries.into_iter().map(|(key, value)| (key, sorted(value))).collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(sorted).collect()),
        other => other,
    }
}

/// Compares a text with a checked-in file. `WAXSEAL_BLESS=1` writes the file instead.
pub(crate) fn golden(name: &str, text: &str) {
    let path = folder("golden").join(name);
    if std::env::var_os("WAXSEAL_BLESS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    for (at, (is, was)) in text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(
            is,
            was,
            "{name}, line {}: if this change is wanted, run the test with WAXSEAL_BLESS=1",
            at + 1
        );
    }
    assert!(
        text == expected,
        "{name} has more or fewer lines: if this change is wanted, run the test with WAXSEAL_BLESS=1"
    );
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}
