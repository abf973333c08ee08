//! Templates.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{list, object, of, page, text, text_of, whole, word},
};

pub(super) fn operations() -> Vec<Operation> {
    let body = json!({"type": "BODY", "text": "Hello {{1}}, your order is on its way.", "example": {"body_text": [["Ana"]]}});
    let template = json!({
        "name": "order_sent", "language": "en_US", "category": "UTILITY",
        "components": [body, {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Later"}]}],
    });
    let change = json!({"components": [{"type": "BODY", "text": "It is there, {{1}}.", "example": {"body_text": [["Ana"]]}}]});
    let mut kept = template.clone();
    kept["id"] = json!("1407680676729941");
    kept["status"] = json!("APPROVED");
    kept["parameter_format"] = json!("POSITIONAL");
    let login = json!({
        "name": "login", "category": "AUTHENTICATION", "languages": ["en_US", "pl"],
        "components": [{"type": "BODY", "add_security_recommendation": true}, {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]}],
    });
    let made = json!({"id": "1407680676729941", "status": "APPROVED", "category": "UTILITY"});
    vec![
        Operation::get("/{account_id}/message_templates", "listTemplates", "List the templates")
            .query("name", text(), "Whose name has this in it.")
            .query("language", text(), "Of this language.")
            .query("category", text(), "Of this category.")
            .query("status", text(), "With this status.")
            .query("fields", text(), "The members to answer with.")
            .query("limit", whole(1, 1000), "How many at a time.")
            .query("after", text(), "From where to go on.")
            .query("before", text(), "Up to where.")
            .answers(page(&of("Template")), [("templates", json!({"data": [kept.clone()]}))]),
        Operation::post("/{account_id}/message_templates", "createTemplate", "Create a template")
            .text("Approved at once: nobody reviews it here.")
            .json(of("TemplateCreate"), [("template", template)])
            .answers(of("TemplateMade"), [("created", made.clone())]),
        Operation::delete("/{account_id}/message_templates", "deleteTemplate", "Delete a template")
            .needs("name", text_of(512), "All languages of it.")
            .query("hsm_id", text(), "Only this one.")
            .succeeds(),
        Operation::post(
            "/{account_id}/upsert_message_templates",
            "upsertTemplates",
            "Create or change authentication templates, one for each language",
        )
        .json(of("TemplateUpsert"), [("login", login)])
        .answers(page(&of("TemplateMade")), [("made", json!({"data": [made]}))]),
        Operation::post("/{account_id}/message_templates/archive", "archiveTemplates", "Put templates away")
            .json(of("TemplateIds"), [("one", json!({"hsm_ids": ["1407680676729941"]}))])
            .answers(
                json!({"type": "object"}),
                [("done", json!({"archived_templates": ["1407680676729941"]}))],
            ),
        Operation::post(
            "/{account_id}/message_templates/unarchive",
            "unarchiveTemplates",
            "Take them out again",
        )
        .json(of("TemplateIds"), [("one", json!({"hsm_ids": ["1407680676729941"]}))])
        .answers(
            json!({"type": "object"}),
            [("done", json!({"unarchived_templates": ["1407680676729941"]}))],
        ),
        Operation::delete("/{template_id}", "deleteTemplateById", "Delete a template by its id").succeeds(),
        Operation::post("/{template_id}/unpause", "unpauseTemplate", "Let a paused template be sent again").answers(
            object(1, [("success", json!({"type": "boolean"})), ("reason", text())]),
            [("done", json!({"success": true}))],
        ),
        Operation::get("/{template_id}", "getTemplate", "Read a template")
            .query("fields", text(), "The members to answer with.")
            .answers(of("Template"), [("template", kept)]),
        Operation::post("/{template_id}", "updateTemplate", "Change a template")
            .json(of("TemplateUpdate"), [("components", change)])
            .succeeds(),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let component = object(
        1,
        [
            ("type", text()),
            ("format", text()),
            ("text", text()),
            ("example", json!({"type": "object"})),
            ("buttons", list(&json!({"type": "object"}))),
        ],
    );
    let name = json!({"type": "string", "pattern": "^[a-z0-9_]{1,512}$"});
    let category = || word(&["AUTHENTICATION", "MARKETING", "UTILITY"]);
    let ttl = json!({"type": "integer", "minimum": -1, "maximum": 2_592_000});
    let create = object(
        4,
        [
            ("name", name.clone()),
            ("language", text()),
            ("category", category()),
            ("components", list(&component)),
            ("parameter_format", word(&["POSITIONAL", "NAMED"])),
            ("message_send_ttl_seconds", ttl.clone()),
        ],
    );
    let update = object(
        0,
        [
            ("components", list(&component)),
            ("category", category()),
            ("message_send_ttl_seconds", ttl),
        ],
    );
    let template = object(
        1,
        [
            ("id", text()),
            ("name", text()),
            ("language", text()),
            ("category", text()),
            ("status", text()),
            ("components", list(&component)),
            ("parameter_format", text()),
        ],
    );
    let made = object(1, [("id", text()), ("status", text()), ("category", text())]);
    vec![
        ("TemplateCreate", create),
        ("TemplateUpdate", update),
        ("Template", template),
        ("TemplateMade", made),
        (
            "TemplateUpsert",
            object(
                4,
                [
                    ("name", name),
                    ("category", word(&["AUTHENTICATION"])),
                    ("languages", list(&text())),
                    ("components", list(&component)),
                ],
            ),
        ),
        ("TemplateIds", object(1, [("hsm_ids", list(&text()))])),
    ]
}
