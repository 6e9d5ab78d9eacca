//! System calls of a running process that fail, by strace.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// System calls fail while this lives.
#[derive(Debug)]
pub struct Injection {
    strace: Child,
    log: PathBuf,
}

impl Injection {
    /// Lets calls of a process fail, as in `fsync:error=EIO:when=1`; with `paths`, only those that
    /// are about these files. What it does of them is written to a file in `scratch`.
    pub fn into(process: u32, scratch: &Path, faults: &[&str], paths: &[PathBuf]) -> Self {
        let log = scratch.join(format!("strace-{}", faults.join("-").replace(['/', ':'], "_")));
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-o"]).arg(&log).args(["-p", &process.to_string()]);
        let calls: Vec<&str> = faults.iter().filter_map(|f| f.split(':').next()).collect();
        command.args(["-e", &format!("trace={}", calls.join(","))]);
        for fault in faults {
            command.args(["-e", &format!("inject={fault}")]);
        }
        for path in paths {
            command.arg("-P").arg(path);
        }
        let mut strace = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace starts: `make tools` installs it");
        // It says so for every thread; more come and are followed by themselves.
        let said = BufReader::new(strace.stderr.take().expect("its words"));
        let mut said = said.lines().map_while(Result::ok);
        let attached = said.find(|line| line.contains("attached"));
        assert!(attached.is_some(), "strace could not attach; it needs root");
        // It dies when nobody listens.
        std::thread::spawn(move || said.for_each(drop));
        std::thread::sleep(std::time::Duration::from_millis(200));
        Self { strace, log }
    }

    /// Lets calls work again; returns what was seen of them.
    pub fn end(mut self) -> String {
        self.detach();
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    fn detach(&mut self) {
        if let Ok(None) = self.strace.try_wait() {
            let pid = Pid::from_raw(self.strace.id().cast_signed()).expect("a process id");
            kill_process(pid, Signal::TERM).expect("a signal is sent");
            self.strace.wait().expect("strace ends");
        }
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        self.detach();
    }
}
