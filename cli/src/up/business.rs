//! Whom `waxseal up` serves, in the sidecar's terms: declared numbers, with addresses and files added.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context as _;
use waxseal_content::PhoneNumber;
use waxseal_crds::{
    DeclaredNumber,
    declared::{self, Retention},
    rules::Rules,
    v1alpha1::{ContentDeletion, DurabilityMode, OverLimit, Switch},
};
use waxseal_protocol::Tls;
use waxseal_sidecar::{
    api::tls::Certificate,
    config::{self, CustodyLocation, Secret},
    faults::Faults,
};
use waxseal_store::Durability;
use zeroize::Zeroizing;

use super::{args::RuleArgs, secrets::LocalSecrets};
use crate::{
    endpoints::{Endpoints, Number},
    state_dir::StateDir,
};

/// The number of the sample business; 555-01xx is set aside for examples.
const SAMPLE_NUMBER: &str = "+15550100";
const SAMPLE_NAME: &str = "Sample Business";
const SAMPLE_RETENTION_DAYS: u8 = 7;

/// The built-in sample business.
pub(super) fn sample(secrets: &LocalSecrets) -> DeclaredNumber {
    let retention = Retention::Days(SAMPLE_RETENTION_DAYS);
    DeclaredNumber {
        namespace: "default".to_owned(),
        name: "sample".to_owned(),
        phone_number: SAMPLE_NUMBER.to_owned(),
        phone_number_id: declared::phone_number_id(SAMPLE_NUMBER),
        business_account_id: declared::business_account_id("default", "sample"),
        display_name: SAMPLE_NAME.to_owned(),
        pin: Zeroizing::new(secrets.pin.clone()),
        tokens: vec![Zeroizing::new(secrets.token.clone())],
        app_secret: Zeroizing::new(secrets.app_secret.clone()),
        webhook: None,
        webhook_retry_window: retention.duration(),
        retention,
        media_lifetime: None,
        content_deletion: ContentDeletion::OnDelivery,
        region: "local".to_owned(),
        country: None,
        throughput_messages_per_second: 80,
        // Whoever tries it out writes first.
        rules: Rules {
            conversation_window: Switch::Disabled,
            ..Rules::default()
        },
        app_id: None,
        api_url: None,
        durability: DurabilityMode::Auto,
        durability_replicas: 1,
        suspended: false,
    }
}

/// Where a number's events go.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) url: String,
    pub(super) verify_token: Zeroizing<String>,
    pub(super) timeout: Duration,
}

/// What declared numbers do not know: files, addresses, and what the command line says.
pub(super) struct Wiring<'a> {
    /// From the command line; on top of what is declared.
    pub(super) rules: &'a RuleArgs,
    pub(super) state: &'a StateDir,
    pub(super) secrets: &'a LocalSecrets,
    pub(super) relay_url: &'a str,
    /// From the command line; wins over what is declared.
    pub(super) webhook: Option<&'a str>,
    /// The built-in receiver, for numbers without a webhook.
    pub(super) receiver: Option<&'a str>,
    pub(super) redis: Option<&'a str>,
    /// From the command line, for numbers that declare none.
    pub(super) api_url: Option<&'a str>,
    /// What the HTTP API shows, if it speaks HTTPS.
    pub(super) api_certificate: Option<Certificate>,
    /// What goes wrong on purpose, if that is allowed.
    pub(super) faults: Option<Faults>,
}

