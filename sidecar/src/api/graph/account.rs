//! The account node: what it is, and its numbers.
//!
//! An account has no process of its own: what it is comes from its numbers, those that the token admits to.

use http::Method;
use serde::Serialize;
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use super::{
    super::{
        GraphError,
        answer::{Response, ok},
        node::{self, Health, PhoneNumber},
        shape::{Anything, Fields, Id},
    },
    Answer, Call,
    fields::Asked,
    paging::{self, Page, Pages},
    phone,
    subscriptions::{SubscribedApp, subscribed_apps},
    unserved,
};
use crate::{
    message::{NumberFacts, country},
    number::Number,
};

/// How many filters a list looks at.
const MOST_FILTERS: usize = 16;
const DEFAULT: [&str; 3] = ["name", "timezone_id", "message_template_namespace"];

/// The account. Members that are never there are fields of the Cloud API for which there is no value here.
#[derive(Serialize, ToSchema)]
struct Account {
    id: String,
    name: Option<String>,
    timezone_id: Option<&'static str>,
    message_template_namespace: Option<String>,
    account_review_status: Option<&'static str>,
    business_verification_status: Option<&'static str>,
    country: Option<&'static str>,
    disable_marketing_messages_on_cloud_api: Option<bool>,
    health_status: Option<Health>,
    #[schema(inline)]
    owner_business: Option<Business>,
    owner_business_info: Option<Business>,
    ownership_type: Option<&'static str>,
    #[schema(value_type = Option<Page<PhoneNumber>>)]
    phone_numbers: Option<Page<Value>>,
    status: Option<&'static str>,
    subscribed_apps: Option<Page<SubscribedApp>>,
    whatsapp_business_manager_messaging_limit: Option<&'static str>,
    auth_international_rate_eligibility: Option<&'static str>,
    creation_time: Option<u64>,
    currency: Option<&'static str>,
    is_enabled_for_insights: Option<bool>,
    linked_commerce_account: Option<&'static str>,
    marketing_messages_lite_api_status: Option<&'static str>,
    marketing_messages_onboarding_status: Option<&'static str>,
    #[schema(inline)]
    on_behalf_of_business_info: Option<Business>,
    primary_business_location: Option<&'static str>,
    primary_funding_id: Option<&'static str>,
    purchase_order_number: Option<&'static str>,
    analytics: Option<&'static str>,
    call_analytics: Option<&'static str>,
    conversation_analytics: Option<&'static str>,
    eligible_for_sending_notifications: Option<bool>,
    ineligible_for_sending_notifications_reason: Option<&'static str>,
    is_shared_with_partners: Option<bool>,
    marketing_messages_ad_account: Option<&'static str>,
    pricing_analytics: Option<&'static str>,
    service_pricing_policy: Option<&'static str>,
    template_analytics: Option<&'static str>,
    template_auto_archival_enabled: Option<bool>,
    whatsapp_manager_marketing_messages_max_price_enroll_status: Option<&'static str>,
}

/// Who the account belongs to.
#[derive(Serialize, ToSchema)]
struct Business {
    id: String,
    name: String,
}

/// A number that somebody would like to have.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct NewPhoneNumber {
    cc: Option<String>,
    phone_number: Option<String>,
    verified_name: Option<String>,
}

#[derive(OpenApi)]
#[openapi(
    paths(read, change, list, create, activities),
    tags((name = "Account", description = "The account, its numbers, its app."))
)]
pub(super) struct Described;

/// `/{account}/…`, every edge that is no other area's.
pub(super) async fn account(numbers: &[&Number], call: &mut Call<'_>) -> Answer {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(|a, b| a.id().cmp(b.id()));
    let Some(first) = numbers.first() else { return Ok(None) };
    let is_read = matches!(*call.method, Method::GET | Method::HEAD);
    match (call.edge(), call.rest()) {
        (None, _) if is_read => read(first, &numbers, call).map(Some),
        (None, _) if *call.method == Method::POST => change(first, call).await.map(Some),
        (Some("phone_numbers"), []) if is_read => list(&numbers, call).map(Some),
        (Some("phone_numbers"), []) if *call.method == Method::POST => Err(create()),
        (Some("activities"), []) if is_read => Ok(Some(activities())),
        (Some("phone_numbers" | "activities") | None, _) => Ok(None),
        (Some(edge), _) => Err(unserved::edge(edge)),
    }
}

