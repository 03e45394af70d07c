//! The log file and the transfer log.

use crate::binary::{Running, Setup};
use crate::wire::Client;

fn work(server: &mut Running) {
    let mut client = Client::login(server.address, "bob");
    client.store("a file", b"12345");
    assert_eq!(client.retrieve("a file"), b"12345");
    let listing = client.open();
    client.ask("LIST", "150");
    client.expect("226");
    drop(listing);
    let data = client.open();
    client.ask("STOR other", "150");
    client.ask("ABOR", "426");
    client.expect("226");
    client.ask("QUIT", "221");
    drop((client, data));
    server.wait_for_line("session closed");
}

/// The only file whose name begins so.
#[track_caller]
fn read_one(folder: &std::path::Path, prefix: &str) -> (String, String) {
    let names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let found: Vec<&String> = names.iter().filter(|name| name.starts_with(prefix)).collect();
    assert_eq!(found.len(), 1, "{names:?}");
    (found[0].clone(), std::fs::read_to_string(folder.join(found[0])).unwrap())
}

#[test]
fn the_file_has_the_lines_of_standard_output_and_the_date_in_its_name() {
    for (rotation, dashes) in [("never", None), ("hourly", Some(3)), ("daily", Some(2)), ("weekly", Some(2))] {
        let setup = Setup::new().variable("FTP_LOGGING_NAME", "logs/longshore.log");
        let mut server = setup.variable("FTP_LOG_ROTATION", rotation).start();
        work(&mut server);
        let ended = server.end();
        let (name, text) = read_one(&ended.folder.path().join("logs"), "longshore.log");
        let date = name.strip_prefix("longshore.log").unwrap();
        assert_eq!(date.strip_prefix('.').map(|date| date.matches('-').count()), dashes, "{rotation}: {name}");
        // Each is written at a time of its own.
        let level = |line: &str| line[line.find("\"level\"").unwrap()..].to_owned();
        let (in_file, on_output): (Vec<_>, Vec<_>) =
            (text.lines().map(level).collect(), ended.lines.iter().map(|line| level(line)).collect());
        assert_eq!(in_file, on_output);
        assert!(text.contains("STOR done"), "{text}");
    }
}

#[test]
fn the_file_is_not_written_when_it_is_switched_off() {
    let setup = Setup::new().variable("FTP_LOGGING_NAME", "longshore.log").variable("FTP_ENABLE_LOGGING", "off");
    let ended = setup.start().end();
    let names: Vec<_> =
        std::fs::read_dir(ended.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().starts_with("longshore.log")), "{names:?}");
    assert!(ended.lines.iter().any(|line| line.contains("enable_logging is off")), "{:#?}", ended.lines);
}

#[test]
fn the_transfer_log_has_a_line_for_each_file_and_none_for_a_listing() {
    let mut server = Setup::new().variable("FTP_TRANSFER_LOG", "xferlog").start();
    work(&mut server);
    let ended = server.end();
    let (_, text) = read_one(ended.folder.path(), "xferlog");
    let told: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let expected = [("5", "/a_file", "i", "c"), ("5", "/a_file", "o", "c"), ("0", "/other", "i", "i")];
    assert_eq!(told.len(), expected.len(), "{text}");
    for (words, (size, path, direction, status)) in told.iter().zip(expected) {
        // Five of the date, the seconds, the host; then as in xferlog(5).
        let wanted = ["127.0.0.1", size, path, "b", "_", direction, "r", "bob", "ftp", "0", "*", status];
        assert_eq!(words[6..], wanted, "{text}");
    }
}

#[test]
fn the_transfer_log_is_continued_by_the_next_server() {
    let setup = Setup::new().file("xferlog", "before\n").variable("FTP_TRANSFER_LOG", "xferlog");
    let mut server = setup.start();
    work(&mut server);
    let (_, text) = read_one(server.end().folder.path(), "xferlog");
    assert_eq!((text.lines().next(), text.lines().count()), (Some("before"), 4), "{text}");
}
