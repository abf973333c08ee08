//! Kubeconfig files: where the API server is and as whom to speak to it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use crate::certificates::Identity;

/// A kubeconfig file.
#[derive(Clone, Debug)]
pub struct Kubeconfig {
    path: PathBuf,
}

impl Kubeconfig {
    /// One that is already there.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For somebody with a certificate.
    pub(super) fn write(path: &Path, server: &str, authority: &str, identity: &Identity) -> Result<Self> {
        let user = json!({
            "client-certificate-data": BASE64.encode(&identity.certificate),
            "client-key-data": BASE64.encode(&identity.private_key),
        });
        let cluster = json!({"server": server, "certificate-authority-data": BASE64.encode(authority)});
        Self::save(path, &cluster, &user)
    }

    /// Every JSON is YAML.
    pub(super) fn save(path: &Path, cluster: &Value, user: &Value) -> Result<Self> {
        let content = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "cluster", "cluster": cluster}],
            "users": [{"name": "user", "user": user}],
            "contexts": [{"name": "context", "context": {"cluster": "cluster", "user": "user", "namespace": "default"}}],
            "current-context": "context",
        });
        fs::write(path, serde_json::to_vec_pretty(&content)?).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path: path.to_owned() })
    }
}
