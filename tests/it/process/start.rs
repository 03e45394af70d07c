//! Starting: the screen, the layers, and what keeps it from starting.

use crate::binary::Setup;
use crate::wire::{Client, address_in};

fn complaint(setup: &Setup, code: i32) -> String {
    let output = setup.run();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    text
}

#[test]
fn the_screen_says_what_is_in_force() {
    let ended = Setup::new()
        .file("conf/settings.toml", "max_cons = 77\n")
        .variable("FTP_LOG_FORMAT", "text")
        .variable("FTP_MASQUERADE_ADDRESS", "203.0.113.7")
        .variable("FTP_MAX_DOWNLOAD", "2MiB")
        .variable("FTP_ENABLE_ANONYMOUS", "on")
        .variable("FTP_ANONYMOUS_PATH", "home/public")
        .arguments(&["--max-per-ip", "7"])
        .start()
        .end();
    let screen = ended.lines.join("\n");
    let folder = ended.folder.path().display().to_string();
    for wanted in [
        concat!("longshore ", env!("CARGO_PKG_VERSION")),
        "settings   defaults",
        "conf/settings.toml",
        "FTP_PORT",
        "--max-per-ip",
        "listening  127.0.0.1:",
        "advertised 203.0.113.7",
        "passive    20000-29999",
        &format!("bob elradfmwMT {folder}/home/bob"),
        &format!("anonymous elr {folder}/home/public"),
        "sessions: 77 in all, 7 from one address, no limit of one user",
        "download of one connection: 2MiB/s",
        "timeouts: log-in 1m, idle 5m, data 5m, data connection 30s",
    ] {
        assert!(screen.contains(wanted), "{wanted} is missing:\n{screen}");
    }
    assert!(!screen.contains("secret"), "{screen}");
}

#[test]
fn a_user_from_the_environment_with_a_password_from_a_file() {
    let setup = Setup::new().file("password", "  secret\n");
    let server = setup.variable("FTP_USER", "alice").variable("FTP_PASS_FILE", "password").start();
    let mut client = Client::connect(server.address);
    client.expect("220");
    // The blanks belong to it, the newline at the end does not.
    for (password, code) in [("secret", "530"), ("  secret", "230")] {
        client.ask("USER alice", "331");
        client.ask(&format!("PASS {password}"), code);
    }
    assert!(server.folder().join("home/alice").is_dir());
}

#[test]
fn a_service_of_kubernetes_that_is_called_ftp_does_no_harm() {
    let mut server = Setup::new()
        .variable("FTP_PORT", "tcp://10.0.0.1:21")
        .variable("FTP_PORT_21_TCP", "tcp://10.0.0.1:21")
        .variable("FTP_PORT_21_TCP_ADDR", "10.0.0.1")
        .variable("FTP_SERVICE_HOST", "10.0.0.1")
        .variable("FTP_SERVICE_PORT", "21")
        .arguments(&["--port", "0"])
        .start();
    let note = server.wait_for_line("ignored what Kubernetes");
    assert!(note.contains("FTP_PORT_21_TCP"), "{note}");
    let warning = server.wait_for_line("enableServiceLinks: false");
    assert!(warning.contains("WARN") && warning.contains("FTP_PORT: tcp://10.0.0.1:21"), "{warning}");
    Client::login(server.address, "bob");
}

#[test]
fn the_current_folder_is_shared_at_once() {
    let setup = Setup::empty().file("file", "content");
    let mut server = setup
        .arguments(&["-w", "-d", ".", "-i", "127.0.0.1", "-p", "0", "-r", "20000-29999", "-n", "127.0.0.1"])
        .start();
    let told = server.wait_for_line("may read, and write, in");
    let folder = server.folder().display().to_string();
    assert!(told.contains(&format!("anonymous may read, and write, in {folder} (pass -u and -P")), "{told}");
    let mut client = Client::login(server.address, "anonymous");
    assert_eq!(client.retrieve("file"), b"content");
    client.store("new", b"content");
    assert_eq!(std::fs::read(server.folder().join("new")).unwrap(), b"content");
}

