//! The table on a terminal, again and again, until `q` or Ctrl-C.

use std::io::{self, IsTerminal, Stdin, Stdout, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::table;
use crate::session::{Overview, Seen};

/// How often the table is drawn.
const EVERY: Duration = Duration::from_secs(1);
/// What a terminal is taken for that does not say how large it is.
const USUAL: (usize, usize) = (80, 24);
/// The other screen, without a cursor; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// Ctrl-C and Ctrl-D, as bytes.
const ENDS: [u8; 4] = [b'q', b'Q', 3, 4];

/// Draws until the user has seen enough.
///
/// # Errors
/// What `ask` says, or that the terminal is gone.
pub(super) fn watch(
    mut ask: impl FnMut() -> Result<(Overview, Vec<Seen>), String>,
) -> Result<(), Box<dyn std::error::Error>> {
    let is_over = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register(signal, Arc::clone(&is_over))?;
    }
    // Whoever cannot be asked leaves no trace on the screen.
    let mut status = ask()?;
    let mut terminal = Terminal::take()?;
    loop {
        terminal.draw(&status)?;
        if terminal.wait(&is_over)? {
            return Ok(());
        }
        status = ask()?;
    }
}

/// The terminal, given back as it was when dropped.
struct Terminal {
    output: Stdout,
    /// None where keys come from elsewhere, and so are not heard.
    keys: Option<(Stdin, Termios)>,
}

impl Terminal {
    fn take() -> io::Result<Self> {
        let stdin = io::stdin();
        let keys = if stdin.is_terminal() {
            let before = tcgetattr(&stdin)?;
            let mut now = before.clone();
            // Keys come at once, are not shown, and Ctrl-C is one of them.
            now.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
            tcsetattr(&stdin, OptionalActions::Now, &now)?;
            Some((stdin, before))
        } else {
            None
        };
        let mut terminal = Self { output: io::stdout(), keys };
        terminal.output.write_all(ENTER.as_bytes())?;
        Ok(terminal)
    }

    fn draw(&mut self, (overview, sessions): &(Overview, Vec<Seen>)) -> io::Result<()> {
        let (width, height) = self.size();
        let lines = table(overview, sessions, Some(width), Some(height));
        // Drawn over what is there and cleared behind each line: nothing flickers.
        let text = lines.join("\x1b[K\r\n");
        write!(self.output, "\x1b[H{text}\x1b[K\x1b[J")?;
        self.output.flush()
    }

    fn size(&self) -> (usize, usize) {
        match tcgetwinsize(&self.output) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
            _ => USUAL,
        }
    }

    /// Waits until it is time to draw again. Whether the user has seen enough.
    fn wait(&mut self, is_over: &AtomicBool) -> io::Result<bool> {
        let until = Instant::now() + EVERY;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if is_over.load(Ordering::Relaxed) || left.is_zero() {
                return Ok(is_over.load(Ordering::Relaxed));
            }
            let left = Timespec::try_from(left).map_err(io::Error::other)?;
            let ready = match &self.keys {
                Some((stdin, _)) => poll(&mut [PollFd::new(stdin, PollFlags::IN)], Some(&left)),
                None => poll(&mut [], Some(&left)),
            };
            match ready {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => {
                    let mut pressed = [0; 16];
                    let Some((stdin, _)) = &self.keys else { continue };
                    let count = rustix::io::read(stdin, &mut pressed)?;
                    // The end of it is that of the terminal.
                    if count == 0 || pressed[..count].iter().any(|key| ENDS.contains(key)) {
                        return Ok(true);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // If it is gone there is nothing to be given back.
        let _ = self.output.write_all(LEAVE.as_bytes());
        let _ = self.output.flush();
        if let Some((stdin, before)) = &self.keys {
            let _ = tcsetattr(stdin, OptionalActions::Now, before);
        }
    }
}
