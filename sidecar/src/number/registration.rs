//! Whether a number is registered, and what that takes: the PIN, the code, and how often.
//!
//! [`Record`] is the pure part and a document of the book; here is what the port asks of a number. The record is the wish, the link task
//! (`link`) makes the transport follow it: as long as it says "deregistered" there is no link, also after a restart.

mod record;

use std::time::{Duration, SystemTime};

use tokio::time::timeout;
use waxseal_protocol::Error as TransportError;

pub use self::record::{Record, Refused};
use super::Number;
use crate::{
    book::{self, Book},
    config::Secret,
    moment::Moment,
};

/// The document's name.
const DOCUMENT: &str = "registration";

/// How long a request waits for the transport.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why a request did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is refused.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It could not be kept.
    #[error(transparent)]
    Book(#[from] book::Error),
    /// It is kept, and the transport does not know of it yet.
    #[error("the transport does not answer")]
    Transport,
    /// The transport does not accept the number.
    #[error("the transport does not accept the number")]
    NotAccepted,
}

fn now_ms() -> u64 {
    Moment::of(SystemTime::now()).ms
}

/// How the transport stands to the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not linked, for now.
    Unlinked,
    /// Linked.
    Linked,
    /// It does not accept the number.
    Refused,
    /// It has forgotten the number, as it was told to.
    Gone,
}

/// What the book says of a number's registration.
pub(super) fn read(book: &Book) -> Record {
    book.read(DOCUMENT).unwrap_or_default()
}

impl Number {
    /// Whether the business has deregistered the number.
    #[must_use]
    pub fn is_deregistered(&self) -> bool {
        !*self.wanted.borrow()
    }

    /// When the number was first linked to the transport, in seconds since 1970.
    #[must_use]
    pub fn onboarded_s(&self) -> Option<u64> {
        read(&self.book).onboarded_s
    }

    /// Registers the number. Nothing happens when it is registered already. Says whether it was not.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn register(&self, pin: &str) -> Result<bool, Error> {
        let now_ms = now_ms();
        let registering = self.change(|record, declared| {
            let was_deregistered = record.is_deregistered();
            record.register(pin, declared, now_ms).map(|()| was_deregistered)
        });
        if !registering.await?? {
            // It may be registered here and by somebody else at the transport.
            return if self.is_refused() { Err(Error::NotAccepted) } else { Ok(false) };
        }
        self.follow();
        match self.stands(&[Standing::Linked, Standing::Refused]).await {
            Some(Standing::Refused) => Err(Error::NotAccepted),
            Some(_) => Ok(true),
            None => Err(Error::Transport),
        }
    }

    /// Deregisters the number: the transport forgets it, and it neither sends nor receives until it is registered again. Messages that are
    /// accepted already wait. Says whether it was registered.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn deregister(&self) -> Result<bool, Error> {
        let now_ms = now_ms();
        let deregistering = self.change(|record, _| {
            let was_registered = !record.is_deregistered();
            record.deregister(now_ms).map(|()| was_registered)
        });
        let was_registered = deregistering.await??;
        self.follow();
        self.stands(&[Standing::Gone]).await.ok_or(Error::Transport)?;
        Ok(was_registered)
    }

    /// Replaces the PIN.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn change_pin(&self, pin: &str) -> Result<(), Error> {
        if self.is_deregistered() {
            return Err(Refused::NotRegistered.into());
        }
        // The transport first: should this process end before the book has it, the next link brings the transport back to what the book says.
        match timeout(PATIENCE, self.transport.change_pin(&Secret::from(pin))).await {
            Ok(Ok(())) => {}
            Ok(Err(TransportError::Unauthenticated | TransportError::NotRegistered)) => return Err(Error::NotAccepted),
            Ok(Err(TransportError::RateLimited { retry_after })) => {
                let wait_s = retry_after.as_secs().max(1);
                return Err(Refused::TooFast { wait_s }.into());
            }
            Ok(Err(_)) | Err(_) => return Err(Error::Transport),
        }
        self.change(|record, declared| record.set_pin(pin, declared)).await?;
        Ok(())
    }

    /// Makes a code that proves that whoever reads the log of this system agrees: there is nobody to send it to over the phone.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn request_code(&self, random: u32) -> Result<(), Error> {
        let now_ms = now_ms();
        let code = self.change(|record, _| record.make_code(random, now_ms)).await??;
        tracing::warn!(
            phone_number_id = self.id(),
            "the verification code that the business has asked for: {code}"
        );
        Ok(())
    }

    /// Checks the code that was made last.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn verify_code(&self, code: &str) -> Result<(), Error> {
        let now_ms = now_ms();
        Ok(self.change(|record, _| record.verify_code(code, now_ms)).await??)
    }

    /// Remembers when the number was first linked.
    pub(super) async fn note_onboarding(&self) {
        let now_s = now_ms() / 1000;
        let noted = self.change(|record, _| {
            record.onboarded_s.get_or_insert(now_s);
        });
        if let Err(error) = noted.await {
            tracing::warn!(%error, "the time of the first link could not be kept; trying again with the next");
        }
    }

    /// How the transport stands to the number from now on.
    pub(super) fn stands_now(&self, standing: Standing) {
        self.standing.send_replace(standing);
    }

    async fn change<R: Send>(&self, change: impl FnOnce(&mut Record, &str) -> R + Send) -> Result<R, book::Error> {
        let declared = &self.config.pin;
        self.book
            .change(DOCUMENT, |record: &mut Record| Ok(change(record, declared.reveal())))
            .await
    }

    /// Tells the link task what the book says, which is read under the lock so that the last one to tell tells the last state.
    fn follow(&self) {
        self.wanted.send_modify(|wanted| *wanted = !read(&self.book).is_deregistered());
    }

    /// Waits until the transport stands to the number in one of these ways.
    async fn stands(&self, ways: &[Standing]) -> Option<Standing> {
        let mut standing = self.standing.subscribe();
        let waited = timeout(PATIENCE, standing.wait_for(|standing| ways.contains(standing))).await;
        waited.ok()?.ok().map(|standing| *standing)
    }
}
