//! QR codes and short links: a code that stands for a message which is written before the consumer begins.
//!
//! An image of a code says nothing but its link, which is public; it is served without a token, as Meta does it.

mod image;

use std::collections::BTreeMap;

use http::{HeaderValue, Method, header};
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{OpenApi, ToSchema};

use super::{
    super::{
        GraphError,
        answer::{Body, Response, ok, success},
        shape::{Fields, Success, text},
    },
    Answer, Call,
    fields::Asked,
    paging::{self, Page, Pages},
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

/// A short link with a text to begin with.
#[derive(Serialize, ToSchema)]
struct QrCode {
    code: Option<String>,
    #[schema(schema_with = text::<MAX_MESSAGE_CHARS>)]
    prefilled_message: Option<String>,
    deep_link_url: Option<String>,
    /// A picture of the link; `qr_image_url.format(SVG)` for a drawing.
    qr_image_url: Option<String>,
    /// Not known.
    creation_time: Option<u64>,
}

/// A code to be made or changed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct QrCodeWrite {
    #[schema(schema_with = text::<MAX_MESSAGE_CHARS>)]
    prefilled_message: String,
    /// Which one is to be changed.
    code: Option<String>,
    generate_qr_image: Option<Format>,
}

/// The text of a code whose address names it.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
struct Prefilled {
    /// The text.
    #[param(schema_with = text::<MAX_MESSAGE_CHARS>)]
    prefilled_message: String,
}

#[derive(OpenApi)]
#[openapi(
    paths(list, write, delete_named, read, change, delete),
    tags((name = "QR codes", description = "Short links with a text to begin with."))
)]
pub(super) struct Described;

/// `/{number}/message_qrdls`.
pub(super) async fn phone(number: &Number, call: &mut Call<'_>) -> Answer {
    let code = match call.rest() {
        [] => None,
        [code] => Some((*code).to_owned()),
        _ => return Ok(None),
    };
    let answer = match (call.method.clone(), code) {
        (Method::GET | Method::HEAD, None) => list(number, call)?,
        (Method::GET | Method::HEAD, Some(code)) => read(number, call, &code)?,
        (Method::POST, None) => write(number, call).await?,
        (Method::POST, Some(code)) => change(number, call, code).await?,
        (Method::DELETE, None) => delete_named(number, call).await?,
        (Method::DELETE, Some(code)) => delete(number, &code).await?,
        _ => return Ok(None),
    };
    Ok(Some(answer))
}

/// Read a code.
///
/// A code that is not there is an empty list.
#[utoipa::path(
    get,
    path = "/{phone_number_id}/message_qrdls/{code}",
    operation_id = "getQrCode",
    params(Fields),
    responses((status = 200, body = Page<QrCode>, examples(("code" = (value = json!({"data": [{
        "code": "WAXSEAL1234567", "prefilled_message": "Hello", "deep_link_url": "https://wa.me/message/WAXSEAL1234567",
    }]}))))))
)]
fn read(number: &Number, call: &Call<'_>, code: &str) -> Result<Response, GraphError> {
    let codes: Codes = number.book().read(DOCUMENT).unwrap_or_default();
    let message = codes.0.get(code);
    let entries: Result<Vec<Value>, GraphError> = message
        .map(|message| entry(number, call, code, message, None))
        .into_iter()
        .collect();
    Ok(ok(&Page::all(entries?)))
}

/// Delete the code that is named.
#[utoipa::path(
    delete,
    path = "/{phone_number_id}/message_qrdls",
    operation_id = "deleteQrCodeNamed",
    params(("code" = String, Query, description = "The code.")),
    responses(Success)
)]
async fn delete_named(number: &Number, call: &mut Call<'_>) -> Result<Response, GraphError> {
    let code = call.arguments().await?.required("code")?;
    delete(number, &code).await
}

/// Delete a code.
#[utoipa::path(
    delete,
    path = "/{phone_number_id}/message_qrdls/{code}",
    operation_id = "deleteQrCode",
    responses(Success)
)]
async fn delete(number: &Number, code: &str) -> Result<Response, GraphError> {
    let change = number
        .book()
        .change(DOCUMENT, |codes: &mut Codes| codes.0.remove(code).map(drop).ok_or_else(unknown));
    change.await?;
    Ok(success())
}

