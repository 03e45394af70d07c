//! One event to a program: its JSON on standard input, and what matters most in variables. Done when it exits with 0.

use std::ffi::OsString;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::deliver::Parcel;
use crate::blocking::off_reactor;
use crate::observe::events::hooks;
use crate::settings::CommandLine;
use crate::users::Account;

/// Where programs look for others. Nothing else of our environment is theirs: it has secrets in it.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What is logged of what one of them says, in bytes; the rest is read and dropped.
const MAX_OUTPUT: usize = 2048;
/// What is still read once it has ended, lest whoever it left behind with its output hold us up.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Ends a program and all that it started, unless it has ended by itself. Without this those would go on by themselves.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }

    fn has_ended(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may be gone already.
            let _ = killpg(group, Signal::SIGKILL);
        }
    }
}

/// Runs it to its end. Dropped before that, it is killed, and all that it has started in its group.
///
/// # Errors
/// Why it did not do its work.
pub(super) async fn run(line: &CommandLine, parcel: &Parcel) -> Result<(), String> {
    let (program, arguments) = line.words.split_first().ok_or("there is no program")?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", PATH).envs(variables(parcel)).current_dir("/").process_group(0);
    // One that began when nobody waited for it any more ends at once.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    // A program on a disk that does not answer is waited for elsewhere.
    let mut child = off_reactor(move || command.spawn()).await.map_err(|error| error.to_string())?;
    let mut group = Group::of(&child);
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (mut said, mut complained) = (Vec::new(), Vec::new());
    let status = {
        let talk = async {
            let tell = async {
                if let Some(mut stdin) = stdin {
                    // Whether it wants to know is its affair.
                    let _ = stdin.write_all(&parcel.body).await;
                }
            };
            tokio::join!(tell, listen(stdout, &mut said), listen(stderr, &mut complained))
        };
        let mut talk = std::pin::pin!(talk);
        tokio::select! {
            status = child.wait() => {
                let _ = timeout(LAST_WORDS, talk).await;
                status
            }
            _ = &mut talk => child.wait().await,
        }
    };
    group.has_ended();
    for output in [said, complained] {
        if !output.is_empty() {
            let guest = (parcel.event.user == Account::ANONYMOUS).then_some(parcel.event.peer);
            hooks::said(program, &parcel.event.id, guest, &output);
        }
    }
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(status.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn variables(parcel: &Parcel) -> Vec<(&'static str, OsString)> {
    let event = &parcel.event;
    let mut variables = vec![("LONGSHORE_EVENT", event.event.name().into()), ("LONGSHORE_USER", (&event.user).into())];
    let names = [("LONGSHORE_PATH", &event.path), ("LONGSHORE_FILE", &event.file), ("LONGSHORE_FROM", &event.from)];
    variables.extend(names.into_iter().filter_map(|(variable, name)| Some((variable, name.as_ref()?.as_os()))));
    variables.extend(event.size.map(|size| ("LONGSHORE_SIZE", size.to_string().into())));
    variables.push(("LONGSHORE_ID", (&event.id).into()));
    variables
}

/// Reads to the end, and keeps the beginning.
async fn listen(output: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) -> io::Result<()> {
    let Some(mut output) = output else { return Ok(()) };
    let mut room = [0; 1024];
    loop {
        match output.read(&mut room).await? {
            0 => return Ok(()),
            count => kept.extend(&room[..count.min(MAX_OUTPUT.saturating_sub(kept.len()))]),
        }
    }
}
