//! What the operator was started with, as far as objects are built from it.

/// Settings that decide what is built. Nothing here may change a pod template by itself when the operator is upgraded: a number keeps the
/// image it was given first, and the rest does not go into templates at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The image for numbers that were never given one and whose region names none.
    pub sidecar_image: String,
    /// The Secrets, in each number's namespace, by which the image is pulled. They go to the ServiceAccount, so that changing them does not
    /// restart a sidecar.
    pub image_pull_secrets: Vec<String>,
    /// How long erasing a number may take before it is given up.
    pub erase_deadline_seconds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sidecar_image: concat!("ghcr.io/waxseal/waxseal-sidecar:", env!("CARGO_PKG_VERSION")).to_owned(),
            image_pull_secrets: Vec::new(),
            erase_deadline_seconds: 600,
        }
    }
}
