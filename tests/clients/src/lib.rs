//! What the tests of client libraries share: a network namespace in which Waxseal is graph.facebook.com, a business and its consumers in it,
//! and the drivers, small programs that use a library as its users do and say what they saw.
//!
//! The libraries run byte for byte as they are shipped: nothing tells them about another host, port or certificate than Meta's, but the
//! environment variable by which their runtime learns of an authority. `cargo xtask test --only clients` installs them and runs this.

pub mod description;
pub mod driver;
pub mod files;
pub mod namespace;
pub mod people;
pub mod play;
pub mod raw;
pub mod stage;

use std::time::Duration;

/// How long anything that must happen may take. Generous: it only ever ends a test that has failed.
pub const PATIENCE: Duration = Duration::from_secs(90);
