//! Networks of their own: namespaces that hang together by links which can be cut.
//!
//! Nothing here has a name outside of its namespaces, which end with the last process in them: there
//! is nothing to clean up, however the tests end, and several runs at once do not meet.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Holds a namespace until standard input ends, as it does with the tests, and then ends whatever
/// still runs in it: a server that is left over would keep it.
const HOLDER: &str = r#"
    trap '' INT TERM HUP
    ip link set lo up || exit 1
    echo ready
    cat >/dev/null
    if [ "$1" = keep ]; then exit; fi
    # The number alone: brackets would be taken for a pattern.
    own=$(readlink "/proc/$$/ns/net" | tr -cd 0-9)
    for file in $(find /proc/[0-9]*/ns/net -lname "net:?$own?" 2>/dev/null); do
        id=${file#/proc/}
        id=${id%%/*}
        if [ "$id" != "$$" ]; then kill -9 "$id" 2>/dev/null; fi
    done
"#;

/// True, with a word about it, in the short run, which works without root.
pub fn left_out() -> bool {
    let quick = std::env::var_os("ROADSTEAD_TEST_QUICK").is_some();
    if quick {
        println!("left out of the short run: making networks needs root");
    }
    quick
}

/// A network without anybody else in it.
#[derive(Debug)]
pub struct Namespace {
    holder: Child,
}

impl Namespace {
    /// A new one, with a loopback. With `all`, every process in it ends when it does; without,
    /// they have somebody else who sees to that.
    fn new(all: bool) -> Self {
        let mut holder = Command::new("unshare")
            .args(["--net", "sh", "-c", HOLDER, "sh", if all { "end" } else { "keep" }])
            // A Ctrl-C is for the tests; they end it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare starts");
        let mut said = String::new();
        let output = holder.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut said).expect("its output");
        assert_eq!(said, "ready\n", "no network (this needs root, and `make tools`)");
        Self { holder }
    }

    fn file(&self) -> String {
        format!("/proc/{}/ns/net", self.holder.id())
    }

    /// What starts a program in here: put in front of the program and its arguments.
    pub fn runner(&self) -> Vec<String> {
        vec!["nsenter".to_owned(), format!("--net={}", self.file())]
    }

    /// Moves the thread that calls, with all that it will start.
    fn enter(&self) {
        let file = File::open(self.file()).expect("a namespace");
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("moving into it");
    }

    /// Runs `ip` in here.
    fn ip(&self, arguments: &str) {
        let runner = self.runner();
        let mut command = Command::new(&runner[0]);
        let output = command.args(&runner[1..]).arg("ip").args(arguments.split(' ')).output();
        let output = output.expect("nsenter starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {arguments}: {said}");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let ended = self.holder.wait();
        assert!(ended.is_ok() || thread::panicking(), "a process is left over: {ended:?}");
    }
}

/// What can be reached: a switch of the hub, by its name there, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// The database is behind it.
    Database,
    /// The store of blobs is behind it.
    Store,
    /// The proxy, and by it the clients.
    Front,
}

impl Switch {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Database, Self::Store, Self::Front];

    fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Store => "store",
            Self::Front => "front",
        }
    }

    fn address(self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, self as u8, host)
    }

    /// Where the hub is on it.
    pub fn hub(self) -> Ipv4Addr {
        self.address(1)
    }
}

/// Where everything is but the servers; it has a link to each of them by each switch.
#[derive(Debug)]
pub struct Hub {
    // The servers' end first.
    servers: Vec<Namespace>,
    own: Namespace,
}

impl Hub {
    /// Makes the networks for so many servers, and works in the hub: whatever connects, listens or
    /// is started there by the thread of this work and by those that it starts is in the hub.
    pub fn work<T: Send>(servers: u8, work: impl FnOnce(&Self) -> T + Send) -> T {
        let own = Namespace::new(false);
        for switch in Switch::ALL {
            let (name, address) = (switch.name(), switch.hub());
            own.ip(&format!("link add {name} type bridge"));
            own.ip(&format!("address add {address}/24 dev {name}"));
            own.ip(&format!("link set {name} up"));
        }
        let mut hub = Self { servers: Vec::new(), own };
        for server in 0..servers {
            hub.connect(server);
        }
        let done = thread::scope(|scope| {
            let inside = || {
                hub.own.enter();
                work(&hub)
            };
            scope.spawn(inside).join()
        });
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn connect(&mut self, server: u8) {
        let namespace = Namespace::new(true);
        for switch in Switch::ALL {
            let (name, address) = (switch.name(), self.address(switch, server));
            let id = namespace.holder.id();
            let ends = format!("{name}{server} type veth peer name {name} netns {id}");
            self.own.ip(&format!("link add {ends}"));
            self.own.ip(&format!("link set {name}{server} master {name} up"));
            namespace.ip(&format!("address add {address}/24 dev {name}"));
            namespace.ip(&format!("link set {name} up"));
        }
        self.servers.push(namespace);
    }

    /// The network of a server.
    pub fn server(&self, server: u8) -> &Namespace {
        &self.servers[usize::from(server)]
    }

    /// Where a server is on a switch.
    pub fn address(&self, switch: Switch, server: u8) -> Ipv4Addr {
        switch.address(10 + server)
    }

    /// Pulls a server's cable: what either side sends is gone, and nobody is told.
    pub fn cut(&self, switch: Switch, server: u8) {
        self.own.ip(&format!("link set {}{server} down", switch.name()));
    }

    /// Plugs it in again.
    pub fn heal(&self, switch: Switch, server: u8) {
        self.own.ip(&format!("link set {}{server} up", switch.name()));
    }
}
