//! What the watches tell of the objects that belong to numbers: a few bytes for each, never the objects. Pure.
//!
//! For each object the table keeps what we last wanted, what of it was ours right after we applied that, and what is ours now
//! ([`crate::fingerprint`]). From these three follows whether there is anything to write. Of Deployments, pods and Jobs it also keeps what a
//! status has to say of them.

mod kind;
mod note;
mod slot;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{ResourceExt as _, api::DynamicObject};

pub use kind::Child;
pub use note::{ErasureJob, Pods, TEMPLATE_ANNOTATION, Workload};
pub use slot::Decision;

use crate::{
    fingerprint::{self, Fingerprint},
    key::{self, Key},
    names,
};
use note::Note;
use slot::Slot;

/// What is known of the objects of each number, by the number's namespace and name.
#[derive(Default)]
pub struct Children(Mutex<HashMap<Key, Entry>>);

/// What is known of the objects of one number.
#[derive(Default)]
struct Entry {
    slots: [Slot; Child::ALL.len()],
    /// Objects with the number's labels and names of their own.
    strays: Vec<(Child, String)>,
    workload: Option<Workload>,
    job: Option<ErasureJob>,
    pods: Vec<Note>,
    /// The Secret for the keys was created, or was there when we tried.
    has_keys: bool,
}

/// One run through the list of a kind, in one namespace or in all. A watch begins a new one whenever it lists anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round(u32);

impl Round {
    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// The number that an object says it belongs to.
#[must_use]
pub fn number_of(metadata: &ObjectMeta) -> Option<Key> {
    let labels = metadata.labels.as_ref()?;
    if labels.get(names::MANAGED_BY_LABEL).map(String::as_str) != Some(names::FIELD_MANAGER) {
        return None;
    }
    let instance = labels.get(names::INSTANCE_LABEL)?;
    Some(Key::new(metadata.namespace.as_deref()?, instance))
}

impl Children {
    /// An object is there, or is different. Whether its number should look at it.
    pub fn seen(&self, child: Child, object: &DynamicObject, round: Round) -> bool {
        let Some(key) = number_of(&object.metadata) else { return false };
        let mut table = self.table();
        let entry = table.entry(key.clone()).or_default();
        let name = object.name_any();
        if name != child.name(&key.name) {
            if !entry.strays.iter().any(|stray| *stray == (child, name.clone())) {
                entry.strays.push((child, name));
                return true;
            }
            return false;
        }
        let slot = &mut entry.slots[child.index()];
        let version = key::version(object);
        slot.round = round;
        if slot.is_there() && version < slot.version {
            // Older than the answer to our own write.
            return false;
        }
        let drifted = slot.observe(object, version);
        drifted | entry.note(child, object)
    }

    /// An object is gone, or has lost its labels.
    pub fn gone(&self, child: Child, object: &DynamicObject) -> bool {
        let Some(key) = number_of(&object.metadata) else { return false };
        let mut table = self.table();
        let Some(entry) = table.get_mut(&key) else { return false };
        let name = object.name_any();
        if name == child.name(&key.name) {
            if key::version(object) < entry.slots[child.index()].version {
                return false;
            }
            entry.vanish(child);
        } else {
            entry.strays.retain(|stray| *stray != (child, name.clone()));
        }
        if entry.is_empty() {
            table.remove(&key);
        }
        true
    }

    /// A list of a kind is complete: what was not in it is gone. The numbers that should look at it.
    pub fn listed(&self, child: Child, namespace: Option<&str>, round: Round) -> Vec<Key> {
        let mut table = self.table();
        let mut bereft = Vec::new();
        for (key, entry) in table.iter_mut() {
            let slot = &entry.slots[child.index()];
            if slot.is_there() && slot.round != round && namespace.is_none_or(|namespace| *key.namespace == *namespace) {
                entry.vanish(child);
                bereft.push(key.clone());
            }
        }
        table.retain(|_, entry| !entry.is_empty());
        bereft
    }

    /// A pod is there, or is different. Whether its number should look at it.
    pub fn pod_seen(&self, object: &Pod) -> bool {
        let Some(key) = number_of(&object.metadata) else { return false };
        let mut table = self.table();
        let pods = &mut table.entry(key).or_default().pods;
        let pod = Note::of(object);
        match pods.iter_mut().find(|known| known.name == pod.name) {
            Some(known) if *known == pod => false,
            Some(known) => {
                *known = pod;
                true
            }
            None => {
                pods.push(pod);
                true
            }
        }
    }

    /// A pod is gone.
    pub fn pod_gone(&self, object: &Pod) -> bool {
        let Some(key) = number_of(&object.metadata) else { return false };
        let mut table = self.table();
        let Some(entry) = table.get_mut(&key) else { return false };
        let name = note::pod_name(object);
        entry.pods.retain(|known| known.name != name);
        if entry.is_empty() {
            table.remove(&key);
        }
        true
    }

