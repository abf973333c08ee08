//! Consumers: real ones, with keys and sessions of their own, in the process of the test.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, bail};
use tokio::{sync::Notify, time::Instant};
use waxseal_consumer::{Consumer, Event, MessageId, Options, PhoneNumber, ReceiptKind};
use waxseal_harness::numbers;

use crate::{PATIENCE, stage::Stage};

/// A consumer that keeps what it is told.
pub struct Person {
    /// To send with.
    pub consumer: Consumer,
    /// The business.
    pub business: PhoneNumber,
    number: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    events: Mutex<Vec<Event>>,
    arrived: Notify,
}

impl Shared {
    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Person {
    /// A new consumer of the stage's business; connected.
    ///
    /// # Errors
    /// When it does not connect.
    pub async fn new(stage: &Stage) -> Result<Self> {
        let number = numbers::consumer();
        let phone = PhoneNumber::parse(&number).map_err(|_| anyhow::anyhow!("not a number"))?;
        let business = PhoneNumber::parse(&stage.number()?.phone_number).map_err(|_| anyhow::anyhow!("not a number"))?;
        let consumer = Consumer::open(Options::in_memory(phone, stage.up.endpoints().relay.clone())).await?;
        let shared = Arc::new(Shared::default());
        let (listener, listening) = (consumer.clone(), Arc::clone(&shared));
        // Ends with the consumer.
        tokio::spawn(async move {
            while let Some(event) = listener.next_event().await {
                listening.events().push(event);
                listening.arrived.notify_waiters();
            }
        });
        let person = Self {
            consumer,
            business,
            number,
            shared,
        };
        person
            .wait_for("a connection", |events| {
                events.iter().any(|event| matches!(event, Event::Connected { .. })).then_some(())
            })
            .await?;
        Ok(person)
    }

    /// The number as the Cloud API writes it.
    #[must_use]
    pub fn wa_id(&self) -> &str {
        numbers::wa_id(&self.number)
    }

    /// Waits until `look` finds what it wants among what the consumer was told.
    ///
    /// # Errors
    /// When the time is over.
    pub async fn wait_for<T>(&self, what: &str, mut look: impl FnMut(&[Event]) -> Option<T>) -> Result<T> {
        let end = Instant::now() + PATIENCE;
        loop {
            let arrived = self.shared.arrived.notified();
            tokio::pin!(arrived);
            arrived.as_mut().enable();
            if let Some(found) = look(&self.shared.events()) {
                return Ok(found);
            }
            if tokio::time::timeout_at(end, arrived).await.is_err() {
                bail!("the consumer was not told of {what}");
            }
        }
    }

    /// Waits for so many texts, and returns all that arrived, in order.
    ///
    /// # Errors
    /// When the time is over.
    pub async fn texts(&self, count: usize) -> Result<Vec<String>> {
        self.wait_for("so many texts", |events| Some(texts(events)).filter(|texts| texts.len() >= count))
            .await
            .with_context(|| format!("{count} texts"))
    }

    /// Waits for a text, and returns its id.
    ///
    /// # Errors
    /// When the time is over.
    pub async fn text(&self, text: &str) -> Result<MessageId> {
        self.wait_for(text, |events| {
            events.iter().find_map(|event| match event {
                Event::Message(message) if message.text().is_some_and(|said| said.reveal() == text) => Some(message.message_id),
                _ => None,
            })
        })
        .await
    }

    /// Waits until the business has read a message.
    ///
    /// # Errors
    /// When the time is over.
    pub async fn read_of(&self, message_id: MessageId) -> Result<()> {
        self.wait_for("a read mark", |events| {
            let is_read = |event: &Event| matches!(event, Event::Receipt { kind: ReceiptKind::Read, message_ids, .. } if message_ids.contains(&message_id));
            events.iter().any(is_read).then_some(())
        })
        .await
    }
}

fn texts(events: &[Event]) -> Vec<String> {
    let message = |event: &Event| match event {
        Event::Message(message) => message.text().map(|text| text.reveal().to_owned()),
        _ => None,
    };
    events.iter().filter_map(message).collect()
}
