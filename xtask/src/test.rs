//! `cargo xtask test`: every check and test, one step after the other, the quick ones first. Each step is a command that a person can
//! repeat, and a failure ends with that command.
//!
//! All cargo steps select the whole workspace: with fewer packages selected, cargo would settle on other features of the dependencies and
//! build half of them a second time.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};

use waxseal_testbed::tools;

use crate::{
    boundaries,
    command::{Line, on_path, say},
    images, kubernetes, setup,
    workspace::Workspace,
};

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run only these parts, and what they need.
    #[arg(long, value_enum, num_args = 1.., value_delimiter = ',')]
    only: Vec<Part>,
    /// Show the steps and their commands, run nothing.
    #[arg(long)]
    list: bool,
}

/// A part of the tests.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Format and clippy.
    Lint,
    /// Who depends on whom; licences, bans, sources.
    Boundaries,
    /// Unit, contract and property tests of every crate, interop included.
    Unit,
    /// Only the sessions with the official Signal client (part of `unit`).
    Interop,
    /// Real processes over real sockets.
    E2e,
    /// Client libraries as they are shipped, in a network namespace in which Waxseal is graph.facebook.com; hostile requests.
    Clients,
    /// A real API server and a real node; our images in real pods.
    Cluster,
}

struct Step {
    name: &'static str,
    action: Action,
}

enum Action {
    /// With what the test cluster needs, or the client libraries, or without.
    Setup {
        cluster: bool,
        clients: bool,
    },
    Kubernetes,
    Images,
    Boundaries,
    Run(Line),
}

impl Step {
    fn command(&self) -> String {
        match &self.action {
            Action::Setup { .. } => "cargo xtask test --only interop".to_owned(),
            Action::Kubernetes => "cargo xtask cluster tools".to_owned(),
            Action::Images => "cargo xtask images".to_owned(),
            Action::Boundaries => "cargo xtask boundaries".to_owned(),
            Action::Run(line) => line.shown(),
        }
    }
}

/// `cargo xtask test`.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let workspace = Workspace::load()?;
    let steps = steps(&arguments.only, &workspace)?;
    if arguments.list {
        for (index, step) in steps.iter().enumerate() {
            say(&format!("[{}/{}] {}: {}", index + 1, steps.len(), step.name, step.command()));
        }
        return Ok(());
    }
    let started = Instant::now();
    let mut ready = Ready::default();
    let mut times = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let label = format!("[{}/{}] {}", index + 1, steps.len(), step.name);
        say(&format!("{label} …"));
        let began = Instant::now();
        let outcome = carry_out(&step.action, &workspace, &mut ready);
        let seconds = began.elapsed().as_secs();
        if let Err(error) = outcome {
            say(&format!("{label} … FAILED after {seconds} s: {error:#}"));
            bail!("step {} ({}) failed. To repeat it: {}", index + 1, step.name, repeat(step, &ready));
        }
        say(&format!("{label} … {seconds} s"));
        times.push(format!("{} {seconds} s", step.name));
    }
    say(&format!(
        "all {} steps passed in {} s: {}",
        steps.len(),
        started.elapsed().as_secs(),
        times.join(", ")
    ));
    Ok(())
}

/// What the set-up steps have found out for the tests.
#[derive(Default)]
struct Ready {
    tools: Option<setup::Ready>,
    clients: Option<setup::Clients>,
    kubernetes: Option<PathBuf>,
}

fn carry_out(action: &Action, workspace: &Workspace, ready: &mut Ready) -> Result<()> {
    let root = Path::new(&workspace.root);
    match action {
        Action::Setup { cluster, clients } => {
            ready.tools = Some(setup::run(root)?);
            if *clients {
                ready.clients = Some(setup::clients(root)?);
            }
            if *cluster {
                kubernetes::prepare(root)?;
            }
        }
        Action::Kubernetes => ready.kubernetes = Some(kubernetes::run(root)?),
        Action::Images => images::run(workspace, &images::Arguments::default())?,
        Action::Boundaries => boundaries::run()?,
        Action::Run(line) => prepared(line, ready).dir(root).run()?,
    }
    Ok(())
}

fn prepared(line: &Line, ready: &Ready) -> Line {
    let mut line = line.clone();
    if !line.is_cargo_test() {
        return line;
    }
    if let Some(tools) = &ready.tools {
        line = line.env("WAXSEAL_NODE_MODULES", tools.node_modules.display().to_string());
        if let Some(path) = &tools.path {
            line = line.env("PATH", path);
        }
    }
    if let Some(clients) = &ready.clients {
        line = line
            .env("WAXSEAL_CLIENTS_PYTHON", clients.python.display().to_string())
            .env("WAXSEAL_CLIENTS_NODE_MODULES", clients.node_modules.display().to_string());
    }
    if let Some(kubernetes) = &ready.kubernetes {
        line = line.env(tools::FOLDER_VARIABLE, kubernetes.display().to_string());
    }
    line
}

