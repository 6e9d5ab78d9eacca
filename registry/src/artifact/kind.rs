//! What an artifact is, in Harbor's words, read from its manifest.

use std::collections::BTreeMap;

/// What a manifest says of itself, as far as it tells what the artifact is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Said<'a> {
    pub(crate) is_index: bool,
    /// Its own artifact type, without the fallback to the config.
    pub(crate) artifact_type: Option<&'a str>,
    pub(crate) config: Option<&'a str>,
    pub(crate) layers: &'a [&'a str],
    pub(crate) annotations: Option<&'a BTreeMap<String, String>>,
}

/// The largest word for a kind that comes from a media type.
const LONGEST: usize = 64;

pub(super) const IMAGE_CONFIGS: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
/// Layers that attest something of an image: in-toto statements, and the envelopes of cosign.
const STATEMENTS: [&str; 2] =
    ["application/vnd.in-toto+json", "application/vnd.dsse.envelope.v1+json"];
/// Layers in which cosign attaches what an image is made of.
const BILLS: [&str; 3] =
    ["text/spdx+json", "application/vnd.cyclonedx+json", "application/vnd.syft+json"];
const COSIGN_BILL: &str = "application/vnd.dev.cosign.artifact.sbom.v1+json";
const COSIGN_SIGNATURE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const COSIGN_ARTIFACT: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
const SIGSTORE_BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// What a bundle holds, if it is no signature of an image.
const PREDICATE: &str = "dev.sigstore.bundle.predicateType";
const SIGNING: &str = "https://sigstore.dev/cosign/sign/v1";
const NOTATION: &str = "application/vnd.cncf.notary.signature";
const HARBOR_SBOM: &str = "application/vnd.goharbor.harbor.sbom.v1";
const NYDUS: &str = "containerd.io/snapshot/nydus-bootstrap";
const CNAB: &str = "application/vnd.cnab.manifest.v1";
/// Where an index of before OCI 1.1 says what it is.
const INDEX_TYPE: &str = "org.opencontainers.artifactType";
pub(super) const WASM_CONFIG: &str = "application/vnd.wasm.config.v1+json";

/// Whether the annotations of an image say that it holds WebAssembly.
pub(super) fn says_wasm(annotations: &BTreeMap<String, String>) -> bool {
    let says = |key: &str, value: &str| annotations.get(key).is_some_and(|said| said == value);
    says("module.wasm.image/variant", "compat") || says("run.oci.handler", "wasm")
}

/// Whether a type is that of a model: as the specification has it, or as its tools still write it.
fn is_model(named: &str) -> bool {
    ["application/vnd.cncf.model.", "application/vnd.cnai.model."].iter().any(|start| {
        let rest = named.strip_prefix(start);
        matches!(rest, Some("manifest.v1+json" | "config.v1+json"))
    })
}

