//! A test cluster to try things out with: starts one, says how to reach it, and ends it on Ctrl-C. `cargo xtask cluster up` runs this.
#![allow(clippy::print_stdout, reason = "a developer command talks to its terminal")]

use std::time::Instant;

use anyhow::Result;
use waxseal_harness::kubernetes::{ControlPlane, Options};

#[tokio::main]
async fn main() -> Result<()> {
    let mut stop = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let began = Instant::now();
    let control_plane = ControlPlane::start_with(Options::default()).await?;
    println!(
        "# ready after {:.1} s; logs in {}",
        began.elapsed().as_secs_f32(),
        control_plane.folder().join("logs").display()
    );
    println!("export KUBECONFIG={}", control_plane.kubeconfig().path().display());
    println!("# Ctrl-C ends it");
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => outcome?,
        _ = stop.recv() => {}
    }
    Ok(())
}
