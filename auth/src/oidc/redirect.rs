//! Where a browser may be sent after its login: nowhere but here.

use percent_encoding::percent_decode;

/// More layers of percent-encoding than this are no address of ours.
const DEEPEST: usize = 4;

/// The target, if it is a path of our own: it begins with one slash, and neither as written nor
/// percent-decoded, once or several times, it has a backslash, a control character, an empty or
/// a dot segment before its query. A browser can read it in no way as another site
/// (CVE-2024-22244, WHATWG URL section 4.4).
pub fn local_redirect(target: &str) -> Option<&str> {
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let mut decoded = target.as_bytes().to_vec();
    for _ in 0..DEEPEST {
        if !is_local(&decoded) {
            return None;
        }
        let next: Vec<u8> = percent_decode(&decoded).collect();
        if next == decoded {
            return Some(target);
        }
        decoded = next;
    }
    None
}

fn is_local(target: &[u8]) -> bool {
    let text = String::from_utf8_lossy(target);
    if text.chars().any(|c| c.is_control() || c == '\\') {
        return false;
    }
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let Some(path) = path.strip_prefix('/') else {
        return false;
    };
    let mut segments = path.split('/').rev();
    // The last segment may be empty: a path may end with a slash.
    let last = segments.next().unwrap_or_default();
    let dots = |segment: &str| segment == "." || segment == "..";
    !dots(last) && segments.all(|segment| !segment.is_empty() && !dots(segment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_our_own_are_kept_as_they_are() {
        for good in [
            "/",
            "/harbor/projects",
            "/harbor/projects/",
            "/harbor/projects?page=2&q=a%20b",
            "/harbor/projects/1/repositories/a%252Fb/artifacts",
            "/harbor/x#https://example.com/",
            "/account/sign-in?next=https://example.com//x",
            "/a:b",
            "/%",
            "/100%zz",
        ] {
            assert_eq!(local_redirect(good), Some(good));
        }
    }

    #[test]
    fn nothing_leads_to_another_site() {
        for bad in [
            "",
            "harbor",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "\\/evil.example",
            "http:evil.example",
            "http://evil.example",
            "https:/evil.example",
            "javascript:alert(1)",
            "%2f%2fevil.example",
            "/%2fevil.example",
            "/%2Fevil.example",
            "/%5cevil.example",
            "/%252fevil.example",
            "/%25252fevil.example",
            "/%2525252525252fevil.example",
            "/\tevil.example",
            "/%09/evil.example",
            "/\n/evil.example",
            "/%0d%0aLocation:%20https://evil.example",
            "/%00",
            "/%c2%85",
            " /harbor",
            "/harbor projects",
            "/..//evil.example",
            "/a/%2e%2e//evil.example",
            "/./evil.example",
            "/a/..",
            "/ｅvil",
        ] {
            assert_eq!(local_redirect(bad), None, "{bad:?}");
        }
    }
}
