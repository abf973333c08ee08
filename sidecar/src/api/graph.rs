//! Everything the port serves besides `POST /{number}/messages`.
//!
//! Purpose: finds out what the first id of a path names (a number, its account, its app, or an object of a number), who may ask, and which
//! area answers. Each area is a file below and knows one concern; it gets the number itself and the [`Call`].
//!
//! May touch: the numbers it is given. Must not: log or repeat in an error what a request said.

mod account;
mod app;
mod arguments;
pub(super) mod automation;
mod block;
mod call;
pub(super) mod fields;
mod flows;
mod history;
pub(super) mod media;
mod paging;
pub(super) mod phone;
mod profile;
mod qr;
mod registration;
mod settings;
mod subscriptions;
mod templates;
mod unserved;
mod uploads;

pub(super) use self::app::source;
pub(super) use self::call::{BrokenOff, Call, Unread};

use http::Method;
use utoipa::{OpenApi as _, openapi::OpenApi};

use super::{GraphError, answer::Response};
use crate::number::Number;

/// What the areas serve, in the order in which a reader is shown it.
pub(super) fn described() -> [OpenApi; 15] {
    [
        media::Described::openapi(),
        uploads::Described::openapi(),
        templates::Described::openapi(),
        flows::Described::openapi(),
        history::Described::openapi(),
        phone::Described::openapi(),
        registration::Described::openapi(),
        settings::Described::openapi(),
        profile::Described::openapi(),
        qr::Described::openapi(),
        block::Described::openapi(),
        automation::Described::openapi(),
        subscriptions::Described::openapi(),
        account::Described::openapi(),
        app::Described::openapi(),
    ]
}

/// What an area has to say: an answer, an error, or `None` when it serves no such operation.
type Answer = Result<Option<Response>, GraphError>;

/// Whom a call is for.
pub(super) enum Target<'a> {
    /// A number, by its id.
    Phone(&'a Number),
    /// An account: its numbers that the token admits to, at least one.
    Account(Vec<&'a Number>),
    /// An app: its numbers, at least one. Nobody has looked at a token yet.
    App(Vec<&'a Number>),
    /// Some object, by its id: it may belong to any of the numbers that the token admits to, at least one.
    Object(&'a str, Vec<&'a Number>),
    /// A path that starts with a word: `oauth`, `media`, `debug_token`, `qr`, `flow_assets`, `profile_pictures`, `upload:…`. All numbers, and nobody has looked at a token yet; but for `media`,
    /// which gets the numbers that the token admits to.
    Word(&'a str, Vec<&'a Number>),
}

/// Answers a call.
///
/// # Errors
/// The Graph error to answer with.
pub(super) async fn answer(target: Target<'_>, call: &mut Call<'_>) -> Result<Response, GraphError> {
    // In a box: what all the areas do, one within the other, is too deep a type for the compiler.
    Box::pin(dispatch(target, call)).await
}

async fn dispatch(target: Target<'_>, call: &mut Call<'_>) -> Result<Response, GraphError> {
    let answered = match &target {
        Target::Phone(number) => phone_edge(number, call).await?,
        Target::Account(numbers) => match call.edge() {
            Some("subscribed_apps") => subscriptions::account(numbers, call).await?,
            Some("message_templates" | "upsert_message_templates" | "migrate_message_templates") => {
                templates::account(numbers, call).await?
            }
            Some("flows" | "migrate_flows") => flows::account(numbers, call).await?,
            _ => account::account(numbers, call).await?,
        },
        Target::App(numbers) => match call.edge() {
            Some("subscriptions") => subscriptions::app(numbers, call).await?,
            Some("uploads") => uploads::app(numbers, call).await?,
            _ => app::app(numbers, call).await?,
        },
        Target::Object(id, numbers) => object(id, numbers, call).await?,
        Target::Word(word, numbers) => match *word {
            "media" => media::download(numbers, call).await?,
            "profile_pictures" => Some(profile::picture(numbers, call).ok_or_else(GraphError::expired_address)?),
            "flow_assets" => Some(flows::asset(numbers, call).ok_or_else(GraphError::expired_address)?),
            "qr" => qr::picture(numbers, call),
            word if word.starts_with("upload") => uploads::session(word, numbers, call).await?,
            _ => app::word(word, numbers, call).await?,
        },
    };
    answered.ok_or_else(|| match &target {
        Target::Object(..) => unserved::object(call.edge(), call.method),
        _ => GraphError::unsupported_object(call.method),
    })
}

/// The refusal of a path that begins with no id, by what follows its first word: ids of groups are none.
pub(super) fn unknown(rest: &[&str]) -> GraphError {
    rest.first().map_or_else(GraphError::unknown_path, |edge| unserved::edge(edge))
}

async fn phone_edge(number: &Number, call: &mut Call<'_>) -> Answer {
    match call.edge() {
        None => match *call.method {
            Method::POST => phone::update(number, call).await,
            _ => phone::node(number, call).await,
        },
        Some("media") => media::phone(number, call).await,
        Some("register" | "deregister" | "request_code" | "verify_code") => registration::phone(number, call).await,
        Some("settings") => settings::phone(number, call).await,
        Some("whatsapp_business_profile") => profile::phone(number, call).await,
        Some("message_qrdls") => qr::phone(number, call).await,
        Some("block_users") => block::phone(number, call).await,
        Some("message_history" | "webhook_dead_letters" | "webhook_replay") => history::phone(number, call).await,
        Some(_) => automation::phone(number, call).await,
    }
}

/// Media, templates, flows and history entries are known by ids of their own.
async fn object(id: &str, numbers: &[&Number], call: &mut Call<'_>) -> Answer {
    if let Some(response) = media::object(id, numbers, call).await? {
        return Ok(Some(response));
    }
    if let Some(response) = templates::object(id, numbers, call).await? {
        return Ok(Some(response));
    }
    if let Some(response) = flows::object(id, numbers, call).await? {
        return Ok(Some(response));
    }
    history::object(id, numbers, call).await
}
