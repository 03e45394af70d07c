//! 226 is a promise, proved by a model: random interleavings of STOR, REST and STOR, APPE, STOU, DELE, RNFR and RNTO,
//! broken clients and killed servers, by two to four sessions on the same few names. After each step what is there is
//! what the replies of success say, in some order where steps were taken at the same time.
//!
//! `LONGSHORE_INTERLEAVINGS=1000000` makes it a million; `LONGSHORE_SEED` begins at another number; `--nocapture` shows
//! the counts. A failure prints the shortest script that still fails: keep it in `interleavings/kept.txt`.

mod direct;
mod homes;
mod oracle;
mod script;
mod wire;

use std::collections::BTreeMap;

use longshore::settings::UploadMode;

use self::homes::Homes;
use self::oracle::Oracle;
use self::script::{Act, Script, Step, Turn, Verb};
use self::wire::Program;

/// What each name stands for.
type Files = BTreeMap<String, Vec<u8>>;

/// Sessions of a home, and what is in it.
trait Stage {
    /// One session does something, or several at the same time; with each turn go the bytes that it writes.
    fn take(&mut self, turns: &[(Turn, Vec<u8>)]) -> Vec<Deed>;
    /// Kills all servers, and starts others; everybody logs in again.
    fn kill(&mut self);
    /// Every name of a client's, and what it stands for.
    fn files(&self) -> Files;
    /// Which file each name stands for.
    fn inodes(&self) -> BTreeMap<String, u64>;
    /// The names that a client sees, sorted.
    fn listing(&mut self) -> Vec<String>;
}

/// What came of a turn.
#[derive(Debug)]
enum Deed {
    /// It did not fit: nothing was asked.
    Nothing,
    /// 150 may follow: the upload is to this name, and begins at this byte.
    Asked(String, u64),
    Opened,
    Wrote(Vec<u8>),
    /// 226, of so many bytes in all where that is told.
    Committed(Option<u64>),
    Broke,
    Deleted,
    /// 350.
    MayRename,
    /// 250, from this name.
    Renamed(String),
    Refused(String),
}

/// Interleavings where the environment does not say.
const INTERLEAVINGS: u64 = 10_000;
/// One over the wire for so many that are not.
const WIRED: u64 = 50;
/// One in so many has steps at the same time.
const RACES: u64 = 8;
/// How often one with steps at the same time is tried before it counts as fine.
const TRIES: u32 = 300;

/// How often what was answered.
type Counts = BTreeMap<(&'static str, &'static str), u64>;

#[test]
fn what_is_there_is_what_was_promised() {
    let (count, seed) = (number("LONGSHORE_INTERLEAVINGS", INTERLEAVINGS), number("LONGSHORE_SEED", 0));
    let mut counts = Counts::new();
    for seed in seed..seed + count {
        let script = Script::random(seed, seed % RACES == 0);
        if let Err(why) = play(&script, &mut counts) {
            let (why, shrunk) = shortest(script, why);
            panic!("interleaving {seed}: {why}\n{shrunk}");
        }
    }
    println!("{count} interleavings\n{}", told(&counts));
    for promise in ["STOR", "STOU", "APPE", "REST", "DELE", "RNTO"] {
        assert!(counts.contains_key(&(promise, "done")), "{promise} never came to its end");
    }
}

/// What was found, each once: a name, and a script that broke a promise.
#[test]
fn what_was_found_is_not_found_again() {
    let kept = include_str!("interleavings/kept.txt");
    for (name, script) in kept.split("\n# ").skip(1).map(|kept| kept.split_once('\n').expect("a name, then lines")) {
        let script: Script = script.parse().unwrap_or_else(|why| panic!("{name}: {why}"));
        let tries = if script.has_race() { TRIES } else { 1 };
        for _ in 0..tries {
            assert_eq!(play(&script, &mut Counts::new()), Ok(()), "{name}");
        }
    }
}

/// The same over the wire, where clients are gone and the server is killed for good.
#[test]
fn what_is_there_is_what_clients_were_told() {
    let count = number("LONGSHORE_INTERLEAVINGS", INTERLEAVINGS) / WIRED;
    let seed = number("LONGSHORE_SEED", 0);
    let (mut program, mut counts) = (Program::start(), Counts::new());
    for seed in seed..seed + count {
        let mut script = Script::random(seed, true);
        script.mode = UploadMode::Atomic;
        script.quota = None;
        for (user, letters) in &mut script.seats {
            if user == "anonymous" {
                wire::ANONYMOUS.clone_into(letters);
            }
        }
        let played = play_on(&mut program.enter(&script), &mut Oracle::from_afar(&script), &script, &mut counts);
        assert!(played.is_ok(), "interleaving {seed}: {played:?}\n{script}");
    }
    println!("{count} interleavings over the wire\n{}", told(&counts));
}

