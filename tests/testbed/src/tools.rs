//! The programs that `tests/tools/kubernetes` names, and the folder that they are built into: one for each state of that module, in the
//! user's cache, so that several work trees share it and none runs what another one built from something else.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

/// Names the folder instead of us.
pub const FOLDER_VARIABLE: &str = "WAXSEAL_KUBERNETES_TOOLS";

/// Where the module is in the repository.
pub const MODULE: &str = "tests/tools/kubernetes";

/// A program that is built.
pub struct Tool {
    /// Its name in the folder.
    pub program: &'static str,
    /// What to give to `go build`.
    pub package: &'static str,
}

const fn tool(program: &'static str, package: &'static str) -> Tool {
    Tool { program, package }
}

/// All of them, the one that takes longest last: what is needed first is there early.
pub const ALL: &[Tool] = &[
    tool("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    tool("helm", "helm.sh/helm/v3/cmd/helm"),
    tool("pause", "./pause"),
    tool("probe", "./probe"),
    tool("coredns", "./coredns"),
    tool("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
    tool("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
    tool("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
    tool("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    tool("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
];

/// What a test uses that is pointed to a cluster of somebody else.
pub const CLIENTS: &[&str] = &["kubectl", "helm"];

/// Stamps the version that `go.mod` requires; the modules themselves carry none, and charts ask an API server for it.
const LINKER_FLAGS: &str = "-s -w -X k8s.io/component-base/version.gitVersion={version} -X k8s.io/component-base/version.gitMajor={major} \
    -X k8s.io/component-base/version.gitMinor={minor}";

/// `-ldflags` for `go build`.
///
/// # Errors
/// When the module cannot be read or names no Kubernetes.
pub fn linker_flags(root: &Path) -> Result<String> {
    let module = fs::read_to_string(root.join(MODULE).join("go.mod"))?;
    let version = module
        .lines()
        .find_map(|line| line.trim().trim_start_matches("require ").strip_prefix("k8s.io/kubernetes v"))
        .and_then(|rest| rest.split_whitespace().next())
        .context("go.mod requires no k8s.io/kubernetes")?;
    let mut parts = version.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    Ok(LINKER_FLAGS
        .replace("{version}", &format!("v{version}"))
        .replace("{major}", major)
        .replace("{minor}", minor))
}

/// Our folder in the user's cache.
///
/// # Errors
/// When the environment does not tell where that is.
pub fn cache_dir() -> Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = set("XDG_CACHE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| set("HOME").map(|home| home.join(".cache")));
    Ok(cache.context("neither XDG_CACHE_HOME nor HOME is set")?.join("waxseal"))
}

/// The folder for the module of the repository at `root`, built or not.
///
/// # Errors
/// When the module cannot be read.
pub fn folder(root: &Path) -> Result<PathBuf> {
    let hash = hash(&inputs(&root.join(MODULE))?);
    Ok(cache_dir()?.join("tools").join(format!("kubernetes-{hash}")))
}

/// What the programs are built from: flags, the module's files and our own sources, by path.
fn inputs(module: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut inputs = BTreeMap::from([("flags".to_owned(), LINKER_FLAGS.as_bytes().to_vec())]);
    let mut read = |name: String| -> Result<()> {
        let path = module.join(&name);
        let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        inputs.insert(name, content);
        Ok(())
    };
    read("go.mod".to_owned())?;
    read("go.sum".to_owned())?;
    for tool in ALL {
        if let Some(own) = tool.package.strip_prefix("./") {
            read(format!("{own}/main.go"))?;
        }
    }
    Ok(inputs)
}

fn hash(inputs: &BTreeMap<String, Vec<u8>>) -> String {
    let mut hasher = Sha256::new();
    for (name, content) in inputs {
        hasher.update(name.as_bytes());
        hasher.update([0]);
        hasher.update(Sha256::digest(content));
    }
    hex::encode(hasher.finalize()).chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    }

    #[test]
    fn every_input_counts() {
        let inputs = inputs(&root().join(MODULE)).unwrap();
        let whole = hash(&inputs);
        assert_eq!(whole.len(), 12);
        assert!(inputs.len() >= 5, "{:?}", inputs.keys());
        for name in inputs.keys() {
            let mut changed = inputs.clone();
            changed.get_mut(name).unwrap().push(b'\n');
            assert_ne!(hash(&changed), whole, "{name}");
        }
    }

    #[test]
    fn the_version_is_that_of_the_module() {
        let flags = linker_flags(root()).unwrap();
        assert!(
            flags.contains("gitVersion=v1.") && flags.contains("gitMajor=1 ") && !flags.contains('{'),
            "{flags}"
        );
    }

    #[test]
    fn every_program_is_named_by_the_module() {
        let module = fs::read_to_string(root().join(MODULE).join("go.mod")).unwrap();
        for tool in ALL.iter().filter(|tool| !tool.package.starts_with("./")) {
            assert!(module.contains(tool.package), "{} is no tool of go.mod", tool.package);
        }
        assert!(CLIENTS.iter().all(|client| ALL.iter().any(|tool| tool.program == *client)));
    }
}
