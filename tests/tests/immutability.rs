//! Immutable tags: what rules protect stays, whoever tries, however many try at once.

use std::collections::BTreeSet;

use roadstead_tests::content::{self, MANIFEST, sha256};
use roadstead_tests::http::{Person, header};
use roadstead_tests::{Server, Setup};
use serde_json::{Value, json};

const RULES: &str = "/api/v2.0/projects/team/immutabletagrules";

/// A server with a private project `team` of alice's.
async fn team(setup: Setup) -> (Server, Person) {
    let server = setup.start();
    server.admin().create_user("alice").await;
    let alice = server.person("alice", "Password-1");
    alice.create_project("team", false).await;
    (server, alice)
}

/// A rule as clients send it, of `(decoration, pattern)` for repositories and for tags.
fn rule(repository: (&str, &str), tag: (&str, &str)) -> Value {
    let selector = |(decoration, pattern): (&str, &str)| json!([{"kind": "doublestar", "decoration": decoration, "pattern": pattern}]);
    json!({
        "action": "immutable", "template": "immutable_template", "disabled": false,
        "scope_selectors": {"repository": selector(repository)},
        "tag_selectors": selector(tag),
    })
}

async fn status(person: &Person, method: &str, path: &str, body: &Value) -> u16 {
    person.send(method, path).json(body).send().await.unwrap().status().as_u16()
}

/// Adds a rule and returns its path.
async fn add(person: &Person, rule: &Value) -> String {
    let answer = person.send("POST", RULES).json(rule).send().await.unwrap();
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    header(&answer, "location")
}

async fn rules(person: &Person) -> Value {
    person.get(RULES).await.json().await.unwrap()
}

