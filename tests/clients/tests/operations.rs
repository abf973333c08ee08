//! The reference page of operations against Meta's list of them, against the description and against the running port: it names every operation
//! once, and what it says of each is so.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use waxseal_clients::{
    description::{Operation, document, operations},
    raw::Request,
};
use waxseal_harness::up::{Options, Up};

const PAGE: &str = include_str!("../../../docs/reference/operations.md");
const META: &str = include_str!("../data/meta-operations.txt");
/// The heading under which stands what Meta's list has not.
const BEYOND: &str = "## Not in Meta's list";
/// What the business serves, not this system.
const WEBHOOK: (&str, &str) = ("POST", "/whatsapp/webhooks");

/// One row of the page.
struct Row {
    method: String,
    path: String,
    here: String,
    note: String,
    is_beyond: bool,
}

/// The cells of a line, if it is a row of a table.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.strip_prefix("| ")?.strip_suffix('|')?;
    Some(inner.split('|').map(str::trim).collect())
}

/// The rows that name an operation by its method and its path.
fn rows() -> Vec<Row> {
    let mut is_beyond = false;
    let mut rows = Vec::new();
    for line in PAGE.lines() {
        is_beyond |= line == BEYOND;
        let Some([operation, here, note]) = cells(line).and_then(|cells| <[&str; 3]>::try_from(cells).ok()) else {
            continue;
        };
        let Some(operation) = operation.strip_prefix('`').and_then(|operation| operation.strip_suffix('`')) else {
            continue;
        };
        let Some((method @ ("GET" | "POST" | "DELETE"), path)) = operation.split_once(' ') else {
            continue;
        };
        rows.push(Row {
            method: method.to_owned(),
            path: path.to_owned(),
            here: here.to_owned(),
            note: note.to_owned(),
            is_beyond,
        });
    }
    rows
}

/// What each kind of refusal says, as the page has it.
fn refusals() -> Result<BTreeMap<&'static str, &'static str>> {
    let (_, section) = PAGE
        .split_once("## What refusals say")
        .context("the page does not say what refusals say")?;
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section
        .lines()
        .filter_map(cells)
        .filter_map(|cells| <[&str; 2]>::try_from(cells).ok());
    // Below the head and its line.
    Ok(rows.skip(2).map(|[name, details]| (name, details)).collect())
}

/// The path as the description writes it.
fn described(path: &str) -> String {
    let mut path = match path {
        "/{Media-URL}" => "/media/{ticket}".to_owned(),
        path => path.to_owned(),
    };
    for (meta, ours) in [
        ("Phone-Number-ID", "phone_number_id"),
        ("WABA-ID", "account_id"),
        ("WhatsApp-Business-Account-ID", "account_id"),
        ("Application-ID", "app_id"),
        ("Media-ID", "media_id"),
        ("Message-History-ID", "history_id"),
        ("TEMPLATE_ID", "template_id"),
        ("Flow-ID", "flow_id"),
        ("QR-Code-ID", "code"),
    ] {
        path = path.replace(&format!("{{{meta}}}"), &format!("{{{ours}}}"));
    }
    path
}

#[test]
fn every_operation_of_meta_stands_on_the_page_once() -> Result<()> {
    let mut meta = BTreeSet::new();
    for line in META.lines().filter(|line| !line.starts_with('#')) {
        let (method, path) = line.split_once(' ').context("not an operation")?;
        ensure!(meta.insert((method, path)), "{line} stands twice in the data");
    }
    ensure!(meta.len() == 116, "{}", meta.len());
    let rows = rows();
    let mut seen = BTreeSet::new();
    for row in &rows {
        let operation = (row.method.as_str(), row.path.as_str());
        ensure!(seen.insert(operation), "{operation:?} stands twice on the page");
        ensure!(
            meta.contains(&operation) != row.is_beyond,
            "{operation:?} stands in the wrong part of the page"
        );
        ensure!(
            matches!(row.here.as_str(), "works" | "kept" | "not served"),
            "{operation:?} is {:?}",
            row.here
        );
    }
    let missing: Vec<_> = meta.difference(&seen).collect();
    ensure!(missing.is_empty(), "not on the page: {missing:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_page_says_is_so() -> Result<()> {
    let up = Up::start(Options {
        ephemeral: true,
        ..Options::default()
    })
    .await?;
    let number = up.endpoints().numbers.first().cloned().context("no number")?;
    let described_operations: BTreeSet<(String, String)> = operations(&document(&up).await?)?
        .into_iter()
        .map(|operation| (operation.method, operation.path))
        .collect();
    let refusals = refusals()?;
    let (mut wrong, mut used, mut listed) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for row in rows() {
        let path = described(&row.path);
        let named = format!("{} {}", row.method, row.path);
        listed.insert((row.method.clone(), path.clone()));
        if row.here != "not served" {
            let is_served = described_operations.contains(&(row.method.clone(), path));
            if !is_served && (row.method.as_str(), row.path.as_str()) != WEBHOOK {
                wrong.push(format!("{named}: {} and not described", row.here));
            }
            continue;
        }
        let (answer, name) = row
            .note
            .split_once(": ")
            .with_context(|| format!("{named} does not say its error"))?;
        used.insert(name.to_owned());
        let operation = Operation {
            id: String::new(),
            method: row.method.clone(),
            // Ids of groups are no digits.
            path: path.replace("{group_id}", "Y2FwaV9ncm91cDo"),
            needed: Vec::new(),
            examples: Vec::new(),
            takes_file: false,
        };
        let mut request = Request::new(&row.method, &operation.target(&number), &number);
        if row.method != "GET" {
            request = request.json("{}");
        }
        let got = request.send(&up).await?;
        let error = &got.json["error"];
        let subcode = error["error_subcode"]
            .as_u64()
            .map(|subcode| format!("/{subcode}"))
            .unwrap_or_default();
        let said = format!("{}, {}{subcode}", got.status, got.code().unwrap_or_default());
        let details = error["error_data"]["details"].as_str().unwrap_or_default();
        if said != answer || refusals.get(name) != Some(&details) {
            wrong.push(format!(
                "{named}: the page says {answer} and {:?}; it answers {said}: {details}",
                refusals.get(name)
            ));
        }
    }
    // `GET /{media_id}` and the like have one row each; the rest of the description stands on the page.
    wrong.extend(
        described_operations
            .difference(&listed)
            .map(|(method, path)| format!("{method} {path} is described and not on the page")),
    );
    wrong.extend(
        refusals
            .keys()
            .filter(|name| !used.contains(**name))
            .map(|name| format!("no row has the refusal {name:?}")),
    );
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
