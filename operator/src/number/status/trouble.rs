//! What keeps a number's pods from running, as Kubernetes tells it.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt;
use waxseal_crds::v1alpha1::BusinessPhoneNumber;

use crate::names;

/// What keeps a pod from running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No node takes it.
    Unschedulable {
        /// The scheduler's words.
        message: String,
    },
    /// Its container cannot be made.
    Waiting {
        /// What it is about.
        what: Waiting,
        /// The kubelet's words.
        message: String,
    },
    /// Its container ends again and again.
    Crashing,
}

/// What the kubelet waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The image.
    Image,
    /// Something that the pod refers to.
    Configuration,
}

impl Trouble {
    /// What keeps one of these pods from running, the gravest first.
    #[must_use]
    pub fn of<'p>(pods: impl IntoIterator<Item = &'p Pod>) -> Option<Self> {
        pods.into_iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none())
            .filter_map(Self::of_one)
            .min_by_key(Self::gravity)
    }

    /// The graver, the lower.
    #[must_use]
    pub const fn gravity(&self) -> u8 {
        match self {
            Self::Unschedulable { .. } => 0,
            Self::Waiting { .. } => 1,
            Self::Crashing => 2,
        }
    }

    fn of_one(pod: &Pod) -> Option<Self> {
        let status = pod.status.as_ref()?;
        let unschedulable = status.conditions.iter().flatten().find(|condition| {
            condition.type_ == "PodScheduled" && condition.status == "False" && condition.reason.as_deref() == Some("Unschedulable")
        });
        if let Some(condition) = unschedulable {
            return Some(Self::Unschedulable {
                message: condition.message.clone().unwrap_or_default(),
            });
        }
        status.container_statuses.iter().flatten().find_map(Self::of_container)
    }

    fn of_container(container: &ContainerStatus) -> Option<Self> {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let what = match waiting.reason.as_deref()? {
            "CrashLoopBackOff" => {
                return Some(Self::Crashing);
            }
            "ErrImagePull"
            | "ImagePullBackOff"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "ImageInspectError"
            | "RegistryUnavailable" => Waiting::Image,
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => Waiting::Configuration,
            _ => return None,
        };
        Some(Self::Waiting {
            what,
            message: waiting.message.clone().unwrap_or_default(),
        })
    }

    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Unschedulable { .. } => "Unschedulable",
            Self::Waiting { what: Waiting::Image, .. } => "ImageUnavailable",
            Self::Waiting {
                what: Waiting::Configuration,
                ..
            } => "PodInvalid",
            Self::Crashing => "Crashing",
        }
    }

    pub(super) fn message(&self, number: &BusinessPhoneNumber) -> String {
        let region = &number.spec.region_ref.name;
        match self {
            Self::Unschedulable { message } => format!(
                "no node takes the sidecar: {message}. Sidecars run only on nodes with all labels of `spec.placement.nodeSelector` of the DataRegion \
                 '{region}'; add such a node, or room on one"
            ),
            Self::Waiting {
                what: Waiting::Image,
                message,
            } => format!(
                "the sidecar's image cannot be had: {message}. Check `spec.sidecar.image` of the DataRegion '{region}', `status.image` here, and the \
                 Secret for pulling images in this namespace"
            ),
            Self::Waiting {
                what: Waiting::Configuration,
                message,
            } => format!("the sidecar's container cannot be started: {message}"),
            Self::Crashing => format!(
                "the sidecar ends again and again; look at its log with `kubectl -n {} logs --previous -l {}`",
                number.namespace().unwrap_or_default(),
                names::selector_text(&number.name_any())
            ),
        }
    }
}
