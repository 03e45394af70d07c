//! One dialogue being played: the server, the control connections, and what a step of the file does.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};

use super::text::{matches, show, unescape};
use super::{Dialogue, PATIENCE};
use crate::harness::{TestServer, set};

/// The server stands last: it ends at once when the connections are gone already.
pub(super) struct Player {
    pub(super) controls: Vec<BufReader<TcpStream>>,
    pub(super) current: usize,
    pub(super) way: Way,
    /// The first passive port of the dialogue.
    pub(super) first_port: Option<SocketAddr>,
    pub(super) data: Option<TcpStream>,
    pub(super) lines_expected: Option<Vec<Vec<u8>>>,
    pub(super) server: TestServer,
}

/// How the next data connection comes about.
pub(super) enum Way {
    None,
    Passive(SocketAddr),
    Active(TcpListener),
}

pub(super) type Step = Result<(), String>;

impl Player {
    pub(super) fn new(dialogue: &Dialogue) -> Self {
        let part = |word: &str| {
            let steps = dialogue.steps.iter().filter_map(move |(_, step)| step.strip_prefix(word));
            steps.map(str::to_owned).collect::<Vec<_>>()
        };
        let users = part("users ");
        let users = if users.is_empty() { crate::harness::USERS.to_owned() } else { users.join("\n") + "\n" };
        let server = TestServer::start_with_users(&users, |settings| {
            for setting in part("set ") {
                let (name, value) = setting.split_once(' ').unwrap_or((&setting, ""));
                set(settings, name, &String::from_utf8(unescape(value)).unwrap());
            }
        });
        let mut player = Self {
            controls: Vec::new(),
            current: 0,
            way: Way::None,
            first_port: None,
            data: None,
            lines_expected: None,
            server,
        };
        player.connect();
        player
    }

    pub(super) fn connect(&mut self) {
        let stream = TcpStream::connect(self.server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        self.current = self.controls.len();
        self.controls.push(BufReader::new(stream));
    }

    pub(super) fn step(&mut self, step: &str) -> Step {
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        match word {
            ">" => self.send_control(&[unescape(rest), b"\r\n".to_vec()].concat()),
            ">>" => self.send_control(&unescape(rest)),
            "<" => self.expect_line(rest),
            "fill" => {
                let (count, text) = rest.split_once(' ').ok_or("fill needs a number and a text")?;
                self.send_control(&unescape(text).repeat(count.parse().map_err(|_| "fill needs a number")?))
            }
            "urgent" => self.send_urgent(&unescape(rest)),
            "half-close" => self.control().get_ref().shutdown(Shutdown::Write).map_err(|e| e.to_string()),
            "set" | "users" => Ok(()),
            "file" => self.make_file(rest),
            "dir" => std::fs::create_dir_all(self.path(rest)).map_err(|e| e.to_string()),
            "link" => {
                let (link, target) = rest.split_once(' ').ok_or("link needs a target")?;
                std::os::unix::fs::symlink(target, self.path(link)).map_err(|e| e.to_string())
            }
            "fifo" => nix::unistd::mkfifo(&self.path(rest), nix::sys::stat::Mode::S_IRWXU).map_err(|e| e.to_string()),
            "blob" => self.make_blob(rest),
            "age" => self.set_age(rest),
            "login" => self.login(rest),
            "pasv" | "epsv" | "port" | "eprt" => self.arrange(word),
            "open" => self.open(),
            "receive" => self.receive(rest),
            "receive-lines" => self.begin_lines(),
            "|" => self.take_line(rest),
            "send" => self.send_data(rest).and_then(|()| self.hang_up()),
            "part" => self.send_data(rest),
            "take" => self.take(rest.parse().map_err(|_| "take needs a number")?),
            "moved" => self.await_moved(rest),
            "skip" => self.receive_all().map(drop),
            "broken" => match self.receive_all() {
                Err(_) => Ok(()),
                Ok(received) => Err(format!("it ended in order after {} bytes", received.len())),
            },
            "hang-up" => self.hang_up(),
            "abandon" => self.abandon(),
            "stranger" => self.connect_as_stranger(),
            "refused" => self.expect_refusal(),
            "content" => self.check_content(rest),
            "missing" => match std::fs::symlink_metadata(self.path(rest)) {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                found => Err(format!("found {found:?}")),
            },
            "mode" => self.check_mode(rest),
            "entries" => self.check_entries(rest),
            "modified" => self.check_modified(rest),
            "connect" => {
                self.connect();
                Ok(())
            }
            "first" => {
                self.current = 0;
                Ok(())
            }
            "end" => self.expect_end(),
            _ => Err("no such step".to_owned()),
        }
    }

    pub(super) fn control(&mut self) -> &mut BufReader<TcpStream> {
        &mut self.controls[self.current]
    }

    pub(super) fn send_control(&mut self, bytes: &[u8]) -> Step {
        self.control().get_mut().write_all(bytes).map_err(|e| format!("cannot send: {e}"))
    }

    pub(super) fn send_urgent(&mut self, bytes: &[u8]) -> Step {
        let sent = socket2::SockRef::from(self.control().get_ref()).send_out_of_band(bytes);
        if sent.map_err(|e| e.to_string())? == bytes.len() { Ok(()) } else { Err("not all was sent".to_owned()) }
    }

    pub(super) fn read_line(&mut self) -> Result<Vec<u8>, String> {
        let mut line = Vec::new();
        self.control().read_until(b'\n', &mut line).map_err(|e| format!("no line came: {e}"))?;
        line.strip_suffix(b"\r\n").map(<[u8]>::to_vec).ok_or_else(|| format!("no whole line came: {}", show(&line)))
    }

    pub(super) fn expect_line(&mut self, pattern: &str) -> Step {
        let line = self.read_line()?;
        if matches(&unescape(pattern), &line) { Ok(()) } else { Err(format!("came: {}", show(&line))) }
    }

    pub(super) fn expect_end(&mut self) -> Step {
        let mut rest = Vec::new();
        self.control().read_to_end(&mut rest).map_err(|e| format!("not closed in order: {e}"))?;
        if rest.is_empty() { Ok(()) } else { Err(format!("before the end came: {}", show(&rest))) }
    }

    pub(super) fn ask(&mut self, line: &str, code: &str) -> Result<String, String> {
        self.send_control(format!("{line}\r\n").as_bytes())?;
        loop {
            let reply = String::from_utf8_lossy(&self.read_line()?).into_owned();
            if reply.get(3..4) == Some(" ") && reply.as_bytes()[..3].iter().all(u8::is_ascii_digit) {
                let is_wanted = reply.starts_with(code);
                return if is_wanted { Ok(reply) } else { Err(format!("{line} was answered: {reply}")) };
            }
        }
    }

    pub(super) fn login(&mut self, user: &str) -> Step {
        let greeting = self.read_line()?;
        if !greeting.starts_with(b"220 ") {
            return Err(format!("greeted by: {}", show(&greeting)));
        }
        self.ask(&format!("USER {user}"), "331")?;
        self.ask("PASS secret", "230")?;
        self.ask("TYPE I", "200").map(drop)
    }
}
