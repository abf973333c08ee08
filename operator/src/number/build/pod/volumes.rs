//! What is mounted into a sidecar: its configuration, the Secrets it was given, and its token for the API server. All of it read-only.

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, ConfigMapVolumeSource, DownwardAPIProjection, DownwardAPIVolumeFile, KeyToPath, ObjectFieldSelector,
    ProjectedVolumeSource, SecretProjection, ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use waxseal_crds::pod::{CONFIG_DIR, SECRETS_DIR, SecretFile};

use super::super::Target;
use crate::{names, number::validate::Validated};

const CONFIG: &str = "config";
const SECRETS: &str = "secrets";
const TOKEN: &str = "token";
const TOKEN_DIR: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The kubelet renews the token when four fifths of this are over.
const TOKEN_EXPIRATION_SECONDS: i64 = 3600;
/// For the owner and the group.
const READ_ONLY: i32 = 0o440;

pub(super) fn mounts() -> Vec<VolumeMount> {
    [(CONFIG, CONFIG_DIR), (SECRETS, SECRETS_DIR), (TOKEN, TOKEN_DIR)]
        .into_iter()
        .map(|(name, path)| VolumeMount {
            name: name.to_owned(),
            mount_path: path.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        })
        .collect()
}

pub(super) fn volumes(target: &Target, validated: &Validated) -> Vec<Volume> {
    vec![
        Volume {
            name: CONFIG.to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: names::sidecar(&target.name),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
        projected(SECRETS, validated.secrets.iter().map(secret).collect()),
        projected(TOKEN, token()),
    ]
}

fn projected(name: &str, sources: Vec<VolumeProjection>) -> Volume {
    Volume {
        name: name.to_owned(),
        projected: Some(ProjectedVolumeSource {
            default_mode: Some(READ_ONLY),
            sources: Some(sources),
            ..ProjectedVolumeSource::default()
        }),
        ..Volume::default()
    }
}

/// Optional, all of them: a pod that starts can say what is missing, and reload it once it is there.
fn secret(file: &SecretFile) -> VolumeProjection {
    VolumeProjection {
        secret: Some(SecretProjection {
            name: file.secret.clone(),
            items: Some(vec![item(&file.key, &file.path)]),
            optional: Some(true),
        }),
        ..VolumeProjection::default()
    }
}

/// What the API server's admission would mount, said openly since it is switched off for everything else.
fn token() -> Vec<VolumeProjection> {
    vec![
        VolumeProjection {
            service_account_token: Some(ServiceAccountTokenProjection {
                path: "token".to_owned(),
                expiration_seconds: Some(TOKEN_EXPIRATION_SECONDS),
                ..ServiceAccountTokenProjection::default()
            }),
            ..VolumeProjection::default()
        },
        VolumeProjection {
            config_map: Some(ConfigMapProjection {
                name: "kube-root-ca.crt".to_owned(),
                items: Some(vec![item("ca.crt", "ca.crt")]),
                optional: None,
            }),
            ..VolumeProjection::default()
        },
        VolumeProjection {
            downward_api: Some(DownwardAPIProjection {
                items: Some(vec![DownwardAPIVolumeFile {
                    path: "namespace".to_owned(),
                    field_ref: Some(ObjectFieldSelector {
                        api_version: None,
                        field_path: "metadata.namespace".to_owned(),
                    }),
                    ..DownwardAPIVolumeFile::default()
                }]),
            }),
            ..VolumeProjection::default()
        },
    ]
}

fn item(key: &str, path: &str) -> KeyToPath {
    KeyToPath {
        key: key.to_owned(),
        path: path.to_owned(),
        ..KeyToPath::default()
    }
}
