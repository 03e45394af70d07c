//! How much memory this process may have: that of the machine, or less where a control group bounds it.

use std::path::{Component, Path, PathBuf};

use super::mounts::unescaped;

/// Memory that is not for hashes even where there is little: sessions, buffers, the runtime. In KiB.
const REST: u64 = 16 * 1024;

/// The memory of the process, in KiB: the least of what the machine has and what the limits of its control group, and of
/// those above it, allow (`memory.max` and `memory.high` of version 2, `memory.limit_in_bytes` of version 1). `root` is
/// where `/proc` and the control groups are, `/` outside of tests. `None` where nothing can be read.
pub(super) fn memory(root: &Path) -> Option<u64> {
    let limits = limit_files(root).into_iter().filter_map(|file| {
        // `max`, or not there, is no limit.
        std::fs::read_to_string(file).ok()?.trim().parse::<u64>().ok().map(|bytes| bytes / 1024)
    });
    limits.chain(of_the_machine(root)).min()
}

/// The part of it that hashes may take together, in KiB.
pub(super) fn for_hashes(memory: u64) -> u64 {
    memory / 2
}

/// What one hash may take at most, in KiB, when no other is made.
pub(super) fn for_one_hash(memory: u64) -> u64 {
    memory.saturating_sub(REST)
}

fn of_the_machine(root: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(root.join("proc/meminfo")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.strip_suffix("kB")?.trim().parse().ok())
}

/// Where a hierarchy of control groups is mounted, and which of its groups is shown there.
struct Mount {
    at: PathBuf,
    shows: PathBuf,
    is_v2: bool,
}

/// The files with the limits of the own group and of each above it that can be seen.
fn limit_files(root: &Path) -> Vec<PathBuf> {
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap_or_default();
    let (own, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
    let mut files = Vec::new();
    for mount in mounts.lines().filter_map(mount_of) {
        let group = own.lines().find_map(|line| group_of(line, mount.is_v2));
        let names: &[&str] = if mount.is_v2 { &["memory.max", "memory.high"] } else { &["memory.limit_in_bytes"] };
        // Without a namespace the group has the path that the host knows, of which the mount shows the end. One that is
        // not below what is shown is told by its nearest group that is: what is shown itself.
        let below = group.as_deref().and_then(|group| group.strip_prefix(&mount.shows).ok()).unwrap_or(Path::new(""));
        let at = root.join(mount.at.strip_prefix("/").unwrap_or(&mount.at));
        let all = below.ancestors().map(|ancestor| at.join(ancestor));
        files.extend(all.flat_map(|group| names.iter().map(move |name| group.join(name))));
    }
    files
}

/// A line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)), if it is that of a hierarchy that counts memory.
fn mount_of(line: &str) -> Option<Mount> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut filesystem = filesystem.split(' ');
    let is_v2 = match filesystem.next()? {
        "cgroup2" => true,
        "cgroup" if filesystem.nth(1)?.split(',').any(|option| option == "memory") => false,
        _ => return None,
    };
    let mut mount = mount.split(' ').skip(3);
    let mut path = || Some(unescaped(mount.next()?.as_bytes()));
    Some(Mount { shows: path()?, at: path()?, is_v2 })
}

