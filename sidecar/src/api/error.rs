//! Graph error objects.
//!
//! Purpose: every answer of the port that is no success, with the code, HTTP status and `details` that clients act on. Texts name members and
//! rules, never values: what a request said stays out of them, and so out of whatever logs the client's errors.

use std::borrow::Cow;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderValue, StatusCode, header};
use rand::RngCore;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Response, shape::Product};
use crate::{
    book,
    flow::{self, Unsendable},
    limits::{self, calls::Usage},
    message::Refusal,
    template::catalogue::Refused,
};

/// One refusal, as it will be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GraphError {
    /// HTTP status.
    pub(super) status: StatusCode,
    /// The code that clients build their logic on.
    pub(super) code: u32,
    subcode: Option<u32>,
    kind: &'static str,
    title: &'static str,
    details: Option<Cow<'static, str>>,
    transient: bool,
    retry_after_s: Option<u32>,
    close: bool,
}

impl GraphError {
    const fn new(status: StatusCode, code: u32, title: &'static str) -> Self {
        Self {
            status,
            code,
            subcode: None,
            kind: "OAuthException",
            title,
            details: None,
            transient: false,
            retry_after_s: None,
            close: false,
        }
    }

    /// An error of one operation, HTTP 400 unless said otherwise.
    pub(super) fn coded(code: u32, title: &'static str, details: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, title).details(details)
    }

    /// With this HTTP status.
    pub(super) const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// The same may succeed after so many seconds.
    pub(super) const fn retry_after(mut self, seconds: u32) -> Self {
        self.transient = true;
        self.retry_after_s = Some(seconds);
        self
    }

    fn details(mut self, details: impl Into<Cow<'static, str>>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// 100: a member has the wrong type, is too long, or is none of the words allowed.
    pub(super) fn invalid(details: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 100, "(#100) Invalid parameter").details(details)
    }

