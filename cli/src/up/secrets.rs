//! The secrets that `waxseal up` makes up, so that nobody has to: kept for its owner alone, the same after every start.

use std::{fs, io, path::Path};

use anyhow::{Context as _, bail};
use rand::Rng as _;
use serde::{Deserialize, Serialize};

use crate::state_dir;

/// Secrets of the sample business, and the verify token of webhooks that have none of their own.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LocalSecrets {
    pub(super) token: String,
    pub(super) app_secret: String,
    pub(super) verify_token: String,
    pub(super) pin: String,
}

impl LocalSecrets {
    /// Reads the file, or writes it with new secrets.
    pub(super) fn load_or_create(path: &Path) -> anyhow::Result<Self> {
        match fs::read(path) {
            Ok(text) => {
                let damaged = || format!("{} is damaged; remove it, and new secrets are made", path.display());
                let Ok(secrets) = serde_json::from_slice::<Self>(&text) else {
                    bail!(damaged())
                };
                if [&secrets.token, &secrets.app_secret, &secrets.verify_token, &secrets.pin]
                    .iter()
                    .any(|secret| secret.is_empty())
                {
                    bail!(damaged());
                }
                Ok(secrets)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let secrets = Self::generate();
                let text = serde_json::to_vec_pretty(&secrets)?;
                state_dir::write_private(path, &text).with_context(|| format!("{} cannot be written", path.display()))?;
                Ok(secrets)
            }
            Err(error) => Err(anyhow::Error::new(error).context(format!("{} cannot be read", path.display()))),
        }
    }

    fn generate() -> Self {
        let mut rng = rand::rng();
        Self {
            token: format!("wx-{}", hex::encode(rng.random::<[u8; 24]>())),
            app_secret: hex::encode(rng.random::<[u8; 16]>()),
            verify_token: hex::encode(rng.random::<[u8; 16]>()),
            pin: format!("{:06}", rng.random_range(0..1_000_000)),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Secrets for tests of what uses them.
    pub(crate) fn fixed() -> LocalSecrets {
        LocalSecrets {
            token: "wx-0123456789abcdef".to_owned(),
            app_secret: "00112233445566778899aabbccddeeff".to_owned(),
            verify_token: "ffeeddccbbaa99887766554433221100".to_owned(),
            pin: "012345".to_owned(),
        }
    }

    #[test]
    fn stay_equal_over_restarts_and_differ_between_directories() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("local.json");
        let first = LocalSecrets::load_or_create(&path).unwrap();
        let again = LocalSecrets::load_or_create(&path).unwrap();
        let other = LocalSecrets::load_or_create(&folder.path().join("other.json")).unwrap();
        assert!(first.token == again.token && first.pin == again.pin && first.app_secret == again.app_secret);
        assert!(first.token != other.token && first.verify_token != other.verify_token);
        assert!(first.pin.len() == 6 && first.pin.bytes().all(|byte| byte.is_ascii_digit()));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_damaged_file_is_said_to_be() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("local.json");
        fs::write(&path, "{").unwrap();
        assert!(
            LocalSecrets::load_or_create(&path)
                .err()
                .unwrap()
                .to_string()
                .contains("is damaged")
        );
    }
}
