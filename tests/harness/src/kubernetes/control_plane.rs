//! etcd, API server, controller manager and scheduler of one cluster, each a process on a loopback port of its own.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::{Kubeconfig, Kubectl, component::Component, keeper::Keeper, network::Network, programs};
use crate::{
    certificates::{self, Authority},
    ports,
};

const ETCD_TIMEOUT: Duration = Duration::from_secs(30);
const API_SERVER_TIMEOUT: Duration = Duration::from_secs(120);
const CONTROLLERS_TIMEOUT: Duration = Duration::from_secs(90);
const START_ATTEMPTS: usize = 3;

/// Nobody without a name but those who ask whether the server lives.
const AUTHENTICATION: &str = "\
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
  - path: /readyz
  - path: /healthz
";

/// Who asked for what, never the content.
const AUDIT: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  nonResourceURLs: [/livez*, /readyz*, /healthz*]
- level: Metadata
";

/// How a control plane is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Further arguments of the API server.
    pub api_server_args: Vec<String>,
    /// Starts a scheduler too. [`super::Node`] does so by itself.
    pub scheduler: bool,
}

/// A control plane.
pub struct ControlPlane {
    // Ended in this order.
    scheduler: Option<Component>,
    controllers: Component,
    api_server: Component,
    etcd: Component,
    pub(super) keeper: Keeper,
    pub(super) network: Network,
    pub(super) authority: Authority,
    address: SocketAddr,
    kubeconfig: Kubeconfig,
}

impl ControlPlane {
    /// Starts one with everything at its default.
    ///
    /// # Errors
    /// As [`ControlPlane::start_with`].
    pub async fn start() -> Result<Self> {
        Self::start_with(Options::default()).await
    }

    /// Starts one, and waits until its API server is ready and ServiceAccounts come into being.
    ///
    /// # Errors
    /// When a program is missing or does not become ready in time; the error has the end of its log.
    pub async fn start_with(options: Options) -> Result<Self> {
        let mut last = None;
        for _ in 0..START_ATTEMPTS {
            match Self::try_start(&options).await {
                Ok(control_plane) => return Ok(control_plane),
                // Somebody took a port between our look and its bind.
                Err(error) if format!("{error:#}").contains("address already in use") => last = Some(error),
                Err(error) => return Err(error),
            }
        }
        Err(last.context("not tried")?)
    }

    async fn try_start(options: &Options) -> Result<Self> {
        let keeper = Keeper::start()?;
        let network = Network::reserve()?;
        let authority = Authority::new()?;
        let address = ports::reserve()?;
        let identity = authority.client("admin", Some("system:masters"))?;
        let path = keeper.folder().join("admin.kubeconfig");
        let kubeconfig = Kubeconfig::write(&path, &format!("https://{address}"), authority.certificate(), &identity)?;
        let etcd_address = ports::reserve()?;
        let mut control_plane = Self {
            scheduler: None,
            etcd: etcd(keeper.folder(), etcd_address)?,
            api_server: api_server(&keeper, &network, &authority, address, etcd_address, &options.api_server_args)?,
            controllers: controllers(&keeper, &network, &path)?,
            keeper,
            network,
            authority,
            address,
            kubeconfig,
        };
        control_plane.etcd.start()?;
        let health = format!("http://{etcd_address}/health");
        let client = crate::business::http_client()?;
        let healthy = async || Ok(client.get(&health).send().await?.status().is_success());
        control_plane.etcd.until("etcd was healthy", ETCD_TIMEOUT, healthy).await?;
        control_plane.start_api_server().await?;
        control_plane.controllers.start()?;
        if options.scheduler {
            control_plane.start_scheduler()?;
        }
        control_plane.until_service_accounts_exist().await?;
        Ok(control_plane)
    }

    /// Pods of a namespace are admitted once it has its ServiceAccount and the cluster's certificates.
    async fn until_service_accounts_exist(&mut self) -> Result<()> {
        let kubectl = self.kubectl()?;
        let admits = async || {
            kubectl
                .run(&[
                    "get",
                    "serviceaccount/default",
                    "configmap/kube-root-ca.crt",
                    "--namespace",
                    "default",
                ])
                .await?;
            Ok(true)
        };
        self.controllers
            .until("there was a ServiceAccount", CONTROLLERS_TIMEOUT, admits)
            .await
    }

    /// Of the administrator.
    #[must_use]
    pub fn kubeconfig(&self) -> &Kubeconfig {
        &self.kubeconfig
    }

    /// As the administrator.
    ///
    /// # Errors
    /// When `kubectl` is not there.
    pub fn kubectl(&self) -> Result<Kubectl> {
        Kubectl::new(&self.kubeconfig)
    }

