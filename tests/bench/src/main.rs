//! Benchmarks as a command: `cargo xtask bench`.
//!
//! Purpose: measure in one run, on one machine, what the whole path costs and what its parts cost alone, and print rates, latencies,
//! processor time per message and above all ratios, which mean the same on a fast and on a slow machine. Nothing here is a test: no number
//! makes it fail.
//!
//! May touch: processes it starts (a redis-server, `waxseal up`) on loopback. Must not: aim at anything else.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this command is for")]

mod bare;
mod cpu;
mod http1;
mod inbound;
mod latency;
mod operator;
mod outbound;
mod report;
mod world;

use std::{path::PathBuf, time::Duration};

use anyhow::Result;
use clap::Parser;

/// Measures the message path and its parts; `operator` measures the operator.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// How long each part runs.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// HTTP connections of the load generator, each with one request under way.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Consumers that are written to, and that write.
    #[arg(long, default_value_t = 64)]
    consumers: usize,
    /// Messages a consumer has on its way at a time, in the inbound part.
    #[arg(long, default_value_t = 16)]
    window: usize,
    /// Requests per second of the part at a fixed rate.
    #[arg(long, default_value_t = 1000)]
    offered: u64,
    /// Use the embedded store instead of a Redis.
    #[arg(long)]
    embedded: bool,
    /// Leave out the parts that measure the whole path.
    #[arg(long)]
    parts_only: bool,
    /// Also write the figures as JSON to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Measures the operator with many numbers.
    Operator(operator::Args),
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(Command::Operator(args)) = args.command {
        return operator::run(args).await;
    }
    let duration = Duration::from_secs(args.seconds);
    let mut report = report::Report::default();

    eprintln!("signal encrypt, one thread ...");
    report.add(bare::signal_encrypt(duration.min(Duration::from_secs(3)))?);
    eprintln!("axum echo ...");
    report.add(bare::axum_echo(duration, args.connections).await?);
    if !args.embedded {
        eprintln!("bare redis commits ...");
        report.add(bare::redis_commits(duration, args.connections).await?);
    }
    if !args.parts_only {
        eprintln!("starting waxseal up ...");
        let world = world::World::start(args.embedded, args.consumers).await?;
        eprintln!("outbound, as fast as it goes ...");
        report.add(outbound::flat_out(&world, duration, args.connections).await?);
        eprintln!("outbound, {} messages/s offered ...", args.offered);
        report.add(outbound::offered(&world, duration, args.offered).await?);
        eprintln!("inbound ...");
        report.add(inbound::flat_out(&world, duration, args.window).await?);
        report.memory(world.resident_mib()?);
        world.stop().await?;
    }
    report.print();
    if let Some(path) = args.json {
        std::fs::write(path, report.json()?)?;
    }
    Ok(())
}
