//! Where a mutant's switch goes in the source: found in the syntax tree by the place that `cargo mutants` names.

use std::collections::HashMap;

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, ImplItemFn, ItemFn};

use crate::list::{Genre, Mutant, Position};
use crate::source::{Edit, Source};

/// Why a mutant cannot be behind a switch. All but the first are left to `cargo mutants` itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Misplaced {
    /// `||` between conditions with `let` is not Rust.
    Unviable,
    /// A constant is computed when no switch can be asked.
    Constant,
    /// The other value of a function that returns `impl Trait` is of another type.
    Opaque,
    /// There is no place for a switch.
    Elsewhere,
}

/// What the syntax tree says of the places that mutants name.
#[derive(Default)]
pub struct Places {
    /// By where an operator begins.
    operators: HashMap<Position, Operator>,
    /// By where an arm begins.
    arms: HashMap<Position, Arm>,
    /// Functions that may be called for a constant.
    constant: Vec<Range>,
}

struct Operator {
    expression: Range,
    has_let: bool,
}

struct Arm {
    pattern_end: Position,
    guard: Option<Range>,
}

type Range = (Position, Position);

impl Places {
    pub fn of(file: &syn::File) -> Self {
        let mut places = Self::default();
        places.visit_file(file);
        places
    }

    /// What to add to the source, so that the mutant of this number acts while it is switched on.
    pub fn edit(&self, source: &Source, number: usize, mutant: &Mutant) -> Result<Edit, Misplaced> {
        let (start, end) = (mutant.span.start, mutant.span.end);
        if self.constant.iter().any(|(from, to)| *from <= start && end <= *to) {
            return Err(Misplaced::Constant);
        }
        let (from, to) = (source.offset(start), source.offset(end));
        match mutant.genre {
            Genre::FnValue
                if mutant.function.as_ref().is_some_and(|function| function.return_type.contains("impl ")) =>
            {
                Err(Misplaced::Opaque)
            }
            Genre::FnValue => {
                let value = if mutant.replacement == "()" { "" } else { &mutant.replacement };
                Ok(Edit::before(
                    from,
                    format!("if {} {{ {}; }} ", on(number), marked(number, &format!("return {value}"))),
                ))
            }
            Genre::BinaryOperator | Genre::UnaryOperator => {
                let operator = self.operators.get(&start).ok_or(Misplaced::Elsewhere)?;
                if operator.has_let {
                    return Err(Misplaced::Unviable);
                }
                let (first, last) = (source.offset(operator.expression.0), source.offset(operator.expression.1));
                let changed = [&source.text[first..from], &mutant.replacement, &source.text[to..last]].concat();
                Ok(instead(first, last, number, &changed))
            }
            Genre::MatchArmGuard => Ok(instead(from, to, number, &mutant.replacement)),
            Genre::MatchArm => {
                let arm = self.arms.get(&start).ok_or(Misplaced::Elsewhere)?;
                let off = format!("!{}", marked(number, &on(number)));
                Ok(match arm.guard {
                    None => Edit::before(source.offset(arm.pattern_end), format!(" if {off}")),
                    Some((first, last)) => {
                        Edit::around(source.offset(first), source.offset(last), format!("{off} && ("), ")")
                    }
                })
            }
            Genre::StructField => Err(Misplaced::Elsewhere),
        }
    }
}

/// The question whether this mutant is switched on.
fn on(number: usize) -> String {
    format!("crate::mutant::on({number})")
}

/// Text of this mutant, such that an error of the compiler in it is known to be the mutant's.
fn marked(number: usize, text: &str) -> String {
    format!("/*<{number}*/{text}/*{number}>*/")
}

/// This expression in the place of the one that is there.
fn instead(from: usize, to: usize, number: usize, expression: &str) -> Edit {
    let open = format!("(if {} {{ {} }} else {{ ", on(number), marked(number, expression));
    Edit::around(from, to, open, " })")
}

fn range(span: Span) -> Range {
    let (start, end) = (span.start(), span.end());
    let at = |line, column| Position { line, column: column + 1 };
    (at(start.line, start.column), at(end.line, end.column))
}

fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) if matches!(binary.op, BinOp::And(_)) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

