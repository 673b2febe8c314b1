#!/bin/sh
# Makes in $2 a toolchain with the standard libraries of both architectures, laid out as rustup does it, of the Debian in $1.
# All libraries that its compiler needs are in it, the C library too: it starts wherever this machine's cargo does.
set -eu
root=$1 rust=$2
host=lib/rustlib/x86_64-unknown-linux-gnu loader=ld-linux-x86-64.so.2
mkdir -p "$rust/bin" "$rust/lib/rustlib"
cp -r "$root/usr/$host" "$root/usr/lib/rustlib/aarch64-unknown-linux-gnu" "$rust/lib/rustlib"
# In a folder where cargo does not look for its own.
mkdir "$rust/$host/own"
chroot "$root" "/lib64/$loader" --list /usr/bin/rustc | grep -o '/[^ ]*' | while read -r file; do
  chroot "$root" cat "$file" >"$rust/$host/own/${file##*/}"
done
cp "$root/usr/bin/rustc" "$rust/$host/own"
chmod 755 "$rust/$host/own/rustc" "$rust/$host/own/$loader"
# By its place, the compiler knows its sysroot.
mv "$rust/$host"/own/librustc_driver-*.so "$rust/lib"
cat >"$rust/bin/rustc" <<END
#!/bin/sh
root=\${0%/*}/..
{ echo "\$*" >>"\$root/calls"; } 2>/dev/null
own=\$root/$host/own
exec "\$own/$loader" --library-path "\$root/lib:\$own" "\$own/rustc" "\$@"
END
chmod 755 "$rust/bin/rustc"
cp "$(rustc --print sysroot)/bin/cargo" "$rust/bin"
