//! Making and removing machines.

use std::path::{Path, PathBuf};

use skep_context::Context;
use skep_model::ClusterName;
use skep_os::Seed;
use skep_store::Resource;
use tokio_util::sync::CancellationToken;

use super::{
    Iso, Options, Share, VirtualBoxDriver,
    arguments::{NAT, Settings, free_port, share},
    failure::{Cause, VBoxError},
    life::Place,
    parse::{self, Power, Vm},
    program::Call,
    record::{Cluster, Machine, boot2docker_disk, boot2docker_iso, skep_iso},
};
use crate::{DriverOptions, MachineError, MachineId, MachinePlan, cards, record::Wanted};

/// A machine's default memory, in bytes: docker-machine's.
pub(super) const MEMORY: u64 = 1 << 30;
const CPUS: u32 = 1;
/// The most its disk may hold, in bytes.
pub(super) const DISK: u64 = 20_000 << 20;
/// Disks are made in whole megabytes.
const MEGABYTE: usize = 1 << 20;
/// The controller all drives are on.
const CONTROLLER: &str = "SATA";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RemovalReason {
    Recreate,
    /// It was left by a command that was interrupted.
    Leftover,
    Requested,
}

pub(super) fn options(given: &DriverOptions) -> Options {
    match given {
        DriverOptions::Virtualbox(Some(options)) => (**options).clone(),
        _ => Options::default(),
    }
}

impl VirtualBoxDriver {
    /// Makes a machine, unless it is there and has been started before.
    pub(super) async fn make(
        &self,
        plan: &MachinePlan,
        context: Context<'_>,
    ) -> Result<(), MachineError> {
        let place = &self.place(&plan.id);
        let (options, cancel) = (options(&plan.options), context.cancel);
        if self.is_kept(place, cancel).await? {
            return Ok(());
        }
        if let Some(vm) = &options.vm {
            return self.adopt(place, plan, vm, &options, cancel).await;
        }
        if place.files.directory().exists() {
            // It was never used: a part of a machine, or one with another seed.
            self.clear(place, RemovalReason::Recreate, cancel).await?;
        }
        let refuse = |error| place.refuse_vbox("make", error);
        let cluster = self.cluster(&plan.id.cluster)?;
        let version = self.vbox.find(cancel).await.map_err(refuse)?.version;
        let macs = cards::macs("08:00:27", &self.store, &plan.id);
        let iso = self.iso(place, &options, context).await?;
        // VirtualBox writes disks beside everything else.
        let (disk, config, mut machine) = tokio::try_join!(
            self.disk(place, plan, &options, cancel),
            self.config(place, plan, &options, &cluster, &macs, cancel),
            self.register(place, plan, &options, cancel),
        )?;
        let uuid = machine.uuid.clone();
        let owner = format!("made by skep: store {}, cluster {}", self.store, plan.id.cluster);
        let port = free_port();
        let settings = Settings {
            version,
            uuid: &uuid,
            owner: &owner,
            memory: plan.size.memory.unwrap_or(MEMORY) >> 20,
            cpus: plan.size.cpus.unwrap_or(CPUS),
            options: &options,
            wire: &cluster.wire,
            macs: &macs,
            ssh_port: port,
            console: &place.files.console(),
        };
        let drives = [Some(("dvddrive", iso)), Some(("hdd", disk)), config.map(|it| ("hdd", it))];
        let mut calls = vec![
            settings.modify(),
            Call::new(["storagectl", &uuid, "--name", CONTROLLER, "--add", "sata"])
                .words(["--hostiocache", "on"]),
        ];
        for (port, (kind, medium)) in drives.into_iter().flatten().enumerate() {
            let call = Call::new(["storageattach", &uuid, "--storagectl", CONTROLLER])
                .words(["--port", &port.to_string(), "--device", "0", "--type", kind, "--medium"])
                .path(&medium);
            calls.push(call);
        }
        calls.extend(self.shares(&uuid, &options));
        for call in calls {
            self.vbox.run(call, cancel).await.map_err(refuse)?;
        }
        machine.ssh_port = (port != 0).then_some(port);
        if matches!(options.iso, Iso::Boot2docker(_)) && !options.no_dhcp {
            let _lock = self.vbox.lock(cancel).await?;
            let lease = self.lease(&cluster, &uuid, plan.address, cancel);
            machine.lease = lease.await.map_err(refuse)?;
        }
        // Last: until then its record says that it is not whole.
        machine.wanted = Wanted::New;
        Ok(place.files.write(&machine)?)
    }

