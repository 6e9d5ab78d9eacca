//! From a path and a method to an operation, and from that to the permission it needs.

use http::Method;
use percent_encoding::percent_decode_str;
use roadstead_model::{Action, Digest, Reference, RepositoryName, UploadId};

use super::failure::Failure;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    Base,
    Catalog,
    Tags(RepositoryName),
    Manifest(RepositoryName, Reference),
    Blob(RepositoryName, Digest),
    Uploads(RepositoryName),
    Upload(RepositoryName, Option<UploadId>),
    Referrers(RepositoryName, Digest),
}

/// What is done there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Base,
    Catalog,
    ListTags(RepositoryName),
    GetManifest(RepositoryName, Reference),
    PutManifest(RepositoryName, Reference),
    DeleteManifest(RepositoryName, Reference),
    GetBlob(RepositoryName, Digest),
    DeleteBlob(RepositoryName, Digest),
    StartUpload(RepositoryName),
    UploadProgress(RepositoryName, Option<UploadId>),
    Append(RepositoryName, Option<UploadId>),
    Finish(RepositoryName, Option<UploadId>),
    Cancel(RepositoryName, Option<UploadId>),
    Referrers(RepositoryName, Digest),
}

impl Endpoint {
    /// Reads a path from the right. It is decoded once, here; what is authorised is what is done.
    pub(super) fn parse(path: &str) -> Result<Self, Failure> {
        let path = percent_decode_str(path).decode_utf8().map_err(|_| Failure::path())?;
        let rest = path.strip_prefix("/v2").ok_or_else(Failure::path)?;
        let rest = match rest.strip_prefix('/') {
            Some("") => return Ok(Self::Base),
            Some(rest) => rest,
            None if rest.is_empty() => return Ok(Self::Base),
            None => return Err(Failure::path()),
        };
        let mut parts = rest.rsplitn(4, '/');
        let last = parts.next().unwrap_or_default();
        let (second, third) = (parts.next(), parts.next());
        let before = |tail: usize| &rest[..rest.len().saturating_sub(tail)];
        match (third, second, last) {
            (_, None, "_catalog") => Ok(Self::Catalog),
            (_, Some("blobs"), "uploads") => {
                Ok(Self::Uploads(name(before("/blobs/uploads".len()))?))
            }
            (Some("blobs"), Some("uploads"), "") => {
                Ok(Self::Uploads(name(before("/blobs/uploads/".len()))?))
            }
            (Some("blobs"), Some("uploads"), id) => {
                let name = name(before("/blobs/uploads/".len() + id.len()))?;
                Ok(Self::Upload(name, id.parse().ok()))
            }
            (_, Some("tags"), "list") => Ok(Self::Tags(name(before("/tags/list".len()))?)),
            (_, Some("manifests"), reference) => {
                let name = name(before("/manifests/".len() + reference.len()))?;
                Ok(Self::Manifest(name, reference.parse()?))
            }
            (_, Some("blobs"), digest) => {
                let name = name(before("/blobs/".len() + digest.len()))?;
                Ok(Self::Blob(name, digest.parse()?))
            }
            (_, Some("referrers"), digest) => {
                let name = name(before("/referrers/".len() + digest.len()))?;
                Ok(Self::Referrers(name, digest.parse()?))
            }
            _ if rest.split('/').any(|part| part.starts_with('_')) => Err(Failure::extension()),
            _ => Err(Failure::path()),
        }
    }

    /// The methods that the endpoint knows, for `Allow`.
    pub(super) const fn methods(&self) -> &'static str {
        match self {
            Self::Base | Self::Catalog | Self::Tags(_) | Self::Referrers(..) => "GET, HEAD",
            Self::Manifest(..) => "GET, HEAD, PUT, DELETE",
            Self::Blob(..) => "GET, HEAD, DELETE",
            Self::Uploads(_) => "POST",
            Self::Upload(..) => "GET, HEAD, PATCH, PUT, DELETE",
        }
    }

    /// What `method` does here.
    pub(super) fn operation(self, method: &Method) -> Result<Operation, Failure> {
        let read = matches!(*method, Method::GET | Method::HEAD);
        let allowed = self.methods();
        Ok(match self {
            Self::Base if read => Operation::Base,
            Self::Catalog if read => Operation::Catalog,
            Self::Tags(name) if read => Operation::ListTags(name),
            Self::Referrers(name, digest) if read => Operation::Referrers(name, digest),
            Self::Manifest(name, reference) if read => Operation::GetManifest(name, reference),
            Self::Manifest(name, reference) if *method == Method::PUT => {
                Operation::PutManifest(name, reference)
            }
            Self::Manifest(name, reference) if *method == Method::DELETE => {
                Operation::DeleteManifest(name, reference)
            }
            Self::Blob(name, digest) if read => Operation::GetBlob(name, digest),
            Self::Blob(name, digest) if *method == Method::DELETE => {
                Operation::DeleteBlob(name, digest)
            }
            Self::Uploads(name) if *method == Method::POST => Operation::StartUpload(name),
            Self::Upload(name, id) if read => Operation::UploadProgress(name, id),
            Self::Upload(name, id) if *method == Method::PATCH => Operation::Append(name, id),
            Self::Upload(name, id) if *method == Method::PUT => Operation::Finish(name, id),
            Self::Upload(name, id) if *method == Method::DELETE => Operation::Cancel(name, id),
            _ => return Err(Failure::method(allowed)),
        })
    }
}

