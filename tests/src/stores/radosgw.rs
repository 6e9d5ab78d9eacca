//! Ceph's gateway over one store in memory: the S3 that checks most of what it is told.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::daemon::{Daemon, directory, listens, program, run};
use super::{BUCKET, Place, Store, s3, sign};
use crate::free_port;

/// Of the one user.
const KEYS: (&str, &str) = ("TESTS", "tests-only-secret");

/// How long each step of the start may take, on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(90);
/// How often is looked whether the disk is up before it is started again.
const DISK_LOOKS: u32 = 20;

/// How often a start is tried: a port that was free may be somebody else's before Ceph has it.
const STARTS: usize = 3;

/// A gateway with all that it needs, which ends when this is dropped and with the tests.
#[derive(Debug)]
pub struct Radosgw {
    /// With its port.
    host: String,
    _daemons: Vec<Daemon>,
}

impl Radosgw {
    /// The one that all tests of a process share.
    pub(super) fn shared() -> &'static Self {
        static SHARED: OnceLock<Radosgw> = OnceLock::new();
        SHARED.get_or_init(|| Self::start("127.0.0.1"))
    }

    /// One that is a test's own and listens on this address.
    pub fn start(address: &str) -> Self {
        let started = (0..STARTS).find_map(|_| start(address));
        started.expect("no gateway of Ceph: run `make tools`")
    }

    /// A part of it that nobody else uses.
    pub fn place(&self) -> Place {
        Place::new(Store::Radosgw, self.variables())
    }

    /// How a server gets at it.
    pub(super) fn variables(&self) -> BTreeMap<&'static str, String> {
        s3(&format!("http://{}", self.host), KEYS.0, KEYS.1)
    }
}

/// Multipart uploads below a prefix that are neither complete nor aborted.
pub(super) fn unfinished_uploads(endpoint: &str, prefix: &str) -> usize {
    let host = endpoint.trim_start_matches("http://");
    let query = format!("prefix={prefix}%2F&uploads=");
    let list = sign::s3("GET", host, &format!("/{BUCKET}"), &query, KEYS);
    list.matches("<UploadId>").count()
}

struct Home {
    path: PathBuf,
    monitor: u16,
    /// Where the gateway listens.
    host: String,
}

impl Home {
    /// A program of Ceph with this cluster's configuration.
    fn ceph(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command.env("CEPH_CONF", self.path.join("ceph.conf"));
        command
    }

    fn configuration(&self, id: &str) -> String {
        let (home, monitor, host) = (self.path.display(), self.monitor, &self.host);
        let directories =
            ["mon", "mgr", "osd"].map(|name| format!("{name} data = {home}/{name}\n")).concat();
        format!(
            "[global]\nfsid = {id}\nmon host = v1:127.0.0.1:{monitor}\nmon initial members = a\n\
             auth cluster required = none\nauth service required = none\n\
             auth client required = none\nosd pool default size = 1\n\
             osd pool default min size = 1\nmon allow pool size one = true\n\
             osd crush chooseleaf type = 0\nosd pool default pg num = 4\n\
             osd pool default pg autoscale mode = off\nosd objectstore = memstore\n\
             memstore device bytes = 4294967296\nms bind ipv6 = false\n\
             public addr = 127.0.0.1\ncluster addr = 127.0.0.1\nms bind msgr2 = false\n\
             run dir = {home}/run\nadmin socket = {home}/run/$name.asok\n\
             log file = {home}/log/$name.log\npid file = {home}/run/$name.pid\n{directories}\
             mon warn on pool no redundancy = false\nmon data avail crit = 1\n\
             mon osd min up ratio = 0\n\
             [client.rgw]\nrgw frontends = beast endpoint={host}\n\
             rgw enable usage log = false\n"
        )
    }
}

fn start(address: &str) -> Option<Radosgw> {
    let host = format!("{address}:{}", free_port());
    let home = Home { path: directory("ceph"), monitor: free_port(), host: host.clone() };
    for name in ["mon", "mgr", "osd", "run", "log"] {
        fs::create_dir_all(home.path.join(name)).expect("a directory");
    }
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid").expect("an id");
    let configuration = home.configuration(id.trim());
    fs::write(home.path.join("ceph.conf"), configuration).expect("a file");
    let mut daemons = vec![start_monitor(&home, id.trim())?];
    daemons.push(start_disk(&home));
    run(home.ceph("radosgw-admin").args([
        "user",
        "create",
        "--uid=tests",
        "--display-name=tests",
        &format!("--access-key={}", KEYS.0),
        &format!("--secret-key={}", KEYS.1),
    ]));
    let foreground = ["-n", "client.rgw", "-f"];
    daemons.push(Daemon::start(home.ceph("radosgw").args(foreground), &home.path, None));
    if !listens(&host) {
        return None;
    }
    sign::s3("PUT", &host, &format!("/{BUCKET}"), "", KEYS);
    Some(Radosgw { host, _daemons: daemons })
}

fn start_monitor(home: &Home, id: &str) -> Option<Daemon> {
    let map = home.path.join("monmap");
    let address = format!("[v1:127.0.0.1:{}]", home.monitor);
    run(Command::new(program("monmaptool"))
        .args(["--create", "--addv", "a", &address, "--fsid", id])
        .arg(&map));
    run(home.ceph("ceph-mon").args(["-i", "a", "--mkfs", "--monmap"]).arg(&map));
    let command = &mut home.ceph("ceph-mon");
    let monitor = Daemon::start(command.args(["-i", "a", "-f"]), &home.path, Some(&home.path));
    listens(&format!("127.0.0.1:{}", home.monitor)).then_some(monitor)
}

fn start_disk(home: &Home) -> Daemon {
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid").expect("an id");
    let limit = ["--connect-timeout", "60"];
    run(home.ceph("ceph").args(limit).args(["osd", "new", id.trim(), "0"]));
    run(home.ceph("ceph-osd").args(["-i", "0", "--mkfs", "--osd-uuid", id.trim()]));
    let since = Instant::now();
    loop {
        let disk = Daemon::start(home.ceph("ceph-osd").args(["-i", "0", "-f"]), &home.path, None);
        for _ in 0..DISK_LOOKS {
            let status = home.ceph("ceph").args(limit).args(["osd", "stat"]).output();
            let status = status.expect("ceph runs");
            if String::from_utf8_lossy(&status.stdout).contains("1 up") {
                return disk;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        // It sometimes misses that the monitor let it in.
        disk.end();
        assert!(since.elapsed() < START_LIMIT, "no disk; see {}", home.path.display());
    }
}
