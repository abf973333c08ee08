//! A business and a consumer who have met, and what the consumer says then.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use waxseal_consumer::{Act, Attachment, Event, MediaKind, MessageId, choices};
use waxseal_content::{Body, Contacts, Context, Location, Order, OrderItem, PhoneNumber, Text};

use crate::{PATIENCE, files, namespace::PUBLIC, people::Person, stage::Stage};

/// What a driver tells of each file, where it says its type, and that type.
pub const FILES: [(&str, &str, &str); 5] = [
    ("message image", "/image/mime_type", "image/png"),
    ("message video", "/video/mime_type", "video/mp4"),
    ("message audio", "/audio/mime_type", "audio/ogg"),
    ("message document", "/document/mime_type", "application/pdf"),
    ("message sticker", "/sticker/mime_type", "image/webp"),
];

/// Both of them.
pub struct Play {
    /// The business.
    pub stage: Stage,
    /// The consumer.
    pub person: Person,
    incoming: String,
    user_id: String,
    folder: tempfile::TempDir,
}

impl Play {
    /// The consumer has said hello.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        files::all(folder.path()).await?;
        let stage = Stage::start().await?;
        let person = Person::new(&stage).await?;
        person.consumer.send_text(&person.business, Text::from("hello")).await?;
        let incoming = stage.receiver.wait_for_messages(person.wa_id(), 1, PATIENCE).await?;
        let delivery = stage.receiver.deliveries().into_iter().next().context("nothing arrived")?;
        let user_id = delivery.json.pointer("/entry/0/changes/0/value/contacts/0/user_id");
        let user_id = user_id.and_then(Value::as_str).context("no user_id")?.to_owned();
        let png = std::fs::read(folder.path().join("image-png"))?;
        files::serve(&format!("{PUBLIC}:80"), "image/png", png).await?;
        Ok(Self {
            stage,
            person,
            incoming: incoming[0].id.clone(),
            user_id,
            folder,
        })
    }

    /// What a driver has to know of the consumer.
    #[must_use]
    pub fn facts(&self) -> Value {
        json!({
            "to": self.person.wa_id(),
            "user_id": self.user_id,
            "incoming": self.incoming,
            "public": "http://files.example",
            "files": self.folder.path(),
        })
    }

    /// Waits until the consumer got messages of exactly these kinds, texts aside, and so many interactive ones.
    ///
    /// # Errors
    /// When the time is over.
    pub async fn arrived(&self, kinds: &[&str], interactive: usize) -> Result<()> {
        let what = format!("{kinds:?} and {interactive} interactive messages");
        let all = self
            .person
            .wait_for(&what, |events| {
                let all: Vec<&str> = bodies(events)
                    .iter()
                    .map(|body| kind(body))
                    .filter(|kind| *kind != "text")
                    .collect();
                (all.len() >= kinds.len() + interactive).then(|| all.join(" "))
            })
            .await?;
        let mut expected: Vec<&str> = kinds.to_vec();
        expected.extend(vec!["interactive"; interactive]);
        let mut seen: Vec<&str> = all.split(' ').collect();
        seen.sort_unstable();
        expected.sort_unstable();
        ensure!(seen == expected, "{all} arrived");
        Ok(())
    }

    async fn send(&self, body: Body, context: Option<Context>) -> Result<MessageId> {
        Ok(self.person.consumer.send(&self.person.business, body, context).await?)
    }

    /// A text.
    ///
    /// # Errors
    /// When it is not taken.
    pub async fn say(&self, text: &str) -> Result<MessageId> {
        Ok(self.person.consumer.send_text(&self.person.business, Text::from(text)).await?)
    }

    /// A text that quotes another.
    ///
    /// # Errors
    /// When it is not taken.
    pub async fn reply(&self, text: &str, to: MessageId) -> Result<MessageId> {
        let context = Context {
            message_id: to,
            from_recipient: false,
            forwarded: false,
        };
        Ok(self
            .person
            .consumer
            .send_reply(&self.person.business, Text::from(text), Some(context))
            .await?)
    }

    /// A reaction.
    ///
    /// # Errors
    /// When it is not taken.
    pub async fn react(&self, to: MessageId, emoji: &str) -> Result<MessageId> {
        Ok(self
            .person
            .consumer
            .send_reaction(&self.person.business, to, Text::from(emoji))
            .await?)
    }

    /// A place.
    ///
    /// # Errors
    /// When it is not taken.
    pub async fn locate(&self) -> Result<MessageId> {
        let place = Location {
            latitude: 52.2297,
            longitude: 21.0122,
            name: Some(Text::from("Office")),
            address: Some(Text::from("Main street 1")),
            url: None,
        };
        self.send(Body::Location(place), None).await
    }

    /// A card.
    ///
    /// # Errors
    /// When it is not taken.
    pub async fn cards(&self) -> Result<MessageId> {
        let cards = json!([{
            "name": {"formatted_name": "Ana Żak", "first_name": "Ana"},
            "phones": [{"phone": "+48 555 0100", "type": "WORK", "wa_id": "485550100"}],
        }]);
        let contacts = Contacts {
            cards_json: Text::from(cards.to_string().as_str()),
        };
        self.send(Body::Contacts(contacts), None).await
    }

    /// Wares of a catalogue.
    ///
    /// # Errors
    /// When it is not taken.
    pub async fn order(&self) -> Result<MessageId> {
        let shirts = OrderItem {
            product_retailer_id: Text::from("shirt"),
            quantity: 2,
            price: 12.5,
            currency: Text::from("EUR"),
        };
        let order = Order {
            catalog_id: Text::from("194836987003835"),
            text: Some(Text::from("błękitne")),
            items: vec![shirts],
        };
        self.send(Body::Order(Box::new(order)), None).await
    }

    /// Another number from now on.
    ///
    /// # Errors
    /// When it is not taken.
    pub async fn move_to(&self, number: PhoneNumber) -> Result<MessageId> {
        self.send(Body::NumberChanged { number }, None).await
    }

    /// The file of this type; returns how large it is.
    ///
    /// # Errors
    /// When it is not taken.
    pub async fn send_file(&self, mime_type: &str) -> Result<u64> {
        let path: PathBuf = self.folder.path().join(mime_type.replace('/', "-"));
        let bytes = std::fs::metadata(&path)?.len();
        let kind = match mime_type {
            "image/webp" => MediaKind::Sticker,
            _ if mime_type.starts_with("image/") => MediaKind::Image,
            _ if mime_type.starts_with("video/") => MediaKind::Video,
            _ if mime_type.starts_with("audio/") => MediaKind::Audio,
            _ => MediaKind::Document,
        };
        let mut file = Attachment::from_path(kind, path).typed(mime_type);
        file = match kind {
            MediaKind::Image => file.captioned("żółć"),
            MediaKind::Document => file.named("żółć.pdf"),
            MediaKind::Audio => file.as_voice(),
            _ => file,
        };
        self.person.consumer.send(&self.person.business, file, None).await?;
        Ok(bytes)
    }

    /// Waits until something of this title is offered, and chooses it.
    ///
    /// # Errors
    /// When it is not offered in time.
    pub async fn choose(&self, title: &str) -> Result<MessageId> {
        let (message_id, answer) = self
            .person
            .wait_for(title, |events| {
                events.iter().find_map(|event| {
                    let Event::Message(message) = event else { return None };
                    let choice = choices(&message.body).into_iter().find(|choice| choice.title.reveal() == title)?;
                    match choice.act {
                        Act::Answer(answer) => Some((message.message_id, *answer)),
                        _ => None,
                    }
                })
            })
            .await?;
        let context = Context {
            message_id,
            from_recipient: true,
            forwarded: false,
        };
        self.send(answer, Some(context)).await
    }

    /// Changes a text.
    ///
    /// # Errors
    /// When it is not taken.
    pub async fn edit(&self, message_id: MessageId, text: &str) -> Result<MessageId> {
        let body = Body::Edit {
            message_id,
            text: Text::from(text),
            caption: false,
        };
        self.send(body, None).await
    }

    /// Takes a message back.
    ///
    /// # Errors
    /// When it is not taken.
    pub async fn revoke(&self, message_id: MessageId) -> Result<MessageId> {
        self.send(Body::Revoke { message_id }, None).await
    }
}

fn bodies(events: &[Event]) -> Vec<&Body> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Message(message) => Some(&message.body),
            _ => None,
        })
        .collect()
}

const fn kind(body: &Body) -> &'static str {
    match body {
        Body::Text { .. } => "text",
        Body::Media(_) => "media",
        Body::Location(_) => "location",
        Body::Contacts(_) => "contacts",
        Body::Interactive(_) => "interactive",
        Body::Template(_) => "template",
        _ => "other",
    }
}
