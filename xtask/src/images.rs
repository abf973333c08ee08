//! `cargo xtask images`: the four programs as container images, without a registry or an image builder. Static programs, so that an image holds
//! nothing else but the certificates that the web is trusted by. The `Dockerfile` does the same for whoever builds images in the usual way.

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};
use waxseal_testbed::image::Image;

use crate::{
    command::{Line, say},
    workspace::Workspace,
};

/// Packages, each with a program of the same name.
pub(crate) const PROGRAMS: &[&str] = &["waxseal-operator", "waxseal-sidecar", "waxseal-relay", "waxseal"];

const REPOSITORY: &str = "ghcr.io/waxseal";
const SOURCE: &str = "https://waxseal.dev/source";

/// Where the certificates are here (as the systems we know name it), and where they are in an image.
const CERTIFICATES: &[&str] = &[CERTIFICATES_IN_IMAGE, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];
const CERTIFICATES_IN_IMAGE: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What to build.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What comes before the name of an image.
    #[arg(long, default_value = REPOSITORY)]
    repository: String,
    /// The tag; the version of the workspace when absent.
    #[arg(long)]
    tag: Option<String>,
}

impl Default for Arguments {
    fn default() -> Self {
        Self {
            repository: REPOSITORY.to_owned(),
            tag: None,
        }
    }
}

/// Where the archives go: one `<program>.tar` each.
pub(crate) fn folder(workspace: &Workspace) -> PathBuf {
    Path::new(&workspace.target_dir).join("images")
}

/// Builds the programs and writes their images.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<()> {
    ensure!(
        cfg!(target_os = "linux"),
        "images hold programs for Linux and this builds for the machine it runs on: use the Dockerfile here"
    );
    let certificates = certificates()?;
    let began = Instant::now();
    let folder = folder(workspace);
    let target = host_target()?;
    say(&format!("  building {} (release, static)", PROGRAMS.join(", ")));
    build(workspace, &folder.join("build"), &target)?;
    let programs = folder.join("build").join(&target).join("release");
    for name in PROGRAMS {
        let package = workspace.member(name).with_context(|| format!("there is no package {name}"))?;
        let path = programs.join(name);
        let program = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let tag = arguments.tag.as_deref().unwrap_or(&package.version);
        let mut image = Image::of_program(&format!("{}/{name}:{tag}", arguments.repository), name, program);
        image.data.push((CERTIFICATES_IN_IMAGE.to_owned(), certificates.clone()));
        let licence = package.license.as_deref().unwrap_or_default();
        image.labels = [
            ("title", *name),
            ("version", &package.version),
            ("licenses", licence),
            ("source", SOURCE),
        ]
        .map(|(key, value)| (format!("org.opencontainers.image.{key}"), value.to_owned()))
        .to_vec();
        let archive = folder.join(format!("{name}.tar"));
        image.write(&archive)?;
        let size = fs::metadata(&archive)?.len() / 1_000_000;
        say(&format!("  {}: {size} MB, {}", image.reference, archive.display()));
    }
    say(&format!("  images: {} s", began.elapsed().as_secs()));
    Ok(())
}

/// In a target folder of its own: other flags than those of the tests, which would otherwise be built anew each time.
fn build(workspace: &Workspace, target_dir: &Path, target: &str) -> Result<()> {
    for name in PROGRAMS {
        let package = workspace.member(name).with_context(|| format!("there is no package {name}"))?;
        let has_program = package
            .targets
            .iter()
            .any(|target| target.name == *name && target.kind.contains(&"bin".to_owned()));
        ensure!(has_program, "the package {name} has no program of that name");
    }
    let flags = format!("CARGO_TARGET_{}_RUSTFLAGS", target.replace('-', "_").to_uppercase());
    let packages = PROGRAMS.iter().flat_map(|name| ["--package", name]);
    Line::cargo(["build", "--release", "--locked", "--bins", "--target", target, "--target-dir"])
        .args([target_dir.display().to_string()])
        .args(packages)
        // With a target named, build scripts and macros do without these.
        .env(&flags, "-C target-feature=+crt-static")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
        .dir(Path::new(&workspace.root))
        .run()
}

/// What rustc calls this machine.
pub(crate) fn host_target() -> Result<String> {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = String::from_utf8(Line::new(&rustc, ["-vV"]).output()?)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not tell its host")?.to_owned())
}

fn certificates() -> Result<Vec<u8>> {
    let Some(content) = CERTIFICATES.iter().find_map(|path| fs::read(path).ok()) else {
        bail!("no certificates of public authorities are installed here (Debian: apt-get install ca-certificates); webhooks need them");
    };
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two ways to make the same images: what one knows, the other must.
    #[test]
    fn the_dockerfile_makes_the_same_images() {
        let dockerfile = include_str!("../../Dockerfile");
        for name in PROGRAMS {
            for line in [
                format!("COPY --from=build /programs/{name} /{name}"),
                format!("ENTRYPOINT [\"/{name}\"]"),
                format!("LABEL org.opencontainers.image.title=\"{name}\""),
            ] {
                assert_eq!(dockerfile.lines().filter(|there| **there == line).count(), 1, "{line}");
            }
            assert!(dockerfile.contains(&format!("--package {name}")), "{name}");
        }
        let user = waxseal_testbed::image::USER;
        let version = env!("CARGO_PKG_VERSION");
        for part in [
            format!("USER {user}:{user}"),
            format!("COPY --from=build {CERTIFICATES_IN_IMAGE} {CERTIFICATES_IN_IMAGE}"),
            format!("image.source=\"{SOURCE}\""),
            format!("image.version=\"{version}\""),
            "-C target-feature=+crt-static".to_owned(),
        ] {
            assert!(dockerfile.contains(&part), "{part}");
        }
    }
}
