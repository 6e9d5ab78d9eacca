//! What is shown of artifacts beside their rows: a few statements for a page, however long it is.

use std::collections::{BTreeMap, HashMap};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use roadstead_model::ManifestId;
use roadstead_storage::Conn;
use roadstead_storage::tables::artifact::{self, Artifact, Attributes};
use roadstead_storage::tables::tag;
use serde::Deserialize;

use super::flag;
use super::shapes::{
    AccessoryAnswer, AdditionLink, ArtifactAnswer, NamedPlatform, Platform, ReferenceAnswer,
    TagAnswer, raw,
};
use crate::failure::Failure;
use crate::page::ListQuery;
use crate::{Api, BASE, labels};

/// What a client may ask to see.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Tags,
    Labels,
    Accessories,
    Inherited,
}

/// Each with its flag, and whether it is shown without.
const PARTS: [(Part, &str, bool); 4] = [
    (Part::Tags, "with_tag", true),
    (Part::Labels, "with_label", false),
    (Part::Accessories, "with_accessory", false),
    (Part::Inherited, "with_inherited_accessory", false),
];

/// What a client asks to see.
pub(super) struct With(Vec<Part>);

impl With {
    pub(super) fn read(query: &ListQuery) -> Self {
        let asked = PARTS.iter().filter(|(_, name, otherwise)| flag(query, name, *otherwise));
        Self(asked.map(|(part, ..)| *part).collect())
    }
}

/// The answers for a page of artifacts.
pub(super) async fn dress(
    api: &Api,
    found: Vec<Artifact>,
    with: With,
) -> Result<Vec<ArtifactAnswer>, Failure> {
    let attributes = api.registry.attributes_of(&found).await?;
    let ids: Vec<ManifestId> = found.iter().map(|artifact| artifact.id).collect();
    let mut conn = api.db.read().await?;
    let indexes = found.iter().filter(|artifact| artifact.is_index).map(|artifact| artifact.id);
    let children = children(&mut conn, &indexes.collect::<Vec<_>>()).await?;
    let (mut tagged, mut labelled) = (HashMap::new(), HashMap::new());
    let (mut accessories, mut inherited) = (HashMap::new(), HashMap::new());
    for part in with.0 {
        match part {
            Part::Tags => tagged = tags(&mut conn, &found, &ids).await?,
            Part::Labels => labelled = labels::of_artifacts(&mut conn, &ids).await?,
            Part::Accessories => accessories = accessories_of(&mut conn, &ids).await?,
            Part::Inherited => inherited = inherited_by(&mut conn, &ids).await?,
        }
    }
    drop(conn);
    let dressed = found.iter().map(|artifact| {
        let mut answer = ArtifactAnswer::of(artifact);
        let id = artifact.id;
        if let Some(read) = attributes.get(&id) {
            answer.extra_attrs = raw(&read.attributes);
            answer.references = references(id, read, &children);
        }
        answer.tags = tagged.remove(&id);
        answer.labels = labelled.remove(&id);
        answer.accessories = accessories.remove(&id);
        answer.inherited_accessories = inherited.remove(&id);
        answer.addition_links = links(artifact);
        answer
    });
    Ok(dressed.collect())
}

async fn tags(
    conn: &mut Conn,
    found: &[Artifact],
    ids: &[ManifestId],
) -> Result<HashMap<ManifestId, Vec<TagAnswer>>, Failure> {
    let repositories: HashMap<ManifestId, i64> =
        found.iter().map(|artifact| (artifact.id, artifact.repository.0)).collect();
    let mut tags: HashMap<ManifestId, Vec<TagAnswer>> = HashMap::new();
    for tag in tag::of_manifests(conn, ids).await? {
        let repository = repositories.get(&tag.manifest).copied().unwrap_or_default();
        tags.entry(tag.manifest).or_default().push(TagAnswer::of(repository, tag));
    }
    Ok(tags)
}

async fn accessories_of(
    conn: &mut Conn,
    ids: &[ManifestId],
) -> Result<HashMap<ManifestId, Vec<AccessoryAnswer>>, Failure> {
    let mut accessories: HashMap<ManifestId, Vec<AccessoryAnswer>> = HashMap::new();
    for (of, found) in artifact::accessories_of(conn, ids).await? {
        accessories.entry(of).or_default().push(AccessoryAnswer::of(Some(of), &found));
    }
    Ok(accessories)
}

