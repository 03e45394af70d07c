//! From settings to what serving needs: users.conf is read, the rest of the mistakes is found, all in one run.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::exposure::{UserHome, exposed};
use super::guard::{own_program, stays_root, unguarded};
use super::kernel_ports::first_given_out;
use super::memory::{for_one_hash, memory};
use super::ruling::ruling_files;
use super::start::own_range;
use crate::hooks::{self, Trust};
use crate::settings::{
    Loaded, Looks, Masquerade, Origin, Problem, Problems, Settings, Spot, Surroundings, TlsMode, Unnamed, examine,
};
use crate::tls::{self, Tls};
use crate::users::{Account, AnonymousUser, Finding, Roster, RosterSources, SingleUser, UsersText};

/// Settings and users that may serve.
#[derive(Debug)]
pub struct Prepared {
    /// The settings, and where they come from.
    pub loaded: Loaded,
    /// Who may log in.
    pub roster: Roster,
    /// TLS, unless it is off.
    pub tls: Option<Tls>,
    /// Whom `https://` receivers of events must be known to, if there are any.
    pub trust: Option<Trust>,
    /// What an operator should look at.
    pub warnings: Vec<String>,
}

/// Everything that keeps the server from starting, one complaint a line.
#[derive(Debug)]
pub struct Complaints {
    /// What is wrong, and where.
    list: Vec<Complaint>,
    /// The files that were read: what is wrong may be mended in one of them.
    pub(super) looks: Looks,
}

/// One of them: a line, and where the settings file has it, drawn below.
#[derive(Debug, Clone)]
struct Complaint {
    line: String,
    spot: Option<Spot>,
}

impl Complaints {
    pub(super) fn of(lines: Vec<String>, looks: Looks) -> Self {
        Self { list: lines.into_iter().map(Complaint::from).collect(), looks }
    }

    /// As the log tells them.
    pub(super) fn lines(&self) -> Vec<String> {
        self.list.iter().map(|complaint| complaint.line.clone()).collect()
    }
}

impl From<String> for Complaint {
    fn from(line: String) -> Self {
        Self { line, spot: None }
    }
}

impl From<&Problem> for Complaint {
    fn from(problem: &Problem) -> Self {
        Self { line: problem.to_string(), spot: problem.spot.clone() }
    }
}

/// Reads the users and looks at everything together. Relative paths are meant from `current_directory`.
///
/// # Errors
/// Every problem of settings and users; none names a password.
pub fn prepare(loaded: Result<Loaded, Problems>, current_directory: &Path) -> Result<Prepared, Complaints> {
    prepare_after(None, loaded, current_directory)
}

/// The same for a server that speaks TLS already, see [`Tls::load`].
pub(super) fn prepare_after(
    before: Option<&Tls>,
    loaded: Result<Loaded, Problems>,
    current_directory: &Path,
) -> Result<Prepared, Complaints> {
    let (mut loaded, mut complaints) = match loaded {
        Ok(loaded) => (loaded, Vec::new()),
        Err(problems) => (*problems.partial, told(&problems.list)),
    };
    let settings = &mut loaded.settings;
    make_homes_absolute(settings, current_directory);
    settings.hook_spool = current_directory.join(&settings.hook_spool);

    let tls = if complaints.is_empty() { read_tls(before, &mut loaded, current_directory) } else { Ok(None) };
    let roster = read_roster(&mut loaded, current_directory);
    let trust = if complaints.is_empty() { read_trust(&mut loaded, current_directory) } else { Ok(None) };
    // Accounts that could not be read are no reason to say that there are none.
    let accounts = roster.as_ref().ok().filter(|_| complaints.is_empty());
    let surroundings = Surroundings {
        accounts: accounts.map(|(roster, _)| roster.accounts().filter(|account| !account.anonymous).count()),
        anonymous_home: anonymous_home_is_there(&loaded.settings),
        local_addresses: &local_addresses(&loaded.settings),
        given_out: first_given_out(own_range(&loaded.settings)),
    };
    let found = examine(&loaded, &surroundings);
    complaints.extend(told(&found.problems));
    let tls = tls.unwrap_or_else(|complaint| {
        complaints.push(complaint.into());
        None
    });
    let trust = trust.unwrap_or_else(|complaint| {
        complaints.push(complaint.into());
        None
    });
    let memory = memory(Path::new("/"));
    let too_large = roster.iter().flat_map(|(roster, _)| memory.map(|memory| hashes_too_large(roster, memory)));
    complaints.extend(too_large.flatten().map(Complaint::from));
    if let Ok((roster, _)) = &roster {
        complaints.extend(exposures(&loaded, roster, current_directory).into_iter().map(Complaint::from));
    }
    match roster {
        Ok((roster, warnings)) if complaints.is_empty() => {
            let mut all = std::mem::take(&mut loaded.warnings);
            all.extend(found.warnings);
            all.extend(unguarded(&ruling_files(&loaded, current_directory), loaded.settings.run_as));
            all.extend(own_program(homes(&roster)));
            all.extend(stays_root(loaded.settings.run_as));
            all.extend(warnings.iter().map(ToString::to_string));
            all.extend(tls.as_ref().map(Tls::warnings).unwrap_or_default());
            Ok(Prepared { loaded, roster, tls, trust, warnings: all })
        }
        roster => {
            complaints.extend(roster.err().into_iter().flatten().map(Complaint::from));
            Err(Complaints { list: complaints, looks: loaded.looks })
        }
    }
}

