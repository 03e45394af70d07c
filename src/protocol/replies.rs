//! Every sentence the server says, in one place, to be read as one text. The usual ones are pyftpdlib's.
//!
//! Nothing a client sent comes back in them, but for the paths of 250, 257 and MLST, which are quoted or follow
//! facts: an echoed `227 (…)` has opened holes in firewalls (VU#328867).

use std::net::Ipv4Addr;

use super::address::{Family, comma_form};
use super::argument::Syntax;
use super::reply::{Code, Reply};

/// Makes a function of each row: its name, its code, its sentence.
macro_rules! sentences {
    ($($(#[$doc:meta])* $name:ident: $code:ident $sentence:literal,)+) => {
        $($(#[$doc])* #[must_use] pub fn $name() -> Reply { Reply::fixed(Code::$code, $sentence) })+
    };
}

// Greeting and parting.

sentences! {
    /// `max_cons` is reached.
    server_full: UNAVAILABLE "Too many connections. Service temporarily unavailable.",
    /// `max_per_ip` is reached.
    address_full: UNAVAILABLE "Too many connections from the same IP address.",
    /// The address is turned away for a while (`ban_after`).
    banned: UNAVAILABLE "Too many failed log-ins from this address. Try again later.",
    /// `idle_timeout` or `login_timeout` ran out.
    control_timed_out: UNAVAILABLE "Control connection timed out.",
    /// The server ends.
    shutting_down: UNAVAILABLE "Service is shutting down.",
    /// An operator ends the session.
    kicked: UNAVAILABLE "The operator has ended this session.",
    /// The peer speaks another protocol.
    not_ftp: UNAVAILABLE "This is an FTP server.",
    /// Too many commands in a row were none.
    too_many_bad_commands: UNAVAILABLE "Too many bad commands.",
    /// A panic, which ends the session that it happened in.
    server_error: UNAVAILABLE "An error in the server ends this session.",
}

// Commands as such.

sentences! {
    /// No such verb.
    unknown_command: UNKNOWN_COMMAND "Command not understood.",
    /// A line over the limit; it was skipped to its end.
    line_too_long: UNKNOWN_COMMAND "Command too long.",
    /// ACCT and SMNT, which RFC 959 has and this server has not.
    not_implemented: NOT_IMPLEMENTED "Command not implemented.",
    /// A command that needs a log-in, before there is one.
    log_in_first: NOT_LOGGED_IN "Log in with USER and PASS first.",
}

// Security (RFC 2228, RFC 4217).

sentences! {
    /// AUTH TLS: what follows is the handshake.
    tls_begins: SECURITY_ACCEPTED "Begin TLS now.",
    /// AUTH again.
    tls_stands: BAD_SEQUENCE "TLS is spoken already.",
    /// AUTH with a mechanism other than TLS.
    unknown_mechanism: BAD_PARAMETER "Only TLS is known.",
    /// PBSZ: TLS has no buffer to agree on.
    no_buffer: OKAY "PBSZ=0",
    /// PBSZ and PROT before AUTH.
    auth_first: BAD_SEQUENCE "AUTH TLS comes first.",
    /// PROT before PBSZ.
    pbsz_first: BAD_SEQUENCE "PBSZ 0 comes first.",
    /// PROT C.
    data_in_clear: OKAY "Data connections are not encrypted.",
    /// PROT P.
    data_protected: OKAY "Data connections are encrypted.",
    /// PROT S and PROT E, which RFC 2228 has and TLS has not.
    unknown_protection: PROTECTION_UNKNOWN "Only C and P are known.",
    /// PROT C where `tls_data_required` is on.
    data_must_be_protected: DENIED_BY_POLICY "Data connections must be encrypted.",
    /// A transfer before PROT P where `tls_data_required` is on.
    protect_data_first: PROTECTION_NEEDED "Use PROT P first: no data is sent in clear.",
    /// CCC: whoever reads along would see the rest, and could add to it.
    no_way_back: DENIED_BY_POLICY "The control connection stays encrypted.",
    /// The TLS handshake of a data connection failed.
    data_not_protected: BAD_PROTOCOL "The TLS handshake of the data connection failed.",
    /// The same, because it was a new one where `tls_session_reuse` is `require`.
    session_not_reused: BAD_PROTOCOL "The data connection must resume the TLS session of the control connection.",
}

// Log-in.

sentences! {
    /// USER, whatever the name (RFC 2577 section 7).
    send_password: NEED_PASSWORD "Username ok, send password.",
    /// USER while somebody is logged in.
    account_flushed: NEED_PASSWORD "Previous account information was flushed, send password.",
    /// PASS without USER.
    user_first: BAD_SEQUENCE "Login with USER first.",
    /// PASS again.
    already_logged_in: BAD_SEQUENCE "User already authenticated.",
    /// A wrong pair of name and password.
    authentication_failed: NOT_LOGGED_IN "Authentication failed.",
    /// A wrong pair for the last time (`max_login_attempts`).
    authentication_failed_for_good: NOT_LOGGED_IN "Authentication failed. Disconnecting.",
    /// `enable_anonymous` is off.
    no_anonymous: NOT_LOGGED_IN "Anonymous access not allowed.",
    /// USER in clear, where `tls` is `required`.
    tls_first: NOT_LOGGED_IN "Use AUTH TLS first: no name and no password is taken in clear.",
    /// `max_per_user`, or the user's own `max_cons`, is reached.
    user_full: NOT_LOGGED_IN "Too many sessions of this user.",
    /// The user's home cannot be opened.
    no_home: NOT_LOGGED_IN "The home directory is not available.",
    /// REIN.
    ready_for_new_user: READY "Service ready for new user.",
    /// HOST (RFC 7151): there is one host, whatever its name.
    host_accepted: READY "Host accepted.",
    /// HOST when USER has been said (RFC 7151 section 3.3).
    host_too_late: BAD_SEQUENCE "HOST comes before USER.",
    /// CLNT.
    client_noted: OKAY "Noted.",
}

// Representation.

sentences! {
    /// TYPE A.
    type_ascii: OKAY "Type set to: ASCII.",
    /// TYPE I.
    type_binary: OKAY "Type set to: Binary.",
    /// MODE S.
    mode_stream: OKAY "Transfer mode set to: S",
    /// STRU F.
    structure_file: OKAY "File transfer structure set to: F.",
    /// TYPE, MODE or STRU of a kind that this server has not.
    parameter_not_implemented: BAD_PARAMETER "Command not implemented for that parameter.",
}

// The data connection.

sentences! {
    /// EPSV ALL.
    extended_passive_only: OKAY "Only EPSV from now on.",
    /// PORT, EPRT or PASV after EPSV ALL.
    only_extended_passive: BAD_ARGUMENT "Not allowed after EPSV ALL.",
    /// PORT and EPRT. The connection itself is made by the transfer.
    active_accepted: OKAY "Active data connection accepted.",
    /// `enable_active` is off.
    active_disabled: NOT_IMPLEMENTED "Active mode is disabled. Use EPSV or PASV.",
    /// PORT to somebody else's address (the bounce attack, RFC 2577 section 3).
    foreign_address: BAD_PARAMETER "Data connections to foreign addresses are refused.",
    /// PORT to an address that no setting permits: of a gateway, a proxy, the server's own machine.
    address_out_of_bounds: BAD_PARAMETER "Data connections to this address are refused. Use EPSV or PASV.",
    /// PORT to a port below 1024.
    privileged_port: BAD_PARAMETER "Data connections to privileged ports are refused.",
    /// The whole passive range is in use.
    range_used_up: NO_DATA_CONNECTION "All passive ports are in use. Try again later.",
    /// PASV where there is no IPv4 address to tell.
    no_passive_address: NO_DATA_CONNECTION "No IPv4 address to tell. Use EPSV.",
    /// A transfer without PASV or PORT.
    use_port_or_pasv: NO_DATA_CONNECTION "Use PASV, EPSV, PORT or EPRT first.",
    /// A transfer behind a PASV or EPSV whose port was given to a client that needed it.
    port_taken: NO_DATA_CONNECTION "Another client needed the passive port. Use PASV or EPSV again.",
    /// The client did not come, or could not be reached.
    no_data_connection: NO_DATA_CONNECTION "Can't open data connection.",
    /// PRET.
    pret_noted: OKAY "Noted. Nothing needs to be prepared.",
}

// Transfers.

sentences! {
    /// The file is open, the data connection is next.
    opening_data: OPENING_DATA "File status okay. About to open data connection.",
    /// All of it arrived.
    transfer_complete: CLOSING_DATA "Transfer complete.",
    /// It was stopped: by ABOR, for which a 226 follows, or by the end of the server.
    transfer_aborted: DATA_ABORTED "Transfer aborted.",
    /// ABOR after the 426 of what it stopped.
    abort_done: CLOSING_DATA "ABOR command successful.",
    /// ABOR while a data connection was arranged but not used.
    abort_plan: NO_TRANSFER "ABOR command successful; data channel closed.",
    /// ABOR with nothing to abort.
    nothing_to_abort: NO_TRANSFER "No transfer to abort.",
    /// REST in TYPE A, where a position in the file is none on the wire.
    no_restart_in_ascii: BAD_ARGUMENT "Resuming transfers not allowed in ASCII mode.",
    /// REST, then APPE or STOU.
    restart_pending: FILE_BUSY "Not possible while a REST request is pending.",
    /// ALLO that fits.
    no_allocation_needed: SUPERFLUOUS "No storage allocation necessary.",
    /// ALLO for more than there is: RFC 959 section 5.4 has no 552 for it.
    allocation_too_large: BAD_PARAMETER "Not enough free space.",
    /// STOU found no free name.
    no_unique_name: FILE_BUSY "No usable unique file name found.",
}

// Files and directories.

sentences! {
    /// The letter for it is missing.
    not_enough_privileges: FILE_UNAVAILABLE "Not enough privileges.",
    /// A name with a byte that no reply line could carry.
    forbidden_byte: BAD_NAME "A name may not contain NUL, CR or LF.",
    /// A name that is not there yet, with a byte that terminals obey.
    control_byte: BAD_NAME "A new name may not contain control characters.",
    /// A name that is taken, by what this account may not replace.
    may_not_replace: BAD_NAME "File exists, and may not be replaced.",
    /// A name or path over the limit of the file system.
    name_too_long: BAD_NAME "File name too long.",
    /// The disk is full.
    no_space: NO_SPACE "No space left on device.",
    /// The quota of the disk is used up.
    over_quota: OVER_ALLOCATION "Disk quota exceeded.",
    /// A name that this file system cannot hold, or a directory that was to be moved into itself.
    invalid_name: BAD_NAME "Not a possible name.",
    /// The file would be larger than the file system or a limit of the process allows.
    file_too_large: OVER_ALLOCATION "File too large.",
    /// Something is scarce just now.
    try_again: FILE_BUSY "Resource temporarily unavailable. Try again later.",
    /// An upload in place to a file that was replaced, renamed or removed before its end.
    displaced: LOCAL_ERROR "The file was replaced or removed during the upload. Send it again.",
    /// REST and STOR, or APPE, for an interrupted upload to a file that was changed since.
    superseded: FILE_UNAVAILABLE "The file was changed since the upload began. Send all of it again with STOR.",
    /// APPE to a file while an upload that is to replace it is interrupted.
    interrupted: FILE_UNAVAILABLE "An upload to this file was interrupted. Resume it with REST and STOR, or send all of it again with STOR.",
    /// The file system failed in a way that is not the client's.
    local_error: LOCAL_ERROR "Local error in processing.",
    /// RMD.
    directory_removed: FILE_OKAY "Directory removed.",
    /// DELE.
    file_removed: FILE_OKAY "File removed.",
    /// RNFR.
    ready_for_destination: PENDING "Ready for destination name.",
    /// RNTO.
    renamed: FILE_OKAY "Renaming ok.",
    /// RNTO without RNFR.
    rename_from_first: BAD_SEQUENCE "Bad sequence of commands: use RNFR first.",
    /// MLSD of something that is no directory (RFC 3659 section 7.2.1).
    mlsd_of_no_directory: BAD_ARGUMENT "Not a directory. Use MLST.",
    /// SITE CHMOD.
    mode_changed: OKAY "SITE CHMOD successful.",
    /// SITE UTIME.
    time_changed: OKAY "SITE UTIME successful.",
    /// A SITE command that does not exist here.
    unknown_site_command: BAD_PARAMETER "Unknown SITE command.",
}

// About the server.

sentences! {
    /// HELP with a verb that is none.
    no_help: BAD_ARGUMENT "Unrecognized command.",
    /// SYST: what LIST looks like.
    system: SYSTEM "UNIX Type: L8",
    /// NOOP.
    nothing_done: OKAY "I successfully did nothing.",
    /// OPTS UTF8 ON.
    utf8_on: OKAY "UTF8 mode is on.",
    /// OPTS UTF8 OFF.
    utf8_off: OKAY "UTF8 mode is off.",
    /// OPTS for a command that has none.
    no_such_option: BAD_ARGUMENT "Option not understood.",
}

// Sentences with something in them, in the same order.

/// The banner: `welcome_msg`.
#[must_use]
pub fn welcome(banner: &str) -> Reply {
    Reply::text(Code::READY, banner)
}

/// QUIT: `quit_msg`.
#[must_use]
pub fn goodbye(quit_msg: &str) -> Reply {
    Reply::text(Code::CLOSING_CONTROL, quit_msg)
}

/// The argument is not of the command's form.
#[must_use]
pub fn syntax_error(syntax: Syntax) -> Reply {
    Reply::new(Code::BAD_ARGUMENT, format!("Syntax error: {syntax}."))
}

/// PASS went well: `login_msg`.
#[must_use]
pub fn logged_in(login_msg: &str) -> Reply {
    Reply::text(Code::LOGGED_IN, login_msg)
}

/// USER from a client whose certificate stands for the password: `login_msg`.
#[must_use]
pub fn authorized(login_msg: &str) -> Reply {
    Reply::text(Code::AUTHORIZED, login_msg)
}

/// PASV.
#[must_use]
pub fn passive(address: Ipv4Addr, port: u16) -> Reply {
    Reply::new(Code::PASSIVE, format!("Entering passive mode ({}).", comma_form(address, port)))
}

/// EPSV.
#[must_use]
pub fn extended_passive(port: u16) -> Reply {
    Reply::new(Code::EXTENDED_PASSIVE, format!("Entering extended passive mode (|||{port}|)."))
}

/// EPRT or EPSV with a network protocol other than the control connection's (RFC 2428 section 2).
#[must_use]
pub fn use_family(family: Family) -> Reply {
    Reply::new(Code::BAD_PROTOCOL, format!("Network protocol not supported, use ({}).", family.number()))
}

/// RETR of a file of so many bytes, those before a REST position included. Clients look for `(N bytes).` to tell how far a
/// download is.
#[must_use]
pub fn opening_file(bytes: u64) -> Reply {
    Reply::new(Code::OPENING_DATA, format!("File status okay. About to open data connection ({bytes} bytes)."))
}

/// STOU: the name that the file will have, in the form of RFC 1123 section 4.1.2.9.
#[must_use]
pub fn opening_unique(name: &[u8]) -> Reply {
    Reply::new(Code::OPENING_DATA, [b"FILE: ", name].concat())
}

/// The data connection broke.
#[must_use]
pub fn transfer_broken(bytes: u64) -> Reply {
    Reply::new(Code::DATA_ABORTED, format!("Transfer aborted; {bytes} bytes transmitted."))
}

/// `data_timeout` ran out.
#[must_use]
pub fn transfer_stalled(bytes: u64) -> Reply {
    let text = format!("Data connection timed out; {bytes} bytes transmitted.");
    Reply::new(Code::DATA_ABORTED, text)
}

/// REST.
#[must_use]
pub fn restarting_at(position: u64) -> Reply {
    Reply::new(Code::PENDING, format!("Restarting at position {position}."))
}

/// REST beyond the end (RFC 1123 section 4.1.3.4).
#[must_use]
pub fn restart_beyond_end(offset: u64, size: u64) -> Reply {
    Reply::new(Code::BAD_RESTART, format!("REST position ({offset}) > file size ({size})."))
}

/// The file system refused; the text is one of a fixed few.
#[must_use]
pub fn unavailable(why: &'static str) -> Reply {
    Reply::fixed(Code::FILE_UNAVAILABLE, why)
}

/// CWD and CDUP.
#[must_use]
pub fn directory_changed(path: &[u8]) -> Reply {
    Reply::new(Code::FILE_OKAY, [quoted(path).as_slice(), b" is the current directory."].concat())
}

/// PWD.
#[must_use]
pub fn current_directory(path: &[u8]) -> Reply {
    Reply::new(Code::CREATED, [quoted(path).as_slice(), b" is the current directory."].concat())
}

/// MKD.
#[must_use]
pub fn directory_created(path: &[u8]) -> Reply {
    Reply::new(Code::CREATED, [quoted(path).as_slice(), b" directory created."].concat())
}

/// MLST: the facts of one name.
#[must_use]
pub fn facts(path: &[u8], facts: Vec<u8>) -> Reply {
    Reply::lines(Code::FILE_OKAY, [b"Listing ".as_slice(), &quoted(path)].concat(), vec![facts], "End MLST.")
}

/// STAT of a path: the listing, on the control connection. There may be more than it tells.
#[must_use]
pub fn path_status(path: &[u8], lines: Vec<Vec<u8>>, is_all: bool) -> Reply {
    let first = [b"Status of ".as_slice(), &quoted(path), b":"].concat();
    let last = if is_all { "End of status." } else { "End of status, but there is more: use LIST." };
    Reply::listing(Code::FILE_STATUS, first, lines, last)
}

/// SIZE, AVBL.
#[must_use]
pub fn number(number: u64) -> Reply {
    Reply::new(Code::FILE_STATUS, number.to_string())
}

/// MDTM.
#[must_use]
pub fn modified(time: &str) -> Reply {
    Reply::new(Code::FILE_STATUS, time)
}

/// MFMT, and MDTM with a time.
#[must_use]
pub fn time_set(time: &str, path: &[u8]) -> Reply {
    Reply::new(Code::FILE_STATUS, [b"Modify=", time.as_bytes(), b"; ", path].concat())
}

/// HASH, in the form of draft-bryan-ftpext-hash section 3.1.
#[must_use]
pub fn hash(algorithm: &str, end: u64, sum: &str, path: &[u8]) -> Reply {
    Reply::new(Code::FILE_STATUS, [format!("{algorithm} 0-{end} {sum} ").as_bytes(), path].concat())
}

/// XCRC, XMD5, XSHA….
#[must_use]
pub fn sum(sum: &str) -> Reply {
    Reply::new(Code::FILE_OKAY, sum)
}

/// FEAT.
#[must_use]
pub fn features(features: Vec<Vec<u8>>) -> Reply {
    Reply::lines(Code::STATUS, "Features supported:", features, "End FEAT.")
}

/// HELP.
#[must_use]
pub fn help(commands: Vec<Vec<u8>>) -> Reply {
    let first = "The following commands are recognized:";
    Reply::lines(Code::HELP, first, commands, "Help command successful.")
}

/// HELP with a verb.
#[must_use]
pub fn help_for(syntax: String) -> Reply {
    Reply::new(Code::HELP, syntax)
}

/// STAT without a path.
#[must_use]
pub fn status(lines: Vec<Vec<u8>>) -> Reply {
    Reply::lines(Code::STATUS, "FTP server status:", lines, "End of status.")
}

/// OPTS MLST: the facts that are chosen now.
#[must_use]
pub fn facts_chosen(facts: &str) -> Reply {
    Reply::new(Code::OKAY, format!("MLST OPTS {facts}"))
}

/// OPTS HASH: the algorithm that is chosen now.
#[must_use]
pub fn algorithm_chosen(name: &str) -> Reply {
    Reply::new(Code::OKAY, name)
}

/// In double quotes, those within doubled (RFC 959 appendix II).
fn quoted(path: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'"'];
    for &byte in path {
        if byte == b'"' {
            quoted.push(b'"');
        }
        quoted.push(byte);
    }
    quoted.push(b'"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All of it, as clients read it.
    #[test]
    fn every_sentence() {
        let said = [
            welcome("Welcome"),
            server_full(),
            address_full(),
            banned(),
            control_timed_out(),
            shutting_down(),
            kicked(),
            not_ftp(),
            too_many_bad_commands(),
            server_error(),
            goodbye("Goodbye."),
            unknown_command(),
            line_too_long(),
            syntax_error(Syntax::Missing),
            syntax_error(Syntax::Unexpected),
            syntax_error(Syntax::Malformed("expected S")),
            not_implemented(),
            log_in_first(),
            tls_begins(),
            tls_stands(),
            unknown_mechanism(),
            no_buffer(),
            auth_first(),
            pbsz_first(),
            data_in_clear(),
            data_protected(),
            unknown_protection(),
            data_must_be_protected(),
            protect_data_first(),
            no_way_back(),
            data_not_protected(),
            session_not_reused(),
            send_password(),
            account_flushed(),
            logged_in("Login successful."),
            authorized("Login successful."),
            user_first(),
            already_logged_in(),
            authentication_failed(),
            authentication_failed_for_good(),
            no_anonymous(),
            tls_first(),
            user_full(),
            no_home(),
            ready_for_new_user(),
            host_accepted(),
            host_too_late(),
            client_noted(),
            type_ascii(),
            type_binary(),
            mode_stream(),
            structure_file(),
            parameter_not_implemented(),
            passive(Ipv4Addr::new(10, 1, 2, 3), 2121),
            extended_passive(2121),
            extended_passive_only(),
            only_extended_passive(),
            active_accepted(),
            active_disabled(),
            foreign_address(),
            address_out_of_bounds(),
            privileged_port(),
            use_family(Family::V6),
            range_used_up(),
            no_passive_address(),
            use_port_or_pasv(),
            port_taken(),
            no_data_connection(),
            pret_noted(),
            opening_data(),
            opening_file(7),
            opening_unique(b"ftpd.x"),
            transfer_complete(),
            transfer_aborted(),
            transfer_broken(7),
            transfer_stalled(7),
            abort_done(),
            abort_plan(),
            nothing_to_abort(),
            restarting_at(7),
            no_restart_in_ascii(),
            restart_pending(),
            restart_beyond_end(8, 7),
            no_allocation_needed(),
            allocation_too_large(),
            no_unique_name(),
            not_enough_privileges(),
            unavailable("No such file or directory."),
            forbidden_byte(),
            control_byte(),
            may_not_replace(),
            name_too_long(),
            no_space(),
            over_quota(),
            invalid_name(),
            file_too_large(),
            try_again(),
            displaced(),
            superseded(),
            interrupted(),
            local_error(),
            directory_changed(b"/a \"b\""),
            current_directory(b"/"),
            directory_created(b"/a"),
            directory_removed(),
            file_removed(),
            ready_for_destination(),
            renamed(),
            rename_from_first(),
            mlsd_of_no_directory(),
            facts(b"/a", b"type=file; /a".to_vec()),
            path_status(b"/a", vec![b"-rw-r--r-- a".to_vec()], true),
            path_status(b"/a", vec![b"-rw-r--r-- a".to_vec()], false),
            number(7),
            modified("19700101000000"),
            time_set("19700101000000", b"a"),
            hash("SHA-256", 7, "ab", b"a"),
            sum("ab"),
            mode_changed(),
            time_changed(),
            unknown_site_command(),
            features(vec![b"SIZE".to_vec()]),
            help(vec![b"ABOR".to_vec()]),
            help_for("Syntax: CWD [<SP> path]".to_owned()),
            no_help(),
            system(),
            nothing_done(),
            status(vec![b"Waiting for username.".to_vec()]),
            utf8_on(),
            utf8_off(),
            facts_chosen("type;size;"),
            algorithm_chosen("SHA-256"),
            no_such_option(),
        ];
        let mut text = Vec::new();
        said.iter().for_each(|reply| reply.encode(&mut text));
        let text = String::from_utf8(text).unwrap().replace("\r\n", "\n");
        let want = include_str!("replies.txt");
        assert!(text == want, "src/protocol/replies.txt shall be:\n{text}");
    }
}
