//! Kubeconfig files: where the API server is and as whom to speak to it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

/// A kubeconfig file.
#[derive(Clone, Debug)]
pub struct Kubeconfig {
    path: PathBuf,
}

/// How somebody shows who they are.
pub(super) enum Proof<'a> {
    Certificate { certificate: &'a str, private_key: &'a str },
    Token(&'a str),
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

    pub(super) fn write(path: &Path, server: &str, authority: &str, proof: &Proof<'_>) -> Result<Self> {
        let user = match proof {
            Proof::Certificate { certificate, private_key } => json!({
                "client-certificate-data": BASE64.encode(certificate),
                "client-key-data": BASE64.encode(private_key),
            }),
            Proof::Token(token) => json!({"token": token}),
        };
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
