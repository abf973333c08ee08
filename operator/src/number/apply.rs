//! The fourth step: makes the objects of a number what is wanted. Writes only what is different, forces only what is its own.
//!
//! Server-side apply, forced: a field of ours that somebody changed becomes ours again. Before an object is made, it is looked whether
//! somebody else's has the name; such an object is left alone. The Secret for the keys is the exception in everything: it is created blindly,
//! since nothing may be read of it.

use k8s_openapi::{
    api::core::v1::Secret,
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions},
    core::PartialObjectMeta,
};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tracing::info;

use super::build::Objects;
use crate::{
    children::{Child, Decision, TEMPLATE_ANNOTATION},
    context::Context,
    fault::{Fault, Reason},
    fingerprint,
    key::Key,
    names,
    request::{Ask, Failure, send},
};

/// What was applied.
#[derive(Debug, Default)]
pub struct Applied {
    /// Kinds that are wanted and that the API server does not have.
    pub missing: Vec<Child>,
    /// The Deployment waits for its turn.
    pub is_waiting: bool,
}

/// Why not everything could be applied.
#[derive(Debug)]
pub enum Error {
    /// Somebody else has a name.
    Taken(Fault),
    /// A request came to nothing.
    Failed(Failure),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Taken(fault)
    }
}

/// Makes everything what is wanted: what pods need first, the Deployment last. `may_roll` is asked whether pods may be replaced now.
///
/// # Errors
/// The first thing that did not work.
pub async fn apply(context: &Context, key: &Key, uid: &str, objects: Objects, may_roll: impl FnOnce() -> bool) -> Result<Applied, Error> {
    // Without `..`: a kind that is added to the build cannot be forgotten here.
    let Objects {
        keys_secret,
        service_account,
        role,
        role_binding,
        config_map,
        network_policy,
        service,
        pod_disruption_budget,
        mut deployment,
        autoscaler,
        service_monitor,
        http_route,
        digest: _,
    } = objects;
    let target = Target { context, key, uid };
    let mut applied = Applied::default();
    let mut wanted = vec![
        Child::ServiceAccount,
        Child::Role,
        Child::RoleBinding,
        Child::ConfigMap,
        Child::NetworkPolicy,
        Child::Service,
        Child::Deployment,
    ];
    tokio::try_join!(
        async { target.keys(&keys_secret).await.map_err(Error::from) },
        target.child(Child::ServiceAccount, &service_account)
    )?;
    // Of these none needs another but the binding its Role; together they take as long as the slowest.
    let rights = async {
        target.child(Child::Role, &role).await?;
        target.child(Child::RoleBinding, &role_binding).await
    };
    tokio::try_join!(
        rights,
        target.child(Child::ConfigMap, &config_map),
        target.child(Child::NetworkPolicy, &network_policy),
        target.child(Child::Service, &service),
    )?;
    if let Some(budget) = pod_disruption_budget {
        wanted.push(Child::PodDisruptionBudget);
        target.child(Child::PodDisruptionBudget, &budget).await?;
    }
    for (child, object) in [(Child::ServiceMonitor, service_monitor), (Child::HttpRoute, http_route)] {
        let Some(object) = object else { continue };
        wanted.push(child);
        if context.has_kind(child) {
            target.child(child, &object).await?;
        } else {
            applied.missing.push(child);
        }
    }
    if let Some(autoscaler) = autoscaler {
        wanted.push(Child::HorizontalPodAutoscaler);
        target.child(Child::HorizontalPodAutoscaler, &autoscaler).await?;
    }
    let template = digest(&deployment.spec.template);
    let workload = context.children.workload(key);
    // No pod is replaced where none runs, or where none is to run.
    let replaces = workload.is_some_and(|workload| {
        workload.wanted > 0 && workload.template.is_some_and(|running| *running != *template) && deployment.spec.replicas != Some(0)
    });
    if replaces && !may_roll() {
        applied.is_waiting = true;
    } else {
        let annotations = deployment.metadata.annotations.get_or_insert_default();
        annotations.insert(TEMPLATE_ANNOTATION.to_owned(), template);
        target.child(Child::Deployment, &deployment).await?;
        // An autoscaler does not touch what was scaled to nothing, so somebody has to begin.
        let is_stopped = context.children.workload(key).is_some_and(|workload| workload.wanted == 0);
        if deployment.spec.replicas.is_none() && is_stopped {
            scale(context, key, 1).await?;
        }
    }
    target.sweep(&wanted).await?;
    Ok(applied)
}

