//! The app: its node, its tokens.

use std::collections::BTreeSet;

use http::{Method, header};
use serde_json::json;

use super::{
    super::{
        GraphError,
        answer::{Response, ok},
        auth::Presented,
    },
    Answer, Call,
    fields::{self, Member},
    unserved,
};
use crate::number::Number;

/// What the app may do, as clients ask.
const SCOPES: [&str; 2] = ["whatsapp_business_management", "whatsapp_business_messaging"];

/// `/{app}`. What is public of an app; a token is needed all the same, the app's own or one of its numbers'.
pub(super) async fn app(numbers: &[&Number], call: &mut Call<'_>) -> Answer {
    let Some(first) = numbers.first() else { return Ok(None) };
    if let Some(edge) = call.edge() {
        return Err(unserved::edge(edge));
    }
    if !matches!(*call.method, Method::GET | Method::HEAD) {
        return Ok(None);
    }
    authorize(numbers, call)?;
    let facts = first.facts();
    let id = Some(facts.app_id.as_str());
    let app = fields::node(call.query("fields"), &["link", "name"], "Application", id, |field| {
        match field.name {
            "name" => Member::Is(json!("Waxseal")),
            "link" => Member::Is(json!(format!("/{}", facts.app_id))),
            "category" => Member::Is(json!("Messenger bots for business")),
            "namespace" | "app_domains" | "logo_url" | "icon_url" => Member::Nothing,
            _ => Member::Unknown,
        }
    })?;
    Ok(Some(ok(&app)))
}

/// `/oauth/…`, `/debug_token`.
pub(super) async fn word(word: &str, numbers: &[&Number], call: &mut Call<'_>) -> Answer {
    match (word, call.path.as_slice()) {
        ("oauth", ["access_token"]) if matches!(*call.method, Method::GET | Method::POST) => token(numbers, call).await.map(Some),
        ("debug_token", []) if matches!(*call.method, Method::GET | Method::HEAD) => debug(numbers, call).map(Some),
        ("oauth" | "debug_token", [] | ["access_token"]) => Ok(None),
        _ => Err(GraphError::unknown_path()),
    }
}

/// The token of an app, for who knows its secret.
async fn token(numbers: &[&Number], call: &mut Call<'_>) -> Result<Response, GraphError> {
    let said = call.arguments().await?;
    match said.text("grant_type")?.as_deref() {
        Some("client_credentials") => {}
        None if !said.has("code") => return Err(GraphError::missing("grant_type is required.")),
        _ => {
            return Err(GraphError::value(
                "grant_type must be client_credentials: there is no sign-up here whose code could be exchanged.",
            ));
        }
    }
    let (id, secret) = (said.required("client_id")?, said.required("client_secret")?);
    let known = |number: &&&Number| number.facts().app_id == id && number.is_app_secret(&secret);
    match numbers.iter().find(known) {
        Some(number) => Ok(ok(&json!({"access_token": number.app_token(), "token_type": "bearer"}))),
        None => Err(GraphError::unauthenticated(
            "Error validating application: client_id or client_secret is wrong.",
        )),
    }
}

/// What a token is, for who holds one itself.
fn debug(numbers: &[&Number], call: &Call<'_>) -> Result<Response, GraphError> {
    let input = call
        .query("input_token")
        .ok_or_else(|| GraphError::missing("input_token is required."))?;
    let asking = authorize(numbers, call)?;
    // Of other businesses' tokens nothing is told.
    let apps: BTreeSet<String> = asking.iter().map(|number| number.facts().app_id).collect();
    let of_app = asking.iter().find(|number| number.admits_app_token(input));
    let of_number = asking.iter().filter(|number| number.admits_token(input)).collect::<Vec<_>>();
    let (app_id, kind) = match (of_app, of_number.first()) {
        (Some(number), _) => (number.facts().app_id, "APP"),
        (None, Some(number)) => (number.facts().app_id, "SYSTEM_USER"),
        (None, None) => {
            let app_id = apps.into_iter().next().unwrap_or_default();
            return Ok(ok(&json!({"data": {
                "app_id": app_id, "is_valid": false, "scopes": [],
                "error": {"code": 190, "message": "Invalid OAuth access token", "subcode": 463},
            }})));
        }
    };
    let targets: BTreeSet<String> = of_number.iter().map(|number| number.facts().waba_id).collect();
    let granular: Vec<_> = SCOPES
        .iter()
        .filter(|_| kind != "APP")
        .map(|scope| json!({"scope": scope, "target_ids": targets}))
        .collect();
    Ok(ok(&json!({"data": {
        "app_id": app_id, "type": kind, "application": "Waxseal", "is_valid": true, "expires_at": 0, "data_access_expires_at": 0,
        "scopes": SCOPES, "granular_scopes": granular,
    }})))
}

/// The numbers that the presented token speaks for: the app's token for all of its numbers, another for its own.
fn authorize<'a>(numbers: &[&'a Number], call: &Call<'_>) -> Result<Vec<&'a Number>, GraphError> {
    let in_header = call.header(&header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.trim().split_once(' ')?;
        (scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("oauth")).then_some(token.trim())
    });
    let candidates = [call.query("access_token"), in_header];
    if candidates.iter().all(Option::is_none) {
        // Says what is missing.
        Presented::from_headers(call.headers)?;
    }
    let admits = |number: &&&Number| {
        let mut presented = candidates.iter().flatten();
        presented.any(|token| number.admits_app_token(token) || number.admits_token(token))
    };
    let admitted: Vec<&Number> = numbers.iter().filter(admits).copied().collect();
    match admitted.is_empty() {
        false => Ok(admitted),
        true => Err(GraphError::unauthenticated(
            "Invalid OAuth access token - Cannot parse access token",
        )),
    }
}