fn unknown() -> GraphError {
    GraphError::value("This phone number has no QR code of this code.")
}

/// List the codes.
#[utoipa::path(
    get,
    path = "/{phone_number_id}/message_qrdls",
    operation_id = "listQrCodes",
    params(Fields, Pages, ("code" = Option<String>, Query, description = "Only this one.")),
    responses((status = 200, body = Page<QrCode>, examples(("codes" = (value = json!({"data": [{
        "code": "WAXSEAL1234567", "prefilled_message": "Hello", "deep_link_url": "https://wa.me/message/WAXSEAL1234567",
    }]}))))))
)]
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
    Ok(ok(&Page::part(entries?, paging)))
}

/// A code as it is shown; `image` is the format of a picture that goes with it whether asked for or not.
fn entry(number: &Number, call: &Call<'_>, code: &str, message: &str, image: Option<Format>) -> Result<Value, GraphError> {
    let image_url = |format: Format| {
        let base = call.base(number.surface().api_url.as_deref());
        format!("{base}/qr/{}/{code}.{}", number.id(), format.extension())
    };
    let asked = Asked::of(call.query("fields"), &DEFAULT)?;
    let format = asked.modifier("qr_image_url", "format").and_then(Format::parse);
    let shown = QrCode {
        code: Some(code.to_owned()),
        prefilled_message: Some(message.to_owned()),
        deep_link_url: Some(deep_link(code)),
        qr_image_url: Some(image_url(format.unwrap_or(Format::Png))),
        creation_time: None,
    };
    let mut entry = asked.choose(&shown, "WhatsAppBusinessQRCode")?;
    if let Some(format) = image {
        entry["qr_image_url"] = image_url(format).into();
    }
    Ok(entry)
}

fn deep_link(code: &str) -> String {
    format!("https://wa.me/message/{code}")
}

/// Make a code, or change one.
///
/// With `code`, the text of that one is changed. Also with the code in the path, and with everything in the query.
#[utoipa::path(
    post,
    path = "/{phone_number_id}/message_qrdls",
    operation_id = "writeQrCode",
    request_body(content = QrCodeWrite, examples(
        ("new" = (value = json!({"prefilled_message": "Hello", "generate_qr_image": "PNG"}))),
        ("change" = (value = json!({"code": "WAXSEAL1234567", "prefilled_message": "Hello again"})))
    )),
    responses((status = 200, body = QrCode, examples(("code" = (value = json!({
        "code": "WAXSEAL1234567", "prefilled_message": "Hello", "deep_link_url": "https://wa.me/message/WAXSEAL1234567",
        "qr_image_url": "https://graph.facebook.com/qr/106540352242922/WAXSEAL1234567.png",
    }))))))
)]
async fn write(number: &Number, call: &mut Call<'_>) -> Result<Response, GraphError> {
    let known = call.arguments().await?.text("code")?.filter(|code| !code.is_empty());
    put(number, call, known).await
}

/// Change a code.
#[utoipa::path(
    post,
    path = "/{phone_number_id}/message_qrdls/{code}",
    operation_id = "changeQrCode",
    params(Prefilled),
    responses((status = 200, body = QrCode, examples(("code" = (value = json!({
        "code": "WAXSEAL1234567", "prefilled_message": "Hello again", "deep_link_url": "https://wa.me/message/WAXSEAL1234567",
    }))))))
)]
async fn change(number: &Number, call: &mut Call<'_>, code: String) -> Result<Response, GraphError> {
    put(number, call, Some(code)).await
}

/// Creates a code, or says something else under one that is known.
async fn put(number: &Number, call: &mut Call<'_>, known: Option<String>) -> Result<Response, GraphError> {
    let said = call.arguments().await?;
    let message = said.bounded("prefilled_message", MAX_MESSAGE_CHARS)?;
    let message = message
        .filter(|message| !message.trim().is_empty())
        .ok_or_else(|| GraphError::missing("prefilled_message is required and must not be empty."))?;
    let image = match said.text("generate_qr_image")?.filter(|format| !format.is_empty()) {
        Some(format) => Some(Format::parse(&format).ok_or_else(|| GraphError::invalid("generate_qr_image must be PNG or SVG."))?),
        None => None,
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
