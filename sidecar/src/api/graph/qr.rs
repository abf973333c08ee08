//! QR codes and short links: a code that stands for a message which is written before the consumer begins.
//!
//! An image of a code says nothing but its link, which is public; it is served without a token, as Meta does it.

mod image;

use std::collections::BTreeMap;

use http::{HeaderValue, Method, header};
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    super::{
        GraphError,
        answer::{Body, Response, ok, success},
    },
    Answer, Call,
    fields::{self, Field, Member},
    paging,
};
use crate::number::Number;

use self::image::Format;

const DOCUMENT: &str = "qr-codes";
/// Codes of one number, as at Meta.
const MAX_CODES: usize = 2000;
const MAX_MESSAGE_CHARS: usize = 140;
const CODE_CHARS: usize = 14;
const ALPHABET: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const DEFAULT: [&str; 3] = ["code", "prefilled_message", "deep_link_url"];

/// The codes of a number, and what each says.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct Codes(BTreeMap<String, String>);

/// `/{number}/message_qrdls`.
pub(super) async fn phone(number: &Number, call: &mut Call<'_>) -> Answer {
    let code = match call.rest() {
        [] => None,
        [code] => Some((*code).to_owned()),
        _ => return Ok(None),
    };
    match (call.method.clone(), code) {
        (Method::GET | Method::HEAD, None) => list(number, call).map(Some),
        (Method::GET | Method::HEAD, Some(code)) => {
            let codes: Codes = number.book().read(DOCUMENT).unwrap_or_default();
            // A code that is not there is an empty list: clients look at its first entry.
            let entries: Result<Vec<Value>, GraphError> = codes
                .0
                .get(&code)
                .map(|message| entry(number, call, &code, message, None))
                .into_iter()
                .collect();
            Ok(Some(ok(&json!({"data": entries?}))))
        }
        (Method::POST, code) => write(number, call, code).await.map(Some),
        (Method::DELETE, code) => {
            let code = match code {
                Some(code) => code,
                None => call.arguments().await?.required("code")?,
            };
            let change = number
                .book()
                .change(DOCUMENT, |codes: &mut Codes| codes.0.remove(&code).map(drop).ok_or_else(unknown));
            change.await?;
            Ok(Some(success()))
        }
        _ => Ok(None),
    }
}

fn unknown() -> GraphError {
    GraphError::value("This phone number has no QR code of this code.")
}

fn list(number: &Number, call: &Call<'_>) -> Result<Response, GraphError> {
    let codes: Codes = number.book().read(DOCUMENT).unwrap_or_default();
    let wanted = call.query("code");
    let codes = codes.0.into_iter().filter(|(code, _)| wanted.is_none_or(|wanted| wanted == code));
    let base = call.base(number.surface().api_url.as_deref());
    let (page, paging) = paging::page(call, &base, codes.collect(), |(code, _)| code.clone())?;
    let entries: Result<Vec<Value>, GraphError> = page
        .iter()
        .map(|(code, message)| entry(number, call, code, message, None))
        .collect();
    Ok(ok(&paging::answer(entries?, paging)))
}

/// A code as it is shown; `image` is the format of a picture that goes with it whether asked for or not.
fn entry(number: &Number, call: &Call<'_>, code: &str, message: &str, image: Option<Format>) -> Result<Value, GraphError> {
    let image_url = |format: Format| {
        let base = call.base(number.surface().api_url.as_deref());
        json!(format!("{base}/qr/{}/{code}.{}", number.id(), format.extension()))
    };
    let member = |field: &Field<'_>| match field.name {
        "code" => Member::Is(json!(code)),
        "prefilled_message" => Member::Is(json!(message)),
        "deep_link_url" => Member::Is(json!(deep_link(code))),
        "qr_image_url" => {
            let format = field.modifier("format").and_then(Format::parse).unwrap_or(Format::Png);
            Member::Is(image_url(format))
        }
        "creation_time" => Member::Nothing,
        _ => Member::Unknown,
    };
    let mut entry = fields::node(call.query("fields"), &DEFAULT, "WhatsAppBusinessQRCode", None, member)?;
    if let Some(format) = image {
        entry["qr_image_url"] = image_url(format);
    }
    Ok(entry)
}

fn deep_link(code: &str) -> String {
    format!("https://wa.me/message/{code}")
}

/// Creates a code, or says something else under one.
async fn write(number: &Number, call: &mut Call<'_>, in_path: Option<String>) -> Result<Response, GraphError> {
    let said = call.arguments().await?;
    let message = said.bounded("prefilled_message", MAX_MESSAGE_CHARS)?;
    let message = message
        .filter(|message| !message.trim().is_empty())
        .ok_or_else(|| GraphError::missing("prefilled_message is required and must not be empty."))?;
    let image = match said.text("generate_qr_image")?.filter(|format| !format.is_empty()) {
        Some(format) => Some(Format::parse(&format).ok_or_else(|| GraphError::invalid("generate_qr_image must be PNG or SVG."))?),
        None => None,
    };
    let known = match in_path {
        Some(code) => Some(code),
        None => said.text("code")?.filter(|code| !code.is_empty()),
    };
    let fresh = fresh_code();
    let change = number.book().change(DOCUMENT, |codes: &mut Codes| {
        let code = match known {
            Some(code) if codes.0.contains_key(&code) => code,
            Some(_) => return Err(unknown()),
            None if codes.0.len() >= MAX_CODES => {
                return Err(GraphError::invalid("A phone number has at most 2000 QR codes. Delete some first."));
            }
            None => fresh,
        };
        codes.0.insert(code.clone(), message.clone());
        Ok(code)
    });
    let code = change.await?;
    Ok(ok(&entry(number, call, &code, &message, image)?))
}

fn fresh_code() -> String {
    let mut rng = rand::rng();
    (0..CODE_CHARS)
        .map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())]))
        .collect()
}

/// `/qr/{number}/{code}.png` and `.svg`.
pub(super) fn picture(numbers: &[&Number], call: &Call<'_>) -> Option<Response> {
    let [id, file] = call.path.as_slice() else { return None };
    if !matches!(*call.method, Method::GET | Method::HEAD) {
        return None;
    }
    let (code, extension) = file.rsplit_once('.')?;
    let format = Format::parse(extension)?;
    let number = numbers.iter().find(|number| number.id() == *id)?;
    let codes: Codes = number.book().read(DOCUMENT)?;
    codes.0.contains_key(code).then_some(())?;
    let bytes = image::of(&deep_link(code), format)?;
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.mime_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_fourteen_letters_and_digits() {
        let (a, b) = (fresh_code(), fresh_code());
        assert_ne!(a, b);
        assert!(a.len() == 14 && a.bytes().all(|byte| ALPHABET.contains(&byte)), "{a}");
    }
}
