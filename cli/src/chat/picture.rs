//! Pictures in the conversation, for terminals that can: the kitty graphics protocol and iTerm2's inline images. What is written is made of
//! base64 and numbers only, so that no file can steer the terminal.
//!
//! Pure but for [`Shown::update`], which writes to the terminal.

use std::collections::HashSet;
use std::io::{self, Write};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use crossterm::cursor::{MoveTo, RestorePosition, SavePosition};
use crossterm::queue;
use waxseal_consumer::MessageId;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// Most of a file that is shown.
pub(super) const MAX_BYTES: u64 = 5 << 20;
/// Room for one picture, in cells. A cell is about twice as high as wide.
const COLUMNS: u32 = 36;
const ROWS: u32 = 12;
/// Pixels of a decoded picture along its longer side: more is not seen in that room.
const PIXELS: usize = 640;
/// No picture is wider or higher, or has more pixels: to decode it would take too much memory, here or in the terminal. A file of a few
/// kilobytes can say that it has any number of them.
const MAX_SIDE: usize = 10_000;
const MAX_PIXELS: usize = 24_000_000;
/// What the kitty protocol takes at a time.
const KITTY_CHUNK: usize = 4_096;

/// What the terminal can show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Protocol {
    None,
    Kitty,
    Iterm2,
}

impl Protocol {
    /// From what the environment says; `WAXSEAL_IMAGES` overrules the guess. Terminals within terminals show nothing.
    pub(super) fn detect(variable: impl Fn(&str) -> Option<String>) -> Self {
        match variable("WAXSEAL_IMAGES").as_deref() {
            Some("kitty") => return Self::Kitty,
            Some("iterm2") => return Self::Iterm2,
            Some("none") => return Self::None,
            _ => {}
        }
        let term = variable("TERM").unwrap_or_default();
        if variable("TMUX").is_some() || term.starts_with("screen") || term.starts_with("tmux") {
            return Self::None;
        }
        let program = variable("TERM_PROGRAM").unwrap_or_default();
        if matches!(program.as_str(), "iTerm.app" | "WezTerm" | "mintty") || variable("LC_TERMINAL").as_deref() == Some("iTerm2") {
            return Self::Iterm2;
        }
        let kitty = variable("KITTY_WINDOW_ID").is_some() || variable("KONSOLE_VERSION").is_some() || program == "ghostty";
        if kitty || matches!(term.as_str(), "xterm-kitty" | "xterm-ghostty") {
            return Self::Kitty;
        }
        Self::None
    }
}

/// A picture, ready for the terminal.
pub(super) struct Picture {
    pub(super) columns: u16,
    pub(super) rows: u16,
    data: Data,
}

enum Data {
    /// A file as it is.
    File(Vec<u8>),
    /// Red, green and blue of every pixel.
    Pixels { width: usize, height: usize, rgb: Vec<u8> },
}

impl Picture {
    /// `None` for what this terminal cannot show.
    pub(super) fn of(file: Vec<u8>, protocol: Protocol) -> Option<Self> {
        let png = png_size(&file);
        let (data, (width, height)) = match (protocol, png) {
            (Protocol::None, _) => return None,
            (_, Some(size)) => (Data::File(file), size),
            (Protocol::Iterm2, None) => {
                let size = jpeg_size(&file)?;
                (Data::File(file), size)
            }
            (Protocol::Kitty, None) => {
                let (width, height, rgb) = decode_jpeg(&file)?;
                (Data::Pixels { width, height, rgb }, (width, height))
            }
        };
        let (columns, rows) = cells(width, height)?;
        Some(Self { columns, rows, data })
    }

