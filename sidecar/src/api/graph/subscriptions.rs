//! Where webhooks go: overrides of a number and of an account, subscriptions of an app.
//!
//! Purpose: an address is taken only after it has answered the verification handshake, and only if it leads where the API may make this process
//! go. What is set here comes before what is declared at the same level.

use std::collections::BTreeSet;

use http::{Method, header};
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema, openapi::Object};

use super::{
    super::{
        GraphError,
        answer::{Response, ok, success},
        shape::{Success, one_of, text},
    },
    Answer, Call,
    arguments::Arguments,
    paging::Page,
};
use crate::number::{Number, Told};

/// The longest address.
const URL_CHARS: usize = 200;
/// The longest verify token.
const TOKEN_CHARS: usize = 1024;
/// The only object there are webhooks for.
const OBJECT: &str = "whatsapp_business_account";
/// Fields that may be subscribed at once, and their length.
const MAX_FIELDS: usize = 64;
const FIELD_CHARS: usize = 64;

/// `POST /{number}` with `webhook_configuration`; `None` when there is more to do than that, or nothing of it.
pub(super) async fn phone(number: &Number, call: &mut Call<'_>) -> Answer {
    let arguments = call.arguments().await?;
    if !arguments.has("webhook_configuration") {
        return Ok(None);
    }
    let configuration = arguments
        .object("webhook_configuration")?
        .ok_or_else(|| GraphError::invalid("webhook_configuration must be a JSON object."))?;
    let url = address(&[number], &configuration, "webhook_configuration.", "override_callback_uri").await?;
    number.change_webhooks(|told| told.number = url).await?;
    let others = |name: &&String| !matches!(name.as_str(), "webhook_configuration" | "messaging_product");
    match arguments.members().keys().any(|name| others(&name)) {
        true => Ok(None),
        false => Ok(Some(success())),
    }
}

/// An app that gets the account's events.
#[derive(Serialize, ToSchema)]
pub(super) struct SubscribedApp {
    #[schema(inline)]
    whatsapp_business_api_data: App,
    /// Where they go instead of to the app's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    override_callback_uri: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct App {
    id: String,
    name: &'static str,
    link: String,
}

/// Where events are to go; nothing for where they would go otherwise.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
pub(super) struct Override {
    #[schema(schema_with = text::<URL_CHARS>)]
    override_callback_uri: Option<String>,
    /// What the handshake shows.
    #[schema(schema_with = text::<TOKEN_CHARS>)]
    verify_token: Option<String>,
}

/// Which events the app gets, and where.
#[derive(Serialize, ToSchema)]
struct Subscription {
    object: &'static str,
    callback_url: String,
    active: bool,
    #[schema(inline)]
    fields: Vec<Subscribed>,
}

#[derive(Serialize, ToSchema)]
struct Subscribed {
    name: String,
    version: &'static str,
}

/// The app's address.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
struct Callback {
    /// What about.
    #[param(schema_with = object)]
    object: String,
    /// The address.
    #[param(schema_with = text::<URL_CHARS>)]
    callback_url: String,
    /// What the handshake shows.
    #[param(schema_with = text::<TOKEN_CHARS>)]
    verify_token: String,
}

fn object() -> Object {
    one_of(&[OBJECT])
}

#[derive(OpenApi)]
#[openapi(
    paths(list_apps, subscribe_app, unsubscribe_app, read, subscribe, unsubscribe),
    tags((name = "Webhooks", description = "Where events go: for the app, the account, the number."))
)]
pub(super) struct Described;

/// `/{account}/subscribed_apps`.
pub(super) async fn account(numbers: &[&Number], call: &mut Call<'_>) -> Answer {
    if !call.rest().is_empty() {
        return Ok(None);
    }
    match *call.method {
        Method::GET | Method::HEAD => Ok(Some(list_apps(numbers))),
        Method::POST => {
            let said = call.arguments().await?;
            subscribe_app(numbers, &said).await.map(Some)
        }
        Method::DELETE => unsubscribe_app(numbers).await.map(Some),
        _ => Ok(None),
    }
}

/// List the apps that get the account's events.
#[utoipa::path(
    get,
    path = "/{account_id}/subscribed_apps",
    operation_id = "listSubscribedApps",
    responses((status = 200, body = Page<SubscribedApp>, examples(("apps" = (value = json!({
        "data": [{"whatsapp_business_api_data": {"id": "670843887433847", "name": "Waxseal", "link": "/670843887433847"}}],
    }))))))
)]
fn list_apps(numbers: &[&Number]) -> Response {
    ok(&subscribed_apps(numbers))
}

