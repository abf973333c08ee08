//! A number that keeps what it is asked for and refuses on request.
#![allow(dead_code, reason = "each test uses only some of it")]

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::Semaphore;
use waxseal_sidecar::{
    api::Engine,
    id::Wamid,
    limits::Quota,
    message::{Accepted, Addressee, IdempotencyKey, MessageStatus, NumberFacts, Outbound, OutboundBody, Refusal},
};

/// What a number was asked for, in words.
#[derive(Default)]
pub struct Asked(Mutex<Vec<String>>);

impl Asked {
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    fn push(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

pub struct Fake {
    pub asked: Asked,
    /// A message is accepted when it gets a permit.
    pub gate: Arc<Semaphore>,
    /// Calls that wait at the gate.
    pub waiting: AtomicUsize,
    accepted: AtomicUsize,
    keys: Mutex<HashMap<[u8; 32], (IdempotencyKey, Wamid)>>,
}

impl Fake {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            asked: Asked::default(),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            waiting: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            keys: Mutex::default(),
        })
    }
}

/// These recipients are refused.
pub const REFUSED: [(&str, Refusal); 7] = [
    ("15550190", Refusal::Unavailable),
    ("15550191", Refusal::Overloaded),
    ("15550192", Refusal::UnknownMessage),
    ("15550193", Refusal::NotRegistered),
    ("15550194", Refusal::Internal),
    ("15550100", Refusal::ToSelf),
    ("15550195", Refusal::IdempotencyMismatch),
];

impl Engine for Fake {
    async fn send(&self, message: Outbound) -> Result<Accepted, Refusal> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        drop(self.gate.acquire().await);
        let to = match &message.to {
            Addressee::Number(number) => number.reveal(),
            Addressee::UserId(user_id) => user_id,
        };
        if let Some((_, refusal)) = REFUSED.iter().find(|(refused, _)| to.strip_prefix('+') == Some(refused)) {
            return Err(refusal.clone());
        }
        let number = self.accepted.fetch_add(1, Ordering::SeqCst);
        let wamid = Wamid::from_token(format!("message {number}").as_bytes()).unwrap();
        if let Some(key) = message.idempotency_key {
            let mut keys = self.keys.lock().unwrap();
            let (known, wamid) = keys.entry(key.key).or_insert((key, wamid.clone()));
            if known.fingerprint != key.fingerprint {
                return Err(Refusal::IdempotencyMismatch);
            }
            return Ok(Accepted {
                wamid: wamid.clone(),
                quota: Quota::default(),
                message_status: None,
            });
        }
        let what = match &message.body {
            OutboundBody::Text { body, .. } => body.reveal().to_owned(),
            OutboundBody::Reaction { message, emoji } => format!("{} on {}", emoji.reveal(), message.as_str()),
            OutboundBody::Media(attachment) => attachment.kind.as_str().to_owned(),
            OutboundBody::Location(_) => "location".to_owned(),
            OutboundBody::Contacts(_) => "contacts".to_owned(),
            OutboundBody::Interactive(interactive) => interactive.content.kind.clone(),
            OutboundBody::Template(call) => format!("template {} in {}", call.name, call.language),
        };
        let message_status = matches!(message.body, OutboundBody::Template(_)).then_some(MessageStatus::Accepted);
        self.asked.push(format!("{to}: {what}"));
        Ok(Accepted {
            wamid,
            message_status,
            quota: Quota::default(),
        })
    }

    async fn mark_read(&self, message: Wamid, typing: bool) -> Result<(), Refusal> {
        if message.as_str() == "wamid.expired" {
            return Err(Refusal::UnknownMessage);
        }
        self.asked.push(format!("read {} {typing}", message.as_str()));
        Ok(())
    }

    fn facts(&self) -> NumberFacts {
        NumberFacts {
            phone_number: "+15550100".to_owned(),
            phone_number_id: "106540352242922".to_owned(),
            waba_id: "102290129340398".to_owned(),
            app_id: "670843887433847".to_owned(),
            display_name: "Sample Shop".to_owned(),
            connected: true,
            pin_enabled: true,
            webhook_url: None,
        }
    }
}
