//! What the program is started with.

use std::{net::SocketAddr, time::Duration};

use clap::{Parser, ValueEnum};
use waxseal_telemetry::logs;

use crate::{lease, options::Options, settings::Settings};

/// Runs a sidecar for every BusinessPhoneNumber of the cluster, and keeps it as declared.
///
/// It needs the custom resource definitions (chart `waxseal-crds`) and waits for them if they are not there. It reads no Secret: it creates
/// an empty one for the keys of each number, and the kubelet mounts those that are named in the resources.
///
/// To leave one number alone for a while: `kubectl annotate wxpn NAME waxseal.dev/reconcile=paused`.
#[derive(Parser, Debug)]
#[command(name = "waxseal-operator", version)]
pub struct Arguments {
    /// The namespaces whose numbers and accounts are looked after, separated by commas; all when absent. Whether another number is the
    /// same is then known within these only.
    #[arg(long, env = "WAXSEAL_OPERATOR_WATCH_NAMESPACES", value_delimiter = ',', value_name = "NAMESPACES")]
    pub watch_namespaces: Vec<String>,
    /// The image for sidecars of numbers that never had one. A number keeps its image until its DataRegion names another in
    /// `sidecar.image`: changing this, or upgrading the operator, restarts no sidecar.
    #[arg(long, env = "WAXSEAL_OPERATOR_SIDECAR_IMAGE", default_value_t = Settings::default().sidecar_image, value_name = "IMAGE")]
    pub sidecar_image: String,
    /// The Secrets, in each number's namespace, by which the image is pulled, separated by commas.
    #[arg(long, env = "WAXSEAL_OPERATOR_IMAGE_PULL_SECRETS", value_delimiter = ',', value_name = "SECRETS")]
    pub image_pull_secrets: Vec<String>,
    /// Where to serve /livez, /readyz and /metrics.
    #[arg(
        long,
        env = "WAXSEAL_OPERATOR_ADMIN_LISTEN",
        default_value = "0.0.0.0:9090",
        value_name = "ADDRESS"
    )]
    pub admin_listen: SocketAddr,
    /// Work only while holding a Lease, so that several operators can run and one of them works. Needs --lease-namespace.
    #[arg(long, env = "WAXSEAL_OPERATOR_LEADER_ELECT", requires = "lease_namespace")]
    pub leader_elect: bool,
    /// The namespace of the Lease: the operator's own.
    #[arg(long, env = "WAXSEAL_OPERATOR_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// The name of the Lease.
    #[arg(long, env = "WAXSEAL_OPERATOR_LEASE_NAME", default_value = "waxseal-operator", value_name = "NAME")]
    pub lease_name: String,
    /// How many numbers are worked on at a time.
    #[arg(long, env = "WAXSEAL_OPERATOR_CONCURRENCY", default_value = "8", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub concurrency: u16,
    /// How often every number is looked at even if nothing happened. Nothing is written unless something is different.
    #[arg(long, env = "WAXSEAL_OPERATOR_RESYNC_MINUTES", default_value = "10", value_parser = clap::value_parser!(u16).range(1..=1440), value_name = "MINUTES")]
    pub resync_minutes: u16,
    /// How long erasing a number may take. Then its keys are destroyed, which makes what may be left unreadable, and the number goes.
    #[arg(long, env = "WAXSEAL_OPERATOR_ERASE_DEADLINE_SECONDS", default_value = "600", value_parser = clap::value_parser!(u32).range(10..=86_400), value_name = "SECONDS")]
    pub erase_deadline_seconds: u32,
    /// How many numbers are given a new image at a time.
    #[arg(long, env = "WAXSEAL_OPERATOR_ROLLOUT_CONCURRENCY", default_value = "5", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub rollout_concurrency: u16,
    /// The form of log lines on standard error. WAXSEAL_LOG says which are written, for example `warn` or `info,waxseal_operator=debug`.
    #[arg(long, env = "WAXSEAL_OPERATOR_LOG_FORMAT", value_enum, default_value = "json")]
    pub log_format: LogFormat,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
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

impl Arguments {
    /// What to run with. `identity` is who this process is in an election: unlike any other's, ever.
    #[must_use]
    pub fn options(self, identity: String) -> Options {
        let named = |list: Vec<String>| {
            list.into_iter()
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty())
                .collect()
        };
        let mut watch_namespaces: Vec<String> = named(self.watch_namespaces);
        watch_namespaces.sort();
        watch_namespaces.dedup();
        let election = match self.lease_namespace {
            Some(namespace) if self.leader_elect => Some(lease::Settings {
                namespace,
                name: self.lease_name,
                identity,
                timing: lease::Timing::default(),
            }),
            _ => None,
        };
        Options {
            settings: Settings {
                sidecar_image: self.sidecar_image,
                image_pull_secrets: named(self.image_pull_secrets),
                erase_deadline_seconds: self.erase_deadline_seconds,
            },
            watch_namespaces,
            admin_listen: Some(self.admin_listen),
            election,
            concurrency: self.concurrency,
            resync: Duration::from_secs(60 * u64::from(self.resync_minutes)),
            rollout_concurrency: usize::from(self.rollout_concurrency),
            ..Options::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options, clap::Error> {
        let arguments = std::iter::once("waxseal-operator").chain(arguments.iter().copied());
        Ok(Arguments::try_parse_from(arguments)?.options("me".into()))
    }

    #[test]
    fn the_defaults_are_those_of_the_options() {
        let options = parse(&[]).unwrap();
        let defaults = Options::default();
        assert_eq!(options.settings, defaults.settings);
        assert_eq!(options.resync, defaults.resync);
        assert_eq!(options.concurrency, defaults.concurrency);
        assert_eq!(options.rollout_concurrency, defaults.rollout_concurrency);
        assert!(options.election.is_none() && options.watch_namespaces.is_empty());
        assert_eq!(Arguments::try_parse_from(["x"]).unwrap().log_format, LogFormat::Json);
    }

    #[test]
    fn lists_are_separated_by_commas() {
        let options = parse(&["--watch-namespaces", "b, a,,b", "--image-pull-secrets", "one,two"]).unwrap();
        assert_eq!(options.watch_namespaces, ["a", "b"]);
        assert_eq!(options.settings.image_pull_secrets, ["one", "two"]);
    }

    #[test]
    fn an_election_needs_a_namespace() {
        let error = parse(&["--leader-elect"]).unwrap_err().to_string();
        assert!(error.contains("--lease-namespace"), "{error}");
        let election = parse(&["--leader-elect", "--lease-namespace", "system"]).unwrap().election.unwrap();
        assert_eq!(
            (election.namespace.as_str(), election.name.as_str(), election.identity.as_str()),
            ("system", "waxseal-operator", "me")
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            ["--concurrency", "0"],
            ["--resync-minutes", "0"],
            ["--erase-deadline-seconds", "1"],
            ["--rollout-concurrency", "0"],
        ] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_flag_has_a_variable_and_help() {
        use clap::CommandFactory as _;
        for argument in Arguments::command().get_arguments() {
            let id = argument.get_id().as_str();
            let variable = argument.get_env().and_then(|name| name.to_str());
            assert_eq!(variable, Some(format!("WAXSEAL_OPERATOR_{}", id.to_uppercase()).as_str()));
            assert!(argument.get_help().is_some(), "{id}");
        }
    }
}
