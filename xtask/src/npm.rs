//! Node packages of a test tool, installed from its lockfile into the user's cache: a `node_modules` of 150 MB has no place in the work
//! tree. Installed again only when the lockfile changed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::command::{Line, say};

/// Written last, so that an interrupted install is repeated.
const STAMP: &str = ".installed";

/// Copies the tool's manifest and lockfile to `to`, installs its packages there, and returns its `node_modules`.
pub(crate) fn install(from: &Path, to: &Path) -> Result<PathBuf> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    let node_modules = to.join("node_modules");
    let lock = from.join("package-lock.json");
    let stamp = fs::read(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    if node_modules.is_dir() && fs::read(to.join(STAMP)).is_ok_and(|present| present == stamp) {
        say("  node packages: as the lockfile says");
        return Ok(node_modules);
    }
    remove(&to.join(STAMP))?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(from.join(name), to.join(name)).with_context(|| format!("cannot copy {name} of {}", from.display()))?;
    }
    say("  node packages: installing");
    // No install scripts: what is installed is only ever read and run by tests.
    Line::new("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .dir(to)
        .run()
        .context("npm ci")?;
    fs::write(to.join(STAMP), stamp)?;
    Ok(node_modules)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
