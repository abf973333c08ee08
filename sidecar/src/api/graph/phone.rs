//! The phone number node: the operations on `/{number}` itself. What its fields are is in [`super::super::node`].

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    super::{
        GraphError,
        answer::{Response, json, success},
        node,
    },
    Answer, Call,
    arguments::Arguments,
    automation,
};
use crate::number::Number;

/// The document of what little the node takes.
const DOCUMENT: &str = "node";

/// What the business has said of the node.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Said {
    search_visibility: Option<String>,
}

/// `/{number}`, all but `POST`.
pub(super) async fn node(number: &Number, call: &mut Call<'_>) -> Answer {
    match *call.method {
        Method::GET | Method::HEAD => {
            let node = node::read(&number.facts(), Some(number), call.query("fields"))?;
            Ok(Some(json(http::StatusCode::OK, node)))
        }
        Method::DELETE => Err(declared("phone numbers are declared and removed there")),
        _ => Ok(None),
    }
}

/// `POST /{number}` that says nothing of a PIN and nothing of webhooks.
pub(super) async fn change(number: &Number, said: &Arguments) -> Result<Response, GraphError> {
    if let Some(name) = said.bounded("new_display_name", 128)? {
        if name != number.facts().display_name {
            return Err(declared("spec.displayName says the name that consumers see"));
        }
        return Ok(success());
    }
    if let Some(visibility) = said.text("search_visibility")? {
        let visibility = visibility.to_ascii_uppercase();
        if !matches!(visibility.as_str(), "VISIBLE" | "NON_VISIBLE") {
            return Err(GraphError::invalid("search_visibility must be VISIBLE or NON_VISIBLE."));
        }
        let change = number.book().change(DOCUMENT, |node: &mut Said| {
            node.search_visibility = Some(visibility);
            Ok::<_, GraphError>(())
        });
        change.await?;
        return Ok(success());
    }
    if said.has("username") {
        return automation::set_username(number, said).await;
    }
    Err(GraphError::missing(
        "One of pin, webhook_configuration, new_display_name, search_visibility and username is required.",
    ))
}

/// Whether the business wants to be found; the default is that it does.
pub(in crate::api) fn search_visibility(number: &Number) -> String {
    let said = number.book().read::<Said>(DOCUMENT).unwrap_or_default();
    said.search_visibility.unwrap_or_else(|| "VISIBLE".to_owned())
}

/// What whoever answers for the number has declared is not changed here.
pub(super) fn declared(what: &str) -> GraphError {
    GraphError::value(format!("This is declared by the BusinessPhoneNumber resource: {what}."))
}

/// `{"id": …}`, as some changes of nodes are answered.
pub(super) fn id(id: &str) -> Response {
    super::super::answer::ok(&json!({"id": id}))
}
