//! A control plane with the chart, an operator in this process, and what a test says and asks there.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Namespace, events::v1::Event};
use kube::{
    Api, Client, Resource,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use waxseal_cluster::{client, eventually, helm::Helm, install_definitions};
use waxseal_crds::v1alpha1::BusinessPhoneNumber;
use waxseal_harness::kubernetes::ControlPlane;
use waxseal_operator::{Error, children::Child, options::Options};
use waxseal_telemetry::logs;

/// Where the chart is installed.
pub const SYSTEM: &str = "waxseal-system";
/// The field manager of whoever meddles.
pub const SOMEBODY: &str = "somebody";

/// A control plane with the chart.
pub struct World {
    pub control_plane: ControlPlane,
    pub client: Client,
}

/// An operator that runs in this process.
pub struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
}

impl World {
    /// With the chart; the operator's Deployment is there, and nobody runs its pods.
    pub async fn start() -> Self {
        let world = Self::bare().await;
        install_definitions(&world.client).await;
        world
    }

    /// Without the custom resource definitions.
    pub async fn bare() -> Self {
        if std::env::var_os(logs::FILTER_VARIABLE).is_some() {
            // For whoever looks into a failure. All tests of a process share it; only the first can start it.
            let _ = logs::start(&logs::Settings::default().with_environment());
        }
        let control_plane = ControlPlane::start().await.unwrap();
        let helm = Helm::new(control_plane.kubeconfig()).unwrap();
        let args = ["install", "waxseal", "waxseal", "--namespace", SYSTEM, "--create-namespace"];
        let values = ["--set", "crds.enabled=false,rbac.serviceMonitors=true,rbac.httpRoutes=true"];
        helm.run(&[&args[..], &values].concat()).await.unwrap();
        let client = client(control_plane.kubeconfig()).await;
        Self { control_plane, client }
    }

    /// A client with the operator's own credentials.
    pub async fn credentials(&self) -> Client {
        let kubeconfig = self.control_plane.service_account(SYSTEM, "waxseal-operator").await.unwrap();
        client(&kubeconfig).await
    }

    /// An operator with these options.
    pub async fn operate(&self, options: Options) -> Running {
        let client = self.credentials().await;
        let stop = CancellationToken::new();
        let task = tokio::spawn(waxseal_operator::run(client, options, stop.clone()));
        Running { stop, task }
    }

