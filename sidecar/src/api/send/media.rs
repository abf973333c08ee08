//! Files: `image`, `audio`, `video`, `document`, `sticker`, and those in headers and templates.

use waxseal_content::{Location, MediaKind, Text};

use super::node::Node;
use crate::{
    api::GraphError,
    message::{Attachment, File},
};

/// The longest caption, in characters.
pub(super) const CAPTION_CHARS: usize = 1024;
/// The longest file name, in characters.
pub(super) const FILENAME_CHARS: usize = 240;
/// The longest link, in characters.
pub(super) const LINK_CHARS: usize = 2048;
/// The longest media id, in digits.
const ID_CHARS: usize = 20;
/// The longest name and address of a place, in characters.
pub(super) const PLACE_CHARS: usize = 1000;

/// The kind of file of this message type.
pub(super) fn kind(word: &str) -> Option<MediaKind> {
    [
        MediaKind::Image,
        MediaKind::Audio,
        MediaKind::Video,
        MediaKind::Document,
        MediaKind::Sticker,
    ]
    .into_iter()
    .find(|kind| kind.as_str().eq_ignore_ascii_case(word))
}

/// A file with what is said about it.
pub(super) fn attachment(node: Node<'_>, kind: MediaKind) -> Result<Attachment, GraphError> {
    let node = node.object()?;
    let caption = node.get("caption").content(CAPTION_CHARS)?;
    if caption.is_some() && matches!(kind, MediaKind::Audio | MediaKind::Sticker) {
        // To send it without would lose what the business wrote.
        return Err(GraphError::invalid(format!(
            "{}.caption is not served: images, videos and documents have captions.",
            node.path()
        )));
    }
    Ok(Attachment {
        caption,
        voice: kind == MediaKind::Audio && node.get("voice").flag()?.unwrap_or(false),
        ..bare(node, kind)?
    })
}

/// A file in a header: nothing is said about it there.
pub(super) fn bare(node: Node<'_>, kind: MediaKind) -> Result<Attachment, GraphError> {
    let node = node.object()?;
    let (id, link) = (node.get("id"), node.get("link"));
    let file = match (id.text(ID_CHARS)?, link.link(LINK_CHARS)?) {
        (Some(_), Some(_)) => {
            return Err(GraphError::invalid(format!("{} must have id or link, not both.", node.path())));
        }
        (None, None) => return Err(GraphError::missing(format!("{}.id or {0}.link is required.", node.path()))),
        (Some(id), None) if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) => File::Id(id.into_owned()),
        (Some(_), None) => return Err(id.wrong("is no media id: such ids are digits.")),
        (None, Some(link)) => File::Link(link),
    };
    let filename = match kind {
        MediaKind::Document => node.get("filename").content(FILENAME_CHARS)?,
        _ => None,
    };
    Ok(Attachment {
        kind,
        file,
        caption: None,
        filename,
        voice: false,
    })
}

/// A place.
pub(super) fn location(node: Node<'_>) -> Result<Location, GraphError> {
    let node = node.object()?;
    let degrees = |name: &str, most: f64| {
        let node = node.get(name);
        match node.number()? {
            degrees if degrees.abs() <= most => Ok(degrees),
            _ => Err(node.wrong(&format!("must be between -{most} and {most} degrees."))),
        }
    };
    Ok(Location {
        latitude: degrees("latitude", 90.0)?,
        longitude: degrees("longitude", 180.0)?,
        name: node.get("name").content(PLACE_CHARS)?,
        address: node.get("address").content(PLACE_CHARS)?,
        url: page(&node)?,
    })
}

fn page(node: &Node<'_>) -> Result<Option<Text>, GraphError> {
    let url = node.get("url");
    match url.text(LINK_CHARS)? {
        Some(text) if !text.is_empty() => url.link(LINK_CHARS),
        _ => Ok(None),
    }
}
