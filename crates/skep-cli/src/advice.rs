//! The words for what a library advises: the only place that names a command for it.

use std::error::Error;

use skep_cluster::ClusterError;
use skep_guest::adopt::AdoptError;
use skep_machine::MachineError;
use skep_model::{Advice, Advise, MachineName, Reason};
use skep_os::{OsError, import::ImportError};

use crate::persona::Persona;

/// What to do, as a command or in words.
pub(crate) fn words(advice: &Advice, persona: Persona) -> String {
    phrase(advice, persona).1
}

/// What is wrong with what to do, in one sentence.
pub(crate) fn worded(reason: &Reason, persona: Persona) -> String {
    after(&reason.text, reason.advice.as_deref(), persona)
}

/// A text with what to do behind it.
pub(crate) fn after(text: &str, advice: Option<&Advice>, persona: Persona) -> String {
    match advice {
        Some(advice) => {
            let (between, words) = phrase(advice, persona);
            format!("{text}{between}{words}")
        }
        None => text.to_owned(),
    }
}

/// An error without its causes, and what its library advises.
pub(crate) fn of(error: &(dyn Error + 'static)) -> Reason {
    fn known<E: Error + Advise + 'static>(error: &(dyn Error + 'static)) -> Option<Reason> {
        error.downcast_ref::<E>().map(Reason::of)
    }
    known::<ClusterError>(error)
        .or_else(|| known::<MachineError>(error))
        .or_else(|| known::<AdoptError>(error))
        .or_else(|| known::<OsError>(error))
        .or_else(|| known::<ImportError>(error))
        .unwrap_or_else(|| error.to_string().into())
}

