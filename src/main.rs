//! Start-up in order, and exit codes: 0 done, 1 cannot serve, 2 something to mend in the settings or users.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::ArgMatches;
use longshore::observe::{self, events};
use longshore::operator;
use longshore::server::{self, CaughtSignals, Listeners, Prepared, Reloader, Server};
use longshore::settings::{self, BEHIND, Loaded, Problems, Settings, cli};
use longshore::users::hash_password;

/// Gives memory back to the system when sessions are over, as neither glibc's does nor mimalloc (`cargo bench --bench soak`).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let flags = cli::command().get_matches();
    // Three that need no settings.
    match flags.subcommand() {
        Some(("hash-password", _)) => return report(print_hash(), 2),
        Some(("completions", completions)) => return report(print(&cli::completions(completions)), 1),
        Some(("man", _)) => return report(cli::manual().map_err(Failure::from).and_then(|page| print(&page)), 1),
        _ => {}
    }
    let here = match std::env::current_dir() {
        Ok(here) => here,
        Err(error) => return report(Err(error.into()), 2),
    };
    let loaded = settings::load(&flags, settings::environment(), &here);
    // Two questions that need no users: the first is asked while a deployment is written, before there are any.
    match (flags.subcommand(), loaded) {
        (Some(("ports", _)), Err(problems)) => report(Err(problems.into()), 2),
        // The only code for "not well" that engines of containers know.
        (Some(("healthcheck", _)), Err(problems)) => report(Err(problems.into()), 1),
        (Some(("ports", ports)), Ok(loaded)) => report(print_ports(&loaded.settings, cli::wants_kubernetes(ports)), 1),
        (Some(("healthcheck", _)), Ok(loaded)) => {
            report(server::check_health(&loaded.settings).map_err(Failure::from), 1)
        }
        (Some((errand @ ("status" | "kick" | "reload"), given)), loaded) => {
            report(run_errand(errand, given, loaded), 1)
        }
        (subcommand, loaded) => match server::prepare(loaded, &here) {
            Err(complaints) => report(Err(complaints.into()), 2),
            Ok(prepared) if subcommand.is_some() => report(print_check(&prepared), 1),
            Ok(prepared) => report(serve(prepared, &flags, &here), 1),
        },
    }
}

/// The failure on standard error, and the exit code that goes with it.
fn report(outcome: Result<(), Failure>, code: u8) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads what we print has seen enough: `longshore check | head`.
        Err(failure) if failure.downcast_ref().is_some_and(is_broken_pipe) => ExitCode::SUCCESS,
        Err(failure) => {
            // With standard error gone, the exit code still says it.
            let _ = writeln!(io::stderr(), "{failure}");
            ExitCode::from(code)
        }
    }
}

fn is_broken_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

fn serve(prepared: Prepared, flags: &ArgMatches, here: &Path) -> Result<(), Failure> {
    let runtime = server::runtime()?;
    let served = runtime.block_on(serve_within(prepared, flags, here));
    // File operations that hang, on a dead mount say, are not waited for.
    runtime.shutdown_background();
    served
}

/// The port is bound first, as root maybe; all that comes after belongs to whom we run as.
async fn serve_within(prepared: Prepared, flags: &ArgMatches, here: &Path) -> Result<(), Failure> {
    let settings = &prepared.loaded.settings;
    let signals = CaughtSignals::catch()?;
    server::survive_long_files()?;
    let mut listeners = Listeners::bind(settings)
        .map_err(|(names, address, error)| format!("{names}: cannot listen on {address}: {error}"))?;
    server::run_as(settings.run_as)?;
    server::set_umask(settings);
    let log = observe::init(&server::log_settings(settings))?;
    observe::log_panics();
    // All is in its place before anybody is told that the server is there.
    let mut warnings: Vec<String> = prepared.warnings.iter().cloned().chain(server::fit_out(&prepared)).collect();
    warnings.extend(listeners.open_desk().err());
    let mut screen = server::start_screen(&prepared);
    screen.listening = listeners.addresses();
    screen.implicit = listeners.implicit_addresses();
    screen.http = listeners.http_addresses();
    let mut lines = screen.lines();
    lines.extend(prepared.loaded.share.iter().map(|share| share.describe(settings)));
    lines.extend(prepared.loaded.notes.iter().cloned());
    lines.iter().for_each(|line| events::start_screen(line));
    warnings.iter().for_each(|warning| events::warning(warning));
    let (flags, here) = (flags.clone(), here.to_owned());
    let unnamed = prepared.loaded.unnamed;
    let load = move |here: &Path| settings::load_again(unnamed, &flags, settings::environment(), here);
    let reloader = Reloader::new(&prepared, &warnings, here, load);
    let server = Server::new(listeners, server::build_service(prepared)?).reloading(reloader);
    tokio::select! {
        () = server.run_until_signalled(signals) => Ok(()),
        never = log.keep_telling_losses() => match never {},
    }
}

/// In colour on a terminal only, and not there either if `NO_COLOR` is set: anstream takes them out.
fn print_check(prepared: &Prepared) -> Result<(), Failure> {
    const NOTE: Style = AnsiColor::Cyan.on_default();
    const WARNING: Style = AnsiColor::Yellow.on_default().bold();
    let (mut output, mut errors) = (anstream::stdout(), anstream::stderr());
    let screen = server::start_screen(prepared);
    write!(output, "{}", settings::render_check_in_colour(&prepared.loaded))?;
    screen.users.iter().try_for_each(|user| writeln!(output, "{BEHIND}# {user}{BEHIND:#}"))?;
    prepared.loaded.notes.iter().try_for_each(|note| writeln!(errors, "{NOTE}note:{NOTE:#} {note}"))?;
    prepared.warnings.iter().try_for_each(|warning| writeln!(errors, "{WARNING}warning:{WARNING:#} {warning}"))?;
    Ok(())
}

/// Asks the running server. Where the settings have problems, what can be read of them says where it is: it may be one of
/// these that somebody wants to be told by `reload`.
fn run_errand(errand: &str, given: &ArgMatches, loaded: Result<Loaded, Problems>) -> Result<(), Failure> {
    let (settings, problems) = match loaded {
        Ok(loaded) => (loaded.settings, None),
        Err(problems) => (problems.partial.settings.clone(), Some(problems)),
    };
    let done = match errand {
        "status" => operator::print_status(&settings, cli::wants_json(given)),
        "kick" => operator::kick(&settings, cli::session(given)).map_err(Failure::from).and_then(|said| say(&said)),
        _ => operator::reload(&settings).map_err(Failure::from).and_then(|said| say(&said)),
    };
    done.map_err(|failure| match problems {
        Some(problems) if !failure.is::<io::Error>() => format!("{failure}\nand the settings: {problems}").into(),
        _ => failure,
    })
}

fn say(said: &str) -> Result<(), Failure> {
    print(format!("{said}\n").as_bytes())
}

fn print_ports(settings: &Settings, kubernetes: bool) -> Result<(), Failure> {
    let print = if kubernetes { settings::kubernetes_ports } else { settings::compose_ports };
    Ok(write!(io::stdout(), "{}", print(settings))?)
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    Ok(io::stdout().write_all(bytes)?)
}

fn print_hash() -> Result<(), Failure> {
    let mut password = Vec::new();
    io::stdin().read_to_end(&mut password)?;
    Ok(writeln!(io::stdout(), "{}", hash_password(&password)?)?)
}
