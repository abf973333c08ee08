//! A test cluster to try things out with: starts one, says how to reach it, and ends it on Ctrl-C. `cargo xtask cluster up` runs this; with
//! `--without-node` no pod runs, and no root is needed; with `--with-images` the images of `cargo xtask images` are on the node, and this
//! machine's Redis under the name that the chart wants, so that `helm install --set trial.enabled=true` needs no registry.
#![allow(clippy::print_stdout, reason = "a developer command talks to its terminal")]

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result};
use waxseal_harness::kubernetes::{ControlPlane, Node};
use waxseal_testbed::host_image;

/// What `redis.image` of the chart is.
const REDIS_IMAGE: &str = "docker.io/library/redis:7-alpine";

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
    if let Some(node) = &node
        && std::env::args().any(|arg| arg == "--with-images")
    {
        import(node, control_plane.folder()).await?;
    }
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

/// The folder of the profile that this was built with is beside that of the images.
async fn import(node: &Node, folder: &Path) -> Result<()> {
    let program = std::env::current_exe()?;
    let images = program
        .ancestors()
        .nth(2)
        .map(|target| target.join("images"))
        .context("no target folder")?;
    let archives: Vec<PathBuf> = std::fs::read_dir(&images)
        .with_context(|| format!("{} cannot be read: run `cargo xtask images` first", images.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "tar"))
        .collect();
    for archive in archives {
        println!("# importing {}", archive.display());
        node.import_image(&archive).await?;
    }
    let redis = folder.join("redis.tar");
    host_image::of(REDIS_IMAGE, Path::new("/usr/bin/redis-server"))?.write(&redis)?;
    println!("# importing {REDIS_IMAGE}");
    node.import_image(&redis).await
}