/// How advice is joined to what it is about, and its words.
fn phrase(advice: &Advice, persona: Persona) -> (&'static str, String) {
    let machine = persona.verbs();
    let all = |list: &[Advice], between: &str| {
        let words = list.iter().map(|one| words(one, persona));
        words.collect::<Vec<_>>().join(between)
    };
    match advice {
        Advice::Words(words) => ("; ", words.to_string()),
        Advice::All(list) => ("; ", all(list, "; ")),
        Advice::First(list) => {
            ("; ", format!("{} first; --force goes on all the same", all(list, ", ")))
        }
        Advice::MakeCluster(name) => (": ", format!("`skep up --name {name}` makes one")),
        Advice::GoOnMaking(name) => (": ", format!("`skep up --name {name}` goes on making it")),
        Advice::GoOnRemoving(name) => (
            ": ",
            format!(
                "`skep down --name {name}` goes on, `skep up --name {name}` makes it whole again"
            ),
        ),
        Advice::OtherDriver(driver) => {
            ("; ", format!("`skep up --name OTHER --driver {driver}` makes another cluster"))
        }
        Advice::OtherSubnet => (
            ": ",
            "leave --subnet out, or make another cluster with `skep up --name OTHER`".to_owned(),
        ),
        Advice::OtherSize => (
            ": ",
            "leave --memory, --cpus and --disk-size out, or make another cluster with `skep up \
             --name OTHER`"
                .to_owned(),
        ),
        Advice::RemoveCluster(name) => (
            "; ",
            format!(
                "`skep down --name {name}` removes a whole cluster; --force removes the machines \
                 all the same"
            ),
        ),
        Advice::NameCluster => (": ", "say which with --name".to_owned()),
        Advice::LookAt(name) => ("; ", format!("look at it with `skep status --name {name}`")),
        Advice::Publish { cluster, port } => (
            ": ",
            format!(
                "`skep up --name {cluster} --publish {port}` has every machine answer there"
            ),
        ),
        Advice::ListMachines => (": ", format!("`{machine} ls` lists those there are")),
        Advice::OtherMachine(name) => {
            (": ", format!("choose another name, or remove it with `{machine} rm {name}`"))
        }
        Advice::RemoveMachine(name) => (": ", format!("`{machine} rm {name}`")),
        Advice::MakeAgain(name) => (
            ": ",
            format!("`skep up` makes it again, `{machine} rm {name}` removes what is left of it"),
        ),
        Advice::Replace => (
            "; ",
            "with it all its data is gone: remove the machine and `skep up` again".to_owned(),
        ),
        Advice::RestoreImage => (
            ": ",
            "put it back from a backup; only where there is none, remove the machine and `skep up` \
             again, which loses what is on its disk"
                .to_owned(),
        ),
        Advice::WriteAgain => (": ", "`skep up` writes it again".to_owned()),
        Advice::ThenUp(first, name) => (": ", format!("{first}, then `skep up --name {name}`")),
        Advice::UpWith(options) => (": ", format!("{options} with `skep up`")),
        Advice::Start(names) => {
            let it = if names.len() == 1 { "it" } else { "them" };
            let names: Vec<_> = names.iter().map(MachineName::as_str).collect();
            ("; ", format!("start {it} with `{machine} start {}`", names.join(" ")))
        }
        Advice::KeepMachines(role, there) => (
            " and ",
            format!(
                "`up` removes no machine: ask for --{role}s {there} or more; `{machine} rm MACHINE` \
                 takes one away"
            ),
        ),
        Advice::TakeHosts(driver) => (
            ": ",
            format!(
                "take those there are one by one with `{machine} create --driver {driver}`, and \
                 make a swarm of them with `skep swarm init` and `skep swarm join`"
            ),
        ),
        Advice::JoinSingles => (
            ": ",
            "`skep swarm init MACHINE` and `skep swarm join MACHINE` make one of them, `skep up \
             --managers N --workers N` takes those that are called manager1, worker1 and so on and \
             adds what is missing, and `skep up --name OTHER` makes another cluster"
                .to_owned(),
        ),
        Advice::NameHost => {
            ("; ", format!("`{machine} create -d ssh --ssh-host ADDRESS NAME` takes one host"))
        }
        Advice::NameEngine => (
            "; ",
            "say where the engine is with `machine create --driver none --url tcp://HOST:PORT`"
                .to_owned(),
        ),
        Advice::TakeOver(None) => ("; ", "--force takes it over".to_owned()),
        Advice::TakeOver(Some(name)) => {
            (": ", format!("`{machine} rm {name}` gives it back; --force takes it over"))
        }
        Advice::TakeOverSsh => (
            "; ",
            format!(
                "a host that answers over SSH can be had with `{machine} create --driver ssh`"
            ),
        ),
        Advice::CopyFiles => (
            "; ",
            format!(
                "take boot2docker with --virtualbox-boot2docker-url, or `{machine} scp` the files"
            ),
        ),
        Advice::Diagnose(None) => (": ", "see `skep doctor`".to_owned()),
        Advice::Diagnose(Some(driver)) => (
            ": ",
            format!(
                "`skep doctor --driver {driver}` names the line for /etc/vbox/networks.conf"
            ),
        ),
        Advice::RestoreAuthority => (
            ": ",
            format!(
                "put them back from a backup of the store. The machines and their swarm go on \
                 without them, and `{machine} ssh` works"
            ),
        ),
        Advice::RenewCertificates => (
            " ",
            format!("(the machines made so far then need `{machine} regenerate-certs`)"),
        ),
        Advice::RemoveImage(digest) => (
            "; ",
            format!(
                "remove what it belongs to with `skep os rm {digest}`: it is built again when it is \
                 needed"
            ),
        ),
        Advice::ListImages => (": ", "`skep os ls` shows them".to_owned()),
        Advice::Unlock(name) => ("; ", format!("unlock it with `skep swarm unlock --name {name}`")),
        Advice::NoteUnlockKey => (
            "; ",
            "`skep swarm unlock` does that with its key, which `skep swarm unlock-key` prints now"
                .to_owned(),
        ),
        Advice::Promote => (
            "; ",
            "promote another node first (`skep node promote NODE`); --force goes on".to_owned(),
        ),
        Advice::Activate => ("; ", "`skep node activate` does it".to_owned()),
        Advice::RemoveNode { node, force: false } => {
            (": ", format!("`skep node rm {node}` takes it out"))
        }
        Advice::RemoveNode { node, force: true } => {
            (": ", format!("`skep node rm --force {node}` takes it out"))
        }
        Advice::ShowTasks => ("; ", "`skep service ps` says why".to_owned()),
        Advice::RemoveService(name) => {
            ("; ", format!("remove it first: `skep service rm {name}`"))
        }
        Advice::RemoveStack(name) => (
            "; ",
            format!("give it another `name`, or remove the stack first: `skep stack rm {name}`"),
        ),
        Advice::MakeObject { kind, name } => {
            ("; ", format!("make it with `skep {kind} create {name} FILE`"))
        }
        Advice::LoadImage => (
            "; ",
            "build and push the image, or `skep image load` it, and name it in `image`".to_owned(),
        ),
        Advice::UseVirtualMachines => (
            "; ",
            "use virtual machines (`skep up --driver qemu`) or publish in the mode `host`"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use skep_model::{ClusterName, Role};

    use super::*;

    #[test]
    fn advice_has_the_words_of_its_persona() {
        let (lab, box1): (ClusterName, MachineName) =
            ("lab".parse().unwrap(), "box1".parse().unwrap());
        let every = [
            "start it".into(),
            Advice::All(vec!["start it".into(), Advice::Promote]),
            Advice::First(vec![
                Advice::Unlock(lab.clone()),
                Advice::Start(vec![box1.clone(), "box2".parse().unwrap()]),
                Advice::LookAt(lab.clone()),
            ]),
            Advice::MakeCluster(lab.clone()),
            Advice::GoOnMaking(lab.clone()),
            Advice::GoOnRemoving(lab.clone()),
            Advice::OtherDriver("qemu".into()),
            Advice::OtherSubnet,
            Advice::OtherSize,
            Advice::RemoveCluster(lab.clone()),
            Advice::NameCluster,
            Advice::Publish { cluster: lab.clone(), port: 80 },
            Advice::ListMachines,
            Advice::OtherMachine(box1.clone()),
            Advice::RemoveMachine(box1.clone()),
            Advice::MakeAgain(box1.clone()),
            Advice::Replace,
            Advice::RestoreImage,
            Advice::WriteAgain,
            Advice::ThenUp("make room".into(), lab),
            Advice::UpWith("choose --accel tcg".into()),
            Advice::KeepMachines(Role::Worker, 3),
            Advice::TakeHosts("ssh".into()),
            Advice::JoinSingles,
            Advice::NameHost,
            Advice::NameEngine,
            Advice::TakeOver(None),
            Advice::TakeOver(Some(box1.clone())),
            Advice::TakeOverSsh,
            Advice::CopyFiles,
            Advice::Diagnose(None),
            Advice::Diagnose(Some("virtualbox")),
            Advice::RestoreAuthority,
            Advice::RenewCertificates,
            Advice::RemoveImage("0123".into()),
            Advice::ListImages,
            Advice::NoteUnlockKey,
            Advice::Activate,
            Advice::RemoveNode { node: box1.clone(), force: false },
            Advice::RemoveNode { node: box1, force: true },
            Advice::ShowTasks,
            Advice::RemoveService("web".into()),
            Advice::RemoveStack("web".into()),
            Advice::MakeObject { kind: "secret".into(), name: "key".into() },
            Advice::LoadImage,
            Advice::UseVirtualMachines,
        ];
        let as_a = |persona| every.iter().map(move |one| after("it", Some(one), persona));
        insta::assert_snapshot!(as_a(Persona::Skep).collect::<Vec<_>>().join("\n"));
        let differs = as_a(Persona::DockerMachine).filter(|text| text.contains("docker-machine"));
        insta::assert_snapshot!(differs.collect::<Vec<_>>().join("\n"));
        for text in as_a(Persona::DockerMachine) {
            assert!(!text.contains("skep machine"), "{text}");
        }
    }
}
