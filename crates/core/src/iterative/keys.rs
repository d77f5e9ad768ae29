//! Keys of rows: hashes of their numbers, which decide who is held out and who is in the sample.

/// The keys of rows that come next, as a pass assigns them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    assigned: Vec<u32>,
    next: usize,
}

impl Keys {
    /// Appends the keys of the rows that come next.
    pub(crate) fn assign(&mut self, keys: &[u32]) {
        self.assigned.drain(..self.next);
        self.next = 0;
        self.assigned.extend_from_slice(keys);
    }

    /// The keys of the next rows; none where nobody assigned any.
    pub(crate) fn peek(&self, rows: usize) -> Option<&[u32]> {
        self.assigned.get(self.next..self.next + rows)
    }

    /// Forgets the keys of the next rows.
    pub(crate) fn advance(&mut self, rows: usize) {
        self.next = (self.next + rows).min(self.assigned.len());
    }
}

/// The key below which a row belongs to a share of all.
pub fn key_below(share: f64) -> u32 {
    (share.clamp(0.0, 1.0) * 2f64.powi(32)).min(f64::from(u32::MAX)) as u32
}
