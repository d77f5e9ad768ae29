//! How much memory there is, and how much of it may be taken.

use std::sync::LazyLock;

/// The part, in percent, of the memory of the machine or of a limit that is taken where nobody sets a limit: the system ends a
/// process at its limit, and what grows is not looked at all the time.
const PART: u64 = 80;

/// Bytes that a process may take where nobody sets a limit, as far as the system tells: 80 % of the memory of the machine, or
/// of the smallest limit of its control groups or of its own (`ulimit`).
pub fn memory_allowance() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let groups = group_folders(&groups).into_iter().filter_map(|folder| limit_of(&folder));
    let own = own_limits();
    let all = groups.chain(own.size).chain(own.data).chain(meminfo("MemTotal:"));
    all.min().map(|limit| limit / 100 * PART)
}

/// Memory that the process takes, in bytes. Linux tells.
#[derive(Clone, Copy, Debug)]
pub struct MemoryTaken {
    /// What it holds for itself: neither of files nor shared.
    pub private: u64,
    /// What its own limits (`ulimit -v`, `ulimit -d`) leave, of that of data the allowed part.
    pub left: u64,
}

/// What the process takes now, where the system tells.
pub fn memory_taken() -> Option<MemoryTaken> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let page = page_size()?;
    let bytes: Vec<u64> =
        statm.split_whitespace().map_while(|pages| Some(pages.parse::<u64>().ok()? * page)).collect();
    let [size, resident, shared, _, _, data, ..] = bytes[..] else { return None };
    static OWN: LazyLock<OwnLimits> = LazyLock::new(own_limits);
    // Of addresses many are set aside and free; of data the part that is taken unasked.
    let limits = [(OWN.size, size), (OWN.data.map(|limit| limit / 100 * PART), data)];
    let left = limits.into_iter().filter_map(|(limit, taken)| Some(limit?.saturating_sub(taken)));
    Some(MemoryTaken { private: resident.saturating_sub(shared), left: left.min().unwrap_or(u64::MAX) })
}

/// Limits of all addresses, and of those of data.
struct OwnLimits {
    size: Option<u64>,
    data: Option<u64>,
}

#[cfg(unix)]
fn page_size() -> Option<u64> {
    u64::try_from(rustix::param::page_size()).ok()
}

#[cfg(not(unix))]
fn page_size() -> Option<u64> {
    None
}

/// The limits that the process was started with.
#[cfg(unix)]
fn own_limits() -> OwnLimits {
    use rustix::process::{Resource, getrlimit};
    OwnLimits { size: getrlimit(Resource::As).current, data: getrlimit(Resource::Data).current }
}

#[cfg(not(unix))]
fn own_limits() -> OwnLimits {
    OwnLimits { size: None, data: None }
}

/// Bytes that a line of `/proc/meminfo` tells.
fn meminfo(name: &str) -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Bytes of memory that could be had, where the system tells: what is free or can be freed, and what control groups leave of
/// their limits.
pub(crate) fn available_memory() -> Option<u64> {
    let free = meminfo("MemAvailable:")?;
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    Some(group_folders(&groups).iter().filter_map(|folder| left_in(folder)).fold(free, u64::min))
}

/// The folders of the memory groups that the process is in, as `/proc/self/cgroup` lists them, of either version, and of those
/// around them: each may have a limit. In a container the groups may be those outside, whose folders are not there.
fn group_folders(groups: &str) -> Vec<String> {
    let mut folders = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let root = match controllers {
            "" => "/sys/fs/cgroup",
            list if list.split(',').any(|name| name == "memory") => "/sys/fs/cgroup/memory",
            _ => continue,
        };
        let mut path = path.trim_end_matches('/');
        while let Some((outer, _)) = path.rsplit_once('/') {
            folders.push(format!("{root}{path}"));
            path = outer;
        }
    }
    folders.extend(["/sys/fs/cgroup".to_owned(), "/sys/fs/cgroup/memory".to_owned()]);
    folders
}

/// A number that a file of a group holds.
fn number_in(folder: &str, name: &str) -> Option<u64> {
    std::fs::read_to_string(format!("{folder}/{name}")).ok()?.trim().parse().ok()
}

/// The limit of a group, if it has one.
fn limit_of(folder: &str) -> Option<u64> {
    number_in(folder, "memory.max").or_else(|| number_in(folder, "memory.limit_in_bytes"))
}

/// What a group leaves of its limit, if it has one.
fn left_in(folder: &str) -> Option<u64> {
    let limit = limit_of(folder)?;
    let used = number_in(folder, "memory.current").or_else(|| number_in(folder, "memory.usage_in_bytes"))?;
    // Pages of files that were read count as used, and are given back when somebody needs them.
    let stat = std::fs::read_to_string(format!("{folder}/memory.stat")).unwrap_or_default();
    let value = stat.lines().find_map(|line| line.strip_prefix("inactive_file "));
    let cache = value.and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(cache)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_process_holds_grows_with_what_it_takes() {
        let private = || memory_taken().unwrap().private;
        // Tests beside this one, in the same process, may give back as much at that moment: not each time.
        let grows = |_| {
            let before = private();
            let held = vec![1_u8; 64 << 20];
            let after = private();
            after >= before + (48 << 20) && held.len() == 64 << 20
        };
        assert!((0..20).any(grows));
        assert!(memory_allowance().unwrap() < meminfo("MemTotal:").unwrap());
    }

    #[test]
    fn groups_of_either_version_and_those_around_them_count() {
        let first = group_folders("9:name=systemd:/a\n4:cpu,memory:/jobs/one\n0::/\n");
        assert_eq!(
            first,
            [
                "/sys/fs/cgroup/memory/jobs/one",
                "/sys/fs/cgroup/memory/jobs",
                "/sys/fs/cgroup",
                "/sys/fs/cgroup/memory"
            ]
        );
        let second = group_folders("0::/user.slice/job:7.scope\n");
        assert_eq!(second[..2], ["/sys/fs/cgroup/user.slice/job:7.scope", "/sys/fs/cgroup/user.slice"]);
    }
}
