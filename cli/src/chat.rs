//! `waxseal chat`: a consumer in the terminal. Full screen for people, lines or JSON for scripts.
//!
//! May touch: the terminal, `endpoints.json`, the consumer library (which keeps everything under `consumers/`). Must not: know Signal or the
//! relay's protocol.

mod command;
mod draw;
mod input;
mod model;
mod output;
mod record;
mod screen;
mod script;
mod wrap;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use waxseal_consumer::{Consumer, Failure, Options, PhoneNumber, Stop};

use crate::endpoints::Endpoints;
use crate::{state_dir, terminal};

/// What `waxseal chat` understands.
#[derive(clap::Args)]
#[command(after_long_help = HELP, after_help = "Try --help for the JSON events and the commands on standard input.")]
pub(crate) struct Args {
    /// Your phone number, such as +15550123. Any number you like: the local relay asks for no proof.
    #[arg(long = "as", value_name = "NUMBER")]
    number: String,
    /// Whom to write to. Default: the first number of the running `waxseal up`.
    #[arg(long, value_name = "NUMBER")]
    to: Option<String>,
    /// The relay. Default: that of the running `waxseal up`.
    #[arg(long, value_name = "URL")]
    relay: Option<String>,
    /// Certificates (PEM) to trust for an https relay, instead of those of the public authorities.
    #[arg(long, value_name = "FILE")]
    relay_ca: Option<PathBuf>,
    /// Where `waxseal up` keeps its state; yours is in the directory consumers/ there.
    #[arg(long, value_name = "DIR", default_value = state_dir::DEFAULT)]
    state_dir: PathBuf,
    /// The profile name that the other side sees.
    #[arg(long, value_name = "PROFILE")]
    name: Option<String>,
    /// One JSON object per line for every event.
    #[arg(long)]
    json: bool,
    /// Sends a message and exits once the relay has it. Repeatable; sent in this order. Nothing is read from standard input.
    #[arg(long, value_name = "TEXT")]
    send: Vec<String>,
    /// How far what is sent has to get before chat exits: to the relay, to the other device, or to its screen.
    #[arg(long, value_enum, default_value = "sent", value_name = "STAGE")]
    until: Stage,
    /// Exits once this many messages or reactions arrived (and everything was sent).
    #[arg(long, value_name = "N")]
    wait: Option<usize>,
    /// Gives up after this time, with exit code 1. Default: 30 with --send or --wait; else 30 after the end of standard input.
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Does not mark messages as read (without the full screen).
    #[arg(long)]
    no_read: bool,
}

/// How far a message has got.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
enum Stage {
    /// The relay has it.
    Sent,
    /// The other device has it: it was decrypted and stored there.
    Delivered,
    /// It was shown.
    Read,
}

const HELP: &str = r#"Without a terminal, or with --json, --send or --wait, chat is a line tool: each line of standard input is sent as a message, until
its end; then it exits once the relay has accepted everything (or --until is reached) and what waited there has been told. Lines that begin with a slash are
commands:
  /react EMOJI [ID]   reacts to the last message, or to that one      /read [ID...]   marks messages read (needed with --no-read only)
  /safety             tells the safety number                         /typing         shows you as typing
  //text              sends a text that begins with a slash           /quit           ends
Messages that arrived earlier and were never marked read come first.