/// Subscribe, and set or remove the account's address.
///
/// Events go to the number's own address, else to the account's, else to the app's. Each address is asked first (`hub.challenge`).
#[utoipa::path(
    post,
    path = "/{account_id}/subscribed_apps",
    operation_id = "subscribeApp",
    request_body(content = Option<Override>, examples(
        ("own address" = (value = json!({"override_callback_uri": "https://example.com/hook", "verify_token": "secret"}))),
        ("the app's address again" = (value = json!({})))
    )),
    responses(Success)
)]
async fn subscribe_app(numbers: &[&Number], said: &Arguments) -> Result<Response, GraphError> {
    let url = address(numbers, said, "", "override_callback_uri").await?;
    change(numbers, |told| {
        told.unsubscribed = false;
        told.account.clone_from(&url);
    })
    .await?;
    Ok(success())
}

/// Unsubscribe.
#[utoipa::path(
    delete,
    path = "/{account_id}/subscribed_apps",
    operation_id = "unsubscribeApp",
    responses(Success)
)]
async fn unsubscribe_app(numbers: &[&Number]) -> Result<Response, GraphError> {
    change(numbers, |told| {
        told.unsubscribed = true;
        told.account = None;
    })
    .await?;
    Ok(success())
}

pub(super) fn subscribed_apps(numbers: &[&Number]) -> Page<SubscribedApp> {
    let apps = numbers.first().filter(|number| !number.webhooks_told().unsubscribed).map(|number| {
        let app_id = number.facts().app_id;
        SubscribedApp {
            whatsapp_business_api_data: App {
                link: format!("/{app_id}"),
                name: "Waxseal",
                id: app_id,
            },
            override_callback_uri: number.webhooks_told().account,
        }
    });
    Page::all(apps.into_iter().collect())
}

/// `/{app}/subscriptions`.
pub(super) async fn app(numbers: &[&Number], call: &mut Call<'_>) -> Answer {
    if !call.rest().is_empty() {
        return Ok(None);
    }
    let arguments = match *call.method {
        Method::GET | Method::HEAD => Arguments::new(serde_json::Map::new()),
        _ => call.arguments().await?,
    };
    let numbers = admitted(numbers, call)?;
    if arguments.text("object")?.is_some_and(|object| object != OBJECT) {
        return Err(GraphError::invalid("object must be whatsapp_business_account."));
    }
    match *call.method {
        Method::GET | Method::HEAD => Ok(Some(read(&numbers))),
        Method::POST => subscribe(&numbers, &arguments).await.map(Some),
        Method::DELETE => unsubscribe(&numbers, &arguments).await.map(Some),
        _ => Ok(None),
    }
}

/// Read the app's address.
#[utoipa::path(
    get,
    path = "/{app_id}/subscriptions",
    operation_id = "getSubscriptions",
    params(("access_token" = Option<String>, Query, description = "The app's token.")),
    security(()),
    responses((status = 200, body = Page<Subscription>, examples(
        ("none" = (value = json!({"data": []}))),
        ("messages" = (value = json!({"data": [{
            "object": "whatsapp_business_account", "callback_url": "https://example.com/hook", "active": true,
            "fields": [{"name": "messages", "version": "v23.0"}],
        }]})))
    )))
)]
fn read(numbers: &[&Number]) -> Response {
    let subscription = numbers.first().and_then(|number| {
        let fields = number.webhook_fields().into_iter();
        Some(Subscription {
            object: OBJECT,
            callback_url: number.webhooks_told().app?,
            active: true,
            fields: fields
                .map(|name| Subscribed {
                    name,
                    version: super::super::VERSION,
                })
                .collect(),
        })
    });
    ok(&Page::all(subscription.into_iter().collect()))
}

/// Set the app's address.
///
/// With the app's token, in the query as well.
#[utoipa::path(
    post,
    path = "/{app_id}/subscriptions",
    operation_id = "subscribe",
    params(
        Callback,
        ("fields" = Option<String>, Query, description = "Which events."),
        ("access_token" = Option<String>, Query, description = "The app's token.")
    ),
    security(()),
    responses(Success)
)]
async fn subscribe(numbers: &[&Number], said: &Arguments) -> Result<Response, GraphError> {
    said.required("object")?;
    let fields = fields(said)?;
    let url = address(numbers, said, "", "callback_url")
        .await?
        .ok_or_else(|| GraphError::missing("callback_url is required."))?;
    change(numbers, |told| {
        told.app = Some(url.clone());
        if fields.is_some() {
            told.fields.clone_from(&fields);
        }
    })
    .await?;
    Ok(success())
}

