//! Much of everything: entries in a directory, bytes in a file, directories below each other.

use std::io::Read;

use crate::binary::{Running, Setup};
use crate::harness::TestServer;
use crate::wire::Client;

const ENTRIES: usize = 100_000;

/// A hundred thousand links to one file cost the disk little, and are files like any others.
fn large_directory(server: &Running) {
    let folder = server.folder().join("home/bob/large");
    std::fs::create_dir(&folder).unwrap();
    let mut file = folder.join("0");
    for number in 0..ENTRIES {
        let name = folder.join(number.to_string());
        // A file system allows a file some tens of thousands of names.
        if number % 10_000 == 0 {
            std::fs::File::create(&name).unwrap();
            file = name;
        } else {
            std::fs::hard_link(&file, name).unwrap();
        }
    }
}

/// F32: a listing of any length streams: it takes no memory, can be left in the middle, and holds nobody up.
#[test]
fn a_hundred_thousand_entries_are_listed_as_they_are_found() {
    let server = Setup::new().start();
    large_directory(&server);
    let mut client = Client::login(server.address, "bob");
    let mut other = Client::login(server.address, "bob");
    let before = server.kib("VmHWM");
    for command in ["MLSD large", "NLST large", "LIST large"] {
        let mut data = client.open();
        client.ask(command, "150");
        let mut first = vec![0; 1000];
        data.read_exact(&mut first).unwrap();
        other.ask("CWD /", "250");
        let mut rest = Vec::new();
        data.read_to_end(&mut rest).unwrap();
        client.expect("226");
        let lines = first.iter().chain(&rest).filter(|&&byte| byte == b'\n').count();
        assert_eq!(lines, ENTRIES, "{command}");
    }
    // One who reads nothing is not read ahead for.
    let mut data = client.open();
    client.ask("MLSD large", "150");
    data.read_exact(&mut [0; 1000]).unwrap();
    client.ask("ABOR", "426");
    client.expect("226");
    let more = server.kib("VmHWM") - before;
    assert!(more <= 16 * 1024, "{more} KiB");
    client.ask("NOOP", "200");
}

/// F37: a file that is larger than any disk here; its holes are zeros, and whoever has enough of them says so.
#[test]
fn a_sparse_file_of_a_tebibyte_is_sent_from_anywhere() {
    const TEBIBYTE: u64 = 1 << 40;
    let server = TestServer::start(|_| {});
    std::fs::File::create(server.home("bob").join("sparse")).unwrap().set_len(TEBIBYTE).unwrap();
    let mut client = Client::login(server.address, "bob");
    client.ask("SIZE sparse", &format!("213 {TEBIBYTE}"));
    for left in [0, 1, 10] {
        client.ask(&format!("REST {}", TEBIBYTE - left), "350");
        assert_eq!(client.retrieve("sparse"), vec![0; usize::try_from(left).unwrap()]);
    }
    client.ask(&format!("REST {}", TEBIBYTE + 1), "350");
    client.pasv();
    client.ask("RETR sparse", "554");
    for position in [0, (1 << 32) - 1, 1_u64 << 32, (1 << 32) + 1] {
        client.ask(&format!("REST {position}"), "350");
        let mut data = client.open();
        client.ask("RETR sparse", "150");
        let mut some = vec![1; 100_000];
        data.read_exact(&mut some).unwrap();
        assert!(some.iter().all(|&byte| byte == 0));
        client.ask("ABOR", "426");
        client.expect("226");
    }
}

/// F33: down as far as a path is long, and back; beyond that there is an answer, and the session lives.
#[test]
fn directories_below_each_other_up_to_the_longest_path() {
    let server = TestServer::start(|_| {});
    let mut client = Client::login(server.address, "bob");
    // 819 times five bytes are the 4095 that a path may have.
    for _ in 0..819 {
        client.ask("MKD deep", "257");
        client.ask("CWD deep", "250");
    }
    for line in ["MKD d", "CWD d", "SIZE d", "MLST d", "DELE d", "RNFR d"] {
        client.ask(line, "553 File name too long.");
    }
    for command in ["LIST", "STOR d", "RETR d"] {
        let address = client.pasv();
        let reply = client.say(command);
        if command == "LIST" {
            assert!(reply.starts_with("150"), "{reply}");
            drop(client.data(address));
            client.expect("226");
        } else {
            assert_eq!(reply, "553 File name too long.");
        }
    }
    for _ in 0..819 {
        client.ask("CDUP", "250");
        client.ask("RMD deep", "250");
    }
    client.ask("PWD", "257 \"/\"");
    assert_eq!(std::fs::read_dir(server.home("bob")).unwrap().count(), 0);
}
