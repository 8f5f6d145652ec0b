//! Archives from web servers: good ones, and all others.
//!
//! Pace: seconds

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use baserock_tests::chroot::Place;
use baserock_tests::programs::{Done, run};
use baserock_tests::web::{How, Web};

/// The small system, compressed, and a server that has it at `/a.tar.gz`, served as told.
fn serve(place: &Place, how: How) -> (Web, usize) {
    let archive = place.busybox();
    let bytes = place.shell(&format!("gzip -1 < {} > a.tar.gz", archive.display()));
    assert_eq!(bytes, "");
    let bytes = std::fs::read(place.path().join("a.tar.gz")).unwrap();
    let length = bytes.len();
    (Web::start([("/a.tar.gz", bytes, how)]), length)
}

fn add(how: How) -> (Done, Place, Web, usize) {
    let place = Place::new();
    let (web, length) = serve(&place, how);
    let done = place.manage(["add", "devel", &web.url("/a.tar.gz"), "--timeout", "2"]);
    (done, place, web, length)
}

fn ranges(web: &Web) -> Vec<Option<String>> {
    web.requests().into_iter().map(|request| request.range).collect()
}

#[track_caller]
fn nothing_was_added(place: &Place) {
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn a_download_is_added_and_its_sum_is_told() {
    let (done, place, web, _) = add(How::Well);
    let sum = place.shell("sha256sum a.tar.gz");
    assert!(done.stderr.contains(sum.split(' ').next().unwrap()), "{}", done.stderr);
    assert_eq!(done.ok(), "added devel, the default\n");
    assert_eq!(ranges(&web), [None]);
    assert_eq!(place.inside("devel", "echo works").ok(), "works\n");
    let list = place.manage(["list"]).ok();
    assert!(list.contains(&web.url("/a.tar.gz")), "{list}");
}

#[test]
fn a_broken_download_goes_on_where_it_was() {
    let (done, place, web, length) = add(How::Breaks(400_000));
    done.ok();
    let asked = ranges(&web);
    assert_eq!(asked.len(), length.div_ceil(400_000));
    assert_eq!(asked[1].as_deref(), Some("400000-"));
    assert_eq!(place.inside("devel", "echo works").ok(), "works\n");
}

#[test]
fn a_server_that_starts_over_is_followed() {
    let (done, place, web, _) = add(How::BreaksWithoutRanges(300_001));
    done.ok();
    assert_eq!(ranges(&web), [None, Some("300001-".into())]);
    assert_eq!(place.inside("devel", "echo works").ok(), "works\n");
}

#[test]
fn a_file_that_changes_meanwhile_is_not_mixed() {
    let (done, place, ..) = add(How::Changes(300_000));
    done.refused(&["changed meanwhile", "run the command again"]);
    nothing_was_added(&place);
}

#[test]
fn a_mirror_with_another_tag_and_a_late_size_are_followed() {
    for how in
        [How::Mirrors(300_000), How::LateSize(300_000), How::FailsOnce(503), How::NoRest, How::After(103)]
    {
        let (done, place, ..) = add(how.clone());
        assert_eq!(done.ok(), "added devel, the default\n", "{how:?}");
        assert_eq!(place.inside("devel", "echo works").ok(), "works\n");
    }
}

#[test]
fn passwords_are_decoded_found_and_not_shown() {
    let place = Place::new();
    // joe:p@ss w
    let (web, _) = serve(&place, How::Asks("Basic am9lOnBAc3Mgdw=="));
    let url = |user: &str| format!("http://{user}{}/a.tar.gz?token=hidden", web.address());
    place.manage(["add", "url", &url("joe:p%40ss%20w@")]).ok();
    std::fs::write(place.path().join(".netrc"), "machine 127.0.0.1 login joe password \"p@ss w\"\n").unwrap();
    for (label, user) in [("netrc", ""), ("login", "joe@")] {
        let mut command = place.manage_command();
        run(command.args(["add", label, &url(user)]).env("HOME", place.path())).ok();
    }
    std::fs::write(place.path().join(".netrc"), "machine 127.0.0.1\n").unwrap();
    let (open, _) = serve(&place, How::Well);
    let mut command = place.manage_command();
    run(command.args(["add", "nobody", &open.url("/a.tar.gz")]).env("HOME", place.path())).ok();
    assert_eq!(open.requests()[0].user, None, "an entry without a name and a password");
    let turn = Web::start([("/turn", Vec::new(), How::Redirects(web.url("/a.tar.gz")))]);
    let elsewhere = format!("http://joe:p%40ss%20w@{}/turn?token=hidden", turn.address());
    let done = place.manage(["add", "elsewhere", &elsewhere]);
    assert!(!done.stderr.contains("hidden") && !done.stderr.contains("p%40ss"), "{}", done.stderr);
    done.refused(&["the server does not allow it (401)"]);
    let list = place.manage(["list", "--json"]).ok();
    assert!(!list.contains("hidden") && !list.contains("p%40ss"), "{list}");
}

#[test]
fn redirections_with_spaces_and_letters_are_followed() {
    let place = Place::new();
    place.busybox();
    let bytes = std::fs::read(place.busybox()).unwrap();
    let web = Web::start([
        ("/turn", Vec::new(), How::Redirects("/d \u{fc}/a b.tar".into())),
        ("/d%20%C3%BC/a%20b.tar", bytes, How::Well),
    ]);
    place.manage(["add", "devel", &web.url("/turn")]).ok();
}

#[test]
fn the_standard_input_is_a_source() {
    let place = Place::new();
    let archive = std::fs::File::open(place.busybox()).unwrap();
    let mut command = place.manage_command();
    run(command.args(["add", "devel", "-"]).stdin(archive)).ok();
    let list = place.manage(["list"]).ok();
    assert!(list.contains("the standard input"), "{list}");
}

#[test]
fn a_pipe_that_brings_nothing_is_waited_for_until_a_signal() {
    for source in ["-", "pipe"] {
        let place = Place::new();
        place.shell("mkfifo pipe");
        let mut command = place.manage_command();
        command.current_dir(place.path()).args(["add", "devel", source]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let held = child.stdin.take();
        while !place.store().join(".incoming.devel/tree").exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        run(Command::new("kill").args(["-s", "TERM", &child.id().to_string()])).ok();
        let done = Done::from(child.wait_with_output().unwrap());
        drop(held);
        assert_eq!(done.code, 143, "{source}: {}", done.stderr);
        nothing_was_added(&place);
    }
    let place = Place::new();
    place.busybox();
    place.shell("mkfifo pipe; (cat busybox.tar > pipe) > /dev/null 2>&1 < /dev/null &");
    let mut command = place.manage_command();
    run(command.current_dir(place.path()).args(["add", "devel", "pipe"])).ok();
}

#[test]
fn a_server_that_promises_more_than_it_has_is_told_apart() {
    let (done, place, ..) = add(How::Promises(1000));
    done.refused(&["the server has less than it promised"]);
    nothing_was_added(&place);
}

#[test]
fn a_part_that_nobody_asked_for_is_no_archive() {
    // The rest of a tar archive is a tar archive too.
    let place = Place::new();
    let web = Web::start([("/a.tar", std::fs::read(place.busybox()).unwrap(), How::Part(512))]);
    place
        .manage(["add", "devel", &web.url("/a.tar")])
        .refused(&["sends a part, and was asked for the whole"]);
    nothing_was_added(&place);
}

#[test]
fn a_server_that_sends_less_is_noticed_by_the_archive() {
    let (done, place, ..) = add(How::Understates(1000));
    done.refused(&["the compressed archive is cut short"]);
    nothing_was_added(&place);
}

#[test]
fn a_server_that_falls_silent_is_given_up() {
    let (done, place, ..) = add(How::Stalls(200_000));
    done.refused(&["does not answer in time", "after 200000 of"]);
    nothing_was_added(&place);
}

#[test]
fn redirections_are_followed_but_not_for_ever() {
    let place = Place::new();
    let (real, _) = serve(&place, How::Well);
    let turns = Web::start([
        ("/here", Vec::new(), How::Redirects(real.url("/a.tar.gz"))),
        ("/round", Vec::new(), How::Redirects("/round".into())),
    ]);
    place.manage(["add", "devel", &turns.url("/here")]).ok();
    place.manage(["add", "other", &turns.url("/round")]).refused(&["redirects more than 20 times"]);
    assert_eq!(place.names(), ["default", "devel"]);
}

#[test]
fn what_servers_answer_instead_is_said() {
    let place = Place::new();
    let web = Web::start([
        ("/private", Vec::new(), How::Status(403)),
        ("/broken", Vec::new(), How::Status(503)),
        ("/header", Vec::new(), How::EndlessHeader),
        ("/page", b"<html>not an archive</html>".to_vec(), How::Well),
    ]);
    for (path, why) in [
        ("/missing.tar", "the server has no such file (404)"),
        ("/private", "the server does not allow it (403)"),
        ("/broken", "the server has a problem (503)"),
        ("/header", "the header has more than 64 KiB"),
        ("/page", "not a tar archive"),
    ] {
        place.manage(["add", "devel", &web.url(path)]).refused(&[&web.url(path), why]);
    }
    nothing_was_added(&place);
}

#[test]
fn servers_that_cannot_be_reached_are_told_apart() {
    let place = Place::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute_port = mute.local_addr().unwrap().port();
    let plain = Web::start(None::<(&str, Vec<u8>, How)>);
    for (url, why) in [
        (format!("http://127.0.0.1:{port}/a"), "refuses the connection"),
        (format!("http://127.0.0.1:{mute_port}/a"), "does not answer in time"),
        ("http://no-such-host.invalid/a".to_owned(), "no such host"),
        (format!("https://{}/a", plain.address()), "not safe"),
        ("ftp://127.0.0.1/a".to_owned(), "cannot fetch by ftp"),
        ("http://".to_owned(), "not a valid URL"),
    ] {
        place.manage(["add", "devel", &url, "--timeout", "2"]).refused(&[why]);
    }
    nothing_was_added(&place);
}

#[test]
fn a_certificate_that_nobody_trusts_is_refused() {
    let place = Place::new();
    place.shell("openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 2 -subj /CN=localhost 2> /dev/null");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut server = Command::new("openssl")
        .args(["s_server", "-quiet", "-www", "-key", "key", "-cert", "cert", "-accept", &port.to_string()])
        .current_dir(place.path())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    let done = place.manage(["add", "devel", &format!("https://localhost:{port}/a")]);
    server.kill().unwrap();
    server.wait().unwrap();
    done.refused(&["the connection is not safe", "certificate"]);
}

#[test]
fn checksums_are_compared_before_anything_is_added() {
    let place = Place::new();
    let (web, _) = serve(&place, How::Well);
    let (url, right) = (web.url("/a.tar.gz"), place.shell("sha256sum < a.tar.gz"));
    let (right, wrong) = (right.split(' ').next().unwrap(), "0".repeat(64));
    place.manage(["add", "devel", &url, "--sha256", &wrong]).refused(&[
        "not what was expected",
        right,
        &wrong,
    ]);
    nothing_was_added(&place);
    assert_eq!(place.manage(["add", "devel", &url, "--sha256", "abc"]).code, 2);
    let done = place.manage(["add", "devel", &url, "--sha256", right]);
    assert!(!done.stderr.contains("no checksum"), "{}", done.stderr);
    done.ok();
}

#[test]
fn a_sum_beside_the_archive_is_used() {
    let place = Place::new();
    place.busybox();
    let bytes = std::fs::read(place.busybox()).unwrap();
    let list = |name: &str| {
        format!("{}  {name}\n", place.shell("sha256sum < busybox.tar").split(' ').next().unwrap())
    };
    let wrong = list("a.tar").replace(|c: char| c.is_ascii_digit(), "0");
    let web = Web::start([
        ("/good/a.tar", bytes.clone(), How::Well),
        ("/good/a.tar.sha256", list("a.tar").into_bytes(), How::Well),
        ("/bad/a.tar", bytes.clone(), How::Well),
        ("/bad/a.tar.sha256", wrong.into_bytes(), How::Well),
        ("/other/a.tar", bytes.clone(), How::Well),
        ("/other/a.tar.sha256", list("b.tar").into_bytes(), How::Well),
        ("/none/a.tar", bytes.clone(), How::Well),
        ("/none/a.tar.sha256", Vec::new(), How::Status(405)),
        ("/odd/a.tar", bytes, How::Well),
        ("/odd/a.tar.sha256", b"<html>no such file</html>".to_vec(), How::Well),
    ]);
    let good = place.manage(["add", "good", &web.url("/good/a.tar")]);
    assert!(good.stderr.contains("proves nothing about who made it"), "{}", good.stderr);
    good.ok();
    place.manage(["add", "bad", &web.url("/bad/a.tar")]).refused(&["not what was expected"]);
    place
        .manage(["add", "other", &web.url("/other/a.tar")])
        .refused(&["a.tar.sha256: has no SHA-256 sum of a.tar"]);
    let odd = place.manage(["add", "odd", &web.url("/odd/a.tar")]);
    assert!(odd.stderr.contains("there was no checksum"), "{}", odd.stderr);
    odd.ok();
    let none = place.manage(["add", "none", &web.url("/none/a.tar")]);
    assert!(none.stderr.contains("there was no checksum"), "{}", none.stderr);
    none.ok();
    place.shell("echo nonsense > busybox.tar.sha256");
    place
        .manage(["add", "file", &format!("file://{}", place.busybox().display())])
        .refused(&["busybox.tar.sha256"]);
    assert_eq!(place.names(), ["default", "good", "none", "odd"]);
    let list = place.manage(["list"]).ok();
    assert!(list.contains("sum by http") && list.contains("unchecked"), "{list}");
}

#[test]
fn the_proxy_of_the_environment_is_used() {
    let place = Place::new();
    let (proxy, _) = serve(&place, How::Well);
    let mut command = place.manage_command();
    command.args(["add", "devel", "http://far-away.invalid/a.tar.gz"]).env("http_proxy", proxy.url(""));
    run(&mut command).ok();
    let first = &proxy.requests()[0];
    assert_eq!((first.method.as_str(), first.path.as_str()), ("GET", "http://far-away.invalid/a.tar.gz"));
    assert_eq!(first.host.as_deref(), Some("far-away.invalid"));
    let mut command = place.manage_command();
    command.args(["add", "late", "https://far-away.invalid/a.tar.gz", "--timeout", "1"]);
    run(command.env("https_proxy", proxy.url(""))).refused(&["by the proxy in https_proxy"]);
    let tunnel = proxy.requests().into_iter().find(|request| request.method == "CONNECT").unwrap();
    assert_eq!(tunnel.path, "far-away.invalid:443");
    for (address, why) in [
        ("socks5h://127.0.0.1:9", "by the proxy in all_proxy"),
        ("ftp://p", "all_proxy names a proxy of the kind ftp; use one of http, https or socks5"),
    ] {
        let mut command = place.manage_command();
        command.args(["add", "socks", "http://far-away.invalid/a", "--timeout", "1"]);
        let done = run(command.env("all_proxy", address));
        assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
        done.refused(&[why]);
    }
    let mut command = place.manage_command();
    command.args(["add", "near", &proxy.url("/a.tar.gz")]).env("http_proxy", "http://127.0.0.1:9");
    run(command.env("no_proxy", "10.0.0.0/8,127.0.0.0/8")).ok();
    let mut command = place.manage_command();
    command.args(["add", "other", "http://far-away.invalid/a.tar.gz"]).env("http_proxy", proxy.url(""));
    run(command.env("no_proxy", "invalid")).refused(&["no such host"]);
}

#[test]
fn an_interrupted_download_leaves_nothing() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let place = Place::new();
        let (web, _) = serve(&place, How::Stalls(200_000));
        let mut command = place.manage_command();
        command.args(["add", "devel", &web.url("/a.tar.gz")]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        while !place.store().join(".incoming.devel/tree").exists() || web.requests().is_empty() {
            std::thread::sleep(Duration::from_millis(10));
        }
        run(Command::new("kill").args(["-s", signal, &child.id().to_string()])).ok();
        let done = Done::from(child.wait_with_output().unwrap());
        assert_eq!(done.code, code, "{}", done.stderr);
        assert!(done.stderr.contains(&format!("interrupted by SIG{signal}")), "{}", done.stderr);
        nothing_was_added(&place);
    }
}
