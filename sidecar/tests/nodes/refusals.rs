//! What every endpoint refuses, and with which words.

use serde_json::{Value, json};

use super::world::{APP, ID, WABA, World};

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_without_repeating_it() {
    let world = World::start().await;
    let secret = "S3cr3tW0rd";
    let long = secret.repeat(40);
    let table: Vec<(&str, String, Value, u64)> = vec![
        ("POST", "/register".to_owned(), json!({}), 131_008),
        ("POST", "/register".to_owned(), json!({"pin": secret}), 100),
        ("POST", "/register".to_owned(), json!({"pin": [secret]}), 100),
        (
            "POST",
            "/register".to_owned(),
            json!({"pin": "123456", "data_localization_region": secret}),
            100,
        ),
        (
            "POST",
            "/register".to_owned(),
            json!({"pin": "123456", "meta_store_retention_minutes": 5}),
            100,
        ),
        (
            "POST",
            "/register".to_owned(),
            json!({"pin": "123456", "messaging_product": secret}),
            100,
        ),
        ("GET", "/register".to_owned(), json!({}), 100),
        (
            "POST",
            "/request_code".to_owned(),
            json!({"code_method": secret, "language": "en"}),
            100,
        ),
        ("POST", "/request_code".to_owned(), json!({"code_method": "SMS"}), 131_008),
        ("POST", "/verify_code".to_owned(), json!({"code": secret}), 100),
        ("POST", "/verify_code".to_owned(), json!({}), 131_008),
        ("POST", String::new(), json!({}), 131_008),
        ("POST", String::new(), json!({"pin": "12345"}), 100),
        ("POST", String::new(), json!({"new_display_name": secret}), 131_009),
        ("POST", String::new(), json!({"search_visibility": secret}), 100),
        ("DELETE", String::new(), json!({}), 131_009),
        ("POST", "/settings".to_owned(), json!({}), 131_008),
        ("POST", "/settings".to_owned(), json!({"storage_configuration": secret}), 100),
        (
            "POST",
            "/settings".to_owned(),
            json!({"storage_configuration": {"status": secret}}),
            100,
        ),
        ("POST", "/settings".to_owned(), json!({"user_identity_change": {}}), 131_008),
        (
            "POST",
            "/settings".to_owned(),
            json!({"user_identity_change": {"enabled": secret}}),
            100,
        ),
        ("POST", "/settings".to_owned(), json!({"calling": {"status": "ENABLED"}}), 131_009),
        (
            "POST",
            "/settings".to_owned(),
            json!({"payload_encryption": {"status": "ENABLED"}}),
            131_009,
        ),
        ("GET", format!("/settings?fields={secret}"), json!({}), 100),
        ("DELETE", "/settings".to_owned(), json!({}), 100),
        ("GET", format!("?fields={secret}"), json!({}), 100),
        ("POST", "/whatsapp_business_profile".to_owned(), json!({}), 131_008),
        ("POST", "/whatsapp_business_profile".to_owned(), json!({"about": long}), 100),
        ("POST", "/whatsapp_business_profile".to_owned(), json!({"email": secret}), 100),
        ("POST", "/whatsapp_business_profile".to_owned(), json!({"vertical": secret}), 100),
        ("POST", "/whatsapp_business_profile".to_owned(), json!({"websites": [secret]}), 100),
        ("POST", "/message_qrdls".to_owned(), json!({}), 131_008),
        ("POST", "/message_qrdls".to_owned(), json!({"prefilled_message": " "}), 131_008),
        ("POST", "/message_qrdls".to_owned(), json!({"prefilled_message": long}), 100),
        (
            "POST",
            "/message_qrdls".to_owned(),
            json!({"prefilled_message": "x", "generate_qr_image": secret}),
            100,
        ),
        (
            "POST",
            "/message_qrdls".to_owned(),
            json!({"prefilled_message": "x", "code": secret}),
            131_009,
        ),
        ("GET", "/message_qrdls?limit=none".to_owned(), json!({}), 100),
        ("DELETE", "/message_qrdls".to_owned(), json!({}), 131_008),
        ("POST", "/block_users".to_owned(), json!({}), 131_008),
        ("POST", "/block_users".to_owned(), json!({"block_users": secret}), 100),
        (
            "POST",
            "/block_users".to_owned(),
            json!({"block_users": [{"nobody": secret}]}),
            131_008,
        ),
        ("DELETE", "/block_users".to_owned(), json!({"block_users": []}), 100),
        ("GET", "/block_users?after=%25".to_owned(), json!({}), 100),
        ("POST", "/conversational_automation".to_owned(), json!({}), 131_008),
        ("POST", "/conversational_automation".to_owned(), json!({"prompts": [long]}), 100),
        (
            "POST",
            "/conversational_automation".to_owned(),
            json!({"commands": [{"command_name": secret}]}),
            100,
        ),
        (
            "POST",
            "/conversational_automation".to_owned(),
            json!({"enable_welcome_message": secret}),
            100,
        ),
        ("POST", "/whatsapp_commerce_settings".to_owned(), json!({}), 131_008),
        (
            "POST",
            "/whatsapp_commerce_settings".to_owned(),
            json!({"is_cart_enabled": secret}),
            100,
        ),
        ("POST", "/business_compliance_info".to_owned(), json!({}), 131_008),
        (
            "POST",
            "/business_compliance_info".to_owned(),
            json!({"x": secret.repeat(2000)}),
            100,
        ),
        (
            "POST",
            "/whatsapp_business_encryption".to_owned(),
            json!({"business_public_key": secret}),
            100,
        ),
        ("POST", "/username".to_owned(), json!({"username": "no!"}), 100),
        ("POST", "/calls".to_owned(), json!({"to": secret}), 100),
        ("POST", "/groups".to_owned(), json!({"subject": secret}), 100),
        ("POST", "/messages_encrypted".to_owned(), json!({"encrypted_contents": secret}), 100),
        ("POST", format!("/{secret}"), json!({}), 2500),
    ];
    for (method, edge, body, code) in table {
        let answer = world.call(method, &format!("/v23.0/{ID}{edge}"), Some(&body)).await;
        assert_eq!(answer.error(), (400, code), "{method} {edge} {body}: {answer:?}");
        assert!(!answer.body.to_string().contains(secret), "{method} {edge} repeats what was said");
    }
    for (method, path, code) in [
        ("GET", format!("/{WABA}?fields=nonsense"), 100),
        ("POST", format!("/{WABA}"), 131_008),
        ("DELETE", format!("/{WABA}"), 100),
        ("GET", format!("/{WABA}/assigned_users"), 100),
        ("GET", format!("/{WABA}/nonsense"), 2500),
        ("POST", format!("/{APP}"), 100),
        ("GET", format!("/{APP}/nonsense"), 2500),
        ("GET", "/oauth/nonsense".to_owned(), 2500),
        ("GET", "/debug_token".to_owned(), 131_008),
        ("GET", "/oauth/access_token".to_owned(), 131_008),
    ] {
        let answer = world.call(method, &path, Some(&json!({}))).await;
        assert_eq!(answer.error(), (400, code), "{method} {path}: {answer:?}");
    }
}
