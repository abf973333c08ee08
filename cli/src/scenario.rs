//! Scripted consumers: a YAML file says what they send, what they wait for and what goes wrong meanwhile, so that a business can test its
//! program. `waxseal scenario` plays against a running `waxseal up`; `waxseal up --scenario` brings its own.
//!
//! May touch: the consumer library, the admin port of the `up`. Must not: know the sidecar's inside or Signal.

mod document;
mod expect;
mod forms;
mod player;
mod port;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use tokio::task::JoinSet;
use waxseal_consumer::PhoneNumber;

use crate::endpoints::Endpoints;
use crate::state_dir;
use document::Script;
use player::Stage;
pub(crate) use port::{Outage, Port};
use report::{Failure, Outcome, Report};

/// What `waxseal scenario` understands.
#[derive(clap::Args)]
#[command(after_long_help = HELP, after_help = "Try --help for an example; docs/reference/scenarios.md has every step.")]
pub(crate) struct Args {
    /// The scenarios, played one after the other.
    #[arg(required = true, value_name = "YAML")]
    files: Vec<PathBuf>,
    /// Where `waxseal up` keeps its state; the consumers' is in the directory consumers/ there.
    #[arg(long, value_name = "DIR", default_value = state_dir::DEFAULT)]
    state_dir: PathBuf,
    /// The relay. Default: that of the running `waxseal up`.
    #[arg(long, value_name = "URL")]
    relay: Option<String>,
    /// The admin port that faults are made through. Default: that of the running `waxseal up`.
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
    /// Whom the consumers write to, where a scenario does not say. Default: the first number of the running `waxseal up`.
    #[arg(long, value_name = "NUMBER")]
    to: Option<String>,
    /// One JSON object per line for everything that happens.
    #[arg(long)]
    json: bool,
    /// Only says whether the scenarios are well-formed.
    #[arg(long)]
    check: bool,
}

const HELP: &str = r#"A scenario is a YAML file; its consumers play at the same time, each its own steps in order:

  name: An order
  consumers:
    - number: "+15550123"
      name: Ann
      steps:
        - send: Hello
        - expect: {contains: Welcome, within: 10s}
        - choose: 1
        - offline
        - wait: 2s
        - online
        - expect: {type: image}
  faults:
    - {webhook: 500, times: 2}

Faults of the webhook and the API need a `waxseal up` that was started with --allow-faults (or --scenario); relay_outage needs --scenario.
docs/reference/scenarios.md has every step, docs/samples/scenarios/ has whole ones.

Exit code: 0 when everything went as expected, 1 otherwise."#;

/// `waxseal scenario`.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let scripts = load(&args.files)?;
    if args.check {
        return Ok(ExitCode::SUCCESS);
    }
    let endpoints = Endpoints::read(&args.state_dir)?;
    let running = endpoints.as_ref();
    let relay = args.relay.clone().or_else(|| running.map(|running| running.relay.clone()));
    let relay = relay.context("where is the relay? Start `waxseal up` first (--state-dir says where to look), or give --relay URL")?;
    let business = match (&args.to, running.and_then(|running| running.numbers.first())) {
        (Some(to), _) => Some(PhoneNumber::parse(to).map_err(|error| anyhow!("--to: {error}"))?),
        (None, Some(first)) => Some(PhoneNumber::parse(&first.phone_number).map_err(|error| anyhow!("endpoints.json: {error}"))?),
        (None, None) => None,
    };
    // Someone else's relay has nothing to do with the admin port that happens to run here.
    let admin = match (args.admin, &args.relay) {
        (Some(admin), _) => Some(admin),
        (None, Some(_)) => None,
        (None, None) => running.map(|running| running.admin.clone()),
    };
    let theatre = Theatre {
        relay,
        state_dir: args.state_dir,
        business,
        port: Port::new(admin, None)?,
        json: args.json,
    };
    let interrupted = tokio::signal::ctrl_c();
    tokio::select! {
        outcome = theatre.play(scripts) => outcome,
        _ = interrupted => bail!("interrupted"),
    }
}

