//! The types that the first records suggest.

use super::cells::Cells;
use super::chunk::{Chunk, Chunker};
use super::doubt::{Look, Misfit};
use super::field::{Text, trim};
use super::options::ColumnType;
use crate::error::Result;

/// Text looked at, at most; at least one record is.
pub(super) const SAMPLE_BYTES: usize = 1 << 20;

/// Records looked at, at most.
const SAMPLE_RECORDS: usize = 10_000;

/// What a column is, as far as the sample tells.
#[derive(Clone, Debug)]
pub(super) struct Guess {
    pub(super) column_type: ColumnType,
    /// Whether the sample has no value of it, so that the type means nothing.
    pub(super) blank: bool,
    /// Why it is hardly meant to be text, if it is.
    pub(super) misfit: Option<Misfit>,
}

/// What the records from `from` on suggest for `columns` columns, be they in this chunk or in a later one; and whether
/// there is none.
pub(super) fn guesses(
    mut chunk: Chunk,
    mut from: usize,
    chunker: &mut Chunker,
    columns: usize,
    cells: &Cells,
    delimiter: u8,
) -> Result<(Vec<Guess>, bool)> {
    let mut sample = vec![Candidates::default(); columns];
    while chunk.text(delimiter).of_fields(columns).next_record(from) == chunk.len() {
        match chunker.next()? {
            Some(next) => (chunk, from) = (next, 0),
            None => break,
        }
    }
    let text = chunk.text(delimiter).of_fields(columns);
    let mut at = text.next_record(from);
    let mut line = text.line(at);
    let empty = at == chunk.len();
    for _ in 0..SAMPLE_RECORDS {
        if at == chunk.len() {
            break;
        }
        let next = text.next_record(note_record(text, at, line, &mut sample, cells)?);
        line += text.lines_between(at, next);
        at = next;
    }
    Ok((sample.into_iter().map(Candidates::guess).collect(), empty))
}

/// Takes note of the record at `start`; where it ends.
fn note_record(
    text: Text<'_>,
    start: usize,
    line: u64,
    sample: &mut [Candidates],
    cells: &Cells,
) -> Result<usize> {
    let columns = sample.len();
    let mut at = start;
    for (i, column) in sample.iter_mut().enumerate() {
        let (field, edge) = text.field(at)?;
        column.note(&field.content(), &field.trimmed(), line, cells);
        at = edge.next;
        if edge.last != (i + 1 == columns) {
            return Err(text.ragged(start, columns));
        }
    }
    Ok(at)
}

/// How many cells of a column read as what.
#[derive(Clone, Default)]
struct Candidates {
    /// Cells that are not missing.
    cells: u32,
    /// Of them those that are a value of each type.
    fitting: [u32; ColumnType::TYPED.len()],
    /// Those that are a date, a timestamp or a time of day.
    times: u32,
    /// Those that are none of these, and a number under another convention, or a date or time.
    foreign_numbers: u32,
    foreign_times: u32,
    /// The first cell that is no number, and the first that is no date or time.
    no_number: Option<FirstCell>,
    no_time: Option<FirstCell>,
}

/// A cell and its line.
type FirstCell = Box<(u64, Vec<u8>)>;

impl Candidates {
    /// `content` is the cell, `trimmed` the same without the blanks that are not in quotes.
    fn note(&mut self, content: &[u8], trimmed: &[u8], line: u64, cells: &Cells) {
        let cell = trim(content);
        if cells.is_null(trimmed) || cells.is_typed_null(cell) {
            return;
        }
        self.cells += 1;
        let first = || Box::new((line, cell.to_vec()));
        if cells.number(cell).is_some() {
            self.fitting[0] += 1;
            self.no_time.get_or_insert_with(first);
            return;
        }
        self.no_number.get_or_insert_with(first);
        let mut is_time = false;
        for (fitting, column_type) in self.fitting.iter_mut().zip(ColumnType::TYPED).skip(1) {
            let fits = cells.fits(column_type, cell);
            *fitting += u32::from(fits);
            is_time |= fits && column_type != ColumnType::Boolean;
        }
        if is_time {
            self.times += 1;
            return;
        }
        self.no_time.get_or_insert_with(first);
        let look = Look::of(cell);
        self.foreign_numbers += u32::from(look.is_some_and(Look::is_number));
        self.foreign_times += u32::from(look.is_some_and(|look| !look.is_number()));
    }

    fn guess(self) -> Guess {
        let all = |(fitting, _): &(u32, ColumnType)| self.cells > 0 && *fitting == self.cells;
        let column_type =
            self.fitting.into_iter().zip(ColumnType::TYPED).find(all).map_or(ColumnType::Text, |(_, t)| t);
        let blank = self.cells == 0;
        let misfit = if column_type == ColumnType::Text { self.misfit() } else { None };
        Guess { column_type, blank, misfit }
    }

    /// What speaks against text: that more than half of the cells are numbers, or dates and times.
    fn misfit(self) -> Option<Misfit> {
        let most = |count: u32| 2 * u64::from(count) > u64::from(self.cells);
        let numbers = self.fitting[0] + self.foreign_numbers;
        let times = self.times + self.foreign_times;
        let (first, most, count) = if most(numbers) {
            (self.no_number, ColumnType::Number, numbers)
        } else if most(times) {
            (self.no_time.or(self.no_number), ColumnType::Timestamp, times)
        } else {
            return None;
        };
        let nearly_all = 10 * u64::from(count) >= 9 * u64::from(self.cells);
        first.map(|first| Misfit { line: first.0, cell: first.1, most, nearly_all })
    }
}
