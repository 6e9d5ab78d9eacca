//! What is deleted can be brought back for a while, whole and by nobody else; and the history of
//! tags.

mod history;
mod log;
mod policy;
mod races;
mod restore;
mod stage;
