//! Which files the Cloud API takes: types, sizes, and whether a file is what it is said to be. Pure.

use waxseal_content::MediaKind;

use super::sniff::{Found, sniff};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// The largest file of all.
pub const MOST_BYTES: u64 = 100 * MIB;
/// The largest sticker that does not move.
const STILL_STICKER_BYTES: u64 = 100 * KIB;
/// The longest media type, parameters included.
const MOST_MIME_CHARS: usize = 255;

/// Why a file is not taken. Says nothing of what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// There are no bytes in it.
    #[error("the file is empty")]
    Empty,
    /// It is larger than files of its kind may be.
    #[error("the file is larger than {0} bytes, the most for its type")]
    TooLarge(u64),
    /// A picture, sound or film of a type that is not taken.
    #[error("the media type is none that the Cloud API takes: {SUPPORTED}")]
    UnsupportedType,
    /// No media type.
    #[error("the media type is not written as type/subtype")]
    MalformedType,
    /// It is not what its type says.
    #[error("the file's content is not of the media type it was declared as, {0}")]
    Mismatch(&'static str),
    /// A sound in an Ogg file with another codec.
    #[error("audio/ogg must hold Opus")]
    NotOpus,
    /// It cannot go into a message of this type.
    #[error("a message of type {} takes {} of at most {} bytes", .0.as_str(), accepted(*.0), most_bytes(*.0))]
    WrongKind(MediaKind),
}

const SUPPORTED: &str = "image/jpeg, image/png, image/webp (sticker), audio/aac, audio/amr, audio/mp4, audio/mpeg, audio/ogg (Opus), video/mp4, \
                         video/3gpp, and any type that is no image, audio or video as a document";

/// What a file of some media type can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Type {
    /// The kind of message it goes into.
    pub(crate) kind: MediaKind,
    /// The type as it is told to others.
    pub(crate) name: String,
}

/// What was found out about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    pub(crate) mime_type: String,
    pub(crate) animated: bool,
}

/// The types that have rules, under all the names that clients use for them.
const TYPES: [(&str, &[&str], MediaKind); 14] = [
    ("image/jpeg", &["image/jpg", "image/pjpeg"], MediaKind::Image),
    ("image/png", &["image/x-png"], MediaKind::Image),
    ("image/webp", &[], MediaKind::Sticker),
    ("audio/aac", &["audio/x-aac", "audio/aacp", "audio/x-hx-aac-adts"], MediaKind::Audio),
    ("audio/amr", &["audio/amr-wb"], MediaKind::Audio),
    ("audio/mp4", &["audio/m4a", "audio/x-m4a"], MediaKind::Audio),
    (
        "audio/mpeg",
        &["audio/mp3", "audio/x-mp3", "audio/mpeg3", "audio/x-mpeg"],
        MediaKind::Audio,
    ),
    ("audio/ogg", &["audio/opus"], MediaKind::Audio),
    ("video/mp4", &[], MediaKind::Video),
    ("video/3gpp", &["video/3gp"], MediaKind::Video),
    ("application/pdf", &["application/x-pdf"], MediaKind::Document),
    (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        &[],
        MediaKind::Document,
    ),
    (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        &[],
        MediaKind::Document,
    ),
    (
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        &[],
        MediaKind::Document,
    ),
];

