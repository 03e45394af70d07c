//! Sessions as a table, as wide as there is room.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::session::{Overview, Seen, SeenWork};

/// The blanks between columns.
const GAP: usize = 2;
/// What a path is not cut below, in columns, as long as something else can be left out.
const DOING: usize = 16;
/// The length of a bar.
const BAR: u64 = 10;

/// A column: what stands above it, and a cell for each session.
struct Column {
    title: &'static str,
    cells: Vec<String>,
    to_the_right: bool,
    /// No wider than this, if so.
    most: usize,
}

/// How the server stands, and a line for each session, those with a transfer first; within so many columns and lines, if
/// they are bounded.
#[must_use]
pub fn table(overview: &Overview, sessions: &[Seen], width: Option<usize>, height: Option<usize>) -> Vec<String> {
    let mut lines = vec![headline(overview, width)];
    let mut shown: Vec<&Seen> = sessions.iter().collect();
    shown.sort_by_key(|seen| (seen.transfer.is_none(), seen.session));
    // The headline, the titles, and how many more there are.
    let most = height.map_or(shown.len(), |height| height.saturating_sub(3).max(1));
    let more = shown.len().saturating_sub(most);
    shown.truncate(most);
    if shown.is_empty() {
        lines.push("nobody is there".to_owned());
    } else {
        let mut columns = columns(&shown, &TimeZone::system());
        if let Some(width) = width {
            fit(&mut columns, width);
        }
        let widths: Vec<usize> = columns.iter().map(Column::width).collect();
        lines.extend((0..=shown.len()).map(|row| line(&columns, &widths, row)));
    }
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.iter().map(|line| cut(line, width.unwrap_or(usize::MAX))).collect()
}

/// Without the version where there is no room for it.
fn headline(overview: &Overview, width: Option<usize>) -> String {
    let Overview { version, seconds, sessions, max_sessions, ports_used, ports, .. } = overview;
    let of = |most: &Option<u32>| most.map(|most| format!(" of {most}")).unwrap_or_default();
    let line = format!(
        "longshore {version}{}: sessions {sessions}{}, ports {ports_used} of {ports}, up {}/s, down {}/s, for {}",
        if overview.draining { ", ending" } else { "" },
        of(max_sessions),
        human(overview.upload_rate),
        human(overview.download_rate),
        span(*seconds),
    );
    let is_too_wide = width.is_some_and(|width| line.width() > width);
    if is_too_wide { line.replacen(&format!(" {version}"), "", 1) } else { line }
}

fn columns(shown: &[&Seen], zone: &TimeZone) -> Vec<Column> {
    let column = |title, to_the_right, cell: &dyn Fn(&Seen) -> String| Column {
        title,
        cells: shown.iter().map(|seen| harmless(&cell(seen))).collect(),
        to_the_right,
        most: usize::MAX,
    };
    let transfer =
        |seen: &Seen, tell: &dyn Fn(&SeenWork) -> String| seen.transfer.as_ref().map(tell).unwrap_or_default();
    vec![
        column("SESSION", true, &|seen| seen.session.to_string()),
        column("USER", false, &|seen| seen.user.clone().unwrap_or_else(|| "-".to_owned())),
        column("FROM", false, &|seen| seen.peer.ip().to_string()),
        column("SINCE", true, &|seen| since(seen, zone)),
        column("DOING", false, &doing),
        column("BYTES", true, &|seen| human(seen.uploaded + seen.downloaded)),
        column("RATE", true, &|seen| transfer(seen, &|work| format!("{}/s", human(work.rate)))),
        column("PROGRESS", false, &|seen| transfer(seen, &progress)),
    ]
}

/// Leaves out what is missed least until the rest fits; paths are shortened first.
fn fit(columns: &mut Vec<Column>, width: usize) {
    for title in ["", "SINCE", "PROGRESS", "BYTES", "FROM", "RATE"] {
        match columns.iter_mut().find(|column| column.title == title) {
            // Without its end, which says how much there will be.
            Some(column) if title == "PROGRESS" => {
                column.cells.iter_mut().for_each(|cell| cell.truncate(cell.find(" of ").unwrap_or(cell.len())));
            }
            _ => columns.retain(|column| column.title != title),
        }
        if let Some(doing) = columns.iter_mut().find(|column| column.title == "DOING") {
            doing.most = usize::MAX;
        }
        let excess = excess(columns, width);
        if let Some(doing) = columns.iter_mut().find(|column| column.title == "DOING") {
            let all = doing.width();
            doing.most = all.saturating_sub(excess).max(all.min(DOING));
        }
        if self::excess(columns, width) == 0 {
            return;
        }
    }
}

