use serde_json::{Value, json};

use super::{
    catalogue::{Catalogue, Draft, LIMIT, MAX_BYTES},
    *,
};

/// What the rules have nothing against.
fn good() -> Value {
    json!({
        "version": "7.1",
        "screens": [
            {
                "id": "ASK", "title": "Ask", "data": {},
                "layout": {"type": "SingleColumnLayout", "children": [
                    {"type": "Form", "name": "form", "children": [
                        {"type": "TextInput", "name": "name", "label": "Name", "required": true},
                        {"type": "If", "condition": "${form.name}", "then": [{"type": "TextBody", "text": "Hi"}]},
                        {"type": "Footer", "label": "Next", "on-click-action": {"name": "navigate", "next": {"type": "screen", "name": "END"}}},
                    ]},
                ]},
            },
            {
                "id": "END", "title": "End", "terminal": true, "success": true,
                "layout": {"type": "SingleColumnLayout", "children": [
                    {"type": "Footer", "label": "Done", "on-click-action": {"name": "complete", "payload": {}}},
                ]},
            },
        ],
    })
}

fn draft(name: &str) -> Draft {
    Draft {
        name: name.to_owned(),
        categories: vec!["OTHER".to_owned()],
        endpoint_uri: None,
        json: Some(good().to_string()),
    }
}

fn kept(change: impl Fn(&mut Draft)) -> Kept {
    let mut draft = draft("one");
    change(&mut draft);
    Catalogue::default().draft(draft, "1".to_owned(), 5).unwrap()
}

fn errors(json: &str) -> Vec<(String, String)> {
    let findings = check(json).findings.into_iter();
    findings.map(|finding| (finding.error, finding.pointers[0].path.clone())).collect()
}

#[test]
fn a_good_document_has_nothing_wrong() {
    let checked = check(&good().to_string());
    assert_eq!(checked.findings, []);
    assert_eq!(checked.json_version.as_deref(), Some("7.1"));
    assert!(!checked.needs_endpoint());
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let change = |pointer: &str, value: Value| {
        let mut json = good();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = json.pointer_mut(parent).unwrap();
        match name.parse::<usize>() {
            Ok(index) => parent[index] = value,
            Err(_) if value.is_null() => drop(parent.as_object_mut().unwrap().remove(name)),
            Err(_) => parent[name] = value,
        }
        json.to_string()
    };
    let footer = "/screens/1/layout/children/0";
    for (json, error, path) in [
        (change("/version", Value::Null), "REQUIRED_PROPERTY_MISSING", ""),
        (change("/version", json!("seven")), "INVALID_PROPERTY_VALUE", "version"),
        (change("/version", json!(7)), "INVALID_PROPERTY_TYPE", "version"),
        (change("/colour", json!("red")), "INVALID_PROPERTY", "colour"),
        (change("/screens", json!([])), "INVALID_PROPERTY_VALUE", "screens"),
        (change("/screens/0", json!(7)), "INVALID_PROPERTY_TYPE", "screens[0]"),
        (change("/screens/0/id", json!("END")), "DUPLICATE_SCREEN_ID", "screens[1].id"),
        (change("/screens/0/id", json!("A-1")), "INVALID_PROPERTY_VALUE", "screens[0].id"),
        (
            change("/screens/0/success", json!(true)),
            "NOT_KEYWORD_SCHEMA_VALIDATION_FAILED",
            "screens[0].success",
        ),
        (
            change("/screens/0/layout/type", json!("Grid")),
            "INVALID_PROPERTY_VALUE",
            "screens[0].layout.type",
        ),
        (
            change("/screens/0/layout/children/0/children/0/type", json!("TextInputs")),
            "INVALID_PROPERTY_VALUE",
            "screens[0].layout.children[0].children[0].type",
        ),
        (
            change("/screens/0/layout/children/0/children/0/name", Value::Null),
            "REQUIRED_PROPERTY_MISSING",
            "screens[0].layout.children[0].children[0]",
        ),
        (
            change(
                "/screens/0/layout/children/0/children/2/on-click-action/next/name",
                json!("NOWHERE"),
            ),
            "INVALID_NAVIGATE_ACTION_NEXT_SCREEN_NAME",
            "screens[0].layout.children[0].children[2].on-click-action.next.name",
        ),
        (
            change(&format!("{footer}/on-click-action/name"), json!("explode")),
            "INVALID_PROPERTY_VALUE",
            "screens[1].layout.children[0].on-click-action.name",
        ),
        (change(footer, json!({"type": "TextBody"})), "MISSING_FOOTER", "screens[1]"),
        (
            change("/routing_model", json!({"ASK": ["NOWHERE"]})),
            "INVALID_ROUTING_MODEL",
            "routing_model.ASK",
        ),
        (change("/data_api_version", json!("3.0")), "REQUIRED_PROPERTY_MISSING", ""),
        ("[]".to_owned(), "INVALID_FLOW_JSON", ""),
        ("{".to_owned(), "INVALID_FLOW_JSON", ""),
        (format!("{}1{}", "[".repeat(500), "]".repeat(500)), "INVALID_FLOW_JSON", ""),
    ] {
        assert_eq!(errors(&json), [(error.to_owned(), path.to_owned())], "{json}");
    }
    // A terminal screen that is none any more takes its `success` along.
    assert_eq!(
        errors(&change("/screens/1/terminal", json!(false))).first().unwrap().0,
        "NOT_KEYWORD_SCHEMA_VALIDATION_FAILED"
    );
    let found = check("{\n  \"version\": \"7.1\",\n  \"screens\": \"żó\"\n}").findings;
    let finding = &found[0];
    let place = (finding.line_start, finding.column_start, finding.line_end, finding.column_end);
    assert_eq!(place, (3, 14, 3, 17), "{finding:?}");
}

