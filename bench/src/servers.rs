//! The servers: how each is started, reached, watched, and stopped.

mod configure;
mod tls;

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::http::{Answer, Connection, Wire};
use crate::process::{self, Memory};

pub(crate) use configure::{ADMIN, Programs};
pub(crate) use tls::Certificate;

/// How long a server may take to answer.
const START_LIMIT: Duration = Duration::from_mins(1);

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Kind {
    Roadstead,
    Nginx,
    /// distribution 3.1.
    V3,
    /// distribution 2.8.2, Debian's docker-registry.
    V2,
    Zot,
}

impl Kind {
    /// The registries.
    pub(crate) const REGISTRIES: [Self; 4] = [Self::Roadstead, Self::V3, Self::V2, Self::Zot];

    /// As tables call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Roadstead => "Roadstead",
            Self::Nginx => "nginx",
            Self::V3 => "distribution 3.1",
            Self::V2 => "distribution 2.8.2",
            Self::Zot => "zot",
        }
    }
}

/// Where a server is, and how it is talked to.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Arc<Certificate>>,
}

impl Endpoint {
    /// A new connection.
    pub(crate) async fn connect(&self) -> anyhow::Result<Connection<Box<dyn Wire>>> {
        let stream = tokio::net::TcpStream::connect(self.address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        Ok(Connection::over(match &self.tls {
            None => Box::new(stream),
            Some(certificate) => Box::new(certificate.connect(stream).await?),
        }))
    }

    /// One request on a connection of its own; header lines end with CRLF.
    pub(crate) async fn ask(
        &self,
        request: &str,
        headers: &str,
        body: &[u8],
    ) -> anyhow::Result<(Answer, Vec<u8>)> {
        let mut connection = self.connect().await?;
        let head = self.head(request, headers, (!body.is_empty()).then_some(body.len() as u64));
        connection.send(&head, &[body]).await?;
        let answer = connection.answer().await?;
        let body = connection.collect(answer.body).await?;
        Ok((answer, body))
    }

    /// The head of a request, as `GET /v2/`.
    pub(crate) fn head(&self, request: &str, headers: &str, length: Option<u64>) -> Vec<u8> {
        let length = length.map_or(String::new(), |length| format!("Content-Length: {length}\r\n"));
        let host = self.address;
        format!("{request} HTTP/1.1\r\nHost: {host}\r\n{headers}{length}\r\n").into_bytes()
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }
}

/// A server that runs; stopped when dropped.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) endpoint: Endpoint,
    /// Where it keeps its data.
    pub(crate) data: PathBuf,
    variables: Vec<(String, String)>,
    child: Child,
    log: PathBuf,
}

/// How a server is started.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) kind: Kind,
    pub(crate) data: PathBuf,
    pub(crate) tls: Option<Arc<Certificate>>,
    /// More variables of the environment.
    pub(crate) variables: Vec<(String, String)>,
}

impl Setup {
    /// This one, with its data here.
    pub(crate) fn new(kind: Kind, data: &Path) -> Self {
        Self { kind, data: data.to_owned(), tls: None, variables: Vec::new() }
    }

    /// Starts it, and waits until it answers.
    pub(crate) async fn start(&self, programs: &Programs) -> anyhow::Result<Server> {
        self.start_until(programs, "GET /v2/", "", None).await.map(|(server, _)| server)
    }

    /// Starts it, and waits until this request is answered (with this status, if one is given);
    /// tells how long that took.
    pub(crate) async fn start_until(
        &self,
        programs: &Programs,
        request: &str,
        headers: &str,
        status: Option<u16>,
    ) -> anyhow::Result<(Server, Duration)> {
        fs::create_dir_all(&self.data)?;
        let endpoint = Endpoint { address: free_address()?, tls: self.tls.clone() };
        let mut command = configure::command(self, programs, endpoint.address)?;
        let log = self.data.with_extension("log");
        let output = File::options().create(true).append(true).open(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let since = Instant::now();
        let mut server = Server {
            kind: self.kind,
            endpoint,
            data: self.data.clone(),
            variables: self.variables.clone(),
            child: spawn(&mut command)?,
            log,
        };
        loop {
            let answer = server.endpoint.ask(request, headers, b"").await;
            if answer.is_ok_and(|(answer, _)| status.is_none_or(|status| answer.status == status)) {
                return Ok((server, since.elapsed()));
            }
            let ended = server.child.try_wait()?;
            if ended.is_some() || since.elapsed() > START_LIMIT {
                bail!("{} does not start: {}", self.kind.name(), server.said());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

impl Server {
    /// How it was started, to start it again.
    pub(crate) fn setup(&self) -> Setup {
        Setup {
            kind: self.kind,
            data: self.data.clone(),
            tls: self.endpoint.tls.clone(),
            variables: self.variables.clone(),
        }
    }

    /// The process, and those that it has started.
    pub(crate) fn processes(&self) -> Vec<u32> {
        process::family(self.child.id())
    }

    /// The time that it has spent on the processors so far.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Duration> {
        process::processor_time(&self.processes())
    }

    /// Its memory now.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        process::memory(&self.processes())
    }

    /// What it has printed.
    pub(crate) fn said(&self) -> String {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let from = said.len().saturating_sub(2000);
        said.get(from..).unwrap_or(&said).to_owned()
    }

    /// The header line that lets a client do this in a repository; empty where anybody may. Peers
    /// have no access control unless they are configured to.
    pub(crate) async fn authorization(&self, scope: &str) -> anyhow::Result<String> {
        if self.kind != Kind::Roadstead {
            return Ok(String::new());
        }
        let (path, basic) = token_request(scope);
        let (answer, body) = self.endpoint.ask(&format!("GET {path}"), &basic, b"").await?;
        ensure!(answer.status == 200, "a token: {}", answer.status);
        let body: serde_json::Value = serde_json::from_slice(&body)?;
        let token = body["token"].as_str().context("a token")?;
        Ok(format!("Authorization: Bearer {token}\r\n"))
    }

    /// Ends it in its own time.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.end()
    }

    fn end(&mut self) -> anyhow::Result<()> {
        let family = self.processes();
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        signal(self.child.id(), Signal::TERM);
        let since = Instant::now();
        while self.child.try_wait()?.is_none() {
            if since.elapsed() > Duration::from_secs(10) {
                // Its children as well, which would be left over.
                family.iter().rev().for_each(|process| signal(*process, Signal::KILL));
                self.child.wait()?;
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("{} was not stopped: {error:#}", self.kind.name());
        }
    }
}

/// The path of a token for a scope, and the header line with the administrator's password.
pub(crate) fn token_request(scope: &str) -> (String, String) {
    let path = format!("/service/token?service=harbor-registry&scope={scope}");
    (path, basic(ADMIN.0, ADMIN.1))
}

/// The header line with a name and a password.
pub(crate) fn basic(name: &str, password: &str) -> String {
    use base64::Engine as _;
    let secret = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
    format!("Authorization: Basic {secret}\r\n")
}

fn spawn(command: &mut Command) -> anyhow::Result<Child> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.spawn().with_context(|| format!("{program}, which `make bench` installs"))
}

fn signal(process: u32, signal: Signal) {
    if let Some(process) = Pid::from_raw(process.cast_signed()) {
        // Whoever has ended already needs none.
        let _ = kill_process(process, signal);
    }
}

/// An address of the loopback where nobody listens.
fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}
