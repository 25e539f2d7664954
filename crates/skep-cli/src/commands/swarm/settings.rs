//! `skep swarm update`, and the settings that `init` and `ca` take too.

use std::{collections::BTreeMap, path::Path};

use skep_read::limit;
use skep_service::spec::value::fields;
use skep_swarm::{ExternalCa, Swarm, SwarmUpdate};

use super::lock::unlock_text;
use crate::{args::swarm::Settings, commands::print, context::Context, failure::Failure};

pub(super) async fn update(
    context: &Context,
    autolock: Option<bool>,
    settings: &Settings,
) -> Result<(), Failure> {
    let update = SwarmUpdate { autolock, ..read(settings)? };
    if update == SwarmUpdate::default() {
        return Err(Failure::usage("nothing to update: say what is to change")
            .with_fix("`skep swarm update --help` lists the settings"));
    }
    update.check()?;
    let swarm = Swarm::new(&context.manager().await?);
    let is_locked_now = swarm.update_swarm(&update, &context.cancel).await?;
    print("Swarm updated.\n")?;
    if is_locked_now && let Some(key) = swarm.unlock_key(&context.cancel).await? {
        print(&unlock_text(&key))?;
    }
    Ok(())
}

/// The settings as they were written; files they name are read.
pub(super) fn read(settings: &Settings) -> Result<SwarmUpdate, Failure> {
    Ok(SwarmUpdate {
        autolock: None,
        cert_expiry: settings.cert_expiry,
        dispatcher_heartbeat: settings.dispatcher_heartbeat,
        external_cas: external_cas(&settings.external_ca)?,
        max_snapshots: settings.max_snapshots,
        snapshot_interval: settings.snapshot_interval,
        task_history_limit: settings.task_history_limit,
    })
}

/// External authorities, if any were given.
pub(super) fn external_cas(specs: &[String]) -> Result<Option<Vec<ExternalCa>>, Failure> {
    let all = specs.iter().map(|spec| external_ca(spec)).collect::<Result<Vec<_>, _>>()?;
    Ok((!all.is_empty()).then_some(all))
}

fn external_ca(spec: &str) -> Result<ExternalCa, Failure> {
    let wrong = |text: String| Failure::usage(format!("--external-ca {spec}: {text}"));
    let (mut protocol, mut url, mut ca_cert) = (None, None, None);
    let mut options = BTreeMap::new();
    for field in fields("external CA", spec).map_err(|error| Failure::usage(error.to_string()))? {
        let Some((key, value)) = field.split_once('=') else {
            return Err(wrong(format!("invalid field '{field}' must be a key=value pair")));
        };
        match key.to_lowercase().as_str() {
            "protocol" if value.eq_ignore_ascii_case("cfssl") => {
                protocol = Some("cfssl".to_owned());
            }
            "protocol" => {
                return Err(wrong(format!(
                    "unrecognized external CA protocol {value}: write cfssl"
                )));
            }
            "url" => url = Some(value.to_owned()),
            "cacert" => ca_cert = Some(pem("--external-ca cacert", Path::new(value))?),
            _ => drop(options.insert(key.to_owned(), value.to_owned())),
        }
    }
    let needs = |name: &str| wrong(format!("the external-ca option needs a {name}= parameter"));
    Ok(ExternalCa {
        protocol: protocol.ok_or_else(|| needs("protocol"))?,
        url: url.filter(|url| !url.is_empty()).ok_or_else(|| needs("url"))?,
        ca_cert,
        options,
    })
}

/// A file of PEM. What is in it is never shown.
pub(super) fn pem(flag: &str, path: &Path) -> Result<String, Failure> {
    let wrong = |text: String| Failure::usage(format!("{flag} {}: {text}", path.display()));
    let text =
        skep_read::text(path, limit::CERTIFICATES).map_err(|error| wrong(error.to_string()))?;
    if text.contains("-----BEGIN ") && text.contains("-----END ") {
        Ok(text)
    } else {
        Err(wrong("file contents must be in PEM format".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_external_authority_is_written_as_for_docker() {
        let directory = tempfile::tempdir().unwrap();
        let cert = directory.path().join("ca.pem");
        std::fs::write(&cert, "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n").unwrap();
        let spec = format!("protocol=CFSSL,url=https://ca,cacert={},label=x", cert.display());
        let ca = external_ca(&spec).unwrap();
        assert_eq!((ca.protocol.as_str(), ca.url.as_str()), ("cfssl", "https://ca"));
        assert!(ca.ca_cert.unwrap().starts_with("-----BEGIN"));
        assert_eq!(ca.options["label"], "x");
        for (spec, wrong) in [
            ("url=https://ca", "needs a protocol= parameter"),
            ("protocol=cfssl", "needs a url= parameter"),
            ("protocol=acme,url=x", "unrecognized external CA protocol acme"),
            ("cfssl", "must be a key=value pair"),
            ("protocol=cfssl,url=x,cacert=/nowhere", "/nowhere"),
            ("protocol=cfssl,url=x,cacert=/dev/null", "it is a device"),
        ] {
            let error = external_ca(spec).unwrap_err();
            assert!(error.message.text.contains(wrong), "{spec}: {}", error.message.text);
        }
    }
}
