//! What the charts render.

use std::fs;

use serde_json::Value;
use waxseal_cluster::helm::Helm;
use waxseal_crds::definitions;

use crate::{CONFIGURATIONS, EVERYTHING, of_kinds, offline, render, rules, texts};

#[tokio::test]
async fn helm_finds_nothing_to_complain_about() {
    let helm = offline();
    helm.run(&["lint", "--strict", "waxseal-crds"]).await.unwrap();
    for values in CONFIGURATIONS {
        let args = [&["lint", "--strict", "--namespace", crate::NAMESPACE, "waxseal"], *values].concat();
        helm.run(&args).await.unwrap();
    }
}

#[tokio::test]
async fn values_that_nobody_reads_are_refused() {
    let wrong = [
        ("waxseal", "relay.enable=true"),
        ("waxseal", "replicas=3"),
        ("waxseal", "operator.replicas=many"),
        ("waxseal", "operator.podDisruptionBudget.minAvailable=1"),
        ("waxseal", "crds.keeep=true"),
        ("waxseal", "sample.phoneNumber=15550100"),
        ("waxseal", "sample.country=Brazil"),
        ("waxseal", "sample.retentionDays=31"),
        ("waxseal", "sample.redisUrl=redis://user:password@redis"),
        ("waxseal", "relay.reregistration=anyone"),
        ("waxseal", "operator.replicas=2,operator.leaderElection=false"),
        ("waxseal", "sample.enabled=true"),
        ("waxseal", "trial.enabled=true,watchNamespaces={elsewhere}"),
        ("waxseal-crds", "keepp=true"),
    ];
    for (chart, value) in wrong {
        let outcome = offline().run(&["template", "waxseal", chart, "--set", value]).await;
        let name = value.split(['=', '.']).next().unwrap();
        let error = format!("{:#}", outcome.expect_err(value));
        assert!(error.contains(name), "{value}: {error}");
    }
}

/// Whether a rule is about Secrets.
fn is_about_secrets(rule: &Value) -> bool {
    let named = |list: &Value, name| texts(list).iter().any(|text| *text == name || *text == "*");
    named(&rule["apiGroups"], "") && (named(&rule["resources"], "secrets") || texts(&rule["resources"]).contains(&"*"))
}

#[tokio::test]
async fn no_role_reads_secrets_and_none_has_a_wildcard() {
    for values in CONFIGURATIONS {
        let objects = render("waxseal", values).await;
        let roles = of_kinds(&objects, &["Role", "ClusterRole"]);
        let rules = rules(&roles);
        for rule in &rules {
            assert!(!rule.to_string().contains('*'), "{values:?}: {rule}");
            if is_about_secrets(rule) {
                assert_eq!(texts(&rule["verbs"]), ["create", "delete"], "{values:?}: {rule}");
            }
            let escalates = texts(&rule["verbs"])
                .iter()
                .any(|verb| ["escalate", "bind", "impersonate"].contains(verb));
            assert!(!escalates || texts(&rule["resources"]) == ["roles"], "{values:?}: {rule}");
        }
        assert!(rules.iter().any(|rule| is_about_secrets(rule)), "{values:?}");
    }
}

