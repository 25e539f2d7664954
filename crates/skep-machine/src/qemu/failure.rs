//! Why QEMU did not start, from what it printed.

use skep_model::{Advice, Port, Protocol, Reason};

use super::addresses::{ALWAYS, OUTER};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// QEMU could not get this port at the machine's host address.
    Port(Port),
    Running,
    /// Another process has the port of the multicast group.
    Group,
    /// Anything else: what it is and what to do, as the end of a sentence.
    Other(Reason),
}

pub(super) fn explain(stderr: &str) -> Failure {
    let lines = || stderr.lines().map(str::trim).filter(|line| !line.contains(": warning: "));
    let find = |text: &str| lines().find(|line| line.contains(text));
    let other = |text: String| Failure::Other(text.into());

    if find("Cannot lock pid file").is_some() {
        return Failure::Running;
    }
    if let Some(port) = find("Could not set up host forwarding rule").and_then(refused_port) {
        return Failure::Port(port);
    }
    if find("can't bind ip=").is_some_and(|line| line.contains("in use")) {
        return Failure::Group;
    }
    if let Some(line) = find("No space left on device") {
        return other(format!("the disk is full ({}): make room and start it again", brief(line)));
    }
    if find("Failed to get \"write\" lock").is_some() {
        return other(
            "another program has its disk open: `fuser` on its data.img shows which".into(),
        );
    }
    if let Some(line) = find("No such file or directory").or_else(|| find("Permission denied")) {
        if line.contains("KVM") || line.contains("kvm") {
            return other(format!("KVM cannot be used ({}): choose --accel auto", brief(line)));
        }
        return other(format!("one of its files cannot be opened ({})", brief(line)));
    }
    if let Some(line) = lines().find(|line| accelerator_gave_up(line)) {
        return other(format!("the accelerator gave up ({}): choose --accel tcg", brief(line)));
    }
    if let Some(line) = find("failed to set MSR").or_else(|| find("kvm")) {
        return other(format!("KVM does not work here ({}): choose --accel auto", brief(line)));
    }
    if find("invalid accelerator").is_some() {
        return other("this QEMU does not have the accelerator: choose --accel auto".into());
    }
    if let Some(line) = find("Parameter 'type' does not accept value") {
        let kind = line.rsplit('\'').nth(1).unwrap_or_default();
        return other(format!(
            "this QEMU was built without the network `{kind}`: take your distribution's package"
        ));
    }
    if find("cannot set up guest memory").is_some() {
        return other("there is not that much memory: give it less with --memory".into());
    }
    if find("bridge helper failed").is_some() {
        let why = lines().next().map(brief).unwrap_or_default();
        let text = format!("it was not let onto the bridge ({why})");
        return Failure::Other(Reason::new(text, Advice::Diagnose(None)));
    }
    // Usually the last line says most; lines below it that are indented or hints belong to it.
    let last = lines().rfind(|line| !line.is_empty()).map(brief);
    other(match last {
        Some(line) => format!("QEMU says: {line}"),
        None => "QEMU ended without a word".into(),
    })
}

/// Whether this is what QEMU says when KVM cannot execute a guest's next instruction. It goes on
/// then, but its guest never does.
pub(super) fn accelerator_gave_up(line: &str) -> bool {
    let signs = ["KVM internal error", "KVM: entry failed", "kvm run failed"];
    signs.iter().any(|sign| line.contains(sign))
}

/// The port in `… rule 'tcp:127.64.1.100:2222-198.51.100.15:22'`.
fn refused_port(line: &str) -> Option<Port> {
    let rule = line.rsplit('\'').nth(1)?;
    let (protocol, rest) = rule.split_once(':')?;
    let (host, machine) = rest.split_once('-')?;
    let port = |text: &str| text.rsplit(':').next()?.parse().ok();
    Some(Port {
        host: port(host)?,
        machine: port(machine)?,
        protocol: if protocol == "udp" { Protocol::Udp } else { Protocol::Tcp },
    })
}

/// A line without the program's name, and without the argument it complains about.
fn brief(line: &str) -> String {
    let line = match line.split_once(": ") {
        Some((program, rest)) if program.contains("qemu") => rest,
        _ => line,
    };
    match line.split_once(": ") {
        Some((argument, rest)) if argument.starts_with('-') => rest.to_owned(),
        _ => line.to_owned(),
    }
}

/// The ports of `info usernet` that lead into the machine from `host`:
///
/// ```text
///   Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ
///   TCP[HOST_FORWARD]  14    127.64.0.100  8080   198.51.100.15    80     0     0
/// ```
pub(super) fn parse_forwards(text: &str, host: std::net::Ipv4Addr) -> Vec<Port> {
    let (host, machine) = (host.to_string(), OUTER.machine.to_string());
    let parse = |line: &str| {
        let mut fields = line.split_whitespace();
        let protocol = match fields.next()? {
            "TCP[HOST_FORWARD]" => Protocol::Tcp,
            "UDP[HOST_FORWARD]" => Protocol::Udp,
            _ => return None,
        };
        (fields.nth(1)? == host).then_some(())?;
        let outside = fields.next()?.parse().ok()?;
        (fields.next()? == machine).then_some(())?;
        Some(Port { host: outside, machine: fields.next()?.parse().ok()?, protocol })
    };
    text.lines().filter_map(parse).collect()
}