    /// 131008: a required member is missing.
    pub(super) fn missing(details: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 131_008, "(#131008) Required parameter is missing").details(details)
    }

    /// 131009: a member is of the right kind, but its value means nothing here.
    pub(super) fn value(details: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 131_009, "(#131009) Parameter value is not valid").details(details)
    }

    /// 131051: a message type that is not served.
    pub(super) fn unsupported_type(details: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 131_051, "(#131051) Unsupported message type").details(details)
    }

    /// 131052: a file could not be had.
    pub(super) fn media_download(details: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 131_052, "(#131052) Media download error").details(details)
    }

    /// 131053: a file is not taken.
    pub(super) fn media_upload(details: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 131_053, "(#131053) Media upload error").details(details)
    }

    /// 131016 with HTTP 503: neither the media store nor the relay can be of use now.
    pub(super) fn media_unavailable() -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, 131_016, "(#131016) Service unavailable")
            .details("The store, the media store or the relay does not answer. Repeat the request.");
        error.transient = true;
        error.retry_after_s = Some(1);
        error
    }

    /// 131016 with HTTP 503: too many files are on their way.
    pub(super) fn media_overloaded() -> Self {
        let mut error = Self::media_unavailable();
        error.details = Some("Too many files are on their way. Repeat the request.".into());
        error.retry_after_s = Some(5);
        error
    }

    /// 100 / 33 with HTTP 404: an address of a file that was never given out, or has expired.
    pub(super) fn gone() -> Self {
        let mut error = Self::unsupported_object(&http::Method::GET);
        error.status = StatusCode::NOT_FOUND;
        error.details("The address of this media has expired or was never given out; ask for a new one with GET /{media-id}.")
    }

    /// 100 / 33 with HTTP 404: a signed address that was never given out, or has expired.
    pub(super) fn expired_address() -> Self {
        let mut error = Self::unsupported_object(&http::Method::GET);
        error.status = StatusCode::NOT_FOUND;
        error.details("This address has expired or was never given out; ask for a new one where you had it from.")
    }

    /// 100 with HTTP 413: the body is larger than this endpoint takes. The connection is closed.
    pub(super) fn too_large(limit_bytes: usize) -> Self {
        let mut error = Self::invalid(format!("The request body is larger than {limit_bytes} bytes."));
        error.status = StatusCode::PAYLOAD_TOO_LARGE;
        error.close = true;
        error
    }

    /// 100 with HTTP 408: the body did not arrive in time. The connection is closed.
    pub(super) fn too_slow() -> Self {
        let mut error = Self::invalid("The request body did not arrive in time.");
        error.status = StatusCode::REQUEST_TIMEOUT;
        error.close = true;
        error
    }

    /// 100 with HTTP 400 for a body that broke off. The connection is closed.
    pub(super) fn broken_off() -> Self {
        let mut error = Self::invalid("The request body is incomplete or wrongly framed.");
        error.close = true;
        error
    }

    /// 190: no token, or one that nobody has.
    pub(super) fn unauthenticated(title: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, 190, title)
    }

    /// 10: a live token, but of another number.
    pub(super) fn forbidden() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            10,
            "(#10) Application does not have permission for this action",
        )
        .details("The access token is not one of this phone number's.")
    }

    /// 100 / 33: the id names nothing here, or the object has no such operation.
    pub(super) fn unsupported_object(method: &http::Method) -> Self {
        let title = match *method {
            http::Method::GET | http::Method::HEAD => UNSUPPORTED_GET,
            http::Method::POST => UNSUPPORTED_POST,
            http::Method::DELETE => UNSUPPORTED_DELETE,
            _ => UNSUPPORTED_OTHER,
        };
        let mut error = Self::new(StatusCode::BAD_REQUEST, 100, title);
        error.subcode = Some(33);
        error.kind = "GraphMethodException";
        error
    }

    /// The same, for who cannot tell what was meant: what an id may name.
    pub(super) fn naming_nothing(self) -> Self {
        self.details(
            "The id names no phone number, account, app, media, template, flow or message history that the token admits to, or what it names has no such operation. Businesses, users, solutions and bots have no nodes: accounts and phone numbers are declared as BusinessAccount and BusinessPhoneNumber resources.",
        )
    }

    /// 100 / 33: several requests in one.
    pub(super) fn batch(method: &http::Method) -> Self {
        Self::unsupported_object(method).details("Batches are not served: send the requests one by one, on one connection if you like.")
    }

    /// 131016 with HTTP 503: no replica of the number can take requests.
    #[cfg(feature = "kubernetes")]
    pub(super) fn no_owner() -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, 131_016, "(#131016) Service unavailable")
            .details("No replica of this phone number can take the request now. Nothing is lost; repeat it, best with an Idempotency-Key.");
        error.transient = true;
        error.retry_after_s = Some(1);
        error
    }

    /// What [`crate::faults`] asks for.
    pub(super) fn on_purpose(code: u32) -> Self {
        let (status, title) = match code {
            130_429 => (StatusCode::BAD_REQUEST, "(#130429) Rate limit hit"),
            131_016 => (StatusCode::SERVICE_UNAVAILABLE, "(#131016) Service unavailable"),
            131_056 => (
                StatusCode::BAD_REQUEST,
                "(#131056) (Business Account, Consumer Account) pair rate limit hit",
            ),
            131_057 => (StatusCode::INTERNAL_SERVER_ERROR, "(#131057) Account in maintenance mode"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "(#131000) Something went wrong"),
        };
        let mut error = Self::new(status, code, title).details("A fault on purpose: the development mode was told to answer so.");
        error.transient = true;
        error.retry_after_s = Some(1);
        error
    }

    /// 130429 or 131056: a limit of messages, and when to try again.
    fn limited(limit: limits::Refused) -> Self {
        let mut error = match limit {
            limits::Refused::Throughput(_) => Self::new(StatusCode::BAD_REQUEST, 130_429, "(#130429) Rate limit hit")
                .details("This phone number sends and receives as many messages a second as it may."),
            limits::Refused::Pair(_) => Self::new(
                StatusCode::BAD_REQUEST,
                131_056,
                "(#131056) (Business Account, Consumer Account) pair rate limit hit",
            )
            .details("Too many messages from this phone number to this recipient in a short time: one in 6 seconds, 45 at once."),
        };
        error.transient = true;
        error.retry_after_s = Some(seconds(limit.wait_us()));
        error
    }

    /// 100: a template that cannot be registered, changed or found.
    pub(super) fn template(refused: &Refused) -> Self {
        let mut error = Self::invalid(refused.to_string());
        error.subcode = match refused {
            Refused::Exists => Some(2_388_024),
            Refused::Unknown => Some(2_593_002),
            Refused::Full => Some(2_388_040),
            Refused::Fault(_) => None,
        };
        error
    }

    /// 100 or one of 139001 to 139004: a flow that cannot be created, changed, published, deprecated, deleted or found.
    pub(super) fn flow(refused: flow::Refused) -> Self {
        let title = match refused.code() {
            139_001 => "(#139001) Flow can't be updated",
            139_002 => "(#139002) Flow can't be published",
            139_003 => "(#139003) Flow can't be deprecated",
            139_004 => "(#139004) Flow can't be deleted",
            _ => "(#100) Invalid parameter",
        };
        Self::coded(refused.code(), title, refused.to_string())
    }

    /// 4 (an app's) or 80007 (an account's): too many management calls, and when to try again.
    pub(super) fn too_many_calls(of_app: bool, usage: &Usage) -> Self {
        let mut error = match of_app {
            true => Self::new(StatusCode::BAD_REQUEST, 4, "(#4) Application request limit reached"),
            false => Self::new(StatusCode::BAD_REQUEST, 80_007, "(#80007) Rate limit issues"),
        }
        .details(format!(
            "More than {} management calls in an hour for this app and account.",
            usage.limit
        ));
        error.transient = true;
        error.retry_after_s = usage.retry_after_us.map(seconds);
        error
    }

    /// 2200: an address given for webhooks leads nowhere it may lead, or does not answer the verification handshake.
    pub(super) fn callback_refused(details: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, 2200, "(#2200) Callback verification failed").details(details)
    }

    /// 2500: no such path.
    pub(super) fn unknown_path() -> Self {
        Self::new(StatusCode::BAD_REQUEST, 2500, "Unknown path components").details(
            "No operation has this path. Ids are digits; groups, whose ids are not, are not served. /docs of the admin port lists what is.",
        )
    }
}

