//! What the tests need beside Rust and a C compiler: installed on Debian, asked for elsewhere. Must not touch anything but the system's
//! packages and our folder in the user's cache.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use waxseal_testbed::tools;

use crate::{
    command::{Line, on_path, say},
    npm, python,
};

/// A program that a test starts.
pub(crate) struct Tool {
    /// Its name on PATH, or where it has to be.
    pub(crate) program: &'static str,
    pub(crate) debian_package: &'static str,
    pub(crate) wanted_for: &'static str,
}

const TOOLS: &[Tool] = &[
    Tool {
        program: "redis-server",
        debian_package: "redis-server",
        wanted_for: "store and end-to-end tests (7.0 or newer)",
    },
    Tool {
        program: "node",
        debian_package: "nodejs",
        wanted_for: "the official Signal client as the other side (20.11 or newer; an older one fetches such a one with npm)",
    },
    Tool {
        program: "npm",
        debian_package: "npm",
        wanted_for: "installing that client",
    },
    Tool {
        program: "python3",
        debian_package: "python3",
        wanted_for: "small test tools, client libraries",
    },
];

/// The oldest Node.js that the official Signal client runs on.
const NODE: (u32, u32) = (20, 11);

/// The environment that the tests get.
pub(crate) struct Ready {
    pub(crate) node_modules: PathBuf,
    /// PATH, when it is not the one we were started with.
    pub(crate) path: Option<String>,
}

/// Installs or asks for what is missing, then the Node packages.
pub(crate) fn run(root: &Path) -> Result<Ready> {
    install_missing(TOOLS)?;
    for tool in TOOLS {
        let version = Line::new(tool.program, ["--version"]).first_line();
        say(&format!(
            "  {}: {}",
            tool.program,
            version.as_deref().unwrap_or("does not tell its version")
        ));
    }
    let cache = tools::cache_dir()?;
    let path = if node_is_new_enough() {
        None
    } else {
        Some(path_with_node(root, &cache)?)
    };
    let node_modules = npm::install(&root.join("tests/tools/signal-peer"), &cache.join("tools/signal-peer"))?;
    Ok(Ready { node_modules, path })
}

/// Client libraries as they are shipped, for `tests/clients`.
pub(crate) struct Clients {
    /// The Python that has them.
    pub(crate) python: PathBuf,
    pub(crate) node_modules: PathBuf,
}

/// Installs the client libraries.
pub(crate) fn clients(root: &Path) -> Result<Clients> {
    let (tools, cache) = (root.join("tests/tools"), tools::cache_dir()?.join("tools"));
    Ok(Clients {
        python: python::install(&tools.join("clients-python"), &cache.join("clients-python"))?,
        node_modules: npm::install(&tools.join("clients-node"), &cache.join("clients-node"))?,
    })
}

fn node_is_new_enough() -> bool {
    Line::new("node", ["--version"])
        .first_line()
        .and_then(|version| parse_version(&version))
        .is_some_and(|version| version >= NODE)
}

/// `v20.11.1` as (20, 11).
fn parse_version(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim().strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Debian 12 has Node.js 18: the binary of an npm package goes before it, for the tests only.
fn path_with_node(root: &Path, cache: &Path) -> Result<String> {
    let architecture = match env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => bail!(
            "node is older than {}.{}, and there is none for {other} to install: please install a newer one",
            NODE.0,
            NODE.1
        ),
    };
    let modules = npm::install(&root.join("tests/tools/node"), &cache.join("tools/node"))?;
    let bin = modules.join(format!("node-linux-{architecture}/bin"));
    let path = env::var_os("PATH").unwrap_or_default();
    let joined = env::join_paths(std::iter::once(bin).chain(env::split_paths(&path)))?;
    let version = Line::new("node", ["--version"]).env("PATH", joined.to_string_lossy()).first_line();
    say(&format!(
        "  node for the tests: {}",
        version.context("the installed node does not run")?
    ));
    Ok(joined.to_string_lossy().into_owned())
}

fn missing(tools: &'static [Tool]) -> Vec<&'static Tool> {
    tools.iter().filter(|tool| !on_path(tool.program)).collect()
}

/// Installs those of the tools that are not there, or says how to.
pub(crate) fn install_missing(tools: &'static [Tool]) -> Result<()> {
    let missing = missing(tools);
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.debian_package).collect();
    let by_hand = || {
        let tools = missing
            .iter()
            .map(|tool| format!("  {} for {}", tool.program, tool.wanted_for))
            .collect::<Vec<_>>()
            .join("\n");
        let debian = format!("apt-get install {}", packages.join(" "));
        format!(
            "these programs are missing:\n{tools}\nInstall them and run this again. Debian: {debian}; macOS: brew install redis node python etcd"
        )
    };
    if !is_debian() {
        bail!("{}", by_hand());
    }
    apt_install(&packages)?.with_context(|| format!("{} (as root; sudo asks for a password here)", by_hand()))?;
    let left = self::missing(tools);
    if let Some(tool) = left.first() {
        bail!("{} is still not on PATH after installing {}", tool.program, tool.debian_package);
    }
    Ok(())
}

/// Installs packages that are no programs on PATH, or says how to.
pub(crate) fn install_packages(packages: &[&str], wanted_for: &str) -> Result<()> {
    let by_hand = || {
        format!(
            "please install {} for {wanted_for} (apt-get install), and run this again",
            packages.join(", ")
        )
    };
    if !is_debian() {
        bail!("{}", by_hand());
    }
    apt_install(packages)?.with_context(by_hand)
}

/// `None` when we cannot be root.
fn apt_install(packages: &[&str]) -> Result<Option<()>> {
    let Some(root) = as_root() else { return Ok(None) };
    say(&format!("  installing {}", packages.join(", ")));
    // RUNLEVEL=1 asks packages not to start their services; no test uses a Redis that happens to be running.
    let apt = |args: &[&str]| {
        let words = [
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "RUNLEVEL=1",
            "apt-get",
            "-q",
            "-o",
            "Dpkg::Use-Pty=0",
        ];
        let mut words = root.iter().copied().chain(words).chain(args.iter().copied());
        let program = words.next().unwrap_or("env");
        Line::new(program, words).run()
    };
    apt(&["update"]).context("apt-get update")?;
    let install: Vec<&str> = ["install", "-y", "--no-install-recommends"]
        .into_iter()
        .chain(packages.iter().copied())
        .collect();
    apt(&install).context("apt-get install")?;
    Ok(Some(()))
}

fn is_debian() -> bool {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let mut families = release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")));
    on_path("apt-get") && families.any(|names| names.trim_matches('"').split(' ').any(|name| name == "debian"))
}

/// The words to put before a command that needs root, if we can be root at all without being asked for a password.
pub(crate) fn as_root() -> Option<&'static [&'static str]> {
    if Line::new("id", ["-u"]).first_line().as_deref() == Some("0") {
        return Some(&[]);
    }
    Line::new("sudo", ["-n", "id", "-u"])
        .first_line()
        .filter(|id| id == "0")
        .map(|_| &["sudo", "-n"][..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(parse_version("v20.11.1"), Some((20, 11)));
        assert!(
            parse_version("v9.11.2").unwrap() < NODE
                && parse_version("v20.9.0").unwrap() < NODE
                && parse_version("v100.0.0").unwrap() > NODE
        );
        assert_eq!(parse_version("node 20"), None);
        assert_eq!(parse_version(""), None);
    }
}
