//! What a scenario tells while it is played, and at the end.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::terminal::{self, Style};

/// Where progress goes.
pub(super) struct Report {
    json: bool,
    style: Style,
    started: Instant,
    /// The longest name, so that lines stand under each other.
    width: usize,
}

/// How one consumer came off.
pub(super) struct Outcome {
    pub(super) label: String,
    /// Steps that were done.
    pub(super) done: u64,
    pub(super) failure: Option<Failure>,
}

/// What did not go as it should.
pub(super) struct Failure {
    /// 0: none in particular.
    pub(super) line: u64,
    pub(super) text: String,
}

impl Report {
    pub(super) fn new(json: bool, width: usize) -> Self {
        Self {
            json,
            style: Style::of_stdout(),
            started: Instant::now(),
            width,
        }
    }

    pub(super) fn started(&self, name: &str, consumers: usize, steps: u64) {
        if self.json {
            terminal::say(&terminal::json_line(
                &json!({"type": "scenario_started", "name": name, "consumers": consumers, "steps": steps}),
            ));
        } else {
            let text = format!("Playing {}: {consumers} consumers, {steps} steps", terminal::harmless(name));
            terminal::say(&self.style.bold(&text));
        }
    }

    /// A consumer does something.
    pub(super) fn does(&self, label: &str, line: u64, step: &str, detail: &str) {
        if self.json {
            let record = json!({"type": "scenario_step", "consumer": label, "line": line, "step": step, "detail": detail});
            terminal::say(&terminal::json_line(&record));
        } else {
            self.line(label, "→", format!("{step} {detail}").trim_end());
        }
    }

    /// Something came to a consumer.
    pub(super) fn hears(&self, label: &str, what: &str) {
        if self.json {
            terminal::say(&terminal::json_line(
                &json!({"type": "scenario_event", "consumer": label, "detail": what}),
            ));
        } else {
            self.line(label, "←", what);
        }
    }

    /// What was expected came.
    pub(super) fn met(&self, label: &str, line: u64, what: &str) {
        if self.json {
            terminal::say(&terminal::json_line(
                &json!({"type": "scenario_met", "consumer": label, "line": line, "expected": what}),
            ));
        } else {
            self.line(label, &self.style.green("✓"), what);
        }
    }

    pub(super) fn failed(&self, label: &str, failure: &Failure) {
        if self.json {
            let record = json!({"type": "scenario_failed", "consumer": label, "line": failure.line, "message": failure.text});
            terminal::say(&terminal::json_line(&record));
        } else {
            self.line(label, &self.style.red("✗"), &at(failure));
        }
    }

    /// The last line. Whether everything went as it should.
    pub(super) fn ended(&self, name: &str, outcomes: &[Outcome]) -> bool {
        let steps: u64 = outcomes.iter().map(|outcome| outcome.done).sum();
        let failures: Vec<_> = outcomes
            .iter()
            .filter_map(|outcome| outcome.failure.as_ref().map(|failure| (&outcome.label, failure)))
            .collect();
        let took = self.started.elapsed();
        if self.json {
            let failed: Vec<_> = failures
                .iter()
                .map(|(label, failure)| json!({"consumer": label, "line": failure.line, "message": failure.text}))
                .collect();
            let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
            let record = json!({
                "type": "scenario_done", "name": name, "ok": failed.is_empty(), "steps": steps, "failures": failed, "took_ms": took_ms,
            });
            terminal::say(&terminal::json_line(&record));
        } else {
            terminal::say(&self.summary(name, steps, outcomes.len(), &failures, took));
        }
        failures.is_empty()
    }

    fn summary(&self, name: &str, steps: u64, consumers: usize, failures: &[(&String, &Failure)], took: Duration) -> String {
        let name = terminal::harmless(name);
        let did = format!("{steps} steps of {consumers} consumers in {:.1} s", took.as_secs_f64());
        if failures.is_empty() {
            return self.style.bold(&self.style.green(&format!("{name}: as expected; {did}")));
        }
        let mut text = self.style.bold(&self.style.red(&format!("{name}: not as expected; {did}")));
        for (label, failure) in failures {
            text.push_str(&format!("\n  {}: {}", terminal::harmless(label), terminal::harmless(&at(failure))));
        }
        text
    }

    fn line(&self, label: &str, mark: &str, text: &str) {
        let time = self.style.dim(&format!("{:7.2}", self.started.elapsed().as_secs_f64()));
        let label = terminal::harmless(label);
        terminal::say(&format!(
            "{time}  {label:<width$} {mark} {}",
            terminal::harmless(text),
            width = self.width
        ));
    }
}

fn at(failure: &Failure) -> String {
    match failure.line {
        0 => failure.text.clone(),
        line => format!("line {line}: {}", failure.text),
    }
}
