//! The relay of Waxseal as a [`Transport`].

use std::sync::Arc;

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
    pin: Secret,
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
            pin,
        })
    }
}

impl Transport for RelayAccount {
    fn register<'a>(&'a self, identity_key: &'a [u8], registration_id: u32) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.client
                .register(
                    &self.account,
                    Role::Business,
                    Some(self.pin.reveal()),
                    identity_key,
                    registration_id,
                )
                .await
                .map(drop)
        })
    }

    fn deregister(&self) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            match self.client.deregister(&self.account, Some(self.pin.reveal())).await {
                // The relay does not say which of the two it is: the number unknown, or registered by somebody else. Neither is ours.
                Err(Error::Unauthenticated) => Ok(()),
                other => other,
            }
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
