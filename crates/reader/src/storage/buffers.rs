//! Memory that is used again: fresh memory costs a page fault every 4 KiB.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Bytes that are kept for later at most, two chunks of lines with the byte that follows them, unless more were in use before: then as
/// many as those that are not in use any more.
const KEPT_BYTES: usize = (8 << 20) + 64;

/// Smaller ones are left to the allocator, which has them at hand: with these the list stays short.
const LEAST_BYTES: usize = 16 << 10;

/// Buffers that nobody uses at the moment.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Free {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
    /// Bytes of buffers that are in use, and the most that were.
    lent: usize,
    most: usize,
}

impl Buffers {
    /// A buffer of `length` bytes: what stands in them is of no meaning.
    pub(crate) fn take(self: &Arc<Self>, length: usize) -> Buffer {
        let found = if length >= LEAST_BYTES { self.free().take(length) } else { None };
        let lent = found.as_ref().map_or(0, Vec::len);
        let mut buffer = Buffer { bytes: found.unwrap_or_default(), length: 0, lent, home: Arc::clone(self) };
        buffer.resize(length);
        buffer
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Free {
    /// The one that was used last, and is still in the caches, of those that fit.
    fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        let fits = |buffer: &Vec<u8>| buffer.len() >= length && buffer.len() / 4 <= length;
        let found = self.buffers.iter().rposition(fits)?;
        let buffer = self.buffers.remove(found);
        self.bytes -= buffer.len();
        self.lend(buffer.len());
        Some(buffer)
    }

    fn lend(&mut self, bytes: usize) {
        self.lent += bytes;
        self.most = self.most.max(self.lent);
    }

    fn put(&mut self, buffer: Vec<u8>, lent: usize) {
        self.lent -= lent;
        self.bytes += buffer.len();
        self.buffers.push(buffer);
        let kept = KEPT_BYTES.max(self.most - self.lent);
        while self.bytes > kept && !self.buffers.is_empty() {
            self.bytes -= self.buffers.remove(0).len();
        }
    }
}

/// Bytes that go back to where they came from.
#[derive(Debug)]
pub(crate) struct Buffer {
    /// All of it was written once, by us or the system, so that it need not be cleared.
    bytes: Vec<u8>,
    /// Bytes in use.
    length: usize,
    /// How many bytes it counts for at home.
    lent: usize,
    home: Arc<Buffers>,
}

impl Buffer {
    /// Makes it `length` bytes long. The first ones stay what they are.
    pub(crate) fn resize(&mut self, length: usize) {
        if self.bytes.is_empty() {
            // The system clears fresh memory by itself.
            self.bytes = vec![0; length];
        } else if length > self.bytes.len() {
            self.bytes.resize(length, 0);
        }
        self.length = length;
        if self.bytes.len() >= LEAST_BYTES && self.bytes.len() > self.lent {
            self.home.free().lend(self.bytes.len() - self.lent);
            self.lent = self.bytes.len();
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }

    /// The bytes to share; the memory is free again when the last part of them is dropped.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes.len() >= LEAST_BYTES {
            self.home.free().put(std::mem::take(&mut self.bytes), self.lent);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_and_is_bounded() {
        let buffers = Arc::new(Buffers::default());
        let bytes = buffers.take(20_000).into_bytes();
        let part = bytes.slice(10..20);
        drop(bytes);
        assert_eq!(buffers.free().bytes, 0, "a part is still in use");
        let place = part.as_ptr();
        drop(part);
        assert_eq!(buffers.free().bytes, 20_000);
        let again = buffers.take(19_000);
        assert_eq!((again.as_ref().len(), again.as_ref().as_ptr()), (19_000, place.wrapping_sub(10)));
        assert_eq!(buffers.free().bytes, 0);
        drop(again);
        drop(buffers.take(100));
        assert_eq!(buffers.free().bytes, 20_000, "small ones are not kept");
        let many: Vec<Buffer> = (0..20).map(|_| buffers.take(KEPT_BYTES / 8)).collect();
        drop(many);
        let most = buffers.free().most;
        assert!((20 * (KEPT_BYTES / 8)..3 * KEPT_BYTES).contains(&most));
        assert!(buffers.free().bytes <= most, "no more than was in use at once");
        assert_eq!(buffers.free().lent, 0);
    }

    #[test]
    fn a_buffer_that_grows_keeps_its_beginning() {
        let buffers = Arc::new(Buffers::default());
        let mut buffer = buffers.take(3);
        buffer.as_mut_slice().copy_from_slice(b"abc");
        buffer.resize(10_000);
        assert_eq!(&buffer.as_ref()[..3], b"abc");
        assert_eq!(buffer.as_ref().len(), 10_000);
    }
}
