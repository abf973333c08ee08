use super::*;

fn what(line: &str) -> What {
    match parse(line) {
        Line::Say(say) => say.what,
        Line::Wrong(why) => panic!("{line}: {why}"),
        _ => panic!("{line} says nothing"),
    }
}

fn wrong(line: &str) -> String {
    match parse_json(line) {
        Line::Wrong(why) => why,
        _ => panic!("{line} is taken"),
    }
}

const ID: MessageId = MessageId::new([0xab; 16]);

fn hex() -> String {
    "ab".repeat(16)
}

#[test]
fn lines_are_understood() {
    assert!(matches!(parse("hello /react\n"), Line::Text("hello /react")));
    assert!(matches!(parse("//etc/hosts"), Line::Text("/etc/hosts")));
    assert!(matches!(parse("  \r\n"), Line::Empty));
    assert!(matches!(parse("/safety"), Line::Safety));
    assert!(matches!(what("/react 👍"), What::Reaction { message_id: None, emoji } if emoji.reveal() == "👍"));
    assert!(matches!(
        what(&format!("/react 👍 {}", hex())),
        What::Reaction { message_id: Some(ID), .. }
    ));
    assert!(matches!(parse(&format!("/read {0} {0}", hex())), Line::Read(ids) if ids == [ID, ID]));
    assert!(matches!(parse("/read"), Line::Read(ids) if ids.is_empty()));
    assert!(matches!(parse("/report"), Line::Report(SpamReason::Spam)));
    assert!(matches!(parse("/report fraud"), Line::Report(SpamReason::Fraud)));
    assert!(matches!(
        parse("/save"),
        Line::Save {
            message_id: None,
            path: None
        }
    ));
    assert!(
        matches!(parse(&format!("/save {} 'my file.png'", hex())), Line::Save { message_id: Some(ID), path: Some(path) } if path.as_os_str() == "my file.png")
    );
    for line in [
        "/react",
        "/react 👍 12",
        "/read xx",
        "/unknown",
        "/safety now",
        "/",
        "/image",
        "/location 1",
        "/location x y",
        "/contact Ann",
        "/choose",
        "/choose one",
        "/form {",
        "/report me",
        "/audio a.ogg with words",
        "/edit",
        "/revoke 12",
    ] {
        assert!(matches!(parse(line), Line::Wrong(_)), "{line}");
    }
}

#[test]
fn files_places_and_people() {
    let expected = |path: &str, caption: Option<&str>| {
        What::File(File {
            kind: MediaKind::Image,
            path: path.into(),
            caption: caption.map(str::to_owned),
            filename: None,
            mime_type: None,
            voice: false,
            animated: false,
        })
    };
    assert!(what("/image a.png") == expected("a.png", None));
    assert!(what("/image a.png  look at  this") == expected("a.png", Some("look at  this")));
    assert!(what("/image 'my photo.png' look") == expected("my photo.png", Some("look")));
    assert!(what(r#"/image "my photo".png"#) == expected("my photo.png", None));
    assert!(what(r"/image my\ photo.png") == expected("my photo.png", None));
    assert!(matches!(what("/voice a.ogg"), What::File(File { voice: true, .. })));
    assert!(matches!(what("/location 52.5, 13.4 The Shop"), What::Location(place) if place.name.as_ref().unwrap().reveal() == "The Shop"));
    assert!(
        matches!(what("/contact Ann Lee +1 555 0199"), What::Contacts(cards) if cards.reveal().contains("Ann Lee") && cards.reveal().contains("+1 555 0199"))
    );
}

#[test]
fn changes_and_replies_name_a_message_or_mean_the_last() {
    assert!(matches!(what("/edit new text"), What::Edit { message_id: None, text, caption: None } if text.reveal() == "new text"));
    assert!(matches!(what(&format!("/edit {} new", hex())), What::Edit { message_id: Some(ID), text, .. } if text.reveal() == "new"));
    assert!(matches!(what("/delete"), What::Revoke { message_id: None }));
    assert!(matches!(
        what(&format!("/choose 2 {}", hex())),
        What::Choose {
            message_id: Some(ID),
            pick: Pick::Number(2)
        }
    ));
    let quoted = |line: &str| if let Line::Say(say) = parse(line) { say.reply_to } else { None };
    assert_eq!(quoted("/reply yes"), Some(Quoted::Last));
    assert_eq!(quoted(&format!("/reply {} yes", hex())), Some(Quoted::Id(ID)));
}

#[test]
fn objects_are_understood_and_mistakes_located() {
    assert!(matches!(parse_json(r#"{"type":"text","text":"hi"}"#), Line::Say(_)));
    assert!(matches!(parse_json("plain text"), Line::Text("plain text")));
    assert!(matches!(parse_json(r#"{"type":"quit"}"#), Line::Quit));
    assert!(matches!(parse_json(&format!(r#"{{"type":"played","message_ids":["{}"]}}"#, hex())), Line::Played(ids) if ids == [ID]));
    assert!(wrong(r#"{"type":"text","text":"secret"#).contains("not JSON, at column"));
    assert!(wrong(r#"{"type":"text","secret":1}"#).contains("unknown field"));
    assert!(wrong(r#"{"type":"report","reason":"secret"}"#).contains("a reason is"));
    assert!(wrong(r#"{"type":"read","message_ids":["secret"]}"#).contains("32 hex digits"));
}

#[test]
fn typing_a_command_teaches_it() {
    let names = |line: &str| matching(line).iter().map(|(name, ..)| *name).collect::<Vec<_>>();
    assert_eq!(names("/re"), ["reply", "react", "revoke", "report"]);
    assert_eq!(names("/image a.png"), ["image"]);
    assert!(names("/nothing").is_empty() && names("text").is_empty());
    assert_eq!(names("/").len(), COMMANDS.len());
}
