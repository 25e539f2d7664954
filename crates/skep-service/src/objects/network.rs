//! Networks, those of one host included, as an engine lists them.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    Services,
    api::{Id, or_default},
    error::ServiceError,
    find::{Named, find},
    kind::Kind,
    list::filters_json,
    spec::{KeyValue, Label},
};

/// A network.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Network {
    /// Its identifier: 25 characters of a swarm's, 64 hexadecimal digits of a host's.
    pub id: Id,
    pub name: String,
    /// `overlay`, `bridge`
    pub driver: String,
    /// `swarm`, `local`
    pub scope: String,
    pub ingress: bool,
    #[serde(deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
}

impl Named for Network {
    fn id(&self) -> &Id {
        &self.id
    }
    fn name(&self) -> &str {
        &self.name
    }
}

/// A network to be made.
#[derive(Debug, Clone, Default)]
pub struct NewNetwork {
    pub name: String,
    /// `overlay`, `bridge`
    pub driver: String,
    /// Options of the driver: `encrypted`.
    pub options: Vec<KeyValue>,
    pub labels: Vec<Label>,
    pub subnets: Vec<IpNet>,
    /// Parts of subnets that addresses are taken from.
    pub ranges: Vec<IpNet>,
    /// Gateways, each in one of the subnets.
    pub gateways: Vec<std::net::IpAddr>,
    /// Whether there is no way out of it.
    pub internal: bool,
    /// Whether containers that are not a service's may join.
    pub attachable: bool,
    pub ingress: bool,
    pub ipv6: bool,
    /// `swarm`, `local`; empty is the driver's own.
    pub scope: String,
}

/// Why a network cannot be made as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// A gateway or a range outside every subnet.
    #[error("no matching subnet for {what} {value}: give one that holds it with --subnet")]
    NoSubnet {
        /// `gateway`, `range`
        what: &'static str,
        value: String,
    },
    #[error("the subnets {one} and {other} overlap")]
    Overlap { one: IpNet, other: IpNet },
    /// A subnet with two of what it may have once.
    #[error("the subnet {subnet} cannot have more than one {what}")]
    Twice {
        subnet: IpNet,
        /// `gateway`, `range`
        what: &'static str,
    },
}

impl NewNetwork {
    /// The API's JSON.
    pub fn to_json(&self) -> Result<Value, NetworkError> {
        let labels = self.labels.iter().map(|label| (&label.0.key, &label.0.value));
        let options = self.options.iter().map(|pair| (&pair.key, &pair.value));
        Ok(json!({
            "Name": self.name,
            "CheckDuplicate": true,
            "Driver": self.driver,
            "Scope": self.scope,
            "EnableIPv6": self.ipv6,
            "IPAM": { "Driver": "default", "Options": {}, "Config": self.subnets()? },
            "Internal": self.internal,
            "Attachable": self.attachable,
            "Ingress": self.ingress,
            "Options": options.collect::<BTreeMap<_, _>>(),
            "Labels": labels.collect::<BTreeMap<_, _>>(),
        }))
    }

    fn subnets(&self) -> Result<Vec<Value>, NetworkError> {
        let mut configs = Vec::new();
        for (place, subnet) in self.subnets.iter().enumerate() {
            let overlaps = |other: &&IpNet| other.contains(subnet) || subnet.contains(*other);
            if let Some(other) = self.subnets[..place].iter().find(overlaps) {
                return Err(NetworkError::Overlap { one: *other, other: *subnet });
            }
            configs.push(json!({ "Subnet": subnet.to_string() }));
        }
        let ranges =
            self.ranges.iter().map(|range| ("range", "IPRange", range.to_string(), range.addr()));
        let gateways = self
            .gateways
            .iter()
            .map(|address| ("gateway", "Gateway", address.to_string(), *address));
        for (what, key, value, address) in ranges.chain(gateways) {
            let place = self.subnets.iter().position(|subnet| subnet.contains(&address));
            let Some(place) = place else { return Err(NetworkError::NoSubnet { what, value }) };
            if !configs[place][key].is_null() {
                return Err(NetworkError::Twice { subnet: self.subnets[place], what });
            }
            configs[place][key] = value.into();
        }
        Ok(configs)
    }
}

