//! The audit log: every change leaves one event, nothing secret is in it, and none is lost.

mod stage;

mod crash;
mod forward;
mod lists;
mod purge;
mod refusals;
mod rows;
mod secrets;
