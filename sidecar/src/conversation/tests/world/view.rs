//! What there is to see from outside.

use std::collections::BTreeMap;

use waxseal_content::MessageId;
use waxseal_sealing::Class;
use waxseal_signal::PrivateRecord;

use super::{Posted, World};
use crate::{id, metrics::Counts};

impl World {
    pub fn wamid(&self, phone: usize, message: MessageId) -> String {
        id::wamid(&self.shared.tokens, &self.peer(phone), message).as_str().to_owned()
    }

    /// What the business was told of a message, in order.
    pub fn statuses(&self, phone: usize, message: MessageId) -> Vec<String> {
        let wamid = self.wamid(phone, message);
        let of = |posted: &Posted| match posted {
            Posted::Status { wamid: of, status, .. } if *of == wamid => Some(status.clone()),
            _ => None,
        };
        self.posted.iter().filter_map(of).collect()
    }

    /// The texts the business was told a consumer wrote, in order.
    pub fn texts(&self, phone: usize) -> Vec<String> {
        let number = self.phones[phone].number.wa_id();
        let of = |posted: &Posted| match posted {
            Posted::Text { from, text, .. } if from == number => Some(text.clone()),
            _ => None,
        };
        self.posted.iter().filter_map(of).collect()
    }

    pub fn shown(&self, phone: usize) -> Vec<&str> {
        self.phones[phone].shown.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// The names of everything stored that holds `text` once it is opened.
    pub fn holding(&self, text: &str) -> Vec<String> {
        let classes = [Class::Message, Class::Session, Class::Webhook, Class::PreKey];
        let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        let mut holding = BTreeMap::new();
        for (key, sealed) in self.store.everything() {
            let opened = classes
                .iter()
                .find_map(|class| self.shared.sealer.open(*class, key.as_str(), &sealed).ok());
            if holds(&sealed) || opened.is_some_and(|opened| holds(&opened)) {
                *holding.entry(key.as_str().to_owned()).or_insert(0) += 1;
            }
        }
        holding.into_keys().collect()
    }

    pub fn total(&self, count: impl Fn(&Counts) -> u64) -> u64 {
        self.counts.iter().map(count).sum()
    }

    pub fn private_key(&self, id: u32) -> Option<PrivateRecord> {
        let key = self.shared.names.one_time_ec(id);
        let sealed = self.store.get(&key)?;
        let opened = self.shared.sealer.open(Class::PreKey, key.as_str(), &sealed).unwrap();
        Some(PrivateRecord::from_bytes(&opened))
    }
}

pub(super) fn posted(body: &[u8]) -> Posted {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap();
    let value = &body["entry"][0]["changes"][0]["value"];
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    if let Some(message) = value["messages"].get(0) {
        return match message["type"].as_str() {
            Some("text") => Posted::Text {
                from: text(&message["from"]),
                wamid: text(&message["id"]),
                text: text(&message["text"]["body"]),
            },
            _ => Posted::Message(message.clone()),
        };
    }
    let status = &value["statuses"][0];
    Posted::Status {
        to: text(&status["recipient_id"]),
        wamid: text(&status["id"]),
        status: text(&status["status"]),
        details: status["errors"][0]["error_data"]["details"].as_str().map(str::to_owned),
    }
}
