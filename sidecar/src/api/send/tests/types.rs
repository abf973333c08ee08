//! Every type of message: what is taken, and what each mistake is told.

use proptest::prelude::*;
use waxseal_content::{Body, MessageId, Payload};

use super::*;
use crate::{
    message::{Attachment, File, Header, Interactive},
    template::{Call, Part, Value as Filling},
};

/// A message of this type with this member.
fn of(kind: &str, member: &str) -> Outbound {
    message(&request(kind, member))
}

fn request(kind: &str, member: &str) -> String {
    format!(r#"{{"messaging_product":"whatsapp","to":"+15550101","type":"{kind}","{kind}":{member}}}"#)
}

/// Replaces the one place of `from` in `valid`.
fn but(valid: &str, from: &str, to: &str) -> String {
    assert_eq!(valid.matches(from).count(), 1, "{from} in {valid}");
    valid.replacen(from, to, 1)
}

/// Each change of a valid member, with the code and the words it must be told with.
fn mistakes(kind: &str, valid: &str, changes: &[(&str, &str, u32, &str)]) {
    message(&request(kind, valid));
    for (from, to, code, names) in changes {
        let (found, told) = refusal(&request(kind, &but(valid, from, to)));
        assert_eq!(found, *code, "{kind}: {from} -> {to}: {told}");
        assert!(told.contains(names), "{kind}: {from} -> {to}: {told}");
    }
}

fn attachment(message: &Outbound) -> &Attachment {
    match &message.body {
        OutboundBody::Media(attachment) => attachment,
        _ => panic!("no file"),
    }
}

fn interactive(member: &str) -> Interactive {
    match of("interactive", member).body {
        OutboundBody::Interactive(interactive) => *interactive,
        _ => panic!("not interactive"),
    }
}

fn call(member: &str) -> Call {
    match of("template", member).body {
        OutboundBody::Template(call) => *call,
        _ => panic!("no template"),
    }
}

#[test]
fn files_by_id_and_by_link() {
    for kind in ["image", "audio", "video", "document", "sticker"] {
        let by_id = of(kind, r#"{"id":"1166846181421424","link":null,"caption":null}"#);
        assert_eq!(attachment(&by_id).kind.as_str(), kind);
        assert!(attachment(&by_id).file == File::Id("1166846181421424".to_owned()));
        // Some clients write ids as numbers, types in capitals, and members that other types have.
        let number = message(
            &request(kind, r#"{"id":1166846181421424,"provider":{"name":"x"}}"#)
                .replace(&format!(r#""type":"{kind}""#), &format!(r#""type":"{}""#, kind.to_uppercase())),
        );
        assert!(attachment(&number).file == attachment(&by_id).file);
        let by_link = of(kind, r#"{"link":"HTTPS://example.com/a?b=c"}"#);
        assert!(attachment(&by_link).file == File::Link("HTTPS://example.com/a?b=c".into()));
        mistakes(
            kind,
            r#"{"id":"7"}"#,
            &[
                (r#"{"id":"7"}"#, "null", 131_008, "is required"),
                (r#"{"id":"7"}"#, r#""7""#, 100, "must be a JSON object"),
                (r#""id":"7""#, "", 131_008, ".id or"),
                (r#""id":"7""#, r#""id":"7","link":"https://example.com""#, 100, "not both"),
                (r#""7""#, r#""""#, 131_009, ".id is no media id"),
                (r#""7""#, r#""7a""#, 131_009, ".id is no media id"),
                (r#""7""#, "{}", 100, ".id must be a string"),
                (r#""7""#, r#""123456789012345678901""#, 100, "20 characters"),
                (r#""id":"7""#, r#""link":"example.com/a.jpg""#, 131_009, ".link must be a URL"),
                (r#""id":"7""#, r#""link":"https://""#, 131_009, ".link must be a URL"),
                (r#""id":"7""#, r#""link":"https://example.com/a b""#, 131_009, ".link must be a URL"),
                (r#""id":"7""#, r#""link":"file:///etc/passwd""#, 131_009, ".link must be a URL"),
            ],
        );
    }
}

#[test]
fn what_is_said_about_a_file() {
    let document = of("document", r#"{"id":"7","caption":"Grüße","filename":"a.pdf"}"#);
    let file = attachment(&document);
    assert_eq!(file.caption.as_ref().unwrap().reveal(), "Grüße");
    assert_eq!(file.filename.as_ref().unwrap().reveal(), "a.pdf");
    assert!(attachment(&of("audio", r#"{"id":"7","voice":true}"#)).voice);
    assert!(attachment(&of("audio", r#"{"id":"7","voice":"true"}"#)).voice);
    assert!(!attachment(&of("audio", r#"{"id":"7"}"#)).voice);
    assert!(attachment(&of("image", r#"{"id":"7","filename":"a.jpg"}"#)).filename.is_none());
    let long = "x".repeat(1025);
    for (kind, member, code, names) in [
        (
            "image",
            format!(r#"{{"id":"7","caption":"{long}"}}"#),
            100,
            "image.caption must be at most 1024",
        ),
        (
            "image",
            r#"{"id":"7","caption":[]}"#.to_owned(),
            100,
            "image.caption must be a string",
        ),
        (
            "audio",
            r#"{"id":"7","caption":"hi"}"#.to_owned(),
            100,
            "audio.caption is not served",
        ),
        (
            "sticker",
            r#"{"id":"7","caption":"hi"}"#.to_owned(),
            100,
            "sticker.caption is not served",
        ),
        (
            "document",
            format!(r#"{{"id":"7","filename":"{long}"}}"#),
            100,
            "document.filename must be at most 240",
        ),
        (
            "audio",
            r#"{"id":"7","voice":"loud"}"#.to_owned(),
            100,
            "audio.voice must be true or false",
        ),
    ] {
        let (found, told) = refusal(&request(kind, &member));
        assert!(found == code && told.contains(names), "{member}: {told}");
    }
}

#[test]
fn places() {
    for member in [
        r#"{"latitude":-37.5,"longitude":144,"name":"Café","address":null,"url":""}"#,
        r#"{"latitude":"-37.5","longitude":" 144.0 ","name":"Café"}"#,
    ] {
        let OutboundBody::Location(location) = of("location", member).body else {
            panic!("no place");
        };
        assert!((location.latitude + 37.5).abs() < f64::EPSILON && (location.longitude - 144.0).abs() < f64::EPSILON);
        assert_eq!(location.name.unwrap().reveal(), "Café");
        assert!(location.address.is_none() && location.url.is_none());
    }
    let long = format!(r#""name":"{}""#, "x".repeat(1001));
    mistakes(
        "location",
        r#"{"latitude":1,"longitude":2,"name":"x"}"#,
        &[
            (r#""latitude":1,"#, "", 131_008, "location.latitude is required"),
            (r#","longitude":2"#, "", 131_008, "location.longitude is required"),
            (
                r#""latitude":1"#,
                r#""latitude":"north""#,
                100,
                "location.latitude must be a number",
            ),
            (r#""latitude":1"#, r#""latitude":"NaN""#, 100, "location.latitude must be a number"),
            (r#""latitude":1"#, r#""latitude":true"#, 100, "location.latitude must be a number"),
            (r#""latitude":1"#, r#""latitude":90.1"#, 131_009, "between -90 and 90"),
            (r#""longitude":2"#, r#""longitude":-180.5"#, 131_009, "between -180 and 180"),
            (r#""longitude":2"#, r#""longitude":1e400"#, 100, "number out of range"),
            (r#""name":"x""#, &long, 100, "location.name must be at most 1000"),
        ],
    );
}

#[test]
fn address_cards() {
    let card = r#"[{"name":{"formatted_name":"Ada Löwe","first_name":"Ada","last_name":null},"phones":[{"phone":"+1 555 0102","type":"HOME"}],
        "emails":[{"email":"a@example.com"}],"urls":[],"addresses":[{"zip":12345}],"org":{"company":"Waxseal"},"birthday":"2000-02-29"}]"#;
    let OutboundBody::Contacts(contacts) = of("contacts", card).body else {
        panic!("no cards");
    };
    let cards: Value = serde_json::from_str(contacts.cards_json.reveal()).unwrap();
    assert_eq!(
        cards[0]["name"],
        serde_json::json!({"formatted_name": "Ada Löwe", "first_name": "Ada"})
    );
    assert_eq!(cards[0]["phones"][0]["phone"], "+1 555 0102");
    let many = format!("[{}]", vec![r#"{"name":{"formatted_name":"x"}}"#; 258].join(","));
    mistakes(
        "contacts",
        r#"[{"name":{"formatted_name":"Ada"},"phones":[{"phone":"+15550102"}],"org":{"title":"x"},"birthday":"2000-01-01"}]"#,
        &[
            (
                r#"[{"name":{"formatted_name":"Ada"},"phones":[{"phone":"+15550102"}],"org":{"title":"x"},"birthday":"2000-01-01"}]"#,
                "[]",
                131_009,
                "1 to 257",
            ),
            (
                r#"[{"name":{"formatted_name":"Ada"},"phones":[{"phone":"+15550102"}],"org":{"title":"x"},"birthday":"2000-01-01"}]"#,
                &many,
                131_009,
                "1 to 257",
            ),
            (
                r#"[{"name":{"formatted_name":"Ada"},"phones":[{"phone":"+15550102"}],"org":{"title":"x"},"birthday":"2000-01-01"}]"#,
                r#"{"name":"Ada"}"#,
                100,
                "contacts must be a list",
            ),
            (r#""name":{"formatted_name":"Ada"},"#, "", 131_008, "contacts[0].name is required"),
            (
                r#"{"formatted_name":"Ada"}"#,
                r#""Ada""#,
                100,
                "contacts[0].name must be a JSON object",
            ),
            (
                r#""formatted_name":"Ada""#,
                r#""first_name":"Ada""#,
                131_008,
                "contacts[0].name.formatted_name is required",
            ),
            (r#""Ada""#, r#""""#, 131_009, "contacts[0].name.formatted_name must not be empty"),
            (
                r#"[{"phone":"+15550102"}]"#,
                r#"{"phone":"1"}"#,
                100,
                "contacts[0].phones must be a list",
            ),
            (
                r#"{"phone":"+15550102"}"#,
                r#""+15550102""#,
                100,
                "contacts[0].phones[0] must be a JSON object",
            ),
            (r#""+15550102""#, "[1]", 100, "contacts[0].phones[0].phone must be a string"),
            (r#"{"title":"x"}"#, r#""x""#, 100, "contacts[0].org must be a JSON object"),
            (r#""2000-01-01""#, r#""01.01.2000""#, 131_009, "YYYY-MM-DD"),
            (r#""2000-01-01""#, r#""2000-13-01""#, 131_009, "YYYY-MM-DD"),
        ],
    );
}

const BUTTONS: &str = r#"{"type":"button","header":{"type":"text","text":"Head"},"body":{"text":"Body"},"footer":{"text":"Foot"},
    "action":{"buttons":[{"type":"reply","reply":{"id":"a","title":"Yes"}},{"type":"reply","reply":{"id":"b","title":"No"}}]}}"#;
const LIST: &str = r#"{"type":"list","body":{"text":"Body"},"action":{"button":"Open","sections":[
    {"title":"One","rows":[{"id":"a","title":"A","description":"first"}]},{"title":"Two","rows":[{"id":"b","title":"B"}]}]}}"#;
const LINK: &str = r#"{"type":"cta_url","body":{"text":"Body"},"action":{"name":"cta_url",
    "parameters":{"display_text":"See","url":"https://example.com/"}}}"#;
const FLOW: &str = r#"{"type":"flow","body":{"text":"Body"},"action":{"name":"flow","parameters":{"mode":"published","flow_message_version":"3",
    "flow_token":null,"flow_id":1,"flow_cta":"Book","flow_action":"navigate","flow_action_payload":{"screen":"X"}}}}"#;

#[test]
fn buttons_and_what_stands_around_them() {
    let Interactive { content, header } = interactive(BUTTONS);
    assert!(header == Some(Header::Text("Head".into())) && content.header.is_none());
    assert_eq!(content.kind, "button");
    assert_eq!(content.body.unwrap().reveal(), "Body");
    assert_eq!(content.footer.unwrap().reveal(), "Foot");
    let replies: Vec<_> = content
        .replies
        .iter()
        .map(|reply| (reply.id.reveal(), reply.title.reveal()))
        .collect();
    assert_eq!(replies, [("a", "Yes"), ("b", "No")]);
    for kind in ["image", "video", "document"] {
        let member = but(
            BUTTONS,
            r#"{"type":"text","text":"Head"}"#,
            &format!(r#"{{"type":"{kind}","{kind}":{{"link":"https://example.com/x"}}}}"#),
        );
        let Some(Header::Media(attachment)) = interactive(&member).header else {
            panic!("no file");
        };
        assert_eq!(attachment.kind.as_str(), kind);
    }
    let long = |chars: usize| format!(r#""{}""#, "x".repeat(chars));
    let third = r#"{"reply":{"id":"c","title":"3"}},{"reply":{"id":"d","title":"4"}},{"type":"reply","reply":{"id":"b","title":"No"}}"#;
    mistakes(
        "interactive",
        BUTTONS,
        &[
            (r#""type":"button","#, "", 131_008, "interactive.type is required"),
            (r#""type":"button""#, r#""type":"roulette""#, 100, "interactive.type is no type"),
            (r#""type":"button""#, r#""type":"product_list""#, 131_009, "needs a catalogue"),
            (
                r#"{"type":"text","text":"Head"}"#,
                r#""Head""#,
                100,
                "interactive.header must be a JSON object",
            ),
            (r#""type":"text","#, "", 131_008, "interactive.header.type is required"),
            (r#""type":"text""#, r#""type":"audio""#, 100, "interactive.header.type must be"),
            (
                r#""type":"text""#,
                r#""type":"image""#,
                131_008,
                "interactive.header.image is required",
            ),
            (r#""Head""#, &long(61), 100, "interactive.header.text must be at most 60"),
            (r#""Head""#, r#""""#, 131_009, "interactive.header.text must not be empty"),
            (r#""body":{"text":"Body"},"#, "", 131_008, "interactive.body is required"),
            (r#"{"text":"Body"}"#, "{}", 131_008, "interactive.body.text is required"),
            (r#""Body""#, &long(1025), 100, "interactive.body.text must be at most 1024"),
            (r#""Foot""#, &long(61), 100, "interactive.footer.text must be at most 60"),
            (r#"{"text":"Foot"}"#, "7", 100, "interactive.footer must be a JSON object"),
            (r#""action""#, r#""reaction""#, 131_008, "interactive.action is required"),
            (r#""buttons""#, r#""knobs""#, 131_008, "interactive.action.buttons is required"),
            (
                r#"{"type":"reply","reply":{"id":"b","title":"No"}}"#,
                third,
                131_009,
                "1 to 3 items",
            ),
            (
                r#"{"type":"reply","reply":{"id":"b","title":"No"}}"#,
                r#"{"type":"url"}"#,
                100,
                r#"interactive.action.buttons[1].type must be \"reply\""#,
            ),
            (
                r#"{"type":"reply","reply":{"id":"b","title":"No"}}"#,
                "7",
                100,
                "interactive.action.buttons[1] must be a JSON object",
            ),
            (r#""id":"b","#, "", 131_008, "interactive.action.buttons[1].reply.id is required"),
            (
                r#""id":"b""#,
                r#""id":"a""#,
                131_009,
                "interactive.action.buttons[1].reply.id is the id of another",
            ),
            (
                r#""b""#,
                &long(257),
                100,
                "interactive.action.buttons[1].reply.id must be at most 256",
            ),
            (
                r#""No""#,
                &long(21),
                100,
                "interactive.action.buttons[1].reply.title must be at most 20",
            ),
            (
                r#","title":"No""#,
                "",
                131_008,
                "interactive.action.buttons[1].reply.title is required",
            ),
        ],
    );
}

#[test]
fn lists() {
    let Interactive { content, .. } = interactive(LIST);
    assert_eq!(content.list_button.unwrap().reveal(), "Open");
    assert_eq!(content.sections.len(), 2);
    assert_eq!(content.sections[0].rows[0].description.as_ref().unwrap().reveal(), "first");
    // One section needs no title, and the body of a list may be longer.
    let one = r#"{"type":"list","body":{"text":"BODY"},"action":{"button":"Open","sections":[{"rows":[{"id":"a","title":"A"}]}]}}"#;
    interactive(&but(one, "BODY", &"x".repeat(4096)));
    let rows = |from: usize, to: usize| {
        let rows: Vec<_> = (from..to).map(|row| format!(r#"{{"id":"{row}","title":"{row}"}}"#)).collect();
        format!("[{}]", rows.join(","))
    };
    interactive(&but(one, r#"[{"id":"a","title":"A"}]"#, &rows(0, 10)));
    let long = |chars: usize| format!(r#""{}""#, "x".repeat(chars));
    mistakes(
        "interactive",
        LIST,
        &[
            (
                r#""type":"list","#,
                r#""type":"list","header":{"type":"image","image":{"id":"7"}},"#,
                131_009,
                r#"interactive.header.type must be \"text\""#,
            ),
            (r#""button":"Open","#, "", 131_008, "interactive.action.button is required"),
            (r#""Open""#, &long(21), 100, "interactive.action.button must be at most 20"),
            (r#""sections""#, r#""parts""#, 131_008, "interactive.action.sections is required"),
            (r#""title":"Two","#, "", 131_008, "interactive.action.sections[1].title is required"),
            (
                r#""Two""#,
                &long(25),
                100,
                "interactive.action.sections[1].title must be at most 24",
            ),
            (
                r#"[{"id":"b","title":"B"}]"#,
                "[]",
                131_009,
                "interactive.action.sections[1].rows must have 1 to 10",
            ),
            (r#"[{"id":"b","title":"B"}]"#, &rows(0, 10), 131_009, "at most 10 rows in all"),
            (
                r#""id":"b""#,
                r#""id":"a""#,
                131_009,
                "sections[1].rows[0].id is the id of another row",
            ),
            (r#""b""#, &long(201), 100, "rows[0].id must be at most 200"),
            (r#""B""#, &long(25), 100, "rows[0].title must be at most 24"),
            (r#""first""#, &long(73), 100, "rows[0].description must be at most 72"),
            (r#""Body""#, &long(4097), 100, "interactive.body.text must be at most 4096"),
        ],
    );
}

#[test]
fn links_places_and_flows() {
    let link = interactive(LINK).content.link.unwrap();
    assert_eq!((link.title.reveal(), link.url.reveal()), ("See", "https://example.com/"));
    let long = format!(r#""{}""#, "x".repeat(31));
    mistakes(
        "interactive",
        LINK,
        &[
            (
                r#""name":"cta_url""#,
                r#""name":"flow""#,
                131_009,
                "interactive.action.name must be",
            ),
            (
                r#""parameters""#,
                r#""arguments""#,
                131_008,
                "interactive.action.parameters is required",
            ),
            (r#""display_text":"See","#, "", 131_008, "parameters.display_text is required"),
            (r#""See""#, &long, 100, "parameters.display_text must be at most 20"),
            (
                r#""https://example.com/""#,
                r#""javascript:alert(1)""#,
                131_009,
                "parameters.url must be a URL",
            ),
            (r#","url":"https://example.com/""#, "", 131_008, "parameters.url is required"),
        ],
    );
    let place = r#"{"type":"location_request_message","body":{"text":"Where?"},"action":{"name":"send_location"}}"#;
    assert!(interactive(place).content.action_json.is_none());
    mistakes(
        "interactive",
        place,
        &[
            (r#""send_location""#, r#""send_money""#, 131_009, "interactive.action.name must be"),
            (
                r#""body""#,
                r#""header":{"type":"text","text":"x"},"body""#,
                100,
                "interactive.header is not served",
            ),
        ],
    );
    let action = interactive(FLOW).content.action_json.unwrap();
    let action: Value = serde_json::from_str(action.reveal()).unwrap();
    assert_eq!(action["parameters"]["flow_id"], 1);
    assert!(action["parameters"].get("flow_token").is_none());
    mistakes(
        "interactive",
        FLOW,
        &[
            (r#""flow_id":1,"#, "", 131_008, "parameters.flow_id or"),
            (r#""flow_id":1"#, r#""flow_id":1,"flow_name":"x""#, 100, "not both"),
            (r#""flow_cta":"Book","#, "", 131_008, "parameters.flow_cta is required"),
            (r#""Book""#, &long, 100, "parameters.flow_cta must be at most 30"),
            (
                r#""flow_message_version":"3","#,
                "",
                131_008,
                "parameters.flow_message_version is required",
            ),
        ],
    );
}

#[test]
fn what_is_passed_through() {
    for kind in [
        "carousel",
        "call_permission_request",
        "voice_call",
        "request_contact_info",
        "address_message",
        "order_details",
        "order_status",
    ] {
        let content = interactive(&format!(
            r#"{{"type":"{kind}","body":{{"text":"Body"}},"action":{{"parameters":{{"x":[1,null,{{"y":null}}]}}}}}}"#
        ))
        .content;
        assert_eq!(content.kind, kind);
        assert_eq!(content.action_json.unwrap().reveal(), r#"{"parameters":{"x":[1,{}]}}"#);
    }
    for kind in ["product", "product_list", "catalog_message"] {
        let (code, told) = refusal(&request("interactive", &format!(r#"{{"type":"{kind}","action":{{}}}}"#)));
        assert!(code == 131_009 && told.contains("catalogue"), "{told}");
    }
}

const TEMPLATE: &str = r#"{"name":"order","language":{"policy":"deterministic","code":"en_US"},"components":[
    {"type":"HEADER","parameters":[{"type":"image","image":{"id":"7"}}]},
    {"type":"body","parameters":[{"type":"text","text":"Ada","parameter_name":"who"},
      {"type":"currency","currency":{"fallback_value":"$1","code":"USD","amount_1000":1000}},
      {"type":"date_time","date_time":{"fallback_value":"today"}}]},
    {"type":"button","sub_type":"QUICK_REPLY","index":"0","parameters":[{"type":"payload","payload":"yes"}]},
    {"type":"button","sub_type":"flow","index":1,"parameters":[{"type":"action","action":{"flow_token":"t"}}]},
    {"type":"button","sub_type":"copy_code","index":2,"parameters":[{"type":"coupon_code","coupon_code":"SAVE"}]},
    {"type":"limited_time_offer","parameters":[{"type":"limited_time_offer","limited_time_offer":{"expiration_time_ms":1750000000000}}]},
    {"type":"carousel","cards":[{"card_index":0,"components":[{"type":"body","parameters":[]}]}]}]}"#;

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

#[test]
fn consumers_by_user_id() {
    for id in ["US.13491208655302741918", "DE.ENT.11815799212886844830"] {
        let message = message(&format!(
            r#"{{"messaging_product":"whatsapp","recipient":"{id}","recipient_identity_key_hash":"DF2lS5v2W6x=","text":{{"body":"hi"}}}}"#
        ));
        assert!(message.to == Addressee::UserId(id.to_owned()));
        assert_eq!(message.identity_key_hash.unwrap().reveal(), "DF2lS5v2W6x=");
    }
    for id in [
        "",
        "US.",
        "US",
        "13491208655302741918",
        "USA.1",
        "us.1",
        "US.1.2",
        "US.1 ",
        "US.ENT.",
    ] {
        let json = format!(r#"{{"messaging_product":"whatsapp","recipient":"{id}","text":{{"body":"hi"}}}}"#);
        match command(&json) {
            Ok(_) => assert_eq!(id.trim(), "US.1", "{id:?}"),
            Err(error) => assert_eq!(error.code, 131_009, "{id:?}"),
        }
    }
}

#[test]
fn a_member_of_a_type_is_bounded_and_looked_into_only_where_it_counts() {
    let large = format!(r#"{{"id":"7","x":"{}"}}"#, "x".repeat(64 << 10));
    let (code, told) = refusal(&request("image", &large));
    assert!(code == 100 && told.contains("image must be at most 65536 bytes"), "{told}");
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let (code, told) = refusal(&request("image", &deep));
    assert!(code == 100 && told.contains("nested too deeply"), "{told}");
    // In a text they are nobody's business.
    for other in [large, deep] {
        message(&format!(
            r#"{{"messaging_product":"whatsapp","to":"+15550101","text":{{"body":"hi"}},"image":{other},"template":7}}"#
        ));
    }
}

#[test]
fn fingerprints_of_every_type() {
    let fingerprint = |kind: &str, member: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(idempotency::HEADER, HeaderValue::from_static("key"));
        match parse(&headers, request(kind, member).as_bytes(), Edge::Messages) {
            Ok(Command::Send { message, .. }) => message.idempotency_key.unwrap().fingerprint,
            _ => panic!("{kind}: {member}"),
        }
    };
    for (kind, member, same, other) in [
        (
            "image",
            r#"{"id":"7","caption":"x"}"#,
            r#"{"caption":"\u0078", "id":"7","link":null}"#,
            r#"{"id":"8","caption":"x"}"#,
        ),
        (
            "location",
            r#"{"latitude":1,"longitude":2}"#,
            r#"{"longitude":2,"latitude":1}"#,
            r#"{"latitude":2,"longitude":1}"#,
        ),
        (
            "contacts",
            r#"[{"name":{"formatted_name":"A"}}]"#,
            r#"[ {"birthday":null,"name":{"formatted_name":"A"}} ]"#,
            r#"[{"name":{"formatted_name":"A"}},{"name":{"formatted_name":"A"}}]"#,
        ),
        ("interactive", LINK, &LINK.replace("\n", " "), &LINK.replace("See", "Look")),
        (
            "template",
            TEMPLATE,
            &TEMPLATE.replace("\n", ""),
            &TEMPLATE.replace("en_US", "en_GB"),
        ),
    ] {
        assert_eq!(fingerprint(kind, member), fingerprint(kind, same), "{kind}");
        assert_ne!(fingerprint(kind, member), fingerprint(kind, other), "{kind}");
    }
    assert_ne!(fingerprint("image", r#"{"id":"7"}"#), fingerprint("video", r#"{"id":"7"}"#));
}

/// Requests that are nearly right: a valid one with one stretch of it replaced.
fn nearly() -> impl Strategy<Value = String> {
    let valid = prop::sample::select(vec![
        request("image", r#"{"id":"7","caption":"x"}"#),
        request("location", r#"{"latitude":1,"longitude":2}"#),
        request("contacts", r#"[{"name":{"formatted_name":"A"},"phones":[{"phone":"1"}]}]"#),
        request("interactive", BUTTONS),
        request("interactive", LIST),
        request("interactive", FLOW),
        request("template", TEMPLATE),
    ]);
    let piece = prop::sample::select(vec![
        "",
        "{}",
        "[]",
        "null",
        "7",
        "\"\"",
        "\"SECRET\"",
        "-1e9",
        "true",
        ",",
        "}",
        "\u{0}",
        "ä",
    ]);
    (valid, 0..1000_usize, 0..40_usize, piece).prop_map(|(valid, at, length, piece)| {
        let floor = |at: usize| (0..=at.min(valid.len())).rev().find(|at| valid.is_char_boundary(*at)).unwrap_or(0);
        let (from, to) = (floor(at), floor(at + length));
        format!("{}{piece}{}", &valid[..from], &valid[to..])
    })
}

proptest! {
    #[test]
    fn whatever_comes_is_answered_and_nothing_is_repeated(json in nearly()) {
        match command(&json) {
            Err(error) => prop_assert!(!format!("{error:?}").contains("SECRET"), "{:?}", error),
            Ok(Command::Send { message, .. }) => {
                // What needs nothing from elsewhere can be written and read as it is.
                let body = match message.body {
                    OutboundBody::Location(location) => Body::Location(*location),
                    OutboundBody::Contacts(contacts) => Body::Contacts(contacts),
                    OutboundBody::Interactive(interactive) => Body::Interactive(Box::new(interactive.content)),
                    _ => return Ok(()),
                };
                let number = PhoneNumber::parse("+15550101").unwrap();
                let payload = Payload::new(number.clone(), number, MessageId::new([1; 16]), 1, body);
                prop_assert!(Payload::decode(&payload.encode()).unwrap().body == payload.body);
            }
            Ok(Command::MarkRead { .. }) => {}
        }
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in prop::sample::select(vec!["image", "contacts", "interactive", "template"])) {
        let _ = parse(&HeaderMap::new(), &bytes, Edge::Messages);
        let text = String::from_utf8_lossy(&bytes);
        let _ = command(&request(kind, &text));
        let _ = command(&request(kind, &serde_json::json!({"type": text, "action": {"name": text, "buttons": [text]}, "components": [{"type": text}]}).to_string()));
    }
}

#[test]
fn the_examples_that_describe_the_port_are_taken() {
    let document: Value = serde_json::from_slice(&crate::api::openapi::json()).unwrap();
    let (_, messages) = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .find(|(path, _)| path.ends_with("/messages"))
        .unwrap();
    let examples = messages["post"]["requestBody"]["content"]["application/json"]["examples"]
        .as_object()
        .unwrap();
    assert!(examples.len() > 10);
    for (name, example) in examples {
        if let Err(error) = command(&example["value"].to_string()) {
            panic!("{name}: {error:?}");
        }
    }
}
