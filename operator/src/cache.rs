//! The declared objects, as the watches tell of them. One cache a kind, fed by one watch for each namespace, or by one for all.
//!
//! An object that cannot be read, for example because it was written for a newer operator, is kept as [`Kept::Unreadable`]: it gets a status
//! that says so and stands in nobody's way. Lists after a gap are compared with what was known, so that deletions in the gap are noticed.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use kube::{
    Resource,
    api::ObjectMeta,
    core::DeserializeGuard,
    runtime::{
        reflector::{
            ObjectRef, Store,
            store::{Writer, WriterDropped},
        },
        watcher::Event,
    },
};

use crate::key::Key;

/// Where `kubectl apply` keeps a copy of all it applied; nobody here needs it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An object as it was last seen.
#[derive(Clone, Debug)]
pub enum Kept<K> {
    /// It can be read.
    Readable(Arc<K>),
    /// It cannot.
    Unreadable(Arc<Unreadable<K>>),
}

/// An object that cannot be read.
#[derive(Clone, Debug)]
pub struct Unreadable<K> {
    /// What every object has.
    pub metadata: ObjectMeta,
    /// Why it cannot be read.
    pub error: String,
    /// The object when it could still be read.
    pub before: Option<Arc<K>>,
}

impl<K> Kept<K> {
    /// The object, if it can be read.
    #[must_use]
    pub fn readable(&self) -> Option<&Arc<K>> {
        match self {
            Self::Readable(object) => Some(object),
            Self::Unreadable(_) => None,
        }
    }

    /// The object, or what it was when it could still be read.
    #[must_use]
    pub fn last_readable(&self) -> Option<&Arc<K>> {
        match self {
            Self::Readable(object) => Some(object),
            Self::Unreadable(unreadable) => unreadable.before.as_ref(),
        }
    }
}

impl<K: Resource<DynamicType = ()> + Clone> Resource for Kept<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind(dt: &()) -> std::borrow::Cow<'_, str> {
        K::kind(dt)
    }

    fn group(dt: &()) -> std::borrow::Cow<'_, str> {
        K::group(dt)
    }

    fn version(dt: &()) -> std::borrow::Cow<'_, str> {
        K::version(dt)
    }

    fn plural(dt: &()) -> std::borrow::Cow<'_, str> {
        K::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Readable(object) => object.meta(),
            Self::Unreadable(unreadable) => &unreadable.metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Self::Readable(object) => Arc::make_mut(object).meta_mut(),
            Self::Unreadable(unreadable) => &mut Arc::make_mut(unreadable).metadata,
        }
    }
}

/// What became of one object.
#[derive(Clone, Debug)]
pub struct Change<K> {
    /// Which.
    pub key: Key,
    /// How it was, if it was known.
    pub old: Option<Kept<K>>,
    /// How it is, if it is still there.
    pub new: Option<Kept<K>>,
}

impl<K: Resource<DynamicType = ()> + Clone> Change<K> {
    /// Whether anything but the status and what the API server keeps for itself is different.
    #[must_use]
    pub fn is_significant(&self) -> bool {
        let (Some(old), Some(new)) = (&self.old, &self.new) else {
            return true;
        };
        let (before, after) = (old.meta(), new.meta());
        old.readable().is_some() != new.readable().is_some()
            || before.uid != after.uid
            || before.generation != after.generation
            || before.annotations != after.annotations
            || before.finalizers != after.finalizers
            || before.deletion_timestamp != after.deletion_timestamp
    }
}

/// All objects of one kind.
pub struct Cache<K: Resource<DynamicType = ()> + Clone + 'static> {
    merge: Mutex<Merge<K>>,
    store: Store<Kept<K>>,
}

struct Merge<K: Resource<DynamicType = ()> + Clone + 'static> {
    writer: Writer<Kept<K>>,
    scopes: Vec<Scope>,
    is_ready: bool,
}

/// What one watch covers, and how far it is.
struct Scope {
    namespace: Option<String>,
    /// While it lists: what was in the list so far.
    listing: Option<HashSet<Key>>,
    has_listed: bool,
}

