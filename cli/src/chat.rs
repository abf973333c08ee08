//! `waxseal chat`: a consumer in the terminal. Full screen for people, lines or JSON for scripts.
//!
//! May touch: the terminal, `endpoints.json`, the consumer library (which keeps everything under `consumers/`). Must not: know Signal or the
//! relay's protocol.

mod command;
mod complete;
mod draw;
mod input;
mod model;
mod one_shot;
mod output;
mod picture;
mod record;
mod screen;
mod script;
mod wrap;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use waxseal_consumer::{Consumer, Failure, Options, PhoneNumber, Stop};

use crate::consumer::Talk;
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
    /// Sends a file likewise, after the texts. Repeatable.
    #[arg(long, value_name = "FILE")]
    send_file: Vec<PathBuf>,
    /// As what files are sent. Default: by the ending of the name; what is unknown is a document.
    #[arg(long, value_enum, value_name = "KIND", requires = "send_file")]
    kind: Option<one_shot::Kind>,
    /// What is said about the files.
    #[arg(long, value_name = "TEXT", requires = "send_file")]
    caption: Option<String>,
    /// Sends a place likewise: degrees north and east, and what is there.
    #[arg(long, value_name = "LAT,LON[,NAME]", allow_hyphen_values = true)]
    send_location: Option<String>,
    /// Sends an address card likewise.
    #[arg(long, value_name = "NAME,NUMBER")]
    send_contact: Option<String>,
    /// Sends anything likewise, in the form that --help and docs/reference/chat.md describe. Repeatable.
    #[arg(long, value_name = "OBJECT")]
    send_json: Vec<String>,
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
    /// Does not fetch the files that arrive. Otherwise they are in consumers/<number>/files in the state directory.
    #[arg(long)]
    no_save: bool,
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
commands; ID is the id of a message, and without it the last one that fits is meant; FILE may be in quotes:
  /image FILE [CAPTION]  /video FILE [CAPTION]  /document FILE [CAPTION]  /audio FILE  /voice FILE  /sticker FILE
  /location LAT LON [NAME]         sends a place                 /contact NAME NUMBER    sends an address card
  /choose N [ID]                   presses or chooses what a message offers              /form JSON   answers a flow
  /reply [ID] TEXT                 answers a message             /react EMOJI [ID]       reacts to it
  /edit [ID] TEXT                  changes a message of yours    /revoke [ID]            takes one back (also /delete)
  /save [ID] [FILE]                saves a file                  /played [ID...]         tells that voice messages were listened to
  /read [ID...]                    marks messages read (needed with --no-read only)      /typing      shows you as typing
  /report [REASON]                 reports the business: not_requested, no_longer_wanted, spam, offensive, fraud, other
  /safety                          tells the safety number       /welcome                tells that you opened the conversation
  //text                           sends a text that begins with a slash                 /quit        ends
Messages that arrived earlier and were never marked read come first. Files that arrive are fetched (see --no-save).

With --json a line may also be an object, which says the same and more; --send-json takes the same form:
  {"type":"text","text":"hi","reply_to":ID}       reply_to, with any type: the message it answers, or "last"
  {"type":"image","file":PATH,"caption":TEXT,"filename":NAME,"mime_type":TYPE}    likewise video, document, audio ("voice":true), sticker
  {"type":"location","latitude":N,"longitude":N,"name":T,"address":T,"url":T}     {"type":"contacts","contacts":[CARD...]}
  {"type":"choose","choice":N}                    or "title" or "id" instead of the number; message_id names the message
  {"type":"reaction","emoji":E,"message_id":ID}   {"type":"edit","text":T,"message_id":ID}   {"type":"revoke","message_id":ID}
All of them, also those for what no message offered, are in docs/reference/chat.md.

Events of --json, one object per line; ids are 32 hex digits, times are Unix milliseconds:
  {"event":"connected","queued":N,"timestamp_ms":T}                 the relay has us; N envelopes waited
  {"event":"disconnected","reason":R,"retry_in_ms":MS}              unreachable, untrusted, rate_limited or broken; tried again
  {"event":"drained"}                                               everything that waited at the relay has been told
  {"event":"message","id":ID,"from":NUMBER,"name":NAME,"text":TEXT,"context_id":ID,"timestamp_ms":T,"sent_at_ms":T,"type":KIND,KIND:{...}}
                                                                    name, context_id: null if none; text: null unless KIND is text;
                                                                    KIND: image, audio, video, document, sticker, location, contacts,
                                                                    interactive, template, button, request_welcome or unsupported,
                                                                    with a member of that name, and "choices" where it offers some
  {"event":"edited","id":ID,"from":NUMBER,"message_id":ID,"text":TEXT,"caption":BOOL,"timestamp_ms":T}
  {"event":"revoked","id":ID,"from":NUMBER,"message_id":ID,"timestamp_ms":T}
  {"event":"saved","id":ID,"path":PATH,"size_bytes":N,"sha256":HEX} the file of that message; "not_saved" has a message instead
  {"event":"reaction","id":ID,"from":NUMBER,"message_id":ID,"emoji":E,"timestamp_ms":T}     an empty emoji takes it back
  {"event":"queued","id":ID,"to":NUMBER,"text":TEXT,"type":KIND,KIND:{...}}                 stored here, on its way
  {"event":"sent","id":ID,"to":NUMBER,"text":TEXT}                  accepted by the relay
  {"event":"delivered","id":ID,"from":NUMBER}                       on the other device; "read" and "played" likewise
  {"event":"failed","id":ID,"to":NUMBER,"text":TEXT,"reason":R}     unknown_number, too_large, refused, undecryptable or file_lost
  {"event":"typing","from":NUMBER}
  {"event":"identity_changed","peer":NUMBER}                        the safety number is another one now
  {"event":"safety_number","peer":NUMBER,"safety_number":DIGITS}    answer to /safety; null before the first message
  {"event":"shown","message":TEXT}                                  what was chosen sends nothing: it opens a page, copies a code...
  {"event":"reported","to":NUMBER,"counted":BOOL}                   answer to /report; it counts once a day
  {"event":"error","message":TEXT}

Exit code: 0 when everything asked for happened, 1 otherwise; standard error says why."#;

/// How long the last receipts may take to leave.
const PARTING: Duration = Duration::from_secs(2);

/// What a conversation needs.
struct Chat {
    talk: Talk,
    relay: String,
    /// Where files that arrive go.
    files: PathBuf,
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
    let say = one_shot::of(&args)?;
    let files = args.state_dir.join("consumers").join(me.wa_id()).join("files");
    let mut options = Options::new(me, relay.clone(), &args.state_dir);
    if let Some(name) = &args.name {
        options = options.named(name);
    }
    if let Some(file) = &args.relay_ca {
        let ca = std::fs::read(file).with_context(|| format!("--relay-ca: {} cannot be read", file.display()))?;
        options = options.trusting(ca);
    }
    let consumer = Consumer::open(options).await.context("the conversation cannot be opened")?;
    let chat = Chat {
        talk: Talk::new(consumer, peer),
        relay,
        files,
    };
    let interactive = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if interactive && !args.json && say.is_empty() && args.wait.is_none() {
        screen::run(chat, !args.no_save).await
    } else {
        script::run(chat, script::Plan::of(&args, say)).await
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
        Failure::FileLost => "its file was removed before the relay had it; send it again",
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
