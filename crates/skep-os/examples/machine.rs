//! Makes everything one virtual machine needs in the directory given, and prints how QEMU starts it:
//!
//!     cargo run -p skep-os --example machine /tmp/machine
//!     ssh -p 2222 -i /tmp/machine/key docker@127.0.0.1

use std::path::Path;

use fs_err as fs;
use skep_model::{Event, Events};
use skep_os::{Builder, Interface, Seed, Source, vm};
use skep_process::Program;
use tokio_util::sync::CancellationToken;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "an example shows what it does")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = std::env::args().nth(1).ok_or("usage: machine DIRECTORY")?;
    let directory = Path::new(&directory);
    let cancel = CancellationToken::new();
    let builder = Builder::new(directory.join("cache"), Source::detect(Path::new("/"))?);
    let events = Events::new(|event| {
        if let Event::Progress { detail, .. } = event {
            eprintln!("{detail}");
        }
    });
    let image = builder.ensure_vm(&events, &cancel).await?;
    eprintln!("{image:#?}");

    for key in ["key", "host_key"] {
        let path = directory.join(key);
        if !path.exists() {
            let keygen = Program::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]);
            keygen.arg(&path).run(&cancel).await?;
        }
    }
    let public = fs::read_to_string(directory.join("key.pub"))?;
    let host_key = fs::read_to_string(directory.join("host_key"))?;
    let mut seed = Seed::new("worker1".parse()?, public, host_key.into());
    let macs = ["52:54:00:00:01:01", "52:54:00:00:02:01"];
    seed.network = vec![
        Interface {
            mac: macs[0].into(),
            address: "198.51.100.15/24".parse()?,
            gateway: Some("198.51.100.2".parse()?),
            nameservers: vec!["198.51.100.3".parse()?],
        },
        Interface {
            mac: macs[1].into(),
            address: "192.168.99.100/24".parse()?,
            gateway: None,
            nameservers: Vec::new(),
        },
    ];
    let config = vm::configuration_disk(&seed.to_tar(std::time::UNIX_EPOCH)?);
    skep_store::write_private(&directory.join("config"), &config)?;
    let data = directory.join("data");
    if !data.exists() {
        vm::make_data_disk(&data, vm::DEFAULT_DISK_BYTES, &cancel).await?;
    }

    let disk = |name: &str, path: &Path, options: &str| {
        format!(
            " -drive if=none,id={name},format=raw,file={},{options} -device virtio-blk-pci,drive={name},serial=skep-{name}",
            path.display()
        )
    };
    println!(
        "qemu-system-x86_64 -accel tcg,thread=multi -cpu {} -smp 1 -m 1024 -display none -nodefaults \
         -no-user-config -machine q35 -kernel {} -initrd {} -append '{} {}' -serial stdio{}{}{} \
         -netdev user,id=n1,net=198.51.100.0/24,hostfwd=tcp:127.0.0.1:2222-198.51.100.15:22 \
         -device virtio-net-pci,netdev=n1,mac={},romfile= \
         -netdev socket,id=n2,mcast=239.5.6.7:17777,localaddr=127.0.0.1 \
         -device virtio-net-pci,netdev=n2,mac={},romfile= -device virtio-rng-pci -no-reboot",
        vm::emulated_cpu("x86_64"),
        image.kernel.display(),
        image.initramfs.display(),
        vm::kernel_command_line("ttyS0"),
        vm::EMULATED_OPTIONS,
        disk("base", &image.base, "read-only=on,file.locking=off"),
        disk("data", &data, "cache=unsafe,discard=unmap"),
        disk("config", &directory.join("config"), "read-only=on"),
        macs[0],
        macs[1],
    );
    Ok(())
}
