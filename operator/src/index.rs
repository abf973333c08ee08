//! Which numbers refer to what, and which numbers are alike. Pure.

use std::collections::HashMap;

use waxseal_crds::v1alpha1::BusinessPhoneNumber;

use crate::{key::Key, number::dereference::phone_number_id};

/// Which numbers refer to what.
#[derive(Debug, Default)]
pub struct Index {
    accounts: Groups<Key>,
    regions: Groups<String>,
    policies: Groups<String>,
    phone_numbers: Groups<String>,
    ids: Groups<String>,
}

type Groups<K> = HashMap<K, Vec<Key>>;

/// Something that numbers refer to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Referent {
    /// A BusinessAccount.
    Account(Key),
    /// A DataRegion.
    Region(String),
    /// A RetentionPolicy.
    Policy(String),
}

/// What a number refers to.
#[must_use]
pub fn referents(key: &Key, number: &BusinessPhoneNumber) -> [Referent; 3] {
    let spec = &number.spec;
    [
        Referent::Account(Key {
            namespace: key.namespace.clone(),
            name: spec.account_ref.name.as_str().into(),
        }),
        Referent::Region(spec.region_ref.name.clone()),
        Referent::Policy(spec.retention_policy_ref.name.clone()),
    ]
}

impl Index {
    /// A number is there.
    pub fn insert(&mut self, key: &Key, number: &BusinessPhoneNumber) {
        for referent in referents(key, number) {
            match referent {
                Referent::Account(account) => join(&mut self.accounts, account, key),
                Referent::Region(region) => join(&mut self.regions, region, key),
                Referent::Policy(policy) => join(&mut self.policies, policy, key),
            }
        }
        join(&mut self.phone_numbers, number.spec.phone_number.clone(), key);
        join(&mut self.ids, phone_number_id(number), key);
    }

    /// A number is gone, or about to be inserted as something else.
    pub fn remove(&mut self, key: &Key, number: &BusinessPhoneNumber) {
        for referent in referents(key, number) {
            match referent {
                Referent::Account(account) => leave(&mut self.accounts, &account, key),
                Referent::Region(region) => leave(&mut self.regions, &region, key),
                Referent::Policy(policy) => leave(&mut self.policies, &policy, key),
            }
        }
        leave(&mut self.phone_numbers, &number.spec.phone_number, key);
        leave(&mut self.ids, &phone_number_id(number), key);
    }

    /// The numbers that refer to something.
    #[must_use]
    pub fn referring(&self, referent: &Referent) -> &[Key] {
        match referent {
            Referent::Account(account) => self.accounts.get(account),
            Referent::Region(region) => self.regions.get(region),
            Referent::Policy(policy) => self.policies.get(policy),
        }
        .map_or(&[], Vec::as_slice)
    }

    /// The other numbers that have the same phone number or the same id.
    #[must_use]
    pub fn alike(&self, key: &Key, number: &BusinessPhoneNumber) -> Vec<Key> {
        let same_number = self.phone_numbers.get(&number.spec.phone_number).into_iter().flatten();
        let same_id = self.ids.get(&phone_number_id(number)).into_iter().flatten();
        let mut alike: Vec<Key> = same_number.chain(same_id).filter(|other| *other != key).cloned().collect();
        alike.sort_unstable();
        alike.dedup();
        alike
    }
}

fn join<K: std::hash::Hash + Eq>(groups: &mut Groups<K>, group: K, key: &Key) {
    // Most groups have one member for ever.
    let members = groups.entry(group).or_insert_with(|| Vec::with_capacity(1));
    if !members.contains(key) {
        members.push(key.clone());
    }
}

fn leave<K: std::hash::Hash + Eq>(groups: &mut Groups<K>, group: &K, key: &Key) {
    if let Some(members) = groups.get_mut(group) {
        members.retain(|member| member != key);
        if members.is_empty() {
            groups.remove(group);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn number(name: &str, phone_number: &str, id: Option<&str>, region: &str) -> (Key, BusinessPhoneNumber) {
        let mut object = json!({
            "apiVersion": "waxseal.dev/v1alpha1", "kind": "BusinessPhoneNumber",
            "metadata": {"namespace": "acme", "name": name},
            "spec": {
                "phoneNumber": phone_number, "accountRef": {"name": "acme"}, "regionRef": {"name": region},
                "retentionPolicyRef": {"name": "short"}, "pinSecretRef": {"name": "pin"}
            }
        });
        if let Some(id) = id {
            object["spec"]["phoneNumberId"] = json!(id);
        }
        let number: BusinessPhoneNumber = serde_json::from_value(object).unwrap();
        (Key::of(&number), number)
    }

    #[test]
    fn finds_who_refers_to_what() {
        let mut index = Index::default();
        let (a, one) = number("a", "+15550100", None, "br");
        let (b, other) = number("b", "+15550101", None, "de");
        index.insert(&a, &one);
        index.insert(&b, &other);
        index.insert(&b, &other);
        let region = |name: &str| Referent::Region(name.into());
        assert_eq!(
            index.referring(&Referent::Account(Key::new("acme", "acme"))),
            [a.clone(), b.clone()]
        );
        assert!(index.referring(&Referent::Account(Key::new("other", "acme"))).is_empty());
        assert_eq!(index.referring(&region("br")), std::slice::from_ref(&a));
        index.remove(&a, &one);
        assert!(index.referring(&region("br")).is_empty());
        assert_eq!(index.referring(&Referent::Policy("short".into())), std::slice::from_ref(&b));
        index.remove(&b, &other);
        assert!(index.accounts.is_empty() && index.ids.is_empty() && index.phone_numbers.is_empty());
    }

    #[test]
    fn finds_who_is_alike() {
        let mut index = Index::default();
        let (a, one) = number("a", "+15550100", Some("7"), "br");
        let (b, same_number) = number("b", "+15550100", None, "br");
        let (c, same_id) = number("c", "+15550102", Some("7"), "br");
        let (d, neither) = number("d", "+15550103", None, "br");
        for (key, number) in [(&a, &one), (&b, &same_number), (&c, &same_id), (&d, &neither)] {
            index.insert(key, number);
        }
        assert_eq!(index.alike(&a, &one), [b, c.clone()]);
        assert_eq!(index.alike(&c, &same_id), [a]);
        assert!(index.alike(&d, &neither).is_empty());
    }
}
