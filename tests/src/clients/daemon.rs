//! Daemons that tests start for themselves, and end whatever happens.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::bench::{Bench, find};

/// How long a daemon may take to answer on its socket.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How long a daemon may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A dockerd with its own data, socket and containerd.
#[derive(Debug)]
pub struct Dockerd {
    _daemon: Daemon,
}

impl Dockerd {
    /// Starts it; the `docker` of this bench talks to it from now on.
    pub fn start(bench: &mut Bench) -> Self {
        let socket = bench.at("dockerd/sock");
        let configuration = bench.file("dockerd/daemon.json", b"{}");
        // The network is left alone: no bridge, no packet filter. Copies need no kernel support.
        let options = format!(
            "--config-file={} --data-root={} --exec-root={} --pidfile={} --host=unix://{socket} \
             --storage-driver=vfs --bridge=none --iptables=false --ip6tables=false \
             --ip-forward=false --shutdown-timeout=2",
            configuration.display(),
            bench.at("dockerd/root"),
            bench.at("dockerd/exec"),
            bench.at("dockerd/pid"),
        );
        let daemon = Daemon::start(bench, "dockerd", &options, &socket);
        bench.env("DOCKER_HOST", &format!("unix://{socket}"));
        // The builder inside dockerd: the other one is a plugin that need not be there.
        bench.env("DOCKER_BUILDKIT", "0");
        Self { _daemon: daemon }
    }
}

/// A containerd with its own data and socket.
#[derive(Debug)]
pub struct Containerd {
    _daemon: Daemon,
}

impl Containerd {
    /// Starts it; the `ctr` of this bench talks to it from now on.
    pub fn start(bench: &mut Bench) -> Self {
        let socket = bench.at("containerd/sock");
        let configuration = format!(
            "version = 2\nroot = \"{0}/root\"\nstate = \"{0}/state\"\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = \"{0}/sock\"\n[ttrpc]\naddress = \"{0}/ttrpc\"\n\
             [debug]\naddress = \"{0}/debug\"\n",
            bench.at("containerd"),
        );
        let configuration = bench.file("containerd/config.toml", configuration.as_bytes());
        let options = format!("--config {}", configuration.display());
        let daemon = Daemon::start(bench, "containerd", &options, &socket);
        bench.env("CONTAINERD_ADDRESS", &socket);
        bench.env("CONTAINERD_SNAPSHOTTER", "native");
        Self { _daemon: daemon }
    }
}

/// A buildkitd with its own data and socket, and a builder of buildx that leads to it.
#[derive(Debug)]
pub struct Buildkitd {
    _daemon: Daemon,
}

impl Buildkitd {
    /// Starts it; the `buildx` of this bench builds with it from now on, and pushes to the registry
    /// at `host`.
    pub fn start(bench: &mut Bench, host: &str) -> Self {
        let socket = bench.at("buildkitd/sock");
        let configuration = format!(
            "root = \"{}/root\"\n[worker.oci]\nenabled = true\nsnapshotter = \"native\"\n\
             [worker.containerd]\nenabled = false\n[registry.\"{host}\"]\nhttp = true\n",
            bench.at("buildkitd"),
        );
        let configuration = bench.file("buildkitd/buildkitd.toml", configuration.as_bytes());
        let options = format!("--config {} --addr unix://{socket}", configuration.display());
        let daemon = Daemon::start(bench, "buildkitd", &options, &socket);
        bench.ok(format!("buildx create --name here --driver remote unix://{socket}"));
        bench.env("BUILDX_BUILDER", "here");
        Self { _daemon: daemon }
    }
}

/// A child process that listens on a socket and is ended when dropped.
#[derive(Debug)]
struct Daemon {
    child: Child,
    name: &'static str,
    directory: PathBuf,
    log: PathBuf,
}

impl Daemon {
    /// Starts a program whose files are all in the directory of its socket.
    fn start(bench: &Bench, name: &'static str, options: &str, socket: &str) -> Self {
        let directory = Path::new(socket).parent().expect("a directory").to_owned();
        let log = directory.join("log");
        let file = fs::File::create(&log).expect("a log file");
        // The kernel ends the daemon even if the test itself is killed.
        let child = bench
            .command(&find("setpriv"))
            .args(["--pdeathsig", "TERM"])
            .arg(find(name))
            .args(options.split_whitespace())
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .stdin(Stdio::null())
            .spawn()
            .expect("the daemon starts");
        let mut daemon = Self { child, name, directory, log };
        daemon.wait_for(socket);
        daemon
    }

    fn wait_for(&mut self, socket: &str) {
        let since = Instant::now();
        while UnixStream::connect(socket).is_err() {
            let ended = self.child.try_wait().expect("its state");
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            assert!(ended.is_none(), "{} ended ({ended:?}); it needs root:\n{log}", self.name);
            assert!(since.elapsed() < START_LIMIT, "no answer from {}:\n{log}", self.name);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks it to end, and makes it end if it does not.
    fn stop(&mut self) -> std::io::Result<()> {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            kill_process(pid, Signal::TERM)?;
        }
        let since = Instant::now();
        while self.child.try_wait()?.is_none() {
            if since.elapsed() > STOP_LIMIT {
                self.child.kill()?;
                self.child.wait()?;
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Removes the mounts that a killed daemon leaves in its directory.
    fn unmount(&self) -> std::io::Result<()> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let below = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        let mut below: Vec<&Path> =
            below.map(Path::new).filter(|path| path.starts_with(&self.directory)).collect();
        below.sort();
        for path in below.iter().rev() {
            Command::new("umount").arg("--lazy").arg(path).status()?;
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Err(error) = self.stop().and_then(|()| self.unmount()) {
            eprintln!("ending {}: {error}", self.name);
        }
        if std::thread::panicking() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("{} log:\n{}", self.name, lines[lines.len().saturating_sub(30)..].join("\n"));
        }
    }
}