#[tokio::test]
async fn namespaces_narrow_the_rights_too() {
    let objects = render("waxseal", &["--set", "watchNamespaces={a,b}"]).await;
    for rule in rules(&of_kinds(&objects, &["ClusterRole"])) {
        assert_eq!(texts(&rule["apiGroups"]), ["waxseal.dev"], "{rule}");
        for resource in texts(&rule["resources"]) {
            let kind = resource.trim_end_matches("/status");
            assert!(["dataregions", "retentionpolicies"].contains(&kind), "{rule}");
        }
    }
    let namespaces_with = |resource: &str| {
        let mut namespaces: Vec<&str> = of_kinds(&objects, &["Role"])
            .into_iter()
            .filter(|role| rules(&[role]).iter().any(|rule| texts(&rule["resources"]).contains(&resource)))
            .map(|role| role["metadata"]["namespace"].as_str().unwrap())
            .collect();
        namespaces.sort_unstable();
        namespaces
    };
    assert_eq!(namespaces_with("secrets"), ["a", "b"]);
    assert_eq!(namespaces_with("roles"), ["a", "b"]);
    assert_eq!(namespaces_with("leases"), [crate::NAMESPACE]);
    // Those about cluster-scoped objects are in `default`.
    assert_eq!(namespaces_with("events"), ["a", "b", crate::NAMESPACE, "default"]);
    let operator = of_kinds(&objects, &["Deployment"])[0];
    let args = texts(&operator["spec"]["template"]["spec"]["containers"][0]["args"]);
    assert!(args.contains(&"--watch-namespaces=a,b"), "{args:?}");
}

#[test]
fn every_rule_says_why() {
    let path = Helm::charts().join("waxseal/templates/operator/_rules.tpl");
    let template = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = template.lines().collect();
    let mut rules = 0;
    for pair in lines.windows(2).filter(|pair| pair[1].starts_with("- apiGroups:")) {
        assert!(pair[0].starts_with("# "), "no comment above {}", pair[1]);
        rules += 1;
    }
    assert!(rules >= 15, "{rules}");
}

#[tokio::test]
async fn definitions_are_those_of_the_types_and_stay() {
    for (chart, switch) in [("waxseal-crds", "keep"), ("waxseal", "crds.keep")] {
        let objects = render(chart, &[]).await;
        for definition in definitions::all() {
            let rendered = objects.iter().find(|object| object["metadata"]["name"] == definition.name).unwrap();
            assert_eq!(rendered["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
            assert_eq!(rendered["spec"], definition.value["spec"], "{} of {chart}", definition.name);
        }
        let released = render(chart, &["--set", &format!("{switch}=false")]).await;
        for definition in of_kinds(&released, &["CustomResourceDefinition"]) {
            assert!(definition["metadata"]["annotations"].is_null(), "{chart}");
        }
    }
    let without = render("waxseal", &["--set", "crds.enabled=false"]).await;
    assert!(of_kinds(&without, &["CustomResourceDefinition"]).is_empty());
}

#[tokio::test]
async fn pods_are_confined() {
    for values in CONFIGURATIONS {
        let objects = render("waxseal", values).await;
        let pods = of_kinds(&objects, &["Deployment", "StatefulSet"])
            .into_iter()
            .map(|workload| &workload["spec"]["template"]["spec"]);
        let tests = of_kinds(&objects, &["Pod"]).into_iter().map(|pod| &pod["spec"]);
        for pod in pods.chain(tests) {
            assert_eq!(pod["automountServiceAccountToken"], false);
            assert_eq!(pod["enableServiceLinks"], false);
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
            assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
            for container in pod["containers"].as_array().unwrap() {
                let security = &container["securityContext"];
                assert_eq!(security["allowPrivilegeEscalation"], false);
                assert_eq!(security["readOnlyRootFilesystem"], true);
                assert_eq!(texts(&security["capabilities"]["drop"]), ["ALL"]);
                assert!(container["resources"]["limits"]["memory"].is_string());
            }
        }
    }
}

#[tokio::test]
async fn an_upgrade_of_the_chart_alone_rolls_nothing() {
    let objects = render("waxseal", EVERYTHING).await;
    let chart = fs::read_to_string(Helm::charts().join("waxseal/Chart.yaml")).unwrap();
    let version = chart.lines().find_map(|line| line.strip_prefix("version: ")).unwrap();
    for workload in of_kinds(&objects, &["Deployment", "StatefulSet"]) {
        let labels = workload["spec"]["template"]["metadata"]["labels"].to_string();
        assert!(!labels.contains(version), "{labels}");
        assert!(
            !workload["spec"]["selector"].to_string().contains("platform"),
            "selectors never change"
        );
    }
}
