//! What the fuzzer runs for hours, for a moment in every test run: random bytes, and samples of `fuzz/seeds` that were changed a little.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use proptest::{prelude::*, sample::Index, test_runner::TestRunner};
use waxseal_sidecar::fuzzing;

type Entry = fn(&[u8]) -> bool;

/// Every entry, under the name of its target and its folder of samples.
const ENTRIES: [(&str, Entry); 12] = [
    ("arguments", fuzzing::arguments),
    ("envelope", fuzzing::envelope),
    ("fields", fuzzing::fields),
    ("media", fuzzing::media),
    ("message", fuzzing::message),
    ("multipart", fuzzing::multipart),
    ("path", fuzzing::path),
    ("payload", fuzzing::payload),
    ("range", fuzzing::range),
    ("stream", fuzzing::stream),
    ("url", fuzzing::url),
    ("webhook", fuzzing::webhook),
];

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn samples(name: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<_> = std::fs::read_dir(folder().join("seeds").join(name))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

fn run<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value)) {
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    };
    let ran = TestRunner::new(config).run(strategy, |value| {
        test(value);
        Ok(())
    });
    if let Err(error) = ran {
        panic!("{error}");
    }
}

#[test]
fn every_sample_is_taken() {
    for (name, entry) in ENTRIES {
        let samples = samples(name);
        assert!(!samples.is_empty(), "{name} has no samples");
        for sample in samples {
            assert!(entry(&sample), "{name}: {}", String::from_utf8_lossy(&sample));
        }
    }
}

#[test]
fn every_entry_has_a_target() {
    let manifest = std::fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for (name, _) in ENTRIES {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not in fuzz/Cargo.toml");
        let target = std::fs::read_to_string(folder().join(format!("targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("fuzzing::{name}(")), "{name}");
    }
}

#[test]
fn any_bytes() {
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    for (_, entry) in ENTRIES {
        run(192, &bytes, |bytes| {
            entry(&bytes);
        });
    }
    // Any text gets further than any bytes where text is read.
    for (_, entry) in ENTRIES {
        run(192, &any::<String>(), |text| {
            entry(text.as_bytes());
        });
    }
}

/// One change: where, what kind, with what, and how much.
type Change = (Index, u8, u8, usize);

#[test]
fn samples_that_were_changed() {
    let changes = prop::collection::vec((any::<Index>(), 0u8..5, any::<u8>(), 0usize..64), 1..6);
    for (name, entry) in ENTRIES {
        let samples = samples(name);
        run(256, &(any::<Index>(), changes.clone()), |(sample, changes)| {
            entry(&changed(sample.get(&samples).clone(), &changes));
        });
    }
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    /// What parsers look at.
    const MARKS: [u8; 16] = *b"\"{}[](),.:/\\\n-0%";
    for (at, kind, byte, length) in changes {
        let at = at.index(bytes.len() + 1);
        let end = (at + length).min(bytes.len());
        match kind {
            0 if at < bytes.len() => bytes[at] = *byte,
            1 => drop(bytes.drain(at..end)),
            2 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            3 => bytes.insert(at, MARKS[usize::from(*byte) % MARKS.len()]),
            _ => bytes.truncate(at.max(bytes.len() / 2)),
        }
    }
    bytes
}