/// Pushes an image whose only layer is `layer`; the status and the text of the answer.
async fn push(person: &Person, repository: &str, tag: &str, layer: &[u8]) -> (u16, String) {
    let config = b"{}";
    person.push_blob(repository, config).await;
    person.push_blob(repository, layer).await;
    let manifest = content::image(config, &[layer]).to_string();
    let answer = person.put_manifest(repository, tag, MANIFEST, manifest).await;
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// An answer that refuses because a tag is immutable, with the words that clients look for.
fn assert_immutable((status, text): (u16, String), words: &str, what: &str) {
    assert_eq!(status, 412, "{what}: {text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["errors"][0]["code"], "PRECONDITION", "{what}");
    let message = body["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains(words), "{what}: {message}");
}

async fn deleted(person: &Person, path: &str) -> (u16, String) {
    let answer = person.delete(path).await;
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_kept_as_harbor_keeps_them() {
    let (server, alice) = team(Setup::new()).await;
    let path = add(&alice, &rule(("repoMatches", "**"), ("matches", "v*"))).await;
    let id: i64 = path.strip_prefix(&format!("{RULES}/")).unwrap().parse().unwrap();
    let mut expected = rule(("repoMatches", "**"), ("matches", "v*"));
    expected["id"] = id.into();
    expected.as_object_mut().unwrap().remove("disabled");
    assert_eq!(rules(&alice).await, json!([expected]));
    let mut second = rule(("repoExcludes", "tmp/**"), ("excludes", "{latest,dev-*}"));
    second["disabled"] = true.into();
    second["priority"] = 3.into();
    let second_path = add(&alice, &second).await;
    let list = alice.get(&format!("{RULES}?sort=-id&page_size=1")).await;
    assert_eq!(header(&list, "x-total-count"), "2");
    let list: Value = list.json().await.unwrap();
    assert!(list[0].get("disabled").is_none(), "a new rule is in force: {list}");
    second["id"] = list[0]["id"].clone();
    second.as_object_mut().unwrap().remove("disabled");
    assert_eq!(list[0], second);
    assert_eq!(status(&alice, "POST", RULES, &second).await, 409);
    // Whoever switches a rule off changes nothing else with it.
    let mut change = rule(("repoMatches", "other"), ("matches", "other"));
    change["id"] = second["id"].clone();
    change["disabled"] = true.into();
    assert_eq!(status(&alice, "PUT", &second_path, &change).await, 200);
    second["disabled"] = true.into();
    assert_eq!(rules(&alice).await[1], second);
    assert_eq!(status(&alice, "PUT", &second_path, &change).await, 200);
    change["action"] = "immutable".into();
    assert_eq!(rules(&alice).await[1], change);
    let same = json!({"id": second["id"], "disabled": true,
        "scope_selectors": expected["scope_selectors"], "tag_selectors": expected["tag_selectors"]});
    assert_eq!(status(&alice, "PUT", &second_path, &same).await, 409);
    assert_eq!(status(&alice, "PUT", &path, &change).await, 400, "the ids differ");
    assert_eq!(status(&alice, "PUT", &path, &Value::Null).await, 422);
    let missing = format!("{}/4711", path.rsplit_once('/').unwrap().0);
    assert_eq!(status(&alice, "PUT", &missing, &Value::Null).await, 404, "whatever the body says");
    // Rules of other projects are not there.
    let admin = server.admin();
    admin.create_project("other", false).await;
    let elsewhere = path.replace("/team/", "/other/");
    assert_eq!(status(&admin, "PUT", &elsewhere, &expected).await, 404);
    assert_eq!(admin.delete(&elsewhere).await.status(), 404);
    assert_eq!(alice.delete(&path).await.status(), 200);
    assert_eq!(alice.delete(&path).await.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_mean_nothing_are_refused() {
    let (_server, alice) = team(Setup::new()).await;
    let good = rule(("repoMatches", "**"), ("matches", "**"));
    for (pointer, value) in [
        ("/action", json!("retain")),
        ("/template", json!("always")),
        ("/tag_selectors", json!([])),
        ("/tag_selectors", Value::Null),
        ("/scope_selectors", json!({})),
        ("/tag_selectors/0/kind", json!("regex")),
        ("/tag_selectors/0/decoration", json!("repoMatches")),
        ("/tag_selectors/0/pattern", json!("[a")),
        ("/scope_selectors/repository/0/decoration", json!("")),
        ("/scope_selectors/repository/0/kind", json!("")),
        ("/scope_selectors/repository/0/pattern", json!("{a")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        assert_eq!(status(&alice, "POST", RULES, &bad).await, 400, "{pointer}");
    }
    assert_eq!(rules(&alice).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_immutable_tag_stays_whatever_is_tried() {
    let (server, alice) = team(Setup::new()).await;
    let path = add(&alice, &rule(("repoMatches", "**"), ("matches", "v*"))).await;
    assert_eq!(push(&alice, "team/app", "v1", b"first").await.0, 201, "there was nothing yet");
    let digest = header(&alice.head("/v2/team/app/manifests/v1").await, "docker-content-digest");
    assert_eq!(push(&alice, "team/app", "v1", b"first").await.0, 201, "the same again");
    let repository = "/api/v2.0/projects/team/repositories/app";
    let (update, delete) = (
        "configured as immutable, cannot be updated",
        "configured as immutable, cannot be deleted",
    );
    for person in [&alice, &server.admin()] {
        assert_immutable(push(person, "team/app", "v1", b"second").await, update, "overwriting");
        for path in
            ["/v2/team/app/manifests/v1", &format!("/v2/team/app/manifests/{digest}"), repository]
        {
            assert_immutable(deleted(person, path).await, delete, path);
        }
    }
    let several = content::image(b"{}", &[b"second"]).to_string();
    let other = sha256(several.as_bytes());
    let both = format!("{other}?tag=free&tag=v1");
    let answer = alice.put_manifest("team/app", &both, MANIFEST, several.clone()).await;
    let answer = (answer.status().as_u16(), answer.text().await.unwrap());
    assert_immutable(answer, update, "together with another tag");
    assert_eq!(alice.get("/v2/team/app/manifests/free").await.status(), 404);
    let answer = alice.put_manifest("team/app", &other, MANIFEST, several).await;
    assert_eq!(answer.status(), 201, "by its digest");
    assert_eq!(push(&alice, "team/app", "latest", b"second").await.0, 201);
    assert_eq!(push(&alice, "team/app", "latest", b"third").await.0, 201, "no rule for it");
    assert_eq!(deleted(&alice, "/v2/team/app/manifests/latest").await.0, 202);
    let found = header(&alice.head("/v2/team/app/manifests/v1").await, "docker-content-digest");
    assert_eq!(found, digest);
    // Without the rule nothing is protected any more.
    assert_eq!(alice.delete(&path).await.status(), 200);
    assert_eq!(push(&alice, "team/app", "v1", b"second").await.0, 201);
    assert_eq!(deleted(&alice, repository).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_add_up_exclude_and_can_be_switched_off() {
    let (_server, alice) = team(Setup::new()).await;
    for (repository, tag) in [
        ("team/app", "v1"),
        ("team/app", "dev"),
        ("team/tmp/app", "v1"),
        ("team/tmp/app", "stable"),
    ] {
        assert_eq!(push(&alice, repository, tag, b"before").await.0, 201);
    }
    // Each round: the tags that cannot be moved now.
    let protected = async |round: u8| {
        let mut found = Vec::new();
        for (repository, tag) in [
            ("team/app", "v1"),
            ("team/app", "dev"),
            ("team/tmp/app", "v1"),
            ("team/tmp/app", "stable"),
        ] {
            match push(&alice, repository, tag, &[round]).await.0 {
                201 => {}
                412 => found.push(format!("{}:{tag}", repository.trim_start_matches("team/"))),
                other => panic!("{repository}:{tag}: {other}"),
            }
        }
        found.join(" ")
    };
    assert_eq!(protected(0).await, "");
    let first = add(&alice, &rule(("repoExcludes", "tmp/**"), ("excludes", "dev"))).await;
    assert_eq!(protected(1).await, "app:v1", "tags that were there are protected at once");
    let second = add(&alice, &rule(("repoMatches", "tmp/**"), ("matches", "stable"))).await;
    assert_eq!(protected(2).await, "app:v1 tmp/app:stable");
    let mut change = rules(&alice).await[0].clone();
    change["disabled"] = true.into();
    assert_eq!(status(&alice, "PUT", &first, &change).await, 200);
    assert_eq!(protected(3).await, "tmp/app:stable");
    change["disabled"] = false.into();
    assert_eq!(status(&alice, "PUT", &first, &change).await, 200);
    assert_eq!(alice.delete(&second).await.status(), 200);
    assert_eq!(protected(4).await, "app:v1");
    // An empty pattern means every name.
    add(&alice, &rule(("repoMatches", ""), ("matches", ""))).await;
    assert_eq!(protected(5).await, "app:v1 app:dev tmp/app:v1 tmp/app:stable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_server_refuses_the_same_push_again() {
    let setup = Setup::new().env("ROADSTEAD_STRICT_IMMUTABILITY", "true");
    let (_server, alice) = team(setup).await;
    add(&alice, &rule(("repoMatches", "**"), ("matches", "v*"))).await;
    assert_eq!(push(&alice, "team/app", "v1", b"first").await.0, 201);
    let again = push(&alice, "team/app", "v1", b"first").await;
    assert_immutable(again, "configured as immutable", "the same again");
    for _ in 0..2 {
        assert_eq!(push(&alice, "team/app", "latest", b"first").await.0, 201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_pushes_to_a_new_immutable_tag_one_wins() {
    const PUSHES: usize = 24;
    let rounds = if std::env::var_os("ROADSTEAD_TEST_QUICK").is_some() { 20 } else { 500 };
    let (_server, alice) = team(Setup::new()).await;
    add(&alice, &rule(("repoMatches", "**"), ("matches", "**"))).await;
    alice.push_blob("team/app", b"{}").await;
    for round in 0..rounds {
        let tag = format!("r{round}");
        let pushes = (0..PUSHES).map(|number| {
            let (alice, tag) = (alice.clone(), tag.clone());
            let mut manifest = content::image(b"{}", &[]);
            manifest["annotations"] = json!({"push": format!("{round}.{number}")});
            let manifest = manifest.to_string();
            tokio::spawn(async move {
                let digest = sha256(manifest.as_bytes());
                let answer = alice.put_manifest("team/app", &tag, MANIFEST, manifest).await;
                (answer.status().as_u16(), answer.text().await.unwrap(), digest)
            })
        });
        let pushes: Vec<_> = pushes.collect();
        let mut winners = BTreeSet::new();
        for push in pushes {
            let (status, text, digest) = push.await.unwrap();
            if status == 201 {
                winners.insert(digest);
            } else {
                assert_immutable((status, text), "configured as immutable", &tag);
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        let found = alice.head(&format!("/v2/team/app/manifests/{tag}")).await;
        assert!(winners.contains(&header(&found, "docker-content-digest")), "round {round}");
    }
}
