//! The port's description against the port: in both directions, by its examples, and by schemathesis.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;
use waxseal_clients::{
    description::{Operation, document, operations},
    driver::python,
    raw::{Answer, Request, address},
};
use waxseal_harness::up::{Number, Options, Up};

/// What the areas know: every word in their sources may be the name of an edge.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sidecar/src/api");
/// How long schemathesis may take; it takes about half a minute.
const PATIENCE: Duration = Duration::from_secs(300);

async fn start() -> Result<(Up, Number)> {
    let options = Options {
        ephemeral: true,
        ..Options::default()
    };
    let up = Up::start(options).await?;
    let number = up.endpoints().numbers.first().cloned().context("no number")?;
    Ok((up, number))
}

/// Whether the port knows no such operation. An object that is not there is answered in the same way.
fn is_unknown(answer: &Answer) -> bool {
    let error = &answer.json["error"];
    let is_unserved = error["message"] == "(#100) Unsupported operation" || error["error_subcode"] == 33;
    answer.status == 400 && (answer.code() == Some(2500) || (answer.code() == Some(100) && is_unserved))
}

/// Words of the areas' sources that could be an edge of a path.
fn words() -> Result<BTreeSet<String>> {
    let mut words = BTreeSet::new();
    let mut folders = vec![std::path::PathBuf::from(SOURCES)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                // What is described is not what is served.
                if !path.ends_with("openapi") {
                    folders.push(path);
                }
                continue;
            }
            let text = std::fs::read_to_string(&path)?;
            let literals = text.split('"').skip(1).step_by(2);
            let is_word = |word: &&str| (3..40).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            words.extend(literals.filter(is_word).map(str::to_owned));
        }
    }
    Ok(words)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_served_is_described() -> Result<()> {
    let (up, number) = start().await?;
    let described: BTreeSet<(String, String)> = operations(&document(&up).await?)?
        .into_iter()
        .map(|operation| (operation.method, operation.path))
        .collect();
    let words = words()?;
    ensure!(
        words.contains("message_qrdls") && words.contains("subscribed_apps"),
        "the sources were not read"
    );
    let mut undescribed = BTreeSet::new();
    let nodes = [
        ("/{phone_number_id}", number.phone_number_id.clone()),
        ("/{account_id}", number.business_account_id.clone()),
        ("/{app_id}", number.app_id.clone()),
    ];
    for (node, id) in nodes {
        for word in &words {
            for method in ["GET", "POST", "DELETE"] {
                // Without a body nothing is carried out but what needs none, and that is asked last.
                // Templates and flows are not moved between accounts, and that is told.
                if ["deregister", "migrate_message_templates", "migrate_flows"].contains(&word.as_str()) {
                    continue;
                }
                let answer = Request::new(method, &format!("/v23.0/{id}/{word}"), &number).send(&up).await?;
                let path = format!("{node}/{word}");
                if !is_unknown(&answer) && !described.contains(&(method.to_owned(), path.clone())) {
                    undescribed.insert(format!("{method} {path}"));
                }
            }
        }
    }
    ensure!(undescribed.is_empty(), "served and not described: {undescribed:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_described_is_served() -> Result<()> {
    let (up, number) = start().await?;
    let mut missing = Vec::new();
    for operation in operations(&document(&up).await?)? {
        // An object that is not there cannot be told from an operation that is not.
        let is_object = ["{media_id}", "{template_id}", "{flow_id}", "{upload_id}", "{history_id}"]
            .iter()
            .any(|id| operation.path.contains(id));
        let answer = ask(&up, &number, &operation, operation.examples.first().map(|(_, body)| body)).await?;
        if is_unknown(&answer) && !is_object {
            missing.push(format!("{} {}", operation.method, operation.path));
        }
    }
    ensure!(missing.is_empty(), "described and not served: {missing:#?}");
    Ok(())
}

async fn ask(up: &Up, number: &Number, operation: &Operation, body: Option<&Value>) -> Result<Answer> {
    let mut request = Request::new(&operation.method, &operation.target(number), number);
    if let Some(body) = body {
        request = request.json(body.to_string());
    }
    request.send(up).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_is_understood() -> Result<()> {
    let (up, number) = start().await?;
    let mut faults = Vec::new();
    for operation in operations(&document(&up).await?)? {
        for (name, body) in &operation.examples {
            let answer = ask(&up, &number, &operation, Some(body)).await?;
            // Refused is what names something that is not there, or an address that does not answer; never the shape.
            let details = answer.json["error"]["error_data"]["details"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let is_about_shape = ["is required", "must be a", "must be one of", "is not valid JSON"]
                .iter()
                .any(|words| details.contains(words));
            if answer.status >= 500 || (answer.status >= 400 && (answer.code() == Some(131_008) || is_about_shape)) {
                faults.push(format!(
                    "{}, {name}: {} {}",
                    operation.id,
                    answer.status,
                    String::from_utf8_lossy(&answer.body)
                ));
            }
        }
    }
    ensure!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

/// The document with the ids of a number, so that requests reach what is there.
fn about(mut document: Value, number: &Number) -> Value {
    let ids = [
        ("phone_number_id", &number.phone_number_id),
        ("account_id", &number.business_account_id),
        ("app_id", &number.app_id),
    ];
    document["servers"] = json!([{"url": "/v23.0"}]);
    for operations in document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut()) {
        for operation in operations
            .as_object_mut()
            .into_iter()
            .flat_map(|operations| operations.values_mut())
        {
            for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
                let known = ids.iter().find(|(name, _)| parameter["in"] == "path" && parameter["name"] == *name);
                if let Some((_, id)) = known {
                    parameter["schema"] = json!({"type": "string", "enum": [id]});
                }
            }
        }
    }
    document
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing() -> Result<()> {
    let (up, number) = start().await?;
    let folder = tempfile::tempdir()?;
    let mut described = about(document(&up).await?, &number);
    // Ends the number's registration, and with it everything else.
    for path in ["/{phone_number_id}/deregister", "/{phone_number_id}/register"] {
        described["paths"].as_object_mut().context("no paths")?.remove(path);
    }
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, described.to_string())?;
    let schemathesis = python()?.with_file_name("schemathesis");
    let run = Command::new(schemathesis)
        .arg("run")
        .arg(&file)
        .args(["--url", &format!("http://{}/v23.0", address(&up)?)])
        .args(["--header", &format!("Authorization: Bearer {}", number.token)])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .args([
            "--phases",
            "examples,fuzzing",
            "--mode",
            "all",
            "--max-examples",
            "20",
            "--seed",
            "17",
            "--workers",
            "2",
        ])
        .args([
            "--max-time",
            "60",
            "--request-timeout",
            "20",
            "--generation-database",
            "none",
            "--no-color",
        ])
        .current_dir(folder.path())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, run).await.context("schemathesis does not end")??;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "{} {}\n{}",
        output.status,
        said.replace(number.token.as_str(), "TOKEN"),
        String::from_utf8_lossy(&output.stderr)
    );
    let answer = Request::new("GET", &format!("/{}", number.phone_number_id), &number)
        .send(&up)
        .await?;
    ensure!(answer.status == 200, "the number is not told any more");
    Ok(())
}