#[test]
fn a_folder_is_shared_with_one_user_and_without_anonymous() {
    let setup = Setup::empty().file("file", "content");
    let server =
        setup.arguments(&["-d", ".", "-i", "127.0.0.1", "-p", "0", "-r", "20000-29999", "-u", "ann", "-P", "secret"]);
    let mut server = server.variable("FTP_AUTH_FAILED_DELAY", "0").start();
    let told = server.wait_for_line("may read in");
    assert!(told.contains("ann may read in ") && !told.contains("secret"), "{told}");
    let mut client = Client::login(server.address, "ann");
    assert_eq!(client.retrieve("file"), b"content");
    client.ask("MKD new", "550");
    let mut client = Client::connect(server.address);
    client.expect("220");
    client.ask("USER anonymous", "331");
    client.ask("PASS me", "530");
}

#[test]
fn unknown_names_are_refused_with_the_nearest_known_one() {
    let variable = complaint(&Setup::new().variable("FTP_MAX_CON", "5"), 2);
    assert!(variable.contains("FTP_MAX_CON:") && variable.contains("FTP_MAX_CONS"), "{variable}");
    let key = complaint(&Setup::new().file("conf/settings.toml", "max_con = 5\n"), 2);
    assert!(key.contains("conf/settings.toml: max_con:") && key.contains("max_cons"), "{key}");
    let flag = complaint(&Setup::new().arguments(&["--max-con", "5"]), 2);
    assert!(flag.contains("--max-con") && flag.contains("--max-cons"), "{flag}");
}

#[test]
fn all_problems_of_settings_and_users_are_told_in_one_run() {
    for subcommand in [&[][..], &["check"]] {
        let setup = Setup::new()
            .file("conf/settings.toml", "umask = \"999\"\nwelcome = \"x\"\n")
            .file("conf/users.conf", "bob secret elr bob\nann s3cr3t-of-ann elrQ ann\nshort\n")
            .variable("FTP_MAX_CONS", "many")
            .variable("FTP_PASS_FILE", "missing")
            .arguments(&["--data-timeout", "soon"])
            .arguments(subcommand);
        let text = complaint(&setup, 2);
        for wanted in [
            "conf/settings.toml: umask:",
            "conf/settings.toml: welcome:",
            "FTP_MAX_CONS:",
            "FTP_PASS_FILE:",
            "--data-timeout:",
            "conf/users.conf:2:",
            "conf/users.conf:3:",
        ] {
            assert!(text.contains(wanted), "{wanted} is missing:\n{text}");
        }
        assert!(!text.contains("s3cr3t-of-ann"), "{text}");
    }
}

/// Below each problem of the settings file; nothing of a secret is drawn, nor under a name that no setting has.
#[test]
fn the_place_of_a_problem_in_the_settings_file_is_drawn() {
    let toml = "# ours\nmax_cons = \"many\"\npas = \"s3cr3t\"\npass = 12345\n";
    let text = complaint(&Setup::new().file("conf/settings.toml", toml), 2);
    for wanted in [
        "conf/settings.toml: max_cons: found \"many\", expected a whole number",
        "\n   |\n 2 | max_cons = \"many\"\n   |            ^^^^^^\n",
        "\n   |\n 3 | pas\n   | ^^^\n",
        "\n   |\n 4 | pass\n   | ^^^^\n",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing:\n{text}");
    }
    assert!(!text.contains("s3cr3t") && !text.contains("12345"), "{text}");
}

#[test]
fn a_port_in_use_is_told_in_a_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let text = complaint(&Setup::new().variable("FTP_PORT", &port), 1);
    let wanted = format!("ip, port: cannot listen on 127.0.0.1:{port}: Address already in use (os error 98)\n");
    assert_eq!(text, wanted);
}

#[test]
fn a_log_that_cannot_be_written_keeps_it_from_starting() {
    let setup = Setup::new().variable("FTP_LOGGING_NAME", "conf/users.conf/log");
    let text = complaint(&setup, 1);
    assert!(text.starts_with("logging_name: conf/users.conf/log cannot be written: "), "{text}");
    let text = complaint(&Setup::new().variable("FTP_TRANSFER_LOG", "conf"), 1);
    assert!(text.starts_with("transfer_log: conf cannot be written: "), "{text}");
}

#[test]
fn pasv_tells_what_the_flag_says() {
    let server = Setup::new().arguments(&["-n", "203.0.113.9"]).start();
    let told = Client::login(server.address, "bob").ask("PASV", "227");
    assert_eq!(address_in(&told).ip().to_string(), "203.0.113.9");
}
