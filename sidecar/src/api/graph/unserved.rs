//! What of the Cloud API is not served, and what to do instead.
//!
//! Purpose: an answer that tells a program's author more than that a path is unknown. Pure. The list of all operations, with these answers, is
//! `docs/reference/operations.md`; a test holds it against the running port.

use super::super::GraphError;

const PARTNERS: &str = "Partners and their solutions are not served: accounts and phone numbers are declared as BusinessAccount and BusinessPhoneNumber resources, and tokens say who may use them.";
const PORTFOLIO: &str =
    "Business portfolios are not served: accounts are declared as BusinessAccount resources; GET /{account-id} tells about one.";
const PREVERIFIED: &str = "Pre-verified phone numbers are not served: declare the number as a BusinessPhoneNumber resource; the request_code and verify_code of its own node verify it.";
const PEOPLE: &str = "People and their rights are not served: whoever runs this system declares the tokens of each phone number.";
const GROUPS: &str = "Groups are not served: a message goes to one consumer, with POST /{phone-number-id}/messages.";
const CALLS: &str = "Calls are not served: this system carries messages only. A voice message is an audio with \"voice\": true.";
const CATALOGUES: &str =
    "Catalogues and orders of them are not served: offer products with interactive messages of type list, button or carousel.";
const ANALYTICS: &str = "Analytics are not served: GET /metrics of the admin port counts messages and events, and GET /{phone-number-id}/message_history tells what became of a message.";

/// The refusal of an operation below a node of this system: of a phone number, an account or an app.
pub(super) fn edge(edge: &str) -> GraphError {
    why(edge).map_or_else(GraphError::unknown_path, refusal)
}

/// The refusal of an operation of an object that is none of this system's.
pub(super) fn object(edge: Option<&str>, method: &http::Method) -> GraphError {
    edge.and_then(why)
        .map_or_else(|| GraphError::unsupported_object(method).naming_nothing(), refusal)
}

fn refusal(why: &'static str) -> GraphError {
    GraphError::coded(100, "(#100) Unsupported operation", why)
}

/// Why an edge of the Cloud API is not served. Edges are named alike only where they are about the same.
fn why(edge: &str) -> Option<&'static str> {
    Some(match edge {
        "connected_client_businesses"
        | "whatsapp_business_solution"
        | "whatsapp_business_solutions"
        | "solutions"
        | "access_token"
        | "accept"
        | "accept_deactivation_request"
        | "reject"
        | "reject_deactivation_request"
        | "send_deactivation_request"
        | "set_solution_migration_intent"
        | "in_progress_onbehalf_request"
        | "obo_mobility_intent"
        | "set_obo_mobility_intent"
        | "onboard_partners_to_mm_lite" => PARTNERS,
        "client_whatsapp_business_accounts" | "owned_whatsapp_business_accounts" | "whatsapp_business_accounts" => PORTFOLIO,
        "add_phone_numbers" | "preverified_numbers" | "share_preverified_numbers" | "partners" | "request_code" | "verify_code" => {
            PREVERIFIED
        }
        "assigned_users" | "assigned_whatsapp_business_accounts" | "system_users" => PEOPLE,
        "groups" | "invite_link" | "join_requests" | "participants" => GROUPS,
        "calls" | "call_permissions" => CALLS,
        "product_catalogs" => CATALOGUES,
        "conversation_analytics"
        | "pricing_analytics"
        | "template_analytics"
        | "template_group_analytics"
        | "call_analytics"
        | "group_analytics"
        | "dataset" => ANALYTICS,
        "extendedcredits" | "payment_configuration" | "payment_configurations" | "assigned_creditline" => {
            "Billing is not served: nothing is charged here for a message."
        }
        "schedules" | "message_campaigns" => {
            "Schedules and campaigns are not served: a message leaves when it is accepted, so send it when it shall leave."
        }
        "messages_encrypted" => {
            "Payload encryption is not served: POST /{phone-number-id}/messages takes messages over TLS, and they are encrypted to the consumer."
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_served_says_what_to_do() {
        for (edge, words) in [
            ("groups", "POST /{phone-number-id}/messages"),
            ("solutions", "BusinessAccount"),
            ("preverified_numbers", "BusinessPhoneNumber"),
            ("template_analytics", "/metrics"),
        ] {
            assert!(why(edge).unwrap().contains(words), "{edge}");
        }
        assert_eq!(edge("nonsense").code, 2500);
        assert_eq!(object(Some("participants"), &http::Method::POST).code, 100);
        assert_eq!(object(None, &http::Method::GET), object(Some("nonsense"), &http::Method::GET));
    }
}
