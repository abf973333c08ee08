//! Blocked consumers.

use http::{Method, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::{
    OpenApi, PartialSchema as _, ToSchema,
    openapi::{ArrayBuilder, schema::Schema},
};

use super::{
    super::{
        GraphError,
        answer::{Response, json as answer_json, ok},
        error::ErrorData,
        recipient,
        shape::Product,
    },
    Answer, Call,
    arguments::Arguments,
    paging::{self, Page, Pages},
};
use crate::{
    message::{Addressee, Refusal},
    number::{
        Number,
        blocks::{Named, NotBlocked},
    },
};

/// Consumers that one request may name.
const MAX_NAMED: usize = 1000;

/// Somebody whose messages are not wanted.
#[derive(Serialize, ToSchema)]
struct BlockedUser {
    messaging_product: Product,
    /// The number, or else the `user_id`.
    input: String,
    /// Known for as long as the conversation is.
    #[serde(skip_serializing_if = "Option::is_none")]
    wa_id: Option<String>,
    user_id: String,
}

/// Whom to block, or not to block any more.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct BlockUsers {
    messaging_product: Option<Product>,
    #[schema(schema_with = some_users)]
    block_users: Vec<User>,
}

/// A consumer, by number or by `user_id`; the number goes first.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
struct User {
    user: Option<String>,
    user_id: Option<String>,
}

fn some_users() -> Schema {
    let users = ArrayBuilder::new().items(User::schema());
    users.min_items(Some(1)).max_items(Some(MAX_NAMED)).into()
}

/// For whom it was done, and for whom not.
#[derive(Serialize, ToSchema)]
struct BlockedUsers {
    messaging_product: Product,
    #[schema(inline)]
    block_users: Lists,
}

#[derive(Default, Serialize, ToSchema)]
struct Lists {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    added_users: Option<Vec<Done>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    removed_users: Option<Vec<Done>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(inline, required = false)]
    failed_users: Vec<Failed>,
}

#[derive(Serialize, ToSchema)]
struct Done {
    /// As the request named them.
    input: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    wa_id: Option<String>,
    user_id: String,
}

#[derive(Serialize, ToSchema)]
struct Failed {
    /// As the request named them.
    input: String,
    #[schema(inline)]
    errors: [Failure; 1],
}

#[derive(Serialize, ToSchema)]
struct Failure {
    code: u32,
    message: String,
    #[schema(inline)]
    error_data: ErrorData<'static>,
}

#[derive(OpenApi)]
#[openapi(paths(list, block, unblock), tags((name = "Blocked users", description = "Consumers whose messages are not wanted.")))]
pub(super) struct Described;

/// `/{number}/block_users`.
pub(super) async fn phone(number: &Number, call: &mut Call<'_>) -> Answer {
    if !call.rest().is_empty() {
        return Ok(None);
    }
    match *call.method {
        Method::GET | Method::HEAD => list(number, call).await.map(Some),
        Method::POST => {
            let said = call.arguments().await?;
            block(number, &wanted(&said)?).await.map(Some)
        }
        Method::DELETE => {
            let said = call.arguments().await?;
            unblock(number, &wanted(&said)?).await.map(Some)
        }
        _ => Ok(None),
    }
}

/// List the blocked users.
#[utoipa::path(
    get,
    path = "/{phone_number_id}/block_users",
    operation_id = "listBlockedUsers",
    params(Pages),
    responses((status = 200, body = Page<BlockedUser>, examples(("users" = (value = json!({
        "data": [{"messaging_product": "whatsapp", "input": "15550123", "wa_id": "15550123", "user_id": "US.1"}],
    }))))))
)]
async fn list(number: &Number, call: &mut Call<'_>) -> Result<Response, GraphError> {
    let base = call.base(number.surface().api_url.as_deref());
    let (page, paging) = paging::page(call, &base, number.blocked(), |blocked| blocked.key.clone())?;
    let numbers = number.numbers_of(&page).await?;
    let rows = page.into_iter().zip(numbers).map(|(blocked, known)| {
        let wa_id = known.map(|known| known.wa_id().to_owned());
        BlockedUser {
            messaging_product: Product::Whatsapp,
            input: wa_id.clone().unwrap_or_else(|| blocked.user_id.clone()),
            wa_id,
            user_id: blocked.user_id,
        }
    });
    Ok(ok(&Page::part(rows.collect(), paging)))
}

