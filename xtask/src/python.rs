//! Python packages of a test tool, installed from its lock file into an environment of their own in the user's cache. Installed again only
//! when the lock file changed, or the Python they were installed for.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    command::{Line, say},
    setup,
};

/// Written last, so that an interrupted install is repeated.
const STAMP: &str = ".installed";

/// Makes the environment `to`, installs what `from/requirements.txt` pins, and returns its Python.
pub(crate) fn install(from: &Path, to: &Path) -> Result<PathBuf> {
    let lock = from.join("requirements.txt");
    let pinned = fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    let version = Line::new("python3", ["--version"]).first_line().context("python3 does not run")?;
    let stamp = format!("{version}\n{pinned}");
    let python = to.join("bin/python");
    if python.exists() && fs::read_to_string(to.join(STAMP)).is_ok_and(|present| present == stamp) {
        say("  python packages: as the lock file says");
        return Ok(python);
    }
    say("  python packages: installing");
    if Line::new("python3", ["-c", "import venv, ensurepip"]).run().is_err() {
        setup::install_packages(&["python3-venv"], "the client libraries' Python environment")?;
    }
    match fs::remove_dir_all(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let environment = to.display().to_string();
    Line::new("python3", ["-m", "venv", environment.as_str()])
        .run()
        .context("python3 -m venv")?;
    let file = lock.display().to_string();
    let arguments = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
        "-r",
    ];
    Line::new(&python.display().to_string(), arguments.into_iter().chain([file.as_str()]))
        .run()
        .context("pip install")?;
    fs::write(to.join(STAMP), stamp)?;
    Ok(python)
}
