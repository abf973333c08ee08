//! `waxseal webhook`: what became of a number's events, and another chance for those that nobody took.
//!
//! A client of the HTTP port like any other: of the running `waxseal up`, or of a sidecar anywhere (`--url`). May touch: `endpoints.json`, the
//! port. Must not: show contents or consumers; the port tells of neither.

mod api;
mod choice;
mod show;

use std::{path::PathBuf, process::ExitCode, time::SystemTime};

use serde_json::{Value, json};

use self::{api::Api, choice::Choice};
use crate::{
    state_dir, status,
    terminal::{self, Style},
};

const EXAMPLES: &str = "\
Examples:
  waxseal webhook dead-letters
      Events that the webhook did not take within their window. They rest for what is left of the retention.
  waxseal webhook replay --all
      Puts them back into the queue: the same bytes, the same webhook-id, each consumer's in order. Repeating it does no harm.
  waxseal webhook replay --since 6h --until 2h
      Only those that happened in that time; also 1795365600 (Unix seconds) or 2026-11-22T10:00:00Z.
  waxseal webhook deliveries
      Messages that are open or arrived lately, and how far their webhooks are.
  waxseal webhook deliveries wamid.TQdgu...
      What became of one message.
  waxseal webhook dead-letters --url https://acme-support-sidecar.shop.svc --ca ca.crt --token-file token --number 594721944749119
      The same for a sidecar in a cluster, from inside of it; the status of the number has its address.

Neither contents nor consumers are shown. Exit code 1 when nothing runs there or it refuses.";

/// Shows and replays events.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Lists events that the webhook did not take within their window.
    #[command(after_help = EXAMPLES)]
    DeadLetters(List),
    /// Puts such events back into the queue.
    #[command(after_help = EXAMPLES)]
    Replay(Change),
    /// Forgets such events for good.
    #[command(after_help = EXAMPLES)]
    Drop(Change),
    /// Tells what became of messages, and whether the webhook took the events about them.
    #[command(after_help = EXAMPLES)]
    Deliveries(Deliveries),
}

#[derive(clap::Args)]
struct List {
    /// How many at most, the oldest of each consumer first.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
struct Change {
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Args)]
struct Deliveries {
    /// The message, as `POST /messages` named it. Default: the latest, and all that are still open.
    #[arg(value_name = "MESSAGE_ID")]
    message_id: Option<String>,
    #[command(flatten)]
    list: List,
}

/// Which number, where, and how it is told.
#[derive(clap::Args)]
struct Common {
    /// The number: its id, or, for a running `waxseal up`, the phone number. Needed where there are several.
    #[arg(long, value_name = "NUMBER")]
    number: Option<String>,
    /// The answer as JSON, for scripts.
    #[arg(long)]
    json: bool,
    /// The state directory that was given to `waxseal up`.
    #[arg(long, value_name = "DIR", default_value = state_dir::DEFAULT, conflicts_with = "url")]
    state_dir: PathBuf,
    /// The HTTP port of a sidecar elsewhere, instead of that of the running `waxseal up`.
    #[arg(long, value_name = "URL", requires = "number", requires = "token_file")]
    url: Option<String>,
    /// A file with an access token of the number, for --url.
    #[arg(long, value_name = "FILE", requires = "url")]
    token_file: Option<PathBuf>,
    /// Certificates (PEM) to trust for an https port, instead of those of the public authorities.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// Asks and prints.
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let common = match &args.action {
        Action::DeadLetters(list) => &list.common,
        Action::Replay(change) | Action::Drop(change) => &change.common,
        Action::Deliveries(deliveries) => &deliveries.list.common,
    };
    let now_s = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    // What is wrong with the command line is said before anybody is asked.
    let chosen = match &args.action {
        Action::Replay(change) | Action::Drop(change) => change.choice.body(now_s)?,
        Action::DeadLetters(_) | Action::Deliveries(_) => Value::Null,
    };
    let Some(api) = Api::find(common)? else {
        terminal::complain(&status::how_to_start(&common.state_dir, terminal::command()));
        return Ok(ExitCode::FAILURE);
    };
    let style = Style::of_stdout();
    let (answer, page) = match &args.action {
        Action::DeadLetters(list) => {
            let letters = api.list("webhook_dead_letters", &[], list.limit).await?;
            let page = show::letters(&letters, now_s, style);
            (json!({ "data": letters }), page)
        }
        Action::Replay(_) => {
            let answer = api.change(reqwest::Method::POST, "webhook_replay", &chosen).await?;
            let page = show::count("Put back into the queue", &answer["replayed"]);
            (answer, page)
        }
        Action::Drop(_) => {
            let answer = api.change(reqwest::Method::DELETE, "webhook_dead_letters", &chosen).await?;
            let page = show::count("Dropped", &answer["dropped"]);
            (answer, page)
        }
        Action::Deliveries(deliveries) => {
            let message_id = deliveries.message_id.as_deref();
            let query: Vec<_> = message_id.map(|id| ("message_id", id)).into_iter().collect();
            let histories = api.list("message_history", &query, deliveries.list.limit).await?;
            let page = show::histories(&histories, message_id.is_some(), now_s, style);
            (json!({ "data": histories }), page)
        }
    };
    terminal::say(&if common.json { terminal::json_line(&answer) } else { page });
    Ok(ExitCode::SUCCESS)
}
