//! Webhooks: what a project wants to be told, and whether it is.

mod api;
mod copies;
mod crash;
mod delivery;
mod events;
mod retention;
mod safety;
mod stage;
mod targets;
