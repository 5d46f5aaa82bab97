//! Compiles the engine with all mutants in it, but for those that do not compile.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::plant::{Mutant, Planted, plant};

/// A test binary.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Binary {
    pub name: String,
    pub path: PathBuf,
}

/// Which mutants are in the tree, which is compiled, by what binaries.
#[derive(Serialize, Deserialize)]
pub struct Compiled {
    pub viable: BTreeSet<u32>,
    /// Those that no switch can make.
    pub fixed: BTreeSet<u32>,
    pub binaries: Vec<Binary>,
}

/// Plants the mutants in `tree`, a copy of the sources, and compiles it.
pub fn compile(tree: &Path, mutants: &BTreeMap<u32, Mutant>) -> Compiled {
    prepare(tree);
    let mut files: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (number, mutant) in mutants {
        files.entry(&mutant.file).or_default().push(*number);
    }
    let texts = files
        .keys()
        .map(|file| (*file, fs::read_to_string(tree.join(file)).unwrap()));
    let texts: BTreeMap<&str, String> = texts.collect();
    let mut dropped = BTreeSet::new();
    let mut fixed = BTreeSet::new();
    loop {
        let mut all = BTreeMap::new();
        for (file, numbers) in &files {
            let left = numbers.iter().filter(|number| !dropped.contains(*number));
            let left: Vec<_> = left.map(|number| (*number, &mutants[number])).collect();
            let switched = if *file == "src/main.rs" {
                "verify::switch::switched"
            } else {
                "crate::switch::switched"
            };
            let planted = plant(&texts[file], &left, switched).unwrap();
            let there: BTreeSet<u32> = planted.around.iter().map(|(_, number)| *number).collect();
            fixed.extend(
                left.iter()
                    .map(|(number, _)| *number)
                    .filter(|number| !there.contains(number)),
            );
            fs::write(tree.join(file), &planted.text).unwrap();
            all.insert((*file).to_owned(), planted);
        }
        let wrong = errors(tree, &all);
        if wrong.is_empty() {
            break;
        }
        eprintln!("{} do not compile", wrong.len());
        dropped.extend(wrong);
    }
    let gone = |number: &&u32| dropped.contains(*number) || fixed.contains(*number);
    let viable = mutants
        .keys()
        .filter(|number| !gone(number))
        .copied()
        .collect();
    Compiled {
        viable,
        fixed,
        binaries: binaries(tree),
    }
}

fn prepare(tree: &Path) {
    fs::write(tree.join("src/switch.rs"), include_str!("switch.rs")).unwrap();
    let library = tree.join("src/lib.rs");
    let text = fs::read_to_string(&library).unwrap();
    fs::write(&library, format!("{text}pub mod switch;\n")).unwrap();
    let manifest = tree.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).unwrap();
    let lints = "[lints.rust]\nwarnings = \"allow\"\narithmetic_overflow = \"allow\"\nunconditional_panic = \"allow\"\n\n";
    let (before, after) = text.split_once("[lints.rust]").unwrap();
    let (_, after) = after.split_once("[profile.").unwrap();
    fs::write(&manifest, format!("{before}{lints}[profile.{after}")).unwrap();
}

fn cargo(tree: &Path, arguments: &[&str]) -> Vec<Value> {
    let mut cargo = Command::new("cargo");
    let cargo =
        cargo
            .args(arguments)
            .args(["--profile", "mutants", "--locked", "--message-format=json"]);
    let output = cargo
        .current_dir(tree)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The mutants that the compiler's errors are about.
fn errors(tree: &Path, planted: &BTreeMap<String, Planted>) -> BTreeSet<u32> {
    let mut wrong = BTreeSet::new();
    let messages = cargo(tree, &["check", "--lib", "--bins"]);
    for message in messages.iter().map(|message| &message["message"]) {
        if message["level"] != "error" {
            continue;
        }
        let mut spans = Vec::new();
        places(message, &mut spans);
        let innermost = |of: fn(&Planted) -> &[(Range<usize>, u32)]| {
            let mut found = BTreeMap::<usize, Vec<u32>>::new();
            for (file, span) in &spans {
                let here = planted.get(file).map_or(&[][..], of).iter();
                for (range, number) in
                    here.filter(|(range, _)| range.start <= span.start && span.end <= range.end)
                {
                    found.entry(range.len()).or_default().push(*number);
                }
            }
            found.into_values().next().unwrap_or_default()
        };
        let mut numbers = innermost(|planted| &planted.of);
        if numbers.is_empty() {
            numbers = innermost(|planted| &planted.around);
        }
        let counts = message["message"]
            .as_str()
            .is_some_and(|text| text.starts_with("aborting"));
        if numbers.is_empty() && !counts && !spans.is_empty() {
            panic!(
                "an error that is no mutant's: {}",
                message["rendered"].as_str().unwrap_or_default()
            );
        }
        wrong.extend(numbers);
    }
    wrong
}

fn places(message: &Value, out: &mut Vec<(String, Range<usize>)>) {
    for span in message["spans"].as_array().into_iter().flatten() {
        let mut span = span;
        while span.is_object() {
            let number =
                |name: &str| usize::try_from(span[name].as_u64().unwrap_or_default()).unwrap();
            out.push((
                span["file_name"].as_str().unwrap_or_default().to_owned(),
                number("byte_start")..number("byte_end"),
            ));
            span = &span["expansion"]["span"];
        }
    }
    for child in message["children"].as_array().into_iter().flatten() {
        places(child, out);
    }
}

fn binaries(tree: &Path) -> Vec<Binary> {
    let messages = cargo(tree, &["test", "--no-run"]);
    let tests = messages
        .iter()
        .filter(|message| message["executable"].is_string());
    let binaries = tests.map(|message| {
        let kind = message["target"]["kind"][0].as_str().unwrap();
        let name = message["target"]["name"].as_str().unwrap();
        let name = if kind == "test" { name } else { kind };
        Binary {
            name: name.to_owned(),
            path: message["executable"].as_str().unwrap().into(),
        }
    });
    // About the sources, which nobody has written like this.
    binaries
        .filter(|binary| !["tidy", "cpu_trials", "bin"].contains(&binary.name.as_str()))
        .collect()
}
