//! Where events of the number go, as the API says it: overrides of the number and its account, the subscriptions of the app.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use hmac::Mac as _;
use rand::Rng as _;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::Number;
use crate::{
    book::{self, Book},
    config,
    conversation::{lane::Event, shared::Shared},
    webhook::{
        deliver::InvalidEndpoint,
        handshake::{self, Unverified},
        route::{Level, Subscriptions},
        sign,
    },
};

/// The document in the book.
const DOCUMENT: &str = "webhooks";
/// No handshake takes longer, whatever the timeout of attempts is.
const HANDSHAKE: Duration = Duration::from_secs(20);

/// What the API says of webhooks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Told {
    /// The override of the number.
    pub number: Option<String>,
    /// The override of the account.
    pub account: Option<String>,
    /// The callback of the app.
    pub app: Option<String>,
    /// The fields that the app subscribed.
    pub fields: Option<BTreeSet<String>>,
    /// Whether the account was unsubscribed.
    pub unsubscribed: bool,
}

/// The member `webhook_configuration` of the number's node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct WebhookConfiguration {
    /// What is set for the number alone: by the API, or declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone_number: Option<String>,
    /// What the API sets for the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whatsapp_business_account: Option<String>,
    /// Where events go when nothing else is said: what is declared for the account, or else what the app subscribed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
}

/// Why a webhook given through the API is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Untaken {
    /// It is no address, or leads where it may not lead.
    #[error(transparent)]
    Address(#[from] InvalidEndpoint),
    /// It did not answer the handshake as it should.
    #[error(transparent)]
    Unverified(#[from] Unverified),
    /// It did not answer the handshake in time.
    #[error("the endpoint did not answer the verification request in time")]
    TooSlow,
}

impl Number {
    /// What the node says of webhooks.
    #[must_use]
    pub fn webhook_configuration(&self) -> WebhookConfiguration {
        let of = |level| self.hooks.url_of(level);
        WebhookConfiguration {
            phone_number: of(Level::NumberOverride).or_else(|| of(Level::Number)),
            whatsapp_business_account: of(Level::AccountOverride),
            application: of(Level::App).or_else(|| of(Level::Account)),
        }
    }

    /// What the API has said of webhooks.
    #[must_use]
    pub fn webhooks_told(&self) -> Told {
        self.book.read(DOCUMENT).unwrap_or_default()
    }

    /// Whether an address can become a webhook: it leads where it may, and answers the handshake.
    ///
    /// # Errors
    /// [`Untaken`].
    pub async fn try_webhook(&self, url: &str, verify_token: &str) -> Result<(), Untaken> {
        let endpoint = self.hooks.endpoint(url)?;
        let challenge = rand::rng().random_range(1_000_000_000..1 << 31);
        match tokio::time::timeout(HANDSHAKE, handshake::verify(&endpoint, verify_token, challenge)).await {
            Ok(verified) => Ok(verified?),
            Err(_) => Err(Untaken::TooSlow),
        }
    }

    /// Changes what the API says of webhooks: durable when this returns, and in force. Addresses must have passed
    /// [`Number::try_webhook`].
    ///
    /// # Errors
    /// [`book::Error`]; then nothing has changed, but for [`book::Error::Unavailable`].
    pub async fn change_webhooks(&self, change: impl FnOnce(&mut Told) + Send) -> Result<(), book::Error> {
        let _turn = self.telling.lock().await;
        let changed = self.book.change::<Told, (), book::Error>(DOCUMENT, |told| {
            change(told);
            Ok(())
        });
        changed.await?;
        apply(&self.book, &self.shared, &self.hooks, self.declared_fields.as_deref());
        for lane in &self.lanes {
            // A lane that has ended needs not know.
            let _ = lane.events.send(Event::WebhookReady).await;
        }
        Ok(())
    }

    /// The fields whose events are sent.
    #[must_use]
    pub fn webhook_fields(&self) -> BTreeSet<String> {
        let subscriptions = self.shared.subscriptions.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &subscriptions.fields {
            Some(fields) => fields.clone(),
            None => BTreeSet::from([crate::webhook::route::MESSAGES.to_owned()]),
        }
    }

    /// The access token of the number's app. It follows from the app secret, and changes with it.
    #[must_use]
    pub fn app_token(&self) -> String {
        let mut mac = sign::keyed(self.app_secret.reveal().as_bytes());
        mac.update(b"waxseal app token ");
        mac.update(self.facts.app_id.as_bytes());
        format!("{}|{}", self.facts.app_id, hex::encode(mac.finalize().into_bytes()))
    }

    /// Whether this is the app secret.
    #[must_use]
    pub fn is_app_secret(&self, candidate: &str) -> bool {
        !candidate.is_empty() && self.app_secret.reveal().as_bytes().ct_eq(candidate.as_bytes()).into()
    }

    /// Whether a token may act for the number's app: [`Number::app_token`], or the app's id and secret with a `|` between them, as Graph takes
    /// them.
    #[must_use]
    pub fn admits_app_token(&self, token: &str) -> bool {
        let is_token: bool = self.app_token().as_bytes().ct_eq(token.as_bytes()).into();
        let secret = token
            .strip_prefix(self.facts.app_id.as_str())
            .and_then(|rest| rest.strip_prefix('|'));
        is_token || secret.is_some_and(|secret| self.is_app_secret(secret))
    }
}

/// Puts into force what the book says of webhooks.
pub(super) fn apply(book: &Book, shared: &Shared, hooks: &super::hooks::Hooks, declared_fields: Option<&[String]>) {
    let told: Told = book.read(DOCUMENT).unwrap_or_default();
    let now = SystemTime::now();
    hooks.say(Level::NumberOverride, told.number.as_deref(), now);
    hooks.say(Level::AccountOverride, told.account.as_deref(), now);
    hooks.say(Level::App, told.app.as_deref(), now);
    let fields = told
        .fields
        .or_else(|| declared_fields.map(|fields| fields.iter().cloned().collect()));
    *shared.subscriptions.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Subscriptions {
        account: !told.unsubscribed,
        fields,
    };
}

/// The fields that are declared.
pub(super) fn declared_fields(config: &config::Number) -> Option<Vec<String>> {
    config.surface.webhooks.fields.clone()
}
