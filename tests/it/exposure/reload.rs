//! The same at a reload: nothing changes, and which programs are run does not change at all.

use std::os::unix::fs::symlink;

use crate::binary::Setup;
use crate::reload::{hang_up, hang_up_in_vain, put};
use crate::wire::Client;

const SETTINGS: &str = "conf/settings.toml";
const USERS: &str = "conf/users.conf";
const BOB: &str = "bob secret elradfmwMT bob\n";

fn gets_in(server: std::net::SocketAddr, user: &str) -> bool {
    let mut client = Client::connect(server);
    client.expect("220");
    client.ask(&format!("USER {user}"), "331");
    client.say("PASS secret").starts_with("230")
}

#[test]
fn a_new_user_whose_home_holds_a_file_is_refused_with_all_else() {
    let setup = Setup::new().file(SETTINGS, "logging_name = \"logs/log\"\n");
    std::fs::create_dir(setup.path("logs")).unwrap();
    symlink("../conf", setup.path("home/link")).unwrap();
    let folder = setup.path("").display().to_string();
    let folder = folder.trim_end_matches('/');
    let mut server = setup.start();
    for (home, file) in [
        (format!("{folder}/conf"), "users.conf"),
        (format!("{folder}/conf"), "settings.toml"),
        (folder.to_owned(), "users.conf"),
        ("link".to_owned(), "users.conf"),
        ("link".to_owned(), "settings.toml"),
        (format!("{folder}/logs"), "logs/log"),
        ("/".to_owned(), "users.conf"),
    ] {
        put(&server, USERS, format!("{BOB}alice secret elw {home}\ncarol secret elr carol\n"));
        hang_up_in_vain(&mut server, &format!("{file}, which clients at home in "));
        assert!(
            gets_in(server.address, "bob") && !gets_in(server.address, "carol") && !gets_in(server.address, "alice")
        );
    }
    // The log is where it was, whatever the file says of it now.
    put(&server, USERS, format!("{BOB}alice secret elw {folder}/logs\n"));
    put(&server, SETTINGS, "logging_name = \"\"\n");
    hang_up_in_vain(&mut server, "logs/log, which clients at home in ");
    put(&server, USERS, format!("{BOB}carol secret elw carol\n"));
    hang_up(&mut server);
    assert!(gets_in(server.address, "bob") && gets_in(server.address, "carol"));
    // A setting that moves a file, or the homes, is no other case.
    put(&server, "home/bob/users.conf", format!("{BOB}eve secret elr eve\n"));
    put(&server, SETTINGS, "users_file = \"home/bob/users.conf\"\n");
    hang_up_in_vain(&mut server, "home/bob/users.conf, which clients at home in ");
    put(&server, SETTINGS, "enable_anonymous = true\nanonymous_perm = \"elw\"\nanonymous_path = \"conf/../conf\"\n");
    hang_up_in_vain(&mut server, "users.conf, which clients at home in ");
    assert!(!gets_in(server.address, "eve") && !gets_in(server.address, "anonymous"));
    server.end();
}

/// Who is at home somewhere in a session that goes on is so after a reload too.
#[test]
fn the_homes_of_sessions_that_go_on_count() {
    let mut server = Setup::new().file(SETTINGS, "# nothing\n").start();
    let mut bob = Client::login(server.address, "bob");
    let users = server.folder().join("home/bob/users.conf");
    std::fs::write(&users, "carol secret elr carol\n").unwrap();
    put(&server, SETTINGS, "users_file = \"home/bob/users.conf\"\n");
    hang_up_in_vain(&mut server, "home/bob/users.conf, which clients at home in ");
    bob.ask("DELE users.conf", "250");
    assert!(gets_in(server.address, "bob") && !gets_in(server.address, "carol"));
    server.end();
}

#[test]
fn which_commands_are_run_is_decided_at_start() {
    let proof = tempfile::tempdir().unwrap();
    let touch = |name: &str| format!("/usr/bin/touch {}", proof.path().join(name).display());
    let spool = "hook_spool = \"spool\"\n";
    let before = format!("{spool}on_login = \"{}\"\n", touch("first"));
    let setup = Setup::new().file(SETTINGS, &before);
    let mut server = setup.start();
    for (text, name) in [
        (format!("{spool}on_login = \"{}\"\n", touch("other")), "on_login"),
        (format!("{before}on_delete = \"{}\"\n", touch("other")), "on_delete"),
        (format!("{spool}on_upload = \"{}\"\n", touch("first")), "on_upload"),
        (format!("{before}on_mkdir = \"/bin/true\"\nwelcome_msg = \"New\"\n"), "on_mkdir"),
        (format!("{before}on_rename = \"/bin/true\"\n"), "on_rename"),
    ] {
        put(&server, SETTINGS, text);
        hang_up_in_vain(&mut server, &format!("conf/settings.toml: {name}: found another command, /"));
    }
    Client::login(server.address, "bob").ask("QUIT", "221 Goodbye.");
    Client::connect(server.address).expect("220 Welcome");
    crate::wire::wait_until("the first command was run", || proof.path().join("first").exists());
    // Receivers by HTTP may change, and a command may be taken away; then it is another one.
    put(&server, SETTINGS, format!("{before}on_delete = \"http://127.0.0.1:1/\"\n"));
    hang_up(&mut server);
    put(&server, SETTINGS, spool);
    hang_up(&mut server);
    put(&server, SETTINGS, before);
    hang_up_in_vain(&mut server, "on_login: found another command, /usr/bin/touch");
    assert!(!proof.path().join("other").exists());
    server.end();
}

/// A program, and what is named in its words, that comes to lie in a home.
#[test]
fn a_program_that_lies_in_a_home_is_refused_at_a_reload() {
    let setup = Setup::new().file("tools/hook", "#!/bin/sh\n");
    let program = setup.path("tools/hook").display().to_string();
    let tools = setup.path("tools").display().to_string();
    let spool = setup.path("spool").display().to_string();
    let setup = setup.variable("FTP_HOOK_SPOOL", &spool).variable("FTP_ON_LOGIN", &format!("/bin/sh {program}"));
    let mut server = setup.start();
    put(&server, USERS, format!("{BOB}alice secret elM {tools}\n"));
    hang_up_in_vain(&mut server, &format!("FTP_ON_LOGIN: found {program}, which clients at home in {tools}"));
    put(&server, USERS, format!("{BOB}alice secret elr {tools}\n"));
    hang_up(&mut server);
    server.end();
}
