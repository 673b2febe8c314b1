//! SHA-256 digests, and their text form.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The SHA-256 of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha(pub [u8; 32]);

impl Sha {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// HMAC-SHA-256 of `bytes` with a key of at most 64 bytes: <https://www.rfc-editor.org/rfc/rfc2104>.
    pub fn keyed(key: &[u8], bytes: &[u8]) -> Self {
        let padded = |pad: u8| {
            let mut block = [pad; 64];
            block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
            block
        };
        let inner = Self::of(&[&padded(0x36)[..], bytes].concat());
        Self::of(&[&padded(0x5c)[..], &inner.0].concat())
    }

    /// The first `length` hexadecimal digits.
    pub fn short(&self, length: usize) -> String {
        self.to_string()[..length].to_string()
    }
}

impl std::fmt::Display for Sha {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0u8; 64];
        for (index, byte) in self.0.iter().enumerate() {
            text[2 * index] = DIGITS[usize::from(byte >> 4)];
            text[2 * index + 1] = DIGITS[usize::from(byte & 15)];
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl std::str::FromStr for Sha {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut out = [0u8; 32];
        let mut all = 0;
        for (byte, pair) in out.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let (high, low) = (DIGIT[usize::from(pair[0])], DIGIT[usize::from(pair[1])]);
            all |= high | low;
            *byte = high << 4 | low;
        }
        if text.len() == 64 && all < 16 { Ok(Self(out)) } else { Err(format!("{text:?} is not a SHA-256")) }
    }
}

/// The value of each hexadecimal digit, 255 for any other byte. A table, because a manifest has one digest for each file,
/// and reading it is the largest cost of a cache hit besides the stamps.
const DIGIT: [u8; 256] = {
    let mut values = [255; 256];
    let mut digit = 0;
    while digit < 16 {
        values[b"0123456789abcdef"[digit] as usize] = digit as u8;
        values[b"0123456789ABCDEF"[digit] as usize] = digit as u8;
        digit += 1;
    }
    values
};

impl Serialize for Sha {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Parses the text in place, without a string of its own.
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Sha;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a SHA-256 in hexadecimal digits")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Sha, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The second case of <https://www.rfc-editor.org/rfc/rfc4231>.
    #[test]
    fn a_keyed_digest_is_that_of_the_standard() {
        let sha = Sha::keyed(b"Jefe", b"what do ya want for nothing?");
        assert_eq!(sha.to_string(), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn a_sha_is_written_and_read_back() {
        let sha = Sha::of(b"abc");
        assert_eq!(sha.short(8), "ba7816bf");
        assert_eq!(sha.to_string().parse::<Sha>().unwrap(), sha);
        assert!("xyz".parse::<Sha>().is_err());
        for wrong in ["zz".repeat(32), "0".repeat(63), "0".repeat(65), format!("{}é", "0".repeat(62))] {
            assert!(wrong.parse::<Sha>().is_err(), "{wrong}");
        }
        assert_eq!(sha.to_string().to_uppercase().parse::<Sha>().unwrap(), sha);
    }
}
