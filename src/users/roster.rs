//! All who may log in, from every place that names users.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;
use std::sync::Arc;

use super::account::Account;
use super::finding::{Finding, Place};
use super::password::Secret;
use super::user_name::user_name;
use super::users_conf;
use crate::settings::Permissions;

/// The accounts, by name.
#[derive(Debug, Default)]
pub struct Roster {
    accounts: BTreeMap<String, Arc<Account>>,
}

/// What makes one roster another, in numbers of accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RosterChanges {
    /// New ones.
    pub added: usize,
    /// Those that are no more.
    pub removed: usize,
    /// Those with another password, home, letter or limit.
    pub changed: usize,
}

/// Every place that names users; the caller has read the files.
#[derive(Clone, Copy)]
pub struct RosterSources<'a> {
    /// Where relative homes lie; absolute.
    pub home_root: &'a Path,
    /// Texts in the form of users.conf: the file, and the lines given inline.
    pub texts: &'a [UsersText<'a>],
    /// The one user that needs no file; an empty name and password is none.
    pub single: SingleUser<'a>,
    /// Anonymous, if it is enabled.
    pub anonymous: Option<AnonymousUser<'a>>,
}

/// A text in the form of users.conf.
#[derive(Clone, Copy)]
pub struct UsersText<'a> {
    /// What the operator knows it as: the file's path, or the setting.
    pub source: &'a str,
    /// All of it.
    pub text: &'a [u8],
}

/// The user of the settings `user`, `pass` and `perm`.
#[derive(Clone, Copy)]
pub struct SingleUser<'a> {
    /// `user`
    pub name: &'a str,
    /// `pass`: plain, or a hash as in users.conf.
    pub password: &'a [u8],
    /// `perm`
    pub permissions: Permissions,
    /// `home_root`/name, or the folder that the command line shares; absolute.
    pub home: &'a Path,
}

/// The settings `anonymous_path` and `anonymous_perm`.
#[derive(Clone, Copy)]
pub struct AnonymousUser<'a> {
    /// `anonymous_path`; absolute.
    pub home: &'a Path,
    /// `anonymous_perm`
    pub permissions: Permissions,
}

impl Roster {
    /// All of them, and what to warn about.
    ///
    /// # Errors
    /// Every problem of every source, if there is one; a roster with a part of the users is never made.
    pub fn assemble(sources: &RosterSources) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        let mut assembly = Assembly::default();
        for text in sources.texts {
            assembly.add_text(text, sources.home_root);
        }
        assembly.add_single(&sources.single);
        if let Some(anonymous) = &sources.anonymous {
            assembly.add_anonymous(anonymous);
        }
        if assembly.problems.is_empty() {
            let accounts = assembly.accounts.into_values().map(|(_, account)| account);
            Ok((Self::new(accounts), assembly.warnings))
        } else {
            Err(assembly.problems)
        }
    }

    /// Of accounts that are known to be fine; the last of a name counts.
    #[must_use]
    pub fn new(accounts: impl IntoIterator<Item = Account>) -> Self {
        Self { accounts: accounts.into_iter().map(|account| (account.name.clone(), Arc::new(account))).collect() }
    }

    /// The account of a name as USER gives it. `ftp` is another name of anonymous (RFC 1635), unless a user has it.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<&Arc<Account>> {
        let name = str::from_utf8(name).ok()?;
        self.accounts.get(name).or_else(|| match name {
            "ftp" => self.accounts.get(Account::ANONYMOUS),
            _ => None,
        })
    }

    /// All accounts, sorted by name.
    pub fn accounts(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.accounts.values()
    }

    /// How many there are here and not there, there and not here, and in both but not alike.
    #[must_use]
    pub fn changes_since(&self, before: &Self) -> RosterChanges {
        let missing_in = |roster: &Self, names: &Self| {
            names.accounts.keys().filter(|name| !roster.accounts.contains_key(*name)).count()
        };
        let is_changed = |(name, account): &(&String, &Arc<Account>)| {
            before.accounts.get(*name).is_some_and(|known| known != *account)
        };
        RosterChanges {
            added: missing_in(before, self),
            removed: missing_in(self, before),
            changed: self.accounts.iter().filter(is_changed).count(),
        }
    }

    /// Whether nobody can log in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }
}

