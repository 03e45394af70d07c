//! A user's home: a directory handle that no path leads out of, and what the user may do beneath it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::FileError;
use super::quota::{Charge, Ledger, Quotas};
use crate::settings::{Permission, Permissions, UploadMode};

/// Everything that can be done to served files. Each operation asks for its permission itself, so that no command can
/// forget to, and each takes paths as the client means them.
///
/// Links are followed where they stay inside. Those that lead out, or are absolute, are refused by the kernel
/// (`openat2` with `RESOLVE_BENEATH`, or step by step where a sandbox forbids that call; `cap-std` chooses). What
/// removes or renames acts on the name and follows no link.
///
/// A home belongs to one log-in: opening it again finds a volume that was mounted anew.
#[derive(Debug, Clone)]
pub struct Home(Arc<Inner>, Visitor);

/// Who uses a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visitor {
    /// One who gave a password.
    User,
    /// One of those who need none, and who do not know each other.
    Anybody,
}

#[derive(Debug)]
struct Inner {
    root: Dir,
    permissions: Permissions,
    modes: Modes,
    uploads: Uploads,
    ledger: Arc<Ledger>,
}

/// How files from clients come into a home.
#[derive(Debug, Clone)]
pub struct Uploads {
    /// Where their bytes go until they are whole.
    pub mode: UploadMode,
    /// Whether they are on the disk itself before they count as stored.
    pub fsync: bool,
    /// The user for whom those that broke are kept; nobody can go on with them if `None`.
    pub keeper: Option<String>,
    /// Bytes that all files of the home may have together.
    pub quota: Option<u64>,
    /// What the homes in use have.
    pub quotas: Quotas,
}

impl Default for Uploads {
    fn default() -> Self {
        Self { mode: UploadMode::Atomic, fsync: false, keeper: None, quota: None, quotas: Quotas::default() }
    }
}

/// Permission bits of what clients make, before the umask of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modes {
    /// Of new files, such as `0o666`.
    pub file: u32,
    /// Of new directories, such as `0o777`.
    pub directory: u32,
}

impl Home {
    /// Opens the directory at `path`, a path of this machine.
    ///
    /// # Errors
    /// If it is missing, no directory, or out of reach.
    pub fn open(path: &Path, permissions: Permissions, modes: Modes, uploads: Uploads) -> io::Result<Self> {
        let root = Dir::open_ambient_dir(path, ambient_authority())?;
        let ledger = uploads.quotas.ledger(&root)?;
        Ok(Self::of(root, permissions, modes, uploads, ledger))
    }

    pub(super) fn of(root: Dir, permissions: Permissions, modes: Modes, uploads: Uploads, ledger: Arc<Ledger>) -> Self {
        Self(Arc::new(Inner { root, permissions, modes, uploads, ledger }), Visitor::User)
    }

    /// The same for users without a password: what one of them stored the next one may not replace without `d`.
    #[must_use]
    pub fn for_anybody(self) -> Self {
        Self(self.0, Visitor::Anybody)
    }

    /// What the user may do here.
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        self.0.permissions
    }

    /// The gate of every operation.
    pub(super) fn ask(&self, permission: Permission) -> Result<(), FileError> {
        if self.0.permissions.contains(permission) { Ok(()) } else { Err(FileError::MissingPermission) }
    }

    /// Whether what is in a file may be lost to another that takes its name: to whoever may delete it, and to a user
    /// who may write to it.
    pub(super) fn may_replace(&self) -> bool {
        let permissions = self.0.permissions;
        permissions.contains(Permission::Delete) || permissions.contains(Permission::Store) && self.1 == Visitor::User
    }

    pub(super) fn root(&self) -> &Dir {
        &self.0.root
    }

    pub(super) fn modes(&self) -> Modes {
        self.0.modes
    }

    pub(super) fn uploads(&self) -> &Uploads {
        &self.0.uploads
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// The user whose partials are kept here.
    pub(super) fn keeper(&self) -> Option<&str> {
        self.0.uploads.keeper.as_deref().filter(|_| self.0.uploads.mode == UploadMode::Atomic)
    }

    /// The account of a file that has `charged` bytes, and will replace one of `replaces` bytes.
    pub(super) fn charge(&self, replaces: u64, charged: u64) -> Charge {
        Charge::new(Arc::clone(&self.0.ledger), self.0.uploads.quota, replaces, charged)
    }

    /// Bytes that may still be added; any number if `None`.
    pub(super) fn quota_left(&self) -> Result<Option<u64>, FileError> {
        let Some(quota) = self.0.uploads.quota else { return Ok(None) };
        Ok(Some(quota.saturating_sub(self.0.ledger.used(&self.0.root)?)))
    }

    /// Whether there is more than there may be. Not known is not more.
    pub(super) fn is_over_quota(&self) -> bool {
        let Some(quota) = self.0.uploads.quota.filter(|_| self.0.ledger.counts()) else { return false };
        self.0.ledger.used(&self.0.root).is_ok_and(|used| used > quota)
    }
}

/// Makes the directory at `path`, a path of this machine, and its parents, unless it is there. `mode` counts before the
/// umask of the process.
///
/// # Errors
/// If it cannot be made, or something else has the name.
pub fn create_home(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(path)
}
