//! The layout of the sources: imports without circles and downwards only, short files, narrow
//! comments.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// The longest file, lines.
const LONGEST_FILE: usize = 400;

/// The widest comment, columns. `rustfmt` keeps code to it, but leaves comments as they are.
const WIDEST_COMMENT: usize = 100;

/// Which folders (or files) of `src` may import which others, apart from themselves.
const MAY_IMPORT: [(&str, &[&str]); 9] = [
    ("outbound", &[]),
    ("http_server", &[]),
    ("odoo", &["outbound"]),
    ("sicantik", &["outbound", "http_server"]),
    ("sync", &["odoo", "sicantik", "outbound"]),
    ("config", &["odoo", "sicantik", "outbound", "http_server"]),
    ("service", &["config", "sync", "odoo", "sicantik", "outbound", "http_server"]),
    ("cli", &["config", "service", "sync", "odoo", "sicantik", "outbound", "telemetry"]),
    ("telemetry", &[]),
];

/// Modules by their path, as `["odoo", "run"]`.
type ModulePath = Vec<String>;

/// What one source file says about its imports.
#[derive(Default)]
struct Source {
    file: PathBuf,
    /// Names brought in by `use`, with the path that each stands for.
    uses: Vec<(String, ModulePath)>,
    /// Whether the `use` passes the name on (`pub use`), which is no import of its own.
    passed_on: BTreeSet<String>,
    /// Other paths in the code.
    paths: Vec<ModulePath>,
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if is_test(&item.attrs) {
            return;
        }
        let before = self.uses.len();
        flatten(&item.tree, &mut Vec::new(), &mut self.uses);
        if !matches!(item.vis, syn::Visibility::Inherited) {
            self.passed_on.extend(self.uses[before..].iter().map(|(name, _)| name.clone()));
        }
    }

    /// `pub(crate)` and `pub(super)` import nothing.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths.push(path.segments.iter().map(|part| part.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

/// Every name that a `use` tree brings in.
fn flatten(tree: &syn::UseTree, before: &mut ModulePath, uses: &mut Vec<(String, ModulePath)>) {
    match tree {
        syn::UseTree::Path(path) => {
            before.push(path.ident.to_string());
            flatten(&path.tree, before, uses);
            before.pop();
        }
        syn::UseTree::Group(group) => {
            group.items.iter().for_each(|tree| flatten(tree, before, uses));
        }
        syn::UseTree::Glob(_) => uses.push(("*".to_owned(), before.clone())),
        syn::UseTree::Name(syn::UseName { ident }) if ident == "self" => {
            uses.push((before.last().cloned().unwrap_or_default(), before.clone()));
        }
        syn::UseTree::Name(syn::UseName { ident }) => {
            uses.push((ident.to_string(), joined(before, ident.to_string())));
        }
        syn::UseTree::Rename(rename) => {
            let path = match &rename.ident {
                ident if ident == "self" => before.clone(),
                ident => joined(before, ident.to_string()),
            };
            uses.push((rename.rename.to_string(), path));
        }
    }
}

fn joined(before: &[String], last: String) -> ModulePath {
    before.iter().cloned().chain([last]).collect()
}

/// The sources of the crate by module.
struct Crate(BTreeMap<ModulePath, Source>);

impl Crate {
    fn read() -> Self {
        let root = root();
        let modules = files(&root).into_iter().map(|file| {
            let relative = file.strip_prefix(&root).expect("a file below src").with_extension("");
            let parts = relative.iter().map(|part| part.to_string_lossy().into_owned());
            let module = parts.filter(|part| !matches!(part.as_str(), "mod" | "lib")).collect();
            let text = fs::read_to_string(&file).expect("a source file");
            let mut source = Source { file, ..Source::default() };
            source.visit_file(&syn::parse_file(&text).expect("Rust"));
            (module, source)
        });
        Self(modules.collect())
    }

