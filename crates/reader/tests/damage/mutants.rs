//! Files changed at random, from a fixed seed. Each is an error that names the file, or is read: without a panic, and
//! where it says what it said before, with the same numbers.
//!
//! `STREAMREG_MUTANTS=20000 cargo test -p streamreg-reader mutants` makes as many of them; with
//! `STREAMREG_MUTANTS_FOLDER` they are kept, and `tests/golden/damaged/compare.py` asks pyarrow about each.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};

use super::numbers::{Numbers, assert_is_clean, numbers};
use super::relaid::Relaid;
use super::thrift::Value;
use super::{SOUND, golden};
use crate::util::{Folder, batch};

/// SplitMix64 (Steele, Lea & Flood 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// A number that headers are not ready for, or one next to that which stands there.
    fn number(&mut self, now: i64) -> i64 {
        match self.below(8) {
            0 => now + 1,
            1 => now - 1,
            2 => now ^ 1 << self.below(31),
            3 => 0,
            4 => i64::from(i32::MAX),
            5 => now.wrapping_mul(2),
            6 => -1,
            _ => self.below(100) as i64,
        }
    }

    /// Changes bytes: a bit, a byte, a piece less, a piece more, a piece moved.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return bytes.push(self.next() as u8);
        }
        // What counts stands in front.
        let end = if self.below(2) == 0 { bytes.len().min(24) } else { bytes.len() };
        let at = self.below(end);
        let to = (at + 1 + self.below(9)).min(bytes.len());
        match self.below(6) {
            0 | 1 => bytes[at] ^= 1 << self.below(8),
            2 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, self.next() as u8][self.below(6)],
            3 => drop(bytes.drain(at..to)),
            4 => {
                let piece = bytes[at..to].to_vec();
                let place = self.below(bytes.len());
                bytes.splice(place..place, piece);
            }
            _ => bytes.truncate(at),
        }
    }
}

/// A Parquet file with one or two things changed, laid out as if nothing had happened.
fn parquet(sound: &Relaid, chance: &mut Chance) -> Vec<u8> {
    let mut file = sound.clone();
    for _ in 0..=chance.below(2) {
        let chunk = chance.below(file.chunks.len());
        let page = chance.below(file.chunks[chunk].len());
        match chance.below(10) {
            0..=4 => chance.change(&mut file.chunks[chunk][page].content),
            5..=6 => {
                let header = &mut file.chunks[chunk][page].header;
                let of_page = [5, 7, 8].into_iter().find(|id| header.field(*id).is_some()).unwrap();
                change_number(header.field_mut(of_page).unwrap(), chance);
            }
            7 => {
                let copy = file.chunks[chunk][page].clone();
                let place = chance.below(file.chunks[chunk].len() + 1);
                file.chunks[chunk].insert(place, copy);
            }
            8 if file.chunks[chunk].len() > 1 => drop(file.chunks[chunk].remove(page)),
            _ => change_number(&mut file.footer, chance),
        }
    }
    file.write()
}

/// Changes a number or a truth somewhere inside.
fn change_number(value: &mut Value, chance: &mut Chance) {
    let mut leaves = value.leaves();
    leaves.retain(|leaf| matches!(leaf, Value::Number(..) | Value::Bool(_) | Value::Byte(_)));
    let at = chance.below(leaves.len());
    match leaves.into_iter().nth(at) {
        Some(Value::Number(kind, number)) => {
            let most = if *kind == 5 { i64::from(i32::MAX) } else { i64::MAX };
            *number = chance.number(*number).clamp(-most, most);
        }
        Some(Value::Bool(truth)) => *truth = !*truth,
        Some(Value::Byte(byte)) => *byte ^= 1 << chance.below(8),
        _ => {}
    }
}

/// A table in a format, as bytes.
pub(super) fn ipc(folder: &Folder, compression: Option<CompressionType>) -> Vec<u8> {
    let rows = 40;
    let table = batch(&[
        ("y", Arc::new((0..rows).map(|i| Some(i as f64 / 4.0)).collect::<Float64Array>()) as ArrayRef),
        ("k", Arc::new((0..rows).map(|i| (i % 7 != 2).then_some(i)).collect::<Int64Array>())),
        ("b", Arc::new((0..rows).map(|i| (i % 5 != 2).then_some(i % 2 == 0)).collect::<BooleanArray>())),
        (
            "g",
            Arc::new((0..rows).map(|i| (i % 9 != 2).then(|| format!("g{}", i % 3))).collect::<StringArray>()),
        ),
    ]);
    let path = folder.path("sound.arrow");
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = FileWriter::try_new_with_options(file, &table.schema(), options).unwrap();
    writer.write(&table.slice(0, 25)).unwrap();
    writer.write(&table.slice(25, 15)).unwrap();
    writer.finish().unwrap();
    std::fs::read(path).unwrap()
}

