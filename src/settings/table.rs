//! Every setting, once. Variable, flag, README table, conf/settings.toml and `longshore check` follow from these rows.

use std::path::PathBuf;

use super::field::settings;
use super::units::{
    Cidrs, CloseNotify, Count, Encoding, Hook, Identity, ListenAddresses, ListenSockets, LogFormat, LogLevel,
    LogRotation, Masquerade, MasqueradeMap, Octal, Permissions, PortRange, ProxyProtocol, Rate, Secret, SessionReuse,
    Size, Slice, Span, TlsMode, TlsVersion, UploadMode,
};

settings! {
    /// The settings file itself, so not to be set in it; if nobody names it, it is read if it is there at start and no folder is shared by `-d` or `-w`.
    config: PathBuf = "conf/settings.toml",

    /// Addresses to listen on, with commas between; `::` is dual stack.
    ip: ListenAddresses = "0.0.0.0" at start,
    /// Port of the control connection; 0 is any free one.
    port: u16 = "2121" at start,
    /// Bytes per second of one upload (client to server); 0 is no limit.
    max_upload: Rate = "0",
    /// Bytes per second of one download (server to client); 0 is no limit.
    max_download: Rate = "0",
    /// Control sessions in all; 0 is no limit.
    max_cons: Count = "512",
    /// Control sessions from one address; 0 is no limit.
    max_per_ip: Count = "50",
    /// Ports for passive data connections, the last one included.
    passive_ports: PortRange = "30000-30009",
    /// This server's part of them, `0/3` being the first of three, where servers share a range.
    passive_slice: Slice = "",
    /// Whether anybody may log in as `anonymous`, with any password.
    enable_anonymous: bool = "off",
    /// Home of `anonymous`.
    anonymous_path: PathBuf = "/srv/ftp/anonymous",
    /// Whether to log to the file `logging_name` as well as to standard output.
    enable_logging: bool = "on" at start,
    /// The log file; empty is none.
    logging_name: Option<PathBuf> = "" at start,
    /// The greeting; may have several lines.
    welcome_msg: String = "Welcome",
    /// Address or host name that PASV tells clients; empty is the local address.
    masquerade_address: Masquerade = "",
    /// File of users; empty is none. If nobody names it, it is read if it is there at start.
    users_file: Option<PathBuf> = "conf/users.conf",

    /// Users given inline: lines of users.conf.
    users: Secret = "",
    /// Name of one user that needs no file; empty is none.
    user: String = "",
    /// Password of `user`, or a hash of it.
    pass: Secret = "",
    /// Permission letters of `user`.
    perm: Permissions = "elradfmwMT",
    /// Directory that relative homes are in.
    home_root: PathBuf = "/srv/ftp",
    /// Whether to make a home that is missing.
    create_homes: bool = "on",
    /// Permission letters of `anonymous`.
    anonymous_perm: Permissions = "elr",
    /// Said after a log-in.
    login_msg: String = "Login successful.",
    /// Said at the end.
    quit_msg: String = "Goodbye.",

    /// Rules `client network = address` or `local address = address`, the first that fits; `local` is the real one.
    masquerade_map: MasqueradeMap = "",
    /// Networks whose data connections serve any session, exempt from per-address limits and bans.
    trusted_peers: Cidrs = "",
    /// Whether PORT and EPRT are allowed.
    enable_active: bool = "on",
    /// Whether data connections may go to or come from other addresses than the client's; some stay refused, see Security.
    permit_foreign_addresses: bool = "off",
    /// Whether PORT and EPRT may name ports below 1024.
    permit_privileged_ports: bool = "off",
    /// Source port of active data connections; 0 is any.
    active_source_port: u16 = "0",

    /// Whether proxies tell which client they speak for (PROXY v1, v2): `off`, `optional`, `required`.
    proxy_protocol: ProxyProtocol = "off",
    /// Networks of the proxies that are believed.
    proxy_from: Cidrs = "",

    /// Sessions of one user; 0 is no limit.
    max_per_user: Count = "0",
    /// Bytes per second of all uploads of one user; 0 is no limit.
    max_upload_per_user: Rate = "0",
    /// Bytes per second of all uploads from one address; 0 is no limit.
    max_upload_per_ip: Rate = "0",
    /// Bytes per second of all uploads; 0 is no limit.
    max_upload_total: Rate = "0",
    /// Bytes per second of all downloads of one user; 0 is no limit.
    max_download_per_user: Rate = "0",
    /// Bytes per second of all downloads to one address; 0 is no limit.
    max_download_per_ip: Rate = "0",
    /// Bytes per second of all downloads; 0 is no limit.
    max_download_total: Rate = "0",

    /// Failed log-ins after which a session is ended; 0 is no limit.
    max_login_attempts: Count = "3",
    /// Wait before a failed log-in is answered; 0 is none.
    auth_failed_delay: Span = "3s",
    /// Failed log-ins from one address before it is turned away; 0 is never.
    ban_after: Count = "0",
    /// How long such an address is turned away.
    ban_time: Span = "10m",
    /// Time to log in, and for each TLS handshake at most; 0 is no limit.
    login_timeout: Span = "60s",
    /// Time without a command and without data moving; 0 is no limit.
    idle_timeout: Span = "300s",
    /// Time a transfer may stall; 0 is no limit.
    data_timeout: Span = "300s",
    /// Time to make a data connection; 0 is no limit.
    data_connect_timeout: Span = "30s",
    /// Silence after which TCP keep-alive asks, on both connections, 9 hours at most; 0 is never.
    keepalive: Span = "60s",

    /// How long running transfers may go on when the server is told to end.
    shutdown_grace: Span = "8s",

    /// Whether clients may speak TLS after AUTH TLS, or must: `off`, `allowed`, `required`.
    tls: TlsMode = "off",
    /// PEM file of the certificate and those above it, followed when it changes; empty is one that the server makes.
    tls_cert: Option<PathBuf> = "",
    /// PEM file of its key, followed when it changes.
    tls_key: Option<PathBuf> = "",
    /// Whether data connections must be encrypted too, where `tls` is `required`.
    tls_data_required: bool = "on",
    /// The oldest version of TLS that is spoken: `1.2`, `1.3`.
    tls_min_version: TlsVersion = "1.2",
    /// Whether data connections resume the control connection's TLS session: `off`, `prefer`, `require`.
    tls_session_reuse: SessionReuse = "prefer",
    /// Whether the end of an encrypted upload must be said by TLS: `require`, or `accept` a connection that ends without.
    tls_close_notify: CloseNotify = "require",
    /// PEM file of those who vouch for client certificates, which then may stand for passwords; empty is nobody.
    tls_client_ca: Option<PathBuf> = "",
    /// Addresses with ports, such as `0.0.0.0:990`, for clients that speak TLS from the first byte; empty is none.
    tls_listen: ListenSockets = "" at start,

    /// Where an upload goes while it is under way: `atomic` is a hidden file that takes the name's place once it is whole, `direct` the file itself.
    upload_mode: UploadMode = "atomic",
    /// Whether an upload is on the disk itself, not in its cache, before 226 says so.
    upload_fsync: bool = "off",
    /// Mode bits that new files and directories do not get, in octal.
    umask: Octal = "022" at start,
    /// Mode of new files before the umask, in octal.
    file_mode: Octal = "666",
    /// Mode of new directories before the umask, in octal.
    dir_mode: Octal = "777",
    /// `uid:gid` to become once the port is bound, when started as root.
    run_as: Identity = "" at start,
    /// Whether listings show times in GMT rather than in the local zone.
    use_gmt_times: bool = "on",
    /// Encoding of file names on the wire: `utf8` passes bytes on, others (`gbk`, `latin-1`) serve old clients.
    encoding: Encoding = "utf8",

    /// How much is logged: `error`, `warn`, `info`, `debug`, `trace`.
    log_level: LogLevel = "info" at start,
    /// How it looks: `text`, `json`, or `auto`, which is text on a terminal and else json.
    log_format: LogFormat = "auto" at start,
    /// When a new log file is begun: `never`, `hourly`, `daily`, `weekly`.
    log_rotation: LogRotation = "daily" at start,
    /// How many log files are kept; 0 is all.
    log_keep: Count = "14" at start,
    /// File that gets a line per transfer, in xferlog form; empty is none.
    transfer_log: Option<PathBuf> = "",

    /// Addresses with ports, such as `0.0.0.0:8080`, for probes and Prometheus by HTTP: `/livez`, `/readyz`, `/metrics`; empty is none.
    http_listen: ListenSockets = "" at start,
    /// Password, with any name, of the status page that `http_listen` has at `/`; empty is no page.
    http_token: Secret = "",

    /// Who is told of each file that has arrived whole: an `http://` or `https://` address, or a command; empty is nobody.
    on_upload: Hook = "",
    /// Who is told of each file, and each empty directory, that was deleted; as `on_upload`.
    on_delete: Hook = "",
    /// Who is told of each file or directory that has another name; as `on_upload`.
    on_rename: Hook = "",
    /// Who is told of each new directory; as `on_upload`.
    on_mkdir: Hook = "",
    /// Who is told of each log-in; as `on_upload`.
    on_login: Hook = "",
    /// Key of the signature (HMAC-SHA256) that goes with each event by HTTP; empty is no signature.
    hook_secret: Secret = "",
    /// Directory where events wait until their receivers have them; one server's own.
    hook_spool: PathBuf = "/srv/ftp/.longshore-spool" at start,
    /// Bytes of the events that may wait there; those beyond are lost, which is logged; 0 is no limit.
    hook_spool_size: Size = "64MiB",
    /// Time a receiver has to take an event, after which it counts as failed; 0 is no limit.
    hook_timeout: Span = "30s",
    /// Wait before the first new attempt at a receiver that failed; it doubles with each, up to 5 minutes.
    hook_retry: Span = "1s",
    /// PEM file of those who vouch for `https://` receivers, in place of the public authorities; empty is these.
    hook_ca: Option<PathBuf> = "",
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_default_reads_and_no_name_is_there_twice() {
        let texts = Settings::default().texts();
        assert_eq!(texts.len(), FIELDS.len());
        assert!(FIELDS.len() > 50);
        assert_eq!(FIELDS.iter().map(|field| field.name).collect::<BTreeSet<_>>().len(), FIELDS.len());
    }

    #[test]
    fn every_meaning_is_one_plain_line() {
        for field in FIELDS {
            assert!(field.doc.ends_with('.') && !field.doc.contains(['|', '\n']), "{}: {}", field.name, field.doc);
        }
    }
}
