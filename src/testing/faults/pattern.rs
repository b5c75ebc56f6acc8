//! Patterns of routing keys, as topic exchanges have them: `*` is one word, `#` any number of words.

/// Whether a key fits a pattern.
pub(super) fn fits(pattern: &str, key: &str) -> bool {
    let pattern: Vec<&str> = words(pattern);
    fits_words(&pattern, &words(key))
}

/// The empty text has no words.
fn words(text: &str) -> Vec<&str> {
    if text.is_empty() { Vec::new() } else { text.split('.').collect() }
}

fn fits_words(pattern: &[&str], key: &[&str]) -> bool {
    match (pattern.split_first(), key.split_first()) {
        (None, first) => first.is_none(),
        (Some((&"#", rest)), first) => {
            fits_words(rest, key) || first.is_some_and(|(_, behind)| fits_words(pattern, behind))
        }
        (Some(_), None) => false,
        (Some((word, rest)), Some((first, behind))) => (*word == "*" || word == first) && fits_words(rest, behind),
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn words_and_wildcards() {
        for (pattern, key) in [
            ("order.*", "order.new"),
            ("#", ""),
            ("#", "a.b"),
            ("a.#.b", "a.b"),
            ("a.#.b", "a.x.y.b"),
            ("a", "a"),
            ("", ""),
        ] {
            assert!(fits(pattern, key), "{pattern} {key}");
        }
        for (pattern, key) in
            [("order.*", "order"), ("order.*", "order.new.eu"), ("*", ""), ("a.#.b", "a.x"), ("a", "b"), ("", "a")]
        {
            assert!(!fits(pattern, key), "{pattern} {key}");
        }
    }
}
