//! A real Kubernetes for tests: etcd, API server and controller manager of its own on free loopback ports, and a node with real containers
//! where the machine can have one.
//!
//! * [`ControlPlane`]: objects, admission, RBAC, controllers; no pod ever runs. Starts in seconds, needs no privileges.
//! * [`Node`]: one node of a control plane: containerd, kubelet, kube-proxy, CoreDNS. Needs root on Linux.
//! * [`Cluster`]: the cluster that `KUBECONFIG` names, or one of our own.
//! * [`Kubectl`]: what a test does as somebody; [`Kubeconfig`] says as whom.
//!
//! The programs come from the folder that `cargo xtask cluster tools` fills; `KUBEBUILDER_ASSETS` may name a folder with some of them that is
//! looked into first. Everything else is in a temporary folder. All of it ends with the value that started it, and also with the process.

mod component;
mod control_plane;
mod keeper;
mod kubeconfig;
mod kubectl;
mod network;
pub mod node;
mod programs;

use std::{env, path::PathBuf};

use anyhow::{Result, bail};

pub use control_plane::{ControlPlane, Options};
pub use kubeconfig::Kubeconfig;
pub use kubectl::Kubectl;
pub use node::Node;
pub use programs::find as program;

/// A cluster to test against.
pub struct Cluster {
    kubeconfig: Kubeconfig,
    // Ended before what it is part of.
    node: Option<Node>,
    control_plane: Option<ControlPlane>,
}

impl Cluster {
    /// The cluster that `KUBECONFIG` names, else a control plane of our own.
    ///
    /// # Errors
    /// When the file is not there or the control plane does not come up.
    pub async fn from_environment_or_start() -> Result<Self> {
        if let Some(path) = env::var_os("KUBECONFIG").filter(|value| !value.is_empty()).map(PathBuf::from) {
            if !path.is_file() {
                bail!("KUBECONFIG names {}, which is no file", path.display());
            }
            return Ok(Self {
                kubeconfig: Kubeconfig::at(path),
                node: None,
                control_plane: None,
            });
        }
        let control_plane = ControlPlane::start().await?;
        Ok(Self {
            kubeconfig: control_plane.kubeconfig().clone(),
            node: None,
            control_plane: Some(control_plane),
        })
    }

    /// As [`Cluster::from_environment_or_start`], with a node for pods. A cluster of somebody else is taken to have some, with the images that
    /// the test needs.
    ///
    /// # Errors
    /// As there, and when the node does not come up.
    pub async fn with_node_from_environment_or_start() -> Result<Self> {
        let mut cluster = Self::from_environment_or_start().await?;
        if let Some(control_plane) = &cluster.control_plane {
            cluster.node = Some(Node::start(control_plane).await?);
        }
        Ok(cluster)
    }

    /// Of the administrator.
    #[must_use]
    pub fn kubeconfig(&self) -> &Kubeconfig {
        &self.kubeconfig
    }

    /// As the administrator.
    ///
    /// # Errors
    /// When `kubectl` is not there.
    pub fn kubectl(&self) -> Result<Kubectl> {
        Kubectl::new(&self.kubeconfig)
    }

    /// The node, when it is ours.
    #[must_use]
    pub fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    /// As [`Cluster::node`], to let its pods reach servers of the test.
    pub fn node_mut(&mut self) -> Option<&mut Node> {
        self.node.as_mut()
    }

    /// The control plane, when it is ours.
    #[must_use]
    pub fn control_plane(&self) -> Option<&ControlPlane> {
        self.control_plane.as_ref()
    }

    /// As [`Cluster::control_plane`], to stop and start its parts.
    pub fn control_plane_mut(&mut self) -> Option<&mut ControlPlane> {
        self.control_plane.as_mut()
    }
}
