//! On a terminal, which `script` makes: the table is drawn again and again, and the terminal is given back.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::operator;
use crate::binary::{PROGRAM, Running, Setup};
use crate::wire::{Client, PATIENCE};

/// What is drawn first and last: the other screen.
const ENTER: &str = "\u{1b}[?1049h";
const LEAVE: &str = "\u{1b}[?1049l";

/// `longshore status` on a terminal of so many columns.
struct Screen {
    child: Child,
    pieces: Receiver<Vec<u8>>,
    drawn: String,
}

impl Screen {
    fn of(server: &Running, columns: u32) -> Self {
        Self::with_keys(server, columns, "/dev/tty")
    }

    /// Keys come from this file.
    fn with_keys(server: &Running, columns: u32, keys: &str) -> Self {
        let called = operator(server, &[]);
        // The shell says its own number, which is that of the program later.
        let line = format!("stty columns {columns} rows 24; echo pid $$; exec {PROGRAM} status < {keys}");
        let mut command = Command::new("/usr/bin/script");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        command.current_dir(server.folder()).env("TERM", "xterm").env("SHELL", "/bin/sh");
        command.envs(called.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let (tell, pieces) = channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut piece) {
                let _ = tell.send(piece[..count].to_vec());
            }
        });
        Self { child, pieces, drawn: String::new() }
    }

    /// All that was drawn so far, once this is so.
    #[track_caller]
    fn wait_for(&mut self, is_so: impl Fn(&str) -> bool) {
        while !is_so(&self.drawn) {
            let piece = self.pieces.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("never: {:?}", self.drawn));
            self.drawn += &String::from_utf8(piece).unwrap();
        }
    }

    fn pid(&self) -> Pid {
        let number = self.drawn.split_whitespace().skip_while(|word| *word != "pid").nth(1).unwrap();
        Pid::from_raw(number.parse().unwrap())
    }

    /// Its exit code, and whether the terminal is as it was.
    fn end(mut self) -> Option<i32> {
        self.wait_for(|drawn| drawn.contains(LEAVE));
        assert!(self.drawn.contains("\u{1b}[?25h"), "there is no cursor");
        self.child.wait().unwrap().code()
    }
}

fn frames(drawn: &str) -> usize {
    drawn.matches("\u{1b}[Hlongshore").count()
}

#[test]
fn the_table_is_drawn_anew_until_q() {
    let server = Setup::new().start();
    let _first = Client::login(server.address, "bob");
    let mut screen = Screen::of(&server, 70);
    screen.wait_for(|drawn| drawn.contains(ENTER) && drawn.contains("      1  bob ") && frames(drawn) == 1);
    let _second = Client::login(server.address, "bob");
    screen.wait_for(|drawn| drawn.contains("      2  bob ") && frames(drawn) > 2);
    // Nothing is wider than the terminal.
    for line in screen.drawn.split("\u{1b}[K").map(|line| line.rsplit(['H', '\n']).next().unwrap()) {
        assert!(line.len() <= 70, "{line:?}");
    }
    screen.child.stdin.as_mut().unwrap().write_all(b"xq").unwrap();
    assert_eq!(screen.end(), Some(0));
}

#[test]
fn ctrl_c_and_the_end_of_the_server_give_the_terminal_back() {
    let server = Setup::new().start();
    let mut screen = Screen::of(&server, 80);
    screen.wait_for(|drawn| drawn.contains("nobody is there"));
    screen.child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
    assert_eq!(screen.end(), Some(0));
    let mut told_to = Screen::of(&server, 80);
    told_to.wait_for(|drawn| drawn.contains("nobody is there"));
    kill(told_to.pid(), Signal::SIGTERM).unwrap();
    assert_eq!(told_to.end(), Some(0));
    let mut left = Screen::of(&server, 80);
    left.wait_for(|drawn| drawn.contains("nobody is there"));
    assert_eq!(server.end().status.code(), Some(0));
    left.wait_for(|drawn| drawn.contains("no server with these settings runs here"));
    assert_eq!(left.end(), Some(1));
}

/// Keys are not heard where they do not come from a terminal, and their end is not that of the table.
#[test]
fn without_keys_a_signal_ends_it() {
    let server = Setup::new().start();
    let mut screen = Screen::with_keys(&server, 80, "/dev/null");
    screen.wait_for(|drawn| frames(drawn) > 2);
    kill(screen.pid(), Signal::SIGINT).unwrap();
    assert_eq!(screen.end(), Some(0));
}