/// Whom an element of the request names.
enum Wanted {
    /// Somebody, and how it was written.
    Who(Addressee, String),
    /// Nobody: it is neither a number nor a user id.
    Nobody(String),
}

fn wanted(said: &Arguments) -> Result<Vec<Wanted>, GraphError> {
    said.whatsapp()?;
    let list = said
        .list("block_users")?
        .ok_or_else(|| GraphError::missing("block_users is required."))?;
    if !(1..=MAX_NAMED).contains(&list.len()) {
        return Err(GraphError::invalid("block_users must have 1 to 1000 elements."));
    }
    list.into_iter().map(one).collect()
}

fn one(element: Value) -> Result<Wanted, GraphError> {
    let Value::Object(members) = element else {
        return Err(GraphError::invalid("Each of block_users must be an object with user or user_id."));
    };
    let members = Arguments::new(members);
    // As with messages, a number goes before a user id.
    if let Some(user) = members.text("user")?.filter(|user| !user.is_empty()) {
        return Ok(match recipient::parse(&user) {
            Ok(number) => Wanted::Who(Addressee::Number(number), user),
            Err(_) => Wanted::Nobody(user),
        });
    }
    match members.text("user_id")?.filter(|user_id| !user_id.is_empty()) {
        Some(user_id) => Ok(Wanted::Who(Addressee::UserId(user_id.clone()), user_id)),
        None => Err(GraphError::missing("Each of block_users must have user or user_id.")),
    }
}

/// Block users.
///
/// Only who wrote within the last 24 hours. Where some could not be blocked, HTTP 400 with both lists and an error (139100).
#[utoipa::path(
    post,
    path = "/{phone_number_id}/block_users",
    operation_id = "blockUsers",
    request_body(content = BlockUsers, examples(
        ("block" = (value = json!({"messaging_product": "whatsapp", "block_users": [{"user": "15550123"}]})))
    )),
    responses((status = 200, body = BlockedUsers, examples(("blocked" = (value = json!({
        "messaging_product": "whatsapp",
        "block_users": {"added_users": [{"input": "15550123", "wa_id": "15550123", "user_id": "US.1"}]},
    }))))))
)]
async fn block(number: &Number, wanted: &[Wanted]) -> Result<Response, GraphError> {
    let (mut known, mut added, mut failed): (Vec<(Named, &str)>, Vec<Done>, Vec<Failed>) = Default::default();
    for wanted in wanted {
        match wanted {
            Wanted::Nobody(input) => failed.push(failure(input, &not_a_number())),
            Wanted::Who(who, input) => match number.named(who.clone()).await {
                Ok(named) => known.push((named, input)),
                Err(Refusal::UnknownUser) => failed.push(failure(input, &reason(NotBlocked::NotRecent))),
                Err(refusal) => return Err(refusal.into()),
            },
        }
    }
    let (named, inputs): (Vec<Named>, Vec<&str>) = known.into_iter().unzip();
    let outcomes = number.block(&named).await?;
    for ((named, input), outcome) in named.into_iter().zip(inputs).zip(outcomes) {
        match outcome {
            Ok(()) => added.push(Done {
                input: input.to_owned(),
                wa_id: Some(named.number.wa_id().to_owned()),
                user_id: named.user_id,
            }),
            Err(not) => failed.push(failure(input, &reason(not))),
        }
    }
    Ok(answer(Lists {
        added_users: Some(added),
        failed_users: failed,
        ..Lists::default()
    }))
}

