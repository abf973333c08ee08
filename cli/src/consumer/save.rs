//! Files that arrive, saved. `files/` in the consumer's state directory, unless a person names a place.

use std::fs::DirBuilder;
use std::io::Read as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;
use waxseal_consumer::{Consumer, Media, MediaKind, MessageId, Text, ending_of};

use super::hex_id;

/// Longest name of a file that somebody else chose.
const NAME_CHARACTERS: usize = 100;

/// Where files go, and those on their way there.
pub(crate) struct Files {
    folder: PathBuf,
    running: JoinSet<Saved>,
}

/// What came of one file.
pub(crate) struct Saved {
    pub(crate) message_id: MessageId,
    pub(crate) media: Media,
    /// Where it is, or why not.
    pub(crate) outcome: Result<PathBuf, String>,
}

impl Files {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            running: JoinSet::new(),
        }
    }

    /// Whether some are on their way.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// Begins to fetch a file: under its own name, behind a part of the message's id; or to where a person wants it.
    pub(crate) fn fetch(&mut self, consumer: &Consumer, message_id: MessageId, media: &Media, to: Option<PathBuf>) {
        let path = to.unwrap_or_else(|| self.place(message_id, media));
        let (consumer, media) = (consumer.clone(), media.clone());
        self.running.spawn(async move {
            let outcome = fetch(&consumer, &media, &path).await.map(|()| path);
            Saved {
                message_id,
                media,
                outcome,
            }
        });
    }

    /// Where a file is that was fetched earlier.
    pub(crate) fn known(&self, message_id: MessageId, media: &Media) -> Option<PathBuf> {
        let path = self.place(message_id, media);
        let size = path.metadata().ok()?.len();
        (size == media.size_bytes).then_some(path)
    }

    fn place(&self, message_id: MessageId, media: &Media) -> PathBuf {
        self.folder.join(format!("{}-{}", &hex_id(message_id)[..8], name(media)))
    }

    /// The next that is done; never, while there is none.
    pub(crate) async fn next(&mut self) -> Saved {
        loop {
            match self.running.join_next().await {
                Some(Ok(saved)) => return saved,
                // A task that was aborted with the process.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}

async fn fetch(consumer: &Consumer, media: &Media, path: &Path) -> Result<(), String> {
    if is_there(media, path) {
        return Ok(());
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|error| format!("{} cannot be created: {error}", folder.display()))?;
    }
    consumer.download(media).into_file(path).await.map_err(|error| error.to_string())
}

/// Fetched before, by an earlier run.
fn is_there(media: &Media, path: &Path) -> bool {
    let Ok(mut file) = std::fs::File::open(path) else { return false };
    if file.metadata().map_or(0, |metadata| metadata.len()) != media.size_bytes {
        return false;
    }
    let mut hash = Sha256::new();
    let mut part = vec![0; 64 << 10];
    loop {
        match file.read(&mut part) {
            Ok(0) => return hash.finalize()[..] == media.sha256,
            Ok(read) => hash.update(&part[..read]),
            Err(_) => return false,
        }
    }
}

/// A name that is no path, is not hidden and holds nothing that a terminal or a shell would take for something else.
fn name(media: &Media) -> String {
    let given = media.filename.as_ref().map(Text::reveal).unwrap_or_default();
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let safe = |c: char| {
        if c.is_alphanumeric() || matches!(c, '.' | '-' | '_') {
            c
        } else {
            '_'
        }
    };
    let clean: String = last.chars().map(safe).collect();
    let clean = clean.trim_start_matches('.');
    if clean.trim_matches('_').is_empty() {
        let kind = match media.kind {
            MediaKind::Audio if media.voice => "voice",
            kind => kind.as_str(),
        };
        return format!("{kind}.{}", ending_of(media.mime_type.reveal()).unwrap_or("bin"));
    }
    // The ending stays.
    let count = clean.chars().count();
    clean.chars().skip(count.saturating_sub(NAME_CHARACTERS)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::show::tests::media;

    #[test]
    fn names_of_others_are_no_paths() {
        let named = |filename: &str| {
            let mut media = media(MediaKind::Image);
            media.filename = Some(filename.into());
            name(&media)
        };
        assert_eq!(named("photo.jpg"), "photo.jpg");
        assert_eq!(named("../../etc/passwd"), "passwd");
        assert_eq!(named(r"C:\temp\a b$(rm).png"), "a_b__rm_.png");
        assert_eq!(named(".bashrc"), "bashrc");
        assert_eq!(named(".."), "image.jpg");
        assert_eq!(named("a\x1b[2J.png"), "a__2J.png");
        assert_eq!(named("größe.png"), "größe.png");
        let long = named(&format!("{}.jpg", "x".repeat(300)));
        assert!(long.len() == 100 && long.ends_with(".jpg"));
        let mut voice = media(MediaKind::Audio);
        voice.filename = None;
        voice.voice = true;
        voice.mime_type = "audio/ogg; codecs=opus".into();
        assert_eq!(name(&voice), "voice.ogg");
    }
}
