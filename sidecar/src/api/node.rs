//! The phone number node and its `fields=`.
//!
//! Purpose: every field the Cloud API knows. One that this system has nothing for is left out, as Graph does; one that nobody knows is an error.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;
use utoipa::{ToSchema, openapi::Object};

use super::{
    GraphError,
    graph::{
        automation::{self, Automation},
        fields::Asked,
        phone,
    },
    shape::one_of,
};
use crate::{
    limits::standing::Tier,
    message::{NumberFacts, country},
    number::{Number, WebhookConfiguration},
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
    let asked = Asked::of(fields, &DEFAULT)?;
    asked.choose(&node(facts, number, &asked), "WhatsAppBusinessPhoneNumber")
}

/// The phone number. Members that are never there are fields of the Cloud API for which there is no value here.
#[derive(Serialize, ToSchema)]
pub(super) struct PhoneNumber {
    id: String,
    account_mode: Option<&'static str>,
    certificate: Option<&'static str>,
    code_verification_status: Option<&'static str>,
    conversational_automation: Option<Automation>,
    country_code: Option<&'static str>,
    country_dial_code: Option<String>,
    display_phone_number: Option<String>,
    eligibility_for_api_business_global_search: Option<&'static str>,
    health_status: Option<Health>,
    /// As `platform_type`.
    host_platform: Option<&'static str>,
    is_official_business_account: Option<bool>,
    is_on_biz_app: Option<bool>,
    is_pin_enabled: Option<bool>,
    is_preverified_number: Option<bool>,
    last_onboarded_time: Option<String>,
    messaging_limit_tier: Option<&'static str>,
    name_status: Option<&'static str>,
    new_certificate: Option<&'static str>,
    new_display_name: Option<&'static str>,
    new_name_status: Option<&'static str>,
    owner_business_info: Option<&'static str>,
    /// `CLOUD_API` while the number is registered.
    platform_type: Option<&'static str>,
    #[schema(schema_with = quality)]
    quality_rating: Option<&'static str>,
    #[schema(inline)]
    quality_score: Option<Score>,
    /// Whether the business wants to be found: `VISIBLE` or `NON_VISIBLE`.
    search_visibility: Option<String>,
    /// `CONNECTED` or `DISCONNECTED`.
    status: Option<&'static str>,
    #[schema(inline)]
    throughput: Option<Throughput>,
    unified_cert_status: Option<&'static str>,
    username: Option<String>,
    verified_name: Option<String>,
    webhook_configuration: Option<WebhookConfiguration>,
    whatsapp_business_manager_messaging_limit: Option<&'static str>,
}

#[derive(Serialize, ToSchema)]
struct Score {
    #[schema(schema_with = quality)]
    score: &'static str,
}

#[derive(Serialize, ToSchema)]
struct Throughput {
    /// `STANDARD` or `HIGH`.
    level: &'static str,
}

fn quality() -> Object {
    one_of(&["GREEN", "YELLOW", "RED", "UNKNOWN", "NA"])
}

fn node(facts: &NumberFacts, number: Option<&Number>, asked: &Asked<'_>) -> PhoneNumber {
    let digits = facts.phone_number.trim_start_matches('+');
    let is_registered = number.is_none_or(|number| !number.is_deregistered());
    let quality = number.map_or("UNKNOWN", Number::quality_rating);
    let tier = number
        .and_then(Number::quality)
        .map_or(Tier::Unlimited, |standing| standing.tier)
        .as_str();
    let platform = if is_registered { "CLOUD_API" } else { "NOT_APPLICABLE" };
    // What is kept is read where it is asked for.
    let kept = |name| number.filter(|_| asked.has(name));
    PhoneNumber {
        id: facts.phone_number_id.clone(),
        account_mode: Some("LIVE"),
        certificate: None,
        code_verification_status: Some("VERIFIED"),
        conversational_automation: kept("conversational_automation").map(automation::conversation),
        country_code: country::of(digits),
        country_dial_code: country::calling_code(digits).map(str::to_owned),
        display_phone_number: Some(facts.phone_number.clone()),
        eligibility_for_api_business_global_search: None,
        health_status: asked.has("health_status").then(|| health(facts, number)),
        host_platform: Some(platform),
        is_official_business_account: Some(false),
        is_on_biz_app: Some(false),
        is_pin_enabled: Some(facts.pin_enabled),
        is_preverified_number: Some(false),
        last_onboarded_time: kept("last_onboarded_time").and_then(Number::onboarded_s).map(iso),
        messaging_limit_tier: Some(tier),
        name_status: Some("APPROVED"),
        new_certificate: None,
        new_display_name: None,
        new_name_status: None,
        owner_business_info: None,
        platform_type: Some(platform),
        quality_rating: Some(quality),
        quality_score: Some(Score { score: quality }),
        search_visibility: kept("search_visibility").map(phone::search_visibility),
        status: Some(if facts.connected { "CONNECTED" } else { "DISCONNECTED" }),
        throughput: Some(Throughput { level: throughput(number) }),
        username: kept("username").and_then(automation::username),
        verified_name: Some(facts.display_name.clone()),
        webhook_configuration: Some(match number {
            Some(number) => number.webhook_configuration(),
            None => WebhookConfiguration {
                application: facts.webhook_url.clone(),
                ..WebhookConfiguration::default()
            },
        }),
        unified_cert_status: Some("APPROVED"),
        whatsapp_business_manager_messaging_limit: Some(tier),
    }
}

