//! The relay as a program of its own.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use axum::{Router, http::header, routing::get};
use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use waxseal_relay::{Config, Relay, Reregistration, Running, Tls};
use waxseal_telemetry::{logs, metrics};

/// Forwards ciphertext between consumers and sidecars, and keeps it for who is offline.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen for gRPC; port 0 takes a free one.
    #[arg(long, env = "WAXSEAL_RELAY_LISTEN", default_value = "127.0.0.1:7400")]
    listen: SocketAddr,
    /// Where to keep the state.
    #[arg(long, env = "WAXSEAL_RELAY_STATE_DIR", default_value = ".waxseal/relay")]
    state_dir: PathBuf,
    /// The certificate to show (PEM, with its chain). With it clients have to speak TLS; without it nobody can. Read again when it changes.
    #[arg(long, env = "WAXSEAL_RELAY_TLS_CERTIFICATE", value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The certificate's private key (PEM). Read again when it changes.
    #[arg(long, env = "WAXSEAL_RELAY_TLS_KEY", value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Whose client certificates to accept (PEM). With it business numbers have to show one; consumers have none and need none.
    #[arg(long, env = "WAXSEAL_RELAY_CLIENT_CA", value_name = "FILE", requires = "tls_certificate")]
    client_ca: Option<PathBuf>,
    /// Where to serve /metrics and /livez; not served when absent.
    #[arg(long, env = "WAXSEAL_RELAY_ADMIN_LISTEN")]
    admin_listen: Option<SocketAddr>,
    /// Who may register a consumer's number anew.
    #[arg(long, env = "WAXSEAL_RELAY_REREGISTRATION", value_enum, default_value = "pin-or-credential")]
    reregistration: Who,
    /// Envelopes per second that one sender may submit.
    #[arg(long, env = "WAXSEAL_RELAY_SUBMIT_PER_SECOND")]
    submit_per_second: Option<u32>,
    /// Envelopes that may wait for one recipient.
    #[arg(long, env = "WAXSEAL_RELAY_QUEUE_ENVELOPES")]
    queue_envelopes: Option<u32>,
    /// The largest blob (an encrypted file) in bytes.
    #[arg(long, env = "WAXSEAL_RELAY_BLOB_BYTES", value_name = "BYTES")]
    blob_bytes: Option<u64>,
    /// Bytes of blobs kept for all numbers together; the disk must have this and room for the rest of the state.
    #[arg(long, env = "WAXSEAL_RELAY_BLOB_TOTAL_BYTES", value_name = "BYTES")]
    blob_total_bytes: Option<u64>,
    /// Bytes of blobs that one business number may have kept, and upload in an hour.
    #[arg(long, env = "WAXSEAL_RELAY_BLOB_BUSINESS_BYTES", value_name = "BYTES")]
    blob_business_bytes: Option<u64>,
    /// Bytes of blobs that one consumer may have kept, and upload in an hour.
    #[arg(long, env = "WAXSEAL_RELAY_BLOB_CONSUMER_BYTES", value_name = "BYTES")]
    blob_consumer_bytes: Option<u64>,
    /// Log lines as JSON.
    #[arg(long, env = "WAXSEAL_LOG_JSON")]
    log_json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Who {
    /// Anyone; stands for an SMS code. For trying things out.
    Open,
    /// Whoever has the PIN or the credential.
    PinOrCredential,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let format = if arguments.log_json {
        logs::Format::Json
    } else {
        logs::Format::Text
    };
    logs::start(
        &logs::Settings {
            format,
            ..logs::Settings::default()
        }
        .with_environment(),
    )?;
    // From here on, so that a signal during a long start is not lost.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let running = Relay::start(config(&arguments)).await?;
    if let Some(address) = arguments.admin_listen {
        serve_admin(address, &running).await?;
    }
    if arguments.tls_certificate.is_none() && !arguments.listen.ip().is_loopback() {
        tracing::warn!("clients on other machines connect without TLS; see --tls-certificate");
    }
    tracing::info!(address = %running.addr(), "the relay is ready");
    // One line for whoever started us with port 0.
    writeln!(std::io::stdout(), "listening on {}", running.addr())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = running.failed() => anyhow::bail!("the relay's state cannot be used any more"),
    }
    running.shutdown().await;
    tracing::info!("the relay has stopped");
    Ok(())
}

fn config(arguments: &Arguments) -> Config {
    let mut config = Config::new(arguments.listen, arguments.state_dir.clone());
    config.reregistration = match arguments.reregistration {
        Who::Open => Reregistration::Open,
        Who::PinOrCredential => Reregistration::PinOrCredential,
    };
    if let (Some(certificate), Some(key)) = (&arguments.tls_certificate, &arguments.tls_key) {
        config.tls = Some(Tls::new(certificate.clone(), key.clone(), arguments.client_ca.clone()));
    }
    config.limits.submit_per_second = arguments.submit_per_second;
    config.limits.queue_envelopes = arguments.queue_envelopes.unwrap_or(config.limits.queue_envelopes);
    let blobs = &mut config.limits.blobs;
    blobs.bytes = arguments.blob_bytes.unwrap_or(blobs.bytes);
    blobs.total_bytes = arguments.blob_total_bytes.unwrap_or(blobs.total_bytes);
    for (quota, bytes) in [
        (&mut blobs.business, arguments.blob_business_bytes),
        (&mut blobs.consumer, arguments.blob_consumer_bytes),
    ] {
        quota.kept_bytes = bytes.unwrap_or(quota.kept_bytes);
        quota.uploaded_bytes_per_hour = bytes.unwrap_or(quota.uploaded_bytes_per_hour);
    }
    config
}

async fn serve_admin(address: SocketAddr, running: &Running) -> anyhow::Result<()> {
    let text = running.metrics_reader();
    let metrics = get(move || std::future::ready(([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text())));
    let router = Router::new()
        .route("/metrics", metrics)
        .route("/livez", get(|| std::future::ready("ok")));
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(())
}
