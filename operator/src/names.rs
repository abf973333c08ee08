//! What things are called: the objects of a number, their labels, and the words that the operator marks objects with.
//!
//! All of it is for ever: a selector cannot be changed, and an object under another name is another object.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

/// The field manager of everything that is applied.
pub const FIELD_MANAGER: &str = "waxseal-operator";
/// The field manager of statuses.
pub const STATUS_FIELD_MANAGER: &str = "waxseal-operator-status";
/// The finalizer of numbers that are to be erased.
pub const FINALIZER: &str = "waxseal.dev/erase";
/// `paused` as the value of this annotation makes the operator leave a number's objects alone.
pub const RECONCILE_ANNOTATION: &str = "waxseal.dev/reconcile";
/// Namespaces with this label, `"true"`, may call the HTTP API of numbers in other namespaces.
pub const CLIENT_LABEL: &str = "waxseal.dev/client";
/// Namespaces with this label, `"true"`, may read metrics.
pub const METRICS_LABEL: &str = "waxseal.dev/metrics";
/// The id of the number that an object belongs to.
pub const PHONE_NUMBER_ID_LABEL: &str = "waxseal.dev/phone-number-id";
/// `app.kubernetes.io/name` of everything that belongs to a number.
pub const APP_NAME: &str = "waxseal-sidecar";
/// `app.kubernetes.io/name` of the pods that erase a number. They must not be taken for sidecars by the Service.
pub const ERASE_APP_NAME: &str = "waxseal-erase";

/// The label of the product's part.
pub const NAME_LABEL: &str = "app.kubernetes.io/name";
/// The label with the number's name.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// The label of who made it.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// The label of the product.
pub const PART_OF_LABEL: &str = "app.kubernetes.io/part-of";

/// The longest name: a label of DNS, and the value of a label.
const NAME_MAX: usize = 63;
/// The longest of the suffixes.
const SUFFIX_MAX: usize = "-sidecar".len();
const HASH_DIGITS: usize = 8;
const BASE_MAX: usize = NAME_MAX - SUFFIX_MAX;

/// The name of the objects that make up the sidecar of the number `number`.
#[must_use]
pub fn sidecar(number: &str) -> String {
    format!("{}-sidecar", base(number))
}

/// The name of the Secret with the number's keys.
#[must_use]
pub fn keys(number: &str) -> String {
    format!("{}-keys", base(number))
}

/// The name of the Job that erases the number.
#[must_use]
pub fn erase(number: &str) -> String {
    format!("{}-erase", base(number))
}

/// The labels of everything that belongs to a number.
#[must_use]
pub fn labels(number: &str, phone_number_id: &str) -> BTreeMap<String, String> {
    let mut labels = selector(number);
    labels.extend([
        (MANAGED_BY_LABEL.to_owned(), FIELD_MANAGER.to_owned()),
        (PART_OF_LABEL.to_owned(), "waxseal".to_owned()),
        (PHONE_NUMBER_ID_LABEL.to_owned(), phone_number_id.to_owned()),
    ]);
    labels
}

/// What selects the pods of a number's sidecar, and nothing else.
#[must_use]
pub fn selector(number: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (NAME_LABEL.to_owned(), APP_NAME.to_owned()),
        (INSTANCE_LABEL.to_owned(), number.to_owned()),
    ])
}

/// The selector as kubectl writes it.
#[must_use]
pub fn selector_text(number: &str) -> String {
    selector(number)
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect::<Vec<_>>()
        .join(",")
}

/// Whether the text is a label of DNS.
#[must_use]
pub fn is_dns_label(text: &str) -> bool {
    let end = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let bytes = text.as_bytes();
    bytes.len() <= NAME_MAX
        && end(bytes.first())
        && end(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
}

/// What the names of a number's objects begin with: its own name where that fits.
///
/// A name that is too long is cut and told apart by a hash; so is one that begins with a digit, since a Service's name must not. A name that
/// looks as if it had such a hash gets one, too, so that no two numbers of a namespace share an object.
fn base(number: &str) -> String {
    if fits(number) {
        return number.to_owned();
    }
    let hash = hex8(number);
    let safe: String = number
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .collect();
    let start = if safe.starts_with(|c: char| c.is_ascii_lowercase()) {
        ""
    } else {
        "n"
    };
    let room = BASE_MAX - HASH_DIGITS - 1 - start.len();
    let prefix = safe.get(..room).unwrap_or(&safe).trim_end_matches('-');
    format!("{start}{prefix}-{hash}")
}

fn fits(number: &str) -> bool {
    let hashed = number
        .rsplit_once('-')
        .is_some_and(|(_, end)| end.len() == HASH_DIGITS && end.bytes().all(|byte| byte.is_ascii_hexdigit()));
    is_dns_label(number) && number.len() <= BASE_MAX && number.starts_with(|c: char| c.is_ascii_lowercase()) && !hashed
}

fn hex8(text: &str) -> String {
    Sha256::digest(text)
        .iter()
        .take(HASH_DIGITS / 2)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn are_what_they_always_were() {
        // Objects of running numbers have these names: a change here makes new ones beside them.
        assert_eq!(sidecar("acme-support"), "acme-support-sidecar");
        assert_eq!(keys("acme-support"), "acme-support-keys");
        assert_eq!(erase("acme-support"), "acme-support-erase");
        assert_eq!(
            sidecar(&"a".repeat(63)),
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-7d3e74a0-sidecar"
        );
        assert_eq!(sidecar("15550100"), "n15550100-07e73d4c-sidecar");
        assert_eq!(sidecar("shop-deadbeef"), "shop-deadbeef-d07f8295-sidecar");
        assert_eq!(
            selector_text("acme-support"),
            "app.kubernetes.io/instance=acme-support,app.kubernetes.io/name=waxseal-sidecar"
        );
    }

    #[test]
    fn fit_when_they_just_do() {
        let longest = "a".repeat(BASE_MAX);
        assert_eq!(sidecar(&longest), format!("{longest}-sidecar"));
        assert_eq!(sidecar(&longest).len(), NAME_MAX);
        assert_ne!(sidecar(&"a".repeat(BASE_MAX + 1)), format!("{longest}a-sidecar"));
    }

    fn label() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
            "[0-9a-z]{54,63}",
            "[a-z]{1,3}-[0-9a-f]{8}",
            "[0-9]{7,15}"
        ]
    }

    proptest! {
        #[test]
        fn are_labels_that_a_service_may_have(number in prop_oneof![label(), ".{0,80}".boxed()]) {
            for name in [sidecar(&number), keys(&number), erase(&number)] {
                prop_assert!(is_dns_label(&name), "{name}");
                prop_assert!(name.starts_with(|c: char| c.is_ascii_lowercase()), "{name}");
            }
        }

        #[test]
        fn are_distinct_for_distinct_numbers(one in label(), other in label(), end in "[a-z0-9]") {
            let numbers = [one.clone(), other, format!("{}{end}", one.get(..62).unwrap_or(&one)), base(&one), base(&base(&one))];
            let distinct: BTreeSet<&String> = numbers.iter().collect();
            let names: BTreeSet<String> = distinct.iter().flat_map(|number| [sidecar(number), keys(number), erase(number)]).collect();
            prop_assert_eq!(names.len(), 3 * distinct.len());
        }
    }
}
