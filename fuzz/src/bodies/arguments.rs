//! Arguments of commands: what is read can be written again and is then the same, and nothing that is echoed is a line
//! more.

use longshore::commands::{Command, about, facts, link, list, login, manage, navigate, site, transfer};
use longshore::listing::argument;
use longshore::listing::facts::FactSet;
use longshore::protocol::address::{Family, comma_form, parse_eprt, parse_port};
use longshore::protocol::argument::parse_number;
use longshore::protocol::{Argument, Code, Reply, time};

use super::contains;

/// A line as a client sends it, or what follows its verb: read as each.
pub(super) fn run(input: &[u8]) {
    let (verb, argument) = Argument::split(input);
    assert!(!verb.contains(&b' ') && !verb.iter().any(u8::is_ascii_lowercase));
    let blank = usize::from(input.len() > verb.len());
    assert_eq!(verb.len() + blank + argument.bytes().len(), input.len());
    for bytes in [input, argument.bytes()] {
        values(bytes);
        echoes(bytes);
        commands(Argument::new(bytes));
    }
}

fn values(bytes: &[u8]) {
    if let Ok(number) = Argument::new(bytes).number() {
        assert!(i64::try_from(number).is_ok());
        assert_eq!(parse_number(number.to_string().as_bytes()), Ok(number));
    }
    if let Ok(address) = parse_port(bytes) {
        let std::net::IpAddr::V4(ip) = address.ip() else { panic!("PORT is IPv4's") };
        assert!(address.port() != 0);
        assert_eq!(parse_port(comma_form(ip, address.port()).as_bytes()), Ok(address));
    }
    if let Ok(address) = parse_eprt(bytes) {
        let (family, ip, port) = (Family::of(address.ip()).number(), address.ip(), address.port());
        assert!(port != 0);
        assert_eq!(parse_eprt(format!("|{family}|{ip}|{port}|").as_bytes()), Ok(address));
    }
    if let Ok(family) = Family::parse(bytes) {
        assert_eq!(family.number().to_string().as_bytes(), bytes);
    }
    if let Some(seconds) = time::parse(bytes) {
        let written = time::format(seconds);
        assert_eq!(time::parse(written.as_bytes()), Some(seconds), "{written}");
    }
    let chosen = FactSet::chosen(bytes);
    assert_eq!(FactSet::chosen(chosen.to_string().as_bytes()), chosen);
    let named = argument::read(bytes);
    for path in [Some(named.path), named.otherwise].into_iter().flatten() {
        assert!(bytes.ends_with(path), "LIST means a path that was not said");
    }
}

/// Whatever of it is said again, is one line.
fn echoes(bytes: &[u8]) {
    let mut out = Vec::new();
    Reply::new(Code::OKAY, bytes).encode(&mut out);
    assert_one_line(&out);
    out.clear();
    Reply::lines(Code::OKAY, bytes, vec![bytes.to_vec(), bytes.to_vec()], "End.").encode(&mut out);
    let lines: Vec<&[u8]> = out.split_inclusive(|&byte| byte == b'\n').collect();
    lines.iter().for_each(|line| assert_one_line(line));
    assert_eq!(lines.len(), 4);
    assert!(lines[0].starts_with(b"200-") && lines[1].starts_with(b" ") && lines[3] == b"200 End.\r\n");
}

fn assert_one_line(line: &[u8]) {
    let text = line.strip_suffix(b"\r\n").expect("a line has an end");
    assert!(!contains(text, b"\r") && !contains(text, b"\n"), "{}", text.escape_ascii());
}

/// Each command reads it, or says what is wrong.
fn commands(argument: Argument<'_>) {
    macro_rules! parse {
        ($($command:ty),+ $(,)?) => {
            $(if let Err(syntax) = <$command>::parse(argument) {
                assert!(!syntax.to_string().is_empty());
            })+
        };
    }
    parse!(
        about::Feat,
        about::Opts,
        about::Help,
        about::Stat,
        about::Syst,
        about::Noop,
        facts::Size,
        facts::Mdtm,
        facts::Mfmt,
        facts::Avbl,
        facts::Hash,
        link::Type,
        link::Mode,
        link::Stru,
        link::Pasv,
        link::Epsv,
        link::Port,
        link::Eprt,
        link::Pret,
        list::List,
        list::Nlst,
        list::Mlsd,
        list::Mlst,
        login::User,
        login::Pass,
        login::Acct,
        login::Host,
        login::Clnt,
        login::Rein,
        login::Quit,
        manage::Mkd,
        manage::Rmd,
        manage::Dele,
        manage::Rnfr,
        manage::Rnto,
        navigate::Cwd,
        navigate::Cdup,
        navigate::Pwd,
        navigate::Smnt,
        site::Site,
        transfer::Retr,
        transfer::Stor,
        transfer::Appe,
        transfer::Stou,
        transfer::Rest,
        transfer::Allo,
        transfer::Abor,
    );
}
