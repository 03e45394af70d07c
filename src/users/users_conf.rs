//! users.conf: a user a line, `name password permissions home [key=value …]`.
//!
//! Bytes in, accounts and findings out. No sentence repeats what stands in a line, but for keys and for names that
//! passed their check: columns shift when a password lacks its quotes, so any other column may hold a part of it.

use std::ffi::OsStr;
use std::fmt::Display;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::account::Account;
use super::columns::{BadValue, Columns};
use super::finding::{Finding, Place};
use super::key::Key;
use super::password::Secret;
use super::user_name::user_name;
use crate::settings::Permissions;

/// A whole text, read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// The users without a problem, each with the line it stands in.
    pub(super) accounts: Vec<(Place, Account)>,
    pub(super) problems: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
}

/// Reads the text that the operator knows as `source`. Homes that are relative lie in `home_root`.
pub(super) fn read(source: &str, text: &[u8], home_root: &Path) -> Reading {
    let mut reading = Reading::default();
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line).trim_ascii_start();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        match account(line, home_root) {
            Ok(account) => reading.accounts.push((Place::line(source, number), account)),
            Err(wrong) => {
                reading.problems.extend(wrong.iter().map(|sentence| Place::line(source, number).finding(sentence)));
            }
        }
    }
    if let Some((place, _)) = reading.accounts.iter().find(|(_, account)| account.has_plain_password()) {
        reading.warnings.push(place.clone().finding(PLAIN));
    }
    reading
}

/// The user of one line, or all that is wrong with it.
fn account(line: &[u8], home_root: &Path) -> Result<Account, Vec<String>> {
    let mut columns = Columns::of(line);
    let [name, password, letters, home] = first_four(&mut columns).map_err(|sentence| vec![sentence.to_owned()])?;
    let pairs = std::iter::from_fn(|| columns.pair()).collect::<Result<Vec<_>, _>>();
    let pairs = pairs.map_err(|bad| vec![bad.sentence().to_owned()])?;

    let mut wrong = Vec::new();
    let name = or_tell(user_name(&name), &mut wrong);
    let secret = or_tell(Secret::parse(&password), &mut wrong);
    let permissions = or_tell(permissions(&letters), &mut wrong);
    let home = or_tell(home_directory(&home, home_root), &mut wrong);
    let mut keys = Vec::new();
    for (index, (key, value)) in pairs.iter().enumerate() {
        if pairs[..index].iter().any(|(earlier, _)| earlier == key) {
            wrong.push(format!("{key} is given twice"));
        }
        keys.extend(or_tell(Key::read(key, value), &mut wrong));
    }

    match (name, secret, permissions, home) {
        (Some(name), Some(secret), Some(permissions), Some(home)) if wrong.is_empty() => {
            let mut account = Account::new(name, secret, permissions, home);
            keys.into_iter().for_each(|key| key.apply(&mut account));
            Ok(account)
        }
        _ => Err(wrong),
    }
}

fn first_four(columns: &mut Columns) -> Result<[Vec<u8>; 4], &'static str> {
    let mut next = || columns.value().unwrap_or(Err(BadValue::Missing)).map_err(BadValue::sentence);
    Ok([next()?, next()?, next()?, next()?])
}

fn permissions(letters: &[u8]) -> Result<Permissions, String> {
    let read = str::from_utf8(letters).ok().and_then(|letters| letters.parse().ok());
    read.ok_or_else(|| {
        format!("unknown permission letter in the third column, expected letters of {}", Permissions::ALL)
    })
}

/// Where the user's files are. No `..`: it would lead out of `home_root`, and through links elsewhere than it says.
fn home_directory(home: &[u8], home_root: &Path) -> Result<PathBuf, &'static str> {
    let path = Path::new(OsStr::from_bytes(home));
    if home.is_empty() {
        Err("the home is empty")
    } else if home.contains(&0) {
        Err("the home holds a NUL")
    } else if path.components().any(|component| component == Component::ParentDir) {
        Err("the home holds `..`")
    } else {
        Ok(home_root.join(path).components().collect())
    }
}

