//! Splits a stream into pieces that end at the end of a line.

use memchr::memrchr2;

/// Passes on a stream up to the last `\n` or `\r`, and keeps the rest.
#[derive(Default)]
pub struct LineBuffer(Vec<u8>);

impl LineBuffer {
    pub fn add(&mut self, bytes: &[u8], mut hear: impl FnMut(&[u8])) {
        self.0.extend_from_slice(bytes);
        if let Some(end) = memrchr2(b'\n', b'\r', &self.0) {
            hear(&self.0[..=end]);
            self.0.drain(..=end);
        }
    }

    pub fn end(self, mut hear: impl FnMut(&[u8])) {
        if !self.0.is_empty() {
            hear(&self.0);
        }
    }
}