fn repeat(step: &Step, ready: &Ready) -> String {
    match &step.action {
        Action::Run(line) => prepared(line, ready).shown(),
        _ => step.command(),
    }
}

fn steps(only: &[Part], workspace: &Workspace) -> Result<Vec<Step>> {
    let wants = |part| only.is_empty() || only.contains(&part);
    let cargo = |name, args: &[&str]| Step {
        name,
        action: Action::Run(Line::cargo(args.iter().copied())),
    };
    let mut steps = Vec::new();
    if wants(Part::Unit) || wants(Part::E2e) || wants(Part::Interop) || wants(Part::Clients) || wants(Part::Cluster) {
        steps.push(Step {
            name: "set-up",
            action: Action::Setup {
                cluster: wants(Part::Cluster),
                clients: wants(Part::Clients),
            },
        });
    }
    if wants(Part::Lint) {
        steps.push(cargo("format", &["fmt", "--all", "--check"]));
    }
    if wants(Part::Boundaries) {
        steps.push(Step {
            name: "boundaries",
            action: Action::Boundaries,
        });
        // Building it takes longer than everything else here; its licence, ban and source rules are in the step before.
        if on_path("cargo-deny") {
            steps.push(cargo("cargo-deny", &["deny", "--locked", "check"]));
        }
    }
    if wants(Part::Lint) {
        steps.push(cargo(
            "clippy",
            &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
        ));
    }
    if wants(Part::Unit) || wants(Part::E2e) || wants(Part::Clients) || wants(Part::Cluster) {
        steps.push(cargo("build", &["build", "--workspace", "--all-targets", "--locked"]));
    }
    if wants(Part::Unit) {
        let excluded = [
            "--exclude",
            "waxseal-e2e",
            "--exclude",
            "waxseal-clients",
            "--exclude",
            "waxseal-cluster",
        ];
        let args = [&["test", "--workspace"], &excluded[..], &["--locked", "--no-fail-fast"]].concat();
        steps.push(cargo("unit, contract, property and interop tests", &args));
    } else if wants(Part::Interop) {
        steps.push(cargo("interop tests", &["test", "--workspace", "--test", "interop", "--locked"]));
    }
    if wants(Part::E2e) {
        steps.push(Step {
            name: "end-to-end tests",
            action: Action::Run(end_to_end(workspace)?),
        });
    }
    if wants(Part::Clients) {
        steps.push(Step {
            name: "client library tests",
            action: Action::Run(as_root(with_binary(tests_of(workspace, "waxseal-clients")?, workspace))?),
        });
    }
    if wants(Part::Cluster) {
        let step = |name, action| Step { name, action };
        steps.push(step("Kubernetes", Action::Kubernetes));
        steps.push(step("images", Action::Images));
        steps.push(step("cluster tests", Action::Run(cluster(workspace)?)));
    }
    ensure!(!steps.is_empty(), "no step selected");
    Ok(steps)
}

/// Every test file of the end-to-end crate.
fn end_to_end(workspace: &Workspace) -> Result<Line> {
    Ok(with_binary(tests_of(workspace, "waxseal-e2e")?, workspace))
}

/// With the binary that the build step made.
fn with_binary(line: Line, workspace: &Workspace) -> Line {
    let binary = PathBuf::from(&workspace.target_dir)
        .join("debug")
        .join(format!("waxseal{}", std::env::consts::EXE_SUFFIX));
    line.env("WAXSEAL_BIN", binary.display().to_string())
}

/// Every test file of the cluster crate, with the images that the step before made; as root, since a node needs it.
fn cluster(workspace: &Workspace) -> Result<Line> {
    as_root(tests_of(workspace, "waxseal-cluster")?.env("WAXSEAL_IMAGES", images::folder(workspace).display().to_string()))
}

/// The tests as root where that asks for no password.
fn as_root(line: Line) -> Result<Line> {
    let runner = match setup::as_root() {
        Some(words) if !words.is_empty() => words,
        _ => return Ok(line),
    };
    let variable = format!("CARGO_TARGET_{}_RUNNER", images::host_target()?.replace('-', "_").to_uppercase());
    let path = std::env::var("PATH").unwrap_or_default();
    Ok(line.env(&variable, format!("{} --preserve-env env PATH={path}", runner.join(" "))))
}

