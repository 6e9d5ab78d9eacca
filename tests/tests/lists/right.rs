//! That pages are what they should be, compared with what the rows say when they are read at once.

use rand::Rng as _;
use roadstead_tests::Server;
use roadstead_tests::content::rng;
use roadstead_tests::http::{Person, header};
use serde_json::Value;

use super::fill::digest;

/// A list, the name of what tells its entries apart, and the query that says the same.
struct List {
    path: String,
    key: &'static str,
    query: &'static str,
}

fn lists() -> Vec<List> {
    let list = |path: &str, key, query| List { path: format!("/api/v2.0{path}"), key, query };
    let tags = format!("/projects/library/repositories/tagged/artifacts/{}/tags", digest(7));
    vec![
        list(
            "/projects/library/repositories/many/artifacts",
            "digest",
            "SELECT m.digest FROM manifest m
             WHERE m.repo_id = 900001 AND m.accessory_of IS NULL
               AND (m.id NOT IN (SELECT child_id FROM manifest_child)
                    OR m.id IN (SELECT manifest_id FROM tag))
             ORDER BY m.created_at DESC, m.id DESC",
        ),
        list(
            &tags,
            "name",
            "SELECT name FROM tag WHERE repo_id = 900002 ORDER BY updated_at DESC, name",
        ),
        list(
            "/repositories",
            "name",
            "SELECT name FROM repository WHERE id IN (SELECT repo_id FROM manifest)
             ORDER BY created_at DESC, id DESC",
        ),
        list(
            "/projects/wide/repositories",
            "name",
            "SELECT r.name FROM repository r JOIN project p ON p.id = r.project_id
             WHERE p.name = 'wide' ORDER BY r.created_at DESC, r.id DESC",
        ),
        list(
            "/projects/wide/auditlog-exts",
            "id",
            "SELECT CAST(a.id AS TEXT) FROM audit_log a JOIN project p ON p.id = a.project_id
             WHERE p.name = 'wide' ORDER BY a.at DESC, a.id DESC",
        ),
    ]
}

/// A page's entries, and how many the list has.
async fn page(person: &Person, list: &List, page: usize, size: usize) -> (Vec<String>, usize) {
    let answer = person.get(&format!("{}?page={page}&page_size={size}", list.path)).await;
    assert_eq!(answer.status(), 200, "{}", list.path);
    let total = header(&answer, "x-total-count").parse().unwrap();
    let entries: Value = answer.json().await.unwrap();
    let key = |entry: &Value| match &entry[list.key] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    (entries.as_array().unwrap().iter().map(key).collect(), total)
}

pub async fn pages_are_right(server: &Server) {
    let (admin, database) = (server.admin(), server.database().await);
    let mut rng = rng();
    for list in lists() {
        let rows: Vec<(String,)> = database.rows(list.query, &[]).await;
        let rows: Vec<String> = rows.into_iter().map(|(key,)| key).collect();
        assert!(rows.len() >= 100_000, "{}", list.path);
        let pages = rows.len().div_ceil(100);
        let somewhere: Vec<usize> = (0..8).map(|_| rng.random_range(2..pages)).collect();
        for number in [1, 2, pages, pages + 1, pages + 1000].into_iter().chain(somewhere) {
            let size = rng.random_range(90..=100);
            let (found, total) = page(&admin, &list, number, size).await;
            assert_eq!(total, rows.len(), "{} {number}", list.path);
            let expected = rows.iter().skip((number - 1) * size).take(size);
            assert!(found.iter().eq(expected), "{}: page {number} of {size}", list.path);
        }
    }
    database.close().await;
}

/// The total and the first page know of a push, and of a delete, at once.
pub async fn totals_follow_every_change(server: &Server) {
    let admin = server.admin();
    let of_many = &lists()[0];
    let (before, total) = page(&admin, of_many, 1, 10).await;
    let (_, pushed) = admin.push_image("library/many", "new", b"a layer").await;
    let (found, more) = page(&admin, of_many, 1, 10).await;
    assert_eq!((more, &found[0], &found[1..]), (total + 1, &pushed, &before[..9]));
    admin.delete(&format!("/v2/library/many/manifests/{pushed}")).await;
    assert_eq!(page(&admin, of_many, 1, 10).await, (before, total));
    let repositories = &lists()[2];
    let (before, total) = page(&admin, repositories, 1, 10).await;
    let (_, pushed) = admin.push_image("library/fresh", "new", b"a layer").await;
    let (found, more) = page(&admin, repositories, 1, 10).await;
    assert_eq!((more, found[0].as_str()), (total + 1, "library/fresh"));
    admin.delete(&format!("/v2/library/fresh/manifests/{pushed}")).await;
    assert_eq!(page(&admin, repositories, 1, 10).await, (found, more), "it is empty and stays");
    admin.change("DELETE", "/projects/library/repositories/fresh", &Value::Null).await;
    assert_eq!(page(&admin, repositories, 1, 10).await, (before, total), "it is gone");
}