fn throughput(number: Option<&Number>) -> &'static str {
    match number.is_some_and(Number::has_high_throughput) {
        true => "HIGH",
        false => "STANDARD",
    }
}

/// How able the parts are to send, the worst first in the order of this type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Able {
    Blocked,
    Limited,
    Available,
}

/// What keeps a part from being available.
pub(super) struct Trouble {
    pub(super) able: Able,
    pub(super) code: u32,
    pub(super) description: Cow<'static, str>,
    pub(super) solution: Option<&'static str>,
}

/// Whether messages can be sent: the worst of the parts that have a hand in it.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    can_send_message: Able,
    #[schema(inline)]
    entities: Vec<Part>,
}

#[derive(Serialize, ToSchema)]
struct Part {
    /// `PHONE_NUMBER`, `WABA`, `BUSINESS`, `APP` or `FLOW`.
    entity_type: &'static str,
    id: String,
    can_send_message: Able,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    errors: Option<[Obstacle; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_info: Option<Vec<Cow<'static, str>>>,
}

#[derive(Serialize, ToSchema)]
struct Obstacle {
    error_code: u32,
    error_description: Cow<'static, str>,
    possible_solution: Option<&'static str>,
}

/// The number, its account, its business and its app, and the worst of them.
pub(super) fn health(facts: &NumberFacts, number: Option<&Number>) -> Health {
    let entities = vec![
        part("PHONE_NUMBER", &facts.phone_number_id, phone_trouble(facts, number)),
        part("WABA", &facts.waba_id, None),
        part("BUSINESS", &facts.waba_id, None),
        part("APP", &facts.app_id, app_trouble(number)),
    ];
    Health {
        can_send_message: entities.iter().map(|part| part.can_send_message).min().unwrap_or(Able::Available),
        entities,
    }
}

impl Health {
    /// With one more part, before all others.
    pub(super) fn with(mut self, entity_type: &'static str, id: &str, trouble: Option<Trouble>) -> Self {
        let part = part(entity_type, id, trouble);
        self.can_send_message = self.can_send_message.min(part.can_send_message);
        self.entities.insert(0, part);
        self
    }
}

fn part(entity_type: &'static str, id: &str, trouble: Option<Trouble>) -> Part {
    let mut part = Part {
        entity_type,
        id: id.to_owned(),
        can_send_message: trouble.as_ref().map_or(Able::Available, |trouble| trouble.able),
        errors: None,
        additional_info: None,
    };
    match trouble {
        Some(trouble) if trouble.able == Able::Blocked => {
            part.errors = Some([Obstacle {
                error_code: trouble.code,
                error_description: trouble.description,
                possible_solution: trouble.solution,
            }]);
        }
        Some(trouble) => {
            let solution = trouble.solution.map(Cow::Borrowed);
            part.additional_info = Some([Some(trouble.description), solution].into_iter().flatten().collect());
        }
        None => {}
    }
    part
}

fn phone_trouble(facts: &NumberFacts, number: Option<&Number>) -> Option<Trouble> {
    let (is_registered, is_refused) = number.map_or((true, false), |number| (!number.is_deregistered(), number.is_refused()));
    let trouble = |able, code, description, solution| {
        Some(Trouble {
            able,
            code,
            description: Cow::Borrowed(description),
            solution: Some(solution),
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
        description: Cow::Borrowed("The webhook has not answered the verification handshake; events wait."),
        solution: Some("Have the webhook's address answer GET with hub.challenge when hub.verify_token is right."),
    })
}

/// Seconds since 1970 as Graph writes times.
pub(in crate::api) fn iso(seconds: u64) -> String {
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
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}+0000")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
        let health = json!(health(&facts, None));
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
