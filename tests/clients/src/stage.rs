//! A business in the namespace: `waxseal up` on port 443 with a certificate for Meta's names.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use waxseal_harness::{
    certificates::Authority,
    receiver::Receiver,
    up::{Number, Options, Up},
};

use crate::namespace::{NAMES, write};

/// Everything in the namespace.
pub struct Stage {
    /// Relay, sidecar, store.
    pub up: Up,
    /// Where events go until a library registers its own endpoint.
    pub receiver: Receiver,
    folder: tempfile::TempDir,
}

impl Stage {
    /// Starts `waxseal up` as graph.facebook.com.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start() -> Result<Self> {
        Self::with(|options| options).await
    }

    /// The same with further options.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn with(change: impl FnOnce(Options) -> Options) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let authority = Authority::new()?;
        // Addresses of files in webhooks name the port as it listens, where nothing else is configured.
        let names: Vec<&str> = NAMES.into_iter().chain(["127.0.0.1"]).collect();
        let identity = authority.server("graph.facebook.com", &names)?;
        write(folder.path(), "ca.pem", authority.certificate())?;
        let certificate = write(folder.path(), "tls.crt", &identity.certificate)?;
        let key = write(folder.path(), "tls.key", &identity.private_key)?;
        let receiver = Receiver::start()?;
        let mut options = Options::webhook(receiver.url());
        options.listen = Some("127.0.0.1:443".to_owned());
        options.args = ["--tls-certificate".to_owned(), certificate.display().to_string()].into();
        options.args.extend(["--tls-key".to_owned(), key.display().to_string()]);
        let up = Up::start(change(options)).await?;
        Ok(Self { up, receiver, folder })
    }

    /// The authority that signed the certificate.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The number that is served.
    ///
    /// # Errors
    /// When there is none.
    pub fn number(&self) -> Result<&Number> {
        self.up.endpoints().numbers.first().context("no number is served")
    }

    /// What a driver is told: the business's ids and secrets, and what the test adds.
    ///
    /// # Errors
    /// When no number is served.
    pub fn facts(&self, more: &Value) -> Result<Value> {
        let number = self.number()?;
        let mut facts = json!({
            "phone_number": number.phone_number,
            "phone_id": number.phone_number_id,
            "waba_id": number.business_account_id,
            "app_id": number.app_id,
            "token": number.token,
            "app_secret": number.app_secret,
            "verify_token": number.verify_token,
        });
        if let (Some(facts), Some(more)) = (facts.as_object_mut(), more.as_object()) {
            facts.extend(more.clone());
        }
        Ok(facts)
    }
}
