//! Where webhooks go: overrides of a number and of an account, subscriptions of an app.
//!
//! Purpose: an address is taken only after it has answered the verification handshake, and only if it leads where the API may make this process
//! go. What is set here comes before what is declared at the same level.

use std::collections::BTreeSet;

use http::{Method, header};
use serde_json::{Value, json};

use super::{
    super::{
        GraphError,
        answer::{ok, success},
    },
    Answer, Call,
    arguments::Arguments,
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

/// `/{account}/subscribed_apps`.
pub(super) async fn account(numbers: &[&Number], call: &mut Call<'_>) -> Answer {
    if !call.rest().is_empty() {
        return Ok(None);
    }
    match *call.method {
        Method::GET | Method::HEAD => Ok(Some(ok(&subscribed_apps(numbers)))),
        Method::POST => {
            let arguments = call.arguments().await?;
            let url = address(numbers, &arguments, "", "override_callback_uri").await?;
            change(numbers, |told| {
                told.unsubscribed = false;
                told.account.clone_from(&url);
            })
            .await?;
            Ok(Some(success()))
        }
        Method::DELETE => {
            change(numbers, |told| {
                told.unsubscribed = true;
                told.account = None;
            })
            .await?;
            Ok(Some(success()))
        }
        _ => Ok(None),
    }
}

pub(super) fn subscribed_apps(numbers: &[&Number]) -> Value {
    let apps = numbers.first().filter(|number| !number.webhooks_told().unsubscribed).map(|number| {
        let facts = number.facts();
        let mut app = json!({"whatsapp_business_api_data": {"id": facts.app_id, "name": "Waxseal", "link": format!("/{}", facts.app_id)}});
        if let Some(url) = number.webhooks_told().account {
            app["override_callback_uri"] = url.into();
        }
        app
    });
    json!({"data": apps.into_iter().collect::<Vec<_>>()})
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
        Method::GET | Method::HEAD => Ok(Some(ok(&subscriptions(&numbers)))),
        Method::POST => {
            arguments.required("object")?;
            let fields = fields(&arguments)?;
            let url = address(&numbers, &arguments, "", "callback_url")
                .await?
                .ok_or_else(|| GraphError::missing("callback_url is required."))?;
            change(&numbers, |told| {
                told.app = Some(url.clone());
                if fields.is_some() {
                    told.fields.clone_from(&fields);
                }
            })
            .await?;
            Ok(Some(success()))
        }
        Method::DELETE => {
            let fields = fields(&arguments)?;
            for number in &numbers {
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
            Ok(Some(success()))
        }
        _ => Ok(None),
    }
}

fn subscriptions(numbers: &[&Number]) -> Value {
    let data: Vec<Value> = numbers
        .first()
        .and_then(|number| {
            let url = number.webhooks_told().app?;
            let fields: Vec<Value> = number
                .webhook_fields()
                .into_iter()
                .map(|name| json!({"name": name, "version": "v23.0"}))
                .collect();
            Some(json!({"object": OBJECT, "callback_url": url, "active": true, "fields": fields}))
        })
        .into_iter()
        .collect();
    json!({ "data": data })
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

/// Fields, as a list or as one text with commas between them.
fn fields(arguments: &Arguments) -> Result<Option<BTreeSet<String>>, GraphError> {
    let wrong = || GraphError::invalid("fields must be at most 64 names of webhook fields, of a-z, 0-9 and _.");
    let names: Vec<String> = match arguments.value("fields") {
        None => return Ok(None),
        Some(Value::Array(list)) => list
            .iter()
            .map(|name| name.as_str().map(str::to_owned).ok_or_else(wrong))
            .collect::<Result<_, _>>()?,
        Some(Value::String(text)) => text.split(',').map(|name| name.trim().to_owned()).collect(),
        Some(_) => return Err(wrong()),
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