impl Services {
    /// The networks that `filters` (the API's: `driver`, `id`, `label`, `name`, `scope`, `type`) let
    /// through, in the engine's order.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn networks(
        &self,
        filters: &[(&str, &str)],
        cancel: &CancellationToken,
    ) -> Result<Vec<Network>, ServiceError> {
        let filters = filters_json(filters);
        let query: &[(&str, &str)] =
            if filters == "{}" { &[] } else { &[("filters", filters.as_str())] };
        let list = self.engine.get_json("/networks", query, cancel).await;
        list.map_err(ServiceError::of("list the networks"))
    }

    /// The ones that `names` mean, in their order: everything is found before anything is returned.
    ///
    /// # Errors
    /// [`ServiceError::Unknown`], [`ServiceError::Ambiguous`], [`ServiceError::Engine`].
    pub async fn find_networks(
        &self,
        names: &[String],
        cancel: &CancellationToken,
    ) -> Result<Vec<Network>, ServiceError> {
        let all = self.networks(&[], cancel).await?;
        names.iter().map(|name| find(Kind::Network, &all, name).cloned()).collect()
    }

    /// Makes a network of its JSON ([`NewNetwork::to_json`]) and returns its identifier.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn create_network(
        &self,
        new: &Value,
        cancel: &CancellationToken,
    ) -> Result<Id, ServiceError> {
        let action = "create the network";
        let answer = self.engine.post_json("/networks/create", &[], new, cancel).await;
        let answer = answer.map_err(ServiceError::of(action))?;
        let id = answer["Id"].as_str().ok_or(ServiceError::Answer { action, field: "Id" })?;
        Ok(Id::new(id))
    }

    /// A network as the engine returns it, nothing left out.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn inspect_network(
        &self,
        id: &Id,
        cancel: &CancellationToken,
    ) -> Result<Value, ServiceError> {
        let found = self.engine.get_json(&format!("/networks/{id}"), &[], cancel).await;
        found.map_err(ServiceError::of("read the network"))
    }

    /// Removes a network that nothing uses.
    ///
    /// # Errors
    /// [`ServiceError::Engine`].
    pub async fn remove_network(
        &self,
        id: &Id,
        cancel: &CancellationToken,
    ) -> Result<(), ServiceError> {
        let removed = self.engine.delete(&format!("/networks/{id}"), &[], cancel).await;
        removed.map_err(ServiceError::of("remove the network"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(subnets: &[&str], ranges: &[&str], gateways: &[&str]) -> Result<String, String> {
        let network = NewNetwork {
            name: "web".into(),
            driver: "overlay".into(),
            subnets: subnets.iter().map(|text| text.parse().unwrap()).collect(),
            ranges: ranges.iter().map(|text| text.parse().unwrap()).collect(),
            gateways: gateways.iter().map(|text| text.parse().unwrap()).collect(),
            ..NewNetwork::default()
        };
        let json = network.to_json().map_err(|error| error.to_string())?;
        Ok(json["IPAM"]["Config"].to_string())
    }

    #[test]
    fn gateways_and_ranges_go_to_their_subnets() {
        let two = ["10.1.0.0/24", "10.2.0.0/24"];
        assert_eq!(
            network(&two, &["10.2.0.128/25"], &["10.2.0.1", "10.1.0.1"]).unwrap(),
            r#"[{"Subnet":"10.1.0.0/24","Gateway":"10.1.0.1"},{"Subnet":"10.2.0.0/24","IPRange":"10.2.0.128/25","Gateway":"10.2.0.1"}]"#
        );
        assert_eq!(network(&[], &[], &[]).unwrap(), "[]");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let errors = [
            network(&["10.1.0.0/24"], &[], &["10.2.0.1"]),
            network(&[], &["10.2.0.0/25"], &[]),
            network(&["10.1.0.0/16", "10.1.2.0/24"], &[], &[]),
            network(&["10.1.0.0/16"], &[], &["10.1.0.1", "10.1.0.2"]),
        ];
        insta::assert_snapshot!(errors.map(Result::unwrap_err).join("\n"), @r"
        no matching subnet for gateway 10.2.0.1: give one that holds it with --subnet
        no matching subnet for range 10.2.0.0/25: give one that holds it with --subnet
        the subnets 10.1.0.0/16 and 10.1.2.0/24 overlap
        the subnet 10.1.0.0/16 cannot have more than one gateway
        ");
    }
}
