//! What the driver looks at before anything is touched.

use std::{
    io::{Read as _, Seek as _, SeekFrom},
    path::Path,
};

use skep_model::{Advice, Check, Size};
use tokio_util::sync::CancellationToken;

use super::{
    Iso, Options, Os, Share, VirtualBoxDriver,
    failure::{HOW_TO_INSTALL, VBoxError},
    making::{MEMORY, options},
    network::There,
    options::{NIC_TYPES, PROMISCUOUS_MODES, UI_TYPES, nic_type},
    parse::{self, Hostinfo},
    program::{Call, Found},
    record::{Cluster, Wire},
    version::{NEWEST, OLDEST},
};
use crate::{
    DriverOptions, MachineError, Request,
    host::{self, HostRoot},
    limits::{self, Bounds, Flags},
};

/// The least memory a machine with skep's guest can be a swarm node with, in bytes.
const LEAST_MEMORY: u64 = 512 << 20;
const LEAST_MEMORY_EVER: u64 = 4 << 20;
/// The smallest disk skep's guest takes for one, in bytes.
const LEAST_DISK: u64 = 2 << 30;
/// The biggest disk VirtualBox has, in bytes: `VBoxManage list systemproperties`, "Virtual disk
/// limit (info)".
const MOST_DISK: u64 = (2 << 40) - (1 << 20);
const MOST_CPUS: u32 = 64;
/// What a machine takes on this host's disk until its swarm is ready, in bytes.
const DISK_PER_MACHINE: u64 = 200 << 20;

pub(super) async fn look(
    driver: &VirtualBoxDriver,
    request: &Request,
    cancel: &CancellationToken,
) -> Vec<Check> {
    let found = match driver.vbox.find(cancel).await {
        Ok(found) => found,
        Err(error) => return vec![absent(&error)],
    };
    let host = HostRoot::new(&driver.host.root);
    let mut checks = vec![version(found)];
    checks.extend(found.warning.as_deref().map(module));
    let options = options(&request.options);
    if let Some(vm) = &options.vm {
        checks.push(existing(driver, "machine to take over", vm, cancel).await);
        return checks;
    }
    let asked = driver.vbox.run(Call::new(["list", "hostinfo"]), cancel).await;
    let info = match asked {
        Ok(text) => parse::hostinfo(&text),
        Err(error) => {
            checks.push(Check::fail("VirtualBox", "it does not answer", error.reason().text));
            return checks;
        }
    };
    if !options.no_vtx_check {
        checks.push(virtualization(&info, driver.host.os, &cpu_flags(&host)));
    }
    checks.extend(words(&options));
    let flags = match request.options {
        DriverOptions::Virtualbox(Some(_)) => Flags::VIRTUALBOX,
        _ => Flags::ALL_DRIVERS,
    };
    checks.extend(size(request.size, flags, &options.iso, &info));
    checks.extend(request.publish.iter().copied().filter_map(limits::same_port));
    checks.extend(image(driver, &options));
    checks.extend(shared(&options.share, &options.iso));
    if let Some(vm) = &options.import_vm {
        checks.push(existing(driver, "machine to import", vm, cancel).await);
    }
    if request.new_network || request.new_machines > 0 {
        checks.extend(network(driver, request, &options, cancel).await);
    }
    let machines = request.new_machines as u64;
    checks.extend(host::disk(driver.shelf.layout.root(), machines * DISK_PER_MACHINE));
    checks.extend(host.memory(
        machines.saturating_mul(request.size.memory.unwrap_or(MEMORY)),
        "close something, make fewer machines, or give each less memory",
    ));
    checks
}

fn absent(error: &VBoxError) -> Check {
    match error {
        VBoxError::Missing => Check::fail("VirtualBox", "there is no VBoxManage", HOW_TO_INSTALL),
        error => Check::fail("VirtualBox", "VBoxManage does not answer", error.reason().text),
    }
}

