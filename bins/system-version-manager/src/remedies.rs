//! The remedies of this program for refusals.

use baserock::{ExistingLabel, Refusal};
use baserock_terminal::{remedy, volume};
use system::Error;

/// The remedy for an error: words that end its line.
pub fn remedies(error: &Error) -> Option<String> {
    if let Error::Busy { .. } = error {
        return Some("wait for it to end, or use --wait".to_owned());
    }
    if let Some(baserock_chroots::Refusal::NoChroot { label, .. }) = error.kind() {
        return Some(format!("manage-baserock list shows them; for a folder, give a path: ./{label}"));
    }
    if let Some(refusal) = error.kind() {
        return published(refusal);
    }
    if let Some(refusal) = error.kind() {
        return signed(refusal);
    }
    Some(match error.kind()? {
        Refusal::Running { .. } => "boot another one before you remove it".to_owned(),
        Refusal::Default { .. } => {
            "choose another one first (system-version-manager set-default LABEL)".to_owned()
        }
        Refusal::OnTrial { .. } => "call the trial off first (system-version-manager abandon)".to_owned(),
        Refusal::Pinned { label } => format!("unpin it first (system-version-manager unpin {label})"),
        Refusal::NoTrial => "begin one with system-version-manager try LABEL".to_owned(),
        Refusal::TrialNotRunning { .. } => {
            "restart the machine, or call it off (system-version-manager abandon)".to_owned()
        }
        Refusal::NoOneShot { .. } => {
            "install one (system-version-manager install-bootloader), or use set-default and stay at the console when it boots".to_owned()
        }
        Refusal::NoEsp { .. } => {
            "make one: a partition of the type EFI system, of 64 MiB, with mkfs.vfat -F 32".to_owned()
        }
        Refusal::NoBootLoader { package, .. } => remedy::install(package),
        Refusal::NoTrialUnit { .. } => {
            "install the units for trials in its tree, or use --without-units and confirm it yourself"
                .to_owned()
        }
        Refusal::Recorded { label } => format!("use verify {label}"),
        Refusal::AlwaysBoots { .. } => "if you are sure, use --force".to_owned(),
        Refusal::Exists { label, .. } => {
            format!("choose another label, or remove it first (system-version-manager remove {label})")
        }
        Refusal::Deployed { label } => {
            format!("remove it first (system-version-manager remove {label}), or choose another label")
        }
        Refusal::Damaged { label } => format!("remove it first (system-version-manager remove {label})"),
        Refusal::NoSubvolume { .. } => {
            "create it with btrfs subvolume create and copy the tree into it".to_owned()
        }
        Refusal::Full { removable, large, .. } | Refusal::NoRoom { removable, large, .. } => {
            remedy::make_room("system-version-manager", removable, large)
        }
        Refusal::DefaultSubvolume { .. } => {
            "choose another one first (btrfs subvolume set-default 5 PATH chooses the top level)".to_owned()
        }
        Refusal::Unmergeable { paths, .. } => remedy::take(paths),
        Refusal::Conflicts { paths, .. } => {
            format!("{}, or leave out --refuse-conflicts", remedy::take(paths))
        }
        Refusal::EtcOfBothEdited { old, new, .. } => merge_again(old, new),
        Refusal::NotVouched { label, .. } => format!(
            "sign it by a key that the system trusts: with SIGNING_KEY where it is published or imported, or by what baserock-publish vouch prints, in systems/{label}/signed"
        ),
        refusal => return volume::remedy(refusal).or_else(|| remedy::boot(refusal)),
    })
}

/// The remedies for refusals of a repository.
fn published(refusal: &repository::Refusal) -> Option<String> {
    use repository::Refusal as R;
    Some(match refusal {
        R::Another { repository } => {
            format!(
                "if that is meant, fetch from it once by its name (system-version-manager fetch {repository})"
            )
        }
        R::Older { .. } => "try another mirror, or ask whoever publishes it".to_owned(),
        R::Expired { .. } => {
            "ask whoever publishes it to do so again; --allow-expired takes it as it is".to_owned()
        }
        R::Clock { .. } => "set the clock (date), or use --allow-expired".to_owned(),
        R::Altered { .. } => "fetch it again, or from another mirror".to_owned(),
        _ => return None,
    })
}

/// The remedies for refusals of signatures.
fn signed(refusal: &baserock_signatures::Refusal) -> Option<String> {
    use baserock_signatures::Refusal as R;
    Some(match refusal {
        R::NoKeys { file, .. } => {
            format!(
                "put the keys that you trust into {file}, in ssh's form: NAME namespaces=\"baserock-repository\" KEY"
            )
        }
        R::Unsigned { .. } | R::TooFewSigners { .. } => "tell whoever publishes it to sign it".to_owned(),
        _ => return None,
    })
}

/// The remedy where `/etc` of two versions was edited.
pub fn merge_again(old: &ExistingLabel, new: &ExistingLabel) -> String {
    format!(
        "baserock-system-config-sync merge {old} {new} --again merges /etc of {old}, and drops the edits in /etc of {new} \
         (they are kept in systems/{new}/etc.before-merge)"
    )
}
