//! What was read of the column chunks and is not decoded yet.

use bytes::Bytes;

use crate::storage::ahead::{Run, Streams};

/// The runs of pages at hand, one a stream.
pub(super) struct Runs {
    streams: Option<Streams>,
    current: Vec<Option<Run>>,
}

impl Runs {
    pub(super) fn new(streams: Option<Streams>) -> Self {
        let current = vec![None; streams.as_ref().map_or(0, Streams::len)];
        Self { streams, current }
    }

    /// What stands from `at` on: the page that begins there, as a whole, and maybe more. `None` where it must be read by itself.
    pub(super) fn from(&mut self, at: u64) -> Option<Bytes> {
        let streams = self.streams.as_ref()?;
        let stream = streams.at(at)?;
        let current = self.current.get_mut(stream)?;
        loop {
            match current {
                Some(run) if at < run.at => return None,
                Some(run) if at < run.end() => return Some(run.bytes.slice((at - run.at) as usize..)),
                _ => *current = Some(streams.next(stream)?),
            }
        }
    }

    /// The `length` bytes from `at` on, if they are at hand. A run whose last page this is will not be asked for again.
    pub(super) fn take(&mut self, at: u64, length: usize) -> Option<Bytes> {
        let streams = self.streams.as_ref()?;
        let current = self.current.get_mut(streams.at(at)?)?;
        let run = current.as_ref().filter(|run| run.at <= at && at + length as u64 <= run.end())?;
        let start = (at - run.at) as usize;
        let bytes = run.bytes.slice(start..start + length);
        if run.end() == at + length as u64 {
            *current = None;
        }
        Some(bytes)
    }
}
