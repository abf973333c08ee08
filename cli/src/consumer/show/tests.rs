use waxseal_consumer::{Blob, BlobId, ButtonReply, Contacts, FileSecret, Link, Reply, Section, TemplateButton};

use super::*;

pub(crate) fn media(kind: MediaKind) -> Media {
    Media {
        kind,
        blob: Blob {
            id: BlobId::new([0xee; 16]),
            key: FileSecret::new([0xdd; 32]),
        },
        sha256: [0xcc; 32],
        size_bytes: 120_000,
        mime_type: "image/jpeg".into(),
        caption: Some("look".into()),
        filename: Some("photo.jpg".into()),
        voice: false,
        animated: false,
    }
}

fn reply(id: &str, title: &str, description: Option<&str>) -> Reply {
    Reply {
        id: id.into(),
        title: title.into(),
        description: description.map(Text::from),
    }
}

pub(crate) fn interactive() -> Interactive {
    Interactive {
        kind: "button".to_owned(),
        header: Some(Header::Text("Size".into())),
        body: Some("Which one?".into()),
        footer: Some("Free delivery".into()),
        replies: vec![reply("s", "Small", None), reply("l", "Large", Some("for two"))],
        list_button: None,
        sections: Vec::new(),
        link: None,
        action_json: None,
    }
}

fn template() -> Template {
    let button = |kind, text: &str, value: &str| TemplateButton {
        kind,
        text: text.into(),
        value: value.into(),
    };
    Template {
        name: "order_ready".to_owned(),
        language: "en_US".to_owned(),
        header: Some(Header::Media(media(MediaKind::Image))),
        body: "Your order is ready".into(),
        footer: None,
        buttons: vec![
            button(TemplateButtonKind::QuickReply, "Thanks", "T"),
            button(TemplateButtonKind::Url, "Track", "https://shop.example/1"),
        ],
    }
}

#[test]
fn people_see_lines() {
    assert_eq!(text(&Body::Media(media(MediaKind::Image))), "[image photo.jpg 120 KB] look");
    let mut voice = media(MediaKind::Audio);
    (voice.voice, voice.caption, voice.filename) = (true, None, None);
    assert_eq!(text(&Body::Media(voice)), "[voice message 120 KB]");
    let location = Location {
        latitude: 52.52,
        longitude: -13.4,
        name: Some("Shop".into()),
        address: Some("1 Main St".into()),
        url: None,
    };
    assert_eq!(text(&Body::Location(location)), "[location 52.52, -13.4] Shop 1 Main St");
    let cards = crate::consumer::say::card("Ann Lee", "+15550199").to_string();
    let contacts = Contacts {
        cards_json: Text::new(cards),
    };
    assert_eq!(text(&Body::Contacts(contacts)), "[contact Ann Lee +15550199]");
    assert_eq!(
        text(&Body::Interactive(Box::new(interactive()))),
        "Size\nWhich one?\nFree delivery\n  1. Small\n  2. Large - for two"
    );
    assert_eq!(
        text(&Body::Template(Box::new(template()))),
        "[image photo.jpg 120 KB]\nYour order is ready\n  1. Thanks\n  2. Track (https://shop.example/1)"
    );
    let mut list = interactive();
    list.replies.clear();
    list.header = None;
    list.footer = None;
    list.sections = ["", "More"]
        .map(|title| Section {
            title: title.into(),
            rows: vec![reply("r", "Row", None)],
        })
        .into();
    assert_eq!(text(&Body::Interactive(Box::new(list))), "Which one?\n  1. Row\n  More:\n  2. Row");
    let button = ButtonReply {
        text: "Stop".into(),
        payload: "S".into(),
    };
    assert_eq!(text(&Body::ButtonReply(button)), "[pressed Stop]");
    assert_eq!([size(999), size(1_000), size(1_500_000)], ["999 B", "1 KB", "1.5 MB"]);
}

#[test]
fn programs_see_members_and_never_keys() {
    let mut link = interactive();
    link.replies.clear();
    link.link = Some(Link {
        title: "See".into(),
        url: "https://shop.example".into(),
    });
    let bodies = [
        Body::Media(media(MediaKind::Image)),
        Body::Interactive(Box::new(interactive())),
        Body::Interactive(Box::new(link)),
        Body::Template(Box::new(template())),
        Body::InteractiveReply(InteractiveReply::Button(reply("s", "Small", None))),
    ];
    let jsons: Vec<Value> = bodies.iter().map(|body| Value::Object(json(body))).collect();
    assert_eq!(jsons[0]["type"], "image");
    assert_eq!(jsons[0]["image"]["sha256"], "cc".repeat(32));
    assert_eq!(jsons[1]["interactive"]["buttons"][1]["id"], "l");
    assert_eq!(jsons[1]["choices"][1]["title"], "Large");
    assert_eq!(jsons[2]["choices"][0]["act"], "open");
    assert_eq!(jsons[3]["template"]["buttons"][0]["type"], "quick_reply");
    assert_eq!(jsons[3]["template"]["header"]["image"]["filename"], "photo.jpg");
    assert_eq!(jsons[4]["interactive"]["button_reply"]["title"], "Small");
    for json in &jsons {
        let text = json.to_string();
        assert!(!text.contains(&"dd".repeat(32)) && !text.contains(&"ee".repeat(16)), "{text}");
    }
}
