//! Copies one version's `/etc` over another's.

use system::error::Result;

use super::accounts;
use super::changes::Changes;
use super::fingerprint::fingerprint_of_user;
use super::identity::{Class, class};
use super::path::EtcPath;
use super::plan::Plan;
use super::record::Record;
use super::tree::{Kind, Node, Trees};

/// Plans to put the canonical version's `etc` into another version.
///
/// `trees.v1` and `trees.user` are the canonical version's, as built and as it is now. `trees.v2` is the other version's as built.
/// Accounts that only the other version has are added, because its files belong to them. Generated files stay the other version's.
pub fn plan_sync(mut trees: Trees, canonical: Option<&Record>) -> Result<Plan> {
    let user = fingerprint_of_user(&trees.user);
    let user_changes = Changes::between(&trees.v1, &trees.user);
    let dropped = canonical.map(|record| record.dropped.clone()).unwrap_or_default();
    let accounts = accounts::merge(&trees.v1, &trees.user, &trees.v2, &dropped)?.unwrap_or_default();
    trees.v2.apply_moves(&accounts.v2_moves);
    let built = trees.v2.clone();
    let mut result = trees.user;
    for (path, content) in accounts.files {
        let node = result.get(&path).or_else(|| trees.v2.get(&path)).cloned();
        if let (Some(content), Some(node)) = (content, node) {
            result.insert(path, Node { kind: Kind::File(content), ..node });
        }
    }
    let special: Vec<EtcPath> = result.paths().chain(trees.v2.paths()).cloned().collect();
    for path in special {
        match (class(&path), trees.v2.get(&path)) {
            (Class::Generated, Some(node)) => result.insert(path, node.clone()),
            (Class::Generated, None) | (Class::Marker, _) => drop(result.remove(&path)),
            (Class::Ordinary | Class::Machine, _) => {}
        }
    }
    let conflicts = canonical.map(|record| record.conflicts.clone()).unwrap_or_default();
    let conflicts = conflicts.into_iter().filter(|conflict| result.get(&conflict.rej).is_some()).collect();
    let mut plan = Plan {
        result,
        conflicts,
        moves: accounts.v2_moves,
        dropped: accounts.dropped,
        user,
        user_changes,
        built,
        ..Plan::default()
    };
    super::structure::complete(&mut plan.result, &Trees::default(), &mut std::collections::BTreeSet::new());
    Ok(plan)
}
