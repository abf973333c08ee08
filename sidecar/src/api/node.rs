//! The phone number node and its `fields=`.
//!
//! Purpose: every field the Cloud API knows. One that this system has nothing for is left out, as Graph does; one that nobody knows is an error.

use serde_json::{Map, Value, json};

use super::{
    GraphError,
    graph::{
        automation, fields,
        fields::{Field, Member},
        phone,
    },
};
use crate::{
    limits::standing::Tier,
    message::{NumberFacts, country},
    number::Number,
};

/// What a request without `fields` gets, beside `id`.
const DEFAULT: [&str; 8] = [
    "verified_name",
    "code_verification_status",
    "display_phone_number",
    "quality_rating",
    "platform_type",
    "throughput",
    "webhook_configuration",
    "last_onboarded_time",
];

/// Fields of the Cloud API for which there is no value here.
const WITHOUT_VALUE: [&str; 6] = [
    "certificate",
    "eligibility_for_api_business_global_search",
    "new_certificate",
    "new_display_name",
    "new_name_status",
    "owner_business_info",
];

/// The members that `fields` (the decoded value of the query parameter) asks for. Without the number itself only what its facts tell.
///
/// # Errors
/// 100 for a field that no phone number has.
pub(super) fn read(facts: &NumberFacts, number: Option<&Number>, fields: Option<&str>) -> Result<Vec<u8>, GraphError> {
    let node = value(facts, number, fields)?;
    // Strings, numbers and booleans always serialize.
    Ok(serde_json::to_vec(&node).unwrap_or_default())
}

/// The same, not written yet.
///
/// # Errors
/// As [`read`].
pub(super) fn value(facts: &NumberFacts, number: Option<&Number>, fields: Option<&str>) -> Result<Value, GraphError> {
    let id = Some(facts.phone_number_id.as_str());
    fields::node(fields, &DEFAULT, "WhatsAppBusinessPhoneNumber", id, |field| {
        member(facts, number, field)
    })
}

fn member(facts: &NumberFacts, number: Option<&Number>, field: &Field<'_>) -> Member {
    let digits = facts.phone_number.trim_start_matches('+');
    let is_registered = number.is_none_or(|number| !number.is_deregistered());
    let quality = number.map_or("UNKNOWN", Number::quality_rating);
    Member::Is(match field.name {
        "id" => json!(facts.phone_number_id),
        "account_mode" => json!("LIVE"),
        "code_verification_status" => json!("VERIFIED"),
        "conversational_automation" => return number.map(automation::conversation).into(),
        "country_code" => return country::of(digits).map(Value::from).into(),
        "country_dial_code" => return country::calling_code(digits).map(Value::from).into(),
        "display_phone_number" => json!(facts.phone_number),
        "health_status" => health(facts, number),
        "is_official_business_account" | "is_on_biz_app" | "is_preverified_number" => json!(false),
        "is_pin_enabled" => json!(facts.pin_enabled),
        "last_onboarded_time" => return number.and_then(Number::onboarded_s).map(iso).into(),
        "messaging_limit_tier" | "whatsapp_business_manager_messaging_limit" => {
            json!(
                number
                    .and_then(Number::quality)
                    .map_or(Tier::Unlimited, |standing| standing.tier)
                    .as_str()
            )
        }
        "name_status" | "unified_cert_status" => json!("APPROVED"),
        "host_platform" | "platform_type" => json!(if is_registered { "CLOUD_API" } else { "NOT_APPLICABLE" }),
        "quality_rating" => json!(quality),
        "quality_score" => json!({"score": quality}),
        "search_visibility" => return number.map(|number| phone::search_visibility(number).into()).into(),
        "status" => json!(if facts.connected { "CONNECTED" } else { "DISCONNECTED" }),
        "throughput" => json!({"level": throughput(number)}),
        "username" => return number.and_then(automation::username).map(Value::from).into(),
        "verified_name" => json!(facts.display_name),
        "webhook_configuration" => match number {
            Some(number) => json!(number.webhook_configuration()),
            None => json!(
                facts
                    .webhook_url
                    .as_ref()
                    .map_or_else(Map::new, |url| Map::from_iter([("application".to_owned(), json!(url))]))
            ),
        },
        name if WITHOUT_VALUE.contains(&name) => return Member::Nothing,
        _ => return Member::Unknown,
    })
}

fn throughput(number: Option<&Number>) -> &'static str {
    match number.is_some_and(Number::has_high_throughput) {
        true => "HIGH",
        false => "STANDARD",
    }
}

/// How able the parts are to send, the worst first in the order of this type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Able {
    Blocked,
    Limited,
    Available,
}

impl Able {
    const fn word(self) -> &'static str {
        match self {
            Self::Blocked => "BLOCKED",
            Self::Limited => "LIMITED",
            Self::Available => "AVAILABLE",
        }
    }
}

/// What keeps a part from being available.
struct Trouble {
    able: Able,
    code: u32,
    description: &'static str,
    solution: &'static str,
}

/// The number, its account, its business and its app, and the worst of them.
pub(in crate::api) fn health(facts: &NumberFacts, number: Option<&Number>) -> Value {
    let parts = [
        entity("PHONE_NUMBER", &facts.phone_number_id, phone_trouble(facts, number)),
        entity("WABA", &facts.waba_id, None),
        entity("BUSINESS", &facts.waba_id, None),
        entity("APP", &facts.app_id, app_trouble(number)),
    ];
    let worst = parts.iter().map(|(able, _)| *able).min().unwrap_or(Able::Available);
    json!({
        "can_send_message": worst.word(),
        "entities": parts.into_iter().map(|(_, part)| part).collect::<Vec<_>>(),
    })
}

