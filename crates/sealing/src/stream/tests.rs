use proptest::prelude::*;
use rand::{RngCore as _, SeedableRng as _, rngs::StdRng};

use super::*;

/// Lengths around what matters: nothing, one chunk, several.
fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![
        0usize..40,
        CHUNK_BYTES - 2..CHUNK_BYTES + 3,
        2 * CHUNK_BYTES - 2..2 * CHUNK_BYTES + 3,
        0..4 * CHUNK_BYTES,
    ]
}

fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

fn encrypt(plaintext: &[u8], pieces: usize) -> (FileKey, Vec<u8>) {
    let (key, mut encryptor) = Encryptor::new(&mut StdRng::seed_from_u64(9));
    let mut out = Vec::new();
    for piece in plaintext.chunks(pieces) {
        encryptor.push(piece, &mut out).unwrap();
    }
    encryptor.finish(&mut out).unwrap();
    (key, out)
}

/// What came out, and whether it was said to be all.
fn run(mut decryptor: Decryptor, ciphertext: &[u8], pieces: usize) -> (Vec<u8>, Result<(), Error>) {
    let mut out = Vec::new();
    for piece in ciphertext.chunks(pieces) {
        if let Err(error) = decryptor.push(piece, &mut out) {
            let given = out.len();
            assert_eq!(decryptor.push(b"more", &mut out), Err(error.clone()), "an error is for good");
            assert_eq!(decryptor.finish(&mut out), Err(error.clone()));
            assert_eq!(out.len(), given, "nothing comes out after an error");
            return (out, Err(error));
        }
    }
    let finished = decryptor.finish(&mut out);
    (out, finished)
}

fn decrypt(key: &FileKey, ciphertext: &[u8], pieces: usize) -> (Vec<u8>, Result<(), Error>) {
    run(Decryptor::new(key), ciphertext, pieces)
}

#[test]
fn known_answer() {
    // Made with two other implementations of AES-GCM; fixed so that stored files stay readable.
    let key = FileKey::from_bytes(&[0x42; 32]);
    let mut out = Vec::new();
    let mut encryptor = Encryptor::with_key(&key);
    encryptor.push(b"a file", &mut out).unwrap();
    encryptor.finish(&mut out).unwrap();
    assert_eq!(hex::encode(&out), include_str!("../../tests/golden/stream.hex").trim());
}

#[test]
fn lengths_that_no_ciphertext_has() {
    let chunk = SEALED_CHUNK_BYTES as u64;
    for length in [0, 7, 8, 23, 8 + chunk + 1, 8 + chunk + 15, 8 + chunk + 16] {
        assert_eq!(plaintext_bytes(length), None, "{length}");
    }
    assert_eq!(plaintext_bytes(24), Some(0));
    assert_eq!(plaintext_bytes(8 + chunk), Some(CHUNK_BYTES as u64));
    assert_eq!(plaintext_bytes(8 + chunk + 17), Some(CHUNK_BYTES as u64 + 1));
    assert!(plaintext_bytes(u64::MAX).is_some_and(|plaintext| plaintext < u64::MAX));
    assert!(ciphertext_bytes(u64::MAX) == u64::MAX, "never wraps");
    let span = Layout::of_plaintext(u64::MAX).span(&(u64::MAX - 1..u64::MAX));
    assert!(span.ciphertext.start <= span.ciphertext.end && span.plaintext == (u64::MAX - 1..u64::MAX));
}

