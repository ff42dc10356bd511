#!/usr/bin/env bash
# Makes what the virtual machine boots from: Debian's kernel, unpacked and not installed, and an
# initramfs of busybox, the broker and its libraries.
#
#   tests/power/guest.sh DIR BROKER
#
# leaves DIR/vmlinuz and DIR/initrd. The kernel is fetched once. Installs what is missing when it
# is run by root on Debian or a relative of it.
set -euo pipefail
dir=$(realpath -m "$1")
broker=$(realpath "$2")
mkdir -p "$dir"

need() {
  command -v "$1" >/dev/null || missing+=("$2")
}
missing=()
need qemu-system-x86_64 qemu-system-x86
need busybox busybox-static
need mkfs.xfs xfsprogs
need cpio cpio
if [ ${#missing[@]} -gt 0 ]; then
  apt-get update >/dev/null
  DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${missing[@]}" >/dev/null
fi

if [ ! -e "$dir/kernel/boot" ]; then
  name=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: //p' | head -n 1)
  [ -n "$name" ] || { echo "no package linux-image-cloud-amd64: run apt-get update" >&2; exit 1; }
  rm -rf "$dir/package" "$dir/unpacked"
  mkdir -p "$dir/package"
  chmod 777 "$dir/package"
  (cd "$dir/package" && apt-get download "$name" >/dev/null)
  dpkg-deb --extract "$dir"/package/*.deb "$dir/unpacked"
  rm -rf "$dir/package" "$dir/kernel"
  mv "$dir/unpacked" "$dir/kernel"
fi
cp "$dir"/kernel/boot/vmlinuz-* "$dir/vmlinuz"

root=$dir/root
rm -rf "$root"
mkdir -p "$root"/{bin,proc,sys,dev,data,modules,tmp}
cp "$(command -v busybox)" "$root/bin/busybox"
cp "$broker" "$root/bin/corelane"
ldd "$broker" | grep -o '/[^ ]*' | while read -r library; do
  mkdir -p "$root$(dirname "$library")"
  cp "$library" "$root$library"
done
at=0
for module in virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci \
  virtio_blk failover net_failover virtio_net libcrc32c xfs; do
  file=$(find "$dir/kernel/lib/modules" -name "$module.ko" | head -n 1)
  at=$((at + 1))
  # Built into some kernels.
  [ -z "$file" ] || cp "$file" "$root/modules/$(printf '%02d' "$at")-$module.ko"
done
cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
# As often as it takes for each to find what it needs.
for try in 1 2 3; do
  for module in /modules/*; do insmod "$module" 2>/dev/null; done
done
for word in $(cat /proc/cmdline); do
  case $word in data.fs=* | data.port=*) eval "${word#data.}" ;; esac
done
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
mount -t "$fs" /dev/vda /data
echo "cache of the disk: $(cat /sys/block/vda/queue/write_cache)"
export PATH=/bin
ulimit -l unlimited
corelane serve --data-dir /data/broker --shards 2 --host 0.0.0.0 --advertised-host 127.0.0.1 \
  --port "$port" --config /server.properties
echo "the broker ended with $?"
poweroff -f
INIT
chmod +x "$root/init"
# The journals have to leave room on a small disk, and their circles shall close many times.
printf '%s\n' log.retention.check.interval.ms=150 log.cleaner.backoff.ms=100 \
  corelane.journal.bytes=1048576 \
  >"$root/server.properties"
(cd "$root" && find . | cpio --quiet -o -H newc | gzip -1) >"$dir/initrd"
rm -rf "$root"
