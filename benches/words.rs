//! What every command and every line of a listing costs, without files and sockets: `cargo bench --bench words`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::tz::TimeZone;
use longshore::commands;
use longshore::listing::facts::{self, FactSet, Place};
use longshore::listing::unix::{self, ListTimes};
use longshore::listing::{Facts, Kind};
use longshore::path::VirtualPath;
use longshore::protocol::ascii::{FromWire, ToWire};
use longshore::protocol::{Argument, LineDecoder};
use longshore::settings::Permissions;

const NOW: i64 = 1_762_082_520;
const FILE: Facts = Facts {
    kind: Kind::File,
    size: 10_240,
    modified: NOW - 86_400,
    mode: 0o100_644,
    links: 1,
    uid: 1000,
    gid: 1000,
    device: 0x801,
    inode: 0xbeef,
};

/// What a client sends between two files.
const LINES: &[u8] = b"NOOP\r\nTYPE I\r\nSIZE incoming/report-2026.csv\r\nPASV\r\nRETR incoming/report-2026.csv\r\n";

fn lines(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lines");
    group.throughput(Throughput::Elements(LINES.split_inclusive(|&byte| byte == b'\n').count() as u64));
    group.bench_function("decode", |bencher| {
        let mut decoder = LineDecoder::default();
        bencher.iter(|| {
            let mut input = black_box(LINES);
            while let Some(line) = decoder.decode(&mut input) {
                black_box(line);
            }
        });
    });
    let lines: Vec<_> = LINES.split(|&byte| byte == b'\n').filter_map(|line| line.strip_suffix(b"\r")).collect();
    group.bench_function("find the command", |bencher| {
        bencher.iter(|| {
            for line in &lines {
                let (verb, argument) = Argument::split(black_box(line));
                black_box((commands::find(&verb), argument));
            }
        });
    });
    group.finish();
}

fn listings(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("listings");
    group.throughput(Throughput::Elements(1));
    let (mut out, zones) = (Vec::new(), [("UTC", TimeZone::UTC), ("a zone", TimeZone::system())]);
    for (name, zone) in zones {
        let when = ListTimes { now: NOW, zone };
        group.bench_function(format!("LIST in {name}"), |bencher| {
            bencher.iter(|| {
                out.clear();
                unix::write_line(&mut out, black_box(b"report-2026.csv"), black_box(&FILE), &when);
            });
        });
    }
    group.bench_function("MLSD", |bencher| {
        bencher.iter(|| {
            out.clear();
            let name = black_box(b"report-2026.csv");
            let set = FactSet::default();
            facts::write_line(&mut out, name, black_box(&FILE), set, Permissions::ALL, Place::Inside);
        });
    });
    group.finish();
}

fn paths(criterion: &mut Criterion) {
    let here = VirtualPath::root().join(b"incoming/2026/november").unwrap_or_else(|_| VirtualPath::root());
    let mut group = criterion.benchmark_group("paths");
    for name in ["report-2026.csv", "../../archive/./2025//report.csv"] {
        group.bench_function(name, |bencher| bencher.iter(|| here.join(black_box(name.as_bytes())).is_ok()));
    }
    group.finish();
}

fn ascii(criterion: &mut Criterion) {
    let text = b"a line of some forty bytes, as texts have\n".repeat(1500);
    let mut wire = Vec::new();
    ToWire::default().convert(&text, &mut wire);
    let mut group = criterion.benchmark_group("ascii");
    group.throughput(Throughput::Bytes(text.len() as u64));
    let mut out = Vec::new();
    group.bench_function("to the wire", |bencher| {
        bencher.iter(|| {
            out.clear();
            ToWire::default().convert(black_box(&text), &mut out);
        });
    });
    group.bench_function("from the wire", |bencher| {
        bencher.iter(|| {
            out.clear();
            FromWire::default().convert(black_box(&wire), &mut out);
        });
    });
    group.finish();
}

criterion_group!(benches, lines, listings, paths, ascii);
criterion_main!(benches);
