//! Plans a merge: makes the result and the steps from three trees, without touching a disk.

use std::collections::{BTreeMap, BTreeSet};

use system::error::{Error, Result};

use super::accounts::{self, Accounts, Dropped};
use super::changes::Changes;
use super::conflict::{Carried, Places, Rejected, carry, take_tool_files};
use super::fingerprint::{fingerprint_of_result, fingerprint_of_user, sum};
use super::fstab;
use super::identity::{self, Class, class};
use super::links;
use super::options::{Choices, Options, Side};
use super::original::decide_original;
use super::path::EtcPath;
use super::record::{Conflict, Record};
use super::rules::{Decision, Three, decide};
use super::step::{Action, Step};
use super::structure;
use super::tree::{Kind, Node, Tree, Trees};
use system::owners::IdMoves;

/// The plan of a merge.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The new version's future `etc`.
    pub result: Tree,
    /// The step for every path that is not the same in all three trees, sorted by path.
    pub steps: Vec<Step>,
    /// The conflicts, including open ones of earlier merges.
    pub conflicts: Vec<Conflict>,
    /// The owners that have other numbers on this machine than in the new version as built.
    pub moves: IdMoves,
    /// The accounts that versions dropped.
    pub dropped: Dropped,
    /// The fingerprint of the old version's `etc` as the user left it.
    pub user: String,
    /// The differences of that from the one as built; `None` if there are too many.
    pub user_changes: Option<Changes>,
    /// The new version's `etc` as built, with the machine's numbers.
    pub built: Tree,
    /// The options that decided.
    pub choices: Choices,
}

impl Plan {
    /// Adds a note for the user to the step of the path, which is made if there is none.
    pub fn point_out(&mut self, path: &EtcPath, action: Action, note: String) {
        let index = self.steps.binary_search_by(|step| step.path.cmp(path)).unwrap_or_else(|index| {
            self.steps.insert(index, Step::new(action, path.clone()));
            index
        });
        self.steps[index].point_out(note);
    }

    /// The record of the plan for the time after it is carried out. `old` is the label of the old version.
    pub fn record(&self, old: &str) -> Record {
        let made = self.conflicts.iter().flat_map(|conflict| conflict.orig.iter().chain([&conflict.rej]));
        let made: BTreeMap<_, _> =
            made.filter_map(|path| Some((path.clone(), sum(self.result.get(path)?)))).collect();
        Record {
            old: old.to_owned(),
            steps: self.steps.iter().filter(|step| !step.is_simply_new()).cloned().collect(),
            conflicts: self.conflicts.clone(),
            made,
            moves: self.moves.clone(),
            dropped: self.dropped.clone(),
            user: self.user.clone(),
            result: fingerprint_of_result(&self.result),
            user_changes: self.user_changes.clone(),
            result_changes: Changes::between(&self.built, &self.result),
            choices: self.choices.clone(),
            ..Record::default()
        }
    }
}

/// Plans the merge of three trees. `earlier` is the record of the merge that made the old version's `etc`, if there was one.
pub fn plan(mut trees: Trees, earlier: Option<&Record>, options: &Options) -> Result<Plan> {
    let user = fingerprint_of_user(&trees.user);
    let (user_changes, mut built) = (Changes::between(&trees.v1, &trees.user), trees.v2.clone());
    let carried = earlier.map(|earlier| take_tool_files(&mut trees.user, earlier)).unwrap_or_default();
    complete_fstab(&mut trees, options);
    let dropped = earlier.map(|earlier| earlier.dropped.clone()).unwrap_or_default();
    let merged = if options.original_rules {
        None
    } else {
        accounts::merge(&trees.v1, &trees.user, &trees.v2, &dropped)?
    };
    let accounts = merged.unwrap_or_else(|| Accounts { dropped, ..Accounts::default() });
    trees.v1.apply_moves(&accounts.v1_moves);
    trees.v2.apply_moves(&accounts.v2_moves);
    let mut planner = Planner::new(&trees, options, &accounts);
    planner.check_takes()?;
    planner.decide_all()?;
    planner.settle_structure()?;
    planner.settle_links();
    planner.look_at_libraries();
    planner.settle_conflicts(carried)?;
    built.apply_moves(&accounts.v2_moves);
    Ok(Plan { user, user_changes, built, choices: options.choices(), ..planner.finish() })
}

