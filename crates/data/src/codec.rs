//! The one byte form of every wire and stored type: serde with postcard, made canonical.
//!
//! postcard alone is not canonical: over-long varints decode and trailing bytes are dropped. [`decode`]
//! therefore checks the length against the type's own limit first, decodes, refuses bytes left over, and
//! refuses input that does not re-encode to itself. A value thus has exactly one encoding, and what is
//! signed or hashed can't be said in two ways.
//!
//! No sequence reserves more than [`RESERVE_BYTES`] on a sender's word. What has been read takes the room of its elements: less than
//! twice its bytes for what is in use, some dozens of times for elements of a byte or three (an empty witness item). Sequences
//! are bounded by counts and not by memory, since whether a block decodes must not depend on a machine.

use alloc::vec::Vec;
use core::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, DeserializeOwned},
};
use thiserror::Error;

/// A type with a canonical byte form and a named limit on its size.
pub trait Wire: Serialize + DeserializeOwned {
    /// The longest encoding that is accepted, in bytes.
    const MAX_BYTES: usize;
}

/// Why bytes are not the canonical form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The input is longer than the type's limit.
    #[error("{found_bytes} bytes, where at most {max_bytes} are allowed")]
    TooLong {
        /// Length of the input.
        found_bytes: usize,
        /// The type's limit.
        max_bytes: usize,
    },
    /// The input is not an encoding of the type: it ends early, or a tag names no variant.
    #[error("malformed encoding")]
    Malformed,
    /// A count is beyond its named limit, or a value breaks the rule of its type (a key that is no curve point).
    #[error("a count or value is out of range")]
    OutOfRange,
    /// Bytes are left over behind the value.
    #[error("{count} bytes left over behind the value")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// The input decodes, but the value is encoded otherwise.
    #[error("encoding is not canonical")]
    NotCanonical,
}

/// The canonical bytes of `value`.
///
/// # Panics
/// If the type's `Serialize` fails, which no type of this workspace does: all are plain structures, and
/// memory is the only sink.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let sink = Sink(Vec::with_capacity(ENCODED_ROOM_BYTES));
    postcard::serialize_with_flavor(value, sink).expect("plain structures serialise into memory")
}

/// Reads the one value whose canonical bytes are `bytes`.
///
/// # Errors
/// The first rule of [`CodecError`] that the input breaks.
pub fn decode<T: Wire>(bytes: &[u8]) -> Result<T, CodecError> {
    if bytes.len() > T::MAX_BYTES {
        return Err(CodecError::TooLong { found_bytes: bytes.len(), max_bytes: T::MAX_BYTES });
    }
    let (value, rest): (T, &[u8]) = postcard::take_from_bytes(bytes).map_err(reason)?;
    if !rest.is_empty() {
        return Err(CodecError::TrailingBytes { count: rest.len() });
    }
    let mut matching = Comparison { expected: bytes, equal: true };
    postcard::serialize_with_flavor::<T, &mut Comparison<'_>, bool>(&value, &mut matching)
        .is_ok_and(|equal| equal)
        .then_some(value)
        .ok_or(CodecError::NotCanonical)
}

fn reason(error: postcard::Error) -> CodecError {
    match error {
        postcard::Error::SerdeDeCustom => CodecError::OutOfRange,
        _ => CodecError::Malformed,
    }
}

/// `#[serde(with = "codec::bytes")]` for a byte string: one copy of exactly the bytes that are there,
/// where the derived form would go element by element.
pub mod bytes {
    use alloc::vec::Vec;
    use core::fmt;

    use serde::{Deserializer, Serializer, de};

    /// Writes the bytes behind their length.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    /// Reads a length and that many bytes.
    ///
    /// # Errors
    /// Where fewer bytes are left than the length says.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        struct Copied;
        impl de::Visitor<'_> for Copied {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a byte string")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_bytes(Copied)
    }
}

