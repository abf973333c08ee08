//! The life cycle of a number: codes, registration, PIN.

use http::{Method, StatusCode};
use rand::Rng as _;
use serde::Deserialize;
use serde_json::json;
use utoipa::{OpenApi, ToSchema};

use super::{
    super::{
        GraphError,
        answer::success,
        shape::{Product, Success, six_digits},
    },
    Answer, Call,
    arguments::{Arguments, word},
    settings,
};
use crate::number::{
    Number,
    registration::{Error, Refused},
};

#[derive(OpenApi)]
#[openapi(
    paths(request_code, verify_code, register, deregister),
    tags((name = "Registration", description = "Codes, PIN, registering and deregistering."))
)]
pub(super) struct Described;

/// `/{number}/register`, `deregister`, `request_code`, `verify_code`.
pub(super) async fn phone(number: &Number, call: &mut Call<'_>) -> Answer {
    if *call.method != Method::POST || !call.rest().is_empty() {
        return Ok(None);
    }
    let edge = call.edge();
    let said = call.arguments().await?;
    said.whatsapp()?;
    match edge {
        Some("register") => register(number, &said).await?,
        Some("deregister") => deregister(number).await?,
        Some("request_code") => request_code(number, &said).await?,
        Some("verify_code") => verify_code(number, &said).await?,
        _ => return Ok(None),
    }
    Ok(Some(success()))
}

/// How a code is to come.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct CodeRequest {
    code_method: CodeMethod,
    /// As `en` or `en_US`.
    language: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
enum CodeMethod {
    Sms,
    Voice,
}

/// Ask for a verification code.
#[utoipa::path(
    post,
    path = "/{phone_number_id}/request_code",
    operation_id = "requestCode",
    request_body(content = CodeRequest, examples(("by text message" = (value = json!({"code_method": "SMS", "language": "en_US"}))))),
    responses(Success)
)]
async fn request_code(number: &Number, said: &Arguments) -> Result<(), GraphError> {
    check_code_request(said)?;
    let random = rand::rng().random();
    number.request_code(random).await.map_err(|error| refusal(error, Asked::Other))
}

/// The code that came.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct Code {
    /// Meta's own documents write codes with a hyphen, which may be there.
    #[schema(schema_with = six_digits)]
    code: String,
}

/// Give the verification code.
#[utoipa::path(
    post,
    path = "/{phone_number_id}/verify_code",
    operation_id = "verifyCode",
    request_body(content = Code, examples(("code" = (value = json!({"code": "123456"}))))),
    responses(Success)
)]
async fn verify_code(number: &Number, said: &Arguments) -> Result<(), GraphError> {
    let code = said.required("code")?;
    let code: String = code.chars().filter(|char| *char != '-' && *char != ' ').collect();
    if !is_six_digits(&code) {
        return Err(GraphError::invalid("code must be six digits."));
    }
    number.verify_code(&code).await.map_err(|error| refusal(error, Asked::Other))
}

/// What registering takes.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct Register {
    messaging_product: Option<Product>,
    #[schema(schema_with = six_digits)]
    pin: String,
    /// Where messages are kept, as a country; it has to be what is declared.
    data_localization_region: Option<String>,
    /// "No Storage"; it has to be what is declared.
    #[schema(schema_with = settings::no_storage_minutes)]
    meta_store_retention_minutes: Option<u64>,
}

/// Register the number.
///
/// Ten times in 72 hours, deregistering included (133016).
#[utoipa::path(
    post,
    path = "/{phone_number_id}/register",
    operation_id = "register",
    request_body(content = Register, examples(("register" = (value = json!({"messaging_product": "whatsapp", "pin": "123456"}))))),
    responses(Success)
)]
async fn register(number: &Number, said: &Arguments) -> Result<(), GraphError> {
    let pin = pin(said)?;
    // `backup` would bring the registration of a retired client along; there is nothing to bring, and it is passed over.
    settings::check_legacy_storage(number, said)?;
    if number.register(&pin).await.map_err(|error| refusal(error, Asked::Register))? {
        announce(number, "account_update", account_update(number, "ACCOUNT_RECONNECTED")).await;
    }
    Ok(())
}