impl<K: Resource<DynamicType = ()> + Clone + 'static> Cache<K> {
    /// A cache for objects of these namespaces; `None` is all of them.
    #[must_use]
    pub fn new(namespaces: &[Option<String>]) -> Self {
        let writer = Writer::default();
        let store = writer.as_reader();
        let scopes = namespaces.iter().map(|namespace| Scope {
            namespace: namespace.clone(),
            listing: None,
            has_listed: false,
        });
        Self {
            merge: Mutex::new(Merge {
                writer,
                scopes: scopes.collect(),
                is_ready: false,
            }),
            store,
        }
    }

    /// The watch of the n-th namespace tells something.
    pub fn event(&self, scope: usize, event: Event<DeserializeGuard<K>>) -> Vec<Change<K>> {
        let mut merge = self.merge.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => {
                if let Some(scope) = merge.scopes.get_mut(scope) {
                    scope.listing = Some(HashSet::new());
                }
                Vec::new()
            }
            Event::InitApply(object) => {
                let change = self.put(&mut merge, object);
                if let Some(listing) = merge.scopes.get_mut(scope).and_then(|scope| scope.listing.as_mut()) {
                    listing.insert(change.key.clone());
                }
                vec![change]
            }
            Event::InitDone => self.listed(&mut merge, scope),
            Event::Apply(object) => vec![self.put(&mut merge, object)],
            Event::Delete(object) => self.remove(&mut merge, &Key::of(&object)).into_iter().collect(),
        }
    }

    /// The object of that key.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Kept<K>> {
        self.store.get(&reference(key)).map(|kept| (*kept).clone())
    }

    /// All objects.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Kept<K>>> {
        self.store.state()
    }

    /// For kube's runtime.
    #[must_use]
    pub fn store(&self) -> Store<Kept<K>> {
        self.store.clone()
    }

    /// Until every namespace was listed once.
    ///
    /// # Errors
    /// When the cache is gone.
    pub async fn ready(&self) -> Result<(), WriterDropped> {
        self.store.wait_until_ready().await
    }

    fn put(&self, merge: &mut Merge<K>, object: DeserializeGuard<K>) -> Change<K> {
        let key = Key::of(&object);
        let old = self.get(&key);
        let new = match object.0 {
            Ok(mut object) => {
                trim(object.meta_mut());
                Kept::Readable(Arc::new(object))
            }
            Err(invalid) => {
                let mut metadata = invalid.metadata;
                trim(&mut metadata);
                Kept::Unreadable(Arc::new(Unreadable {
                    before: old.as_ref().and_then(Kept::last_readable).cloned(),
                    metadata,
                    error: invalid.error,
                }))
            }
        };
        merge.writer.apply_watcher_event(&Event::Apply(new.clone()));
        Change { key, old, new: Some(new) }
    }

    fn remove(&self, merge: &mut Merge<K>, key: &Key) -> Option<Change<K>> {
        let old = self.get(key)?;
        merge.writer.apply_watcher_event(&Event::Delete(old.clone()));
        Some(Change {
            key: key.clone(),
            old: Some(old),
            new: None,
        })
    }

    fn listed(&self, merge: &mut Merge<K>, scope: usize) -> Vec<Change<K>> {
        let Some(covered) = merge.scopes.get_mut(scope) else {
            return Vec::new();
        };
        covered.has_listed = true;
        let listing = covered.listing.take().unwrap_or_default();
        let namespace = covered.namespace.clone();
        let gone: Vec<Key> = self
            .store
            .state()
            .iter()
            .map(|kept| Key::of(&**kept))
            .filter(|key| namespace.as_deref().is_none_or(|namespace| *key.namespace == *namespace) && !listing.contains(key))
            .collect();
        let changes = gone.iter().filter_map(|key| self.remove(merge, key)).collect();
        if !merge.is_ready && merge.scopes.iter().all(|scope| scope.has_listed) {
            merge.is_ready = true;
            // The only way to tell the store's readers: a list of its own that holds what is there.
            let all = self.store.state();
            merge.writer.apply_watcher_event(&Event::Init);
            for kept in all {
                merge.writer.apply_watcher_event(&Event::InitApply((*kept).clone()));
            }
            merge.writer.apply_watcher_event(&Event::InitDone);
        }
        changes
    }
}

/// The reference to an object by its key.
#[must_use]
pub fn reference<K: Resource<DynamicType = ()> + Clone>(key: &Key) -> ObjectRef<Kept<K>> {
    key.object_ref()
}