/// `#[serde(deserialize_with = "codec::at_most::<MAX, _, _>")]` for a sequence: refuses a count beyond `MAX`
/// before anything is allocated, and never reserves more than [`RESERVE_BYTES`] on a sender's word.
///
/// # Errors
/// A count beyond `MAX` ([`CodecError::OutOfRange`]), or an element that does not decode.
pub fn at_most<'de, const MAX: usize, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    struct Elements<T, const MAX: usize>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>, const MAX: usize> de::Visitor<'de> for Elements<T, MAX> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MAX} elements")
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
            let claimed = sequence.size_hint().unwrap_or(0);
            if claimed > MAX {
                return Err(de::Error::custom("count beyond its limit"));
            }
            let mut elements = Vec::with_capacity(claimed.min(RESERVE_BYTES / size_of::<T>().max(1)));
            while let Some(element) = sequence.next_element()? {
                if elements.len() == MAX {
                    return Err(de::Error::custom("count beyond its limit"));
                }
                elements.push(element);
            }
            Ok(elements)
        }
    }
    deserializer.deserialize_seq(Elements::<T, MAX>(PhantomData))
}

/// The most memory reserved for a sequence before its elements have been read, in bytes.
pub const RESERVE_BYTES: usize = 4096;

/// The room that is made for an encoding before it is written, in bytes: most take less, and growing byte by byte costs more.
const ENCODED_ROOM_BYTES: usize = 256;

/// A sink that keeps what is written, in no more room than it takes.
struct Sink(Vec<u8>);

impl postcard::ser_flavors::Flavor for Sink {
    type Output = Vec<u8>;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(mut self) -> postcard::Result<Vec<u8>> {
        self.0.shrink_to_fit();
        Ok(self.0)
    }
}

/// A sink that compares what is written with what was read, so that checking costs no second buffer.
struct Comparison<'a> {
    expected: &'a [u8],
    equal: bool,
}

impl postcard::ser_flavors::Flavor for &mut Comparison<'_> {
    type Output = bool;

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        match self.expected.split_first() {
            Some((first, rest)) if *first == byte => self.expected = rest,
            _ => self.equal = false,
        }
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        match self.expected.split_at_checked(bytes.len()) {
            Some((head, rest)) if head == bytes => self.expected = rest,
            _ => self.equal = false,
        }
        Ok(())
    }

    fn finalize(self) -> postcard::Result<bool> {
        Ok(self.equal && self.expected.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Pair {
        number: u32,
        #[serde(with = "bytes")]
        bytes: Vec<u8>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Few(#[serde(deserialize_with = "at_most::<2, _, _>")] Vec<u16>);

    impl Wire for Few {
        const MAX_BYTES: usize = 16;
    }

    impl Wire for Pair {
        const MAX_BYTES: usize = 16;
    }

    #[test]
    fn reads_back_what_it_wrote() {
        let pair = Pair { number: 300, bytes: vec![1, 2, 3] };
        assert_eq!(decode::<Pair>(&encode(&pair)), Ok(pair));
    }

    #[test]
    fn a_count_beyond_its_limit_is_out_of_range() {
        assert_eq!(decode::<Few>(&[2, 1, 1]), Ok(Few(vec![1, 1])));
        assert_eq!(decode::<Few>(&[3, 1, 1, 1]), Err(CodecError::OutOfRange));
    }

    #[test]
    fn refuses_every_other_form() {
        let bytes = encode(&Pair { number: 1, bytes: vec![7] });
        assert_eq!(decode::<Pair>(&[0; 17]), Err(CodecError::TooLong { found_bytes: 17, max_bytes: 16 }));
        assert_eq!(decode::<Pair>(&bytes[..bytes.len() - 1]), Err(CodecError::Malformed));
        assert_eq!(decode::<Pair>(&[&bytes[..], &[0]].concat()), Err(CodecError::TrailingBytes { count: 1 }));
        assert_eq!(decode::<Pair>(&[0x81, 0x00, 1, 7]), Err(CodecError::NotCanonical), "an over-long varint");
        assert_eq!(decode::<Pair>(&[1, 0xff, 0xff, 0xff, 0x7f, 7]), Err(CodecError::Malformed), "a length that lies");
    }
}
