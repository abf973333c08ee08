//! Texts for people, cut to the lengths that the API server accepts.

/// The longest message of a condition, in bytes.
pub const CONDITION_MESSAGE_MAX_BYTES: usize = 32 * 1024;
/// The longest note of an event, in bytes.
pub const EVENT_NOTE_MAX_BYTES: usize = 1024;

const ELLIPSIS: &str = "...";

/// `text` with control characters but line breaks replaced, cut at a character's border so that it has at most `max_bytes`.
#[must_use]
pub fn clip(text: &str, max_bytes: usize) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    if clean.len() <= max_bytes {
        return clean;
    }
    let mut end = max_bytes.saturating_sub(ELLIPSIS.len());
    while !clean.is_char_boundary(end) {
        end -= 1;
    }
    let mut cut = clean;
    cut.truncate(end);
    if max_bytes >= ELLIPSIS.len() {
        cut.push_str(ELLIPSIS);
    }
    cut
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn says_that_it_was_cut() {
        assert_eq!(clip("abcdefgh", 6), "abc...");
        assert_eq!(clip("abcdef", 6), "abcdef");
        assert_eq!(clip("a\u{7}b\nc", 6), "a b\nc");
    }

    proptest! {
        #[test]
        fn is_never_longer(text in ".*", max in 0_usize..64) {
            prop_assert!(clip(&text, max).len() <= max);
        }
    }
}
