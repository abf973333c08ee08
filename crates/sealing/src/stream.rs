//! Files: encrypted chunk by chunk under a key of their own, so that one of any size needs the memory of one chunk, can be opened in the
//! middle, and gives nothing away before it is known to be authentic.
//!
//! Layout: `WXB1` and four zero bytes; then chunks of 64 KiB of plaintext, each AES-256-GCM with its 16-byte tag. Only the last chunk may be
//! shorter, and only that of an empty file is empty. Nonce: index of the chunk (4, big endian), 1 on the last chunk and 0 on others (1), zeros
//! (7); associated data: the eight bytes of the head. So a chunk opens at its own place only, and a file that was cut, extended or put into
//! another order does not open. Key and index never meet twice because a key encrypts one file: [`Encryptor::new`] makes the key.
//!
//! ```
//! use waxseal_sealing::stream::{Decryptor, Encryptor, Layout};
//!
//! let mut ciphertext = Vec::new();
//! let (key, mut encryptor) = Encryptor::new(&mut rand::rng());
//! encryptor.push(b"as it ", &mut ciphertext)?;
//! encryptor.push(b"comes", &mut ciphertext)?;
//! encryptor.finish(&mut ciphertext)?;
//! assert_eq!(ciphertext.len() as u64, Layout::of_plaintext(11).ciphertext_bytes());
//!
//! let mut plaintext = Vec::new();
//! let mut decryptor = Decryptor::new(&key);
//! decryptor.push(&ciphertext, &mut plaintext)?;
//! // What was given out so far is authentic; only this says that it is the whole file.
//! decryptor.finish(&mut plaintext)?;
//! assert_eq!(plaintext, b"as it comes");
//! # Ok::<(), waxseal_sealing::Error>(())
//! ```

use std::ops::Range;

use aes_gcm::{Aes256Gcm, Key, KeyInit as _, Nonce, Tag, aead::AeadInOut as _};
use rand::{CryptoRng, RngCore};
use zeroize::{Zeroize as _, Zeroizing};

use crate::Error;

/// Plaintext bytes of every chunk but the last.
pub const CHUNK_BYTES: usize = 64 << 10;
/// What every ciphertext starts with.
pub const HEAD: [u8; HEAD_BYTES] = *b"WXB1\0\0\0\0";

const HEAD_BYTES: usize = 8;
const TAG_BYTES: usize = 16;
const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_BYTES;

/// The key of one file. Wiped when dropped; has no `Debug`, `Display` or `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct FileKey(Zeroizing<[u8; 32]>);

impl FileKey {
    /// The key that was kept or sent along.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// The key, to be kept or sent along.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&Key::<Aes256Gcm>::from(*self.0))
    }
}

/// Bytes of the ciphertext of so many bytes.
#[must_use]
pub const fn ciphertext_bytes(plaintext: u64) -> u64 {
    Layout::of_plaintext(plaintext).ciphertext_bytes()
}

/// Bytes of the plaintext of so many bytes; `None` when no ciphertext is that long.
#[must_use]
pub const fn plaintext_bytes(ciphertext: u64) -> Option<u64> {
    let Some(chunks) = ciphertext.checked_sub(HEAD_BYTES as u64) else {
        return None;
    };
    let (full, rest) = (chunks / SEALED_CHUNK_BYTES as u64, chunks % SEALED_CHUNK_BYTES as u64);
    match (full, rest) {
        (0, 0) => None,
        (_, 0) => Some(full * CHUNK_BYTES as u64),
        (0, rest) if rest >= TAG_BYTES as u64 => Some(rest - TAG_BYTES as u64),
        (_, rest) if rest > TAG_BYTES as u64 => Some(full * CHUNK_BYTES as u64 + rest - TAG_BYTES as u64),
        _ => None,
    }
}

/// Which bytes of a ciphertext hold what, for a file of known size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    plaintext_bytes: u64,
}

impl Layout {
    /// Of a file with so many bytes of plaintext.
    #[must_use]
    pub const fn of_plaintext(plaintext_bytes: u64) -> Self {
        Self { plaintext_bytes }
    }

    /// How long the ciphertext is.
    #[must_use]
    pub const fn ciphertext_bytes(self) -> u64 {
        self.plaintext_bytes
            .saturating_add(self.chunks().saturating_mul(TAG_BYTES as u64))
            .saturating_add(HEAD_BYTES as u64)
    }

    /// How many chunks there are: at least one.
    #[must_use]
    pub const fn chunks(self) -> u64 {
        match self.plaintext_bytes.div_ceil(CHUNK_BYTES as u64) {
            0 => 1,
            chunks => chunks,
        }
    }

