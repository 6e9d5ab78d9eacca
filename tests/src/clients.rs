//! Real clients against the built server: where they run, what they push, how it is compared.

mod bench;
mod content;
mod daemon;
mod images;
mod stage;
mod tap;

pub use bench::{Bench, Ran};
pub use content::Content;
pub use daemon::{Buildkitd, Containerd, Dockerd};
pub use images::random_files;
pub use stage::{PASSWORD, Stage};
