//! Text of keys and patterns, packed: most are short and lie where they are held, one memory access less away.

use crate::base::Name;

/// The bytes of a key or word, at most 255, and a mark: a place in them or at their end that the holder
/// wants to find again.
#[derive(Clone, Debug)]
pub(super) enum Text {
    /// So many of these bytes.
    Short { mark: u8, length: u8, bytes: [u8; SHORT] },
    /// Text with memory of its own.
    Long { mark: u8, bytes: Box<[u8]> },
}

impl Text {
    pub(super) const EMPTY: Self = Self::Short { mark: 0, length: 0, bytes: [0; SHORT] };

    pub(super) fn new(text: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(text);
                Self::Short { mark: 0, length, bytes }
            }
            _ => Self::Long { mark: 0, bytes: text.into() },
        }
    }

    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::Short { length, bytes, .. } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long { bytes, .. } => bytes,
        }
    }

    /// The text as the name that it was.
    pub(super) fn name(&self) -> Name {
        Name::known(std::str::from_utf8(self.bytes()).unwrap_or_default())
    }

    #[inline]
    pub(super) fn mark(&self) -> usize {
        let (Self::Short { mark, .. } | Self::Long { mark, .. }) = self;
        usize::from(*mark)
    }

    /// Sets the mark.
    pub(super) fn set_mark(&mut self, place: usize) {
        let (Self::Short { mark, .. } | Self::Long { mark, .. }) = self;
        *mark = u8::try_from(place).unwrap_or(u8::MAX);
    }
}

/// The bytes that find place in 32, beside mark, length and what tells the two kinds apart.
const SHORT: usize = 29;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_text_comes_back() {
        for length in [0, 1, SHORT - 1, SHORT, SHORT + 1, 255] {
            let text = "ä".repeat(length).chars().take(length / 2).collect::<String>() + &"x".repeat(length % 2);
            assert_eq!(&*Text::new(text.as_bytes()).name(), text);
        }
        assert_eq!(size_of::<Text>(), 32);
    }
}
