//! The app: its node, its tokens.

use std::collections::BTreeSet;

use http::{Method, header};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema, openapi::Object};

use super::{
    super::{
        GraphError,
        answer::{Response, ok},
        auth::Presented,
        shape::{Fields, one_of},
    },
    Answer, Call,
    fields::Asked,
    unserved,
};
use crate::number::Number;

/// What the app may do, as clients ask.
const SCOPES: [&str; 2] = ["whatsapp_business_management", "whatsapp_business_messaging"];

/// The only way to a token of the app.
const GRANT: &str = "client_credentials";

/// `/{app}`. What is public of an app; a token is needed all the same, the app's own or one of its numbers'.
pub(super) async fn app(numbers: &[&Number], call: &mut Call<'_>) -> Answer {
    let Some(first) = numbers.first() else { return Ok(None) };
    if let Some(edge) = call.edge() {
        return Err(unserved::edge(edge));
    }
    if !matches!(*call.method, Method::GET | Method::HEAD) {
        return Ok(None);
    }
    read(first, numbers, call).map(Some)
}

/// What is public of the app. A token is needed all the same: the app's own, or one of its numbers'.
#[derive(Serialize, ToSchema)]
struct Application {
    id: String,
    name: Option<&'static str>,
    link: Option<String>,
    category: Option<&'static str>,
    namespace: Option<&'static str>,
    #[schema(value_type = Option<Vec<String>>)]
    app_domains: Option<[&'static str; 0]>,
    logo_url: Option<&'static str>,
    icon_url: Option<&'static str>,
}

/// A token of the app.
#[derive(Serialize, ToSchema)]
struct AppToken {
    access_token: String,
    token_type: &'static str,
}

/// What a token is.
#[derive(Serialize, ToSchema)]
struct Inspected {
    #[schema(inline)]
    data: Inspection,
}

#[derive(Default, Serialize, ToSchema)]
struct Inspection {
    app_id: String,
    is_valid: bool,
    scopes: &'static [&'static str],
    /// `APP`, or `SYSTEM_USER` for a token of a number.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application: Option<&'static str>,
    /// 0: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_access_expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    granular_scopes: Option<Vec<GranularScope>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    error: Option<TokenError>,
}

#[derive(Serialize, ToSchema)]
struct GranularScope {
    scope: &'static str,
    target_ids: BTreeSet<String>,
}

#[derive(Serialize, ToSchema)]
struct TokenError {
    code: u32,
    message: &'static str,
    subcode: u32,
}

/// Who asks for a token.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
struct AppSecret {
    /// How.
    #[param(schema_with = grant)]
    grant_type: String,
    /// The app's id.
    client_id: String,
    /// The app's secret.
    client_secret: String,
}

fn grant() -> Object {
    one_of(&[GRANT])
}

/// Where the source of what runs is.
#[derive(Serialize, ToSchema)]
struct Source<'a> {
    source: &'a str,
    license: &'static str,
    version: &'static str,
}

#[derive(OpenApi)]
#[openapi(paths(read, token, debug, source), tags((name = "App", description = "The app, its tokens, the source of this build.")))]
pub(super) struct Described;

/// What the app is.
#[utoipa::path(
    get,
    path = "/{app_id}",
    operation_id = "getApp",
    params(Fields),
    responses((status = 200, body = Application, examples(("app" = (value = json!({
        "id": "670843887433847", "name": "Waxseal", "link": "/670843887433847",
    }))))))
)]
fn read(first: &Number, numbers: &[&Number], call: &Call<'_>) -> Result<Response, GraphError> {
    authorize(numbers, call)?;
    let asked = Asked::of(call.query("fields"), &["link", "name"])?;
    let id = first.facts().app_id;
    let app = Application {
        name: Some("Waxseal"),
        link: Some(format!("/{id}")),
        category: Some("Messenger bots for business"),
        namespace: None,
        app_domains: None,
        logo_url: None,
        icon_url: None,
        id,
    };
    Ok(ok(&asked.choose(&app, "Application")?))
}

/// Where the source of this build is.
#[utoipa::path(
    get,
    path = "/source",
    operation_id = "getSource",
    security(()),
    responses((status = 200, body = Source<'_>, examples(("source" = (value = json!({
        "source": "https://waxseal.dev/source", "license": "AGPL-3.0-only", "version": "0.1.0",
    }))))))
)]
pub(in crate::api) fn source(url: &str) -> Vec<u8> {
    let source = Source {
        source: url,
        license: "AGPL-3.0-only",
        version: env!("CARGO_PKG_VERSION"),
    };
    serde_json::to_vec(&source).unwrap_or_default()
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

/// Get a token of the app.
///
/// With its secret; also with `POST`.
#[utoipa::path(
    get,
    path = "/oauth/access_token",
    operation_id = "getAppToken",
    params(AppSecret),
    security(()),
    responses((status = 200, body = AppToken, examples(("token" = (value = json!({
        "access_token": "670843887433847|…", "token_type": "bearer",
    }))))))
)]
async fn token(numbers: &[&Number], call: &mut Call<'_>) -> Result<Response, GraphError> {
    let said = call.arguments().await?;
    match said.text("grant_type")?.as_deref() {
        Some(GRANT) => {}
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
        Some(number) => Ok(ok(&AppToken {
            access_token: number.app_token(),
            token_type: "bearer",
        })),
        None => Err(GraphError::unauthenticated(
            "Error validating application: client_id or client_secret is wrong.",
        )),
    }
}

/// What a token is.
///
/// For who holds one of the same app.
#[utoipa::path(
    get,
    path = "/debug_token",
    operation_id = "debugToken",
    params(("input_token" = String, Query, description = "The token in question.")),
    responses((status = 200, body = Inspected, examples(("of a number" = (value = json!({"data": {
        "app_id": "670843887433847", "type": "SYSTEM_USER", "application": "Waxseal", "is_valid": true, "expires_at": 0,
        "data_access_expires_at": 0, "scopes": ["whatsapp_business_management", "whatsapp_business_messaging"],
        "granular_scopes": [{"scope": "whatsapp_business_messaging", "target_ids": ["102290129340398"]}],
    }}))))))
)]
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
            let data = Inspection {
                app_id,
                error: Some(TokenError {
                    code: 190,
                    message: "Invalid OAuth access token",
                    subcode: 463,
                }),
                ..Inspection::default()
            };
            return Ok(ok(&Inspected { data }));
        }
    };
    let targets: BTreeSet<String> = of_number.iter().map(|number| number.facts().waba_id).collect();
    let granular: Vec<_> = SCOPES
        .iter()
        .filter(|_| kind != "APP")
        .map(|scope| GranularScope {
            scope,
            target_ids: targets.clone(),
        })
        .collect();
    let data = Inspection {
        app_id,
        kind: Some(kind),
        application: Some("Waxseal"),
        is_valid: true,
        expires_at: Some(0),
        data_access_expires_at: Some(0),
        scopes: &SCOPES,
        granular_scopes: Some(granular),
        error: None,
    };
    Ok(ok(&Inspected { data }))
}

/// The numbers that the presented token speaks for: the app's token for all of its numbers, another for its own.
pub(super) fn authorize<'a>(numbers: &[&'a Number], call: &Call<'_>) -> Result<Vec<&'a Number>, GraphError> {
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
