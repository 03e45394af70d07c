//! `longshore -w -d .` and its kin: one folder shared at once.

use std::path::PathBuf;

use super::Operator;

#[test]
fn minus_w_minus_d_shares_a_folder_at_once() {
    let operator = Operator::new().variable("FTP_ANONYMOUS_PERM", "e");
    let folder = operator.folder.path().display().to_string();
    for (flags, directory, letters, line) in [
        (&["-w", "-d", "."][..], folder.clone(), "elradfmwMT", "may read, and write, in"),
        (&["-w"], folder.clone(), "elradfmwMT", "may read, and write, in"),
        (&["-d", "sub/./x"], format!("{folder}/sub/x"), "elr", "may read in"),
        (&["-d", "/abs"], "/abs".to_owned(), "elr", "may read in"),
    ] {
        let loaded = operator.load(flags);
        let settings = &loaded.settings;
        assert!(settings.enable_anonymous && settings.users_file.is_none(), "{flags:?}");
        assert_eq!(settings.anonymous_path, PathBuf::from(&directory));
        assert_eq!(settings.anonymous_perm, letters.parse().unwrap());
        let said = loaded.share.unwrap().describe(settings);
        assert_eq!(said, format!("anonymous {line} {directory} (pass -u and -P for a password)"));
    }
}

#[test]
fn a_share_with_a_user_is_that_users() {
    let loaded = Operator::new().load(&["-u", "bob", "-P", "secret", "-d", "/data"]);
    let share = loaded.share.unwrap();
    assert!(!loaded.settings.enable_anonymous);
    assert_eq!(share.directory, PathBuf::from("/data"));
    assert_eq!(loaded.settings.perm, "elr".parse().unwrap());
    assert_eq!(share.describe(&loaded.settings), "bob may read in /data");
    assert!(Operator::new().complaint(&["-u", "bob", "-w"]).contains("without a password"));
}

#[test]
fn a_share_heeds_what_was_said_besides() {
    let named = Operator::new().variable("FTP_USERS_FILE", "mine.conf").load(&["-w"]);
    assert_eq!(named.settings.users_file, Some("mine.conf".into()));
    assert_eq!(Operator::new().load(&["-w", "--anonymous-perm", "el"]).settings.anonymous_perm, "el".parse().unwrap());
    assert_eq!(Operator::new().load(&["-u", "bob", "-P", "x"]).share, None);
}
