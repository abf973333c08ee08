//! What a file is by its first bytes. Pure; reads nothing beyond them and decodes nothing.

/// So much of a file is looked at.
pub(crate) const HEAD_BYTES: usize = 1024;

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Jpeg,
    Png,
    Gif,
    /// WebP, moving or not.
    Webp {
        animated: bool,
    },
    /// The MP4 family, 3GP among it: pictures or sound or both.
    Mp4 {
        /// Its first brand says that there is nothing but sound.
        audio: bool,
    },
    Ogg {
        opus: bool,
    },
    Mpeg,
    /// An ID3 tag, which stands before MPEG audio and AAC alike.
    Id3,
    Aac,
    Amr,
    Pdf,
    /// A ZIP archive, the newer Office formats among them.
    Zip,
    /// An OLE compound file: the older Office formats.
    Ole,
    /// A program for some machine.
    Program,
}

impl Found {
    /// The media type that fits best, for files that come without one.
    pub(super) const fn mime_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::Webp { .. } => "image/webp",
            Self::Mp4 { audio: false } => "video/mp4",
            Self::Mp4 { audio: true } => "audio/mp4",
            Self::Ogg { .. } => "audio/ogg",
            Self::Mpeg | Self::Id3 => "audio/mpeg",
            Self::Aac => "audio/aac",
            Self::Amr => "audio/amr",
            Self::Pdf => "application/pdf",
            Self::Zip => "application/zip",
            Self::Ole => "application/x-ole-storage",
            Self::Program => "application/octet-stream",
        }
    }
}

/// Looks at the first bytes of a file: [`HEAD_BYTES`], or all there are.
pub(super) fn sniff(head: &[u8]) -> Option<Found> {
    let at = |position: usize, what: &[u8]| head.get(position..position + what.len()) == Some(what);
    let byte = |position: usize| head.get(position).copied().unwrap_or_default();
    if at(0, b"\xff\xd8\xff") {
        return Some(Found::Jpeg);
    }
    if at(0, b"\x89PNG\r\n\x1a\n") {
        return Some(Found::Png);
    }
    if at(0, b"GIF87a") || at(0, b"GIF89a") {
        return Some(Found::Gif);
    }
    if at(0, b"RIFF") && at(8, b"WEBP") {
        // The extended form has a byte of flags; the others cannot move.
        return Some(Found::Webp {
            animated: at(12, b"VP8X") && byte(20) & 0x02 != 0,
        });
    }
    if at(4, b"ftyp") {
        return Some(Found::Mp4 {
            audio: at(8, b"M4A ") || at(8, b"M4B "),
        });
    }
    if at(0, b"OggS") {
        // The first packet follows the table of segments, and names its codec.
        let packet = 27 + usize::from(byte(26));
        return Some(Found::Ogg {
            opus: at(packet, b"OpusHead"),
        });
    }
    if at(0, b"#!AMR\n") || at(0, b"#!AMR-WB\n") {
        return Some(Found::Amr);
    }
    if at(0, b"ID3") {
        return Some(Found::Id3);
    }
    if at(0, b"PK\x03\x04") || at(0, b"PK\x05\x06") {
        return Some(Found::Zip);
    }
    if at(0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        return Some(Found::Ole);
    }
    if at(0, b"\x7fELF") || at(0, b"MZ") || at(0, b"\xcf\xfa\xed\xfe") {
        return Some(Found::Program);
    }
    // Readers accept a PDF that begins a little later.
    if head.windows(5).any(|window| window == b"%PDF-") {
        return Some(Found::Pdf);
    }
    // Frames of MPEG audio and of AAC begin alike; AAC has layer 0, which MPEG audio does not have.
    match (byte(0), byte(1)) {
        (0xff, second) if second & 0xf6 == 0xf0 => Some(Found::Aac),
        (0xff, second) if second & 0xe0 == 0xe0 && second & 0x06 != 0 && byte(2) & 0xf0 != 0xf0 => Some(Found::Mpeg),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_beginnings() {
        let moving = b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x12\x00\x00\x00";
        let opus = [b"OggS\x00\x02".as_slice(), &[0; 20], &[1, 19], b"OpusHead\x01\x01"].concat();
        let vorbis = [b"OggS\x00\x02".as_slice(), &[0; 20], &[1, 30], b"\x01vorbis"].concat();
        for (head, found) in [
            (b"\xff\xd8\xff\xe0..JFIF".as_slice(), Some(Found::Jpeg)),
            (b"\x89PNG\r\n\x1a\n....IHDR", Some(Found::Png)),
            (b"GIF89a", Some(Found::Gif)),
            (b"RIFF\x00\x00\x00\x00WEBPVP8 ", Some(Found::Webp { animated: false })),
            (moving, Some(Found::Webp { animated: true })),
            (b"\x00\x00\x00\x18ftypmp42", Some(Found::Mp4 { audio: false })),
            (b"\x00\x00\x00\x18ftyp3gp4", Some(Found::Mp4 { audio: false })),
            (b"\x00\x00\x00\x18ftypM4A ", Some(Found::Mp4 { audio: true })),
            (&opus, Some(Found::Ogg { opus: true })),
            (&vorbis, Some(Found::Ogg { opus: false })),
            (b"#!AMR\n\x3c", Some(Found::Amr)),
            (b"ID3\x04", Some(Found::Id3)),
            (b"\xff\xfb\x90\x00", Some(Found::Mpeg)),
            (b"\xff\xf1\x50\x80", Some(Found::Aac)),
            (b"\xff\xf9\x50\x80", Some(Found::Aac)),
            (b"\xff\xff\xff\xff", None),
            (b"\xef\xbb\xbf%PDF-1.7", Some(Found::Pdf)),
            (b"PK\x03\x04\x14", Some(Found::Zip)),
            (b"\x7fELF\x02", Some(Found::Program)),
            (b"Dear reader", None),
            (b"RIFF", None),
            (b"OggS", Some(Found::Ogg { opus: false })),
            (b"", None),
        ] {
            assert_eq!(sniff(head), found, "{head:x?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_beginning_is_too_strange(head: Vec<u8>, known in 0usize..4) {
            sniff(&head);
            sniff(&[[b"OggS".as_slice(), b"RIFF", b"\xff", b""][known], &head].concat());
        }
    }
}