fn version(found: &Found) -> Check {
    let what = format!("{} {}", found.program.display(), found.version);
    if found.version < OLDEST {
        let fix = format!("6.1 or newer is needed: {HOW_TO_INSTALL}");
        Check::fail("VirtualBox", what, fix)
    } else if found.version > NEWEST {
        let fix = "nothing, if it works: it was tried with 6.1 to 7.2";
        Check::warn("VirtualBox", what, fix)
    } else {
        Check::pass("VirtualBox", what)
    }
}

fn module(warning: &str) -> Check {
    let fix = "`sudo /sbin/vboxconfig` builds and loads it; on Debian `apt-get install \
               virtualbox-dkms` with the kernel's headers";
    Check::fail("VirtualBox's kernel module", warning, fix)
}

/// The flags of the first processor, on Linux.
fn cpu_flags(host: &HostRoot) -> String {
    let text = host.text("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("flags"));
    line.and_then(|line| line.split_once(':')).map_or(String::new(), |(_, flags)| flags.to_owned())
}

/// VirtualBox's own word counts; the processor's flags show why it is no.
fn virtualization(info: &Hostinfo, os: Os, flags: &str) -> Check {
    const WHAT: &str = "hardware virtualization";
    let flag = flags.split_whitespace().find(|flag| ["vmx", "svm"].contains(flag));
    match (info.virtualization, flag) {
        (Some(true), _) => Check::pass(WHAT, "VT-x or AMD-V"),
        (None, Some(flag)) => Check::pass(WHAT, format!("the processor's flag {flag}")),
        (_, None) if os == Os::Windows => Check::fail(
            WHAT,
            "VirtualBox cannot use it: it is off in the firmware, or Hyper-V has it",
            "switch it on in the firmware's settings; as administrator `bcdedit /set \
             hypervisorlaunchtype off` and restart; or --virtualbox-no-vtx-check",
        ),
        (_, Some(flag)) => Check::fail(
            WHAT,
            format!("the processor has it ({flag}), and VirtualBox cannot use it"),
            "switch VT-x or AMD-V on in the firmware's settings, end other hypervisors, load \
             VirtualBox's kernel module; or --virtualbox-no-vtx-check",
        ),
        (_, None) => Check::fail(
            WHAT,
            "this host has no VT-x or AMD-V, or its firmware has switched it off",
            "switch it on in the firmware's settings; in a virtual machine allow nested \
             virtualization; or --virtualbox-no-vtx-check",
        ),
    }
}

/// Options that are words.
fn words(options: &Options) -> Vec<Check> {
    let one_of = |what: &str, given: &str, known: &[&str], flag: &str| {
        let fix = format!("give {flag} one of: {}", known.join(", "));
        Check::fail(what, format!("there is no `{given}`"), fix)
    };
    let mut checks = Vec::new();
    for (given, what, flag) in [
        (&options.nat_nic, "type of the NAT card", "--virtualbox-nat-nictype"),
        (&options.host_only_nic, "type of the host-only card", "--virtualbox-hostonly-nictype"),
    ] {
        if nic_type(given).is_none() {
            checks.push(one_of(what, given, &NIC_TYPES, flag));
        }
    }
    let given = &*options.host_only_promiscuous;
    if !PROMISCUOUS_MODES.contains(&given) {
        let flag = "--virtualbox-hostonly-nicpromisc";
        checks.push(one_of("promiscuous mode", given, &PROMISCUOUS_MODES, flag));
    }
    if !UI_TYPES.contains(&&*options.ui) {
        checks.push(one_of("kind of window", &options.ui, &UI_TYPES, "--virtualbox-ui-type"));
    }
    checks
}

/// Sizes that no machine can have.
fn size(size: Size, flags: Flags, iso: &Iso, info: &Hostinfo) -> Vec<Check> {
    let is_skep = *iso == Iso::Skep;
    let mut checks = Vec::new();
    let memory = Bounds {
        least: if is_skep { LEAST_MEMORY } else { LEAST_MEMORY_EVER },
        most: info.memory.map(|all| (all, limits::ALL_MEMORY)),
    };
    checks.extend(flags.memory(size.memory, memory));
    let all = info.processors.unwrap_or(MOST_CPUS).clamp(1, MOST_CPUS);
    checks.extend(flags.cpus(size.cpus.filter(|&cpus| cpus == 0 || cpus > MOST_CPUS), all));
    if let Some(cpus) = size.cpus.filter(|&cpus| (all + 1..=MOST_CPUS).contains(&cpus)) {
        let fix = format!("this host has {all}: more make it slower");
        checks.push(Check::warn("processors of a machine", cpus.to_string(), fix));
    }
    let disk = Bounds {
        least: if is_skep { LEAST_DISK } else { 1 << 20 },
        most: Some((MOST_DISK, "VirtualBox has no bigger ones")),
    };
    checks.extend(flags.disk(size.disk, disk));
    checks
}

fn image(driver: &VirtualBoxDriver, options: &Options) -> Vec<Check> {
    if let Iso::Boot2docker(path) = &options.iso {
        return vec![iso(path)];
    }
    if let Some(path) = &driver.given_iso {
        return vec![iso(path)];
    }
    match (driver.os)() {
        Err(error) => {
            let fix =
                "run skep on Debian or Ubuntu, or name an ISO with --virtualbox-boot2docker-url";
            vec![Check::fail("guest system", error.to_string(), fix)]
        }
        Ok(os) if matches!(os.cached_iso(), Ok(Some(_))) => Vec::new(),
        Ok(os) => os.preflight_iso(),
    }
}

/// Whether a file is an ISO 9660 volume, by its first descriptor.
fn iso(path: &Path) -> Check {
    const WHAT: &str = "ISO";
    const DESCRIPTOR: u64 = 32_768;
    let name = path.display().to_string();
    let read = || {
        let mut file = skep_read::open(path)?;
        file.seek(SeekFrom::Start(DESCRIPTOR + 1))?;
        let mut magic = [0; 5];
        file.read_exact(&mut magic)?;
        Ok::<_, std::io::Error>(magic)
    };
    let fix = "name another with --virtualbox-boot2docker-url";
    match read() {
        Ok(magic) if &magic == b"CD001" => Check::pass(WHAT, name),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Check::fail(WHAT, format!("there is no {name}"), fix)
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Check::fail(WHAT, format!("{name} cannot be read"), fix)
        }
        _ => Check::fail(WHAT, format!("{name} is not an ISO image, or is cut short"), fix),
    }
}

