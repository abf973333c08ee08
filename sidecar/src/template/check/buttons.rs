//! Buttons of templates.

use serde_json::{Map, Value, json};

use super::{Fault, example, fault, text, word};
use crate::template::{
    definition::Category,
    definition::{Action, Button},
    pattern::{Pattern, Variable},
    words::Words,
};

const TEXT_CHARS: usize = 25;
const URL_CHARS: usize = 2000;
const PHONE_CHARS: usize = 20;
const CODE_CHARS: usize = 15;
const MAX_BUTTONS: usize = 10;
const MAX_APPS: usize = 5;

/// Reads one button, and writes it as clients read it.
pub(super) fn read(button: &mut Map<String, Value>, category: Category, words: &Words) -> Result<Button, Fault> {
    let kind = word(button, "type").unwrap_or_default();
    if (kind == "OTP") != (category == Category::Authentication) {
        return fault("BUTTONS: an OTP button belongs to an AUTHENTICATION template, and no other button does.");
    }
    let action = match kind.as_str() {
        "QUICK_REPLY" => Action::QuickReply,
        "URL" => Action::Url(url(button)?),
        "PHONE_NUMBER" => Action::PhoneNumber(phone_number(button)?),
        "COPY_CODE" => {
            coupon(button)?;
            Action::CouponCode
        }
        "FLOW" => Action::Flow(flow(button)?),
        "OTP" => {
            one_time_code(button, words)?;
            Action::OneTimeCode
        }
        "VOICE_CALL" | "REQUEST_CONTACT_INFO" => Action::Other,
        "CATALOG" | "MPM" | "SPM" | "APP" => {
            return fault(format!(
                "BUTTONS: type {kind} is not served; QUICK_REPLY, URL, PHONE_NUMBER, COPY_CODE, FLOW, OTP, VOICE_CALL and REQUEST_CONTACT_INFO are."
            ));
        }
        _ => {
            return fault(
                "BUTTONS: type must be QUICK_REPLY, URL, PHONE_NUMBER, COPY_CODE, FLOW, OTP, VOICE_CALL or REQUEST_CONTACT_INFO.",
            );
        }
    };
    let default = match action {
        Action::CouponCode => Some("Copy offer code"),
        Action::OneTimeCode => Some(words.copy),
        Action::Other => Some("Call"),
        _ => None,
    };
    if let (Some(default), false) = (default, button.contains_key("text")) {
        button.insert("text".to_owned(), default.into());
    }
    let label = text(button, "BUTTONS", "text", TEXT_CHARS)?.to_owned();
    button.insert("type".to_owned(), kind.into());
    Ok(Button { text: label, action })
}

/// Rules that several buttons break together.
pub(super) fn together(buttons: &[Button]) -> Result<(), Fault> {
    if buttons.is_empty() || buttons.len() > MAX_BUTTONS {
        return fault(format!("BUTTONS: there must be 1 to {MAX_BUTTONS} buttons."));
    }
    let count = |of: fn(&Action) -> bool| buttons.iter().filter(|button| of(&button.action)).count();
    for (most, kind, of) in [
        (2, "URL", (|action| matches!(action, Action::Url(_))) as fn(&Action) -> bool),
        (1, "PHONE_NUMBER", |action| matches!(action, Action::PhoneNumber(_))),
        (1, "COPY_CODE", |action| *action == Action::CouponCode),
        (1, "FLOW", |action| matches!(action, Action::Flow(_))),
    ] {
        if count(of) > most {
            return fault(format!("BUTTONS: there may be {most} of type {kind} at most."));
        }
    }
    let groups = buttons
        .windows(2)
        .filter(|pair| (pair[0].action == Action::QuickReply) != (pair[1].action == Action::QuickReply));
    if groups.count() > 1 {
        return fault("BUTTONS: quick replies must stand together, before or after the others.");
    }
    Ok(())
}

