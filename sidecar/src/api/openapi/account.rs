//! The account, its numbers, its app.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{object, of, page, text},
};

pub(super) fn operations() -> Vec<Operation> {
    let account = json!({"id": "102290129340398", "name": "Sample Business", "timezone_id": "1"});
    let source = json!({"source": "https://waxseal.dev/source", "license": "AGPL-3.0-only", "version": "0.1.0"});
    let token = json!({"access_token": "670843887433847|…", "token_type": "bearer"});
    vec![
        Operation::get("/{account_id}", "getAccount", "What the account is")
            .query("fields", text(), "The members to answer with.")
            .answers(of("Account"), [("account", account)]),
        Operation::post("/{account_id}", "changeAccount", "Understood and passed over")
            .text("What could be set of an account is declared, or means nothing here.")
            .json(json!({"type": "object"}), [("name", json!({"name": "Sample Business"}))])
            .answers(of("Id"), [("account", json!({"id": "102290129340398"}))]),
        Operation::get(
            "/{account_id}/phone_numbers",
            "listPhoneNumbers",
            "List the numbers that the token admits to",
        )
        .query("fields", text(), "The members to answer with.")
        .answers(
            page(&of("PhoneNumber")),
            [("numbers", json!({"data": [{"id": "106540352242922"}]}))],
        ),
        Operation::post(
            "/{account_id}/phone_numbers",
            "createPhoneNumber",
            "Numbers are declared, not created here",
        )
        .text("Refused with a text that says where: a BusinessPhoneNumber resource, or the file of `waxseal up`.")
        .json(
            json!({"type": "object"}),
            [("number", json!({"cc": "1", "phone_number": "5550123", "verified_name": "Sample"}))],
        )
        .answers(of("Id"), [("never", json!({"id": "106540352242922"}))]),
        Operation::get("/{account_id}/activities", "listActivities", "The account's audit trail")
            .answers(page(&json!({"type": "object"})), [("none", json!({"data": []}))]),
        Operation::get("/oauth/access_token", "getAppToken", "Get a token of the app")
            .needs("grant_type", json!({"const": "client_credentials"}), "How.")
            .needs("client_id", text(), "The app's id.")
            .needs("client_secret", text(), "The app's secret.")
            .open()
            .answers(of("AppToken"), [("token", token)]),
        Operation::get("/source", "getSource", "Where the source of this build is")
            .open()
            .answers(of("Source"), [("source", source)]),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        (
            "Account",
            object(
                1,
                [
                    ("id", text()),
                    ("name", text()),
                    ("timezone_id", text()),
                    ("message_template_namespace", text()),
                ],
            ),
        ),
        ("AppToken", object(2, [("access_token", text()), ("token_type", text())])),
        ("Source", object(3, [("source", text()), ("license", text()), ("version", text())])),
    ]
}
