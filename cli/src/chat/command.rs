//! What a typed line means.

use waxseal_consumer::MessageId;

/// A line, understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Nothing.
    Empty,
    /// A message to send.
    Text(&'a str),
    React {
        emoji: &'a str,
        message_id: Option<MessageId>,
    },
    Read(Vec<MessageId>),
    Safety,
    Typing,
    Help,
    Quit,
    /// What is wrong with it.
    Wrong(String),
}

/// For the full screen.
pub(super) const COMMANDS: [(&str, &str); 5] = [
    ("/react EMOJI", "react to the last message"),
    ("/safety", "show the safety number"),
    ("//text", "send a text that begins with a slash"),
    ("/help", "this list"),
    ("/quit", "leave (also Ctrl-C)"),
];

/// Understands a line.
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
    let mut words = command.split_whitespace();
    let name = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    match (name, rest.as_slice()) {
        ("react", [emoji]) => Line::React { emoji, message_id: None },
        ("react", [emoji, id]) => match message_id(id) {
            Some(id) => Line::React {
                emoji,
                message_id: Some(id),
            },
            None => Line::Wrong("/react EMOJI ID: an id has 32 hex digits".to_owned()),
        },
        ("react", _) => Line::Wrong("/react wants an emoji, such as /react 👍".to_owned()),
        ("read", ids) => match ids.iter().map(|id| message_id(id)).collect() {
            Some(ids) => Line::Read(ids),
            None => Line::Wrong("/read ID...: an id has 32 hex digits".to_owned()),
        },
        ("safety", []) => Line::Safety,
        ("typing", []) => Line::Typing,
        ("help", []) => Line::Help,
        ("quit" | "exit", []) => Line::Quit,
        _ => Line::Wrong("unknown command; /help shows all, // begins a text with a slash".to_owned()),
    }
}

fn message_id(text: &str) -> Option<MessageId> {
    let mut bytes = [0; 16];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(MessageId::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        assert_eq!(parse("hello /react\n"), Line::Text("hello /react"));
        assert_eq!(parse("//etc/hosts"), Line::Text("/etc/hosts"));
        assert_eq!(parse("  \r\n"), Line::Empty);
        assert_eq!(parse("/safety"), Line::Safety);
        assert_eq!(
            parse("/react 👍"),
            Line::React {
                emoji: "👍",
                message_id: None
            }
        );
        let id = MessageId::new([0xab; 16]);
        assert_eq!(
            parse(&format!("/react 👍 {}", "ab".repeat(16))),
            Line::React {
                emoji: "👍",
                message_id: Some(id)
            }
        );
        assert_eq!(parse(&format!("/read {0} {0}", "ab".repeat(16))), Line::Read(vec![id, id]));
        assert_eq!(parse("/read"), Line::Read(vec![]));
        for wrong in ["/react", "/react 👍 12", "/read xx", "/unknown", "/safety now", "/"] {
            assert!(matches!(parse(wrong), Line::Wrong(_)), "{wrong}");
        }
    }
}
