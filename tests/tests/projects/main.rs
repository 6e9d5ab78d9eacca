//! Projects, their settings, members and repositories, as Harbor's clients see them.

mod members;
mod repositories;
mod settings;
mod stage;