    /// What has to be read to open these bytes of the plaintext; the range is cut to the file.
    #[must_use]
    pub fn span(self, plaintext: &Range<u64>) -> Span {
        let end = plaintext.end.min(self.plaintext_bytes);
        let start = plaintext.start.min(end);
        let first = (start / CHUNK_BYTES as u64).min(self.chunks() - 1);
        let last = (end.saturating_sub(1) / CHUNK_BYTES as u64).max(first);
        // Sizes may be such as others say: no file is so large, and none of it overflows.
        let chunk_at = |index: u64| index.saturating_mul(SEALED_CHUNK_BYTES as u64).saturating_add(HEAD_BYTES as u64);
        let from = chunk_at(first);
        let to = chunk_at(last + 1).min(self.ciphertext_bytes());
        Span {
            layout: self,
            first,
            last,
            ciphertext: from..to,
            plaintext: start..end,
        }
    }

    /// Bytes of the chunk in the ciphertext.
    fn sealed_bytes(self, index: u64) -> usize {
        let before = index * CHUNK_BYTES as u64;
        let plain = self.plaintext_bytes.saturating_sub(before).min(CHUNK_BYTES as u64);
        // At most one chunk.
        usize::try_from(plain).unwrap_or(CHUNK_BYTES) + TAG_BYTES
    }
}

/// Part of a file: what of the ciphertext to read, and what of the plaintext comes out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    layout: Layout,
    first: u64,
    last: u64,
    /// The bytes of the ciphertext to hand to [`Decryptor::within`]: whole chunks.
    pub ciphertext: Range<u64>,
    /// The bytes of the plaintext that come out.
    pub plaintext: Range<u64>,
}

/// Encrypts one file.
pub struct Encryptor {
    cipher: Aes256Gcm,
    /// Chunks sealed.
    sealed: u64,
    begun: bool,
    /// The chunk that fills; full only as long as it is not known whether it is the last.
    chunk: Zeroizing<Vec<u8>>,
}

impl Encryptor {
    /// With a fresh key, which is for this file alone.
    pub fn new<R: RngCore + CryptoRng>(rng: &mut R) -> (FileKey, Self) {
        let mut key = FileKey(Zeroizing::new([0; 32]));
        rng.fill_bytes(key.0.as_mut());
        let encryptor = Self::with_key(&key);
        (key, encryptor)
    }

    fn with_key(key: &FileKey) -> Self {
        Self {
            cipher: key.cipher(),
            sealed: 0,
            begun: false,
            chunk: Zeroizing::new(Vec::with_capacity(CHUNK_BYTES)),
        }
    }

    /// Takes the next bytes of the file, however many; appends what is ready of the ciphertext to `out`.
    ///
    /// # Errors
    /// [`Error::KeyExhausted`] after 256 TiB.
    pub fn push(&mut self, mut plaintext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        self.begin(out);
        while !plaintext.is_empty() {
            if self.chunk.len() == CHUNK_BYTES {
                self.seal(false, out)?;
            }
            let room = (CHUNK_BYTES - self.chunk.len()).min(plaintext.len());
            let (taken, rest) = plaintext.split_at(room);
            self.chunk.extend_from_slice(taken);
            plaintext = rest;
        }
        Ok(())
    }

    /// The file has ended: appends the rest of the ciphertext to `out`.
    ///
    /// # Errors
    /// [`Error::KeyExhausted`] after 256 TiB.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.begin(out);
        self.seal(true, out)
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !self.begun {
            out.extend_from_slice(&HEAD);
            self.begun = true;
        }
    }

    fn seal(&mut self, last: bool, out: &mut Vec<u8>) -> Result<(), Error> {
        let nonce = nonce(self.sealed, last)?;
        let start = out.len();
        out.reserve(self.chunk.len() + TAG_BYTES);
        out.extend_from_slice(&self.chunk);
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce, &HEAD, (&mut out[start..]).into())
            .map_err(|_| Error::KeyExhausted)?;
        out.extend_from_slice(&tag);
        self.chunk.zeroize();
        self.sealed += 1;
        Ok(())
    }
}

/// Decrypts one file, or part of one. Nothing comes out that is not authentic at its place.
pub struct Decryptor {
    cipher: Aes256Gcm,
    /// The chunk that is gathered.
    index: u64,
    /// Bytes of the head that are still to come.
    head: usize,
    chunk: Zeroizing<Vec<u8>>,
    /// What was asked for, when the size is known beforehand.
    span: Option<Span>,
    failed: Option<Error>,
}

