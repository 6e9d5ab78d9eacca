//! What the kernel says about processes: their time on the processors, and their memory.

use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// The memory of some processes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Memory {
    /// What belongs to them alone (`RssAnon`): heaps and stacks. The page cache is not in it.
    pub(crate) anonymous: u64,
    /// All that is mapped (`VmRSS`): with it pages of the program, and of blobs that are mapped.
    pub(crate) resident: u64,
}

/// The time that these processes have spent on the processors, in user and in kernel mode, with all
/// their threads (`utime` and `stime` of `/proc/PID/stat`; a hundredth of a second is the least).
pub(crate) fn processor_time(processes: &[u32]) -> anyhow::Result<Duration> {
    let mut ticks = 0;
    for process in processes {
        let path = format!("/proc/{process}/stat");
        let stat = fs::read_to_string(&path).context(path)?;
        ticks += ticks_in(&stat).with_context(|| format!("strange: {stat}"))?;
    }
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// User and system ticks. The name of the program, in brackets, may contain anything.
fn ticks_in(stat: &str) -> Option<u64> {
    let (_, behind) = stat.rsplit_once(')')?;
    let mut fields = behind.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// The memory of these processes together.
pub(crate) fn memory(processes: &[u32]) -> anyhow::Result<Memory> {
    let mut sum = Memory::default();
    for process in processes {
        let path = format!("/proc/{process}/status");
        let status = fs::read_to_string(&path).context(path)?;
        let of = |name| kib_in(&status, name).with_context(|| format!("no {name} in {status}"));
        sum.anonymous += of("RssAnon:")? * 1024;
        sum.resident += of("VmRSS:")? * 1024;
    }
    Ok(sum)
}

fn kib_in(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// A process and its children, which have none themselves.
pub(crate) fn family(process: u32) -> Vec<u32> {
    let path = format!("/proc/{process}/task/{process}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    let children = children.split_ascii_whitespace().filter_map(|id| id.parse().ok());
    std::iter::once(process).chain(children).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "42 (a) R 9 9 (x) S 1 42 42 0 -1 4194560 300 0 1 0 17 25 3 4 20 0 3 0 99 1 2";
        assert_eq!(ticks_in(stat), Some(42));
        assert_eq!(ticks_in("42 (short) S 1"), None);
    }

    #[test]
    fn memory_is_read_in_kibibytes() {
        let status = "Name:\tx\nVmHWM:\t  900 kB\nVmRSS:\t  812 kB\nRssAnon:\t     120 kB\n";
        assert_eq!(kib_in(status, "VmRSS:"), Some(812));
        assert_eq!(kib_in(status, "RssAnon:"), Some(120));
        assert_eq!(kib_in(status, "RssFile:"), None);
    }

    #[test]
    fn this_process_has_worked_and_has_memory() {
        let own = [std::process::id()];
        assert!(processor_time(&own).is_ok());
        let memory = memory(&own).unwrap();
        assert!(memory.anonymous > 0 && memory.resident > memory.anonymous, "{memory:?}");
        assert_eq!(family(own[0])[0], own[0]);
    }
}