fn url(button: &mut Map<String, Value>) -> Result<Pattern, Fault> {
    let url = text(button, "BUTTONS", "url", URL_CHARS)?;
    let pattern = Pattern::parse(url).map_err(|invalid| Fault(format!("BUTTONS: url {invalid}.")))?;
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return fault("BUTTONS: url must start with https:// or http://.");
    }
    let variables = pattern.variables();
    if variables.is_empty() {
        button.remove("example");
        return Ok(pattern);
    }
    if !pattern.ends_in_its_variable() || variables != [Variable::Position(1)] {
        return fault("BUTTONS: url may have the variable {{1}} at its end, and no other.");
    }
    match button.get("example") {
        None => {
            let filled = pattern.fill(|_| Some("example")).unwrap_or_default();
            button.insert("example".to_owned(), json!([filled]));
        }
        Some(Value::String(one)) => {
            let one = one.clone();
            button.insert("example".to_owned(), json!([one]));
        }
        Some(Value::Array(list)) if list.len() == 1 && list[0].is_string() => {}
        Some(_) => return fault("BUTTONS: example of a url must be an array of one address."),
    }
    Ok(pattern)
}

fn phone_number(button: &Map<String, Value>) -> Result<String, Fault> {
    let number = text(button, "BUTTONS", "phone_number", PHONE_CHARS)?;
    let written = |char: char| char.is_ascii_digit() || matches!(char, '+' | ' ' | '-' | '(' | ')');
    if !number.chars().all(written) || !number.chars().any(|char| char.is_ascii_digit()) {
        return fault("BUTTONS: phone_number must be a phone number.");
    }
    Ok(number.to_owned())
}

fn coupon(button: &mut Map<String, Value>) -> Result<(), Fault> {
    let given = match button.get("example") {
        None => {
            button.insert("example".to_owned(), example());
            return Ok(());
        }
        Some(Value::Array(list)) => list.first().and_then(Value::as_str),
        Some(given) => given.as_str(),
    };
    match given {
        Some(code) if !code.is_empty() && code.chars().count() <= CODE_CHARS => Ok(()),
        _ => fault(format!(
            "BUTTONS: example of a COPY_CODE must be 1 to {CODE_CHARS} characters long."
        )),
    }
}

fn flow(button: &Map<String, Value>) -> Result<Value, Fault> {
    let kept: Map<String, Value> = ["flow_id", "flow_name", "flow_json", "flow_action", "navigate_screen"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), button.get(name)?.clone())))
        .collect();
    if ["flow_id", "flow_name", "flow_json"]
        .iter()
        .filter(|name| kept.contains_key(**name))
        .count()
        != 1
    {
        return fault("BUTTONS: a FLOW needs exactly one of flow_id, flow_name and flow_json.");
    }
    Ok(Value::Object(kept))
}

fn one_time_code(button: &mut Map<String, Value>, words: &Words) -> Result<(), Fault> {
    let kind = word(button, "otp_type").unwrap_or_default();
    let needs_apps = match kind.as_str() {
        "COPY_CODE" => false,
        "ONE_TAP" | "ZERO_TAP" => true,
        _ => return fault("BUTTONS: otp_type must be COPY_CODE, ONE_TAP or ZERO_TAP."),
    };
    if needs_apps {
        let fits = |app: &Value| app["package_name"].is_string() && app["signature_hash"].as_str().is_some_and(|hash| hash.len() == 11);
        // One app may also stand in the button itself.
        let single = button.contains_key("package_name") && fits(&Value::Object(button.clone()));
        let several = button
            .get("supported_apps")
            .and_then(Value::as_array)
            .is_some_and(|apps| (1..=MAX_APPS).contains(&apps.len()) && apps.iter().all(fits));
        if !single && !several {
            return fault(format!(
                "BUTTONS: {kind} needs supported_apps: 1 to {MAX_APPS} of package_name and signature_hash (11 characters)."
            ));
        }
    }
    if kind == "ZERO_TAP" && button.get("zero_tap_terms_accepted") != Some(&Value::Bool(true)) {
        return fault("BUTTONS: ZERO_TAP needs zero_tap_terms_accepted.");
    }
    button.insert("otp_type".to_owned(), kind.into());
    if !button.contains_key("text") {
        button.insert("text".to_owned(), words.copy.into());
    }
    Ok(())
}
