//! Searches files and bytes for words that must not be there, in the forms in which they usually leak.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};

/// Below this, hits by chance are likely.
const MIN_BYTES: usize = 6;

/// A word that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    /// The file, or what the searched bytes are called.
    pub place: String,
    /// What the word is called.
    pub canary: String,
    /// In which form.
    pub encoding: &'static str,
    /// Where.
    pub offset: usize,
}

struct Pattern {
    canary: String,
    encoding: &'static str,
    bytes: Vec<u8>,
}

/// A set of words to search for.
#[derive(Default)]
pub struct Scanner {
    patterns: Vec<Pattern>,
    // By first byte, so that most positions cost one look.
    by_first: Vec<Vec<usize>>,
}

impl Scanner {
    /// Nothing to search for yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            patterns: Vec::new(),
            by_first: vec![Vec::new(); 256],
        }
    }

    /// Adds a text.
    ///
    /// # Errors
    /// When it is so short that it would be found by chance.
    pub fn text(&mut self, name: &str, text: &str) -> Result<()> {
        ensure!(text.len() >= MIN_BYTES, "{name} is too short to search for");
        for (encoding, bytes) in encodings(text) {
            self.add(name, encoding, bytes);
        }
        Ok(())
    }

    /// Adds a phone number, written with its `+`: its digits are what is searched for.
    ///
    /// # Errors
    /// When it has too few digits.
    pub fn number(&mut self, name: &str, number: &str) -> Result<()> {
        self.text(name, number.trim_start_matches('+'))
    }

    fn add(&mut self, name: &str, encoding: &'static str, bytes: Vec<u8>) {
        let known = self.patterns.iter().any(|pattern| pattern.bytes == bytes && pattern.canary == name);
        if let Some(first) = bytes.first().filter(|_| !known && bytes.len() >= MIN_BYTES) {
            self.by_first[usize::from(*first)].push(self.patterns.len());
            self.patterns.push(Pattern {
                canary: name.to_owned(),
                encoding,
                bytes,
            });
        }
    }

    /// What is found in some bytes; each word and form once.
    #[must_use]
    pub fn bytes(&self, place: &str, bytes: &[u8]) -> Vec<Hit> {
        let mut found = BTreeSet::new();
        let mut hits = Vec::new();
        for (offset, first) in bytes.iter().enumerate() {
            for &index in &self.by_first[usize::from(*first)] {
                let pattern = &self.patterns[index];
                if bytes[offset..].starts_with(&pattern.bytes) && found.insert(index) {
                    hits.push(Hit {
                        place: place.to_owned(),
                        canary: pattern.canary.clone(),
                        encoding: pattern.encoding,
                        offset,
                    });
                }
            }
        }
        hits
    }

    /// What is found in a file, or in all files and file names below a folder.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn tree(&self, root: &Path) -> Result<Vec<Hit>> {
        let mut hits = Vec::new();
        for path in files(root).with_context(|| format!("cannot list {}", root.display()))? {
            let place = path.display().to_string();
            let relative = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            hits.extend(self.bytes(&format!("the name of {place}"), relative.as_bytes()));
            match fs::read(&path) {
                Ok(bytes) => hits.extend(self.bytes(&place, &bytes)),
                // A server that runs may have removed it since.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("cannot read {place}")),
            }
        }
        Ok(hits)
    }
}

