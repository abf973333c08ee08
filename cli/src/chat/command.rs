//! What a typed line means: text, a command that begins with a slash, or (with `--json`) an object.

use std::path::PathBuf;

use serde::Deserialize;
use waxseal_consumer::{InteractiveReply, Location, MediaKind, MessageId, SpamReason, Text};

use crate::consumer::say::{File, Quoted, card};
use crate::consumer::{Fields, Pick, Say, What, parse_id};

/// A line, understood.
pub(super) enum Line<'a> {
    /// Nothing.
    Empty,
    /// A message to send.
    Text(&'a str),
    Say(Box<Say>),
    Read(Vec<MessageId>),
    Played(Vec<MessageId>),
    Save {
        message_id: Option<MessageId>,
        path: Option<PathBuf>,
    },
    Report(SpamReason),
    Safety,
    Typing,
    Help,
    Quit,
    /// What is wrong with it.
    Wrong(String),
}

/// Name, what follows it, and what it does: for `/help`, for the hint while typing, for Tab.
pub(super) const COMMANDS: [(&str, &str, &str); 21] = [
    ("image", "FILE [CAPTION]", "send a picture"),
    ("video", "FILE [CAPTION]", "send a film"),
    ("audio", "FILE", "send sound"),
    ("voice", "FILE", "send sound as a voice message"),
    ("document", "FILE [CAPTION]", "send any file"),
    ("sticker", "FILE", "send a sticker (WebP)"),
    ("location", "LAT LON [NAME]", "send a place"),
    ("contact", "NAME NUMBER", "send an address card"),
    (
        "choose",
        "N [ID]",
        "press or choose what a message offers (on the screen N alone does, too)",
    ),
    ("form", "JSON", "answer a flow with what its form gives"),
    ("reply", "[ID] TEXT", "answer the last message, or that one, quoting it"),
    ("react", "EMOJI [ID]", "react to the last message, or to that one"),
    (
        "edit",
        "[ID] TEXT",
        "change your last message (of a file: its caption), or that one",
    ),
    ("revoke", "[ID]", "take your last message back, or that one (also /delete)"),
    ("save", "[ID] [FILE]", "save the last file, or that one"),
    ("played", "[ID...]", "tell that voice messages were listened to"),
    ("welcome", "", "tell that you opened the conversation, as a first-time user does"),
    (
        "report",
        "[REASON]",
        "report the business: not_requested, no_longer_wanted, spam, offensive, fraud or other",
    ),
    ("safety", "", "show the safety number"),
    ("help", "", "this list"),
    ("quit", "", "leave (also Ctrl-C)"),
];

/// The commands that a line which is being typed may become.
pub(super) fn matching(line: &str) -> Vec<&'static (&'static str, &'static str, &'static str)> {
    let Some(typed) = line.strip_prefix('/') else { return Vec::new() };
    match typed.split_once(char::is_whitespace) {
        Some((name, _)) => COMMANDS.iter().filter(|(known, ..)| *known == name).collect(),
        None => COMMANDS.iter().filter(|(known, ..)| known.starts_with(typed)).collect(),
    }
}

/// Understands a line that a person typed.
pub(super) fn parse(line: &str) -> Line<'_> {
    let line = line.trim_end_matches(['\r', '\n']);
    if line.trim().is_empty() {
        return Line::Empty;
    }
    let Some(command) = line.strip_prefix('/') else {
        return Line::Text(line);
    };
    if command.starts_with('/') {
        return Line::Text(command);
    }
    let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    understand(name, rest.trim()).unwrap_or_else(Line::Wrong)
}