fn shared(share: &Share, iso: &Iso) -> Option<Check> {
    const WHAT: &str = "shared directory";
    let Share::Directory { path, .. } = share else { return None };
    if !path.is_dir() {
        let fix = "make it, or name another with --virtualbox-share-folder";
        return Some(Check::fail(WHAT, format!("no {}", path.display()), fix));
    }
    let found = "skep's own guest cannot mount it";
    (*iso == Iso::Skep).then(|| Check::warn(WHAT, found, Advice::CopyFiles))
}

async fn existing(
    driver: &VirtualBoxDriver,
    what: &str,
    vm: &str,
    cancel: &CancellationToken,
) -> Check {
    let fix = "`VBoxManage list vms` shows which there are";
    match driver.vm(vm, cancel).await {
        Ok(Some(found)) => Check::pass(what, format!("{} {}", found.name, found.uuid)),
        Ok(None) => Check::fail(what, format!("VirtualBox has no machine {vm}"), fix),
        Err(error) => Check::fail(what, vm, error.reason().text),
    }
}

/// The host-only network: the cluster's own, or the one it would get.
async fn network(
    driver: &VirtualBoxDriver,
    request: &Request,
    options: &Options,
    cancel: &CancellationToken,
) -> Vec<Check> {
    const WHAT: &str = "host-only network";
    let (there, allowed) = match (driver.host_only(cancel).await, driver.allowed(cancel).await) {
        (Ok(there), Ok(allowed)) => (there, allowed),
        (Err(error), _) | (_, Err(error)) => {
            return vec![Check::fail(WHAT, "VirtualBox does not list any", error.reason().text)];
        }
    };
    let record = match driver.shelf.read_cluster::<Cluster>(&request.cluster) {
        Ok(record) => record,
        Err(error) => return vec![Check::fail(WHAT, error.to_string(), "remove the file")],
    };
    let is_given = matches!(request.options, DriverOptions::Virtualbox(Some(_)));
    let wanted = request.subnet.or_else(|| is_given.then(|| options.host_only.trunc()));
    let chosen = match record {
        Some(record) if request.subnet.is_none_or(|wanted| wanted == record.subnet) => {
            Ok((record.subnet, Some(record.wire)))
        }
        // One of an earlier try is gone before another one is made.
        _ => driver.choose(&request.cluster, wanted, &there, allowed.as_ref()),
    };
    let fix = "name another with --subnet, or --virtualbox-hostonly-cidr for a single machine";
    let mut checks = Vec::new();
    match chosen {
        Ok((net, Some(wire))) => {
            checks.push(Check::pass(WHAT, format!("{net} on {}", wire.name())));
            checks.extend(dynamic(driver, &wire, &there, cancel).await);
            if let (Iso::Boot2docker(_), Wire::Net(_)) = (&options.iso, &wire) {
                let found = "boot2docker gets whatever address macOS gives it";
                checks.push(Check::warn(WHAT, found, "take skep's own guest"));
            }
        }
        Ok((net, None)) => checks.push(Check::pass(WHAT, format!("{net}, to be made"))),
        Err(MachineError::Subnet { subnet, reason }) => {
            match reason.rsplit_once(": add the line") {
                Some((found, line)) => {
                    let fix = format!("add the line{line}; or {fix}");
                    checks.push(Check::fail(WHAT, format!("{subnet}: {found}"), fix));
                }
                None => checks.push(Check::fail(WHAT, format!("{subnet}: {reason}"), fix)),
            }
        }
        Err(error) => checks.push(Check::fail(WHAT, error.to_string(), fix)),
    }
    checks
}

