//! What one durable turn of a lane adds up to.

/// What a turn did, for the metrics.
#[derive(Default, Clone, Copy)]
pub struct Counts {
    /// Messages encrypted.
    pub encrypted: u64,
    /// Messages decrypted.
    pub decrypted: u64,
    /// Messages of consumers that the business is told of.
    pub received: u64,
    /// Envelopes that could not be used, by cause: duplicate, malformed, undecryptable, misaddressed.
    pub refused: [u64; 4],
    /// Retry receipts written.
    pub retries_asked: u64,
    /// Messages encrypted anew because the consumer asked.
    pub retries_answered: u64,
    /// Identity changes seen.
    pub identity_changes: u64,
    /// Statuses by kind: sent, delivered, read, failed, played.
    pub statuses: [u64; 5],
    /// Webhook events that became dead letters.
    pub dead_letters: u64,
    /// Webhook events that were dropped when their window ended, because retention ended with it.
    pub dropped_events: u64,
    /// Webhook events that were not made, because nothing is subscribed to their field.
    pub unsubscribed: u64,
}

/// Indexes of [`Counts::refused`].
pub mod refused {
    /// Dealt with before.
    pub const DUPLICATE: usize = 0;
    /// No envelope of ours or Signal's.
    pub const MALFORMED: usize = 1;
    /// Did not decrypt.
    pub const UNDECRYPTABLE: usize = 2;
    /// The payload names another sender or recipient than the relay did.
    pub const MISADDRESSED: usize = 3;
}
