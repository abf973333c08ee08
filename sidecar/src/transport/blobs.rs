//! Files at the transport: ciphertext under a name that only those know who were told in a message.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, future::BoxFuture, stream::BoxStream};
use waxseal_content::BlobId;
use waxseal_protocol::Error;

use super::relay::RelayAccount;

/// A transport that keeps files for a while.
pub trait Blobs: Send + Sync + 'static {
    /// Stores ciphertext of a known length for `ttl`; returns whether it was there already. Safe to repeat: what is there stays, for longer
    /// if asked. Content that ends short leaves nothing behind.
    fn put<'a>(&'a self, id: BlobId, size_bytes: u64, ttl: Duration, data: BoxStream<'a, Bytes>) -> BoxFuture<'a, Result<bool, Error>>;

    /// Part of a file's ciphertext.
    fn get(&self, id: BlobId, offset: u64, length: u64) -> BoxFuture<'_, Result<Blob, Error>>;
}

/// A file's ciphertext, or part of it.
pub struct Blob {
    /// The size of the whole.
    pub size_bytes: u64,
    /// What was asked for. Ends with an error when not everything comes.
    pub parts: BoxStream<'static, Result<Bytes, Error>>,
}

impl Blobs for RelayAccount {
    fn put<'a>(&'a self, id: BlobId, size_bytes: u64, ttl: Duration, data: BoxStream<'a, Bytes>) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move { self.client.put_blob(&self.account, id.as_bytes(), size_bytes, ttl, data).await })
    }

    fn get(&self, id: BlobId, offset: u64, length: u64) -> BoxFuture<'_, Result<Blob, Error>> {
        Box::pin(async move {
            let parts = self.client.get_blob(&self.account, id.as_bytes(), offset, length).await?;
            Ok(Blob {
                size_bytes: parts.size_bytes(),
                parts: parts.boxed(),
            })
        })
    }
}
