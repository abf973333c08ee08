use super::*;

fn understand(json: &str) -> Result<Say, String> {
    serde_json::from_str::<Fields>(json)
        .unwrap_or_else(|error| panic!("{error}"))
        .understand()
}

fn refused(json: &str) -> String {
    understand(json).err().unwrap_or_else(|| panic!("{json} is taken"))
}

#[test]
fn every_type_is_understood() {
    let id = "ab".repeat(16);
    for (json, right) in [
        (
            r#"{"type":"text","text":"hi"}"#.to_owned(),
            (|what| matches!(what, What::Text(_))) as fn(&What) -> bool,
        ),
        (r#"{"text":"hi"}"#.to_owned(), |what| matches!(what, What::Text(_))),
        (r#"{"type":"image","file":"a.png","caption":"c"}"#.to_owned(), |what| {
            matches!(
                what,
                What::File(File {
                    kind: MediaKind::Image,
                    caption: Some(_),
                    ..
                })
            )
        }),
        (r#"{"file":"a.mp4"}"#.to_owned(), |what| {
            matches!(
                what,
                What::File(File {
                    kind: MediaKind::Video,
                    ..
                })
            )
        }),
        (r#"{"file":"a","mime_type":"image/png"}"#.to_owned(), |what| {
            matches!(
                what,
                What::File(File {
                    kind: MediaKind::Image,
                    ..
                })
            )
        }),
        (r#"{"type":"voice","file":"a.ogg"}"#.to_owned(), |what| {
            matches!(
                what,
                What::File(File {
                    kind: MediaKind::Audio,
                    voice: true,
                    ..
                })
            )
        }),
        (r#"{"type":"audio","file":"a.ogg","voice":true}"#.to_owned(), |what| {
            matches!(what, What::File(File { voice: true, .. }))
        }),
        (r#"{"type":"sticker","file":"a.webp","animated":true}"#.to_owned(), |what| {
            matches!(what, What::File(File { animated: true, .. }))
        }),
        (
            r#"{"type":"location","latitude":1,"longitude":2.5,"name":"x"}"#.to_owned(),
            |what| matches!(what, What::Location(_)),
        ),
        (
            r#"{"type":"contacts","name":"Ann Lee","phone":"+15550199"}"#.to_owned(),
            |what| matches!(what, What::Contacts(cards) if cards.reveal().contains("+15550199")),
        ),
        (r#"{"contacts":[{"name":{"formatted_name":"x"}}]}"#.to_owned(), |what| {
            matches!(what, What::Contacts(_))
        }),
        (r#"{"type":"reaction","emoji":""}"#.to_owned(), |what| {
            matches!(what, What::Reaction { message_id: None, .. })
        }),
        (format!(r#"{{"emoji":"x","message_id":"{id}"}}"#), |what| {
            matches!(what, What::Reaction { message_id: Some(_), .. })
        }),
        (r#"{"choice":2}"#.to_owned(), |what| {
            matches!(what, What::Choose { pick: Pick::Number(2), .. })
        }),
        (r#"{"type":"choose","title":"Yes"}"#.to_owned(), |what| {
            matches!(what, What::Choose { pick: Pick::Title(_), .. })
        }),
        (r#"{"type":"flow_reply","response":{"a":1}}"#.to_owned(), |what| {
            matches!(what, What::Flow { .. })
        }),
        (r#"{"type":"list_reply","id":"1","title":"One"}"#.to_owned(), |what| {
            matches!(what, What::Reply(InteractiveReply::List(_)))
        }),
        (r#"{"type":"button","text":"Stop","payload":"S"}"#.to_owned(), |what| {
            matches!(what, What::Button(_))
        }),
        (r#"{"type":"edit","text":"new","caption":true}"#.to_owned(), |what| {
            matches!(what, What::Edit { caption: Some(true), .. })
        }),
        (r#"{"type":"revoke"}"#.to_owned(), |what| {
            matches!(what, What::Revoke { message_id: None })
        }),
        (r#"{"type":"request_welcome"}"#.to_owned(), |what| matches!(what, What::Welcome)),
    ] {
        let say = understand(&json).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert!(right(&say.what), "{json}");
    }
    let reply = understand(&format!(r#"{{"text":"x","reply_to":"{id}"}}"#)).unwrap();
    assert_eq!(reply.reply_to, Some(Quoted::Id(MessageId::new([0xab; 16]))));
    assert_eq!(
        understand(r#"{"text":"x","reply_to":"last"}"#).unwrap().reply_to,
        Some(Quoted::Last)
    );
}

#[test]
fn what_is_missing_or_too_much_is_named() {
    for (json, says) in [
        ("{}", "text wants text"),
        (r#"{"type":"nonsense"}"#, "type: one of text, image"),
        (r#"{"type":"image"}"#, "image wants file"),
        (r#"{"type":"voice","file":"a.ogg","caption":"c"}"#, "caption: voice has none"),
        (r#"{"type":"location","latitude":1}"#, "location wants longitude"),
        (r#"{"type":"reaction"}"#, "reaction wants emoji"),
        (r#"{"type":"choose"}"#, "choose wants one of"),
        (r#"{"type":"choose","choice":1,"title":"x"}"#, "choose wants one of"),
        (r#"{"text":"x","latitude":1,"type":"text"}"#, "latitude: text does not take this"),
        (r#"{"type":"revoke","message_id":"xyz"}"#, "message_id: an id has 32 hex digits"),
        (r#"{"text":"x","reply_to":"1"}"#, "reply_to: an id"),
        (r#"{"type":"contacts","contacts":[]}"#, "contacts: a list of cards"),
        (r#"{"type":"contacts","name":"x"}"#, "contacts wants"),
    ] {
        let error = refused(json);
        assert!(error.starts_with(says), "{json}: {error}");
    }
    assert!(serde_json::from_str::<Fields>(r#"{"txt":"x"}"#).is_err());
}