fn csv() -> Vec<u8> {
    let rows = (0..40).map(|i| format!("{},{},\"g {}\"\n", i as f64 / 4.0, i % 7, i % 3));
    ("y,k,g\n".to_owned() + &rows.collect::<String>()).into_bytes()
}

fn ndjson() -> Vec<u8> {
    let row = |i| {
        format!("{{\"y\":{},\"k\":{},\"g\":\"g{}\",\"b\":{}}}\n", i as f64 / 4.0, i % 7, i % 3, i % 2 == 0)
    };
    (0..40).map(row).collect::<String>().into_bytes()
}

fn libsvm() -> Vec<u8> {
    let row = |i| format!("{} {}:{} {}:1 # row\n", i as f64 / 4.0, i % 5, i, 5 + i % 3);
    (0..40).map(row).collect::<String>().into_bytes()
}

/// How many of a kind: enough to see something in seconds, or what is asked for.
fn count() -> usize {
    let asked = std::env::var("STREAMREG_MUTANTS").ok().map(|count| count.parse::<usize>().unwrap());
    asked.map_or(200, |count| count.div_ceil(10))
}

/// Reads mutants, and keeps them if they are wanted.
struct Trial {
    folder: Folder,
    kept: Option<PathBuf>,
    verdicts: String,
}

impl Trial {
    fn new() -> Self {
        let kept = std::env::var_os("STREAMREG_MUTANTS_FOLDER").map(PathBuf::from);
        kept.iter().for_each(|folder| std::fs::create_dir_all(folder).unwrap());
        Self { folder: Folder::new(), kept, verdicts: String::new() }
    }

    fn read(&mut self, name: &str, bytes: &[u8]) -> Option<Numbers> {
        let path = self.folder.path(name);
        std::fs::write(&path, bytes).unwrap();
        let start = std::time::Instant::now();
        let outcome = numbers(&path);
        assert!(start.elapsed().as_secs() < 60, "{name} takes {:?}", start.elapsed());
        let verdict = match &outcome {
            Ok((rows, columns)) => columns.iter().fold(format!("{rows}"), |mut text, column| {
                let _ = write!(text, "\t{}\t{}\t{}", column.name.escape_default(), column.valid, column.sum);
                text
            }),
            Err(error) => {
                assert_is_clean(error, name, name);
                format!("error\t{}", error.to_string().escape_default())
            }
        };
        if let Some(kept) = &self.kept {
            std::fs::copy(&path, kept.join(name)).unwrap();
            let _ = writeln!(self.verdicts, "{name}\t{verdict}");
        }
        std::fs::remove_file(path).unwrap();
        outcome.ok()
    }

    fn finish(self, name: &str) {
        if let Some(kept) = self.kept {
            std::fs::write(kept.join(format!("{name}.verdicts")), self.verdicts).unwrap();
        }
    }
}

#[test]
fn parquet_mutants() {
    for (seed, name) in (1..).zip(SOUND) {
        let (mut chance, mut trial) = (Chance(seed), Trial::new());
        let sound = Relaid::of(&std::fs::read(golden(name)).unwrap());
        let stem = Path::new(name).file_stem().unwrap().to_string_lossy().into_owned();
        let expected = trial.read(&format!("{stem}.sound.parquet"), &sound.write()).unwrap();
        let mut read = 0;
        for i in 0..count() {
            let mutant = parquet(&sound, &mut chance);
            let numbers = trial.read(&format!("{stem}.{i}.parquet"), &mutant);
            // The number of rows stands in several places, which were not all changed.
            if let Some((rows, _)) = numbers {
                assert_eq!(rows, expected.0, "{name}, mutant {i}");
                read += 1;
            }
        }
        // A change of a value cannot be seen, one of anything else is.
        assert!(read < count() * 3 / 4, "{name}: {read} are read");
        trial.finish(&stem);
    }
}

#[test]
fn mutants_of_other_formats() {
    let folder = Folder::new();
    let formats = [
        ("plain.arrow", ipc(&folder, None)),
        ("zstd.arrow", ipc(&folder, Some(CompressionType::ZSTD))),
        ("lz4.arrow", ipc(&folder, Some(CompressionType::LZ4_FRAME))),
        ("text.csv", csv()),
        ("text.ndjson", ndjson()),
        ("text.libsvm", libsvm()),
    ];
    for (seed, (name, sound)) in (100..).zip(formats) {
        let (mut chance, mut trial) = (Chance(seed), Trial::new());
        let (stem, ending) = name.split_once('.').unwrap();
        assert!(trial.read(&format!("{stem}_{ending}.sound.{ending}"), &sound).is_some());
        for i in 0..count() {
            let mut bytes = sound.clone();
            (0..=chance.below(3)).for_each(|_| chance.change(&mut bytes));
            trial.read(&format!("{stem}_{ending}.{i}.{ending}"), &bytes);
        }
        trial.finish(name);
    }
}
