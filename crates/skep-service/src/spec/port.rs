//! Published ports, in docker's short form `8080-8082:80-82/udp` and its long form
//! `published=8080,target=80,protocol=udp,mode=host`.

use std::{collections::HashMap, str::FromStr};

use crate::{
    api::{PortProtocol, PublishMode, PublishedPort},
    spec::value::{ValueError, fields, is_long_form},
};

const WHAT: &str = "port";

/// How many ports one service, or one stack, may publish. Docker has no such limit; but a port of
/// the swarm is one service's, and there are no more.
pub(crate) const MAX_PORTS: usize = 65_535;

/// What one `--publish` asks for: one port, or each port of a range, in ascending order. A
/// published port of 0 is one that the swarm chooses.
/// It is kept as it was written: a range has up to 65,535 ports, and may be given many times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    first: PublishedPort,
    count: u16,
    /// Whether each published port is one higher than the one before.
    published_rise: bool,
    /// The same of the container's own ports.
    targets_rise: bool,
}

impl Ports {
    fn one(port: PublishedPort) -> Self {
        Self { first: port, count: 1, published_rise: false, targets_rise: false }
    }

    /// How many ports there are.
    pub fn count(&self) -> usize {
        usize::from(self.count)
    }

    /// Each port.
    pub fn iter(&self) -> impl Iterator<Item = PublishedPort> {
        (0..self.count).map(|more| PublishedPort {
            published_port: self.first.published_port + more * u16::from(self.published_rise),
            target_port: self.first.target_port + more * u16::from(self.targets_rise),
            ..self.first.clone()
        })
    }
}

/// Published ports, to be asked whether another one can be published beside them; see [`collide`].
#[derive(Debug, Default)]
pub(crate) struct Claims(HashMap<(u16, PortProtocol), bool>);

impl Claims {
    /// Whether a port cannot be published beside these.
    pub(crate) fn collides(&self, port: &PublishedPort) -> bool {
        let taken = self.0.get(&(port.published_port, port.protocol.clone()));
        taken.is_some_and(|on_every_node| *on_every_node || port.publish_mode != PublishMode::Host)
    }

    pub(crate) fn add(&mut self, port: &PublishedPort) {
        if port.published_port != 0 {
            let key = (port.published_port, port.protocol.clone());
            *self.0.entry(key).or_default() |= port.publish_mode != PublishMode::Host;
        }
    }
}

impl<'p> FromIterator<&'p PublishedPort> for Claims {
    fn from_iter<T: IntoIterator<Item = &'p PublishedPort>>(ports: T) -> Self {
        let mut claims = Self::default();
        ports.into_iter().for_each(|port| claims.add(port));
        claims
    }
}

impl FromStr for Ports {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        if is_long_form(text) { long(text).map(Self::one) } else { short(text) }
    }
}

/// Two ports of one service, or of two, that cannot both be published: same number, same protocol,
/// and at least one of them on every node.
#[cfg(test)]
fn collide(one: &PublishedPort, other: &PublishedPort) -> bool {
    one.published_port != 0
        && one.published_port == other.published_port
        && one.protocol == other.protocol
        && [one, other].iter().any(|port| port.publish_mode != PublishMode::Host)
}

fn port(protocol: PortProtocol, published: u16, target: u16) -> PublishedPort {
    PublishedPort {
        protocol,
        target_port: target,
        published_port: published,
        publish_mode: PublishMode::Ingress,
    }
}

