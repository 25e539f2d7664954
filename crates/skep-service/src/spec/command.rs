//! Where docker's commands differ.

/// Which of docker's commands is followed, where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// `service create`: lists keep the order in which they are written.
    Create,
    /// `service update`: lists are sorted where their order means nothing, so that an update that
    /// changes nothing is none.
    Update,
    /// `stack deploy`: what a file leaves out is left out, and whether things are there twice is for
    /// the engine to say.
    Stack,
}
