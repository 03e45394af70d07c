//! The log: to standard output, and to a rotated file when one is wanted.
//!
//! Threads of their own write; when they cannot keep up, or cannot write at all, lines are lost and counted. The service
//! never waits for its log.

use std::convert::Infallible;
use std::fmt;
use std::io::{IsTerminal, Write, stdout};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

use super::LogError;
use super::gathered::{Gathered, WriterGuard};
use super::losses::{Losses, counted};
use super::rotated::Rotated;
use crate::settings::{LogFormat, LogLevel, LogRotation};

/// What is logged, how and where to.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// How much; of the libraries in use, never more than warnings.
    pub level: LogLevel,
    /// Text or JSON; `Auto` is text on a terminal only.
    pub format: LogFormat,
    /// A file to write as well as standard output. Directories that are missing are made.
    pub file: Option<PathBuf>,
    /// When a new file is begun. But for `Never`, the date is added to the name.
    pub rotation: LogRotation,
    /// Files kept, the one in use included; `None` is all.
    pub keep: Option<u32>,
}

/// Writes what is still waiting, at most a second, when dropped; to be held to the end of the process.
#[derive(Debug)]
#[must_use = "the log ends when this is dropped"]
pub struct LogGuard(Vec<(Losses, WriterGuard)>);

/// How late it may be told that lines were lost.
const TICK: Duration = Duration::from_secs(1);

/// Begins the log of this process.
///
/// # Errors
/// [`LogError`]: the file cannot be written, or there is a log already.
pub fn init(settings: &LogSettings) -> Result<LogGuard, LogError> {
    let mut guard = LogGuard(Vec::new());
    let mut layers =
        vec![layer(settings.format, stdout().is_terminal(), guard.writer("standard output".to_owned(), stdout()))];
    if let Some(path) = &settings.file {
        let file = Rotated::open(path, settings.rotation, settings.keep)?;
        layers.push(layer(settings.format, false, guard.writer(path.display().to_string(), file)));
    }
    let subscriber = Registry::default().with(layers).with(filter(settings.level));
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    Ok(guard)
}

impl LogGuard {
    /// Lines that were lost: they came faster than they could be written, or could not be written.
    #[must_use]
    pub fn lost_lines(&self) -> usize {
        self.0.iter().map(|(losses, _)| losses.lines()).sum()
    }

    /// Tells of them, where a log still works, now and then and for ever.
    pub async fn keep_telling_losses(&self) -> Infallible {
        loop {
            sleep(TICK).await;
            self.0.iter().for_each(|(losses, _)| losses.tell());
        }
    }

    fn writer(&mut self, log: String, to: impl Write + Send + 'static) -> Gathered {
        let (writer, losses, guard) = counted(log, to);
        self.0.push((losses, guard));
        writer
    }
}

/// One place to write to. The fields of an event stand in the order of `events.rs`, without spans or targets.
fn layer(format: LogFormat, terminal: bool, writer: Gathered) -> Box<dyn Layer<Registry> + Send + Sync> {
    let mut layer = tracing_subscriber::fmt::layer().with_target(false).with_timer(Milliseconds).with_writer(writer);
    if !terminal {
        layer.set_ansi(false);
    }
    match (format, terminal) {
        (LogFormat::Text, _) | (LogFormat::Auto, true) => layer.boxed(),
        (LogFormat::Json, _) | (LogFormat::Auto, false) => {
            layer.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed()
        }
    }
}

fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new().with_default(level.min(LevelFilter::WARN)).with_target(env!("CARGO_CRATE_NAME"), level)
}

/// `2026-11-21T10:00:00.000Z`
struct Milliseconds;

impl FormatTime for Milliseconds {
    fn format_time(&self, out: &mut Writer<'_>) -> fmt::Result {
        write!(out, "{:.3}", Timestamp::now())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What `log` writes at `level` in `format`, line by line, without the time.
    pub(in crate::observe) fn lines(level: LogLevel, format: LogFormat, log: impl FnOnce()) -> Vec<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut guard = LogGuard(Vec::new());
        let layers = vec![layer(format, false, guard.writer(String::new(), file.reopen().unwrap()))];
        let subscriber = Registry::default().with(layers).with(filter(level));
        tracing::subscriber::with_default(subscriber, log);
        drop(guard);
        let written = std::fs::read_to_string(file).unwrap();
        written.lines().map(|line| line.split_once("Z").unwrap().1.to_owned()).collect()
    }