/// Makes the number's Deployment have so many pods and changes nothing else of it. For when it is not known what else is wanted.
///
/// # Errors
/// [`Failure`]; a Deployment that is not there is none.
pub async fn scale(context: &Context, key: &Key, replicas: i32) -> Result<(), Failure> {
    let (child, name) = (Child::Deployment, Child::Deployment.name(&key.name));
    let api = api(context, key, child);
    let parameters = PatchParams {
        field_manager: Some(names::FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
    context.metrics.wrote(child.kind(), "patch");
    match send(Ask::new("scale", child.kind(), &name), api.patch(&name, &parameters, &patch)).await {
        Ok(answer) => {
            context.children.observed(key, child, &answer);
            Ok(())
        }
        Err(failure) if failure.is_not_found() => Ok(()),
        Err(failure) => Err(failure),
    }
}

/// The API of a kind in the namespace of a number.
pub(super) fn api(context: &Context, key: &Key, child: Child) -> Api<DynamicObject> {
    Api::namespaced_with(context.client.clone(), &key.namespace, &child.resource())
}

/// The number that objects are applied for.
pub(super) struct Target<'a> {
    pub(super) context: &'a Context,
    pub(super) key: &'a Key,
    pub(super) uid: &'a str,
}

impl Target<'_> {
    /// Creates the Secret for the keys, unless that was done already. It must not be read, so that it is there is all that can be known.
    async fn keys(&self, secret: &Secret) -> Result<(), Failure> {
        if self.context.children.has_keys(self.key) {
            return Ok(());
        }
        let api: Api<Secret> = Api::namespaced(self.context.client.clone(), &self.key.namespace);
        self.context.metrics.wrote("Secret", "create");
        let ask = Ask::new("create", "Secret", &secret.name_any());
        let parameters = PostParams {
            field_manager: Some(names::FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        match send(ask, api.create(&parameters, secret)).await {
            Ok(_) => info!(number = %self.key, "created the Secret for the keys"),
            Err(failure) if failure.is_already_exists() => {}
            Err(failure) => return Err(failure),
        }
        self.context.children.set_keys(self.key, true);
        Ok(())
    }

    /// Applies one object, if there is a reason to.
    pub(super) async fn child(&self, child: Child, object: &(impl Serialize + std::fmt::Debug)) -> Result<(), Error> {
        let Self { context, key, uid } = *self;
        let wanted = fingerprint::desired(object);
        let name = child.name(&key.name);
        let api = api(context, key, child);
        match context.children.decide(key, child, wanted, uid) {
            Decision::Nothing => return Ok(()),
            Decision::Apply => {}
            Decision::Look => {
                let ask = Ask::new("look for", child.kind(), &name);
                if let Some(there) = send(ask, api.get_metadata_opt(&name)).await? {
                    self.check(child, &there)?;
                }
            }
        }
        context.metrics.wrote(child.kind(), "apply");
        let parameters = PatchParams::apply(names::FIELD_MANAGER).force();
        let ask = Ask::new("apply", child.kind(), &name);
        let answer = send(ask, api.patch(&name, &parameters, &Patch::Apply(object))).await?;
        context.children.applied(key, child, wanted, &answer);
        Ok(())
    }

    /// Whether an object that is there is ours.
    fn check(&self, child: Child, there: &PartialObjectMeta<DynamicObject>) -> Result<(), Fault> {
        let name = there.name_any();
        let kind = child.kind();
        let Some(owner) = controller(&there.metadata) else {
            return if is_managed(&there.metadata) {
                Ok(())
            } else {
                let text =
                    format!("needs the name '{name}' for a {kind}, and there is one that somebody else made; delete or rename that {kind}");
                Err(Fault::new(Reason::NameTaken, "metadata.name", text))
            };
        };
        if owner.uid == self.uid {
            return Ok(());
        }
        let text = if owner.kind == "BusinessPhoneNumber" && owner.name == *self.key.name {
            format!(
                "needs the name '{name}' for a {kind}, and that of the number of this name that was deleted is not gone yet; it goes by itself"
            )
        } else {
            format!(
                "needs the name '{name}' for a {kind}, and there is one that belongs to {} '{}'; delete it, or declare the number under another name",
                owner.kind, owner.name
            )
        };
        Err(Fault::new(Reason::NameTaken, "metadata.name", text))
    }

    /// Deletes what carries the number's labels, is ours, and is not wanted any more.
    async fn sweep(&self, wanted: &[Child]) -> Result<(), Failure> {
        for (child, name) in self.context.children.unwanted(self.key, wanted) {
            if self.context.has_kind(child) {
                self.delete(child, &name).await?;
            }
        }
        Ok(())
    }

    /// Deletes an object, if it is ours.
    pub(super) async fn delete(&self, child: Child, name: &str) -> Result<(), Failure> {
        let Self { context, key, uid } = *self;
        let api = api(context, key, child);
        let there = send(Ask::new("look for", child.kind(), name), api.get_metadata_opt(name)).await?;
        let Some(there) = there else {
            context.children.deleted(key, child, name);
            return Ok(());
        };
        let is_ours = match controller(&there.metadata) {
            Some(owner) => owner.uid == uid,
            None => is_managed(&there.metadata),
        };
        if !is_ours || there.metadata.deletion_timestamp.is_some() {
            return Ok(());
        }
        let parameters = DeleteParams::background().preconditions(Preconditions {
            uid: there.metadata.uid.clone(),
            resource_version: None,
        });
        context.metrics.wrote(child.kind(), "delete");
        match send(Ask::new("delete", child.kind(), name), api.delete(name, &parameters)).await {
            Ok(_) => {
                info!(number = %key, kind = child.kind(), name, "deleted what is not wanted any more");
                context.children.deleted(key, child, name);
                Ok(())
            }
            // Somebody else was faster.
            Err(failure) if failure.is_not_found() || failure.is_conflict() => Ok(()),
            Err(failure) => Err(failure),
        }
    }
}

fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata
        .owner_references
        .iter()
        .flatten()
        .find(|owner| owner.controller == Some(true))
}

fn is_managed(metadata: &ObjectMeta) -> bool {
    metadata
        .managed_fields
        .iter()
        .flatten()
        .any(|entry| entry.manager.as_deref() == Some(names::FIELD_MANAGER) && entry.operation.as_deref() == Some("Apply"))
}

/// The digest of a pod template; the same for every operator that builds the same template.
fn digest(template: &impl Serialize) -> String {
    // By way of a value, whose members are in one order.
    let template = serde_json::to_value(template).unwrap_or_default().to_string();
    let digest = Sha256::digest(&template);
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
