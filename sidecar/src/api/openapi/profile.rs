//! The business profile.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{object, of, page, text, text_of},
};

pub(super) fn operations() -> Vec<Operation> {
    let profile =
        json!({"about": "Open from nine to six", "email": "us@example.com", "websites": ["https://example.com/"], "vertical": "RETAIL"});
    let mut written = profile.clone();
    written["messaging_product"] = json!("whatsapp");
    let mut read = written.clone();
    read["id"] = json!("106540352242922");
    vec![
        Operation::get("/{phone_number_id}/whatsapp_business_profile", "getProfile", "Read the profile")
            .query(
                "fields",
                json!({"type": "string", "examples": ["about,email"]}),
                "The members to answer with.",
            )
            .answers(page(&of("Profile")), [("profile", json!({"data": [profile]}))]),
        Operation::post(
            "/{phone_number_id}/whatsapp_business_profile",
            "updateProfile",
            "Change the profile",
        )
        .text("What is not said stays; what is empty goes.")
        .json(of("ProfileUpdate"), [("profile", written)])
        .succeeds(),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let members = || {
        object(
            0,
            [
                ("messaging_product", json!({"const": "whatsapp"})),
                ("about", text_of(139)),
                ("address", text_of(256)),
                ("description", text_of(512)),
                ("email", text_of(128)),
                ("websites", json!({"type": "array", "maxItems": 2, "items": text_of(256)})),
                ("vertical", text()),
            ],
        )
    };
    let mut profile = members();
    profile["properties"]["profile_picture_url"] = text();
    profile["properties"]["id"] = text();
    let mut update = members();
    update["properties"]["profile_picture_handle"] = text();
    vec![("Profile", profile), ("ProfileUpdate", update)]
}
