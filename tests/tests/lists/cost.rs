//! What pages cost: compared with each other in the same run, because machines differ and are busy.

use std::time::{Duration, Instant};

use roadstead_tests::Server;
use roadstead_tests::http::Person;

use super::fill::{FIRST, FIRST_REFERRER, REFERRERS, ROWS, digest};

/// How often each page is asked for.
const ROUNDS: usize = 11;
/// How much more than the first page another one may cost. The best of some tries differ by a fifth,
/// on a machine that is busy with other things by more.
const BOUND: f64 = 2.5;
/// How much more than a list that has one page the first page of a long one may cost: somewhere the
/// entries must be counted. With a look into another table for each it was fifty times.
const LONGER: f64 = 8.0;

/// A list, and some pages of it: at the start, in the middle, at the end; and, where there is one, a
/// list of the same kind that has one page.
struct List {
    name: &'static str,
    pages: Vec<String>,
}

impl List {
    fn beside(mut self, short: &str) -> Self {
        self.pages.push(format!("/api/v2.0{short}?page_size=100"));
        self
    }
}

/// A list whose pages have numbers.
fn numbered(name: &'static str, path: &str) -> List {
    let sign = if path.contains('?') { '&' } else { '?' };
    let page = |page: i64| format!("/api/v2.0{path}{sign}page={page}&page_size=100");
    List { name, pages: vec![page(1), page(ROWS / 200), page(ROWS / 100)] }
}

/// A list whose pages begin behind an entry.
fn behind(name: &'static str, path: &str, entry: impl Fn(i64) -> String, rows: i64) -> List {
    let page = |number: i64| format!("{path}?n=100&last={}", entry(number));
    List { name, pages: vec![format!("{path}?n=100"), page(rows / 2), page(rows - 101)] }
}

async fn once(person: &Person, path: &str) -> Duration {
    let since = Instant::now();
    let answer = person.get(path).await;
    assert_eq!(answer.status(), 200, "{path}");
    assert!(answer.bytes().await.unwrap().len() > 100, "{path} is empty");
    since.elapsed()
}

/// The least time that each page took, asked for in turns.
async fn least(person: &Person, list: &List) -> Vec<Duration> {
    let mut least = vec![Duration::MAX; list.pages.len()];
    for _ in 0..ROUNDS {
        for (least, path) in least.iter_mut().zip(&list.pages) {
            *least = once(person, path).await.min(*least);
        }
    }
    least
}

pub async fn pages_cost_the_same(server: &Server) {
    let (admin, nobody) = (server.admin(), server.nobody());
    let artifacts = "/projects/library/repositories/many/artifacts?with_accessory=true";
    let subject = digest(7);
    let tags = format!("/projects/library/repositories/tagged/artifacts/{subject}/tags");
    let referrers = format!("/v2/library/subject/referrers/{subject}");
    let name = |prefix: &'static str| move |number: i64| format!("{prefix}{}", FIRST + number);
    let barely = format!("/projects/library/repositories/barely/artifacts/{subject}/tags");
    let few = "/projects/library/repositories/few/artifacts";
    let of_wide = |what: &str| format!("/projects/wide/{what}");
    let of_narrow = |what: &str| format!("/projects/narrow/{what}");
    let whole = |what: &'static str, list: &'static str| {
        numbered(what, &of_wide(list)).beside(&of_narrow(list))
    };
    let referrer = |number: i64| (FIRST_REFERRER + number).to_string();
    let lists = [
        (&nobody, numbered("artifacts", artifacts).beside(few)),
        (&admin, whole("artifacts of a project", "artifacts")),
        (&nobody, numbered("tags", &tags).beside(&barely)),
        (&admin, numbered("repositories", "/repositories")),
        (&nobody, numbered("repositories, of whoever sees some", "/repositories")),
        (&nobody, whole("repositories of a project", "repositories")),
        (&admin, numbered("audit log", "/auditlog-exts")),
        (&admin, whole("audit log of a project", "auditlog-exts")),
        (&admin, behind("tags/list", "/v2/library/tagged/tags/list", name("t"), ROWS)),
        (&admin, behind("catalog", "/v2/_catalog", name("wide/r"), ROWS)),
        (&admin, behind("referrers", &referrers, referrer, REFERRERS)),
    ];
    let mut dear = Vec::new();
    for (person, list) in &lists {
        let least = least(person, list).await;
        let ratio = |page: Duration, to: Duration| page.as_secs_f64() / to.as_secs_f64();
        let (first, others) = (least[0], [ratio(least[1], least[0]), ratio(least[2], least[0])]);
        let longer = least.get(3).map(|short| ratio(first, *short));
        println!(
            "{}: {first:.1?}, the middle {:.2} times, the end {:.2}; {longer:.2?} times a short list",
            list.name, others[0], others[1],
        );
        if others.iter().any(|ratio| *ratio > BOUND) || longer.is_some_and(|more| more > LONGER) {
            dear.push(list.name);
        }
    }
    assert!(dear.is_empty(), "{dear:?}");
}
