#!/bin/sh
# What VBoxManage is asked by docker-machine 0.16.2 when the walkthrough's script makes four machines
# and restarts each: its calls, as they were recorded, one after the other, and nothing else. No
# machine is waited for, nothing is logged in to, no certificate is copied, no swarm made.
#
#   reference-virtualbox.sh DIRECTORY    VBoxManage is the first on the PATH
set -eu

store=$1
image=$store/boot2docker.iso
head -c 65536 /dev/zero >"$image"

# Some calls are refused, which docker-machine expects.
ask() {
    VBoxManage "$@" >/dev/null 2>&1 || :
}

look() {
    for _ in $(seq "$1"); do ask showvminfo "$name" --machinereadable; done
}

network() {
    ask list hostonlyifs
    [ "$name" != manager1 ] || {
        ask hostonlyif create
        ask list hostonlyifs
        ask hostonlyif ipconfig vboxnet0 --ip 192.168.99.1 --netmask 255.255.255.0
    }
    ask list dhcpservers
    ask list dhcpservers
    ask dhcpserver "$1" --netname HostInterfaceNetworking-vboxnet0 --ip 192.168.99.7 \
        --netmask 255.255.255.0 --lowerip 192.168.99.100 --upperip 192.168.99.254 --enable
    ask modifyvm "$name" --nic2 hostonly --nictype2 Am79C973 --nicpromisc2 deny \
        --hostonlyadapter2 vboxnet0 --cableconnected2 on
    ask modifyvm "$name" --natpf1 delete ssh
    ask modifyvm "$name" --natpf1 ssh,tcp,127.0.0.1,34007,,22
    ask startvm "$name" --type headless
    look 4
    ask list hostonlyifs
}

create() {
    folder=$store/$name
    mkdir -p "$folder"
    look 1
    ask --version
    ask list hostonlyifs
    head -c 65536 /dev/zero | ask convertfromraw stdin "$folder/disk.vmdk" 67108864 --format VMDK
    ask createvm --basefolder "$folder" --name "$name" --register
    ask modifyvm "$name" --firmware bios --bioslogofadein off --bioslogofadeout off \
        --bioslogodisplaytime 0 --biosbootmenu disabled --ostype Linux26_64 --cpus 1 --memory 1024 \
        --acpi on --ioapic on --rtcuseutc on --natdnshostresolver1 off --natdnsproxy1 on \
        --cpuhotplug off --pae on --hpet on --hwvirtex on --nestedpaging on --largepages on \
        --vtxvpid on --accelerate3d off --boot1 dvd
    ask modifyvm "$name" --nic1 nat --nictype1 82540EM --cableconnected1 on
    ask storagectl "$name" --name SATA --add sata --hostiocache on
    ask storageattach "$name" --storagectl SATA --port 0 --device 0 --type dvddrive --medium "$image"
    ask storageattach "$name" --storagectl SATA --port 1 --device 0 --type hdd \
        --medium "$folder/disk.vmdk"
    ask guestproperty set "$name" /VirtualBox/GuestAdd/SharedFolders/MountPrefix /
    ask guestproperty set "$name" /VirtualBox/GuestAdd/SharedFolders/MountDir /
    ask sharedfolder add "$name" --name hosthome --hostpath /home --automount
    ask setextradata "$name" VBoxInternal2/SharedFoldersEnableSymlinksCreate/hosthome 1
    look 1
    network add
    look 9
}

restart() {
    look 3
    ask controlvm "$name" acpipowerbutton
    look 2
    network modify
    look 5
}

for name in manager1 worker1 worker2 worker3; do
    create
    restart
done