    /// Whether a machine is there that has been started before.
    async fn is_kept(
        &self,
        place: &Place,
        cancel: &CancellationToken,
    ) -> Result<bool, MachineError> {
        let Some(record) = place.files.read::<Machine>()? else { return Ok(false) };
        if matches!(record.wanted, Wanted::Made | Wanted::New) {
            return Ok(false);
        }
        let all = self.vms(cancel).await.map_err(|error| place.refuse_vbox("make", error))?;
        Ok(all.iter().any(|vm| vm.uuid == record.uuid))
    }

    /// What the machine starts from, in its own directory: it must be there as long as it is.
    async fn iso(
        &self,
        place: &Place,
        options: &Options,
        Context { events, cancel, .. }: Context<'_>,
    ) -> Result<PathBuf, MachineError> {
        let (from, to) = match (&options.iso, &self.given_iso) {
            (Iso::Boot2docker(path), _) => (path.clone(), boot2docker_iso(&place.files)),
            (Iso::Skep, Some(path)) => (path.clone(), skep_iso(&place.files)),
            (Iso::Skep, None) => {
                let image = (self.os)()?.ensure_iso(events, cancel).await?;
                (image.iso, skep_iso(&place.files))
            }
        };
        skep_store::file::create_private_dir(place.files.directory())?;
        // A second name costs nothing; on another file system it takes a copy.
        let placed = match fs_err::hard_link(&from, &to) {
            Ok(()) => Ok(()),
            Err(_) => skep_read::open(&from).and_then(|mut source| {
                std::io::copy(&mut source, &mut fs_err::File::create(&to)?).map(drop)
            }),
        };
        let refuse = |error| place.id.refuse("make", format!("its ISO cannot be had: {error}"));
        placed.map(|()| to).map_err(refuse)
    }

    async fn disk(
        &self,
        place: &Place,
        plan: &MachinePlan,
        options: &Options,
        cancel: &CancellationToken,
    ) -> Result<PathBuf, MachineError> {
        let refuse = |error| place.refuse_vbox("make", error);
        let bytes = plan.size.disk.unwrap_or(DISK);
        let (path, call) = match (&options.import_vm, &options.iso) {
            (Some(vm), _) => {
                let path = boot2docker_disk(&place.files);
                let from = self.disk_of(place, vm, cancel).await?;
                let call = Call::new(["clonemedium", "disk", &from]).path(&path);
                (path, call.words(["--format", "VMDK"]))
            }
            (None, Iso::Skep) => {
                // A blank one, which the guest formats at its first start.
                let path = place.files.data();
                let megabytes = (bytes >> 20).to_string();
                let call = Call::new(["createmedium", "disk", "--filename"]).path(&path);
                (path, call.words(["--size", &megabytes, "--format", "VDI"]))
            }
            (None, Iso::Boot2docker(_)) => {
                let path = boot2docker_disk(&place.files);
                let call = Call::new(["convertfromraw", "stdin"]).path(&path);
                let call = call.words([&bytes.to_string(), "--format", "VMDK"]);
                let tar = format_me(&plan.seed).map_err(|error| place.id.refuse("make", error))?;
                (path, call.stdin(tar))
            }
        };
        self.vbox.run(call.long(), cancel).await.map_err(refuse)?;
        Ok(path)
    }

