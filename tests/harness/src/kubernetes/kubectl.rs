//! `kubectl` with one kubeconfig: the short way for a test to make and look at objects, and as whom.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::{io::AsyncWriteExt as _, process::Command, time::timeout};

use super::{Kubeconfig, programs};

const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(150);

/// Speaks to a cluster as somebody.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: Kubeconfig,
}

impl Kubectl {
    /// As the user of this file.
    ///
    /// # Errors
    /// When `kubectl` is not there.
    pub fn new(kubeconfig: &Kubeconfig) -> Result<Self> {
        Ok(Self {
            program: programs::find("kubectl")?,
            kubeconfig: kubeconfig.clone(),
        })
    }

    /// As whom.
    #[must_use]
    pub fn kubeconfig(&self) -> &Kubeconfig {
        &self.kubeconfig
    }

    /// Runs it and returns its standard output.
    ///
    /// # Errors
    /// When it fails, with its standard error, or does not end in time.
    pub async fn run(&self, args: &[&str]) -> Result<String> {
        self.run_with_input(args, "").await
    }

    /// As [`Kubectl::run`], with a standard input.
    ///
    /// # Errors
    /// As [`Kubectl::run`].
    pub async fn run_with_input(&self, args: &[&str], input: &str) -> Result<String> {
        let output = self.output(args, input).await?;
        if !output.status.success() {
            bail!("kubectl {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs it and returns how it ended, whatever that is.
    ///
    /// # Errors
    /// When it cannot be started or does not end in time.
    pub async fn output(&self, args: &[&str], input: &str) -> Result<Output> {
        let mut child = Command::new(&self.program)
            .arg("--kubeconfig")
            .arg(self.kubeconfig.path())
            .args(args)
            .env_remove("KUBECONFIG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("kubectl cannot be started")?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        let everything = async {
            // It may have ended without reading; its exit status tells more than a broken pipe.
            let _ = stdin.write_all(input.as_bytes()).await;
            drop(stdin);
            child.wait_with_output().await
        };
        let output = timeout(COMMAND_TIMEOUT, everything)
            .await
            .with_context(|| format!("kubectl {} did not end in {COMMAND_TIMEOUT:?}", args.join(" ")))?;
        Ok(output?)
    }

    /// Applies a manifest (YAML or JSON, one or more documents) on the server's side.
    ///
    /// # Errors
    /// When the API server does not take it.
    pub async fn apply(&self, manifest: &str) -> Result<()> {
        let args = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.run_with_input(&args, manifest).await.map(|_| ())
    }

    /// An object, or a list of them, as JSON. `args` are those of `kubectl get`.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn get(&self, args: &[&str]) -> Result<Value> {
        let args: Vec<&str> = ["get", "-o", "json"].iter().chain(args).copied().collect();
        Ok(serde_json::from_str(&self.run(&args).await?)?)
    }

    /// Waits until an object is there and as wanted, and returns it.
    ///
    /// # Errors
    /// When the time is over; the error has the object's status.
    pub async fn until(&self, args: &[&str], deadline: Duration, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let end = Instant::now() + deadline;
        loop {
            let seen = self.get(args).await;
            match seen {
                Ok(object) if wanted(&object) => return Ok(object),
                seen if Instant::now() > end => {
                    let seen = seen.map_or_else(|error| format!("{error:#}"), |object| object["status"].to_string());
                    bail!("{} is not as wanted after {deadline:?}: {seen}", args.join(" "));
                }
                _ => tokio::time::sleep(POLL).await,
            }
        }
    }

    /// A kubeconfig for a ServiceAccount, with a token for an hour, written to `path`. Works with any cluster.
    ///
    /// # Errors
    /// When there is no such ServiceAccount, or we may not ask for its tokens.
    pub async fn service_account(&self, namespace: &str, name: &str, path: &Path) -> Result<Kubeconfig> {
        let token = self
            .run(&["create", "token", name, "--namespace", namespace, "--duration", "1h"])
            .await?;
        let view = self
            .run(&["config", "view", "--minify", "--flatten", "--raw", "-o", "json"])
            .await?;
        let view: Value = serde_json::from_str(&view)?;
        let cluster = &view["clusters"][0]["cluster"];
        Kubeconfig::save(path, cluster, &serde_json::json!({"token": token.trim()}))
    }
}