/// A foreign DHCP server may give a machine's address to another.
async fn dynamic(
    driver: &VirtualBoxDriver,
    wire: &Wire,
    there: &[There],
    cancel: &CancellationToken,
) -> Option<Check> {
    let net = there.iter().find(|one| one.wire == *wire)?.address?;
    let text = driver.vbox.run(Call::new(["list", "dhcpservers"]), cancel).await.ok()?;
    let network = wire.network();
    let server = parse::dhcpservers(&text).into_iter().find(|it| it.network == network)?;
    let gives = server.gives?;
    let is_ours = |address: &std::net::Ipv4Addr| net.contains(address);
    let machines = (0..crate::subnet::MAX_MACHINES)
        .filter_map(|place| crate::subnet::machine_address(net.trunc(), place));
    let overlaps = machines.filter(is_ours).any(|address| gives.contains(&address));
    (server.is_enabled && overlaps).then(|| {
        Check::warn(
            "addresses",
            format!(
                "the DHCP server of {} gives away {} to {}",
                wire.name(),
                gives.start(),
                gives.end()
            ),
            format!(
                "if other machines are on it: `VBoxManage dhcpserver modify --network {network} \
                 --lower-ip {} --upper-ip {}`",
                super::network::host(net, 200),
                super::network::host(net, 254)
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use skep_model::Verdict;

    use super::*;

    fn told(checks: impl IntoIterator<Item = Check>) -> String {
        let line = |check: Check| {
            format!(
                "{:?} {}: {}; {}\n",
                check.verdict,
                check.what,
                check.found,
                check.fix.words().unwrap()
            )
        };
        checks.into_iter().map(line).collect()
    }

    #[test]
    fn words_that_are_none_are_refused_with_those_that_are() {
        assert_eq!(words(&Options::default()), []);
        let fine = Options { nat_nic: "am79c973".into(), ..Options::default() };
        assert_eq!(words(&fine), []);
        let options = Options {
            nat_nic: "rtl8139".into(),
            host_only_nic: "nosuch".into(),
            host_only_promiscuous: "sometimes".into(),
            ui: "web".into(),
            ..Options::default()
        };
        insta::assert_snapshot!(told(words(&options)), @r"
        Fail type of the NAT card: there is no `rtl8139`; give --virtualbox-nat-nictype one of: Am79C973, Am79C970A, 82540EM, 82543GC, 82545EM, virtio, usbnet
        Fail type of the host-only card: there is no `nosuch`; give --virtualbox-hostonly-nictype one of: Am79C973, Am79C970A, 82540EM, 82543GC, 82545EM, virtio, usbnet
        Fail promiscuous mode: there is no `sometimes`; give --virtualbox-hostonly-nicpromisc one of: deny, allow-vms, allow-all
        Fail kind of window: there is no `web`; give --virtualbox-ui-type one of: gui, sdl, headless, separate
        ");
    }

    #[test]
    fn a_size_that_is_none_is_refused_with_what_to_give() {
        let info = Hostinfo { memory: Some(4 << 30), processors: Some(2), ..Hostinfo::default() };
        let of = |memory, cpus, disk, iso| {
            told(size(Size { memory, cpus, disk }, Flags::VIRTUALBOX, iso, &info))
        };
        assert_eq!(of(Some(1 << 30), Some(2), Some(4 << 30), &Iso::Skep), "");
        let b2d = Iso::Boot2docker("/b2d.iso".into());
        assert_eq!(of(Some(256 << 20), None, Some(64 << 20), &b2d), "");
        insta::assert_snapshot!(
            [
                of(Some(0), Some(0), Some(64 << 20), &Iso::Skep),
                of(Some(0), Some(65), None, &b2d),
                of(Some(8 << 30), Some(4), None, &Iso::Skep),
            ]
            .concat(),
            @r"
        Fail memory of a machine: 0 MB; give at least --virtualbox-memory 512
        Fail processors of a machine: 0; give --virtualbox-cpu-count 1 to 2
        Fail disk of a machine: 64 MB; give at least --virtualbox-disk-size 2048
        Fail memory of a machine: 0 MB; give at least --virtualbox-memory 4
        Fail processors of a machine: 65; give --virtualbox-cpu-count 1 to 2
        Fail memory of a machine: 8192 MB; this host has no more: give at most --virtualbox-memory 4096
        Warn processors of a machine: 4; this host has 2: more make it slower
        "
        );
    }

    #[test]
    fn why_there_is_no_virtualization_is_told_apart() {
        let no = Hostinfo { virtualization: Some(false), ..Hostinfo::default() };
        let yes = Hostinfo { virtualization: Some(true), ..Hostinfo::default() };
        let verdict = |info: &Hostinfo, os, flags| virtualization(info, os, flags).verdict;
        assert_eq!(verdict(&yes, Os::Linux, ""), Verdict::Pass);
        assert_eq!(verdict(&Hostinfo::default(), Os::Linux, "fpu vmx sse"), Verdict::Pass);
        assert_eq!(verdict(&Hostinfo::default(), Os::Linux, "fpu"), Verdict::Fail);
        assert!(virtualization(&no, Os::Linux, "svm").found.contains("has it (svm)"));
        assert!(virtualization(&no, Os::Linux, "fpu").found.contains("no VT-x"));
        assert!(virtualization(&no, Os::Windows, "").found.contains("Hyper-V"));
    }

    #[test]
    fn only_an_iso_is_one() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("b2d.iso");
        assert!(iso(&path).found.starts_with("there is no "));
        fs_err::write(&path, vec![0; 40_000]).unwrap();
        assert!(iso(&path).found.ends_with("is not an ISO image, or is cut short"));
        let mut volume = vec![0; 40_000];
        volume[32_769..32_774].copy_from_slice(b"CD001");
        fs_err::write(&path, &volume).unwrap();
        assert_eq!(iso(&path).verdict, Verdict::Pass);
        fs_err::write(&path, &volume[..1000]).unwrap();
        assert_eq!(iso(&path).verdict, Verdict::Fail);
    }
}
