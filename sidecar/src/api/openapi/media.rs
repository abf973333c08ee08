//! Files.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{object, of, text, whole},
};

const UPLOAD: &str = "\
The file is a part named `file` with its `Content-Type`; parts and query members come in any order, `messaging_product` also in the query. What \
the file is has to agree with its type (131053). The id is good for 30 days or the number's retention time, whichever is less, and for this \
number only.";

pub(super) fn operations() -> Vec<Operation> {
    let found = json!({
        "messaging_product": "whatsapp",
        "url": "https://graph.facebook.com/media/AbCdEf",
        "mime_type": "image/png",
        "sha256": "0c2b…",
        "file_size": "70",
        "id": "1013859600285441",
    });
    let number = || json!({"type": "string", "pattern": "^[0-9]{1,20}$"});
    vec![
        Operation::post("/{phone_number_id}/media", "uploadMedia", "Upload a file")
            .text(UPLOAD)
            .multipart(of("Upload"))
            .answers(of("Id"), [("uploaded", json!({"id": "1013859600285441"}))]),
        Operation::get("/{media_id}", "getMedia", "Look a file up")
            .text("The address is good for five minutes and needs the token; `Range` is served.")
            .query("phone_number_id", number(), "Whose file it has to be.")
            .answers(of("MediaUrl"), [("found", found)]),
        Operation::delete("/{media_id}", "deleteMedia", "Delete a file")
            .query("phone_number_id", number(), "Whose file it has to be.")
            .succeeds(),
        Operation::get("/media/{ticket}", "downloadMedia", "Fetch a file")
            .text("The address that the lookup or a webhook gave. 404 when its time is over.")
            .header("Range", text(), "A part of the file, as `bytes=0-99`.")
            .answers_file(),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let upload = object(
        2,
        [
            ("file", json!({"type": "string", "format": "binary"})),
            ("messaging_product", json!({"const": "whatsapp"})),
            (
                "type",
                json!({"type": "string", "description": "The type, where the part has none."}),
            ),
            ("ttl_minutes", whole(60, 43_200)),
        ],
    );
    let url = object(
        5,
        [
            ("messaging_product", json!({"const": "whatsapp"})),
            ("url", json!({"type": "string", "format": "uri"})),
            ("mime_type", text()),
            ("sha256", text()),
            ("id", text()),
            ("file_size", json!({"type": ["integer", "string"]})),
        ],
    );
    vec![("Upload", upload), ("Id", object(1, [("id", text())])), ("MediaUrl", url)]
}
