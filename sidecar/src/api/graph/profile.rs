//! The business profile.

use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{OpenApi, ToSchema, openapi::Object};

use super::{
    super::{
        GraphError,
        answer::{Body, Response, ok, success},
        shape::{Fields, File, Product, Success, one_of, text, texts},
    },
    Answer, Call,
    arguments::Arguments,
    fields::Asked,
    media::{self, Direction},
    paging::Page,
};
use crate::{
    file::Refusal,
    number::{
        Number,
        picture::{Error, Picture},
        signed::Thing,
    },
};

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
const DEFAULT: [&str; 7] = [
    "about",
    "address",
    "description",
    "email",
    "profile_picture_url",
    "websites",
    "vertical",
];
/// How long the address of the picture is good.
const PICTURE_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
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
    picture: Option<Picture>,
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
#[openapi(paths(read, write, picture), tags((name = "Profile", description = "What consumers see of the business.")))]
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
    let picture_url = profile.picture.as_ref().map(|picture| address(number, picture, call));
    Ok(ok(&Page::all(vec![shown(profile, picture_url, call.query("fields"))?])))
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
    match said.text("profile_picture_handle")? {
        None => change(number, said, None).await?,
        Some(handle) => change_picture(number, said, handle.trim()).await?,
    }
    Ok(success())
}

/// Changes what is said, and the picture, if another one is given or none.
async fn change(number: &Number, said: &Arguments, picture: Option<Option<&Picture>>) -> Result<(), GraphError> {
    let change = number.book().change(DOCUMENT, |profile: &mut Profile| {
        update(profile, said)?;
        if let Some(picture) = picture {
            profile.picture = picture.cloned();
        }
        Ok::<_, GraphError>(())
    });
    change.await
}

async fn change_picture(number: &Number, said: &Arguments, handle: &str) -> Result<(), GraphError> {
    let refused = |refusal| match refusal {
        Refusal::NotFound => GraphError::value("profile_picture_handle names no upload of this phone number, or its time is over."),
        refusal => media::refused(refusal, Direction::In),
    };
    // Nothing is fetched for what is refused anyway.
    update(&mut Profile::default(), said)?;
    let _turn = number.picture_turn().await.map_err(refused)?;
    let picture = match handle {
        "" => None,
        handle => Some(number.keep_picture(handle, SystemTime::now()).await.map_err(|error| match error {
            Error::File(refusal) => refused(refusal),
            Error::Book(error) => error.into(),
        })?),
    };
    change(number, said, Some(picture.as_ref())).await?;
    // What cannot be removed now is removed with the next one.
    if let Err(error) = number.forget_pictures(picture.as_ref()).await {
        tracing::warn!(%error, "the picture that the profile had before could not be removed");
    }
    Ok(())
}

/// Where the picture is had, without a token.
fn address(number: &Number, picture: &Picture, call: &Call<'_>) -> String {
    let base = call.base(number.surface().api_url.as_deref());
    let query = number.signed(Thing::Picture, &picture.name, PICTURE_LIFETIME, SystemTime::now());
    format!("{base}/profile_pictures/{}?{query}", picture.name)
}

/// Fetch the picture of a profile.
///
/// The address that the profile gave. 404 when its time is over.
// Nobody has looked at a token; the signature is as good.
#[utoipa::path(
    get,
    path = "/profile_pictures/{ticket}",
    operation_id = "downloadProfilePicture",
    security(()),
    responses((status = 200, body = inline(File), content_type = "*/*"))
)]
pub(super) fn picture(numbers: &[&Number], call: &Call<'_>) -> Option<Response> {
    if !matches!(*call.method, Method::GET | Method::HEAD) || !call.rest().is_empty() {
        return None;
    }
    let name = call.edge()?;
    let owner = call.query("phone_number_id")?;
    let number = numbers.iter().find(|number| number.id() == owner)?;
    let (expires, signature) = (call.query("expires")?, call.query("signature")?);
    if !number.is_signed(Thing::Picture, name, expires, signature, SystemTime::now()) {
        return None;
    }
    let profile: Profile = number.book().read(DOCUMENT)?;
    let picture = profile.picture.filter(|picture| picture.name == name)?;
    let mut response = Response::new(Body::from(number.picture(&picture)?));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_str(&picture.mime_type).ok()?);
    for (name, value) in [
        (header::CACHE_CONTROL, "private, no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Some(response)
}

fn shown(profile: Profile, picture_url: Option<String>, fields: Option<&str>) -> Result<Value, GraphError> {
    let node = Shown {
        messaging_product: Some(Product::Whatsapp),
        about: profile.about,
        address: profile.address,
        description: profile.description,
        email: profile.email,
        vertical: Some(profile.vertical.unwrap_or_else(|| NO_VERTICAL.to_owned())),
        websites: Some(profile.websites).filter(|websites| !websites.is_empty()),
        profile_picture_url: picture_url,
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
        .chain(["vertical", "websites", "profile_picture_handle"])
        .any(|name| said.has(name));
    if !said_any {
        return Err(GraphError::missing(
            "One of about, address, description, email, profile_picture_handle, vertical and websites is required.",
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
            shown(profile.clone(), None, None).unwrap(),
            json!({"vertical": "UNDEFINED", "messaging_product": "whatsapp"})
        );
        let all = json!({
            "messaging_product": "whatsapp", "about": "Open", "address": "1 Main St", "description": "Shop", "email": "a@b.example",
            "vertical": "retail", "websites": ["https://a.example", ""],
        });
        update(&mut profile, &said(&all)).unwrap();
        update(&mut profile, &said(&json!({"address": "", "about": "Closed"}))).unwrap();
        assert_eq!(
            shown(profile.clone(), None, None).unwrap(),
            json!({
                "about": "Closed", "description": "Shop", "email": "a@b.example", "vertical": "RETAIL", "websites": ["https://a.example"],
                "messaging_product": "whatsapp",
            })
        );
        assert_eq!(
            shown(profile.clone(), None, Some("about,profile_picture_url")).unwrap(),
            json!({"about": "Closed", "messaging_product": "whatsapp"})
        );
        assert_eq!(shown(profile.clone(), None, Some("nonsense")).unwrap_err().code, 100);
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
        ] {
            assert_eq!(update(&mut Profile::default(), &said(&wrong)).unwrap_err().code, code, "{wrong}");
        }
    }
}
