//! Blocked consumers.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::{
    super::{
        GraphError,
        answer::{Response, json as answer_json, ok},
        recipient,
    },
    Answer, Call,
    arguments::Arguments,
    paging,
};
use crate::{
    message::{Addressee, Refusal},
    number::{
        Number,
        blocks::{Blocked, Named, NotBlocked},
    },
};

/// Consumers that one request may name.
const MAX_NAMED: usize = 1000;

/// `/{number}/block_users`.
pub(super) async fn phone(number: &Number, call: &mut Call<'_>) -> Answer {
    if !call.rest().is_empty() {
        return Ok(None);
    }
    match *call.method {
        Method::GET | Method::HEAD => {
            let base = call.base(number.surface().api_url.as_deref());
            let (page, paging) = paging::page(call, &base, number.blocked(), |blocked| blocked.key.clone())?;
            list(number, &page, paging).await.map(Some)
        }
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

async fn list(number: &Number, page: &[Blocked], paging: Value) -> Result<Response, GraphError> {
    let numbers = number.numbers_of(page).await?;
    let rows = page.iter().zip(numbers).map(|(blocked, known)| {
        let mut row = json!({"messaging_product": "whatsapp", "user_id": blocked.user_id, "input": blocked.user_id});
        // A number is known for as long as the conversation is.
        if let Some(known) = known {
            row["wa_id"] = known.wa_id().into();
            row["input"] = known.wa_id().into();
        }
        row
    });
    Ok(ok(&paging::answer(rows.collect(), paging)))
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

async fn block(number: &Number, wanted: &[Wanted]) -> Result<Response, GraphError> {
    let (mut known, mut added, mut failed): (Vec<(Named, &str)>, Vec<Value>, Vec<Value>) = Default::default();
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
    for ((named, input), outcome) in named.iter().zip(inputs).zip(outcomes) {
        match outcome {
            Ok(()) => added.push(done(input, named)),
            Err(not) => failed.push(failure(input, &reason(not))),
        }
    }
    Ok(answer("added_users", added, failed))
}

async fn unblock(number: &Number, wanted: &[Wanted]) -> Result<Response, GraphError> {
    let (mut removed, mut failed) = (Vec::new(), Vec::new());
    for wanted in wanted {
        match wanted {
            Wanted::Nobody(input) => failed.push(failure(input, &not_a_number())),
            Wanted::Who(Addressee::Number(consumer), input) => {
                number.unblock(consumer).await?;
                removed.push(json!({"input": input, "wa_id": consumer.wa_id(), "user_id": number.user_id_of(consumer)}));
            }
            Wanted::Who(Addressee::UserId(user_id), input) => {
                number.unblock_user(user_id).await?;
                removed.push(json!({"input": input, "user_id": user_id}));
            }
        }
    }
    Ok(answer("removed_users", removed, failed))
}

fn done(input: &str, named: &Named) -> Value {
    json!({"input": input, "wa_id": named.number.wa_id(), "user_id": named.user_id})
}

/// Where somebody could not be blocked, both lists and an error come with HTTP 400.
fn answer(name: &str, done: Vec<Value>, failed: Vec<Value>) -> Response {
    let mut lists = Map::new();
    lists.insert(name.to_owned(), Value::Array(done));
    if failed.is_empty() {
        return ok(&json!({"messaging_product": "whatsapp", "block_users": lists}));
    }
    lists.insert("failed_users".to_owned(), Value::Array(failed));
    let error = GraphError::coded(
        139_100,
        "(#139100) Failed to block/unblock some users",
        "block_users.failed_users says for whom it failed, and why; for the others it was done.",
    );
    let body = json!({"messaging_product": "whatsapp", "block_users": lists, "error": error.into_object()});
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

fn failure(input: &str, (code, message, details): &Reason) -> Value {
    json!({"input": input, "errors": [{
        "code": code, "message": format!("(#{code}) {message}"), "error_data": {"messaging_product": "whatsapp", "details": details},
    }]})
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