impl Said<'_> {
    fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations?.get(key).map(String::as_str)
    }

    /// Harbor's `type`: IMAGE, CHART and so on. What Harbor has no word for gets the middle of
    /// `application/vnd.<org>.<TYPE>.config.<version>+json`, and UNKNOWN at last.
    pub(crate) fn kind(&self) -> String {
        let known = if self.is_index { self.known_index() } else { self.known_manifest() };
        let middle = || self.shown_config().and_then(middle);
        known.map(str::to_owned).or_else(middle).unwrap_or_else(|| "UNKNOWN".to_owned())
    }

    /// An index that does not say what it is, is that of an image.
    fn known_index(&self) -> Option<&'static str> {
        match self.artifact_type.or_else(|| self.annotation(INDEX_TYPE)) {
            None => Some("IMAGE"),
            Some(CNAB) => Some("CNAB"),
            Some(_) => None,
        }
    }

    fn known_manifest(&self) -> Option<&'static str> {
        [self.artifact_type, self.config].into_iter().flatten().find_map(|named| self.known(named))
    }

    fn known(&self, named: &str) -> Option<&'static str> {
        match named {
            "application/vnd.wasm.config.v0+json" | WASM_CONFIG => Some("WASM"),
            "application/vnd.cncf.helm.config.v1+json" => Some("CHART"),
            HARBOR_SBOM
            | COSIGN_BILL
            | "application/spdx+json"
            | "application/vnd.cyclonedx+json" => Some("SBOM"),
            model if is_model(model) => Some("CNAI"),
            config if !IMAGE_CONFIGS.contains(&config) => None,
            _ if self.is_wasm_image() => Some("WASM"),
            _ if self.has_only(&STATEMENTS) => Some("ATTESTATION"),
            _ if self.has_only(&BILLS) => Some("SBOM"),
            _ => Some("IMAGE"),
        }
    }

    /// Whether its layers are there, and all of these types.
    fn has_only(&self, types: &[&str]) -> bool {
        !self.layers.is_empty() && self.layers.iter().all(|layer| types.contains(layer))
    }

    /// Whether it has the config of an image, and says that it holds WebAssembly.
    fn is_wasm_image(&self) -> bool {
        self.annotations.is_some_and(says_wasm)
    }

    /// Harbor's `media_type`: that of the config, or what an index says that it is; None where
    /// that of the manifest is shown.
    pub(crate) fn shown_config(&self) -> Option<&str> {
        if self.is_index {
            return self.annotation(INDEX_TYPE).filter(|named| !named.is_empty());
        }
        if self.is_wasm_image() { Some(WASM_CONFIG) } else { self.config }
    }

    /// Harbor's word for what a manifest with a subject is to that.
    pub(crate) fn accessory_type(&self) -> &'static str {
        let signs = self.annotation(PREDICATE).is_none_or(|predicate| predicate == SIGNING);
        match self.artifact_type.or(self.config).unwrap_or_default() {
            COSIGN_ARTIFACT => "signature.cosign",
            SIGSTORE_BUNDLE if signs => "signature.cosign",
            NOTATION => "signature.notation",
            HARBOR_SBOM => "sbom.harbor",
            config if IMAGE_CONFIGS.contains(&config) && self.annotation(NYDUS).is_some() => {
                "accelerator.nydus"
            }
            _ => "subject.accessory",
        }
    }

    /// Whether cosign made it as the signature of what its tag names.
    pub(crate) fn is_cosign_signature(&self) -> bool {
        !self.is_index && self.layers.contains(&COSIGN_SIGNATURE)
    }
}

/// The digest that a tag of cosign's old scheme, `sha256-<hex>.sig`, names.
pub(crate) fn signed_by_tag(tag: &str) -> Option<String> {
    let (algorithm, hex) = tag.strip_suffix(".sig")?.split_once('-')?;
    let plain = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let fits = matches!((algorithm, hex.len()), ("sha256", 64) | ("sha512", 128));
    (plain && fits).then(|| format!("{algorithm}:{hex}"))
}