    /// A namespace.
    pub async fn namespace(&self, name: &str) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace = Namespace {
            metadata: kube::api::ObjectMeta {
                name: Some(name.into()),
                ..Default::default()
            },
            ..Default::default()
        };
        namespaces.create(&PostParams::default(), &namespace).await.unwrap();
    }

    /// Applies an object as its author.
    pub async fn apply(&self, object: &Value) -> DynamicObject {
        self.try_apply(object).await.unwrap_or_else(|error| panic!("{object}: {error}"))
    }

    /// Tries to.
    pub async fn try_apply(&self, object: &Value) -> kube::Result<DynamicObject> {
        let typed: DynamicObject = serde_json::from_value(object.clone()).unwrap();
        let types = typed.types.unwrap();
        let (group, version) = types.api_version.rsplit_once('/').unwrap_or(("", &types.api_version));
        let gvk = kube::core::GroupVersionKind::gvk(group, version, &types.kind);
        let plural = match types.kind.as_str() {
            "RetentionPolicy" => "retentionpolicies".to_owned(),
            kind => format!("{}s", kind.to_lowercase()),
        };
        let resource = ApiResource::from_gvk_with_plural(&gvk, &plural);
        let api: Api<DynamicObject> = match &typed.metadata.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let name = typed.metadata.name.unwrap();
        api.patch(&name, &PatchParams::apply("author").force(), &Patch::Apply(object)).await
    }

    /// Account, region and policy for the numbers of a namespace.
    pub async fn surroundings(&self, namespace: &str) {
        self.namespace(namespace).await;
        self.apply(&region("br")).await;
        self.apply(&policy("week", 7)).await;
        self.apply(&account(namespace)).await;
    }

    /// The API of a kind in a namespace.
    pub fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The API of a kind that belongs to numbers.
    pub fn children(&self, namespace: &str, child: Child) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &child.resource())
    }

    /// The child of a number, if it is there.
    pub async fn child(&self, namespace: &str, number: &str, child: Child) -> Option<DynamicObject> {
        self.children(namespace, child).get_opt(&child.name(number)).await.unwrap()
    }

    /// Waits for a child of a number.
    pub async fn appears(&self, namespace: &str, number: &str, child: Child) -> DynamicObject {
        eventually(&format!("{namespace}/{number} has its {}", child.kind()), || {
            self.child(namespace, number, child)
        })
        .await
    }

    /// Waits until a child of a number is gone.
    pub async fn vanishes(&self, namespace: &str, number: &str, child: Child) {
        eventually(&format!("{namespace}/{number} has no {}", child.kind()), || async {
            self.child(namespace, number, child).await.is_none().then_some(())
        })
        .await;
    }

    /// A number as it is.
    pub async fn number(&self, namespace: &str, name: &str) -> BusinessPhoneNumber {
        self.api(namespace).get(name).await.unwrap()
    }

    /// Waits until a condition of a number has this status and reason; its message.
    pub async fn condition(&self, namespace: &str, name: &str, kind: &str, status: &str, reason: &str) -> String {
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &ApiResource::erase::<BusinessPhoneNumber>(&()));
        self.condition_of(api, name, kind, status, reason).await
    }

    /// The same of any object.
    pub async fn condition_of(&self, api: Api<DynamicObject>, name: &str, kind: &str, status: &str, reason: &str) -> String {
        let deadline = tokio::time::Instant::now() + waxseal_cluster::PATIENCE;
        loop {
            let object = api.get_opt(name).await.unwrap();
            let conditions = object
                .as_ref()
                .and_then(|object| object.data.pointer("/status/conditions").cloned());
            let found = conditions.as_ref().and_then(Value::as_array).and_then(|conditions| {
                conditions
                    .iter()
                    .find(|condition| condition["type"] == kind && condition["status"] == status && condition["reason"] == reason)
            });
            if let Some(found) = found {
                return found["message"].as_str().unwrap_or_default().to_owned();
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "{name} never had {kind}={status} ({reason}): {conditions:#?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Whether a number has a condition of a type.
    pub async fn has_condition(&self, namespace: &str, name: &str, kind: &str) -> bool {
        let status = self.number(namespace, name).await.status.unwrap_or_default();
        status.conditions.iter().any(|condition| condition.type_ == kind)
    }

    /// Merges something into an object, as somebody who meddles.
    pub async fn meddle<K>(&self, api: &Api<K>, name: &str, patch: Value)
    where
        K: Clone + DeserializeOwned + std::fmt::Debug,
    {
        let parameters = PatchParams {
            field_manager: Some(SOMEBODY.into()),
            ..Default::default()
        };
        api.patch(name, &parameters, &Patch::Merge(patch)).await.unwrap();
    }

    /// How many pods a number's Deployment is to have.
    pub async fn replicas(&self, namespace: &str, number: &str) -> i32 {
        let api: Api<Deployment> = self.api(namespace);
        api.get(&Child::Deployment.name(number)).await.unwrap().spec.replicas.unwrap()
    }

    /// What of the operator's requests wrote something, by verb and resource, events and leases left out.
    pub fn writes(&self) -> BTreeMap<String, usize> {
        let operator = format!("system:serviceaccount:{SYSTEM}:waxseal-operator");
        let mut writes = BTreeMap::new();
        for line in self.control_plane.audit_log().unwrap().lines() {
            let Ok(entry) = serde_json::from_str::<Value>(line) else { continue };
            let (verb, resource) = (entry["verb"].as_str().unwrap_or_default(), &entry["objectRef"]["resource"]);
            let resource = resource.as_str().unwrap_or_default();
            let writes_something = ["create", "update", "patch", "delete"].contains(&verb) && entry["stage"] == "ResponseComplete";
            if entry["user"]["username"] == operator.as_str() && writes_something && !["events", "leases"].contains(&resource) {
                *writes.entry(format!("{verb} {resource}")).or_default() += 1;
            }
        }
        writes
    }

    /// Waits until the operator has written nothing for a while; what it has written until then.
    pub async fn settles(&self) -> BTreeMap<String, usize> {
        let mut before = self.writes();
        let mut quiet = 0;
        eventually("the operator writes nothing any more", || {
            let now = self.writes();
            quiet = if now == before { quiet + 1 } else { 0 };
            before = now;
            let is_quiet = quiet >= 20;
            async move { is_quiet.then_some(()) }
        })
        .await;
        before
    }

    /// Waits for an event about a number; its note.
    pub async fn event(&self, namespace: &str, name: &str, reason: &str) -> String {
        let api: Api<Event> = self.api(namespace);
        eventually(&format!("an event {reason} about {name}"), || async {
            let events = api.list(&ListParams::default()).await.ok()?;
            let about = |event: &&Event| event.regarding.as_ref().and_then(|about| about.name.as_deref()) == Some(name);
            let event = events
                .items
                .iter()
                .filter(about)
                .find(|event| event.reason.as_deref() == Some(reason))?;
            event.note.clone()
        })
        .await
    }
}

impl Running {
    /// Stops it, as SIGTERM does; how it ended.
    pub async fn stop(self) -> Result<(), Error> {
        self.stop.cancel();
        self.ended().await
    }

    /// How it ended.
    pub async fn ended(self) -> Result<(), Error> {
        tokio::time::timeout(waxseal_cluster::PATIENCE, self.task)
            .await
            .expect("it ends in time")
            .expect("it does not panic")
    }
}

/// What tests run an operator with.
pub fn options() -> Options {
    Options {
        debounce: Duration::from_millis(20),
        ..Options::default()
    }
}

/// A region with all that a number needs.
pub fn region(name: &str) -> Value {
    json!({
        "apiVersion": "waxseal.dev/v1alpha1", "kind": "DataRegion", "metadata": {"name": name},
        "spec": {
            "country": "BR", "retentionCapDays": 14,
            "placement": {"nodeSelector": {"example.com/region": name}},
            "redis": {"url": "redis://redis.data.svc:6379"},
            "relay": {"url": "https://relay.waxseal.svc:443"}
        }
    })
}

/// A policy of so many days.
pub fn policy(name: &str, days: i32) -> Value {
    json!({
        "apiVersion": "waxseal.dev/v1alpha1", "kind": "RetentionPolicy", "metadata": {"name": name}, "spec": {"days": days}
    })
}

/// The account `acme`.
pub fn account(namespace: &str) -> Value {
    json!({
        "apiVersion": "waxseal.dev/v1alpha1", "kind": "BusinessAccount", "metadata": {"name": "acme", "namespace": namespace},
        "spec": {
            "displayName": "Acme", "appSecretRef": {"name": "acme"},
            "tokens": [{"name": "first", "secretRef": {"name": "acme"}}]
        }
    })
}

/// A number in region `br` under policy `week`.
pub fn number(namespace: &str, name: &str, phone_number: &str) -> Value {
    json!({
        "apiVersion": "waxseal.dev/v1alpha1", "kind": "BusinessPhoneNumber", "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "phoneNumber": phone_number, "accountRef": {"name": "acme"}, "regionRef": {"name": "br"},
            "retentionPolicyRef": {"name": "week"}, "pinSecretRef": {"name": "acme"}
        }
    })
}

/// `object` with something else in its spec.
pub fn with(mut object: Value, spec: impl Serialize) -> Value {
    let spec = serde_json::to_value(spec).unwrap();
    for (name, value) in spec.as_object().unwrap() {
        object["spec"][name] = value.clone();
    }
    object
}
