//! Files of one crate do not import each other in a circle, so that a reader of one file
//! needs to know only the files below it.
//!
//! A file imports another when a path in it resolves to it: `crate::…`, `super::…`, `self::…`, or a
//! module that it declares or has imported by name. A name that a module re-exports (`pub use`)
//! counts for the file that defines it. A module's own parts are no imports of it: seen from the
//! module they are one. Tests may use whatever they test.

use std::collections::{BTreeMap, BTreeSet};

use syn::{Item, UseTree, visit::Visit};

use super::{
    Finding,
    tree::{File, Tree},
};

/// Checks every crate under `crates/`, and xtask.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut crates: BTreeMap<&str, Vec<&File>> = BTreeMap::new();
    for file in tree.rust() {
        if let Some((folder, _)) = file.path.split_once("/src/")
            && (folder.starts_with("crates/") || folder == "xtask")
        {
            crates.entry(folder).or_default().push(file);
        }
    }
    crates.into_iter().flat_map(|(folder, files)| check_crate(folder, &files)).collect()
}

/// The names of a module from the crate's root on; the root's is empty.
type Path = Vec<String>;

/// What one file defines and uses.
#[derive(Default)]
struct Module {
    path: Path,
    file: String,
    /// Names that `use` brings in, each with the path it stands for, as it is written.
    imports: BTreeMap<String, Path>,
    /// Modules whose names are all brought in.
    globs: Vec<Path>,
    /// All other paths in the file, as they are written.
    uses: Vec<Path>,
}

struct Crate {
    modules: BTreeMap<Path, Module>,
}

fn check_crate(folder: &str, files: &[&File]) -> Vec<Finding> {
    let mut modules = BTreeMap::new();
    for file in files {
        let inside = &file.path[folder.len() + "/src/".len()..];
        let Some(path) = module_path(inside) else { continue };
        let Ok(parsed) = syn::parse_file(&file.text) else { continue };
        let mut module = Module { path, file: file.path.clone(), ..Module::default() };
        module.read(&parsed.items);
        modules.insert(module.path.clone(), module);
    }
    let krate = Crate { modules };
    let arrows: BTreeMap<&str, BTreeSet<&str>> =
        krate.modules.values().map(|module| (&*module.file, krate.imported_by(module))).collect();
    circles(&arrows).into_iter().map(finding).collect()
}

fn finding(circle: Vec<&str>) -> Finding {
    Finding {
        path: circle[0].to_owned(),
        line: 1,
        rule: "circle",
        reason: format!("it and {} import each other, in a circle", circle[1..].join(", ")),
        fix: "move what several of them need to a file below all of them".into(),
    }
}

/// The module that a file is, by its place under `src`; none for tests and other roots.
fn module_path(inside: &str) -> Option<Path> {
    let stem = inside.strip_suffix(".rs")?;
    let mut parts: Path = stem.split('/').map(str::to_owned).collect();
    let is_test = |part: &String| part == "tests" || part == "bin";
    if parts.iter().any(is_test) {
        return None;
    }
    if matches!(parts.last()?.as_str(), "lib" | "main") {
        parts.pop();
    }
    Some(parts)
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string() == "test")
    })
}

impl Module {
    fn read(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Use(item) if !is_for_tests(&item.attrs) => {
                    self.read_use(&item.tree, &mut Vec::new());
                }
                Item::Use(_) => {}
                Item::Mod(item) if is_for_tests(&item.attrs) => {}
                other => self.visit_item(other),
            }
        }
    }

    fn read_use(&mut self, tree: &UseTree, before: &mut Path) {
        match tree {
            UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.read_use(&path.tree, before);
                before.pop();
            }
            UseTree::Name(name) => self.import(name.ident.to_string(), None, before),
            UseTree::Rename(name) => {
                self.import(name.ident.to_string(), Some(name.rename.to_string()), before);
            }
            UseTree::Glob(_) => self.globs.push(before.clone()),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.read_use(tree, before);
                }
            }
        }
    }

    fn import(&mut self, name: String, renamed: Option<String>, before: &Path) {
        let mut path = before.clone();
        let mut known_as = renamed.unwrap_or_else(|| name.clone());
        if name == "self" {
            known_as = path.last().cloned().unwrap_or_default();
        } else {
            path.push(name);
        }
        self.imports.insert(known_as, path);
    }
}

impl<'ast> Visit<'ast> for Module {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Path = path.segments.iter().map(|part| part.ident.to_string()).collect();
        if segments.len() > 1 {
            self.uses.push(segments);
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.read_use(&item.tree, &mut Vec::new());
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            syn::visit::visit_item_mod(self, item);
        }
    }
}

impl Crate {
    /// The files that a module imports, except itself.
    fn imported_by(&self, module: &Module) -> BTreeSet<&str> {
        let paths = module.imports.values().chain(&module.globs).chain(&module.uses);
        let found = paths.filter_map(|path| self.file_of(&module.path, path, 0));
        found.filter(|file| !self.is_part_of(file, &module.path)).collect()
    }

    /// Whether a file is the module at `path`, or a part of it.
    fn is_part_of(&self, file: &str, path: &Path) -> bool {
        self.modules.values().any(|module| module.file == file && module.path.starts_with(path))
    }

