//! Who may depend on whom. The boundaries are the privacy promise in the shape of a dependency graph: what a part cannot link, it cannot
//! leak. Judged from `cargo metadata`: normal and build dependencies, through every level; test dependencies do not count.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::{command::say, policy, workspace::Workspace};

/// `of` must not reach `never`, at any depth.
struct Reach {
    of: &'static [&'static str],
    never: &'static [&'static str],
    why: &'static str,
}

const REACH: &[Reach] = &[
    Reach {
        of: &["waxseal-relay"],
        never: &[
            "waxseal-content",
            "waxseal-signal",
            "waxseal-sealing",
            "libsignal-protocol-syft",
            "libsignal-core-syft",
        ],
        why: "the relay forwards bytes that it cannot read",
    },
    Reach {
        of: &["waxseal-crds", "waxseal-operator"],
        never: &["waxseal-content", "waxseal-signal", "waxseal-sealing", "libsignal-protocol-syft"],
        why: "the declared side never handles content or keys",
    },
    Reach {
        of: &["waxseal-content", "waxseal-signal", "waxseal-sealing"],
        never: &["tokio", "redis", "reqwest", "kube", "redb", "hyper", "mio", "tonic", "axum"],
        why: "content, signal and sealing are pure: no IO",
    },
];

/// Only `by` may name `what` in its manifest. Test tools are free to.
struct Owner {
    what: &'static [&'static str],
    by: &'static [&'static str],
    why: &'static str,
}

const OWNERS: &[Owner] = &[
    Owner {
        what: &["redis"],
        by: &["waxseal-store"],
        why: "only the store knows Redis",
    },
    Owner {
        what: &["kube", "k8s-openapi"],
        by: &["waxseal-crds", "waxseal-operator", "waxseal-sidecar"],
        why: "only the custom resources, the operator and the sidecar in its pod know Kubernetes",
    },
    Owner {
        what: &[
            "libsignal-protocol-syft",
            "libcrux-ml-kem",
            "spqr-syft",
            "signal-crypto-syft",
            "libsignal-core-syft",
        ],
        by: &["waxseal-signal"],
        why: "the Signal library is behind crates/signal",
    },
    Owner {
        what: &["aes-gcm", "hkdf"],
        by: &["waxseal-sealing"],
        why: "encryption at rest is behind crates/sealing",
    },
];

/// Packages that rules name and that are not built yet.
const TO_COME: &[&str] = &[];

/// `cargo xtask boundaries`.
pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::load()?;
    let mut faults = faults(&workspace);
    let policy = policy::Policy::load(&workspace)?;
    faults.extend(policy.faults(&workspace));
    for duplicate in policy::duplicates(&workspace) {
        say(&format!("note: more than one version of {duplicate}"));
    }
    for fault in &faults {
        say(&format!("fault: {fault}"));
    }
    match faults.len() {
        0 => {
            say(&format!("boundaries: {} packages, no fault", workspace.packages().count()));
            Ok(())
        }
        count => bail!("{count} faults in boundaries, licences or sources (rules: xtask/src/boundaries.rs, deny.toml)"),
    }
}

fn faults(workspace: &Workspace) -> Vec<String> {
    let mut faults = unknown_names(workspace);
    for rule in REACH {
        for package in rule.of.iter().filter_map(|name| workspace.member(name)) {
            let reached = workspace.closure(package);
            for path in rule.never.iter().filter_map(|name| reached.get(name)) {
                faults.push(format!("{}: {}", path.join(" -> "), rule.why));
            }
        }
    }
    for package in workspace.members().filter(|package| !workspace.is_tool(package)) {
        for dependency in package.dependencies.iter().filter(|dependency| dependency.ships()) {
            let name = dependency.name.as_str();
            for rule in OWNERS
                .iter()
                .filter(|rule| rule.what.contains(&name) && !rule.by.contains(&package.name.as_str()))
            {
                faults.push(format!("{} -> {name}: {}", package.name, rule.why));
            }
            if workspace.member(name).is_some_and(|member| workspace.is_tool(member)) {
                faults.push(format!("{} -> {name}: a shipped crate must not link a test tool", package.name));
            }
        }
    }
    faults
}

