//! Checked text that is shared, not copied.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::str::Utf8Error;

use bytes::Bytes;

/// UTF-8 text held by reference count: cloning and slicing copy nothing.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text(Bytes);

impl Text {
    /// Text that lives as long as the program.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Checks that `bytes` are UTF-8.
    ///
    /// # Errors
    /// The position of the first bad byte.
    pub fn from_utf8(bytes: Bytes) -> Result<Self, Utf8Error> {
        std::str::from_utf8(&bytes)?;
        Ok(Self(bytes))
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        // SAFETY: every constructor checks for UTF-8 or starts from a `str`, and `slice` cuts at character borders.
        unsafe { std::str::from_utf8_unchecked(&self.0) }
    }

    /// The part of this text that `part` (a sub-slice of it) covers, sharing the same memory.
    ///
    /// # Panics
    /// If `part` does not lie within this text.
    pub fn slice_of(&self, part: &str) -> Self {
        Self(self.0.slice_ref(part.as_bytes()))
    }

    /// From byte `start` on.
    ///
    /// # Panics
    /// If `start` is not a character border of this text.
    pub fn slice_from(&self, start: usize) -> Self {
        self.slice_of(&self.as_str()[start..])
    }

    /// The bytes below.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// The bytes below, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Bytes::from(text.into_bytes()))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}
