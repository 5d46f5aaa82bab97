//! `ip route`: the main routing table.

use std::fmt::Write as _;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::name::LinkName;
use super::{Family, link_name};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::sys::netlink::{IpNet, Netlink, NextHop, Route, RouteProtocol, RouteScope};

/// What to do with routes. ip-route(8)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Adds one; a gateway, a link or both.
    Add {
        /// Where it leads.
        destination: IpNet,
        /// The gateway.
        via: Option<IpAddr>,
        /// The link.
        dev: Option<LinkName>,
    },
    /// Shows all of one family.
    Show,
}

impl Command {
    pub(super) fn parse(words: &mut Words<'_>, family: Option<Family>) -> Result<Self, LineError> {
        if words.peek().is_none() {
            return Ok(Self::Show);
        }
        match words.keyword(&["add", "show", "list", "ls"])? {
            "add" => Self::parse_add(words, family),
            _ => Ok(Self::Show),
        }
    }

    fn parse_add(words: &mut Words<'_>, family: Option<Family>) -> Result<Self, LineError> {
        let destination = destination(words)?;
        let (mut via, mut dev, mut at) = (None, None, words.here());
        if words.keyword(&["via", "dev"])? == "via" {
            at = words.here();
            via = Some(words.value("the address of a gateway")?);
            if words.take("dev") {
                dev = Some(words.value("the name of a link")?);
            }
        } else {
            dev = Some(words.value("the name of a link")?);
        }
        let implied = match (family, via) {
            (Some(Family::V6), _) | (None, Some(IpAddr::V6(_))) => IpNet::DEFAULT_V6,
            _ => IpNet::DEFAULT_V4,
        };
        let destination = destination.unwrap_or(implied);
        if via.is_some_and(|via| via.is_ipv4() != destination.addr().is_ipv4()) {
            return Err(LineError::new(
                at,
                "the gateway is not of the destination's family",
            ));
        }
        Ok(Self::Add {
            destination,
            via,
            dev,
        })
    }

    pub(super) fn prints(&self) -> bool {
        matches!(self, Self::Show)
    }

    pub(super) fn perform(&self, family: Option<Family>) -> Result<Output, Failure> {
        let mut netlink = Netlink::open()?;
        match self {
            Self::Add {
                destination,
                via,
                dev,
            } => {
                let dev = dev.as_ref().map(LinkName::as_str);
                netlink.add_route(*destination, NextHop { via: *via, dev })?;
                Ok(Output::nothing())
            }
            Self::Show => {
                let family = family.unwrap_or(Family::V4);
                let routes = netlink.routes()?;
                let routes = routes
                    .iter()
                    .filter(|route| Family::of(route.destination) == family);
                Ok(Output::lines(routes.map(|route| {
                    line(
                        route,
                        route.index.map(|index| link_name(&mut netlink, index)),
                    )
                })))
            }
        }
    }
}

/// `None` is the default route of a family that the rest of the line tells.
fn destination(words: &mut Words<'_>) -> Result<Option<IpNet>, LineError> {
    if words.take("default") {
        return Ok(None);
    }
    let here = words.here();
    let destination: IpNet = words.value("`default` or ADDRESS/PREFIX")?;
    if has_host_bits(destination) {
        // The kernel says EINVAL, which would not say what is invalid.
        return Err(LineError::new(
            here,
            format!("`{destination}` has bits behind its prefix"),
        ));
    }
    Ok(Some(destination))
}

fn has_host_bits(net: IpNet) -> bool {
    let prefix = u32::from(net.prefix_len());
    match net.addr() {
        IpAddr::V4(ip) => ip.to_bits().checked_shl(prefix).unwrap_or(0) != 0,
        IpAddr::V6(ip) => ip.to_bits().checked_shl(prefix).unwrap_or(0) != 0,
    }
}

/// `1.2.3.0/24 dev host proto kernel scope link src 1.2.3.4`, without metric and preference.
fn line(route: &Route, dev: Option<String>) -> String {
    let mut line = if route.destination.is_default() {
        "default".to_owned()
    } else if IpNet::from(route.destination.addr()) == route.destination {
        route.destination.addr().to_string()
    } else {
        route.destination.to_string()
    };
    if let Some(gateway) = route.gateway {
        let _ = write!(line, " via {gateway}");
    }
    if let Some(dev) = dev {
        let _ = write!(line, " dev {dev}");
    }
    if route.protocol != RouteProtocol::Boot {
        let _ = write!(line, " proto {}", route.protocol);
    }
    if route.scope == RouteScope::Link {
        line.push_str(" scope link");
    }
    if let Some(source) = route.prefsrc {
        let _ = write!(line, " src {source}");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::netlink::RouteType;

    fn route(destination: &str) -> Route {
        Route {
            destination: destination.parse().unwrap(),
            gateway: None,
            index: None,
            prefsrc: None,
            protocol: RouteProtocol::Boot,
            scope: RouteScope::Universe,
            kind: RouteType::Unicast,
            metric: Some(256),
        }
    }

    #[test]
    fn lines_are_those_of_the_real_tool() {
        let kernel = Route {
            protocol: RouteProtocol::Kernel,
            scope: RouteScope::Link,
            prefsrc: Some([1, 2, 3, 4].into()),
            ..route("1.2.3.0/24")
        };
        let expected = "1.2.3.0/24 dev host proto kernel scope link src 1.2.3.4";
        assert_eq!(line(&kernel, Some("host".into())), expected);
        let default = Route {
            gateway: Some([1, 2, 3, 5].into()),
            ..route("0.0.0.0/0")
        };
        assert_eq!(
            line(&default, Some("host".into())),
            "default via 1.2.3.5 dev host"
        );
        assert_eq!(line(&route("10.0.0.1/32"), None), "10.0.0.1");
    }

    #[test]
    fn host_bits_are_those_behind_the_prefix() {
        for (text, expected) in [
            ("1.2.3.4/24", true),
            ("1.2.3.0/24", false),
            ("0.0.0.0/0", false),
            ("1.2.3.4/32", false),
            ("128.0.0.0/0", true),
            ("fe80::1/64", true),
            ("fe80::/64", false),
            ("::1/128", false),
        ] {
            assert_eq!(has_host_bits(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn a_default_route_is_of_its_gateways_family_or_the_one_that_is_named() {
        let destination = |line: &str| {
            let ip: super::super::Ip = crate::verbs::tests::parse(line).unwrap();
            match ip.object {
                super::super::Object::Route(Command::Add { destination, .. }) => destination,
                _ => panic!("{line}"),
            }
        };
        for (line, expected) in [
            ("route add default via 1.2.3.4", IpNet::DEFAULT_V4),
            ("route add default via fd00::1", IpNet::DEFAULT_V6),
            ("route add default dev lo", IpNet::DEFAULT_V4),
            ("-6 route add default dev lo", IpNet::DEFAULT_V6),
            ("-4 route add default dev lo", IpNet::DEFAULT_V4),
        ] {
            assert_eq!(destination(line), expected, "{line}");
        }
    }
}
