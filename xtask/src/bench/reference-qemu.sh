#!/bin/sh
# What the driver `qemu` is measured against: engines in virtual machines, and a swarm of them, as
# fast as a shell can. No keys, no certificates, no SSH, no state, no answer to what goes wrong;
# the engines listen without TLS on a loopback address.
#
#   reference-qemu.sh build FOLDER ROOTFS   once: makes kernel, initramfs and base disk in FOLDER
#                                           from ROOTFS, the guest's tar
#   reference-qemu.sh one FOLDER            starts one machine, waits for its engine
#   reference-qemu.sh up FOLDER             starts four at once, joins them, waits until all are ready
#   reference-qemu.sh down FOLDER           removes them
#
# The worker token is an argument here and so can be read by other users of the host; skep sends
# it to the engine's socket instead.
set -eu

workers="worker1 worker2 worker3"
network=192.168.231
segment=230.0.0.77:23177
poll=0.1
jobs=

# -- once ------------------------------------------------------------------------------------------

# The modules of the initramfs, in the order they are loaded; file systems are in the kernel.
early="failover net_failover virtio_net virtio_blk"

build() {
    mkdir -p "$1"
    folder=$(cd "$1" && pwd) rootfs=$2
    # The kernel comes from where the guest's own packages came from.
    tar --extract --to-stdout --file "$rootfs" ./etc/apt/sources.list >"$folder/sources.list"
    suite=$(awk '/^deb/ && !/security/ { sub(/^deb +(\[[^]]*\] +)?/, ""); print $2; exit }' \
        "$folder/sources.list")
    architecture=$(dpkg --print-architecture)
    mmdebstrap --quiet --variant=extract \
        --include="linux-image-cloud-$architecture,busybox-static" \
        "$suite" "$folder/kernel.tar" "$folder/sources.list"
    # Ownership is kept by root, or by fakeroot.
    if [ "$(id -u)" = 0 ]; then pack; else fakeroot sh "$0" pack "$folder" "$rootfs"; fi
    rm "$folder/kernel.tar" "$folder/sources.list"
}

pack() {
    [ $# = 0 ] || { folder=$1 rootfs=$2; }
    root=$folder/root initramfs=$folder/initramfs
    rm -rf "$root" "$initramfs"
    mkdir -p "$root" "$initramfs/modules" "$initramfs/dev" "$initramfs/proc" "$initramfs/root"
    tar --extract --directory "$root" --file "$rootfs"
    tar --extract --directory "$root" --file "$folder/kernel.tar" --keep-directory-symlink
    release=$(ls "$root/usr/lib/modules")
    mv "$root/boot/vmlinuz-$release" "$folder/kernel"
    depmod --basedir "$root/usr" "$release" 2>/dev/null || depmod --basedir "$root" "$release"
    number=0
    for module in $early; do
        number=$((number + 1))
        file=$(find "$root/usr/lib/modules/$release" -name "$module.ko*")
        case $file in
            *.xz) xz --decompress --stdout "$file" >"$initramfs/modules/$number.ko" ;;
            *) cp "$file" "$initramfs/modules/$number.ko" ;;
        esac
    done
    mv "$root/usr/bin/busybox" "$initramfs/busybox"
    initramfs_init >"$initramfs/init"
    guest_init >"$root/usr/sbin/reference-init"
    chmod 755 "$initramfs/init" "$root/usr/sbin/reference-init"
    (cd "$initramfs" && find . | ./busybox cpio -o -H newc 2>/dev/null) | gzip -1 >"$folder/initrd"
    rm -f "$folder/base.ext4"
    mke2fs -q -t ext4 -d "$root" "$folder/base.ext4" 4G >/dev/null
    rm -rf "$root" "$initramfs"
}