/// Reads a media type as clients write it.
///
/// # Errors
/// [`Unfit::MalformedType`], [`Unfit::UnsupportedType`].
pub(crate) fn parse(text: &str) -> Result<Type, Unfit> {
    let text = text.trim();
    let (essence, parameters) = match text.split_once(';') {
        Some((essence, parameters)) => (essence.trim(), parameters.trim()),
        None => (text, ""),
    };
    let essence = essence.to_ascii_lowercase();
    let is_token = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
    };
    let (family, subtype) = essence.split_once('/').ok_or(Unfit::MalformedType)?;
    let visible = |byte: u8| (b' '..=b'~').contains(&byte);
    // As it is told to others: with a space before its parameters, even if there was none.
    let length = match parameters {
        "" => essence.len(),
        parameters => essence.len() + "; ".len() + parameters.len(),
    };
    if !is_token(family) || !is_token(subtype) || length > MOST_MIME_CHARS || !parameters.bytes().all(visible) {
        return Err(Unfit::MalformedType);
    }
    let known = TYPES
        .iter()
        .find(|(name, aliases, _)| *name == essence || aliases.contains(&essence.as_str()));
    match known {
        // Voice messages are told apart by this parameter.
        Some((name @ "audio/ogg", _, kind)) if parameters.to_ascii_lowercase().contains("opus") => Ok(Type {
            kind: *kind,
            name: format!("{name}; codecs=opus"),
        }),
        Some((name, _, kind)) => Ok(Type {
            kind: *kind,
            name: (*name).to_owned(),
        }),
        None if matches!(family, "image" | "audio" | "video") => Err(Unfit::UnsupportedType),
        None if parameters.is_empty() => Ok(Type {
            kind: MediaKind::Document,
            name: essence,
        }),
        None => Ok(Type {
            kind: MediaKind::Document,
            name: format!("{essence}; {parameters}"),
        }),
    }
}

/// The media type without its parameters.
fn essence(mime_type: &str) -> &str {
    mime_type.split(';').next().unwrap_or_default().trim()
}

/// The type of a file that came without one: by its first bytes, else by its name.
pub(crate) fn guess(head: &[u8], filename: Option<&str>) -> &'static str {
    let by_name = filename.and_then(|name| name.rsplit_once('.')).and_then(|(_, extension)| {
        Some(match extension.to_ascii_lowercase().as_str() {
            "txt" => "text/plain",
            "csv" => "text/csv",
            "doc" => "application/msword",
            "xls" => "application/vnd.ms-excel",
            "ppt" => "application/vnd.ms-powerpoint",
            "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            _ => return None,
        })
    });
    match (sniff(head), by_name) {
        // The older and newer Office formats look alike from outside.
        (Some(Found::Zip | Found::Ole) | None, Some(by_name)) => by_name,
        (Some(found), _) => found.mime_type(),
        (None, None) => "application/octet-stream",
    }
}

/// The largest file of a kind.
#[must_use]
pub const fn most_bytes(kind: MediaKind) -> u64 {
    match kind {
        MediaKind::Image => 5 * MIB,
        MediaKind::Audio | MediaKind::Video => 16 * MIB,
        MediaKind::Document => MOST_BYTES,
        MediaKind::Sticker => 500 * KIB,
    }
}

const fn accepted(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image/jpeg or image/png",
        MediaKind::Audio => "audio/aac, audio/amr, audio/mp4, audio/mpeg or audio/ogg (Opus)",
        MediaKind::Video => "video/mp4 or video/3gpp",
        MediaKind::Document => "any file",
        MediaKind::Sticker => "image/webp",
    }
}

/// Whether a file is what `declared` says, and not larger than such a file may be.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(declared: &Type, size_bytes: u64, head: &[u8]) -> Result<Checked, Unfit> {
    if size_bytes == 0 {
        return Err(Unfit::Empty);
    }
    let found = sniff(head);
    let animated = found == Some(Found::Webp { animated: true });
    let most = match declared.kind {
        MediaKind::Sticker if !animated => STILL_STICKER_BYTES,
        kind => most_bytes(kind),
    };
    fits(&declared.name, found)?;
    if size_bytes > most {
        return Err(Unfit::TooLarge(most));
    }
    Ok(Checked {
        mime_type: declared.name.clone(),
        animated,
    })
}

