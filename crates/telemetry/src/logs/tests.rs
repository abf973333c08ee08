use std::sync::{Arc, Mutex};

use tracing::{debug, info, warn};

use super::*;

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Memory {
    type Writer = Self;

    fn make_writer(&'w self) -> Self {
        self.clone()
    }
}

fn written(settings: &Settings, log: impl FnOnce()) -> String {
    let memory = Memory::default();
    let subscriber = subscriber(settings, memory.clone(), false).unwrap();
    tracing::subscriber::with_default(subscriber, log);
    let bytes = memory.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn with_filter(filter: &str) -> Settings {
    Settings {
        filter: Some(filter.to_owned()),
        ..Settings::default()
    }
}

#[test]
fn info_is_the_default_and_the_filter_is_obeyed() {
    let log = || {
        debug!(target: "waxseal_sidecar::api", count = 1, "quiet");
        info!(target: "waxseal_sidecar::api", count = 2, "said");
        warn!(target: "waxseal", count = 3, "loud");
    };
    let default = written(&Settings::default(), log);
    assert!(
        default.contains("said") && default.contains("count=3") && !default.contains("quiet"),
        "{default}"
    );
    let more = written(&with_filter("warn,waxseal_sidecar=debug"), log);
    assert!(more.contains("quiet") && more.contains("loud"), "{more}");
    let less = written(&with_filter("waxseal=warn,waxseal_sidecar=off"), log);
    assert!(!less.contains("said") && less.contains("loud"), "{less}");
}

#[test]
fn no_filter_lets_other_libraries_through() {
    let log = || {
        tracing::error!(target: "libsignal_protocol_syft", "KEY MATERIAL");
        tracing::error!(target: "libsignal_protocol_syft::session_cipher", "KEY MATERIAL");
        tracing::error!(target: "h2::codec", "KEY MATERIAL");
        tracing::error!(target: "hyper_util", "KEY MATERIAL");
        tracing::error!(target: "waxsealing", "KEY MATERIAL");
        info!(target: "waxseal_store", "mine");
    };
    for filter in [
        "trace",
        "libsignal_protocol_syft=trace,h2=trace,hyper_util=trace,info",
        "trace,libsignal_protocol_syft=trace",
    ] {
        let text = written(&with_filter(filter), log);
        assert!(text.contains("mine") && !text.contains("KEY MATERIAL"), "{text}");
    }
}

#[test]
fn json_lines_have_the_fields_at_the_top() {
    let settings = Settings {
        format: Format::Json,
        ..Settings::default()
    };
    let line = written(&settings, || info!(target: "waxseal_store", batches = 7, "committed"));
    assert!(line.starts_with('{') && line.ends_with("}\n"), "{line}");
    assert!(
        line.contains("\"batches\":7") && line.contains("\"message\":\"committed\"") && line.contains("\"level\":\"INFO\""),
        "{line}"
    );
}

#[test]
fn a_wrong_filter_is_explained() {
    let error = subscriber(&with_filter("waxseal=loud"), io::sink, false)
        .err()
        .map(|error| error.to_string())
        .unwrap_or_default();
    assert!(
        error.starts_with("WAXSEAL_LOG cannot be understood") && error.contains("info,waxseal_sidecar=debug"),
        "{error}"
    );
}
