//! What appears on the terminal, and how: colours where they are wanted, nothing that could steer the terminal.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
    process::ExitCode,
};

use serde::Serialize;

/// Colours, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    colours: bool,
}

impl Style {
    /// Without colours.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { colours: false };

    /// With colours if standard output is a terminal and `NO_COLOR` is not set.
    pub(crate) fn of_stdout() -> Self {
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colours: io::stdout().is_terminal() && !refused,
        }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub(crate) fn blue(self, text: &str) -> String {
        self.paint("34", text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colours {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// One or more lines to standard output. A reader that went away is no reason to stop.
pub(crate) fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out
        .write_all(text.as_bytes())
        .and_then(|()| out.write_all(b"\n"))
        .and_then(|()| out.flush());
}

/// One or more lines to standard error.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says why the command failed; exit code 1.
pub(crate) fn fail(error: &anyhow::Error) -> ExitCode {
    complain(&format!("error: {}", reasons(error)));
    ExitCode::FAILURE
}

/// The error and its causes, without what was said already: some errors repeat their cause in their own text.
fn reasons(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
    }
    text
}

/// The text without control characters and without what turns the direction of writing, bounded in length: what others wrote must not
/// steer this terminal.
pub(crate) fn harmless(text: &str) -> String {
    const CHARACTERS_MAX: usize = 2000;
    let mut safe: String = text
        .chars()
        .take(CHARACTERS_MAX)
        .map(|c| match c {
            '\n' | '\r' | '\t' => ' ',
            c if c.is_control() || turns(c) => '\u{fffd}',
            c => c,
        })
        .collect();
    if text.chars().nth(CHARACTERS_MAX).is_some() {
        safe.push('…');
    }
    safe
}

/// The value as one line of JSON, printed where a person may look: what would steer a terminal is written as `\uXXXX`, which says the same.
pub(crate) fn json_line(value: &impl Serialize) -> String {
    // Strings and numbers: this cannot fail.
    let text = serde_json::to_string(value).unwrap_or_default();
    let steers = |c: char| c.is_control() || turns(c);
    if !text.contains(steers) {
        return text;
    }
    // JSON has none of these outside of strings, and serde has escaped those below the space.
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match steers(c) {
            true => safe.push_str(&format!("\\u{:04x}", u32::from(c))),
            false => safe.push(c),
        }
    }
    safe
}

/// Whether a character turns the direction of writing.
const fn turns(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text as one word of a shell command.
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:=@%,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// How this program is called: through cargo where cargo started it.
pub(crate) fn command() -> &'static str {
    match (env::var_os("CARGO").is_some(), cfg!(debug_assertions)) {
        (true, true) => "cargo run --",
        (true, false) => "cargo run --release --",
        (false, _) => "waxseal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_cannot_steer_the_terminal() {
        assert_eq!(harmless("a\x1b[2Jb\x07\nc\u{202e}d"), "a\u{fffd}[2Jb\u{fffd} c\u{fffd}d");
        assert_eq!(harmless(&"x".repeat(5000)).chars().count(), 2001);
        assert_eq!(harmless("Olá 👍"), "Olá 👍");
    }

    #[test]
    fn json_steers_no_terminal_and_says_the_same() {
        let value = serde_json::json!({"text": "a\u{1b}[2J\u{9b}31m\u{7f}\u{85}\u{202e}d\n \u{e9}\u{1f44b}", "list": [1, null]});
        let line = json_line(&value);
        assert!(!line.contains(|c: char| c.is_control() || turns(c)), "{line:?}");
        assert!(
            line.contains("\\u009b31m\\u007f\\u0085\\u202ed") && line.contains('\u{e9}'),
            "{line}"
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }

    #[test]
    fn shell_words_survive_the_shell() {
        assert_eq!(shell_word("./.waxseal"), "./.waxseal");
        assert_eq!(shell_word("my folder/it's"), r"'my folder/it'\''s'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn causes_are_said_once() {
        let cause = io::Error::other("refused");
        let error = anyhow::Error::new(cause)
            .context("the store cannot be used: refused")
            .context("the sidecar cannot start");
        assert_eq!(reasons(&error), "the sidecar cannot start: the store cannot be used: refused");
    }

    #[test]
    fn plain_style_adds_nothing() {
        assert_eq!(Style::PLAIN.bold("x"), "x");
        assert_eq!(Style { colours: true }.bold("x"), "\x1b[1mx\x1b[0m");
    }
}