/// Whether the first bytes are such as a file of this type has. Types without a mark of their own must at least have none of another.
fn fits(name: &str, found: Option<Found>) -> Result<(), Unfit> {
    let is_of = |name, fits: bool| if fits { Ok(()) } else { Err(Unfit::Mismatch(name)) };
    match essence(name) {
        "image/jpeg" => is_of("image/jpeg", found == Some(Found::Jpeg)),
        "image/png" => is_of("image/png", found == Some(Found::Png)),
        "image/webp" => is_of("image/webp", matches!(found, Some(Found::Webp { .. }))),
        "audio/aac" => is_of("audio/aac", matches!(found, Some(Found::Aac | Found::Id3))),
        "audio/amr" => is_of("audio/amr", found == Some(Found::Amr)),
        "audio/mp4" => is_of("audio/mp4", matches!(found, Some(Found::Mp4 { .. }))),
        "audio/mpeg" => is_of("audio/mpeg", matches!(found, Some(Found::Mpeg | Found::Id3))),
        "audio/ogg" if found == Some(Found::Ogg { opus: false }) => Err(Unfit::NotOpus),
        "audio/ogg" => is_of("audio/ogg", matches!(found, Some(Found::Ogg { .. }))),
        "video/mp4" => is_of("video/mp4", found == Some(Found::Mp4 { audio: false })),
        "video/3gpp" => is_of("video/3gpp", found == Some(Found::Mp4 { audio: false })),
        "application/pdf" => is_of("application/pdf", found == Some(Found::Pdf)),
        "application/msword" => is_of("application/msword", matches!(found, Some(Found::Ole) | None)),
        "application/vnd.ms-excel" => is_of("application/vnd.ms-excel", matches!(found, Some(Found::Ole) | None)),
        "application/vnd.ms-powerpoint" => is_of("application/vnd.ms-powerpoint", matches!(found, Some(Found::Ole) | None)),
        name if name.starts_with("application/vnd.openxmlformats-officedocument.") => {
            is_of("an Office document", matches!(found, Some(Found::Zip)))
        }
        // Frames of sound begin with so few fixed bits that some text looks like them.
        "text/plain" | "text/csv" => is_of("text", matches!(found, None | Some(Found::Mpeg | Found::Aac))),
        _ => Ok(()),
    }
}

