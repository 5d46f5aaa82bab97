//! An overlay mount: its layers one above the other, and which file of which layer is seen.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::super::super::text::one_line;
use super::{figure, tree};
use crate::results::Experiment;

const WIDTH: f64 = 360.0;
const LABELS: f64 = 126.0;
const ROW: f64 = 44.0;
/// More files do not fit side by side.
const FILES: usize = 6;

/// A directory of an overlay mount.
#[derive(Debug, PartialEq, Eq)]
struct Layer {
    name: String,
    role: &'static str,
    files: BTreeSet<String>,
}

/// An overlay mount: what is seen, and below it the layers, the upper one first.
#[derive(Debug, PartialEq, Eq)]
pub struct Mount(Vec<Layer>);

/// The overlay mounts of an experiment that worked.
pub fn mounts(experiment: &Experiment) -> Vec<Mount> {
    let mounted = experiment.steps.iter().filter(|step| step.errno.is_none());
    mounted
        .filter_map(|step| mount(&step.text, experiment))
        .collect()
}

fn mount(line: &str, experiment: &Experiment) -> Option<Mount> {
    let line = line.strip_prefix("mount -t overlay ")?;
    let words: Vec<_> = line.split(' ').collect();
    let at = words.iter().position(|word| *word == "-o")?;
    let options = words
        .get(at + 1)?
        .split(',')
        .filter_map(|option| option.split_once('='));
    let mut layers = vec![layer(words.last()?, "what is seen", experiment)];
    for (name, value) in options {
        match name {
            "upperdir" => layers.insert(1, layer(value, "upper, written to", experiment)),
            "lowerdir" => layers.extend(
                value
                    .split(':')
                    .map(|one| layer(one, "lower, read-only", experiment)),
            ),
            _ => {}
        }
    }
    Some(Mount(layers))
}

/// A layer with the files that the last `tree` has shown in it.
fn layer(name: &str, role: &'static str, experiment: &Experiment) -> Layer {
    let shown = experiment
        .steps
        .iter()
        .rev()
        .filter(|step| step.text.starts_with("tree "));
    let mut files = shown.map(|step| {
        let paths = tree::paths(&step.output);
        let inside = paths
            .iter()
            .filter_map(|path| path.strip_prefix(name)?.strip_prefix('/'));
        inside
            .filter(|path| !path.contains('/'))
            .map(str::to_owned)
            .collect::<BTreeSet<_>>()
    });
    Layer {
        name: name.to_owned(),
        role,
        files: files.find(|files| !files.is_empty()).unwrap_or_default(),
    }
}

/// Draws an overlay mount.
pub fn draw(Mount(layers): &Mount) -> Markup {
    let names: BTreeSet<_> = layers.iter().flat_map(|layer| &layer.files).collect();
    let names: Vec<_> = names.into_iter().take(FILES).collect();
    let rows = layers.iter().enumerate();
    let drawing = html! {
        @for (row, layer) in rows { (row_of(row, layer)) }
        @for (column, name) in names.iter().enumerate() { (file(column, name, layers)) }
    };
    figure(
        &caption(layers),
        WIDTH,
        ROW * layers.len() as f64 + 4.0,
        &drawing,
    )
}

fn caption(layers: &[Layer]) -> String {
    let names: Vec<_> = layers.iter().map(|layer| one_line(&layer.name)).collect();
    format!(
        "Overlay: {} shows the layers {}",
        names[0],
        names[1..].join(", ")
    )
}

fn row_of(row: usize, layer: &Layer) -> Markup {
    let y = ROW * row as f64 + 2.0;
    let class = if row == 0 { "layer seen" } else { "layer" };
    html! {
        rect class=(class) x="1" y=(y) width=(WIDTH - 2.0) height=(ROW - 6.0) rx="5" {}
        text class="strong" x="10" y=(y + 16.0) { (one_line(&layer.name)) }
        text x="10" y=(y + 31.0) { (layer.role) }
    }
}

/// A file in the column of its name: in every layer that has it, and a line from the topmost one up to where it is seen.
fn file(column: usize, name: &str, layers: &[Layer]) -> Markup {
    let x = LABELS + 22.0 + column as f64 * (WIDTH - LABELS) / FILES as f64;
    let center = |row: usize| ROW * row as f64 + (ROW - 2.0) / 2.0;
    let has = |row: &usize| layers[*row].files.contains(name);
    let top = (1..layers.len()).find(has).filter(|_| has(&0));
    html! {
        @if let Some(top) = top { path class="seen" d={ "M" (x) " " (center(top)) "V" (center(0)) } {} }
        @for row in (0..layers.len()).filter(has) {
            circle class=(if row == 0 || Some(row) == top { "file" } else { "file covered" }) cx=(x) cy=(center(row)) r="13" {}
            text class="strong" x=(x) y=(center(row) + 4.0) text-anchor="middle" { (short(name)) }
        }
    }
}

/// As much of a name as fits into its circle.
fn short(name: &str) -> String {
    let name = one_line(name);
    match name.chars().count() {
        0..=3 => name,
        _ => name.chars().take(2).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::picture::tests::experiment;

    #[test]
    fn a_mount_has_its_layers_from_the_top_with_their_files() {
        let mounts = mounts(&experiment("overlayfs"));
        assert_eq!(mounts.len(), 1);
        let Mount(layers) = &mounts[0];
        let names: Vec<_> = layers.iter().map(|layer| layer.name.as_str()).collect();
        assert_eq!(names, ["merge", "container", "image2", "image1"]);
        let files = |layer: usize| Vec::from_iter(&layers[layer].files);
        assert_eq!(files(0), ["a", "b", "c", "d"]);
        assert_eq!(files(1), ["a", "d"]);
        assert_eq!(files(3), ["a", "b"]);
        let text = draw(&mounts[0]).into_string();
        assert_eq!(
            text.matches("class=\"file covered\"").count(),
            1,
            "the a of image1"
        );
    }

    #[test]
    fn every_mount_is_its_own() {
        let mounts = mounts(&experiment("overlayfs-shared-layers"));
        let seen: Vec<_> = mounts
            .iter()
            .map(|Mount(layers)| layers[0].name.as_str())
            .collect();
        assert_eq!(seen, ["merge1", "merge2", "readonly"]);
    }
}
