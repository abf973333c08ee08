//! Objects in an S3 bucket.

use std::time::Duration;

use object_store::{
    BackoffConfig, Certificate, ClientOptions, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
};

use super::error::Error;
use crate::config::Bucket;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// One request, with its part of a file.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const RETRIES: usize = 4;
const RETRY_TIME: Duration = Duration::from_secs(45);

/// A client of the bucket; nothing is reached yet.
///
/// # Errors
/// [`Error::Configuration`].
pub(super) fn open(bucket: &Bucket) -> Result<AmazonS3, Error> {
    // The TLS library needs one provider for the process; whoever installed one first was as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = match &bucket.credentials {
        Some((id, secret)) => AmazonS3Builder::new()
            .with_access_key_id(id)
            .with_secret_access_key(secret.reveal()),
        None => AmazonS3Builder::from_env(),
    };
    let mut client = ClientOptions::new()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout(REQUEST_TIMEOUT)
        .with_user_agent(http::HeaderValue::from_static(concat!("waxseal/", env!("CARGO_PKG_VERSION"))));
    for authority in authorities(bucket)? {
        client = client.with_root_certificate(authority);
    }
    let mut builder = builder
        .with_bucket_name(&bucket.name)
        .with_region(bucket.region.as_deref().unwrap_or("us-east-1"))
        .with_client_options(client)
        .with_retry(RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: RETRIES,
            retry_timeout: RETRY_TIME,
        });
    if let Some(endpoint) = &bucket.endpoint {
        builder = builder
            .with_endpoint(endpoint)
            .with_allow_http(endpoint.starts_with("http://"))
            .with_virtual_hosted_style_request(false);
    }
    builder.build().map_err(|error| Error::Configuration(error.to_string()))
}

/// Who may sign the certificate of the service, beside the public authorities.
fn authorities(bucket: &Bucket) -> Result<Vec<Certificate>, Error> {
    let Some(pem) = &bucket.ca else { return Ok(Vec::new()) };
    let unusable = || Error::Configuration("the certificates of its authorities are not certificates in PEM".to_owned());
    let authorities = Certificate::from_pem_bundle(pem).map_err(|_| unusable())?;
    // A bundle without a certificate in it reads as an empty list.
    if authorities.is_empty() { Err(unusable()) } else { Ok(authorities) }
}

#[cfg(test)]
mod tests;