/// Whoever has the key could write an empty last chunk after full ones; one file has one ciphertext length, so that is not read.
#[test]
fn an_empty_last_chunk_is_for_empty_files() {
    let key = FileKey::from_bytes(&[1; 32]);
    let mut encryptor = Encryptor::with_key(&key);
    let mut out = Vec::new();
    encryptor.push(&bytes(CHUNK_BYTES, 1), &mut out).unwrap();
    encryptor.seal(false, &mut out).unwrap();
    encryptor.finish(&mut out).unwrap();
    assert_eq!(decrypt(&key, &out, 4096).1, Err(Error::Format));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_went_in_comes_out_however_it_is_cut(length in lengths(), write in 1usize..200_000, read in 1usize..200_000) {
        let plaintext = bytes(length, 1);
        let (key, ciphertext) = encrypt(&plaintext, write);
        prop_assert_eq!(ciphertext.len() as u64, ciphertext_bytes(length as u64));
        prop_assert_eq!(plaintext_bytes(ciphertext.len() as u64), Some(length as u64));
        prop_assert_eq!(&ciphertext, &encrypt(&plaintext, 1 << 20).1, "the pieces do not show");
        let (out, finished) = decrypt(&key, &ciphertext, read);
        prop_assert_eq!(finished, Ok(()));
        prop_assert!(out == plaintext);
    }

    #[test]
    fn any_range_opens_from_its_chunks_alone(length in lengths(), a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>(), read in 1usize..200_000) {
        let plaintext = bytes(length, 2);
        let (key, ciphertext) = encrypt(&plaintext, 1 << 20);
        let (a, b) = (a.index(length + 1), b.index(length + 1));
        let range = a.min(b)..a.max(b);
        let span = Layout::of_plaintext(length as u64).span(&(range.start as u64..range.end as u64));
        prop_assert_eq!(span.plaintext.clone(), range.start as u64..range.end as u64);
        let needed = usize::try_from(span.ciphertext.start).unwrap()..usize::try_from(span.ciphertext.end).unwrap();
        prop_assert!(needed.len() <= range.len() + 2 * SEALED_CHUNK_BYTES + range.len() / CHUNK_BYTES * TAG_BYTES, "no more than needed is read");
        let (out, finished) = run(Decryptor::within(&key, span.clone()), &ciphertext[needed.clone()], read);
        prop_assert_eq!(finished, Ok(()));
        prop_assert!(out == plaintext[range.clone()]);
        // A byte short, or one too many.
        let (_, finished) = run(Decryptor::within(&key, span.clone()), &ciphertext[needed.start..needed.end - 1], read);
        prop_assert_eq!(finished, Err(Error::NotAuthentic));
        let longer = [&ciphertext[needed], b"x"].concat();
        prop_assert_eq!(run(Decryptor::within(&key, span), &longer, read).1, Err(Error::Format));
    }

    #[test]
    fn a_range_past_the_end_is_cut(length in lengths(), past in 1u64..1000) {
        let length = length as u64;
        let layout = Layout::of_plaintext(length);
        prop_assert_eq!(layout.span(&(0..length + past)), layout.span(&(0..length)));
        prop_assert_eq!(layout.span(&(length + past..length + 2 * past)).plaintext, length..length);
    }

    #[test]
    fn a_cut_file_never_counts_as_whole(length in lengths(), at in any::<prop::sample::Index>(), read in 1usize..200_000) {
        let plaintext = bytes(length, 3);
        let (key, ciphertext) = encrypt(&plaintext, 1 << 20);
        let cut = at.index(ciphertext.len());
        let (out, finished) = decrypt(&key, &ciphertext[..cut], read);
        prop_assert!(finished.is_err());
        prop_assert!(plaintext.starts_with(&out), "what came out is authentic");
    }

    #[test]
    fn a_cut_at_a_chunk_never_counts_as_whole(chunks in 2usize..4, rest in 0usize..3, keep in 0usize..4) {
        let (key, ciphertext) = encrypt(&bytes(chunks * CHUNK_BYTES + rest, 3), 1 << 20);
        let cut = (HEAD_BYTES + keep * SEALED_CHUNK_BYTES).min(ciphertext.len() - 1);
        prop_assert!(decrypt(&key, &ciphertext[..cut], 1 << 20).1.is_err());
    }

    #[test]
    fn nothing_can_be_added(length in lengths(), extra in prop::collection::vec(any::<u8>(), 1..40), whole in any::<bool>()) {
        let plaintext = bytes(length, 4);
        let (key, mut ciphertext) = encrypt(&plaintext, 1 << 20);
        if whole && length >= CHUNK_BYTES {
            ciphertext.extend_from_within(HEAD_BYTES..HEAD_BYTES + SEALED_CHUNK_BYTES);
        } else {
            ciphertext.extend_from_slice(&extra);
        }
        let (out, finished) = decrypt(&key, &ciphertext, 1 << 20);
        prop_assert!(finished.is_err());
        prop_assert!(plaintext.starts_with(&out));
    }

    #[test]
    fn chunks_have_their_places(a in 0usize..4, b in 0usize..4) {
        prop_assume!(a != b);
        let (key, ciphertext) = encrypt(&bytes(4 * CHUNK_BYTES, 5), 1 << 20);
        let chunk = |index: usize| HEAD_BYTES + index * SEALED_CHUNK_BYTES..HEAD_BYTES + (index + 1) * SEALED_CHUNK_BYTES;
        let mut swapped = ciphertext.clone();
        swapped[chunk(a)].copy_from_slice(&ciphertext[chunk(b)]);
        swapped[chunk(b)].copy_from_slice(&ciphertext[chunk(a)]);
        prop_assert_eq!(decrypt(&key, &swapped, 1 << 20).1, Err(Error::NotAuthentic));
        let mut without = ciphertext.clone();
        without.drain(chunk(a));
        prop_assert_eq!(decrypt(&key, &without, 1 << 20).1, Err(Error::NotAuthentic));
    }

    #[test]
    fn every_bit_is_authenticated(length in lengths(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let plaintext = bytes(length, 6);
        let (key, mut ciphertext) = encrypt(&plaintext, 1 << 20);
        let at = at.index(ciphertext.len());
        ciphertext[at] ^= 1 << bit;
        let (out, finished) = decrypt(&key, &ciphertext, 1 << 20);
        prop_assert!(finished.is_err());
        prop_assert!(plaintext.starts_with(&out) && out.len() <= at);
    }

    #[test]
    fn another_key_opens_nothing(length in lengths(), other: [u8; 32]) {
        let (_, ciphertext) = encrypt(&bytes(length, 7), 1 << 20);
        let (out, finished) = decrypt(&FileKey::from_bytes(&other), &ciphertext, 1 << 20);
        prop_assert_eq!((out.len(), finished), (0, Err(Error::NotAuthentic)));
    }

    #[test]
    fn garbage_never_panics(garbage in prop::collection::vec(any::<u8>(), 0..200), size in 0u64..200_000, pieces in 1usize..50) {
        let key = FileKey::from_bytes(&[3; 32]);
        prop_assert!(decrypt(&key, &garbage, pieces).1.is_err());
        let span = Layout::of_plaintext(size).span(&(0..size));
        prop_assert!(run(Decryptor::within(&key, span), &garbage, pieces).1.is_err());
    }
}
