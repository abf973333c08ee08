//! The figures: as a table, ratios first, and as JSON.

use anyhow::Result;
use serde::Serialize;

/// One part's figures.
#[derive(Serialize, Clone)]
pub struct Figures {
    pub part: &'static str,
    pub rate_per_second: f64,
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    /// Processor time per message, by process.
    pub cpu_us: Vec<(&'static str, f64)>,
    pub failed: u64,
}

/// One quotient of two rates.
#[derive(Serialize)]
struct Ratio {
    name: &'static str,
    value: f64,
    target: &'static str,
}

#[derive(Default, Serialize)]
pub struct Report {
    parts: Vec<Figures>,
    resident_mib: Option<f64>,
}

pub const ENCRYPT: &str = "signal encrypt, same chain";
pub const ECHO: &str = "axum JSON echo";
pub const COMMITS: &str = "bare redis commits";
pub const OUTBOUND: &str = "outbound: accept to relay";
pub const OFFERED: &str = "outbound: accept, fixed rate";
pub const INBOUND: &str = "inbound: relay to webhook";

impl Report {
    pub fn add(&mut self, figures: Figures) {
        self.parts.push(figures);
    }

    pub fn memory(&mut self, resident_mib: f64) {
        self.resident_mib = Some(resident_mib);
    }

    fn rate(&self, part: &str) -> Option<f64> {
        self.parts
            .iter()
            .find(|figures| figures.part == part)
            .map(|figures| figures.rate_per_second)
    }

    fn ratios(&self) -> Vec<Ratio> {
        let pairs = [
            ("outbound / bare redis commits", OUTBOUND, COMMITS, ">= 0.45"),
            ("outbound / axum echo", OUTBOUND, ECHO, ">= 0.20"),
            ("outbound / signal encrypt", OUTBOUND, ENCRYPT, ""),
            ("inbound / outbound", INBOUND, OUTBOUND, ""),
        ];
        let quotient = |(name, above, below, target)| {
            Some(Ratio {
                name,
                value: self.rate(above)? / self.rate(below)?,
                target,
            })
        };
        pairs.into_iter().filter_map(quotient).collect()
    }

    pub fn print(&self) {
        println!("\n{:<34}{:>8}  target", "ratio", "");
        for ratio in self.ratios() {
            println!("{:<34}{:>8.2}  {}", ratio.name, ratio.value, ratio.target);
        }
        println!(
            "\n{:<30}{:>10}{:>10}{:>10}{:>8}  cpu us per message",
            "part", "rate/s", "p50 ms", "p99 ms", "failed"
        );
        for part in &self.parts {
            let ms = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
            let cpu: Vec<String> = part.cpu_us.iter().map(|(name, us)| format!("{name} {us:.0}")).collect();
            println!(
                "{:<30}{:>10.0}{:>10}{:>10}{:>8}  {}",
                part.part,
                part.rate_per_second,
                ms(part.p50_ms),
                ms(part.p99_ms),
                part.failed,
                cpu.join(", ")
            );
        }
        if let Some(resident) = self.resident_mib {
            println!("\nwaxseal up, resident at the end: {resident:.0} MiB");
        }
    }

    pub fn json(&self) -> Result<String> {
        let value = serde_json::json!({ "ratios": self.ratios(), "parts": self.parts, "resident_mib": self.resident_mib });
        Ok(serde_json::to_string_pretty(&value)?)
    }
}
