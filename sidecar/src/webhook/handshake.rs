//! The verification handshake.
//!
//! Purpose: before events go to an endpoint, it must answer a GET with the challenge it was sent, which shows that it knows the verify token
//! and wants them. To be run at start and whenever the URL or the token changed.

use rand::Rng;

use super::{
    deliver::{Endpoint, Failure},
    schedule::Backoff,
};

/// Longer answers are wrong in any case.
const ANSWER_BYTES: usize = 1 << 10;

/// Why an endpoint is not verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// No answer.
    #[error("the endpoint did not answer the verification request: {0}")]
    NoAnswer(Failure),
    /// An answer other than 200; usually it compares with another verify token.
    #[error("the endpoint answered the verification request with HTTP status {0} instead of 200")]
    Status(u16),
    /// 200, but not the challenge.
    #[error("the endpoint answered the verification request with something else than the challenge")]
    WrongAnswer,
}

/// Asks once.
///
/// # Errors
/// [`Unverified`].
pub async fn verify(endpoint: &Endpoint, verify_token: &str, challenge: u32) -> Result<(), Unverified> {
    // Digits: many receivers read the challenge as a number before they echo it.
    let challenge = challenge.to_string();
    let query = [
        ("hub.mode", "subscribe"),
        ("hub.challenge", challenge.as_str()),
        ("hub.verify_token", verify_token),
    ];
    match endpoint.get(&query, ANSWER_BYTES).await {
        Err(failure) => Err(Unverified::NoAnswer(failure)),
        Ok((200, answer)) if answer == challenge.as_bytes() => Ok(()),
        Ok((200, _)) => Err(Unverified::WrongAnswer),
        Ok((status, _)) => Err(Unverified::Status(status)),
    }
}

/// Asks until the endpoint is verified, with growing pauses. `report` hears of every failure. Dropping the future ends it.
pub async fn until_verified(endpoint: &Endpoint, verify_token: &str, backoff: Backoff, mut report: impl FnMut(Unverified)) {
    let mut failures = 0_u32;
    loop {
        // Ten digits that fit in a signed 32-bit integer.
        let challenge = rand::rng().random_range(1_000_000_000..1 << 31);
        match verify(endpoint, verify_token, challenge).await {
            Ok(()) => return,
            Err(unverified) => report(unverified),
        }
        failures = failures.saturating_add(1);
        let delay_ms = backoff.delay_ms(failures, rand::rng().random());
        tokio::time::sleep(std::time::Duration::from_millis(delay_ms)).await;
    }
}
