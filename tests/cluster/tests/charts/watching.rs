//! Alerts and dashboard: what they ask for exists.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use crate::{EVERYTHING, of_kinds, render};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Where the metrics of a program are registered.
const SOURCES: [(&str, &str); 3] = [
    ("waxseal_operator_", "operator/src/metrics.rs"),
    ("waxseal_sidecar_", "sidecar/src/metrics.rs"),
    ("waxseal_relay_", "transport/relay/src/metrics.rs"),
];

/// The words of a text that begin like our metrics.
fn metrics(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("waxseal_") && *word != "waxseal_build_info")
        .collect()
}

#[tokio::test]
async fn every_metric_that_is_asked_for_is_registered() {
    let objects = render("waxseal", EVERYTHING).await;
    let asked = of_kinds(&objects, &["PrometheusRule", "ConfigMap"])
        .iter()
        .map(ToString::to_string)
        .collect::<String>();
    let asked = metrics(&asked);
    assert!(asked.len() > 20, "{asked:?}");
    for metric in asked {
        let (prefix, source) = SOURCES.iter().find(|(prefix, _)| metric.starts_with(prefix)).expect(metric);
        let source = fs::read_to_string(Path::new(ROOT).join(source)).unwrap();
        let name = metric.trim_start_matches(prefix);
        let plain = ["_total", "_bucket"]
            .iter()
            .fold(name, |name, suffix| name.trim_end_matches(suffix));
        assert!(source.contains(&format!("\"{plain}\"")), "nobody registers {metric}");
    }
}

#[tokio::test]
async fn alerts_say_what_to_do() {
    let objects = render("waxseal", EVERYTHING).await;
    let groups = of_kinds(&objects, &["PrometheusRule"])[0]["spec"]["groups"].as_array().unwrap();
    let rules: Vec<&Value> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(rules.len() >= 10);
    let runbook = fs::read_to_string(Path::new(ROOT).join("docs/operations.md")).unwrap();
    let mut names = BTreeSet::new();
    for rule in rules {
        let name = rule["alert"].as_str().unwrap();
        assert!(names.insert(name));
        assert!(runbook.contains(&format!("\n#### {name}\n")), "{name} is not in docs/operations.md");
        assert!(["warning", "critical"].contains(&rule["labels"]["severity"].as_str().unwrap()));
        for annotation in ["summary", "description", "runbook_url"] {
            assert!(rule["annotations"][annotation].as_str().unwrap().len() > 10, "{rule}");
        }
    }
}

#[tokio::test]
async fn the_dashboard_is_one() {
    let objects = render("waxseal", EVERYTHING).await;
    let map = of_kinds(&objects, &["ConfigMap"])[0];
    let dashboard: Value = serde_json::from_str(map["data"]["waxseal.json"].as_str().unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<i64> = panels.iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "{panel}");
        let place = &panel["gridPos"];
        assert!(place["x"].as_i64().unwrap() + place["w"].as_i64().unwrap() <= 24, "{panel}");
    }
}
