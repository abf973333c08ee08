//! The sidecar as a program of its own: what runs in the pods of a number.
//!
//! One page on purpose: it reads the command line and hands over to [`waxseal_sidecar::pod`]. Must not hold logic of its own.

mod args;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use waxseal_sidecar::{Step, pod};
use waxseal_telemetry::logs;

use crate::args::{Cli, Command};

/// A message is many small allocations; this allocator makes them cheaper than the system's, with glibc and still more with musl.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    // Huge pages make an idle sidecar four times as large, and there is one for every number. A kernel that does not know them has none.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let cli = Cli::parse();
    let settings = logs::Settings {
        format: cli.log_format.into(),
        ..logs::Settings::default()
    };
    logs::start(&settings.with_environment())?;
    waxseal_sidecar::harden()?;
    match cli.command {
        Command::Serve(serve) => {
            let options = serve.options();
            pod::run(options, told_to_end()?).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Erase(erase) => run_erase(&erase).await,
    }
}

async fn run_erase(erase: &args::Erase) -> anyhow::Result<ExitCode> {
    let stop = told_to_end()?;
    let mounts = erase.mounts();
    let erased = tokio::select! {
        erased = pod::erase(&mounts, erase.deadline()) => erased?,
        () = stop.cancelled() => anyhow::bail!("told to end before the number was erased; run it again"),
    };
    let mut is_complete = true;
    for number in &erased {
        for (what, step) in [
            ("deregistered at the relay", &number.deregistered),
            ("state deleted", &number.state_deleted),
            ("keys destroyed", &number.keys_destroyed),
        ] {
            match step {
                Step::Done => tracing::info!(what, "done"),
                Step::Impossible(reason) => tracing::warn!(what, %reason, "cannot be done, and need not be"),
                Step::Failed(reason) => tracing::error!(what, %reason, "failed; run it again"),
            }
        }
        is_complete &= number.is_complete();
    }
    Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Cancelled by SIGTERM or Ctrl-C. Registered now, not when it is first waited for: a signal during the start counts.
fn told_to_end() -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be awaited")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be awaited")?;
    let token = CancellationToken::new();
    let tell = token.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tell.cancel();
    });
    Ok(token)
}
