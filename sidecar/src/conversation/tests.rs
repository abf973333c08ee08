//! The pure turn under test: a model of the store, of the relay and of consumers' phones, moved by hand, without a runtime and without IO.
//!
//! `store`, `relay` and `phone` are the models, `world` puts lanes between them and drives the turns as the actor does. What is promised is
//! tested in `messages` (both ways), `healing` (sessions that break), `statuses` (what the business is told), `events` (what becomes of what
//! it does not take), `types` (messages of every type), `erasure` (what must be gone) `rollback` (a store that forgets) and `rules` (windows and identities); `random` mixes everything.

mod erasure;
mod events;
mod healing;
mod messages;
mod phone;
mod random;
mod relay;
mod rollback;
mod rules;
mod statuses;
mod store;
mod types;
mod world;
