//! Where in a document something stands: lines and columns, as people count them. Pure; the document is known to be JSON.

/// A step on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// A member of an object.
    Key(String),
    /// An element of a list.
    Index(usize),
}

/// From the first character to the last one, both counted from 1 and both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line_start: usize,
    pub(super) line_end: usize,
    pub(super) column_start: usize,
    pub(super) column_end: usize,
}

/// The place of what `way` leads to, or of the last thing on the way that there is. `at_key` asks for a member's name instead of its value.
pub(super) fn of(json: &str, way: &[Step], at_key: bool) -> Place {
    let bytes = json.as_bytes();
    let mut at = blanks(bytes, 0);
    let mut key = None;
    for step in way {
        let found = match step {
            Step::Key(name) => member(json, at, name).map(|(key, value)| (Some(key), value)),
            Step::Index(index) => element(bytes, at, *index).map(|value| (None, value)),
        };
        let Some((found_key, value)) = found else { break };
        (key, at) = (found_key, value);
    }
    let start = key.filter(|_| at_key).unwrap_or(at);
    between(json, start, value(bytes, start))
}

/// The place of the bytes from `start` up to `end`.
pub(super) fn between(json: &str, start: usize, end: usize) -> Place {
    let (line_start, column_start) = position(json, start);
    let (line_end, column_end) = position(json, end.saturating_sub(1).max(start));
    Place {
        line_start,
        line_end,
        column_start,
        column_end,
    }
}

fn position(json: &str, at: usize) -> (usize, usize) {
    let before = json.as_bytes().get(..at).unwrap_or(json.as_bytes());
    let line_begins = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let lines = before.iter().filter(|byte| **byte == b'\n').count();
    // A character begins with any byte that does not go on with another one.
    let is_first = |byte: &&u8| **byte & 0xc0 != 0x80;
    let columns = before.iter().skip(line_begins).filter(is_first).count();
    (lines + 1, columns + 1)
}

/// Where a member's name and value begin in the object at `at`.
fn member(json: &str, at: usize, name: &str) -> Option<(usize, usize)> {
    let bytes = json.as_bytes();
    let mut at = opened(bytes, at, b'{')?;
    while bytes.get(at) == Some(&b'"') {
        let key_end = value(bytes, at);
        // The colon.
        let value_at = blanks(bytes, blanks(bytes, key_end) + 1);
        let is_it = json
            .get(at..key_end)
            .and_then(|key| serde_json::from_str::<String>(key).ok())
            .is_some_and(|key| key == name);
        if is_it {
            return Some((at, value_at));
        }
        at = next(bytes, value(bytes, value_at))?;
    }
    None
}

/// Where the element begins in the list at `at`.
fn element(bytes: &[u8], at: usize, index: usize) -> Option<usize> {
    let mut at = opened(bytes, at, b'[')?;
    for _ in 0..index {
        at = next(bytes, value(bytes, at))?;
    }
    (bytes.get(at) != Some(&b']')).then_some(at)
}

fn opened(bytes: &[u8], at: usize, with: u8) -> Option<usize> {
    (bytes.get(at) == Some(&with)).then(|| blanks(bytes, at + 1))
}

/// What comes after a comma, if there is one after the value that ends at `end`.
fn next(bytes: &[u8], end: usize) -> Option<usize> {
    let comma = blanks(bytes, end);
    (bytes.get(comma) == Some(&b',')).then(|| blanks(bytes, comma + 1))
}

fn blanks(bytes: &[u8], at: usize) -> usize {
    let more = bytes.get(at..).unwrap_or_default();
    at + more.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Where the value that begins at `at` ends.
fn value(bytes: &[u8], mut at: usize) -> usize {
    let mut open = 0_usize;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = text(bytes, at),
            b'{' | b'[' => {
                open += 1;
                at += 1;
                continue;
            }
            b'}' | b']' => {
                open = open.saturating_sub(1);
                at += 1;
            }
            b',' | b':' => {
                at += 1;
                continue;
            }
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            _ => {
                let word = bytes.get(at..).unwrap_or_default();
                at += word
                    .iter()
                    .take_while(|byte| !matches!(byte, b',' | b'}' | b']' | b':') && !byte.is_ascii_whitespace())
                    .count();
            }
        }
        if open == 0 {
            break;
        }
    }
    at
}

/// Where the text that begins at `at` ends.
fn text(bytes: &[u8], mut at: usize) -> usize {
    at += 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Step {
        Step::Key(name.to_owned())
    }

    fn place(line_start: usize, column_start: usize, line_end: usize, column_end: usize) -> Place {
        Place {
            line_start,
            line_end,
            column_start,
            column_end,
        }
    }

    #[test]
    fn values_and_names_are_found_wherever_they_stand() {
        let json = "{\n  \"a\" : [1, {\"ü\\\"x\": \"żó\", \"b\": {\"c\": [ ]}}, true],\n  \"d\": null\n}";
        assert_eq!(of(json, &[], false), place(1, 1, 4, 1));
        assert_eq!(of(json, &[key("a")], true), place(2, 3, 2, 5));
        assert_eq!(of(json, &[key("a"), Step::Index(0)], false), place(2, 10, 2, 10));
        let deep = [key("a"), Step::Index(1), key("ü\"x")];
        assert_eq!(of(json, &deep, false), place(2, 22, 2, 25));
        assert_eq!(
            of(json, &[key("a"), Step::Index(1), key("b"), key("c")], false),
            place(2, 39, 2, 41)
        );
        assert_eq!(of(json, &[key("a"), Step::Index(2)], false), place(2, 46, 2, 49));
        assert_eq!(of(json, &[key("d")], false), place(3, 8, 3, 11));
        // What is not there is where it should be.
        assert_eq!(of(json, &[key("d"), key("e"), Step::Index(3)], false), place(3, 8, 3, 11));
        assert_eq!(of(json, &[key("z")], false), place(1, 1, 4, 1));
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_too_strange(json in "[\\[\\]{}\",:\\\\a1 \n]{0,40}", index in 0usize..3) {
            of(&json, &[key("a"), Step::Index(index)], false);
            of(&json, &[Step::Index(index), key("1")], true);
        }
    }
}