    /// The disk of the machine whose name was given, where docker-machine and boot2docker put it.
    async fn disk_of(
        &self,
        place: &Place,
        vm: &str,
        cancel: &CancellationToken,
    ) -> Result<String, MachineError> {
        let refuse = |reason| Err(place.id.refuse("make", reason));
        match self.vm(vm, cancel).await {
            Ok(Some(Vm { power: Power::Running | Power::Paused | Power::Changing, .. })) => {
                refuse(format!("the disk of {vm} is in use: `VBoxManage controlvm {vm} poweroff`"))
            }
            Ok(Some(Vm { disk: Some(disk), .. })) => Ok(disk),
            Ok(Some(_)) => refuse(format!("{vm} has no disk on port 1 of its SATA controller")),
            Ok(None) => {
                refuse(format!("there is no {vm} to import: `VBoxManage list vms` shows all"))
            }
            Err(error) => Err(place.refuse_vbox("make", error)),
        }
    }

    /// The configuration disk: the machine's seed, with what only this driver knows. boot2docker
    /// has none.
    async fn config(
        &self,
        place: &Place,
        plan: &MachinePlan,
        options: &Options,
        cluster: &Cluster,
        macs: &[String; 2],
        cancel: &CancellationToken,
    ) -> Result<Option<PathBuf>, MachineError> {
        if options.iso != Iso::Skep {
            return Ok(None);
        }
        let mut bytes = cards::configuration_disk(plan, &NAT, macs, cluster.subnet)?;
        bytes.resize(bytes.len().next_multiple_of(MEGABYTE), 0);
        let path = place.files.config();
        // By standard input: its keys are in no file but the disk itself.
        let call = Call::new(["convertfromraw", "stdin"])
            .path(&path)
            .words([&bytes.len().to_string(), "--format", "VDI"])
            .stdin(bytes)
            .long();
        self.vbox.run(call, cancel).await.map_err(|error| place.refuse_vbox("make", error))?;
        only_its_owner_reads(&path).map_err(|error| place.id.refuse("make", error))?;
        Ok(Some(path))
    }

    /// Registers a machine under a name that no other has. VirtualBox itself would take a second
    /// one of the same name without a word.
    async fn register(
        &self,
        place: &Place,
        plan: &MachinePlan,
        options: &Options,
        cancel: &CancellationToken,
    ) -> Result<Machine, MachineError> {
        let refuse = |error| place.refuse_vbox("make", error);
        let _lock = self.vbox.lock(cancel).await?;
        let all = self.vms(cancel).await.map_err(refuse)?;
        let (strays, all): (Vec<Vm>, Vec<Vm>) =
            all.into_iter().partition(|vm| is_in(&vm.settings, place.files.directory()));
        let name = self.free_name(place, &all)?;
        for stray in &strays {
            // Its files were removed, and nothing else.
            self.discard(place, stray, None, "make", cancel).await?;
        }
        let call = Call::new(["createvm", "--basefolder"]).path(place.files.directory()).words([
            "--name",
            &name,
            "--register",
        ]);
        let uuid = match self.vbox.run(call, cancel).await {
            Ok(text) => parse::created(&text).map(str::to_owned),
            // It was made although the first answer was no: nothing else makes any there.
            Err(error) if error.cause() == Some(Cause::NameTaken) => {
                let mut all = self.vms(cancel).await.map_err(refuse)?.into_iter();
                let its = all.find(|vm| is_in(&vm.settings, place.files.directory()));
                Some(its.ok_or_else(|| refuse(error))?.uuid)
            }
            Err(error) => return Err(refuse(error)),
        };
        let uuid = uuid.ok_or_else(|| {
            place.id.refuse("make", "VirtualBox does not say what it has made it as")
        })?;
        let machine = Machine::new(uuid, name, plan.address, options.ui.clone());
        // At once: from here on a removal knows its UUID.
        place.files.write(&machine)?;
        Ok(machine)
    }

    /// What the machine is called in VirtualBox: by its name, or, if another cluster of this store
    /// has one of that name, by its cluster's too.
    fn free_name(&self, place: &Place, all: &[Vm]) -> Result<String, MachineError> {
        let clusters = self.shelf.layout.clusters();
        let with = |name: &str| all.iter().find(|vm| vm.name == name).cloned();
        let name = place.id.machine.to_string();
        let longer = format!("{}-{name}", place.id.cluster);
        let is_ours = |vm: &Vm| is_in(&vm.settings, &clusters);
        let taken = match with(&name) {
            None => return Ok(name),
            Some(vm) if is_ours(&vm) => match with(&longer) {
                None => return Ok(longer),
                Some(vm) => vm,
            },
            Some(vm) => vm,
        };
        Err(place.id.refuse(
            "make",
            format!(
                "VirtualBox has a machine {} already, which is none of skep's ({}): choose another \
                 name, or remove that one with `VBoxManage unregistervm {} --delete`",
                taken.name, taken.settings, taken.uuid
            ),
        ))
    }

