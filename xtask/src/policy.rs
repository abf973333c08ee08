//! The part of `deny.toml` that needs no advisory database, checked without installing `cargo-deny`: licences, banned crates, sources,
//! wildcards. The policy itself is in `deny.toml`; nothing is decided here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::{spdx, workspace::Workspace};

/// What we read of `deny.toml`.
#[derive(Deserialize)]
pub(crate) struct Policy {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

impl Policy {
    pub(crate) fn load(workspace: &Workspace) -> Result<Self> {
        let path = Path::new(&workspace.root).join("deny.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).context("deny.toml is not as expected")
    }

    /// What breaks the policy.
    pub(crate) fn faults(&self, workspace: &Workspace) -> Vec<String> {
        let mut faults = Vec::new();
        for package in workspace.packages() {
            let name = format!("{} {}", package.name, package.version);
            match package
                .license
                .as_deref()
                .map(|licence| (licence, spdx::satisfied(licence, &self.licenses.allow)))
            {
                Some((_, Ok(true))) => {}
                Some((licence, Ok(false))) => faults.push(format!("{name}: the licence {licence} is not in deny.toml's allow list")),
                Some((_, Err(error))) => faults.push(format!("{name}: {error}")),
                None => faults.push(format!("{name} declares no licence")),
            }
            if let Some(source) = package.source.as_deref().filter(|source| !is_crates_io(source)) {
                faults.push(format!("{name} comes from {source}; only crates.io is allowed"));
            }
            for ban in self.bans.deny.iter().filter(|ban| ban.name == package.name) {
                faults.push(format!("{name} is banned: {}", ban.reason));
            }
        }
        for package in workspace.members() {
            for dependency in package
                .dependencies
                .iter()
                .filter(|dependency| dependency.req == "*" && dependency.path.is_none())
            {
                faults.push(format!("{} takes any version of {}", package.name, dependency.name));
            }
        }
        faults
    }
}

/// The git and the sparse index of crates.io are told under one name.
fn is_crates_io(source: &str) -> bool {
    source.starts_with("registry+") && source.ends_with("/crates.io-index")
}

/// Crates that are there in more than one version; worth knowing, no fault.
pub(crate) fn duplicates(workspace: &Workspace) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in workspace.packages() {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    let several = versions.into_iter().filter(|(_, versions)| versions.len() > 1);
    let shown: Vec<String> = several
        .map(|(name, versions)| format!("{name} ({})", Vec::from_iter(versions).join(", ")))
        .collect();
    if shown.is_empty() {
        Vec::new()
    } else {
        vec![format!("{} crates: {}", shown.len(), shown.join("; "))]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workspace(license: Option<&str>, source: Option<&str>, name: &str, requirement: &str) -> Workspace {
        let metadata = json!({
            "packages": [
                {"id": "us", "name": "us", "version": "0.1.0", "license": "AGPL-3.0-only", "source": null, "targets": [],
                 "manifest_path": "/w/us/Cargo.toml", "dependencies": [{"name": name, "req": requirement, "path": null, "kind": null}]},
                {"id": "it", "name": name, "version": "1.0.0", "license": license, "source": source, "targets": [],
                 "manifest_path": "/r/it/Cargo.toml", "dependencies": []},
            ],
            "workspace_members": ["us"],
            "resolve": {"nodes": []},
            "workspace_root": "/w",
            "target_directory": "/w/target",
        });
        Workspace::parse(metadata.to_string().as_bytes()).unwrap()
    }

    fn faults(license: Option<&str>, source: Option<&str>, name: &str, requirement: &str) -> Vec<String> {
        let policy: Policy = toml::from_str(
            "[licenses]\nallow = ['MIT', 'AGPL-3.0-only']\n[bans]\ndeny = [{ crate = 'openssl', reason = 'one TLS stack' }]\n",
        )
        .unwrap();
        policy.faults(&workspace(license, source, name, requirement))
    }

    const INDEX: Option<&str> = Some("registry+https://example/crates.io-index");

    #[test]
    fn an_ordinary_dependency_passes() {
        assert_eq!(faults(Some("MIT OR Apache-2.0"), INDEX, "fine", "^1"), Vec::<String>::new());
    }

    #[test]
    fn each_breach_is_told() {
        let cases = [
            (faults(Some("GPL-3.0-only"), INDEX, "fine", "^1"), "allow list"),
            (faults(None, INDEX, "fine", "^1"), "declares no licence"),
            (
                faults(Some("MIT"), Some("git+https://example/fine"), "fine", "^1"),
                "only crates.io",
            ),
            (faults(Some("MIT"), INDEX, "openssl", "^1"), "one TLS stack"),
            (faults(Some("MIT"), INDEX, "fine", "*"), "any version"),
        ];
        for (faults, expected) in cases {
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].contains(expected), "{faults:?}");
        }
    }

    #[test]
    fn the_policy_of_this_repository_can_be_read() {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../deny.toml")).unwrap();
        let policy: Policy = toml::from_str(&text).unwrap();
        assert!(policy.licenses.allow.contains(&"AGPL-3.0-only".to_owned()));
        assert!(policy.bans.deny.iter().any(|ban| ban.name == "openssl"));
    }
}
