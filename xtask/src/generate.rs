//! `cargo xtask gen`: writes what is kept in the repository and made from something else. The tests compare the same.

mod charts;

use std::path::Path;

use anyhow::Result;

use crate::{command::Line, workspace::Workspace};

/// Tests that write what they would compare when they are told to.
const BLESSED: [(&str, &str); 1] = [("waxseal-crds", "generated")];

/// `cargo xtask gen`.
pub(crate) fn run() -> Result<()> {
    for (package, test) in BLESSED {
        Line::cargo(["test", "--quiet", "--locked", "--package", package, "--test", test])
            .env("WAXSEAL_BLESS", "1")
            .run()?;
    }
    charts::run(Path::new(&Workspace::load()?.root))
}