/// Signatures of the indexes that an artifact is in, unless it has one of its own.
async fn inherited_by(
    conn: &mut Conn,
    ids: &[ManifestId],
) -> Result<HashMap<ManifestId, Vec<AccessoryAnswer>>, Failure> {
    let parents = artifact::parents_of(conn, ids).await?;
    let mut of: Vec<ManifestId> = parents.iter().map(|(_, parent)| *parent).collect();
    of.extend(ids);
    of.sort_unstable();
    of.dedup();
    let mut signatures: HashMap<ManifestId, Vec<AccessoryAnswer>> = HashMap::new();
    for (of, found) in artifact::accessories_of(conn, &of).await? {
        let kind = found.accessory_type.as_deref().unwrap_or_default();
        if kind.starts_with("signature.") {
            signatures.entry(of).or_default().push(AccessoryAnswer::of(Some(of), &found));
        }
    }
    let mut inherited: HashMap<ManifestId, Vec<AccessoryAnswer>> = HashMap::new();
    for (child, parent) in parents {
        if let Some(theirs) = signatures.get(&parent)
            && !signatures.contains_key(&child)
        {
            inherited.entry(child).or_default().extend(theirs.iter().cloned());
        }
    }
    Ok(inherited)
}

/// The ids of the children of indexes by index and digest.
async fn children(
    conn: &mut Conn,
    indexes: &[ManifestId],
) -> Result<HashMap<(ManifestId, String), i64>, Failure> {
    if indexes.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = artifact::children_of(conn, indexes).await?;
    Ok(rows.into_iter().map(|(of, child, digest)| ((of, digest), child.0)).collect())
}

#[derive(Deserialize)]
struct Child {
    digest: String,
    platform: Option<NamedPlatform>,
    annotations: Option<BTreeMap<String, String>>,
    urls: Option<Vec<String>>,
}

fn references(
    id: ManifestId,
    read: &Attributes,
    children: &HashMap<(ManifestId, String), i64>,
) -> Option<Vec<ReferenceAnswer>> {
    let named: Vec<serde_json::Value> = serde_json::from_str(&read.children).unwrap_or_default();
    let references: Vec<ReferenceAnswer> = named
        .into_iter()
        // A child that says of itself what no specification has is left out by itself.
        .filter_map(|child| serde_json::from_value::<Child>(child).ok())
        .map(|child| ReferenceAnswer {
            parent_id: id.0,
            child_id: children.get(&(id, child.digest.clone())).copied(),
            child_digest: child.digest,
            platform: child.platform.map(Platform::from),
            annotations: child.annotations.unwrap_or_default(),
            urls: child.urls.filter(|urls| !urls.is_empty()),
        })
        .collect();
    (!references.is_empty()).then_some(references)
}

/// What can be read of an artifact beside its manifest.
fn links(artifact: &Artifact) -> BTreeMap<&'static str, AdditionLink> {
    let (project, below) = artifact.repository_name.split_once('/').unwrap_or_default();
    let below = utf8_percent_encode(below, NON_ALPHANUMERIC).to_string();
    let below = utf8_percent_encode(&below, NON_ALPHANUMERIC);
    let digest = &artifact.digest;
    let link = |name: &&'static str| AdditionLink {
        href: format!(
            "{BASE}/projects/{project}/repositories/{below}/artifacts/{digest}/additions/{name}"
        ),
        absolute: false,
    };
    let names = additions(artifact);
    names.iter().map(|name| (*name, link(name))).collect()
}

/// The additions that an artifact has, in Harbor's words.
pub(super) fn additions(artifact: &Artifact) -> &'static [&'static str] {
    match artifact.kind.as_str() {
        _ if artifact.is_index => &[],
        "IMAGE" | "WASM" => &["build_history"],
        "CHART" => &["dependencies", "readme.md", "values.yaml"],
        "CNAI" => &["files", "license", "readme.md"],
        "SBOM" => &["sbom"],
        _ => &[],
    }
}
