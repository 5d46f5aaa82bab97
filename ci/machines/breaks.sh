# Hosts that are broken one after the other in one machine, for ci/sabotage: what is broken, a run of verify, and what makes
# it whole again. /init reads this where the kernel's command line has BREAKS.
#
# /dev/ttyS2 gets lines of JSON: what each run found, and what tests/sabotage has shown. ci/machines/breaks.py has the same
# names, and what each must find.

MODULES_HERE=/lib/modules/$(uname -r)

# What is broken, and words in the names of the experiments that it may concern: to perform all takes several times as long.
broken() {
    name=$1
    shift
    verify run specs "$@" --report json=/results/json >/dev/ttyS1 2>&1
    printf '{"broken": "%s", "results": %s}\n' "$name" "$(cat /results/json)" >/dev/ttyS2
    rm -f /results/json
}

# Nothing is loaded yet.
modules_missing() {
    mv "$MODULES_HERE" /lib/kept
    broken "no modules of this kernel" overlayfs net-namespace
    mkdir /lib/modules/6.12.1-other
    broken "modules of another kernel" overlayfs net-namespace
    rmdir /lib/modules/6.12.1-other
    mv /lib/kept "$MODULES_HERE"
    mkdir -p /etc/modprobe.d
    echo "install bridge /bin/false" >/etc/modprobe.d/hardening.conf
    broken "bridge is switched off for modprobe" net-namespace
    echo "install overlay /bin/false" >/etc/modprobe.d/hardening.conf
    broken "overlay is switched off for modprobe" overlayfs net-namespace
    rm /etc/modprobe.d/hardening.conf
}

# That all the others could be loaded has loaded these.
module_missing() {
    rmmod "$1"
    file=$(find "$MODULES_HERE" -name "$1.ko*")
    mv "$file" /lib/kept
    broken "without the module $1" net-namespace
    mv /lib/kept "$file"
}

# As under a manager that passes none of them on.
controllers_missing() {
    for group in /sys/fs/cgroup/system.slice /sys/fs/cgroup; do
        for controller in cpu memory pids; do
            echo "-$controller" >"$group/cgroup.subtree_control"
        done
    done
    broken "cpu, memory and pids are not passed on" cgroup
    enable /sys/fs/cgroup
    broken "system.slice does not pass cpu, memory and pids on" cgroup
    enable /sys/fs/cgroup/system.slice
}

# What of the host's own network a new network namespace has: its settings of IPv4, but not those of ICMP.
network() {
    echo 1 >/proc/sys/net/ipv4/icmp_echo_ignore_all
    broken "net.ipv4.icmp_echo_ignore_all is 1" net-namespace
    echo 0 >/proc/sys/net/ipv4/icmp_echo_ignore_all
    echo 8 >/proc/sys/net/ipv4/conf/all/arp_ignore
    broken "net.ipv4.conf.all.arp_ignore is 8" net-namespace
    echo 0 >/proc/sys/net/ipv4/conf/all/arp_ignore
    modprobe br_netfilter
    broken "br_netfilter is loaded" net-namespace
    rmmod br_netfilter
}

# verify in a profile of AppArmor's, which goes afterwards.
apparmor() {
    confine docker-default
    broken "AppArmor: docker-default, as around a container with CAP_SYS_ADMIN"
    confine docker-default --complain
    broken "AppArmor: docker-default in complain mode"
    release docker-default
    confine learning --complain
    broken "AppArmor: a profile without rules in complain mode"
    release learning
    confine no-flags --complain
    broken "AppArmor: the same without attach_disconnected"
    release no-flags
    confine no-admin
    broken "AppArmor: a profile without CAP_SYS_ADMIN"
    release no-admin
    confine no-groups
    broken "AppArmor: a profile that denies cgroups" cgroup chroot
    release no-groups
}

release() {
    printf %s "$1" >/sys/kernel/security/apparmor/.remove
}

# What a process can be refused, where the cgroups are of version 2.
processes() {
    mkdir -p /var/tmp
    VERIFY_BINARY=/usr/bin/verify VERIFY_SHOWN=/results/shown /certify/sabotage --test-threads=1 cgroup >/dev/ttyS1 2>&1
    printf '{"suite": %s}\n' $? >/dev/ttyS2
    cat /results/shown >/dev/ttyS2
}

export CI=1
modules_missing
module_missing veth
module_missing bridge
controllers_missing
network
apparmor
processes
broken "nothing"
