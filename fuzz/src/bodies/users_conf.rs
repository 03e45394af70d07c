//! users.conf of any bytes: an account is sound, and no finding tells a password.

use std::path::{Component, Path};

use longshore::settings::Permissions;
use longshore::users::{AnonymousUser, Finding, Roster, RosterSources, SingleUser, UsersText};

use super::{CANARY, CANARY_HEAD, contains};

/// Stands for a password in an input, wherever the fuzzer puts it.
const PASSWORD: u8 = 1;
const HOME_ROOT: &str = "/srv/ftp";

/// A text, in which each byte 1 is a password. It is also the inline user, whose name and password a line feed parts.
pub(super) fn run(input: &[u8]) {
    if contains(input, CANARY_HEAD.as_bytes()) {
        return;
    }
    let text = with_passwords(input);
    let found = assemble(&text, b"", b"");
    match &found {
        Ok((roster, findings)) => {
            check_roster(roster);
            check_findings(findings);
        }
        Err(findings) => {
            assert!(!findings.is_empty(), "refused without a word");
            check_findings(findings);
        }
    }
    if !text.contains(&b'\r') {
        let other_ends = text.split(|&byte| byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
        assert_eq!(format!("{found:?}"), format!("{:?}", assemble(&other_ends, b"", b"")), "CR LF is LF");
    }
    let mut halves = text.splitn(2, |&byte| byte == b'\n');
    let (name, password) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
    match assemble(b"", name, password) {
        Ok((roster, findings)) => {
            check_roster(&roster);
            check_findings(&findings);
        }
        Err(findings) => check_findings(&findings),
    }
}

fn with_passwords(input: &[u8]) -> Vec<u8> {
    input.split(|&byte| byte == PASSWORD).collect::<Vec<_>>().join(CANARY.as_bytes())
}

fn assemble(text: &[u8], name: &[u8], password: &[u8]) -> Result<(Roster, Vec<Finding>), Vec<Finding>> {
    let permissions = Permissions::ALL;
    let name = String::from_utf8_lossy(name);
    let single = SingleUser { name: &name, password, permissions, home: Path::new("/srv/ftp/single") };
    let anonymous = AnonymousUser { home: Path::new("/srv/ftp/anonymous"), permissions };
    let texts = [UsersText { source: "users.conf", text }];
    let sources = RosterSources { home_root: Path::new(HOME_ROOT), texts: &texts, single, anonymous: Some(anonymous) };
    Roster::assemble(&sources)
}

fn check_roster(roster: &Roster) {
    for account in roster.accounts() {
        let found = roster.find(account.name.as_bytes()).expect("an account is found by its name");
        assert_eq!(found.name, account.name);
        assert!(account.home.is_absolute());
        let plain = |component| matches!(component, Component::RootDir | Component::Normal(_));
        assert!(account.home.components().all(plain), "{:?}", account.home);
        assert!(!account.name.contains(['/', '\0', '\r', '\n']) && !account.name.is_empty());
        assert_eq!(account.anonymous, account.name == "anonymous");
    }
}

fn check_findings(findings: &[Finding]) {
    for finding in findings {
        let told = finding.to_string();
        assert!(!told.contains(CANARY_HEAD), "a password is told: {told:?}");
        assert!(!told.chars().any(char::is_control), "a finding is one line: {told:?}");
    }
}