    /// Pods are listed anew: forget those of a namespace, or all.
    pub fn pods_forgotten(&self, namespace: Option<&str>) {
        let mut table = self.table();
        for (key, entry) in table.iter_mut() {
            if namespace.is_none_or(|namespace| *key.namespace == *namespace) {
                entry.pods.clear();
            }
        }
    }

    /// What is to be done so that a child becomes what is wanted.
    #[must_use]
    pub fn decide(&self, key: &Key, child: Child, wanted: Fingerprint, owner_uid: &str) -> Decision {
        match self.table().get(key) {
            Some(entry) => entry.slots[child.index()].decide(wanted, owner_uid),
            None => Decision::Look,
        }
    }

    /// A child was applied; this is what the API server answered.
    pub fn applied(&self, key: &Key, child: Child, wanted: Fingerprint, answer: &DynamicObject) {
        let mut table = self.table();
        let entry = table.entry(key.clone()).or_default();
        let slot = &mut entry.slots[child.index()];
        slot.wanted = wanted;
        slot.applied = fingerprint::live(answer);
        let version = key::version(answer);
        // The watch may have been faster, and then knows better.
        if version >= slot.version {
            slot.observe(answer, version);
            entry.note(child, answer);
        }
    }

    /// A child was changed by us, but not to what is wanted in the end.
    pub fn observed(&self, key: &Key, child: Child, answer: &DynamicObject) {
        let mut table = self.table();
        let entry = table.entry(key.clone()).or_default();
        let version = key::version(answer);
        if version >= entry.slots[child.index()].version {
            entry.slots[child.index()].observe(answer, version);
            entry.note(child, answer);
        }
    }

    /// Whether the Secret for the keys is there, as far as that can be known without reading it.
    #[must_use]
    pub fn has_keys(&self, key: &Key) -> bool {
        self.table().get(key).is_some_and(|entry| entry.has_keys)
    }

    /// The Secret for the keys is there, or may be gone.
    pub fn set_keys(&self, key: &Key, is_there: bool) {
        let mut table = self.table();
        if is_there {
            table.entry(key.clone()).or_default().has_keys = true;
        } else if let Some(entry) = table.get_mut(key) {
            entry.has_keys = false;
        }
    }

    /// The number is gone. What is left of it is known only as long as it is there.
    pub fn forget(&self, key: &Key) {
        let mut table = self.table();
        if let Some(entry) = table.get_mut(key) {
            entry.has_keys = false;
            for slot in &mut entry.slots {
                slot.wanted = Fingerprint::NONE;
            }
            if entry.is_empty() {
                table.remove(key);
            }
        }
    }

    /// A child was deleted by us.
    pub fn deleted(&self, key: &Key, child: Child, name: &str) {
        if let Some(entry) = self.table().get_mut(key) {
            if name == child.name(&key.name) {
                entry.vanish(child);
            } else {
                entry.strays.retain(|stray| stray.0 != child || stray.1 != name);
            }
        }
    }

    /// The objects with the number's labels that are not among the wanted ones.
    #[must_use]
    pub fn unwanted(&self, key: &Key, wanted: &[Child]) -> Vec<(Child, String)> {
        let table = self.table();
        let Some(entry) = table.get(key) else { return Vec::new() };
        let mut unwanted = entry.strays.clone();
        for child in Child::ALL {
            if !wanted.contains(&child) && entry.slots[child.index()].is_there() {
                unwanted.push((child, child.name(&key.name)));
            }
        }
        unwanted
    }

    /// Whether the child exists.
    #[must_use]
    pub fn has(&self, key: &Key, child: Child) -> bool {
        self.table().get(key).is_some_and(|entry| entry.slots[child.index()].is_there())
    }

    /// The number's Deployment.
    #[must_use]
    pub fn workload(&self, key: &Key) -> Option<Workload> {
        self.table().get(key)?.workload.clone()
    }

    /// The number's erasure.
    #[must_use]
    pub fn job(&self, key: &Key) -> Option<ErasureJob> {
        self.table().get(key)?.job.clone()
    }

    /// The number's pods, summed up.
    #[must_use]
    pub fn pods(&self, key: &Key) -> Pods {
        self.table().get(key).map(|entry| Pods::of(&entry.pods)).unwrap_or_default()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Takes down what a status has to say of an object. Whether that is new.
    fn note(&mut self, child: Child, object: &DynamicObject) -> bool {
        match child {
            Child::Deployment => {
                let workload = Some(Workload::of(object));
                let new = self.workload != workload;
                self.workload = workload;
                new
            }
            Child::Job => {
                let job = Some(ErasureJob::of(object));
                let new = self.job != job;
                self.job = job;
                new
            }
            _ => false,
        }
    }

    fn vanish(&mut self, child: Child) {
        self.slots[child.index()] = Slot::default();
        match child {
            Child::Deployment => self.workload = None,
            Child::Job => self.job = None,
            _ => {}
        }
    }

    fn is_empty(&self) -> bool {
        !self.has_keys && self.strays.is_empty() && self.pods.is_empty() && !self.slots.iter().any(Slot::is_there)
    }
}

#[cfg(test)]
mod tests;
