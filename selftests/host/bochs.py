# SPDX-License-Identifier: GPL-2.0-only
"""The vmx host's machine: Bochs, an interpreter of the whole PC. Debian 12's 2.7, or the
newer one that built-bochs makes and corrects, which has posted interrupts.

Bochs has no virtio and no 9p. What the host reads (its kernel, the repository,
the shares) is on one disc made for each run, its user land on a disk, what it
keeps on a second disk; the command's output is its second serial line. One
thread executes all CPUs in turns and the TSC counts their instructions, so
every run with the same input is the same run.
"""
import os
import shutil
import subprocess

FILES = "/usr/share/bochs"
# Instructions per emulated second, on which the host's clocks agree. The higher
# it is, the more of them are spent on waiting for the emulated serial line.
IPS = 20_000_000
# What --cpu may name, the default first, and what Linux must be told about each: the
# models with CPUID leaf 15h claim 3.5 GHz (hence tsc_early_khz, for all), those with
# AVX-512 have an XSAVE area whose size Linux does not believe, and XSAVES and XSAVEC
# that lose registers.
DEBIAN_MODELS = {
    "corei7_haswell_4770": "",
    "broadwell_ult": "",
    "corei7_sandy_bridge_2600k": "",
    "corei7_ivy_bridge_3770k": "",
    "corei7_skylake_x": "clearcpuid=avx512f,xsaves,xsavec",
    "corei5_arrandale_m520": "",
    "corei5_lynnfield_750": "",
    "core2_penryn_t9600": "",
    "zambezi": "",
    "trinity_apu": "",
}
NEWER_MODELS = {
    "arrow_lake": "",
    "corei7_skylake_x": "clearcpuid=avx512f",
    "corei7_icelake_u": "clearcpuid=avx512f",
    "tigerlake": "clearcpuid=avx512f",
    "sapphire_rapids": "clearcpuid=avx512f",
    "corei7_haswell_4770": "",
    "ryzen": "",
}
MODELS = {"debian": DEBIAN_MODELS, "newer": NEWER_MODELS}
RESULT_SIZE = "1G"


def append(args):
    """The kernel's command line for the chosen model of CPU."""
    # MWAIT is buggy in 2.7, hence idle=halt. A reset would begin the boot anew:
    # reboot=triple makes it a triple fault, which ends the machine.
    return ("console=ttyS0,115200n8 loglevel=7 printk.devkmsg=on oops=panic panic=-1 reboot=triple "
            f"no_timer_check tsc=reliable tsc_early_khz={IPS // 1000} idle=halt mitigations=off "
            f"carrier=disks {MODELS[args.bochs][args.cpu]}")


def quoted(path):
    if '"' in path or "\n" in path:
        raise ValueError(f"Bochs cannot take {path}")
    return f'"{path}"'


def make_loader(path, command_line):
    """GRUB's image for a disc, with one entry in it and no menu."""
    words = " ".join("'" + word.replace("'", "'\\''") + "'" for word in command_line.split())
    with open(f"{path}.cfg", "w") as file:
        file.write("serial --speed=115200\nterminal_output serial\n"
                   f"linux /boot/bzImage {words}\ninitrd /boot/initrd\nboot\n")
    subprocess.run(["grub-mkimage", "-O", "i386-pc-eltorito", "-p", "/boot", "-c", f"{path}.cfg",
                    "-o", path, "biosdisk", "iso9660", "linux", "serial", "terminal"], check=True)


def make_disc(work, repo, files):
    """The disc, with each of files {path on it: path here} and without what no test needs."""
    subprocess.run(["xorriso", "-report_about", "WARNING", "-as", "mkisofs", "-R", "-quiet",
                    "-o", f"{work}/disc", "-b", "boot/loader", "-no-emul-boot",
                    "-boot-load-size", "4", "-boot-info-table",
                    "-m", f"{repo}/build", "-m", f"{repo}/.git", "-m", "*.o",
                    "-graft-points", *(f"{at}={path}" for at, path in files.items())],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make_result_disk(work, out):
    shutil.copytree(out, f"{work}/result.d/out", symlinks=True,
                    ignore=lambda path, names: ["console.log"] if path == out else [])
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0",
                    "-d", f"{work}/result.d", f"{work}/result", RESULT_SIZE],
                   check=True, stdout=subprocess.DEVNULL)


