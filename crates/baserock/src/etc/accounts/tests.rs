use super::*;
use crate::etc::Node;

fn tree(files: &[(&str, &str)]) -> Tree {
    files.iter().map(|(path, text)| (EtcPath::from(*path), Node::file(text.as_bytes()))).collect()
}

fn unit(passwd: &str, group: &str) -> Tree {
    tree(&[("passwd", passwd), ("group", group)])
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
    let accounts = merge(&v1, &v1, &v2).unwrap().unwrap();
    assert_eq!(accounts.v2_moves.users, [(106, 107), (107, 106)].into());
    assert_eq!(text(&accounts, "passwd"), format!("{ROOT}a:x:106:106::/:\nb:x:107:107::/:\n"));
}

#[test]
fn a_number_that_two_names_share_is_moved_once_for_both() {
    let v1 = unit(ROOT, ROOTS);
    let user = unit(&format!("{ROOT}mine:x:200:0::/:\n"), ROOTS);
    let v2 = unit(&format!("{ROOT}x:x:200:0::/:\nalias:x:200:0::/:\n"), ROOTS);
    let accounts = merge(&v1, &user, &v2).unwrap().unwrap();
    assert_eq!(accounts.v2_moves.users, [(200, 999)].into());
    assert!(text(&accounts, "passwd").ends_with("x:x:999:0::/:\nalias:x:999:0::/:\n"));
}

#[test]
fn free_numbers_are_free_in_every_version() {
    let v1 = unit(&format!("{ROOT}gone:x:999:0::/:\n"), ROOTS);
    let user = unit(&format!("{ROOT}mine:x:200:0::/:\nother:x:998:0::/:\nbob:x:1000:0::/:\n"), ROOTS);
    let v2 = unit(&format!("{ROOT}x:x:200:0::/:\ny:x:998:0::/:\nal:x:1000:0::/:\n"), ROOTS);
    let moves = merge(&v1, &user, &v2).unwrap().unwrap().v2_moves.users;
    assert_eq!(moves, [(200, 997), (998, 996), (1000, 1001)].into());
}

#[test]
fn the_primary_group_of_a_user_stays_though_the_new_version_dropped_it() {
    let v1 = unit(ROOT, &format!("{ROOTS}games:x:60:\n"));
    let user = unit(&format!("{ROOT}bob:x:1000:60::/:\n"), &format!("{ROOTS}games:x:60:\n"));
    let accounts = merge(&v1, &user, &unit(ROOT, ROOTS)).unwrap().unwrap();
    assert_eq!(text(&accounts, "group"), format!("{ROOTS}games:x:60:\n"));
}

#[test]
fn a_new_users_primary_group_moves_with_the_group() {
    let v1 = unit(ROOT, ROOTS);
    let user = unit(ROOT, &format!("{ROOTS}mine:x:300:\n"));
    let v2 = unit(&format!("{ROOT}x:x:150:300::/:\n"), &format!("{ROOTS}x:x:300:\n"));
    let accounts = merge(&v1, &user, &v2).unwrap().unwrap();
    assert_eq!(text(&accounts, "passwd"), format!("{ROOT}x:x:150:999::/:\n"));
    assert_eq!(text(&accounts, "group"), format!("{ROOTS}mine:x:300:\nx:x:999:\n"));
}

#[test]
fn the_old_versions_numbers_are_the_machines_as_well() {
    // The old version was built with other numbers than those of the machine.
    let v1 = unit(&format!("{ROOT}a:x:110:110::/:\n"), &format!("{ROOTS}a:x:110:\n"));
    let user = unit(&format!("{ROOT}a:x:106:106::/:\n"), &format!("{ROOTS}a:x:106:\n"));
    let v2 = unit(&format!("{ROOT}a:x:120:120::/home/a:\n"), &format!("{ROOTS}a:x:120:\n"));
    let accounts = merge(&v1, &user, &v2).unwrap().unwrap();
    assert_eq!(accounts.v1_moves.users, [(110, 106)].into());
    assert_eq!(text(&accounts, "passwd"), format!("{ROOT}a:x:106:106::/home/a:\n"));
}

#[test]
fn lines_that_are_no_accounts_are_kept() {
    let v1 = unit(ROOT, ROOTS);
    let user = unit(&format!("{ROOT}# by me\nnonsense\nodd:x:many:1\n"), ROOTS);
    let v2 = unit(&format!("{ROOT}new:x:150:150::/:\n"), ROOTS);
    let accounts = merge(&v1, &user, &v2).unwrap().unwrap();
    assert_eq!(
        text(&accounts, "passwd"),
        format!("{ROOT}# by me\nnonsense\nodd:x:many:1\nnew:x:150:150::/:\n")
    );
}

#[test]
fn without_accounts_on_both_sides_there_is_nothing_to_merge() {
    let some = unit(ROOT, ROOTS);
    assert!(merge(&some, &Tree::default(), &some).unwrap().is_none());
    assert!(merge(&some, &some, &tree(&[("passwd", ROOT)])).unwrap().is_none());
}
