//! What is mounted into a sidecar: its configuration, the Secrets it was given, and its token for the API server, all
//! of it read-only; and a folder for files where the region has no better place for them.

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, ConfigMapVolumeSource, DownwardAPIProjection, DownwardAPIVolumeFile, EmptyDirVolumeSource, KeyToPath,
    ObjectFieldSelector, ProjectedVolumeSource, SecretProjection, ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use waxseal_crds::pod::{CONFIG_DIR, MEDIA_DIR, SECRETS_DIR, SecretFile};

use super::super::Target;
use crate::{
    names,
    number::validate::{Media, Validated},
};

const CONFIG: &str = "config";
const SECRETS: &str = "secrets";
const TOKEN: &str = "token";
const MEDIA: &str = "media";
const TOKEN_DIR: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The kubelet renews the token when four fifths of this are over.
const TOKEN_EXPIRATION_SECONDS: i64 = 3600;
/// For the owner and the group.
const READ_ONLY: i32 = 0o440;

pub(super) fn mounts(validated: &Validated) -> Vec<VolumeMount> {
    let read_only = [(CONFIG, CONFIG_DIR), (SECRETS, SECRETS_DIR), (TOKEN, TOKEN_DIR)];
    let mounts = read_only.into_iter().map(|(name, path)| mount(name, path, true));
    mounts
        .chain(local_media(validated).map(|_| mount(MEDIA, MEDIA_DIR, false)))
        .collect()
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

/// How much the folder for files may hold, where there is one.
fn local_media(validated: &Validated) -> Option<&str> {
    match &validated.media {
        Some(Media::Local { size_limit }) => Some(size_limit),
        Some(Media::Bucket(_)) | None => None,
    }
}

pub(super) fn volumes(target: &Target, validated: &Validated) -> Vec<Volume> {
    let media = local_media(validated).map(|size_limit| Volume {
        name: MEDIA.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(Quantity(size_limit.to_owned())),
            ..EmptyDirVolumeSource::default()
        }),
        ..Volume::default()
    });
    let mut volumes = vec![
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
    ];
    volumes.extend(media);
    volumes
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
