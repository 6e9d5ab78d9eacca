//! Artifacts as people look at them: Harbor's API over what clients pushed.

mod belonging;
mod copies;
mod lists;
mod stage;
mod tags;
mod upgrade;
