//! Small helpers for `prometheus-client` registries.

use prometheus_client::{
    encoding::text,
    metrics::{histogram::Histogram, info::Info},
    registry::{Metric, Registry},
};

/// The `Content-Type` of [`encode`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics could not be written down.
#[derive(Debug, thiserror::Error)]
#[error("the metrics could not be encoded")]
pub struct EncodeError;

/// A registry whose metrics all begin with `waxseal_`, with `waxseal_build_info` in it.
#[must_use]
pub fn registry(version: &'static str) -> Registry {
    let mut registry = Registry::with_prefix("waxseal");
    registry.register("build", "What is running", Info::new([("version", version)]));
    registry
}

/// A metric of this name that begins at nothing.
pub fn new<M: Metric + Default + Clone>(registry: &mut Registry, name: &str, help: &str) -> M {
    with(registry, name, help, M::default())
}

/// The same for a metric that has to be told something first, such as its buckets.
pub fn with<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

/// The registry in the OpenMetrics text format.
///
/// # Errors
/// When a metric cannot be written down.
pub fn encode(registry: &Registry) -> Result<String, EncodeError> {
    let mut buffer = String::with_capacity(4096);
    text::encode(&mut buffer, registry).map_err(|_| EncodeError)?;
    Ok(buffer)
}

/// A histogram for durations in seconds, from half a millisecond to half a minute.
#[must_use]
pub fn seconds() -> Histogram {
    Histogram::new([
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    ])
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[test]
    fn encodes_with_prefix_and_end_mark() {
        let mut registry = registry("1.2.3");
        let durations = with(&mut registry, "commit_seconds", "How long a commit takes", seconds());
        let commits: Counter = new(&mut registry, "commits", "Commits");
        commits.inc();
        durations.observe(0.002);
        let text = encode(&registry).unwrap();
        assert!(text.contains("waxseal_build_info{version=\"1.2.3\"} 1\n"), "{text}");
        assert!(text.contains("waxseal_commit_seconds_bucket{le=\"0.0025\"} 1\n"), "{text}");
        assert!(text.contains("waxseal_commit_seconds_bucket{le=\"0.001\"} 0\n"), "{text}");
        assert!(text.contains("waxseal_commits_total 1\n"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
