//! The business profile.

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{OpenApi, ToSchema, openapi::Object};

use super::{
    super::{
        GraphError,
        answer::{Response, ok, success},
        shape::{Fields, Product, Success, one_of, text, texts},
    },
    Answer, Call,
    arguments::Arguments,
    fields::Asked,
    paging::Page,
};
use crate::number::Number;

const DOCUMENT: &str = "profile";

const ABOUT_CHARS: usize = 139;
const ADDRESS_CHARS: usize = 256;
const DESCRIPTION_CHARS: usize = 512;
const EMAIL_CHARS: usize = 128;
/// Texts and how long they may be.
const TEXTS: [(&str, usize); 4] = [
    ("about", ABOUT_CHARS),
    ("address", ADDRESS_CHARS),
    ("description", DESCRIPTION_CHARS),
    ("email", EMAIL_CHARS),
];
const DEFAULT: [&str; 6] = ["about", "address", "description", "email", "websites", "vertical"];
const MAX_WEBSITES: usize = 2;
const MAX_WEBSITE_CHARS: usize = 256;
/// What a business does that has not said it: clients cannot do without the member.
const NO_VERTICAL: &str = "UNDEFINED";

const VERTICALS: [&str; 24] = [
    "UNDEFINED",
    "OTHER",
    "AUTO",
    "BEAUTY",
    "APPAREL",
    "EDU",
    "ENTERTAIN",
    "EVENT_PLAN",
    "FINANCE",
    "GROCERY",
    "GOVT",
    "HOTEL",
    "HEALTH",
    "NONPROFIT",
    "PROF_SERVICES",
    "RETAIL",
    "TRAVEL",
    "RESTAURANT",
    "NOT_A_BIZ",
    "ALCOHOL",
    "ONLINE_GAMBLING",
    "PHYSICAL_GAMBLING",
    "OTC_DRUGS",
    "MATRIMONY_SERVICE",
];

/// What the business says of itself. Absent: not said.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Profile {
    about: Option<String>,
    address: Option<String>,
    description: Option<String>,
    email: Option<String>,
    vertical: Option<String>,
    websites: Vec<String>,
}

/// What consumers see of the business.
#[derive(Serialize, ToSchema)]
#[schema(as = Profile)]
struct Shown {
    messaging_product: Option<Product>,
    #[schema(schema_with = text::<ABOUT_CHARS>)]
    about: Option<String>,
    #[schema(schema_with = text::<ADDRESS_CHARS>)]
    address: Option<String>,
    #[schema(schema_with = text::<DESCRIPTION_CHARS>)]
    description: Option<String>,
    #[schema(schema_with = text::<EMAIL_CHARS>)]
    email: Option<String>,
    #[schema(schema_with = vertical)]
    vertical: Option<String>,
    #[schema(schema_with = texts::<MAX_WEBSITES, MAX_WEBSITE_CHARS>)]
    websites: Option<Vec<String>>,
    /// Consumers are shown no picture.
    profile_picture_url: Option<String>,
}

fn vertical() -> Object {
    one_of(&VERTICALS)
}

#[derive(OpenApi)]
#[openapi(paths(read, write), tags((name = "Profile", description = "What consumers see of the business.")))]
pub(super) struct Described;

/// `/{number}/whatsapp_business_profile`.
pub(super) async fn phone(number: &Number, call: &mut Call<'_>) -> Answer {
    if !call.rest().is_empty() {
        return Ok(None);
    }
    match *call.method {
        Method::GET | Method::HEAD => read(number, call).map(Some),
        Method::POST => {
            let said = call.arguments().await?;
            write(number, &said).await.map(Some)
        }
        _ => Ok(None),
    }
}

/// Read the profile.
#[utoipa::path(
    get,
    path = "/{phone_number_id}/whatsapp_business_profile",
    operation_id = "getProfile",
    params(Fields),
    responses((status = 200, body = Page<Shown>, examples(("profile" = (value = json!({"data": [{
        "messaging_product": "whatsapp", "about": "Open from nine to six", "email": "us@example.com", "websites": ["https://example.com/"],
        "vertical": "RETAIL",
    }]}))))))
)]
fn read(number: &Number, call: &Call<'_>) -> Result<Response, GraphError> {
    let profile: Profile = number.book().read(DOCUMENT).unwrap_or_default();
    Ok(ok(&Page::all(vec![shown(profile, call.query("fields"))?])))
}

/// Change the profile.
///
/// What is not said stays; what is empty goes.
#[utoipa::path(
    post,
    path = "/{phone_number_id}/whatsapp_business_profile",
    operation_id = "updateProfile",
    request_body(content = Shown, examples(("profile" = (value = json!({
        "messaging_product": "whatsapp", "about": "Open from nine to six", "email": "us@example.com", "websites": ["https://example.com/"],
        "vertical": "RETAIL",
    }))))),
    responses(Success)
)]
async fn write(number: &Number, said: &Arguments) -> Result<Response, GraphError> {
    said.whatsapp()?;
    let change = number.book().change(DOCUMENT, |profile: &mut Profile| update(profile, said));
    change.await?;
    Ok(success())
}

fn shown(profile: Profile, fields: Option<&str>) -> Result<Value, GraphError> {
    let node = Shown {
        messaging_product: Some(Product::Whatsapp),
        about: profile.about,
        address: profile.address,
        description: profile.description,
        email: profile.email,
        vertical: Some(profile.vertical.unwrap_or_else(|| NO_VERTICAL.to_owned())),
        websites: Some(profile.websites).filter(|websites| !websites.is_empty()),
        profile_picture_url: None,
    };
    let mut shown = Asked::of(fields, &DEFAULT)?.choose(&node, "WhatsAppBusinessProfile")?;
    shown["messaging_product"] = json!(Product::Whatsapp);
    Ok(shown)
}

