//! The files that a pod mounts: read whole, with a digest that tells whether anything changed.
//!
//! The kubelet keeps the entries of a volume in a folder of its own and swaps a link, `..data`, to the next one when they change. What is read
//! here is of one such folder, never half of each. In a plain folder, which is what stands in for a volume outside a cluster, a file that is
//! being written may be read half; then it is read again at the next look.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// A ConfigMap and a Secret have at most 1 MiB.
const MOST_BYTES: u64 = 1 << 20;
/// Far above what a number has.
const MOST_FILES: usize = 256;
const MOST_DEPTH: usize = 4;
/// How often a read is begun again because the link moved meanwhile.
const ATTEMPTS: usize = 3;

/// What changes when a file does. Never leaves the process: it is a hash of secrets.
pub type Digest = [u8; 32];

/// What is mounted. No `Debug`: it holds secrets.
#[derive(Default)]
pub struct Files {
    /// The text of the configuration; `None` when there is no such file.
    pub config: Option<Vec<u8>>,
    /// The entries of Secrets, by their path.
    pub secrets: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

impl Files {
    /// A hash of everything.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        add(&[u8::from(self.config.is_some())]);
        add(self.config.as_deref().unwrap_or_default());
        for (path, bytes) in &self.secrets {
            add(path.as_bytes());
            add(bytes);
        }
        hash.finalize().into()
    }
}

/// Reads the configuration and everything under the folder of secrets. What does not exist is left out.
///
/// # Errors
/// When something exists and cannot be read, or there is far too much of it.
pub fn read(config: &Path, secrets: &Path) -> io::Result<Files> {
    let links = [config.parent().map(|folder| folder.join("..data")), Some(secrets.join("..data"))];
    let targets = || links.iter().flatten().map(|link| fs::read_link(link).ok()).collect::<Vec<_>>();
    for _ in 0..ATTEMPTS {
        let before = targets();
        let mut files = Files {
            config: file(config)?.map(|bytes| bytes.to_vec()),
            ..Files::default()
        };
        folder(secrets, "", 0, &mut files.secrets)?;
        if targets() == before {
            return Ok(files);
        }
    }
    Err(io::Error::other("the files change all the time"))
}

fn folder(path: &Path, prefix: &str, depth: usize, into: &mut BTreeMap<String, Zeroizing<Vec<u8>>>) -> io::Result<()> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(()),
        Err(error) => return Err(located(path, &error)),
    };
    for entry in entries {
        let name = entry.map_err(|error| located(path, &error))?.file_name();
        // Names that cannot be asked for, and the kubelet's own: `..data` and where it leads.
        let Some(name) = name.to_str().filter(|name| !name.starts_with("..")) else {
            continue;
        };
        let (path, name): (PathBuf, String) = (path.join(name), format!("{prefix}{name}"));
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() && depth < MOST_DEPTH => folder(&path, &format!("{name}/"), depth + 1, into)?,
            Ok(metadata) if metadata.is_file() => {
                if let Some(bytes) = file(&path)? {
                    into.insert(name, bytes);
                }
            }
            Ok(_) => {}
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(located(&path, &error)),
        }
        if into.len() > MOST_FILES {
            return Err(io::Error::other(format!("{}: more than {MOST_FILES} files", path.display())));
        }
    }
    Ok(())
}

fn file(path: &Path) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let opened = match fs::File::open(path) {
        Ok(opened) => opened,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(located(path, &error)),
    };
    let length = opened.metadata().map_or(0, |metadata| metadata.len()).min(MOST_BYTES);
    // Room for all of it from the start: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1));
    opened
        .take(MOST_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| located(path, &error))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::other(format!("{} is larger than 1 MiB", path.display())));
    }
    Ok(Some(bytes))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn located(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{} cannot be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A volume as the kubelet lays it out.
    fn volume(root: &Path, version: &str, entries: &[(&str, &str)]) {
        let data = root.join(format!("..{version}"));
        for (path, text) in entries {
            let path = data.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let next = root.join("..data_tmp");
        symlink(format!("..{version}"), &next).unwrap();
        fs::rename(next, root.join("..data")).unwrap();
        for (path, _) in entries {
            let top = path.split('/').next().unwrap();
            if fs::symlink_metadata(root.join(top)).is_err() {
                symlink(format!("..data/{top}"), root.join(top)).unwrap();
            }
        }
    }

    #[test]
    fn volumes_are_read_through_their_links_and_changes_show() {
        let root = tempfile::tempdir().unwrap();
        let (config, secrets) = (root.path().join("config"), root.path().join("secrets"));
        fs::create_dir_all(&secrets).unwrap();
        let config_file = config.join("sidecar.yaml");
        let read = || read(&config_file, &secrets).unwrap();
        let nothing = read();
        assert!(nothing.config.is_none() && nothing.secrets.is_empty());

        fs::create_dir_all(&config).unwrap();
        volume(&config, "1", &[("sidecar.yaml", "a: 1")]);
        volume(&secrets, "1", &[("pin", "123456"), ("tokens/main", "t"), ("redis/password", "p")]);
        let first = read();
        assert_eq!(first.config.as_deref(), Some(b"a: 1".as_slice()));
        assert_eq!(
            first.secrets.keys().map(String::as_str).collect::<Vec<_>>(),
            ["pin", "redis/password", "tokens/main"]
        );
        assert_eq!(first.digest(), read().digest());
        assert_ne!(first.digest(), nothing.digest());

        volume(&secrets, "2", &[("pin", "654321"), ("tokens/main", "t")]);
        let second = read();
        assert_eq!(second.secrets["pin"].as_slice(), b"654321");
        // The link of an entry that is gone leads nowhere.
        assert!(!second.secrets.contains_key("redis/password"));
        assert_ne!(first.digest(), second.digest());
    }

    #[test]
    fn moving_bytes_between_files_is_a_change() {
        let files = |entries: &[(&str, &str)]| Files {
            config: None,
            secrets: entries
                .iter()
                .map(|(path, text)| ((*path).to_owned(), Zeroizing::new(text.as_bytes().to_vec())))
                .collect(),
        };
        assert_ne!(files(&[("a", "bc")]).digest(), files(&[("ab", "c")]).digest());
        assert_ne!(files(&[]).digest(), files(&[("", "")]).digest());
        let absent = files(&[]);
        let empty = Files {
            config: Some(Vec::new()),
            ..files(&[])
        };
        assert_ne!(absent.digest(), empty.digest());
    }

    #[test]
    fn what_is_far_too_large_is_refused_with_its_name() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("pin"), vec![b'1'; (1 << 20) + 1]).unwrap();
        let Err(error) = read(&root.path().join("none"), root.path()) else {
            panic!("it was read");
        };
        assert!(error.to_string().contains("pin is larger"), "{error}");
    }
}
