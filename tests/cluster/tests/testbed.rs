//! The test cluster itself: what the other suites stand on is there, answers, and is gone afterwards.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail the test that calls them"
)]

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use waxseal_harness::kubernetes::{ControlPlane, Kubectl, Node, node, program};
use waxseal_testbed::image::Image;

const PATIENCE: Duration = Duration::from_secs(60);

/// The answer of an HTTP server, as its body.
async fn fetch(address: &str, path_and_query: &str) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path_and_query} HTTP/1.0\r\nHost: probe\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, exchange)
        .await
        .expect("no answer in time")
        .expect(address);
    let (_, body) = answer.split_once("\r\n\r\n").expect("no HTTP answer");
    body.trim().to_owned()
}

async fn fetch_until(address: &str, path_and_query: &str, wanted: &str) -> Duration {
    let began = Instant::now();
    loop {
        let seen = fetch(address, path_and_query).await;
        if seen == wanted {
            return began.elapsed();
        }
        assert!(began.elapsed() < PATIENCE, "{path_and_query}: {seen:?} is not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Processes whose arguments name this folder.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = format!("{}/", folder.display());
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(&folder))
        .collect()
}

fn names_in(folder: &str) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default()
}

const PODS: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: greeting}
data: {word: hello}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: probe}
spec:
  replicas: 2
  selector: {matchLabels: {app: probe}}
  template:
    metadata: {labels: {app: probe}}
    spec:
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
      - name: probe
        image: waxseal.test/probe:1
        securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
        volumeMounts: [{name: greeting, mountPath: /greeting}]
      volumes: [{name: greeting, configMap: {name: greeting}}]
---
apiVersion: v1
kind: Service
metadata: {name: probe}
spec: {selector: {app: probe}, ports: [{port: 80, targetPort: 8080}]}
"#;

#[tokio::test]
async fn pods_run_services_answer_and_names_resolve() {
    let control_plane = ControlPlane::start().await.unwrap();
    let mut node = Node::start(&control_plane).await.unwrap();
    let kubectl = control_plane.kubectl().unwrap();
    kubectl.apply(PODS).await.unwrap();
    let ready = |object: &Value| object["status"]["readyReplicas"] == 2;
    kubectl.until(&["deployment", "probe"], PATIENCE, ready).await.unwrap();

    // From here to a pod at its own address, and to both of them through the Service.
    let service = kubectl.get(&["service", "probe"]).await.unwrap()["spec"]["clusterIP"]
        .as_str()
        .unwrap()
        .to_owned();
    let pods = kubectl.get(&["pods", "--selector", "app=probe"]).await.unwrap();
    let mut names: Vec<String> = Vec::new();
    for pod in pods["items"].as_array().unwrap() {
        let name = pod["metadata"]["name"].as_str().unwrap();
        assert_eq!(
            fetch(&format!("{}:8080", pod["status"]["podIP"].as_str().unwrap()), "/").await,
            name
        );
        names.push(name.to_owned());
    }
    let at = format!("{service}:80");
    for name in &names {
        fetch_until(&at, "/", name).await;
    }

    // From a pod: names, Services, the API server, and a server of this test.
    assert_eq!(fetch(&at, "/lookup?name=probe.default.svc.cluster.local").await, service);
    assert_eq!(fetch(&at, "/lookup?name=probe").await, service);
    let through = fetch(&at, "/fetch?url=http://probe/").await;
    assert!(names.iter().any(|name| through == format!("200\n{name}")), "{through}");
    assert_eq!(fetch(&at, "/dial?address=kubernetes.default.svc:443").await, "connected");
    let ours = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let reached: SocketAddr = node.reach(ours.local_addr().unwrap()).unwrap();
    fetch_until(&at, &format!("/dial?address={reached}"), "connected").await;

    // A changed ConfigMap is in the pods in seconds.
    assert_eq!(fetch(&at, "/file?path=/greeting/word").await, "hello");
    kubectl.apply(&PODS.replace("hello", "goodbye")).await.unwrap();
    for pod in pods["items"].as_array().unwrap() {
        let at = format!("{}:8080", pod["status"]["podIP"].as_str().unwrap());
        let took = fetch_until(&at, "/file?path=/greeting/word", "goodbye").await;
        assert!(took < Duration::from_secs(20), "{took:?}");
    }

    an_imported_image_runs(&control_plane, &node, &kubectl).await;

    let folder = control_plane.folder().to_owned();
    let link = names_in("/sys/class/net").len();
    assert!(processes_of(&folder).len() > 8);
    drop(node);
    drop(control_plane);
    assert_eq!(processes_of(&folder), Vec::<String>::new());
    assert!(!folder.exists());
    assert!(names_in("/sys/class/net").len() < link);
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(&folder.display().to_string()));
}

