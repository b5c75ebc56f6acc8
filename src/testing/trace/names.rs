//! Placeholders bound: the first event that shows one says which name it stands for.
//!
//! From then on it is that name, in events and in parameters, and no other placeholder is.

use crate::trace::names::KINDS;
use serde_json::{Map, Value as Json};

/// What the placeholders of a scenario are bound to so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    bound: Vec<(String, String)>,
}

impl Names {
    /// The parameters with every bound placeholder replaced. One that is not bound is an error, except as a body.
    pub(crate) fn resolve(&self, with: &Map<String, Json>) -> Result<Map<String, Json>, String> {
        let resolved =
            with.iter().map(|(name, parameter)| Ok((name.clone(), self.replace(parameter, name == "body")?)));
        resolved.collect()
    }

    /// Whether an expected string and a seen one are the same; binds a placeholder that is new. A body is a
    /// placeholder only where that is bound already.
    pub(crate) fn compare(&mut self, expected: &str, actual: &str, is_body: bool) -> Result<bool, String> {
        let Some(prefix) = prefix_of(expected) else { return Ok(expected == actual) };
        if let Some(name) = self.find(expected) {
            return if name == actual { Ok(true) } else { Err(format!("{expected} is '{name}', not '{actual}'")) };
        }
        if is_body {
            return Ok(expected == actual);
        }
        if !actual.starts_with(prefix) {
            return Err(format!("{expected} stands for a name that begins with '{prefix}', not for '{actual}'"));
        }
        if let Some((other, _)) = self.bound.iter().find(|(_, name)| name == actual) {
            return Err(format!("{expected} would stand for '{actual}', as {other} does"));
        }
        self.bound.push((expected.to_owned(), actual.to_owned()));
        Ok(true)
    }

    fn find(&self, placeholder: &str) -> Option<&str> {
        self.bound.iter().find(|(known, _)| known == placeholder).map(|(_, name)| name.as_str())
    }

    fn replace(&self, json: &Json, is_body: bool) -> Result<Json, String> {
        Ok(match json {
            Json::String(text) if prefix_of(text).is_some() => match self.find(text) {
                Some(name) => Json::from(name),
                None if is_body => json.clone(),
                None => return Err(format!("no event has shown {text} yet")),
            },
            Json::Array(items) => {
                Json::Array(items.iter().map(|item| self.replace(item, false)).collect::<Result<_, _>>()?)
            }
            Json::Object(entries) => Json::Object(
                entries
                    .iter()
                    .map(|(name, entry)| Ok((name.clone(), self.replace(entry, false)?)))
                    .collect::<Result<_, String>>()?,
            ),
            _ => json.clone(),
        })
    }
}

/// What the names begin with that this placeholder may stand for; `None` where it is none.
fn prefix_of(text: &str) -> Option<&'static str> {
    let mut rest = text.strip_prefix('$')?.chars();
    let kind = rest.next()?;
    let number = rest.as_str();
    let (_, prefix) = KINDS.iter().find(|(known, _)| *known == kind)?;
    (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(prefix)
}