/// What the account is.
#[utoipa::path(
    get,
    path = "/{account_id}",
    operation_id = "getAccount",
    params(Fields),
    responses((status = 200, body = Account, examples(("account" = (value = json!({
        "id": "102290129340398", "name": "Sample Business", "timezone_id": "1",
        "message_template_namespace": "ba30dd89_2ebd_41e4_b805_f2c05ae04cc9",
    }))))))
)]
fn read(first: &Number, numbers: &[&Number], call: &Call<'_>) -> Result<Response, GraphError> {
    let asked = Asked::of(call.query("fields"), &DEFAULT)?;
    Ok(ok(&asked.choose(&account_node(first, numbers, &asked), "WhatsAppBusinessAccount")?))
}

fn account_node(first: &Number, numbers: &[&Number], asked: &Asked<'_>) -> Account {
    let facts = first.facts();
    let owner = || Business {
        id: facts.waba_id.clone(),
        name: facts.display_name.clone(),
    };
    let list = || {
        let node = |number: &&Number| node::value(&number.facts(), Some(number), None).ok();
        Page::all(numbers.iter().filter_map(node).collect())
    };
    Account {
        name: Some(facts.display_name.clone()),
        whatsapp_business_manager_messaging_limit: Some("TIER_UNLIMITED"),
        timezone_id: Some("1"),
        message_template_namespace: Some(namespace(&facts.waba_id)),
        account_review_status: Some("APPROVED"),
        business_verification_status: Some("verified"),
        country: country::of(facts.phone_number.trim_start_matches('+')),
        disable_marketing_messages_on_cloud_api: Some(false),
        health_status: asked.has("health_status").then(|| node::health(&facts, Some(first))),
        owner_business: Some(owner()),
        owner_business_info: Some(owner()),
        ownership_type: Some("SELF"),
        phone_numbers: asked.has("phone_numbers").then(list),
        status: Some("ACTIVE"),
        subscribed_apps: asked.has("subscribed_apps").then(|| subscribed_apps(numbers)),
        id: facts.waba_id,
        auth_international_rate_eligibility: None,
        creation_time: None,
        currency: None,
        is_enabled_for_insights: None,
        linked_commerce_account: None,
        marketing_messages_lite_api_status: None,
        marketing_messages_onboarding_status: None,
        on_behalf_of_business_info: None,
        primary_business_location: None,
        primary_funding_id: None,
        purchase_order_number: None,
        analytics: None,
        call_analytics: None,
        conversation_analytics: None,
        eligible_for_sending_notifications: None,
        ineligible_for_sending_notifications_reason: None,
        is_shared_with_partners: None,
        marketing_messages_ad_account: None,
        pricing_analytics: None,
        service_pricing_policy: None,
        template_analytics: None,
        template_auto_archival_enabled: None,
        whatsapp_manager_marketing_messages_max_price_enroll_status: None,
    }
}

/// Change the account.
///
/// Nothing that can be set of an account does anything here; what is asked for is understood and passed over.
#[utoipa::path(
    post,
    path = "/{account_id}",
    operation_id = "changeAccount",
    request_body(content = inline(Anything), examples(("time zone" = (value = json!({"timezone_id": "1"}))))),
    responses((status = 200, body = Id, examples(("account" = (value = json!({"id": "102290129340398"}))))))
)]
async fn change(first: &Number, call: &mut Call<'_>) -> Result<Response, GraphError> {
    let said = call.arguments().await?;
    match said.is_empty() {
        true => Err(GraphError::missing("The request says nothing.")),
        false => Ok(ok(&Id { id: first.facts().waba_id })),
    }
}

/// The account's audit trail.
///
/// Nothing is kept of it here.
#[utoipa::path(
    get,
    path = "/{account_id}/activities",
    operation_id = "listActivities",
    responses((status = 200, body = Page<Anything>, examples(("none" = (value = json!({"data": []}))))))
)]
fn activities() -> Response {
    ok(&Page::<Value>::all(Vec::new()))
}

