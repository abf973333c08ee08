//! The kinds of objects that belong to a number.

use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v2::HorizontalPodAutoscaler,
    batch::v1::Job,
    core::v1::{ConfigMap, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
    rbac::v1::{Role, RoleBinding},
};
use kube::core::{ApiResource, GroupVersionKind};

use crate::names;

/// A kind of objects that belong to a number. The Secret with its keys is not among them: it is never watched and has no owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each is named like the kind it is")]
pub enum Child {
    ServiceAccount,
    Role,
    RoleBinding,
    ConfigMap,
    Service,
    PodDisruptionBudget,
    NetworkPolicy,
    HorizontalPodAutoscaler,
    ServiceMonitor,
    HttpRoute,
    Deployment,
    Job,
}

impl Child {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::ServiceAccount,
        Self::Role,
        Self::RoleBinding,
        Self::ConfigMap,
        Self::Service,
        Self::PodDisruptionBudget,
        Self::NetworkPolicy,
        Self::HorizontalPodAutoscaler,
        Self::ServiceMonitor,
        Self::HttpRoute,
        Self::Deployment,
        Self::Job,
    ];

    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// The kind's name.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::ServiceAccount => "ServiceAccount",
            Self::Role => "Role",
            Self::RoleBinding => "RoleBinding",
            Self::ConfigMap => "ConfigMap",
            Self::Service => "Service",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::HorizontalPodAutoscaler => "HorizontalPodAutoscaler",
            Self::ServiceMonitor => "ServiceMonitor",
            Self::HttpRoute => "HTTPRoute",
            Self::Deployment => "Deployment",
            Self::Job => "Job",
        }
    }

    /// Whether a cluster may do without the kind: it comes with other software.
    #[must_use]
    pub const fn is_optional(self) -> bool {
        matches!(self, Self::ServiceMonitor | Self::HttpRoute)
    }

    /// Where the API server has the kind.
    #[must_use]
    pub fn resource(self) -> ApiResource {
        match self {
            Self::ServiceAccount => ApiResource::erase::<ServiceAccount>(&()),
            Self::Role => ApiResource::erase::<Role>(&()),
            Self::RoleBinding => ApiResource::erase::<RoleBinding>(&()),
            Self::ConfigMap => ApiResource::erase::<ConfigMap>(&()),
            Self::Service => ApiResource::erase::<Service>(&()),
            Self::PodDisruptionBudget => ApiResource::erase::<PodDisruptionBudget>(&()),
            Self::NetworkPolicy => ApiResource::erase::<NetworkPolicy>(&()),
            Self::HorizontalPodAutoscaler => ApiResource::erase::<HorizontalPodAutoscaler>(&()),
            Self::ServiceMonitor => ApiResource::from_gvk_with_plural(
                &GroupVersionKind::gvk("monitoring.coreos.com", "v1", "ServiceMonitor"),
                "servicemonitors",
            ),
            Self::HttpRoute => {
                ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "HTTPRoute"), "httproutes")
            }
            Self::Deployment => ApiResource::erase::<Deployment>(&()),
            Self::Job => ApiResource::erase::<Job>(&()),
        }
    }

    /// The name of a number's object of this kind.
    #[must_use]
    pub fn name(self, number: &str) -> String {
        match self {
            Self::Job => names::erase(number),
            _ => names::sidecar(number),
        }
    }
}
