//! Which bytes a download asks for (RFC 9110, 13 and 14). Pure.

use std::ops::Range;

use http::{HeaderMap, header};

/// What a request wants of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::api) enum Wanted {
    /// All of it.
    Whole,
    /// These bytes: at least one.
    Part(Range<u64>),
    /// Nothing: the client has it.
    Unchanged,
    /// Bytes that there are not.
    Unsatisfiable,
}

/// Reads `If-None-Match`, `Range` and `If-Range`. What is malformed is ignored, as the standard wants it; so are several ranges at once.
pub(in crate::api) fn wanted(headers: &HeaderMap, etag: &str, size_bytes: u64) -> Wanted {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_ours = |tag: &str| tag.trim().trim_start_matches("W/") == etag;
    if text(header::IF_NONE_MATCH).is_some_and(|tags| tags.trim() == "*" || tags.split(',').any(is_ours)) {
        return Wanted::Unchanged;
    }
    // A date never matches: files have none.
    if text(header::IF_RANGE).is_some_and(|condition| condition.trim() != etag) {
        return Wanted::Whole;
    }
    let Some((unit, ranges)) = text(header::RANGE).and_then(|range| range.split_once('=')) else {
        return Wanted::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let Some((first, last)) = ranges.trim().split_once('-') else {
        return Wanted::Whole;
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // More than there can be is more than there is.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let range = match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            Some(length) => size_bytes.saturating_sub(length)..size_bytes,
            None => return Wanted::Whole,
        },
        (first, "") => match number(first) {
            Some(first) => first..size_bytes,
            None => return Wanted::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size_bytes),
            _ => return Wanted::Whole,
        },
    };
    if range.start >= range.end {
        Wanted::Unsatisfiable
    } else {
        Wanted::Part(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(headers: &[(header::HeaderName, &str)]) -> Wanted {
        let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
        wanted(&headers, "\"tag\"", 1000)
    }

    #[test]
    fn ranges_as_clients_write_them() {
        for (range, expected) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=0-499", Wanted::Part(0..500)),
            ("bytes=500-", Wanted::Part(500..1000)),
            ("bytes=-200", Wanted::Part(800..1000)),
            ("bytes=-2000", Wanted::Part(0..1000)),
            ("bytes=999-5000", Wanted::Part(999..1000)),
            ("Bytes = 0-1", Wanted::Part(0..2)),
            ("bytes=0-18446744073709551615", Wanted::Part(0..1000)),
            ("bytes=0-99999999999999999999999", Wanted::Part(0..1000)),
            ("bytes=1000-", Wanted::Unsatisfiable),
            ("bytes=1000-2000", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=5-4", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=--5", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
            ("bytes", Wanted::Whole),
            ("", Wanted::Whole),
        ] {
            assert_eq!(asked(&[(header::RANGE, range)]), expected, "{range}");
        }
        assert_eq!(asked(&[]), Wanted::Whole);
    }

    #[test]
    fn conditions() {
        let range = (header::RANGE, "bytes=0-0");
        assert_eq!(asked(&[range.clone(), (header::IF_RANGE, "\"tag\"")]), Wanted::Part(0..1));
        assert_eq!(asked(&[range.clone(), (header::IF_RANGE, "\"other\"")]), Wanted::Whole);
        assert_eq!(asked(&[range.clone(), (header::IF_RANGE, "W/\"tag\"")]), Wanted::Whole);
        assert_eq!(
            asked(&[range.clone(), (header::IF_RANGE, "Sun, 22 Nov 2026 00:00:00 GMT")]),
            Wanted::Whole
        );
        assert_eq!(
            asked(&[range.clone(), (header::IF_NONE_MATCH, "\"a\", W/\"tag\"")]),
            Wanted::Unchanged
        );
        assert_eq!(asked(&[range, (header::IF_NONE_MATCH, "\"a\"")]), Wanted::Part(0..1));
    }

    #[test]
    fn nothing_of_an_empty_file() {
        let headers = [(header::RANGE, "bytes=0-".parse().unwrap())].into_iter().collect();
        assert_eq!(wanted(&headers, "\"tag\"", 0), Wanted::Unsatisfiable);
    }

    proptest::proptest! {
        #[test]
        fn a_part_lies_within(range in "bytes=[0-9]{0,4}-[0-9]{0,4}", size in 0u64..3000) {
            let headers = [(header::RANGE, range.parse().unwrap())].into_iter().collect();
            if let Wanted::Part(part) = wanted(&headers, "\"tag\"", size) {
                proptest::prop_assert!(part.start < part.end && part.end <= size);
            }
        }
    }
}