/// How much wider they are than that.
fn excess(columns: &[Column], width: usize) -> usize {
    let gaps = columns.len().saturating_sub(1) * GAP;
    (columns.iter().map(Column::width).sum::<usize>() + gaps).saturating_sub(width)
}

impl Column {
    fn width(&self) -> usize {
        let cells = self.cells.iter().map(String::as_str);
        let widest = cells.chain([self.title]).map(UnicodeWidthStr::width).max().unwrap_or_default();
        widest.min(self.most)
    }

    /// What stands in a row, as wide as that; the first row is that of the titles.
    fn cell(&self, row: usize, width: usize) -> String {
        let text = row.checked_sub(1).map_or(self.title, |row| &self.cells[row]);
        let text = cut(text, width);
        let blanks = " ".repeat(width - text.width());
        if self.to_the_right { blanks + &text } else { text + &blanks }
    }
}

fn line(columns: &[Column], widths: &[usize], row: usize) -> String {
    let cells: Vec<_> = columns.iter().zip(widths).map(|(column, &width)| column.cell(row, width)).collect();
    cells.join(&" ".repeat(GAP)).trim_end().to_owned()
}

/// No wider than this; what was longer ends in three points.
fn cut(text: &str, width: usize) -> String {
    const POINTS: &str = "...";
    if text.width() <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(POINTS.len());
    let fits = |c: &char| {
        let left = room.checked_sub(c.width().unwrap_or_default());
        room = left.unwrap_or_default();
        left.is_some()
    };
    let kept: String = text.chars().take_while(fits).collect();
    (kept + POINTS).chars().take(width).collect()
}

fn doing(seen: &Seen) -> String {
    match (&seen.transfer, seen.idle, &seen.verb) {
        (Some(work), ..) => format!("{} {}", work.verb, work.path),
        (None, Some(seconds), _) => format!("idle {}", span(seconds)),
        (None, None, verb) => verb.clone().unwrap_or_default(),
    }
}

/// The time of the day, or the day if it is another one than that on which the server was asked.
fn since(seen: &Seen, zone: &TimeZone) -> String {
    let local = |second| Timestamp::from_second(second).map(|time| zone.to_datetime(time));
    let now = seen.since.saturating_add(i64::try_from(seen.seconds).unwrap_or(0));
    match (local(seen.since), local(now)) {
        (Ok(began), Ok(now)) if began.date() == now.date() => began.strftime("%H:%M:%S").to_string(),
        (Ok(began), _) => began.strftime("%Y-%m-%d").to_string(),
        (Err(_), _) => String::new(),
    }
}

/// A bar, if it is known how long it will be.
fn progress(work: &SeenWork) -> String {
    match work.size {
        Some(size) => {
            let share = |of: u64| if size == 0 { of } else { part(work.bytes.min(size), size, of) };
            let full = share(BAR);
            let bar = |what: &str, count: u64| what.repeat(usize::try_from(count).unwrap_or_default());
            format!("[{}{}] {:3}% of {}", bar("#", full), bar("-", BAR - full), share(100), human(size))
        }
        None if work.direction.is_some() => human(work.bytes),
        None => String::new(),
    }
}

/// That part of `of`, which is small, rounded down.
fn part(bytes: u64, size: u64, of: u64) -> u64 {
    u64::try_from(u128::from(bytes) * u128::from(of) / u128::from(size)).unwrap_or(of)
}

/// Bytes as people say them: `512 B`, `1.5 KiB`.
#[must_use]
pub fn human(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    // In tenths, rounded down.
    let mut tenths = u128::from(bytes) * 10 / 1024;
    while tenths >= 10240 {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// Seconds as people say them: `59s`, `5m`, `2h05m`, `3d04h`.
fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m"),
        (0, ..) => format!("{hours}h{:02}m", minutes % 60),
        _ => format!("{days}d{:02}h", hours % 24),
    }
}

/// Without what would move the cursor, or have a name read backwards.
fn harmless(text: &str) -> String {
    let is_harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.replace(is_harmful, "\u{fffd}")
}

#[cfg(test)]
mod tests;
