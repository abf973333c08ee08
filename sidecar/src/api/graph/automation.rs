//! Conversational automation, and what is kept as the business says it: commerce settings, compliance information, the public key of its flows,
//! its username. Nothing here acts on it but clients that read it back.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::Method;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    super::{
        GraphError,
        answer::{Response, ok, success},
    },
    Answer, Call,
    arguments::Arguments,
    fields::{self, Member},
    unserved,
};
use crate::number::Number;

/// The largest document kept as it was said.
const MAX_KEPT_BYTES: usize = 16 << 10;

const CONVERSATION: &str = "conversational-automation";
const COMMERCE: &str = "commerce-settings";
const COMPLIANCE: &str = "compliance-info";
const OFFICIAL: &str = "official-account";
const ENCRYPTION: &str = "encryption";
const USERNAME: &str = "username";

/// `/{number}/…`, every edge that is no other area's.
pub(super) async fn phone(number: &Number, call: &mut Call<'_>) -> Answer {
    let Some(edge) = call.edge() else { return Ok(None) };
    if !call.rest().is_empty() {
        return Ok(None);
    }
    match (edge, call.method.clone()) {
        ("conversational_automation", Method::GET) => Ok(Some(ok(&conversation(number)))),
        ("conversational_automation", Method::POST) => {
            let said = call.arguments().await?;
            set_conversation(number, &said).await.map(Some)
        }
        ("whatsapp_commerce_settings", Method::GET) => commerce(number, call).map(Some),
        ("whatsapp_commerce_settings", Method::POST) => {
            let said = call.arguments().await?;
            set_commerce(number, &said).await.map(Some)
        }
        ("business_compliance_info", Method::GET) => Ok(Some(ok(&json!({"data": kept(number, COMPLIANCE)})))),
        ("business_compliance_info", Method::POST) => {
            let said = call.arguments().await?;
            keep(number, COMPLIANCE, &said).await.map(Some)
        }
        ("official_business_account", Method::GET) => {
            let is_unasked = kept(number, OFFICIAL).is_empty();
            let status = if is_unasked { "NOT_STARTED" } else { "PENDING" };
            Ok(Some(ok(&json!({"id": number.id(), "oba_status": status}))))
        }
        ("official_business_account", Method::POST) => {
            let said = call.arguments().await?;
            keep(number, OFFICIAL, &said).await.map(Some)
        }
        ("whatsapp_business_encryption", Method::GET) => Ok(Some(ok(&encryption(number)))),
        ("whatsapp_business_encryption", Method::POST) => {
            let said = call.arguments().await?;
            set_encryption(number, &said).await.map(Some)
        }
        ("username", Method::GET) => match username(number) {
            Some(username) => Ok(Some(ok(&json!({"username": username, "status": "approved"})))),
            None => Err(GraphError::invalid("This phone number has no username.")),
        },
        ("username", Method::POST) => {
            let said = call.arguments().await?;
            set_username(number, &said).await.map(Some)
        }
        ("username", Method::DELETE) => {
            number.book().remove(USERNAME).await?;
            Ok(Some(success()))
        }
        ("username_suggestions", Method::GET) => Ok(Some(ok(&json!({"data": [{"username_suggestions": []}]})))),
        (
            "conversational_automation"
            | "whatsapp_commerce_settings"
            | "business_compliance_info"
            | "official_business_account"
            | "whatsapp_business_encryption"
            | "username"
            | "username_suggestions",
            _,
        ) => Ok(None),
        _ => Err(unserved::edge(edge)),
    }
}

fn read<T: DeserializeOwned + Default>(number: &Number, document: &str) -> T {
    number.book().read(document).unwrap_or_default()
}

/// What greets consumers.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Conversation {
    enable_welcome_message: bool,
    prompts: Vec<String>,
    commands: Vec<Command>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Command {
    command_name: String,
    command_description: String,
}

/// The value of the node's field.
pub(in crate::api) fn conversation(number: &Number) -> Value {
    let mut value = serde_json::to_value(read::<Conversation>(number, CONVERSATION)).unwrap_or_default();
    value["id"] = number.id().into();
    value
}

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
    if list.len() > 4 {
        return Err(GraphError::invalid("prompts must have at most 4 elements."));
    }
    list.iter()
        .map(|prompt| match prompt.as_str().map(str::trim) {
            Some(text) if (1..=80).contains(&text.chars().count()) => Ok(text.to_owned()),
            _ => Err(GraphError::invalid("Each of prompts must be a string of 1 to 80 characters.")),
        })
        .collect()
}