/// Deregister the number.
///
/// Nothing can be sent or received until it is registered again. History stays.
#[utoipa::path(post, path = "/{phone_number_id}/deregister", operation_id = "deregister", responses(Success))]
async fn deregister(number: &Number) -> Result<(), GraphError> {
    if number.deregister().await.map_err(|error| refusal(error, Asked::Deregister))? {
        announce(number, "account_update", account_update(number, "ACCOUNT_OFFBOARDED")).await;
    }
    Ok(())
}

fn account_update(number: &Number, event: &str) -> serde_json::Value {
    json!({"phone_number": number.display_digits(), "event": event})
}

/// `POST /{number}`: the PIN, and what else the node takes.
pub(super) async fn node(number: &Number, call: &mut Call<'_>) -> Answer {
    let said = call.arguments().await?;
    said.whatsapp()?;
    // Meta's description has the PIN one level down.
    let nested = said.object("whatsapp_business_api_data")?;
    if let Some(said) = [Some(&said), nested.as_ref()].into_iter().flatten().find(|said| said.has("pin")) {
        let pin = pin(said)?;
        number.change_pin(&pin).await.map_err(|error| refusal(error, Asked::Other))?;
        let value = json!({"display_phone_number": number.display_digits(), "event": "PIN_CHANGED", "requester": ""});
        announce(number, "security", value).await;
        return Ok(Some(success()));
    }
    super::phone::change(number, &said).await.map(Some)
}

/// Tells the business of what has been done; that it could not be told undoes nothing.
async fn announce(number: &Number, field: &str, value: serde_json::Value) {
    if let Err(error) = number.announce(field, value).await {
        tracing::warn!(%error, field, "a change of the registration could not be announced");
    }
}

fn pin(said: &Arguments) -> Result<String, GraphError> {
    let pin = said.required("pin")?;
    match is_six_digits(&pin) {
        true => Ok(pin),
        false => Err(GraphError::invalid("pin must be six digits.")),
    }
}

fn is_six_digits(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn check_code_request(said: &Arguments) -> Result<(), GraphError> {
    if word::<CodeMethod>(&said.required("code_method")?).is_none() {
        return Err(GraphError::invalid("code_method must be SMS or VOICE."));
    }
    let language = said.required("language")?;
    let mut parts = language.splitn(2, ['_', '-']);
    let letters =
        |part: &str, from: usize, to: usize| (from..=to).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic());
    if parts.next().is_some_and(|part| letters(part, 2, 3)) && parts.next().is_none_or(|part| letters(part, 2, 4)) {
        return Ok(());
    }
    Err(GraphError::invalid("language must be a language code such as en or en_US."))
}

/// Which request did not succeed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Register,
    Deregister,
    Other,
}

fn refusal(error: Error, asked: Asked) -> GraphError {
    match error {
        Error::Book(error) => error.into(),
        Error::Refused(refused) => refused_error(refused),
        Error::NotAccepted => GraphError::coded(
            131_045,
            "(#131045) Incorrect certificate",
            "The transport does not accept this phone number: another credential or certificate has registered it.",
        )
        .with_status(StatusCode::INTERNAL_SERVER_ERROR),
        Error::Transport if asked == Asked::Deregister => GraphError::coded(
            133_000,
            "(#133000) Incomplete Deregistration",
            "The phone number neither sends nor receives any more; the transport is told to forget it as soon as it answers.",
        )
        .with_status(StatusCode::INTERNAL_SERVER_ERROR)
        .retry_after(5),
        Error::Transport => GraphError::coded(
            133_004,
            "(#133004) Server Temporarily Unavailable",
            match asked {
                Asked::Register => {
                    "The phone number is being registered, but the transport does not answer yet. Repeat the request to see when it has."
                }
                Asked::Deregister | Asked::Other => "The transport does not answer. Nothing has changed; repeat the request.",
            },
        )
        .with_status(StatusCode::SERVICE_UNAVAILABLE)
        .retry_after(5),
    }
}

