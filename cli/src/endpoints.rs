//! `endpoints.json`: where a running `waxseal up` can be reached, and with which secrets. Readable only by the owner; there while it runs.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::state_dir;

/// Where a running `waxseal up` can be reached. Holds secrets, hence no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Endpoints {
    /// Base URL of the Cloud API port.
    pub(crate) api: String,
    /// Base URL of the admin port.
    pub(crate) admin: String,
    /// URL of the relay.
    pub(crate) relay: String,
    /// The proxy in which Waxseal is graph.facebook.com, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) proxy: Option<Proxy>,
    /// The process.
    pub(crate) pid: u32,
    /// The numbers served.
    pub(crate) numbers: Vec<Number>,
}

/// What a client of the proxy has to know.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proxy {
    /// For `HTTPS_PROXY`.
    pub(crate) url: String,
    /// File with the certificate of its authority.
    pub(crate) authority: PathBuf,
    /// File with that and the authorities this system trusts.
    pub(crate) bundle: PathBuf,
}

/// One number and what a client of it has to know.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Number {
    pub(crate) phone_number: String,
    pub(crate) phone_number_id: String,
    /// The WhatsApp Business Account that the number belongs to.
    #[serde(default)]
    pub(crate) business_account_id: String,
    /// The app that calls it.
    #[serde(default)]
    pub(crate) app_id: String,
    pub(crate) token: String,
    pub(crate) app_secret: String,
    pub(crate) verify_token: String,
    /// Where the number's events go.
    pub(crate) webhook: String,
}

impl Endpoints {
    /// The file within a state directory.
    pub(crate) fn path(state_dir: &Path) -> PathBuf {
        state_dir.join("endpoints.json")
    }

    /// Writes the file: at once and whole, or not at all.
    pub(crate) fn write(&self, state_dir: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        text.push(b'\n');
        state_dir::write_private(&Self::path(state_dir), &text)
    }

    /// Reads the file; `None` when there is none.
    pub(crate) fn read(state_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = Self::path(state_dir);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(anyhow::Error::new(error).context(format!("{} cannot be read", path.display()))),
        };
        // The parser's message could repeat a secret.
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|_| anyhow::anyhow!("{} is damaged; start `waxseal up` again", path.display()))
    }

    /// Removes the file, if it is there.
    pub(crate) fn remove(state_dir: &Path) -> io::Result<()> {
        match fs::remove_file(Self::path(state_dir)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(api: &str) -> Endpoints {
        Endpoints {
            api: api.to_owned(),
            admin: "http://127.0.0.1:2".to_owned(),
            relay: "http://127.0.0.1:3".to_owned(),
            proxy: None,
            pid: 7,
            numbers: vec![Number {
                phone_number: "+15550100".to_owned(),
                phone_number_id: "1".to_owned(),
                business_account_id: "2".to_owned(),
                app_id: "3".to_owned(),
                token: "t".to_owned(),
                app_secret: "a".to_owned(),
                verify_token: "v".to_owned(),
                webhook: "http://127.0.0.1:4/webhook/1".to_owned(),
            }],
        }
    }

    #[test]
    fn are_written_for_the_owner_only_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Endpoints::read(folder.path()).unwrap().is_none());
        sample("http://127.0.0.1:1").write(folder.path()).unwrap();
        sample("http://127.0.0.1:9").write(folder.path()).unwrap();
        assert!(Endpoints::read(folder.path()).unwrap() == Some(sample("http://127.0.0.1:9")));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing but the file itself stays");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(
                fs::metadata(Endpoints::path(folder.path())).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
        Endpoints::remove(folder.path()).unwrap();
        Endpoints::remove(folder.path()).unwrap();
        assert!(Endpoints::read(folder.path()).unwrap().is_none());
    }

    #[test]
    fn have_the_members_that_scripts_look_for() {
        let json = serde_json::to_value(sample("http://127.0.0.1:1")).unwrap();
        for member in ["api", "admin", "relay"] {
            assert!(json[member].is_string(), "{member}");
        }
        for member in [
            "phone_number",
            "phone_number_id",
            "business_account_id",
            "token",
            "app_secret",
            "verify_token",
        ] {
            assert!(json["numbers"][0][member].is_string(), "{member}");
        }
    }

    #[test]
    fn a_damaged_file_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(Endpoints::path(folder.path()), "{\"api\": 482913}").unwrap();
        let error = Endpoints::read(folder.path()).err().unwrap();
        assert!(!format!("{error:#}").contains("482913"));
    }
}