def module_of(repo, release):
    """The module as built for this kernel."""
    path = f"build/{release}/ditto.ko"
    return {f"repo/{path}": f"{repo}/{path}"} if os.path.exists(f"{repo}/{path}") else {}


def prepare(args, kernel, release, work, repo, out, shares, rootfs, initramfs):
    """Make the disc and the disks of one run."""
    make_loader(f"{work}/loader", f"{append(args)} {args.append}")
    files = {"boot/loader": f"{work}/loader", "boot/bzImage": f"{kernel}/bzImage",
             "boot/initrd": initramfs, "control": f"{work}/control",
             "modules": f"{kernel}/modules/lib/modules/{release}", "repo": repo}
    files |= module_of(repo, release)
    files |= {f"share/{name}": path for name, path in shares.items()}
    make_disc(work, repo, files)
    make_result_disk(work, out)
    os.symlink(rootfs, f"{work}/rootfs")


def megabytes(size):
    units = {"M": 1, "G": 1024}
    if not size[:-1].isdigit() or size[-1].upper() not in units:
        raise ValueError(f"--memory {size}: want a number with M or G")
    return int(size[:-1]) * units[size[-1].upper()]


def settings(args, work, console, output):
    """Bochs's configuration file; output is the number of a file descriptor."""
    memory = megabytes(args.memory)
    screen = "nogui" if args.bochs == "newer" else "term\nsound: waveoutdrv=dummy"
    time = "1767225600" if args.icount else "utc"
    return f"""
display_library: {screen}
plugin_ctrl: unmapped=1, biosdev=1, speaker=0, extfpuirq=1, parallel=0, serial=1
cpu: model={args.cpu}, count={args.smp}, ips={IPS}, reset_on_triple_fault=0, ignore_bad_msrs=1
clock: sync=none, time0={time}
memory: guest={memory}, host={memory}
romimage: file={FILES}/BIOS-bochs-latest, options=fastboot
vgaromimage: file={FILES}/VGABIOS-lgpl-latest
vga: update_freq=1
pci: enabled=1, chipset=i440fx
boot: cdrom
ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15
ata0-master: type=disk, path={quoted(work + '/rootfs')}, mode=volatile, journal={quoted(work + '/rootfs.redo')}, cylinders=0
ata0-slave: type=disk, path={quoted(work + '/result')}, mode=flat, cylinders=0
ata1-master: type=cdrom, path={quoted(work + '/disc')}, status=inserted
com1: enabled=1, mode=file, dev={quoted(console)}
com2: enabled=1, mode=file, dev="/dev/fd/{output}"
log: {quoted(work + '/bochs.log')}
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
"""


def command(args, work, console, output, newer):
    """The command that runs the machine. It wants a terminal, and output open.

    newer is the directory of the newer Bochs, if that is to run it.
    """
    with open(f"{work}/bochsrc", "w") as file:
        file.write(settings(args, work, console, output))
    if newer:
        return [f"{newer}/bochs", "-q", "-f", f"{work}/bochsrc"]
    # Debian's Bochs stops in its debugger first.
    with open(f"{work}/debugger", "w") as file:
        file.write("c\n")
    return ["bochs-bin", "-q", "-f", f"{work}/bochsrc", "-rc", f"{work}/debugger"]


def fetch_results(work, out):
    """What the machine left on its disk: /out, and the command's status."""
    for what, where in ((f'rdump /out "{work}/fetched"', None), ("cat /status", "status")):
        os.makedirs(f"{work}/fetched", exist_ok=True)
        with open(f"{work}/{where}" if where else os.devnull, "w") as file:
            subprocess.run(["/sbin/debugfs", "-R", what, f"{work}/result"],
                           stdout=file, stderr=subprocess.DEVNULL)
    shutil.copytree(f"{work}/fetched/out", out, symlinks=True, dirs_exist_ok=True)


def last_words(work):
    """Why Bochs itself ended, from its log."""
    try:
        with open(f"{work}/bochs.log", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return ["it wrote no log"]
    return [line for line in lines[-20:] if "PANIC" in line or ">>" in line] or lines[-3:]
