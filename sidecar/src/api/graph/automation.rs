//! Conversational automation, and what is kept as the business says it: commerce settings, compliance information, the public key of its flows,
//! its username. Nothing here acts on it but clients that read it back.

mod kept;
pub(super) mod username;

use http::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use utoipa::{
    OpenApi, PartialSchema as _, ToSchema,
    openapi::{ArrayBuilder, schema::Schema},
};

use super::{
    super::{
        GraphError,
        answer::{Response, ok, success},
        shape::{Fields, Success, text, texts},
    },
    Answer, Call,
    arguments::Arguments,
    fields::Asked,
    paging::Page,
    unserved,
};
use crate::number::Number;

pub(in crate::api) use self::username::username;

const CONVERSATION: &str = "conversational-automation";
const COMMERCE: &str = "commerce-settings";

const MAX_PROMPTS: usize = 4;
const PROMPT_CHARS: usize = 80;
const MAX_COMMANDS: usize = 30;
const COMMAND_CHARS: usize = 32;
const HINT_CHARS: usize = 256;

#[derive(OpenApi)]
#[openapi(
    paths(
        set_conversation,
        get_conversation,
        commerce,
        set_commerce,
        username::read,
        username::set,
        username::delete,
        username::suggestions,
        kept::compliance,
        kept::set_compliance,
        kept::official,
        kept::ask_official,
        kept::encryption,
        kept::set_encryption,
    ),
    tags((name = "Automation", description = "Prompts, commands, and what is kept as it is said."))
)]
pub(super) struct Described;

/// `/{number}/…`, every edge that is no other area's.
pub(super) async fn phone(number: &Number, call: &mut Call<'_>) -> Answer {
    let Some(edge) = call.edge() else { return Ok(None) };
    if !call.rest().is_empty() {
        return Ok(None);
    }
    let answer = match (edge, call.method.clone()) {
        ("conversational_automation", Method::GET) => get_conversation(number),
        ("conversational_automation", Method::POST) => set_conversation(number, &call.arguments().await?).await?,
        ("whatsapp_commerce_settings", Method::GET) => commerce(number, call)?,
        ("whatsapp_commerce_settings", Method::POST) => set_commerce(number, &call.arguments().await?).await?,
        ("business_compliance_info", Method::GET) => kept::compliance(number),
        ("business_compliance_info", Method::POST) => kept::set_compliance(number, &call.arguments().await?).await?,
        ("official_business_account", Method::GET) => kept::official(number),
        ("official_business_account", Method::POST) => kept::ask_official(number, &call.arguments().await?).await?,
        ("whatsapp_business_encryption", Method::GET) => kept::encryption(number),
        ("whatsapp_business_encryption", Method::POST) => kept::set_encryption(number, &call.arguments().await?).await?,
        ("username", Method::GET) => username::read(number)?,
        ("username", Method::POST) => username::set(number, &call.arguments().await?).await?,
        ("username", Method::DELETE) => username::delete(number).await?,
        ("username_suggestions", Method::GET) => username::suggestions(),
        (
            "conversational_automation"
            | "whatsapp_commerce_settings"
            | "business_compliance_info"
            | "official_business_account"
            | "whatsapp_business_encryption"
            | "username"
            | "username_suggestions",
            _,
        ) => return Ok(None),
        _ => return Err(unserved::edge(edge)),
    };
    Ok(Some(answer))
}

fn read<T: DeserializeOwned + Default>(number: &Number, document: &str) -> T {
    number.book().read(document).unwrap_or_default()
}

/// What greets consumers, as it is kept.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Conversation {
    enable_welcome_message: bool,
    prompts: Vec<String>,
    commands: Vec<Command>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
struct Command {
    #[schema(schema_with = text::<COMMAND_CHARS>)]
    command_name: String,
    #[schema(schema_with = text::<HINT_CHARS>)]
    command_description: String,
}