/// A roster in the making: each name with the place that gave it.
#[derive(Default)]
struct Assembly {
    accounts: BTreeMap<String, (Place, Account)>,
    problems: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Assembly {
    fn add_text(&mut self, text: &UsersText, home_root: &Path) {
        let reading = users_conf::read(text.source, text.text, home_root);
        self.problems.extend(reading.problems);
        self.warnings.extend(reading.warnings);
        for (place, account) in reading.accounts {
            self.add(place, account);
        }
    }

    fn add_single(&mut self, user: &SingleUser) {
        let (name_place, password_place) = (Place::setting("user"), Place::setting("pass"));
        match (user.name, user.password) {
            ("", []) => {}
            ("", _) => self.problems.push(name_place.finding("there is a `pass` and no user it belongs to")),
            (_, []) => self.problems.push(password_place.finding("there is a `user` and no password for it")),
            (name, password) => match (user_name(name.as_bytes()), Secret::parse(password)) {
                (Ok(name), Ok(secret)) => {
                    let account = Account::new(name, secret, user.permissions, user.home.to_owned());
                    self.add(name_place, account);
                }
                (name, secret) => {
                    self.problems.extend(name.err().map(|wrong| name_place.finding(wrong)));
                    self.problems.extend(secret.err().map(|wrong| password_place.finding(wrong)));
                }
            },
        }
    }

    fn add_anonymous(&mut self, anonymous: &AnonymousUser) {
        let account = Account::anonymous(anonymous.permissions, anonymous.home.to_owned());
        self.add(Place::setting("enable_anonymous"), account);
    }

    fn add(&mut self, place: Place, account: Account) {
        match self.accounts.entry(account.name.clone()) {
            Entry::Vacant(free) => {
                free.insert((place, account));
            }
            Entry::Occupied(taken) => {
                let (first, account) = taken.get();
                self.problems
                    .push(place.finding(format!("the user `{}` is defined already, in {first}", account.name)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single<'a>(name: &'a str, password: &'a [u8]) -> SingleUser<'a> {
        SingleUser { name, password, permissions: Permissions::ALL, home: Path::new("/srv/ftp/single") }
    }

    fn sources<'a>(texts: &'a [UsersText<'a>]) -> RosterSources<'a> {
        RosterSources { home_root: Path::new("/srv/ftp"), texts, single: single("", b""), anonymous: None }
    }

    fn text<'a>(source: &'a str, text: &'a str) -> UsersText<'a> {
        UsersText { source, text: text.as_bytes() }
    }

    fn said(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_source_adds_its_users() {
        let texts = [text("users.conf", "alice x elr alice\nbob x elr /data/bob"), text("users", "carol x elr carol")];
        let (roster, warnings) = Roster::assemble(&RosterSources {
            single: single("dave", b"x"),
            anonymous: Some(AnonymousUser { home: Path::new("/srv/pub"), permissions: Permissions::READ_ONLY }),
            ..sources(&texts)
        })
        .unwrap();
        let homes: Vec<_> =
            roster.accounts().map(|account| (account.name.as_str(), account.home.to_str().unwrap())).collect();
        let want = [
            ("alice", "/srv/ftp/alice"),
            ("anonymous", "/srv/pub"),
            ("bob", "/data/bob"),
            ("carol", "/srv/ftp/carol"),
            ("dave", "/srv/ftp/single"),
        ];
        assert_eq!(homes, want);
        assert_eq!(warnings.len(), 2, "one for each text: {warnings:?}");
        assert_eq!(roster.find(b"dave").unwrap().permissions, Permissions::ALL);
    }

    #[test]
    fn nobody_is_a_roster_too() {
        let (roster, warnings) = Roster::assemble(&sources(&[])).unwrap();
        assert!(roster.is_empty() && warnings.is_empty());
    }

    #[test]
    fn changes_are_counted_by_name() {
        let hash = "$5$longshoresalt$GMpGfkgghj1T7zgekOu4MidNciGldp2pigIv3CmsPp5";
        let roster = |conf: &str| Roster::assemble(&sources(&[text("users.conf", conf)])).unwrap().0;
        let before = roster(&format!("alice {hash} elr alice\nbob x elr bob\ncarol x elr carol\ndave x elr dave"));
        let after =
            roster(&format!("bob x elr bob\nalice {hash} elr alice\ncarol y elr carol\ndave x el dave\nerin x - e"));
        assert_eq!(after.changes_since(&before), RosterChanges { added: 1, removed: 0, changed: 2 });
        assert_eq!(before.changes_since(&after), RosterChanges { added: 0, removed: 1, changed: 2 });
        assert_eq!(before.changes_since(&before), RosterChanges { added: 0, removed: 0, changed: 0 });
    }

    #[test]
    fn names_are_found_as_they_are_written() {
        let anonymous = || Account::anonymous(Permissions::READ_ONLY, "/srv/pub".into());
        let user = |name| Account::new(name, Secret::parse(b"x").unwrap(), Permissions::ALL, "/".into());
        let roster = Roster::new([anonymous(), user("alice")]);
        assert!(roster.find(b"alice").is_some_and(|account| !account.anonymous));
        assert!(roster.find(b"anonymous").unwrap().anonymous);
        assert!(roster.find(b"ftp").unwrap().anonymous);
        for unknown in [&b"Alice"[..], b"ALICE", b"alice ", b"", b"Anonymous", b"FTP", b"\xff"] {
            assert!(roster.find(unknown).is_none(), "{unknown:?}");
        }
        assert!(!Roster::new([anonymous(), user("ftp")]).find(b"ftp").unwrap().anonymous);
        assert!(Roster::new([user("alice")]).find(b"ftp").is_none());
    }

    #[test]
    fn a_name_may_be_defined_once_in_all_sources() {
        let texts = [
            text("users.conf", "alice x elr alice\nbob x elr bob\nalice y elr alice"),
            text("users", "# more\nbob z elr bob"),
        ];
        let single = single("alice", b"x");
        let problems = Roster::assemble(&RosterSources { single, ..sources(&texts) }).unwrap_err();
        assert_eq!(
            said(&problems),
            [
                "users.conf:3: the user `alice` is defined already, in users.conf:1",
                "users:2: the user `bob` is defined already, in users.conf:2",
                "user: the user `alice` is defined already, in users.conf:1",
            ]
        );
    }

    #[test]
    fn the_problems_of_all_sources_come_together() {
        let texts = [text("users.conf", "alice"), text("users", "bob x elq bob")];
        for (name, password, want) in [
            ("carol", &b""[..], &["pass: "][..]),
            ("", b"S3cr3t", &["user: "]),
            ("a/b", b"S3cr3t", &["user: "]),
            ("anonymous", b"S3cr3t", &["user: "]),
            ("carol", b"$1$S3cr3t$x", &["pass: "]),
            ("..", b"$6$S3cr3t", &["user: ", "pass: "]),
        ] {
            let single = single(name, password);
            let problems = said(&Roster::assemble(&RosterSources { single, ..sources(&texts) }).unwrap_err());
            let want: Vec<_> = ["users.conf:1: ", "users:1: "].iter().chain(want).collect();
            assert_eq!(problems.len(), want.len(), "{problems:?}");
            for (problem, want) in problems.iter().zip(want) {
                assert!(problem.starts_with(want), "{problem}");
                assert!(!problem.contains("S3cr3t"), "{problem}");
            }
        }
    }

    #[test]
    fn a_roster_shown_for_debugging_holds_no_password() {
        let texts = [text("users.conf", "alice S3cr3t elr alice")];
        let (roster, _) = Roster::assemble(&sources(&texts)).unwrap();
        let shown = format!("{roster:?}");
        assert!(shown.contains("alice") && !shown.contains("S3cr3t"), "{shown}");
    }
}