/// Drops what nobody here reads and what would fill the memory.
fn trim(metadata: &mut ObjectMeta) {
    metadata.managed_fields = None;
    if let Some(annotations) = &mut metadata.annotations {
        annotations.remove(LAST_APPLIED);
        if annotations.is_empty() {
            metadata.annotations = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::core::error_boundary::InvalidObject;

    use super::*;

    fn object(namespace: &str, name: &str, generation: i64) -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta {
                namespace: Some(namespace.into()),
                name: Some(name.into()),
                generation: Some(generation),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        }
    }

    fn good(namespace: &str, name: &str, generation: i64) -> DeserializeGuard<ConfigMap> {
        DeserializeGuard(Ok(object(namespace, name, generation)))
    }

    fn bad(namespace: &str, name: &str) -> DeserializeGuard<ConfigMap> {
        DeserializeGuard(Err(InvalidObject {
            error: "no".into(),
            metadata: object(namespace, name, 1).metadata,
        }))
    }

    fn keys(cache: &Cache<ConfigMap>) -> Vec<String> {
        let mut keys: Vec<String> = cache.all().iter().map(|kept| Key::of(&**kept).to_string()).collect();
        keys.sort();
        keys
    }

    fn is_ready(cache: &Cache<ConfigMap>) -> bool {
        futures_util::FutureExt::now_or_never(cache.ready()).is_some()
    }

    #[test]
    fn is_ready_when_every_namespace_was_listed() {
        let cache = Cache::new(&[Some("a".into()), Some("b".into())]);
        cache.event(0, Event::Init);
        cache.event(0, Event::InitApply(good("a", "x", 1)));
        cache.event(0, Event::InitDone);
        assert!(!is_ready(&cache));
        cache.event(0, Event::Apply(good("a", "y", 1)));
        cache.event(1, Event::Init);
        cache.event(1, Event::InitApply(good("b", "x", 1)));
        cache.event(1, Event::InitDone);
        assert!(is_ready(&cache));
        assert_eq!(keys(&cache), ["a/x", "a/y", "b/x"]);
    }

    #[test]
    fn a_new_list_shows_what_was_deleted_meanwhile() {
        let cache = Cache::new(&[Some("a".into()), Some("b".into())]);
        for (scope, namespace) in [(0, "a"), (1, "b")] {
            cache.event(scope, Event::Init);
            cache.event(scope, Event::InitApply(good(namespace, "x", 1)));
            cache.event(scope, Event::InitApply(good(namespace, "y", 1)));
            cache.event(scope, Event::InitDone);
        }
        cache.event(0, Event::Init);
        cache.event(0, Event::InitApply(good("a", "y", 1)));
        assert_eq!(keys(&cache).len(), 4, "nothing is forgotten before the list is complete");
        let changes = cache.event(0, Event::InitDone);
        assert_eq!(changes.len(), 1);
        assert!(changes[0].new.is_none() && changes[0].key == Key::new("a", "x"));
        assert_eq!(keys(&cache), ["a/y", "b/x", "b/y"]);
    }

    #[test]
    fn what_cannot_be_read_keeps_what_it_was() {
        let cache = Cache::new(&[None]);
        cache.event(0, Event::Apply(good("a", "x", 1)));
        let changes = cache.event(0, Event::Apply(bad("a", "x")));
        assert!(changes[0].is_significant());
        let kept = cache.get(&Key::new("a", "x")).unwrap();
        assert!(kept.readable().is_none() && kept.last_readable().is_some());
        assert!(
            cache.event(0, Event::Apply(bad("a", "x")))[0]
                .new
                .as_ref()
                .unwrap()
                .last_readable()
                .is_some()
        );
        assert!(cache.event(0, Event::Apply(good("a", "x", 1)))[0].is_significant());
        assert!(!cache.event(0, Event::Apply(good("a", "x", 1)))[0].is_significant());
        assert!(cache.event(0, Event::Apply(good("a", "x", 2)))[0].is_significant());
        assert!(cache.event(0, Event::Delete(good("a", "x", 2)))[0].new.is_none());
        assert!(cache.event(0, Event::Delete(good("a", "x", 2))).is_empty());
    }

    #[test]
    fn keeps_no_copies_that_nobody_reads() {
        let cache = Cache::new(&[None]);
        let mut object = object("a", "x", 1);
        object.metadata.managed_fields = Some(vec![]);
        object.metadata.annotations = Some([(LAST_APPLIED.to_owned(), "{}".to_owned())].into());
        cache.event(0, Event::Apply(DeserializeGuard(Ok(object))));
        let kept = cache.get(&Key::new("a", "x")).unwrap();
        assert_eq!((&kept.meta().managed_fields, &kept.meta().annotations), (&None, &None));
    }
}
