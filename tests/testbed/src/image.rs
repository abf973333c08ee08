//! Container images as OCI archives, FROM scratch: one layer with a program and what it reads, nothing else. The same input gives the same bytes.
//!
//! `ctr images import`, `kind load image-archive`, `podman load` and `skopeo` take them; a `manifest.json` in the older form beside the OCI
//! index makes `docker load` take them too.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The user that programs run as.
pub const USER: u32 = 65532;

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Everything is dated so; layers carry no time of their build.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// An image to write.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Full name with the tag: `registry/path/name:tag`.
    pub reference: String,
    /// As Go names it: `amd64`, `arm64`.
    pub architecture: String,
    /// Files by their absolute path; programs, so all are executable.
    pub files: Vec<(String, Vec<u8>)>,
    /// Files that are only read, by their absolute path.
    pub data: Vec<(String, Vec<u8>)>,
    /// What is run.
    pub entrypoint: Vec<String>,
    /// `org.opencontainers.image.…`.
    pub labels: Vec<(String, String)>,
}

impl Image {
    /// An image with one static program at the root of its file system, which it runs.
    #[must_use]
    pub fn of_program(reference: &str, name: &str, program: Vec<u8>) -> Self {
        Self {
            reference: reference.to_owned(),
            architecture: architecture().to_owned(),
            files: vec![(format!("/{name}"), program)],
            data: Vec::new(),
            entrypoint: vec![format!("/{name}")],
            labels: Vec::new(),
        }
    }

    /// Writes the archive to a new file that gets its name when it is whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let unfinished = path.with_extension(format!("{}.unfinished", std::process::id()));
        let write = || -> Result<()> {
            let mut out = BufWriter::new(File::create(&unfinished)?);
            self.write_to(&mut out)?;
            out.into_inner()?.sync_all()?;
            std::fs::rename(&unfinished, path)?;
            Ok(())
        };
        let outcome = write();
        if outcome.is_err() {
            // Nobody looks for it, and the failure that is told is the one before.
            let _ = std::fs::remove_file(&unfinished);
        }
        outcome.with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_to(&self, out: &mut impl Write) -> Result<()> {
        let layer = self.layer()?;
        let config = serde_json::to_vec(&self.config(&digest(&layer)))?;
        let descriptor = |media_type: &str, bytes: &[u8]| json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()});
        let manifest = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config),
            "layers": [descriptor(LAYER, &layer)],
        }))?;
        let mut listed = descriptor(MANIFEST, &manifest);
        let (_, tag) = self.reference.rsplit_once(':').context("an image reference needs a tag")?;
        listed["annotations"] = json!({
            "io.containerd.image.name": self.reference,
            "org.opencontainers.image.ref.name": tag,
        });
        listed["platform"] = json!({"architecture": self.architecture, "os": "linux"});
        let index = serde_json::to_vec(&json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [listed]}))?;
        let older = json!([{"Config": blob(&config), "RepoTags": [self.reference], "Layers": [blob(&layer)]}]);

        let mut archive = tar::Builder::new(out);
        append(&mut archive, "oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        for bytes in [&layer, &config, &manifest] {
            append(&mut archive, &blob(bytes), 0o644, bytes)?;
        }
        append(&mut archive, "index.json", 0o644, &index)?;
        append(&mut archive, "manifest.json", 0o644, &serde_json::to_vec(&older)?)?;
        archive.finish()?;
        Ok(())
    }

    fn layer(&self) -> Result<Vec<u8>> {
        let mut layer = tar::Builder::new(Vec::new());
        for (path, content) in &self.files {
            append(&mut layer, path.trim_start_matches('/'), 0o755, content)?;
        }
        for (path, content) in &self.data {
            append(&mut layer, path.trim_start_matches('/'), 0o644, content)?;
        }
        Ok(layer.into_inner()?)
    }

    fn config(&self, layer: &str) -> Value {
        let labels: Value = self.labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({
            "created": CREATED,
            "architecture": self.architecture,
            "os": "linux",
            "config": {
                "User": format!("{USER}:{USER}"),
                "Entrypoint": self.entrypoint,
                "WorkingDir": "/",
                "Labels": labels,
            },
            "rootfs": {"type": "layers", "diff_ids": [layer]},
            "history": [{"created": CREATED, "created_by": "waxseal"}],
        })
    }
}

/// This machine's architecture as images name it.
#[must_use]
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn append<W: Write>(archive: &mut tar::Builder<W>, path: &str, mode: u32, content: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(u64::try_from(content.len())?);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    archive.append_data(&mut header, path, content)?;
    Ok(())
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn blob(bytes: &[u8]) -> String {
    format!("blobs/sha256/{}", hex::encode(Sha256::digest(bytes)))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Read as _};

    use super::*;

    fn entries(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut entries = BTreeMap::new();
        for entry in tar::Archive::new(archive).entries().unwrap() {
            let mut entry = entry.unwrap();
            assert_eq!(entry.header().mtime().unwrap(), 0);
            let path = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            entries.insert(path, content);
        }
        entries
    }

    fn written(image: &Image) -> Vec<u8> {
        let mut out = Vec::new();
        image.write_to(&mut out).unwrap();
        out
    }

    fn image() -> Image {
        Image {
            data: vec![("/etc/roots".to_owned(), b"roots".to_vec())],
            labels: vec![("org.opencontainers.image.licenses".to_owned(), "AGPL-3.0-only".to_owned())],
            ..Image::of_program("example.test/path/program:1.2", "program", b"#!static".to_vec())
        }
    }

    #[test]
    fn an_index_leads_to_the_program_by_digests() {
        let archive = entries(&written(&image()));
        let parsed = |name: &str| serde_json::from_slice::<Value>(&archive[name]).unwrap();
        let at = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().unwrap();
            let content = &archive[&format!("blobs/{}", digest.replace(':', "/"))];
            assert_eq!(format!("sha256:{}", hex::encode(Sha256::digest(content))), digest);
            assert_eq!(u64::try_from(content.len()).unwrap(), descriptor["size"].as_u64().unwrap());
            content.clone()
        };
        let listed = &parsed("index.json")["manifests"][0];
        assert_eq!(listed["annotations"]["io.containerd.image.name"], "example.test/path/program:1.2");
        let manifest: Value = serde_json::from_slice(&at(listed)).unwrap();
        let config: Value = serde_json::from_slice(&at(&manifest["config"])).unwrap();
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(config["config"]["Entrypoint"], json!(["/program"]));
        assert_eq!(config["config"]["Labels"]["org.opencontainers.image.licenses"], "AGPL-3.0-only");
        let layer = at(&manifest["layers"][0]);
        assert_eq!(config["rootfs"]["diff_ids"][0], digest(&layer));
        let files = [("program", &b"#!static"[..]), ("etc/roots", b"roots")];
        assert_eq!(
            entries(&layer),
            files.map(|(path, content)| (path.to_owned(), content.to_vec())).into()
        );
        let older = &parsed("manifest.json")[0];
        assert_eq!(older["RepoTags"][0], "example.test/path/program:1.2");
        assert!(archive.contains_key(older["Config"].as_str().unwrap()));
    }

    #[test]
    fn the_same_input_gives_the_same_bytes() {
        assert_eq!(written(&image()), written(&image()));
        let mut other = image();
        other.files[0].1.push(b'!');
        assert_ne!(written(&image()), written(&other));
    }

    #[test]
    fn a_file_gets_its_name_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program.tar");
        image().write(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), written(&image()));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let untagged = Image {
            reference: "program".to_owned(),
            ..image()
        };
        assert!(untagged.write(&folder.path().join("untagged.tar")).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
