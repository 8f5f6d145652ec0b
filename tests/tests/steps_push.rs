//! A push with every step of the agent on the target failing, in every way: the target stays sound, and the same push then succeeds.
//!
//! Pace: minutes

use baserock_tests::image::Image;
use baserock_tests::next::Next;
use baserock_tests::programs::run;
use baserock_tests::running::Running;
use baserock_tests::soundness::{Existing, Place, Times};
use baserock_tests::ssh::Target;
use baserock_tests::sshd::Setup;
use baserock_tests::steps::{self, FAIL, How, STEPS, Step};
use baserock_tests::version::{factory_image, manage};

const BEFORE: &str = "factory (default)\n";
const AFTER: &str = "factory\nnext (default)\n";
/// Deployed, and not chosen.
const HALFWAY: &str = "factory (default)\nnext\n";

/// The agent's steps are numbered from its start; what it is told goes through the server's own configuration.
fn target(image: &Image, environment: &[(&str, &str)]) -> Target {
    Target::of(Running::start(image, "factory"), &Setup { environment, ..Setup::default() })
}

/// A volume whose target has the agent already: putting it there is no step of its own.
fn volume() -> Image {
    let image = factory_image(1024).copy();
    run(&mut target(&image, &[]).check("next")).ok();
    image
}

fn list(volume: &Image, next: &Next) -> Vec<Step> {
    let image = volume.copy();
    let target = target(&image, &[(STEPS, "/var/steps")]);
    run(&mut target.push(&next.tree(), "next")).ok();
    steps::parse(&std::fs::read_to_string(target.system.path("var/steps")).unwrap())
}

/// Returns the faults.
fn try_one(volume: &Image, before: &Existing, next: &Next, step: &Step, how: How) -> Vec<String> {
    let image = volume.copy();
    let mut faults = Vec::new();
    let failing = how.of(step.number);
    let done = {
        let target = target(&image, &[(FAIL, &failing)]);
        run(&mut target.push(&next.tree(), "next"))
    };
    if !matches!(done.code, 0 | 1) {
        faults.push(format!("exit code {}", done.code));
    }
    image.wait_until_detached();
    let listed = manage(&image, &["list"]).ok();
    let expected: &[&str] = if done.code == 0 { &[AFTER] } else { &[BEFORE, HALFWAY, AFTER] };
    if !expected.contains(&listed.as_str()) {
        faults.push(format!("the list is {listed:?}"));
    }
    {
        let mounted = image.mount("subvolid=5");
        faults.extend(Place::new(mounted.path()).faults());
        faults.extend(before.harm(mounted.path(), &["next"], Times::OfDirectoriesDiffer));
    }
    image.wait_until_detached();
    {
        let target = target(&image, &[]);
        let again = run(&mut target.push(&next.tree(), "next"));
        if again.code != 0 {
            faults.push(format!("the same again: {}", again.stderr.trim()));
        } else {
            target.assert_identical("next", &next.tree());
        }
    }
    image.wait_until_detached();
    let listed = manage(&image, &["list"]).ok();
    if listed != AFTER {
        faults.push(format!("after the same again the list is {listed:?}"));
    }
    let mounted = image.mount("subvolid=5");
    let place = Place::new(mounted.path());
    faults.extend([place.faults(), place.debris(&[])].concat());
    if faults.is_empty() {
        return faults;
    }
    vec![format!("{how:?} at {step}:\n  {}\n  it said: {}", faults.join("\n  "), done.stderr.trim())]
}

#[test]
fn push() {
    let (volume, next) = (volume(), Next::new(100_000));
    let before = Existing::on(volume.mount("subvolid=5").path());
    let steps = list(&volume, &next);
    // A push takes a second, so each kind of step fails in one way or two, in turn.
    let cases: Vec<_> = steps::sample(&steps, 32).into_iter().step_by(4).collect();
    steps::try_all("push", cases, |step, how| try_one(&volume, &before, &next, step, how));
}
