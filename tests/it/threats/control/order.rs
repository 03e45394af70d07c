//! Commands in their order, however they are cut into segments and whatever runs.

use std::io::Write;

use crate::harness::TestServer;
use crate::wire::{Client, all_of};

/// What scripted sessions are made of. None needs a data connection, and each is answered alike at any time.
const LINES: [&str; 30] = [
    "PWD",
    "NOOP",
    "NOOP with words",
    "SYST",
    "FEAT",
    "HELP",
    "HELP RETR",
    "STAT",
    "STAT /",
    "CWD d",
    "CDUP",
    "CWD /d/e",
    "MLST f",
    "SIZE f",
    "MDTM f",
    "TYPE A",
    "TYPE I",
    "MODE S",
    "MODE Z",
    "STRU F",
    "REST 5",
    "REST -1",
    "RNFR f",
    "RNTO",
    "RETR f",
    "LIST",
    "OPTS UTF8 ON",
    "PORT 1,2,3",
    "NONSENSE",
    "ABOR",
];

/// The lines of a session, chosen by a simple generator, so that each is the same every time.
fn script(mut seed: u32) -> Vec<String> {
    let mut next = move |below: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        usize::try_from(seed >> 16).unwrap() % below
    };
    let user = ["bob", "reader", "anonymous", "nobody"][next(4)];
    let mut lines = vec![format!("USER {user}"), "PASS secret".to_owned()];
    for _ in 0..8 + next(12) {
        lines.push(match next(16) {
            0 => format!("CWD {}", "a".repeat(4080 + next(20))),
            1 => "\u{ff}d\r".repeat(next(3)),
            2 => "USER reader".to_owned(),
            _ => LINES[next(LINES.len())].to_owned(),
        });
    }
    lines.push("QUIT".to_owned());
    lines
}

fn replies_to_the_end(client: &mut Client) -> Vec<String> {
    std::iter::from_fn(|| Some(client.reply()).filter(|reply| !reply.is_empty())).collect()
}

/// T05: fifty sessions sent byte by byte, in pieces, and in one go are answered as when each line waits for its reply.
#[test]
fn the_cut_of_the_segments_changes_no_reply() {
    let server = TestServer::start(|_| {});
    std::fs::create_dir_all(server.home("bob").join("d/e")).unwrap();
    std::fs::write(server.home("bob").join("f"), "content").unwrap();
    let mut answers = 0;
    for seed in 0..50 {
        let lines = script(seed);
        let mut client = Client::connect(server.address);
        let mut wanted = vec![client.reply()];
        wanted.extend(lines.iter().map(|line| client.say(line)));
        client.expect_end();
        answers += wanted.len();
        let bytes = lines.iter().flat_map(|line| format!("{line}\r\n").into_bytes()).collect::<Vec<u8>>();
        for size in [1, 7, bytes.len()] {
            let mut client = Client::connect(server.address);
            for piece in bytes.chunks(size) {
                client.stream().write_all(piece).unwrap();
            }
            assert_eq!(replies_to_the_end(&mut client), wanted, "session {seed} by {size}: {lines:?}");
        }
    }
    assert!(answers > 500, "{answers}");
}

/// T06: what comes while a file is sent neither changes what is sent nor is done before its end.
#[test]
fn commands_behind_a_transfer_do_not_touch_it() {
    let server = TestServer::start(|_| {});
    let content: Vec<u8> = (0..16_u32 << 20).step_by(4).flat_map(u32::to_le_bytes).collect();
    let home = server.home("bob");
    std::fs::create_dir(home.join("d")).unwrap();
    std::fs::write(home.join("d/large"), "not this one").unwrap();
    std::fs::write(home.join("large"), &content).unwrap();
    let mut client = Client::login(server.address, "bob");
    let mut data = client.open();
    client.ask("RETR large", "150");
    client.send(
        "CWD d\r\nREST 5\r\nTYPE A\r\nRNFR large\r\nRNTO moved\r\nDELE /large\r\nPASV\r\nUSER reader\r\nRETR large",
    );
    assert!(all_of(&mut data) == content, "another file came");
    for code in ["226", "250", "350", "200", "350", "250", "250", "227", "331", "530"] {
        client.expect(code);
    }
    assert!(!home.join("large").exists());
    assert_eq!(std::fs::read(home.join("d/moved")).unwrap(), b"not this one");
}

/// T06: the same for an upload, whose name and place are those of its beginning.
#[test]
fn commands_behind_an_upload_do_not_move_it() {
    let server = TestServer::start(|_| {});
    let home = server.home("bob");
    std::fs::create_dir(home.join("d")).unwrap();
    std::fs::write(home.join("d/other"), "other").unwrap();
    let mut client = Client::login(server.address, "bob");
    let mut data = client.open();
    client.ask("STOR new", "150");
    client.send("CWD d\r\nREST 2\r\nTYPE A\r\nRNFR other\r\nSTOR other\r\nUSER reader\r\nPASS secret\r\nPWD");
    let content = b"line\nline\r\n".repeat(100_000);
    data.write_all(&content).unwrap();
    drop(data);
    for code in ["226", "250", "350", "200", "350", "501", "331", "230", "257 \"/\""] {
        client.expect(code);
    }
    assert_eq!(std::fs::read(home.join("new")).unwrap(), content);
    assert_eq!(std::fs::read(home.join("d/other")).unwrap(), b"other");
}
