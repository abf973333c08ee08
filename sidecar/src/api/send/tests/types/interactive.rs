//! Messages with something to choose from or to press.

use super::*;
use crate::message::{Header, Interactive};

pub(super) const BUTTONS: &str = r#"{"type":"button","header":{"type":"text","text":"Head"},"body":{"text":"Body"},"footer":{"text":"Foot"},
    "action":{"buttons":[{"type":"reply","reply":{"id":"a","title":"Yes"}},{"type":"reply","reply":{"id":"b","title":"No"}}]}}"#;
pub(super) const LIST: &str = r#"{"type":"list","body":{"text":"Body"},"action":{"button":"Open","sections":[
    {"title":"One","rows":[{"id":"a","title":"A","description":"first"}]},{"title":"Two","rows":[{"id":"b","title":"B"}]}]}}"#;
pub(super) const LINK: &str = r#"{"type":"cta_url","body":{"text":"Body"},"action":{"name":"cta_url",
    "parameters":{"display_text":"See","url":"https://example.com/"}}}"#;
pub(super) const FLOW: &str = r#"{"type":"flow","body":{"text":"Body"},"action":{"name":"flow","parameters":{"mode":"published","flow_message_version":"3",
    "flow_token":null,"flow_id":1,"flow_cta":"Book","flow_action":"navigate","flow_action_payload":{"screen":"X"}}}}"#;

fn interactive(member: &str) -> Interactive {
    match of("interactive", member).body {
        OutboundBody::Interactive(interactive) => *interactive,
        _ => panic!("not interactive"),
    }
}

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
