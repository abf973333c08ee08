//! From mounted files to a configuration, or to everything that is wrong with them.
//!
//! Pure: files come in as a map, nothing is read here. What is said of a Secret names it, its entry and the field that refers to it, never a
//! value. Redis credentials are put into the URL here, in memory, and nowhere else.

mod surface;

use std::{fmt::Write as _, net::SocketAddr, ops::RangeInclusive, time::Duration};

use waxseal_content::PhoneNumber;
use waxseal_crds::{
    pod::{PodConfig, PodWebhook, path},
    secret,
    v1alpha1::{ContentDeletion, DurabilityMode, ProblemReason, SidecarProblem},
};
use waxseal_protocol::{Identity, Tls};
use waxseal_store::Durability;
use zeroize::Zeroizing;

use super::files::Files;
use crate::{
    api::tls::Certificate,
    config::{Config, CustodyLocation, Deletion, Media, Number, Retention, Secret, StoreLocation, Surface, Webhook},
};

/// What the files do not say.
pub struct Place {
    /// Where the Cloud API port listens.
    pub api_listen: SocketAddr,
    /// Where the admin port listens.
    pub admin_listen: SocketAddr,
    /// Where the source of this build can be had.
    pub source_url: String,
}

/// Everything a sidecar in a pod needs to know. No `Debug`: it holds secrets.
pub struct Plan {
    /// What the operator declared.
    pub declared: PodConfig,
    /// The same in the sidecar's terms, with the secrets.
    pub config: Config,
}

/// What a configuration is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// To serve the number.
    Serve,
    /// To erase it: what only serving needs may be gone already.
    Erase,
}

/// Makes a configuration of the files.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn plan(
    files: &Files,
    place: &Place,
    purpose: Purpose,
    custody: impl FnOnce(&PodConfig) -> CustodyLocation,
) -> Result<Plan, Vec<SidecarProblem>> {
    let declared = declared(files).map_err(|problem| vec![problem])?;
    let mut reader = Reader {
        files,
        declared: &declared,
        purpose,
        problems: Vec::new(),
    };
    let config = reader.config(place, custody);
    let problems = reader.problems;
    match config {
        Some(config) if problems.is_empty() => Ok(Plan { declared, config }),
        _ => Err(problems),
    }
}

fn declared(files: &Files) -> Result<PodConfig, SidecarProblem> {
    let Some(bytes) = &files.config else {
        return Err(wrong(
            "the configuration is not mounted; the operator writes it into the number's ConfigMap",
        ));
    };
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("the configuration is not text (UTF-8)"))?;
    PodConfig::read(text).map_err(|error| wrong(&error.to_string()))
}

/// Looks every value up, and goes on after a problem, so that all of them are told.
struct Reader<'a> {
    files: &'a Files,
    declared: &'a PodConfig,
    purpose: Purpose,
    problems: Vec<SidecarProblem>,
}

