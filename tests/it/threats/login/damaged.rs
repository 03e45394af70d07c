//! Accounts that are damaged or dangerous keep the server from starting, whole file or nothing.

use crate::binary::{PROGRAM, Setup};

const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
                    0123456789012345678901234567890123456789012";

/// The server does not start with this in line 2 of users.conf, and says which line it is.
#[track_caller]
fn is_refused(line: &[u8]) {
    // Lest a server that does start be waited for.
    let setup = Setup::new().program(&["timeout", "20", PROGRAM]).file("conf/users.conf", "");
    let text = [b"bob secret elradfmwMT bob\n", line, b"\nann secret elr ann\n"].concat();
    std::fs::write(setup.path("conf/users.conf"), text).unwrap();
    let output = setup.run();
    let said = String::from_utf8_lossy(&output.stderr);
    let shown = line.escape_ascii();
    assert_eq!(output.status.code(), Some(2), "{shown}: {said}");
    assert!(said.contains("users.conf:2: "), "{shown}: {said}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("listening"), "{shown}");
}

/// T18: no damage to a line opens a door: not an empty password, not a cut or unknown hash, not a column too few.
#[test]
fn a_damaged_account_keeps_the_server_from_starting() {
    let cut = &HASH[..HASH.len() - 20];
    let damaged = [
        // Columns.
        "eve",
        "eve s",
        "eve s elr",
        "eve:s:elr:eve",
        "eve,s,elr,eve",
        "{\"name\": \"eve\"}",
        "[eve]",
        "eve s elr eve extra",
        "eve two words elr eve",
        "eve \"open elr eve",
        "eve \"s\"x elr eve",
        "eve s elr \"eve",
        "eve s # elr eve",
        "eve s elr eve # comment",
        "*",
        "* * * *",
        // Passwords that are none.
        "eve \"\" elr eve",
        "eve  elr eve",
        "eve $5$ elr eve",
        "eve $6$salt elr eve",
        "eve $6$salt$ elr eve",
        "eve $6$salt$short elr eve",
        "eve $6$rounds=x$salt$short elr eve",
        "eve $6$rounds=999999999$salt$short elr eve",
        "eve $1$salt$abcdefghijklmnopqrstuv elr eve",
        "eve $y$j9T$salt$hash elr eve",
        "eve $7$salt$hash elr eve",
        "eve $2b$ elr eve",
        "eve $2b$10$short elr eve",
        "eve $2b$99$KIXQ4r1mQ1Y1ZkqXz8Qy0eJ0Z0Z0Z0Z0Z0Z0Z0Z0Z0Z0Z0Z0Z0Z0Z elr eve",
        "eve $2x$10$KIXQ4r1mQ1Y1ZkqXz8Qy0eJ0Z0Z0Z0Z0Z0Z0Z0Z0Z0Z0Z0Z0Z0Z0Z elr eve",
        "eve $argon2id$ elr eve",
        "eve $argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ elr eve",
        "eve $argon2id$v=19$m=99999999,t=2,p=1$c29tZXNhbHQ$c29tZWhhc2hzb21laGFzaA elr eve",
        "eve $argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$c29tZWhhc2hzb21laGFzaA elr eve",
        "eve $pbkdf2-sha256$1$salt$hash elr eve",
        "eve $unknown$x elr eve",
        // Permissions.
        "eve s * eve",
        "eve s elrX eve",
        "eve s ELR eve",
        "eve s 777 eve",
        "eve s e,l,r eve",
        // Homes.
        "eve s elr \"\"",
        "eve s elr ..",
        "eve s elr ../bob",
        "eve s elr /srv/../etc",
        "eve s elr a/..",
        // Keys.
        "eve s elr eve max_cons",
        "eve s elr eve max_cons=",
        "eve s elr eve max_cons=-1",
        "eve s elr eve max_cons=1e3",
        "eve s elr eve max_cons=99999999999999999999",
        "eve s elr eve max_cons=1 max_cons=2",
        "eve s elr eve max_upload=fast",
        "eve s elr eve from=anywhere",
        "eve s elr eve from=10.0.0.0/33",
        "eve s elr eve from=",
        "eve s elr eve admin=true",
        "eve s elr eve home=/",
        "eve s elr eve =",
        "eve s elr eve quota=-1",
        // The same name again.
        "bob other elr bob",
    ];
    let lines: Vec<Vec<u8>> = damaged.iter().map(|line| line.as_bytes().to_vec()).collect();
    let cut = [format!("eve {cut} elr eve"), format!("eve {HASH}x$ elr eve")].map(String::into_bytes);
    let bytes =
        [&b"eve s elr e\0ve"[..], b"e\xff\xfe s elr eve", b"eve s \xff eve", b"\0\0\0\0\0\0"].map(<[u8]>::to_vec);
    let all: Vec<Vec<u8>> = lines.into_iter().chain(cut).chain(bytes).collect();
    assert!(all.len() >= 60, "{}", all.len());
    all.iter().for_each(|line| is_refused(line));
}

/// T19: a name that could become another directory, or nothing, is no user's.
#[test]
fn a_dangerous_name_keeps_the_server_from_starting() {
    let long = "x".repeat(300);
    for name in [
        "..",
        ".",
        "\"\"",
        "a/../../etc",
        "/etc",
        "a/b",
        "a\0b",
        "a\x1b[2J",
        "\"a\x01\"",
        "a\u{85}b",
        "anonymous",
        &long,
    ] {
        is_refused(format!("{name} s elr home").as_bytes());
    }
    for name in ["..", ".", "a/../../etc", "a\x1b[2J", "anonymous", &long] {
        let setup = Setup::new().program(&["timeout", "20", PROGRAM]);
        let output = setup.variable("FTP_USER", name).variable("FTP_PASS", "s").run();
        assert_eq!(output.status.code(), Some(2), "{name:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("the user "), "{name:?}");
    }
}
