//! Whether a topic pattern fits a key, restated as plainly as can be. The oracle of the property tests and the fuzzer.

/// Words of a pattern against words of a key, row by row: after each word of the pattern, which lengths of the key's
/// beginning are used up.
pub fn fits(pattern: &str, key: &str) -> bool {
    let key = words(key);
    let mut used = vec![false; key.len() + 1];
    used[0] = true;
    for part in words(pattern) {
        let before = used.clone();
        for (at, now) in used.iter_mut().enumerate() {
            *now = match part {
                "#" => before[..=at].contains(&true),
                "*" => at > 0 && before[at - 1],
                word => at > 0 && before[at - 1] && key[at - 1] == word,
            };
        }
    }
    used[key.len()]
}

/// The words of a key or pattern; the empty one has none.
pub fn words(text: &str) -> Vec<&str> {
    if text.is_empty() { Vec::new() } else { text.split('.').collect() }
}