/// What greets consumers.
#[derive(Serialize, ToSchema)]
pub(in crate::api) struct Automation {
    enable_welcome_message: Option<bool>,
    #[schema(schema_with = texts::<MAX_PROMPTS, PROMPT_CHARS>)]
    prompts: Option<Vec<String>>,
    #[schema(schema_with = some_commands)]
    commands: Option<Vec<Command>>,
    /// The number's.
    id: Option<String>,
}

fn some_commands() -> Schema {
    ArrayBuilder::new().items(Command::schema()).max_items(Some(MAX_COMMANDS)).into()
}

/// The value of the node's field.
pub(in crate::api) fn conversation(number: &Number) -> Automation {
    let kept: Conversation = read(number, CONVERSATION);
    Automation {
        enable_welcome_message: Some(kept.enable_welcome_message),
        prompts: Some(kept.prompts),
        commands: Some(kept.commands),
        id: Some(number.id().to_owned()),
    }
}

/// Read what greets consumers.
#[utoipa::path(
    get,
    path = "/{phone_number_id}/conversational_automation",
    operation_id = "getAutomation",
    responses((status = 200, body = Automation, examples(("automation" = (value = json!({
        "enable_welcome_message": true,
        "prompts": ["Opening hours?"],
        "commands": [{"command_name": "help", "command_description": "What can be asked"}],
        "id": "106540352242922",
    }))))))
)]
fn get_conversation(number: &Number) -> Response {
    ok(&conversation(number))
}

/// Welcome message, prompts, commands.
///
/// Read back with `fields=conversational_automation` of the number.
#[utoipa::path(
    post,
    path = "/{phone_number_id}/conversational_automation",
    operation_id = "updateAutomation",
    request_body(content = Automation, examples(("automation" = (value = json!({
        "enable_welcome_message": true,
        "prompts": ["Opening hours?"],
        "commands": [{"command_name": "help", "command_description": "What can be asked"}],
    }))))),
    responses(Success)
)]
async fn set_conversation(number: &Number, said: &Arguments) -> Result<Response, GraphError> {
    let welcome = said.flag("enable_welcome_message")?;
    let prompts = said.list("prompts")?.as_deref().map(prompts).transpose()?;
    let commands = said.list("commands")?.as_deref().map(commands).transpose()?;
    if welcome.is_none() && prompts.is_none() && commands.is_none() {
        return Err(GraphError::missing(
            "One of enable_welcome_message, prompts and commands is required.",
        ));
    }
    let change = number.book().change(CONVERSATION, |kept: &mut Conversation| {
        kept.enable_welcome_message = welcome.unwrap_or(kept.enable_welcome_message);
        kept.prompts = prompts.unwrap_or_else(|| std::mem::take(&mut kept.prompts));
        kept.commands = commands.unwrap_or_else(|| std::mem::take(&mut kept.commands));
        Ok::<_, GraphError>(())
    });
    change.await?;
    Ok(success())
}

fn prompts(list: &[Value]) -> Result<Vec<String>, GraphError> {
    if list.len() > MAX_PROMPTS {
        return Err(GraphError::invalid(format!("prompts must have at most {MAX_PROMPTS} elements.")));
    }
    list.iter()
        .map(|prompt| match prompt.as_str().map(str::trim) {
            Some(text) if (1..=PROMPT_CHARS).contains(&text.chars().count()) => Ok(text.to_owned()),
            _ => Err(GraphError::invalid(format!(
                "Each of prompts must be a string of 1 to {PROMPT_CHARS} characters."
            ))),
        })
        .collect()
}

