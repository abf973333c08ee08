//! What a path names.
//!
//! Purpose: the grammar of the port's paths, as tolerant as real clients need it (reference cloud-api 3.2): any version or none, with or
//! without its `v`, a trailing slash, doubled slashes. Pure.

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'a> {
    /// `/{version?}/{id}/messages`
    Messages(&'a str),
    /// `/{version?}/{id}/marketing_messages`
    MarketingMessages(&'a str),
    /// `/{version?}/{id}`
    Node(&'a str),
    /// `/{version?}/{id}/{edge}/…`
    Edge(&'a str),
    /// `/{version?}/{word}/…`
    Word(&'a str),
    /// `/source`
    Source,
    /// `/` or `/{version}`
    Root,
    /// Anything else.
    Unknown,
}

/// Splits a path into the version it asks for and what it names.
#[must_use]
pub(super) fn parse(path: &str) -> (Option<&str>, Route<'_>) {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty()).peekable();
    let version = segments.next_if(|segment| is_version(segment));
    let route = match (segments.next(), segments.next(), segments.next()) {
        (None, _, _) => Route::Root,
        (Some("source"), None, _) => Route::Source,
        (Some(id), None, _) if is_id(id) => Route::Node(id),
        (Some(id), Some("messages"), None) if is_id(id) => Route::Messages(id),
        (Some(id), Some("marketing_messages"), None) if is_id(id) => Route::MarketingMessages(id),
        (Some(id), Some(_), _) if is_id(id) => Route::Edge(id),
        // The colon separates; clients that are careful escape it.
        (Some(word), _, _) if word.starts_with("upload:") || word.starts_with("upload%3") => Route::Word(word),
        (Some(word @ ("oauth" | "media" | "debug_token" | "qr" | "flow_assets" | "profile_pictures")), _, _) => Route::Word(word),
        _ => Route::Unknown,
    };
    (version, route)
}

/// What follows the id or the word that a path names.
#[must_use]
pub(super) fn rest(path: &str) -> Vec<&str> {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty()).peekable();
    let _version = segments.next_if(|segment| is_version(segment));
    // More than any operation has: what is longer is unknown to every area.
    segments.skip(1).take(6).collect()
}

fn is_version(segment: &str) -> bool {
    let digits = |text: &str| (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let (number, named) = match segment.strip_prefix('v') {
        Some(number) => (number, true),
        None => (segment, false),
    };
    match number.split_once('.') {
        Some((major, minor)) => digits(major) && digits(minor),
        // A bare `23` is an id.
        None => named && digits(number),
    }
}

fn is_id(segment: &str) -> bool {
    (1..=39).contains(&segment.len()) && segment.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_clients_write_a_path() {
        for (path, version, route) in [
            ("/v23.0/123/messages", Some("v23.0"), Route::Messages("123")),
            ("/v1.0/123/messages/", Some("v1.0"), Route::Messages("123")),
            ("/23.0/123/messages", Some("23.0"), Route::Messages("123")),
            ("/123/messages", None, Route::Messages("123")),
            ("//v26.0//123//messages", Some("v26.0"), Route::Messages("123")),
            ("/v23.0/123/marketing_messages", Some("v23.0"), Route::MarketingMessages("123")),
            ("/v19/123", Some("v19"), Route::Node("123")),
            ("/v14.0/123/", Some("v14.0"), Route::Node("123")),
            ("/23", None, Route::Node("23")),
            ("/source", None, Route::Source),
            ("/", None, Route::Root),
            ("", None, Route::Root),
            ("/v23.0", Some("v23.0"), Route::Root),
            ("/v23.0/abc/messages", Some("v23.0"), Route::Unknown),
            ("/v23.0/123/media", Some("v23.0"), Route::Edge("123")),
            ("/v23.0/123/messages/1", Some("v23.0"), Route::Edge("123")),
            ("/oauth/access_token", None, Route::Word("oauth")),
            ("/v23.0/upload:QUJD", Some("v23.0"), Route::Word("upload:QUJD")),
            ("/upload%3AQUJD", None, Route::Word("upload%3AQUJD")),
            ("/v23.0/uploads", Some("v23.0"), Route::Unknown),
            ("/v23.0/media/1", Some("v23.0"), Route::Word("media")),
            (
                "/340282366920938463463374607431768211455/events",
                None,
                Route::Edge("340282366920938463463374607431768211455"),
            ),
            ("/1234567890123456789012345678901234567890", None, Route::Unknown),
            ("/v23.0.1/123", None, Route::Unknown),
            ("/../123/messages", None, Route::Unknown),
        ] {
            assert_eq!(parse(path), (version, route), "{path}");
        }
    }
}
