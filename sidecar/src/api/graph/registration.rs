//! The life cycle of a number: codes, registration, PIN.

use http::{Method, StatusCode};
use rand::Rng as _;
use serde_json::json;

use super::{
    super::{GraphError, answer::success},
    Answer, Call,
    arguments::Arguments,
    settings,
};
use crate::number::{
    Number,
    registration::{Error, Refused},
};

/// `/{number}/register`, `deregister`, `request_code`, `verify_code`.
pub(super) async fn phone(number: &Number, call: &mut Call<'_>) -> Answer {
    if *call.method != Method::POST || !call.rest().is_empty() {
        return Ok(None);
    }
    let edge = call.edge();
    let said = call.arguments().await?;
    said.whatsapp()?;
    match edge {
        Some("register") => {
            let pin = pin(&said)?;
            // `backup` would bring the registration of a retired client along; there is nothing to bring, and it is passed over.
            settings::check_legacy_storage(number, &said)?;
            number.register(&pin).await.map_err(|error| refusal(error, Asked::Register))?;
        }
        Some("deregister") => number.deregister().await.map_err(|error| refusal(error, Asked::Deregister))?,
        Some("request_code") => {
            check_code_request(&said)?;
            let random = rand::rng().random();
            number.request_code(random).await.map_err(|error| refusal(error, Asked::Other))?;
        }
        Some("verify_code") => {
            let code = said.required("code")?;
            // Meta's own documents write codes with a hyphen.
            let code: String = code.chars().filter(|char| *char != '-' && *char != ' ').collect();
            if !is_six_digits(&code) {
                return Err(GraphError::invalid("code must be six digits."));
            }
            number.verify_code(&code).await.map_err(|error| refusal(error, Asked::Other))?;
        }
        _ => return Ok(None),
    }
    Ok(Some(success()))
}

/// `POST /{number}`: the PIN, and what else the node takes.
pub(super) async fn node(number: &Number, call: &mut Call<'_>) -> Answer {
    let said = call.arguments().await?;
    said.whatsapp()?;
    if said.has("pin") {
        let pin = pin(&said)?;
        number.change_pin(&pin).await.map_err(|error| refusal(error, Asked::Other))?;
        let value = json!({"display_phone_number": number.display_digits(), "event": "PIN_CHANGED", "requester": ""});
        if let Err(error) = number.announce("security", value).await {
            tracing::warn!(%error, "the changed PIN could not be announced");
        }
        return Ok(Some(success()));
    }
    super::phone::change(number, &said).await.map(Some)
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
    let method = said.required("code_method")?;
    if !matches!(method.to_ascii_uppercase().as_str(), "SMS" | "VOICE") {
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
        ),
        Refused::TooFast { wait_s } => GraphError::coded(
            133_009,
            "(#133009) Two step verification PIN Guessed Too Fast",
            format!("PINs are tried too fast. The next may be tried in {wait_s} seconds."),
        ),
        Refused::TooMany { wait_s } => GraphError::coded(
            133_016,
            "(#133016) Account register deregister rate limit exceeded",
            format!("This phone number takes 10 such requests in 72 hours. The next is taken in {wait_s} seconds."),
        ),
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
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

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