fn commands(list: &[Value]) -> Result<Vec<Command>, GraphError> {
    if list.len() > 30 {
        return Err(GraphError::invalid("commands must have at most 30 elements."));
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
                command_name: text(command, "command_name", 32)?.trim_start_matches('/').to_owned(),
                command_description: text(command, "command_description", 256)?,
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

fn commerce(number: &Number, call: &Call<'_>) -> Result<Response, GraphError> {
    let kept: Commerce = read(number, COMMERCE);
    let default = ["is_cart_enabled", "is_catalog_visible"];
    let id = Some(number.id());
    let settings = fields::node(
        call.query("fields"),
        &default,
        "WhatsAppCommerceSettings",
        id,
        |field| match field.name {
            "is_cart_enabled" => Member::Is(kept.is_cart_enabled.into()),
            "is_catalog_visible" => Member::Is(kept.is_catalog_visible.into()),
            // pywa asks for it; there are no catalogues.
            "catalog_id" => Member::Nothing,
            _ => Member::Unknown,
        },
    )?;
    Ok(ok(&json!({"data": [settings]})))
}

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

/// What was said under a name: one object, or none.
fn kept(number: &Number, document: &str) -> Vec<Map<String, Value>> {
    let kept: Map<String, Value> = read(number, document);
    Some(kept).filter(|kept| !kept.is_empty()).into_iter().collect()
}

async fn keep(number: &Number, document: &str, said: &Arguments) -> Result<Response, GraphError> {
    said.whatsapp()?;
    if said.is_empty() {
        return Err(GraphError::missing("The request says nothing."));
    }
    let members = said.members().clone();
    if serde_json::to_vec(&members).map_or(true, |bytes| bytes.len() > MAX_KEPT_BYTES) {
        return Err(GraphError::invalid("The request says more than 16 KiB."));
    }
    let change = number.book().change(document, |kept: &mut Map<String, Value>| {
        kept.extend(members);
        kept.remove("messaging_product");
        Ok::<_, GraphError>(())
    });
    change.await?;
    Ok(success())
}

fn encryption(number: &Number) -> Value {
    match number.book().read::<String>(ENCRYPTION) {
        Some(key) => json!({"data": [{"business_public_key": key, "business_public_key_signature_status": "VALID"}]}),
        None => json!({"data": []}),
    }
}

async fn set_encryption(number: &Number, said: &Arguments) -> Result<Response, GraphError> {
    let key = said.required("business_public_key")?;
    if !is_rsa_2048(&key) {
        return Err(GraphError::invalid(
            "business_public_key must be a 2048-bit RSA public key in PEM (BEGIN PUBLIC KEY).",
        ));
    }
    let change = number.book().change(ENCRYPTION, |kept: &mut String| {
        *kept = key;
        Ok::<_, GraphError>(())
    });
    change.await?;
    Ok(success())
}

/// Whether this is `SubjectPublicKeyInfo` of a 2048-bit RSA key: DER leaves no choice in how its head is written.
fn is_rsa_2048(pem: &str) -> bool {
    const HEAD: [u8; 33] = [
        0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x03, 0x82, 0x01,
        0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00,
    ];
    let body = pem
        .trim()
        .strip_prefix("-----BEGIN PUBLIC KEY-----")
        .and_then(|rest| rest.strip_suffix("-----END PUBLIC KEY-----"));
    let Some(body) = body else { return false };
    let base64: String = body.chars().filter(|char| !char.is_ascii_whitespace()).collect();
    BASE64_STANDARD
        .decode(base64)
        .is_ok_and(|der| der.len() == 294 && der.starts_with(&HEAD) && der[33] & 0x80 != 0)
}

/// The name that stands for the number, if the business has chosen one.
pub(in crate::api) fn username(number: &Number) -> Option<String> {
    number.book().read(USERNAME)
}

pub(super) async fn set_username(number: &Number, said: &Arguments) -> Result<Response, GraphError> {
    let username = said.required("username")?.to_ascii_lowercase();
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_');
    let has_letter = username.bytes().any(|byte| byte.is_ascii_lowercase());
    if !(3..=35).contains(&username.len()) || !username.bytes().all(allowed) || !has_letter {
        return Err(GraphError::invalid(
            "username must be 3 to 35 of a-z, 0-9, period and underscore, with at least one letter.",
        ));
    }
    let change = number.book().change(USERNAME, |kept: &mut String| {
        *kept = username;
        Ok::<_, GraphError>(())
    });
    change.await?;
    Ok(ok(&json!({"status": "approved"})))
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn only_rsa_keys_of_2048_bits_are_taken() {
        let mut der = vec![
            0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x03, 0x82,
            0x01, 0x0f, 0x00, 0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00,
        ];
        der.resize(294, 0xff);
        let pem = |der: &[u8]| {
            format!(
                "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
                BASE64_STANDARD.encode(der)
            )
        };
        assert!(is_rsa_2048(&pem(&der)));
        let mut other = der.clone();
        other[10] ^= 1;
        for wrong in [
            pem(&other),
            pem(&der[..293]),
            pem(&[]),
            "x".to_owned(),
            String::new(),
            pem(&der).replace("PUBLIC", "PRIVATE"),
        ] {
            assert!(!is_rsa_2048(&wrong));
        }
    }
}
