//! Plays the dialogues of `tests/dialogues/`: what is sent, what must come back. A bug report can be pasted in.
//!
//! A file holds dialogues by topic. Each begins with `=== title: what it protects`, then one step a line:
//!
//! | line | meaning |
//! | --- | --- |
//! | `# text` | a comment |
//! | `> text` | send the line, with CR LF; `\xNN`, `\r`, `\n`, `\t`, `\\` are escapes |
//! | `>> text` | send these bytes, with nothing added |
//! | `< text` | this line comes, `*` standing for anything within it |
//! | `fill N text` | send the text N times, with nothing added |
//! | `urgent text` | send the text, its last byte as TCP's urgent data |
//! | `half-close` | we say nothing more on the control connection, and still read |
//! | `set name value` | before the first line is sent: a setting |
//! | `users text` | before the first line is sent: a line of users.conf instead of the usual users |
//! | `file /user/path text` | a file exists, with this content |
//! | `dir /user/path`, `link /user/path target`, `fifo /user/path` | a directory, a symbolic link, a FIFO exists |
//! | `blob /user/path N` | a file of N zero bytes exists, or is cut or grown to that length |
//! | `age /user/path seconds` | the file was last modified at this time, from now on |
//! | `login user` | USER and PASS go through, and TYPE I |
//! | `pasv`, `epsv`, `port`, `eprt` | a data connection is arranged by this command |
//! | `open` | passive: the data connection is opened, before the command that uses it (else it is when needed) |
//! | `receive text` | this, and the end, comes on the data connection; `*` as above |
//! | `receive-lines` + lines of `\| text` | these lines come, in any order |
//! | `send text` | this, and the end, is sent on the data connection |
//! | `part text` | this is sent on the data connection, and it stays open |
//! | `take N` | N bytes come on the data connection |
//! | `moved N` | STAT is asked until it tells that N bytes have been transferred |
//! | `skip` | all the rest, and the end, comes on the data connection |
//! | `broken` | the data connection ends with an error, not in order |
//! | `hang-up` | the data connection is closed by us |
//! | `abandon` | the data connection is reset by us |
//! | `stranger` | somebody from another address connects to the passive port, and gets the end and no byte |
//! | `refused` | nobody listens any more on the first passive port of the dialogue |
//! | `content /user/path text` | the file has this content now |
//! | `missing /user/path` | there is no such file |
//! | `entries /user/path names` | the directory holds these names, in the order of their bytes, and no others |
//! | `modified /user/path seconds` | the file was last modified at this time |
//! | `mode /user/path octal` | the file has this mode |
//! | `connect` | a second control connection; the lines after it go there |
//! | `first` | back to the first control connection |
//! | `end` | the server closes the control connection |

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::harness::{TestServer, set};

/// No answer takes this long; a dialogue that waits for more than it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn dialogues() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues");
    let wanted = option_env_filter();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let dialogues: Vec<Dialogue> = files.iter().flat_map(|file| parse(file)).collect();
    assert!(dialogues.len() >= 1, "only {} dialogues were found", dialogues.len());
    let chosen: Vec<&Dialogue> =
        dialogues.iter().filter(|it| wanted.iter().all(|word| it.name.contains(word))).collect();
    let failures: Vec<String> = std::thread::scope(|scope| {
        // Two at a time is what a small machine carries; each has a server of its own.
        let halves = [0, 1].map(|half| {
            let part: Vec<&Dialogue> = chosen.iter().skip(half).step_by(2).copied().collect();
            scope.spawn(move || part.into_iter().filter_map(|it| play(it).err()).collect::<Vec<_>>())
        });
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    println!("{} dialogues played", chosen.len());
    assert!(failures.is_empty(), "{} of {} failed:\n{}", failures.len(), chosen.len(), failures.join("\n"));
}

/// `cargo test dialogues -- words of a title` plays only those whose title has all the words.
fn option_env_filter() -> Vec<String> {
    std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with('-') && word != "dialogues" && !word.contains("::"))
        .collect()
}

struct Dialogue {
    name: String,
    steps: Vec<(usize, String)>,
}

fn parse(file: &Path) -> Vec<Dialogue> {
    let topic = file.file_stem().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(file).unwrap();
    let mut dialogues: Vec<Dialogue> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(title) = line.strip_prefix("=== ") {
            assert!(title.contains(": "), "{topic}:{}: a title says what it protects, after a colon", number + 1);
            dialogues.push(Dialogue { name: format!("{topic}: {title}"), steps: Vec::new() });
        } else if !line.trim().is_empty() && !line.starts_with('#') {
            let dialogue = dialogues.last_mut().unwrap_or_else(|| panic!("{topic}:{}: before any title", number + 1));
            dialogue.steps.push((number + 1, line.to_owned()));
        }
    }
    dialogues
}

