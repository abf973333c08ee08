//! The definitions that are kept in the repository are those that the types make.
//!
//! `WAXSEAL_BLESS=1 cargo test -p waxseal-crds --test generated` (or `cargo xtask gen`) writes them anew.

use std::{fs, path::Path};

use waxseal_crds::definitions;

/// Where they are kept: for `kubectl apply`, and for the chart, which can only read files in its own folder.
const FOLDERS: [&str; 2] = ["generated", "../charts/waxseal-crds/files/crds"];

#[test]
fn kept_definitions_are_those_of_the_types() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bless = std::env::var_os("WAXSEAL_BLESS").is_some();
    for folder in FOLDERS.map(|folder| root.join(folder)) {
        if bless {
            fs::create_dir_all(&folder).unwrap();
        }
        let mut expected = Vec::new();
        for definition in definitions::all() {
            let yaml = definition.yaml().unwrap();
            let file = folder.join(format!("{}.yaml", definition.name));
            if bless {
                fs::write(&file, &yaml).unwrap();
            }
            let kept = fs::read_to_string(&file).unwrap_or_default();
            assert!(kept == yaml, "{} is not what the types make: run `cargo xtask gen`", file.display());
            expected.push(file);
        }
        let mut present: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        present.sort();
        assert_eq!(present, expected, "files that no type makes");
    }
}
