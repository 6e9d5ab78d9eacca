//! What a person sees first.

use std::path::Path;

/// A password that was just generated, and the file that holds it.
pub(crate) struct Generated<'a> {
    pub(crate) password: &'a str,
    pub(crate) file: &'a Path,
}

/// Prints where the server is and what to do next.
pub(crate) fn print(url: &str, data_dir: &Path, generated: Option<&Generated<'_>>) {
    let host = url.split_once("://").map_or(url, |(_, host)| host);
    println!("Roadstead {} is ready at {url}", env!("CARGO_PKG_VERSION"));
    println!("  data directory  {}", data_dir.display());
    match generated {
        Some(Generated { password, file }) => {
            println!("  user name       admin");
            println!("  password        {password}");
            println!("                  (shown once; also in {})", file.display());
        }
        None => println!("  user name       admin"),
    }
    println!("Next:");
    println!("  docker login {host} -u admin");
    println!("  docker tag IMAGE {host}/library/IMAGE && docker push {host}/library/IMAGE");
}
