//! Envelopes, as the relay hands them over: bytes of anybody, of which nothing is authentic before they are decrypted.

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use rand::{SeedableRng as _, rngs::StdRng};
use waxseal_signal::{
    Bundle, Ciphertext, Decrypted, Error, Identity, Keys, OneTimePublicKey, Peer, PeerId, Policy, PrivateRecord, Trust, decrypt, encrypt,
    establish, needed, pre_keys,
};

/// A business, what it knows of a consumer before the first message and after their first exchange, and what the consumer said.
struct Scene {
    business: Identity,
    consumer: PeerId,
    peers: [Peer; 2],
    signed: PrivateRecord,
    kyber: PrivateRecord,
    one_time: PrivateRecord,
    /// Bodies of envelopes: a first message, and one of the session.
    said: [Vec<u8>; 2],
}

/// An envelope's body. The first byte says what is done with the rest: even, it is the body; odd, each three bytes of it change a true one, by
/// place and bits. Nothing panics, whatever the library does before it has checked anything; and what is changed is not taken for true.
#[must_use]
pub fn envelope(bytes: &[u8]) -> bool {
    static SCENE: OnceLock<Option<Scene>> = OnceLock::new();
    let scene = SCENE.get_or_init(|| scene().ok());
    let Some(scene) = scene else {
        unreachable!("keys and messages of our own are refused")
    };
    let Some((how, rest)) = bytes.split_first() else { return false };
    if how % 2 == 0 {
        return scene.peers.iter().any(|peer| scene.read(peer, rest).is_ok());
    }
    let which = usize::from(how / 2 % 2);
    let (peer, said) = (&scene.peers[which], &scene.said[which]);
    assert!(scene.read(peer, said).is_ok(), "a true message is not read");
    let mut body = said.clone();
    for change in rest.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % body.len();
        body[at] ^= change[2];
    }
    let read = scene.read(peer, &body);
    if let Ok(read) = &read {
        // Some bytes of a protocol buffer mean the same in more ways than one.
        assert!(read.plaintext.starts_with(b"hello"), "something was read that nobody said");
    }
    body == *said && read.is_ok()
}

impl Scene {
    fn read(&self, peer: &Peer, body: &[u8]) -> Result<Decrypted, Error> {
        let ciphertext = Ciphertext::from_body(body)?;
        assert!(ciphertext.to_body() == body, "a body is another when it is written again");
        let mut keys = Keys::default();
        if let Some(needed) = needed(&ciphertext)? {
            keys.one_time_ec = needed.one_time_ec.map(|_| self.one_time.clone());
            keys.signed = Some(self.signed.clone());
            keys.kyber = needed.kyber.map(|_| self.kyber.clone());
        }
        decrypt(
            &self.business,
            &self.consumer,
            peer,
            &ciphertext,
            &keys,
            Trust::Pinned,
            &Policy::default(),
            now(),
            &mut StdRng::seed_from_u64(7),
        )
    }
}

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000)
}

fn scene() -> Result<Scene, Error> {
    let rng = &mut StdRng::seed_from_u64(1);
    let policy = Policy::default();
    let business = Identity::generate(rng)?;
    let (signed, signed_pre_key) = pre_keys::signed(&business, 1, now(), rng)?;
    let (kyber, kyber_pre_key) = pre_keys::kyber(&business, 2, now(), rng)?;
    let (one_time, one_time_ec): (PrivateRecord, OneTimePublicKey) = pre_keys::one_time_ec(3, rng)?;
    let bundle = Bundle {
        registration_id: business.registration_id(),
        identity_key: business.public_key().to_bytes(),
        signed_pre_key,
        kyber_pre_key,
        one_time_ec: Some(one_time_ec),
    };
    let consumer = Identity::generate(rng)?;
    let (to_business, to_consumer) = (PeerId::random(rng), PeerId::random(rng));
    let opened = establish(&consumer, &to_business, &Peer::new(), &bundle, Trust::Pinned, &policy, now(), rng)?;
    let first = encrypt(&consumer, &to_business, &opened.peer, b"hello", &policy, now(), rng)?;
    let mut scene = Scene {
        business,
        consumer: to_consumer,
        peers: [Peer::new(), Peer::new()],
        signed,
        kyber,
        one_time,
        said: [first.ciphertext.to_body(), Vec::new()],
    };
    let heard = scene.read(&scene.peers[0], &scene.said[0])?;
    let answer = encrypt(&scene.business, &scene.consumer, &heard.peer, b"hello", &policy, now(), rng)?;
    let read = decrypt(
        &consumer,
        &to_business,
        &first.peer,
        &answer.ciphertext,
        &Keys::default(),
        Trust::Pinned,
        &policy,
        now(),
        rng,
    )?;
    let second = encrypt(&consumer, &to_business, &read.peer, b"hello again", &policy, now(), rng)?;
    scene.peers[1] = answer.peer;
    scene.said[1] = second.ciphertext.to_body();
    Ok(scene)
}