    #[test]
    fn the_level_decides_and_libraries_only_warn() {
        let log = || {
            tracing::trace!("t");
            tracing::debug!("d");
            tracing::info!("i");
            tracing::warn!("w");
            tracing::error!("e");
            tracing::info!(target: "hickory_resolver::x", "library i");
            tracing::warn!(target: "hickory_resolver::x", "library w");
            tracing::error!(target: "hickory_resolver::x", "library e");
        };
        for (level, want) in [
            (LogLevel::Error, " e, library e"),
            (LogLevel::Warn, " w, e, library w, library e"),
            (LogLevel::Info, " i, w, e, library w, library e"),
            (LogLevel::Debug, " d, i, w, e, library w, library e"),
            (LogLevel::Trace, " t, d, i, w, e, library w, library e"),
        ] {
            let lines = lines(level, LogFormat::Text, log);
            let messages: Vec<_> = lines.iter().map(|line| line.trim_start().split_once(' ').unwrap().1).collect();
            assert_eq!(format!(" {}", messages.join(", ")), want);
        }
    }

    #[test]
    fn both_forms_keep_the_order_of_fields() {
        let log = || tracing::info!(session = 7, user = "bob", message = "RETR done", path = "/x", bytes = 10);
        assert_eq!(
            lines(LogLevel::Info, LogFormat::Text, log),
            [r#"  INFO session=7 user="bob" RETR done path="/x" bytes=10"#]
        );
        let json = r#"","level":"INFO","session":7,"user":"bob","message":"RETR done","path":"/x","bytes":10}"#;
        assert_eq!(lines(LogLevel::Info, LogFormat::Auto, log), [json]);
        assert_eq!(lines(LogLevel::Info, LogFormat::Json, log), [json]);
    }

    /// T70: nor does it reach the operator's terminal.
    #[test]
    fn control_bytes_forge_no_line_and_reach_no_terminal() {
        let name = "a\x1b[2J\r\nERROR forged\u{9b}\"";
        for format in [LogFormat::Text, LogFormat::Json] {
            let lines = lines(LogLevel::Info, format, || tracing::info!(message = "x", path = name));
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(!lines[0].bytes().any(|byte| byte < b' ' || byte == 0x7f), "{lines:?}");
        }
    }

    #[test]
    fn the_time_is_utc_to_the_millisecond() {
        let mut time = String::new();
        Milliseconds.format_time(&mut Writer::new(&mut time)).unwrap();
        assert_eq!(time.len(), "2026-11-21T10:00:00.000Z".len(), "{time}");
        assert!(time.ends_with('Z') && time.parse::<Timestamp>().is_ok());
    }

    #[test]
    fn a_file_is_complete_when_the_guard_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("made/longshore.log");
        let mut guard = LogGuard(Vec::new());
        let file = Rotated::open(&path, LogRotation::Never, None).unwrap();
        let subscriber =
            Registry::default().with(vec![layer(LogFormat::Auto, false, guard.writer(String::new(), file))]);
        tracing::subscriber::with_default(subscriber, || tracing::info!("hello"));
        assert_eq!(guard.lost_lines(), 0);
        drop(guard);
        let written = std::fs::read_to_string(path).unwrap();
        assert!(written.ends_with("\"level\":\"INFO\",\"message\":\"hello\"}\n"), "{written}");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error_and_no_panic() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let settings = LogSettings {
            level: LogLevel::Info,
            format: LogFormat::Auto,
            file: Some(file.path().join("log")),
            rotation: LogRotation::Daily,
            keep: Some(14),
        };
        let error = init(&settings).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("logging_name: {}/log cannot be written: ", file.path().display())),
            "{error}"
        );
    }
}