/// Where scenarios are played.
pub(crate) struct Theatre {
    pub(crate) relay: String,
    pub(crate) state_dir: PathBuf,
    pub(crate) business: Option<PhoneNumber>,
    pub(crate) port: Port,
    pub(crate) json: bool,
}

/// Scenarios that are well-formed.
pub(crate) struct Scripts(Vec<Script>);

/// Reads scenarios.
pub(crate) fn load(files: &[PathBuf]) -> anyhow::Result<Scripts> {
    let mut scripts = Vec::new();
    for file in files {
        let name = file.display();
        let text = std::fs::read_to_string(file).with_context(|| format!("{name} cannot be read"))?;
        let folder = file.parent().unwrap_or(Path::new("."));
        scripts.push(document::parse(&text, folder).map_err(|wrong| anyhow!("{name}: {wrong}"))?);
    }
    Ok(Scripts(scripts))
}

impl Theatre {
    /// Plays one after the other; tells of each how it went.
    pub(crate) async fn play(&self, scripts: Scripts) -> anyhow::Result<ExitCode> {
        let mut all_well = true;
        for script in scripts.0 {
            all_well &= self.one(script).await?;
        }
        Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn one(&self, script: Script) -> anyhow::Result<bool> {
        let business = script.business.clone().or_else(|| self.business.clone());
        let business = business.context("whom do the consumers write to? Say business: in the scenario, or give --to NUMBER")?;
        if script.roles.iter().any(|role| role.number == business) {
            bail!("{}: a consumer has the number of the business", script.name);
        }
        let width = script
            .roles
            .iter()
            .map(|role| player::label(role).chars().count())
            .max()
            .unwrap_or(0);
        let report = Report::new(self.json, width);
        self.port.add(&script.faults).await?;
        let steps = script.roles.iter().map(|role| document::count(&role.steps)).sum();
        report.started(&script.name, script.roles.len(), steps);
        let stage = Arc::new(Stage {
            relay: self.relay.clone(),
            state_dir: self.state_dir.clone(),
            business,
            port: self.port.clone(),
            report,
        });
        let makes_faults = !script.faults.is_empty() || script.roles.iter().any(|role| has_faults(&role.steps));
        let outcomes = perform(&stage, &script).await;
        if makes_faults {
            // Those of one scenario are not those of the next.
            self.port.clear().await?;
        }
        Ok(stage.report.ended(&script.name, &outcomes))
    }
}

fn has_faults(steps: &[document::Step]) -> bool {
    steps.iter().any(|step| match &step.act {
        document::Act::Fault(_) => true,
        document::Act::Repeat { steps, .. } => has_faults(steps),
        _ => false,
    })
}

/// All roles at the same time, until they are through or the time is over.
async fn perform(stage: &Arc<Stage>, script: &Script) -> Vec<Outcome> {
    let mut players = JoinSet::new();
    for (place, role) in script.roles.iter().enumerate() {
        let play = player::play(Arc::clone(stage), role.clone());
        players.spawn(async move { (place, play.await) });
    }
    let mut outcomes: Vec<Option<Outcome>> = script.roles.iter().map(|_| None).collect();
    let all = async {
        while let Some(played) = players.join_next().await {
            if let Ok((place, outcome)) = played {
                outcomes[place] = Some(outcome);
            }
        }
    };
    let in_time = tokio::time::timeout(script.timeout.max(Duration::from_millis(1)), all)
        .await
        .is_ok();
    players.shutdown().await;
    let missing = |role: &document::Role| {
        let text = if in_time {
            "broke off".to_owned()
        } else {
            format!("not done within {:?} (timeout)", script.timeout)
        };
        Outcome {
            label: player::label(role),
            done: 0,
            failure: Some(Failure { line: 0, text }),
        }
    };
    outcomes
        .into_iter()
        .zip(&script.roles)
        .map(|(outcome, role)| outcome.unwrap_or_else(|| missing(role)))
        .collect()
}
