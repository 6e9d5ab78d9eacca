//! File systems of their own on loop devices, which can be filled, broken, and cut from power.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// True, with a word about it, in the short run, which works without root.
pub fn left_out() -> bool {
    let quick = std::env::var_os("ROADSTEAD_TEST_QUICK").is_some();
    if quick {
        println!("left out of the short run: mounting a file system needs root");
    }
    quick
}

/// What a disk is formatted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// ext4, which turns read-only when it finds an error in itself.
    Ext4,
    /// XFS, which is not made smaller than 300 MiB.
    Xfs,
}

/// A mounted disk; unmounted and gone when dropped.
#[derive(Debug)]
pub struct Disk {
    directory: TempDir,
    format: Format,
    mounted: bool,
}

fn run(command: &mut Command) {
    let output = command.output().expect("the command starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{command:?} failed (the tests of disks need root, and `make tools`): {said}"
    );
}

impl Disk {
    /// Makes and mounts a disk of so many MiB.
    pub fn new(format: Format, mebibytes: u64) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut disk = Self { directory, format, mounted: false };
        let image = File::create(disk.image()).expect("an image");
        image.set_len(mebibytes << 20).expect("its size");
        fs::create_dir(disk.path()).expect("a mount point");
        match format {
            Format::Ext4 => {
                let mut mkfs = Command::new("/sbin/mkfs.ext4");
                // No share for root alone: the tests are root.
                run(mkfs.args(["-q", "-m", "0", "-e", "remount-ro"]).arg(disk.image()));
            }
            Format::Xfs => run(Command::new("/sbin/mkfs.xfs").arg("-q").arg(disk.image())),
        }
        disk.mount();
        disk
    }

    fn image(&self) -> PathBuf {
        self.directory.path().join("image")
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("mounted")
    }

    fn mount(&mut self) {
        run(Command::new("mount").args(["-o", "loop"]).arg(self.image()).arg(self.path()));
        self.mounted = true;
    }

    /// Unmounts it; nobody may be using it.
    fn unmount(&mut self) {
        let since = Instant::now();
        // A process that was just killed may not have let go of everything yet.
        while !umount(&self.path()) {
            assert!(since.elapsed() < Duration::from_secs(20), "{} is busy", self.path().display());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.mounted = false;
    }

    /// Writes back all that was written so far.
    pub fn sync(&self) {
        run(Command::new("sync").arg("--file-system").arg(self.path()));
    }

    /// Lets other accounts than that of the test reach it.
    pub fn open_to_all(&self) {
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(self.directory.path(), open).expect("permissions");
    }

    /// Cuts the power: what was not flushed is lost, and every access fails from now on.
    pub fn cut_power(&self) {
        run(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(self.path()));
    }

    /// Switches it on again after a cut; nobody may be using it.
    pub fn restore_power(&mut self) {
        self.unmount();
        self.mount();
    }

    /// What is free, in bytes.
    pub fn free(&self) -> u64 {
        let stat = rustix::fs::statvfs(self.path()).expect("its numbers");
        stat.f_bavail * stat.f_frsize
    }

    /// Writes to a file of its own until nothing is free.
    pub fn fill(&self) {
        let mut filler = File::options()
            .create(true)
            .append(true)
            .open(self.filler())
            .expect("a file that fills the disk");
        let mut piece = vec![7_u8; 1 << 20];
        while !piece.is_empty() {
            match filler.write(&piece) {
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                    piece.truncate(if piece.len() > 4096 { piece.len() / 2 } else { 0 });
                }
                Err(error) => panic!("{error}"),
            }
        }
        // Written back, so that the space is really gone.
        filler.sync_all().expect("it is written");
    }

    /// Where [`fill`](Self::fill) writes to.
    pub fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Lets ext4 find an error in itself, which makes it read-only.
    pub fn turn_read_only(&self) {
        assert_eq!(self.format, Format::Ext4);
        let mounts = fs::read_to_string("/proc/mounts").expect("mounts");
        let own = self.path().display().to_string();
        let line = mounts.lines().find(|line| line.contains(&own)).expect("its line");
        let device = line.split_whitespace().next().expect("a device").trim_start_matches("/dev/");
        let trigger = format!("/sys/fs/ext4/{device}/trigger_fs_error");
        fs::write(trigger, "for a test").expect("an error");
    }
}

fn umount(path: &Path) -> bool {
    Command::new("umount").arg(path).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted && !umount(&self.path()) {
            let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
        }
    }
}
