//! The programs of the test cluster: Debian's, and those that `tests/tools/kubernetes` names, built once for each state of that module into
//! the user's cache. Must not start any of them.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result, bail};
use waxseal_testbed::tools::{self, Tool};

use crate::{
    command::{Line, say},
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

/// Installs what is missing and sees to it that the rest can be built, so that a test run fails at its beginning and not at its end.
pub(crate) fn prepare(root: &Path) -> Result<()> {
    setup::install_missing(FOR_CONTROL_PLANE)?;
    if cfg!(target_os = "linux") {
        setup::install_missing(FOR_NODE)?;
    }
    let folder = tools::folder(root)?;
    match missing(&folder).len() {
        0 => say(&format!("  Kubernetes: built, in {}", folder.display())),
        count => say(&format!("  Kubernetes: {count} programs to build with {}", go_version(root)?)),
    }
    Ok(())
}

/// Installs and builds what is missing, and returns the folder of the programs.
pub(crate) fn run(root: &Path) -> Result<PathBuf> {
    prepare(root)?;
    let folder = tools::folder(root)?;
    let module = root.join(tools::MODULE);
    let flags = tools::linker_flags(root)?;
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for tool in missing(&folder) {
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

fn missing(folder: &Path) -> Vec<&'static Tool> {
    tools::ALL.iter().filter(|tool| !folder.join(tool.program).is_file()).collect()
}

/// What builds the module. Go itself fetches a newer one where it may, so it is asked in the module's folder.
fn go_version(root: &Path) -> Result<String> {
    let version = Line::new("go", ["env", "GOVERSION"]).dir(&root.join(tools::MODULE)).first_line();
    let Some(version) = version.filter(|version| version.starts_with("go")) else {
        bail!(
            "Go 1.26 or newer is needed to build the test cluster's Kubernetes, and there is none on PATH (or it is older and may not fetch a newer \
             one: GOTOOLCHAIN=auto). It is at https://go.dev/dl. Without it: cargo xtask test --only lint,boundaries,unit,e2e"
        );
    };
    Ok(version)
}
