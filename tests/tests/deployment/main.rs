//! The deployment that the files at the top describe: they agree with the binary, and what they
//! describe runs.

mod engine;
mod files;
mod services;
