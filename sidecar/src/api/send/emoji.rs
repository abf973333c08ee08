//! Whether a text is one emoji.
//!
//! Purpose: keeps sentences out of reactions without a Unicode table that ages. Counts base characters, joined ones and modified ones as one;
//! which characters clients draw as emoji is their affair. Pure.

const JOINER: char = '\u{200d}';
const KEYCAP: char = '\u{20e3}';

/// Long enough for families with skin tones and for flags written with tags.
const MAX_CHARS: usize = 16;

/// Whether the text is one emoji: one base character with its modifiers, a sequence of them joined, a flag, or a keycap.
pub(super) fn is_one(text: &str) -> bool {
    let mut chars = text.chars().peekable();
    let (mut count, mut bases, mut regions, mut joined) = (0, 0, 0, false);
    while let Some(char) = chars.next() {
        count += 1;
        if count > MAX_CHARS {
            return false;
        }
        match char {
            JOINER => joined = bases > 0,
            _ if is_modifier(char) => {
                if bases == 0 {
                    return false;
                }
            }
            '0'..='9' | '#' | '*' => {
                let mut rest = chars.clone().filter(|&char| char != '\u{fe0f}');
                if rest.next() != Some(KEYCAP) {
                    return false;
                }
                bases += 1;
            }
            '\u{1f1e6}'..='\u{1f1ff}' => {
                regions += 1;
                if regions % 2 == 1 && !std::mem::take(&mut joined) {
                    bases += 1;
                }
            }
            // Everything drawn as an emoji lies above ©; spaces and letters of most scripts with spaces do not come alone anyway.
            _ if char < '\u{a9}' || char.is_whitespace() || char.is_control() => return false,
            _ => {
                if !std::mem::take(&mut joined) {
                    bases += 1;
                }
            }
        }
    }
    bases == 1 && regions % 2 == 0
}

fn is_modifier(char: char) -> bool {
    matches!(char, '\u{fe00}'..='\u{fe0f}' | KEYCAP | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::is_one;

    #[test]
    fn emoji() {
        for text in [
            "👍",
            "👍🏽",
            "❤",
            "❤️",
            "❤️‍🔥",
            "👨‍👩‍👧‍👦",
            "👩🏽‍❤️‍💋‍👨🏿",
            "🇩🇪",
            "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
            "1️⃣",
            "#⃣",
            "🏳️‍🌈",
            "😶‍🌫️",
            "©",
            "🫱🏻‍🫲🏿",
        ] {
            assert!(is_one(text), "{text}");
        }
    }

    #[test]
    fn no_emoji() {
        for text in [
            "",
            "a",
            "ok",
            "1",
            "👍👍",
            "👍 ",
            "👍a",
            "hello 👍",
            "🇩",
            "🇩🇪🇫🇷",
            "\u{200d}",
            "\u{fe0f}",
            "\n",
            "👍\u{200d}👍\u{200d}👍\u{200d}👍\u{200d}👍\u{200d}👍\u{200d}👍\u{200d}👍\u{200d}👍",
        ] {
            assert!(!is_one(text), "{text:?}");
        }
    }
}
