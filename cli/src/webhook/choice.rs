//! Which events are meant: named, all, or those of a time. Pure.

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

/// Which events.
#[derive(clap::Args)]
#[group(required = true, multiple = true)]
pub(super) struct Choice {
    /// Ids of events, as `dead-letters` and the header `webhook-id` show them.
    #[arg(value_name = "EVENT")]
    events: Vec<String>,
    /// All of them.
    #[arg(long, conflicts_with_all = ["events", "since", "until"])]
    all: bool,
    /// Those that happened at this time or later: so long ago (30m, 6h, 2d), Unix seconds, or a date with time.
    #[arg(long, value_name = "TIME", conflicts_with = "events")]
    since: Option<String>,
    /// Those that happened at this time or earlier.
    #[arg(long, value_name = "TIME", conflicts_with = "events")]
    until: Option<String>,
}

impl Choice {
    /// As the HTTP port wants to be told.
    pub(super) fn body(&self, now_s: u64) -> anyhow::Result<Value> {
        if self.all {
            return Ok(json!({"all": true}));
        }
        let mut body = serde_json::Map::new();
        if !self.events.is_empty() {
            body.insert("ids".to_owned(), json!(self.events));
        }
        for (name, text) in [("since", &self.since), ("until", &self.until)] {
            if let Some(text) = text {
                let seconds = time(text, now_s).with_context(|| format!("--{name} is not understood"))?;
                body.insert(name.to_owned(), seconds.into());
            }
        }
        Ok(Value::Object(body))
    }
}

/// Unix seconds.
fn time(text: &str, now_s: u64) -> anyhow::Result<u64> {
    const HELP: &str = "say 30m, 6h or 2d for so long ago, Unix seconds, or a time like 2026-11-22T10:00:00Z";
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    let ago = |unit: char, seconds: u64| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(seconds);
    let ago = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)]
        .into_iter()
        .find_map(|(unit, seconds)| ago(unit, seconds));
    if let Some(ago) = ago {
        return Ok(now_s.saturating_sub(ago));
    }
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => u64::try_from(time.as_second()).context(HELP),
        Err(_) => bail!(HELP),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        choice: Choice,
    }

    fn body(line: &[&str]) -> Option<Value> {
        let line = Line::try_parse_from(["replay"].iter().chain(line)).ok()?;
        line.choice.body(1_000_000).ok()
    }

    #[test]
    fn what_is_meant_has_to_be_said_and_once() {
        assert_eq!(body(&["--all"]), Some(json!({"all": true})));
        assert_eq!(body(&["evt_1", "evt_2"]), Some(json!({"ids": ["evt_1", "evt_2"]})));
        assert_eq!(
            body(&["--since", "2h", "--until", "30m"]),
            Some(json!({"since": 992_800, "until": 998_200}))
        );
        for wrong in [
            &[][..],
            &["--all", "evt_1"],
            &["--all", "--since", "1h"],
            &["evt_1", "--since", "1h"],
            &["--since", "yesterday"],
        ] {
            assert_eq!(body(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn times_are_ages_seconds_and_dates() {
        for (text, seconds) in [
            ("90", 90),
            ("10s", 999_990),
            ("2d", 827_200),
            ("9999d", 0),
            ("1970-01-02T00:00:00Z", 86_400),
        ] {
            assert_eq!(time(text, 1_000_000).unwrap(), seconds, "{text}");
        }
        for text in ["", "h", "-1h", "2w", "1969-12-31T00:00:00Z", "99999999999999999999d"] {
            assert!(time(text, 1_000_000).is_err(), "{text}");
        }
    }
}
