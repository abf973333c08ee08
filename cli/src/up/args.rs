//! The arguments of `waxseal up`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use waxseal_sidecar::{
    api::tls::Certificate,
    config::{OverLimit, Rules},
};
use zeroize::Zeroizing;

use crate::state_dir;

const EXAMPLES: &str = "\
Examples:
  waxseal up
      A sample business at +15550100. What it prints next tells how to chat with it and how to answer.
  waxseal up --webhook http://127.0.0.1:3000/webhook
      Events go to your own program, signed as the Cloud API signs them; the handshake uses the verify token in endpoints.json.
  waxseal up --file docs/samples/local.yaml
      Your own businesses, from the same YAML that a cluster takes.
  waxseal up --redis redis://127.0.0.1:6379
      Message state in a Redis, which must run with maxmemory-policy noeviction.
  waxseal up --tls-certificate cert.pem --tls-key key.pem
      The API over HTTPS, for clients that speak nothing else.
  waxseal up --proxy
      For a program that cannot be told another address: here, Waxseal is graph.facebook.com.
  waxseal up --ephemeral --scenario docs/samples/scenarios/conversation.yaml
      Scripted consumers play; the exit code says whether all went as expected.
  waxseal up --ephemeral --listen 127.0.0.1:0
      For a test: a free port, and nothing stays. With --json the addresses come as one JSON object on standard output.

Stop with Ctrl-C. Started again, conversations go on.";

/// Starts everything on this computer.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES, after_help = "More, with examples: waxseal up --help")]
pub(crate) struct Args {
    /// Serve the phone numbers of these YAML files instead of the sample business.
    ///
    /// A file with the custom resources BusinessAccount, BusinessPhoneNumber, DataRegion, RetentionPolicy and the Secrets they name, or a
    /// folder of such files (*.yaml, *.yml). May be given several times; references may go from file to file.
    #[arg(short, long, value_name = "YAML")]
    pub(crate) file: Vec<PathBuf>,

    /// Post events to this URL instead of printing them.
    ///
    /// It is asked first with the verification handshake (GET with hub.challenge). For numbers from YAML it takes the place of what they
    /// declare.
    #[arg(long, value_name = "URL", value_parser = http_url)]
    pub(crate) webhook: Option<String>,

    /// Keep message state in this Redis instead of a file in the state directory.
    ///
    /// redis:// or rediss://. Also from the environment, which keeps a password off the command line.
    #[arg(long, value_name = "URL", env = "WAXSEAL_REDIS", hide_env_values = true, value_parser = redis_url)]
    pub(crate) redis: Option<String>,

    /// Where everything is kept; created for you alone [default: .waxseal].
    #[arg(long, value_name = "DIR", conflicts_with = "ephemeral")]
    pub(crate) state_dir: Option<PathBuf>,

    /// Where the HTTP API listens; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,

    /// Certificate (PEM, with those that vouch for it) that the HTTP API shows: it speaks HTTPS then, and only HTTPS.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_certificate: Option<PathBuf>,

    /// The private key (PEM) of that certificate.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub(crate) tls_key: Option<PathBuf>,

    /// Be graph.facebook.com for programs that have the name built in, through a proxy [address: 127.0.0.1:8083].
    ///
    /// The program is started with HTTPS_PROXY and with an authority to trust, as the first output says; nothing else of it or of this computer changes.
    /// The authority is made in the state directory and may vouch for Meta's names only. See docs/migration.md.
    #[arg(
        long,
        value_name = "ADDR:PORT",
        num_args = 0..=1,
        default_missing_value = "127.0.0.1:8083",
        conflicts_with = "tls_certificate"
    )]
    pub(crate) proxy: Option<SocketAddr>,

    /// Where /livez, /readyz, /metrics and /status listen [default: 127.0.0.1:8082, or a free port].
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) admin_listen: Option<SocketAddr>,

    /// Where the relay listens [default: 127.0.0.1:8081, or a free port].
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) relay_listen: Option<SocketAddr>,

    /// Keep everything in a temporary directory that goes at the end.
    ///
    /// What is in a Redis (--redis) stays there until it expires.
    #[arg(long)]
    pub(crate) ephemeral: bool,

    /// Play these scripted consumers once everything runs, then stop; the exit code says whether all went as expected.
    ///
    /// See `waxseal scenario --help`. Allows faults.
    #[arg(long, value_name = "YAML")]
    pub(crate) scenario: Vec<PathBuf>,

    /// For development: let `waxseal scenario` make sends fail and events be lost on purpose, through /faults of the admin port.
    #[arg(long)]
    pub(crate) allow_faults: bool,

    /// One JSON object a line on standard output, for scripts: ready, every event, stopped.
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) rules: RuleArgs,

    /// `https://host` under which the business reaches the API: for the addresses of files in webhooks. The address listened on when absent.
    #[arg(long, value_name = "URL", value_parser = http_url)]
    pub(crate) api_url: Option<String>,

    /// What `GET /source` answers: where the source of this build is. Set it when you run a changed Waxseal for others (AGPL section 13).
    #[arg(long, value_name = "URL", env = "WAXSEAL_SOURCE_URL", default_value = SOURCE_URL, value_parser = http_url)]
    pub(crate) source_url: String,
}

/// Limits and rules of conversations.
#[derive(clap::Args, Clone, Default)]
pub(crate) struct RuleArgs {
    /// Messages a second of each number, both ways together, above which they are refused; 0 for no limit [default: as declared, or 80].
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(crate) throughput: Option<u32>,