/// Whole seconds after which so much time has passed.
pub(super) fn seconds(time_us: u64) -> u32 {
    u32::try_from(time_us.div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

macro_rules! unsupported {
    ($verb:literal) => {
        concat!(
            "Unsupported ",
            $verb,
            " request. The object does not exist, cannot be loaded due to missing permissions, or does not support this operation."
        )
    };
}
const UNSUPPORTED_GET: &str = unsupported!("get");
const UNSUPPORTED_POST: &str = unsupported!("post");
const UNSUPPORTED_DELETE: &str = unsupported!("delete");
const UNSUPPORTED_OTHER: &str = unsupported!("method");

impl From<Refusal> for GraphError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownMessage => Self::value("The message id names no message of this phone number, or one that has expired."),
            Refusal::Unavailable => {
                let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, 131_016, "(#131016) Service unavailable")
                    .details("The message store does not answer. Nothing is lost; repeat the request, best with an Idempotency-Key.");
                error.transient = true;
                error.retry_after_s = Some(1);
                error
            }
            Refusal::Overloaded => {
                let mut error = Self::new(StatusCode::BAD_REQUEST, 130_429, "(#130429) Rate limit hit")
                    .details("More messages are waiting than this phone number can take. Slow down and repeat the request.");
                error.transient = true;
                error.retry_after_s = Some(1);
                error
            }
            Refusal::Limited(limit) => Self::limited(limit),
            Refusal::IdempotencyMismatch => {
                let mut error = Self::invalid("The Idempotency-Key was used before for a request that says something else.");
                error.status = StatusCode::CONFLICT;
                error
            }
            Refusal::ToSelf => Self::new(StatusCode::BAD_REQUEST, 131_021, "(#131021) Recipient cannot be sender")
                .details("to is the business phone number itself."),
            Refusal::NotRegistered => Self::new(StatusCode::BAD_REQUEST, 133_010, "(#133010) Phone number not registered")
                .details("The business phone number is not registered at the transport."),
            Refusal::Blocked => Self::coded(
                131_026,
                "(#131026) Message undeliverable",
                "The consumer is blocked by this phone number. DELETE /{phone-number-id}/block_users unblocks them.",
            ),
            Refusal::UnknownUser => Self::new(StatusCode::BAD_REQUEST, 131_026, "(#131026) Message undeliverable").details(
                "recipient names no consumer who is in conversation with this phone number, or who was within the retention time.",
            ),
            Refusal::NumberNeeded => Self::new(
                StatusCode::BAD_REQUEST,
                131_062,
                "(#131062) Business-scoped user ids are not supported for this message",
            )
            .details("Authentication templates go to a phone number: give it in to."),
            Refusal::UnknownMedia => Self::invalid("The media id names no media of this phone number, or its file has expired."),
            Refusal::Media(refusal) => Self::new(StatusCode::BAD_REQUEST, 131_053, "(#131053) Media upload error")
                .details(format!("The message's file: {refusal}.")),
            Refusal::Template(fault) => {
                let status = match fault.code {
                    132_001 => StatusCode::NOT_FOUND,
                    _ => StatusCode::BAD_REQUEST,
                };
                Self::new(status, fault.code, template_title(fault.code)).details(fault.details)
            }
            Refusal::Flow(fault) => {
                let (code, title) = match fault {
                    Unsendable::Blocked => (132_068, "(#132068) Flow is in blocked state"),
                    Unsendable::Throttled => (132_069, "(#132069) Flow is in throttled state"),
                    Unsendable::Draft | Unsendable::NotDraft | Unsendable::Deprecated => {
                        (131_009, "(#131009) Parameter value is not valid")
                    }
                };
                Self::coded(code, title, fault.to_string())
            }
            Refusal::Internal => {
                let mut error = Self::new(StatusCode::INTERNAL_SERVER_ERROR, 131_000, "(#131000) Something went wrong")
                    .details("A fault of the sidecar; its log names the fbtrace_id.");
                error.transient = true;
                error
            }
        }
    }
}

