//! What stands around the server in a container: variables that others set, passwords of any kind, files of Windows.

use std::net::Ipv4Addr;

use crate::engine::{ALICE, Container, SECRET, clean_clone};
use crate::wire::{Client, address_in};

/// All that can be printed, the blank included.
fn printable() -> String {
    (b' '..=b'~').map(char::from).collect()
}

/// The password, and forms of it that a log may show it in.
#[track_caller]
fn assert_untold(said: &str, password: &str) {
    let json = serde_json::to_string(password).unwrap();
    for form in [password, json.trim_matches('"'), password.trim()] {
        assert!(!said.contains(form), "{said}");
    }
    // A part that looks the same in all forms.
    if let Some(part) = password.split(['"', '\\']).filter(|part| part.len() > 5).max_by_key(|part| part.len()) {
        assert!(!said.contains(part), "{said}");
    }
}

#[test]
fn a_service_called_ftp_does_not_disturb() {
    let mut variables = vec![
        "FTP_SERVICE_HOST=10.0.0.9".to_owned(),
        "FTP_SERVICE_PORT=21".to_owned(),
        "FTP_PORT=tcp://10.0.0.9:21".to_owned(),
        "ftp_proxy=http://proxy.example:3128".to_owned(),
        "FTP_PROXY=http://proxy.example:3128".to_owned(),
        "http_proxy=http://proxy.example:3128".to_owned(),
        "HTTP_PROXY=http://proxy.example:3128".to_owned(),
    ];
    for port in std::iter::once(21).chain(30_000..=30_010) {
        let link = format!("FTP_PORT_{port}_TCP");
        variables.push(format!("FTP_SERVICE_PORT_P{port}={port}"));
        variables.push(format!("{link}=tcp://10.0.0.9:{port}"));
        variables.push(format!("{link}_PROTO=tcp"));
        variables.push(format!("{link}_PORT={port}"));
        variables.push(format!("{link}_ADDR=10.0.0.9"));
    }
    assert!(variables.len() >= 60);
    let mut options = vec!["-e", ALICE, "-e", SECRET];
    options.extend(variables.iter().flat_map(|variable| ["-e", variable.as_str()]));
    let container = Container::start(&options);
    container.alice().store("file", b"served");
    let said = container.said();
    assert_eq!(said.matches("ignored what Kubernetes or Docker set").count(), 1, "{said}");
    assert_eq!(said.matches("enableServiceLinks: false").count(), 1, "{said}");
}

#[test]
fn a_password_may_have_every_printable_character() {
    let password = printable();
    let variable = format!("FTP_PASS={password}");
    let container = Container::start(&["-e", ALICE, "-e", &variable, "-e", "FTP_LOG_LEVEL=trace"]);
    let mut client = Client::connect(container.control());
    client.expect("220");
    client.ask("USER alice", "331");
    client.ask(&format!("PASS {password}"), "230");
    let mut wrong = Client::connect(container.control());
    wrong.expect("220");
    wrong.ask("USER alice", "331");
    wrong.ask(&format!("PASS {}", &password[..94]), "530");
    let said = container.said();
    assert!(said.contains(r#""level":"TRACE""#), "{said}");
    assert_untold(&said, &password);
    assert_untold(&said, &password[..94]);
}

#[test]
fn a_hash_with_its_dollar_signs_may_stand_in_a_variable_or_a_file() {
    const HASH: &str = "$5$rounds=1000$longshore$5CGXsYWFMlrPZoZgdS.7Au.YJHtZkL1lkNDNtkpERN3";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ftp_pass");
    std::fs::write(&file, format!("{HASH}\n")).unwrap();
    let mount = format!("{}:/run/secrets/ftp_pass:ro", file.display());
    for options in [
        vec!["-e".to_owned(), format!("FTP_PASS={HASH}")],
        vec!["-e".to_owned(), "FTP_PASS_FILE=/run/secrets/ftp_pass".to_owned(), "-v".to_owned(), mount],
    ] {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let container = Container::start(&[&["-e", ALICE, "-e", "FTP_LOG_LEVEL=trace"], &options[..]].concat());
        container.alice().store("file", b"served");
        assert_untold(&container.said(), HASH);
        assert_untold(&container.said(), "secret\"");
    }
}

#[test]
fn a_users_file_may_come_from_windows() {
    const PASSWORD: &str = "correct horse, battery #1";
    let clone = clean_clone();
    let conf = clone.path().join("conf");
    let users = format!("\u{feff}# users\r\n\r\nbob \"{PASSWORD}\" elr bob\r\ncarol \"{PASSWORD}\" elradfmwMT carol");
    std::fs::write(conf.join("users.conf"), users).unwrap();
    let mount = format!("{}:/etc/longshore/conf:ro", conf.display());
    let container = Container::start(&["-v", &mount, "-e", "FTP_LOG_LEVEL=trace"]);
    for user in ["bob", "carol"] {
        let mut client = Client::connect(container.control());
        client.expect("220");
        client.ask(&format!("USER {user}"), "331");
        client.ask(&format!("PASS {PASSWORD}"), "230");
    }
    assert_untold(&container.said(), PASSWORD);
}

#[test]
fn a_bad_variable_is_named_and_nothing_starts() {
    let container = Container::launch(&["-e", ALICE, "-e", SECRET, "-e", "FTP_MAX_CON=5"]);
    assert_eq!(container.wait(), 2);
    assert!(container.said().contains("did you mean FTP_MAX_CONS?"), "{}", container.said());
}

#[test]
fn the_masquerade_address_may_be_a_name_of_the_hosts_file() {
    let told = Ipv4Addr::new(203, 0, 113, 9);
    let host = format!("ftp.example.test:{told}");
    let masquerade = "FTP_MASQUERADE_ADDRESS=ftp.example.test";
    let mut container = Container::launch(&["-e", ALICE, "-e", SECRET, "-e", masquerade, "--add-host", &host]);
    container.wait_for_line("masquerade_address resolved");
    let mut client = container.alice();
    assert_eq!(address_in(&client.ask("PASV", "227")).ip(), told);
    // EPSV tells a port, for the address that the client knows already.
    let to = client.epsv();
    let mut data = client.data(to);
    client.ask("LIST", "150");
    crate::wire::all_of(&mut data);
    client.expect("226");
}
