//! `waxseal status`: what a running `waxseal up` is doing. Reads `endpoints.json` and the admin port; shows counts and ages, which is all
//! that the admin port knows.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use serde::Deserialize;

use crate::{
    endpoints::Endpoints,
    state_dir,
    table::{duration, table},
    terminal::{self, Style, harmless, shell_word},
};

const TIMEOUT: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "\
Examples:
  waxseal status
  waxseal status --json | jq '.numbers[].waiting_webhooks'

Exit code 1 when nothing runs there.";

/// Shows a running `waxseal up`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The state directory that was given to `waxseal up`.
    #[arg(long, value_name = "DIR", default_value = state_dir::DEFAULT)]
    state_dir: PathBuf,

    /// The answer of the admin port as JSON, for scripts.
    #[arg(long)]
    json: bool,
}

/// Asks and prints.
pub(crate) async fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Some(endpoints) = Endpoints::read(&args.state_dir)? else {
        return Ok(not_running(args));
    };
    let Some(answer) = ask(&endpoints.admin).await? else {
        return Ok(not_running(args));
    };
    if args.json {
        terminal::say(&answer);
        return Ok(ExitCode::SUCCESS);
    }
    let status: Status = serde_json::from_str(&answer).context("the admin port gave an answer that this version does not understand")?;
    terminal::say(&page(&endpoints, &status, Style::of_stdout()));
    Ok(ExitCode::SUCCESS)
}

/// The answer of the admin port; `None` when nobody listens there.
async fn ask(admin: &str) -> anyhow::Result<Option<String>> {
    let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
    let answer = match client.get(format!("{admin}/status")).send().await {
        Ok(answer) => answer
            .error_for_status()
            .with_context(|| format!("the admin port {admin} refused"))?,
        Err(error) if error.is_connect() => return Ok(None),
        Err(error) => return Err(anyhow::Error::new(error).context(format!("the admin port {admin} does not answer"))),
    };
    Ok(Some(
        answer.text().await.with_context(|| format!("the admin port {admin} broke off"))?,
    ))
}

fn not_running(args: &Args) -> ExitCode {
    terminal::complain(&how_to_start(&args.state_dir, terminal::command()));
    ExitCode::FAILURE
}

/// What to do when nothing runs there.
pub(crate) fn how_to_start(state_dir: &Path, command: &str) -> String {
    let shown = state_dir.display().to_string();
    let flag = if shown == state_dir::DEFAULT {
        String::new()
    } else {
        format!(" --state-dir {}", shell_word(&shown))
    };
    format!("No `waxseal up` is running in {shown}. Start it with:\n\n  {command} up{flag}")
}

/// What the admin port says.
#[derive(Deserialize)]
struct Status {
    numbers: Vec<Number>,
}

/// Counts and ages of one number. What is not known is absent.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Number {
    phone_number_id: String,
    phone_number: String,
    waiting_outbound: Option<u64>,
    waiting_webhooks: Option<u64>,
    unacknowledged: Option<u64>,
    sessions: Option<u64>,
    oldest_message_age_seconds: Option<u64>,
    next_expiry_seconds: Option<u64>,
    identity_fingerprint: Option<String>,
    linked: Option<bool>,
    webhook_verified: Option<bool>,
    error: Option<String>,
}

impl Number {
    /// In a word or two.
    fn state(&self) -> &'static str {
        if self.error.is_some() {
            "unknown"
        } else if self.linked == Some(false) {
            "no relay"
        } else if self.webhook_verified == Some(false) {
            "webhook unverified"
        } else {
            "ready"
        }
    }
}

fn page(endpoints: &Endpoints, status: &Status, style: Style) -> String {
    let count = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    let age = |seconds: Option<u64>| seconds.map_or_else(|| "-".to_owned(), duration);
    let head = [
        "NUMBER",
        "ID",
        "OUTBOUND",
        "WEBHOOKS",
        "UNACKED",
        "SESSIONS",
        "OLDEST",
        "EXPIRES IN",
        "STATE",
    ]
    .map(str::to_owned);
    let rows: Vec<[String; 9]> = status
        .numbers
        .iter()
        .map(|number| {
            [
                harmless(&number.phone_number),
                harmless(&number.phone_number_id),
                count(number.waiting_outbound),
                count(number.waiting_webhooks),
                count(number.unacknowledged),
                count(number.sessions),
                age(number.oldest_message_age_seconds),
                age(number.next_expiry_seconds),
                number.state().to_owned(),
            ]
        })
        .collect();
    let mut text = table(&head, &rows, style);
    text.push('\n');
    for number in &status.numbers {
        if let Some(fingerprint) = &number.identity_fingerprint {
            text.push_str(&format!(
                "{} identity {}\n",
                harmless(&number.phone_number),
                in_groups(&harmless(fingerprint))
            ));
        }
        if let Some(error) = &number.error {
            text.push_str(&format!("{} {}\n", harmless(&number.phone_number_id), style.red(&harmless(error))));
        }
    }
    text.push_str(&style.dim(&format!(
        "api {}   admin {}   relay {}   process {}",
        endpoints.api, endpoints.admin, endpoints.relay, endpoints.pid
    )));
    text
}

/// In groups of eight characters, for reading aloud.
fn in_groups(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    characters
        .chunks(8)
        .map(|group| group.iter().collect::<String>())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints() -> Endpoints {
        Endpoints {
            api: "http://127.0.0.1:8080".to_owned(),
            admin: "http://127.0.0.1:8082".to_owned(),
            relay: "http://127.0.0.1:8081".to_owned(),
            proxy: None,
            pid: 7,
            numbers: Vec::new(),
        }
    }

    #[test]
    fn the_page_is_tidy() {
        let answer = r#"{"numbers":[
            {"phone_number_id":"123","phone_number":"+15550100","waiting_outbound":12,"waiting_webhooks":0,"unacknowledged":3,"sessions":2,
             "oldest_message_age_seconds":75,"next_expiry_seconds":604799,"identity_fingerprint":"00112233445566778899","linked":true,"webhook_verified":false},
            {"phone_number_id":"4","phone_number":"+15550111","oldest_message_age_seconds":null,"something_new":true},
            {"phone_number_id":"5","error":"the store does not answer"}]}"#;
        let status: Status = serde_json::from_str(answer).unwrap();
        let expected = "\
NUMBER     ID   OUTBOUND  WEBHOOKS  UNACKED  SESSIONS  OLDEST  EXPIRES IN  STATE
+15550100  123  12        0         3        2         1m 15s  6d 23h      webhook unverified
+15550111  4    ?         ?         ?        ?         -       -           ready
           5    ?         ?         ?        ?         -       -           unknown

+15550100 identity 00112233 44556677 8899
5 the store does not answer
api http://127.0.0.1:8080   admin http://127.0.0.1:8082   relay http://127.0.0.1:8081   process 7";
        assert_eq!(page(&endpoints(), &status, Style::PLAIN), expected);
    }

    #[test]
    fn says_how_to_start() {
        assert!(how_to_start(Path::new(".waxseal"), "waxseal").ends_with("\n  waxseal up"));
        assert!(how_to_start(Path::new("/a b"), "waxseal").ends_with("\n  waxseal up --state-dir '/a b'"));
    }

    #[tokio::test]
    async fn nobody_listening_is_not_running() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        assert!(ask(&admin).await.unwrap().is_none());
    }
}
