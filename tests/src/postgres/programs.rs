//! The programs of PostgreSQL, and the account that they run as.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where a program of PostgreSQL is: Debian keeps the newest below its version.
pub(super) fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter(|entry| entry.path().join("bin").join(name).exists())
        .max_by_key(|entry| entry.file_name().to_string_lossy().parse::<u32>().unwrap_or(0));
    newest.map_or_else(|| name.into(), |entry| entry.path().join("bin").join(name))
}

/// A command for the account that PostgreSQL runs as: it refuses to run as root.
pub(super) fn as_postgres(name: &str) -> Command {
    if fs::metadata("/proc/self").expect("this process").uid() != 0 {
        return Command::new(program(name));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program(name));
    command
}

/// Makes a directory, and what is directly in it, the account's own.
pub(super) fn give_to_postgres(directory: &Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).expect("permissions");
    let files = fs::read_dir(directory).expect("a list of files").flatten();
    for path in files.map(|entry| entry.path()).chain([directory.to_owned()]) {
        if fs::metadata("/proc/self").expect("this process").uid() == 0 {
            let (user, group) = (Some(account("-u")), Some(account("-g")));
            chown(path, user, group).expect("a new owner");
        }
    }
}

fn account(option: &str) -> u32 {
    let output = Command::new("id").args([option, "postgres"]).output();
    let text = output.expect("the id of postgres").stdout;
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    text.parse().expect("an account postgres: run `make test`")
}

/// Names compare by a language's rules here, so that whoever relies on bytes is found out.
pub(super) fn initialise(directory: &Path) {
    let mut command = as_postgres("initdb");
    command.arg("-D").arg(directory.join("data")).current_dir("/");
    command.args(["--no-sync", "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8"]);
    command.arg("--pwfile").arg(directory.join("password"));
    let help = as_postgres("initdb").arg("--help").output().expect("initdb: run `make test`");
    if String::from_utf8_lossy(&help.stdout).contains("--icu-locale") {
        command.args(["--locale=C", "--locale-provider=icu", "--icu-locale=en"]);
    }
    let output = command.output().expect("initdb is missing: run `make test`");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "initdb: {said}");
    let rules = File::options().append(true).open(directory.join("data/pg_hba.conf"));
    let rule = "host all all samenet scram-sha-256\n";
    rules.and_then(|mut rules| rules.write_all(rule.as_bytes())).expect("a rule more");
}

/// A process that waits for the end of this one, however it ends, and then cleans up.
pub(super) fn watch(directory: &Path, remove: bool) -> Child {
    const SCRIPT: &str = r#"
        trap '' INT TERM HUP
        cat >/dev/null
        id=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
        if [ -n "$id" ] && grep -qF "$1" "/proc/$id/cmdline" 2>/dev/null; then
            kill -QUIT "$id"
            n=0
            while [ -e "/proc/$id" ] && [ $n -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
        fi
        if [ "$2" = remove ]; then rm -rf "$1"; fi
    "#;
    Command::new("sh")
        .args(["-c", SCRIPT, "sh"])
        .arg(directory)
        .arg(if remove { "remove" } else { "keep" })
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell")
}
