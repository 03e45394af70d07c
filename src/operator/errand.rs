//! The side of the commands.

use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::geteuid;

use super::peer::is_one_user;
use super::wire::{self, Answer, PATIENCE, RELOAD_PATIENCE, Request};
use super::{screen, table};
use crate::path::is_misleading;
use crate::session::{Overview, Seen};
use crate::settings::Settings;

type Failure = Box<dyn std::error::Error>;

/// `longshore status`: on a terminal again and again, until the user has seen enough.
///
/// # Errors
/// What is wrong, in words; or that standard output is gone.
pub fn print_status(settings: &Settings, json: bool) -> Result<(), Failure> {
    let status = || status(settings);
    if json {
        let (_, sessions) = status()?;
        let mut output = io::stdout().lock();
        return Ok(sessions.iter().try_for_each(|seen| output.write_all(wire::line(seen)?.as_bytes()))?);
    }
    if io::stdout().is_terminal() {
        return screen::watch(status);
    }
    let (overview, sessions) = status()?;
    let lines = table(&overview, &sessions, None, None);
    Ok(io::stdout().lock().write_all((lines.join("\n") + "\n").as_bytes())?)
}

/// `longshore kick`: what was done, in words.
///
/// # Errors
/// Why it was not, in words.
pub fn kick(settings: &Settings, session: u64) -> Result<String, String> {
    said(ask(settings, Request::Kick(session))?)
}

/// `longshore reload`: what has changed, in words.
///
/// # Errors
/// What is wrong with what was read anew, a complaint a line; nothing has changed then.
pub fn reload(settings: &Settings) -> Result<String, String> {
    said(ask(settings, Request::Reload)?)
}

fn said(answers: Vec<Answer>) -> Result<String, String> {
    let said = answers.into_iter().filter_map(|answer| match answer {
        Answer::Said(said) => Some(printable(&said)),
        _ => None,
    });
    Ok(said.collect::<Vec<_>>().join("\n"))
}

fn status(settings: &Settings) -> Result<(Overview, Vec<Seen>), String> {
    let (mut overview, mut sessions) = (None, Vec::new());
    for answer in ask(settings, Request::Status)? {
        match answer {
            Answer::Server(server) => overview = Some(server),
            Answer::Session(seen) => sessions.push(*seen),
            _ => {}
        }
    }
    Ok((overview.ok_or("the server did not say how it stands")?, sessions))
}

/// All that is answered, the end not included.
fn ask(settings: &Settings, request: Request) -> Result<Vec<Answer>, String> {
    let listening = listening(settings)?;
    let name = wire::name(listening);
    let in_words = |error: &io::Error| match error.kind() {
        io::ErrorKind::ConnectionRefused => format!(
            "no server with these settings runs here: nobody answers at the Unix socket {name}; if it listens elsewhere, say \
             so by --ip and --port"
        ),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => format!("{name}: waited in vain for an answer"),
        _ => format!("{name}: {error}"),
    };
    let connect = || UnixStream::connect_addr(&wire::address(listening)?);
    let stream = connect().map_err(|error| in_words(&error))?;
    believe(&stream, settings).map_err(|why| format!("{name}: {why}"))?;
    let mut answers = Vec::new();
    speak(&stream, request, &mut answers).map_err(|error| in_words(&error))?;
    match answers.pop() {
        Some(Answer::Done) => Ok(answers),
        Some(Answer::Refused(why)) => Err(printable(&why.join("\n"))),
        _ => Err(format!("{name}: the answer was cut off")),
    }
}

fn speak(mut stream: &UnixStream, request: Request, answers: &mut Vec<Answer>) -> io::Result<()> {
    let patience = if request == Request::Reload { RELOAD_PATIENCE } else { PATIENCE };
    stream.set_write_timeout(Some(patience))?;
    stream.set_read_timeout(Some(patience + PATIENCE))?;
    // Whoever is turned away is told so without being heard.
    let _ = stream.write_all(wire::line(&request)?.as_bytes());
    for line in BufReader::new(stream).lines() {
        answers.push(serde_json::from_str(&line?)?);
        if answers.last().is_some_and(Answer::is_last) {
            break;
        }
    }
    Ok(())
}

/// Where the server of these settings listens.
fn listening(settings: &Settings) -> Result<SocketAddr, String> {
    if settings.port == 0 {
        return Err("port: found 0, any free one, expected the one to ask: say it by --port".to_owned());
    }
    let ip = settings.ip.iter().next().unwrap_or(Ipv4Addr::UNSPECIFIED.into());
    Ok(SocketAddr::new(ip, settings.port))
}

/// Looks who has the socket: anybody could have taken its name.
fn believe(stream: &UnixStream, settings: &Settings) -> Result<(), String> {
    let server = getsockopt(stream, PeerCredentials).map_err(|error| error.to_string())?;
    let mut believed = vec![geteuid().as_raw(), 0];
    believed.extend(settings.run_as.wanted().map(|(uid, _)| uid));
    believed.dedup();
    if believed.contains(&server.uid()) && is_one_user(server.uid()) {
        return Ok(());
    }
    let believed: Vec<_> = believed.iter().map(u32::to_string).collect();
    Err(format!(
        "belongs to process {} of uid {}, and a server of uid {} was expected; if it is the server, ask as its user",
        server.pid(),
        server.uid(),
        believed.join(" or ")
    ))
}

/// Without what could reach a terminal as a command.
fn printable(text: &str) -> String {
    text.replace(|c: char| is_misleading(c) && c != '\n', "\u{fffd}")
}
