//! `waxseal up`: relay, sidecar and store in one process, with a sample business or the businesses of YAML files.
//!
//! Order: state directory, relay, webhook receiver, sidecar, `endpoints.json`, banner; the other way round when it stops. Nothing of it is
//! a mock: the parts are those of production, only their keys and addresses are made up here.

mod args;
mod authority;
mod banner;
mod business;
mod event_line;
mod listen;
mod proxy;
mod receiver;
mod secrets;
mod yaml;

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::Context as _;
pub(crate) use args::Args;
use tokio::signal;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use waxseal_content::PhoneNumber;
use waxseal_crds::DeclaredNumber;
use waxseal_sidecar::{Sidecar, faults::Faults};
use waxseal_telemetry::logs;

use crate::{
    endpoints::{self, Endpoints},
    scenario::{self, Outage},
    state_dir::StateDir,
    terminal::{self, Style},
};

/// How long conversations may take to come to a clean stop.
const GRACE: Duration = Duration::from_secs(10);
/// How long the numbers may take to be registered and linked at the relay.
const LINK_TIMEOUT: Duration = Duration::from_secs(30);
const LINK_POLL: Duration = Duration::from_millis(10);

/// Starts everything, waits for Ctrl-C, stops everything.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut stop = Box::pin(stop_requested()?);
    let state = if args.ephemeral {
        StateDir::ephemeral()?
    } else {
        StateDir::open(args.state_dir())?
    };
    let settings = logs::Settings {
        destination: logs::Destination::Folder(state.logs()),
        warnings_on_terminal: true,
        ..logs::Settings::default()
    };
    logs::start(&settings.with_environment())?;
    // Left behind by a process that was killed.
    Endpoints::remove(state.path()).context("the old endpoints.json cannot be removed")?;

    let scripts = scenario::load(&args.scenario)?;
    let secrets = secrets::LocalSecrets::load_or_create(&state.local_secrets_file())?;
    let numbers = if args.file.is_empty() {
        vec![business::sample(&secrets)]
    } else {
        served(yaml::load(&args.file)?)?
    };

    let started = tokio::select! {
        started = Box::pin(Running::start(&args, &state, &secrets, &numbers)) => started,
        () = &mut stop => {
            state.close().context("the temporary directory cannot be removed")?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let mut running = started?;
    running.endpoints.write(state.path()).context("endpoints.json cannot be written")?;
    tracing::info!(numbers = numbers.len(), "ready");
    banner::print(&args, &state, &running.endpoints, &numbers);

    let (mut played, mut outages) = play(&args, &state, &running.endpoints, scripts)?;
    let ended = loop {
        let outage = tokio::select! {
            () = &mut stop => break Ok(ExitCode::SUCCESS),
            () = running.sidecar.stopped() => {
                break Err(anyhow::anyhow!("the sidecar has ended by itself; {} tells why", state.logs().display()));
            }
            Some(outcome) = played.join_next() => break outcome.context("the scenario broke off").flatten(),
            Some(outage) = outages.recv() => outage,
        };
        tokio::select! {
            () = &mut stop => break Ok(ExitCode::SUCCESS),
            back = running.without_relay(&state, outage.time) => drop(outage.over.send(back)),
        }
    };
    played.shutdown().await;
    tokio::spawn(second_signal_exits());
    running.stop(&state, args.json).await;
    let code = ended?;
    let ephemeral = state.is_ephemeral();
    let path = state.path().display().to_string();
    state
        .close()
        .with_context(|| format!("the temporary directory {path} cannot be removed"))?;
    banner::print_goodbye(args.json, &path, ephemeral);
    Ok(code)
}

/// Begins to play scenarios, if there are any. What ends first ends everything.
fn play(
    args: &Args,
    state: &StateDir,
    endpoints: &Endpoints,
    scripts: scenario::Scripts,
) -> anyhow::Result<(JoinSet<anyhow::Result<ExitCode>>, mpsc::Receiver<Outage>)> {
    let (outages, relay_outages) = mpsc::channel(1);
    let mut played = JoinSet::new();
    if !args.scenario.is_empty() {
        let first = endpoints.numbers.first().map(|number| PhoneNumber::parse(&number.phone_number));
        let theatre = scenario::Theatre {
            relay: endpoints.relay.clone(),
            state_dir: state.path().to_owned(),
            business: first.transpose()?,
            port: scenario::Port::new(Some(endpoints.admin.clone()), Some(outages))?,
            json: args.json,
        };
        played.spawn(async move { theatre.play(scripts).await });
    }
    Ok((played, relay_outages))
}

/// The parts that run.
struct Running {
    /// `None` only while a scenario wants it away.
    relay: Option<waxseal_relay::Running>,
    sidecar: waxseal_sidecar::Running,
    receiver: Option<receiver::Running>,
    _proxy: Option<proxy::Running>,
    endpoints: Endpoints,
}

impl Running {
    async fn start(args: &Args, state: &StateDir, secrets: &secrets::LocalSecrets, numbers: &[DeclaredNumber]) -> anyhow::Result<Self> {
        listen::must_be_free(args.listen, "--listen")?;
        if let Some(address) = args.proxy {
            listen::must_be_free(address, "--proxy")?;
        }
        let style = if args.json {
            receiver::Print::Json
        } else {
            receiver::Print::Lines(Style::of_stdout())
        };
        let receiver = if args.webhook.is_none() && numbers.iter().any(|number| number.webhook.is_none()) {
            Some(receiver::start(numbers, &secrets.verify_token, style).await?)
        } else {
            None
        };
        let relay = start_relay(args, state).await?;
        let relay_url = format!("http://{}", relay.addr());
        let config = business::Wiring {
            rules: &args.rules,
            state,
            secrets,
            relay_url: &relay_url,
            webhook: args.webhook.as_deref(),
            receiver: receiver.as_ref().map(receiver::Running::url),
            redis: args.redis.as_deref(),
            api_url: args.api_url(),
            api_certificate: args.api_certificate()?,
            faults: (args.allow_faults || !args.scenario.is_empty()).then(Faults::default),
        };
        let (sidecar, targets) = match start_sidecar(args, &config, numbers).await {
            Ok(started) => started,
            Err(error) => {
                relay.shutdown().await;
                return Err(error);
            }
        };
        if let Err(error) = linked(&sidecar).await {
            sidecar.shutdown(Duration::ZERO).await;
            relay.shutdown().await;
            return Err(error);
        }
        let scheme = if args.tls_certificate.is_some() { "https" } else { "http" };
        let api = format!("{scheme}://{}", sidecar.api);
        let mut endpoints = business::endpoints(numbers, targets, api, sidecar.admin, relay_url);
        let proxy = match start_proxy(args, state, sidecar.api).await {
            Ok(proxy) => proxy,
            Err(error) => {
                sidecar.shutdown(Duration::ZERO).await;
                relay.shutdown().await;
                return Err(error);
            }
        };
        let (proxy, told) = proxy.unzip();
        endpoints.proxy = told;
        Ok(Self {
            _proxy: proxy,
            relay: Some(relay),
            sidecar,
            receiver,
            endpoints,
        })
    }

    /// Takes the relay away for a while; it comes back where it was, with what it had.
    async fn without_relay(&mut self, state: &StateDir, time: Duration) -> anyhow::Result<()> {
        if let Some(relay) = self.relay.take() {
            let address = relay.addr();
            relay.shutdown().await;
            tokio::time::sleep(time).await;
            let deadline = Instant::now() + LINK_TIMEOUT;
            self.relay = loop {
                match waxseal_relay::Relay::start(waxseal_relay::Config::new(address, state.relay())).await {
                    Ok(relay) => break Some(relay),
                    // The port may linger.
                    Err(_) if Instant::now() < deadline => tokio::time::sleep(LINK_POLL).await,
                    Err(error) => return Err(anyhow::Error::new(error).context("the relay cannot start again")),
                }
            };
        }
        Ok(())
    }

    /// Sidecar first, so that nothing is sent to a relay that is gone; the receiver last, so that what is under way still arrives.
    async fn stop(self, state: &StateDir, json: bool) {
        if !json {
            terminal::say("\nStopping: no new messages are accepted, what is under way is finished (Ctrl-C again stops at once).");
        }
        self.sidecar.shutdown(GRACE).await;
        if let Some(relay) = self.relay {
            relay.shutdown().await;
        }
        if let Some(receiver) = self.receiver {
            receiver.stop().await;
        }
        if Endpoints::remove(state.path()).is_err() {
            terminal::complain("warning: endpoints.json could not be removed");
        }
        tracing::info!("stopped");
    }
}

/// The proxy, if one is wanted, and what its clients have to know.
async fn start_proxy(args: &Args, state: &StateDir, api: SocketAddr) -> anyhow::Result<Option<(proxy::Running, endpoints::Proxy)>> {
    let Some(address) = args.proxy else {
        return Ok(None);
    };
    let authority = authority::Authority::open(&state.authority())?;
    let proxy = proxy::start(address, api, authority.server, args.json).await?;
    let told = endpoints::Proxy {
        url: proxy.url.clone(),
        authority: authority.certificate,
        bundle: authority.bundle,
    };
    Ok(Some((proxy, told)))
}

async fn start_relay(args: &Args, state: &StateDir) -> anyhow::Result<waxseal_relay::Running> {
    let addresses = listen::candidates(args.relay_listen, listen::RELAY, "--relay-listen")?;
    listen::first(&addresses, |listen| {
        Box::pin(waxseal_relay::Relay::start(waxseal_relay::Config::new(listen, state.relay())))
    })
    .await
    .context("the relay cannot start")
}

async fn start_sidecar(
    args: &Args,
    wiring: &business::Wiring<'_>,
    numbers: &[DeclaredNumber],
) -> anyhow::Result<(waxseal_sidecar::Running, Vec<business::Target>)> {
    let addresses = listen::candidates(args.admin_listen, listen::ADMIN, "--admin-listen")?;
    let mut targets = Vec::new();
    for number in numbers {
        targets.push(wiring.target(number)?);
    }
    let sidecar = listen::first(&addresses, |admin| {
        let config = wiring.config(numbers, &targets, args.listen, admin, &args.source_url);
        Box::pin(async move { anyhow::Ok(Sidecar::start(config?).await?) })
    })
    .await
    .context("the sidecar cannot start")?;
    Ok((sidecar, targets))
}

/// Waits until every number can send and receive.
async fn linked(sidecar: &waxseal_sidecar::Running) -> anyhow::Result<()> {
    let wait = async {
        while !sidecar.is_linked() {
            tokio::time::sleep(LINK_POLL).await;
        }
    };
    tokio::time::timeout(LINK_TIMEOUT, wait)
        .await
        .context("the sidecar could not register its numbers at the relay; the log tells why")
}

/// The numbers that are not suspended.
fn served(declared: Vec<DeclaredNumber>) -> anyhow::Result<Vec<DeclaredNumber>> {
    let (suspended, served): (Vec<_>, Vec<_>) = declared.into_iter().partition(|number| number.suspended);
    for number in &suspended {
        terminal::complain(&format!("note: {}/{} is suspended and not served", number.namespace, number.name));
    }
    anyhow::ensure!(
        !served.is_empty(),
        "every number in the files is suspended; nothing is left to serve"
    );
    Ok(served)
}

/// Ends at the first Ctrl-C or SIGTERM.
fn stop_requested() -> anyhow::Result<impl Future<Output = ()>> {
    // Registered now, not at the first poll: a signal during the start counts.
    #[cfg(unix)]
    {
        let mut interrupt = signal::unix::signal(signal::unix::SignalKind::interrupt())?;
        let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        let _ = signal::ctrl_c().await;
    })
}

async fn second_signal_exits() {
    if signal::ctrl_c().await.is_ok() {
        std::process::exit(130);
    }
}
