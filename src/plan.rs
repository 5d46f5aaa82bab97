//! What runs here: a spec on this host, as the worker receives it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::host::{Host, Privilege};
use crate::need::Need;
use crate::recording::Failure;
use crate::spec::{Spec, Step};
use crate::sys::cgroup::UNIFIED;
use crate::sys::namespace::Kind;

/// One experiment on this host. The worker receives this value and no other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The experiment's name.
    pub experiment: String,
    /// The namespaces that its worker lives in.
    pub namespaces: Vec<Kind>,
    /// What is still to be tried by the worker before its first step.
    pub needs: Vec<Need>,
    /// For each controller that it needs the group below which its own is made; [`UNIFIED`] for cgroup v2.
    pub cgroups: BTreeMap<String, PathBuf>,
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
        match group_for(need, host) {
            Some(Ok((name, group))) => drop(cgroups.insert(name, group)),
            Some(Err(failure)) => {
                let need = need.clone();
                return Planned::Unmet(Unmet { need, failure });
            }
            None => {}
        }
    }
    Planned::Perform(Assignment {
        experiment: spec.experiment.clone(),
        namespaces: namespaces(host),
        needs: spec.needs.clone(),
        cgroups,
        measures_cpu: spec
            .all_steps()
            .iter()
            .any(|(_, step)| step.action.measures_cpu()),
        timeout: spec.timeout,
        steps: spec.steps.clone(),
    })
}

fn group_for(need: &Need, host: &Host) -> Option<Result<(String, PathBuf), Failure>> {
    let missing = |controller: &str, version: &str| {
        let layout = host.cgroups.layout();
        let message = format!("no {controller} controller in cgroup {version} (layout: {layout})");
        Failure {
            message,
            ..Failure::errno("find", controller, Errno::ENOENT)
        }
    };
    match need {
        Need::CgroupV1(controller) => {
            let group = host.cgroups.v1.get(controller).cloned();
            let named = group.map(|group| (controller.clone(), group));
            Some(named.ok_or_else(|| missing(controller, "v1")))
        }
        Need::CgroupV2(controller) => {
            let has = host.cgroups.v2_controllers.contains(controller);
            let group = host.cgroups.v2.clone().filter(|_| has);
            let named = group.map(|group| (UNIFIED.to_owned(), group));
            Some(named.ok_or_else(|| missing(controller, "v2")))
        }
        _ => None,
    }
}

fn namespaces(host: &Host) -> Vec<Kind> {
    let mut kinds = vec![
        Kind::Mount,
        Kind::Network,
        Kind::Uts,
        Kind::Ipc,
        Kind::Pid,
        Kind::Cgroup,
    ];
    if matches!(host.privilege, Privilege::User(_)) {
        kinds.push(Kind::User);
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Cgroups;
    use crate::source::Source;

    fn host(privilege: Privilege) -> Host {
        Host {
            kernel: "6.1.0".to_owned(),
            machine: "x86_64".to_owned(),
            privilege,
            cpus: 2,
            cgroups: Cgroups {
                v1: BTreeMap::from([("cpu".to_owned(), PathBuf::from("/sys/fs/cgroup/cpu"))]),
                v2: Some(PathBuf::from("/sys/fs/cgroup/unified")),
                v2_controllers: Vec::new(),
            },
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
    fn an_ordinary_user_gets_a_user_namespace() {
        let Planned::Perform(assignment) = plan(&spec("[]"), &host(Privilege::User(1000))) else {
            panic!("it is performed")
        };
        assert!(assignment.namespaces.contains(&Kind::User));
    }
}
