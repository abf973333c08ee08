//! Text in columns: by grapheme and by its width on a terminal, never by bytes.

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

/// The columns a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text without what could steer the terminal or turn the direction of writing. Line ends stay.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .filter(|c| *c != '\r')
        .map(|c| match c {
            '\n' => '\n',
            '\t' => ' ',
            c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// Breaks a clean text into lines of at most `columns`: between words where possible, within a word that is too long for a line.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(2);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        let mut used = 0;
        for word in words(paragraph) {
            let wide = width(word);
            if used + wide <= columns {
                line.push_str(word);
                used += wide;
                continue;
            }
            if used > 0 {
                lines.push(finished(&mut line));
                used = 0;
            }
            if word.trim().is_empty() {
                // The break stands for the space.
                continue;
            }
            for grapheme in word.graphemes(true) {
                let wide = width(grapheme);
                if used + wide > columns && used > 0 {
                    lines.push(finished(&mut line));
                    used = 0;
                }
                line.push_str(grapheme);
                used += wide;
            }
        }
        lines.push(finished(&mut line));
    }
    lines
}

/// Words and the spaces between them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let space = rest.chars().next()?.is_whitespace();
        let end = rest.find(|c: char| c.is_whitespace() != space).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

fn finished(line: &mut String) -> String {
    let mut line = std::mem::take(line);
    line.truncate(line.trim_end().len());
    line
}

/// As much of the beginning as fits, with an ellipsis if something is left out.
pub(super) fn shorten(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut used = 1;
    for grapheme in text.graphemes(true) {
        used += width(grapheme);
        if used > columns {
            break;
        }
        short.push_str(grapheme);
    }
    short.push('…');
    short
}

/// As much of the end as fits, with an ellipsis if something is left out: of a path, the name says most.
pub(super) fn shorten_front(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut used = 1;
    let mut start = text.len();
    for (at, grapheme) in text.grapheme_indices(true).rev() {
        used += width(grapheme);
        if used > columns {
            break;
        }
        start = at;
    }
    format!("…{}", &text[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_together() {
        assert_eq!(wrap("the quick brown fox", 10), ["the quick", "brown fox"]);
        assert_eq!(wrap("a\n\nb", 10), ["a", "", "b"]);
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(wrap("or take --as", 8), ["or take", "--as"]);
        assert_eq!(wrap("supercalifragilistic", 8), ["supercal", "ifragili", "stic"]);
        assert_eq!(wrap("hi supercalifragilistic", 8), ["hi", "supercal", "ifragili", "stic"]);
    }

    #[test]
    fn wide_characters_count_double_and_graphemes_stay_whole() {
        assert_eq!(wrap("你好世界", 5), ["你好", "世界"]);
        assert_eq!(wrap("👩‍👩‍👧 👍🏽", 3), ["👩‍👩‍👧", "👍🏽"]);
        assert_eq!(wrap("e\u{301}e\u{301}e\u{301}", 2), ["e\u{301}e\u{301}", "e\u{301}"]);
        for line in wrap(&"你a".repeat(200), 7) {
            assert!(width(&line) <= 7, "{line}");
        }
    }

    #[test]
    fn controls_are_taken_out() {
        assert_eq!(clean("a\x1b[2J\r\nb\tc\u{202e}"), "a\u{fffd}[2J\nb c\u{fffd}");
    }

    #[test]
    fn shortening_keeps_the_beginning() {
        assert_eq!(shorten("hello", 5), "hello");
        assert_eq!(shorten("hello there", 6), "hello…");
        assert_eq!(shorten("你好世界", 4), "你…");
        assert_eq!(shorten_front("a/b/photo.jpg", 10), "…photo.jpg");
        assert_eq!(shorten_front("short", 5), "short");
    }
}