fn told(problems: &[Problem]) -> Vec<Complaint> {
    problems.iter().map(Complaint::from).collect()
}

fn read_roster(loaded: &mut Loaded, current_directory: &Path) -> Result<(Roster, Vec<Finding>), Vec<String>> {
    let file = users_file(loaded, current_directory).map_err(|complaint| vec![complaint])?;
    let settings = &loaded.settings;
    let inline = (loaded.place("users"), settings.users.expose().as_bytes().to_vec());
    let texts = [file, Some(inline)];
    let texts: Vec<UsersText<'_>> = texts.iter().flatten().map(|(source, text)| UsersText { source, text }).collect();
    let own_home = settings.home_root.join(&settings.user);
    // Half of a user has been told by its variable or flag when the settings were read.
    let is_whole = !settings.user.is_empty() && !settings.pass.is_empty();
    let single = SingleUser {
        name: if is_whole { &settings.user } else { "" },
        password: if is_whole { settings.pass.expose().as_bytes() } else { b"" },
        permissions: settings.perm,
        home: loaded.share.as_ref().map_or(&own_home, |share| &share.directory),
    };
    let anonymous = settings
        .enable_anonymous
        .then_some(AnonymousUser { home: &settings.anonymous_path, permissions: settings.anonymous_perm });
    let sources = RosterSources { home_root: &settings.home_root, texts: &texts, single, anonymous };
    Roster::assemble(&sources).map_err(|findings| findings.iter().map(ToString::to_string).collect())
}

/// The TLS that the settings ask for. Its complaints begin with the name of the setting, which becomes its place.
fn read_tls(before: Option<&Tls>, loaded: &mut Loaded, current_directory: &Path) -> Result<Option<Tls>, String> {
    let settings = &loaded.settings;
    if settings.tls == TlsMode::Off {
        return Ok(None);
    }
    let absolute = |path: &PathBuf| current_directory.join(path);
    let options = tls::Options {
        pair: settings.tls_cert.as_ref().map(absolute).zip(settings.tls_key.as_ref().map(absolute)),
        client_ca: settings.tls_client_ca.as_ref().map(absolute),
        min_version: settings.tls_min_version,
        session_reuse: settings.tls_session_reuse,
        close_notify: settings.tls_close_notify,
        handshake_limit: settings.login_timeout.limit(),
        own: tls::Own {
            // Beside the spool, which is one server's own as well, under a name that no client reaches.
            directory: settings.hook_spool.with_file_name(".longshore-tls"),
            names: own_names(settings),
            owner: settings.run_as.wanted().map(|(uid, _)| uid),
        },
    };
    options.files().for_each(|file| loaded.looks.look_at(file));
    Tls::load(&options, before).map(Some).map_err(|complaint| {
        let (setting, rest) = complaint.split_once(':').unwrap_or(("tls", &complaint));
        format!("{}:{rest}", loaded.place(setting))
    })
}

/// Whom `https://` receivers of events must be known to.
fn read_trust(loaded: &mut Loaded, current_directory: &Path) -> Result<Option<Trust>, String> {
    if !hooks::is_trust_needed(&loaded.settings) {
        return Ok(None);
    }
    let file = loaded.settings.hook_ca.as_ref().map(|file| current_directory.join(file));
    file.iter().for_each(|file| loaded.looks.look_at(file));
    Trust::load(file.as_deref()).map(Some).map_err(|complaint| {
        let (setting, rest) = complaint.split_once(':').unwrap_or(("hook_ca", &complaint));
        format!("{}:{rest}", loaded.place(setting))
    })
}

/// A line for each file that rules the server and that clients could get at, by the homes of these users. The settings file
/// that nobody named is also held against the homes that there are without it.
pub(super) fn exposures(loaded: &Loaded, roster: &Roster, current_directory: &Path) -> Vec<String> {
    let files = ruling_files(loaded, current_directory);
    let mut lines = exposed(&files, homes(roster));
    if let Some(bare) = &loaded.bare {
        let mut bare = bare.as_ref().clone();
        make_homes_absolute(&mut bare.settings, current_directory);
        let mut settings_file = files;
        settings_file.truncate(1);
        if let Ok((roster, _)) = read_roster(&mut bare, current_directory) {
            let more = exposed(&settings_file, homes(&roster));
            lines.extend(more.into_iter().filter(|line| !lines.contains(line)).collect::<Vec<_>>());
        }
    }
    lines
}

