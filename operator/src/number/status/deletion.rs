//! How far the deletion of a number is.

use kube::ResourceExt;
use waxseal_crds::v1alpha1::BusinessPhoneNumber;

use crate::{
    conditions::{Now, READY, RECONCILING},
    names,
};

/// How far the deletion of a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion<'a> {
    /// The sidecars are being stopped.
    Stopping,
    /// The Job that erases the number runs.
    Erasing {
        /// How often it has failed.
        failures: i32,
    },
    /// It cannot be erased at the moment.
    Hindered {
        /// Why.
        error: &'a str,
    },
    /// It could not be erased in time, and goes nonetheless.
    GivenUp,
    /// Everything is done, or nothing was to be.
    Done,
}

pub(super) fn conditions(number: &BusinessPhoneNumber, deletion: Deletion<'_>) -> Vec<Now> {
    let (namespace, name) = (number.namespace().unwrap_or_default(), number.name_any());
    let job = names::erase(&name);
    // What is needed by whom nothing else helps.
    let escape = format!(
        "to let the number go without being erased, `kubectl -n {namespace} patch wxpn {name} --type=merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'`"
    );
    let (reason, text) = match deletion {
        Deletion::Stopping => ("Stopping", "the sidecars are being stopped, then the number is erased".to_owned()),
        Deletion::Erasing { failures: 0 } => ("Erasing", format!("the Job '{job}' erases the number's messages and keys")),
        Deletion::Erasing { failures } => (
            "Erasing",
            format!(
                "the Job '{job}' has failed {failures} times to erase the number and is tried again; look at `kubectl -n {namespace} logs job/{job}`. \
                 It is given up after a while; {escape}"
            ),
        ),
        Deletion::Hindered { error } => (
            "EraseHindered",
            format!("the number cannot be erased at the moment: {error}. It is tried again, and given up after a while; {escape}"),
        ),
        Deletion::GivenUp => (
            "EraseGivenUp",
            "the number could not be erased in time; what is left in Redis expires by itself with the retention".to_owned(),
        ),
        Deletion::Done => ("Deleted", "the number is being removed".to_owned()),
    };
    vec![
        Now::new(READY, false, "Deleting", text.clone()),
        Now::new(RECONCILING, true, reason, text),
    ]
}
