//! Keys of bindings that do not do what they look like.

use super::super::place::{Place, Quoted};
use super::super::topology::{Binding, Topology};
use super::super::topology_view::{Origin, declared_name};
use super::Subject;
use super::finding::Findings;
use crate::engine::End;
use crate::route::ExchangeKind;

pub(super) fn lint(topology: &Topology, subject: &Subject<'_>, findings: &mut Findings) {
    for (end, binding) in topology.all_bindings() {
        let source = subject.view.exchange(&declared_name(&binding.source));
        let Some(source) = source.filter(|source| source.origin != Origin::Elsewhere) else { continue };
        match source.kind {
            ExchangeKind::Direct => wildcard_in_direct(end, binding, findings),
            ExchangeKind::Topic => wildcard_in_word(end, binding, findings),
            ExchangeKind::Headers => key_at_headers(end, binding, findings),
            ExchangeKind::Fanout => {}
        }
    }
}

fn wildcard_in_direct(end: End<&str>, binding: &Binding, findings: &mut Findings) {
    if binding.key.split('.').any(|word| matches!(word, "*" | "#")) {
        let problem = format!(
            "{} is a direct exchange: only messages with the very key {} come this way",
            Quoted(&binding.source),
            Quoted(&binding.key)
        );
        let remedy = "make the exchange a topic exchange, or bind with each key";
        findings.warning("wildcard-in-direct-key", Place::binding(end, binding), problem, remedy);
    }
}

fn wildcard_in_word(end: End<&str>, binding: &Binding, findings: &mut Findings) {
    let is_mixed = |word: &&str| word.len() > 1 && word.contains(['*', '#']);
    if let Some(word) = binding.key.split('.').find(is_mixed) {
        let problem = format!("'*' and '#' stand for whole words only: the word {} fits just itself", Quoted(word));
        let remedy = "let the wildcard be a word of its own, between points";
        findings.warning("wildcard-inside-word", Place::binding(end, binding), problem, remedy);
    }
}

fn key_at_headers(end: End<&str>, binding: &Binding, findings: &mut Findings) {
    let asks = binding.arguments.iter().any(|(name, _)| name != "x-match");
    if !binding.key.is_empty() && !asks {
        let problem = format!(
            "{} is a headers exchange, which does not look at keys, and the binding names no header",
            Quoted(&binding.source)
        );
        let remedy = "name in the binding's arguments the headers it is for";
        findings.warning("key-at-headers-exchange", Place::binding(end, binding), problem, remedy);
    }
}
