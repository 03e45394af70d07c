//! Start-up in order, and exit codes: 0 done, 1 cannot serve, 2 something to mend in the settings or users.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use longshore::observe::{self, events};
use longshore::server::{self, Homes, Prepared, Server, StopSignals};
use longshore::settings::{self, Settings, cli};
use longshore::users::hash_password;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let flags = cli::command().get_matches();
    if flags.subcommand_matches("hash-password").is_some() {
        return report(print_hash(), 2);
    }
    let homes = if flags.subcommand_name().is_some() { Homes::Look } else { Homes::Make };
    let here = match std::env::current_dir() {
        Ok(here) => here,
        Err(error) => return report(Err(error.into()), 2),
    };
    let loaded = settings::load(&flags, settings::environment(), &here);
    if let Ok(loaded) = &loaded {
        server::set_umask(&loaded.settings);
    }
    if let Some(ports) = flags.subcommand_matches("ports") {
        // Asked for while a deployment is written, before there are users.
        return match loaded {
            Err(problems) => report(Err(problems.into()), 2),
            Ok(loaded) => report(print_ports(&loaded.settings, cli::wants_kubernetes(ports)), 1),
        };
    }
    match server::prepare(loaded, &here, homes) {
        Err(complaints) => report(Err(complaints.into()), 2),
        Ok(prepared) if flags.subcommand_matches("check").is_some() => report(print_check(&prepared), 1),
        Ok(prepared) => report(serve(prepared), 1),
    }
}

/// The failure on standard error, and the exit code that goes with it.
fn report(outcome: Result<(), Failure>, code: u8) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // With standard error gone, the exit code still says it.
            let _ = writeln!(io::stderr(), "{failure}");
            ExitCode::from(code)
        }
    }
}

fn serve(prepared: Prepared) -> Result<(), Failure> {
    let settings = &prepared.loaded.settings;
    let log = observe::init(&server::log_settings(settings))?;
    let mut warnings = prepared.warnings.clone();
    warnings.extend(server::fit_out_process(settings));
    let mut screen = server::start_screen(&prepared.loaded, &prepared.roster);
    let mut more: Vec<String> = prepared.loaded.share.iter().map(|share| share.describe(settings)).collect();
    more.extend(prepared.loaded.notes.iter().cloned());
    let runtime = server::runtime()?;
    let served = runtime.block_on(async {
        let signals = StopSignals::catch()?;
        let server = Server::bind(server::build_service(prepared)?)
            .map_err(|(address, error)| format!("ip, port: cannot listen on {address}: {error}"))?;
        screen.listening = server.addresses();
        screen.lines().iter().chain(&more).for_each(|line| events::start_screen(line));
        warnings.iter().for_each(|warning| events::warning(warning));
        server.run_until_signalled(signals).await;
        Ok::<(), Failure>(())
    });
    // File operations that hang, on a dead mount say, are not waited for.
    runtime.shutdown_background();
    drop(log);
    served
}

fn print_check(prepared: &Prepared) -> Result<(), Failure> {
    let screen = server::start_screen(&prepared.loaded, &prepared.roster);
    write!(io::stdout(), "{}", settings::render_check(&prepared.loaded))?;
    screen.users.iter().try_for_each(|user| writeln!(io::stdout(), "# {user}"))?;
    prepared.loaded.notes.iter().try_for_each(|note| writeln!(io::stderr(), "note: {note}"))?;
    prepared.warnings.iter().try_for_each(|warning| writeln!(io::stderr(), "warning: {warning}"))?;
    Ok(())
}

fn print_ports(settings: &Settings, kubernetes: bool) -> Result<(), Failure> {
    let print = if kubernetes { settings::kubernetes_ports } else { settings::compose_ports };
    Ok(write!(io::stdout(), "{}", print(settings))?)
}

fn print_hash() -> Result<(), Failure> {
    let mut password = Vec::new();
    io::stdin().read_to_end(&mut password)?;
    Ok(writeln!(io::stdout(), "{}", hash_password(&password)?)?)
}
