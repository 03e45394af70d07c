//! Walks the table of commands: what each verb answers before the log-in, to a wrong argument, and to an attacker's.

use std::collections::BTreeSet;

use longshore::commands::{Feature, TABLE, find};

use crate::harness::TestServer;
use crate::wire::Client;

/// Who may give a command.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Anyone,
    Members,
}
use By::{Anyone, Members};

/// Every verb, an argument that is right and some that are wrong. A verb that is not here fails the test.
const VERBS: &[(&str, By, &str, &[&str])] = &[
    ("AUTH", Anyone, "TLS", &[""]),
    ("PBSZ", Anyone, "0", &["", "x"]),
    ("PROT", Anyone, "P", &["", "X"]),
    ("CCC", Anyone, "", &["x"]),
    ("USER", Anyone, "bob", &[""]),
    ("PASS", Anyone, "secret", &[]),
    ("ACCT", Anyone, "x", &[""]),
    ("HOST", Anyone, "example.org", &[""]),
    ("CLNT", Anyone, "x", &[""]),
    ("REIN", Anyone, "", &["x"]),
    ("QUIT", Anyone, "", &["x"]),
    ("CWD", Members, "d", &[]),
    ("CDUP", Members, "", &["x"]),
    ("PWD", Members, "", &["x"]),
    ("SMNT", Members, "x", &[""]),
    ("TYPE", Members, "I", &["", "X", "I N"]),
    ("MODE", Members, "S", &["", "Q"]),
    ("STRU", Members, "F", &["", "Q"]),
    ("PASV", Members, "", &["x"]),
    ("EPSV", Members, "", &["x"]),
    ("PORT", Members, "127,0,0,1,200,200", &["", "1,2,3", "127,0,0,1,0,0"]),
    ("EPRT", Members, "|1|127.0.0.1|50000|", &["", "|1|x|50000|", "|1|127.0.0.1|0|"]),
    ("PRET", Members, "LIST", &[""]),
    ("RETR", Members, "f", &[""]),
    ("STOR", Members, "f", &[""]),
    ("APPE", Members, "f", &[""]),
    ("STOU", Members, "", &[]),
    ("REST", Members, "1", &["", "x", "-1"]),
    ("ALLO", Members, "1", &["", "x", "1 R", "1 R x"]),
    ("ABOR", Members, "", &["x"]),
    ("LIST", Members, "", &[]),
    ("NLST", Members, "", &[]),
    ("MLSD", Members, "", &[]),
    ("MLST", Members, "", &[]),
    ("MKD", Members, "x", &[""]),
    ("RMD", Members, "x", &[""]),
    ("DELE", Members, "x", &[""]),
    ("RNFR", Members, "x", &[""]),
    ("RNTO", Members, "x", &[""]),
    ("SIZE", Members, "f", &[""]),
    ("MDTM", Members, "f", &[""]),
    ("MFMT", Members, "20000101000000 f", &["", "f", "20000101000000", "2000 f"]),
    ("AVBL", Members, "", &[]),
    ("HASH", Members, "f", &[""]),
    ("XCRC", Members, "f", &["", "\"f", "\"f\" x"]),
    ("XMD5", Members, "f", &["", "\"f", "\"f\" x"]),
    ("XSHA1", Members, "f", &["", "\"f", "\"f\" x"]),
    ("XSHA256", Members, "f", &["", "\"f", "\"f\" x"]),
    ("XSHA512", Members, "f", &["", "\"f", "\"f\" x"]),
    ("FEAT", Anyone, "", &["x"]),
    ("OPTS", Anyone, "UTF8 ON", &["", "NONSENSE", "HASH MD4"]),
    ("HELP", Anyone, "", &["NONSENSE"]),
    ("STAT", Anyone, "", &[]),
    ("SYST", Anyone, "", &["x"]),
    ("NOOP", Anyone, "", &[]),
    ("SITE", Members, "HELP", &["", "CHMOD", "CHMOD 999 f", "CHMOD 4755 f", "UTIME x f"]),
];

fn names_of(verb: &'static str) -> impl Iterator<Item = &'static str> {
    let spec = find(verb.as_bytes()).unwrap_or_else(|| panic!("{verb} is not in the table")).spec;
    std::iter::once(spec.verb).chain(spec.aliases.iter().copied())
}

fn line(verb: &str, argument: &str) -> String {
    if argument.is_empty() { verb.to_owned() } else { format!("{verb} {argument}") }
}

fn greeted(server: &TestServer) -> Client {
    let mut client = Client::connect(server.address);
    client.expect("220");
    client
}

#[test]
fn every_verb_of_the_table_is_walked() {
    let walked: Vec<&str> = VERBS.iter().map(|(verb, ..)| *verb).collect();
    let known: Vec<&str> = TABLE.iter().map(|entry| entry.spec.verb).collect();
    assert_eq!(walked, known);
    let names: Vec<&str> = VERBS.iter().flat_map(|(verb, ..)| names_of(verb)).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "a name stands for two commands");
}

