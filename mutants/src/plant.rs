//! Puts mutants behind switches: `a < b` becomes `(if switched(7) { a > b } else { a < b })`.
//!
//! A mutant is the whole of what was written but for its one change, so nothing in it is behind a switch.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use serde::Deserialize;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// One change, as `cargo mutants --list --json` has it.
#[derive(Debug, Clone, Deserialize)]
pub struct Mutant {
    pub file: String,
    pub genre: String,
    pub name: String,
    pub replacement: String,
    pub span: Lines,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Lines {
    pub start: Place,
    pub end: Place,
}

/// A place in a text, in lines and characters from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

impl Place {
    fn of(place: proc_macro2::LineColumn) -> Self {
        Self {
            line: place.line,
            column: place.column + 1,
        }
    }
}

/// What replaces a range of the text.
#[derive(Default)]
struct Site {
    /// The mutants, and the expression that each is.
    instead: Vec<(u32, String)>,
    /// The mutant without the arm whose guard this is, or would be.
    arm: Option<u32>,
    /// The mutants whose function ends here with another value.
    returns: Vec<(u32, String)>,
}

/// Which mutants stand where in what was planted: in `of` the mutants themselves, in `around` with what was there.
#[derive(Default)]
pub struct Planted {
    pub text: String,
    pub of: Vec<(Range<usize>, u32)>,
    pub around: Vec<(Range<usize>, u32)>,
}

/// The text of a file with these mutants of it behind switches. Those without a place in `of` cannot be.
pub fn plant(text: &str, mutants: &[(u32, &Mutant)], switched: &str) -> syn::Result<Planted> {
    let file = syn::parse_file(text)?;
    let mut finder = Finder {
        text,
        lines: std::iter::once(0)
            .chain(text.match_indices('\n').map(|(at, _)| at + 1))
            .collect(),
        wanted: HashMap::new(),
        sites: BTreeMap::new(),
        functions: HashMap::new(),
        values: Vec::new(),
    };
    for (number, mutant) in mutants {
        match mutant.genre.as_str() {
            "FnValue" => finder.values.push((*number, (*mutant).clone())),
            _ => finder
                .wanted
                .entry(mutant.span.start)
                .or_default()
                .push((*number, (*mutant).clone())),
        }
    }
    finder.visit_file(&file);
    for (number, at) in std::mem::take(&mut finder.functions) {
        let value = finder.values.iter().find(|(known, _)| *known == number);
        let value = value
            .map(|(_, mutant)| mutant.replacement.clone())
            .unwrap_or_default();
        finder
            .sites
            .entry(key(at..at))
            .or_default()
            .returns
            .push((number, value));
    }
    let sites: Vec<_> = finder
        .sites
        .into_iter()
        .map(|((start, end), site)| (start..end.0, site))
        .collect();
    let mut planted = Planted::default();
    render(text, 0..text.len(), &sites, switched, &mut planted);
    Ok(planted)
}

/// Outer ranges come before those in them.
fn key(range: Range<usize>) -> (usize, std::cmp::Reverse<usize>) {
    (range.start, std::cmp::Reverse(range.end))
}

fn render(
    text: &str,
    range: Range<usize>,
    mut sites: &[(Range<usize>, Site)],
    switched: &str,
    out: &mut Planted,
) {
    let mut at = range.start;
    while let Some(((place, site), after)) = sites.split_first() {
        let inner = after
            .iter()
            .take_while(|(inner, _)| inner.start < place.end)
            .count();
        out.text.push_str(&text[at..place.start]);
        let begin = out.text.len();
        for (number, value) in &site.returns {
            out.text.push_str(&format!(" if {switched}({number}) {{ "));
            alternative(*number, &format!("return {value};"), out);
            out.text.push_str(" }");
        }
        if let Some(number) = site.arm {
            let and = if place.is_empty() { " if" } else { "" };
            out.text.push_str(&format!("{and} !{switched}({number}) "));
            if !place.is_empty() {
                out.text.push_str("&& ");
            }
        }
        if !place.is_empty() {
            out.text.push('(');
            for (number, instead) in &site.instead {
                out.text.push_str(&format!("if {switched}({number}) {{ "));
                alternative(*number, instead, out);
                out.text.push_str(" } else ");
            }
            out.text.push('{');
            render(text, place.clone(), &after[..inner], switched, out);
            out.text.push_str("})");
        }
        let around = begin..out.text.len();
        let all = site
            .instead
            .iter()
            .chain(&site.returns)
            .map(|(number, _)| *number)
            .chain(site.arm);
        out.around
            .extend(all.map(|number| (around.clone(), number)));
        at = place.end;
        sites = &after[inner..];
    }
    out.text.push_str(&text[at..range.end]);
}

fn alternative(number: u32, text: &str, out: &mut Planted) {
    let begin = out.text.len();
    out.text.push_str(text);
    out.of.push((begin..out.text.len(), number));
}

struct Finder<'t> {
    text: &'t str,
    lines: Vec<usize>,
    wanted: HashMap<Place, Vec<(u32, Mutant)>>,
    sites: BTreeMap<(usize, std::cmp::Reverse<usize>), Site>,
    /// For the mutants that are another value of a function, where the innermost that has them begins.
    functions: HashMap<u32, usize>,
    values: Vec<(u32, Mutant)>,
}

