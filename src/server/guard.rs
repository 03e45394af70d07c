//! Whom else the system lets at the files that rule the server. Told with the command that mends it, at start, by `check`
//! and at a reload; nothing is refused for it, and nothing that exists is given another owner or mode.
//!
//! What lies on a mount that nothing can be written to is not asked: a container's settings are mounted so, and who may
//! write them outside is not known here.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{getegid, geteuid};

use super::exposure::{UserHome, exposed};
use super::location::Location;
use super::mounts::Mounts;
use super::ownership::quoted;
use super::ruling::{Harm, RulingFile};
use crate::settings::Identity;

const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const OTHERS_READ: u32 = 0o004;
const OTHERS_ENTER: u32 = 0o001;
/// In a directory with it, an entry is its owner's to rename and remove.
const STICKY: u32 = 0o1000;

/// A line for each place where others may change what the server reads or runs, and for each secret they may read.
#[must_use]
pub(super) fn unguarded(files: &[RulingFile], run_as: Identity) -> Vec<String> {
    let mounts = Mounts::of_this_process();
    let owner = run_as.wanted().unwrap_or((geteuid().as_raw(), getegid().as_raw()));
    let inputs: Vec<(&RulingFile, Location)> =
        files.iter().filter(|file| file.is_input).map(|file| (file, Location::of(&file.path))).collect();

    let mut open: BTreeMap<&Path, (String, Vec<&str>)> = BTreeMap::new();
    for (file, location) in &inputs {
        for place in location.names.iter().flat_map(|name| name.ancestors()) {
            if let Some(lack) = what_lets_others_change(place, owner, &mounts) {
                let (_, settings) = open.entry(place).or_insert((lack, Vec::new()));
                if !settings.contains(&file.setting.as_str()) {
                    settings.push(&file.setting);
                }
            }
        }
    }
    let changed = open.into_values().map(|(lack, settings)| format!("{}: {lack}", settings.join(", ")));
    let read = inputs.iter().filter(|(file, _)| file.harm == Harm::Read);
    let read = read.filter_map(|(file, location)| what_lets_others_read(file, &location.place(), owner, &mounts));
    let named_twice = inputs.iter().filter(|(file, _)| !file.is_program()).filter_map(|(file, _)| names(file));
    changed.chain(read).chain(named_twice).collect()
}

/// That a fault of the server would be a fault of root's.
#[must_use]
pub(super) fn stays_root(run_as: Identity) -> Option<String> {
    (geteuid().is_root() && run_as.wanted().is_none()).then(|| {
        "run_as: this process is root and stays it, so whoever finds a fault in it has the machine; to mend it: set run_as \
         to the uid:gid of a user that owns the homes and nothing else, or start as that user"
            .to_owned()
    })
}

/// That clients may put another program in the place of this one, which is run at the next start.
#[must_use]
pub(super) fn own_program<'a>(homes: impl IntoIterator<Item = UserHome<'a>>) -> Vec<String> {
    let program = fs::read_link("/proc/self/exe").map(|path| RulingFile {
        setting: "the server's own program".to_owned(),
        kind: "it",
        path,
        harm: Harm::Change,
        is_input: true,
    });
    program.map(|program| exposed(&[program], homes)).unwrap_or_default()
}

/// What is wrong with a file, link or directory that decides what the server reads, and the command that mends it.
fn what_lets_others_change(place: &Path, (uid, gid): (u32, u32), mounts: &Mounts) -> Option<String> {
    let found = fs::symlink_metadata(place).ok()?;
    if mounts.is_read_only(place) {
        return None;
    }
    let (shown, mode) = (place.display(), found.mode() & 0o7777);
    let mend = |command: &str| format!("to mend it: {command} {}", quoted(place));
    if ![0, uid, geteuid().as_raw()].contains(&found.uid()) {
        let mend = mend(&format!("chown {uid}:{gid}"));
        return Some(format!(
            "{shown} belongs to uid {}, who may change what the server does by it; {mend}",
            found.uid()
        ));
    }
    // The mode of a link means nothing.
    if found.is_symlink() || found.is_dir() && mode & STICKY != 0 {
        return None;
    }
    // A group with the number of the owner is the owner's own.
    let has_own_group = found.gid() == found.uid() && found.uid() != 0;
    let (who, command) = match mode {
        _ if mode & OTHERS_WRITE != 0 => ("everybody on this machine".to_owned(), "chmod go-w"),
        _ if mode & GROUP_WRITES != 0 && !has_own_group => (format!("the group {}", found.gid()), "chmod g-w"),
        _ => return None,
    };
    Some(format!("{shown} with mode {mode:03o} lets {who} change what the server does; {}", mend(command)))
}

/// The same of a secret that others may read: their way to it is open, and it is not empty.
fn what_lets_others_read(file: &RulingFile, place: &Path, owner: (u32, u32), mounts: &Mounts) -> Option<String> {
    let found = fs::metadata(place).ok()?;
    let mode = found.mode() & 0o7777;
    let is_open = |above: &Path| fs::metadata(above).is_ok_and(|found| found.mode() & OTHERS_ENTER != 0);
    let is_read = mode & OTHERS_READ != 0 && place.ancestors().skip(1).all(is_open);
    if !is_read || mounts.is_read_only(place) || !holds_something(place) {
        return None;
    }
    let shown = quoted(place);
    let chown =
        if needs_owner(&found, owner) { format!("chown {}:{} {shown} && ", owner.0, owner.1) } else { String::new() };
    Some(format!(
        "{}: {} holds passwords or keys, and its mode {mode:03o} lets everybody on this machine read it; to mend it: {chown}chmod o-r \
         {shown}",
        file.setting,
        place.display()
    ))
}

/// Whether the server itself would not read the file any more if others did not.
fn needs_owner(found: &Metadata, (uid, gid): (u32, u32)) -> bool {
    uid != 0 && found.uid() != uid && (found.gid() != gid || found.mode() & 0o040 == 0)
}

/// Whether there is more in it than comments.
fn holds_something(file: &Path) -> bool {
    fs::read(file).is_ok_and(|text| {
        text.split(|&byte| byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .any(|line| !line.is_empty() && !line.starts_with(b"#"))
    })
}

/// That a file has other names, which may lie in a home.
fn names(file: &RulingFile) -> Option<String> {
    let found = fs::metadata(&file.path).ok().filter(|found| found.is_file() && found.nlink() > 1)?;
    let (shown, mut new) = (quoted(&file.path), file.path.clone().into_os_string());
    new.push(".new");
    let new = quoted(&PathBuf::from(new));
    Some(format!(
        "{}: {} is one of {} names (hard links) of a file, and whether another lies in a home is not known; to mend it: cp -p \
         {shown} {new} && mv {new} {shown}",
        file.setting,
        file.path.display(),
        found.nlink()
    ))
}
