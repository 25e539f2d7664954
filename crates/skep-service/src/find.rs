//! Finding one object by what a person writes: its identifier, its name, or the beginning of its
//! identifier, looked for in that order, as the engine does.

use std::fmt;

use tokio_util::sync::CancellationToken;

use crate::{
    Services,
    api::{Id, Node, Service},
    error::ServiceError,
};

/// A kind of object, as messages name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A service.
    Service,
    /// A secret.
    Secret,
    /// A config.
    Config,
    /// A network.
    Network,
    /// A node.
    Node,
    /// A stack.
    Stack,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Service => "service",
            Kind::Secret => "secret",
            Kind::Config => "config",
            Kind::Network => "network",
            Kind::Node => "node",
            Kind::Stack => "stack",
        })
    }
}

/// Something with an identifier and a name.
pub trait Named {
    /// Its identifier.
    fn id(&self) -> &Id;
    /// Its name.
    fn name(&self) -> &str;
}

impl Named for Service {
    fn id(&self) -> &Id {
        &self.id
    }
    fn name(&self) -> &str {
        &self.spec.name
    }
}

impl Named for Node {
    fn id(&self) -> &Id {
        &self.id
    }
    fn name(&self) -> &str {
        &self.hostname
    }
}

/// The one object of `all` that `text` means.
///
/// # Errors
/// [`ServiceError::Unknown`], [`ServiceError::Ambiguous`].
pub fn find<'a, T: Named>(kind: Kind, all: &'a [T], text: &str) -> Result<&'a T, ServiceError> {
    let unknown = || ServiceError::Unknown { kind, name: text.into() };
    if text.is_empty() {
        return Err(unknown());
    }
    let exact = all.iter().find(|one| one.id().as_str() == text);
    if let Some(found) = exact.or_else(|| all.iter().find(|one| one.name() == text)) {
        return Ok(found);
    }
    let begin: Vec<_> = all.iter().filter(|one| one.id().as_str().starts_with(text)).collect();
    match begin.as_slice() {
        [] => Err(unknown()),
        [one] => Ok(one),
        several => Err(ServiceError::Ambiguous {
            kind,
            name: text.into(),
            matches: several.iter().map(|one| format!("{} ({})", one.name(), one.id())).collect(),
        }),
    }
}

impl Services {
    /// The service that `text` means.
    ///
    /// # Errors
    /// [`ServiceError::Unknown`], [`ServiceError::Ambiguous`], [`ServiceError::Engine`].
    pub async fn service(
        &self,
        text: &str,
        cancel: &CancellationToken,
    ) -> Result<Service, ServiceError> {
        Ok(find(Kind::Service, &self.list(cancel).await?, text)?.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing(Id, &'static str);

    impl Named for Thing {
        fn id(&self) -> &Id {
            &self.0
        }
        fn name(&self) -> &str {
            self.1
        }
    }

    fn found(text: &str) -> Result<&'static str, String> {
        let things = [("abc1", "web"), ("abe2", "abc1x"), ("xyz3", "abe2"), ("q4", "abc")];
        let things = things.map(|(id, name)| Thing(Id::new(id), name));
        find(Kind::Service, &things, text).map(|found| found.1).map_err(|error| error.to_string())
    }

    #[test]
    fn an_identifier_comes_before_a_name_and_a_name_before_a_beginning() {
        assert_eq!(found("abe2").unwrap(), "abc1x");
        assert_eq!(found("abc").unwrap(), "abc");
        assert_eq!(found("xy").unwrap(), "abe2");
    }

    #[test]
    fn what_is_not_one_thing_is_named() {
        assert_eq!(found("no").unwrap_err(), "no such service: no");
        assert_eq!(found("").unwrap_err(), "no such service: ");
        assert_eq!(
            found("ab").unwrap_err(),
            "service ab is ambiguous (2 matches found: web (abc1), abc1x (abe2)); give the whole ID"
        );
    }
}