    /// A kubeconfig for any user, by a certificate of the cluster's authority.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn user(&self, name: &str, group: Option<&str>) -> Result<Kubeconfig> {
        let identity = self.authority.client(name, group)?;
        let path = self
            .keeper
            .folder()
            .join(format!("user-{}.kubeconfig", name.replace([':', '/'], "-")));
        Kubeconfig::write(&path, &self.url(), self.authority.certificate(), &identity)
    }

    /// A kubeconfig for a ServiceAccount, by a token for an hour.
    ///
    /// # Errors
    /// When there is no such ServiceAccount.
    pub async fn service_account(&self, namespace: &str, name: &str) -> Result<Kubeconfig> {
        let path = self.keeper.folder().join(format!("account-{namespace}-{name}.kubeconfig"));
        self.kubectl()?.service_account(namespace, name, &path).await
    }

    /// `https://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A folder that ends with the cluster.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.keeper.folder()
    }

    /// What was asked of the API server, by whom and with what outcome: one JSON object (`audit.k8s.io/v1`, metadata only) a line.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn audit_log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.audit_path())?)
    }

    fn audit_path(&self) -> PathBuf {
        self.keeper.folder().join("audit.log")
    }

    /// Kills the API server, as if its machine were away.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn stop_api_server(&mut self) -> Result<()> {
        self.api_server.kill()
    }

    /// Starts the API server at the same address with the same state, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready in time.
    pub async fn start_api_server(&mut self) -> Result<()> {
        self.api_server.start()?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .tls_certs_only([reqwest::Certificate::from_pem(self.authority.certificate().as_bytes())?])
            .build()?;
        let url = format!("{}/readyz", self.url());
        let ready = async || Ok(client.get(&url).send().await?.status().is_success());
        self.api_server.until("the API server was ready", API_SERVER_TIMEOUT, ready).await
    }

    /// Kills the controller manager: objects are no longer followed up.
    ///
    /// # Errors
    /// When it cannot be signalled.
    pub fn stop_controllers(&mut self) -> Result<()> {
        self.controllers.kill()
    }

    /// Starts the controller manager again.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_controllers(&mut self) -> Result<()> {
        self.controllers.start()
    }

    /// Starts a scheduler, unless one runs.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_scheduler(&mut self) -> Result<()> {
        if self.scheduler.is_none() {
            self.scheduler = Some(self.scheduler()?);
        }
        self.scheduler.as_mut().map_or(Ok(()), Component::start)
    }

    pub(super) fn has_scheduler(&self) -> bool {
        self.scheduler.is_some()
    }

    pub(super) fn scheduler(&self) -> Result<Component> {
        let args = [
            format!("--kubeconfig={}", self.kubeconfig.path().display()),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
        ];
        Ok(Component::new(
            self.keeper.folder(),
            "kube-scheduler",
            programs::find("kube-scheduler")?,
            args,
        ))
    }
}

fn etcd(folder: &Path, address: SocketAddr) -> Result<Component> {
    let peer = ports::reserve()?;
    let args = [
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls=http://{address}"),
        format!("--advertise-client-urls=http://{address}"),
        format!("--listen-peer-urls=http://{peer}"),
        format!("--initial-advertise-peer-urls=http://{peer}"),
        format!("--initial-cluster=default=http://{peer}"),
    ];
    Ok(Component::new(folder, "etcd", programs::find("etcd")?, args))
}

fn api_server(
    keeper: &Keeper,
    network: &Network,
    authority: &Authority,
    address: SocketAddr,
    etcd: SocketAddr,
    further: &[String],
) -> Result<Component> {
    let [service, host] = [network.api_service().to_string(), network.host().to_string()];
    let names = [
        "127.0.0.1",
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        &service,
        &host,
    ];
    let serving = authority.server("kube-apiserver", &names)?;
    let to_kubelet = authority.client("kube-apiserver", Some("system:masters"))?;
    let (token_private, token_public) = certificates::token_keys()?;
    let flag =
        |name: &str, file: &str, content: &str| -> Result<String> { Ok(format!("--{name}={}", keeper.write(file, content)?.display())) };
    let mut args = vec![
        format!("--etcd-servers=http://{etcd}"),
        format!("--bind-address={}", address.ip()),
        format!("--secure-port={}", address.port()),
        // Where pods find it once there is a node; until then nobody goes there.
        format!("--advertise-address={host}"),
        format!("--service-cluster-ip-range={}", network.services()),
        flag("tls-cert-file", "api-server.crt", &serving.certificate)?,
        flag("tls-private-key-file", "api-server.key", &serving.private_key)?,
        flag("client-ca-file", "authority.crt", authority.certificate())?,
        flag("kubelet-certificate-authority", "authority.crt", authority.certificate())?,
        flag("kubelet-client-certificate", "to-kubelet.crt", &to_kubelet.certificate)?,
        flag("kubelet-client-key", "to-kubelet.key", &to_kubelet.private_key)?,
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        flag("service-account-signing-key-file", "tokens.key", &token_private)?,
        flag("service-account-key-file", "tokens.pub", &token_public)?,
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        flag("authentication-config", "authentication.yaml", AUTHENTICATION)?,
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--allow-privileged=true".to_owned(),
        "--profiling=false".to_owned(),
        flag("audit-policy-file", "audit.yaml", AUDIT)?,
        format!("--audit-log-path={}", keeper.folder().join("audit.log").display()),
    ];
    args.extend(further.iter().cloned());
    Ok(Component::new(
        keeper.folder(),
        "kube-apiserver",
        programs::find("kube-apiserver")?,
        args,
    ))
}

fn controllers(keeper: &Keeper, network: &Network, kubeconfig: &Path) -> Result<Component> {
    let file = |name: &str| keeper.folder().join(name).display().to_string();
    let args = [
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--service-account-private-key-file={}", file("tokens.key")),
        format!("--root-ca-file={}", file("authority.crt")),
        "--use-service-account-credentials=true".to_owned(),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
        "--allocate-node-cidrs=true".to_owned(),
        format!("--cluster-cidr={}", network.pods()),
        "--kube-api-qps=200".to_owned(),
        "--kube-api-burst=400".to_owned(),
    ];
    Ok(Component::new(
        keeper.folder(),
        "kube-controller-manager",
        programs::find("kube-controller-manager")?,
        args,
    ))
}
