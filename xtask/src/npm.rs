//! Node packages of a test tool, installed from its lockfile into the user's cache: a `node_modules` of 150 MB has no place in the work
//! tree. Installed again only when the lockfile or Node changed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::command::{Line, say};

/// Written last, so that an interrupted install is repeated.
const STAMP: &str = ".installed";

/// Copies the tool's manifest, lockfile and modules to `to`, installs its packages there, and returns its `node_modules`.
pub(crate) fn install(from: &Path, to: &Path) -> Result<PathBuf> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    copy_modules(from, to)?;
    let node_modules = to.join("node_modules");
    let stamp = stamp(from)?;
    if node_modules.is_dir() && fs::read(to.join(STAMP)).is_ok_and(|present| present == stamp) {
        say("  node packages: as the lockfile says");
        return Ok(node_modules);
    }
    remove(&to.join(STAMP))?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(from.join(name), to.join(name)).with_context(|| format!("cannot copy {name} of {}", from.display()))?;
    }
    say("  node packages: installing");
    Line::new("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"])
        .dir(to)
        .run()
        .context("npm ci")?;
    fs::write(to.join(STAMP), stamp)?;
    Ok(node_modules)
}

/// The modules themselves may change without the lockfile: they are copied always, and those that are gone are removed.
fn copy_modules(from: &Path, to: &Path) -> Result<()> {
    for stale in modules(to)? {
        remove(&stale)?;
    }
    for module in modules(from).with_context(|| format!("cannot read {}", from.display()))? {
        if let Some(name) = module.file_name() {
            fs::copy(&module, to.join(name))?;
        }
    }
    Ok(())
}

fn modules(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut modules = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "mjs") {
            modules.push(path);
        }
    }
    Ok(modules)
}

fn stamp(from: &Path) -> Result<Vec<u8>> {
    let lock = from.join("package-lock.json");
    let mut stamp = fs::read(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    stamp.extend(
        Line::new("node", ["--version"])
            .first_line()
            .context("node does not run")?
            .into_bytes(),
    );
    Ok(stamp)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
