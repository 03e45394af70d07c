//! A server of its own for each test, on loopback with a port of the kernel's choice, and its files.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use longshore::server::{Listeners, Server, build_service, prepare};
use longshore::settings::{Loaded, Settings};
use tokio_util::sync::CancellationToken;

/// The users that tests log in as; bob may do all, reader only look, and carol has a hash.
pub(crate) const USERS: &str = "\
bob secret elradfmwMT bob
reader secret elr reader
carol $5$rounds=1000$longshore$5CGXsYWFMlrPZoZgdS.7Au.YJHtZkL1lkNDNtkpERN3 elradfmwMT carol
";

/// A running server. Dropping it ends it and removes its files.
pub(crate) struct TestServer {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Where it listens for those who speak TLS from the first byte, if it does.
    pub(crate) implicit: Option<SocketAddr>,
    /// Where it answers probes and Prometheus, if it does.
    pub(crate) http: Option<SocketAddr>,
    folder: tempfile::TempDir,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    /// Starts one with settings changed from those that suit tests.
    pub(crate) fn start(change: impl FnOnce(&mut Settings)) -> Self {
        Self::start_with_users(USERS, change)
    }

    /// Starts one with users of its own.
    pub(crate) fn start_with_users(users: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        for home in ["bob", "reader", "carol", "anonymous"] {
            std::fs::create_dir(folder.path().join(home)).unwrap();
        }
        let mut settings = Settings::default();
        set(&mut settings, "ip", "127.0.0.1");
        set(&mut settings, "port", "0");
        set(&mut settings, "auth_failed_delay", "0");
        set(&mut settings, "passive_ports", "20000-29999");
        settings.home_root = folder.path().to_owned();
        settings.anonymous_path = folder.path().join("anonymous");
        settings.enable_anonymous = true;
        set(&mut settings, "users", users);
        set(&mut settings, "users_file", "");
        change(&mut settings);
        let loaded = Loaded::from(settings);
        let prepared = prepare(Ok(loaded), folder.path()).unwrap_or_else(|why| panic!("{why}"));
        let stop = CancellationToken::new();
        let (tell, told) = std::sync::mpsc::channel();
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async move {
                let listeners = Listeners::bind(&prepared.loaded.settings).unwrap();
                let first = |addresses: Vec<SocketAddr>| addresses.first().copied();
                tell.send((
                    listeners.addresses()[0],
                    first(listeners.implicit_addresses()),
                    first(listeners.http_addresses()),
                ))
                .unwrap();
                let server = Server::new(listeners, build_service(prepared).unwrap());
                server.run(stopped).await;
            });
        });
        let (address, implicit, http) = told.recv().expect("the server did not start");
        Self { address, implicit, http, folder, stop, thread: Some(thread) }
    }

    /// The home of a user.
    pub(crate) fn home(&self, user: &str) -> PathBuf {
        self.folder.path().join(user)
    }

    /// The folder that holds the homes.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ends the server and waits for it.
    pub(crate) fn stop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server panicked");
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the server panicked");
        }
    }
}

/// Changes one setting by its name, as an operator would write it.
pub(crate) fn set(settings: &mut Settings, name: &str, value: &str) {
    settings.set(name, value).unwrap_or_else(|why| panic!("{name} = {value}: {why}"));
}
