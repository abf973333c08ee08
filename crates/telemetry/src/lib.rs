//! Logs and metrics: what may be observed, and nothing else.
//!
//! **The privacy rule.** A field of a log line, the label of a metric and the attribute of a span is a count, a duration, a size, an opaque
//! id (random bytes, a `phone_number_id`, an epoch) or a value of an enum. It is never a text that a person wrote, a consumer's phone
//! number, a key, a token, a URL with a query, or an error text of somebody else's that could hold one of these. Types that hold content,
//! numbers or keys have no `Debug`, `Display` or `Serialize`, so that breaking the rule does not compile.
//!
//! Other people's libraries do not know the rule: only targets of Waxseal's own crates are written, whatever `WAXSEAL_LOG` says, and records
//! of the `log` crate, which the Signal library writes, are not collected at all.

pub mod logs;
pub mod metrics;
