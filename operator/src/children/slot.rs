//! What is kept of one object, and what follows from it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use kube::api::DynamicObject;

use super::Round;
use crate::{
    fingerprint::{self, Fingerprint},
    names,
};

/// What is to be done so that an object becomes what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing.
    Nothing,
    /// It is ours: apply it.
    Apply,
    /// It is not known, or not ours: look who has the name before applying.
    Look,
}

/// What is kept of one object.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    /// What we wanted when we last applied it.
    pub(super) wanted: Fingerprint,
    /// What of it was ours right after.
    pub(super) applied: Fingerprint,
    /// What of it is ours now.
    live: Fingerprint,
    /// The version that `live` is of.
    pub(super) version: u64,
    /// The list it was last in.
    pub(super) round: Round,
    /// The controller's uid, hashed; 0 when nobody controls it.
    controller: u64,
    /// Whether our field manager has applied it, ever.
    is_managed: bool,
}

impl Slot {
    pub(super) fn is_there(&self) -> bool {
        self.live != Fingerprint::NONE
    }

    /// Takes down how it is. Whether that is not how we left it.
    pub(super) fn observe(&mut self, object: &DynamicObject, version: u64) -> bool {
        self.live = fingerprint::live(object);
        self.version = version;
        self.controller = object
            .metadata
            .owner_references
            .iter()
            .flatten()
            .find(|owner| owner.controller == Some(true))
            .map_or(0, |owner| hash(&owner.uid));
        self.is_managed = object
            .metadata
            .managed_fields
            .iter()
            .flatten()
            .any(|entry| entry.manager.as_deref() == Some(names::FIELD_MANAGER) && entry.operation.as_deref() == Some("Apply"));
        self.live != self.applied
    }

    pub(super) fn decide(&self, wanted: Fingerprint, owner_uid: &str) -> Decision {
        let is_ours = self.controller == hash(owner_uid) || (self.controller == 0 && self.is_managed);
        if !self.is_there() || !is_ours {
            Decision::Look
        } else if self.wanted == wanted && self.applied == self.live {
            Decision::Nothing
        } else {
            Decision::Apply
        }
    }
}

fn hash(uid: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    hasher.finish().max(1)
}
