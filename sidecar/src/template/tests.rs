//! What may be registered, and what comes of filling it in.

use std::time::Duration;

use serde_json::{Value as Json, json};
use waxseal_content::{MediaKind, TemplateButtonKind, Text};

use super::{
    catalogue::{Catalogue, Draft, Edit, LIMIT, Refused},
    definition::{Entry, ParameterFormat, Status},
    *,
};
use crate::message::{Attachment, File, Header};

fn draft(name: &str, category: Category, components: Json) -> Draft {
    Draft {
        name: name.to_owned(),
        language: "en_US".to_owned(),
        category,
        parameter_format: None,
        components: match components {
            Json::Array(components) => components,
            _ => Vec::new(),
        },
        message_send_ttl_seconds: None,
        sub_category: None,
    }
}

fn registered(category: Category, components: Json) -> Result<Entry, Refused> {
    Catalogue::default().draft(draft("order", category, components), "1".to_owned(), 7)
}

fn entry(components: Json) -> Entry {
    registered(Category::Utility, components).unwrap()
}

fn fault(components: Json) -> String {
    registered(Category::Utility, components).err().unwrap().to_string()
}

fn text(text: &str) -> Parameter {
    Parameter {
        name: None,
        value: Value::Text(Text::from(text)),
    }
}

fn named(name: &str, text: &str) -> Parameter {
    Parameter {
        name: Some(name.to_owned()),
        value: Value::Text(Text::from(text)),
    }
}

fn media(kind: MediaKind) -> Parameter {
    Parameter {
        name: None,
        value: Value::Media(Box::new(Attachment {
            kind,
            file: File::Id("1".to_owned()),
            caption: None,
            filename: None,
            voice: false,
        })),
    }
}

fn call(components: Vec<(Part, Vec<Parameter>)>) -> Call {
    Call {
        name: "order".to_owned(),
        language: "en_US".to_owned(),
        components: components
            .into_iter()
            .map(|(part, parameters)| Component { part, parameters })
            .collect(),
    }
}

fn button(sub_type: &str, index: u32) -> Part {
    Part::Button {
        sub_type: sub_type.to_owned(),
        index,
    }
}

/// The code it is refused with.
fn refused(entry: &Entry, components: Vec<(Part, Vec<Parameter>)>) -> u32 {
    let error = filling::fill(entry, &call(components)).err().unwrap();
    Fault::from(error).code
}