    fn kitty(&self, out: &mut impl Write, id: u32) -> io::Result<()> {
        let (format, bytes) = match &self.data {
            Data::File(bytes) => ("f=100".to_owned(), bytes),
            Data::Pixels { width, height, rgb } => (format!("f=24,s={width},v={height}"), rgb),
        };
        let encoded = BASE64_STANDARD.encode(bytes);
        let mut chunks = encoded.as_bytes().chunks(KITTY_CHUNK).peekable();
        let mut first = true;
        while let Some(chunk) = chunks.next() {
            let more = u8::from(chunks.peek().is_some());
            let head = if first {
                format!("a=t,q=2,i={id},{format},")
            } else {
                String::new()
            };
            first = false;
            write!(out, "\x1b_G{head}m={more};")?;
            out.write_all(chunk)?;
            write!(out, "\x1b\\")?;
        }
        Ok(())
    }

    fn iterm2(&self, out: &mut impl Write) -> io::Result<()> {
        let Data::File(bytes) = &self.data else { return Ok(()) };
        write!(
            out,
            "\x1b]1337;File=inline=1;size={};width={};height={};preserveAspectRatio=1:{}\x07",
            bytes.len(),
            self.columns,
            self.rows,
            BASE64_STANDARD.encode(bytes)
        )
    }
}

/// Where a picture is on the screen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) message_id: MessageId,
    pub(super) x: u16,
    pub(super) y: u16,
}

/// What the terminal shows now.
pub(super) struct Shown {
    protocol: Protocol,
    places: Vec<Place>,
    /// Kitty keeps what it was given.
    given: HashSet<MessageId>,
}

impl Shown {
    pub(super) fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            places: Vec::new(),
            given: HashSet::new(),
        }
    }

    /// Whether the cells have to be drawn anew before [`Shown::update`]: iTerm2 paints pictures into them.
    pub(super) fn must_clear(&self, places: &[Place]) -> bool {
        self.protocol == Protocol::Iterm2 && !self.places.is_empty() && self.places != places
    }

    /// Brings the pictures to where they belong.
    pub(super) fn update<'a>(
        &mut self,
        out: &mut impl Write,
        places: Vec<Place>,
        redrawn: bool,
        picture: impl Fn(MessageId) -> Option<&'a Picture>,
    ) -> io::Result<()> {
        if self.protocol == Protocol::None || (self.places == places && !redrawn) {
            return Ok(());
        }
        queue!(out, SavePosition)?;
        if self.protocol == Protocol::Kitty {
            // The placements, not the data.
            write!(out, "\x1b_Ga=d,d=a,q=2\x1b\\")?;
        }
        for place in &places {
            let Some(picture) = picture(place.message_id) else { continue };
            queue!(out, MoveTo(place.x, place.y))?;
            match self.protocol {
                Protocol::Kitty => {
                    let id = kitty_id(place.message_id);
                    if self.given.insert(place.message_id) {
                        picture.kitty(out, id)?;
                    }
                    write!(out, "\x1b_Ga=p,q=2,i={id},c={},r={},C=1\x1b\\", picture.columns, picture.rows)?;
                }
                Protocol::Iterm2 => picture.iterm2(out)?,
                Protocol::None => {}
            }
        }
        queue!(out, RestorePosition)?;
        self.places = places;
        out.flush()
    }

    /// Takes everything off the terminal.
    pub(super) fn end(&self, out: &mut impl Write) -> io::Result<()> {
        if self.protocol == Protocol::Kitty && !self.given.is_empty() {
            for id in &self.given {
                write!(out, "\x1b_Ga=d,d=I,q=2,i={}\x1b\\", kitty_id(*id))?;
            }
            out.flush()?;
        }
        Ok(())
    }
}

/// A name that is not 0, which the protocol takes for none.
fn kitty_id(id: MessageId) -> u32 {
    let [a, b, c, d, ..] = *id.as_bytes();
    u32::from_be_bytes([a, b, c, d]).max(1)
}

