//! Writing a picture as a Mermaid flowchart.
//!
//! Labels stand between quotes. Mermaid reads entities there, written `#35;`, some HTML, and some Markdown; so every
//! ASCII character that could mean anything to one of these is an entity.

use super::picture::{Node, Picture};
use std::fmt::Write;

/// The whole flowchart.
pub(super) fn write(picture: &Picture) -> String {
    let mut text = String::from("flowchart LR\n");
    for (at, node) in picture.exchanges.iter().enumerate() {
        line(&mut text, format_args!("e{at}{{{{\"{}\"}}}}{}", label(node), class(node)));
    }
    for (at, node) in picture.queues.iter().enumerate() {
        line(&mut text, format_args!("q{at}[(\"{}\")]{}", label(node), class(node)));
    }
    for arrow in &picture.arrows {
        let shaft = if arrow.is_dotted { "-.->" } else { "-->" };
        match arrow.label.is_empty() {
            true => line(&mut text, format_args!("{} {shaft} {}", arrow.from, arrow.to)),
            false => {
                line(&mut text, format_args!("{} {shaft}|\"{}\"| {}", arrow.from, escaped(&arrow.label), arrow.to))
            }
        }
    }
    if picture.exchanges.iter().chain(&picture.queues).any(|node| node.is_missing) {
        line(&mut text, format_args!("classDef missing stroke-dasharray: 4 4"));
    }
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "    {line}");
}

fn label(node: &Node) -> String {
    // A label that is empty is no label to Mermaid.
    let name = if node.name.is_empty() { "(no name)".into() } else { escaped(&node.name) };
    match &node.note {
        Some(note) => format!("{name}<br>{}", escaped(note)),
        None => name,
    }
}

const fn class(node: &Node) -> &'static str {
    if node.is_missing { ":::missing" } else { "" }
}

/// Text without anything that Mermaid reads as more than text.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        // "1. " and "- " at the beginning are lists in Markdown.
        let begins_list = matches!(c, '.' | '-') && characters.peek().is_none_or(|next| next.is_whitespace());
        let is_plain =
            c.is_ascii_alphanumeric() || !c.is_ascii() || matches!(c, ' ' | '.' | '-' | '/' | ',' | '(' | ')');
        if is_plain && !begins_list && !(c == ' ' && out.is_empty()) {
            out.push(c);
        } else {
            let _ = write!(out, "#{};", u32::from(c));
        }
    }
    out
}
