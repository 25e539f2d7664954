//! The name the program was started under: `skep`, or `docker-machine`.
//!
//! The verbs are the same. As docker-machine, messages go to standard output, errors have no
//! prefix, `virtualbox` is the default driver, and state lies where docker-machine's users
//! expect it: see `docs/differences.md`.

use std::{ffi::OsStr, path::Path};

/// The name the program answers under.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Persona {
    #[default]
    Skep,
    /// docker-machine, for its scripts and its users' habits.
    DockerMachine,
}

impl Persona {
    /// By the program's name, with or without a path.
    pub fn of_program(program: &OsStr) -> Self {
        let name = Path::new(program).file_stem();
        if name == Some(OsStr::new("docker-machine")) { Self::DockerMachine } else { Self::Skep }
    }

    /// The program's name, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Persona::Skep => "skep",
            Persona::DockerMachine => "docker-machine",
        }
    }

    /// How a machine's verb is called: `skep machine`, `docker-machine`.
    pub fn verbs(self) -> &'static str {
        match self {
            Persona::Skep => "skep machine",
            Persona::DockerMachine => "docker-machine",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_of_that_name_is_docker_machine() {
        let of = |program: &str| Persona::of_program(OsStr::new(program));
        assert_eq!(of("/usr/local/bin/docker-machine"), Persona::DockerMachine);
        assert_eq!(of("docker-machine"), Persona::DockerMachine);
        assert_eq!(of("/usr/bin/skep"), Persona::Skep);
        assert_eq!(of(""), Persona::Skep);
    }
}
