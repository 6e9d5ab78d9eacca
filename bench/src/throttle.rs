//! A disk that is slow for one process: a control group with a limit of what it may read.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A control group; removed when dropped, after the process has ended.
pub(crate) struct Throttle {
    group: PathBuf,
}

impl Throttle {
    /// Lets these processes read so many bytes in a second from the disk that a directory is on.
    /// Needs root, and a kernel that can (version 1 or 2 of control groups).
    pub(crate) fn put(processes: &[u32], directory: &Path, rate: u64) -> anyhow::Result<Self> {
        let device = device_of(directory)?;
        let name = format!("roadstead-bench-{}", processes.first().copied().unwrap_or_default());
        let (group, file, limit) = match parent()? {
            Parent::First(parent) => {
                (parent.join(name), "blkio.throttle.read_bps_device", format!("{device} {rate}"))
            }
            Parent::Second(parent) => {
                (parent.join(name), "io.max", format!("{device} rbps={rate}"))
            }
        };
        fs::create_dir(&group).with_context(|| group.display().to_string())?;
        let throttle = Self { group };
        let write = |file: &str, text: &str| {
            let path = throttle.group.join(file);
            fs::write(&path, text).with_context(|| format!("{text} into {}", path.display()))
        };
        write(file, &limit)?;
        for process in processes {
            write("cgroup.procs", &process.to_string())?;
        }
        Ok(throttle)
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        // A process that has just ended may be counted for a moment.
        for _ in 0..100 {
            if fs::remove_dir(&self.group).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        eprintln!("{} is left over", self.group.display());
    }
}

enum Parent {
    First(PathBuf),
    Second(PathBuf),
}

fn parent() -> anyhow::Result<Parent> {
    let root = Path::new("/sys/fs/cgroup");
    let first = root.join("blkio");
    if first.join("cgroup.procs").exists() {
        return Ok(Parent::First(first));
    }
    // Groups below may have the controller when the one above hands it down.
    fs::write(root.join("cgroup.subtree_control"), "+io").context("control groups")?;
    Ok(Parent::Second(root.to_owned()))
}

/// The numbers of the disk, not of a part of it, as `254:0`.
fn device_of(directory: &Path) -> anyhow::Result<String> {
    let device = fs::metadata(directory)?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let own = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"));
    let about = own.canonicalize().context("not on a disk of its own")?;
    let is_part = about.join("partition").exists();
    let whole = about.parent().filter(|_| is_part).unwrap_or(&about);
    Ok(fs::read_to_string(whole.join("dev"))?.trim().to_owned())
}

/// Takes the files below a directory that are at least so large out of the page cache.
pub(crate) fn forget(directory: &Path, least: u64) -> anyhow::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let about = entry.metadata()?;
        if about.is_dir() {
            forget(&entry.path(), least)?;
        } else if about.len() >= least {
            let file = fs::File::open(entry.path())?;
            // Only what is on the disk can be forgotten.
            file.sync_all()?;
            rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
        }
    }
    Ok(())
}
