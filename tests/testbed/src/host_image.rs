//! Images of programs of this machine, with the libraries they link, for what a test cluster runs beside Waxseal: Redis, a webhook receiver.
//! No registry can be assumed, and a debug build is good enough for those.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use crate::image::Image;
use anyhow::{Context as _, Result, ensure};

/// An image that runs `program`; arguments come from the pod.
///
/// # Errors
/// When the program or one of its libraries cannot be read.
pub fn of(reference: &str, program: &Path) -> Result<Image> {
    let program = program
        .canonicalize()
        .with_context(|| format!("{} is missing", program.display()))?;
    let mut image = Image::of_program(reference, "program", std::fs::read(&program)?);
    for library in libraries(&program)? {
        // Read through links, kept under the name that the loader asks for.
        let content = std::fs::read(&library).with_context(|| format!("cannot read {}", library.display()))?;
        image.files.push((library.display().to_string(), content));
    }
    Ok(image)
}

fn libraries(program: &Path) -> Result<BTreeSet<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("ldd cannot be started")?;
    ensure!(output.status.success(), "ldd {} failed", program.display());
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(|word| PathBuf::from(word.trim_end_matches(':')))
        .collect())
}
