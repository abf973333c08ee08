//! Settings: storage, identity check.
//!
//! Where and how long messages are kept is declared by whoever answers for the data, and what is declared wins: a request that says the same
//! succeeds, any other is refused and told where it is declared.

use http::Method;
use serde::{Deserialize, Serialize};
use utoipa::{
    OpenApi, ToSchema,
    openapi::{Object, ObjectBuilder, Type},
};

use super::{
    super::{
        GraphError,
        answer::{Response, ok, success},
        shape::{Fields, Success, one_of},
    },
    Answer, Call,
    arguments::{Arguments, word},
    fields::Asked,
};
use crate::number::{Number, settings::Storage};

/// The countries that Meta offers local storage in.
const REGIONS: [&str; 14] = ["AU", "ID", "IN", "JP", "SG", "KR", "DE", "CH", "GB", "BR", "BH", "ZA", "AE", "CA"];
/// "No Storage" keeps a message for this long.
const NO_STORAGE_MINUTES: u64 = 60;

const DEFAULT: [&str; 3] = ["storage_configuration", "user_identity_change", "payload_encryption"];
const MEMBERS: [&str; 4] = ["storage_configuration", "user_identity_change", "payload_encryption", "calling"];

/// How the number is set.
#[derive(Serialize, ToSchema)]
struct Settings {
    storage_configuration: Option<StorageConfiguration>,
    user_identity_change: Option<UserIdentityChange>,
    /// Not served: messages are encrypted between this port's own process and the consumer.
    payload_encryption: Option<NotServed>,
    /// Not served: this system carries messages only.
    calling: Option<NotServed>,
}

/// Where and how long messages are kept.
#[derive(Serialize, ToSchema)]
struct StorageConfiguration {
    status: StorageStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = region)]
    data_localization_region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = no_storage_minutes)]
    retention_minutes: Option<u64>,
}

#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum StorageStatus {
    Default,
    InCountryStorageEnabled,
    InCountryStorageDisabled,
    NoStorageEnabled,
    NoStorageDisabled,
}

/// What is done when a consumer's identity key changes.
#[derive(Serialize, ToSchema)]
struct UserIdentityChange {
    /// Webhooks carry the hash of the key, and a send may name the one it is for.
    enable_identity_key_check: bool,
}

#[derive(Serialize, ToSchema)]
struct NotServed {
    status: Disabled,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Disabled {
    Disabled,
}

#[derive(OpenApi)]
#[openapi(paths(read, write), tags((name = "Settings", description = "Storage and identity checks.")))]
pub(super) struct Described;

/// `/{number}/settings`.
pub(super) async fn phone(number: &Number, call: &mut Call<'_>) -> Answer {
    if !call.rest().is_empty() {
        return Ok(None);
    }
    match *call.method {
        Method::GET | Method::HEAD => read(number, call).map(Some),
        Method::POST => {
            let said = call.arguments().await?;
            write(number, &said).await?;
            Ok(Some(success()))
        }
        _ => Ok(None),
    }
}

/// Read storage and identity checks.
#[utoipa::path(
    get,
    path = "/{phone_number_id}/settings",
    operation_id = "getSettings",
    params(Fields),
    responses((status = 200, body = Settings, examples(("default" = (value = json!({
        "storage_configuration": {"status": "DEFAULT"},
        "user_identity_change": {"enable_identity_key_check": false},
        "payload_encryption": {"status": "DISABLED"},
    }))))))
)]
fn read(number: &Number, call: &Call<'_>) -> Result<Response, GraphError> {
    let asked = Asked::of(call.query("fields"), &DEFAULT)?;
    let settings = Settings {
        storage_configuration: Some(storage(number.storage())),
        user_identity_change: Some(UserIdentityChange {
            enable_identity_key_check: number.identity_check(),
        }),
        payload_encryption: Some(NotServed {
            status: Disabled::Disabled,
        }),
        calling: None,
    };
    Ok(ok(&asked.choose(&settings, "WhatsAppBusinessPhoneNumberSettings")?))
}

fn storage(storage: Storage) -> StorageConfiguration {
    let (status, data_localization_region, retention_minutes) = match storage {
        Storage::Default => (StorageStatus::Default, None, None),
        Storage::InCountry(region) => (StorageStatus::InCountryStorageEnabled, Some(region), None),
        Storage::NoStorage { minutes } => (StorageStatus::NoStorageEnabled, None, Some(minutes)),
    };
    StorageConfiguration {
        status,
        data_localization_region,
        retention_minutes,
    }
}