#[test]
fn before_the_login_a_wrong_argument_is_501_and_a_right_one_530() {
    let server = TestServer::start(|_| {});
    let (mut wrong_ones, mut members) = (0, 0);
    for &(verb, by, right, wrong) in VERBS {
        for name in names_of(verb) {
            let mut client = greeted(&server);
            for argument in wrong {
                client.ask(&line(name, argument), "501 ");
                wrong_ones += 1;
            }
            let reply = client.say(&line(name, right));
            if by == Members {
                assert_eq!(reply, "530 Log in with USER and PASS first.", "{name} {right}");
                members += 1;
            } else {
                assert!(!reply.starts_with("530") && !reply.starts_with("501"), "{name} {right}: {reply}");
            }
        }
    }
    assert!(wrong_ones > 50 && members > 40, "{wrong_ones} wrong arguments, {members} commands of members");
}

#[test]
fn after_the_login_a_wrong_argument_is_501_all_the_same() {
    let server = TestServer::start(|_| {});
    let mut client = Client::login(server.address, "bob");
    let mut asked = 0;
    for &(verb, _, _, wrong) in VERBS {
        for (name, argument) in names_of(verb).flat_map(|name| wrong.iter().map(move |argument| (name, argument))) {
            client.ask(&line(name, argument), "501 ");
            asked += 1;
        }
    }
    assert!(asked > 50, "{asked}");
}

#[test]
fn nul_and_cr_in_an_argument_are_answered_and_the_session_goes_on() {
    let server = TestServer::start(|_| {});
    for &(verb, ..) in VERBS {
        for name in names_of(verb) {
            let mut client = Client::login(server.address, "bob");
            for argument in ["a\0b", "\0", "a\rb", "a\r226 ok", "/\0/x"] {
                let reply = client.say(&line(name, argument));
                assert!(!reply.contains(['\0', '\u{7f}']), "{name}: {reply:?}");
                assert!(reply.split("\r\n").all(|line| !line.contains('\r')), "{name}: {reply:?}");
                let code: u16 = reply[..3].parse().unwrap_or_else(|_| panic!("{name}: {reply:?}"));
                assert!((200..600).contains(&code) && code != 421, "{name}: {reply:?}");
                assert_eq!(code, 501, "{name} {argument:?}: {reply:?}");
                client.ask("NOOP", "200 ");
            }
        }
    }
    assert_eq!(std::fs::read_dir(server.home("bob")).unwrap().count(), 0);
}

#[test]
fn no_reply_begins_with_what_the_client_said() {
    const EVIL: [&str; 2] = ["<script>alert(1)", "227 (127,0,0,1,0,25)"];
    let server = TestServer::start(|_| {});
    let mut asked = 0;
    for evil in EVIL {
        let file = server.home("bob").join(evil);
        for &(verb, ..) in VERBS.iter().filter(|(verb, ..)| *verb != "QUIT") {
            for name in names_of(verb) {
                let mut client = Client::login(server.address, "bob");
                for there in [true, false] {
                    if there {
                        std::fs::write(&file, "x").unwrap();
                    } else {
                        let _ = std::fs::remove_file(&file).or_else(|_| std::fs::remove_dir(&file));
                    }
                    let reply = client.say(&line(name, evil));
                    for line in reply.split("\r\n") {
                        let text = line.get(4..).unwrap_or_default();
                        let shown = [line, text, line.trim_start(), text.trim_start()];
                        assert!(shown.iter().all(|text| !text.starts_with(evil)), "{name}: {reply:?}");
                    }
                    asked += 1;
                }
                let _ = std::fs::remove_file(&file).or_else(|_| std::fs::remove_dir(&file));
            }
        }
        let reply = greeted(&server).say(evil);
        assert_eq!(reply, "500 Command not understood.");
    }
    assert!(asked > 200, "{asked}");
}

#[test]
fn help_lists_every_verb_and_tells_the_form_of_each() {
    let server = TestServer::start(|_| {});
    let mut client = greeted(&server);
    let reply = client.ask("HELP", "214-");
    let listed: BTreeSet<&str> =
        reply.lines().filter(|line| line.starts_with(' ')).flat_map(str::split_whitespace).collect();
    let known: BTreeSet<&str> = TABLE.iter().map(|entry| entry.spec.verb).collect();
    assert_eq!(listed, known);
    for entry in TABLE {
        for name in names_of(entry.spec.verb) {
            let reply = client.ask(&format!("HELP {name}"), "214 ");
            let wanted = format!("214 Syntax: {} {}", entry.spec.verb, entry.spec.syntax);
            assert_eq!(reply, wanted.trim_end());
        }
    }
}

#[test]
fn feat_tells_what_the_table_tells() {
    let server = TestServer::start(|_| {});
    let reply = greeted(&server).ask("FEAT", "211-");
    let mut told: Vec<&str> = reply.lines().filter_map(|line| line.strip_prefix(' ')).collect();
    let mut chosen = 0;
    for feature in TABLE.iter().flat_map(|entry| entry.spec.features) {
        match feature {
            Feature::Fixed(text) => {
                let at = told.iter().position(|line| line == text).unwrap_or_else(|| panic!("{text} is not told"));
                told.remove(at);
            }
            Feature::Chosen(_) => chosen += 1,
        }
    }
    // Those of TLS are not, where there is none.
    assert_eq!(told.len(), chosen - 3, "told besides the fixed ones: {told:?}");
    assert!(chosen >= 3 && told.iter().any(|line| line.starts_with("MLST type*;")), "{told:?}");
}