    /// The directories it shares with this host. skep's own guest cannot mount any, so that it is
    /// given only what was asked for by name.
    fn shares(&self, uuid: &str, options: &Options) -> Vec<Call> {
        if (&options.iso, &options.share) == (&Iso::Skep, &Share::Homes) {
            return Vec::new();
        }
        const PREFIX: &str = "/VirtualBox/GuestAdd/SharedFolders";
        let property = |name: &str| {
            Call::new(["guestproperty", "set", uuid, &format!("{PREFIX}/{name}"), "/"])
        };
        let mut calls = vec![property("MountPrefix"), property("MountDir")];
        if let Some((name, path)) = share(&options.share, &self.host) {
            let links = format!("VBoxInternal2/SharedFoldersEnableSymlinksCreate/{name}");
            calls.push(
                Call::new(["sharedfolder", "add", uuid, "--name", &name, "--hostpath"])
                    .path(&path)
                    .words(["--automount"]),
            );
            calls.push(Call::new(["setextradata", uuid, &links, "1"]));
        }
        calls
    }

    /// Takes a machine over that docker-machine has made. Nothing of it is changed.
    async fn adopt(
        &self,
        place: &Place,
        plan: &MachinePlan,
        vm: &str,
        options: &Options,
        cancel: &CancellationToken,
    ) -> Result<(), MachineError> {
        let found =
            self.vm(vm, cancel).await.map_err(|error| place.refuse_vbox("take over", error))?;
        let found = found.ok_or_else(|| {
            let reason = format!("VirtualBox has no machine {vm}: it may have been removed there");
            place.id.refuse("take over", reason)
        })?;
        let wanted = if found.power == Power::Running { Wanted::On } else { Wanted::Off };
        let ui = options.ui.clone();
        let mut machine = Machine::new(found.uuid, found.name, plan.address, ui);
        machine.wanted = wanted;
        machine.is_adopted = true;
        Ok(place.files.write(&machine)?)
    }

    /// Ends a machine and removes all it consists of, in VirtualBox and here.
    ///
    /// One that was taken over was there before: as something left over, of a command that was cut
    /// short, it is only forgotten. A user who names it means it.
    pub(super) async fn clear(
        &self,
        place: &Place,
        action: RemovalReason,
        cancel: &CancellationToken,
    ) -> Result<(), MachineError> {
        let (action, is_meant) = match action {
            RemovalReason::Recreate => ("make", false),
            RemovalReason::Leftover => ("remove", false),
            RemovalReason::Requested => ("remove", true),
        };
        let refuse = |error| place.refuse_vbox(action, error);
        // A record that cannot be read must not keep its machine from being removed.
        let record = place.files.read::<Machine>().ok().flatten();
        let all = match self.vms(cancel).await {
            Ok(all) => all,
            // With VirtualBox itself its machines are gone.
            Err(VBoxError::Missing) => Vec::new(),
            Err(error) => return Err(refuse(error)),
        };
        let directory = place.files.directory();
        let is_its = |vm: &&Vm| {
            let is_recorded =
                |record: &Machine| record.uuid == vm.uuid && (is_meant || !record.is_adopted);
            is_in(&vm.settings, directory) || record.as_ref().is_some_and(is_recorded)
        };
        for vm in all.iter().filter(is_its) {
            let lease = record.as_ref().and_then(|record| record.lease.as_deref());
            self.discard(place, vm, lease, action, cancel).await?;
        }
        // VirtualBox goes on listing images, and disks that were never attached for some seconds.
        let Place { files, .. } = place;
        let images = [skep_iso(files), boot2docker_iso(files)].map(|path| ("dvd", path));
        let disks = [files.data(), boot2docker_disk(files)].map(|path| ("disk", path));
        for (kind, path) in images.into_iter().chain(disks) {
            if path.exists() {
                let call = Call::new(["closemedium", kind]).path(&path);
                let _ = self.vbox.run(call, cancel).await;
            }
        }
        // Without its record it is no machine any more, whatever happens to the rest.
        skep_store::file::remove(&place.files.record())?;
        Ok(skep_store::file::remove_dir(directory)?)
    }

