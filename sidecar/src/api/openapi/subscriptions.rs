//! Where events go.

use serde_json::{Value, json};

use super::{
    operation::Operation,
    schema::{object, of, page, text, text_of},
};

const TARGETS: &str =
    "Events go to the number's own address, else to the account's, else to the app's. Each address is asked first (`hub.challenge`).";

pub(super) fn operations() -> Vec<Operation> {
    let overriding = json!({"override_callback_uri": "https://example.com/hook", "verify_token": "secret"});
    let app = json!({"whatsapp_business_api_data": {"id": "670843887433847", "name": "Waxseal", "link": "https://example.com"}});
    vec![
        Operation::get(
            "/{account_id}/subscribed_apps",
            "listSubscribedApps",
            "List the apps that get the account's events",
        )
        .answers(page(&of("SubscribedApp")), [("apps", json!({"data": [app]}))]),
        Operation::post(
            "/{account_id}/subscribed_apps",
            "subscribeApp",
            "Subscribe, and set or remove the account's address",
        )
        .text(TARGETS)
        .maybe_json(
            of("Override"),
            [("own address", overriding), ("the app's address again", json!({}))],
        )
        .succeeds(),
        Operation::delete("/{account_id}/subscribed_apps", "unsubscribeApp", "Unsubscribe").succeeds(),
        Operation::get("/{app_id}/subscriptions", "getSubscriptions", "Read the app's address")
            .query("access_token", text(), "The app's token.")
            .open()
            .answers(page(&json!({"type": "object"})), [("none", json!({"data": []}))]),
        Operation::delete(
            "/{app_id}/subscriptions",
            "unsubscribe",
            "Remove the app's address, or some of its events",
        )
        .query("fields", text(), "Only these events.")
        .query("access_token", text(), "The app's token.")
        .open()
        .succeeds(),
        Operation::post("/{app_id}/subscriptions", "subscribe", "Set the app's address")
            .text("With the app's token, in the query as well.")
            .needs("object", json!({"const": "whatsapp_business_account"}), "What about.")
            .needs("callback_url", text(), "The address.")
            .needs("verify_token", text(), "What the handshake shows.")
            .query("fields", text(), "Which events.")
            .query("access_token", text(), "The app's token.")
            .open()
            .succeeds(),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let data = object(0, [("id", text()), ("name", text()), ("link", text())]);
    vec![
        (
            "SubscribedApp",
            object(0, [("whatsapp_business_api_data", data), ("override_callback_uri", text())]),
        ),
        (
            "Override",
            object(0, [("override_callback_uri", text_of(200)), ("verify_token", text())]),
        ),
    ]
}