#[test]
fn no_more_is_told_than_anybody_reads() {
    let mut json = good();
    json["screens"] = (0..100).map(|_| json!({"colour": 1})).collect();
    assert_eq!(check(&json.to_string()).findings.len(), 20);
    let long = format!("{{\"{}\": 1}}", "ü".repeat(10_000));
    assert!(
        check(&long)
            .findings
            .iter()
            .all(|finding| finding.message.len() < 300 && finding.pointers[0].path.len() < 300)
    );
}

#[test]
fn a_flow_lives_from_draft_to_deprecated() {
    let mut flow = kept(|_| {}).flow;
    assert_eq!(flow.deprecate(6), Err(Refused::NotDeprecable));
    flow.publish(6).unwrap();
    assert_eq!((flow.status, flow.updated_s), (Status::Published, 6));
    assert_eq!(flow.publish(7), Err(Refused::NotPublishable));
    let rename = Edit {
        name: Some("two".to_owned()),
        ..Edit::default()
    };
    assert_eq!(flow.edit(rename, 7), Err(Refused::NotChangeable));
    let to = |status| Edit {
        status: Some(status),
        ..Edit::default()
    };
    for status in [Status::Throttled, Status::Blocked, Status::Published] {
        flow.edit(to(status), 8).unwrap();
        assert_eq!(flow.status, status);
    }
    assert_eq!(flow.edit(to(Status::Draft), 9), Err(Refused::StatusNotChangeable));
    flow.deprecate(9).unwrap();
    assert_eq!(flow.deprecate(10), Err(Refused::Deprecated));
    assert_eq!(flow.edit(to(Status::Published), 10), Err(Refused::StatusNotChangeable));
    let mut published = kept(|_| {});
    published.flow.publish(6).unwrap();
    assert_eq!(published.upload("{}".to_owned(), 7), Err(Refused::NotChangeable));
}

