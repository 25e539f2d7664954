//! Packages from the mirror that this host is configured with.

use std::{fs, path::Path, time::Duration};

use anyhow::Result;
use skep_process::Program;

use super::Image;
use crate::run::{Work, find_program};

const LONGEST: Duration = Duration::from_secs(5 * 60);

/// Where directories that Debian has merged into `/usr` become links to it.
const MERGED: &str = "/usr/share/mmdebstrap/hooks/merged-usr";

/// The apt settings that decide whether a mirror can be reached and is trusted.
const SETTINGS: [&str; 2] = ["Acquire::Check-Valid-Until", "Acquire::Check-Date"];

/// Extracts an image's packages, and those they depend on, into a tar; nothing is installed.
pub(super) async fn extract(work: &Work, image: &Image, result: &Path) -> Result<()> {
    if find_program("mmdebstrap").is_none() {
        anyhow::bail!("mmdebstrap is not here\n  fix: cargo xtask setup brings it");
    }
    let mut program = Program::new("mmdebstrap")
        .args(["--quiet", "--variant=extract", "--format=tar"])
        .arg(format!("--include={}", image.packages))
        .arg(format!("--hook-dir={MERGED}"))
        .env("LC_ALL", "C.UTF-8");
    for setting in SETTINGS {
        if let Some(value) = setting_of_apt(work, setting).await? {
            program = program.arg(format!("--aptopt={setting} \"{value}\""));
        }
    }
    // mmdebstrap passes apt no other configuration; a proxy may hold a password.
    for (variable, setting) in
        [("http_proxy", "Acquire::http::Proxy"), ("https_proxy", "Acquire::https::Proxy")]
    {
        if let Some(proxy) = setting_of_apt(work, setting).await? {
            let proxy = if proxy.eq_ignore_ascii_case("DIRECT") { "" } else { &proxy };
            program = program.env(variable, proxy).secret(proxy);
        }
    }
    program = program.arg(image.suite).arg(result);
    if let Some(mirror) = mirror(work).await? {
        program = program.arg(format!("deb {mirror} {} main", image.suite));
    }
    program.deadline(work.deadline(LONGEST)).run(&work.cancel).await?;
    Ok(())
}

async fn setting_of_apt(work: &Work, name: &str) -> Result<Option<String>> {
    let (_, output) = work.ask(Program::new("apt-config").args(["shell", "VALUE", name])).await?;
    Ok(shell_value(&output.text()))
}

/// The value in `apt-config shell`'s `VALUE='true'`.
fn shell_value(line: &str) -> Option<String> {
    let value = line.trim().strip_prefix("VALUE='")?.strip_suffix('\'')?;
    Some(value.replace(r"'\''", "'")).filter(|value| !value.is_empty())
}

/// The archive of a Debian host's own release; on other hosts mmdebstrap's default is used.
async fn mirror(work: &Work) -> Result<Option<String>> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let Some(codename) = debian_codename(&release) else { return Ok(None) };
    let format = "$(RELEASE) $(COMPONENT) $(REPO_URI)";
    let program = Program::new("apt-get");
    let program = program.args(["indextargets", "--format", format, "Created-By: Packages"]);
    let (_, output) = work.ask(program).await?;
    Ok(uri_of(&output.text(), &codename))
}

/// The code name of the Debian release that `/etc/os-release` describes.
fn debian_codename(os_release: &str) -> Option<String> {
    let field = |name: &str| {
        let mut values = os_release.lines().filter_map(|line| line.strip_prefix(name));
        values.next().map(|value| value.trim_matches('"').to_owned())
    };
    (field("ID=")? == "debian").then(|| field("VERSION_CODENAME="))?
}

/// The address of the archive that has a release's own suite.
fn uri_of(targets: &str, codename: &str) -> Option<String> {
    let wanted = format!("{codename} main ");
    let mut uris = targets.lines().filter_map(|line| line.strip_prefix(&wanted));
    uris.next().map(|uri| uri.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_own_mirror_is_used() {
        let targets = "trixie-security main http://mirror.example/debian-security/\n\
            trixie contrib http://other.example/debian/\ntrixie main http://mirror.example/debian/\n";
        assert_eq!(uri_of(targets, "trixie").as_deref(), Some("http://mirror.example/debian"));
        assert_eq!(uri_of(targets, "bookworm"), None);
        let debian = "PRETTY_NAME=\"x\"\nVERSION_CODENAME=trixie\nID=debian\n";
        assert_eq!(debian_codename(debian).as_deref(), Some("trixie"));
        assert_eq!(debian_codename("ID=ubuntu\nVERSION_CODENAME=noble\nID_LIKE=debian\n"), None);
    }

    #[test]
    fn a_setting_is_read_as_apt_writes_it() {
        assert_eq!(
            shell_value("VALUE='http://p.example:3128'\n").as_deref(),
            Some("http://p.example:3128")
        );
        assert_eq!(shell_value(r"VALUE='a'\''b'").as_deref(), Some("a'b"));
        assert_eq!(shell_value(""), None);
        assert_eq!(shell_value("VALUE=''"), None);
    }
}
