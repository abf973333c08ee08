//! The programs of the test cluster: Debian's, and those that `tests/tools/kubernetes` names, built once for each state of that module into
//! the user's cache. Must not start any of them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};
use waxseal_testbed::tools::{self, Tool};

use crate::{
    command::{Line, on_path, say},
    setup,
};

/// What an API server stands on.
const FOR_CONTROL_PLANE: &[setup::Tool] = &[setup::Tool {
    program: "etcd",
    debian_package: "etcd-server",
    wanted_for: "the state of the test cluster's API server",
}];

/// What a node stands on; there is none but on Linux.
const FOR_NODE: &[setup::Tool] = &[
    node_tool("containerd", "containerd"),
    node_tool("runc", "runc"),
    node_tool("/usr/lib/cni/bridge", "containernetworking-plugins"),
    node_tool("conntrack", "conntrack"),
    node_tool("iptables", "iptables"),
    node_tool("nft", "nftables"),
    node_tool("ip", "iproute2"),
    node_tool("socat", "socat"),
];

const fn node_tool(program: &'static str, debian_package: &'static str) -> setup::Tool {
    setup::Tool {
        program,
        debian_package,
        wanted_for: "the test cluster's node",
    }
}

/// Whether the tests are pointed to a cluster of somebody else, for which clients are enough.
pub(crate) fn cluster_is_given() -> bool {
    env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty())
}

/// Installs and builds what is missing, and returns the folder of the programs.
pub(crate) fn run(root: &Path) -> Result<PathBuf> {
    let wanted: Vec<&Tool> = if cluster_is_given() {
        let is_missing_client = |tool: &&Tool| tools::CLIENTS.contains(&tool.program) && !on_path(tool.program);
        tools::ALL.iter().filter(is_missing_client).collect()
    } else {
        setup::install_missing(FOR_CONTROL_PLANE)?;
        if cfg!(target_os = "linux") {
            setup::install_missing(FOR_NODE)?;
        }
        tools::ALL.iter().collect()
    };
    build(root, &wanted)
}

fn build(root: &Path, wanted: &[&Tool]) -> Result<PathBuf> {
    let folder = tools::folder(root)?;
    let missing: Vec<&Tool> = wanted.iter().copied().filter(|tool| !folder.join(tool.program).is_file()).collect();
    if missing.is_empty() {
        say(&format!("  Kubernetes: built, in {}", folder.display()));
        return Ok(folder);
    }
    let module = root.join(tools::MODULE);
    say(&format!(
        "  Kubernetes: {} programs to build with {}",
        missing.len(),
        go_version(&module)?
    ));
    let flags = tools::linker_flags(root)?;
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for tool in missing {
        let slow = if tool.program == "kube-apiserver" {
            " (the first time about five minutes on two cores)"
        } else {
            ""
        };
        say(&format!("  {}: building{slow}", tool.program));
        let began = Instant::now();
        // A name that nobody looks for, until it is whole.
        let unfinished = folder.join(format!(".{}.{}", tool.program, std::process::id()));
        let target = unfinished.display().to_string();
        Line::new("go", ["build", "-trimpath", "-ldflags", &flags, "-o", &target, tool.package])
            .env("CGO_ENABLED", "0")
            .dir(&module)
            .run()
            .with_context(|| format!("cannot build {}", tool.program))?;
        fs::rename(&unfinished, folder.join(tool.program))?;
        say(&format!("  {}: {} s", tool.program, began.elapsed().as_secs()));
    }
    Ok(folder)
}

/// What builds the module. Go itself fetches a newer one where it may, so it is asked in the module's folder.
fn go_version(module: &Path) -> Result<String> {
    let version = Line::new("go", ["env", "GOVERSION"]).dir(module).first_line();
    let Some(version) = version.filter(|version| version.starts_with("go")) else {
        bail!(
            "Go 1.26 or newer is needed to build the test cluster's Kubernetes, and there is none on PATH (or it is older and may not fetch a newer \
             one: GOTOOLCHAIN=auto). It is at https://go.dev/dl. Without it: cargo xtask test --only lint,boundaries,unit,e2e, or with \
             kubectl and helm on PATH and KUBECONFIG set to a cluster of yours"
        );
    };
    Ok(version)
}
