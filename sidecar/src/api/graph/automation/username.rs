//! The name that stands for the number.

use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{Object, ObjectBuilder, Type},
};

use super::super::{
    super::{
        GraphError,
        answer::{Response, ok, success},
        shape::Success,
    },
    arguments::Arguments,
    paging::Page,
};
use crate::number::Number;

const USERNAME: &str = "username";
const LEAST_CHARS: usize = 3;
const MOST_CHARS: usize = 35;
/// Nobody reviews names here.
const APPROVED: &str = "approved";

/// The name, and what became of it.
#[derive(Serialize, ToSchema)]
pub(in crate::api::graph) struct Username {
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    status: &'static str,
}

/// The name to be had.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct UsernameWrite {
    #[schema(schema_with = name)]
    username: String,
}

/// Names that are reserved.
#[derive(Serialize, ToSchema)]
struct Suggestions {
    username_suggestions: Vec<String>,
}

fn name() -> Object {
    let name = ObjectBuilder::new().schema_type(Type::String);
    let name = name.min_length(Some(LEAST_CHARS)).max_length(Some(MOST_CHARS));
    name.pattern(Some("^[A-Za-z0-9._]*[A-Za-z][A-Za-z0-9._]*$")).build()
}

/// The name that stands for the number, if the business has chosen one.
pub(in crate::api) fn username(number: &Number) -> Option<String> {
    number.book().read(USERNAME)
}

/// Read the username.
#[utoipa::path(
    get,
    path = "/{phone_number_id}/username",
    operation_id = "getUsername",
    responses((status = 200, body = Username, examples(("username" = (value = json!({"username": "sample.shop", "status": "approved"}))))))
)]
pub(super) fn read(number: &Number) -> Result<Response, GraphError> {
    match username(number) {
        Some(username) => Ok(ok(&Username {
            username: Some(username),
            status: APPROVED,
        })),
        None => Err(GraphError::invalid("This phone number has no username.")),
    }
}

/// Choose a username.
#[utoipa::path(
    post,
    path = "/{phone_number_id}/username",
    operation_id = "setUsername",
    request_body(content = UsernameWrite, examples(("username" = (value = json!({"username": "sample.shop"}))))),
    responses((status = 200, body = Username, examples(("chosen" = (value = json!({"status": "approved"}))))))
)]
pub(in crate::api::graph) async fn set(number: &Number, said: &Arguments) -> Result<Response, GraphError> {
    let username = said.required("username")?.to_ascii_lowercase();
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_');
    let has_letter = username.bytes().any(|byte| byte.is_ascii_lowercase());
    if !(LEAST_CHARS..=MOST_CHARS).contains(&username.len()) || !username.bytes().all(allowed) || !has_letter {
        return Err(GraphError::invalid(
            "username must be 3 to 35 of a-z, 0-9, period and underscore, with at least one letter.",
        ));
    }
    let change = number.book().change(USERNAME, |kept: &mut String| {
        *kept = username;
        Ok::<_, GraphError>(())
    });
    change.await?;
    Ok(ok(&Username {
        username: None,
        status: APPROVED,
    }))
}

/// Give the username up.
#[utoipa::path(delete, path = "/{phone_number_id}/username", operation_id = "deleteUsername", responses(Success))]
pub(super) async fn delete(number: &Number) -> Result<Response, GraphError> {
    number.book().remove(USERNAME).await?;
    Ok(success())
}

/// Read the reserved usernames.
///
/// There are none.
#[utoipa::path(
    get,
    path = "/{phone_number_id}/username_suggestions",
    operation_id = "getUsernameSuggestions",
    responses((status = 200, body = Page<Suggestions>, examples(("none" = (value = json!({"data": [{"username_suggestions": []}]}))))))
)]
pub(super) fn suggestions() -> Response {
    ok(&Page::all(vec![Suggestions {
        username_suggestions: Vec::new(),
    }]))
}
