//! Requests as the libraries for Meta's whole Graph write them.
//!
//! Purpose: the token and the arguments of a call may be parameters, in the query or in a form, instead of a header and a body of JSON; members
//! that have members of their own are then written as JSON within a text. Here such requests are made into the others. Pure.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Uri, header};
use serde_json::{Map, Value, value::RawValue};

/// What a form may weigh whose sender nobody knows yet.
pub(super) const STRANGERS_BYTES: usize = 64 << 10;

/// Parameters that say how to call, not what for.
const OF_EVERY_CALL: [&str; 4] = ["access_token", "appsecret_proof", "format", "pretty"];

/// The members of a message that have members of their own.
const NESTED: [&str; 13] = [
    "audio",
    "contacts",
    "context",
    "document",
    "image",
    "interactive",
    "location",
    "reaction",
    "sticker",
    "template",
    "text",
    "typing_indicator",
    "video",
];

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The parameters of a form.
pub(super) fn of_form(body: &[u8]) -> impl Iterator<Item = Pair<'_>> {
    form_urlencoded::parse(body.trim_ascii())
}

/// Whether a parameter is one of the call, not of the operation.
pub(super) fn is_of_every_call(name: &str) -> bool {
    OF_EVERY_CALL.contains(&name)
}

/// Whether the request says that its body is a form.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    const FORM: &[u8] = b"application/x-www-form-urlencoded";
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.get(..FORM.len()).is_some_and(|start| start.eq_ignore_ascii_case(FORM))
}

/// Puts the token where everything looks for it: from the query, or else from a form. A header that is there counts alone.
pub(super) fn take_token(headers: &mut HeaderMap, uri: &Uri, form: Option<&[u8]>) {
    if headers.contains_key(header::AUTHORIZATION) {
        return;
    }
    let token = |parameters: &[u8]| of_form(parameters).find_map(|(name, value)| (name == "access_token").then(|| value.into_owned()));
    let found = token(uri.query().unwrap_or_default().as_bytes()).or_else(|| token(form?));
    let Some(mut value) = found.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok()) else {
        return;
    };
    value.set_sensitive(true);
    headers.insert(header::AUTHORIZATION, value);
}

/// A message that is written as a form, or in the query alone, as the JSON it stands for. `None`: the body is what it should be.
pub(super) fn message(headers: &HeaderMap, uri: &Uri, body: &[u8]) -> Option<Bytes> {
    let is_empty = body.trim_ascii().is_empty();
    if !is_empty && !is_form(headers) {
        return None;
    }
    // Tools that are told nothing call every body a form.
    if body
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(body)
        .trim_ascii_start()
        .starts_with(b"{")
    {
        return None;
    }
    let mut members: Map<String, Value> = Map::new();
    let mut nested: Vec<(&str, String)> = Vec::new();
    for (name, value) in of_form(body).chain(of_form(uri.query().unwrap_or_default().as_bytes())) {
        let known = NESTED.into_iter().find(|member| *member == name);
        match known.filter(|_| serde_json::from_str::<&RawValue>(&value).is_ok()) {
            _ if is_of_every_call(&name) || members.contains_key(&*name) || nested.iter().any(|(found, _)| *found == name) => {}
            Some(member) => nested.push((member, value.into_owned())),
            None => drop(members.insert(name.into_owned(), Value::String(value.into_owned()))),
        }
    }
    if members.is_empty() && nested.is_empty() {
        return None;
    }
    // As it was written: a tree would cost more memory than the request's bound says.
    let mut json = Value::Object(members).to_string();
    json.pop();
    for (member, value) in nested {
        let comma = if json.len() > 1 { "," } else { "" };
        json.push_str(&format!("{comma}\"{member}\":{value}"));
    }
    json.push('}');
    Some(json.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form() -> HeaderMap {
        HeaderMap::from_iter([(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded; charset=UTF-8"),
        )])
    }

    fn read(headers: &HeaderMap, query: &str, body: &str) -> Option<Value> {
        let uri = Uri::builder().path_and_query(format!("/v23.0/1/messages?{query}")).build().unwrap();
        let json = message(headers, &uri, body.as_bytes())?;
        Some(serde_json::from_slice(&json).unwrap())
    }

    #[test]
    fn a_form_is_the_message_it_stands_for() {
        let expected = json!({
            "messaging_product": "whatsapp", "to": "+15550101", "type": "text", "text": {"body": "a&b=ü"},
            "biz_opaque_callback_data": "{\"order\":7}",
        });
        let encoded = "messaging_product=whatsapp&to=%2B15550101&type=text&text=%7B%22body%22%3A%22a%26b%3D%C3%BC%22%7D\
            &biz_opaque_callback_data=%7B%22order%22%3A7%7D&access_token=t&format=json&to=+2";
        assert_eq!(read(&form(), "", encoded), Some(expected.clone()));
        let (first, rest) = encoded.split_once('&').unwrap();
        assert_eq!(read(&form(), rest, first), Some(expected.clone()));
        assert_eq!(read(&HeaderMap::new(), encoded, ""), Some(expected));
        // As people write it by hand.
        let plain = r#"messaging_product=whatsapp&to=15550101&text={"body":"hi"}"#;
        assert_eq!(
            read(&form(), "", plain),
            Some(json!({"messaging_product": "whatsapp", "to": "15550101", "text": {"body": "hi"}}))
        );
        assert_eq!(
            read(&form(), "", "text=%7B"),
            Some(json!({"text": "{"})),
            "what is no JSON is a text"
        );
        assert_eq!(read(&form(), "", "image={}&text=[]"), Some(json!({"image": {}, "text": []})));
    }

    #[test]
    fn other_bodies_are_left_alone() {
        assert_eq!(read(&form(), "a=b", " {\"to\":1}"), None);
        assert_eq!(read(&form(), "", "\u{feff}{}"), None);
        assert_eq!(read(&HeaderMap::new(), "a=b", "to=1"), None);
        assert_eq!(read(&HeaderMap::new(), "access_token=t", ""), None);
    }

    #[test]
    fn the_token_is_found_where_it_is_written() {
        let found = |headers: &mut HeaderMap, path: &'static str, form: Option<&[u8]>| {
            take_token(headers, &Uri::from_static(path), form);
            let value = headers.get(header::AUTHORIZATION)?;
            Some((value.to_str().unwrap().to_owned(), value.is_sensitive()))
        };
        let token = |text: &str| Some((format!("Bearer {text}"), true));
        assert_eq!(found(&mut HeaderMap::new(), "/1?a=b&access_token=12%7Cab", None), token("12|ab"));
        assert_eq!(found(&mut HeaderMap::new(), "/1", Some(b"a=b&access_token=t")), token("t"));
        assert_eq!(
            found(&mut HeaderMap::new(), "/1?access_token=q", Some(b"access_token=t")),
            token("q")
        );
        assert_eq!(found(&mut HeaderMap::new(), "/1?access_tokens=q", Some(b"xaccess_token=t")), None);
        assert_eq!(found(&mut HeaderMap::new(), "/1?access_token=a%0D%0Ab", None), None);
        let mut headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static("Bearer h"))]);
        assert_eq!(found(&mut headers, "/1?access_token=q", None), Some(("Bearer h".to_owned(), false)));
    }
}
