//! Waits for the custom resource definitions. An operator that starts before them is alive and not ready, says what to apply, and goes on by
//! itself once they are there.

use std::time::Duration;

use kube::Client;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use waxseal_crds::v1alpha1::API_VERSION;

use crate::{admin::Latch, metrics::Metrics};

/// The definitions.
const CRDS: [&str; 4] = [
    "businessaccounts.waxseal.dev",
    "businessphonenumbers.waxseal.dev",
    "dataregions.waxseal.dev",
    "retentionpolicies.waxseal.dev",
];
const PERIOD: Duration = Duration::from_secs(2);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Waits until every definition is there. Whether they are: not, when `stop` came first.
pub async fn wait(client: &Client, latch: &Latch, metrics: &Metrics, stop: &CancellationToken) -> bool {
    let mut said = None;
    loop {
        let Some(missing) = stop.run_until_cancelled(missing(client)).await else {
            return false;
        };
        for crd in CRDS {
            metrics.set_crd_missing(crd, missing.as_ref().is_ok_and(|missing| missing.contains(&crd)));
        }
        let text = match missing {
            Ok(missing) if missing.is_empty() => {
                if said.is_some() {
                    info!("the custom resource definitions are there");
                }
                latch.open();
                return true;
            }
            Ok(missing) => format!(
                "version {API_VERSION} of {} is not there; install the chart waxseal-crds, or apply its files with `kubectl apply --server-side`",
                missing.join(", ")
            ),
            Err(error) => format!("the API server cannot be asked for the custom resource definitions: {error}"),
        };
        latch.close(&text);
        // Once for each new text: this may last for days.
        if said.as_ref() != Some(&text) {
            warn!("{text}");
            said = Some(text);
        }
        if stop.run_until_cancelled(sleep(PERIOD)).await.is_none() {
            return false;
        }
    }
}

/// The definitions that are not there.
async fn missing(client: &Client) -> Result<Vec<&'static str>, String> {
    let there = match timeout(REQUEST_TIMEOUT, client.list_api_group_resources(API_VERSION)).await {
        Ok(Ok(list)) => list.resources,
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Vec::new(),
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("it did not answer in time".to_owned()),
    };
    let missing = CRDS.into_iter().filter(|crd| {
        let plural = crd.split('.').next().unwrap_or(crd);
        !there.iter().any(|resource| resource.name == plural)
    });
    Ok(missing.collect())
}

#[cfg(test)]
mod tests {
    use kube::Resource;
    use waxseal_crds::v1alpha1::{BusinessAccount, BusinessPhoneNumber, DataRegion, RetentionPolicy};

    use super::*;

    fn name<K: Resource<DynamicType = ()>>() -> String {
        format!("{}.{}", K::plural(&()), K::group(&()))
    }

    #[test]
    fn are_those_of_the_types() {
        let of_types = [
            name::<BusinessAccount>(),
            name::<BusinessPhoneNumber>(),
            name::<DataRegion>(),
            name::<RetentionPolicy>(),
        ];
        assert_eq!(CRDS.to_vec(), of_types);
    }
}