#[test]
fn a_template_is_filled_in() {
    let entry = entry(json!([
        {"type": "footer", "text": "Reply STOP to end"},
        {"type": "HEADER", "format": "text", "text": "Order {{1}}", "example": {"header_text": ["7"]}},
        {"type": "body", "text": "Hi {{1}}, {{2}} is on its way. {{1}}!", "example": {"body_text": [["Ada", "a book"]]}},
        {"type": "BUTTONS", "buttons": [
            {"type": "QUICK_REPLY", "text": "Thanks"},
            {"type": "url", "text": "Track", "url": "https://x.example/t/{{1}}", "example": ["https://x.example/t/7"]},
            {"type": "PHONE_NUMBER", "text": "Call", "phone_number": "+15550100"},
            {"type": "COPY_CODE", "example": "SAVE20"},
            {"type": "FLOW", "text": "Rate", "flow_id": "9", "flow_action": "navigate"}
        ]}
    ]));
    assert_eq!(entry.components[0]["type"], "HEADER", "in the order in which they are read");
    let filled = filling::fill(
        &entry,
        &call(vec![
            (
                Part::Body,
                vec![
                    text("Ada"),
                    Parameter {
                        name: None,
                        value: Value::Currency {
                            fallback: "$5".into(),
                            code: "USD".to_owned(),
                            amount_1000: 5000,
                        },
                    },
                ],
            ),
            (Part::Header, vec![text("7")]),
            (button("url", 1), vec![text("7")]),
            (
                button("copy_code", 3),
                vec![Parameter {
                    name: None,
                    value: Value::CouponCode("NOW10".into()),
                }],
            ),
            (
                button("flow", 4),
                vec![Parameter {
                    name: None,
                    value: Value::Action(r#"{"flow_token":"t"}"#.into()),
                }],
            ),
        ]),
    )
    .unwrap();
    assert_eq!(filled.body.reveal(), "Hi Ada, $5 is on its way. Ada!");
    assert!(matches!(&filled.header, Some(Header::Text(text)) if text.reveal() == "Order 7"));
    assert_eq!(filled.footer.as_ref().map(Text::reveal), Some("Reply STOP to end"));
    let buttons: Vec<_> = filled
        .buttons
        .iter()
        .map(|button| (button.kind, button.text.reveal(), button.value.reveal()))
        .collect();
    assert_eq!(buttons[0], (TemplateButtonKind::QuickReply, "Thanks", "Thanks"));
    assert_eq!(buttons[1], (TemplateButtonKind::Url, "Track", "https://x.example/t/7"));
    assert_eq!(buttons[2], (TemplateButtonKind::PhoneNumber, "Call", "+15550100"));
    assert_eq!(buttons[3], (TemplateButtonKind::CopyCode, "Copy offer code", "NOW10"));
    let flow: Json = serde_json::from_str(buttons[4].2).unwrap();
    assert_eq!(flow, json!({"flow_id": "9", "flow_action": "navigate", "flow_token": "t"}));
    assert_eq!(filled.worth, None);
}

#[test]
fn parameters_that_do_not_fit_have_their_codes() {
    let positional = entry(json!([
        {"type": "HEADER", "format": "IMAGE"},
        {"type": "BODY", "text": "Hi {{1}} and {{2}}"},
        {"type": "BUTTONS", "buttons": [
            {"type": "URL", "text": "Track", "url": "https://x.example/{{1}}"},
            {"type": "URL", "text": "Fixed", "url": "https://x.example/"}
        ]}
    ]));
    let header = || (Part::Header, vec![media(MediaKind::Image)]);
    let body = || (Part::Body, vec![text("a"), text("b")]);
    let url = || (button("url", 0), vec![text("x")]);
    filling::fill(&positional, &call(vec![header(), body(), url()])).unwrap();
    for (components, code) in [
        (vec![header(), url()], 132_000),
        (vec![header(), url(), (Part::Body, vec![text("a")])], 132_000),
        (vec![header(), url(), (Part::Body, vec![text("a"), text("b"), text("c")])], 132_000),
        (vec![body(), url()], 132_012),
        (vec![(Part::Header, vec![media(MediaKind::Video)]), body(), url()], 132_012),
        (vec![(Part::Header, vec![text("a")]), body(), url()], 132_012),
        (
            vec![header(), (Part::Body, vec![text("a"), media(MediaKind::Image)]), url()],
            132_012,
        ),
        (vec![header(), body()], 131_008),
        (vec![header(), body(), (button("quick_reply", 0), vec![text("x")])], 132_012),
        (vec![header(), body(), url(), (button("url", 1), vec![text("x")])], 132_012),
        (vec![header(), body(), url(), (button("url", 2), vec![text("x")])], 132_012),
        (vec![header(), body(), body(), url()], 132_012),
        (vec![header(), body(), url(), (Part::Other("x".to_owned()), vec![])], 132_012),
        (vec![header(), (Part::Body, vec![text("a\nb"), text("b")]), url()], 132_007),
        (vec![header(), (Part::Body, vec![text("a     b"), text("b")]), url()], 132_007),
        (
            vec![header(), (Part::Body, vec![text(&"x".repeat(1024)), text("b")]), url()],
            132_005,
        ),
    ] {
        assert_eq!(refused(&positional, components), code);
    }
    let by_name = entry(json!([{"type": "BODY", "text": "Hi {{first}} and {{last}}"}]));
    assert_eq!(by_name.parameter_format, ParameterFormat::Named);
    let filled = filling::fill(&by_name, &call(vec![(Part::Body, vec![named("last", "L"), named("first", "F")])])).unwrap();
    assert_eq!(filled.body.reveal(), "Hi F and L");
    assert_eq!(refused(&by_name, vec![(Part::Body, vec![text("a"), text("b")])]), 132_012);
    assert_eq!(
        refused(&by_name, vec![(Part::Body, vec![named("first", "a"), named("first", "b")])]),
        132_000
    );
    assert_eq!(
        refused(&by_name, vec![(Part::Body, vec![named("first", "a"), named("other", "b")])]),
        132_000
    );
    // A body that stands alone may be longer.
    filling::fill(
        &by_name,
        &call(vec![(Part::Body, vec![named("last", &"x".repeat(20_000)), named("first", "F")])]),
    )
    .unwrap();
    assert_eq!(
        refused(
            &by_name,
            vec![(Part::Body, vec![named("last", &"x".repeat(40_000)), named("first", "F")])]
        ),
        132_005
    );
}

#[test]
fn only_approved_templates_are_sent() {
    let mut entry = entry(json!([{"type": "BODY", "text": "Hi"}]));
    filling::fill(&entry, &call(vec![])).unwrap();
    for (status, code) in [
        (Status::Pending, 132_001),
        (Status::Rejected, 132_001),
        (Status::Archived, 132_001),
        (Status::Paused, 132_015),
        (Status::Disabled, 132_016),
    ] {
        entry.status = status;
        assert_eq!(refused(&entry, vec![]), code);
    }
}

#[test]
fn authentication_templates_have_words_of_their_own() {
    let components = json!([
        {"type": "BODY", "add_security_recommendation": true},
        {"type": "FOOTER", "code_expiration_minutes": 5},
        {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "copy_code"}]}
    ]);
    let entry = registered(Category::Authentication, components.clone()).unwrap();
    let code = |code: &str| call(vec![(Part::Body, vec![text(code)]), (button("url", 0), vec![text(code)])]);
    let filled = filling::fill(&entry, &code("123456")).unwrap();
    assert_eq!(
        filled.body.reveal(),
        "123456 is your verification code. For your security, do not share this code."
    );
    assert_eq!(filled.footer.unwrap().reveal(), "This code expires in 5 minutes.");
    assert_eq!(
        (filled.buttons[0].kind, filled.buttons[0].value.reveal()),
        (TemplateButtonKind::CopyCode, "123456")
    );
    assert_eq!(filled.worth, Some(Duration::from_secs(600)));
    let long = filling::fill(&entry, &code("1234567890123456")).err().unwrap();
    assert_eq!(Fault::from(long).code, 132_005);
    assert_eq!(refused(&entry, vec![(Part::Body, vec![text("1")])]), 131_008);
    for wrong in [
        json!([{"type": "BODY", "text": "{{1}}"}, {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]}]),
        json!([{"type": "BODY"}]),
        json!([{"type": "BODY"}, {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "a", "url": "https://a"}]}]),
        json!([{"type": "BODY"}, {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "ONE_TAP"}]}]),
        json!([{"type": "BODY"}, {"type": "FOOTER", "code_expiration_minutes": 91}, {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]}]),
    ] {
        assert!(registered(Category::Authentication, wrong).is_err());
    }
    assert!(registered(Category::Utility, components).is_err(), "an OTP button elsewhere");
}

