//! What can be chosen or pressed in a message, and what doing so sends. Pure.

use waxseal_content::{Body, ButtonReply, Interactive, InteractiveReply, TemplateButtonKind, Text};

/// Something to choose.
#[derive(Clone)]
pub struct Choice {
    /// The section of a list it stands in.
    pub section: Option<Text>,
    /// What a person sees.
    pub title: Text,
    /// More about it.
    pub description: Option<Text>,
    /// What the business knows it by, if anything.
    pub id: Option<Text>,
    /// What choosing it does.
    pub act: Act,
}

/// What choosing does.
#[derive(Clone)]
pub enum Act {
    /// Answers with this, in the context of the message.
    Answer(Box<Body>),
    /// Opens this address.
    Open(Text),
    /// Calls this number.
    Call(Text),
    /// Copies this code.
    Copy(Text),
    /// Asks for a location, which the person sends.
    Locate,
    /// Opens a form; what it gives is sent as [`InteractiveReply::Flow`].
    Flow,
    /// Something that this build cannot do.
    Nothing,
}

/// What can be chosen or pressed in a message, in the order in which it is shown.
#[must_use]
pub fn choices(body: &Body) -> Vec<Choice> {
    match body {
        Body::Interactive(interactive) => of_interactive(interactive),
        Body::Template(template) => template
            .buttons
            .iter()
            .map(|button| Choice {
                section: None,
                title: button.text.clone(),
                description: None,
                id: (button.kind == TemplateButtonKind::QuickReply).then(|| button.value.clone()),
                act: match button.kind {
                    TemplateButtonKind::QuickReply => Act::Answer(Box::new(Body::ButtonReply(ButtonReply {
                        text: button.text.clone(),
                        payload: button.value.clone(),
                    }))),
                    TemplateButtonKind::Url => Act::Open(button.value.clone()),
                    TemplateButtonKind::PhoneNumber => Act::Call(button.value.clone()),
                    TemplateButtonKind::CopyCode => Act::Copy(button.value.clone()),
                    TemplateButtonKind::Flow => Act::Flow,
                    TemplateButtonKind::Other => Act::Nothing,
                },
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn of_interactive(interactive: &Interactive) -> Vec<Choice> {
    let mut choices = Vec::new();
    for reply in &interactive.replies {
        choices.push(Choice {
            section: None,
            title: reply.title.clone(),
            description: reply.description.clone(),
            id: Some(reply.id.clone()),
            act: Act::Answer(Box::new(Body::InteractiveReply(InteractiveReply::Button(reply.clone())))),
        });
    }
    for section in &interactive.sections {
        for row in &section.rows {
            choices.push(Choice {
                section: Some(section.title.clone()).filter(|title| !title.is_empty()),
                title: row.title.clone(),
                description: row.description.clone(),
                id: Some(row.id.clone()),
                act: Act::Answer(Box::new(Body::InteractiveReply(InteractiveReply::List(row.clone())))),
            });
        }
    }
    if let Some(link) = &interactive.link {
        choices.push(of(link.title.clone(), Act::Open(link.url.clone())));
    }
    if choices.is_empty() {
        match interactive.kind.as_str() {
            "location_request_message" => choices.push(of(Text::from("Send location"), Act::Locate)),
            "flow" => choices.push(of(Text::from("Open"), Act::Flow)),
            _ => {}
        }
    }
    choices
}

const fn of(title: Text, act: Act) -> Choice {
    Choice {
        section: None,
        title,
        description: None,
        id: None,
        act,
    }
}

#[cfg(test)]
mod tests {
    use waxseal_content::{Link, Reply, Section, Template, TemplateButton};

    use super::*;

    fn interactive(kind: &str) -> Interactive {
        Interactive {
            kind: kind.to_owned(),
            header: None,
            body: Some("which?".into()),
            footer: None,
            replies: Vec::new(),
            list_button: None,
            sections: Vec::new(),
            link: None,
            action_json: None,
        }
    }

    fn reply(id: &str) -> Reply {
        Reply {
            id: id.into(),
            title: Text::new(format!("Title {id}")),
            description: None,
        }
    }

    #[test]
    fn buttons_and_rows_answer_with_themselves() {
        let mut message = interactive("button");
        message.replies = vec![reply("a"), reply("b")];
        let found = choices(&Body::Interactive(Box::new(message)));
        assert_eq!(found.len(), 2);
        assert!(found[1].id.as_ref().unwrap().reveal() == "b" && found[1].title.reveal() == "Title b");
        let expected = Body::InteractiveReply(InteractiveReply::Button(reply("b")));
        assert!(matches!(&found[1].act, Act::Answer(body) if **body == expected));

        let mut message = interactive("list");
        let section = |title: &str, id: &str| Section {
            title: title.into(),
            rows: vec![reply(id)],
        };
        message.sections = vec![section("", "a"), section("More", "b")];
        let found = choices(&Body::Interactive(Box::new(message)));
        assert!(found[0].section.is_none() && found[1].section.as_ref().unwrap().reveal() == "More");
        let expected = Body::InteractiveReply(InteractiveReply::List(reply("b")));
        assert!(matches!(&found[1].act, Act::Answer(body) if **body == expected));
    }

    #[test]
    fn links_locations_and_forms_are_told_apart() {
        let mut message = interactive("cta_url");
        message.link = Some(Link {
            title: "See".into(),
            url: "https://shop.example".into(),
        });
        let found = choices(&Body::Interactive(Box::new(message)));
        assert!(matches!(&found[..], [Choice { act: Act::Open(url), .. }] if url.reveal() == "https://shop.example"));
        for (kind, is_right) in [
            ("location_request_message", (|act| matches!(act, Act::Locate)) as fn(&Act) -> bool),
            ("flow", |act| matches!(act, Act::Flow)),
        ] {
            let found = choices(&Body::Interactive(Box::new(interactive(kind))));
            assert!(matches!(&found[..], [choice] if is_right(&choice.act)), "{kind}");
        }
        assert!(choices(&Body::Interactive(Box::new(interactive("catalog_message")))).is_empty());
        assert!(choices(&Body::RequestWelcome).is_empty());
    }

    #[test]
    fn buttons_of_templates() {
        let button = |kind, text: &str, value: &str| TemplateButton {
            kind,
            text: text.into(),
            value: value.into(),
        };
        let template = Template {
            name: "order".to_owned(),
            language: "en_US".to_owned(),
            header: None,
            body: "ready".into(),
            footer: None,
            buttons: vec![
                button(TemplateButtonKind::QuickReply, "Stop", "STOP-1"),
                button(TemplateButtonKind::Url, "Track", "https://shop.example/1"),
                button(TemplateButtonKind::CopyCode, "Copy", "1234"),
            ],
        };
        let found = choices(&Body::Template(Box::new(template)));
        let expected = Body::ButtonReply(ButtonReply {
            text: "Stop".into(),
            payload: "STOP-1".into(),
        });
        assert!(matches!(&found[0].act, Act::Answer(body) if **body == expected));
        assert!(matches!(&found[1].act, Act::Open(url) if url.reveal().ends_with("/1")));
        assert!(matches!(&found[2].act, Act::Copy(code) if code.reveal() == "1234"));
    }
}