/// Unblock users.
#[utoipa::path(
    delete,
    path = "/{phone_number_id}/block_users",
    operation_id = "unblockUsers",
    request_body(content = BlockUsers, examples(
        ("unblock" = (value = json!({"messaging_product": "whatsapp", "block_users": [{"user": "15550123"}]})))
    )),
    responses((status = 200, body = BlockedUsers, examples(("unblocked" = (value = json!({
        "messaging_product": "whatsapp",
        "block_users": {"removed_users": [{"input": "15550123", "wa_id": "15550123", "user_id": "US.1"}]},
    }))))))
)]
async fn unblock(number: &Number, wanted: &[Wanted]) -> Result<Response, GraphError> {
    let (mut removed, mut failed) = (Vec::new(), Vec::new());
    for wanted in wanted {
        match wanted {
            Wanted::Nobody(input) => failed.push(failure(input, &not_a_number())),
            Wanted::Who(Addressee::Number(consumer), input) => {
                number.unblock(consumer).await?;
                removed.push(Done {
                    input: input.clone(),
                    wa_id: Some(consumer.wa_id().to_owned()),
                    user_id: number.user_id_of(consumer),
                });
            }
            Wanted::Who(Addressee::UserId(user_id), input) => {
                number.unblock_user(user_id).await?;
                removed.push(Done {
                    input: input.clone(),
                    wa_id: None,
                    user_id: user_id.clone(),
                });
            }
        }
    }
    Ok(answer(Lists {
        removed_users: Some(removed),
        failed_users: failed,
        ..Lists::default()
    }))
}

/// Where somebody could not be blocked, both lists and an error come with HTTP 400.
fn answer(lists: Lists) -> Response {
    let has_failed = !lists.failed_users.is_empty();
    let done = BlockedUsers {
        messaging_product: Product::Whatsapp,
        block_users: lists,
    };
    if !has_failed {
        return ok(&done);
    }
    let error = GraphError::coded(
        139_100,
        "(#139100) Failed to block/unblock some users",
        "block_users.failed_users says for whom it failed, and why; for the others it was done.",
    );
    let mut body = json!(done);
    body["error"] = error.into_object();
    answer_json(StatusCode::BAD_REQUEST, body.to_string())
}

/// Why it failed for one: code, words, details.
type Reason = (u32, &'static str, &'static str);

const fn not_a_number() -> Reason {
    (
        131_009,
        "Parameter value is not valid",
        "user must be a full phone number: + and digits, or the bare digits of a wa_id.",
    )
}

const fn reason(not: NotBlocked) -> Reason {
    match not {
        NotBlocked::NotRecent => (
            131_047,
            "Re-engagement required",
            "Only consumers who have written to this phone number in the last 24 hours can be blocked.",
        ),
        NotBlocked::Full => (
            139_101,
            "Blocklist limit reached",
            "A phone number blocks at most 64,000 consumers.",
        ),
        NotBlocked::Itself => (131_021, "Recipient cannot be sender", "user is the business phone number itself."),
    }
}

fn failure(input: &str, (code, message, details): &Reason) -> Failed {
    Failed {
        input: input.to_owned(),
        errors: [Failure {
            code: *code,
            message: format!("(#{code}) {message}"),
            error_data: ErrorData {
                messaging_product: Product::Whatsapp,
                details,
            },
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> Result<Vec<Wanted>, u32> {
        let Value::Object(members) = value else { panic!("an object") };
        wanted(&Arguments::new(members)).map_err(|error| error.code)
    }

    #[test]
    fn consumers_are_named_as_clients_name_them() {
        let named = read(json!({"messaging_product": "whatsapp", "block_users": [
            {"user": "+1 555 0123456", "user_id": null}, {"user_id": "US.1"}, {"user": "15550123456", "user_id": "US.2"}, {"user": "no"},
        ]}))
        .unwrap();
        assert!(
            matches!(&named[0], Wanted::Who(Addressee::Number(number), input) if number.wa_id() == "15550123456" && input == "+1 555 0123456")
        );
        assert!(matches!(&named[1], Wanted::Who(Addressee::UserId(user_id), _) if user_id == "US.1"));
        assert!(matches!(&named[2], Wanted::Who(Addressee::Number(_), _)));
        assert!(matches!(&named[3], Wanted::Nobody(input) if input == "no"));
    }

    #[test]
    fn what_names_nobody_is_refused() {
        for (said, code) in [
            (json!({}), 131_008),
            (json!({"block_users": []}), 100),
            (json!({"block_users": "x"}), 100),
            (json!({"block_users": ["15550123456"]}), 100),
            (json!({"block_users": [{}]}), 131_008),
            (json!({"block_users": [{"user": ["x"]}]}), 100),
            (json!({"block_users": vec![json!({"user_id": "US.1"}); 1001]}), 100),
            (json!({"messaging_product": "x", "block_users": [{"user_id": "US.1"}]}), 100),
        ] {
            assert_eq!(read(said.clone()).err(), Some(code), "{said}");
        }
    }
}