fn span(node: &impl syn::spanned::Spanned) -> Range {
    range(node.span())
}

impl<'ast> Visit<'ast> for Places {
    fn visit_expr_binary(&mut self, node: &'ast syn::ExprBinary) {
        let has_let = has_let(&node.left) || has_let(&node.right);
        self.operators.insert(span(&node.op).0, Operator { expression: span(node), has_let });
        visit::visit_expr_binary(self, node);
    }

    fn visit_expr_unary(&mut self, node: &'ast syn::ExprUnary) {
        self.operators.insert(span(&node.op).0, Operator { expression: span(node), has_let: false });
        visit::visit_expr_unary(self, node);
    }

    fn visit_arm(&mut self, node: &'ast syn::Arm) {
        let guard = node.guard.as_ref().map(|(_, guard)| span(guard));
        self.arms.insert(span(node).0, Arm { pattern_end: span(&node.pat).1, guard });
        visit::visit_arm(self, node);
    }

    fn visit_item_fn(&mut self, node: &'ast ItemFn) {
        self.constant.extend(node.sig.constness.map(|_| span(node)));
        visit::visit_item_fn(self, node);
    }

    fn visit_impl_item_fn(&mut self, node: &'ast ImplItemFn) {
        self.constant.extend(node.sig.constness.map(|_| span(node)));
        visit::visit_impl_item_fn(self, node);
    }

    fn visit_item_const(&mut self, node: &'ast syn::ItemConst) {
        self.constant.push(span(node));
    }

    fn visit_item_static(&mut self, node: &'ast syn::ItemStatic) {
        self.constant.push(span(node));
    }

    fn visit_impl_item_const(&mut self, node: &'ast syn::ImplItemConst) {
        self.constant.push(span(node));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::Function;
    use crate::source::edited;

    const TEXT: &str =
        "fn f(a: u8) -> bool { match a { 1 if a > g() => !h(a), _ => a == 2 } } const fn c() -> u8 { 1 + 2 }";

    /// What becomes of the text with this change to this piece of it.
    fn switched(genre: Genre, piece: &str, replacement: &str) -> Result<String, Misplaced> {
        let at = TEXT.find(piece).unwrap();
        let position = |offset: usize| Position { line: 1, column: offset + 1 };
        let span = crate::list::Span { start: position(at), end: position(at + piece.len()) };
        let function = Some(Function { return_type: "-> bool".into() });
        let (name, file, replacement) = (String::new(), String::new(), replacement.to_owned());
        let mutant = Mutant { name, file, genre, replacement, span, function };
        let places = Places::of(&syn::parse_file(TEXT).unwrap());
        Ok(edited(TEXT, &[places.edit(&Source::new(TEXT.into()), 7, &mutant)?]))
    }

    #[test]
    fn each_change_is_behind_its_switch() {
        for (genre, piece, replacement, wanted) in [
            (
                Genre::FnValue,
                "match a { 1 if a > g() => !h(a), _ => a == 2 }",
                "true",
                "{ if crate::mutant::on(7) { /*<7*/return true/*7>*/; } match a {",
            ),
            (
                Genre::BinaryOperator,
                "==",
                "!=",
                "_ => (if crate::mutant::on(7) { /*<7*/a != 2/*7>*/ } else { a == 2 }) }",
            ),
            (Genre::UnaryOperator, "!", "", "=> (if crate::mutant::on(7) { /*<7*/h(a)/*7>*/ } else { !h(a) }), _"),
            (
                Genre::MatchArmGuard,
                "a > g()",
                "true",
                "1 if (if crate::mutant::on(7) { /*<7*/true/*7>*/ } else { a > g() }) =>",
            ),
            (
                Genre::MatchArm,
                "1 if a > g() => !h(a),",
                "",
                "1 if !/*<7*/crate::mutant::on(7)/*7>*/ && (a > g()) => !h(a)",
            ),
        ] {
            let found = switched(genre, piece, replacement).unwrap();
            assert!(found.contains(wanted), "{found}");
            syn::parse_file(&found).unwrap();
        }
        assert_eq!(switched(Genre::BinaryOperator, "+", "-"), Err(Misplaced::Constant));
    }
}