#[test]
fn only_what_can_be_sent_is_published() {
    let refused = |change: fn(&mut Draft)| kept(change).flow.publish(6).unwrap_err();
    assert_eq!(refused(|draft| draft.json = None), Refused::NoJson);
    assert_eq!(refused(|draft| draft.json = Some("{}".to_owned())), Refused::Findings);
    let with_endpoint = |draft: &mut Draft| {
        let mut json = good();
        json["data_api_version"] = json!("3.0");
        json["routing_model"] = json!({"ASK": ["END"], "END": []});
        draft.json = Some(json.to_string());
    };
    assert_eq!(kept(with_endpoint).flow.publish(6), Err(Refused::NoEndpoint));
    let published = kept(|draft| {
        with_endpoint(draft);
        draft.endpoint_uri = Some("https://flows.example/answer".to_owned());
    });
    assert_eq!(published.flow.clone().publish(6), Ok(()));
    let mut old = good();
    old["version"] = json!("2.1");
    old["data_channel_uri"] = json!("https://flows.example/old");
    let mut draft = draft("old");
    draft.json = Some(old.to_string());
    let known = Catalogue::default();
    assert_eq!(
        known.draft(draft.clone(), "1".to_owned(), 5).ok().unwrap().flow.endpoint(),
        Some("https://flows.example/old")
    );
    draft.endpoint_uri = Some("https://flows.example/answer".to_owned());
    assert_eq!(known.draft(draft, "1".to_owned(), 5).err(), Some(Refused::EndpointInJson));
}

#[test]
fn names_are_unique_and_there_is_an_end() {
    let refused = |known: &Catalogue, change: fn(&mut Draft)| {
        let mut draft = draft("new");
        change(&mut draft);
        known.draft(draft, "9".to_owned(), 5).err()
    };
    let mut known = Catalogue::default();
    for (change, why) in [
        ((|draft| draft.name = " ".to_owned()) as fn(&mut Draft), Refused::Name),
        (|draft| draft.name = "x".repeat(201), Refused::Name),
        (|draft| draft.categories.clear(), Refused::Categories),
        (|draft| draft.categories.push("FUN".to_owned()), Refused::Categories),
        (|draft| draft.endpoint_uri = Some("http://a.example".to_owned()), Refused::Endpoint),
        (|draft| draft.endpoint_uri = Some("https:///a".to_owned()), Refused::Endpoint),
        (|draft| draft.json = Some("x".repeat(MAX_JSON_BYTES + 1)), Refused::TooLarge),
    ] {
        assert_eq!(refused(&known, change), Some(why));
    }
    for number in 0..LIMIT {
        assert_eq!(refused(&known, |_| {}), None);
        let kept = known.draft(draft(&format!("flow {number}")), number.to_string(), 5).ok().unwrap();
        known = known.with(kept.flow.into());
    }
    assert_eq!(refused(&known, |_| {}), Some(Refused::Full));
    assert_eq!(refused(&known, |draft| draft.name = "flow 7".to_owned()), Some(Refused::NameTaken));
    assert_eq!(known.check_free("flow 7", "7"), Ok(()), "its own");
    let full = Catalogue::of(known.flows().iter().take(8).map(|flow| Flow {
        json_bytes: Some(MAX_BYTES / 8),
        ..Flow::clone(flow)
    }));
    assert_eq!(full.check_room("99", 1), Err(Refused::TooMuch));
    assert_eq!(full.check_room("7", MAX_BYTES / 8), Ok(()), "in place of its own");
    assert!(full.without("7").by_id("7").is_none());
}

proptest::proptest! {
    #[test]
    fn no_document_is_too_strange(json in "[\\[\\]{}\",:a1 ]{0,60}", at in 0usize..900, with in "[\\[\\]{}\",:1]{0,2}") {
        let _ = check(&json);
        let mut bent = good().to_string();
        let at = (0..=at.min(bent.len())).rev().find(|at| bent.is_char_boundary(*at)).unwrap_or(0);
        bent.insert_str(at, &with);
        let _ = check(&bent);
    }
}
