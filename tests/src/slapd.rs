//! A directory: the `slapd` of `OpenLDAP` on free ports, with people and groups in it.
//!
//! This file needs nothing of this crate, so that tests of other crates can include it.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The suffix of the directory.
pub const BASE: &str = "dc=example,dc=org";
/// Where the people are: alice, bob and carol.
pub const PEOPLE: &str = "ou=people,dc=example,dc=org";
/// Where the groups are: devs (alice, bob) and admins (carol).
pub const GROUPS: &str = "ou=groups,dc=example,dc=org";
/// The account that may search; nobody else may read entries.
pub const SEARCH_DN: &str = "cn=search,dc=example,dc=org";
/// The password of [`SEARCH_DN`].
pub const SEARCH_PASSWORD: &str = "Search-only-1";
/// The password of alice, bob and carol.
pub const PASSWORD: &str = "Directory-only-1";

/// How long it may take to start, on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(30);
/// The account that may change everything.
const ROOT: [&str; 4] = ["-D", "cn=root,dc=example,dc=org", "-w", "Root-only-1"];

/// A running directory; killed when dropped.
#[derive(Debug)]
pub struct Slapd {
    child: Child,
    directory: TempDir,
    plain: u16,
    secure: u16,
}

impl Slapd {
    /// Starts a directory, unless the short run was asked for (`ROADSTEAD_TEST_QUICK`), which says
    /// so and returns None.
    pub fn unless_quick() -> Option<Self> {
        if std::env::var_os("ROADSTEAD_TEST_QUICK").is_some() {
            eprintln!("skipped: the short run was asked for, and this needs slapd");
            return None;
        }
        Some(Self::start())
    }

    /// Starts a directory and fills it.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        write_certificate(directory.path());
        fs::create_dir(directory.path().join("db")).expect("a directory");
        let configuration = CONFIGURATION.replace("@DIR@", &directory.path().display().to_string());
        fs::write(directory.path().join("slapd.conf"), configuration).expect("a file");
        // Somebody else may take a free port before slapd does.
        let started = (0..5).find_map(|_| listen(directory.path()));
        let (child, plain, secure) = started.unwrap_or_else(|| {
            let log = fs::read_to_string(directory.path().join("log")).unwrap_or_default();
            panic!("slapd does not start:\n{log}");
        });
        let slapd = Self { child, directory, plain, secure };
        slapd.change(&["-a"], CONTENT);
        slapd
    }

    /// The URL without TLS.
    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.plain)
    }

    /// The URL with `StartTLS`, as Roadstead writes it.
    pub fn starttls_url(&self) -> String {
        format!("ldap+starttls://127.0.0.1:{}", self.plain)
    }

    /// The URL with TLS.
    pub fn tls_url(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.secure)
    }

    /// The certificate, in PEM; it is its own issuer.
    pub fn certificate(&self) -> String {
        fs::read_to_string(self.directory.path().join("tls.crt")).expect("a certificate")
    }

    /// Changes the directory with LDIF change records (RFC 2849).
    pub fn modify(&self, ldif: &str) {
        self.change(&[], ldif);
    }

    /// Puts somebody into a group.
    pub fn add_member(&self, group: &str, user: &str) {
        let (group, user) = (group_dn(group), user_dn(user));
        self.modify(&format!("dn: {group}\nchangetype: modify\nadd: member\nmember: {user}\n"));
    }

    /// Takes somebody out of a group.
    pub fn remove_member(&self, group: &str, user: &str) {
        let (group, user) = (group_dn(group), user_dn(user));
        self.modify(&format!("dn: {group}\nchangetype: modify\ndelete: member\nmember: {user}\n"));
    }

    /// Gives somebody another password.
    pub fn set_password(&self, user: &str, password: &str) {
        let dn = user_dn(user);
        self.modify(&format!(
            "dn: {dn}\nchangetype: modify\nreplace: userPassword\nuserPassword: {password}\n"
        ));
    }

    /// Deletes somebody's entry.
    pub fn delete_user(&self, user: &str) {
        self.modify(&format!("dn: {}\nchangetype: delete\n", user_dn(user)));
    }

    fn change(&self, options: &[&str], ldif: &str) {
        let mut child = Command::new("ldapmodify")
            .args(["-x", "-H", &self.url()])
            .args(ROOT)
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ldapmodify is missing: run `make test`");
        let sent = child.stdin.take().expect("a pipe").write_all(ldif.as_bytes());
        let output = child.wait_with_output().expect("ldapmodify ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(sent.is_ok() && output.status.success(), "ldapmodify: {said}\n{ldif}");
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        assert!(killed.is_ok() || std::thread::panicking(), "slapd is left over: {killed:?}");
    }
}