#[test]
fn what_is_wrong_is_named() {
    for (components, names) in [
        (json!([]), "BODY"),
        (json!([{"type": "BODY", "text": ""}]), "text"),
        (json!([{"type": "BODY", "text": "x".repeat(1025)}]), "1024"),
        (json!([{"type": "BODY", "text": "{{2}}"}]), "gap"),
        (json!([{"type": "BODY", "text": "{{1}} {{a}}"}]), "mixes"),
        (
            json!([{"type": "BODY", "text": "{{1}}", "example": {"body_text": [["a", "b"]]}}]),
            "example",
        ),
        (json!([{"type": "BODY", "text": "a"}, {"type": "BODY", "text": "a"}]), "only one"),
        (
            json!([{"type": "BODY", "text": "{{a}}"}, {"type": "HEADER", "format": "TEXT", "text": "{{1}}"}]),
            "parameter_format",
        ),
        (
            json!([{"type": "BODY", "text": "a"}, {"type": "HEADER", "format": "TEXT", "text": "{{1}} {{2}}"}]),
            "one variable",
        ),
        (
            json!([{"type": "BODY", "text": "a"}, {"type": "HEADER", "format": "GIF"}]),
            "format",
        ),
        (
            json!([{"type": "BODY", "text": "a"}, {"type": "FOOTER", "text": "{{1}}"}]),
            "variables",
        ),
        (
            json!([{"type": "BODY", "text": "a"}, {"type": "CAROUSEL", "cards": []}]),
            "CAROUSEL",
        ),
        (
            json!([{"type": "BODY", "text": "a"}, {"type": "BUTTONS", "buttons": []}]),
            "1 to 10",
        ),
        (
            json!([{"type": "BODY", "text": "a"}, {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "a", "url": "ftp://a"}]}]),
            "https",
        ),
        (
            json!([{"type": "BODY", "text": "a"}, {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "a", "url": "https://{{1}}/a"}]}]),
            "end",
        ),
        (
            json!([{"type": "BODY", "text": "a"}, {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "x".repeat(26)}]}]),
            "25",
        ),
        (
            json!([{"type": "BODY", "text": "a"}, {"type": "BUTTONS", "buttons": [
                {"type": "QUICK_REPLY", "text": "a"}, {"type": "URL", "text": "a", "url": "https://a"}, {"type": "QUICK_REPLY", "text": "b"}
            ]}]),
            "together",
        ),
    ] {
        let said = fault(components.clone());
        assert!(said.contains(names), "{said} does not say {names}: {components}");
    }
}

