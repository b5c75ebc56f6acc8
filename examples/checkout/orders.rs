//! Orders as customers send them: one JSON object to a line, and everything that can be wrong with one.

use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// An order that can be carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Its id, chosen by the customer's shopping cart.
    pub(crate) id: String,
    /// Where the customer lives: a word of the routing keys.
    pub(crate) region: String,
    /// How dear the customer is.
    pub(crate) tier: String,
    /// Who orders.
    pub(crate) customer: String,
    /// What.
    pub(crate) product: String,
    /// How many.
    pub(crate) quantity: u32,
    /// For how much altogether.
    pub(crate) cents: u64,
    /// How it is paid.
    pub(crate) card: String,
    /// The trouble that this order is to make, for the simulation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trouble: Option<Trouble>,
}

/// What goes wrong with an order, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    /// The service that has it.
    pub(crate) at: String,
    /// What it is.
    pub(crate) what: What,
    /// How many times it happens before all is well.
    pub(crate) times: u32,
}

/// A kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum What {
    /// Something the service needs is away: it says so, and may be asked again.
    Flaky,
    /// The service panics.
    Crash,
    /// The service gives no answer to a request.
    Silent,
    /// The service says that it will never work.
    Refused,
}

/// `times` for trouble without end.
pub(crate) const ALWAYS: u32 = 99;

impl Order {
    /// Reads and checks one line.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in few words and without particulars, so that equal mistakes can be counted together.
    pub(crate) fn parse(line: &[u8]) -> Result<Self, String> {
        let order: Self = serde_json::from_slice(line).map_err(|error| {
            if !error.is_data() {
                return "malformed: broken JSON".to_owned();
            }
            let said = error.to_string();
            let what = said.split(" at line ").next().unwrap_or_default();
            format!("malformed: {what}")
        })?;
        let word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase());
        if !word(&order.region) || order.region.len() > 16 {
            return Err("malformed: region is no word".into());
        }
        if order.id.is_empty() || order.id.len() > 64 {
            return Err("malformed: id is empty or too long".into());
        }
        if order.quantity == 0 {
            return Err("malformed: quantity is zero".into());
        }
        Ok(order)
    }

    /// How many times this trouble happens at this service before all is well.
    pub(crate) fn trouble_at(&self, service: &str, what: What) -> u32 {
        match &self.trouble {
            Some(trouble) if trouble.at == service && trouble.what == what => trouble.times,
            _ => 0,
        }
    }
}

/// The most lines that an orders file may have.
pub(crate) const MOST_LINES: usize = 1_000_000;
/// The most bytes that one of its lines may have.
pub(crate) const MOST_LINE_BYTES: usize = 65_536;

/// Reads an orders file and looks whether it is one. Lines that are no orders are part of the game, as long as at least
/// one is a JSON object.
///
/// # Errors
///
/// A sentence that names the file, and the line where there is one.
pub(crate) fn read(path: &Path) -> Result<Vec<Vec<u8>>, String> {
    let name = path.display();
    let file = File::open(path).map_err(|error| format!("{name}: the orders file cannot be opened: {error}"))?;
    read_from(BufReader::new(file), &name.to_string())
}

fn read_from(mut reader: impl BufRead, name: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    loop {
        let number = lines.len() + 1;
        let mut line = Vec::new();
        // One byte more than is allowed, and the line end: so a longer line is seen and not taken in.
        let mut bounded = std::io::Read::take(&mut reader, MOST_LINE_BYTES as u64 + 2);
        let read = bounded
            .read_until(b'\n', &mut line)
            .map_err(|error| format!("{name}:{number}: cannot be read: {error}"))?;
        if read == 0 {
            break;
        }
        while line.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
            line.pop();
        }
        if line.len() > MOST_LINE_BYTES {
            return Err(format!(
                "{name}:{number}: the line has more than {MOST_LINE_BYTES} bytes; is this an orders file?"
            ));
        }
        if lines.len() == MOST_LINES {
            return Err(format!("{name}:{number}: more than {MOST_LINES} lines"));
        }
        lines.push(line);
    }
    let first = match lines.first() {
        None => return Err(format!("{name}:1: the file is empty; it should have one order to a line")),
        Some(first) => serde_json::from_slice::<serde_json::Value>(first),
    };
    let is_object = |line: &Vec<u8>| matches!(serde_json::from_slice(line), Ok(serde_json::Value::Object(_)));
    if !lines.iter().any(is_object) {
        let what = first.err().map_or_else(|| "not an object".to_owned(), |error| error.to_string());
        return Err(format!("{name}:1: no order in JSON ({what}), and no other line is one; is this an orders file?"));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"id":"A-1","region":"eu","tier":"vip","customer":"c-1","product":"mug","quantity":1,"cents":900,"card":"visa"}"#;

    #[test]
    fn a_good_line_is_an_order() {
        let order = Order::parse(GOOD.as_bytes()).expect("good");
        assert_eq!((order.id.as_str(), order.quantity, order.trouble), ("A-1", 1, None));
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said_without_particulars() {
        for (line, said) in [
            ("{\"id\":\"A-1\",", "malformed: broken JSON"),
            ("", "malformed: broken JSON"),
            ("{\"id\":\"A-1\"}", "malformed: missing field `region`"),
            (&GOOD.replace("\"quantity\":1", "\"quantity\":0"), "malformed: quantity is zero"),
            (&GOOD.replace("eu", "e.u"), "malformed: region is no word"),
            (&GOOD.replace("A-1", ""), "malformed: id is empty or too long"),
        ] {
            assert_eq!(Order::parse(line.as_bytes()), Err(said.to_owned()), "{line}");
        }
    }

    #[test]
    fn a_file_that_is_no_orders_file_is_refused_with_its_line() {
        let long = format!("{GOOD}\n{}\n", "x".repeat(MOST_LINE_BYTES + 1));
        for (text, said) in [
            ("", "f:1: the file is empty"),
            ("[package]\nname = 1\n", "f:1: no order in JSON"),
            (&long, "f:2: the line has more than 65536 bytes"),
        ] {
            let error = read_from(text.as_bytes(), "f").expect_err(said);
            assert!(error.starts_with(said), "{error}");
        }
        let missing = read(Path::new("/no/such/orders.jsonl")).expect_err("missing");
        assert!(missing.starts_with("/no/such/orders.jsonl: the orders file cannot be opened"), "{missing}");
    }

    #[test]
    fn lines_end_with_or_without_carriage_return() {
        let lines = read_from(format!("{GOOD}\r\n\n{GOOD}").as_bytes(), "f").expect("read");
        assert_eq!(lines, [GOOD.as_bytes(), b"", GOOD.as_bytes()]);
    }
}
