//! The command line of the program.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use waxseal_sidecar::pod::{Mounts, Options};
use waxseal_telemetry::logs;

/// Serves one business phone number in a pod: holds its end of Signal-protocol conversations behind a Cloud-API-compatible HTTP port.
///
/// The operator runs it; there is nothing to do by hand. To try Waxseal out on one computer, use `waxseal up`.
#[derive(Parser)]
#[command(name = "waxseal-sidecar", version, arg_required_else_help = true, after_help = HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// The form of log lines, which go to standard error.
    #[arg(long, global = true, value_enum, env = "WAXSEAL_LOG_FORMAT", default_value = "json")]
    pub(crate) log_format: LogFormat,
}

const HELP: &str = "\
The environment variable WAXSEAL_LOG sets what is logged, for example WAXSEAL_LOG=info,waxseal_sidecar=debug.
Logs never hold texts or phone numbers of consumers.";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serves the number until SIGTERM.
    ///
    /// Any number of pods may serve one number: they agree on one that holds the conversations, the others pass requests on to it. Files
    /// that are missing or wrong, a Redis or an API server that does not answer: all that is waited for and told, at /readyz and in the
    /// status of the BusinessPhoneNumber. Changed files are taken up within seconds, without a restart.
    Serve(Box<Serve>),
    /// Erases the number for good: deregisters it at the relay, deletes its state in Redis, destroys its keys.
    ///
    /// Exits with 0 when all of it is done, and can be run again until it is. No pod may serve the number meanwhile.
    Erase(Erase),
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl From<LogFormat> for logs::Format {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Json => Self::Json,
            LogFormat::Text => Self::Text,
        }
    }
}

#[derive(Args)]
struct MountArgs {
    /// The configuration, as the operator writes it into the number's ConfigMap.
    #[arg(
        long,
        value_name = "FILE",
        env = "WAXSEAL_CONFIG",
        default_value = "/etc/waxseal/config/sidecar.yaml"
    )]
    config: PathBuf,

    /// The folder with the entries of Secrets, one file an entry.
    #[arg(long, value_name = "DIR", env = "WAXSEAL_SECRETS", default_value = "/etc/waxseal/secrets")]
    secrets: PathBuf,

    /// Keeps the number's keys in this file instead of its Secret: for running outside a cluster.
    #[arg(long, value_name = "FILE", env = "WAXSEAL_CUSTODY_FILE")]
    custody_file: Option<PathBuf>,
}

impl MountArgs {
    fn mounts(&self) -> Mounts {
        Mounts {
            config: self.config.clone(),
            secrets: self.secrets.clone(),
            custody_file: self.custody_file.clone(),
        }
    }
}

#[derive(Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    mounts: MountArgs,

    /// Where the Cloud API port listens.
    #[arg(long, value_name = "ADDR:PORT", env = "WAXSEAL_API_LISTEN", default_value = "0.0.0.0:8080")]
    api_listen: SocketAddr,

    /// Where /livez, /readyz, /metrics and /status listen.
    #[arg(long, value_name = "ADDR:PORT", env = "WAXSEAL_ADMIN_LISTEN", default_value = "0.0.0.0:9090")]
    admin_listen: SocketAddr,

    /// The name of the pod. Two processes with one name are taken for one that was started again.
    #[arg(long, value_name = "NAME", env = "POD_NAME")]
    pod_name: String,

    /// The namespace of the pod.
    #[arg(long, value_name = "NAME", env = "POD_NAMESPACE", default_value = "default")]
    pod_namespace: String,

    /// Where other pods of the number reach this one [default: where the API port listens].
    #[arg(long, value_name = "ADDR", env = "POD_IP")]
    pod_ip: Option<IpAddr>,

    /// The BusinessPhoneNumber whose status tells what is wrong while the configuration cannot be read.
    #[arg(long, value_name = "NAME", env = "WAXSEAL_NUMBER")]
    number: Option<String>,

    /// Where the state is reported.
    #[arg(long, value_enum, env = "WAXSEAL_REPORT", default_value = "status")]
    report: Report,

    /// What `GET /source` answers: where the source of this build is. Set it when you run a changed Waxseal for others (AGPL section 13).
    #[arg(long, value_name = "URL", env = "WAXSEAL_SOURCE_URL", default_value = "https://waxseal.dev/source")]
    source_url: String,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Report {
    /// Into the status of the BusinessPhoneNumber.
    Status,
    /// Nowhere: for running outside a cluster.
    None,
}

impl Serve {
    pub(crate) fn options(self) -> Options {
        Options {
            mounts: self.mounts.mounts(),
            api_listen: self.api_listen,
            admin_listen: self.admin_listen,
            pod_name: self.pod_name,
            pod_ip: self.pod_ip,
            reports: self.report == Report::Status,
            number: self.number.map(|number| (self.pod_namespace, number)),
            source_url: self.source_url,
        }
    }
}

#[derive(Args)]
pub(crate) struct Erase {
    #[command(flatten)]
    mounts: MountArgs,

    /// How long relay, Redis and API server are tried.
    #[arg(long, value_name = "SECONDS", env = "WAXSEAL_ERASE_DEADLINE_SECONDS", default_value_t = 300)]
    deadline_seconds: u64,
}

impl Erase {
    pub(crate) fn mounts(&self) -> Mounts {
        self.mounts.mounts()
    }

    pub(crate) const fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline_seconds)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn defaults_are_what_the_operator_mounts() {
        let cli = Cli::try_parse_from(["waxseal-sidecar", "serve", "--pod-name", "acme-1"]);
        let Ok(Cli {
            command: Command::Serve(serve),
            ..
        }) = cli
        else {
            panic!("not understood");
        };
        let options = serve.options();
        assert_eq!(
            options.mounts.config,
            PathBuf::from("/etc/waxseal/config").join(waxseal_crds::pod::FILE)
        );
        assert_eq!(options.mounts.secrets, PathBuf::from(waxseal_crds::pod::SECRETS_DIR));
        assert_eq!(options.api_listen.port(), waxseal_crds::pod::API_PORT);
        assert_eq!(options.admin_listen.port(), waxseal_crds::pod::ADMIN_PORT);
        assert!(options.reports);
    }
}
