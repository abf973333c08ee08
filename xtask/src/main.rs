//! Developer commands: `cargo xtask test`, `cargo xtask boundaries`, `cargo xtask bench`, `cargo xtask cluster`,
//! `cargo xtask images`.
//!
//! * [`test`]: the test command; a list of steps, each a command that a person can repeat.
//! * [`setup`], [`npm`], [`kubernetes`]: what the tests need beside Rust and a C compiler.
//! * [`images`]: our programs as container images.
//! * [`boundaries`], [`policy`], [`spdx`]: what is checked from `cargo metadata` alone.
//! * [`workspace`], [`command`]: reading the workspace, running children.
//!
//! Nothing here is linked into a shipped program.

mod boundaries;
mod command;
mod generate;
mod images;
mod kubernetes;
mod npm;
mod policy;
mod python;
mod setup;
mod spdx;
mod test;
mod workspace;

use std::{path::Path, process::ExitCode};

use clap::{Parser, Subcommand};
use waxseal_testbed::tools;

/// Waxseal's developer commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run every check and test; this is what CI runs.
    Test(test::Arguments),
    /// Check who depends on whom, and the licences and sources of everything that is linked.
    Boundaries,
    /// Write what is kept in the repository and made from something else: custom resource definitions, the charts' references.
    Gen,
    /// Run the benchmarks (release build); arguments are passed on.
    Bench {
        /// Arguments of the benchmark command.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Build the container images of our programs, as archives.
    Images(images::Arguments),
    /// The test cluster.
    Cluster {
        #[command(subcommand)]
        command: Cluster,
    },
}

#[derive(Subcommand)]
enum Cluster {
    /// Build and install the programs of the test cluster, and say where they are.
    Tools,
    /// Start a cluster to try things out with, say how to reach it, and end it on Ctrl-C; arguments are passed on.
    Up {
        /// Arguments of the command.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Test(arguments) => test::run(&arguments),
        Command::Boundaries => boundaries::run(),
        Command::Gen => generate::run(),
        Command::Bench { arguments } => bench(&arguments),
        Command::Images(arguments) => workspace::Workspace::load().and_then(|workspace| images::run(&workspace, &arguments)),
        Command::Cluster { command } => cluster(&command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            command::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn bench(arguments: &[String]) -> anyhow::Result<()> {
    command::Line::cargo(["run", "--release", "--locked", "--package", "waxseal-bench", "--"])
        .args(arguments)
        .run()
}

fn cluster(command: &Cluster) -> anyhow::Result<()> {
    let root = workspace::Workspace::load()?.root;
    let folder = kubernetes::run(Path::new(&root))?;
    match command {
        Cluster::Tools => command::say(&folder.display().to_string()),
        Cluster::Up { arguments } => command::Line::cargo([
            "run",
            "--locked",
            "--package",
            "waxseal-harness",
            "--bin",
            "waxseal-cluster-up",
            "--",
        ])
        .args(arguments)
        .env(tools::FOLDER_VARIABLE, folder.display().to_string())
        .run()?,
    }
    Ok(())
}