fn refused_error(refused: Refused) -> GraphError {
    match refused {
        Refused::PinMismatch => GraphError::coded(
            133_005,
            "(#133005) Two step verification PIN Mismatch",
            "pin is not this phone number's two-step verification PIN.",
        ),
        Refused::TooManyGuesses { wait_s } => GraphError::coded(
            133_008,
            "(#133008) Too Many two step verification PIN Guesses",
            format!("Too many wrong PINs for this phone number. The next may be tried in {wait_s} seconds."),
        )
        .retry_after(whole(wait_s)),
        Refused::TooFast { wait_s } => GraphError::coded(
            133_009,
            "(#133009) Two step verification PIN Guessed Too Fast",
            format!("PINs are tried too fast. The next may be tried in {wait_s} seconds."),
        )
        .retry_after(whole(wait_s)),
        Refused::TooMany { wait_s } => GraphError::coded(
            133_016,
            "(#133016) Account register deregister rate limit exceeded",
            format!("This phone number takes 10 such requests in 72 hours. The next is taken in {wait_s} seconds."),
        )
        .retry_after(whole(wait_s)),
        Refused::NotRegistered => GraphError::coded(
            133_010,
            "(#133010) Account not registered",
            "The business phone number is not registered at the transport.",
        ),
        Refused::NoCode => GraphError::coded(
            136_025,
            "(#136025) Verify code error",
            "There is no code to verify: none was asked for in the last 10 minutes, or it was used or tried too often. Ask for another.",
        ),
        Refused::WrongCode => GraphError::coded(
            136_025,
            "(#136025) Verify code error",
            "code is not the one that was given out last.",
        ),
        Refused::TooManyCodes { wait_s } => GraphError::coded(
            136_024,
            "(#136024) Request code error",
            format!("Too many codes were asked for. The next can be had in {wait_s} seconds."),
        )
        .retry_after(whole(wait_s)),
    }
}

/// For a header.
fn whole(wait_s: u64) -> u32 {
    u32::try_from(wait_s).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use http::header;
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_refusal_has_its_code_and_the_time_to_wait() {
        let wait_s = 1800;
        for (refused, code, waits) in [
            (Refused::PinMismatch, 133_005, false),
            (Refused::TooManyGuesses { wait_s }, 133_008, true),
            (Refused::TooFast { wait_s }, 133_009, true),
            (Refused::NotRegistered, 133_010, false),
            (Refused::TooMany { wait_s }, 133_016, true),
            (Refused::TooManyCodes { wait_s }, 136_024, true),
            (Refused::NoCode, 136_025, false),
            (Refused::WrongCode, 136_025, false),
        ] {
            let error = refused_error(refused);
            assert_eq!((error.code, error.status.as_u16()), (code, 400));
            let response = error.into_response();
            let header = response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap());
            assert_eq!(header, waits.then_some("1800"), "{refused:?}");
        }
    }

    #[test]
    fn codes_are_asked_for_in_any_documented_way_and_no_other() {
        for (said, expected) in [
            (json!({"code_method": "SMS", "language": "en_US"}), Ok(())),
            (json!({"code_method": "voice", "language": "en"}), Ok(())),
            (json!({"code_method": "SMS", "language": "pt-BR"}), Ok(())),
            (json!({"code_method": "PIGEON", "language": "en"}), Err(100)),
            (json!({"code_method": "SMS", "language": "english"}), Err(100)),
            (json!({"code_method": "SMS", "language": ""}), Err(100)),
            (json!({"code_method": "SMS"}), Err(131_008)),
            (json!({"language": "en"}), Err(131_008)),
        ] {
            let Value::Object(members) = said.clone() else {
                panic!("an object")
            };
            let checked = check_code_request(&Arguments::new(members)).map_err(|error| error.code);
            assert_eq!(checked, expected, "{said}");
        }
    }
}
