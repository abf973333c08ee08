//! What the HTTP port and the rules of a number need beyond messages.

use std::{path::PathBuf, time::Duration};

use waxseal_crds::{
    pod::{MEDIA_DIR, PodMedia, path},
    v1alpha1::{self, Switch},
};

use super::Reader;
use crate::config::{Media, MediaLocation, OverLimit, Rules, Secret, Surface, Webhooks};

impl Reader<'_> {
    pub(super) fn surface(&mut self) -> Option<Surface> {
        let declared = self.declared;
        let digits = |text: &String| (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if !declared.app_id.as_ref().is_none_or(digits) {
            self.problem("appId is not 1 to 20 digits");
        }
        let api_url = match &declared.api_url {
            Some(url) => self.url("apiUrl", url, &["http://", "https://"]),
            None => Some(declared.service_url()),
        };
        let location = self.location();
        if declared.media_lifetime_days == Some(0) {
            self.problem("mediaLifetimeDays is 0");
        }
        let webhooks = self.webhooks();
        Some(Surface {
            app_id: declared.app_id.clone(),
            api_url: Some(api_url?),
            storage_region: declared.country.clone(),
            rules: self.rules(),
            media: Media {
                location: location?,
                lifetime: declared.media_lifetime_days.map(days),
                ..Media::default()
            },
            webhooks: webhooks?,
            // Never in a pod.
            faults: None,
        })
    }

    fn rules(&self) -> Rules {
        let rules = &self.declared.rules;
        let is_on = |switch| switch == Switch::Enabled;
        Rules {
            throughput_per_second: self.declared.throughput_messages_per_second,
            conversation_window: is_on(rules.conversation_window),
            pair_limit: is_on(rules.pair_rate_limit),
            call_limits: is_on(rules.api_call_limits),
            quality: is_on(rules.quality_emulation),
            over_limit: match rules.over_limit {
                v1alpha1::OverLimit::Reject => OverLimit::Reject,
                v1alpha1::OverLimit::Queue => OverLimit::Queue,
            },
        }
    }

    fn webhooks(&mut self) -> Option<Webhooks> {
        let declared = self.declared.webhook.as_ref();
        let paths = [path::WEBHOOK_CERTIFICATE, path::WEBHOOK_KEY];
        let is_there = |path: &&str| self.files.secrets.contains_key(*path) || self.declared.secrets.iter().any(|file| file.path == **path);
        let identity = match paths.iter().any(is_there) {
            true => {
                let [certificate, key] = paths.map(|path| {
                    let fault = |text: &str| (!text.contains("-----BEGIN ")).then(|| "must be in PEM form".to_owned());
                    self.checked(path, fault)
                });
                Some(Secret::new(format!("{}\n{}\n", certificate?.reveal(), key?.reveal())))
            }
            false => None,
        };
        Some(Webhooks {
            of_number: declared.is_some_and(|webhook| webhook.of_number),
            fields: declared.and_then(|webhook| webhook.fields.clone()),
            ca: declared.and_then(|webhook| webhook.ca.as_ref()).map(|pem| pem.as_bytes().to_vec()),
            identity,
        })
    }

    /// Where files rest, if anywhere; `None` when what is said of it is wrong.
    pub(super) fn location(&mut self) -> Option<Option<MediaLocation>> {
        match &self.declared.media {
            None => Some(None),
            Some(PodMedia::Local) => Some(Some(MediaLocation::Directory(PathBuf::from(MEDIA_DIR)))),
            Some(PodMedia::Bucket(bucket)) => self.bucket(bucket).map(Some),
        }
    }

    #[cfg(feature = "s3")]
    fn bucket(&mut self, bucket: &waxseal_crds::pod::PodBucket) -> Option<MediaLocation> {
        let endpoint = match &bucket.endpoint {
            Some(url) => Some(self.url("media.bucket.endpoint", url, &["http://", "https://"])?),
            None => None,
        };
        let paths = [path::MEDIA_KEY_ID, path::MEDIA_KEY];
        let is_declared = self.declared.secrets.iter().any(|file| paths.contains(&file.path.as_str()));
        let credentials = match is_declared {
            true => {
                let [id, key] = paths.map(|path| self.text(path, &(1..=512)));
                Some((id?.reveal().to_owned(), key?))
            }
            false => None,
        };
        Some(MediaLocation::S3(crate::config::Bucket {
            name: bucket.name.clone(),
            endpoint,
            region: bucket.region.clone(),
            prefix: bucket.prefix.clone(),
            ca: bucket.ca.as_ref().map(|pem| pem.as_bytes().to_vec()),
            credentials,
        }))
    }

    #[cfg(not(feature = "s3"))]
    fn bucket(&mut self, _: &waxseal_crds::pod::PodBucket) -> Option<MediaLocation> {
        self.problem("media.bucket: this program was built without support for S3");
        None
    }
}

const fn days(days: u32) -> Duration {
    Duration::from_secs(days as u64 * 24 * 60 * 60)
}
