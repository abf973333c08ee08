//! The `waxseal` command: everything a person does with Waxseal from a terminal.
//!
//! One page on purpose: it reads the command line and hands over. Must not hold logic of its own.

mod chat;
mod consumer;
mod endpoints;
mod scenario;
mod state_dir;
mod status;
mod table;
mod terminal;
mod up;
mod webhook;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A message is many small allocations; this allocator makes them cheaper than the system's, with glibc and still more with musl.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The business end of Signal-protocol conversations, on your own computer or in your own cluster.
#[derive(Parser)]
#[command(version, arg_required_else_help = true, after_help = HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts everything on this computer: relay, sidecar, store and a sample business.
    Up(Box<up::Args>),
    /// Chats with a business as a consumer, in the terminal or from a script.
    Chat(Box<chat::Args>),
    /// Plays scripted consumers against a running `waxseal up`, to test a program that talks to them.
    Scenario(Box<scenario::Args>),
    /// Shows numbers, queues, sessions and expiry of a running `waxseal up`.
    Status(status::Args),
    /// Shows events that no webhook took, puts them back into the queue, and tells what became of messages.
    Webhook(webhook::Args),
}

const HELP: &str = "\
Begin with `waxseal up`; it prints what to do next. The environment variable WAXSEAL_LOG sets what is
logged, for example WAXSEAL_LOG=info,waxseal_sidecar=debug. Logs never hold texts or phone numbers of consumers.";

#[tokio::main]
async fn main() -> ExitCode {
    if let Err(error) = waxseal_sidecar::harden() {
        return terminal::fail(&error.into());
    }
    let outcome = match Cli::parse().command {
        Command::Up(args) => Box::pin(up::run(*args)).await,
        Command::Chat(args) => Box::pin(chat::run(*args)).await.map(|()| ExitCode::SUCCESS),
        Command::Scenario(args) => Box::pin(scenario::run(*args)).await,
        Command::Status(args) => status::run(&args).await,
        Command::Webhook(args) => webhook::run(&args).await,
    };
    outcome.unwrap_or_else(|error| terminal::fail(&error))
}