fn commands(list: &[Value]) -> Result<Vec<Command>, GraphError> {
    if list.len() > MAX_COMMANDS {
        return Err(GraphError::invalid(format!("commands must have at most {MAX_COMMANDS} elements.")));
    }
    let text = |command: &Value, name: &str, chars: usize| {
        let text = command.get(name).and_then(Value::as_str).map(str::trim).unwrap_or_default();
        match (1..=chars).contains(&text.chars().count()) {
            true => Ok(text.to_owned()),
            false => Err(GraphError::invalid(format!(
                "Each of commands must have a {name} of 1 to {chars} characters."
            ))),
        }
    };
    list.iter()
        .map(|command| {
            Ok(Command {
                command_name: text(command, "command_name", COMMAND_CHARS)?.trim_start_matches('/').to_owned(),
                command_description: text(command, "command_description", HINT_CHARS)?,
            })
        })
        .collect()
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
struct Commerce {
    is_cart_enabled: bool,
    is_catalog_visible: bool,
}

impl Default for Commerce {
    fn default() -> Self {
        Self {
            is_cart_enabled: true,
            is_catalog_visible: false,
        }
    }
}

/// What consumers see of a catalogue; there are none here.
#[derive(Serialize, ToSchema)]
struct CommerceSettings {
    is_cart_enabled: Option<bool>,
    is_catalog_visible: Option<bool>,
    // pywa asks for it.
    /// Never there.
    catalog_id: Option<String>,
    /// The number's.
    id: Option<String>,
}

/// Read the commerce settings.
#[utoipa::path(
    get,
    path = "/{phone_number_id}/whatsapp_commerce_settings",
    operation_id = "getCommerceSettings",
    params(Fields),
    responses((status = 200, body = Page<CommerceSettings>, examples(("settings" = (value = json!({
        "data": [{"id": "106540352242922", "is_catalog_visible": true, "is_cart_enabled": false}],
    }))))))
)]
fn commerce(number: &Number, call: &Call<'_>) -> Result<Response, GraphError> {
    let kept: Commerce = read(number, COMMERCE);
    let settings = CommerceSettings {
        is_cart_enabled: Some(kept.is_cart_enabled),
        is_catalog_visible: Some(kept.is_catalog_visible),
        catalog_id: None,
        id: Some(number.id().to_owned()),
    };
    let asked = Asked::of(call.query("fields"), &["is_cart_enabled", "is_catalog_visible"])?;
    Ok(ok(&Page::all(vec![asked.choose(&settings, "WhatsAppCommerceSettings")?])))
}

/// Change the commerce settings.
#[utoipa::path(
    post,
    path = "/{phone_number_id}/whatsapp_commerce_settings",
    operation_id = "updateCommerceSettings",
    request_body(content = CommerceSettings, examples(
        ("settings" = (value = json!({"is_catalog_visible": true, "is_cart_enabled": false})))
    )),
    responses(Success)
)]
async fn set_commerce(number: &Number, said: &Arguments) -> Result<Response, GraphError> {
    let (cart, catalog) = (said.flag("is_cart_enabled")?, said.flag("is_catalog_visible")?);
    if cart.is_none() && catalog.is_none() {
        return Err(GraphError::missing("One of is_cart_enabled and is_catalog_visible is required."));
    }
    let change = number.book().change(COMMERCE, |kept: &mut Commerce| {
        kept.is_cart_enabled = cart.unwrap_or(kept.is_cart_enabled);
        kept.is_catalog_visible = catalog.unwrap_or(kept.is_catalog_visible);
        Ok::<_, GraphError>(())
    });
    change.await?;
    Ok(success())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn prompts_and_commands_have_bounds() {
        assert_eq!(prompts(&[json!(" Hello ")]).unwrap(), ["Hello"]);
        for wrong in [
            vec![json!("")],
            vec![json!("x".repeat(81))],
            vec![json!(1)],
            vec![json!("a"), json!("b"), json!("c"), json!("d"), json!("e")],
        ] {
            assert_eq!(prompts(&wrong).unwrap_err().code, 100);
        }
        let command = |name: &str, description: &str| json!({"command_name": name, "command_description": description});
        let read = commands(&[command("/help", "Shows help")]).unwrap();
        assert_eq!(read[0].command_name, "help");
        for wrong in [
            vec![json!("help")],
            vec![command("", "x")],
            vec![command(&"x".repeat(33), "x")],
            vec![command("x", &"x".repeat(257))],
            vec![command("x", "y"); 31],
        ] {
            assert_eq!(commands(&wrong).unwrap_err().code, 100);
        }
    }
}