/// A rule about a package that was renamed would hold for ever; say so instead.
fn unknown_names(workspace: &Workspace) -> Vec<String> {
    let reach = REACH
        .iter()
        .flat_map(|rule| rule.of.iter().chain(rule.never.iter().filter(|name| name.starts_with("waxseal-"))));
    let owners = OWNERS.iter().flat_map(|rule| rule.by);
    let named: BTreeMap<&str, ()> = reach.chain(owners).map(|name| (*name, ())).collect();
    named
        .keys()
        .filter(|name| !TO_COME.contains(name) && workspace.member(name).is_none())
        .map(|name| format!("xtask/src/boundaries.rs names {name}, which is no package of the workspace"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A workspace in which every named package exists, with these extra edges: (from, to, kind).
    fn workspace(edges: &[(&str, &str, Option<&str>)]) -> Workspace {
        let members: Vec<&str> = vec![
            "waxseal-relay",
            "waxseal-protocol",
            "waxseal-crds",
            "waxseal-operator",
            "waxseal-content",
            "waxseal-signal",
            "waxseal-sealing",
            "waxseal-store",
            "waxseal-sidecar",
            "waxseal-harness",
        ];
        let mut names = members.clone();
        names.extend(edges.iter().flat_map(|(from, to, _)| [*from, *to]));
        names.sort_unstable();
        names.dedup();
        let folder = |name: &str| {
            if name == "waxseal-harness" {
                format!("/w/tests/{name}")
            } else {
                format!("/w/{name}")
            }
        };
        let of = |name: &str| edges.iter().filter(|(from, ..)| *from == name).copied().collect::<Vec<_>>();
        let packages: Vec<Value> = names
            .iter()
            .map(|name| {
                let dependencies: Vec<Value> = of(name)
                    .iter()
                    .map(|(_, to, kind)| json!({"name": to, "req": "^1", "path": null, "kind": kind}))
                    .collect();
                json!({"id": name, "name": name, "version": "1.0.0", "license": "MIT", "source": null, "targets": [],
                    "manifest_path": format!("{}/Cargo.toml", folder(name)), "dependencies": dependencies})
            })
            .collect();
        let nodes: Vec<Value> = names
            .iter()
            .map(|name| {
                let deps: Vec<Value> = of(name)
                    .iter()
                    .map(|(_, to, kind)| json!({"pkg": to, "dep_kinds": [{"kind": kind}]}))
                    .collect();
                json!({"id": name, "deps": deps})
            })
            .collect();
        let metadata = json!({"packages": packages, "workspace_members": members, "resolve": {"nodes": nodes},
            "workspace_root": "/w", "target_directory": "/w/target"});
        Workspace::parse(metadata.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_clean_workspace_has_no_fault() {
        let edges = [
            ("waxseal-sidecar", "waxseal-signal", None),
            ("waxseal-signal", "libsignal-protocol-syft", None),
            ("waxseal-store", "redis", None),
        ];
        assert_eq!(faults(&workspace(&edges)), Vec::<String>::new());
    }

    #[test]
    fn what_is_reached_through_others_counts_and_the_path_is_told() {
        let edges = [
            ("waxseal-relay", "waxseal-protocol", None),
            ("waxseal-protocol", "waxseal-content", Some("build")),
        ];
        let faults = faults(&workspace(&edges));
        assert_eq!(
            faults,
            ["waxseal-relay -> waxseal-protocol -> waxseal-content: the relay forwards bytes that it cannot read"]
        );
    }

    #[test]
    fn test_dependencies_do_not_count() {
        let edges = [
            ("waxseal-relay", "waxseal-content", Some("dev")),
            ("waxseal-signal", "tokio", Some("dev")),
        ];
        assert_eq!(faults(&workspace(&edges)), Vec::<String>::new());
    }

    #[test]
    fn only_the_owner_names_a_dependency_but_test_tools_may() {
        let edges = [
            ("waxseal-sidecar", "redis", None),
            ("waxseal-harness", "redis", None),
            ("waxseal-store", "kube", None),
        ];
        assert_eq!(
            faults(&workspace(&edges)),
            [
                "waxseal-sidecar -> redis: only the store knows Redis",
                "waxseal-store -> kube: only the custom resources, the operator and the sidecar in its pod know Kubernetes"
            ]
        );
    }

    #[test]
    fn shipped_crates_do_not_link_test_tools() {
        let faults = faults(&workspace(&[("waxseal-store", "waxseal-harness", None)]));
        assert_eq!(
            faults,
            ["waxseal-store -> waxseal-harness: a shipped crate must not link a test tool"]
        );
    }
}