/// Numbers are declared, not created here.
///
/// Refused with a text that says where: a BusinessPhoneNumber resource, or the file of `waxseal up`.
#[utoipa::path(
    post,
    path = "/{account_id}/phone_numbers",
    operation_id = "createPhoneNumber",
    request_body(content = NewPhoneNumber, examples(
        ("number" = (value = json!({"cc": "1", "phone_number": "5550123", "verified_name": "Sample"})))
    )),
    responses((status = 200, body = Id, examples(("never" = (value = json!({"id": "106540352242922"}))))))
)]
fn create() -> GraphError {
    phone::declared("a phone number is added by applying another one")
}

/// List the numbers that the token admits to.
#[utoipa::path(
    get,
    path = "/{account_id}/phone_numbers",
    operation_id = "listPhoneNumbers",
    params(Fields, Pages, ("filtering" = Option<String>, Query, description = "A JSON array of `field`, `operator` (`EQUAL`, `IN`) and `value`.")),
    responses((status = 200, body = Page<PhoneNumber>, examples(("numbers" = (value = json!({"data": [{"id": "106540352242922"}]}))))))
)]
fn list(numbers: &[&Number], call: &Call<'_>) -> Result<Response, GraphError> {
    let base = call.base(numbers.first().and_then(|number| number.surface().api_url.as_deref()));
    let wanted = filters(call)?;
    let fits = |number: &&Number| {
        let value = |field: &str| node::value(&number.facts(), Some(number), Some(field)).ok()?.get(field).cloned();
        wanted
            .iter()
            .all(|(field, wanted)| value(field).is_some_and(|value| wanted.contains(&value)))
    };
    let numbers = numbers.iter().copied().filter(fits).collect();
    let (page, paging) = paging::page(call, &base, numbers, |number| number.id().to_owned())?;
    let nodes: Result<Vec<Value>, GraphError> = page
        .iter()
        .map(|number| node::value(&number.facts(), Some(number), call.query("fields")))
        .collect();
    Ok(ok(&Page::part(nodes?, paging)))
}

/// The namespace of the account's templates: made of its id, in the form of a UUID with underscores.
fn namespace(waba_id: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let hash = hex::encode(Sha256::digest(format!("waxseal template namespace of {waba_id}")));
    let part = |from: usize, to: usize| hash.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("_")
}

/// What little is told of an account where something else is asked for.
#[derive(Serialize, ToSchema)]
pub(super) struct Brief {
    id: String,
    name: String,
    timezone_id: &'static str,
    message_template_namespace: String,
}

pub(super) fn brief(facts: NumberFacts) -> Brief {
    Brief {
        message_template_namespace: namespace(&facts.waba_id),
        id: facts.waba_id,
        name: facts.display_name,
        timezone_id: "1",
    }
}

/// `filtering=[{"field":"account_mode","operator":"EQUAL","value":"LIVE"}]`: fields, and the values they may have.
fn filters(call: &Call<'_>) -> Result<Vec<(String, Vec<Value>)>, GraphError> {
    let wrong =
        || GraphError::invalid("filtering must be a JSON array of objects with field, operator (EQUAL, or IN with an array) and value.");
    let Some(text) = call.query("filtering").filter(|text| !text.is_empty()) else {
        return Ok(Vec::new());
    };
    let list: Vec<Value> = serde_json::from_str(text).map_err(|_| wrong())?;
    let filter = |filter: &Value| {
        let field = filter["field"].as_str()?.to_ascii_lowercase();
        let values = match (filter["operator"].as_str().unwrap_or("EQUAL"), &filter["value"]) {
            ("EQUAL", value) => vec![value.clone()],
            ("IN", Value::Array(values)) => values.clone(),
            _ => return None,
        };
        Some((field, values))
    };
    list.iter().take(MOST_FILTERS).map(|item| filter(item).ok_or_else(wrong)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_does_not_change() {
        let namespace = namespace("102290129340398");
        assert_eq!(namespace.len(), 36);
        assert_eq!(namespace, self::namespace("102290129340398"));
        assert_ne!(namespace, self::namespace("102290129340399"));
    }
}
