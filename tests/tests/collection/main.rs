//! Collection: garbage goes, all of it and nothing else, whoever pushes meanwhile.

mod holds;
mod large;
mod served;
mod stage;

mod api;
mod kinds;
mod model;
mod races;
mod runs;
mod scale;
mod signatures;
mod untagged;