fn play(dialogue: &Dialogue) -> Result<(), String> {
    let mut player = Player::new(dialogue);
    for (number, step) in &dialogue.steps {
        player.step(step).map_err(|why| format!("{}\n  line {number}: {step}\n  {why}", dialogue.name))?;
    }
    let replies = dialogue.steps.iter().filter(|(_, step)| step.starts_with('<')).count();
    let is_check = |step: &str| step.starts_with("receive") || step == "end";
    let checks = dialogue.steps.iter().filter(|(_, step)| is_check(step)).count();
    if replies + checks == 0 { Err(format!("{}: expects nothing", dialogue.name)) } else { Ok(()) }
}

/// The server stands last: it ends at once when the connections are gone already.
struct Player {
    controls: Vec<BufReader<TcpStream>>,
    current: usize,
    way: Way,
    /// The first passive port of the dialogue.
    first_port: Option<SocketAddr>,
    data: Option<TcpStream>,
    lines_expected: Option<Vec<Vec<u8>>>,
    server: TestServer,
}

/// How the next data connection comes about.
enum Way {
    None,
    Passive(SocketAddr),
    Active(TcpListener),
}

type Step = Result<(), String>;

impl Player {
    fn new(dialogue: &Dialogue) -> Self {
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

    fn connect(&mut self) {
        let stream = TcpStream::connect(self.server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        self.current = self.controls.len();
        self.controls.push(BufReader::new(stream));
    }

    fn step(&mut self, step: &str) -> Step {
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

    fn control(&mut self) -> &mut BufReader<TcpStream> {
        &mut self.controls[self.current]
    }

    fn send_control(&mut self, bytes: &[u8]) -> Step {
        self.control().get_mut().write_all(bytes).map_err(|e| format!("cannot send: {e}"))
    }

    fn send_urgent(&mut self, bytes: &[u8]) -> Step {
        let sent = socket2::SockRef::from(self.control().get_ref()).send_out_of_band(bytes);
        if sent.map_err(|e| e.to_string())? == bytes.len() { Ok(()) } else { Err("not all was sent".to_owned()) }
    }

    fn read_line(&mut self) -> Result<Vec<u8>, String> {
        let mut line = Vec::new();
        self.control().read_until(b'\n', &mut line).map_err(|e| format!("no line came: {e}"))?;
        line.strip_suffix(b"\r\n").map(<[u8]>::to_vec).ok_or_else(|| format!("no whole line came: {}", show(&line)))
    }

    fn expect_line(&mut self, pattern: &str) -> Step {
        let line = self.read_line()?;
        if matches(&unescape(pattern), &line) { Ok(()) } else { Err(format!("came: {}", show(&line))) }
    }

    fn expect_end(&mut self) -> Step {
        let mut rest = Vec::new();
        self.control().read_to_end(&mut rest).map_err(|e| format!("not closed in order: {e}"))?;
        if rest.is_empty() { Ok(()) } else { Err(format!("before the end came: {}", show(&rest))) }
    }

    fn ask(&mut self, line: &str, code: &str) -> Result<String, String> {
        self.send_control(format!("{line}\r\n").as_bytes())?;
        loop {
            let reply = String::from_utf8_lossy(&self.read_line()?).into_owned();
            if reply.get(3..4) == Some(" ") && reply.as_bytes()[..3].iter().all(u8::is_ascii_digit) {
                let is_wanted = reply.starts_with(code);
                return if is_wanted { Ok(reply) } else { Err(format!("{line} was answered: {reply}")) };
            }
        }
    }

    fn login(&mut self, user: &str) -> Step {
        let greeting = self.read_line()?;
        if !greeting.starts_with(b"220 ") {
            return Err(format!("greeted by: {}", show(&greeting)));
        }
        self.ask(&format!("USER {user}"), "331")?;
        self.ask("PASS secret", "230")?;
        self.ask("TYPE I", "200").map(drop)
    }

    fn arrange(&mut self, word: &str) -> Step {
        self.data = None;
        let server = self.server.address;
        self.way = match word {
            "pasv" => {
                let reply = self.ask("PASV", "227")?;
                let numbers = reply.split(['(', ')']).nth(1).ok_or("no parentheses")?;
                let numbers: Vec<u8> = numbers.split(',').map(|n| n.parse().unwrap()).collect();
                let [a, b, c, d, high, low] = numbers[..] else { return Err(reply) };
                Way::Passive(SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low]))))
            }
            "epsv" => {
                let reply = self.ask("EPSV", "229")?;
                let port = reply.split('|').nth(3).ok_or("no port")?.parse().unwrap();
                Way::Passive(SocketAddr::new(server.ip(), port))
            }
            _ => {
                let listener = TcpListener::bind((server.ip(), 0)).unwrap();
                let port = listener.local_addr().unwrap().port();
                if word == "port" {
                    self.ask(&format!("PORT 127,0,0,1,{},{}", port / 256, port % 256), "200")?;
                } else {
                    let family = if server.is_ipv4() { 1 } else { 2 };
                    self.ask(&format!("EPRT |{family}|{}|{port}|", server.ip()), "200")?;
                }
                Way::Active(listener)
            }
        };
        if let Way::Passive(address) = self.way {
            self.first_port.get_or_insert(address);
        }
        Ok(())
    }

    fn open(&mut self) -> Step {
        let stream = match &self.way {
            Way::None => return Err("no data connection was arranged".to_owned()),
            Way::Passive(address) => TcpStream::connect(address).map_err(|e| format!("data: {e}"))?,
            Way::Active(listener) => listener.accept().map_err(|e| format!("data: {e}"))?.0,
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        self.data = Some(stream);
        Ok(())
    }

    fn data(&mut self) -> Result<&mut TcpStream, String> {
        if self.data.is_none() {
            self.open()?;
        }
        self.data.as_mut().ok_or_else(|| "no data connection".to_owned())
    }

    fn receive_all(&mut self) -> Result<Vec<u8>, String> {
        let mut received = Vec::new();
        self.data()?.read_to_end(&mut received).map_err(|e| format!("data: {e}"))?;
        self.data = None;
        Ok(received)
    }

    fn receive(&mut self, pattern: &str) -> Step {
        let received = self.receive_all()?;
        if matches(&unescape(pattern), &received) { Ok(()) } else { Err(format!("came: {}", show(&received))) }
    }

    fn begin_lines(&mut self) -> Step {
        let received = self.receive_all()?;
        let mut lines: Vec<Vec<u8>> = received.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
        for line in &mut lines {
            let whole = line.strip_suffix(b"\r\n").map(<[u8]>::to_vec);
            *line = whole.ok_or_else(|| format!("no whole line: {}", show(line)))?;
        }
        self.lines_expected = Some(lines);
        Ok(())
    }

    /// One of the lines that came; `| end` says that none is left.
    fn take_line(&mut self, pattern: &str) -> Step {
        let lines = self.lines_expected.as_mut().ok_or("receive-lines comes first")?;
        let left = |lines: &[Vec<u8>]| lines.iter().map(|line| show(line)).collect::<Vec<_>>().join(" | ");
        if pattern == "end" {
            return if lines.is_empty() { Ok(()) } else { Err(format!("left: {}", left(lines))) };
        }
        let pattern = unescape(pattern);
        let found = lines.iter().position(|line| matches(&pattern, line));
        lines.remove(found.ok_or_else(|| format!("not among: {}", left(lines)))?);
        Ok(())
    }

    fn send_data(&mut self, text: &str) -> Step {
        let bytes = unescape(text);
        self.data()?.write_all(&bytes).map_err(|e| format!("data: {e}"))
    }

    fn take(&mut self, count: usize) -> Step {
        let mut taken = vec![0; count];
        self.data()?.read_exact(&mut taken).map_err(|e| format!("data: {e}"))
    }

    fn hang_up(&mut self) -> Step {
        self.data()?.shutdown(Shutdown::Both).map_err(|e| format!("data: {e}"))?;
        self.data = None;
        Ok(())
    }

    /// Waits for a transfer to have come so far, by asking: nothing else tells.
    fn await_moved(&mut self, bytes: &str) -> Step {
        let wanted = format!(" Total bytes transferred: {bytes}");
        let since = std::time::Instant::now();
        while since.elapsed() < PATIENCE {
            self.send_control(b"STAT\r\n")?;
            let mut found = false;
            loop {
                let line = String::from_utf8_lossy(&self.read_line()?).into_owned();
                found |= line == wanted;
                match line.get(..4) {
                    Some("211 ") => break,
                    Some("211-") | None => {}
                    Some(other) if other.starts_with(' ') => {}
                    Some(_) => return Err(format!("came: {line}")),
                }
            }
            if found {
                return Ok(());
            }
        }
        Err("it has not come so far".to_owned())
    }

    fn abandon(&mut self) -> Step {
        let linger = Some(Duration::ZERO);
        socket2::SockRef::from(&*self.data()?).set_linger(linger).map_err(|e| e.to_string())?;
        self.data = None;
        Ok(())
    }

    fn connect_as_stranger(&self) -> Step {
        use socket2::{Domain, Socket, Type};
        let Way::Passive(address) = self.way else { return Err("no passive port was arranged".to_owned()) };
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).map_err(|e| e.to_string())?;
        socket.bind(&SocketAddr::from(([127, 0, 0, 9], 0)).into()).map_err(|e| e.to_string())?;
        socket.connect(&address.into()).map_err(|e| format!("connecting: {e}"))?;
        socket.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
        let mut received = Vec::new();
        match TcpStream::from(socket).read_to_end(&mut received) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(format!("not closed: {error}")),
            _ if received.is_empty() => Ok(()),
            _ => Err(format!("came: {}", show(&received))),
        }
    }

    fn expect_refusal(&self) -> Step {
        let address = self.first_port.ok_or("no passive port was arranged")?;
        match TcpStream::connect(address) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
            found => Err(format!("connecting: {found:?}")),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        use std::os::unix::ffi::OsStringExt;
        let path = std::ffi::OsString::from_vec(unescape(path.trim_start_matches('/')));
        self.server.folder().join(path)
    }

    fn make_file(&self, rest: &str) -> Step {
        let (path, text) = rest.split_once(' ').unwrap_or((rest, ""));
        std::fs::write(self.path(path), unescape(text)).map_err(|e| e.to_string())
    }

    fn make_blob(&self, rest: &str) -> Step {
        let (path, size) = rest.split_once(' ').ok_or("blob needs a path and a size")?;
        let file = std::fs::OpenOptions::new().create(true).append(true).open(self.path(path));
        let size = size.parse().map_err(|_| "blob needs a size")?;
        file.and_then(|file| file.set_len(size)).map_err(|e| e.to_string())
    }

    fn set_age(&self, rest: &str) -> Step {
        let (path, seconds) = rest.split_once(' ').ok_or("age needs a path and a time")?;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.parse().map_err(|_| "age needs a time")?);
        let file = std::fs::File::open(self.path(path));
        file.and_then(|file| file.set_modified(time)).map_err(|e| e.to_string())
    }

    fn check_modified(&self, rest: &str) -> Step {
        let (path, seconds) = rest.split_once(' ').ok_or("modified needs a path and a time")?;
        let found = std::fs::metadata(self.path(path)).and_then(|found| found.modified()).map_err(|e| e.to_string())?;
        let found = found.duration_since(SystemTime::UNIX_EPOCH).map_err(|e| e.to_string())?.as_secs().to_string();
        if found == seconds { Ok(()) } else { Err(format!("it is {found}")) }
    }

    fn check_entries(&self, rest: &str) -> Step {
        let mut words = rest.split(' ');
        let folder = self.path(words.next().unwrap_or_default());
        let entries = std::fs::read_dir(folder).map_err(|e| e.to_string())?;
        let mut found: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        found.sort();
        if found == words.collect::<Vec<_>>() { Ok(()) } else { Err(format!("it holds {found:?}")) }
    }

    fn check_content(&self, rest: &str) -> Step {
        let (path, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let content = std::fs::read(self.path(path)).map_err(|e| e.to_string())?;
        if content == unescape(text) { Ok(()) } else { Err(format!("it is: {}", show(&content))) }
    }

    fn check_mode(&self, rest: &str) -> Step {
        let (path, mode) = rest.split_once(' ').ok_or("mode needs a path and a mode")?;
        let found = std::fs::metadata(self.path(path)).map_err(|e| e.to_string())?.permissions().mode() & 0o7777;
        if format!("{found:o}") == mode { Ok(()) } else { Err(format!("it is {found:o}")) }
    }
}

fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        (bytes, rest) = match (first, after) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digits = [*high, *low];
                let byte = u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap();
                (pushed(bytes, byte), after)
            }
            (b'\\', [b'r', after @ ..]) => (pushed(bytes, b'\r'), after),
            (b'\\', [b'n', after @ ..]) => (pushed(bytes, b'\n'), after),
            (b'\\', [b't', after @ ..]) => (pushed(bytes, b'\t'), after),
            (b'\\', [b's', after @ ..]) => (pushed(bytes, b' '), after),
            (b'\\', [b'\\', after @ ..]) => (pushed(bytes, b'\\'), after),
            (other, after) => (pushed(bytes, *other), after),
        };
    }
    bytes
}

fn pushed(mut bytes: Vec<u8>, byte: u8) -> Vec<u8> {
    bytes.push(byte);
    bytes
}

/// Whether `*` in the pattern, standing for anything, makes it the text.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let mut pieces = pattern.split(|&byte| byte == b'*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.windows(piece.len().max(1)).position(|window| window.starts_with(piece)) else {
            return false;
        };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}
