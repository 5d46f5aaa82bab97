//! The policy as a map: what it asks for by the weight that it has, and what of that is met.

use maud::{Markup, html};

use super::super::text::one_line;
use super::{anchor, class, sign, word};
use crate::policy::Standing;
use crate::results::{Experiment, Results};
use crate::verdict::Group;

/// The section.
pub fn section(results: &Results) -> Markup {
    let of = |standing: Standing| {
        let experiments = results.experiments.iter();
        experiments.filter(move |one| one.standing == standing)
    };
    let missing: Vec<_> = results
        .policy
        .not_performed
        .iter()
        .map(|name| absent(name))
        .collect();
    html! {
        section aria-labelledby="map" {
            h2 id="map" { "What the policy " (one_line(&results.policy.name)) " asks for" }
            (part("Must pass", of(Standing::Required).map(field).collect()))
            @for group in &results.policy.any_of { (part(&heading(group), members(group, results))) }
            (part("May be skipped", of(Standing::Recommended).map(field).collect()))
            (part("Not in the policy, but asked for", of(Standing::NotInPolicy).map(field).collect()))
            (part("Not performed", missing))
        }
    }
}

fn heading(group: &Group) -> String {
    let met = if group.met { "one did" } else { "none did" };
    format!("One of these must pass: {met}")
}

fn members(group: &Group, results: &Results) -> Vec<Markup> {
    let member = |name: &String| {
        let found = results.experiments.iter().find(|one| one.id == *name);
        found.map_or_else(|| absent(name), field)
    };
    group.members.iter().map(member).collect()
}

/// A heading with its fields; nothing without fields.
fn part(heading: &str, fields: Vec<Markup>) -> Markup {
    html! {
        @if !fields.is_empty() {
            h3 class="part" { (heading) }
            ul class="map" { @for field in fields { li { (field) } } }
        }
    }
}

fn field(experiment: &Experiment) -> Markup {
    html! {
        a class={ "field " (class(experiment)) } href={ "#" (anchor(experiment)) } {
            span aria-hidden="true" { (sign(experiment)) } " " (one_line(&experiment.id))
            span class="unseen" { ": " (word(experiment)) }
        }
    }
}

fn absent(name: &str) -> Markup {
    html! { span class="field absent" { (one_line(name)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_was_not_performed_is_shown_without_a_link() {
        let results = include_str!("../../../fixtures/results/certified.json");
        let results: Results = serde_json::from_str(results).unwrap();
        let group = Group {
            members: vec!["chroot".to_owned(), "absent-one".to_owned()],
            met: true,
        };
        let [performed, absent] = &members(&group, &results)[..] else {
            panic!("two members")
        };
        assert!(
            performed.0.contains("href=\"#experiment-chroot\""),
            "{}",
            performed.0
        );
        assert_eq!(absent.0, "<span class=\"field absent\">absent-one</span>");
    }
}
