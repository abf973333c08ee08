//! Text that somebody wrote. Opened only where it must be.

use zeroize::Zeroize;

/// A string of message content. Has no `Debug`, `Display` or `Serialize`; wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    /// Takes the string over.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text. Whoever calls this answers for where it goes.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Copies into a plain string for a wire form; the copy is the caller's to wipe.
    pub(crate) fn to_plain(&self) -> String {
        self.0.clone()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
