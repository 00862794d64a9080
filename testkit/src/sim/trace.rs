//! What tells two runs apart.

use health_chain::data::{Hash, tagged_hash};

/// Bytes noted before they are hashed.
const CHUNK_BYTES: usize = 64 * 1024;

/// A hash over everything that is noted, in order.
#[derive(Default)]
pub(super) struct Trace {
    hash: Hash,
    pending: Vec<u8>,
}

impl Trace {
    /// Notes what came about `at` that moment, in parts.
    pub(super) fn note(&mut self, at: u64, parts: &[&[u8]]) {
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        self.pending.extend_from_slice(&at.to_le_bytes());
        self.pending.extend_from_slice(&(bytes as u64).to_le_bytes());
        parts.iter().for_each(|part| self.pending.extend_from_slice(part));
        if self.pending.len() >= CHUNK_BYTES {
            self.hash = self.hash();
            self.pending.clear();
        }
    }

    /// The hash so far.
    pub(super) fn hash(&self) -> Hash {
        tagged_hash("HC/trace/v1", &[self.hash.as_bytes(), &self.pending])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Entry<'a> = (u64, &'a [&'a [u8]]);

    fn hash(entries: &[Entry<'_>]) -> Hash {
        let mut trace = Trace::default();
        entries.iter().for_each(|(at, parts)| trace.note(*at, parts));
        trace.hash()
    }

    #[test]
    fn order_time_and_every_byte_count() {
        let long = vec![7; CHUNK_BYTES];
        let first = hash(&[(1, &[b"a"]), (1, &[&long]), (2, &[b"b", b"c"])]);
        assert_eq!(hash(&[(1, &[b"a"]), (1, &[&long]), (2, &[b"bc"])]), first);
        let mut other = long.clone();
        other[9] = 8;
        let others: [&[Entry<'_>]; 5] = [
            &[(1, &[&long]), (1, &[b"a"]), (2, &[b"bc"])],
            &[(1, &[b"a"]), (1, &[&long]), (3, &[b"bc"])],
            &[(1, &[b"a"]), (1, &[&other]), (2, &[b"bc"])],
            &[(1, &[b"a"]), (1, &[&long]), (2, &[b"b"])],
            &[(1, &[b"a"]), (1, &[&long]), (2, &[b"b"]), (2, &[b"c"])],
        ];
        for entries in others {
            assert_ne!(hash(entries), first);
        }
    }
}
