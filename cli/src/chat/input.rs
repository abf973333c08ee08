//! The input line: editing by grapheme, and what was typed before. Pure; keys become calls in `screen`.

use std::collections::VecDeque;

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation as _};

use super::wrap::{clean, width};

const REMEMBERED: usize = 200;

/// Longest line; the consumer library refuses longer messages.
const LONGEST_BYTES: usize = 60_000;

/// A line being edited.
#[derive(Default)]
pub(super) struct Input {
    text: String,
    /// A byte position, always between graphemes.
    cursor: usize,
    before: VecDeque<String>,
    /// How far back in `before`; 0 is the line being written.
    back: usize,
    draft: String,
}

impl Input {
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn is_command(&self) -> bool {
        self.text.starts_with('/') && !self.text.starts_with("//")
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Puts what was completed in the place of the line.
    pub(super) fn complete(&mut self, line: String) {
        self.show(line);
    }

    /// Types or pastes; a pasted line end becomes a space.
    pub(super) fn insert(&mut self, text: &str) {
        let text = clean(text).replace('\n', " ");
        if self.text.len() + text.len() <= LONGEST_BYTES {
            self.text.insert_str(self.cursor, &text);
            self.cursor += text.len();
        }
    }

    /// Hands the line over and begins a new one.
    pub(super) fn take(&mut self) -> String {
        let line = std::mem::take(&mut self.text);
        self.cursor = 0;
        self.back = 0;
        if !line.trim().is_empty() && self.before.front() != Some(&line) {
            self.before.push_front(line.clone());
            self.before.truncate(REMEMBERED);
        }
        line
    }

    pub(super) fn left(&mut self) {
        self.cursor = self.previous();
    }

    pub(super) fn right(&mut self) {
        self.cursor = self.next();
    }

    pub(super) const fn home(&mut self) {
        self.cursor = 0;
    }

    pub(super) fn end(&mut self) {
        self.cursor = self.text.len();
    }

    pub(super) fn word_left(&mut self) {
        self.cursor = self.word_start();
    }

    pub(super) fn word_right(&mut self) {
        let rest = &self.text[self.cursor..];
        let end = rest.unicode_word_indices().next().map(|(at, word)| at + word.len());
        self.cursor = end.map_or(self.text.len(), |end| self.cursor + end);
    }

    pub(super) fn backspace(&mut self) {
        self.delete_from(self.previous());
    }

    pub(super) fn delete(&mut self) {
        let next = self.next();
        self.text.replace_range(self.cursor..next, "");
    }

    pub(super) fn delete_word(&mut self) {
        self.delete_from(self.word_start());
    }

    pub(super) fn delete_to_start(&mut self) {
        self.delete_from(0);
    }

    pub(super) fn delete_to_end(&mut self) {
        self.text.truncate(self.cursor);
    }

    /// The line typed before this one.
    pub(super) fn older(&mut self) {
        if let Some(line) = self.before.get(self.back) {
            let line = line.clone();
            if self.back == 0 {
                self.draft = std::mem::take(&mut self.text);
            }
            self.back += 1;
            self.show(line);
        }
    }

    /// Back towards the line being written.
    pub(super) fn newer(&mut self) {
        if self.back == 0 {
            return;
        }
        self.back -= 1;
        let line = match self.back.checked_sub(1) {
            None => std::mem::take(&mut self.draft),
            Some(back) => self.before.get(back).cloned().unwrap_or_default(),
        };
        self.show(line);
    }

    /// The part around the cursor that fits into `columns`, and the cursor's column in it.
    pub(super) fn view(&self, columns: usize) -> (String, usize) {
        let before = width(&self.text[..self.cursor]);
        // One column is left for a cursor behind the last character.
        let room = columns.saturating_sub(1).max(1);
        let skip = before.saturating_sub(room);
        let mut shown = String::new();
        let mut passed = 0;
        let mut used = 0;
        for grapheme in self.text.graphemes(true) {
            let wide = width(grapheme);
            if passed < skip {
                passed += wide;
                continue;
            }
            if used + wide > room {
                break;
            }
            shown.push_str(grapheme);
            used += wide;
        }
        (shown, before.saturating_sub(passed))
    }

    fn show(&mut self, line: String) {
        self.cursor = line.len();
        self.text = line;
    }

    fn delete_from(&mut self, start: usize) {
        self.text.replace_range(start..self.cursor, "");
        self.cursor = start;
    }

    fn previous(&self) -> usize {
        GraphemeCursor::new(self.cursor, self.text.len(), true)
            .prev_boundary(&self.text, 0)
            .ok()
            .flatten()
            .unwrap_or(0)
    }

    fn next(&self) -> usize {
        GraphemeCursor::new(self.cursor, self.text.len(), true)
            .next_boundary(&self.text, 0)
            .ok()
            .flatten()
            .unwrap_or(self.text.len())
    }

    fn word_start(&self) -> usize {
        self.text[..self.cursor].unicode_word_indices().next_back().map_or(0, |(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Input {
        let mut input = Input::default();
        input.insert(text);
        input
    }

    #[test]
    fn edits_by_grapheme() {
        let mut input = typed("ab👩‍👩‍👧e\u{301}");
        input.backspace();
        input.backspace();
        assert_eq!(input.view(20), ("ab".to_owned(), 2));
        input.left();
        input.insert("你");
        assert_eq!(input.view(20), ("a你b".to_owned(), 3));
        input.delete();
        input.home();
        input.delete();
        assert_eq!(input.view(20), ("你".to_owned(), 0));
        input.delete();
        input.delete();
        input.backspace();
        input.left();
        input.right();
        assert!(input.is_empty());
    }

    #[test]
    fn moves_and_deletes_by_word() {
        let mut input = typed("one two  three");
        input.word_left();
        input.word_left();
        assert_eq!(input.view(30).1, 4);
        input.word_right();
        assert_eq!(input.view(30).1, 7);
        input.delete_word();
        assert_eq!(input.view(30).0, "one   three");
        input.delete_to_end();
        assert_eq!(input.view(30).0, "one ");
        input.delete_to_start();
        assert!(input.is_empty());
    }

    #[test]
    fn remembers_lines_and_keeps_the_draft() {
        let mut input = typed("first");
        assert_eq!(input.take(), "first");
        input.insert("second");
        input.take();
        input.insert("dra");
        input.older();
        input.older();
        input.older();
        assert_eq!(input.view(20).0, "first");
        input.newer();
        assert_eq!(input.view(20).0, "second");
        input.newer();
        input.newer();
        assert_eq!(input.view(20), ("dra".to_owned(), 3));
    }

    #[test]
    fn the_cursor_stays_in_view() {
        let mut input = typed("0123456789");
        assert_eq!(input.view(6), ("56789".to_owned(), 5));
        input.home();
        assert_eq!(input.view(6), ("01234".to_owned(), 0));
        let wide = typed("你好世界");
        let (shown, cursor) = wide.view(6);
        assert_eq!((shown.as_str(), cursor), ("世界", 4));
    }

    #[test]
    fn pasted_controls_and_line_ends_do_no_harm() {
        assert_eq!(typed("a\nb\x1bc").view(20).0, "a b\u{fffd}c");
    }
}
