//! The command line: a flag for every setting, the subcommands, and the short flags of `python -m pyftpdlib`.

use std::io;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use clap_complete::Shell;

use super::field::Field;
use super::share::Share;
use super::table::FIELDS;
use super::value::Form;

/// The whole command. Without a subcommand it serves.
#[must_use]
pub fn command() -> Command {
    Command::new("longshore")
        .version(env!("CARGO_PKG_VERSION"))
        .about("An FTP server. Without a command it serves; `longshore -w -d FOLDER` shares a folder at once.")
        .args_override_self(true)
        .args(FIELDS.iter().map(flag))
        .arg(
            Arg::new(WRITE)
                .short('w')
                .long("write")
                .action(ArgAction::SetTrue)
                .global(true)
                .help("Share a folder, and let clients write into it"),
        )
        .arg(
            Arg::new(DIRECTORY)
                .short('d')
                .long("directory")
                .value_name("FOLDER")
                .global(true)
                .help("Share this folder (with -w alone: the current one)"),
        )
        .subcommand(
            Command::new("check").about("Say what is in force and where it comes from, or all that is wrong with it"),
        )
        .subcommand(
            Command::new("healthcheck").about("Ask the running server whether it is well; exit code 0 if it is"),
        )
        .subcommand(Command::new("hash-password").about("Read a password from standard input and print its hash"))
        .subcommand(
            Command::new("ports").about("Print the ports to publish, for compose").arg(
                Arg::new(KUBERNETES)
                    .long("kubernetes")
                    .action(ArgAction::SetTrue)
                    .help("Print them for a Kubernetes Service"),
            ),
        )
        .subcommand(
            Command::new("status")
                .about("Show the sessions of the running server; on a terminal again every second, until q is pressed")
                .arg(
                    Arg::new(JSON)
                        .long("json")
                        .action(ArgAction::SetTrue)
                        .help("Print them once, as a line of JSON each"),
                ),
        )
        .subcommand(
            Command::new("kick").about("End a session of the running server").arg(
                Arg::new(SESSION)
                    .value_name("SESSION")
                    .required(true)
                    .value_parser(value_parser!(u64))
                    .help("Its number, as in the log and in status"),
            ),
        )
        .subcommand(
            Command::new("reload")
                .about("Have the running server read settings and users anew, as SIGHUP does, and say what came of it"),
        )
        .subcommand(
            Command::new("completions")
                .about("Print a script that has a shell complete flags and commands")
                .arg(Arg::new(SHELL).value_name("SHELL").required(true).value_parser(value_parser!(Shell))),
        )
        .subcommand(Command::new("man").about("Print the manual page, in roff"))
}

/// Whether `ports --kubernetes` was asked for.
#[must_use]
pub fn wants_kubernetes(ports: &ArgMatches) -> bool {
    ports.get_flag(KUBERNETES)
}

/// Whether `status --json` was asked for.
#[must_use]
pub fn wants_json(status: &ArgMatches) -> bool {
    status.get_flag(JSON)
}

/// The session that is to be ended. Clap has seen to it that there is one; none has the number 0.
#[must_use]
pub fn session(kick: &ArgMatches) -> u64 {
    kick.get_one(SESSION).copied().unwrap_or_default()
}

/// What `completions` prints for the shell it was asked for.
#[must_use]
pub fn completions(completions: &ArgMatches) -> Vec<u8> {
    let mut script = Vec::new();
    if let Some(shell) = completions.get_one::<Shell>(SHELL) {
        clap_complete::generate(*shell, &mut command(), "longshore", &mut script);
    }
    script
}

/// The manual page, in roff.
///
/// # Errors
/// None, as it is written into memory.
pub fn manual() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command()).render(&mut page)?;
    Ok(page)
}

/// The settings that were given as flags, and only these.
pub(super) fn given(matches: &ArgMatches) -> Vec<(&'static Field, String)> {
    let given = |field: &'static Field| {
        let on_command_line = matches.value_source(field.name) == Some(ValueSource::CommandLine);
        let value = matches.get_one::<String>(field.name).filter(|_| on_command_line)?;
        Some((field, value.clone()))
    };
    FIELDS.iter().filter_map(given).collect()
}

/// The folder to share, if one is.
pub(super) fn share(matches: &ArgMatches, current_directory: &Path) -> Option<Share> {
    let directory = matches.get_one::<String>(DIRECTORY).map(String::as_str);
    Share::new(directory, matches.get_flag(WRITE), current_directory)
}

const WRITE: &str = "-w";
const DIRECTORY: &str = "-d";
const KUBERNETES: &str = "--kubernetes";
const SHELL: &str = "shell";
const JSON: &str = "--json";
const SESSION: &str = "session";

/// pyftpdlib's short flags that are settings here.
const SHORT: [(&str, char); 6] =
    [("ip", 'i'), ("port", 'p'), ("masquerade_address", 'n'), ("passive_ports", 'r'), ("user", 'u'), ("pass", 'P')];

fn flag(field: &'static Field) -> Arg {
    let default = if field.default.is_empty() { String::new() } else { format!(" [default: {}]", field.default) };
    let arg = Arg::new(field.name)
        .long(field.flag())
        .value_name(if field.form == Form::Switch { "on|off" } else { "VALUE" })
        .help(format!("{}{default}", field.meaning()))
        .help_heading("Settings")
        .allow_negative_numbers(true)
        .global(true);
    let arg = match SHORT.iter().find(|(name, _)| *name == field.name) {
        Some((_, short)) => arg.short(*short),
        None => arg,
    };
    if field.form == Form::Switch { arg.num_args(0..=1).default_missing_value("on") } else { arg }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &[&str]) -> Vec<(&'static str, String)> {
        let matches = command().try_get_matches_from([&["longshore"], line].concat()).unwrap();
        given(&matches).into_iter().map(|(field, value)| (field.name, value)).collect()
    }

    #[test]
    fn the_command_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn only_flags_that_were_given_count() {
        assert_eq!(parse(&[]), []);
        assert_eq!(parse(&["--max-cons", "5"]), [("max_cons", "5".to_owned())]);
        assert_eq!(parse(&["--max-cons", "-5"]), [("max_cons", "-5".to_owned())]);
        assert_eq!(parse(&["--port", "1", "--port", "2"]), [("port", "2".to_owned())]);
    }

    #[test]
    fn a_bare_switch_is_on() {
        assert_eq!(parse(&["--enable-anonymous"]), [("enable_anonymous", "on".to_owned())]);
        assert_eq!(parse(&["--use-gmt-times", "off"]), [("use_gmt_times", "off".to_owned())]);
    }

    #[test]
    fn flags_count_before_and_after_a_subcommand() {
        let both = [("port", "1".to_owned()), ("max_cons", "2".to_owned())];
        assert_eq!(parse(&["--port", "1", "check", "--max-cons", "2"]), both);
    }

    #[test]
    fn short_flags_are_those_of_pyftpdlib() {
        let line =
            ["-i", "127.0.0.1", "-p", "2122", "-n", "203.0.113.9", "-r", "2000-2010", "-u", "bob", "-P", "secret"];
        let names: Vec<_> = parse(&line).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["ip", "port", "passive_ports", "masquerade_address", "user", "pass"]);
    }
}