impl Wiring<'_> {
    /// Where this number's events go.
    pub(super) fn target(&self, number: &DeclaredNumber) -> anyhow::Result<Target> {
        let declared = number.webhook.as_ref();
        let verify_token = declared.map_or_else(
            || Zeroizing::new(self.secrets.verify_token.clone()),
            |webhook| webhook.verify_token.clone(),
        );
        let timeout = declared.map_or(Duration::from_secs(10), |webhook| webhook.timeout);
        let url = match (self.webhook, declared, self.receiver) {
            (Some(url), _, _) => url.to_owned(),
            (None, Some(webhook), _) => webhook.url.clone(),
            (None, None, Some(receiver)) => format!("{receiver}/{}", number.phone_number_id),
            (None, None, None) => anyhow::bail!("there is no webhook for {}", number.display_name),
        };
        Ok(Target {
            url,
            verify_token,
            timeout,
        })
    }

    /// What the sidecar is told.
    pub(super) fn config(
        &self,
        numbers: &[DeclaredNumber],
        targets: &[Target],
        api_listen: SocketAddr,
        admin_listen: SocketAddr,
        source_url: &str,
    ) -> anyhow::Result<config::Config> {
        let store = match self.redis {
            Some(url) => config::StoreLocation::Redis(Secret::from(url)),
            None => config::StoreLocation::Embedded(self.state.store_file()),
        };
        Ok(config::Config {
            api_listen,
            api_certificate: self.api_certificate.clone(),
            admin_listen,
            relay_url: self.relay_url.to_owned(),
            relay_tls: Tls::default(),
            store_ca: None,
            store,
            durability: durability(numbers),
            numbers: numbers
                .iter()
                .zip(targets)
                .map(|(number, target)| self.number(number, target))
                .collect::<anyhow::Result<_>>()?,
            source_url: source_url.to_owned(),
        })
    }

    fn number(&self, number: &DeclaredNumber, target: &Target) -> anyhow::Result<config::Number> {
        Ok(config::Number {
            phone_number: PhoneNumber::parse(&number.phone_number).context("a declared number is not in E.164 form")?,
            phone_number_id: number.phone_number_id.clone(),
            waba_id: number.business_account_id.clone(),
            display_name: number.display_name.clone(),
            pin: Secret::from(number.pin.as_str()),
            tokens: number.tokens.iter().map(|token| Secret::from(token.as_str())).collect(),
            app_secret: Secret::from(number.app_secret.as_str()),
            webhook: Some(config::Webhook {
                url: target.url.clone(),
                verify_token: Secret::from(target.verify_token.as_str()),
                timeout: target.timeout,
                retry_window: number.webhook_retry_window,
            }),
            retention: match number.retention {
                Retention::Days(days) => config::Retention::Days(days),
                Retention::NoStorage => config::Retention::NoStorage,
            },
            deletion: match number.content_deletion {
                ContentDeletion::OnDelivery => config::Deletion::OnDelivery,
                ContentDeletion::AtExpiry => config::Deletion::AtExpiry,
            },
            custody: CustodyLocation::File(self.state.custody_file(&number.phone_number_id)),
            surface: config::Surface {
                app_id: number.app_id.clone(),
                api_url: number
                    .api_url
                    .clone()
                    .or_else(|| self.api_url.map(|url| url.trim_end_matches('/').to_owned())),
                storage_region: number.country.clone(),
                rules: self.rules.apply(rules(number)),
                webhooks: webhooks(number, target),
                media: config::Media {
                    location: Some(config::MediaLocation::Directory(self.state.media())),
                    lifetime: number.media_lifetime,
                    // Links to a server on this machine are what one tries first.
                    egress: config::Egress {
                        loopback: true,
                        ports: Vec::new(),
                    },
                    ..config::Media::default()
                },
                faults: self.faults.clone(),
            },
        })
    }
}

/// The declared rules, in the sidecar's terms.
fn rules(number: &DeclaredNumber) -> config::Rules {
    let is_on = |switch| switch == Switch::Enabled;
    config::Rules {
        throughput_per_second: number.throughput_messages_per_second,
        conversation_window: is_on(number.rules.conversation_window),
        pair_limit: is_on(number.rules.pair_rate_limit),
        call_limits: is_on(number.rules.api_call_limits),
        quality: is_on(number.rules.quality_emulation),
        over_limit: match number.rules.over_limit {
            OverLimit::Reject => config::OverLimit::Reject,
            OverLimit::Queue => config::OverLimit::Queue,
        },
    }
}

/// What is declared of the webhook besides its address. A certificate is shown only where it was declared for, not to a receiver that the
/// command line names instead.
fn webhooks(number: &DeclaredNumber, target: &Target) -> config::Webhooks {
    let Some(declared) = &number.webhook else {
        return config::Webhooks::default();
    };
    let is_declared = declared.url == target.url;
    let certificate = declared.client_certificate.as_ref().filter(|_| is_declared);
    config::Webhooks {
        of_number: declared.of_number && is_declared,
        fields: (!declared.fields.is_empty()).then(|| declared.fields.clone()),
        ca: declared.ca.as_ref().filter(|_| is_declared).map(|pem| pem.as_bytes().to_vec()),
        identity: certificate.map(|pair| Secret::new(format!("{}\n{}\n", pair.chain.as_str(), pair.key.as_str()))),
    }
}

/// One store serves all numbers here, so the strictest of them decides.
fn durability(numbers: &[DeclaredNumber]) -> Durability {
    let replicas = |number: &DeclaredNumber| (number.durability == DurabilityMode::Replicated).then_some(number.durability_replicas);
    if let Some(replicas) = numbers.iter().filter_map(replicas).max() {
        Durability::Replicated(replicas)
    } else if numbers.iter().any(|number| number.durability == DurabilityMode::Fsync) {
        Durability::Fsync
    } else if numbers.iter().any(|number| number.durability == DurabilityMode::Auto) {
        Durability::Auto
    } else {
        Durability::Memory
    }
}

