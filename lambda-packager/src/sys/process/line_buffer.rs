//! Splits a stream into pieces that end at the end of a line.

use memchr::memrchr2;

/// Passes on a stream up to the last `\n` or `\r`, and keeps the rest.
#[derive(Default)]
pub struct LineBuffer(Vec<u8>);

impl LineBuffer {
    /// What `hear` returned, if it was called.
    pub fn add<T>(&mut self, bytes: &[u8], hear: impl FnOnce(&[u8]) -> T) -> Option<T> {
        self.0.extend_from_slice(bytes);
        let end = memrchr2(b'\n', b'\r', &self.0)?;
        let heard = hear(&self.0[..=end]);
        self.0.drain(..=end);
        Some(heard)
    }

    /// What `hear` returned, if it was called.
    pub fn end<T>(self, hear: impl FnOnce(&[u8]) -> T) -> Option<T> {
        (!self.0.is_empty()).then(|| hear(&self.0))
    }
}
