//! What `--send` and its like say.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use waxseal_consumer::{Location, MediaKind, Text, kind_of, mime_type_of};

use super::Args;
use super::script::text_to_say;
use crate::consumer::say::{File, card};
use crate::consumer::{Fields, Say, What};

/// As what a file is sent.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Kind {
    Image,
    Audio,
    /// Audio that was recorded to be listened to.
    Voice,
    Video,
    Document,
    Sticker,
}

/// Texts, then files, a place, a card, and the rest, each in the order given.
pub(super) fn of(args: &Args) -> anyhow::Result<Vec<Say>> {
    let mut all: Vec<Say> = args.send.iter().map(|text| text_to_say(text)).collect();
    all.extend(
        args.send_file
            .iter()
            .map(|path| said(file(path, args.kind, args.caption.as_deref()))),
    );
    if let Some(place) = &args.send_location {
        all.push(said(location(place)?));
    }
    if let Some(contact) = &args.send_contact {
        let (name, number) = contact.rsplit_once(',').context("--send-contact: write NAME,NUMBER")?;
        all.push(said(What::Contacts(Text::new(card(name.trim(), number.trim()).to_string()))));
    }
    for (object, place) in args.send_json.iter().zip(1..) {
        let fields: Fields = serde_json::from_str(object).with_context(|| format!("--send-json, number {place}"))?;
        let say = fields
            .understand()
            .map_err(|error| anyhow!("--send-json, number {place}: {error}"))?;
        all.push(say);
    }
    Ok(all)
}

const fn said(what: What) -> Say {
    Say { what, reply_to: None }
}

fn file(path: &Path, kind: Option<Kind>, caption: Option<&str>) -> What {
    let media = match kind {
        Some(Kind::Image) => MediaKind::Image,
        Some(Kind::Audio | Kind::Voice) => MediaKind::Audio,
        Some(Kind::Video) => MediaKind::Video,
        Some(Kind::Document) => MediaKind::Document,
        Some(Kind::Sticker) => MediaKind::Sticker,
        None => kind_of(mime_type_of(path).unwrap_or_default()),
    };
    What::File(File {
        kind: media,
        path: path.to_owned(),
        caption: caption.map(str::to_owned),
        filename: None,
        mime_type: None,
        voice: kind == Some(Kind::Voice),
        animated: false,
    })
}

fn location(place: &str) -> anyhow::Result<What> {
    let mut parts = place.splitn(3, ',').map(str::trim);
    let mut degrees = || parts.next().and_then(|part| part.parse().ok());
    let (Some(latitude), Some(longitude)) = (degrees(), degrees()) else {
        anyhow::bail!("--send-location: write degrees as LAT,LON or LAT,LON,NAME, such as 52.52,13.405,Berlin");
    };
    Ok(What::Location(Location {
        latitude,
        longitude,
        name: parts.next().map(Text::from),
        address: None,
        url: None,
    }))
}
