//! Retention: what the rules of a project do not keep goes, and nothing else.

mod stage;

mod api;
mod cures;
mod interruptions;
mod oracle;
mod rights;
mod runs;
