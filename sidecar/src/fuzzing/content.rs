//! What comes from consumers through the relay.

use rand::{SeedableRng as _, rngs::StdRng};
use waxseal_content::{Payload, RetryReceipt};
use waxseal_sealing::stream::{CHUNK_BYTES, Decryptor, Encryptor, FileKey, Layout, ciphertext_bytes, plaintext_bytes};

/// The payload of a message: what is read is written back byte for byte, and what this build writes anew it reads as the same.
#[must_use]
pub fn payload(bytes: &[u8]) -> bool {
    let _ = RetryReceipt::decode(bytes);
    let Ok(payload) = Payload::decode(bytes) else { return false };
    assert!(*payload.encode() == bytes, "something was lost on the way");
    let written = anew(&payload);
    let read = Payload::decode(&written);
    assert!(
        read.is_ok_and(|read| *anew(&read) == *written),
        "what was written does not read as the same"
    );
    true
}

/// Written from what was understood, not from the bytes it came from.
fn anew(payload: &Payload) -> zeroize::Zeroizing<Vec<u8>> {
    payload.clone().in_context(payload.context).encode()
}

/// A file's ciphertext: two bytes say how large the pieces are in which it comes and what is done to it, the rest is a ciphertext, and then a
/// plaintext. Whatever is done to a ciphertext, only a beginning of the file comes out, and nothing says that this is all.
#[must_use]
pub fn stream(bytes: &[u8]) -> bool {
    let [pieces, change, rest @ ..] = bytes else { return false };
    let pieces = usize::from(*pieces) + 1;
    layout(rest);

    let key = FileKey::from_bytes(&[0x42; 32]);
    let (given, whole) = decrypt(&key, rest, pieces);
    assert!(given.len() <= rest.len());
    assert!(!whole || ciphertext_bytes(given.len() as u64) == rest.len() as u64);

    let mut plaintext = rest.to_vec();
    if change & 0x80 != 0 {
        // Two chunks and a bit.
        plaintext.resize(2 * CHUNK_BYTES + rest.len(), *change);
    }
    let (key, mut encryptor) = Encryptor::new(&mut StdRng::seed_from_u64(u64::from(*change)));
    let mut ciphertext = Vec::new();
    let written = plaintext
        .chunks(pieces * 1024)
        .try_for_each(|piece| encryptor.push(piece, &mut ciphertext))
        .and_then(|()| encryptor.finish(&mut ciphertext));
    assert!(written.is_ok());
    let unchanged = decrypt(&key, &ciphertext, pieces * 1024);
    assert!(unchanged == (plaintext.clone(), true), "a file does not open");

    let at = (usize::from(*change) * 257 + rest.len()) % ciphertext.len();
    match change % 4 {
        0 => ciphertext[at] ^= 1 << (change % 8),
        1 => ciphertext.truncate(at),
        2 => ciphertext.push(*change),
        _ => {
            ciphertext.remove(at);
        }
    }
    let (given, all) = decrypt(&key, &ciphertext, pieces * 1024);
    assert!(!all, "a changed file passes for the whole");
    assert!(plaintext.starts_with(&given), "something came out that was not in the file");
    whole
}

/// What came out, and whether it was said to be all.
fn decrypt(key: &FileKey, ciphertext: &[u8], pieces: usize) -> (Vec<u8>, bool) {
    let (mut decryptor, mut plaintext) = (Decryptor::new(key), Vec::new());
    for piece in ciphertext.chunks(pieces) {
        if decryptor.push(piece, &mut plaintext).is_err() {
            return (plaintext, false);
        }
    }
    let finished = decryptor.finish(&mut plaintext).is_ok();
    (plaintext, finished)
}

/// Sizes and ranges as others say them.
fn layout(bytes: &[u8]) {
    let number = |at: usize| {
        bytes
            .get(at..at + 8)
            .and_then(|bytes| bytes.first_chunk())
            .map_or(0, |bytes| u64::from_be_bytes(*bytes))
    };
    let (size, start, end) = (number(0), number(8), number(16));
    if let Some(plain) = plaintext_bytes(size) {
        assert!(ciphertext_bytes(plain) == size);
    }
    for size in [size, size >> 32, u64::MAX - (size >> 32)] {
        let layout = Layout::of_plaintext(size);
        let span = layout.span(&(start..end));
        assert!(span.plaintext.start <= span.plaintext.end && span.plaintext.end <= size);
        assert!(span.ciphertext.start <= span.ciphertext.end && span.ciphertext.end <= layout.ciphertext_bytes());
    }
}