fn understand(name: &str, rest: &str) -> Result<Line<'static>, String> {
    let words: Vec<&str> = rest.split_whitespace().collect();
    let what = match (name, words.as_slice()) {
        ("image", [_, ..]) => file(MediaKind::Image, false, rest)?,
        ("video", [_, ..]) => file(MediaKind::Video, false, rest)?,
        ("audio", [_, ..]) => file(MediaKind::Audio, false, rest)?,
        ("voice", [_, ..]) => file(MediaKind::Audio, true, rest)?,
        ("document", [_, ..]) => file(MediaKind::Document, false, rest)?,
        ("sticker", [_, ..]) => file(MediaKind::Sticker, false, rest)?,
        ("location", [latitude, longitude, name @ ..]) => {
            let degrees = |text: &str| text.trim_end_matches(',').parse::<f64>();
            let (Ok(latitude), Ok(longitude)) = (degrees(latitude), degrees(longitude)) else {
                return Err("/location wants degrees, such as /location 52.52 13.405 Berlin".to_owned());
            };
            What::Location(Location {
                latitude,
                longitude,
                name: (!name.is_empty()).then(|| Text::new(name.join(" "))),
                address: None,
                url: None,
            })
        }
        ("contact", [_, .., _]) => {
            let (name, number) = rest.split_once('+').ok_or("/contact wants a name, then a number with +")?;
            What::Contacts(Text::new(card(name.trim(), &format!("+{number}")).to_string()))
        }
        ("choose", [pick, id @ ..]) => What::Choose {
            message_id: one_id(id, "/choose N [ID]")?,
            pick: match pick.parse() {
                Ok(number) => Pick::Number(number),
                Err(_) => return Err("/choose wants the number of a choice".to_owned()),
            },
        },
        ("form", [_, ..]) => {
            let response: serde_json::Value = serde_json::from_str(rest).map_err(|error| format!("/form wants JSON: {error}"))?;
            What::Flow {
                message_id: None,
                reply: InteractiveReply::Flow {
                    response_json: Text::new(response.to_string()),
                    name: Some("flow".into()),
                    body: Some("Sent".into()),
                },
            }
        }
        ("reply", [_, ..]) => {
            let (id, text) = id_and_text(rest);
            return Ok(say(Say {
                what: What::Text(Text::from(text)),
                reply_to: Some(id.map_or(Quoted::Last, Quoted::Id)),
            }));
        }
        ("react", [emoji, id @ ..]) => What::Reaction {
            message_id: one_id(id, "/react EMOJI [ID]")?,
            emoji: Text::from(*emoji),
        },
        ("edit", [_, ..]) => {
            let (message_id, text) = id_and_text(rest);
            What::Edit {
                message_id,
                text: Text::from(text),
                caption: None,
            }
        }
        ("revoke" | "delete", id) => What::Revoke {
            message_id: one_id(id, "/revoke [ID]")?,
        },
        ("welcome", []) => What::Welcome,
        ("save", _) => {
            let (message_id, path) = id_and_text(rest);
            let path = (!path.is_empty()).then(|| PathBuf::from(first_word(path).0));
            return Ok(Line::Save { message_id, path });
        }
        ("read", ids) => return Ok(Line::Read(many_ids(ids, "/read")?)),
        ("played", ids) => return Ok(Line::Played(many_ids(ids, "/played")?)),
        ("report", [] | [_]) => return Ok(Line::Report(reason(words.first().copied().unwrap_or("spam"))?)),
        ("safety", []) => return Ok(Line::Safety),
        ("typing", []) => return Ok(Line::Typing),
        ("help", []) => return Ok(Line::Help),
        ("quit" | "exit", []) => return Ok(Line::Quit),
        ("react", _) => return Err("/react wants an emoji, such as /react 👍".to_owned()),
        _ => {
            return Err(match COMMANDS.iter().find(|(known, ..)| *known == name) {
                Some((name, usage, what)) => format!("/{name} {usage}: {what}"),
                None => "unknown command; /help shows all, // begins a text with a slash".to_owned(),
            });
        }
    };
    Ok(say(Say { what, reply_to: None }))
}

fn say(say: Say) -> Line<'static> {
    Line::Say(Box::new(say))
}

fn file(kind: MediaKind, voice: bool, rest: &str) -> Result<What, String> {
    let (path, caption) = first_word(rest);
    if !caption.is_empty() && matches!(kind, MediaKind::Audio | MediaKind::Sticker) {
        return Err("sound and stickers have no caption; put a name with spaces in quotes".to_owned());
    }
    Ok(What::File(File {
        kind,
        path: path.into(),
        caption: (!caption.is_empty()).then(|| caption.to_owned()),
        filename: None,
        mime_type: None,
        voice,
        animated: false,
    }))
}