/// How many cells a picture takes: as many as there is room for, in its own shape, and not blown up.
fn cells(width: usize, height: usize) -> Option<(u16, u16)> {
    let (width, height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    if width == 0 || height == 0 {
        return None;
    }
    // About ten pixels to a column.
    let columns = COLUMNS.min(width.div_ceil(10)).max(2);
    let rows = (columns * height).div_ceil(width * 2).max(1);
    if rows <= ROWS {
        return Some((u16::try_from(columns).ok()?, u16::try_from(rows).ok()?));
    }
    let columns = (ROWS * 2 * width / height).clamp(1, COLUMNS);
    Some((u16::try_from(columns).ok()?, u16::try_from(ROWS).ok()?))
}

fn png_size(file: &[u8]) -> Option<(usize, usize)> {
    let head = file.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(4..16)?.strip_prefix(b"IHDR")?;
    let side = |bytes: &[u8]| {
        bytes
            .try_into()
            .ok()
            .map(u32::from_be_bytes)
            .and_then(|side| usize::try_from(side).ok())
    };
    let (width, height) = (side(&head[..4])?, side(&head[4..8])?);
    is_bearable(width, height).then_some((width, height))
}

fn is_bearable(width: usize, height: usize) -> bool {
    width <= MAX_SIDE && height <= MAX_SIDE && width * height <= MAX_PIXELS
}

fn options() -> DecoderOptions {
    DecoderOptions::default()
        .set_max_width(MAX_SIDE)
        .set_max_height(MAX_SIDE)
        .jpeg_set_out_colorspace(ColorSpace::RGB)
}

fn jpeg_size(file: &[u8]) -> Option<(usize, usize)> {
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options());
    decoder.decode_headers().ok()?;
    decoder.dimensions().filter(|(width, height)| is_bearable(*width, *height))
}

