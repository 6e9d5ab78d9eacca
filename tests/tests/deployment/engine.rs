//! A Docker engine in a network of its own, gone with all its containers when it is dropped.

use std::fs::{self, File};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::files::top;

const START_LIMIT: Duration = Duration::from_mins(1);
/// How long one command may take, in seconds: making images for the first time is the longest.
const COMMAND_LIMIT: &str = "600";

pub(crate) struct Engine {
    daemon: Child,
    directory: TempDir,
}

impl Engine {
    pub(crate) fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("rs").tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        fs::write(at("daemon.json"), "{}").expect("a file");
        fs::create_dir_all(at("cli/cli-plugins")).expect("a directory");
        let plugin = top().join("tests/tools/bin/docker-compose");
        assert!(plugin.exists(), "{} is missing: run `make test`", plugin.display());
        std::os::unix::fs::symlink(plugin, at("cli/cli-plugins/docker-compose")).expect("a link");
        let script = format!(
            "ip link set lo up && exec dockerd --config-file={0}/daemon.json \
             --data-root={0}/root --exec-root={0}/exec --pidfile={0}/pid --host=unix://{0}/sock \
             --default-address-pool=base=10.213.128.0/17,size=24 --bip=10.213.0.1/24 \
             --shutdown-timeout=2",
            directory.path().display()
        );
        let log = File::create(at("log")).expect("a log file");
        // The kernel ends the daemon even if the test itself is killed.
        let daemon = Command::new("unshare")
            .args(["--net", "setpriv", "--pdeathsig", "TERM", "sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            .spawn()
            .expect("unshare runs");
        let mut engine = Self { daemon, directory };
        engine.wait();
        engine
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn wait(&mut self) {
        let since = Instant::now();
        while UnixStream::connect(self.at("sock")).is_err() {
            let ended = self.daemon.try_wait().expect("its state");
            let log = fs::read_to_string(self.at("log")).unwrap_or_default();
            assert!(ended.is_none(), "dockerd ended ({ended:?}); it needs root:\n{log}");
            assert!(since.elapsed() < START_LIMIT, "no answer from dockerd:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs a command that talks to this engine, in the engine's network, at the top of the
    /// project.
    pub(crate) fn run(&self, line: &str) -> Output {
        let net = format!("--net=/proc/{}/ns/net", self.daemon.id());
        self.command(&["nsenter", &net, "--"], line)
    }

    /// Runs a command that must succeed and talks to this engine, in the network of the machine,
    /// from which packages are to be had.
    #[track_caller]
    pub(crate) fn ok_outside(&self, line: &str) {
        let output = self.command(&[], line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {said}");
    }

    fn command(&self, before: &[&str], line: &str) -> Output {
        let tools = top().join("tests/tools/bin");
        let path = std::env::var("PATH").unwrap_or_default();
        Command::new("timeout")
            .args(["--kill-after=5", COMMAND_LIMIT])
            .args(before)
            .args(line.split_whitespace())
            .current_dir(top())
            .env("PATH", format!("{}:{path}:/usr/sbin:/sbin", tools.display()))
            .env("DOCKER_HOST", format!("unix://{}", self.at("sock").display()))
            .env("DOCKER_CONFIG", self.at("cli"))
            .env("DOCKER_BUILDKIT", "0")
            .env("HOME", self.directory.path())
            .stdin(Stdio::null())
            .output()
            .expect("the command runs")
    }

    /// Runs a command that must succeed, and returns what it printed on standard output.
    #[track_caller]
    pub(crate) fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A directory for files of the test.
    pub(crate) fn scratch(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let output = self.run("docker compose ps --all");
            eprintln!("{}", String::from_utf8_lossy(&output.stdout));
            let output = self.run("docker compose logs --tail 30");
            eprintln!("{}", String::from_utf8_lossy(&output.stdout));
        }
        self.run("docker compose down --volumes --timeout 5");
        if let Some(pid) = Pid::from_raw(self.daemon.id().cast_signed()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.daemon.wait();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        for point in points.filter(|point| Path::new(point).starts_with(self.directory.path())) {
            let _ = Command::new("umount").args(["--lazy", point]).status();
        }
    }
}