fn files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let (mut files, mut open) = (Vec::new(), vec![root.to_owned()]);
    while let Some(path) = open.pop() {
        let kind = fs::symlink_metadata(&path)?.file_type();
        if kind.is_dir() {
            for entry in fs::read_dir(&path)? {
                open.push(entry?.path());
            }
        } else if kind.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn encodings(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let raw = text.as_bytes();
    let utf16: Vec<u16> = text.encode_utf16().collect();
    let lower = hex::encode(raw);
    let percent = percent(text);
    let mut encodings = vec![
        ("raw", raw.to_vec()),
        ("JSON", json(text, true).into_bytes()),
        ("JSON", json(text, false).into_bytes()),
        ("JSON", json(text, true).to_uppercase().replace("\\U", "\\u").into_bytes()),
        ("UTF-16LE", utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect()),
        ("UTF-16BE", utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect()),
        ("hex", lower.to_uppercase().into_bytes()),
        ("hex", lower.into_bytes()),
        ("URL", percent.to_lowercase().into_bytes()),
        ("URL", percent.replace("%20", "+").into_bytes()),
        ("URL", percent.into_bytes()),
    ];
    for offset in 0..3 {
        for (name, engine) in [("base64", &BASE64_STANDARD_NO_PAD), ("base64url", &BASE64_URL_SAFE_NO_PAD)] {
            let shifted: Vec<u8> = vec![0; offset].into_iter().chain(raw.iter().copied()).collect();
            let text = engine.encode(&shifted);
            // Only the characters that depend on nothing but the word.
            let (start, end) = ((offset * 8).div_ceil(6), shifted.len() * 8 / 6);
            encodings.push((name, text.as_bytes()[start..end].to_vec()));
        }
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        encodings.push(("reversed digits", text.bytes().rev().collect()));
    }
    encodings
}

/// As a JSON string without its quotes; what is not ASCII escaped or as it is.
fn json(text: &str, ascii: bool) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        match char {
            '"' | '\\' => escaped.extend(['\\', char]),
            ' '..='~' => escaped.push(char),
            _ if !ascii && !char.is_control() => escaped.push(char),
            _ => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    escaped.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    escaped
}

fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    const TEXT: &str = "Grüße, Ada \"7f3a\"";

    fn scanner() -> Scanner {
        let mut scanner = Scanner::new();
        scanner.text("text", TEXT).unwrap();
        scanner.number("number", "+15559281734").unwrap();
        scanner
    }

    fn found(bytes: &[u8]) -> Vec<(String, &'static str)> {
        scanner()
            .bytes("here", bytes)
            .into_iter()
            .map(|hit| (hit.canary, hit.encoding))
            .collect()
    }

    #[test]
    fn every_form_is_found_wherever_it_is() {
        let utf16: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let planted: Vec<(&str, &str, Vec<u8>)> = vec![
            ("text", "raw", TEXT.into()),
            ("text", "JSON", serde_json::to_string(TEXT).unwrap().into()),
            ("text", "JSON", br#"Gr\u00fc\u00dfe, Ada \"7f3a\""#.to_vec()),
            ("text", "UTF-16LE", utf16),
            ("text", "hex", hex::encode(TEXT).into()),
            ("text", "hex", hex::encode_upper(TEXT).into()),
            ("text", "URL", b"Gr%C3%BC%C3%9Fe%2C%20Ada%20%227f3a%22".to_vec()),
            ("text", "URL", b"Gr%C3%BC%C3%9Fe%2C+Ada+%227f3a%22".to_vec()),
            ("number", "raw", b"+15559281734".to_vec()),
            ("number", "reversed digits", b"43718295551".to_vec()),
            ("number", "hex", b"3135353539323831373334".to_vec()),
        ];
        for (canary, encoding, form) in planted {
            for padding in ["", "x", "xy", "\0\0\0"] {
                let bytes = [padding.as_bytes(), &form, padding.as_bytes()].concat();
                let expected = (canary.to_owned(), encoding);
                let found = found(&bytes);
                assert!(found.contains(&expected), "{canary} {encoding}: {found:?}");
            }
        }
    }

    #[test]
    fn base64_is_found_at_every_offset_within_longer_data() {
        for before in 0..6 {
            let data = ["#".repeat(before), TEXT.to_owned(), "tail".to_owned()].concat();
            let expected = ("text".to_owned(), "base64");
            assert!(
                found(BASE64_STANDARD.encode(data).as_bytes()).contains(&expected),
                "{before} bytes before"
            );
        }
        let expected = ("number".to_owned(), "base64");
        assert!(found(BASE64_STANDARD.encode("id:15559281734:1").as_bytes()).contains(&expected));
    }

    #[test]
    fn nothing_is_found_where_nothing_is() {
        assert!(found(b"").is_empty());
        assert!(found(&[0; 4096]).is_empty());
        assert!(found(b"1555928173 5559281735 Gruesse").is_empty());
        assert!(Scanner::new().text("short", "abc").is_err());
    }

    #[test]
    fn trees_are_searched_with_their_names() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/clean"), "nothing").unwrap();
        assert_eq!(scanner().tree(folder.path()).unwrap(), []);
        fs::write(folder.path().join("a/b/dirty"), format!("xx{TEXT}")).unwrap();
        fs::write(folder.path().join("a/15559281734.db"), "").unwrap();
        let hits = scanner().tree(folder.path()).unwrap();
        assert_eq!(hits.len(), 2, "{hits:?}");
        assert!(
            hits.iter()
                .any(|hit| hit.canary == "number" && hit.place.starts_with("the name of"))
        );
        assert!(
            hits.iter()
                .any(|hit| hit.canary == "text" && hit.offset == 2 && hit.place.ends_with("dirty"))
        );
    }
}
