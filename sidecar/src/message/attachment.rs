//! Files and what else a message carries.

use waxseal_content::{Location, MediaKind, Text};

/// A file that a message carries.
#[derive(Clone, PartialEq, Eq)]
pub struct Attachment {
    /// How it is to be shown.
    pub kind: MediaKind,
    /// Where it is.
    pub file: File,
    /// What is said about it.
    pub caption: Option<Text>,
    /// The name under which it may be saved.
    pub filename: Option<Text>,
    /// Audio that was recorded to be listened to.
    pub voice: bool,
}

/// Where the file of a message is.
#[derive(Clone, PartialEq, Eq)]
pub enum File {
    /// Uploaded before, or received: digits.
    Id(String),
    /// To be fetched from there.
    Link(Text),
}

/// What stands above a body.
#[derive(Clone, PartialEq)]
pub enum Header {
    /// A line of text.
    Text(Text),
    /// A picture, film or document.
    Media(Box<Attachment>),
    /// A place.
    Location(Box<Location>),
}
