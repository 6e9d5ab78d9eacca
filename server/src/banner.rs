//! What a person sees first.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A password that was just generated, and the file that holds it.
pub(crate) struct Generated {
    pub(crate) password: String,
    pub(crate) file: PathBuf,
}

/// Prints where the server is and what to do next. Nobody has to be listening.
pub(crate) fn print(url: &str, data_dir: Option<&Path>, generated: Option<&Generated>) {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, url, data_dir, generated);
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn write(
    text: &mut String,
    url: &str,
    data_dir: Option<&Path>,
    generated: Option<&Generated>,
) -> std::fmt::Result {
    let host = url.split_once("://").map_or(url, |(_, host)| host);
    writeln!(text, "Roadstead {} is ready at {url}", env!("CARGO_PKG_VERSION"))?;
    if let Some(data_dir) = data_dir {
        writeln!(text, "  data directory  {}", data_dir.display())?;
    }
    writeln!(text, "  user name       admin")?;
    if let Some(Generated { password, file }) = generated {
        writeln!(text, "  password        {password}")?;
        writeln!(text, "                  (shown once; also in {})", file.display())?;
    }
    writeln!(text, "Next:")?;
    writeln!(text, "  docker login {host} -u admin")?;
    writeln!(text, "  docker tag IMAGE {host}/library/IMAGE && docker push {host}/library/IMAGE")
}
