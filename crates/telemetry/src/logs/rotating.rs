//! A log file that cannot grow without bound.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tracing_subscriber::fmt::MakeWriter;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// When a new file is begun and how many are kept.
const BOUNDS: Bounds = Bounds { bytes: 10 << 20, kept: 7 };

#[derive(Clone, Copy)]
struct Bounds {
    bytes: u64,
    kept: u32,
}

/// `waxseal.log` in a folder. Each day (UTC) and each 10 MiB a new one is begun; of the old ones, `waxseal.log.1` to `waxseal.log.7` are
/// kept. Readable only by the owner.
#[derive(Clone)]
pub struct RotatingFile(Arc<Mutex<State>>);

struct State {
    path: PathBuf,
    bounds: Bounds,
    file: File,
    bytes: u64,
    day: u64,
}

impl RotatingFile {
    /// Opens the file, going on with what is there.
    ///
    /// # Errors
    /// When it can neither be opened nor created.
    pub fn open(folder: &Path) -> io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(State::open(
            folder.join("waxseal.log"),
            BOUNDS,
            SystemTime::now(),
        )?))))
    }
}

impl<'w> MakeWriter<'w> for RotatingFile {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

impl Write for RotatingFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.write(line, SystemTime::now())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl State {
    fn open(path: PathBuf, bounds: Bounds, now: SystemTime) -> io::Result<Self> {
        let file = append(&path)?;
        let metadata = file.metadata()?;
        let bytes = metadata.len();
        // An old file is finished by the first line of a new day.
        let day = if bytes == 0 {
            day(now)
        } else {
            metadata.modified().map_or_else(|_| day(now), day)
        };
        Ok(Self {
            path,
            bounds,
            file,
            bytes,
            day,
        })
    }

    fn write(&mut self, line: &[u8], now: SystemTime) -> io::Result<()> {
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.bytes > 0 && (self.day != day(now) || self.bytes.saturating_add(length) > self.bounds.bytes) {
            self.rotate()?;
        }
        self.day = day(now);
        self.file.write_all(line)?;
        self.bytes = self.bytes.saturating_add(length);
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.bounds.kept).rev() {
            let old = self.numbered(number);
            if old.exists() {
                fs::rename(old, self.numbered(number + 1))?;
            }
        }
        fs::rename(&self.path, self.numbered(1))?;
        self.file = append(&self.path)?;
        self.bytes = 0;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn day(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / DAY.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("waxseal-telemetry-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn contents(folder: &Path) -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    #[test]
    fn is_bounded_in_size_and_number() {
        let folder = folder("size");
        let now = SystemTime::now();
        let mut state = State::open(folder.join("waxseal.log"), Bounds { bytes: 4, kept: 2 }, now).unwrap();
        for line in ["a\n", "b\n", "c\n", "d\n", "e\n", "longer than all\n", "g\n"] {
            state.write(line.as_bytes(), now).unwrap();
        }
        let files = contents(&folder);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(
            files,
            [
                ("waxseal.log".to_owned(), "g\n".to_owned()),
                ("waxseal.log.1".to_owned(), "longer than all\n".to_owned()),
                ("waxseal.log.2".to_owned(), "e\n".to_owned()),
            ]
        );
    }

    #[test]
    fn begins_anew_each_day_also_after_a_restart() {
        let folder = folder("day");
        let path = folder.join("waxseal.log");
        let now = SystemTime::now();
        let mut state = State::open(path.clone(), BOUNDS, now).unwrap();
        state.write(b"today\n", now).unwrap();
        state.write(b"tomorrow\n", now + DAY).unwrap();
        drop(state);
        // The file's time is today's, so for the reopened one two days on it is an old file.
        State::open(path, BOUNDS, now + 2 * DAY)
            .unwrap()
            .write(b"later\n", now + 2 * DAY)
            .unwrap();
        let files = contents(&folder);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(
            files.iter().map(|file| file.1.as_str()).collect::<Vec<_>>(),
            ["later\n", "tomorrow\n", "today\n"]
        );
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = folder("mode");
        RotatingFile::open(&folder).unwrap().write_all(b"x\n").unwrap();
        let mode = fs::metadata(folder.join("waxseal.log")).unwrap().permissions().mode();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(mode & 0o777, 0o600);
    }
}
