//! What a process inside gives up, so that even root there cannot change or see the machine outside.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};
use system::error::{OrCannot, Result};
use system::sys::keys;

/// The capabilities that root keeps inside: those with which packages are built and installed. The manual page lists them.
const KEPT: [CapabilitySet; 12] = [
    CapabilitySet::CHOWN,
    CapabilitySet::DAC_OVERRIDE,
    CapabilitySet::FOWNER,
    CapabilitySet::FSETID,
    CapabilitySet::KILL,
    CapabilitySet::SETGID,
    CapabilitySet::SETUID,
    CapabilitySet::SETPCAP,
    CapabilitySet::SETFCAP,
    CapabilitySet::NET_BIND_SERVICE,
    CapabilitySet::SYS_CHROOT,
    CapabilitySet::AUDIT_WRITE,
];

/// Gives up all other capabilities for ever, and the keys of the caller.
pub fn confine() -> Result<()> {
    const WHAT: &str = "this process";
    keys::new_keyring().or_cannot("give a keyring to", WHAT)?;
    if let Err(error) = keys::forbid() {
        tracing::warn!("the keys of your user are not kept from what runs inside: {error}");
    }
    let kept = KEPT.into_iter().fold(CapabilitySet::empty(), |all, one| all | one);
    for number in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << number);
        if kept.contains(one) {
            continue;
        }
        match remove_capability_from_bounding_set(one) {
            // The kernel has no capability of this number.
            Err(Errno::INVAL) => break,
            other => other.or_cannot("take capabilities from", WHAT)?,
        }
    }
    if let Err(error) = clear_ambient_capability_set() {
        // Kernels before 4.3 have none.
        tracing::debug!("no ambient capabilities: {error}");
    }
    let mine = capabilities(None).or_cannot("examine", WHAT)?;
    let left = CapabilitySets {
        effective: mine.effective & kept,
        permitted: mine.permitted & kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, left).or_cannot("take capabilities from", WHAT)
}
