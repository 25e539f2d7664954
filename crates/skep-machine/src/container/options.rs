//! What a container can be configured with: nothing of its own.

use crate::features::{Features, System};

pub(crate) const FEATURES: Features = Features {
    makes_machines: true,
    sizes_disks: false,
    forwards_ports: false,
    system: System::Skep,
};