/// What goes into `endpoints.json`.
pub(super) fn endpoints(numbers: &[DeclaredNumber], targets: Vec<Target>, api: String, admin: SocketAddr, relay: String) -> Endpoints {
    let number = |(number, target): (&DeclaredNumber, Target)| Number {
        phone_number: number.phone_number.clone(),
        phone_number_id: number.phone_number_id.clone(),
        business_account_id: number.business_account_id.clone(),
        app_id: number.app_id.clone().unwrap_or_else(|| config::app_id(&number.business_account_id)),
        token: number.tokens.first().map(|token| token.to_string()).unwrap_or_default(),
        app_secret: number.app_secret.to_string(),
        verify_token: target.verify_token.to_string(),
        webhook: target.url,
    };
    Endpoints {
        api,
        admin: format!("http://{admin}"),
        relay,
        proxy: None,
        pid: std::process::id(),
        numbers: numbers.iter().zip(targets).map(number).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::up::secrets::tests::fixed;

    #[test]
    fn the_sample_needs_nothing_from_anybody() {
        let number = sample(&fixed());
        assert_eq!(number.phone_number, "+15550100");
        assert!(PhoneNumber::parse(&number.phone_number).is_ok());
        assert!(number.phone_number_id.len() <= 15 && number.phone_number_id.bytes().all(|byte| byte.is_ascii_digit()));
    }

    #[test]
    fn the_command_line_wins_over_the_declaration_and_the_receiver_comes_last() {
        let folder = tempfile::tempdir().unwrap();
        let (state, secrets) = (StateDir::open(folder.path()).unwrap(), fixed());
        let rules = RuleArgs::default();
        let wiring = |webhook, receiver| Wiring {
            rules: &rules,
            state: &state,
            secrets: &secrets,
            relay_url: "http://r",
            webhook,
            receiver,
            redis: None,
            api_url: None,
            api_certificate: None,
            faults: None,
        };
        let mut number = sample(&secrets);
        let id = number.phone_number_id.clone();
        assert_eq!(
            wiring(None, Some("http://b/webhook")).target(&number).unwrap().url,
            format!("http://b/webhook/{id}")
        );
        assert!(wiring(None, None).target(&number).is_err());
        number.webhook = Some(declared::DeclaredWebhook {
            url: "http://declared".to_owned(),
            verify_token: Zeroizing::new("own".to_owned()),
            timeout: Duration::from_secs(3),
            of_number: true,
            ca: Some("CA".to_owned()),
            fields: vec!["messages".to_owned()],
            client_certificate: Some(declared::DeclaredCertificate {
                chain: Zeroizing::new("CHAIN".to_owned()),
                key: Zeroizing::new("KEY".to_owned()),
            }),
        });
        let target = wiring(None, Some("http://b/webhook")).target(&number).unwrap();
        assert_eq!(
            (target.url.as_str(), target.verify_token.as_str(), target.timeout.as_secs()),
            ("http://declared", "own", 3)
        );
        let shown = webhooks(&number, &target);
        assert!(shown.of_number && shown.fields == Some(vec!["messages".to_owned()]) && shown.ca == Some(b"CA".to_vec()));
        assert_eq!(shown.identity.unwrap().reveal(), "CHAIN\nKEY\n");
        assert_eq!(wiring(Some("http://mine"), None).target(&number).unwrap().url, "http://mine");
        let elsewhere = webhooks(&number, &wiring(Some("http://mine"), None).target(&number).unwrap());
        assert!(elsewhere.identity.is_none() && elsewhere.ca.is_none());
        let targets = [wiring(Some("http://mine"), None).target(&number).unwrap()];
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = wiring(Some("http://mine"), None)
            .config(std::slice::from_ref(&number), &targets, listen, listen, "s")
            .unwrap();
        assert!(matches!(&config.numbers[0].custody, CustodyLocation::File(path) if path.starts_with(folder.path().join("keys"))));
        assert!(matches!(config.store, config::StoreLocation::Embedded(path) if path.ends_with("sidecar/state.redb")));
    }

    #[test]
    fn declared_rules_hold_and_the_sample_lets_the_business_write_first() {
        let mut number = sample(&fixed());
        assert_eq!(rules(&number), config::Rules::default());
        number.rules = Rules::default();
        assert!(rules(&number).conversation_window, "what holds when nothing is declared");
        number.rules = Rules {
            pair_rate_limit: Switch::Enabled,
            api_call_limits: Switch::Enabled,
            quality_emulation: Switch::Enabled,
            over_limit: OverLimit::Queue,
            ..number.rules
        };
        let all = rules(&number);
        assert!(all.pair_limit && all.call_limits && all.quality && all.over_limit == config::OverLimit::Queue);
    }

    #[test]
    fn the_strictest_durability_decides() {
        let number = |mode, replicas| {
            let mut number = sample(&fixed());
            (number.durability, number.durability_replicas) = (mode, replicas);
            number
        };
        let memory = || number(DurabilityMode::Memory, 1);
        assert_eq!(durability(&[memory()]), Durability::Memory);
        assert_eq!(durability(&[memory(), sample(&fixed())]), Durability::Auto);
        assert_eq!(durability(&[sample(&fixed()), number(DurabilityMode::Fsync, 1)]), Durability::Fsync);
        assert_eq!(
            durability(&[number(DurabilityMode::Replicated, 2), memory()]),
            Durability::Replicated(2)
        );
    }
}
