#!/usr/bin/env bash
# A SLURM of one machine for the tests: munged, slurmctld and slurmd as root, without systemd and
# cgroups.
#   slurm_lab.sh up FOLDER     start them; state and logs go into FOLDER
#   slurm_lab.sh down FOLDER   end what `up` started
# Two partitions: `lab`, and `urgent`, whose jobs preempt those of `lab`: those get TERM, have
# KillWait to save, and are requeued.
set -euo pipefail
root=$2
alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }
end() {
	alive "$1" || return 0
	local pid
	pid=$(cat "$1")
	kill "$pid"
	for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || return 0; sleep 0.1; done
	kill -9 "$pid"
}

if [ "$1" = down ]; then
	timeout 20 scancel --user="$(id -un)" 2>/dev/null || true
	end "$root/slurmd.pid"; end "$root/slurmctld.pid"; end /run/munge/munged.pid
	exit 0
fi

for needed in slurmctld slurmd munged; do
	command -v $needed >/dev/null && continue
	echo "$needed is missing: apt-get install slurm-wlm munge" >&2
	exit 1
done
mkdir -p "$root"/{state,spool,log} /etc/slurm
key=/etc/munge/munge.key
[ -s $key ] || dd if=/dev/urandom of=$key bs=128 count=1 status=none
install -d -o munge -g munge -m 0755 /run/munge
install -d -o munge -g munge -m 0700 /var/lib/munge /var/log/munge
chown munge:munge $key
chmod 0400 $key
as_munge="setpriv --reuid munge --regid munge --init-groups"
munge -n >/dev/null 2>&1 || $as_munge munged --force 2>"$root/log/munged"
host=$(hostname -s)
cat >/etc/slurm/slurm.conf <<CONF
ClusterName=lab
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$root/state
SlurmdSpoolDir=$root/spool
SlurmctldPidFile=$root/slurmctld.pid
SlurmdPidFile=$root/slurmd.pid
SlurmctldLogFile=$root/log/slurmctld
SlurmdLogFile=$root/log/slurmd
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,batch_sched_delay=0,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=20
MinJobAge=3600
JobRequeue=1
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 RealMemory=16000 State=UNKNOWN
PartitionName=lab Nodes=$host Default=YES PriorityTier=1 State=UP
PartitionName=urgent Nodes=$host PriorityTier=10 PreemptMode=OFF State=UP
CONF
alive "$root/slurmctld.pid" || slurmctld
for _ in $(seq 100); do
	scontrol ping 2>/dev/null | grep -q UP && break
	sleep 0.2
done
alive "$root/slurmd.pid" || slurmd
for _ in $(seq 100); do
	sinfo -h -o %t 2>/dev/null | grep -qE '^(idle|mix|alloc)$' && exit 0
	sleep 0.2
done
echo "SLURM did not come up; logs in $root/log" >&2
exit 1
