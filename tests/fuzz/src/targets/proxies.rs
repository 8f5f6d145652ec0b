//! URLs, redirections, and the proxies of the environment.

use baserock_fetch::{Route, Url, route, shown};

/// Lines: the URL, a redirection, the proxy, the exempt hosts.
pub fn run(bytes: &[u8]) {
    let mut lines = bytes.split(|&byte| byte == b'\n');
    let mut next = || lines.next().unwrap_or_default();
    let (text, location) = (next(), next());
    let [proxy, exempt] = [next(), next()].map(|line| String::from_utf8_lossy(line).into_owned());
    let shown = shown(&String::from_utf8_lossy(text));
    // A query comes after the server; what has a question mark before is no URL.
    let has_query = |url: &str| url.split_once("://").is_some_and(|(_, rest)| rest.contains('?'));
    assert!(
        !has_query(&shown) || !has_query(&String::from_utf8_lossy(text)) || Url::parse(text).is_none(),
        "a query is shown: {shown}"
    );
    let Some(url) = Url::parse(text) else { return };
    for url in [Some(url.clone()), url.join(location)].into_iter().flatten() {
        check(&url);
        let variable = |name: &str| match name {
            "all_proxy" => Some(proxy.clone()),
            "no_proxy" => Some(exempt.clone()),
            _ => None,
        };
        if let Ok((Route::Direct, _)) = route(&url, &variable) {
            assert!(!exempt.trim().is_empty(), "no proxy for {url:?}");
        }
    }
}

/// What is sent to a server has no spaces, controls or letters beyond ASCII, and is the same if it is parsed again.
fn check(url: &Url) {
    let sent = url.server() + url.target();
    assert!(sent.bytes().all(|byte| byte.is_ascii_graphic()), "{sent:?}");
    assert!(url.target().starts_with('/'), "{sent:?}");
    if let Some(again) = Url::parse(sent.as_bytes()) {
        assert_eq!(again.target(), url.target());
    }
}