impl Reader<'_> {
    fn config(&mut self, place: &Place, custody: impl FnOnce(&PodConfig) -> CustodyLocation) -> Option<Config> {
        let number = self.number(custody);
        let store = self.redis_url().map(StoreLocation::Redis);
        let relay_tls = self.relay_tls();
        let durability = self.durability();
        let api_certificate = self.api_certificate();
        Some(Config {
            api_listen: place.api_listen,
            api_certificate,
            admin_listen: place.admin_listen,
            source_url: place.source_url.clone(),
            relay_url: self.url("relayUrl", &self.declared.relay_url, &["http://", "https://"])?,
            relay_tls: relay_tls?,
            store: store?,
            store_ca: self.declared.redis_ca.as_ref().map(|pem| pem.as_bytes().to_vec()),
            durability: durability?,
            numbers: vec![number?],
        })
    }

    fn number(&mut self, custody: impl FnOnce(&PodConfig) -> CustodyLocation) -> Option<Number> {
        let declared = self.declared;
        let phone_number = PhoneNumber::parse(&declared.phone_number);
        if phone_number.is_err() {
            self.problem("phoneNumber is not in E.164 form");
        }
        let digits = |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(&declared.phone_number_id, 15) {
            self.problem("phoneNumberId is not 1 to 15 digits");
        }
        if self.purpose == Purpose::Erase {
            // The relay wants to see it, if the number has one; nobody else does.
            let pin = match self.files.secrets.contains_key(path::PIN) {
                true => self.checked(path::PIN, secret::pin_fault),
                false => Some(Secret::from("")),
            };
            let location = self.location();
            return Some(Number {
                phone_number: phone_number.ok()?,
                phone_number_id: declared.phone_number_id.clone(),
                waba_id: declared.business_account_id.clone(),
                display_name: declared.display_name.clone(),
                pin: pin?,
                tokens: Vec::new(),
                app_secret: Secret::from(""),
                webhook: None,
                retention: Retention::NoStorage,
                deletion: Deletion::OnDelivery,
                custody: custody(declared),
                // Nobody is to reach anything here but what is to be deleted.
                surface: Surface {
                    media: Media {
                        location: location?,
                        ..Media::default()
                    },
                    ..Surface::default()
                },
            });
        }
        let pin = self.checked(path::PIN, secret::pin_fault);
        let app_secret = self.text(path::APP_SECRET, &secret::APP_SECRET_LENGTH);
        let tokens: Vec<_> = declared
            .tokens
            .iter()
            .map(|name| self.text(&format!("{}/{name}", path::TOKENS), &secret::TOKEN_LENGTH))
            .collect();
        if tokens.is_empty() {
            self.problem("tokens is empty: nobody could call the API");
        }
        let webhook = declared.webhook.as_ref().map(|webhook| self.webhook(webhook));
        let retention = self.retention();
        let surface = self.surface();
        Some(Number {
            phone_number: phone_number.ok()?,
            phone_number_id: declared.phone_number_id.clone(),
            waba_id: declared.business_account_id.clone(),
            display_name: declared.display_name.clone(),
            pin: pin?,
            tokens: tokens.into_iter().collect::<Option<_>>()?,
            app_secret: app_secret?,
            webhook: match webhook {
                Some(webhook) => Some(webhook?),
                None => None,
            },
            retention: retention?,
            deletion: match declared.content_deletion {
                ContentDeletion::OnDelivery => Deletion::OnDelivery,
                ContentDeletion::AtExpiry => Deletion::AtExpiry,
            },
            custody: custody(declared),
            surface: surface?,
        })
    }

    fn webhook(&mut self, webhook: &PodWebhook) -> Option<Webhook> {
        let url = self.url("webhook.url", &webhook.url, &["http://", "https://"]);
        let verify_token = self.text(path::VERIFY_TOKEN, &secret::VERIFY_TOKEN_LENGTH);
        if !(1..=60).contains(&webhook.timeout_seconds) {
            self.problem("webhook.timeoutSeconds is not 1 to 60");
        }
        Some(Webhook {
            url: url?,
            verify_token: verify_token?,
            timeout: Duration::from_secs(webhook.timeout_seconds.into()),
            retry_window: minutes(self.declared.webhook_retry_window_minutes),
        })
    }

    fn retention(&mut self) -> Option<Retention> {
        const DAY: u32 = 24 * 60;
        let retention = match self.declared.retention_minutes {
            60 => Some(Retention::NoStorage),
            minutes if minutes % DAY == 0 => u8::try_from(minutes / DAY)
                .ok()
                .filter(|days| (1..=30).contains(days))
                .map(Retention::Days),
            _ => None,
        };
        if retention.is_none() {
            self.problem("retentionMinutes is neither 60 nor 1 to 30 days");
        }
        retention
    }

    fn durability(&mut self) -> Option<Durability> {
        Some(match self.declared.durability {
            DurabilityMode::Auto => Durability::Auto,
            DurabilityMode::Memory => Durability::Memory,
            DurabilityMode::Fsync => Durability::Fsync,
            DurabilityMode::Replicated if self.declared.durability_replicas > 0 => {
                Durability::Replicated(self.declared.durability_replicas)
            }
            DurabilityMode::Replicated => {
                self.problem("durabilityReplicas is 0");
                return None;
            }
        })
    }

    /// The URL of Redis with the credentials in it.
    fn redis_url(&mut self) -> Option<Secret> {
        let url = self.url("redisUrl", &self.declared.redis_url, &["redis://", "rediss://"]);
        let (user, password) = (self.credential(path::REDIS_USERNAME), self.credential(path::REDIS_PASSWORD));
        let (url, user, password) = (url?, user?, password?);
        let (scheme, rest) = url.split_once("://")?;
        if rest.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@')) {
            self.problem("redisUrl holds credentials; they belong into the Secret that credentialsSecretRef of the DataRegion names");
            return None;
        }
        if user.is_empty() && password.is_empty() {
            return Some(Secret::new(url));
        }
        let mut whole = String::with_capacity(url.len() + 3 * (user.len() + password.len()) + 2);
        whole.push_str(scheme);
        whole.push_str("://");
        percent_encode(&user, &mut whole);
        whole.push(':');
        percent_encode(&password, &mut whole);
        whole.push('@');
        whole.push_str(rest);
        Some(Secret::new(whole))
    }

    /// A credential, empty when there is none and none is needed.
    fn credential(&mut self, path: &str) -> Option<Zeroizing<String>> {
        let required = self.declared.secrets.iter().any(|file| file.path == path && file.required);
        if !required && !self.files.secrets.contains_key(path) {
            return Some(Zeroizing::default());
        }
        self.text(path, &(1..=512)).map(|secret| Zeroizing::new(secret.reveal().to_owned()))
    }

    fn relay_tls(&mut self) -> Option<Tls> {
        let identity = match self.declared.relay_client_certificate {
            true => {
                let fault = |text: &str| (!text.contains("-----BEGIN ")).then(|| "must be in PEM form".to_owned());
                let certificate = self.checked(path::RELAY_CERTIFICATE, fault);
                let key = self.checked(path::RELAY_KEY, fault);
                let (certificate, key) = (certificate?, key?);
                let key = Zeroizing::new(key.reveal().as_bytes().to_vec());
                Some(Identity::new(certificate.reveal().as_bytes(), key))
            }
            false => None,
        };
        Some(Tls {
            ca: self.declared.relay_ca.as_ref().map(|pem| pem.as_bytes().to_vec()),
            identity,
        })
    }

    /// What the API port shows, if the Secret of its certificate is mounted.
    fn api_certificate(&mut self) -> Option<Certificate> {
        let paths = [path::API_CERTIFICATE, path::API_KEY];
        let declared = |path: &&str| self.files.secrets.contains_key(*path) || self.declared.secrets.iter().any(|file| file.path == **path);
        if self.purpose == Purpose::Erase || !paths.iter().any(declared) {
            return None;
        }
        let [chain, key] = paths.map(|path| {
            let fault = |text: &str| (!text.contains("-----BEGIN ")).then(|| "must be in PEM form".to_owned());
            self.checked(path, fault)
        });
        let (chain, key) = (chain?, key?);
        match Certificate::from_pem(chain.reveal().as_bytes(), key.reveal().as_bytes()) {
            Ok(certificate) => Some(certificate),
            Err(error) => {
                let message = format!("{}: {error}", self.name(path::API_CERTIFICATE));
                self.add(ProblemReason::SecretInvalid, message);
                None
            }
        }
    }

    fn url(&mut self, field: &str, url: &str, schemes: &[&str]) -> Option<String> {
        let good = url.bytes().all(|byte| byte.is_ascii_graphic())
            && schemes.iter().any(|scheme| {
                url.strip_prefix(scheme)
                    .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':']))
            });
        if !good {
            self.problem(&format!("{field} is not a URL that begins with {}", schemes.join(" or ")));
        }
        good.then(|| url.to_owned())
    }

    /// A secret of visible ASCII characters.
    fn text(&mut self, path: &str, length: &RangeInclusive<usize>) -> Option<Secret> {
        self.checked(path, |text| secret::text_fault(text, length))
    }

    /// An entry of a Secret as text, if `fault` finds nothing wrong with it. One line break at its end does not belong to it: that is how
    /// most tools write a file.
    fn checked(&mut self, path: &str, fault: impl FnOnce(&str) -> Option<String>) -> Option<Secret> {
        let Some(bytes) = self.files.secrets.get(path) else {
            let message = self.missing(path);
            self.add(ProblemReason::SecretMissing, message);
            return None;
        };
        let fault = match std::str::from_utf8(bytes) {
            Err(_) => "is not text (UTF-8)".to_owned(),
            Ok(text) => {
                let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
                match fault(text) {
                    None => return Some(Secret::from(text)),
                    Some(fault) => fault,
                }
            }
        };
        let message = format!("{} {fault}", self.name(path));
        self.add(ProblemReason::SecretInvalid, message);
        None
    }

    /// "The entry 'pin' of the Secret 'acme' (spec.pinSecretRef)".
    fn name(&self, path: &str) -> String {
        match self.declared.secrets.iter().find(|file| file.path == path) {
            Some(file) => format!("the entry '{}' of the Secret '{}' ({})", file.key, file.secret, file.field),
            None => format!("the file '{path}'"),
        }
    }

    fn missing(&self, path: &str) -> String {
        let Some(file) = self.declared.secrets.iter().find(|file| file.path == path) else {
            return format!("the configuration says of no Secret that it is mounted as '{path}'");
        };
        let has_others = self
            .declared
            .secrets
            .iter()
            .any(|other| other.secret == file.secret && self.files.secrets.contains_key(&other.path));
        if has_others {
            format!("the Secret '{}' has no entry '{}' ({})", file.secret, file.key, file.field)
        } else {
            format!(
                "the Secret '{}' does not exist, or has no entry '{}' ({})",
                file.secret, file.key, file.field
            )
        }
    }

    fn problem(&mut self, text: &str) {
        self.add(ProblemReason::ConfigurationInvalid, text.to_owned());
    }

    fn add(&mut self, reason: ProblemReason, message: String) {
        self.problems.push(SidecarProblem { reason, message });
    }
}

/// A configuration that cannot be used.
fn wrong(text: &str) -> SidecarProblem {
    SidecarProblem {
        reason: ProblemReason::ConfigurationInvalid,
        message: text.to_owned(),
    }
}

const fn minutes(minutes: u32) -> Duration {
    Duration::from_secs(minutes as u64 * 60)
}

/// Everything but letters, digits and `-_.~`, which mean themselves everywhere in a URL.
fn percent_encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            into.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests;