/// The pixels, thinned out to what can be seen.
fn decode_jpeg(file: &[u8]) -> Option<(usize, usize, Vec<u8>)> {
    let (width, height) = jpeg_size(file)?;
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options());
    let pixels = decoder.decode().ok()?;
    if pixels.len() != width.checked_mul(height)?.checked_mul(3)? {
        return None;
    }
    let step = width.max(height).div_ceil(PIXELS).max(1);
    let (columns, rows) = (width.div_ceil(step), height.div_ceil(step));
    let mut rgb = Vec::with_capacity(columns * rows * 3);
    for y in (0..height).step_by(step) {
        for x in (0..width).step_by(step) {
            let at = (y * width + x) * 3;
            rgb.extend_from_slice(pixels.get(at..at + 3)?);
        }
    }
    Some((columns, rows, rgb))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detect(variables: &[(&str, &str)]) -> Protocol {
        Protocol::detect(|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    /// The head of a PNG; nobody here looks further.
    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        file.extend(width.to_be_bytes());
        file.extend(height.to_be_bytes());
        file.extend([8, 2, 0, 0, 0]);
        file
    }

    /// The smallest baseline JPEG: 8 by 8 grey pixels.
    const JPEG: &str = "/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAAMCAgICAgMCAgIDAwMDBAYEBAQEBAgGBgUGCQgKCgkICQkKDA8MCgsOCwkJDRENDg8QEBEQCgwSExIQEw8QEBD/wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAACf/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AVN//2Q==";

    #[test]
    fn terminals_are_told_apart() {
        assert_eq!(detect(&[("TERM", "xterm-256color")]), Protocol::None);
        assert_eq!(detect(&[("TERM", "xterm-kitty")]), Protocol::Kitty);
        assert_eq!(detect(&[("TERM", "xterm-256color"), ("KITTY_WINDOW_ID", "1")]), Protocol::Kitty);
        assert_eq!(detect(&[("TERM_PROGRAM", "iTerm.app")]), Protocol::Iterm2);
        assert_eq!(detect(&[("TERM_PROGRAM", "WezTerm")]), Protocol::Iterm2);
        assert_eq!(detect(&[("TERM", "tmux-256color"), ("KITTY_WINDOW_ID", "1")]), Protocol::None);
        assert_eq!(detect(&[("TERM", "xterm-kitty"), ("WAXSEAL_IMAGES", "none")]), Protocol::None);
        assert_eq!(detect(&[("WAXSEAL_IMAGES", "iterm2")]), Protocol::Iterm2);
    }

    #[test]
    fn pictures_keep_their_shape_and_their_room() {
        for (width, height, wanted) in [
            (3_000, 2_000, (36, 12)),
            (1_000, 4_000, (6, 12)),
            (4_000, 100, (36, 1)),
            (50, 50, (5, 3)),
            (1, 10_000, (1, 12)),
        ] {
            assert_eq!(cells(width, height), Some(wanted), "{width} by {height}");
        }
        assert_eq!(cells(0, 5), None);
    }

    #[test]
    fn what_cannot_be_shown_is_not() {
        assert!(Picture::of(png(100, 100), Protocol::None).is_none());
        assert!(Picture::of(png(100, 20_000), Protocol::Kitty).is_none());
        // Few bytes that would become hundreds of megabytes.
        let mut bomb = BASE64_STANDARD.decode(JPEG).unwrap();
        let frame = bomb.windows(2).position(|window| window == b"\xff\xc0").unwrap();
        bomb[frame + 5..frame + 9].copy_from_slice(&[0x27, 0x10, 0x27, 0x10]);
        for protocol in [Protocol::Kitty, Protocol::Iterm2] {
            assert!(Picture::of(png(10_000, 10_000), protocol).is_none());
            assert!(Picture::of(bomb.clone(), protocol).is_none());
        }
        for file in [&b""[..], b"\xff\xd8\xff\xe0 and then nonsense", b"GIF89a", b"\x89PNG\r\n\x1a\n"] {
            for protocol in [Protocol::Kitty, Protocol::Iterm2] {
                assert!(Picture::of(file.to_vec(), protocol).is_none());
            }
        }
    }

    #[test]
    fn jpeg_is_decoded_for_kitty() {
        let file = BASE64_STANDARD.decode(JPEG).unwrap();
        let picture = Picture::of(file.clone(), Protocol::Kitty).unwrap();
        assert!(matches!(&picture.data, Data::Pixels { width: 8, height: 8, rgb } if rgb.len() == 192));
        assert!(matches!(Picture::of(file, Protocol::Iterm2).unwrap().data, Data::File(_)));
    }

    #[test]
    fn kitty_gets_a_picture_once_and_its_place_when_it_moves() {
        let picture = Picture::of(png(100, 100), Protocol::Kitty).unwrap();
        let id = MessageId::new([7; 16]);
        let at = |y| Place { message_id: id, x: 8, y };
        let mut shown = Shown::new(Protocol::Kitty);
        let mut draw = |places: Vec<Place>| {
            let mut out = Vec::new();
            shown.update(&mut out, places, false, |_| Some(&picture)).unwrap();
            String::from_utf8(out).unwrap()
        };
        let first = draw(vec![at(3)]);
        assert!(first.contains("a=t,q=2,i=117901063,f=100,m=0;") && first.contains("a=p,q=2,i=117901063,c=10,r=5,C=1"));
        assert!(draw(vec![at(3)]).is_empty());
        let moved = draw(vec![at(2)]);
        assert!(moved.contains("a=d,d=a") && moved.contains("a=p") && !moved.contains("a=t"));
        let gone = draw(vec![]);
        assert!(gone.contains("a=d,d=a") && !gone.contains("a=p"));
    }

    #[test]
    fn no_byte_of_a_file_reaches_the_terminal_as_it_is() {
        let mut file = png(10, 10);
        file.extend(b"\x1b]0;owned\x07\x1b\\");
        for protocol in [Protocol::Kitty, Protocol::Iterm2] {
            let picture = Picture::of(file.clone(), protocol).unwrap();
            let mut out = Vec::new();
            let place = Place {
                message_id: MessageId::new([7; 16]),
                x: 0,
                y: 0,
            };
            Shown::new(protocol)
                .update(&mut out, vec![place], false, |_| Some(&picture))
                .unwrap();
            assert!(!out.windows(5).any(|window| window == b"owned"));
        }
    }
}
