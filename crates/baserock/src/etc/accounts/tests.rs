use super::*;
use crate::etc::Node;

fn tree(files: &[(&str, &str)]) -> Tree {
    files.iter().map(|(path, text)| (EtcPath::from(*path), Node::file(text.as_bytes()))).collect()
}

fn unit(passwd: &str, group: &str) -> Tree {
    tree(&[("passwd", passwd), ("group", group)])
}

fn merged(v1: &Tree, user: &Tree, v2: &Tree) -> Result<Option<Accounts>> {
    merge(v1, user, v2, &Dropped::default())
}

fn text(accounts: &Accounts, path: &str) -> String {
    let content = accounts.files[&EtcPath::from(path)].clone().unwrap();
    String::from_utf8(content.bytes().unwrap().to_vec()).unwrap()
}

const ROOT: &str = "root:x:0:0::/root:/bin/sh\n";
const ROOTS: &str = "root:x:0:\n";

#[test]
fn two_numbers_that_swap_move_at_once() {
    let v1 = unit(&format!("{ROOT}a:x:106:106::/:\nb:x:107:107::/:\n"), ROOTS);
    let v2 = unit(&format!("{ROOT}a:x:107:106::/:\nb:x:106:107::/:\n"), ROOTS);
    let accounts = merged(&v1, &v1, &v2).unwrap().unwrap();
    assert_eq!(accounts.v2_moves.users, [(106, 107), (107, 106)].into());
    assert_eq!(text(&accounts, "passwd"), format!("{ROOT}a:x:106:106::/:\nb:x:107:107::/:\n"));
}

#[test]
fn a_number_that_two_names_share_is_moved_once_for_both() {
    let v1 = unit(ROOT, ROOTS);
    let user = unit(&format!("{ROOT}mine:x:200:0::/:\n"), ROOTS);
    let v2 = unit(&format!("{ROOT}x:x:200:0::/:\nalias:x:200:0::/:\n"), ROOTS);
    let accounts = merged(&v1, &user, &v2).unwrap().unwrap();
    assert_eq!(accounts.v2_moves.users, [(200, 999)].into());
    assert!(text(&accounts, "passwd").ends_with("x:x:999:0::/:\nalias:x:999:0::/:\n"));
}

#[test]
fn free_numbers_are_free_in_every_version() {
    let v1 = unit(&format!("{ROOT}gone:x:999:0::/:\n"), ROOTS);
    let user = unit(&format!("{ROOT}mine:x:200:0::/:\nother:x:998:0::/:\nbob:x:1000:0::/:\n"), ROOTS);
    let v2 = unit(&format!("{ROOT}x:x:200:0::/:\ny:x:998:0::/:\nal:x:1000:0::/:\n"), ROOTS);
    let moves = merged(&v1, &user, &v2).unwrap().unwrap().v2_moves.users;
    assert_eq!(moves, [(200, 997), (998, 996), (1000, 1001)].into());
}

#[test]
fn the_primary_group_of_a_user_stays_though_the_new_version_dropped_it() {
    let v1 = unit(ROOT, &format!("{ROOTS}games:x:60:\n"));
    let user = unit(&format!("{ROOT}bob:x:1000:60::/:\n"), &format!("{ROOTS}games:x:60:\n"));
    let accounts = merged(&v1, &user, &unit(ROOT, ROOTS)).unwrap().unwrap();
    assert_eq!(text(&accounts, "group"), format!("{ROOTS}games:x:60:\n"));
}

#[test]
fn a_new_users_primary_group_moves_with_the_group() {
    let v1 = unit(ROOT, ROOTS);
    let user = unit(ROOT, &format!("{ROOTS}mine:x:300:\n"));
    let v2 = unit(&format!("{ROOT}x:x:150:300::/:\n"), &format!("{ROOTS}x:x:300:\n"));
    let accounts = merged(&v1, &user, &v2).unwrap().unwrap();
    assert_eq!(text(&accounts, "passwd"), format!("{ROOT}x:x:150:999::/:\n"));
    assert_eq!(text(&accounts, "group"), format!("{ROOTS}mine:x:300:\nx:x:999:\n"));
}

#[test]
fn the_old_versions_numbers_are_the_machines_as_well() {
    // The old version was built with other numbers than those of the machine.
    let v1 = unit(&format!("{ROOT}a:x:110:110::/:\n"), &format!("{ROOTS}a:x:110:\n"));
    let user = unit(&format!("{ROOT}a:x:106:106::/:\n"), &format!("{ROOTS}a:x:106:\n"));
    let v2 = unit(&format!("{ROOT}a:x:120:120::/home/a:\n"), &format!("{ROOTS}a:x:120:\n"));
    let accounts = merged(&v1, &user, &v2).unwrap().unwrap();
    assert_eq!(accounts.v1_moves.users, [(110, 106)].into());
    assert_eq!(text(&accounts, "passwd"), format!("{ROOT}a:x:106:106::/home/a:\n"));
}

#[test]
fn lines_that_are_no_accounts_are_kept() {
    let v1 = unit(ROOT, ROOTS);
    let user = unit(&format!("{ROOT}# by me\nnonsense\nodd:x:many:1\n"), ROOTS);
    let v2 = unit(&format!("{ROOT}new:x:150:150::/:\n"), ROOTS);
    let accounts = merged(&v1, &user, &v2).unwrap().unwrap();
    assert_eq!(
        text(&accounts, "passwd"),
        format!("{ROOT}# by me\nnonsense\nodd:x:many:1\nnew:x:150:150::/:\n")
    );
}

