//! Tab: the names of commands, and of files behind those that take one. Reads folders; must not read files.

use std::path::{MAIN_SEPARATOR, Path};

use super::command;
use crate::consumer::talk::home;

/// Commands whose first word is a file.
const OF_FILES: [&str; 6] = ["image", "video", "audio", "voice", "document", "sticker"];
/// Entries of one folder that are looked at.
const ENTRIES: usize = 10_000;

/// The line, as far as there is only one way to go on.
pub(super) fn complete(line: &str) -> Option<String> {
    let typed = line.strip_prefix('/')?;
    let Some((name, rest)) = typed.split_once(' ') else {
        let names: Vec<String> = command::matching(line).iter().map(|(name, ..)| (*name).to_owned()).collect();
        let common = common(&names)?;
        let space = if names.len() == 1 { " " } else { "" };
        return Some(format!("/{common}{space}"));
    };
    if !OF_FILES.contains(&name) || rest.starts_with(['\'', '"']) {
        return None;
    }
    let (folder, start) = match rest.rsplit_once('/') {
        Some((folder, start)) => (format!("{folder}/"), start),
        None => (String::new(), rest),
    };
    let looked_in = home(Path::new(if folder.is_empty() { "./" } else { &folder }));
    let unescaped = start.replace("\\ ", " ");
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(looked_in).ok()?.take(ENTRIES).flatten() {
        let Ok(mut name) = entry.file_name().into_string() else { continue };
        if name.starts_with(&unescaped) && (unescaped.starts_with('.') || !name.starts_with('.')) {
            if entry.path().is_dir() {
                name.push(MAIN_SEPARATOR);
            }
            names.push(name);
        }
    }
    let common = common(&names)?.replace(' ', "\\ ");
    Some(format!("/{name} {folder}{common}"))
}

/// What all begin with.
fn common(names: &[String]) -> Option<String> {
    let (first, others) = names.split_first()?;
    let mut common = first.as_str();
    for other in others {
        let same = common.char_indices().zip(other.chars()).take_while(|((_, a), b)| a == b);
        let end = same.last().map_or(0, |((at, c), _)| at + c.len_utf8());
        common = &common[..end];
    }
    Some(common.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_files_complete_as_far_as_it_is_clear() {
        assert_eq!(complete("/im").as_deref(), Some("/image "));
        assert_eq!(complete("/rep").as_deref(), Some("/rep"));
        assert_eq!(complete("/xyz"), None);
        assert_eq!(complete("text"), None);
        let folder = tempfile::tempdir().unwrap();
        for name in ["photo one.png", "photo two.png", "other.pdf", ".hidden"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        let at = folder.path().display();
        assert_eq!(complete(&format!("/image {at}/ph")), Some(format!("/image {at}/photo\\ ")));
        assert_eq!(
            complete(&format!("/image {at}/photo\\ o")),
            Some(format!("/image {at}/photo\\ one.png"))
        );
        assert_eq!(complete(&format!("/document {at}/su")), Some(format!("/document {at}/sub/")));
        assert_eq!(complete(&format!("/image {at}/nothing")), None);
        assert_eq!(complete(&format!("/react {at}/ph")), None);
    }
}
