//! The account node: what it is, and its numbers.
//!
//! An account has no process of its own: what it is comes from its numbers, those that the token admits to.

use http::Method;
use serde_json::{Value, json};

use super::{
    super::{
        GraphError,
        answer::{Response, ok},
        node,
    },
    Answer, Call,
    fields::{self, Field, Member},
    paging, phone, unserved,
};
use crate::{
    message::{NumberFacts, country},
    number::Number,
};

const DEFAULT: [&str; 3] = ["name", "timezone_id", "message_template_namespace"];

/// Fields of the Cloud API for which there is no value here.
const WITHOUT_VALUE: [&str; 11] = [
    "auth_international_rate_eligibility",
    "creation_time",
    "currency",
    "is_enabled_for_insights",
    "linked_commerce_account",
    "marketing_messages_lite_api_status",
    "marketing_messages_onboarding_status",
    "on_behalf_of_business_info",
    "primary_business_location",
    "primary_funding_id",
    "purchase_order_number",
];

/// `/{account}/…`, every edge that is no other area's.
pub(super) async fn account(numbers: &[&Number], call: &mut Call<'_>) -> Answer {
    let mut numbers = numbers.to_vec();
    numbers.sort_by(|a, b| a.id().cmp(b.id()));
    let Some(first) = numbers.first() else { return Ok(None) };
    let is_read = matches!(*call.method, Method::GET | Method::HEAD);
    match (call.edge(), call.rest()) {
        (None, _) if is_read => node_of(first, &numbers, call).map(Some),
        (None, _) if *call.method == Method::POST => {
            // Nothing that can be set of an account does anything here; what is asked for is understood and passed over.
            let said = call.arguments().await?;
            match said.is_empty() {
                true => Err(GraphError::missing("The request says nothing.")),
                false => Ok(Some(phone::id(&first.facts().waba_id))),
            }
        }
        (Some("phone_numbers"), []) if is_read => list(&numbers, call).map(Some),
        (Some("phone_numbers"), []) if *call.method == Method::POST => {
            Err(phone::declared("a phone number is added by applying another one"))
        }
        (Some("activities"), []) if is_read => Ok(Some(ok(&json!({"data": []})))),
        (Some("phone_numbers" | "activities") | None, _) => Ok(None),
        (Some(edge), _) => Err(unserved::edge(edge)),
    }
}

fn node_of(first: &Number, numbers: &[&Number], call: &Call<'_>) -> Result<Response, GraphError> {
    let facts = first.facts();
    let id = Some(facts.waba_id.as_str());
    let account = fields::node(call.query("fields"), &DEFAULT, "WhatsAppBusinessAccount", id, |field| {
        member(&facts, first, numbers, field)
    })?;
    Ok(ok(&account))
}

fn member(facts: &NumberFacts, first: &Number, numbers: &[&Number], field: &Field<'_>) -> Member {
    let digits = facts.phone_number.trim_start_matches('+');
    Member::Is(match field.name {
        "id" => json!(facts.waba_id),
        "account_review_status" => json!("APPROVED"),
        "business_verification_status" => json!("verified"),
        "country" => return country::of(digits).map(Value::from).into(),
        "disable_marketing_messages_on_cloud_api" => json!(false),
        "health_status" => node::health(facts, Some(first)),
        "message_template_namespace" => json!(namespace(&facts.waba_id)),
        "name" => json!(facts.display_name),
        "owner_business_info" => json!({"id": facts.waba_id, "name": facts.display_name}),
        "ownership_type" => json!("SELF"),
        "phone_numbers" => {
            let nodes: Vec<Value> = numbers
                .iter()
                .filter_map(|number| node::value(&number.facts(), Some(number), None).ok())
                .collect();
            json!({"data": nodes})
        }
        "status" => json!("ACTIVE"),
        "subscribed_apps" => super::subscriptions::subscribed_apps(numbers),
        "timezone_id" => json!("1"),
        name if WITHOUT_VALUE.contains(&name) => return Member::Nothing,
        _ => return Member::Unknown,
    })
}

/// The namespace of the account's templates: made of its id, in the form of a UUID with underscores.
fn namespace(waba_id: &str) -> String {
    use sha2::{Digest as _, Sha256};
    let hash = hex::encode(Sha256::digest(format!("waxseal template namespace of {waba_id}")));
    let part = |from: usize, to: usize| hash.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("_")
}

/// What little is told of an account where something else is asked for.
pub(super) fn brief(facts: &NumberFacts) -> Value {
    json!({
        "id": facts.waba_id,
        "name": facts.display_name,
        "timezone_id": "1",
        "message_template_namespace": namespace(&facts.waba_id),
    })
}

fn list(numbers: &[&Number], call: &Call<'_>) -> Result<Response, GraphError> {
    let base = call.base(numbers.first().and_then(|number| number.surface().api_url.as_deref()));
    let (page, paging) = paging::page(call, &base, numbers.to_vec(), |number| number.id().to_owned())?;
    let nodes: Result<Vec<Value>, GraphError> = page
        .iter()
        .map(|number| node::value(&number.facts(), Some(number), call.query("fields")))
        .collect();
    Ok(ok(&paging::answer(nodes?, paging)))
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