#[test]
fn without_accounts_on_both_sides_there_is_nothing_to_merge() {
    let some = unit(ROOT, ROOTS);
    assert!(merged(&some, &Tree::default(), &some).unwrap().is_none());
    assert!(merged(&some, &some, &tree(&[("group", ROOTS)])).unwrap().is_none());
}

#[test]
fn accounts_without_groups_are_merged_too() {
    let v1 = tree(&[("passwd", ROOT)]);
    let user = tree(&[("passwd", &format!("{ROOT}bob:x:1000:0::/:\n"))]);
    let v2 = tree(&[("passwd", &format!("{ROOT}new:x:150:0::/:\n"))]);
    let accounts = merged(&v1, &user, &v2).unwrap().unwrap();
    assert_eq!(text(&accounts, "passwd"), format!("{ROOT}bob:x:1000:0::/:\nnew:x:150:0::/:\n"));
    assert_eq!(accounts.files[&EtcPath::from("group")], None);
}

#[test]
fn a_version_without_the_file_of_groups_drops_none_of_them() {
    let groups = format!("{ROOTS}wheel:x:27:\n");
    let user = unit(&format!("{ROOT}bob:x:1000:0::/:\n"), &groups);
    let v2 = tree(&[("passwd", &format!("{ROOT}new:x:150:0::/:\n"))]);
    let accounts = merged(&unit(ROOT, &groups), &user, &v2).unwrap().unwrap();
    assert_eq!(text(&accounts, "group"), groups);
}

#[test]
fn a_removed_group_is_back_if_a_new_user_needs_it() {
    let v1 = unit(ROOT, &format!("{ROOTS}c:x:150:\nd:x:151:\n"));
    let user = unit(ROOT, &format!("{ROOTS}mine:x:150:\n"));
    let v2 = unit(&format!("{ROOT}svc:x:150:150::/:\n"), &format!("{ROOTS}c:x:150:\nd:x:151:\n"));
    let accounts = merged(&v1, &user, &v2).unwrap().unwrap();
    assert_eq!(text(&accounts, "passwd"), format!("{ROOT}svc:x:150:999::/:\n"));
    assert_eq!(text(&accounts, "group"), format!("{ROOTS}mine:x:150:\nc:x:999:\n"));
    let notes = &accounts.notes[&EtcPath::from("group")];
    assert!(notes.contains(&"group c is back: a new user needs it".to_owned()), "{notes:?}");
}

#[test]
fn a_removed_group_is_back_if_nothing_else_was_changed_here() {
    let groups = format!("{ROOTS}c:x:150:\n");
    let v2 = unit(&format!("{ROOT}svc:x:150:150::/:\n"), &groups);
    let accounts = merged(&unit(ROOT, &groups), &unit(ROOT, ROOTS), &v2).unwrap().unwrap();
    assert_eq!(text(&accounts, "group"), groups);
}

#[test]
fn a_number_that_a_version_dropped_is_given_to_nobody_else() {
    let of = |names: &str| unit(&format!("{ROOT}{names}"), ROOTS);
    let foo = of("foo:x:105:0::/:\n");
    let first = merge(&foo, &foo, &of(""), &Dropped::default()).unwrap().unwrap().dropped;
    assert_eq!((&first.users, first.groups.len()), (&[("foo".to_owned(), 105)].into(), 0));
    let second = merge(&of(""), &of(""), &of("bar:x:105:0::/:\n"), &first).unwrap().unwrap();
    assert!(text(&second, "passwd").ends_with("bar:x:999:0::/:\n"));
    assert_eq!(second.dropped, first);

    // The account itself gets it back.
    let third = merge(&of(""), &of(""), &of("foo:x:110:0::/:\n"), &first).unwrap().unwrap();
    assert_eq!(third.v2_moves.users, [(110, 105)].into());
    assert!(text(&third, "passwd").ends_with("foo:x:105:0::/:\n"));
    assert!(third.dropped.is_empty());

    // The machine's own tools have given the number away.
    let given = merge(&of(""), &of("mine:x:105:0::/:\n"), &of(""), &first).unwrap().unwrap();
    assert!(given.dropped.is_empty());
}

#[test]
fn files_of_a_removed_account_go_to_nobody_who_has_its_number() {
    let v1 = unit(&format!("{ROOT}foo:x:105:0::/:\n"), ROOTS);
    let user = unit(&format!("{ROOT}mine:x:105:0::/:\n"), ROOTS);
    let accounts = merged(&v1, &user, &v1).unwrap().unwrap();
    assert_eq!(accounts.v2_moves.users, [(105, 999)].into());
}

#[test]
fn a_second_name_of_root_takes_nothing_from_root() {
    let (one, two) = (unit(ROOT, ROOTS), unit(&format!("{ROOT}toor:x:0:0::/:\n"), ROOTS));
    for (v1, user) in [(&two, &one), (&one, &one)] {
        assert!(merged(v1, user, &two).unwrap().unwrap().v2_moves.is_empty());
    }
    let renamed = unit("admin:x:0:0::/:\n", ROOTS);
    assert!(merged(&one, &renamed, &one).unwrap().unwrap().v2_moves.is_empty());
}