/// Whether a file of this type and size can go into a message of this kind.
///
/// # Errors
/// [`Unfit::WrongKind`].
pub fn suits(kind: MediaKind, mime_type: &str, size_bytes: u64) -> Result<(), Unfit> {
    let is_of_kind = kind == MediaKind::Document || parse(mime_type).is_ok_and(|declared| declared.kind == kind);
    if is_of_kind && size_bytes <= most_bytes(kind) {
        Ok(())
    } else {
        Err(Unfit::WrongKind(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JPEG: &[u8] = b"\xff\xd8\xff\xe0";
    const WEBP: &[u8] = b"RIFF\x00\x00\x00\x00WEBPVP8 ";
    const MOVING: &[u8] = b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02";
    const MP4: &[u8] = b"\x00\x00\x00\x18ftypmp42";

    #[test]
    fn types_as_clients_write_them() {
        for (text, kind, name) in [
            ("image/jpeg", MediaKind::Image, "image/jpeg"),
            ("IMAGE/JPG", MediaKind::Image, "image/jpeg"),
            (" image/webp ", MediaKind::Sticker, "image/webp"),
            ("audio/ogg", MediaKind::Audio, "audio/ogg"),
            ("audio/ogg;codecs=opus", MediaKind::Audio, "audio/ogg; codecs=opus"),
            ("audio/x-m4a", MediaKind::Audio, "audio/mp4"),
            ("video/3gp", MediaKind::Video, "video/3gpp"),
            ("application/pdf", MediaKind::Document, "application/pdf"),
            ("text/plain; charset=UTF-8", MediaKind::Document, "text/plain; charset=UTF-8"),
            ("application/x-own+thing", MediaKind::Document, "application/x-own+thing"),
        ] {
            let parsed = parse(text).unwrap();
            assert_eq!((parsed.kind, parsed.name.as_str()), (kind, name), "{text}");
        }
        for (text, unfit) in [
            ("image/gif", Unfit::UnsupportedType),
            ("image/svg+xml", Unfit::UnsupportedType),
            ("audio/wav", Unfit::UnsupportedType),
            ("video/quicktime", Unfit::UnsupportedType),
            ("image", Unfit::MalformedType),
            ("", Unfit::MalformedType),
            ("image/", Unfit::MalformedType),
            ("a/b c", Unfit::MalformedType),
            ("text/plain; a=\r\nb", Unfit::MalformedType),
            ("text/plain; a=ü", Unfit::MalformedType),
        ] {
            assert_eq!(parse(text), Err(unfit), "{text}");
        }
        assert_eq!(parse(&format!("text/plain; a={}", "b".repeat(300))), Err(Unfit::MalformedType));
        // What is taken is taken again under the name it is told by.
        for count in [240, 241, 242, 243] {
            let taken = parse(&format!("text/plain;a={}", "b".repeat(count)));
            assert_eq!(taken.is_ok(), count < 242);
            assert!(taken.is_err() || taken.as_ref().is_ok_and(|taken| parse(&taken.name).as_ref() == Ok(taken)));
        }
    }

    #[test]
    fn sizes_and_lies() {
        for (name, size, head, outcome) in [
            ("image/jpeg", 5 * MIB, JPEG, Ok(false)),
            ("image/jpeg", 5 * MIB + 1, JPEG, Err(Unfit::TooLarge(5 * MIB))),
            ("image/png", 10, JPEG, Err(Unfit::Mismatch("image/png"))),
            ("image/jpeg", 0, b"", Err(Unfit::Empty)),
            ("image/jpeg", 4, b"text", Err(Unfit::Mismatch("image/jpeg"))),
            ("image/webp", 100 * KIB, WEBP, Ok(false)),
            ("image/webp", 100 * KIB + 1, WEBP, Err(Unfit::TooLarge(100 * KIB))),
            ("image/webp", 500 * KIB, MOVING, Ok(true)),
            ("image/webp", 500 * KIB + 1, MOVING, Err(Unfit::TooLarge(500 * KIB))),
            ("video/mp4", 16 * MIB, MP4, Ok(false)),
            ("video/mp4", 16 * MIB + 1, MP4, Err(Unfit::TooLarge(16 * MIB))),
            ("video/mp4", 20, b"\x00\x00\x00\x18ftypM4A ", Err(Unfit::Mismatch("video/mp4"))),
            ("audio/ogg", 30, b"OggS", Err(Unfit::NotOpus)),
            ("application/pdf", 100 * MIB, b"%PDF-1.4", Ok(false)),
            ("application/pdf", 5, b"hello", Err(Unfit::Mismatch("application/pdf"))),
            ("application/x-own", 100 * MIB, b"\x01\x02", Ok(false)),
            ("application/x-own", 100 * MIB + 1, b"\x01\x02", Err(Unfit::TooLarge(100 * MIB))),
            ("text/plain", 2, b"\x7fELF", Err(Unfit::Mismatch("text"))),
            ("text/plain", 2, b"hi", Ok(false)),
        ] {
            let checked = check(&parse(name).unwrap(), size, head).map(|checked| checked.animated);
            assert_eq!(checked, outcome, "{name} {size}");
        }
    }

    #[test]
    fn a_file_without_a_type_is_looked_at() {
        assert_eq!(guess(JPEG, Some("a.txt")), "image/jpeg");
        assert_eq!(guess(b"hello", Some("A.TXT")), "text/plain");
        assert!(guess(b"PK\x03\x04", Some("a.docx")).ends_with("wordprocessingml.document"));
        assert_eq!(guess(b"PK\x03\x04", None), "application/zip");
        assert_eq!(guess(b"hello", None), "application/octet-stream");
    }

    #[test]
    fn messages_take_files_of_their_kind() {
        assert_eq!(suits(MediaKind::Image, "image/jpeg", 5 * MIB), Ok(()));
        assert_eq!(
            suits(MediaKind::Image, "image/jpeg", 5 * MIB + 1),
            Err(Unfit::WrongKind(MediaKind::Image))
        );
        assert_eq!(
            suits(MediaKind::Image, "application/pdf", 1),
            Err(Unfit::WrongKind(MediaKind::Image))
        );
        assert_eq!(suits(MediaKind::Image, "image/webp", 1), Err(Unfit::WrongKind(MediaKind::Image)));
        assert_eq!(suits(MediaKind::Document, "image/jpeg", 6 * MIB), Ok(()));
        assert_eq!(suits(MediaKind::Audio, "audio/ogg; codecs=opus", 1), Ok(()));
        assert_eq!(
            Unfit::WrongKind(MediaKind::Sticker).to_string(),
            "a message of type sticker takes image/webp of at most 512000 bytes"
        );
    }
}