fn complete_fstab(trees: &mut Trees, options: &Options) {
    let Some(texts) = &options.fstab else { return };
    for (tree, text) in [&mut trees.v1, &mut trees.user, &mut trees.v2].into_iter().zip(texts) {
        if let Some(text) = text {
            fstab::put(tree, text);
        }
    }
}

struct Planner<'a> {
    trees: &'a Trees,
    options: &'a Options,
    accounts: &'a Accounts,
    plan: Plan,
    steps: BTreeMap<EtcPath, Step>,
    rejected: BTreeMap<EtcPath, Rejected>,
    /// Paths that are a directory on one side and something else on the other.
    unmergeable: BTreeSet<EtcPath>,
}

impl<'a> Planner<'a> {
    fn new(trees: &'a Trees, options: &'a Options, accounts: &'a Accounts) -> Self {
        let (moves, dropped) = (accounts.v2_moves.clone(), accounts.dropped.clone());
        let plan = Plan { moves, dropped, ..Plan::default() };
        let (steps, rejected, unmergeable) = Default::default();
        Planner { trees, options, accounts, plan, steps, rejected, unmergeable }
    }

    fn three(&self, path: &EtcPath) -> Three<'a> {
        Three { v1: self.trees.v1.get(path), user: self.trees.user.get(path), v2: self.trees.v2.get(path) }
    }

    fn check_takes(&self) -> Result<()> {
        for take in &self.options.take {
            let path = &take.path;
            let Three { user, v2, .. } = self.three(path);
            if user.is_none() && v2.is_none() {
                return Err(Error::refused(format!("cannot take {path}: neither version has etc/{path}")));
            }
            if accounts::is_account_file(path) && !self.accounts.files.is_empty() {
                return Err(Error::refused(format!(
                    "cannot take {path}: accounts are merged as one; change them in the new version after it is deployed"
                )));
            }
        }
        Ok(())
    }

    fn decide_all(&mut self) -> Result<()> {
        let trees = self.trees;
        let paths: BTreeSet<_> =
            [&trees.v1, &trees.user, &trees.v2].into_iter().flat_map(Tree::paths).collect();
        for path in paths {
            let three = self.three(path);
            let decision = self.decide(path, three)?;
            if decision.unmergeable {
                self.unmergeable.insert(path.clone());
            }
            self.note(path, three, &decision);
            if let Some(node) = decision.node {
                self.plan.result.insert(path.clone(), node);
            }
            if let Some(rejected) = decision.rejected {
                self.rejected.insert(path.clone(), rejected);
            }
        }
        Ok(())
    }

    /// Decides about one path: it is taken whole, or belongs to a special class, or is merged.
    fn decide(&self, path: &EtcPath, three: Three<'_>) -> Result<Decision> {
        if let Some(side) = self.options.taken(path) {
            let node = if side == Side::User { three.user } else { three.v2 };
            let action = (three.user.map(|n| &n.kind) != three.v2.map(|n| &n.kind)).then_some(Action::Take);
            return Ok(Decision { action, ..Decision::of(node, Action::Take) });
        }
        if self.options.original_rules {
            return decide_original(path, three);
        }
        if let Some(root) = identity::repository(path) {
            return Ok(self.decide_repository(path, &root, three));
        }
        if let Some(content) = self.accounts.files.get(path) {
            return Ok(decide_accounts(content.clone().map(Kind::File), three));
        }
        if path.as_bytes() == b"fstab" {
            return decide_fstab(three);
        }
        self.decide_by_class(path, three)
    }

    /// A repository is the machine's, whole. Only a machine that never had it gets the new version's.
    fn decide_repository(&self, path: &EtcPath, root: &EtcPath, three: Three<'_>) -> Decision {
        let whole = self.three(root);
        let (node, action) = match (whole.v1, whole.user) {
            (_, Some(_)) => (three.user, Action::Machine),
            (Some(_), None) => (None, Action::Delete),
            (None, None) => (three.v2, Action::Add),
        };
        // The step of the repository stands for all its files.
        let is_step = path == root && (node.is_some() || three.v2.is_some());
        Decision { action: is_step.then_some(action), is_part: path != root, ..Decision::of(node, action) }
    }

    fn decide_by_class(&self, path: &EtcPath, three: Three<'_>) -> Result<Decision> {
        let chosen = path.as_bytes() == b"hostname" && self.options.hostname_from_new && three.v2.is_some();
        let special = |node: Option<&Node>, action| {
            let differs = three.user.map(|n| &n.kind) != node.map(|n| &n.kind)
                || three.v2.map(|n| &n.kind) != node.map(|n| &n.kind);
            Ok(Decision { action: differs.then_some(action), ..Decision::of(node, action) })
        };
        match class(path) {
            Class::Machine if chosen => special(three.v2, Action::Update),
            Class::Machine if three.user.is_some() => special(three.user, Action::Machine),
            Class::Generated => special(three.v2, Action::Generated),
            Class::Marker => special(None, Action::Discard),
            Class::Machine | Class::Ordinary => decide(three),
        }
    }

    /// Adds the step for a path.
    fn note(&mut self, path: &EtcPath, three: Three<'_>, decision: &Decision) {
        if decision.is_part {
            return;
        }
        let clash = !decision.clashes.is_empty();
        let is_new = match (&decision.node, three.v2) {
            (Some(result), Some(v2)) => result.is_same(v2),
            (result, v2) => result.is_none() == v2.is_none(),
        };
        let action = match decision.action {
            Some(Action::Add | Action::Update | Action::Drop) if !is_new => Action::Merge,
            Some(action) => action,
            None if !clash && is_new => return,
            None => Action::Merge,
        };
        let mut notes = decision.notes.clone();
        notes.extend(self.accounts.notes.get(path).cloned().unwrap_or_default());
        notes.extend(decision.clashes.iter().cloned());
        self.steps.insert(path.clone(), Step { notes, clash, ..Step::new(action, path.clone()) });
    }

    fn settle_structure(&mut self) -> Result<()> {
        structure::complete(&mut self.plan.result, self.trees, &mut self.unmergeable);
        // A directory was to be removed, but stays because the result has something in it.
        for step in self.steps.values_mut().filter(|step| self.plan.result.get(&step.path).is_some()) {
            step.action = match step.action {
                Action::Delete => Action::Restore,
                Action::Drop => Action::Keep,
                other => other,
            };
        }
        match self.unmergeable.iter().next() {
            None => Ok(()),
            Some(_) => Err(structure::refusal(&self.unmergeable, self.trees)),
        }
    }

    fn settle_links(&mut self) {
        for (one, other) in links::settle(&mut self.plan.result, self.trees) {
            self.point_out(&other, Action::Merge, format!("no longer one file with {one} (hard link)"));
        }
    }

    /// Points out that the cache of libraries, which is the new version's, lacks what the merged configuration adds.
    fn look_at_libraries(&mut self) {
        let (cache, folder) = (EtcPath::from("ld.so.cache"), EtcPath::from("ld.so.conf.d"));
        let is_source = |path: &EtcPath| path.as_bytes() == b"ld.so.conf" || path.is_within(&folder);
        let sources = |tree: &'_ Tree| -> Vec<(EtcPath, Kind)> {
            let found = tree.iter().filter(|(path, _)| is_source(path));
            found.map(|(path, node)| (path.clone(), node.kind.clone())).collect()
        };
        let has_cache = [&self.trees.user, &self.trees.v2].iter().any(|tree| tree.get(&cache).is_some());
        if has_cache && sources(&self.plan.result) != sources(&self.trees.v2) {
            let note = "ld.so.conf is not as the new version was built; run ldconfig when it runs";
            self.point_out(&cache, Action::Generated, note.to_owned());
        }
    }

    /// Adds a note for the user to the step of the path, which is made if there is none.
    fn point_out(&mut self, path: &EtcPath, action: Action, note: String) {
        self.steps.entry(path.clone()).or_insert_with(|| Step::new(action, path.clone())).point_out(note);
    }

    /// Puts `.orig` and `.rej` into the result: first those of open conflicts, then those of new ones.
    fn settle_conflicts(&mut self, carried: Vec<Carried>) -> Result<()> {
        let mut places = Places { result: &mut self.plan.result, user: &self.trees.user, v2: &self.trees.v2 };
        for conflict in carried {
            let v2 = self.trees.v2.get(conflict.path());
            let conflict = carry(conflict, v2, &mut places);
            let step = self.steps.entry(conflict.path.clone());
            let step = step.or_insert_with(|| Step::new(Action::Carry, conflict.path.clone()));
            if step.is_simply_new() {
                step.action = Action::Carry;
            }
            step.notes.push(format!("still unresolved: {}", conflict.rej));
            step.is_open = true;
            self.plan.conflicts.push(conflict);
        }
        for (path, rejected) in &self.rejected {
            let (orig, rej) = rejected.files(path)?;
            let conflict = places.put(path, Some(orig), rej);
            if let Some(step) = self.steps.get_mut(path) {
                step.notes.push(format!("your change is in {}", conflict.rej));
            }
            self.plan.conflicts.push(conflict);
        }
        Ok(())
    }

    fn finish(mut self) -> Plan {
        structure::complete(&mut self.plan.result, self.trees, &mut self.unmergeable);
        Plan { steps: self.steps.into_values().collect(), ..self.plan }
    }
}

