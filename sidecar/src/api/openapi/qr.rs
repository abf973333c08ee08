//! Short links and their QR codes.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{object, of, page, text, text_of, word},
};

pub(super) fn operations() -> Vec<Operation> {
    let code = json!({
        "code": "WAXSEAL1234567",
        "prefilled_message": "Hello",
        "deep_link_url": "https://wa.me/message/WAXSEAL1234567",
        "qr_image_url": "https://graph.facebook.com/media/AbCdEf",
    });
    let changed = json!({"code": "WAXSEAL1234567", "prefilled_message": "Hello again"});
    vec![
        Operation::get("/{phone_number_id}/message_qrdls", "listQrCodes", "List the codes")
            .query(
                "fields",
                text(),
                "The members to answer with; `qr_image_url.format(SVG)` for a drawing.",
            )
            .answers(page(&of("QrCode")), [("codes", json!({"data": [code]}))]),
        Operation::post("/{phone_number_id}/message_qrdls", "writeQrCode", "Make a code, or change one")
            .text("With `code`, the text of that one is changed. Also with the code in the path, and with everything in the query.")
            .json(
                of("QrCodeWrite"),
                [
                    ("new", json!({"prefilled_message": "Hello", "generate_qr_image": "PNG"})),
                    ("change", changed),
                ],
            )
            .answers(of("QrCode"), [("code", code.clone())]),
        Operation::delete(
            "/{phone_number_id}/message_qrdls",
            "deleteQrCodeNamed",
            "Delete the code that is named",
        )
        .needs("code", text(), "The code.")
        .succeeds(),
        Operation::get("/{phone_number_id}/message_qrdls/{code}", "getQrCode", "Read a code")
            .query("fields", text(), "The members to answer with.")
            .answers(page(&of("QrCode")), [("code", json!({"data": [code]}))]),
        Operation::post("/{phone_number_id}/message_qrdls/{code}", "changeQrCode", "Change a code")
            .needs("prefilled_message", text_of(140), "The text.")
            .answers(of("QrCode"), [("code", code)]),
        Operation::delete("/{phone_number_id}/message_qrdls/{code}", "deleteQrCode", "Delete a code").succeeds(),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let code = object(
        1,
        [
            ("code", text()),
            ("prefilled_message", text_of(140)),
            ("deep_link_url", text()),
            ("qr_image_url", text()),
        ],
    );
    let write = object(
        1,
        [
            ("prefilled_message", text_of(140)),
            ("code", text()),
            ("generate_qr_image", word(&["PNG", "SVG"])),
        ],
    );
    vec![("QrCode", code), ("QrCodeWrite", write)]
}