impl Operation {
    /// The permission that the operation needs: the one place that says so. None where there is
    /// no repository, and the answer itself depends on the caller.
    pub(super) const fn permission(&self) -> Option<(&RepositoryName, Action)> {
        match self {
            Self::Base | Self::Catalog => None,
            Self::ListTags(name)
            | Self::GetManifest(name, _)
            | Self::GetBlob(name, _)
            | Self::Referrers(name, _) => Some((name, Action::Pull)),
            Self::PutManifest(name, _)
            | Self::StartUpload(name)
            | Self::UploadProgress(name, _)
            | Self::Append(name, _)
            | Self::Finish(name, _)
            | Self::Cancel(name, _) => Some((name, Action::Push)),
            Self::DeleteManifest(name, _) | Self::DeleteBlob(name, _) => {
                Some((name, Action::Delete))
            }
        }
    }
}

fn name(text: &str) -> Result<RepositoryName, Failure> {
    Ok(text.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn repository(name: &str) -> RepositoryName {
        name.parse().unwrap()
    }

    #[test]
    fn names_may_contain_what_looks_like_the_rest_of_a_path() {
        let parse = |path: &str| Endpoint::parse(path).unwrap();
        assert_eq!(parse("/v2"), Endpoint::Base);
        assert_eq!(parse("/v2/"), Endpoint::Base);
        assert_eq!(parse("/v2/_catalog"), Endpoint::Catalog);
        assert_eq!(parse("/v2/a/b/blobs/uploads"), Endpoint::Uploads(repository("a/b")));
        assert_eq!(parse("/v2/a/b/blobs/uploads/"), Endpoint::Uploads(repository("a/b")));
        assert_eq!(
            parse("/v2/a/blobs/uploads/blobs/uploads/"),
            Endpoint::Uploads(repository("a/blobs/uploads"))
        );
        assert_eq!(parse("/v2/tags/list/tags/list"), Endpoint::Tags(repository("tags/list")));
        assert_eq!(
            parse("/v2/a/manifests/manifests/latest"),
            Endpoint::Manifest(repository("a/manifests"), "latest".parse().unwrap())
        );
        let encoded = format!("/v2/a/b/blobs/{}", DIGEST.replace(':', "%3A"));
        assert_eq!(parse(&encoded), Endpoint::Blob(repository("a/b"), DIGEST.parse().unwrap()));
        assert_eq!(
            parse("/v2/a/b/blobs/uploads/nonsense"),
            Endpoint::Upload(repository("a/b"), None)
        );
    }

    #[test]
    fn what_is_no_path_of_the_protocol_is_refused() {
        for path in [
            "/v2x",
            "/v2//",
            "/v2/a",
            "/v2/a/b",
            "/v2//manifests/x",
            "/v2/../manifests/x",
            "/v2/a/../manifests/x",
            "/v2/a/b/manifests/..",
            "/v2/a/b%00/manifests/x",
            "/v2/a/b/manifests/x%0d%0aEvil:1",
            "/v2/A/b/manifests/x",
            "/v2/a//b/tags/list",
            "/v2/alpine/manifests/latest",
            "/v2/%ff/manifests/x",
            "/v2/a/b/blobs/sha256:short",
            "/v2/a/b/_oci/ext/discover",
            "/v2/_catalog/",
            "/v2/a/b/tags/list/",
            &format!("/v2/a/b/blobs/../../{DIGEST}"),
        ] {
            assert!(Endpoint::parse(path).is_err(), "{path}");
        }
    }

    /// The path of an endpoint, written from its parts.
    fn written(endpoint: &Endpoint) -> String {
        match endpoint {
            Endpoint::Base => "/v2/".to_owned(),
            Endpoint::Catalog => "/v2/_catalog".to_owned(),
            Endpoint::Tags(name) => format!("/v2/{name}/tags/list"),
            Endpoint::Manifest(name, reference) => format!("/v2/{name}/manifests/{reference}"),
            Endpoint::Blob(name, digest) => format!("/v2/{name}/blobs/{digest}"),
            Endpoint::Uploads(name) => format!("/v2/{name}/blobs/uploads/"),
            Endpoint::Upload(name, id) => {
                let id = id.map_or_else(|| "?".to_owned(), |id| id.to_string());
                format!("/v2/{name}/blobs/uploads/{id}")
            }
            Endpoint::Referrers(name, digest) => format!("/v2/{name}/referrers/{digest}"),
        }
    }

    #[test]
    fn what_is_authorised_is_what_the_path_says_and_nothing_else() {
        const PIECES: [&str; 24] = [
            "/",
            "/",
            "/",
            "a",
            "b-c",
            "blobs",
            "uploads",
            "manifests",
            "tags",
            "list",
            "referrers",
            "_catalog",
            "v2",
            "..",
            ".",
            "%2e",
            "%2f",
            "%00",
            "latest",
            "A",
            "//",
            "%25",
            "\u{430}",
            DIGEST,
        ];
        let mut state: u64 = 0x5eed;
        let mut next = move |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        };
        let mut accepted = 0;
        for _ in 0..100_000 {
            let mut path = String::from("/v2/");
            for _ in 0..next(9) {
                path.push_str(PIECES[next(PIECES.len())]);
            }
            let Ok(endpoint) = Endpoint::parse(&path) else { continue };
            accepted += 1;
            // Nothing of the path is left out, and nothing was added.
            let decoded = percent_decode_str(&path).decode_utf8().unwrap();
            let written = written(&endpoint);
            let same = match &endpoint {
                Endpoint::Upload(_, None) => decoded.starts_with(written.trim_end_matches('?')),
                _ => decoded.trim_end_matches('/') == written.trim_end_matches('/'),
            };
            assert!(same, "{path:?} was read as {endpoint:?}");
        }
        assert!(accepted > 500, "too few paths mean anything: {accepted}");
    }
}
