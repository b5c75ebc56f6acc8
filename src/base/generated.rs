//! Names that the broker makes: a prefix and a counted number, written as RabbitMQ writes its random ones.

use super::Name;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Name {
    /// `prefix` and the number as 22 letters: sixteen bytes of base64 for URLs. The same number gives the same name.
    pub(crate) fn generated(prefix: &str, number: u64) -> Self {
        // 128 bits are 21 letters of six bits and two bits more.
        let bits = u128::from(number) << 4;
        let letter = |at: u32| ALPHABET.get((bits >> (6 * at)) as usize & 63).copied().unwrap_or(b'A');
        let letters = (0..22).rev().map(|at| char::from(letter(at)));
        Self::known(&prefix.chars().chain(letters).collect::<String>())
    }
}
