//! What a crate offers has a doc comment; fields, variants and trait impls need one only where the
//! name leaves something open, so that a reader is not trained to skip comments.

use syn::{Attribute, ImplItem, Item, TraitItem, Visibility};

use super::{
    Finding,
    tree::{File, Tree},
};

/// Checks the public items of every crate under `crates/`.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let is_source = |file: &&File| file.path.starts_with("crates/") && file.path.contains("/src/");
    let files = tree.rust().filter(is_source);
    files
        .flat_map(|file| {
            let mut bare = Vec::new();
            if let Ok(parsed) = syn::parse_file(&file.text) {
                parsed.items.iter().for_each(|item| read(tree, file, item, &mut bare));
            }
            bare.into_iter().map(|(name, line)| finding(file, &name, line))
        })
        .collect()
}

fn finding(file: &File, name: &str, line: usize) -> Finding {
    Finding {
        path: file.path.clone(),
        line,
        rule: "docs",
        reason: format!("`{name}` is public and has no doc comment"),
        fix: "say its shape, unit, errors or reason, or make it private".into(),
    }
}

/// Collects public items without a doc comment, each with its line.
fn read(tree: &Tree, file: &File, item: &Item, bare: &mut Vec<(String, usize)>) {
    let mut check = |is_public: bool, attributes: &[Attribute], name: &syn::Ident| {
        let is_hidden = attributes.iter().any(|one| one.path().is_ident("cfg"));
        if is_public && !is_hidden && !has_docs(attributes) {
            bare.push((name.to_string(), name.span().start().line));
        }
    };
    let is_public = |visibility: &Visibility| matches!(visibility, Visibility::Public(_));
    match item {
        Item::Fn(item) => check(is_public(&item.vis), &item.attrs, &item.sig.ident),
        Item::Struct(item) => check(is_public(&item.vis), &item.attrs, &item.ident),
        Item::Enum(item) => check(is_public(&item.vis), &item.attrs, &item.ident),
        Item::Const(item) => check(is_public(&item.vis), &item.attrs, &item.ident),
        Item::Static(item) => check(is_public(&item.vis), &item.attrs, &item.ident),
        Item::Type(item) => check(is_public(&item.vis), &item.attrs, &item.ident),
        Item::Trait(item) => {
            check(is_public(&item.vis), &item.attrs, &item.ident);
            for part in &item.items {
                if let TraitItem::Fn(part) = part {
                    check(is_public(&item.vis), &part.attrs, &part.sig.ident);
                }
            }
        }
        Item::Impl(item) if item.trait_.is_none() => {
            for part in &item.items {
                match part {
                    ImplItem::Fn(part) => check(is_public(&part.vis), &part.attrs, &part.sig.ident),
                    ImplItem::Const(part) => check(is_public(&part.vis), &part.attrs, &part.ident),
                    _ => {}
                }
            }
        }
        Item::Mod(item) => {
            let opens = item.content.is_none() && opens_with_docs(tree, file, &item.ident);
            check(is_public(&item.vis) && !opens, &item.attrs, &item.ident);
            let is_test = item.attrs.iter().any(|one| one.path().is_ident("cfg"));
            for inner in item.content.iter().filter(|_| !is_test).flat_map(|(_, items)| items) {
                read(tree, file, inner, bare);
            }
        }
        _ => {}
    }
}

fn has_docs(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("doc"))
}

/// Whether the file of a module that is declared in `file` opens with `//!`.
fn opens_with_docs(tree: &Tree, file: &File, module: &syn::Ident) -> bool {
    let (folder, name) = file.path.rsplit_once('/').unwrap_or_default();
    let folder = match name {
        "lib.rs" | "main.rs" => folder.to_owned(),
        name => format!("{folder}/{}", name.trim_end_matches(".rs")),
    };
    let path = format!("{folder}/{module}.rs");
    tree.get(&path).is_some_and(|file| file.text.starts_with("//!"))
}

#[cfg(test)]
mod tests {
    use super::{super::tree::tree, *};

    fn bare(text: &str) -> Vec<(usize, String)> {
        let files = [
            ("crates/a/src/b.rs", text),
            ("crates/a/src/b/opened.rs", "//! What it is for.\n"),
            ("crates/a/src/b/closed.rs", "fn a() {}\n"),
            ("crates/a/tests/c.rs", "pub fn a() {}\n"),
            ("xtask/src/d.rs", "pub fn a() {}\n"),
        ];
        check(&tree(&files)).into_iter().map(|one| (one.line, one.reason)).collect()
    }

    fn lines(text: &str) -> Vec<usize> {
        bare(text).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn public_items_need_a_doc_comment() {
        assert_eq!(
            bare("pub fn a() {}\n"),
            [(1, "`a` is public and has no doc comment".to_owned())]
        );
        let text = "pub struct A;\npub enum B {}\npub trait C {\n    fn d(&self);\n}\n\
             pub const E: u8 = 1;\npub type F = u8;\nimpl A {\n    pub fn g() {}\n}\n";
        assert_eq!(lines(text), [1, 2, 3, 4, 6, 7, 9]);
        assert_eq!(lines("/// B.\npub mod b {\n    pub fn a() {}\n}\n"), [3]);
    }

    #[test]
    fn a_module_may_have_it_in_its_file() {
        assert_eq!(lines("pub mod opened;\npub mod closed;\n"), [2]);
    }

    #[test]
    fn fields_variants_impls_and_what_is_not_public_need_none() {
        let text = "/// A.\npub struct A {\n    pub b: u8,\n}\n/// C.\npub enum C {\n    D { e: u8 },\n}\n\
             impl Clone for A {\n    fn clone(&self) -> Self {\n        A { b: 1 }\n    }\n}\n\
             fn f() {}\npub(crate) struct G;\nimpl A {\n    fn h() {}\n}\n\
             #[cfg(test)]\nmod tests {\n    pub fn i() {}\n}\n";
        assert_eq!(lines(text), [0; 0]);
    }
}
