//! The kernel's keys, which a process has by its session and by its user.

use std::io;

use libc::{sock_filter, sock_fprog};

/// Gives this process a session keyring of its own, so that it does not possess the keys of its caller. Kernels without keys need none.
pub fn new_keyring() -> io::Result<()> {
    const JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: without a name the call reads no memory.
    match unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, std::ptr::null::<libc::c_char>()) } {
        0.. => Ok(()),
        _ => match io::Error::last_os_error() {
            error if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => Ok(()),
            error => Err(error),
        },
    }
}

/// The calls for keys, as each architecture numbers them: its name in the audit of the kernel, and the first and the last number of
/// `add_key`, `request_key` and `keyctl`, which follow each other everywhere.
const CALLS: [(u32, u32, u32); 5] = [
    (0xc000_003e, 248, 250), // x86_64
    (0x4000_0003, 286, 288), // i386
    (0xc000_00b7, 217, 219), // aarch64
    (0x4000_0028, 309, 311), // arm
    (0xc000_00f3, 217, 219), // riscv64
];

/// The bit by which numbers of x32 differ from those of x86_64, whose architecture they have.
const X32: u32 = 1 << 30;

/// Takes the calls for keys from this process and its children for ever: they fail as on a kernel without keys. A session keyring of its own
/// does not keep root from the keys of root, because those of a user can be reached from every session. The caller has `CAP_SYS_ADMIN`.
pub fn forbid() -> io::Result<()> {
    const NUMBER: u32 = 0;
    const ARCHITECTURE: u32 = 4;
    let load = |offset| statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset);
    let answer = |value| statement(libc::BPF_RET | libc::BPF_K, value);
    let absent = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
    let mut filter = vec![load(ARCHITECTURE)];
    for (architecture, first, last) in CALLS {
        filter.extend([
            jump(libc::BPF_JEQ, architecture, 0, 6),
            load(NUMBER),
            statement(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, !X32),
            jump(libc::BPF_JGE, first, 0, 1),
            jump(libc::BPF_JGT, last, 0, 1),
            answer(libc::SECCOMP_RET_ALLOW),
            answer(absent),
        ]);
    }
    filter.push(answer(libc::SECCOMP_RET_ALLOW));
    let length = libc::c_ushort::try_from(filter.len()).map_err(io::Error::other)?;
    let program = sock_fprog { len: length, filter: filter.as_mut_ptr() };
    // SAFETY: the program has `len` instructions, and the kernel copies them before the call returns.
    match unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn statement(code: u32, value: u32) -> sock_filter {
    sock_filter { code: u16::try_from(code).unwrap_or(u16::MAX), jt: 0, jf: 0, k: value }
}

/// Goes on after `yes` or `no` further instructions.
fn jump(compare: u32, value: u32, yes: u8, no: u8) -> sock_filter {
    sock_filter { jt: yes, jf: no, ..statement(libc::BPF_JMP | compare | libc::BPF_K, value) }
}