/// Change storage or identity checks.
///
/// Storage is declared by whoever runs this system: what is said of it has to be what is declared, and as at Meta can change only while the number
/// is deregistered.
#[utoipa::path(
    post,
    path = "/{phone_number_id}/settings",
    operation_id = "updateSettings",
    request_body(content = Settings, examples(
        ("identity check" = (value = json!({"user_identity_change": {"enable_identity_key_check": true}}))),
        ("no storage" = (value = json!({"storage_configuration": {"status": "NO_STORAGE_ENABLED", "retention_minutes": 60}}))),
        ("in one country" = (value = json!({
            "storage_configuration": {"status": "IN_COUNTRY_STORAGE_ENABLED", "data_localization_region": "DE"},
        })))
    )),
    responses(Success)
)]
async fn write(number: &Number, said: &Arguments) -> Result<(), GraphError> {
    said.whatsapp()?;
    if !MEMBERS.iter().any(|member| said.has(member)) {
        return Err(GraphError::missing(
            "One of storage_configuration, user_identity_change, payload_encryption and calling is required.",
        ));
    }
    // Everything is looked at before anything is changed.
    if let Some(asked) = said.object("storage_configuration")? {
        check_storage(number, &asked_storage(&asked)?)?;
    }
    refuse_enabled(
        said,
        "payload_encryption",
        "payload_encryption is not served: messages are encrypted between this port's own process and the consumer.",
    )?;
    refuse_enabled(said, "calling", "calling is not served: this system carries messages only.")?;
    if let Some(change) = said.object("user_identity_change")? {
        // The reference and the clients name it differently.
        let on = match change.flag("enable_identity_key_check")? {
            Some(on) => Some(on),
            None => change.flag("enabled")?,
        };
        let on = on.ok_or_else(|| GraphError::missing("user_identity_change.enable_identity_key_check is required."))?;
        number.set_identity_check(on).await?;
    }
    Ok(())
}

/// What is not served may still be said to be off.
fn refuse_enabled(said: &Arguments, name: &str, why: &'static str) -> Result<(), GraphError> {
    let Some(asked) = said.object(name)? else { return Ok(()) };
    match asked.text("status")? {
        Some(status) if status.eq_ignore_ascii_case("DISABLED") => Ok(()),
        _ => Err(GraphError::value(why)),
    }
}

/// Legacy members of `register` that say how messages are kept.
///
/// # Errors
/// When it is said and differs from what is declared.
pub(super) fn check_legacy_storage(number: &Number, said: &Arguments) -> Result<(), GraphError> {
    if let Some(region) = said.text("data_localization_region")? {
        check_storage(number, &Storage::InCountry(region_code("data_localization_region", &region)?))?;
    }
    if let Some(minutes) = said.number("meta_store_retention_minutes")? {
        check_storage(number, &no_storage("meta_store_retention_minutes", Some(minutes))?)?;
    }
    Ok(())
}

fn check_storage(number: &Number, asked: &Storage) -> Result<(), GraphError> {
    let declared = number.storage();
    if *asked == declared {
        return Ok(());
    }
    let rule = "Where and how long messages are kept is declared by the BusinessPhoneNumber resource";
    let place = match (asked, &declared) {
        (Storage::NoStorage { .. }, _) | (_, Storage::NoStorage { .. }) => "spec.retentionPolicyRef",
        _ => "spec.regionRef",
    };
    let when = match number.is_deregistered() {
        true => "",
        false => ", and can change only while the phone number is deregistered",
    };
    Err(GraphError::value(format!(
        "storage_configuration differs from what is declared. {rule} ({place}){when}."
    )))
}

