//! The number's webhook endpoint: verified first, then posted to.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use tokio::sync::mpsc;
use waxseal_store::EntryId;

use crate::{
    config::{Secret, Webhook},
    conversation::lane::{Event, Post, Poster},
    webhook::{
        deliver::{Endpoint, InvalidEndpoint},
        handshake,
        schedule::Backoff,
        sign::EventId,
    },
};

pub(super) struct Hooks {
    endpoint: Option<(Endpoint, Secret)>,
    verified: AtomicBool,
}

impl Hooks {
    pub(super) fn new(webhook: Option<&Webhook>, app_secret: &str) -> Result<Arc<Self>, InvalidEndpoint> {
        let endpoint = match webhook {
            Some(webhook) => Some((
                Endpoint::new(&webhook.url, app_secret, webhook.timeout)?,
                webhook.verify_token.clone(),
            )),
            None => None,
        };
        Ok(Arc::new(Self {
            endpoint,
            verified: AtomicBool::new(false),
        }))
    }

    /// Verifies the endpoint, however long it takes; never ends when there is none.
    pub(super) async fn verify(&self) {
        let Some((endpoint, token)) = &self.endpoint else {
            return std::future::pending().await;
        };
        handshake::until_verified(endpoint, token.reveal(), Backoff::ENDPOINT, |reason| {
            tracing::warn!(%reason, "the webhook is not verified; events wait");
        })
        .await;
        tracing::info!("the webhook is verified");
        self.verified.store(true, Ordering::Release);
    }

    pub(super) fn verified(&self) -> Option<bool> {
        self.endpoint.as_ref().map(|_| self.verified.load(Ordering::Acquire))
    }
}

impl Poster for Hooks {
    fn is_ready(&self) -> bool {
        self.verified.load(Ordering::Acquire)
    }

    fn post(&self, entry: EntryId, post: Post, lane: mpsc::Sender<Event>) {
        let Some((endpoint, _)) = &self.endpoint else { return };
        let endpoint = endpoint.clone();
        tokio::spawn(async move {
            let outcome = endpoint.attempt(EventId::new(post.event_id), post.body, SystemTime::now()).await;
            let _ = lane.send(Event::Posted(entry, outcome.into())).await;
        });
    }
}
