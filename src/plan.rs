//! What runs here: a spec on this host, as the worker receives it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::host::{Host, Parent, Unified};
use crate::need::Need;
use crate::recording::Failure;
use crate::spec::{Spec, Step};
use crate::sys::cgroup::UNIFIED;
use crate::sys::idmap::SubordinateIds;
use crate::sys::namespace::Kind;

/// One experiment on this host. The worker receives this value and no other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The experiment's name.
    pub experiment: String,
    /// The namespaces that its worker is born in. It makes its cgroup namespace itself, from within its own group.
    pub namespaces: Vec<Kind>,
    /// What is still to be tried by the worker before its first step.
    pub needs: Vec<Need>,
    /// The ids that its user namespace has beside the caller's own, where it needs them.
    pub subordinate_ids: Option<SubordinateIds>,
    /// For each controller that it needs the group below which its own is made; [`UNIFIED`] for cgroup v2.
    pub cgroups: BTreeMap<String, PathBuf>,
    /// The controllers that the caller's own group of cgroup v2 must pass on, once the caller has left it; mostly none.
    pub vacate: Vec<String>,
    /// Whether it measures CPU time, so that no other one may at the same time.
    pub measures_cpu: bool,
    /// How long it may take.
    pub timeout: Duration,
    /// What it does.
    pub steps: Vec<Step>,
}

/// A need that this host does not meet, and what showed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unmet {
    /// The need.
    pub need: Need,
    /// What showed it.
    pub failure: Failure,
}

/// What becomes of a spec on this host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Planned {
    /// It is performed, once the worker has found its needs met.
    Perform(Assignment),
    /// It cannot be performed here.
    Unmet(Unmet),
}

/// Plans a spec. Only what needs no trying is decided here.
#[must_use]
pub fn plan(spec: &Spec, host: &Host) -> Planned {
    let mut cgroups = BTreeMap::new();
    for need in &spec.needs {
        if let Need::CgroupV1(controller) = need {
            match host.cgroups.v1.get(controller) {
                Some(group) => drop(cgroups.insert(controller.clone(), group.clone())),
                None => return unmet(need, no_controller(controller, "v1", host)),
            }
        }
    }
    let vacate = match unified_parent(spec, host) {
        Ok(None) => Vec::new(),
        Ok(Some((parent, controllers))) => {
            cgroups.insert(UNIFIED.to_owned(), parent.path);
            Some(controllers)
                .filter(|_| parent.vacate)
                .unwrap_or_default()
        }
        Err((need, failure)) => return unmet(need, failure),
    };
    let wants_ids = spec.needs.contains(&Need::SubordinateIds);
    let wants_ids = wants_ids && host.privilege.takes_user_namespace();
    if wants_ids && host.subordinate_ids.is_none() {
        return unmet(&Need::SubordinateIds, no_subordinate_ids());
    }
    Planned::Perform(Assignment {
        experiment: spec.experiment.clone(),
        namespaces: namespaces(host),
        needs: spec.needs.clone(),
        subordinate_ids: host.subordinate_ids.filter(|_| wants_ids),
        cgroups,
        vacate,
        measures_cpu: spec
            .all_steps()
            .iter()
            .any(|(_, step)| step.action.measures_cpu()),
        timeout: spec.timeout,
        steps: spec.steps.clone(),
    })
}

fn unmet(need: &Need, failure: Failure) -> Planned {
    let need = need.clone();
    Planned::Unmet(Unmet { need, failure })
}

/// Where the experiment's group of cgroup v2 is made, if it needs one, and the controllers that it needs there.
type UnifiedParent<'s> = Result<Option<(Parent, Vec<String>)>, (&'s Need, Failure)>;

fn unified_parent<'s>(spec: &'s Spec, host: &Host) -> UnifiedParent<'s> {
    let controller = |need: &Need| match need {
        Need::CgroupV2Controller(name) => Some(name.clone()),
        _ => None,
    };
    let Some(first) = spec.needs.iter().find(|need| need.is_unified()) else {
        return Ok(None);
    };
    let Some(unified) = &host.cgroups.v2 else {
        return Err((first, no_hierarchy(host)));
    };
    let controllers: Vec<_> = spec.needs.iter().filter_map(controller).collect();
    match unified.parent_for(&controllers) {
        Some(parent) => Ok(Some((parent, controllers))),
        None => Err((first, not_passed_on(&controllers, unified, host))),
    }
}

fn no_subordinate_ids() -> Failure {
    Failure {
        message: "/etc/subuid and /etc/subgid give this user no ids".to_owned(),
        ..Failure::errno("find", "subordinate ids", Errno::ENOENT)
    }
}

fn no_controller(controller: &str, version: &str, host: &Host) -> Failure {
    let layout = host.cgroups.layout();
    let message = format!("no {controller} controller in cgroup {version} (layout: {layout})");
    Failure {
        message,
        ..Failure::errno("find", controller, Errno::ENOENT)
    }
}

