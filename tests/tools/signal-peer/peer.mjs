// The official Signal client library as a peer of the tests: one JSON object per line on standard input, one answer per line on standard
// output. Byte strings are hexadecimal. Knows one peer, keeps everything in memory, ends with its input.
//
// Usage: node peer.mjs <node_modules folder>

import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const signal = await import(pathToFileURL(join(process.argv[2], '@signalapp/libsignal-client/dist/index.js')));

const PADDING_STEP = 160;
const hex = (bytes) => Buffer.from(bytes).toString('hex');
const bytes = (text) => Uint8Array.from(Buffer.from(text, 'hex'));

function pad(text) {
  const padded = new Uint8Array(Math.ceil((text.length + 2) / PADDING_STEP) * PADDING_STEP - 1);
  padded.set(text);
  padded[text.length] = 0x80;
  return padded;
}

function unpad(padded) {
  const end = padded.findLastIndex((byte) => byte !== 0);
  if (padded[end] !== 0x80 || (padded.length + 1) % PADDING_STEP !== 0) throw new Error('padding');
  return padded.slice(0, end);
}

class Sessions extends signal.SessionStore {
  record = null;
  async saveSession(_name, record) { this.record = record.serialize(); }
  async getSession() { return this.record && signal.SessionRecord.deserialize(this.record); }
  async getExistingSessions() { return this.record ? [await this.getSession()] : []; }
}

class Identities extends signal.IdentityKeyStore {
  key = signal.PrivateKey.generate();
  registrationId = 1 + Math.floor(Math.random() * 0x3fff);
  peer = null;
  async getIdentityKey() { return this.key; }
  async getLocalRegistrationId() { return this.registrationId; }
  async saveIdentity(_name, key) {
    const changed = this.peer !== null && !this.peer.equals(key);
    this.peer = key;
    return changed ? signal.IdentityChange.ReplacedExisting : signal.IdentityChange.NewOrUnchanged;
  }
  async isTrustedIdentity(_name, key) { return this.peer === null || this.peer.equals(key); }
  async getIdentity() { return this.peer; }
}

class Keys {
  records = new Map();
  save(id, record) { this.records.set(id, record); }
  get(id) {
    const record = this.records.get(id);
    if (record === undefined) throw new Error(`no key ${id}`);
    return record;
  }
}

class OneTimeKeys extends signal.PreKeyStore {
  keys = new Keys();
  async savePreKey(id, record) { this.keys.save(id, record); }
  async getPreKey(id) { return this.keys.get(id); }
  async removePreKey(id) { this.keys.records.delete(id); }
}

class SignedKeys extends signal.SignedPreKeyStore {
  keys = new Keys();
  async saveSignedPreKey(id, record) { this.keys.save(id, record); }
  async getSignedPreKey(id) { return this.keys.get(id); }
}

class KyberKeys extends signal.KyberPreKeyStore {
  keys = new Keys();
  async saveKyberPreKey(id, record) { this.keys.save(id, record); }
  async getKyberPreKey(id) { return this.keys.get(id); }
  async markKyberPreKeyUsed(id) { this.keys.records.delete(id); }
}

const sessions = new Sessions();
const identities = new Identities();
const oneTime = new OneTimeKeys();
const signed = new SignedKeys();
const kyber = new KyberKeys();
let us;
let them;
let lastId = 0;

const commands = {
  /** Sets the names; newer versions bind them into the messages if they are service ids. */
  start({ my_name, peer_name }) {
    us = signal.ProtocolAddress.new(my_name, 1);
    them = signal.ProtocolAddress.new(peer_name, 1);
    return { identity_key: hex(identities.key.getPublicKey().serialize()) };
  },

  /** Goes on in the place of another party, with its stored session. */
  adopt({ private_key, registration_id, peer_identity_key, record }) {
    identities.key = signal.PrivateKey.deserialize(bytes(private_key));
    identities.registrationId = registration_id;
    identities.peer = signal.PublicKey.deserialize(bytes(peer_identity_key));
    sessions.record = bytes(record);
    return {};
  },

  async bundle({ one_time }) {
    const id = ++lastId;
    const now = Date.now();
    const signedKey = signal.PrivateKey.generate();
    const signedSignature = identities.key.sign(signedKey.getPublicKey().serialize());
    await signed.saveSignedPreKey(id, signal.SignedPreKeyRecord.new(id, now, signedKey.getPublicKey(), signedKey, signedSignature));
    const kyberKey = signal.KEMKeyPair.generate();
    const kyberSignature = identities.key.sign(kyberKey.getPublicKey().serialize());
    await kyber.saveKyberPreKey(id, signal.KyberPreKeyRecord.new(id, now, kyberKey, kyberSignature));
    let oneTimeKey = null;
    if (one_time) {
      const key = signal.PrivateKey.generate();
      await oneTime.savePreKey(id, signal.PreKeyRecord.new(id, key.getPublicKey(), key));
      oneTimeKey = { id, key: hex(key.getPublicKey().serialize()) };
    }
    return {
      registration_id: identities.registrationId,
      identity_key: hex(identities.key.getPublicKey().serialize()),
      signed: { id, key: hex(signedKey.getPublicKey().serialize()), signature: hex(signedSignature) },
      kyber: { id, key: hex(kyberKey.getPublicKey().serialize()), signature: hex(kyberSignature) },
      one_time: oneTimeKey,
    };
  },

  async establish(bundle) {
    const opened = signal.PreKeyBundle.new(
      bundle.registration_id,
      1,
      bundle.one_time?.id ?? null,
      bundle.one_time ? signal.PublicKey.deserialize(bytes(bundle.one_time.key)) : null,
      bundle.signed.id,
      signal.PublicKey.deserialize(bytes(bundle.signed.key)),
      bytes(bundle.signed.signature),
      signal.PublicKey.deserialize(bytes(bundle.identity_key)),
      bundle.kyber.id,
      signal.KEMPublicKey.deserialize(bytes(bundle.kyber.key)),
      bytes(bundle.kyber.signature),
    );
    await signal.processPreKeyBundle(opened, them, us, sessions, identities);
    return {};
  },

  async encrypt({ text }) {
    const message = await signal.signalEncrypt(pad(bytes(text)), them, us, sessions, identities);
    return { kind: message.type(), bytes: hex(message.serialize()) };
  },

  async decrypt({ kind, bytes: message }) {
    const padded =
      kind === signal.CiphertextMessageType.PreKey
        ? await signal.signalDecryptPreKey(
            signal.PreKeySignalMessage.deserialize(bytes(message)), them, us, sessions, identities, oneTime, signed, kyber,
          )
        : await signal.signalDecrypt(signal.SignalMessage.deserialize(bytes(message)), them, us, sessions, identities);
    return { text: hex(unpad(padded)) };
  },

  safety({ my_number, peer_number, peer_identity_key }) {
    const name = (number) => Uint8Array.from(Buffer.from(number));
    const peer = signal.PublicKey.deserialize(bytes(peer_identity_key));
    const fingerprint = signal.Fingerprint.new(5200, 2, name(my_number), identities.key.getPublicKey(), name(peer_number), peer);
    return { digits: fingerprint.displayableFingerprint().toString() };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...parameters } = JSON.parse(line);
  let answer;
  try {
    answer = await commands[op](parameters);
  } catch (error) {
    answer = { error: error.code === signal.ErrorCode.DuplicatedMessage ? 'duplicate' : String(error.message) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