/// The least of it that fails, and why.
fn shortest(script: Script, mut why: String) -> (String, Script) {
    let shrunk = script.shrunk(|script| {
        let tries = if script.has_race() { TRIES } else { 1 };
        let failed = (0..tries).find_map(|_| play(script, &mut Counts::new()).err());
        failed.map(|failed| why = failed).is_some()
    });
    (why, shrunk)
}

/// Plays one in a home of its own; an error says what is wrong after which step.
fn play(script: &Script, counts: &mut Counts) -> Result<(), String> {
    let (mut homes, mut oracle) = (Homes::new(script), Oracle::new(script));
    play_on(&mut homes, &mut oracle, script, counts)?;
    end(script, homes, oracle).map_err(|why| format!("at the end: {why}"))
}

fn play_on(
    stage: &mut impl Stage,
    oracle: &mut Oracle<'_>,
    script: &Script,
    counts: &mut Counts,
) -> Result<(), String> {
    let mut verbs = vec!["STOR"; script.seats.len()];
    for (number, step) in script.steps.iter().enumerate() {
        let failed = |why: String| format!("step {}: {why}", number + 1);
        let turns = match step {
            Step::Kill => {
                stage.kill();
                oracle.kill();
                &[][..]
            }
            Step::Turns(turns) => turns,
        };
        let turns: Vec<(Turn, Vec<u8>)> = turns.iter().map(|turn| (turn.clone(), oracle.bytes(&turn.act))).collect();
        let deeds = if turns.is_empty() { Vec::new() } else { stage.take(&turns) };
        for ((turn, _), deed) in turns.iter().zip(&deeds) {
            count(counts, &mut verbs[turn.seat], turn, deed);
        }
        oracle.judge(&turns, &deeds, stage.files(), || stage.inodes()).map_err(failed)?;
        let listing = stage.listing();
        if !oracle.files.keys().eq(&listing) {
            return Err(failed(format!("{listing:?} is listed")));
        }
    }
    Ok(())
}

/// When everybody is gone, nothing is left but what is kept for somebody.
fn end(script: &Script, mut stage: Homes<'_>, mut oracle: Oracle<'_>) -> Result<(), String> {
    for seat in 0..script.seats.len() {
        let turns = [(Turn { seat, act: Act::Break }, Vec::new())];
        let deeds = stage.take(&turns);
        oracle.judge(&turns, &deeds, stage.files(), || stage.inodes())?;
    }
    let (partials, others) = stage.hidden();
    let kept = partials.iter().filter(|name| !oracle.was_killed || !name.starts_with(".longshore-x-")).count();
    // What tells of a partial has its name, and some more.
    let has_partial = |other: &String| partials.iter().any(|name| other.starts_with(name));
    if kept > oracle.most_left() || !others.iter().all(has_partial) {
        return Err(format!("{partials:?} and {others:?} are left"));
    }
    if let Some(quota) = script.quota {
        let (left, used) = stage.quota_left_and_used();
        if left != quota.saturating_sub(used) {
            return Err(format!("of a quota of {quota} bytes {used} are used, and {left} left"));
        }
    }
    Ok(())
}

fn count(counts: &mut Counts, verb: &mut &'static str, turn: &Turn, deed: &Deed) {
    let what = match &turn.act {
        Act::Ask(asked, _) => {
            let named = match asked {
                Verb::Stor => "STOR",
                Verb::Stou => "STOU",
                Verb::Appe => "APPE",
                Verb::Resume | Verb::Rest(_) => "REST",
            };
            if !matches!(deed, Deed::Nothing) {
                *verb = named;
            }
            named
        }
        Act::Open | Act::Write(_) | Act::Commit | Act::Break => *verb,
        Act::Dele(_) => "DELE",
        Act::Rnfr(_) => "RNFR",
        Act::Rnto(_) => "RNTO",
    };
    let came = match (deed, &turn.act) {
        (Deed::Committed(_) | Deed::Deleted | Deed::Renamed(_), _) => "done",
        (Deed::Refused(_), Act::Commit) => "refused at its end",
        (Deed::Refused(_), Act::Open | Act::Write(_)) => "refused on its way",
        (Deed::Refused(_), _) => "refused",
        (Deed::Broke, _) => "broken",
        _ => return,
    };
    *counts.entry((what, came)).or_default() += 1;
}

fn told(counts: &Counts) -> String {
    let lines: Vec<_> = counts.iter().map(|((what, came), count)| format!("{count:>9} {what} {came}")).collect();
    lines.join("\n")
}

fn is_hidden(name: &str) -> bool {
    name.starts_with(".longshore-")
}

impl Deed {
    /// Whether it is a reply of success to what changes something.
    fn is_promise(&self) -> bool {
        matches!(self, Self::Committed(_) | Self::Deleted | Self::Renamed(_))
    }
}

#[expect(clippy::disallowed_methods, reason = "a choice of the developer's, not a setting")]
fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}