fn or_tell<T>(read: Result<T, impl Display>, wrong: &mut Vec<String>) -> Option<T> {
    read.map_err(|sentence| wrong.push(sentence.to_string())).ok()
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const PLAIN: &str =
    "plain password here, perhaps in other lines too: `longshore hash-password` makes a hash to put in its place";

#[cfg(test)]
mod tests {
    use super::super::columns::tests::quoted;
    use super::*;
    use crate::settings::Permission;
    use crate::settings::{Cidrs, Count, Permissions, Rate, Size};
    use proptest::prelude::*;

    const SECRET: &str = "S3cr3t";
    const HASH: &str = "$5$longshoresalt$GMpGfkgghj1T7zgekOu4MidNciGldp2pigIv3CmsPp5";

    fn read(text: impl AsRef<[u8]>) -> Reading {
        super::read("users.conf", text.as_ref(), Path::new("/srv/ftp"))
    }

    fn one(text: impl AsRef<[u8]>) -> Account {
        let mut reading = read(text);
        assert_eq!(reading.problems, []);
        assert_eq!(reading.accounts.len(), 1);
        reading.accounts.remove(0).1
    }

    #[test]
    fn four_columns_make_a_user() {
        let account = one("alice S3cr3t elr alice\n");
        assert_eq!(account.name, "alice");
        assert_eq!(account.home, Path::new("/srv/ftp/alice"));
        assert_eq!(account.permissions, Permissions::READ_ONLY);
        assert!(account.secret.unwrap().verify(b"S3cr3t"));
        assert!(!account.anonymous);
        assert_eq!((account.max_upload, account.max_download, account.max_cons), (None, None, None));
        assert_eq!((account.from, account.login_msg, account.quit_msg), (None, None, None));
    }

    #[test]
    fn lines_end_and_begin_in_many_ways() {
        for text in [
            "alice S3cr3t elr alice",
            "alice S3cr3t elr alice\r\n",
            "\u{feff}alice S3cr3t elr alice\n",
            "\u{feff}# users\r\n\r\nalice S3cr3t elr alice",
            "\n \t\n# bob x elr bob\n  # x\n\talice\tS3cr3t \t elr  alice \t\r\n\n",
            "\"alice\" \"S3cr3t\" \"elr\" \"alice\"",
        ] {
            let account = one(text);
            assert_eq!(account.name, "alice", "{text:?}");
            assert_eq!(account.home, Path::new("/srv/ftp/alice"), "{text:?}");
            assert!(account.secret.unwrap().verify(b"S3cr3t"), "{text:?}");
        }
        for text in ["", "\n", "\r\n\r\n", "\u{feff}", "# nobody", " \t "] {
            let reading = read(text);
            assert!(reading.accounts.is_empty() && reading.problems.is_empty(), "{text:?}");
        }
    }

    #[test]
    fn homes_are_absolute_or_in_the_root() {
        for (home, want) in [
            ("alice", "/srv/ftp/alice"),
            ("./a/./b/", "/srv/ftp/a/b"),
            (".", "/srv/ftp"),
            ("/data/x", "/data/x"),
            ("/", "/"),
            ("\"two words\"", "/srv/ftp/two words"),
            ("a..b", "/srv/ftp/a..b"),
            ("a=b", "/srv/ftp/a=b"),
        ] {
            assert_eq!(one(format!("alice {HASH} elr {home}")).home.as_os_str(), want, "{home}");
        }
        assert_eq!(one(b"alice x elr caf\xe9").home, Path::new(OsStr::from_bytes(b"/srv/ftp/caf\xe9")));
    }

    #[test]
    fn permissions_may_be_none_or_all() {
        assert_eq!(one("alice x - alice").permissions, Permissions::NONE);
        assert_eq!(one("alice x \"\" alice").permissions, Permissions::NONE);
        assert_eq!(one("alice x elradfmwMT alice").permissions, Permissions::ALL);
        assert!(one("alice x wwm alice").permissions.contains(Permission::Store));
    }

    #[test]
    fn keys_set_what_is_the_users_own() {
        let account = one("alice x elr alice max_upload=300KiB  max_download=1000 max_cons=2 quota=10G \
             from=10.0.0.0/8,2001:db8::/32\tlogin_msg=\"Hello \\\"Alice\\\"\" quit_msg=Bye!");
        assert_eq!(account.max_upload, Some(Rate(300 * 1024)));
        assert_eq!(account.max_download, Some(Rate(1000)));
        assert_eq!(account.max_cons, Some(Count(2)));
        assert_eq!(account.quota, Some(Size(10 << 30)));
        assert_eq!(account.from, "10.0.0.0/8,2001:db8::/32".parse::<Cidrs>().ok());
        assert_eq!(account.login_msg.as_deref(), Some("Hello \"Alice\""));
        assert_eq!(account.quit_msg.as_deref(), Some("Bye!"));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_without_the_password() {
        let long_name = "x".repeat(256);
        let long_name = format!("{long_name} S3cr3t elr x");
        let malformed = format!("alice {}S3cr3t elr x", &HASH[..30]);
        for (line, want) in [
            ("alice", "four columns"),
            ("alice S3cr3t", "four columns"),
            ("alice S3cr3t elr", "four columns"),
            ("alice \"\" elr x", "password is empty"),
            ("alice \"S3cr3t elr x", "not closed"),
            ("alice \"S3cr3t\"x elr x", "closing double quote"),
            ("alice S3\\cr3t \"S3cr3t\\n\" x", "backslash"),
            ("alice #S3cr3t elr x", "begins with `#`"),
            ("alice S3cr3t elr x # S3cr3t", "begins with `#`"),
            ("alice S3cr3t elr x S3cr3t", "key=value"),
            ("alice a S3cr3t elr x", "key=value"),
            ("alice a b c S3cr3t=S3cr3t elr x", "key=value"),
            ("alice a S3cr3t x", "unknown permission letter"),
            ("alice S3cr3t elx x", "unknown permission letter"),
            ("alice S3cr3t e-l x", "unknown permission letter"),
            ("alice S3cr3t elr ../x", "`..`"),
            ("alice S3cr3t elr /srv/../etc", "`..`"),
            ("alice S3cr3t elr x/..", "`..`"),
            ("alice S3cr3t elr \"\"", "home is empty"),
            ("alice S3cr3t elr x\0", "NUL"),
            (".. S3cr3t elr x", "`.` or `..`"),
            (". S3cr3t elr x", "`.` or `..`"),
            ("a/../../etc S3cr3t elr x", "`/`"),
            ("\"\" S3cr3t elr x", "name is empty"),
            ("a\x1b[2J S3cr3t elr x", "control character"),
            ("anonymous S3cr3t elr x", "enable_anonymous"),
            (&long_name, "longer than 255"),
            (&malformed, "malformed"),
            ("alice $1$S3cr3t$S3cr3t elr x", "unsupported hash"),
            ("alice $argon2i$S3cr3t elr x", "unsupported hash"),
            ("alice $2b$31$S3cr3t elr x", "malformed"),
            ("alice S3cr3t elr x quota=much", "quota: expected"),
            ("alice S3cr3t elr x max_uplod=1", "unknown key `max_uplod`"),
            ("alice S3cr3t elr x =1", "key=value"),
            ("alice S3cr3t elr x Max_cons=1", "key=value"),
            ("alice S3cr3t elr x max_upload=S3cr3t", "max_upload: expected"),
            ("alice S3cr3t elr x max_download=", "max_download: the value is empty"),
            ("alice S3cr3t elr x from=\" \"", "from: the value is empty"),
            ("alice S3cr3t elr x max_cons=-1", "max_cons: expected"),
            ("alice S3cr3t elr x max_cons=1 max_cons=2", "max_cons is given twice"),
            ("alice S3cr3t elr x from=10.0.0.0/33", "from: expected"),
            ("alice S3cr3t elr x login_msg=\"a\rb\"", "control character"),
            ("alice S3cr3t elr x quit_msg=\"\"", "quit_msg: the value is empty"),
        ] {
            let reading = read(format!("# first\n{line}\nbob {HASH} elr bob\n"));
            assert_eq!(reading.accounts.len(), 1, "{line:?}: bob alone is fine");
            let said = reading.problems.iter().map(ToString::to_string).collect::<Vec<_>>();
            let [said] = said.as_slice() else { panic!("{line:?}: {said:?}") };
            assert!(said.starts_with("users.conf:2: "), "{said}");
            assert!(said.contains(want), "{line:?}: {said}");
            assert!(!said.contains(SECRET), "{said}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_said_in_one_run() {
        let reading = read("a/b S3cr3t xyz ../x max_cons=x login=1\nalice\n\nbob x elr bob\n");
        let lines: Vec<_> = reading.problems.iter().map(|problem| problem.place.line.unwrap()).collect();
        assert_eq!(lines, [1, 1, 1, 1, 1, 2], "{:?}", reading.problems);
    }

    #[test]
    fn names_and_messages_are_utf_8_and_passwords_are_bytes() {
        assert_eq!(read(b"caf\xe9 x elr x").problems.len(), 1);
        assert_eq!(read(b"alice x \xe9 x").problems.len(), 1);
        assert_eq!(read(b"alice x elr x login_msg=\xe9").problems.len(), 1);
        assert!(one(b"alice caf\xe9 elr x").secret.unwrap().verify(b"caf\xe9"));
    }

    /// No user of the sample is active: there is no default password. Its examples are right but for the hash.
    #[test]
    fn the_sample_is_right_and_lets_nobody_in() {
        let sample = include_str!("../../conf/users.conf");
        let reading = read(sample);
        assert!(reading.accounts.is_empty() && reading.problems.is_empty());
        let example = sample.lines().find_map(|line| line.strip_prefix("#bob ")).unwrap();
        let bob = one(format!("bob {example}"));
        assert!(bob.secret.as_ref().unwrap().verify(b"a plain password"));
        assert!(bob.max_download.is_some() && bob.from.is_some());
    }

    #[test]
    fn plain_passwords_are_warned_about_once() {
        let reading = read(format!("a {HASH} elr a\nb S3cr3t elr b\nc S3cr3t elr c\n"));
        let [warning] = reading.warnings.as_slice() else { panic!("{:?}", reading.warnings) };
        assert_eq!(warning.place.line, Some(2));
        assert!(!warning.to_string().contains(SECRET));
        assert_eq!(read(format!("a {HASH} elr a\n")).warnings, []);
    }

    proptest! {
        #[test]
        fn any_password_but_a_line_end_can_be_written(password in prop::collection::vec(any::<u8>(), 1..40)) {
            prop_assume!(!password.contains(&b'\n') && password[0] != b'$');
            let mut line = b"alice ".to_vec();
            line.extend(quoted(&password));
            line.extend(b" elr alice\r\n");
            prop_assert!(one(line).secret.unwrap().verify(&password));
        }

        #[test]
        fn random_bytes_do_no_harm(text: Vec<u8>) {
            let reading = read(&text);
            let lines = text.split(|&byte| byte == b'\n').count();
            prop_assert!(reading.accounts.len() <= lines);
        }

        /// Words that nearly make a line reach further into the reader than bytes do.
        #[test]
        fn random_words_do_no_harm(words in prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..30)) {
            let reading = read(words.concat());
            for problem in &reading.problems {
                prop_assert!(!problem.to_string().contains(SECRET), "{problem}");
            }
        }
    }

    const WORDS: [&str; 20] = [
        " ",
        "\t",
        "\n",
        "\r\n",
        "\"",
        "\\",
        "#",
        "=",
        "$",
        "alice",
        "S3cr3t",
        "S3cr3t ",
        "elr",
        "..",
        "/",
        "max_cons",
        "from",
        "login_msg=",
        " alice S3cr3t elr x ",
        "\u{e9}",
    ];
}
