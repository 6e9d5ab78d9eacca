//! S3, and what speaks like it.

use std::sync::Arc;

use object_store::ClientOptions;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as Key};

use super::{StoreSettings, invalid, retries, unusable};
use crate::blobs::cloud::Backend;
use crate::blobs::cloud::profile::Profile;
use crate::error::Result;

/// Variables that name credentials; where one is set, no profile is looked for.
const CREDENTIALS: [&str; 4] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

impl StoreSettings {
    /// Keys that are set, or a profile, or what the environment and the machine have.
    pub(super) fn s3(
        &self,
        bucket: &str,
        endpoint: &str,
        options: ClientOptions,
    ) -> Result<Arc<dyn Backend>> {
        let mut builder = AmazonS3Builder::from_env();
        if let Some(profile) = self.profile()? {
            builder = with_profile(builder, &profile);
        }
        for (key, value) in [
            (Key::AccessKeyId, &self.access_key_id),
            (Key::SecretAccessKey, &self.secret_access_key),
            (Key::Token, &self.session_token),
            (Key::Region, &self.region),
        ] {
            if !value.is_empty() {
                builder = builder.with_config(key, value);
            }
        }
        let found = builder.get_config_value(&Key::S3Endpoint);
        let found = found.or_else(|| builder.get_config_value(&Key::Endpoint));
        let endpoint = Some(endpoint.to_owned()).filter(|endpoint| !endpoint.is_empty()).or(found);
        let plain = endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let path_style = self.path_style.unwrap_or(endpoint.is_some());
        if let Some(endpoint) = endpoint {
            let endpoint = if path_style { endpoint } else { with_bucket(&endpoint, bucket)? };
            builder = builder.with_config(Key::S3Endpoint, endpoint);
        }
        let store = builder
            .with_bucket_name(bucket)
            .with_virtual_hosted_style_request(!path_style)
            .with_disable_bulk_delete(true)
            .with_client_options(options.with_allow_http(plain))
            .with_retry(retries())
            .build()
            .map_err(|error| unusable(&error))?;
        Ok(Arc::new(store))
    }

    /// The profile that is asked for, or the default one, where that exists and nothing else says
    /// who we are.
    fn profile(&self) -> Result<Option<Profile>> {
        if !self.profile.is_empty() {
            return Profile::load(&self.profile).map(Some);
        }
        let elsewhere = CREDENTIALS.iter().any(|name| std::env::var_os(name).is_some());
        if elsewhere || !self.access_key_id.is_empty() {
            return Ok(None);
        }
        match std::env::var("AWS_PROFILE") {
            Ok(name) if !name.is_empty() => Profile::load(&name).map(Some),
            _ => Ok(Profile::load("default").ok()),
        }
    }
}

fn with_profile(mut builder: AmazonS3Builder, profile: &Profile) -> AmazonS3Builder {
    for (name, key) in [
        ("aws_access_key_id", Key::AccessKeyId),
        ("aws_secret_access_key", Key::SecretAccessKey),
        ("aws_session_token", Key::Token),
        ("region", Key::Region),
        ("endpoint_url", Key::S3Endpoint),
        ("role_arn", Key::RoleArn),
        ("web_identity_token_file", Key::WebIdentityTokenFile),
    ] {
        if let Some(value) = profile.get(name) {
            builder = builder.with_config(key, value);
        }
    }
    builder
}

/// The endpoint with the bucket in front of its host.
fn with_bucket(endpoint: &str, bucket: &str) -> Result<String> {
    let (scheme, host) = endpoint
        .split_once("://")
        .ok_or_else(|| invalid("storage_endpoint must begin with https:// or http://"))?;
    Ok(format!("{scheme}://{bucket}.{}", host.trim_end_matches('/')))
}
