//! Writing a picture in Graphviz's language.
//!
//! Labels stand between quotes, where a backslash begins an escape and `&` begins an HTML entity; both are kept from
//! it.

use super::picture::{Node, Picture};
use std::fmt::Write;

/// The whole graph.
pub(super) fn write(picture: &Picture) -> String {
    let mut text = String::from("digraph topology {\n");
    line(&mut text, format_args!("rankdir=LR;"));
    for (at, node) in picture.exchanges.iter().enumerate() {
        line(&mut text, format_args!("e{at} [label=\"{}\", shape=hexagon{}];", label(node), style(node)));
    }
    for (at, node) in picture.queues.iter().enumerate() {
        line(&mut text, format_args!("q{at} [label=\"{}\", shape=cylinder{}];", label(node), style(node)));
    }
    for arrow in &picture.arrows {
        let mut attributes = Vec::new();
        if !arrow.label.is_empty() {
            attributes.push(format!("label=\"{}\"", escaped(&arrow.label)));
        }
        if arrow.is_dotted {
            attributes.push("style=dashed".into());
        }
        match attributes.is_empty() {
            true => line(&mut text, format_args!("{} -> {};", arrow.from, arrow.to)),
            false => line(&mut text, format_args!("{} -> {} [{}];", arrow.from, arrow.to, attributes.join(", "))),
        }
    }
    text.push_str("}\n");
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "    {line}");
}

fn label(node: &Node) -> String {
    match &node.note {
        Some(note) => format!("{}\\n{}", escaped(&node.name), escaped(note)),
        None => escaped(&node.name),
    }
}

const fn style(node: &Node) -> &'static str {
    if node.is_missing { ", style=dashed" } else { "" }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '&' => out.push_str("&amp;"),
            other => out.push(other),
        }
    }
    out
}