    /// The module whose file defines what `path` names, seen from `module`; `None` outside of the
    /// crate.
    fn resolve(&self, module: &[String], path: &[String], depth: usize) -> Option<ModulePath> {
        let (first, mut rest) = path.split_first()?;
        let mut at: ModulePath = match first.as_str() {
            "crate" => Vec::new(),
            "self" => module.to_vec(),
            "super" => module.split_last()?.1.to_vec(),
            _ if self.0.contains_key(&joined(module, first.clone())) => {
                rest = path;
                module.to_vec()
            }
            _ => {
                // A name that a `use` has brought in, as `sicantik` in `sicantik::Client`.
                let (_, used) = self.0[module].uses.iter().find(|(name, _)| name == first)?;
                if depth > 8 || used.first() == Some(first) {
                    return None;
                }
                let whole: ModulePath = used.iter().chain(rest).cloned().collect();
                return self.resolve(module, &whole, depth + 1);
            }
        };
        while let Some((name, behind)) = rest.split_first() {
            let child = joined(&at, name.clone());
            if name == "super" {
                at.pop();
            } else if self.0.contains_key(&child) {
                at = child;
            } else {
                // A name that the module only passes on is defined elsewhere.
                let passed_on = self.0[&at].uses.iter().find(|(used, _)| used == name);
                return match passed_on {
                    Some((_, target)) if depth < 8 => {
                        let whole: ModulePath = target.iter().chain(behind).cloned().collect();
                        self.resolve(&at, &whole, depth + 1)
                    }
                    _ => Some(at),
                };
            }
            rest = behind;
        }
        Some(at)
    }

    /// What the module's file imports, by module.
    fn imports(&self, module: &ModulePath) -> BTreeSet<ModulePath> {
        let source = &self.0[module];
        let used = source.uses.iter().filter(|(name, _)| !source.passed_on.contains(name));
        let paths = used.map(|(_, path)| path).chain(&source.paths);
        let mut found: BTreeSet<_> =
            paths.filter_map(|path| self.resolve(module, path, 0)).collect();
        found.remove(module);
        found
    }

    fn name(&self, module: &ModulePath) -> String {
        let file = &self.0[module].file;
        file.strip_prefix(root()).expect("a file below src").display().to_string()
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Source files below `folder`, without those of tests alone.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let stem = path.file_stem().unwrap_or_default();
        if stem == "tests" || stem == "main" {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn files_do_not_import_each_other_in_circles() {
    let sources = Crate::read();
    let imports: BTreeMap<_, _> =
        sources.0.keys().map(|module| (module, sources.imports(module))).collect();
    let mut reach: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for &module in imports.keys() {
        let mut seen = BTreeSet::new();
        let mut next: Vec<_> = imports[module].iter().collect();
        while let Some(one) = next.pop() {
            if seen.insert(one) {
                next.extend(&imports[one]);
            }
        }
        reach.insert(module, seen);
    }
    let mut circles = BTreeSet::new();
    for (&module, reached) in &reach {
        let others = reached.iter().filter(|other| reach[*other].contains(module));
        let circle: BTreeSet<_> = others.map(|one| sources.name(one)).collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    assert!(circles.is_empty(), "files that import each other: {circles:#?}");
}

#[test]
fn imports_point_downwards() {
    let sources = Crate::read();
    let allowed: BTreeMap<_, _> = MAY_IMPORT.into_iter().collect();
    let mut wrong = Vec::new();
    for module in sources.0.keys().filter(|module| !module.is_empty()) {
        let own = module[0].as_str();
        let Some(may) = allowed.get(own) else {
            wrong.push(format!("{} has no place in the layout", sources.name(module)));
            continue;
        };
        for import in sources.imports(module) {
            let other = import.first().map_or("lib", String::as_str);
            if other != own && !may.contains(&other) {
                wrong.push(format!("{} imports {}", sources.name(module), sources.name(&import)));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_short_and_comments_narrow() {
    let mut wrong = Vec::new();
    let all = ["src", "tests/it"].map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    let mut folders = all.to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("a source file");
            let lines = text.lines().count();
            if lines > LONGEST_FILE {
                wrong.push(format!("{} has {lines} lines", path.display()));
            }
            for (index, line) in text.lines().enumerate() {
                let is_comment = line.trim_start().starts_with("//");
                if is_comment && line.chars().count() > WIDEST_COMMENT {
                    wrong.push(format!("{}:{} is too wide", path.display(), index + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} places: {wrong:#?}", wrong.len());
}
