//! The phone number node: the operations on `/{number}` itself. What its fields are is in [`super::super::node`].

use http::Method;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use super::{
    super::{
        GraphError,
        answer::{Response, json, success},
        node::{self, PhoneNumber},
        shape::{Fields, Product, Success, six_digits, text},
    },
    Answer, Call,
    arguments::{Arguments, word},
    automation::username::{self, Username},
    registration,
    subscriptions::{self, Override},
};
use crate::number::Number;

/// The document of what little the node takes.
const DOCUMENT: &str = "node";
const NAME_CHARS: usize = 128;

/// What the business has said of the node.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Said {
    search_visibility: Option<String>,
}

/// What there is to be changed of a number.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct PhoneNumberUpdate {
    messaging_product: Option<Product>,
    #[schema(schema_with = six_digits)]
    pin: Option<String>,
    webhook_configuration: Option<Override>,
    search_visibility: Option<Visibility>,
    /// It has to be what is declared.
    #[schema(schema_with = text::<NAME_CHARS>)]
    new_display_name: Option<String>,
    /// As with `POST /{phone_number_id}/username`, and answered so.
    username: Option<String>,
}

/// It is done, or what became of the username.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = PhoneNumberUpdated)]
#[expect(dead_code, reason = "only described")]
enum Updated {
    Done(Success),
    Named(Username),
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Visibility {
    Visible,
    NonVisible,
}

#[derive(OpenApi)]
#[openapi(paths(read, update), tags((name = "Phone number", description = "What the number is and how it is doing.")))]
pub(super) struct Described;

/// `/{number}`, all but `POST`.
pub(super) async fn node(number: &Number, call: &mut Call<'_>) -> Answer {
    match *call.method {
        Method::GET | Method::HEAD => read(number, call).map(Some),
        Method::DELETE => Err(declared("phone numbers are declared and removed there")),
        _ => Ok(None),
    }
}

/// What the number is and how it is doing.
///
/// `id` is always there; a member that no number has is an error.
#[utoipa::path(
    get,
    path = "/{phone_number_id}",
    operation_id = "getPhoneNumber",
    params(Fields),
    responses((status = 200, body = PhoneNumber, examples(("default fields" = (value = json!({
        "verified_name": "Sample Business",
        "code_verification_status": "VERIFIED",
        "display_phone_number": "+15550100",
        "quality_rating": "GREEN",
        "platform_type": "CLOUD_API",
        "throughput": {"level": "STANDARD"},
        "webhook_configuration": {"application": "https://example.com/hook"},
        "id": "106540352242922",
    }))))))
)]
fn read(number: &Number, call: &Call<'_>) -> Result<Response, GraphError> {
    let node = node::read(&number.facts(), Some(number), call.query("fields"))?;
    Ok(json(http::StatusCode::OK, node))
}

/// Set the PIN, or where the number's events go.
#[utoipa::path(
    post,
    path = "/{phone_number_id}",
    operation_id = "updatePhoneNumber",
    request_body(content = PhoneNumberUpdate, examples(
        ("PIN" = (value = json!({"pin": "123456"}))),
        ("webhook" = (value = json!({
            "webhook_configuration": {"override_callback_uri": "https://example.com/hook", "verify_token": "secret"},
        }))),
        ("webhook of the account again" = (value = json!({"webhook_configuration": {"override_callback_uri": ""}}))),
        ("not to be found" = (value = json!({"search_visibility": "NON_VISIBLE"})))
    )),
    responses((status = 200, body = Updated, examples(
        ("done" = (value = json!({"success": true}))),
        ("username" = (value = json!({"status": "approved"})))
    )))
)]
pub(super) async fn update(number: &Number, call: &mut Call<'_>) -> Answer {
    // `webhook_configuration` is a member of the node like others.
    match subscriptions::phone(number, call).await? {
        Some(response) => Ok(Some(response)),
        None => registration::node(number, call).await,
    }
}

/// `POST /{number}` that says nothing of a PIN and nothing of webhooks.
pub(super) async fn change(number: &Number, said: &Arguments) -> Result<Response, GraphError> {
    if let Some(name) = said.bounded("new_display_name", NAME_CHARS)? {
        if name != number.facts().display_name {
            return Err(declared("spec.displayName says the name that consumers see"));
        }
        return Ok(success());
    }
    if let Some(visibility) = said.text("search_visibility")? {
        if word::<Visibility>(&visibility).is_none() {
            return Err(GraphError::invalid("search_visibility must be VISIBLE or NON_VISIBLE."));
        }
        let visibility = visibility.to_ascii_uppercase();
        let change = number.book().change(DOCUMENT, |node: &mut Said| {
            node.search_visibility = Some(visibility);
            Ok::<_, GraphError>(())
        });
        change.await?;
        return Ok(success());
    }
    if said.has("username") {
        return username::set(number, said).await;
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
