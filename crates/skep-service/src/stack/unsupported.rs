//! Keys of Compose files that a swarm does not know, each with what to do instead.

use skep_model::Advice;

/// What a key of a service that cannot be meant for a swarm is, and what to write.
pub(super) fn service_key(key: &str) -> Option<(&'static str, Advice)> {
    let (problem, fix) = match key {
        "build" => return Some(("a swarm does not build images", Advice::LoadImage)),
        "restart" => (
            "a swarm restarts tasks by `deploy.restart_policy`",
            "write `deploy: {restart_policy: {condition: any}}`, or none, or on-failure",
        ),
        "depends_on" => (
            "a swarm starts services in no order",
            "remove it; let the service wait for what it needs, or give it a health check",
        ),
        "container_name" => ("tasks have names of their own", "remove it"),
        "expose" => (
            "services of a network reach each other on every port",
            "remove it, or publish the port with `ports`",
        ),
        "links" | "external_links" => (
            "services of a network find each other by name",
            "remove it; use `networks` and their `aliases`",
        ),
        "network_mode" => (
            "a service is attached to networks",
            "use `networks`; for the host's own, declare a network `external: true, name: host`",
        ),
        "scale" => ("the number of tasks is `deploy.replicas`", "write `deploy: {replicas: N}`"),
        "extends" => ("it is not read here", "use anchors and `<<`, or several files with -c"),
        "volume_driver" | "volumes_from" => (
            "a service takes volumes by their names",
            "declare the volume at the top under `volumes`, with its driver, and name it here",
        ),
        "tmpfs" => {
            ("a stack takes it as a volume", "write `volumes: [{type: tmpfs, target: PATH}]`")
        }
        "cpus" | "cpu_quota" | "cpu_shares" | "cpu_period" | "cpu_count" | "cpu_percent"
        | "cpuset" | "mem_limit" | "mem_reservation" | "memswap_limit" | "mem_swappiness"
        | "pids_limit" => (
            "limits of a service are `deploy.resources`",
            "write `deploy: {resources: {limits: {cpus: \"0.5\", memory: 50M}}}`",
        ),
        "secret" | "config" => ("it is written in the plural", "write `secrets` or `configs`"),
        "privileged" => ("a task cannot be privileged", "use `cap_add` with what it needs"),
        "devices" | "device_cgroup_rules" | "gpus" => (
            "a task is given no devices",
            "reserve them: `deploy.resources.reservations.generic_resources`",
        ),
        "profiles" => ("a stack has no profiles", "use several files with -c"),
        "pull_policy" | "platform" => (
            "an image is pulled by the node that needs it, for its own platform",
            "remove it; `--resolve-image` says when its digest is looked up",
        ),
        "security_opt" | "userns_mode" | "pid" | "ipc" | "cgroup" | "cgroup_parent"
        | "cgroupns_mode" | "mac_address" | "shm_size" | "domainname" | "group_add"
        | "oom_kill_disable" | "oom_score_adj" | "runtime" | "storage_opt" | "uts"
        | "blkio_config" | "annotations" | "attach" | "develop" | "dns_opt" | "logging_driver" => {
            ("a swarm has nothing like it for services", "remove it")
        }
        _ => return None,
    };
    Some((problem, fix.into()))
}

/// What a key at the top of a file is that has no meaning for a stack.
pub(super) fn top_key(key: &str) -> Option<(&'static str, &'static str)> {
    Some(match key {
        "name" => ("the stack's name is given on the command line", "remove it"),
        "include" => ("it is not read here", "give each file with -c"),
        _ => return None,
    })
}