fn long(text: &str) -> Result<PublishedPort, ValueError> {
    let wrong = |fix: String| ValueError::new(WHAT, text, fix);
    let mut found = port(PortProtocol::Tcp, 0, 0);
    for field in fields(WHAT, text)? {
        let field = field.to_lowercase();
        let (key, value) = field
            .split_once('=')
            .ok_or_else(|| wrong(format!("`{field}` must be a key=value pair")))?;
        match key {
            "protocol" => found.protocol = protocol(value, text)?,
            "mode" if PublishMode::WORDS.contains(&value) => found.publish_mode = value.into(),
            "mode" => return Err(wrong(format!("mode `{value}` is neither ingress nor host"))),
            "target" => found.target_port = number(value, text)?,
            "published" => found.published_port = number(value, text)?,
            _ => {
                let known = "target, published, protocol or mode";
                return Err(wrong(format!("`{key}` is not {known}")));
            }
        }
    }
    if found.target_port == 0 {
        return Err(wrong("target=PORT, the container's own port, is missing".into()));
    }
    Ok(found)
}

fn short(text: &str) -> Result<Ports, ValueError> {
    let wrong = |fix: &str| ValueError::new(WHAT, text, fix);
    let (ports, proto) = text.split_once('/').unwrap_or((text, ""));
    let proto = protocol(if proto.is_empty() { "tcp" } else { proto }, text)?;
    let (published, target) = match ports.rsplit_once(':') {
        None => ("", ports),
        Some((published, _)) if published.contains(':') => {
            return Err(wrong("an address cannot be given: a service listens on every node's"));
        }
        Some(both) => both,
    };
    if target.is_empty() {
        return Err(wrong("write TARGET, PUBLISHED:TARGET, or ranges as 8080-8082:80-82"));
    }
    let (first, last) = range(target, text)?;
    if first == 0 {
        return Err(wrong("ports are 1 to 65535"));
    }
    if published.is_empty() {
        let first_port = port(proto, 0, first);
        let count = last - first + 1;
        return Ok(Ports { first: first_port, count, published_rise: false, targets_rise: true });
    }
    let (from, to) = range(published, text)?;
    // Ports from 0 on would be 65,536: the first is none, and the swarm chooses it.
    let Some(count) = (to - from).checked_add(1) else {
        return Err(wrong("ports are 1 to 65535"));
    };
    let first_port = port(proto, from, first);
    if first == last {
        return Ok(Ports { first: first_port, count, published_rise: true, targets_rise: false });
    }
    if to - from != last - first {
        let fix = format!(
            "the ranges {published} and {target} are not equally long ({} and {} ports)",
            u32::from(to - from) + 1,
            u32::from(last - first) + 1
        );
        return Err(wrong(&fix));
    }
    Ok(Ports { first: first_port, count, published_rise: true, targets_rise: true })
}

fn protocol(text: &str, whole: &str) -> Result<PortProtocol, ValueError> {
    match text {
        "tcp" | "TCP" => Ok(PortProtocol::Tcp),
        "udp" | "UDP" => Ok(PortProtocol::Udp),
        "sctp" | "SCTP" => Ok(PortProtocol::Sctp),
        _ => {
            let fix = format!("protocol `{text}` is not tcp, udp or sctp");
            Err(ValueError::new(WHAT, whole, fix))
        }
    }
}

fn number(text: &str, whole: &str) -> Result<u16, ValueError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or_else(|| {
        ValueError::new(WHAT, whole, format!("`{text}` is not a number from 0 to 65535"))
    })
}