fn no_hierarchy(host: &Host) -> Failure {
    let layout = host.cgroups.layout();
    Failure {
        message: format!("cgroup v2 is not mounted (layout: {layout})"),
        ..Failure::errno("find", "cgroup2", Errno::ENOENT)
    }
}

/// A controller that the hierarchy has but does not pass on is a matter of delegation, not of the kernel.
fn not_passed_on(controllers: &[String], unified: &Unified, host: &Host) -> Failure {
    let top = unified.lineage.last();
    let known = top.map_or_else(Vec::new, |top| top.controllers.clone());
    if let Some(absent) = controllers.iter().find(|name| !known.contains(name)) {
        return no_controller(absent, "v2", host);
    }
    let wanted = controllers.join(" ");
    let own = unified
        .lineage
        .first()
        .map(|own| own.path.display().to_string());
    let own = own.unwrap_or_default();
    let message = format!("no group above {own} passes on {wanted} (cgroup.subtree_control)");
    Failure {
        message,
        ..Failure::errno("find", wanted, Errno::ENOENT)
    }
}

fn namespaces(host: &Host) -> Vec<Kind> {
    let mut kinds = vec![Kind::Mount, Kind::Network, Kind::Uts, Kind::Ipc, Kind::Pid];
    if host.privilege.takes_user_namespace() {
        kinds.push(Kind::User);
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Cgroups, Level, Privilege};
    use crate::source::Source;

    fn host(privilege: Privilege) -> Host {
        Host {
            kernel: "6.1.0".to_owned(),
            machine: "x86_64".to_owned(),
            privilege,
            subordinate_ids: None,
            cpus: 2,
            cgroups: Cgroups {
                v1: BTreeMap::from([("cpu".to_owned(), PathBuf::from("/sys/fs/cgroup/cpu"))]),
                v2: Some(unified(&["hugetlb"], &[])),
            },
            scratch: None,
        }
    }

    fn unified(controllers: &[&str], passes_on: &[&str]) -> Unified {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Unified {
            lineage: vec![Level {
                path: PathBuf::from("/sys/fs/cgroup/unified"),
                controllers: names(controllers),
                passes_on: names(passes_on),
            }],
            delegated: false,
        }
    }

    fn spec(needs: &str) -> Spec {
        let text = format!("experiment: x\ntitle: t\nneeds: {needs}\nsteps:\n  - pwd:\n");
        crate::spec::read(&Source::new("x.yaml", text)).unwrap()
    }

    #[test]
    fn a_controller_is_judged_where_it_is() {
        let host = host(Privilege::Root);
        let Planned::Perform(assignment) = plan(&spec("[cgroup-v1 cpu]"), &host) else {
            panic!("it is performed")
        };
        assert_eq!(
            assignment.cgroups["cpu"],
            PathBuf::from("/sys/fs/cgroup/cpu")
        );
        let Planned::Unmet(unmet) = plan(&spec("[cgroup-v2 cpu]"), &host) else {
            panic!("the unified hierarchy has no controller")
        };
        assert!(
            unmet.failure.text().contains("layout: hybrid"),
            "{}",
            unmet.failure
        );
    }

    #[test]
    fn a_controller_that_is_not_passed_on_is_told_from_one_that_is_not_there() {
        let mut host = host(Privilege::Root);
        host.cgroups.v2 = Some(unified(&["cpu", "pids"], &["pids"]));
        let Planned::Unmet(unmet) = plan(&spec("[cgroup-v2 cpu]"), &host) else {
            panic!("nobody passes it on")
        };
        let text = unmet.failure.text();
        assert!(text.contains("passes on cpu"), "{text}");
        let Planned::Perform(assignment) = plan(&spec("[cgroup-v2 pids]"), &host) else {
            panic!("it is passed on")
        };
        assert_eq!(
            assignment.cgroups[UNIFIED],
            PathBuf::from("/sys/fs/cgroup/unified")
        );
        host.cgroups.v2 = None;
        let Planned::Unmet(unmet) = plan(&spec("[cgroup-v2]"), &host) else {
            panic!("there is no hierarchy")
        };
        assert!(unmet.failure.text().contains("not mounted"));
    }

    #[test]
    fn who_has_no_subordinate_ids_is_told_where_they_would_be() {
        let Planned::Unmet(unmet) = plan(&spec("[subordinate-ids]"), &host(Privilege::User(1000)))
        else {
            panic!("there are none")
        };
        let text = unmet.failure.to_string();
        assert!(text.contains("/etc/subuid and /etc/subgid"), "{text}");
    }

    #[test]
    fn an_ordinary_user_gets_a_user_namespace() {
        let Planned::Perform(assignment) = plan(&spec("[]"), &host(Privilege::User(1000))) else {
            panic!("it is performed")
        };
        assert!(assignment.namespaces.contains(&Kind::User));
    }
}