#[test]
fn clients_can_read_back_what_has_no_examples() {
    let entry = entry(json!([
        {"type": "HEADER", "format": "IMAGE"},
        {"type": "BODY", "text": "{{1}} and {{2}}"},
        {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "a", "url": "https://a/{{1}}"}]}
    ]));
    assert_eq!(entry.components[0]["example"]["header_handle"].as_array().unwrap().len(), 1);
    assert_eq!(entry.components[1]["example"]["body_text"][0].as_array().unwrap().len(), 2);
    assert_eq!(entry.components[2]["buttons"][0]["example"], json!(["https://a/example"]));
}

#[test]
fn what_was_stored_reads_the_same_again() {
    let entries = [
        entry(json!([{"type": "body", "text": "Hi {{a}}"}, {"type": "buttons", "buttons": [{"type": "copy_code"}]}])),
        Entry {
            id: "2".to_owned(),
            ..registered(
                Category::Authentication,
                json!([{"type": "BODY"}, {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE"}]}]),
            )
            .unwrap()
        },
    ];
    let stored: Vec<Entry> = entries
        .iter()
        .map(|entry| serde_json::from_str(&serde_json::to_string(entry).unwrap()).unwrap())
        .collect();
    let catalogue = Catalogue::of(stored);
    for entry in entries {
        let restored = catalogue.by_id(&entry.id).unwrap();
        assert!(restored.definition == entry.definition);
        assert_eq!(restored.components, entry.components);
    }
}

#[test]
fn names_languages_and_counts_are_kept_apart() {
    let body = || json!([{"type": "BODY", "text": "Hi"}]);
    let mut catalogue = Catalogue::default();
    let first = catalogue
        .draft(draft("order", Category::Utility, body()), "1".to_owned(), 1)
        .unwrap();
    catalogue = catalogue.with(first.into());
    assert!(matches!(
        catalogue.draft(draft("order", Category::Marketing, body()), "2".to_owned(), 2),
        Err(Refused::Exists)
    ));
    for name in ["", "Order", "or der", &"x".repeat(513)] {
        assert!(matches!(
            catalogue.draft(draft(name, Category::Utility, body()), "2".to_owned(), 2),
            Err(Refused::Fault(_))
        ));
    }
    let wanted = |language: &str| Call {
        language: language.to_owned(),
        ..call(vec![])
    };
    assert_eq!(catalogue.find(&wanted("en-us")).unwrap().id, "1");
    assert_eq!(
        catalogue.find(&wanted("en")).err().map(Fault::from).map(|fault| fault.code),
        Some(132_001)
    );
    let unknown = Call {
        name: "other".to_owned(),
        ..call(vec![])
    };
    assert_eq!(
        catalogue.find(&unknown).err().map(Fault::from).map(|fault| fault.code),
        Some(132_001)
    );
    for number in 2..=LIMIT {
        let entry = catalogue
            .draft(draft(&format!("t{number}"), Category::Utility, body()), number.to_string(), 1)
            .unwrap();
        catalogue = catalogue.with(entry.into());
    }
    assert!(matches!(
        catalogue.draft(draft("more", Category::Utility, body()), "0".to_owned(), 2),
        Err(Refused::Full)
    ));
}

#[test]
fn edits_are_checked_like_what_is_new() {
    let catalogue = Catalogue::default().with(entry(json!([{"type": "BODY", "text": "Hi {{1}}"}])).into());
    let edited = catalogue
        .edited(
            "1",
            Edit {
                category: Some(Category::Marketing),
                components: Some(vec![json!({"type": "BODY", "text": "Hi {{name}}"})]),
                ..Edit::default()
            },
            9,
        )
        .unwrap();
    assert_eq!(
        (edited.previous_category, edited.category),
        (Some(Category::Utility), Category::Marketing)
    );
    assert_eq!(
        (edited.parameter_format, edited.created_s, edited.updated_s),
        (ParameterFormat::Named, 7, 9)
    );
    let ttl = |seconds| Edit {
        message_send_ttl_seconds: Some(seconds),
        ..Edit::default()
    };
    assert_eq!(catalogue.edited("1", ttl(60), 9).unwrap().message_send_ttl_seconds, Some(60));
    assert!(matches!(catalogue.edited("1", ttl(43_201), 9), Err(Refused::Fault(_))));
    assert!(matches!(catalogue.edited("2", Edit::default(), 9), Err(Refused::Unknown)));
}