/// The name of somebody's entry.
pub fn user_dn(user: &str) -> String {
    format!("uid={user},{PEOPLE}")
}

/// The name of a group's entry.
pub fn group_dn(group: &str) -> String {
    format!("cn={group},{GROUPS}")
}

/// Two different ports on the loopback that nobody listens on.
fn free_ports() -> (u16, u16) {
    let bind = || TcpListener::bind("127.0.0.1:0").expect("a free port");
    let (one, other) = (bind(), bind());
    let port = |listener: &TcpListener| listener.local_addr().expect("its address").port();
    (port(&one), port(&other))
}

/// Starts slapd and waits until both ports answer; None when it ends instead.
fn listen(directory: &Path) -> Option<(Child, u16, u16)> {
    let (plain, secure) = free_ports();
    let log = File::create(directory.join("log")).expect("a log file");
    // Debian keeps it where only root looks.
    let installed = Path::new("/usr/sbin/slapd");
    let program = if installed.exists() { installed } else { Path::new("slapd") };
    let mut child = Command::new(program)
        // With any level of debugging it stays in the foreground.
        .args(["-d", "0", "-f"])
        .arg(directory.join("slapd.conf"))
        .args(["-h", &format!("ldap://127.0.0.1:{plain}/ ldaps://127.0.0.1:{secure}/")])
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        .spawn()
        .expect("slapd is missing: run `make test`");
    let since = Instant::now();
    let answers = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
    while since.elapsed() < START_LIMIT {
        if child.try_wait().expect("its state").is_some() {
            return None;
        }
        if answers(plain) && answers(secure) {
            return Some((child, plain, secure));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().and_then(|()| child.wait()).expect("slapd ends");
    None
}

/// A certificate for 127.0.0.1 that nobody else trusts.
fn write_certificate(directory: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=slapd"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(directory.join("tls.key"))
        .arg("-out")
        .arg(directory.join("tls.crt"))
        .output();
    assert!(made.is_ok_and(|made| made.status.success()), "openssl is missing: run `make test`");
}

/// `bind_anon_dn` lets a bind with a name and no password succeed, as many directories do.
const CONFIGURATION: &str = r#"
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile @DIR@/slapd.pid
argsfile @DIR@/slapd.args
loglevel 0
allow bind_anon_dn
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
TLSCertificateFile @DIR@/tls.crt
TLSCertificateKeyFile @DIR@/tls.key
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=search,dc=example,dc=org" read by * none
database mdb
suffix "dc=example,dc=org"
rootdn "cn=root,dc=example,dc=org"
rootpw Root-only-1
directory @DIR@/db
overlay memberof
memberof-refint TRUE
"#;

/// A group needs a member always, hence nobody. Added over the wire: slapadd runs no overlays, and
/// nobody would be a member of anything.
const CONTENT: &str = "\
dn: dc=example,dc=org
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: cn=search,dc=example,dc=org
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: search
userPassword: Search-only-1

dn: ou=people,dc=example,dc=org
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=example,dc=org
objectClass: organizationalUnit
ou: groups

dn: uid=alice,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: alice
cn: Alice Adams
sn: Adams
mail: alice@example.org
userPassword: Directory-only-1

dn: uid=bob,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: bob
cn: Bob Brown
sn: Brown
mail: bob@example.org
userPassword: Directory-only-1

dn: uid=carol,ou=people,dc=example,dc=org
objectClass: inetOrgPerson
uid: carol
cn: Carol Clark
sn: Clark
userPassword: Directory-only-1

dn: cn=devs,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: devs
member: cn=nobody
member: uid=alice,ou=people,dc=example,dc=org
member: uid=bob,ou=people,dc=example,dc=org

dn: cn=admins,ou=groups,dc=example,dc=org
objectClass: groupOfNames
cn: admins
member: cn=nobody
member: uid=carol,ou=people,dc=example,dc=org
";