impl From<book::Error> for GraphError {
    fn from(error: book::Error) -> Self {
        match error {
            book::Error::Unavailable(_) | book::Error::Displaced => Self::from(Refusal::Unavailable),
            book::Error::Full(why) => Self::invalid(format!(
                "This phone number keeps as much as it may: {why}. Delete what is not needed any more."
            )),
            book::Error::Unfit(_) | book::Error::Store(_) => {
                tracing::error!(%error, "a document could not be kept");
                Self::from(Refusal::Internal)
            }
        }
    }
}

const fn template_title(code: u32) -> &'static str {
    match code {
        132_000 => "(#132000) Number of parameters does not match the expected number of params",
        132_001 => "(#132001) Template name does not exist in the translation",
        132_005 => "(#132005) Template hydrated text too long",
        132_007 => "(#132007) Template format character policy violated",
        132_008 | 132_012 => "(#132012) Parameter format does not match format in the created template",
        132_015 => "(#132015) Template is paused",
        132_016 => "(#132016) Template is disabled",
        132_018 => "(#132018) There is an issue with the parameters in the template",
        132_068 => "(#132068) Flow is in blocked state",
        132_069 => "(#132069) Flow is in throttled state",
        _ => "(#100) Invalid parameter",
    }
}

/// A refusal.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct Body<'a> {
    #[schema(inline)]
    error: Inner<'a>,
}

#[derive(Serialize, ToSchema)]
struct Inner<'a> {
    /// The title that goes with the code.
    message: &'a str,
    r#type: &'a str,
    /// What to decide by.
    #[schema(examples(100, 131_008))]
    code: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_subcode: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    error_data: Option<ErrorData<'a>>,
    /// Whether the same may succeed later.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    is_transient: bool,
    /// Also stands in the log.
    fbtrace_id: &'a str,
}

#[derive(Serialize, ToSchema)]
pub(super) struct ErrorData<'a> {
    pub(super) messaging_product: Product,
    /// The member, and the rule that it breaks.
    pub(super) details: &'a str,
}

