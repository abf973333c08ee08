//! `helm` as a process, with one kubeconfig.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, bail};
use tokio::{process::Command, time::timeout};
use waxseal_harness::kubernetes::{Kubeconfig, program};

const TIMEOUT: Duration = Duration::from_secs(300);

/// Speaks to a cluster as somebody.
pub struct Helm {
    program: PathBuf,
    kubeconfig: Kubeconfig,
    home: tempfile::TempDir,
}

impl Helm {
    /// As the user of this file.
    ///
    /// # Errors
    /// When `helm` is not there.
    pub fn new(kubeconfig: &Kubeconfig) -> Result<Self> {
        Ok(Self {
            program: program("helm")?,
            kubeconfig: kubeconfig.clone(),
            home: tempfile::tempdir()?,
        })
    }

    /// Where the charts are.
    #[must_use]
    pub fn charts() -> PathBuf {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts"))
    }

    /// Runs it in the folder of the charts and returns its standard output.
    ///
    /// # Errors
    /// When it fails, with all that it said, or does not end in time.
    pub async fn run(&self, args: &[&str]) -> Result<String> {
        let output = Command::new(&self.program)
            .args(args)
            .current_dir(Self::charts())
            .env("KUBECONFIG", self.kubeconfig.path())
            // Nothing of the user's configuration, and nothing left behind in it.
            .env("HELM_CACHE_HOME", self.home.path())
            .env("HELM_CONFIG_HOME", self.home.path())
            .env("HELM_DATA_HOME", self.home.path())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = timeout(TIMEOUT, output)
            .await
            .with_context(|| format!("helm {} did not end in {TIMEOUT:?}", args.join(" ")))??;
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            bail!("helm {}: {out}{error}", args.join(" "));
        }
        Ok(out.into_owned())
    }
}
