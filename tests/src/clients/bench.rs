//! A workbench: programs run in a home of their own, with nothing of the user's in their reach.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// How long one command of a client may take, in seconds.
const COMMAND_LIMIT: &str = "120";

/// Directories that variables of the clients point into.
const HOMES: &[(&str, &str)] = &[
    ("HOME", "home"),
    ("TMPDIR", "tmp"),
    ("XDG_RUNTIME_DIR", "run"),
    ("XDG_CONFIG_HOME", "home/.config"),
    ("XDG_DATA_HOME", "share"),
    ("XDG_CACHE_HOME", "cache"),
    ("DOCKER_CONFIG", "docker"),
    ("TUF_ROOT", "tuf"),
];

/// A temporary home with the programs that run in it.
#[derive(Debug)]
pub struct Bench {
    directory: TempDir,
    variables: Vec<(String, String)>,
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

impl Bench {
    /// An empty home; every client finds its configuration there and nowhere else.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("rs").tempdir().expect("a directory");
        let mut bench = Self { directory, variables: Vec::new() };
        for (variable, name) in HOMES {
            let path = bench.directory(name);
            bench.set(variable, &path);
        }
        // docker and containers/image refuse a configuration that is named but not there.
        bench.file("docker/config.json", b"{}");
        let auth = bench.file("auth.json", b"{}");
        let regctl = bench.file("regctl.json", b"{}");
        bench.file(
            "home/.config/containers/registries.conf",
            b"[[registry]]\nlocation = \"127.0.0.1\"\ninsecure = true\n",
        );
        let storage = bench.file("storage.conf", bench.storage().as_bytes());
        bench.set("REGISTRY_AUTH_FILE", &auth);
        bench.set("REGCTL_CONFIG", &regctl);
        bench.set("CONTAINERS_STORAGE_CONF", &storage);
        bench.variables.push(("COSIGN_PASSWORD".to_owned(), "for-the-key".to_owned()));
        bench
    }

    /// Where podman and buildah keep images: plain copies, which need nothing of the kernel.
    fn storage(&self) -> String {
        let root = self.directory.path().join("storage");
        format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{0}/root\"\nrunroot = \"{0}/run\"\n",
            root.display()
        )
    }

    fn set(&mut self, variable: &str, value: &Path) {
        self.variables.push((variable.to_owned(), value.display().to_string()));
    }

    /// Sets an environment variable for the commands that follow.
    pub fn env(&mut self, variable: &str, value: &str) {
        self.variables.push((variable.to_owned(), value.to_owned()));
    }

    /// A path in the home, which need not exist.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A path in the home as text, for command lines.
    pub fn at(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Makes a directory in the home.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("a directory");
        path
    }

    /// Writes a file in the home.
    pub fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, bytes).expect("a file");
        path
    }

    /// A command, not yet started, with this home as its working directory and environment.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", search_path())
            .env("LC_ALL", "C.UTF-8")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    /// Runs a command line, split at white space, and waits for it to end, well or not.
    pub fn run(&self, line: &str) -> Ran {
        self.feed(line, b"")
    }

    /// Runs a command line, split at white space, with these bytes on its standard input.
    pub fn feed(&self, line: impl AsRef<str>, input: &[u8]) -> Ran {
        let line = line.as_ref();
        let words: Vec<&str> = line.split_whitespace().collect();
        let (program, arguments) = words.split_first().expect("a program");
        let mut child = self
            .command(Path::new("timeout"))
            .args(["--kill-after=5", COMMAND_LIMIT])
            .arg(find(program))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("coreutils' timeout starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // A program that ends without reading its input is not at fault for that.
        let _ = stdin.write_all(input);
        drop(stdin);
        let output = child.wait_with_output().expect("the command ends");
        Ran {
            line: line.to_owned(),
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a command line that must succeed.
    #[track_caller]
    pub fn ok(&self, line: impl AsRef<str>) -> Ran {
        self.run(line.as_ref()).succeeded()
    }

    /// Runs a command line that must fail and say so with every one of these texts.
    #[track_caller]
    pub fn refused(&self, line: impl AsRef<str>, texts: &[&str]) {
        self.run(line.as_ref()).failed_with(texts);
    }
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    line: String,
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

impl Ran {
    /// What it printed on standard output, to the byte.
    pub fn bytes(&self) -> &[u8] {
        &self.stdout
    }

    /// What it printed on standard output, without white space around it.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }

    /// The lines of its standard output.
    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(|line| line.trim().to_owned()).collect()
    }

    /// Everything it printed.
    pub fn printed(&self) -> String {
        format!("{}\n{}", self.text(), self.stderr)
    }

    /// Its standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        let parsed = serde_json::from_slice(&self.stdout);
        parsed.unwrap_or_else(|error| panic!("{}: {error}:\n{}", self.line, self.printed()))
    }

    /// Asserts that it ended well.
    #[track_caller]
    #[allow(clippy::return_self_not_must_use)]
    pub fn succeeded(self) -> Self {
        assert!(self.code == Some(0), "{}", self.account("should have succeeded"));
        self
    }

    /// Asserts that it ended badly, within the time limit, and printed every one of these texts.
    #[track_caller]
    pub fn failed_with(self, texts: &[&str]) {
        let in_time = self.code.is_some_and(|code| code != 124 && code != 137);
        assert!(in_time, "{}", self.account("hung"));
        assert!(self.code != Some(0), "{}", self.account("should have failed"));
        self.says(texts);
    }

    /// Asserts that it printed every one of these texts.
    #[track_caller]
    #[allow(clippy::return_self_not_must_use)]
    pub fn says(self, texts: &[&str]) -> Self {
        let printed = self.printed();
        for text in texts {
            assert!(printed.contains(text), "{}", self.account(&format!("does not say '{text}'")));
        }
        self
    }

    fn account(&self, complaint: &str) -> String {
        let mut text = format!("`{}` {complaint} (exit code {:?}):\n", self.line, self.code);
        write!(text, "{}", self.printed()).expect("writing to a string");
        text
    }
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tools/bin")
}

/// The built tools first, then the user's path, then where distributions put daemons.
fn search_path() -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    format!("{}:{path}:/usr/sbin:/sbin", tools().display())
}

/// A program's path; a test without its client fails, for nothing would have been tested.
#[track_caller]
pub(super) fn find(program: &str) -> PathBuf {
    let path = search_path();
    let mut candidates = std::env::split_paths(&path).map(|directory| directory.join(program));
    candidates.find(|candidate| candidate.is_file()).unwrap_or_else(|| {
        panic!("{program} is not installed: run `make test`, or tests/tools/install.sh")
    })
}