    /// The file that defines what `path` means in the module `from`.
    fn file_of(&self, from: &Path, path: &[String], depth: usize) -> Option<&str> {
        // Two modules that re-export each other's names would recurse without end.
        if depth > 8 {
            return None;
        }
        let (mut place, mut rest) = match path.split_first()? {
            (first, rest) if first == "crate" => (Path::new(), rest),
            (first, rest) if first == "self" => (from.clone(), rest),
            (first, rest) if first == "super" => (parent(from), rest),
            (first, rest) if self.modules.contains_key(&child(from, first)) => {
                (child(from, first), rest)
            }
            (first, rest) => {
                // A name that was imported here, such as a module's.
                let imported = self.modules.get(from)?.imports.get(first)?;
                let mut whole = imported.clone();
                whole.extend_from_slice(rest);
                let is_own = imported.first() == Some(first) && imported.len() == 1;
                return if is_own { None } else { self.file_of(from, &whole, depth + 1) };
            }
        };
        while let Some((first, behind)) = rest.split_first() {
            if first == "super" {
                place = parent(&place);
            } else if self.modules.contains_key(&child(&place, first)) {
                place = child(&place, first);
            } else {
                break;
            }
            rest = behind;
        }
        let module = self.modules.get(&place)?;
        // A re-exported name is defined elsewhere.
        let handed_on = rest.first().and_then(|name| module.imports.get(name));
        if let Some(path) = handed_on {
            let mut whole = path.clone();
            whole.extend_from_slice(&rest[1..]);
            return self.file_of(&place, &whole, depth + 1);
        }
        Some(&module.file)
    }
}

fn parent(path: &Path) -> Path {
    path[..path.len().saturating_sub(1)].to_vec()
}

fn child(path: &Path, name: &str) -> Path {
    let mut path = path.clone();
    path.push(name.to_owned());
    path
}

/// The groups of files that reach each other, each group sorted.
fn circles<'a>(arrows: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Vec<Vec<&'a str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        arrows.keys().map(|file| (*file, reachable(arrows, file))).collect();
    let together = |a: &str, b: &str| reached[a].contains(b) && reached[b].contains(a);
    let mut groups: BTreeSet<Vec<&str>> = BTreeSet::new();
    for file in arrows.keys().filter(|file| reached[*file].contains(*file)) {
        groups.insert(arrows.keys().copied().filter(|other| together(file, other)).collect());
    }
    groups.into_iter().collect()
}

fn reachable<'a>(arrows: &BTreeMap<&'a str, BTreeSet<&'a str>>, from: &str) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut next: Vec<&str> = arrows[from].iter().copied().collect();
    while let Some(file) = next.pop() {
        if found.insert(file) {
            next.extend(arrows.get(file).into_iter().flatten().copied());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::tree::tree, *};

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> =
            files.iter().map(|(path, text)| (format!("crates/a/src/{path}"), *text)).collect();
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        check(&tree(&files)).into_iter().map(|finding| finding.reason).collect()
    }

    #[test]
    fn two_files_that_import_each_other_are_a_circle() {
        let files = [
            ("lib.rs", "mod b;\nmod c;\n"),
            ("b.rs", "use crate::c::C;\n"),
            ("c.rs", "fn f() { super::b::g() }\n"),
        ];
        assert_eq!(found(&files), ["it and crates/a/src/c.rs import each other, in a circle"]);
    }

    #[test]
    fn a_module_and_its_parts_count_as_one() {
        let files = [
            ("lib.rs", "mod up;\nmod reach;\n"),
            ("up.rs", "mod machine;\npub struct Options;\nfn f() { machine::g() }\n"),
            ("up/machine.rs", "use super::Options;\npub fn g() {}\n"),
            ("reach.rs", "pub struct Cluster;\n"),
        ];
        assert_eq!(found(&files), [""; 0]);
        let files = [
            ("lib.rs", "mod up;\nmod reach;\n"),
            ("up.rs", "mod machine;\nuse crate::reach::Cluster;\n"),
            ("up/machine.rs", "pub fn g() {}\n"),
            ("reach.rs", "fn f() { crate::up::machine::g() }\n"),
        ];
        assert_eq!(found(&files), [""; 0], "the part needs nothing of what uses it");
        let files = [
            ("lib.rs", "mod up;\nmod reach;\n"),
            ("up.rs", "mod machine;\npub struct Options;\n"),
            ("up/machine.rs", "use super::Options;\nuse crate::reach;\n"),
            ("reach.rs", "use crate::up::machine::g;\n"),
        ];
        assert_eq!(found(&files).len(), 1);
    }

    #[test]
    fn a_re_exported_name_counts_where_it_is_defined() {
        let files = [
            ("lib.rs", "mod b;\nmod error;\npub use error::Error;\nuse b::B;\nfn f(_: B) {}"),
            ("b.rs", "use crate::Error;\npub struct B;\n"),
            ("error.rs", "pub struct Error;\n"),
        ];
        assert_eq!(found(&files), [""; 0]);
        let files = [
            ("lib.rs", "mod b;\nmod error;\npub use error::Error;\n"),
            ("b.rs", "use crate::Error;\npub struct B;\n"),
            ("error.rs", "use crate::b;\npub struct Error(b::B);\n"),
        ];
        assert_eq!(found(&files).len(), 1);
    }

    #[test]
    fn tests_may_use_what_they_test() {
        let files = [
            ("lib.rs", "mod b;\nmod c;\n"),
            ("b.rs", "use crate::c::C;\n"),
            ("c.rs", "#[cfg(test)]\nmod tests { use crate::b::B; }\n#[cfg(test)]\nuse crate::b;\n"),
            ("c/tests.rs", "use crate::b;\n"),
        ];
        assert_eq!(found(&files), [""; 0]);
    }
}