/// The first word, which may be quoted or have its spaces escaped as in a shell, and the rest.
pub(super) fn first_word(text: &str) -> (String, &str) {
    let text = text.trim_start();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('\\', None | Some('"')) => word.extend(chars.next().map(|(_, c)| c)),
            (c, None) if c.is_whitespace() => return (word, text[at..].trim_start()),
            (c, _) => word.push(c),
        }
    }
    (word, "")
}

fn id_and_text(text: &str) -> (Option<MessageId>, &str) {
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    match parse_id(first) {
        Some(id) => (Some(id), rest.trim_start()),
        None => (None, text),
    }
}

fn one_id(ids: &[&str], usage: &str) -> Result<Option<MessageId>, String> {
    match ids {
        [] => Ok(None),
        [id] => parse_id(id).map(Some).ok_or_else(|| format!("{usage}: an id has 32 hex digits")),
        _ => Err(usage.to_owned()),
    }
}

fn many_ids(ids: &[&str], usage: &str) -> Result<Vec<MessageId>, String> {
    let ids: Option<_> = ids.iter().map(|id| parse_id(id)).collect();
    ids.ok_or_else(|| format!("{usage} [ID...]: an id has 32 hex digits"))
}

fn reason(word: &str) -> Result<SpamReason, String> {
    Ok(match word {
        "not_requested" => SpamReason::NotRequested,
        "no_longer_wanted" => SpamReason::NoLongerWanted,
        "spam" => SpamReason::Spam,
        "offensive" => SpamReason::Offensive,
        "fraud" => SpamReason::Fraud,
        "other" => SpamReason::Other,
        _ => return Err("a reason is not_requested, no_longer_wanted, spam, offensive, fraud or other".to_owned()),
    })
}

/// The objects that say nothing to the other side, or nothing that is a message.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Control {
    Read {
        #[serde(default)]
        message_ids: Vec<String>,
    },
    Played {
        #[serde(default)]
        message_ids: Vec<String>,
    },
    Save {
        message_id: Option<String>,
        file: Option<PathBuf>,
    },
    Report {
        reason: Option<String>,
    },
    Typing {},
    Safety {},
    Quit {},
}

const CONTROLS: [&str; 7] = ["read", "played", "save", "report", "typing", "safety", "quit"];

/// Understands a line of `--json` input: an object, or else what a person would type.
pub(super) fn parse_json(line: &str) -> Line<'_> {
    if !line.trim_start().starts_with('{') {
        return parse(line);
    }
    understand_json(line).unwrap_or_else(Line::Wrong)
}

fn understand_json(line: &str) -> Result<Line<'static>, String> {
    // What a value says is content; where it is wrong is not.
    let located = |error: serde_json::Error| match error.classify() {
        serde_json::error::Category::Data => format!("input: {error}"),
        _ => format!("input: not JSON, at column {}", error.column()),
    };
    let value: serde_json::Value = serde_json::from_str(line).map_err(located)?;
    if value["type"].as_str().is_some_and(|name| CONTROLS.contains(&name)) {
        let ids = |ids: Vec<String>| many_ids(&ids.iter().map(String::as_str).collect::<Vec<_>>(), "message_ids");
        return Ok(match serde_json::from_value(value).map_err(located)? {
            Control::Read { message_ids } => Line::Read(ids(message_ids)?),
            Control::Played { message_ids } => Line::Played(ids(message_ids)?),
            Control::Save { message_id, file } => Line::Save {
                message_id: match message_id {
                    Some(id) => Some(parse_id(&id).ok_or("message_id: an id has 32 hex digits")?),
                    None => None,
                },
                path: file,
            },
            Control::Report { reason: word } => Line::Report(reason(word.as_deref().unwrap_or("spam"))?),
            Control::Typing {} => Line::Typing,
            Control::Safety {} => Line::Safety,
            Control::Quit {} => Line::Quit,
        });
    }
    let fields: Fields = serde_json::from_value(value).map_err(located)?;
    fields.understand().map(say)
}

#[cfg(test)]
mod tests;
