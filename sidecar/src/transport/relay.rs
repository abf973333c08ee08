//! The relay of Waxseal as a [`Transport`].

use std::sync::{Arc, PoisonError, RwLock};

use futures_util::future::BoxFuture;
use waxseal_content::PhoneNumber;
use waxseal_protocol::{
    Account, Client, Credential, Error, LinkReceiver, LinkSender, Tls,
    proto::{Bundle, Envelope, KeyCounts, PublishKeysRequest, Role, from_relay::Frame},
};

use super::{Incoming, Link, Outgoing, Transport};
use crate::config::Secret;

/// One number's account at a relay.
pub struct RelayAccount {
    pub(super) client: Client,
    pub(super) account: Account,
    pin: RwLock<Secret>,
}

impl RelayAccount {
    /// The account of `number` at the relay at `url`; connects when first used.
    ///
    /// # Errors
    /// [`Error::Url`], [`Error::Tls`].
    pub fn new(url: &str, tls: &Tls, number: &PhoneNumber, credential: [u8; 32], pin: Secret) -> Result<Self, Error> {
        let account = Account {
            number: number.reveal().to_owned(),
            credential: Credential::from_bytes(credential),
        };
        Ok(Self {
            client: Client::with_tls(url, tls)?,
            account,
            pin: RwLock::new(pin),
        })
    }
}

impl RelayAccount {
    fn pin(&self) -> Secret {
        self.pin.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn register_once(&self, identity_key: &[u8], registration_id: u32) -> Result<(), Error> {
        let pin = self.pin();
        self.client
            .register(&self.account, Role::Business, Some(pin.reveal()), identity_key, registration_id)
            .await
            .map(drop)
    }

    async fn deregister_once(&self) -> Result<(), Error> {
        let pin = self.pin();
        match self.client.deregister(&self.account, Some(pin.reveal())).await {
            // The relay does not say which of the two it is: the number unknown, or registered by somebody else. Neither is ours.
            Err(Error::Unauthenticated) => Ok(()),
            other => other,
        }
    }

    /// Has the relay take the present PIN, when it knows another one: which the credential allows. Whoever has not got that is told of the PIN.
    async fn renew_pin(&self) -> Result<(), Error> {
        let pin = self.pin();
        match self.client.change_pin(&self.account, pin.reveal()).await {
            Err(Error::Unauthenticated | Error::NotRegistered) => Err(Error::PinMismatch),
            other => other,
        }
    }
}

impl Transport for RelayAccount {
    fn register<'a>(&'a self, identity_key: &'a [u8], registration_id: u32) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            match self.register_once(identity_key, registration_id).await {
                Err(Error::PinMismatch) => {
                    self.renew_pin().await?;
                    self.register_once(identity_key, registration_id).await
                }
                other => other,
            }
        })
    }

    fn deregister(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            match self.deregister_once().await {
                Err(Error::PinMismatch) => {
                    self.renew_pin().await?;
                    self.deregister_once().await
                }
                other => other,
            }
        })
    }

    fn change_pin<'a>(&'a self, pin: &'a Secret) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.client.change_pin(&self.account, pin.reveal()).await?;
            *self.pin.write().unwrap_or_else(PoisonError::into_inner) = pin.clone();
            Ok(())
        })
    }

    fn publish_keys(&self, keys: PublishKeysRequest) -> BoxFuture<'_, Result<KeyCounts, Error>> {
        Box::pin(self.client.publish_keys(&self.account, keys))
    }

    fn count_keys(&self) -> BoxFuture<'_, Result<KeyCounts, Error>> {
        Box::pin(self.client.count_keys(&self.account))
    }

    fn fetch_bundle<'a>(&'a self, number: &'a PhoneNumber) -> BoxFuture<'a, Result<Bundle, Error>> {
        Box::pin(self.client.fetch_bundle(&self.account, number.reveal()))
    }

    fn connect(&self, epoch: u64) -> BoxFuture<'_, Result<Link, Error>> {
        Box::pin(async move {
            let link = self.client.connect(&self.account, epoch).await?;
            Ok(Link {
                outgoing: Arc::new(RelaySender(link.sender)),
                incoming: Box::new(RelayReceiver(link.receiver)),
                highest_epoch: link.welcome.highest_epoch,
            })
        })
    }
}

struct RelaySender(LinkSender);

impl Outgoing for RelaySender {
    fn submit(&self, envelopes: Vec<Envelope>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.0.submit(envelopes))
    }

    fn acknowledge(&self, sequences: Vec<u64>) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.0.ack(sequences))
    }
}

struct RelayReceiver(LinkReceiver);

impl Incoming for RelayReceiver {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Frame, Error>>> {
        Box::pin(self.0.next())
    }
}
