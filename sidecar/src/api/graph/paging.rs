//! Lists in pages.
//!
//! Purpose: the documented envelope (`data`, `paging` with cursors, `next` and `previous`) over any list that is sorted by a key. Cursors are
//! opaque and name a key, not a place: a list that changes between two pages neither repeats nor skips what stayed. Pure.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{super::GraphError, Call};

/// How many elements a page has unless the request says.
const DEFAULT_LIMIT: usize = 25;
/// The largest page.
const MAX_LIMIT: usize = 1000;

/// The page that the request asks for of a list sorted by `key`, and its `paging` member. `base` is where this port is reached.
///
/// # Errors
/// 100 for a `limit` or a cursor that is none.
pub(in crate::api) fn page<T>(
    call: &Call<'_>,
    base: &str,
    list: Vec<T>,
    key: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Value), GraphError> {
    let limit = match call.query("limit").map(str::trim).filter(|limit| !limit.is_empty()) {
        None => DEFAULT_LIMIT,
        Some(text) => match text.parse::<usize>() {
            Ok(limit) if limit > 0 => limit.min(MAX_LIMIT),
            _ => return Err(GraphError::invalid("limit must be a whole number above 0.")),
        },
    };
    let (after, before) = (cursor(call, "after")?, cursor(call, "before")?);
    let total = list.len();
    let start = after.map_or(0, |after| list.partition_point(|element| key(element) <= after));
    let end = before
        .as_ref()
        .map_or(total, |before| list.partition_point(|element| key(element) < *before));
    // Asked what comes before something, the last ones are the next to it.
    let (start, end) = match before {
        Some(_) => (start.max(end.saturating_sub(limit)), end.max(start)),
        None => (start, end.min(start.saturating_add(limit))),
    };
    let page: Vec<T> = list.into_iter().skip(start).take(end - start).collect();
    let mut paging = json!({});
    if let (Some(first), Some(last)) = (page.first(), page.last()) {
        let (first, last) = (BASE64_URL_SAFE_NO_PAD.encode(key(first)), BASE64_URL_SAFE_NO_PAD.encode(key(last)));
        if end < total {
            paging["next"] = link(call, base, "after", &last).into();
        }
        if start > 0 {
            paging["previous"] = link(call, base, "before", &first).into();
        }
        paging["cursors"] = json!({"before": first, "after": last});
    }
    Ok((page, paging))
}

/// The answer with this page.
pub(in crate::api) fn answer(data: Vec<Value>, paging: Value) -> Value {
    let mut answer = serde_json::Map::from_iter([("data".to_owned(), Value::Array(data))]);
    if paging.as_object().is_some_and(|paging| !paging.is_empty()) {
        answer.insert("paging".to_owned(), paging);
    }
    Value::Object(answer)
}

fn cursor(call: &Call<'_>, name: &str) -> Result<Option<String>, GraphError> {
    let Some(text) = call.query(name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let key = BASE64_URL_SAFE_NO_PAD
        .decode(text)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    key.map(Some)
        .ok_or_else(|| GraphError::invalid(format!("{name} must be a cursor that a list gave out.")))
}

/// The request's own address with another cursor, without its token.
fn link(call: &Call<'_>, base: &str, cursor: &str, value: &str) -> String {
    let mut url = format!("{base}{}?", call.uri.path());
    for (name, said) in &call.query {
        if !matches!(name.as_str(), "access_token" | "after" | "before") {
            url.push_str(&format!("{}={}&", encoded(name), encoded(said)));
        }
    }
    url.push_str(&format!("{cursor}={value}"));
    url
}

/// Percent-encoded, all but the unreserved characters.
pub(in crate::api) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, Method, Uri};

    use super::*;

    fn pages(query: &str, list: &[&str]) -> Result<(Vec<String>, Value), u32> {
        let uri: Uri = format!("/v23.0/1/list?{query}").parse().unwrap();
        let axum::extract::Query(query) = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&uri).unwrap();
        let headers = HeaderMap::new();
        let call = Call::for_tests(&Method::GET, &headers, &uri, query);
        let list = list.iter().map(|element| (*element).to_owned()).collect();
        page(&call, "http://x", list, Clone::clone).map_err(|error| error.code)
    }

    #[test]
    fn forward_and_back_through_a_list_that_changes() {
        let list = ["a", "b", "d", "e", "f"];
        let (first, paging) = pages("limit=2&fields=x%2Cy&access_token=t", &list).unwrap();
        assert_eq!(first, ["a", "b"]);
        assert!(paging.get("previous").is_none());
        let next = paging["next"].as_str().unwrap();
        assert_eq!(next, "http://x/v23.0/1/list?limit=2&fields=x%2Cy&after=Yg");
        // "b" is gone and "c" has come.
        let changed = ["a", "c", "d", "e", "f"];
        let (second, paging) = pages(next.split_once('?').unwrap().1, &changed).unwrap();
        assert_eq!(second, ["c", "d"]);
        let (third, _) = pages(paging["next"].as_str().unwrap().split_once('?').unwrap().1, &changed).unwrap();
        assert_eq!(third, ["e", "f"]);
        let (back, paging) = pages(paging["previous"].as_str().unwrap().split_once('?').unwrap().1, &changed).unwrap();
        assert_eq!(back, ["a"]);
        assert_eq!(paging["cursors"], json!({"before": "YQ", "after": "YQ"}));
        let all = pages("", &changed).unwrap();
        assert_eq!((all.0.len(), all.1.get("next")), (5, None));
        assert_eq!(pages("limit=5&after=Zg", &changed).unwrap(), (Vec::new(), json!({})));
    }

    #[test]
    fn bad_limits_and_cursors_are_refused() {
        for query in ["limit=0", "limit=-1", "limit=x", "after=%25", "before=_w"] {
            assert_eq!(pages(query, &["a"]), Err(100), "{query}");
        }
    }
}