async fn an_imported_image_runs(control_plane: &ControlPlane, node: &Node, kubectl: &Kubectl) {
    // The same program under another name, in an image that the node has never heard of.
    let program = fs::read(program("probe").unwrap()).unwrap();
    let archive = control_plane.folder().join("imported.tar");
    Image::of_program("example.test/imported:7", "imported", program)
        .write(&archive)
        .unwrap();
    node.import_image(&archive).await.unwrap();
    node.label("zone=here").await.unwrap();
    let pod = r#"
apiVersion: v1
kind: Pod
metadata: {name: imported}
spec:
  nodeSelector: {zone: here}
  containers: [{name: imported, image: "example.test/imported:7", args: [":8081"]}]
"#;
    kubectl.apply(pod).await.unwrap();
    let pod = kubectl.until(&["pod", "imported"], PATIENCE, node::is_ready).await.unwrap();
    let at = format!("{}:8081", pod["status"]["podIP"].as_str().unwrap());
    assert_eq!(fetch(&at, "/").await, "imported");
    assert_eq!(pod["spec"]["nodeName"], node::NAME);
    kubectl.run(&["exec", "imported", "--", "/imported", "no port"]).await.unwrap_err();
}

#[tokio::test]
async fn nothing_outlives_a_killed_process() {
    let program = std::env::current_exe()
        .unwrap()
        .ancestors()
        .nth(2)
        .unwrap()
        .join("waxseal-cluster-up");
    assert!(
        program.is_file(),
        "{} is missing: cargo build -p waxseal-harness",
        program.display()
    );
    let mut starter = tokio::process::Command::new(program)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(starter.stdout.take().unwrap()).lines();
    let kubeconfig = tokio::time::timeout(2 * PATIENCE, async {
        loop {
            let line = lines.next_line().await.unwrap().expect("it ended early");
            if let Some(path) = line.strip_prefix("export KUBECONFIG=") {
                return PathBuf::from(path);
            }
        }
    });
    let kubeconfig = kubeconfig.await.unwrap();
    let folder = kubeconfig.parent().unwrap();
    assert!(processes_of(folder).len() > 8);
    starter.kill().await.unwrap();
    let end = Instant::now() + PATIENCE;
    while folder.exists() {
        assert!(Instant::now() < end, "{:?}", processes_of(folder));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(processes_of(folder), Vec::<String>::new());
}

#[tokio::test]
async fn access_is_by_role_and_the_api_server_can_be_away() {
    let mut control_plane = ControlPlane::start().await.unwrap();
    let admin = control_plane.kubectl().unwrap();
    admin.run(&["create", "serviceaccount", "reader"]).await.unwrap();
    admin
        .run(&["create", "role", "reader", "--verb=get,list", "--resource=configmaps"])
        .await
        .unwrap();
    admin
        .run(&[
            "create",
            "rolebinding",
            "reader",
            "--role=reader",
            "--serviceaccount=default:reader",
            "--user=maria",
        ])
        .await
        .unwrap();
    let account = Kubectl::new(&control_plane.service_account("default", "reader").await.unwrap()).unwrap();
    let user = Kubectl::new(&control_plane.user("maria", None).unwrap()).unwrap();
    for somebody in [&account, &user] {
        somebody.run(&["get", "configmaps"]).await.unwrap();
        let refused = somebody.run(&["get", "secrets"]).await.unwrap_err();
        assert!(format!("{refused}").contains("forbidden"), "{refused}");
    }
    let asked = control_plane.audit_log().unwrap();
    let secrets = asked
        .lines()
        .filter(|line| line.contains(r#""username":"maria""#) && line.contains(r#""resource":"secrets""#));
    assert_eq!(secrets.count(), 1);

    control_plane.stop_api_server().unwrap();
    admin.run(&["get", "namespaces"]).await.unwrap_err();
    control_plane.start_api_server().await.unwrap();
    admin.run(&["get", "serviceaccount", "reader"]).await.unwrap();
}

#[tokio::test]
async fn pod_security_is_enforced() {
    let control_plane = ControlPlane::start().await.unwrap();
    let kubectl = control_plane.kubectl().unwrap();
    kubectl.run(&["create", "namespace", "strict"]).await.unwrap();
    kubectl
        .run(&["label", "namespace", "strict", "pod-security.kubernetes.io/enforce=restricted"])
        .await
        .unwrap();
    let pod = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "lax", "namespace": "strict"},
        "spec": {"containers": [{"name": "lax", "image": "waxseal.test/probe:1"}]}}"#;
    let ready = |object: &Value| object["metadata"]["name"] == "default";
    kubectl
        .until(&["serviceaccount", "default", "--namespace", "strict"], PATIENCE, ready)
        .await
        .unwrap();
    let refused = kubectl.apply(pod).await.unwrap_err();
    assert!(format!("{refused}").contains("violates PodSecurity"), "{refused}");
}