/// `80` or `80-82`.
fn range(text: &str, whole: &str) -> Result<(u16, u16), ValueError> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (number(from, whole)?, number(to, whole)?);
    if from > to {
        let fix = format!("the range {text} ends before it begins");
        return Err(ValueError::new(WHAT, whole, fix));
    }
    Ok((from, to))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<String> {
        let ports: Ports = text.parse().unwrap();
        let line = |port: &PublishedPort| {
            let PublishedPort { protocol, target_port, published_port, publish_mode } = port;
            format!("{published_port}:{target_port}/{protocol}/{publish_mode}")
        };
        ports.iter().map(|port| line(&port)).collect()
    }

    #[test]
    fn short_forms_are_dockers() {
        assert_eq!(read("80"), ["0:80/tcp/ingress"]);
        assert_eq!(read("8080:80"), ["8080:80/tcp/ingress"]);
        assert_eq!(read("53:53/udp"), ["53:53/udp/ingress"]);
        assert_eq!(read("8080-8081:80-81"), ["8080:80/tcp/ingress", "8081:81/tcp/ingress"]);
        // A range to one port publishes that port on each of the range, as docker does.
        assert_eq!(read("8080-8081:80"), ["8080:80/tcp/ingress", "8081:80/tcp/ingress"]);
        assert_eq!(read("80-81/sctp"), ["0:80/sctp/ingress", "0:81/sctp/ingress"]);
        assert_eq!(read(":80"), ["0:80/tcp/ingress"]);
    }

    #[test]
    fn long_forms_are_dockers() {
        assert_eq!(read("target=80"), ["0:80/tcp/ingress"]);
        assert_eq!(read("published=8080,target=80,mode=host,protocol=udp"), ["8080:80/udp/host"]);
        assert_eq!(read("PUBLISHED=8080,Target=80,MODE=HOST"), ["8080:80/tcp/host"]);
    }

    #[test]
    fn what_is_no_port_says_why() {
        let error = |text: &str| text.parse::<Ports>().unwrap_err().to_string();
        let all = [
            "",
            "80:",
            "99999:80",
            "a",
            "-1",
            "8082-8080:80",
            "8080-8082:80-81",
            "1.2.3.4:80:80",
            "[::]:80:80",
            "80/icmp",
            "0",
            "published=8080",
            "target=x",
            "target=80,mode=mesh",
            "target=80,protocol=icmp",
            "target=80,host=a",
            "target=80,mode",
            "+80:80",
        ];
        insta::assert_snapshot!(all.map(error).join("\n"));
    }

    #[test]
    fn ports_that_collide() {
        let one = |text: &str| text.parse::<Ports>().unwrap().first;
        assert!(collide(&one("80:1"), &one("80:2")));
        assert!(!collide(&one("80:1"), &one("80:1/udp")));
        assert!(!collide(&one("80"), &one("80")));
        let host = one("target=1,published=80,mode=host");
        assert!(collide(&host, &one("80:2")) && !collide(&host, &host));
    }

    #[test]
    fn json_is_the_engines() {
        let json = |text: &str| text.parse::<Ports>().unwrap().first.to_json().to_string();
        assert_eq!(
            json("8080:80"),
            r#"{"Protocol":"tcp","TargetPort":80,"PublishedPort":8080,"PublishMode":"ingress"}"#
        );
        assert_eq!(json("80"), r#"{"Protocol":"tcp","TargetPort":80,"PublishMode":"ingress"}"#);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "[-0-9:/,=a-z.\\[\\]]{0,24}") {
            if let Ok(ports) = text.parse::<Ports>() {
                prop_assert_eq!(ports.iter().count(), ports.count());
            }
        }

        #[test]
        fn claims_tell_what_collides(texts in prop::collection::vec("[1-3]:1(/udp)?", 1..6), hosts in any::<u8>()) {
            let ports: Vec<_> = texts.iter().zip(0..).map(|(text, bit)| {
                let mut port = text.parse::<Ports>().unwrap().first;
                if hosts >> bit & 1 == 1 {
                    port.publish_mode = PublishMode::Host;
                }
                port
            }).collect();
            let (last, before) = ports.split_last().unwrap();
            let claims: Claims = before.iter().collect();
            prop_assert_eq!(claims.collides(last), before.iter().any(|port| collide(port, last)));
        }

        #[test]
        fn equal_ranges_pair_up(from in 1u16..60000, to in 1u16..60000, more in 1u16..50) {
            let text = format!("{from}-{}:{to}-{}", from + more, to + more);
            let ports: Vec<_> = text.parse::<Ports>().unwrap().iter().collect();
            prop_assert_eq!(ports.len(), usize::from(more) + 1);
            prop_assert!(ports.iter().all(|port| port.published_port - from == port.target_port - to));
        }
    }
}
