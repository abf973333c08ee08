//! What answers say of limits.
//!
//! Purpose: the `RateLimit` and `RateLimit-Policy` fields (IETF draft 10) for messages, Graph's usage headers for management calls. Nothing is
//! written where there is no limit.

use std::io::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::seconds;
use crate::limits::{Quota, calls::Usage, pair};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const APP_USAGE: HeaderName = HeaderName::from_static("x-app-usage");
const ACCOUNT_USAGE: HeaderName = HeaderName::from_static("x-business-use-case-usage");

/// The time that the messages of a burst are paid back in.
const PAIR_WINDOW_S: u64 = pair::EACH_US * pair::BURST as u64 / 1_000_000;

/// Says what is left for messages.
pub(super) fn of_message(headers: &mut HeaderMap, quota: &Quota) {
    if quota.throughput.is_none() && quota.pair.is_none() {
        return;
    }
    let (mut policy, mut left) = (Vec::with_capacity(48), Vec::with_capacity(48));
    if let Some((limit, remaining, full_us)) = quota.throughput {
        // Writing into memory does not fail.
        let _ = write!(policy, "\"throughput\";q={limit};w=1");
        let _ = write!(left, "\"throughput\";r={remaining};t={}", seconds(full_us));
    }
    if let Some((remaining, free_us)) = quota.pair {
        let comma = if policy.is_empty() { "" } else { ", " };
        let _ = write!(policy, "{comma}\"pair\";q={};w={PAIR_WINDOW_S}", pair::BURST);
        let _ = write!(left, "{comma}\"pair\";r={remaining};t={}", seconds(free_us));
    }
    for (name, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, left)] {
        if let Ok(value) = HeaderValue::from_maybe_shared(bytes::Bytes::from(value)) {
            headers.insert(name, value);
        }
    }
}

/// Says what is left of the management calls of an app to an account.
pub(super) fn of_call(headers: &mut HeaderMap, account: &str, usage: &Usage) {
    let percent = usage.percent();
    let regained_min = usage.retry_after_us.map_or(0, |wait_us| seconds(wait_us).div_ceil(60));
    let app = format!(r#"{{"call_count":{percent},"total_cputime":0,"total_time":0}}"#);
    let of_account = format!(
        r#"{{"{account}":[{{"type":"whatsapp_business_management","call_count":{percent},"total_cputime":0,"total_time":0,"estimated_time_to_regain_access":{regained_min}}}]}}"#
    );
    let policy = format!("\"calls\";q={};w=3600", usage.limit);
    let left = format!("\"calls\";r={};t={}", usage.left, seconds(usage.full_in_us));
    for (name, value) in [
        (APP_USAGE, app),
        (ACCOUNT_USAGE, of_account),
        (RATE_LIMIT_POLICY, policy),
        (RATE_LIMIT, left),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_what_is_left() {
        let mut headers = HeaderMap::new();
        of_message(&mut headers, &Quota::default());
        assert!(headers.is_empty());
        let quota = Quota {
            throughput: Some((80, 79, 12_500)),
            pair: Some((44, 6_000_000)),
        };
        of_message(&mut headers, &quota);
        assert_eq!(headers[RATE_LIMIT], r#""throughput";r=79;t=1, "pair";r=44;t=6"#);
        assert_eq!(headers[RATE_LIMIT_POLICY], r#""throughput";q=80;w=1, "pair";q=45;w=270"#);
        let usage = Usage {
            limit: 200,
            left: 0,
            full_in_us: 3_600_000_000,
            retry_after_us: Some(17_500_000),
        };
        of_call(&mut headers, "123", &usage);
        let value: serde_json::Value = serde_json::from_slice(headers[ACCOUNT_USAGE].as_bytes()).unwrap();
        assert_eq!(value["123"][0]["call_count"], 100);
        assert_eq!(value["123"][0]["estimated_time_to_regain_access"], 1);
        assert_eq!(headers[RATE_LIMIT], r#""calls";r=0;t=3600"#);
    }
}
