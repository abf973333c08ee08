//! A test cluster to try things out with: starts one, says how to reach it, and ends it on Ctrl-C. `cargo xtask cluster up` runs this; with
//! `--without-node` no pod runs, and no root is needed.
#![allow(clippy::print_stdout, reason = "a developer command talks to its terminal")]

use std::time::Instant;

use anyhow::Result;
use waxseal_harness::kubernetes::{ControlPlane, Node};

#[tokio::main]
async fn main() -> Result<()> {
    let mut stop = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let began = Instant::now();
    let with_node = !std::env::args().any(|arg| arg == "--without-node");
    let control_plane = ControlPlane::start().await?;
    let node = if with_node {
        Some(Node::start(&control_plane).await?)
    } else {
        None
    };
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
    drop(node);
    Ok(())
}