fn asked_storage(asked: &Arguments) -> Result<Storage, GraphError> {
    let Some(status) = asked.text("status")? else {
        // As Meta's published description of the API has it.
        return match (asked.flag("enabled")?, asked.text("region")?) {
            (Some(true), Some(region)) => Ok(Storage::InCountry(region_code("storage_configuration.region", &region)?)),
            (Some(true), None) => Err(GraphError::missing("storage_configuration.region is required.")),
            (Some(false), _) => Ok(Storage::Default),
            (None, _) => Err(GraphError::missing("storage_configuration.status is required.")),
        };
    };
    match word(&status) {
        Some(StorageStatus::Default | StorageStatus::InCountryStorageDisabled | StorageStatus::NoStorageDisabled) => Ok(Storage::Default),
        Some(StorageStatus::InCountryStorageEnabled) => {
            let region = asked.text("data_localization_region")?;
            let region = region.ok_or_else(|| GraphError::missing("storage_configuration.data_localization_region is required."))?;
            if asked.has("retention_minutes") {
                return Err(GraphError::invalid(
                    "storage_configuration cannot have both data_localization_region and retention_minutes.",
                ));
            }
            Ok(Storage::InCountry(region_code(
                "storage_configuration.data_localization_region",
                &region,
            )?))
        }
        Some(StorageStatus::NoStorageEnabled) => {
            if asked.has("data_localization_region") {
                return Err(GraphError::invalid(
                    "storage_configuration cannot have both data_localization_region and retention_minutes.",
                ));
            }
            no_storage("storage_configuration.retention_minutes", asked.number("retention_minutes")?)
        }
        None => Err(GraphError::invalid(
            "storage_configuration.status must be DEFAULT, IN_COUNTRY_STORAGE_ENABLED, IN_COUNTRY_STORAGE_DISABLED or NO_STORAGE_ENABLED.",
        )),
    }
}

fn region_code(member: &str, region: &str) -> Result<String, GraphError> {
    let region = region.to_ascii_uppercase();
    match REGIONS.contains(&region.as_str()) {
        true => Ok(region),
        false => Err(GraphError::invalid(format!("{member} must be one of {}.", REGIONS.join(", ")))),
    }
}

/// How a member that says so many minutes is described.
pub(super) fn no_storage_minutes() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .enum_values(Some([NO_STORAGE_MINUTES]))
        .build()
}

fn region() -> Object {
    one_of(&REGIONS)
}

fn no_storage(member: &str, minutes: Option<i64>) -> Result<Storage, GraphError> {
    match minutes.map(u64::try_from) {
        Some(Ok(NO_STORAGE_MINUTES)) => Ok(Storage::NoStorage {
            minutes: NO_STORAGE_MINUTES,
        }),
        None => Err(GraphError::missing(format!("{member} is required."))),
        Some(_) => Err(GraphError::invalid(format!("{member} must be 60."))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn asked(value: Value) -> Result<Storage, u32> {
        let Value::Object(members) = value else { panic!("an object") };
        asked_storage(&Arguments::new(members)).map_err(|error| error.code)
    }

    #[test]
    fn every_way_to_say_how_messages_are_kept() {
        let in_brazil = || Storage::InCountry("BR".to_owned());
        for (said, expected) in [
            (json!({"status": "DEFAULT"}), Ok(Storage::Default)),
            (json!({"status": "default", "data_localization_region": null}), Ok(Storage::Default)),
            (json!({"status": "IN_COUNTRY_STORAGE_DISABLED"}), Ok(Storage::Default)),
            (
                json!({"status": "IN_COUNTRY_STORAGE_ENABLED", "data_localization_region": "br"}),
                Ok(in_brazil()),
            ),
            (json!({"enabled": true, "region": "BR"}), Ok(in_brazil())),
            (json!({"enabled": false}), Ok(Storage::Default)),
            (
                json!({"status": "NO_STORAGE_ENABLED", "retention_minutes": "60"}),
                Ok(Storage::NoStorage { minutes: 60 }),
            ),
            (json!({"status": "NO_STORAGE_ENABLED", "retention_minutes": 61}), Err(100)),
            (json!({"status": "NO_STORAGE_ENABLED", "retention_minutes": -1}), Err(100)),
            (json!({"status": "NO_STORAGE_ENABLED"}), Err(131_008)),
            (
                json!({"status": "NO_STORAGE_ENABLED", "retention_minutes": 60, "data_localization_region": "BR"}),
                Err(100),
            ),
            (json!({"status": "IN_COUNTRY_STORAGE_ENABLED"}), Err(131_008)),
            (
                json!({"status": "IN_COUNTRY_STORAGE_ENABLED", "data_localization_region": "US"}),
                Err(100),
            ),
            (json!({"status": "SOMEWHERE"}), Err(100)),
            (json!({"status": 3.5}), Err(100)),
            (json!({}), Err(131_008)),
        ] {
            assert_eq!(asked(said.clone()), expected, "{said}");
        }
    }
}