Events of --json, one object per line; ids are 32 hex digits, times are Unix milliseconds:
  {"event":"connected","queued":N,"timestamp_ms":T}                 the relay has us; N envelopes waited
  {"event":"disconnected","reason":R,"retry_in_ms":MS}              unreachable, untrusted, rate_limited or broken; tried again
  {"event":"drained"}                                               everything that waited at the relay has been told
  {"event":"message","id":ID,"from":NUMBER,"name":NAME,"text":TEXT,"context_id":ID,"timestamp_ms":T,"sent_at_ms":T}
                                                                    name, context_id: null if none; text: null for an unknown kind
  {"event":"reaction","id":ID,"from":NUMBER,"message_id":ID,"emoji":E,"timestamp_ms":T}     an empty emoji takes it back
  {"event":"queued","id":ID,"to":NUMBER,"text":TEXT}                stored here, on its way (text: null for a reaction)
  {"event":"sent","id":ID,"to":NUMBER,"text":TEXT}                  accepted by the relay
  {"event":"delivered","id":ID,"from":NUMBER}                       on the other device; "read" likewise when it was shown
  {"event":"failed","id":ID,"to":NUMBER,"text":TEXT,"reason":R}     unknown_number, too_large, refused or undecryptable
  {"event":"typing","from":NUMBER}
  {"event":"identity_changed","peer":NUMBER}                        the safety number is another one now
  {"event":"safety_number","peer":NUMBER,"safety_number":DIGITS}    answer to /safety; null before the first message
  {"event":"error","message":TEXT}

Exit code: 0 when everything asked for happened, 1 otherwise; standard error says why."#;

/// How long the last receipts may take to leave.
const PARTING: Duration = Duration::from_secs(2);

/// What a conversation needs.
struct Chat {
    consumer: Consumer,
    peer: PhoneNumber,
    relay: String,
}

/// Runs until the person or the script is done.
pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let me = number(&args.number, "--as")?;
    let endpoints = Endpoints::read(&args.state_dir)?;
    let peer = match (&args.to, endpoints.as_ref().and_then(|endpoints| endpoints.numbers.first())) {
        (Some(to), _) => number(to, "--to")?,
        (None, Some(first)) => number(&first.phone_number, "endpoints.json")?,
        (None, None) => bail!("whom do you want to write to? Give --to NUMBER, or {}", start_up(&args)),
    };
    if peer == me {
        bail!("--as and --to are the same number: choose another --as, for example +15550123");
    }
    let relay = match (&args.relay, &endpoints) {
        (Some(relay), _) => relay.clone(),
        (None, Some(endpoints)) => endpoints.relay.clone(),
        (None, None) => bail!("where is the relay? Give --relay URL, or {}", start_up(&args)),
    };
    let mut options = Options::new(me, relay.clone(), &args.state_dir);
    if let Some(name) = &args.name {
        options = options.named(name);
    }
    if let Some(file) = &args.relay_ca {
        let ca = std::fs::read(file).with_context(|| format!("--relay-ca: {} cannot be read", file.display()))?;
        options = options.trusting(ca);
    }
    let consumer = Consumer::open(options).await.context("the conversation cannot be opened")?;
    let chat = Chat { consumer, peer, relay };
    let interactive = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if interactive && !args.json && args.send.is_empty() && args.wait.is_none() {
        screen::run(chat).await
    } else {
        script::run(chat, script::Plan::of(&args)).await
    }
}

fn number(text: &str, source: &str) -> anyhow::Result<PhoneNumber> {
    PhoneNumber::parse(text).map_err(|error| anyhow!("{source}: {error}"))
}

fn start_up(args: &Args) -> String {
    let directory = terminal::shell_word(&args.state_dir.display().to_string());
    format!(
        "start `{} up` first ({} has no endpoints.json; --state-dir says where to look)",
        terminal::command(),
        directory
    )
}

/// What to do about a message that failed.
fn advice(reason: Failure) -> &'static str {
    match reason {
        Failure::UnknownNumber => "nobody is registered under this number; check --to",
        Failure::TooLarge => "the message is too long for the relay; send it in parts",
        Failure::Refused => "the relay refused the message; are both of the same version?",
        Failure::Undecryptable => "the other side could not decrypt it, five times",
    }
}

/// Why the consumer stopped, and what to do.
fn stopped(reason: Stop) -> &'static str {
    match reason {
        Stop::Displaced => "this number was opened elsewhere, which has the connection now; close the other one, or take another --as",
        Stop::Refused => "the relay holds this number for somebody else; take another --as",
        Stop::Storage => "the state cannot be written, so nothing more is sent; is the disk full?",
    }
}

/// Unix milliseconds.
fn now_ms() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
