//! Whether a home can be reached at all, asked when nobody logs in.

use std::io;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{Access, AtFlags, CWD, accessat};

/// Does with the home at `path`, a path of this machine, what a log-in would, up to making it where homes are made
/// (`create`): then it is enough that it could be. Nothing is changed.
///
/// # Errors
/// Why a log-in would fail.
pub fn reach_home(path: &Path, create: bool) -> io::Result<()> {
    match Dir::open_ambient_dir(path, ambient_authority()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && create => can_be_made(path).unwrap_or(Err(error)),
        opened => opened.map(drop),
    }
}

/// Whether the first that is there, of all that is above `path`, takes new directories.
fn can_be_made(path: &Path) -> Option<io::Result<()>> {
    let above = path.ancestors().skip(1).find(|above| above.exists())?;
    Some(accessat(CWD, above, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).map_err(io::Error::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_there_or_could_be_made() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("a/b");
        reach_home(folder.path(), false).unwrap();
        reach_home(&missing, true).unwrap();
        assert!(!folder.path().join("a").exists(), "nothing is made");
        assert_eq!(reach_home(&missing, false).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::write(folder.path().join("a"), "").unwrap();
        for create in [false, true] {
            assert_eq!(reach_home(&missing, create).unwrap_err().kind(), io::ErrorKind::NotADirectory);
        }
    }
}