fn entity(kind: &str, id: &str, trouble: Option<Trouble>) -> (Able, Value) {
    let able = trouble.as_ref().map_or(Able::Available, |trouble| trouble.able);
    let mut part = json!({"entity_type": kind, "id": id, "can_send_message": able.word()});
    match trouble {
        Some(trouble) if trouble.able == Able::Blocked => {
            part["errors"] = json!([{
                "error_code": trouble.code,
                "error_description": trouble.description,
                "possible_solution": trouble.solution,
            }]);
        }
        Some(trouble) => part["additional_info"] = json!([trouble.description, trouble.solution]),
        None => {}
    }
    (able, part)
}

fn phone_trouble(facts: &NumberFacts, number: Option<&Number>) -> Option<Trouble> {
    let (is_registered, is_refused) = number.map_or((true, false), |number| (!number.is_deregistered(), number.is_refused()));
    let trouble = |able, code, description, solution| {
        Some(Trouble {
            able,
            code,
            description,
            solution,
        })
    };
    if !is_registered {
        trouble(
            Able::Blocked,
            133_010,
            "The phone number is deregistered.",
            "Register it with POST /{phone-number-id}/register.",
        )
    } else if is_refused {
        trouble(
            Able::Blocked,
            131_045,
            "The transport does not accept the phone number.",
            "Check its PIN and its certificate, or deregister it where it was registered before.",
        )
    } else if !facts.connected {
        trouble(
            Able::Limited,
            133_004,
            "The phone number is not linked to the transport; messages are accepted and wait.",
            "Wait, and look at the transport if it lasts.",
        )
    } else if number.is_some_and(|number| number.quality_rating() == "RED") {
        trouble(
            Able::Limited,
            131_048,
            "Many consumers have reported messages of this phone number.",
            "Send what consumers have asked for.",
        )
    } else {
        None
    }
}

fn app_trouble(number: Option<&Number>) -> Option<Trouble> {
    (number?.webhook_verified() == Some(false)).then_some(Trouble {
        able: Able::Limited,
        code: 131_016,
        description: "The webhook has not answered the verification handshake; events wait.",
        solution: "Have the webhook's address answer GET with hub.challenge when hub.verify_token is right.",
    })
}

/// Seconds since 1970 as Graph writes times.
pub(in crate::api) fn iso(seconds: u64) -> Value {
    let days = i64::try_from(seconds / 86_400).unwrap_or(0);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    // Howard Hinnant's days-to-civil, for days that are not negative.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    Value::from(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+0000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> NumberFacts {
        NumberFacts {
            phone_number: "+15550100".to_owned(),
            phone_number_id: "106540352242922".to_owned(),
            waba_id: "102290129340398".to_owned(),
            app_id: "670843887433847".to_owned(),
            display_name: "Sample \"Shop\"".to_owned(),
            connected: true,
            pin_enabled: true,
            webhook_url: Some("https://example.com/hook".to_owned()),
        }
    }

    fn node(fields: Option<&str>) -> Result<Value, u32> {
        let read = read(&facts(), None, fields).map_err(|error| error.code)?;
        Ok(serde_json::from_slice(&read).unwrap())
    }

    #[test]
    fn without_fields_the_documented_ones() {
        let expected = json!({
            "verified_name": "Sample \"Shop\"", "code_verification_status": "VERIFIED", "display_phone_number": "+15550100",
            "quality_rating": "UNKNOWN", "platform_type": "CLOUD_API", "throughput": {"level": "STANDARD"},
            "webhook_configuration": {"application": "https://example.com/hook"}, "id": "106540352242922",
        });
        assert_eq!(node(None), Ok(expected.clone()));
        assert_eq!(node(Some(" ")), Ok(expected));
    }

    #[test]
    fn fields_are_chosen_and_id_is_always_there() {
        assert_eq!(
            node(Some(
                "status, throughput{level},webhook_configuration{phone_number},quality_score,country_code,country_dial_code,certificate"
            )),
            Ok(json!({
                "status": "CONNECTED", "throughput": {"level": "STANDARD"}, "webhook_configuration": {}, "country_code": "US",
                "country_dial_code": "1", "quality_score": {"score": "UNKNOWN"}, "id": "106540352242922",
            }))
        );
        let health = node(Some("health_status")).unwrap();
        assert_eq!(health["health_status"]["can_send_message"], "AVAILABLE");
        let kinds: Vec<&str> = health["health_status"]["entities"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entity| entity["entity_type"].as_str().unwrap())
            .collect();
        assert_eq!(kinds, ["PHONE_NUMBER", "WABA", "BUSINESS", "APP"]);
    }

    #[test]
    fn the_worst_part_says_how_the_whole_is() {
        let mut facts = facts();
        facts.connected = false;
        let health = health(&facts, None);
        assert_eq!(health["can_send_message"], "LIMITED");
        assert_eq!(health["entities"][0]["can_send_message"], "LIMITED");
        assert_eq!(health["entities"][1]["can_send_message"], "AVAILABLE");
        assert!(Able::Blocked < Able::Limited && Able::Limited < Able::Available);
    }

    #[test]
    fn unknown_fields_and_braces_are_refused() {
        for fields in ["nonsense", "id,{", "id}", "status{", &"id,".repeat(65)] {
            assert_eq!(node(Some(fields)), Err(100), "{fields}");
        }
    }

    #[test]
    fn times_are_written_as_graph_writes_them() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00+0000"),
            (951_782_400, "2000-02-29T00:00:00+0000"),
            (1_693_508_753, "2023-08-31T19:05:53+0000"),
            (4_107_542_399, "2100-02-28T23:59:59+0000"),
            (4_107_542_400, "2100-03-01T00:00:00+0000"),
        ] {
            assert_eq!(iso(seconds), expected, "{seconds}");
        }
    }
}
