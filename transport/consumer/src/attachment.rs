//! A file to send: where its bytes come from, and what is said about it.

use std::path::{Path, PathBuf};

use tokio::io::AsyncRead;
use waxseal_content::{MediaKind, Text};

use crate::Error;

/// A file to send.
pub struct Attachment {
    source: Source,
    pub(crate) kind: MediaKind,
    pub(crate) mime_type: String,
    pub(crate) caption: Option<Text>,
    pub(crate) filename: Option<Text>,
    pub(crate) voice: bool,
    pub(crate) animated: bool,
}

enum Source {
    Path(PathBuf),
    Reader(Reader),
}

type Reader = Box<dyn AsyncRead + Send + Unpin>;

impl Attachment {
    /// A file on disk, under its own name; the media type is told by the ending of the name.
    pub fn from_path(kind: MediaKind, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let filename = path.file_name().map(|name| Text::new(name.to_string_lossy().into_owned()));
        let mime_type = mime_type_of(&path).unwrap_or_else(|| default_mime_type(kind)).to_owned();
        Self {
            filename,
            mime_type,
            ..Self::of(kind, Source::Path(path))
        }
    }

    /// What a reader gives.
    pub fn from_reader(kind: MediaKind, reader: impl AsyncRead + Send + Unpin + 'static) -> Self {
        Self::of(kind, Source::Reader(Box::new(reader)))
    }

    /// Bytes in memory.
    #[must_use]
    pub fn from_bytes(kind: MediaKind, bytes: Vec<u8>) -> Self {
        Self::from_reader(kind, std::io::Cursor::new(bytes))
    }

    fn of(kind: MediaKind, source: Source) -> Self {
        Self {
            source,
            kind,
            mime_type: default_mime_type(kind).to_owned(),
            caption: None,
            filename: None,
            voice: false,
            animated: false,
        }
    }

    /// With a caption.
    #[must_use]
    pub fn captioned(mut self, caption: impl Into<String>) -> Self {
        self.caption = Some(Text::new(caption.into())).filter(|text| !text.is_empty());
        self
    }

    /// With the name under which it may be saved.
    #[must_use]
    pub fn named(mut self, filename: impl Into<String>) -> Self {
        self.filename = Some(Text::new(filename.into())).filter(|text| !text.is_empty());
        self
    }

    /// With this media type.
    #[must_use]
    pub fn typed(mut self, mime_type: impl Into<String>) -> Self {
        self.mime_type = mime_type.into();
        self
    }

    /// Audio that was recorded to be listened to.
    #[must_use]
    pub const fn as_voice(mut self) -> Self {
        self.voice = true;
        self
    }

    /// A sticker that moves.
    #[must_use]
    pub const fn as_animated(mut self) -> Self {
        self.animated = true;
        self
    }

    /// Opens the source, which is given away.
    pub(crate) async fn open(&mut self) -> Result<Reader, Error> {
        match std::mem::replace(&mut self.source, Source::Reader(Box::new(tokio::io::empty()))) {
            Source::Path(path) => match tokio::fs::File::open(&path).await {
                Ok(file) => Ok(Box::new(file)),
                Err(source) => Err(Error::io(&path, source)),
            },
            Source::Reader(reader) => Ok(reader),
        }
    }
}

const fn default_mime_type(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image/jpeg",
        MediaKind::Audio => "audio/ogg",
        MediaKind::Video => "video/mp4",
        MediaKind::Document => "application/octet-stream",
        MediaKind::Sticker => "image/webp",
    }
}

/// The types that conversations know, by the ending of a file's name.
const MIME_TYPES: &[(&str, &str)] = &[
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("png", "image/png"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("aac", "audio/aac"),
    ("amr", "audio/amr"),
    ("mp3", "audio/mpeg"),
    ("m4a", "audio/mp4"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/ogg"),
    ("mp4", "video/mp4"),
    ("3gp", "video/3gpp"),
    ("txt", "text/plain"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("pdf", "application/pdf"),
    ("doc", "application/msword"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xls", "application/vnd.ms-excel"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("json", "application/json"),
    ("zip", "application/zip"),
];

/// The media type that the ending of a name tells.
#[must_use]
pub fn mime_type_of(path: &Path) -> Option<&'static str> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    MIME_TYPES
        .iter()
        .find(|(known, _)| *known == ending)
        .map(|(_, mime_type)| *mime_type)
}

/// The ending that names of files of this type have.
#[must_use]
pub fn ending_of(mime_type: &str) -> Option<&'static str> {
    let essence = mime_type.split(';').next().unwrap_or_default().trim();
    let known = MIME_TYPES.iter().find(|(_, known)| known.eq_ignore_ascii_case(essence));
    known.map(|(ending, _)| *ending)
}

/// As what a file of this type is sent when nobody says otherwise.
#[must_use]
pub fn kind_of(mime_type: &str) -> MediaKind {
    match mime_type.split('/').next() {
        Some("image") if mime_type != "image/gif" && mime_type != "image/webp" => MediaKind::Image,
        Some("audio") => MediaKind::Audio,
        Some("video") => MediaKind::Video,
        _ => MediaKind::Document,
    }
}