    /// Ends a machine and takes it out of VirtualBox, with its disks.
    async fn discard(
        &self,
        place: &Place,
        vm: &Vm,
        lease: Option<&str>,
        action: &'static str,
        cancel: &CancellationToken,
    ) -> Result<(), MachineError> {
        self.end(place, &vm.uuid, action, cancel).await?;
        if let Some(network) = lease {
            let call = Call::new(["dhcpserver", "modify", "--network", network]).words([
                "--vm",
                &vm.uuid,
                "--nic",
                "2",
                "--remove-config",
            ]);
            // It goes with the machine, or with the network.
            let _ = self.vbox.run(call, cancel).await;
        }
        let call = Call::new(["unregistervm", &vm.uuid, "--delete"]).long();
        match self.vbox.run(call, cancel).await {
            Err(error) if error.cause() != Some(Cause::NoSuchMachine) => {
                Err(place.refuse_vbox(action, error))
            }
            _ => Ok(()),
        }
    }

    /// Everything that exists for a cluster, machines first.
    pub(super) async fn found(
        &self,
        cluster: &ClusterName,
        cancel: &CancellationToken,
    ) -> Result<Vec<Resource>, MachineError> {
        let mut machines = self.shelf.made(cluster)?;
        let directory = self.shelf.layout.cluster(cluster).machines();
        match self.vms(cancel).await {
            Ok(all) => {
                // Their files may be gone, and they are still VirtualBox's.
                let names = all.iter().filter_map(|vm| below(&vm.settings, &directory));
                let names = names.filter_map(|name| name.parse().ok());
                machines
                    .extend(names.map(|machine| MachineId { cluster: cluster.clone(), machine }));
            }
            Err(VBoxError::Missing) => {}
            Err(error) => {
                return Err(self.refuse(&format!("list the machines of cluster {cluster}"), error));
            }
        }
        machines.sort_unstable();
        machines.dedup();
        Ok(self.shelf.resources(cluster, &machines))
    }
}

/// Whether a settings file is in a directory, by either of the directory's names.
fn is_in(settings: &str, directory: &Path) -> bool {
    let path = Path::new(settings);
    let real = fs_err::canonicalize(directory);
    path.starts_with(directory) || real.is_ok_and(|real| path.starts_with(real))
}

/// The first name of a settings file's path below a directory.
fn below(settings: &str, directory: &Path) -> Option<String> {
    let path = Path::new(settings);
    let real = fs_err::canonicalize(directory).ok();
    let rest =
        path.strip_prefix(directory).ok().or_else(|| path.strip_prefix(real.as_deref()?).ok())?;
    rest.components().next()?.as_os_str().to_str().map(str::to_owned)
}

fn only_its_owner_reads(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

/// What boot2docker looks for at the beginning of a disk: that it is to be formatted, and who
/// may log in.
fn format_me(seed: &Seed) -> std::io::Result<Vec<u8>> {
    const MAGIC: &str = "boot2docker, please format-me";
    let mut keys = String::new();
    for key in &seed.authorized_keys {
        keys.push_str(key.trim());
        keys.push('\n');
    }
    let mut tar = tar::Builder::new(Vec::new());
    let mut add = |name: &str, kind, mode, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, content)
    };
    add(MAGIC, tar::EntryType::Regular, 0o644, MAGIC.as_bytes())?;
    add(".ssh", tar::EntryType::Directory, 0o700, &[])?;
    add(".ssh/authorized_keys", tar::EntryType::Regular, 0o644, keys.as_bytes())?;
    add(".ssh/authorized_keys2", tar::EntryType::Regular, 0o644, keys.as_bytes())?;
    tar.into_inner()
}
