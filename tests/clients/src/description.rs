//! The port's own description, from `/openapi.json` of a running one, as requests that can be written.

use anyhow::{Context as _, Result};
use serde_json::Value;
use waxseal_harness::{
    business::http_client,
    up::{Number, Up},
};

/// One operation.
#[derive(Clone)]
pub struct Operation {
    /// `operationId`.
    pub id: String,
    /// `GET`, …
    pub method: String,
    /// The path as it is described.
    pub path: String,
    /// The parameters of the query that must be there.
    pub needed: Vec<(String, Value)>,
    /// The examples of a body of JSON.
    pub examples: Vec<(String, Value)>,
    /// Whether it takes a file.
    pub takes_file: bool,
}

/// The document.
///
/// # Errors
/// When the admin port does not answer with it.
pub async fn document(up: &Up) -> Result<Value> {
    let url = format!("{}/openapi.json", up.endpoints().admin);
    Ok(http_client()?.get(url).send().await?.error_for_status()?.json().await?)
}

/// All operations of the document. Those that end the number's registration come last.
///
/// # Errors
/// When it is not a document.
pub fn operations(document: &Value) -> Result<Vec<Operation>> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().context("no paths")? {
        for (method, operation) in item.as_object().context("no operations")? {
            let content = &operation["requestBody"]["content"];
            let examples = content["application/json"]["examples"].as_object();
            let needed = operation["parameters"].as_array().into_iter().flatten();
            all.push(Operation {
                id: operation["operationId"].as_str().context("no operationId")?.to_owned(),
                method: method.to_uppercase(),
                path: path.clone(),
                needed: needed
                    .filter(|parameter| parameter["in"] == "query" && parameter["required"] == true)
                    .filter_map(|parameter| Some((parameter["name"].as_str()?.to_owned(), parameter["schema"].clone())))
                    .collect(),
                examples: examples
                    .into_iter()
                    .flatten()
                    .map(|(name, example)| (name.clone(), example["value"].clone()))
                    .collect(),
                takes_file: content.get("multipart/form-data").is_some(),
            });
        }
    }
    all.sort_by_key(|operation| operation.path.ends_with("register"));
    Ok(all)
}

impl Operation {
    /// The path with the ids of a number, and made-up ones for everything else, behind a version.
    #[must_use]
    pub fn target(&self, number: &Number) -> String {
        let mut target = format!("/v23.0{}", self.path);
        for (name, value) in [
            ("phone_number_id", number.phone_number_id.as_str()),
            ("account_id", &number.business_account_id),
            ("app_id", &number.app_id),
            ("code", "WAXSEAL1234567"),
            ("ticket", "bm9uZQ"),
        ] {
            target = target.replace(&format!("{{{name}}}"), value);
        }
        while let Some((before, rest)) = target.split_once('{') {
            let after = rest.split_once('}').map_or("", |(_, after)| after);
            target = format!("{before}999999999999999{after}");
        }
        let query: Vec<String> = self
            .needed
            .iter()
            .map(|(name, schema)| format!("{name}={}", schema["enum"][0].as_str().unwrap_or("x")))
            .collect();
        if query.is_empty() {
            target
        } else {
            format!("{target}?{}", query.join("&"))
        }
    }
}