/// Remove the app's address, or some of its events.
#[utoipa::path(
    delete,
    path = "/{app_id}/subscriptions",
    operation_id = "unsubscribe",
    params(
        ("fields" = Option<String>, Query, description = "Only these events."),
        ("access_token" = Option<String>, Query, description = "The app's token.")
    ),
    security(()),
    responses(Success)
)]
async fn unsubscribe(numbers: &[&Number], said: &Arguments) -> Result<Response, GraphError> {
    let fields = fields(said)?;
    for number in numbers {
        let subscribed = number.webhook_fields();
        let unsubscribe = |told: &mut Told| match &fields {
            // Of some fields: the others stay, and the callback with them.
            Some(fields) => told.fields = Some(subscribed.difference(fields).cloned().collect()),
            None => {
                told.app = None;
                told.fields = None;
            }
        };
        number.change_webhooks(unsubscribe).await?;
    }
    Ok(success())
}

/// The numbers of the app that the presented token is of: an app token, in the header or as `access_token`.
fn admitted<'a>(numbers: &[&'a Number], call: &Call<'_>) -> Result<Vec<&'a Number>, GraphError> {
    let header = call.header(&header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.trim().split_once(' ')?;
        (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth")).then_some(token.trim())
    });
    let candidates = [call.query("access_token"), header];
    if candidates.iter().all(Option::is_none) {
        return Err(GraphError::unauthenticated("An access token is required to request this resource."));
    }
    let admits = |number: &&&Number| candidates.iter().flatten().any(|token| number.admits_app_token(token));
    let admitted: Vec<&Number> = numbers.iter().filter(admits).copied().collect();
    match admitted.is_empty() {
        false => Ok(admitted),
        true => Err(GraphError::unauthenticated(
            "Invalid OAuth access token: this operation takes an app access token",
        )),
    }
}

/// The address that a member gives, once it has answered the handshake; `None` when it gives none, which removes what was set.
async fn address(numbers: &[&Number], arguments: &Arguments, path: &str, member: &'static str) -> Result<Option<String>, GraphError> {
    let too_long = |chars| GraphError::invalid(format!("{path}{member} must be at most {chars} characters long."));
    let Some(url) = arguments.text(member)?.filter(|url| !url.is_empty()) else {
        return Ok(None);
    };
    if url.chars().count() > URL_CHARS {
        return Err(too_long(URL_CHARS));
    }
    let Some(token) = arguments.text("verify_token")?.filter(|token| !token.is_empty()) else {
        return Err(GraphError::missing(format!("{path}verify_token is required with {member}.")));
    };
    if token.chars().count() > TOKEN_CHARS {
        return Err(GraphError::invalid(format!(
            "{path}verify_token must be at most {TOKEN_CHARS} characters long."
        )));
    }
    if let Some(number) = numbers.first() {
        number
            .try_webhook(&url, &token)
            .await
            .map_err(|error| GraphError::callback_refused(format!("{path}{member}: {error}.")))?;
    }
    Ok(Some(url))
}

async fn change(numbers: &[&Number], change: impl Fn(&mut Told) + Sync) -> Result<(), GraphError> {
    for number in numbers {
        number.change_webhooks(&change).await?;
    }
    Ok(())
}

/// Fields, as a list, be it written as JSON within a text (as n8n does it), or as one text with commas between them.
fn fields(arguments: &Arguments) -> Result<Option<BTreeSet<String>>, GraphError> {
    let wrong = || GraphError::invalid("fields must be at most 64 names of webhook fields, of a-z, 0-9 and _.");
    let names: Vec<String> = match arguments.value("fields") {
        None => return Ok(None),
        Some(Value::String(text)) if !text.trim_start().starts_with('[') => text.split(',').map(|name| name.trim().to_owned()).collect(),
        Some(_) => arguments
            .list("fields")
            .ok()
            .flatten()
            .ok_or_else(wrong)?
            .iter()
            .map(|name| name.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect::<Result<_, _>>()?,
    };
    let names: BTreeSet<String> = names.into_iter().filter(|name| !name.is_empty()).collect();
    let is_name = |name: &String| {
        name.len() <= FIELD_CHARS
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    match names.len() <= MAX_FIELDS && names.iter().all(is_name) {
        true => Ok(Some(names)),
        false => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_read_as_clients_write_them() {
        let read = |value: Value| fields(&Arguments::new(serde_json::Map::from_iter([("fields".to_owned(), value)])));
        let two = BTreeSet::from(["messages".to_owned(), "security".to_owned()]);
        for value in [
            json!("messages,security"),
            json!(" security, messages,"),
            json!(["messages", "security"]),
            json!("[\"messages\",\"security\"]"),
        ] {
            assert_eq!(read(value.clone()).unwrap().as_ref(), Some(&two), "{value}");
        }
        assert_eq!(read(Value::Null).unwrap(), None);
        for value in [json!("[messages]"), json!("Messages"), json!([1]), json!({"a": 1}), json!(7)] {
            assert_eq!(read(value.clone()).unwrap_err().code, 100, "{value}");
        }
    }
}
