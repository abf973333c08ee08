//! The operator as a program.

use anyhow::Context as _;
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use waxseal_operator::arguments::Arguments;
use waxseal_telemetry::logs;

/// The images are static, and the C library's own allocator is slow there and keeps what it was given once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let settings = logs::Settings {
        format: arguments.log_format.into(),
        ..logs::Settings::default()
    };
    logs::start(&settings.with_environment())?;
    // From here on, so that a signal during a long start is not lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    tokio::spawn({
        let stop = stop.clone();
        async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping");
            stop.cancel();
        }
    });
    let config = kube::Config::infer()
        .await
        .context("found neither a kubeconfig nor the ServiceAccount of a pod")?;
    let client = waxseal_operator::client(config)?;
    waxseal_operator::run(client, arguments.options(identity()), stop).await?;
    tracing::info!("the operator has stopped");
    Ok(())
}

/// Who this process is in an election: the pod, and never the same twice.
fn identity() -> String {
    let pod = std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME"));
    format!(
        "{}_{:016x}",
        pod.unwrap_or_else(|_| "waxseal-operator".to_owned()),
        rand::random::<u64>()
    )
}
