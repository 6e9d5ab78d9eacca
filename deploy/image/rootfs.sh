#!/bin/sh
# Makes the root file system of the image, in `root`: the program, the shared libraries that it names,
# the certificates of public authorities, and an account for it. Nothing else: no shell, no packages.
# And, in `data`, the directory for those who keep something in the container.
#   deploy/image/rootfs.sh BINARY DIRECTORY
set -eu

binary=${1:?usage: rootfs.sh BINARY DIRECTORY}
image=${2:?usage: rootfs.sh BINARY DIRECTORY}
root=$image/root
account=65532

rm -rf "$image"
mkdir -p "$root/etc/ssl/certs" "$image/data"

# A program that is linked statically has none.
libraries() {
    ldd "$binary" 2>/dev/null | grep -o '/[^ ]*' || true
}

install -m 755 -D "$binary" "$root/roadstead"
for library in $(libraries); do
    install -m 755 -D "$(readlink -f "$library")" "$root$library"
done

certificates=/etc/ssl/certs/ca-certificates.crt
if [ ! -s "$certificates" ]; then
    echo "$certificates is missing: install the package ca-certificates" >&2
    exit 1
fi
install -m 644 "$certificates" "$root$certificates"
echo "roadstead:x:$account:$account:roadstead:/data:/sbin/nologin" >"$root/etc/passwd"
echo "roadstead:x:$account:" >"$root/etc/group"
# Names are looked up in /etc/hosts, then asked for.
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
# A directory that is empty is not copied by every builder.
echo "Nothing is kept here unless a volume is mounted." >"$image/data/README"