    /// Hold to further rules of the Cloud API; those that numbers from YAML declare hold anyway.
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub(crate) rules: Vec<Rule>,
}

impl RuleArgs {
    /// What was declared, with what the command line says.
    pub(crate) fn apply(&self, mut declared: Rules) -> Rules {
        if let Some(throughput) = self.throughput {
            declared.throughput_per_second = throughput;
        }
        for rule in &self.rules {
            match rule {
                Rule::Window => declared.conversation_window = true,
                Rule::Pair => declared.pair_limit = true,
                Rule::Calls => declared.call_limits = true,
                Rule::Quality => declared.quality = true,
                Rule::Queue => declared.over_limit = OverLimit::Queue,
            }
        }
        declared
    }
}

/// A rule of the Cloud API that a laptop does without.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Rule {
    /// Only templates reach a consumer who has not written for 24 hours.
    Window,
    /// One message in 6 seconds to one consumer, 45 at once.
    Pair,
    /// Management calls: 200 an hour, 5,000 once the number is active.
    Calls,
    /// Quality and messaging limits follow what consumers report.
    Quality,
    /// Messages above a limit wait instead of being refused.
    Queue,
}

/// Where the source of an unchanged build is (AGPL section 13).
const SOURCE_URL: &str = "https://waxseal.dev/source";

impl Args {
    pub(crate) fn state_dir(&self) -> &Path {
        self.state_dir.as_deref().unwrap_or(Path::new(state_dir::DEFAULT))
    }

    /// Under which address the API is reached where no number declares it: through the proxy, it is Meta's.
    pub(crate) fn api_url(&self) -> Option<&str> {
        self.api_url.as_deref().or(self.proxy.map(|_| "https://graph.facebook.com"))
    }

    /// What the HTTP API shows, if it is to speak HTTPS.
    pub(crate) fn api_certificate(&self) -> anyhow::Result<Option<Certificate>> {
        let (Some(certificate), Some(key)) = (&self.tls_certificate, &self.tls_key) else {
            return Ok(None);
        };
        let read = |path: &Path| std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()));
        let (chain, secret) = (read(certificate)?, Zeroizing::new(read(key)?));
        Certificate::from_pem(&chain, &secret)
            .map(Some)
            .with_context(|| format!("--tls-certificate {} --tls-key {}", certificate.display(), key.display()))
    }
}

fn http_url(text: &str) -> Result<String, String> {
    url(text, &["http", "https"])
}

fn redis_url(text: &str) -> Result<String, String> {
    url(text, &["redis", "rediss"])
}

fn url(text: &str, schemes: &[&str]) -> Result<String, String> {
    let parsed =
        reqwest::Url::parse(text).map_err(|error| format!("{error}; write it with scheme and host, like {}://127.0.0.1", schemes[0]))?;
    if !schemes.contains(&parsed.scheme()) || parsed.host().is_none() {
        return Err(format!("it must begin with {}://", schemes.join(":// or ")));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser};

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parse(line: &str) -> Result<Args, String> {
        Cli::try_parse_from(std::iter::once("up").chain(line.split_whitespace()))
            .map(|cli| cli.args)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_those_of_the_first_command() {
        let args = parse("").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(args.listen, SocketAddr::from(([127, 0, 0, 1], 8080)));
        assert_eq!(args.state_dir(), Path::new(".waxseal"));
        assert!(args.file.is_empty() && args.webhook.is_none() && !args.ephemeral && !args.json);
    }

    #[test]
    fn files_repeat_and_wrong_values_are_explained() {
        let args = parse("-f a.yaml --file b -f c").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(args.file.len(), 3);
        let refused = |line: &str| parse(line).err().unwrap_or_default();
        assert!(refused("--webhook 127.0.0.1:3000").contains("--webhook"));
        assert!(refused("--webhook ftp://a").contains("must begin with http:// or https://"));
        assert!(refused("--redis http://a").contains("must begin with redis:// or rediss://"));
        assert!(refused("--listen 8080").contains("--listen"));
        assert!(refused("--tls-certificate a.pem").contains("--tls-key"));
        assert!(refused("--tls-certificate a.pem --tls-key b.pem --proxy").contains("cannot be used with"));
        assert!(refused("--ephemeral --state-dir x").contains("cannot be used with"));
    }

    #[test]
    fn a_proxy_gives_files_an_address_of_meta() {
        let args = |line: &str| parse(line).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(args("").api_url(), None);
        assert_eq!(args("--proxy").proxy, Some(SocketAddr::from(([127, 0, 0, 1], 8083))));
        assert_eq!(args("--proxy 127.0.0.1:0").api_url(), Some("https://graph.facebook.com"));
        assert_eq!(
            args("--proxy --api-url https://shop.example").api_url(),
            Some("https://shop.example")
        );
    }

    #[test]
    fn rules_come_on_top_of_what_is_declared() {
        let args = parse("--throughput 0 --rules window,queue").unwrap_or_else(|error| panic!("{error}"));
        let rules = args.rules.apply(Rules {
            pair_limit: true,
            ..Rules::default()
        });
        let expected = Rules {
            throughput_per_second: 0,
            conversation_window: true,
            pair_limit: true,
            over_limit: OverLimit::Queue,
            ..Rules::default()
        };
        assert_eq!(rules, expected);
        let declared = Rules::default();
        assert_eq!(parse("").unwrap_or_else(|error| panic!("{error}")).rules.apply(declared), declared);
        assert!(parse("--rules all").is_err());
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
