//! How each is configured: as its documentation recommends, with its defaults where it says nothing.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::{Kind, Setup};

/// The administrator of Roadstead.
pub(crate) const ADMIN: (&str, &str) = ("admin", "Measuring-1");

/// Where the programs are.
#[derive(Debug, Default)]
pub(crate) struct Programs(BTreeMap<Kind, PathBuf>);

impl Programs {
    /// Finds those that are there: ours beside this program, the others where they are installed.
    pub(crate) fn find() -> anyhow::Result<Self> {
        let own = std::env::current_exe()?;
        let beside = own.parent().context("a directory")?.join("roadstead");
        let given = |variable: &str| std::env::var_os(variable).map(PathBuf::from);
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/bin/registry");
        let places = [
            (Kind::Roadstead, Some(given("ROADSTEAD_BIN").unwrap_or(beside))),
            (
                Kind::Nginx,
                ["/usr/sbin/nginx", "/usr/bin/nginx"]
                    .map(PathBuf::from)
                    .into_iter()
                    .find(|path| path.exists()),
            ),
            (Kind::V3, Some(peers)),
            (Kind::V2, Some("/usr/bin/docker-registry".into())),
            (Kind::Zot, given("ROADSTEAD_BENCH_ZOT")),
        ];
        let found = places.into_iter().filter_map(|(kind, path)| Some((kind, path?)));
        Ok(Self(found.filter(|(_, path)| path.exists()).collect()))
    }

    /// Whether it is there.
    pub(crate) fn has(&self, kind: Kind) -> bool {
        self.0.contains_key(&kind)
    }

    /// Of these, those that are there.
    pub(crate) fn of(&self, kinds: &[Kind]) -> Vec<Kind> {
        kinds.iter().copied().filter(|kind| self.has(*kind)).collect()
    }

    pub(crate) fn path(&self, kind: Kind) -> anyhow::Result<&Path> {
        let path = self.0.get(&kind);
        path.map(PathBuf::as_path)
            .with_context(|| format!("{} is not here: `make bench` installs it", kind.name()))
    }

    /// What it says its version is.
    pub(crate) fn version(&self, kind: Kind) -> Option<String> {
        let argument = match kind {
            Kind::Nginx => "-v",
            _ => "--version",
        };
        let output = Command::new(self.path(kind).ok()?).arg(argument).output().ok()?;
        let said = [output.stdout, output.stderr].concat();
        Some(version_in(String::from_utf8_lossy(&said).lines().next()?))
    }
}

/// The words of a line behind the path and the name of the program.
fn version_in(line: &str) -> String {
    let words = line.split_whitespace();
    let words: Vec<&str> = words.skip_while(|word| word.starts_with('/')).collect();
    words.join(" ").trim_start_matches("nginx version: ").to_owned()
}

/// The command that starts it at an address; writes its configuration.
pub(super) fn command(
    setup: &Setup,
    programs: &Programs,
    address: SocketAddr,
) -> anyhow::Result<Command> {
    let mut command = Command::new(programs.path(setup.kind)?);
    let configuration = setup.data.with_extension("conf");
    match setup.kind {
        Kind::Roadstead => roadstead(setup, address, &mut command),
        Kind::V2 | Kind::V3 => {
            fs::write(&configuration, distribution(&setup.data, address))?;
            // It would look for a collector of traces otherwise.
            command.arg("serve").arg(configuration).env("OTEL_TRACES_EXPORTER", "none");
        }
        Kind::Zot => {
            fs::write(&configuration, zot(&setup.data, address))?;
            command.arg("serve").arg(configuration);
        }
        Kind::Nginx => {
            fs::write(&configuration, nginx(setup, address))?;
            command.arg("-p").arg(&setup.data).arg("-c").arg(configuration);
            command.arg("-e").arg(setup.data.with_extension("log"));
        }
    }
    command.envs(setup.variables.iter().map(|(name, value)| (name, value)));
    Ok(command)
}

/// Its defaults: SQLite and a local disk, every feature on.
fn roadstead(setup: &Setup, address: SocketAddr, command: &mut Command) {
    command
        .arg("serve")
        .env("ROADSTEAD_LISTEN", address.to_string())
        .env("ROADSTEAD_ADMIN_LISTEN", "127.0.0.1:0")
        .env("ROADSTEAD_DATA_DIR", &setup.data)
        .env("ROADSTEAD_ADMIN_PASSWORD", ADMIN.1);
    if let Some(certificate) = &setup.tls {
        command.env("ROADSTEAD_TLS_CERT", &certificate.chain);
        command.env("ROADSTEAD_TLS_KEY", &certificate.key);
    }
}

/// As its example, without what costs it time: logs of each request, and redirects it does not need.
fn distribution(data: &Path, address: SocketAddr) -> String {
    let data = data.display();
    format!(
        "version: 0.1
log:
  level: error
  accesslog:
    disabled: true
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: {data}
  delete:
    enabled: true
  redirect:
    disable: true
http:
  addr: {address}
  secret: measuring
"
    )
}

fn zot(data: &Path, address: SocketAddr) -> String {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    serde_json::json!({
        "distSpecVersion": "1.1.1",
        "storage": {"rootDirectory": data},
        "http": {"address": host, "port": port},
        "log": {"level": "error"},
    })
    .to_string()
}

fn nginx(setup: &Setup, address: SocketAddr) -> String {
    let data = setup.data.display();
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    let (ssl, certificate) = match &setup.tls {
        None => ("", String::new()),
        Some(tls) => {
            let (chain, key) = (tls.chain.display(), tls.key.display());
            (
                " ssl",
                format!(
                    "ssl_certificate {chain}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;"
                ),
            )
        }
    };
    format!(
        "{user}
daemon off;
worker_processes auto;
pid {data}/pid;
error_log stderr error;
events {{ worker_connections 4096; }}
http {{
    sendfile on;
    tcp_nopush on;
    access_log off;
    keepalive_requests 100000000;
    default_type application/octet-stream;
    client_body_temp_path {data}/body;
    proxy_temp_path {data}/proxy;
    fastcgi_temp_path {data}/fastcgi;
    uwsgi_temp_path {data}/uwsgi;
    scgi_temp_path {data}/scgi;
    server {{
        listen {address}{ssl} backlog=4096;
        {certificate}
        root {data}/root;
    }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_do_not_say_where_programs_are() {
        let said = "/a/registry github.com/distribution/distribution/v3 v3.1.2+unknown";
        assert_eq!(version_in(said), "github.com/distribution/distribution/v3 v3.1.2+unknown");
        assert_eq!(version_in("nginx version: nginx/1.22.1"), "nginx/1.22.1");
    }
}