/// The group that a line of `/proc/self/cgroup` names (cgroups(7)), if it is one of this kind of hierarchy.
fn group_of(line: &str, is_v2: bool) -> Option<PathBuf> {
    let mut fields = line.splitn(3, ':').skip(1);
    let controllers = fields.next()?;
    let is_wanted =
        if is_v2 { controllers.is_empty() } else { controllers.split(',').any(|controller| controller == "memory") };
    let path = Path::new(fields.next()?);
    // Outside of the own namespace it begins with `/..`.
    let is_plain = !path.components().any(|component| component == Component::ParentDir);
    (is_wanted && is_plain).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir_all, write};

    const MIB: u64 = 1024 * 1024;

    /// A machine of 8 GiB with these files.
    fn memory_of(files: &[(&str, &str)]) -> Option<u64> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in [("proc/meminfo", "MemFree: 1 kB\nMemTotal:        8388608 kB\n")].iter().chain(files) {
            let path = root.path().join(name);
            create_dir_all(path.parent().unwrap()).unwrap();
            write(path, text).unwrap();
        }
        memory(root.path()).map(|kib| kib / 1024)
    }

    fn v2(group: &str, shows: &str, limits: &[(&str, &str)]) -> Option<u64> {
        let (own, mount) =
            (format!("0::{group}\n"), format!("30 23 0:26 {shows} /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"));
        let named: Vec<_> = limits.iter().map(|(name, limit)| (format!("sys/fs/cgroup/{name}"), *limit)).collect();
        let limits = named.iter().map(|(name, limit)| (name.as_str(), *limit));
        let files: Vec<_> =
            [("proc/self/cgroup", &*own), ("proc/self/mountinfo", &*mount)].into_iter().chain(limits).collect();
        memory_of(&files)
    }

    #[test]
    fn version_2_with_and_without_a_namespace() {
        let limit = (512 * MIB).to_string();
        let own = [("memory.max", &*limit)];
        assert_eq!(v2("/", "/", &own), Some(512), "a container with a namespace of its own");
        assert_eq!(v2("/docker/abc", "/docker/abc", &own), Some(512), "one without");
        assert_eq!(v2("/docker/abc", "/", &[("docker/abc/memory.max", &limit)]), Some(512), "the host shows all");
        assert_eq!(v2("/docker/abc/x", "/docker/abc", &[("x/memory.max", &limit)]), Some(512), "a group within");
        assert_eq!(v2("/../other", "/", &own), Some(512), "moved out of its namespace");
        assert_eq!(v2("/a", "/", &[("a/memory.max", "max\n")]), Some(8192));
        assert_eq!(v2("/a", "/", &[("b/memory.max", &limit)]), Some(8192), "that of others");
    }

    #[test]
    fn the_least_of_all_above_counts() {
        let (small, large) = ((256 * MIB).to_string(), (1024 * MIB).to_string());
        assert_eq!(v2("/a/b", "/", &[("a/memory.max", &small), ("a/b/memory.max", &large)]), Some(256));
        assert_eq!(v2("/a/b", "/", &[("a/memory.max", &large), ("a/b/memory.max", &small)]), Some(256));
        assert_eq!(v2("/a", "/", &[("a/memory.max", &large), ("a/memory.high", &small)]), Some(256));
        assert_eq!(
            v2("/a", "/", &[("a/memory.max", &(99 * 1024 * MIB).to_string())]),
            Some(8192),
            "no more than there is"
        );
    }

    #[test]
    fn version_1_beside_version_2() {
        let own = "9:name=systemd:/\n4:memory,hugetlb:/docker/abc\n0::/docker/abc\n";
        let mounts = "31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
                      32 30 0:28 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
                      33 30 0:29 /docker/abc /sys/fs/cgroup/me\\040mory rw shared:1 - cgroup cgroup rw,hugetlb,memory\n";
        let limit = "sys/fs/cgroup/me mory/memory.limit_in_bytes";
        let with = |text: &str| memory_of(&[("proc/self/cgroup", own), ("proc/self/mountinfo", mounts), (limit, text)]);
        assert_eq!(with("536870912\n"), Some(512));
        assert_eq!(with("9223372036854771712\n"), Some(8192), "no limit");
    }

    #[test]
    fn nothing_that_can_be_read_is_no_limit() {
        assert_eq!(memory_of(&[]), Some(8192));
        assert_eq!(memory(Path::new("/nowhere")), None);
        assert!(memory(Path::new("/")).is_some_and(|own| own > 1024));
    }

    #[test]
    fn hashes_leave_room_for_the_rest() {
        let half_a_gib = 512 * 1024;
        assert_eq!(for_hashes(half_a_gib), 256 * 1024);
        assert_eq!(for_one_hash(half_a_gib), 496 * 1024);
        assert_eq!(for_one_hash(1024), 0);
    }
}