impl Finder<'_> {
    fn at(&self, place: Place) -> usize {
        let start = self.lines[place.line - 1];
        let line = &self.text[start..];
        start
            + line
                .char_indices()
                .nth(place.column - 1)
                .map_or(line.len(), |(at, _)| at)
    }

    fn range(&self, spanned: &impl Spanned) -> Range<usize> {
        let span = spanned.span();
        self.at(Place::of(span.start()))..self.at(Place::of(span.end()))
    }

    fn wanted(&self, genre: &str, spanned: &impl Spanned) -> Vec<(u32, Mutant)> {
        let start = Place::of(spanned.span().start());
        let here = self.wanted.get(&start).into_iter().flatten();
        here.filter(|(_, mutant)| mutant.genre == genre)
            .cloned()
            .collect()
    }

    /// Replaces `changed` in `whole` by what each mutant has instead.
    fn change(&mut self, mutants: Vec<(u32, Mutant)>, whole: Range<usize>, changed: Range<usize>) {
        for (number, mutant) in mutants {
            let before = &self.text[whole.start..changed.start];
            let after = &self.text[changed.end..whole.end];
            let instead = format!("{before}{}{after}", mutant.replacement);
            self.sites
                .entry(key(whole.clone()))
                .or_default()
                .instead
                .push((number, instead));
        }
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block) {
        // Two iterators are of two types.
        let opaque = matches!(&signature.output, syn::ReturnType::Type(_, of) if has_impl(of));
        let body = self.range(block);
        for (number, mutant) in self.values.clone() {
            if body.start < self.at(mutant.span.start) && self.at(mutant.span.end) < body.end {
                match opaque || signature.constness.is_some() {
                    true => self.functions.remove(&number),
                    false => self.functions.insert(number, body.start + 1),
                };
            }
        }
    }
}

fn has_impl(of: &syn::Type) -> bool {
    struct Found(bool);
    impl Visit<'_> for Found {
        fn visit_type_impl_trait(&mut self, _: &syn::TypeImplTrait) {
            self.0 = true;
        }
    }
    let mut found = Found(false);
    found.visit_type(of);
    found.0
}

fn is_let_chain(of: &syn::Expr) -> bool {
    match of {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(binary) => is_let_chain(&binary.left) || is_let_chain(&binary.right),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.function(&function.sig, &function.block);
        if function.sig.constness.is_none() {
            visit::visit_item_fn(self, function);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.function(&function.sig, &function.block);
        if function.sig.constness.is_none() {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.function(&function.sig, block);
        }
        visit::visit_trait_item_fn(self, function);
    }

    // What a constant is worth is known before anything can be switched on.
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        if !is_let_chain(&binary.left) && !is_let_chain(&binary.right) {
            let mutants = self.wanted("BinaryOperator", &binary.op);
            self.change(mutants, self.range(binary), self.range(&binary.op));
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        let mutants = self.wanted("UnaryOperator", &unary.op);
        self.change(mutants, self.range(unary), self.range(&unary.op));
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_struct(&mut self, literal: &'ast syn::ExprStruct) {
        for field in &literal.fields {
            let mutants = self.wanted("StructField", field);
            let mut field = self.range(field);
            if self.text[field.end..].starts_with(',') {
                field.end += 1;
            }
            self.change(mutants, self.range(literal), field);
        }
        visit::visit_expr_struct(self, literal);
    }

    fn visit_expr_match(&mut self, of: &'ast syn::ExprMatch) {
        // Without this one no other can be left out, and one that has a guard counts as left out.
        let rest = |arm: &syn::Arm| matches!(arm.pat, syn::Pat::Wild(_)) && arm.guard.is_none();
        if !of.arms.iter().any(rest) {
            for arm in &of.arms {
                let start = Place::of(arm.span().start());
                self.wanted
                    .entry(start)
                    .or_default()
                    .retain(|(_, mutant)| mutant.genre != "MatchArm");
            }
        }
        visit::visit_expr_match(self, of);
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        let deleted = self
            .wanted("MatchArm", arm)
            .first()
            .map(|(number, _)| *number);
        let guard = arm.guard.as_ref().map(|(_, guard)| self.range(guard));
        if let Some(number) = deleted {
            let end = self.range(&arm.pat).end;
            self.sites
                .entry(key(guard.unwrap_or(end..end)))
                .or_default()
                .arm = Some(number);
        }
        if let Some((_, guard)) = &arm.guard {
            let mutants = self.wanted("MatchArmGuard", &**guard);
            self.change(mutants, self.range(&**guard), self.range(&**guard));
        }
        visit::visit_arm(self, arm);
    }
}
