//! Erases a number: nobody reaches it any more, and nothing of it can be read any more.
//!
//! Three steps: the relay forgets the number, the store and the media store delete what they hold of it, the keys are destroyed. Each can be
//! repeated; what is gone already counts as done. The relay and both stores are tried side by side until the deadline; the keys come last,
//! because they hold the credential at the relay. While a step before has failed they stay, or the next attempt could not deregister and
//! would take that for the end. Whoever stops trying destroys them another way: the operator deletes their Secret, and says what is left.
//!
//! Meant for when no sidecar serves the number any more. May touch: the relay, the store, the media store, custody. Must not: make keys.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use waxseal_protocol::Error as TransportError;

use crate::{
    config::{self, Config},
    custody,
    media::Objects,
    names::Names,
    serving,
    transport::{Transport, relay::RelayAccount},
};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// For the keys, when the steps before them have used all the time.
const TIME_FOR_KEYS: Duration = Duration::from_secs(30);

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It is done, or was done before.
    Done,
    /// It can never be done, for this reason.
    Impossible(String),
    /// It could not be done, for this reason. Trying again may help.
    Failed(String),
}

/// What became of erasing one number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// The number's id.
    pub phone_number_id: String,
    /// The relay does not know the number any more. Impossible when its keys are gone: they hold the credential.
    pub deregistered: Step,
    /// The store and the media store hold nothing of the number any more.
    pub state_deleted: Step,
    /// Nothing that was kept, in whatever copy, can be opened any more.
    pub keys_destroyed: Step,
}

impl Erased {
    /// Whether nothing is left that could still be done.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        [&self.deregistered, &self.state_deleted, &self.keys_destroyed]
            .iter()
            .all(|step| !matches!(step, Step::Failed(_)))
    }
}

/// Erases every number of the configuration. Returns when that is done, or soon after `deadline`.
pub async fn erase(config: &Config, deadline: Duration) -> Vec<Erased> {
    let until = Instant::now() + deadline;
    let (deregistered, deleted) = tokio::join!(deregister_all(config, until), delete_all(config, until));
    let until = until.max(Instant::now() + TIME_FOR_KEYS);
    let mut erased = Vec::new();
    for ((number, deregistered), state_deleted) in config.numbers.iter().zip(deregistered).zip(deleted) {
        let has_failed = [&deregistered, &state_deleted].iter().any(|step| matches!(step, Step::Failed(_)));
        let keys_destroyed = if has_failed {
            Step::Failed("the keys stay until the rest is done, which needs them".to_owned())
        } else {
            destroy(number, until).await
        };
        erased.push(Erased {
            phone_number_id: number.phone_number_id.clone(),
            deregistered,
            state_deleted,
            keys_destroyed,
        });
    }
    erased
}

/// Why an attempt failed.
enum Trouble {
    /// For now.
    Passing { text: String, pause: Option<Duration> },
    /// For good.
    Lasting(Step),
}

impl Trouble {
    fn passing(error: &impl std::fmt::Display) -> Self {
        Self::Passing {
            text: error.to_string(),
            pause: None,
        }
    }
}

/// Tries until it is done, cannot be done, or the time is over.
async fn patiently<T, F: Future<Output = Result<T, Trouble>>>(until: Instant, mut attempt: impl FnMut() -> F) -> Result<T, Step> {
    let (mut pause, mut last) = (FIRST_PAUSE, "no answer in time".to_owned());
    loop {
        let wanted = match timeout_at(until, attempt()).await {
            Ok(Ok(done)) => return Ok(done),
            Ok(Err(Trouble::Lasting(step))) => return Err(step),
            Ok(Err(Trouble::Passing { text, pause: wanted })) => {
                last = text;
                wanted.unwrap_or(pause)
            }
            Err(_) => return Err(Step::Failed(last)),
        };
        if timeout_at(until, sleep(wanted)).await.is_err() {
            return Err(Step::Failed(last));
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

impl From<Result<(), Step>> for Step {
    fn from(done: Result<(), Self>) -> Self {
        done.map_or_else(|step| step, |()| Self::Done)
    }
}

async fn deregister_all(config: &Config, until: Instant) -> Vec<Step> {
    let mut steps = Vec::new();
    for number in &config.numbers {
        steps.push(patiently(until, || deregister(config, number)).await.into());
    }
    steps
}

async fn deregister(config: &Config, number: &config::Number) -> Result<(), Trouble> {
    let mut keeper = number.custody.keeper();
    let credential = match custody::read(keeper.as_mut()).await {
        Ok(Some(keys)) => *keys.credential,
        Ok(None) | Err(custody::Error::Missing { .. }) => {
            return Err(Trouble::Lasting(Step::Impossible(
                "the keys are gone, and with them the credential at the relay; register the number anew with its PIN to deregister it"
                    .to_owned(),
            )));
        }
        Err(error) if error.is_transient() => return Err(Trouble::passing(&error)),
        Err(error) => return Err(Trouble::Lasting(Step::Impossible(error.to_string()))),
    };
    let account = RelayAccount::new(
        &config.relay_url,
        &config.relay_tls,
        &number.phone_number,
        credential,
        number.pin.clone(),
    );
    let account = account.map_err(|error| Trouble::Lasting(Step::Failed(error.to_string())))?;
    account.deregister().await.map_err(|error| match error {
        TransportError::RateLimited { retry_after } => Trouble::Passing {
            text: error.to_string(),
            pause: Some(retry_after),
        },
        error if error.is_transient() => Trouble::passing(&error),
        // A wrong PIN is not tried again: the relay counts.
        error => Trouble::Lasting(Step::Failed(error.to_string())),
    })
}

/// Each of the two stores on its own, so that one that does not answer costs the other no time.
async fn delete_all(config: &Config, until: Instant) -> Vec<Step> {
    let (state, objects) = tokio::join!(delete_state(config, until), delete_objects(config, until));
    let both = state.into_iter().zip(objects);
    both.map(|(state, objects)| if state == Step::Done { objects } else { state })
        .collect()
}

async fn delete_state(config: &Config, until: Instant) -> Vec<Step> {
    let opened = patiently(until, || async {
        serving::open_store(config).await.map_err(|error| Trouble::passing(&error))
    });
    let store = match opened.await {
        Ok(store) => store,
        Err(step) => return vec![step; config.numbers.len()],
    };
    let mut steps = Vec::new();
    for number in &config.numbers {
        let names = Names::new(&number.phone_number_id);
        let deleted = patiently(until, || async {
            let deleted = store.erase(names.namespace()).await;
            deleted.map(drop).map_err(|error| Trouble::passing(&error))
        });
        steps.push(deleted.await.into());
    }
    store.close().await;
    steps
}

/// The ciphertext of files. What an attempt has deleted stays so; the next goes on with what is left.
async fn delete_objects(config: &Config, until: Instant) -> Vec<Step> {
    let mut steps = Vec::new();
    for number in &config.numbers {
        let attempt = || async {
            let Some(location) = &number.surface.media.location else {
                return Ok(());
            };
            let erased = match Objects::existing(location) {
                Ok(Some(objects)) => objects.erase(&number.phone_number_id).await,
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            erased.map_err(|error| Trouble::passing(&error))
        };
        steps.push(patiently(until, attempt).await.into());
    }
    steps
}

async fn destroy(number: &config::Number, until: Instant) -> Step {
    let destroyed = patiently(until, || async {
        let destroyed = number.custody.keeper().destroy().await;
        destroyed.map_err(|error| Trouble::passing(&error))
    });
    destroyed.await.into()
}
