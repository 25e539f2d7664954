//! What it prints about itself and the host.

use super::field;

/// Splits off the warnings that a distribution's wrapper prints before everything else when the
/// kernel module is missing. They are on standard output, with an exit status of 0.
pub(in crate::virtualbox) fn split_warning(text: &str) -> (Option<String>, &str) {
    let mut rest = text;
    let mut warning: Vec<&str> = Vec::new();
    while rest.starts_with("WARNING:") {
        let mut is_first = true;
        while let Some(line) = rest.lines().next() {
            let continues = line.trim().is_empty() || line.starts_with([' ', '\t']);
            if !is_first && !continues {
                break;
            }
            is_first = false;
            warning.push(line.trim().trim_start_matches("WARNING:").trim());
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        }
    }
    warning.retain(|line| !line.is_empty());
    ((!warning.is_empty()).then(|| warning.join(" ")), rest)
}

/// What `list hostinfo` says of the host; `None` where it does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::virtualbox) struct Hostinfo {
    /// Whether VirtualBox can use the processor's virtualization.
    pub(in crate::virtualbox) virtualization: Option<bool>,
    pub(in crate::virtualbox) processors: Option<u32>,
    /// All of its memory, in bytes.
    pub(in crate::virtualbox) memory: Option<u64>,
    /// The memory that is left, in bytes.
    pub(in crate::virtualbox) available: Option<u64>,
}

pub(in crate::virtualbox) fn hostinfo(text: &str) -> Hostinfo {
    let mut info = Hostinfo::default();
    let megabytes =
        |value: &str| value.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1 << 20);
    for line in text.lines() {
        if let Some(value) = field(line, "Processor supports HW virtualization") {
            info.virtualization = Some(value == "yes");
        } else if let Some(value) = field(line, "Processor online count") {
            info.processors = value.parse().ok();
        } else if let Some(value) = field(line, "Memory size") {
            info.memory = megabytes(value);
        } else if let Some(value) = field(line, "Memory available") {
            info.available = megabytes(value);
        }
    }
    info
}

#[cfg(test)]
mod tests {
    use super::{super::stdout, *};

    #[test]
    fn a_missing_module_is_told_apart_from_the_answer() {
        let text = stdout(include_str!("../fixtures/001-version.txt"));
        let (warning, rest) = split_warning(text);
        assert_eq!(rest.trim(), "7.2.22_Debianr175245");
        let warning = warning.unwrap();
        assert!(warning.starts_with("The character device /dev/vboxdrv does not exist. Please"));
        assert!(warning.ends_with("start VMs until this problem is fixed."), "{warning}");
        assert_eq!(split_warning("7.0.20r1\n"), (None, "7.0.20r1\n"));
        assert_eq!(split_warning("WARNING: x"), (Some("x".into()), ""));
    }

    #[test]
    fn a_host_is_read() {
        let info = hostinfo(stdout(include_str!("../fixtures/005-list-hostinfo.txt")));
        assert_eq!(
            info,
            Hostinfo {
                virtualization: Some(false),
                processors: Some(2),
                memory: Some(24_105 << 20),
                available: Some(23_710 << 20),
            }
        );
    }
}