impl Decryptor {
    /// For the whole ciphertext of a file whose size need not be known.
    #[must_use]
    pub fn new(key: &FileKey) -> Self {
        Self::of(key, HEAD_BYTES, None)
    }

    /// For exactly the bytes [`Span::ciphertext`]. [`Span::plaintext`] comes out.
    #[must_use]
    pub fn within(key: &FileKey, span: Span) -> Self {
        Self::of(key, 0, Some(span))
    }

    fn of(key: &FileKey, head: usize, span: Option<Span>) -> Self {
        Self {
            cipher: key.cipher(),
            index: span.as_ref().map_or(0, |span| span.first),
            head,
            chunk: Zeroizing::new(Vec::with_capacity(SEALED_CHUNK_BYTES)),
            span,
            failed: None,
        }
    }

    /// Takes the next bytes of the ciphertext, however many; appends what is known to be authentic to `out`.
    ///
    /// # Errors
    /// [`Error::Format`] when this is no such ciphertext or longer than asked for, [`Error::NotAuthentic`] when the key is wrong or it was
    /// changed. Nothing comes out any more after an error.
    pub fn push(&mut self, ciphertext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let pushed = self.take(ciphertext, out);
        self.failed = pushed.as_ref().err().cloned();
        pushed
    }

    /// The ciphertext has ended: appends the rest of the plaintext to `out`. Only `Ok` says that nothing is missing.
    ///
    /// # Errors
    /// As for [`Decryptor::push`]; [`Error::NotAuthentic`] also when the ciphertext was cut.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match &self.span {
            Some(span) if self.index == span.last + 1 && self.chunk.is_empty() => Ok(()),
            Some(_) => Err(Error::NotAuthentic),
            None if self.head > 0 || self.chunk.len() < TAG_BYTES => Err(Error::NotAuthentic),
            None if self.index > 0 && self.chunk.len() == TAG_BYTES => Err(Error::Format),
            None => self.open(true, out),
        }
    }

    fn take(&mut self, mut ciphertext: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
        let (head, rest) = ciphertext.split_at(self.head.min(ciphertext.len()));
        if !HEAD[HEAD_BYTES - self.head..].starts_with(head) {
            return Err(Error::Format);
        }
        self.head -= head.len();
        ciphertext = rest;
        while !ciphertext.is_empty() {
            let (whole, last) = match &self.span {
                Some(span) if self.index > span.last => return Err(Error::Format),
                Some(span) => (span.layout.sealed_bytes(self.index), Some(self.index + 1 == span.layout.chunks())),
                None => (SEALED_CHUNK_BYTES, None),
            };
            // Without a known size, a full chunk is not the last one if something follows.
            if last.is_none() && self.chunk.len() == whole {
                self.open(false, out)?;
            }
            let (taken, rest) = ciphertext.split_at((whole - self.chunk.len()).min(ciphertext.len()));
            self.chunk.extend_from_slice(taken);
            ciphertext = rest;
            if let Some(last) = last
                && self.chunk.len() == whole
            {
                self.open(last, out)?;
            }
        }
        Ok(())
    }

    fn open(&mut self, last: bool, out: &mut Vec<u8>) -> Result<(), Error> {
        let nonce = nonce(self.index, last)?;
        let tag_at = self.chunk.len() - TAG_BYTES;
        let (sealed, tag) = self.chunk.split_at_mut(tag_at);
        let tag = Tag::try_from(&*tag).map_err(|_| Error::Format)?;
        self.cipher
            .decrypt_inout_detached(&nonce, &HEAD, (&mut *sealed).into(), &tag)
            .map_err(|_| Error::NotAuthentic)?;
        let wanted = match &self.span {
            None => &*sealed,
            Some(span) => {
                let start = self.index * CHUNK_BYTES as u64;
                let within = |position: u64| {
                    usize::try_from(position.saturating_sub(start))
                        .unwrap_or(usize::MAX)
                        .min(sealed.len())
                };
                &sealed[within(span.plaintext.start)..within(span.plaintext.end)]
            }
        };
        out.extend_from_slice(wanted);
        self.chunk.zeroize();
        self.index += 1;
        Ok(())
    }
}

fn nonce(index: u64, last: bool) -> Result<Nonce<aes_gcm::aead::consts::U12>, Error> {
    let index = u32::try_from(index).map_err(|_| Error::KeyExhausted)?;
    let mut nonce = [0; 12];
    nonce[..4].copy_from_slice(&index.to_be_bytes());
    nonce[4] = u8::from(last);
    Ok(nonce.into())
}

#[cfg(test)]
mod tests;
