//! What the Signal library logs, and under which names: all of it can be switched off by [`waxseal_signal::LOG_TARGETS`].

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

#[path = "steps/party.rs"]
#[allow(dead_code, reason = "shared with the other tests")]
mod party;

use std::sync::Mutex;

use waxseal_signal::LOG_TARGETS;

/// Target and text of everything that was logged.
static LOGGED: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

struct Recorder;

impl log::Log for Recorder {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LOGGED.lock().unwrap().push((record.target().to_owned(), record.args().to_string()));
    }

    fn flush(&self) {}
}

#[test]
fn everything_the_library_logs_is_under_the_exported_targets_and_names_nobody() {
    log::set_logger(&Recorder).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let (mut alice, mut bob) = party::acquainted(300);
    let message = alice.send(b"a secret text").unwrap();
    bob.receive(&message).unwrap();
    bob.receive(&message).unwrap_err();
    let (mut mallory, _) = party::acquainted(302);
    bob.receive(&mallory.send(b"another secret text").unwrap()).unwrap_err();

    let logged = LOGGED.lock().unwrap();
    for (target, text) in &*logged {
        assert!(
            LOG_TARGETS
                .iter()
                .any(|known| target == known || target.starts_with(&format!("{known}::"))),
            "{target}: {text}"
        );
        assert!(!text.contains("secret"), "{text}");
    }
    // The library does print ratchet keys and the name it was given, at levels that are usually on: hence the filter, and opaque names.
    let protocol: Vec<_> = logged
        .iter()
        .filter(|(target, _)| target.starts_with("libsignal_protocol_syft"))
        .collect();
    assert!(protocol.iter().any(|(_, text)| text.contains("ratchet key")));
    let name = hex::encode(bob.peer_id.as_bytes());
    assert!(protocol.iter().any(|(_, text)| text.contains(&name)));
}
