//! Pictures of QR codes: SVG, and PNG with one bit a pixel and nothing compressed, which is all that black squares need. Pure.

use qrcode::{Color, EcLevel, QrCode};
use utoipa::ToSchema;

/// Modules of quiet around the code, as the standard has it.
const QUIET: usize = 4;
/// Pixels of a module.
const SCALE: usize = 10;

/// What kind of picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "UPPERCASE", as = QrImageFormat)]
pub(super) enum Format {
    Png,
    Svg,
}

impl Format {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "png" => Some(Self::Png),
            "svg" => Some(Self::Svg),
            _ => None,
        }
    }

    pub(super) const fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Svg => "svg",
        }
    }

    pub(super) const fn mime_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Svg => "image/svg+xml",
        }
    }
}

/// The picture of a code that says `text`; `None` when that is too long for one.
pub(super) fn of(text: &str, format: Format) -> Option<Vec<u8>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let (width, modules) = (code.width(), code.to_colors());
    let is_dark = |x: usize, y: usize| modules.get(y * width + x).is_some_and(|module| *module == Color::Dark);
    Some(match format {
        Format::Svg => svg(width, is_dark).into_bytes(),
        Format::Png => png(width, is_dark),
    })
}

fn svg(width: usize, is_dark: impl Fn(usize, usize) -> bool) -> String {
    let side = width + 2 * QUIET;
    let mut path = String::new();
    for y in 0..width {
        for x in (0..width).filter(|x| is_dark(*x, y)) {
            path.push_str(&format!("M{} {}h1v1h-1z", x + QUIET, y + QUIET));
        }
    }
    let pixels = side * SCALE;
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{pixels}" height="{pixels}" viewBox="0 0 {side} {side}" shape-rendering="crispEdges"><rect width="100%" height="100%" fill="#fff"/><path d="{path}" fill="#000"/></svg>"##
    )
}

fn png(width: usize, is_dark: impl Fn(usize, usize) -> bool) -> Vec<u8> {
    let pixels = (width + 2 * QUIET) * SCALE;
    let row_bytes = pixels.div_ceil(8);
    let mut rows = Vec::with_capacity(pixels * (row_bytes + 1));
    for pixel_y in 0..pixels {
        // No filter.
        rows.push(0);
        let row = rows.len();
        rows.resize(row + row_bytes, 0xff);
        let y = (pixel_y / SCALE).checked_sub(QUIET).filter(|y| *y < width);
        for pixel_x in 0..pixels {
            let x = (pixel_x / SCALE).checked_sub(QUIET).filter(|x| *x < width);
            if let (Some(x), Some(y)) = (x, y)
                && is_dark(x, y)
            {
                rows[row + pixel_x / 8] &= !(0x80 >> (pixel_x % 8));
            }
        }
    }
    let side = u32::try_from(pixels).unwrap_or(0).to_be_bytes();
    // One bit of grey a pixel.
    let header = [&side[..], &side, &[1, 0, 0, 0, 0]].concat();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut png, b"IHDR", &header);
    chunk(&mut png, b"IDAT", &stored(&rows));
    chunk(&mut png, b"IEND", &[]);
    png
}

fn chunk(png: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    png.extend_from_slice(&u32::try_from(data.len()).unwrap_or(0).to_be_bytes());
    let begin = png.len();
    png.extend_from_slice(kind);
    png.extend_from_slice(data);
    let sum = crc32(&png[begin..]);
    png.extend_from_slice(&sum.to_be_bytes());
}

/// A zlib stream of stored blocks.
fn stored(data: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = data.chunks(usize::from(u16::MAX)).peekable();
    while let Some(block) = blocks.next() {
        stream.push(u8::from(blocks.peek().is_none()));
        let length = u16::try_from(block.len()).unwrap_or(0);
        stream.extend_from_slice(&length.to_le_bytes());
        stream.extend_from_slice(&(!length).to_le_bytes());
        stream.extend_from_slice(block);
    }
    stream.extend_from_slice(&adler32(data).to_be_bytes());
    stream
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(
            sum ^ u32::from(*byte),
            |sum, _| {
                if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 }
            },
        )
    })
}

fn adler32(data: &[u8]) -> u32 {
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (a + b) % 65_521)
    });
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        assert_eq!(crc32(b"IEND"), 0xae42_6082);
    }

    #[test]
    fn pictures_show_the_code() {
        let link = "https://wa.me/message/ABCDEFGHIJKLMN";
        let code = QrCode::with_error_correction_level(link, EcLevel::M).unwrap();
        let svg = String::from_utf8(of(link, Format::Svg).unwrap()).unwrap();
        let dark = code.to_colors().iter().filter(|module| **module == Color::Dark).count();
        assert_eq!(svg.matches("h1v1h-1z").count(), dark);
        let png = of(link, Format::Png).unwrap();
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && png.ends_with(&[0xae, 0x42, 0x60, 0x82]));
        let pixels = u32::try_from((code.width() + 8) * 10).unwrap().to_be_bytes();
        assert_eq!((&png[16..20], &png[20..24]), (&pixels[..], &pixels[..]));
        assert!(of(&"x".repeat(8000), Format::Png).is_none());
    }
}