/// Takes over what is said; what is not said stays, and an empty text takes back what was.
fn update(profile: &mut Profile, said: &Arguments) -> Result<(), GraphError> {
    let said_any = TEXTS
        .iter()
        .map(|(name, _)| *name)
        .chain(["vertical", "websites"])
        .any(|name| said.has(name));
    if said.has("profile_picture_handle") {
        return Err(GraphError::value(
            "profile_picture_handle is not served: there are no resumable uploads, and consumers are shown no picture.",
        ));
    }
    if !said_any {
        return Err(GraphError::missing(
            "One of about, address, description, email, vertical and websites is required.",
        ));
    }
    for (name, chars) in TEXTS {
        let Some(text) = said.bounded(name, chars)? else { continue };
        if name == "about" && text.trim().is_empty() {
            return Err(GraphError::invalid("about must not be empty."));
        }
        if name == "email" && !text.is_empty() && !is_email(&text) {
            return Err(GraphError::invalid("email must be an e-mail address."));
        }
        let place = match name {
            "about" => &mut profile.about,
            "address" => &mut profile.address,
            "description" => &mut profile.description,
            _ => &mut profile.email,
        };
        *place = Some(text).filter(|text| !text.is_empty());
    }
    if let Some(vertical) = said.text("vertical")? {
        let vertical = vertical.to_ascii_uppercase();
        if !vertical.is_empty() && !VERTICALS.contains(&vertical.as_str()) {
            return Err(GraphError::invalid(format!("vertical must be one of {}.", VERTICALS.join(", "))));
        }
        profile.vertical = Some(vertical).filter(|vertical| !vertical.is_empty());
    }
    // pywa takes them back with an empty text.
    if said.value("websites").and_then(Value::as_str) == Some("") {
        profile.websites.clear();
    } else if let Some(websites) = said.list("websites")? {
        profile.websites = self::websites(&websites)?;
    }
    Ok(())
}

fn websites(list: &[Value]) -> Result<Vec<String>, GraphError> {
    if list.len() > MAX_WEBSITES {
        return Err(GraphError::invalid("websites must have at most 2 elements."));
    }
    let website = |website: &Value| {
        let url = website.as_str().unwrap_or_default();
        let is_url = ["http://", "https://"]
            .iter()
            .any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
        match is_url && url.chars().count() <= MAX_WEBSITE_CHARS && !url.contains(char::is_whitespace) {
            true => Ok(url.to_owned()),
            false => Err(GraphError::invalid(
                "Each of websites must be a URL with http:// or https:// of at most 256 characters.",
            )),
        }
    };
    list.iter().filter(|website| website.as_str() != Some("")).map(website).collect()
}

fn is_email(text: &str) -> bool {
    text.split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && host.contains('.') && !host.contains('@') && !text.contains(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(value: &Value) -> Arguments {
        Arguments::new(value.as_object().unwrap().clone())
    }

    #[test]
    fn what_is_said_is_shown_and_the_rest_stays() {
        let mut profile = Profile::default();
        assert_eq!(
            shown(profile.clone(), None).unwrap(),
            json!({"vertical": "UNDEFINED", "messaging_product": "whatsapp"})
        );
        let all = json!({
            "messaging_product": "whatsapp", "about": "Open", "address": "1 Main St", "description": "Shop", "email": "a@b.example",
            "vertical": "retail", "websites": ["https://a.example", ""],
        });
        update(&mut profile, &said(&all)).unwrap();
        update(&mut profile, &said(&json!({"address": "", "about": "Closed"}))).unwrap();
        assert_eq!(
            shown(profile.clone(), None).unwrap(),
            json!({
                "about": "Closed", "description": "Shop", "email": "a@b.example", "vertical": "RETAIL", "websites": ["https://a.example"],
                "messaging_product": "whatsapp",
            })
        );
        assert_eq!(
            shown(profile.clone(), Some("about,profile_picture_url")).unwrap(),
            json!({"about": "Closed", "messaging_product": "whatsapp"})
        );
        assert_eq!(shown(profile.clone(), Some("nonsense")).unwrap_err().code, 100);
    }

    #[test]
    fn what_breaks_a_rule_changes_nothing_of_use() {
        for (wrong, code) in [
            (json!({}), 131_008),
            (json!({"about": "x".repeat(140)}), 100),
            (json!({"about": " "}), 100),
            (json!({"address": "x".repeat(257)}), 100),
            (json!({"description": "x".repeat(513)}), 100),
            (json!({"email": "x"}), 100),
            (json!({"email": format!("{}@b.example", "x".repeat(128))}), 100),
            (json!({"vertical": "SPACE"}), 100),
            (json!({"websites": ["https://a", "https://b", "https://c"]}), 100),
            (json!({"websites": ["ftp://a"]}), 100),
            (json!({"websites": [7]}), 100),
            (json!({"websites": "https://a"}), 100),
            (json!({"about": {"a": 1}}), 100),
            (json!({"profile_picture_handle": "4::x"}), 131_009),
        ] {
            assert_eq!(update(&mut Profile::default(), &said(&wrong)).unwrap_err().code, code, "{wrong}");
        }
    }
}
