//! One node of a control plane, with real containers: containerd, kubelet, kube-proxy, scheduler and CoreDNS.
//!
//! All of it is in process, mount and network namespaces of its own below one first process: what ends that process ends the node, with its
//! containers, mounts and addresses. A wire leads there from this machine, so that a test speaks to pods and Services at their own addresses.
//! Needs root on Linux.

use std::{
    ffi::OsString,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{process::Command, time::timeout};
use waxseal_testbed::image::Image;

use super::{ControlPlane, Kubeconfig, Kubectl, component::Component, programs};

const INIT: &str = include_str!("node/init.sh");
const NETWORK: &str = include_str!("node/network.sh");
const AFTER: &str = include_str!("node/after.sh");
const CONTAINERD: &str = include_str!("node/containerd.toml");
const KUBELET: &str = include_str!("node/kubelet.yaml");
const PODS: &str = include_str!("node/pods.conflist");
const DNS: &str = include_str!("node/dns.yaml");

/// The node's name.
pub const NAME: &str = "node-1";
/// An image with the `probe` of `tests/tools/kubernetes`, for pods to look around from; on every node.
pub const PROBE_IMAGE: &str = "waxseal.test/probe:1";
const PAUSE_IMAGE: &str = "waxseal.test/pause:1";
const COREDNS_IMAGE: &str = "waxseal.test/coredns:1";

const COMMAND_TIMEOUT: Duration = Duration::from_secs(120);
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// A node.
pub struct Node {
    // The first one ends all those that run inside.
    init: Component,
    inside: Vec<Component>,
    outside: Vec<Component>,
    folder: PathBuf,
    init_pid: u32,
    host: Ipv4Addr,
    address: Ipv4Addr,
    snapshotter: String,
    kubectl: Kubectl,
}

impl Node {
    /// Starts the node of a control plane (it can have one), and waits until it takes pods and answers for names.
    ///
    /// # Errors
    /// When the machine cannot have one, a program is missing or does not become ready in time.
    pub async fn start(control_plane: &ControlPlane) -> Result<Self> {
        ensure!(
            cfg!(target_os = "linux"),
            "a node needs Linux; KUBECONFIG may name a cluster with nodes instead"
        );
        let mut node = Self::enter(control_plane).await?;
        let outcome = node.run(control_plane).await;
        outcome.with_context(|| format!("the node did not come up; its logs: {}", node.tails()))?;
        Ok(node)
    }

    /// Makes the namespaces and the wire.
    async fn enter(control_plane: &ControlPlane) -> Result<Self> {
        let network = &control_plane.network;
        let folder = control_plane.folder().join("node");
        fs::create_dir(&folder).context("a control plane has one node")?;
        let (link, cgroup) = (network.name(), network.name());
        control_plane.keeper.afterwards(&format!("LINK={link} CGROUP={cgroup}\n{AFTER}"))?;
        let script = folder.join("init.sh");
        fs::write(&script, INIT)?;
        let flags = ["--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "env"].map(OsString::from);
        let args = flags
            .into_iter()
            .chain([format!("NODE={}", folder.display()).into(), "sh".into(), script.into()]);
        let mut init = Component::new(control_plane.folder(), "node", need("unshare")?, args);
        init.start()?;
        let inside = folder.join("init");
        let is_in = async || Ok(inside.is_file());
        init.until("the node had its namespaces (which needs root)", START_TIMEOUT, is_in)
            .await?;
        let init_pid = fs::read_to_string(&inside)?.trim().parse()?;
        let mut node = Self {
            init,
            inside: Vec::new(),
            outside: Vec::new(),
            init_pid,
            host: network.host(),
            address: network.node(),
            snapshotter: String::new(),
            kubectl: control_plane.kubectl()?,
            folder,
        };
        let script = node.write("network.sh", NETWORK)?;
        let mut command = Command::new("sh");
        command
            .arg(script)
            .env("PATH", programs::search_path()?)
            .env("NODE", &node.folder)
            .env("LINK", link)
            .env("CGROUP", cgroup)
            .env("HOST", node.host.to_string())
            .env("ADDRESS", node.address.to_string())
            .env("WHOLE", network.whole());
        node.snapshotter = output(command)
            .await
            .context("the node's network cannot be set up")?
            .trim()
            .to_owned();
        Ok(node)
    }

    async fn run(&mut self, control_plane: &ControlPlane) -> Result<()> {
        let folder = control_plane.folder();
        // To the API server where pods look for it.
        let api_server = control_plane.address();
        self.forward(SocketAddr::from((self.host, api_server.port())), api_server)?;
        self.write_configuration(control_plane)?;

        self.start_inside(
            folder,
            "containerd",
            need("containerd")?,
            vec![format!("--config={}", self.path("containerd.toml"))],
        )?;
        let socket = PathBuf::from(self.socket());
        let listens = async || Ok(tokio::net::UnixStream::connect(&socket).await.is_ok());
        self.last().until("containerd listened", START_TIMEOUT, listens).await?;
        for (program, image) in [("pause", PAUSE_IMAGE), ("coredns", COREDNS_IMAGE), ("probe", PROBE_IMAGE)] {
            let archive = self.folder.join(format!("{program}.tar"));
            Image::of_program(image, program, fs::read(programs::find(program)?)?).write(&archive)?;
            self.import_image(&archive).await?;
        }

        let kubeconfig = self.kubeconfig(
            control_plane,
            &format!("system:node:{NAME}"),
            Some("system:nodes"),
            "kubelet.kubeconfig",
        )?;
        let args = vec![
            format!("--config={}", self.path("kubelet.yaml")),
            format!("--kubeconfig={}", kubeconfig.path().display()),
            format!("--root-dir={}", self.path("kubelet")),
            format!("--cert-dir={}", self.path("certificates")),
            format!("--hostname-override={NAME}"),
            format!("--node-ip={}", self.address),
        ];
        self.start_inside(folder, "kubelet", programs::find("kubelet")?, args)?;
        let kubeconfig = self.kubeconfig(control_plane, "system:kube-proxy", None, "kube-proxy.kubeconfig")?;
        let mut args = vec![
            format!("--kubeconfig={}", kubeconfig.path().display()),
            format!("--hostname-override={NAME}"),
            format!("--cluster-cidr={}", control_plane.network.pods()),
        ];
        // Connection tracking of the machine is not the node's to set.
        let fixed = [
            "--proxy-mode=nftables",
            "--conntrack-max-per-core=0",
            "--conntrack-min=0",
            "--conntrack-tcp-timeout-established=0s",
            "--conntrack-tcp-timeout-close-wait=0s",
        ];
        args.extend(fixed.map(str::to_owned));
        self.start_inside(folder, "kube-proxy", programs::find("kube-proxy")?, args)?;
        if !control_plane.has_scheduler() {
            let mut scheduler = control_plane.scheduler()?;
            scheduler.start()?;
            self.outside.push(scheduler);
        }
        let dns = self.filled(control_plane, DNS);
        self.kubectl.apply(&dns).await?;
        self.kubectl.until(&["node", NAME], START_TIMEOUT, is_ready).await?;
        let args = ["deployment/coredns", "--namespace", "kube-system"];
        self.kubectl
            .until(&args, START_TIMEOUT, |object| object["status"]["readyReplicas"] == 1)
            .await?;
        Ok(())
    }

    fn write_configuration(&self, control_plane: &ControlPlane) -> Result<()> {
        fs::create_dir(self.folder.join("cni"))?;
        self.write("containerd.toml", &self.filled(control_plane, CONTAINERD))?;
        self.write("kubelet.yaml", &self.filled(control_plane, KUBELET))?;
        self.write("cni/pods.conflist", &self.filled(control_plane, PODS))?;
        // Names outside of the cluster are nobody's here.
        self.write("resolv.conf", "")?;
        let address = self.address.to_string();
        let serving = control_plane.authority.server(&format!("system:node:{NAME}"), &[NAME, &address])?;
        self.write("kubelet.crt", &serving.certificate)?;
        self.write("kubelet.key", &serving.private_key)?;
        Ok(())
    }

    /// A template with this node's values.
    fn filled(&self, control_plane: &ControlPlane, template: &str) -> String {
        let network = &control_plane.network;
        let plugins = ["/usr/lib/cni", "/opt/cni/bin"];
        let values = [
            ("{node}", self.folder.display().to_string()),
            ("{folder}", control_plane.folder().display().to_string()),
            ("{socket}", self.socket()),
            ("{cgroup}", network.name()),
            ("{dns}", network.dns_service().to_string()),
            ("{node_pods}", network.node_pods()),
            ("{snapshotter}", self.snapshotter.clone()),
            ("{pause}", PAUSE_IMAGE.to_owned()),
            ("{coredns}", COREDNS_IMAGE.to_owned()),
            (
                "{cni_programs}",
                plugins
                    .iter()
                    .find(|folder| Path::new(folder).join("ptp").is_file())
                    .unwrap_or(&plugins[0])
                    .to_string(),
            ),
        ];
        values
            .iter()
            .fold(template.to_owned(), |text, (name, value)| text.replace(name, value))
    }

    fn kubeconfig(&self, control_plane: &ControlPlane, user: &str, group: Option<&str>, file: &str) -> Result<Kubeconfig> {
        let identity = control_plane.authority.client(user, group)?;
        let server = format!("https://{}:{}", self.host, control_plane.address().port());
        Kubeconfig::write(&self.folder.join(file), &server, control_plane.authority.certificate(), &identity)
    }

    fn start_inside(&mut self, folder: &Path, name: &str, program: PathBuf, args: Vec<String>) -> Result<()> {
        let args = self
            .entering()
            .into_iter()
            .chain([program.into()])
            .chain(args.into_iter().map(OsString::from));
        let mut component = Component::new(folder, name, need("nsenter")?, args);
        component.start()?;
        self.inside.push(component);
        Ok(())
    }

    fn last(&mut self) -> &mut Component {
        self.inside.last_mut().unwrap_or(&mut self.init)
    }

    fn entering(&self) -> Vec<OsString> {
        let target = self.init_pid.to_string();
        ["--target", &target, "--mount", "--net", "--pid", "--ipc", "--uts"]
            .map(OsString::from)
            .to_vec()
    }

    fn socket(&self) -> String {
        self.path("containerd.sock")
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn write(&self, name: &str, content: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    fn tails(&self) -> String {
        let components = [&self.init].into_iter().chain(&self.inside).chain(&self.outside);
        components
            .map(|component| format!("\n--- {}:\n{}", component.name(), component.tail()))
            .collect()
    }

    /// Puts the images of an archive on the node, for pods with `imagePullPolicy` `IfNotPresent` or `Never`.
    ///
    /// # Errors
    /// When the runtime does not take it.
    pub async fn import_image(&self, archive: &Path) -> Result<()> {
        let mut command = Command::new(need("nsenter")?);
        command
            .args(self.entering())
            .arg(need("ctr")?)
            .args([
                "--address",
                &self.socket(),
                "--namespace",
                "k8s.io",
                "images",
                "import",
                "--snapshotter",
                &self.snapshotter,
            ])
            .arg(archive);
        output(command)
            .await
            .with_context(|| format!("{} cannot be imported", archive.display()))?;
        Ok(())
    }

    /// Sets a label of the node: `name=value`, or `name-` to remove it.
    ///
    /// # Errors
    /// When the API server does not take it.
    pub async fn label(&self, label: &str) -> Result<()> {
        self.kubectl.run(&["label", "node", NAME, "--overwrite", label]).await.map(|_| ())
    }

    /// This machine as pods see it. Only what is bound to this address (or to all) can be reached there.
    #[must_use]
    pub fn host(&self) -> Ipv4Addr {
        self.host
    }

    /// Where pods reach a server that listens on a loopback address of this machine.
    ///
    /// # Errors
    /// When the forwarding cannot be started.
    pub fn reach(&mut self, server: SocketAddr) -> Result<SocketAddr> {
        let at = SocketAddr::from((self.host, server.port()));
        self.forward(at, server)?;
        Ok(at)
    }

    fn forward(&mut self, from: SocketAddr, to: SocketAddr) -> Result<()> {
        let name = format!("forward-{}", from.port());
        let log = self.folder.join(format!("{name}.log"));
        let args = [
            "-lf".to_owned(),
            log.display().to_string(),
            format!("TCP-LISTEN:{},bind={},fork,reuseaddr", from.port(), from.ip()),
            format!("TCP:{to}"),
        ];
        let folder = self.folder.parent().context("no folder")?;
        let mut forward = Component::new(folder, &name, need("socat")?, args);
        forward.start()?;
        self.outside.push(forward);
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The kernel ends everything inside with the first process, and that one is gone only when all others are.
        let pid = self.init_pid.to_string();
        let _ = std::process::Command::new("sh")
            .args(["-c", "kill -KILL \"$0\"", &pid])
            .stderr(Stdio::null())
            .status();
        let _ = self.init.wait();
    }
}

/// Whether a node or a pod is ready, as `status.conditions` tells.
#[must_use]
pub fn is_ready(object: &serde_json::Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"))
}

fn need(program: &str) -> Result<PathBuf> {
    programs::on_path(program).with_context(|| format!("{program} is missing, which a node needs: run `cargo xtask cluster tools`"))
}

async fn output(mut command: Command) -> Result<String> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(COMMAND_TIMEOUT, command.output())
        .await
        .with_context(|| format!("it did not end in {COMMAND_TIMEOUT:?}"))??;
    if !output.status.success() {
        bail!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
