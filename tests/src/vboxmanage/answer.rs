//! VBoxManage's output, in its own format.

/// What one call printed, and its status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) out: String,
    pub(super) err: String,
    pub(super) code: u8,
}

/// What was done, or a refusal; what was refused has changed nothing.
pub(super) type Answer = Result<Said, Said>;

/// The progress output, on standard error also on success.
const PROGRESS: &str = "0%...10%...20%...30%...40%...50%...60%...70%...80%...90%...100%\n";

impl Said {
    /// Success, without output.
    pub(super) fn nothing() -> Answer {
        Ok(Self::default())
    }

    /// Success, with this on standard output.
    pub(super) fn prints(out: impl Into<String>) -> Answer {
        Ok(Self { out: out.into(), ..Self::default() })
    }

    /// Success, with this on standard output and the progress on standard error.
    pub(super) fn progress(out: impl Into<String>) -> Answer {
        Ok(Self { out: out.into(), err: PROGRESS.into(), code: 0 })
    }

    /// A refusal in one line.
    pub(super) fn error(code: u8, text: impl AsRef<str>) -> Self {
        Self { err: format!("VBoxManage: error: {}\n", text.as_ref()), code, out: String::new() }
    }

    /// A refusal of the API: what, the details, and where it was called.
    pub(super) fn refusal(text: &str, kind: Kind, place: Place, context: &str) -> Self {
        let (code, component, interface) = (kind.text(), place.0, place.1);
        let callee = ", callee nsISupports";
        let mut said = Self::error(1, text);
        said.err += &format!(
            "VBoxManage: error: Details: code {code}, component {component}, interface \
             {interface}{callee}\n"
        );
        said.err += &format!("VBoxManage: error: Context: {context}\n");
        said
    }

    /// A refusal of the API without a text.
    pub(super) fn bare_refusal(kind: Kind, context: &str) -> Self {
        let text = format!("Code {} - {} (extended info not available)", kind.text(), kind.says());
        let mut said = Self::error(1, text);
        said.err += &format!("VBoxManage: error: Context: {context}\n");
        said
    }

    /// A refusal of something that was under way: it has details and no context.
    pub(super) fn failure(text: &str, place: Place) -> Self {
        let mut said = Self::error(1, text);
        said.err += &format!(
            "VBoxManage: error: Details: code {}, component {}, interface {}\n",
            Kind::Failure.text(),
            place.0,
            place.1
        );
        said
    }

    /// What is wrong with the command line, between the program's name and its usage.
    pub(super) fn usage(code: u8, text: &str, about: &str, again: bool) -> Self {
        let mut err = header() + &format!("VBoxManage: error: {text}\n");
        err += if again { "" } else { "\n" };
        err += &format!("Usage - {about}:\n\n  VBoxManage ...\n");
        if again {
            err += &format!("\nVBoxManage: error: {text}\n");
        }
        Self { out: String::new(), err, code }
    }
}

/// The prefix of errors about the command line.
pub(super) fn header() -> String {
    "Oracle VirtualBox Command Line Management Interface Version 7.2.22_Debian\n\
     Copyright (C) 2005-2026 Oracle and/or its affiliates\n\n"
        .to_owned()
}

/// A component and its interface.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place(pub(super) &'static str, pub(super) &'static str);

pub(super) const VIRTUALBOX: Place = Place("VirtualBoxWrap", "IVirtualBox");
pub(super) const MACHINE: Place = Place("MachineWrap", "IMachine");
pub(super) const SESSION: Place = Place("SessionMachine", "IMachine");
pub(super) const MEDIUM: Place = Place("MediumWrap", "IMedium");
pub(super) const HOST: Place = Place("HostWrap", "IHost");
pub(super) const CONSOLE: Place = Place("ConsoleWrap", "IConsole");

/// The result codes that are seen here.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    NotFound,
    BadVmState,
    FileError,
    BadState,
    InUse,
    InvalidArg,
    AccessDenied,
    Failure,
}

impl Kind {
    fn text(self) -> &'static str {
        match self {
            Kind::NotFound => "VBOX_E_OBJECT_NOT_FOUND (0x80bb0001)",
            Kind::BadVmState => "VBOX_E_INVALID_VM_STATE (0x80bb0002)",
            Kind::FileError => "VBOX_E_FILE_ERROR (0x80bb0004)",
            Kind::BadState => "VBOX_E_INVALID_OBJECT_STATE (0x80bb0007)",
            Kind::InUse => "VBOX_E_OBJECT_IN_USE (0x80bb000c)",
            Kind::InvalidArg => "NS_ERROR_INVALID_ARG (0x80070057)",
            Kind::AccessDenied => "E_ACCESSDENIED (0x80070005)",
            Kind::Failure => "NS_ERROR_FAILURE (0x80004005)",
        }
    }

    fn says(self) -> &'static str {
        match self {
            Kind::InvalidArg => "Invalid argument value",
            Kind::AccessDenied => "Access denied",
            _ => "Operation failed",
        }
    }
}

impl Said {
    /// A complaint with an empty line between it and the usage.
    pub(super) fn spaced(mut self) -> Self {
        self.err = self.err.replacen("\nUsage - ", "\n\nUsage - ", 1);
        self
    }
}
