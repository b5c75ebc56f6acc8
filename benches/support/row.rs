//! Rows: what a summary prints, one line each, for people and scripts: `versus 1p1c-ack1 leveret_ns=… ratio=…`.

use super::rounds::Measured;
use std::fmt;

/// A row: its name, and its values in order.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) values: Vec<(String, f64)>,
}

impl Row {
    /// A row without values.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), values: Vec::new() }
    }

    /// Adds a value.
    pub(crate) fn with(mut self, name: impl Into<String>, value: f64) -> Self {
        self.values.push((name.into(), value));
        self
    }

    /// Adds what a candidate took.
    pub(crate) fn ns(self, measured: &Measured) -> Self {
        self.with(format!("{}_ns", measured.name), measured.ns)
    }

    /// The value of this name.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    /// Prints it, and gives it back.
    pub(crate) fn print(self) -> Self {
        println!("{self}");
        self
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (name, value) in &self.values {
            match name {
                name if name.ends_with("ratio") => write!(f, " {name}={value:.2}")?,
                name if name.ends_with("_ns") && *value < 1_000.0 => write!(f, " {name}={value:.1}")?,
                name if name.ends_with("allocations") => write!(f, " {name}={value:.3}")?,
                name => write!(f, " {name}={value:.0}")?,
            }
        }
        Ok(())
    }
}