initramfs_init() {
    cat <<'END'
#!/busybox sh
/busybox mount -t devtmpfs dev /dev
/busybox mount -t proc proc /proc
for module in /modules/*; do /busybox insmod $module; done
/busybox mount -t ext4 -o noatime /dev/vda /root
exec /busybox switch_root /root /usr/sbin/reference-init
END
}

# name= and address= come from the kernel's command line.
guest_init() {
    cat <<'END'
#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
read -r words </proc/cmdline
for word in $words; do
    case $word in name=*) name=${word#*=} ;; address=*) address=${word#*=} ;; esac
done
echo "$name" >/proc/sys/kernel/hostname
ip link set lo up
ip link set eth0 up
ip link set eth1 up
ip address add 198.51.100.15/24 dev eth0
ip address add "$address/24" dev eth1
ip route add default via 198.51.100.2
echo nameserver 198.51.100.3 >/etc/resolv.conf
modprobe -aq overlay br_netfilter vxlan ip_vs ip_vs_rr xt_ipvs nf_conntrack xt_conntrack \
    xt_MASQUERADE xt_addrtype nf_nat veth
# As the packages' own services have it. Left to start containerd itself, dockerd gives up after
# 15 seconds, which four machines on two cores may take.
containerd --config /dev/null >/var/log/containerd.log 2>&1 &
dockerd --containerd /run/containerd/containerd.sock --tls=false \
    --host unix:///run/docker.sock --host tcp://0.0.0.0:2375 >/var/log/docker.log 2>&1 &
while :; do wait; sleep 60; done
END
}

# -- measured --------------------------------------------------------------------------------------

host_address() { echo "127.231.0.$1"; }

engine() {
    number=$1
    shift
    docker --host "tcp://$(host_address "$number"):2375" "$@"
}

start() {
    number=$1 name=$2
    case $(uname -m) in
        aarch64) program=qemu-system-aarch64 machine=virt console=ttyAMA0 ;;
        *) program=qemu-system-x86_64 machine=q35 console=ttyS0 ;;
    esac
    mac=52:54:00:e7:00:0$number
    $program -machine $machine -accel tcg,thread=multi -cpu max -smp 1 -m 1024 -display none -daemonize \
        -pidfile "$folder/$name.pid" -serial "file:$folder/$name.log" -monitor none \
        -kernel "$folder/kernel" -initrd "$folder/initrd" \
        -append "console=$console quiet net.ifnames=0 name=$name address=$network.10$number" \
        -drive "file=$folder/base.ext4,if=virtio,format=raw,cache=unsafe,snapshot=on" \
        -netdev "user,id=out,net=198.51.100.0/24,host=198.51.100.2,dns=198.51.100.3,hostfwd=tcp:$(host_address "$number"):2375-198.51.100.15:2375" \
        -device "virtio-net-pci,netdev=out,mac=52:54:00:e7:01:0$number" \
        -netdev "socket,id=segment,mcast=$segment,localaddr=127.0.0.1" \
        -device "virtio-net-pci,netdev=segment,mac=$mac"
}

wait_for_engine() {
    tries=3000
    until [ "$(curl --silent --max-time 2 "http://$(host_address "$1"):2375/_ping")" = OK ]; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || { echo "the engine of machine $1 does not answer" >&2; return 1; }
        sleep $poll
    done
}

# Waits for what was started in the background; fails if one of it did.
finish() {
    for job in $jobs; do wait "$job"; done
    jobs=
}

start_and_wait() {
    start "$@"
    wait_for_engine "$1"
}

one() {
    folder=$(cd "$1" && pwd)
    start_and_wait 1 manager1
}

up() {
    folder=$(cd "$1" && pwd)
    number=0
    for name in manager1 $workers; do
        number=$((number + 1))
        start_and_wait $number "$name" &
        jobs="$jobs $!"
    done
    finish
    engine 1 swarm init --advertise-addr $network.101 >/dev/null
    token=$(engine 1 swarm join-token --quiet worker)
    # An engine that takes longer than 20 seconds says so and continues in the background.
    for number in 2 3 4; do
        engine $number swarm join --token "$token" $network.101:2377 >/dev/null 2>&1 &
    done
    tries=3000
    until [ "$(engine 1 node ls --format '{{.Status}}' | grep -c '^Ready')" = 4 ]; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || { echo "not all of the four nodes are ready" >&2; return 1; }
        sleep $poll
    done
}

down() {
    [ -d "$1" ] || return 0
    folder=$(cd "$1" && pwd)
    for file in "$folder"/*.pid; do
        [ -e "$file" ] || continue
        # The process id may have been reused: ours has our folder in its command line.
        pid=$(cat "$file")
        ! tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$file" || kill -9 "$pid"
        while [ -s "/proc/$pid/cmdline" ]; do sleep $poll; done
        rm "$file"
    done
    rm -f "$folder"/*.log
}

action=$1
shift
"$action" "$@"
