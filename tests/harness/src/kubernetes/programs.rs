//! Where the programs of a cluster are.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use waxseal_testbed::tools;

/// The path of one of [`tools::ALL`], or of `etcd`.
///
/// # Errors
/// When it is not there; the error says how to get it.
pub fn find(name: &str) -> Result<PathBuf> {
    let set = |variable| env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = match set(tools::FOLDER_VARIABLE) {
        Some(folder) => folder,
        None => tools::folder(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")))?,
    };
    let assets = set("KUBEBUILDER_ASSETS");
    if let Some(path) = assets
        .into_iter()
        .chain([folder.clone()])
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
    {
        return Ok(path);
    }
    // What may as well be the system's.
    if (name == "etcd" || tools::CLIENTS.contains(&name))
        && let Some(path) = on_path(name)
    {
        return Ok(path);
    }
    bail!(
        "{name} is not in {}: run `cargo xtask cluster tools`, which installs and builds what the test cluster needs",
        folder.display()
    )
}

/// A program on PATH, or where Debian has programs of the administrator.
pub(super) fn on_path(name: &str) -> Option<PathBuf> {
    folders().map(|dir| dir.join(name)).find(|path| path.is_file())
}

/// The same as a PATH, for what a program itself starts.
pub(super) fn search_path() -> Result<OsString> {
    Ok(env::join_paths(folders())?)
}

fn folders() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let listed: Vec<PathBuf> = env::split_paths(&path).collect();
    listed
        .into_iter()
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from))
}
