//! A test's own network: no way out, and Meta's names are at the loopback address.
//!
//! A test calls [`contained`] first. Outside, that runs the same test again within new namespaces (mount and network, not processes) and tells
//! how it went; inside, the test goes on.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

/// Says that we are inside.
const INSIDE: &str = "WAXSEAL_CLIENTS_INSIDE";
/// The names that clients of the Cloud API call.
pub const NAMES: [&str; 4] = [
    "graph.facebook.com",
    "api.facebook.com",
    "lookaside.fbsbx.com",
    "developers.facebook.com",
];
/// An address of the namespace that is no loopback address; `files.example` is there.
pub const PUBLIC: &str = "198.41.0.4";

/// Where the package is, with its drivers.
#[must_use]
pub fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// `true` inside. Outside, runs the test of this name (`module::function`) inside and returns `false` when it passed.
///
/// # Errors
/// When it failed, or namespaces are not permitted.
pub fn contained(test: &str) -> Result<bool> {
    if env::var_os(INSIDE).is_some() {
        return Ok(true);
    }
    permitted()?;
    let folder = tempfile::tempdir()?;
    let hosts = folder.path().join("hosts");
    fs::write(&hosts, format!("127.0.0.1 localhost {}\n{PUBLIC} files.example\n", NAMES.join(" ")))?;
    let output = Command::new("unshare")
        .args(["--mount", "--net", "python3"])
        .arg(package().join("namespace.py"))
        .arg(&hosts)
        .arg(env::current_exe()?)
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .output()?;
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        bail!("{test}, inside:\n{said}\n{complained}");
    }
    ensure!(said.contains("1 passed"), "no test is called {test}:\n{said}");
    Ok(false)
}

fn permitted() -> Result<()> {
    let tried = Command::new("unshare")
        .args(["--mount", "--net", "true"])
        .output()
        .context("unshare (util-linux) is needed")?;
    ensure!(
        tried.status.success(),
        "these tests need a network namespace of their own, and this user may not make one ({}): run them as root, as `cargo xtask test --only clients` does where sudo asks for no password",
        String::from_utf8_lossy(&tried.stderr).trim()
    );
    Ok(())
}

/// The path of a function of the test binary, as the test harness names it, from the name of a type within it.
#[must_use]
pub fn test_name(type_name: &str) -> String {
    let inner = type_name.split("::").filter(|part| !part.starts_with("{{"));
    // The crate at the front, the marker at the end.
    let parts: Vec<&str> = inner.collect();
    parts.get(1..parts.len().saturating_sub(1)).unwrap_or_default().join("::")
}

/// Returns from the test when it is outside and has passed inside.
#[macro_export]
macro_rules! contained {
    () => {
        struct Marker;
        if !$crate::namespace::contained(&$crate::namespace::test_name(std::any::type_name::<Marker>()))? {
            return Ok(());
        }
    };
}

/// Writes a file that only this test sees.
///
/// # Errors
/// When it cannot be written.
pub fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_by_their_names() {
        struct Marker;
        assert_eq!(
            test_name(std::any::type_name::<Marker>()),
            "namespace::tests::tests_are_found_by_their_names"
        );
        assert_eq!(test_name("pywa::sends::{{closure}}::Marker"), "sends");
    }
}
