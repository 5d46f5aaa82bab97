//! A veth pair: each end in its namespace, with its address, and what a ping over it said.

use maud::{Markup, html};

use super::super::super::text::one_line;
use super::figure;
use crate::results::{Experiment, Step};

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 120.0;
const BOX: f64 = 150.0;

/// The namespace that an experiment begins in.
const HOST: &str = "the host's side";

/// One end of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    name: String,
    namespace: String,
    /// Or the bridge that it is a port of.
    address: Option<String>,
}

/// A veth pair as the session leaves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    ends: [Link; 2],
    ping: Option<String>,
}

/// The veth pairs that an experiment made.
pub fn pairs(experiment: &Experiment) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for step in experiment.steps.iter().filter(|step| step.errno.is_none()) {
        follow(step, &mut pairs);
    }
    pairs
}

/// What a step changes about the pairs, or says of them.
fn follow(step: &Step, pairs: &mut Vec<Pair>) {
    let words: Vec<_> = step.text.split(' ').collect();
    let (namespace, words) = match &words[..] {
        ["ip", "netns", "exec", namespace, inner @ ..] => (*namespace, inner),
        all => (HOST, all),
    };
    match words {
        [
            "ip",
            "link",
            "add",
            one,
            "type",
            "veth",
            "peer",
            "name",
            other,
            ..,
        ] => {
            let end = |name: &str| Link {
                name: name.to_owned(),
                namespace: namespace.to_owned(),
                address: None,
            };
            pairs.push(Pair {
                ends: [end(one), end(other)],
                ping: None,
            });
        }
        ["ip", "link", "set", name, "netns", to] => {
            change(pairs, namespace, name, |end| {
                end.namespace = (*to).to_owned()
            });
        }
        ["ip", "link", "set", name, "master", bridge] => {
            change(pairs, namespace, name, |end| {
                end.address = Some(format!("port of {bridge}"))
            });
        }
        ["ip", "address" | "addr", "add", address, "dev", name] => {
            change(pairs, namespace, name, |end| {
                end.address = Some((*address).to_owned())
            });
        }
        ["ping", address] => answered(pairs, address, step),
        _ => {}
    }
}

fn change(pairs: &mut [Pair], namespace: &str, name: &str, change: impl Fn(&mut Link)) {
    let mut ends = pairs.iter_mut().flat_map(|pair| &mut pair.ends);
    if let Some(end) = ends.find(|end| end.name == name && end.namespace == namespace) {
        change(end);
    }
}

/// A ping belongs to the pair that has its address.
fn answered(pairs: &mut [Pair], address: &str, step: &Step) {
    let has = |end: &Link| {
        end.address
            .as_ref()
            .is_some_and(|own| own.split('/').next() == Some(address))
    };
    let said = step.output.lines().find(|line| line.contains("received"));
    if let Some(pair) = pairs.iter_mut().find(|pair| pair.ends.iter().any(has)) {
        let said = said.map(|said| format!("ping {address}: {said}"));
        pair.ping = said.or(pair.ping.take());
    }
}

/// Draws a pair.
pub fn draw(pair: &Pair) -> Markup {
    let [one, other] = &pair.ends;
    let drawing = html! {
        (side(0.0, one)) (side(WIDTH - BOX, other))
        path class="cable" d={ "M" (BOX - 10.0) " 66H" (WIDTH - BOX + 10.0) } {}
        text x=(WIDTH / 2.0) y="60" text-anchor="middle" { "veth" }
    };
    figure(&caption(pair), WIDTH, HEIGHT, &drawing)
}

fn caption(pair: &Pair) -> String {
    let end = |end: &Link| {
        let address = end.address.as_deref().unwrap_or("no address");
        one_line(&format!("{} ({address}) in {}", end.name, end.namespace))
    };
    let [one, other] = &pair.ends;
    let ping = pair
        .ping
        .as_deref()
        .map_or(String::new(), |ping| format!("; {}", one_line(ping)));
    format!("A veth pair: {} and {}{ping}", end(one), end(other))
}

fn side(x: f64, end: &Link) -> Markup {
    let middle = x + BOX / 2.0;
    html! {
        rect class="layer" x=(x + 1.0) y="1" width=(BOX - 2.0) height=(HEIGHT - 2.0) rx="6" {}
        text x=(middle) y="22" text-anchor="middle" { (one_line(&end.namespace)) }
        rect class="layer seen" x=(x + 10.0) y="42" width=(BOX - 20.0) height="48" rx="5" {}
        text class="strong" x=(middle) y="63" text-anchor="middle" { (one_line(&end.name)) }
        text x=(middle) y="80" text-anchor="middle" { (one_line(end.address.as_deref().unwrap_or("no address"))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::picture::tests::experiment;

    #[test]
    fn each_end_is_in_its_namespace_with_its_address() {
        let pairs = pairs(&experiment("net-namespace"));
        assert_eq!(pairs.len(), 1);
        let [one, other] = &pairs[0].ends;
        assert_eq!((one.name.as_str(), one.namespace.as_str()), ("host", HOST));
        assert_eq!(
            (other.name.as_str(), other.namespace.as_str()),
            ("guest", "guestnet")
        );
        assert_eq!(other.address.as_deref(), Some("1.2.3.5/24"));
        let ping = pairs[0].ping.as_deref().unwrap();
        assert!(
            ping.starts_with("ping 1.2.3.5: 2 packets transmitted, 2 received"),
            "{ping}"
        );
    }

    #[test]
    fn a_port_is_one_of_its_bridge() {
        let mut experiment = experiment("net-namespace");
        for step in &mut experiment.steps {
            let enslaves = step.text == "ip address add 1.2.3.4/24 dev host";
            if enslaves {
                step.text = "ip link set host master br0".to_owned();
            }
        }
        let [one, _] = &pairs(&experiment)[0].ends;
        assert_eq!(one.address.as_deref(), Some("port of br0"));
    }

    #[test]
    fn an_experiment_without_links_has_no_picture_of_them() {
        assert!(pairs(&experiment("overlayfs")).is_empty());
    }
}
