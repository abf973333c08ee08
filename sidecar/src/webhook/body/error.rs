//! Errors in webhooks: each reason with its own words.

use serde::Serialize;

use crate::message::FailureReason;

pub(super) const UNSUPPORTED: Error = Error {
    code: 131_051,
    title: "Unsupported message type",
    message: "Unsupported message type",
    error_data: ErrorData {
        details: "Message type is not currently supported",
    },
    href: HREF,
};

pub(super) const MEDIA_TOO_LARGE: Error = Error {
    code: 131_052,
    title: "Media download error",
    message: "Media download error",
    error_data: ErrorData {
        details: "The file is larger than 100 MB, the most that is passed on",
    },
    href: HREF,
};

pub(super) const HREF: &str = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/";

/// What is told of a message that will not arrive.
pub(super) fn of(reason: FailureReason) -> Error {
    let undeliverable = (131_026, "Message undeliverable");
    let ((code, title), details) = match reason {
        FailureReason::UnknownRecipient => (undeliverable, "The transport knows no consumer of this phone number."),
        FailureReason::NoKeys => (undeliverable, "The consumer has published no keys to encrypt the message to."),
        FailureReason::CouldNotDecrypt => (
            undeliverable,
            "The consumer could not decrypt the message, however often it was encrypted anew.",
        ),
        FailureReason::DecryptionWindowOver => (
            (131_036, "Message could not be decrypted in time"),
            "The consumer could not decrypt the message, and nothing is kept of it to encrypt it anew: this number stores no messages.",
        ),
        FailureReason::Expired => (
            undeliverable,
            "The message expired: it could not be delivered within the retention time.",
        ),
        FailureReason::RelayRefused => (undeliverable, "The transport refused the message."),
        FailureReason::PairRateLimited => (
            (131_056, "(Business Account, Consumer Account) pair rate limit hit"),
            "Too many messages from this phone number to this consumer in a short time.",
        ),
        FailureReason::OutsideWindow => (
            (131_047, "Re-engagement message"),
            "More than 24 hours have passed since the consumer last wrote to this phone number; only a template may be sent.",
        ),
        FailureReason::IdentityMismatch => (
            (137_000, "Recipient identity key hash mismatch"),
            "The consumer's identity is not the one of recipient_identity_key_hash; the message was not delivered.",
        ),
        FailureReason::MessagingLimit => (
            (131_048, "Spam rate limit hit"),
            "This phone number has begun as many conversations in 24 hours as its messaging limit allows.",
        ),
        FailureReason::Internal => (
            (131_000, "Something went wrong"),
            "A fault of the sidecar kept the message from being sent.",
        ),
    };
    Error {
        code,
        title,
        message: title,
        error_data: ErrorData { details },
        href: HREF,
    }
}

#[derive(Serialize)]
pub(super) struct Error {
    code: u32,
    title: &'static str,
    message: &'static str,
    error_data: ErrorData,
    href: &'static str,
}

#[derive(Serialize)]
struct ErrorData {
    details: &'static str,
}

impl Error {
    /// What is wrong, in words.
    pub(super) const fn details(&self) -> &'static str {
        self.error_data.details
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_its_code_and_words_of_its_own() {
        let mut words = BTreeSet::new();
        for (reason, code) in [
            (FailureReason::UnknownRecipient, 131_026),
            (FailureReason::NoKeys, 131_026),
            (FailureReason::CouldNotDecrypt, 131_026),
            (FailureReason::DecryptionWindowOver, 131_036),
            (FailureReason::Expired, 131_026),
            (FailureReason::RelayRefused, 131_026),
            (FailureReason::PairRateLimited, 131_056),
            (FailureReason::OutsideWindow, 131_047),
            (FailureReason::IdentityMismatch, 137_000),
            (FailureReason::MessagingLimit, 131_048),
            (FailureReason::Internal, 131_000),
        ] {
            let error = of(reason);
            assert_eq!(error.code, code, "{reason:?}");
            assert!(words.insert(error.details()), "{reason:?} says what another says");
        }
    }
}