/// The decision for a merged file of accounts. Its metadata is merged as for other files.
fn decide_accounts(kind: Option<Kind>, three: Three<'_>) -> Decision {
    let Some(kind) = kind else {
        return Decision { action: three.v2.map(|_| Action::Delete), ..Decision::default() };
    };
    let same_as = |node: Option<&Node>| node.is_some_and(|node| node.kind == kind);
    let (is_user, is_new) = (same_as(three.user), same_as(three.v2));
    let Some(from) = (if is_user { three.user.or(three.v2) } else { three.v2.or(three.user) }) else {
        return Decision::default();
    };
    let action = match (is_user, is_new) {
        (true, true) => None,
        (true, false) => Some(Action::Keep),
        (false, true) => Some(Action::Update),
        (false, false) => Some(Action::Merge),
    };
    let node = Node { kind, ..from.clone() };
    Decision { action, ..three.with_metadata(Some(&node), Action::Merge) }
}

/// Merges by mount point if all three are files and both sides changed; else like any other path.
fn decide_fstab(three: Three<'_>) -> Result<Decision> {
    let plain = decide(three)?;
    let (Some(Action::Merge | Action::Conflict), Some(user), Some(v2)) = (plain.action, three.user, three.v2)
    else {
        return Ok(plain);
    };
    let texts = (three.v1.and_then(Node::content), user.content(), v2.content());
    let (Some(base), Some(ours), Some(theirs)) = texts else { return Ok(plain) };
    match fstab::merge(&base.bytes()?, &ours.bytes()?, &theirs.bytes()?) {
        Ok(merged) => {
            let notes =
                merged.restored.iter().map(|point| format!("{point} is back: the new version changed it"));
            let notes = notes.collect();
            Ok(Decision { notes, ..three.merged(merged.text, user, v2) })
        }
        Err(points) => {
            let note = format!("both changed {}", points.join(", "));
            Ok(Decision { notes: vec![note], ..super::rules::conflict(three, user, v2) })
        }
    }
}