fn homes(roster: &Roster) -> impl Iterator<Item = UserHome<'_>> {
    roster.accounts().map(|account| UserHome {
        user: &account.name,
        path: &account.home,
        permissions: account.permissions,
    })
}

fn make_homes_absolute(settings: &mut Settings, current_directory: &Path) {
    settings.home_root = current_directory.join(&settings.home_root);
    settings.anonymous_path = current_directory.join(&settings.anonymous_path);
}

/// Users whose log-in would take more than the `memory` of the process, in KiB, and end it.
fn hashes_too_large(roster: &Roster, memory: u64) -> Vec<String> {
    let most = for_one_hash(memory);
    let is_too_large = |account: &&Arc<Account>| account.hash_memory() as u64 > most;
    let in_words = |account: &Arc<Account>| {
        format!(
            "users: the password hash of {} takes {} MiB of memory to check, and this process, which may have {} MiB, can \
             spare {}: raise the limit, or make another hash by `longshore hash-password`",
            account.name,
            account.hash_memory() / 1024,
            memory / 1024,
            most / 1024
        )
    };
    roster.accounts().filter(is_too_large).map(in_words).collect()
}

/// What clients may call this server.
fn own_names(settings: &Settings) -> Vec<String> {
    let host = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    let told = match &settings.masquerade_address {
        Masquerade::Off => None,
        Masquerade::Address(address) => Some(address.to_string()),
        Masquerade::Name(name) => Some(name.clone()),
    };
    told.into_iter().chain(host).chain(["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()]).collect()
}

/// The users file and what to call it; none is fine where nobody asked for one by name.
fn users_file(loaded: &mut Loaded, current_directory: &Path) -> Result<Option<(String, Vec<u8>)>, String> {
    let Some(path) = &loaded.settings.users_file else { return Ok(None) };
    let absolute = current_directory.join(path);
    if !loaded.reads_users_file() {
        if Looks::is_there(&absolute) {
            loaded.warnings.push(Unnamed::came_later("users_file", path));
        }
        return Ok(None);
    }
    match loaded.looks.read(&absolute) {
        Ok(text) => Ok(Some((path.display().to_string(), text))),
        // Gone since the start: the reload misses it, if there was something in it.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                && loaded.origins.get("users_file") == Some(&Origin::Default) =>
        {
            Ok(None)
        }
        Err(error) => {
            let place = loaded.place("users_file");
            Err(format!("{place}: found {}, which cannot be read ({error}), expected users.conf", path.display()))
        }
    }
}

/// It is there, or it will be made.
fn anonymous_home_is_there(settings: &Settings) -> bool {
    let path = &settings.anonymous_path;
    path.is_dir() || settings.create_homes && !path.exists()
}

/// Where clients find the server: the addresses it listens on, or those of the machine if it listens on all.
fn local_addresses(settings: &Settings) -> Vec<IpAddr> {
    if !settings.ip.iter().any(|address| address.is_unspecified()) {
        return settings.ip.iter().collect();
    }
    let Ok(interfaces) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    interfaces
        .filter_map(|interface| interface.address)
        .filter_map(|address| match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
            (Some(v4), _) => Some(IpAddr::V4(v4.ip())),
            (_, Some(v6)) => Some(IpAddr::V6(v6.ip())),
            _ => None,
        })
        .collect()
}

impl fmt::Display for Complaints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Complaint { line, spot }) in self.list.iter().enumerate() {
            write!(f, "{}{line}", if index == 0 { "" } else { "\n" })?;
            spot.iter().try_for_each(|spot| spot.fmt(f))?;
        }
        Ok(())
    }
}

impl std::error::Error for Complaints {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Permissions;
    use crate::users::Secret;

    #[test]
    fn a_hash_that_does_not_fit_into_memory_is_told_of_by_its_user() {
        let hash = |mib: u32| {
            format!("$argon2id$v=19$m={},t=1,p=1$c29tZXNhbHQ$iJLZzAt/0zAjLPl3Xt1OE8/GZoODsb0XeqLJqOgZGBs", mib * 1024)
        };
        let user = |name, secret: &str| {
            Account::new(name, Secret::parse(secret.as_bytes()).unwrap(), Permissions::ALL, "/".into())
        };
        let roster = Roster::new([user("alice", &hash(512)), user("bob", &hash(496)), user("carol", "plain")]);
        let told = hashes_too_large(&roster, 512 * 1024);
        assert_eq!(
            told,
            [
                "users: the password hash of alice takes 512 MiB of memory to check, and this process, which may have 512 \
             MiB, can spare 496: raise the limit, or make another hash by `longshore hash-password`"
            ]
        );
        assert!(hashes_too_large(&roster, 1024 * 1024).is_empty());
    }
}