fn tests_of(workspace: &Workspace, package: &str) -> Result<Line> {
    let package = workspace
        .member(package)
        .with_context(|| format!("the workspace has no package {package}"))?;
    let mut selection = Vec::new();
    for test in package.tests() {
        // Tests are selected by their names alone, all over the workspace.
        let other = workspace
            .members()
            .find(|other| other.name != package.name && other.tests().any(|name| name == test));
        if let Some(other) = other {
            bail!(
                "{} and {} both have a test file {test}: it would run with the tests of either; rename one",
                package.name,
                other.name
            );
        }
        selection.extend(["--test".to_owned(), test.to_owned()]);
    }
    ensure!(!selection.is_empty(), "{} has no tests", package.name);
    Ok(Line::cargo(["test", "--workspace", "--locked", "--no-fail-fast"]).args(selection))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Workspace {
        workspace_with("pywa")
    }

    /// With a test file of this name in the crate of the client libraries.
    fn workspace_with(test: &str) -> Workspace {
        let metadata = serde_json::json!({
            "packages": [{"id": "e", "name": "waxseal-e2e", "version": "0.1.0", "license": "AGPL-3.0-only", "source": null,
                "manifest_path": "/w/tests/e2e/Cargo.toml", "dependencies": [],
                "targets": [{"name": "waxseal_e2e", "kind": ["lib"]}, {"name": "chat", "kind": ["test"]}, {"name": "kill9", "kind": ["test"]}]},
                {"id": "l", "name": "waxseal-clients", "version": "0.1.0", "license": "AGPL-3.0-only", "source": null,
                "manifest_path": "/w/tests/clients/Cargo.toml", "dependencies": [],
                "targets": [{"name": "waxseal_clients", "kind": ["lib"]}, {"name": test, "kind": ["test"]}]},
                {"id": "c", "name": "waxseal-cluster", "version": "0.1.0", "license": "AGPL-3.0-only", "source": null,
                "manifest_path": "/w/tests/cluster/Cargo.toml", "dependencies": [],
                "targets": [{"name": "waxseal_cluster", "kind": ["lib"]}, {"name": "testbed", "kind": ["test"]}]}],
            "workspace_members": ["e", "l", "c"],
            "resolve": {"nodes": []},
            "workspace_root": "/w",
            "target_directory": "/t",
        });
        Workspace::parse(metadata.to_string().as_bytes()).unwrap()
    }

    fn shown(only: &[Part]) -> Vec<String> {
        steps(only, &workspace()).unwrap().iter().map(Step::command).collect()
    }

    #[test]
    fn without_a_selection_everything_runs() {
        let all = shown(&[]).join("\n");
        for expected in [
            "fmt",
            "clippy",
            "-D warnings",
            "boundaries",
            "--exclude waxseal-e2e",
            "--exclude waxseal-clients",
            "--exclude waxseal-cluster",
            "cargo xtask cluster tools",
            "cargo xtask images",
            "WAXSEAL_IMAGES=/t/images",
            "--test testbed",
            "--test chat --test kill9",
            "--test pywa",
            "WAXSEAL_BIN=/t/debug/waxseal",
        ] {
            assert!(all.contains(expected), "{expected} is not in:\n{all}");
        }
    }

    #[test]
    fn a_test_file_of_two_crates_is_refused() {
        let refused = steps(&[Part::E2e], &workspace_with("chat")).err().unwrap().to_string();
        assert!(
            refused.contains("waxseal-e2e and waxseal-clients both have a test file chat"),
            "{refused}"
        );
    }

    #[test]
    fn tests_of_the_cluster_get_its_programs() {
        let ready = Ready {
            kubernetes: Some(PathBuf::from("/k")),
            ..Ready::default()
        };
        let line = prepared(&cluster(&workspace()).unwrap(), &ready).shown();
        assert!(line.contains("WAXSEAL_KUBERNETES_TOOLS=/k"), "{line}");
    }

    #[test]
    fn a_selection_brings_what_it_needs_and_no_more() {
        assert_eq!(shown(&[Part::Boundaries])[0], "cargo xtask boundaries");
        let lint = shown(&[Part::Lint]);
        assert_eq!(lint.len(), 2);
        let e2e = shown(&[Part::E2e]);
        assert_eq!(e2e.len(), 3, "{e2e:?}");
        assert!(e2e[1].starts_with("cargo build"));
        let cluster = shown(&[Part::Cluster]);
        assert_eq!(cluster.len(), 5, "{cluster:?}");
        assert_eq!(cluster[2..4], ["cargo xtask cluster tools", "cargo xtask images"]);
        assert!(cluster[4].contains("--test testbed") && !cluster[4].contains("chat"));
        let clients = shown(&[Part::Clients]);
        assert_eq!(clients.len(), 3, "{clients:?}");
        assert!(clients[2].contains("--test pywa") && clients[2].contains("WAXSEAL_BIN="));
        let interop = shown(&[Part::Interop]);
        assert!(interop[1].contains("--test interop"));
    }
}
