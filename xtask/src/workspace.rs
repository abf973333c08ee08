//! The workspace as `cargo metadata` tells it: packages and who depends on whom. Must not judge.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::command::Line;

/// Packages and dependencies of the whole graph.
pub(crate) struct Workspace {
    pub(crate) root: String,
    pub(crate) target_dir: String,
    packages: BTreeMap<String, Package>,
    edges: HashMap<String, Vec<Edge>>,
    members: BTreeSet<String>,
}

/// One package.
#[derive(Deserialize)]
pub(crate) struct Package {
    id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: Option<String>,
    pub(crate) source: Option<String>,
    pub(crate) manifest_path: String,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

/// A dependency as a manifest declares it.
#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) req: String,
    pub(crate) path: Option<String>,
    kind: Option<String>,
}

impl Dependency {
    /// Linked into (or run to build) the package itself, not only its tests.
    pub(crate) fn ships(&self) -> bool {
        self.kind.as_deref() != Some("dev")
    }
}

/// A thing to build: library, binary, test.
#[derive(Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

struct Edge {
    to: String,
    ships: bool,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
    workspace_root: String,
    target_directory: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<NodeDependency>,
}

#[derive(Deserialize)]
struct NodeDependency {
    pkg: String,
    dep_kinds: Vec<NodeDependencyKind>,
}

#[derive(Deserialize)]
struct NodeDependencyKind {
    kind: Option<String>,
}

impl Package {
    /// The names of its test files.
    pub(crate) fn tests(&self) -> impl Iterator<Item = &str> {
        let tests = self.targets.iter().filter(|target| target.kind.iter().any(|kind| kind == "test"));
        tests.map(|target| target.name.as_str())
    }
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Self> {
        let output = Line::cargo(["metadata", "--format-version", "1", "--locked"])
            .output()
            .context("cargo metadata")?;
        Self::parse(&output)
    }

    pub(crate) fn parse(json: &[u8]) -> Result<Self> {
        let metadata: Metadata = serde_json::from_slice(json).context("cargo metadata is not as expected")?;
        let edges = metadata
            .resolve
            .nodes
            .into_iter()
            .map(|node| (node.id, node.deps.into_iter().map(Edge::from).collect()))
            .collect();
        Ok(Self {
            root: metadata.workspace_root,
            target_dir: metadata.target_directory,
            packages: metadata.packages.into_iter().map(|package| (package.id.clone(), package)).collect(),
            edges,
            members: metadata.workspace_members,
        })
    }

    pub(crate) fn packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.values()
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.members.iter().filter_map(|id| self.packages.get(id))
    }

    pub(crate) fn member(&self, name: &str) -> Option<&Package> {
        self.members().find(|package| package.name == name)
    }

    /// Test and developer tools: never linked into a shipped program.
    pub(crate) fn is_tool(&self, package: &Package) -> bool {
        let relative = package
            .manifest_path
            .strip_prefix(&self.root)
            .unwrap_or(&package.manifest_path)
            .trim_start_matches('/');
        relative.starts_with("tests/") || relative.starts_with("xtask/")
    }

    /// Everything that `package` links or runs at build time, with the path of names that leads there.
    pub(crate) fn closure<'a>(&'a self, package: &'a Package) -> BTreeMap<&'a str, Vec<&'a str>> {
        let mut paths = BTreeMap::from([(package.name.as_str(), vec![package.name.as_str()])]);
        let mut seen = BTreeSet::from([package.id.as_str()]);
        let mut open = std::collections::VecDeque::from([(package, vec![package.name.as_str()])]);
        while let Some((from, path)) = open.pop_front() {
            let next = self.edges.get(&from.id).into_iter().flatten().filter(|edge| edge.ships);
            for to in next.filter_map(|edge| self.packages.get(&edge.to)) {
                if seen.insert(&to.id) {
                    let path: Vec<&str> = path.iter().copied().chain([to.name.as_str()]).collect();
                    paths.entry(&to.name).or_insert_with(|| path.clone());
                    open.push_back((to, path));
                }
            }
        }
        paths
    }
}

impl From<NodeDependency> for Edge {
    fn from(dependency: NodeDependency) -> Self {
        let ships = dependency.dep_kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"));
        Self { to: dependency.pkg, ships }
    }
}
