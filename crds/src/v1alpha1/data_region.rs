//! `DataRegion`: edited by the platform team. Cluster-scoped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::meta::NamespacedSecretRef;

/// A place where data may live, and what is there to keep it.
///
/// `waxseal up` brings its own store and relay and takes from a region only the retention cap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DataRegionSpec {
    /// ISO 3166-1 country code, two capital letters.
    pub country: String,
    /// The area within or around the country, at most 64 characters, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub area: Option<String>,
    /// The longest retention that is lawful here, 1 to 30.
    pub retention_cap_days: i32,
    /// The nodes that are in the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<Placement>,
    /// The region's Redis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisEndpoint>,
    /// The region's store for media, any S3 endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_store: Option<MediaStore>,
    /// The key service that wraps the keys of the region's numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_management: Option<KeyManagement>,
    /// The relay that the region's sidecars connect to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<RelayEndpoint>,
}

/// The nodes that are in a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Placement {
    /// Labels that a node must have, all of them.
    pub node_selector: BTreeMap<String, String>,
}

/// A Redis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RedisEndpoint {
    /// A `redis://` or `rediss://` URL without credentials.
    pub url: String,
    /// A Secret with the entries `username` and `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<NamespacedSecretRef>,
}

/// A store for media.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MediaStore {
    /// An `http://` or `https://` URL of an S3 endpoint.
    pub url: String,
    /// The bucket.
    pub bucket: String,
    /// A Secret with the entries `accessKeyId` and `secretAccessKey`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<NamespacedSecretRef>,
}

/// A key service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyManagement {
    /// Where the service listens: `unix://` and a path for a KMS v2 plugin, `https://` for Vault or OpenBao transit.
    pub endpoint: String,
    /// The key to wrap with.
    pub key_name: String,
}

/// A relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RelayEndpoint {
    /// An `http://` or `https://` URL.
    pub url: String,
    /// A Secret with the entry `ca.crt`, when the relay's certificate is not from a public authority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<NamespacedSecretRef>,
}