/// Whether a port is one of those that every machine answers on.
pub(super) fn is_own(port: &Port) -> bool {
    ALWAYS.contains(port)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn other(stderr: &str) -> String {
        match explain(stderr) {
            Failure::Other(Reason { text, advice: None }) => text,
            Failure::Other(Reason { text, advice: Some(advice) }) => format!("{text}; {advice:?}"),
            failure => panic!("{failure:?}"),
        }
    }

    /// What QEMU 10.0.2 prints.
    #[test]
    fn what_qemu_prints_is_understood() {
        let rule = "qemu-system-x86_64: -netdev user,id=h,hostfwd=tcp:127.64.1.100:2222-198.51.100.15:22,net=198.51.100.0/24: Could not set up host forwarding rule 'tcp:127.64.1.100:2222-198.51.100.15:22'";
        assert_eq!(explain(rule), Failure::Port("2222:22".parse().unwrap()));
        assert!(is_own(&"2222:22".parse().unwrap()));
        let lock = "qemu-system-x86_64: cannot create PID file: Cannot lock pid file: Resource temporarily unavailable";
        assert_eq!(explain(lock), Failure::Running);
        let group = "qemu-system-x86_64: -netdev socket,id=c,mcast=239.1.2.3:7777,localaddr=127.0.0.1: can't bind ip=239.1.2.3 to socket: Address already in use";
        assert_eq!(explain(group), Failure::Group);

        let told = [
            "qemu-system-x86_64: -device virtio-blk-pci,drive=base: Failed to get \"write\" lock\nIs another process using the image [d.img]?",
            "qemu-system-x86_64: -accel kvm: Could not access KVM kernel module: Permission denied\nqemu-system-x86_64: -accel kvm: failed to initialize kvm: Permission denied",
            "qemu-system-x86_64: error: failed to set MSR 0x10a to 0xc000069\nqemu-system-x86_64: target/i386/kvm/kvm.c:3849: kvm_buf_set_msrs: Assertion `ret == cpu->kvm_msr_buf->nmsrs' failed.",
            "KVM internal error. Suberror: 1\nextra data[0]: 0x0000000000000001\nEAX=00000000 EBX=00000000",
            "qemu-system-x86_64: -accel hvf: invalid accelerator hvf",
            "qemu-system-x86_64: -netdev user,id=x: Parameter 'type' does not accept value 'user'",
            "failed to parse default acl file `/etc/qemu/bridge.conf'\nqemu-system-x86_64: -netdev bridge,id=x,br=br0: bridge helper failed",
            "qemu-system-x86_64: -blockdev driver=raw,node-name=base,read-only=on,file.driver=file,file.filename=/no/base: Could not open '/no/base': No such file or directory",
            "qemu: could not open kernel file '/no/kernel': No such file or directory",
            "qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory",
            "qemu-system-x86_64: cannot create PID file: Failed to write pid file: No space left on device",
            "qemu-system-x86_64: warning: host doesn't support requested feature: CPUID.01H:ECX.pni [bit 0]\nqemu-system-x86_64: -m 1x: Parameter 'size' expects a size",
            "",
        ]
        .map(other);
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn forwards_are_read_from_the_monitors_table() {
        let text = "Hub -1 (outer):\r
  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r
  TCP[ESTABLISHED]   25   198.51.100.15 43210       192.0.2.1   443     0     0\r
  TCP[HOST_FORWARD]  15    127.64.1.100  2376   198.51.100.15  2376     0     0\r
  TCP[HOST_FORWARD]  14    127.64.1.100  2222   198.51.100.15    22     0     0\r
  UDP[HOST_FORWARD]  16    127.64.1.100    53   198.51.100.15    53     0     0\r
  TCP[HOST_FORWARD]  17    127.64.1.101  8080   198.51.100.15    80     0     0\r\n";
        let found = parse_forwards(text, "127.64.1.100".parse().unwrap());
        let wanted = ["2376", "2222:22", "53/udp"].map(|port| port.parse::<Port>().unwrap());
        assert_eq!(found, wanted);
    }

    proptest! {
        #[test]
        fn any_output_has_an_explanation(text in "\\PC{0,200}") {
            explain(&text);
            parse_forwards(&text, OUTER.machine);
        }

        #[test]
        fn any_refused_rule_gives_its_port(host in 1u16.., machine in 1u16.., udp: bool) {
            let protocol = if udp { Protocol::Udp } else { Protocol::Tcp };
            let port = Port { host, machine, protocol };
            let rule = super::super::addresses::forward("127.64.1.100".parse().unwrap(), &port);
            let line = format!("qemu: -netdev user: Could not set up host forwarding rule '{rule}'");
            prop_assert_eq!(explain(&line), Failure::Port(port));
        }
    }
}
