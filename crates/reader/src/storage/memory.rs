//! How much memory there is.

/// Bytes of memory that could be had, where the system tells: what is free or can be freed, and what control groups leave of
/// their limits.
pub(crate) fn available_memory() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let free = line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)?;
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

/// What a group leaves of its limit, if it has one.
fn left_in(folder: &str) -> Option<u64> {
    let number =
        |name: &str| std::fs::read_to_string(format!("{folder}/{name}")).ok()?.trim().parse::<u64>().ok();
    let (limit, used) = match number("memory.max") {
        Some(limit) => (limit, number("memory.current")?),
        None => (number("memory.limit_in_bytes")?, number("memory.usage_in_bytes")?),
    };
    // Pages of files that were read count as used, and are given back when somebody needs them.
    let stat = std::fs::read_to_string(format!("{folder}/memory.stat")).unwrap_or_default();
    let value = stat.lines().find_map(|line| line.strip_prefix("inactive_file "));
    let cache = value.and_then(|value| value.trim().parse::<u64>().ok()).unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(cache)))
}

#[cfg(test)]
mod tests {
    use super::*;

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
