//! Messages made of templates.

use super::*;
use crate::template::{Call, Part, Value as Filling};

pub(super) const TEMPLATE: &str = r#"{"name":"order","language":{"policy":"deterministic","code":"en_US"},"components":[
    {"type":"HEADER","parameters":[{"type":"image","image":{"id":"7"}}]},
    {"type":"body","parameters":[{"type":"text","text":"Ada","parameter_name":"who"},
      {"type":"currency","currency":{"fallback_value":"$1","code":"USD","amount_1000":1000}},
      {"type":"date_time","date_time":{"fallback_value":"today"}}]},
    {"type":"button","sub_type":"QUICK_REPLY","index":"0","parameters":[{"type":"payload","payload":"yes"}]},
    {"type":"button","sub_type":"flow","index":1,"parameters":[{"type":"action","action":{"flow_token":"t"}}]},
    {"type":"button","sub_type":"copy_code","index":2,"parameters":[{"type":"coupon_code","coupon_code":"SAVE"}]},
    {"type":"limited_time_offer","parameters":[{"type":"limited_time_offer","limited_time_offer":{"expiration_time_ms":1750000000000}}]},
    {"type":"carousel","cards":[{"card_index":0,"components":[{"type":"body","parameters":[]}]}]}]}"#;

fn call(member: &str) -> Call {
    match of("template", member).body {
        OutboundBody::Template(call) => *call,
        _ => panic!("no template"),
    }
}

#[test]
fn templates() {
    let call = call(TEMPLATE);
    assert_eq!(
        (call.name.as_str(), call.language.as_str(), call.components.len()),
        ("order", "en_US", 7)
    );
    assert!(matches!(call.components[0].part, Part::Header));
    assert!(matches!(&call.components[0].parameters[0].value, Filling::Media(file) if file.file == File::Id("7".to_owned())));
    assert_eq!(call.components[1].parameters[0].name.as_deref(), Some("who"));
    assert!(matches!(
        &call.components[1].parameters[1].value,
        Filling::Currency { amount_1000: 1000, .. }
    ));
    assert!(matches!(&call.components[1].parameters[2].value, Filling::DateTime { fallback } if fallback.reveal() == "today"));
    assert!(matches!(&call.components[2].part, Part::Button { sub_type, index: 0 } if sub_type == "quick_reply"));
    assert!(matches!(&call.components[2].parameters[0].value, Filling::Payload(payload) if payload.reveal() == "yes"));
    assert!(matches!(&call.components[3].parameters[0].value, Filling::Action(json) if json.reveal() == r#"{"flow_token":"t"}"#));
    assert!(matches!(&call.components[4].parameters[0].value, Filling::CouponCode(code) if code.reveal() == "SAVE"));
    assert!(matches!(
        call.components[5].parameters[0].value,
        Filling::ExpiresAt(1_750_000_000_000)
    ));
    assert!(matches!(&call.components[6].part, Part::Carousel(cards) if cards.len() == 1));
    let long = format!(r#""{}""#, "x".repeat(513));
    mistakes(
        "template",
        TEMPLATE,
        &[
            (r#""name":"order","#, "", 131_008, "template.name is required"),
            (r#""order""#, &long, 100, "template.name must be at most 512"),
            (
                r#""language":{"policy":"deterministic","code":"en_US"}"#,
                r#""language":"en_US""#,
                100,
                "template.language must be a JSON object",
            ),
            (r#","code":"en_US""#, "", 131_008, "template.language.code is required"),
            (r#""type":"HEADER","#, "", 131_008, "template.components[0].type is required"),
            (
                r#""sub_type":"QUICK_REPLY","#,
                "",
                131_008,
                "template.components[2].sub_type is required",
            ),
            (
                r#""index":"0""#,
                r#""index":"first""#,
                100,
                "template.components[2].index must be a whole number",
            ),
            (
                r#""index":"0""#,
                r#""index":-1"#,
                131_009,
                "template.components[2].index must be a place",
            ),
            (
                r#"{"type":"payload","payload":"yes"}"#,
                r#"{"type":"payload"}"#,
                131_008,
                "template.components[2].parameters[0].payload is required",
            ),
            (
                r#""text":"Ada""#,
                r#""text":"""#,
                131_009,
                "template.components[1].parameters[0].text must not be empty",
            ),
            (
                r#""amount_1000":1000"#,
                r#""amount_1000":1.5"#,
                100,
                "currency.amount_1000 must be a whole number",
            ),
            (r#"{"id":"7"}"#, "{}", 131_008, "parameters[0].image.id or"),
            (
                r#""cards":[{"card_index":0"#,
                r#""cards":[{"card_index":"x""#,
                100,
                "cards[0].card_index",
            ),
        ],
    );
    // Without anything to fill in, and through the edge for marketing.
    let plain = r#"{"messaging_product":"whatsapp","to":"+15550101","type":"template","template":{"name":"hello_world","language":{"code":"en_US"}}}"#;
    for json in [plain.to_owned(), plain.replace(r#""type":"template","#, "")] {
        let sent = parse(&HeaderMap::new(), json.as_bytes(), Edge::MarketingMessages);
        assert!(matches!(sent, Ok(Command::Send { message, .. }) if matches!(message.body, OutboundBody::Template(_))));
    }
    for json in [
        r#"{"messaging_product":"whatsapp","to":"+15550101","type":"text","text":{"body":"hi"}}"#,
        r#"{"messaging_product":"whatsapp","status":"read","message_id":"wamid.A"}"#,
    ] {
        assert_eq!(
            parse(&HeaderMap::new(), json.as_bytes(), Edge::MarketingMessages)
                .err()
                .unwrap()
                .code,
            100
        );
    }
}
