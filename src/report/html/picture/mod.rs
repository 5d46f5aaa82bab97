//! Pictures of an experiment, where they say more than its session. Each is drawn from the results and described in words.

mod layers;
mod share;
mod tree;
mod veth;

use maud::{Markup, html};

use crate::results::Experiment;

/// Every picture that there is of an experiment.
pub fn all(experiment: &Experiment) -> Markup {
    let shares = experiment.measurements.iter().map(share::draw);
    let layers = layers::mounts(experiment)
        .into_iter()
        .map(|mount| layers::draw(&mount));
    let pairs = veth::pairs(experiment)
        .into_iter()
        .map(|pair| veth::draw(&pair));
    let pictures: Vec<_> = shares.chain(layers).chain(pairs).collect();
    html! {
        @if !pictures.is_empty() {
            div class="pictures" { @for picture in pictures { (picture) } }
        }
    }
}

/// A picture with its caption, which says the same in words.
fn figure(caption: &str, width: f64, height: f64, drawing: &Markup) -> Markup {
    html! {
        figure {
            svg viewBox={ "0 0 " (width) " " (height) } aria-hidden="true" { (drawing) }
            figcaption { (caption) }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::results::{Experiment, Results};

    /// An experiment of a run in which all passed.
    pub fn experiment(id: &str) -> Experiment {
        let text = include_str!("../../../../fixtures/results/certified.json");
        let results: Results = serde_json::from_str(text).unwrap();
        let found = results.experiments.into_iter().find(|one| one.id == id);
        found.unwrap()
    }
}
