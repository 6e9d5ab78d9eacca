//! What the OCI distribution specification promises, and what real clients need beyond it.
//!
//! The first half follows the groups of the official conformance suite, with its way of getting
//! tokens; the second half covers what that suite leaves open.

mod answer;
mod client;
mod cycle;
mod data;
mod raw;
mod shape;
mod uploads;

mod bad_digests;
mod blobs;
mod chunks;
mod data_sets;
mod empty;
mod missing;
mod mounts;
mod ping;
mod ranges;

mod catalog;
mod conditions;
mod connections;
mod deletes;
mod manifests;
mod media_types;
mod multiple_ranges;
mod paths;
mod references;
mod referrers;
mod session_faults;
mod sessions;
mod tags;
