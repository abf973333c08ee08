//! Lists in pages.
//!
//! Purpose: the documented envelope (`data`, `paging` with cursors, `next` and `previous`) over any list that is sorted by a key. Cursors are
//! opaque and name a key, not a place: a list that changes between two pages neither repeats nor skips what stayed. Pure.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::Serialize;
use utoipa::{
    IntoParams, ToSchema,
    openapi::{Object, ObjectBuilder, Type},
};

use super::{super::GraphError, Call};

/// How many elements a page has unless the request says.
const DEFAULT_LIMIT: usize = 25;
/// The largest page.
const MAX_LIMIT: usize = 1000;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Page<T> {
    data: Vec<T>,
    #[serde(skip_serializing_if = "Paging::is_empty")]
    #[schema(required = false)]
    paging: Paging,
}

impl<T> Page<T> {
    /// A list that is not cut.
    pub(in crate::api) fn all(data: Vec<T>) -> Self {
        Self {
            data,
            paging: Paging::default(),
        }
    }

    /// A list of which this is a part.
    pub(in crate::api) const fn part(data: Vec<T>, paging: Paging) -> Self {
        Self { data, paging }
    }
}

/// Where a page is in its list.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::api) struct Paging {
    #[serde(skip_serializing_if = "Option::is_none")]
    cursors: Option<Cursors>,
    /// The address of the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// The address of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
}

impl Paging {
    /// Of a page that goes forward only, and has cursors of its own.
    pub(in crate::api) fn between<T>(page: &[T], cursor: impl Fn(&T) -> String) -> Self {
        Self {
            cursors: page.first().zip(page.last()).map(|(first, last)| Cursors {
                before: cursor(first),
                after: cursor(last),
            }),
            next: None,
            previous: None,
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The first and the last element of a page, for `before` and `after`.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
struct Cursors {
    before: String,
    after: String,
}

/// Which page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described")]
pub(in crate::api) struct Pages {
    #[param(schema_with = limit)]
    limit: Option<usize>,
    /// From where to go on.
    after: Option<String>,
    /// Up to where.
    before: Option<String>,
}

fn limit() -> Object {
    limit_of(DEFAULT_LIMIT, MAX_LIMIT)
}

/// How a `limit` is described.
pub(in crate::api) fn limit_of(default: usize, most: usize) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(most))
        .default(Some(default.into()))
        .description(Some("How many at a time."))
        .build()
}

/// The page that the request asks for of a list sorted by `key`, and its `paging` member. `base` is where this port is reached.
///
/// # Errors
/// 100 for a `limit` or a cursor that is none.
pub(in crate::api) fn page<T>(
    call: &Call<'_>,
    base: &str,
    list: Vec<T>,
    key: impl Fn(&T) -> String,
) -> Result<(Vec<T>, Paging), GraphError> {
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
    let mut paging = Paging::default();
    if let (Some(first), Some(last)) = (page.first(), page.last()) {
        let (first, last) = (BASE64_URL_SAFE_NO_PAD.encode(key(first)), BASE64_URL_SAFE_NO_PAD.encode(key(last)));
        if end < total {
            paging.next = Some(link(call, base, "after", &last));
        }
        if start > 0 {
            paging.previous = Some(link(call, base, "before", &first));
        }
        paging.cursors = Some(Cursors {
            before: first,
            after: last,
        });
    }
    Ok((page, paging))
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

/// The request's own address with another cursor. A token that it has is part of it: who wrote it there follows the address as it is.
fn link(call: &Call<'_>, base: &str, cursor: &str, value: &str) -> String {
    let mut url = format!("{base}{}?", call.uri.path());
    for (name, said) in &call.query {
        if !matches!(name.as_str(), "after" | "before") {
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

    fn pages(query: &str, list: &[&str]) -> Result<(Vec<String>, Paging), u32> {
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
        assert_eq!(paging.previous, None);
        let next = paging.next.unwrap();
        assert_eq!(next, "http://x/v23.0/1/list?limit=2&fields=x%2Cy&access_token=t&after=Yg");
        // "b" is gone and "c" has come.
        let changed = ["a", "c", "d", "e", "f"];
        let (second, paging) = pages(next.split_once('?').unwrap().1, &changed).unwrap();
        assert_eq!(second, ["c", "d"]);
        let (third, _) = pages(paging.next.unwrap().split_once('?').unwrap().1, &changed).unwrap();
        assert_eq!(third, ["e", "f"]);
        let (back, paging) = pages(paging.previous.unwrap().split_once('?').unwrap().1, &changed).unwrap();
        assert_eq!(back, ["a"]);
        assert_eq!(paging.cursors, Paging::between(&["YQ"], |cursor| (*cursor).to_owned()).cursors);
        let all = pages("", &changed).unwrap();
        assert_eq!((all.0.len(), all.1.next), (5, None));
        assert_eq!(pages("limit=5&after=Zg", &changed).unwrap(), (Vec::new(), Paging::default()));
    }

    #[test]
    fn bad_limits_and_cursors_are_refused() {
        for query in ["limit=0", "limit=-1", "limit=x", "after=%25", "before=_w"] {
            assert_eq!(pages(query, &["a"]), Err(100), "{query}");
        }
    }
}
