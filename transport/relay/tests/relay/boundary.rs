//! The relay cannot read what it carries: neither the content crate nor Signal's code is in its dependency tree.

use std::collections::HashSet;
use std::process::Command;

#[test]
fn the_relay_depends_on_neither_content_nor_signal() {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            "waxseal-relay",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let tree: HashSet<&str> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(
        tree.contains("waxseal-relay") && tree.contains("waxseal-protocol") && tree.contains("redb"),
        "the tree was read"
    );
    for forbidden in [
        "waxseal-content",
        "waxseal-signal",
        "waxseal-sealing",
        "libsignal-protocol-syft",
        "libcrux-ml-kem",
    ] {
        assert!(!tree.contains(forbidden), "the relay depends on {forbidden}");
    }
    assert!(!tree.iter().any(|name| name.contains("libsignal")));
}