/// `TYPE` in `application/vnd.<org>.<type>.config.<version>+json`.
fn middle(media_type: &str) -> Option<String> {
    let rest = media_type.strip_prefix("application/vnd.")?.strip_suffix("+json")?;
    let (_, rest) = rest.split_once('.')?;
    let (middle, version) = rest.rsplit_once(".config.")?;
    let fits = !middle.is_empty() && middle.len() <= LONGEST && !version.contains('.');
    fits.then(|| middle.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: Said<'static> = Said {
        is_index: false,
        artifact_type: None,
        config: Some(IMAGE_CONFIGS[0]),
        layers: &["application/vnd.oci.image.layer.v1.tar+gzip"],
        annotations: None,
    };

    #[test]
    fn kinds_are_harbors_where_harbor_has_a_word() {
        let config = |config| Said { config: Some(config), ..IMAGE }.kind();
        for (media_type, expected) in [
            (IMAGE_CONFIGS[0], "IMAGE"),
            (IMAGE_CONFIGS[1], "IMAGE"),
            ("application/vnd.cncf.helm.config.v1+json", "CHART"),
            ("application/vnd.wasm.config.v0+json", "WASM"),
            ("application/vnd.acme.rocket.config.v1+json", "ROCKET"),
            ("application/vnd.acme.rocket.big.config.v1+json", "ROCKET.BIG"),
            ("application/vnd.oci.empty.v1+json", "UNKNOWN"),
            ("application/vnd.acme..config.v1+json", "UNKNOWN"),
            ("text/plain", "UNKNOWN"),
        ] {
            assert_eq!(config(media_type), expected, "{media_type}");
        }
        for organization in ["cncf", "cnai"] {
            let model = format!("application/vnd.{organization}.model.manifest.v1+json");
            assert_eq!(Said { artifact_type: Some(&model), ..IMAGE }.kind(), "CNAI");
        }
        assert_eq!(Said { layers: &STATEMENTS, ..IMAGE }.kind(), "ATTESTATION");
        assert_eq!(Said { layers: &BILLS[..1], ..IMAGE }.kind(), "SBOM");
        assert_eq!(Said { layers: &[BILLS[0], STATEMENTS[0]], ..IMAGE }.kind(), "IMAGE");
        let wasm = BTreeMap::from([("module.wasm.image/variant".into(), "compat".into())]);
        let wasm = Said { annotations: Some(&wasm), ..IMAGE };
        assert_eq!((wasm.kind().as_str(), wasm.shown_config()), ("WASM", Some(WASM_CONFIG)));
    }

    #[test]
    fn an_index_is_that_of_an_image_unless_it_says_otherwise() {
        let index = Said { is_index: true, config: None, layers: &[], ..IMAGE };
        assert_eq!((index.kind().as_str(), index.shown_config()), ("IMAGE", None));
        let cnab = BTreeMap::from([(INDEX_TYPE.to_owned(), CNAB.to_owned())]);
        let cnab = Said { annotations: Some(&cnab), ..index };
        assert_eq!((cnab.kind().as_str(), cnab.shown_config()), ("CNAB", Some(CNAB)));
        let other = Said { artifact_type: Some("application/vnd.acme.set"), ..index };
        assert_eq!((other.kind().as_str(), other.shown_config()), ("UNKNOWN", None));
    }

    #[test]
    fn accessories_are_told_apart_by_their_type() {
        let of = |artifact_type| Said { artifact_type: Some(artifact_type), ..IMAGE };
        for (artifact_type, expected) in [
            (COSIGN_ARTIFACT, "signature.cosign"),
            (SIGSTORE_BUNDLE, "signature.cosign"),
            (NOTATION, "signature.notation"),
            (HARBOR_SBOM, "sbom.harbor"),
            ("application/spdx+json", "subject.accessory"),
        ] {
            assert_eq!(of(artifact_type).accessory_type(), expected, "{artifact_type}");
        }
        let predicate =
            BTreeMap::from([(PREDICATE.to_owned(), "https://slsa.dev/provenance/v1".to_owned())]);
        let attestation = Said { annotations: Some(&predicate), ..of(SIGSTORE_BUNDLE) };
        assert_eq!(attestation.accessory_type(), "subject.accessory");
    }

    #[test]
    fn the_tag_of_a_signature_names_a_digest_exactly() {
        let hex = "a".repeat(64);
        assert_eq!(signed_by_tag(&format!("sha256-{hex}.sig")), Some(format!("sha256:{hex}")));
        for tag in [
            format!("sha256-{hex}.att"),
            format!("sha256-{}.sig", "A".repeat(64)),
            format!("sha256-{}.sig", "a".repeat(63)),
            format!("sha512-{hex}.sig"),
            "latest".to_owned(),
        ] {
            assert_eq!(signed_by_tag(&tag), None, "{tag}");
        }
    }
}