impl GraphError {
    fn body<'a>(&'a self, trace: &'a str) -> Body<'a> {
        Body {
            error: Inner {
                message: self.title,
                r#type: self.kind,
                code: self.code,
                error_subcode: self.subcode,
                error_data: self.details.as_deref().map(|details| ErrorData {
                    messaging_product: Product::Whatsapp,
                    details,
                }),
                is_transient: self.transient,
                fbtrace_id: trace,
            },
        }
    }

    /// The object alone, for an answer that says what succeeded as well.
    pub(super) fn into_object(self) -> serde_json::Value {
        let mut body = serde_json::to_value(self.body(&trace_id())).unwrap_or_default();
        body.get_mut("error").map(serde_json::Value::take).unwrap_or_default()
    }

    /// The answer, with an `fbtrace_id` that also stands in the log.
    pub(super) fn into_response(self) -> Response {
        let trace = trace_id();
        if self.status.is_server_error() {
            tracing::warn!(code = self.code, status = self.status.as_u16(), fbtrace_id = %trace, "request failed");
        } else {
            tracing::debug!(code = self.code, status = self.status.as_u16(), fbtrace_id = %trace, "request refused");
        }
        // Serializing strings and numbers into memory cannot fail.
        let mut response = super::json(self.status, serde_json::to_vec(&self.body(&trace)).unwrap_or_default());
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = r#"OAuth "Facebook Platform" "invalid_token" "Invalid OAuth access token""#;
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.close {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

fn trace_id() -> String {
    let mut random = [0; 16];
    rand::rng().fill_bytes(&mut random);
    let mut id = String::with_capacity(23);
    id.push('A');
    BASE64_URL_SAFE_NO_PAD.encode_string(random, &mut id);
    id
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn the_object_has_the_shape_clients_parse() {
        let response = GraphError::missing("to is required.").into_response();
        assert_eq!(response.status(), 400);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let trace = value["error"]["fbtrace_id"].as_str().unwrap().to_owned();
        assert_eq!(trace.len(), 23);
        assert_eq!(
            value,
            serde_json::json!({"error": {
                "message": "(#131008) Required parameter is missing",
                "type": "OAuthException",
                "code": 131_008,
                "error_data": {"messaging_product": "whatsapp", "details": "to is required."},
                "fbtrace_id": trace,
            }})
        );
    }

    #[test]
    fn every_refusal_has_its_code_and_status() {
        for (refusal, status, code) in [
            (Refusal::UnknownMessage, 400, 131_009),
            (Refusal::Unavailable, 503, 131_016),
            (Refusal::Overloaded, 400, 130_429),
            (Refusal::IdempotencyMismatch, 409, 100),
            (Refusal::ToSelf, 400, 131_021),
            (Refusal::NotRegistered, 400, 133_010),
            (Refusal::Internal, 500, 131_000),
            (Refusal::Limited(limits::Refused::Throughput(1)), 400, 130_429),
            (Refusal::Limited(limits::Refused::Pair(1)), 400, 131_056),
            (Refusal::Blocked, 400, 131_026),
            (Refusal::UnknownUser, 400, 131_026),
            (Refusal::NumberNeeded, 400, 131_062),
            (Refusal::UnknownMedia, 400, 100),
            (Refusal::Media(crate::media::Refusal::BrokenOff), 400, 131_053),
            (
                Refusal::Template(crate::template::Fault {
                    code: 132_001,
                    details: "unknown".into(),
                }),
                404,
                132_001,
            ),
        ] {
            let error = GraphError::from(refusal.clone());
            assert_eq!((error.status.as_u16(), error.code), (status, code), "{refusal:?}");
        }
    }

    #[test]
    fn too_many_calls_are_the_apps_or_the_accounts() {
        let usage = Usage {
            limit: 200,
            left: 0,
            full_in_us: 3_600_000_000,
            retry_after_us: Some(1_500_000),
        };
        for (of_app, code) in [(true, 4), (false, 80_007)] {
            let error = GraphError::too_many_calls(of_app, &usage);
            assert_eq!((error.status.as_u16(), error.code, error.retry_after_s), (400, code, Some(2)));
            assert!(error.details.unwrap().contains("200"));
        }
    }
}
