use axum::response::IntoResponse as _;
use http::StatusCode;

use super::*;

const COLUMNS: &[Column] = &[
    Column::new("username", "a.actor", Kind::Text).also(&["user"]),
    Column::new("project_id", "a.project_id", Kind::Integer),
    Column::new("op_time", "a.at", Kind::Time),
    Column::new("public", "p.public", Kind::Boolean),
    Column::handled("labels", Kind::Integer),
];

/// What `q` means when it is sent as a URL's parameter.
fn read(q: &str) -> Result<Filters, Failure> {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("q", q).finish();
    filters(&ListQuery::parse(&query).unwrap(), COLUMNS)
}

fn sorted(sort: &str) -> Result<Vec<(&'static str, bool)>, Failure> {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("sort", sort).finish();
    sorting(&ListQuery::parse(&query).unwrap(), COLUMNS)
}

fn text(value: &str) -> Operand {
    Operand::Text(value.into())
}

const fn number(value: i64) -> Operand {
    Operand::Integer(value)
}

#[test]
fn every_form_of_a_value_is_read() {
    let (actor, project, at, public) = ("a.actor", "a.project_id", "a.at", "p.public");
    let second = |n: i64| Some(number(n * 1_000_000));
    let cases = [
        ("username=ann", actor, Test::Equals(text("ann"))),
        ("Username=ann", actor, Test::Equals(text("ann"))),
        ("user=ann", actor, Test::Equals(text("ann"))),
        ("username=a=b", actor, Test::Equals(text("a=b"))),
        (r"username=\~ann", actor, Test::Equals(text("~ann"))),
        (r"username=\\x", actor, Test::Equals(text(r"\x"))),
        ("username='ann'", actor, Test::Equals(text("'ann'"))),
        ("username=%2561nn", actor, Test::Equals(text("%61nn"))),
        ("username=a+b", actor, Test::Equals(text("a b"))),
        ("username=100%", actor, Test::Equals(text("100%"))),
        ("username=100%+%zz", actor, Test::Equals(text("100%+%zz"))),
        ("username%3D~an", actor, Test::Contains("an".into())),
        ("username=~an n", actor, Test::Contains("an n".into())),
        ("username=~~", actor, Test::Contains("~".into())),
        ("username=~%25_", actor, Test::Contains("%_".into())),
        ("username=[a~b]", actor, Test::Range(Some(text("a")), Some(text("b")))),
        (
            "username={ann  'bob' \"5\"}",
            actor,
            Test::AnyOf(vec![text("ann"), text("bob"), text("5")]),
        ),
        ("username={$1 '--}", actor, Test::AnyOf(vec![text("$1"), text("--")])),
        ("project_id=5", project, Test::Equals(number(5))),
        ("ProjectID=-5", project, Test::Equals(number(-5))),
        ("project_id=[ 1 ~ ]", project, Test::Range(Some(number(1)), None)),
        ("project_id=[~'7']", project, Test::Range(None, Some(number(7)))),
        ("project_id={1 2}", project, Test::AnyOf(vec![number(1), number(2)])),
        ("op_time=1970-01-01T00:00:09", at, Test::Equals(number(9_000_000))),
        ("OpTime=[1970-01-01T00:00:01~1970-01-01 00:00:02]", at, Test::Range(second(1), second(2))),
        ("public=True", public, Test::Equals(Operand::Boolean(true))),
        ("Public=0", public, Test::Equals(Operand::Boolean(false))),
    ];
    for (q, column, test) in cases {
        let expected = Filters { conditions: vec![Condition { column, test }], handled: vec![] };
        assert_eq!(read(q).unwrap(), expected, "{q}");
    }
    assert_eq!(read("").unwrap(), Filters::default());
}

#[test]
fn all_conditions_hold_and_what_the_handler_looks_at_is_set_apart() {
    let found = read("username=~a,labels=(3 4),project_id=1").unwrap();
    let columns: Vec<_> = found.conditions.iter().map(|condition| condition.column).collect();
    assert_eq!(columns, ["a.actor", "a.project_id"]);
    let labels = [("labels", Test::Equals(number(3))), ("labels", Test::Equals(number(4)))];
    assert_eq!(found.handled, labels);
    // The second unescaping may bring the comma to light.
    assert_eq!(read("username%3D~a%2Cproject_id%3D1").unwrap().conditions, {
        read("username=~a,project_id=1").unwrap().conditions
    });
}

#[test]
fn what_is_malformed_or_not_offered_is_a_bad_request() {
    let list = |count: usize| format!("project_id={{{}}}", "1 ".repeat(count));
    assert!(read(&list(100)).is_ok());
    let long = |length: usize| format!("username=~{}", "a".repeat(length));
    assert!(read(&long(1024)).is_ok());
    let cases = [
        "username",
        "username=",
        "=ann",
        ",",
        "username=ann,",
        "password_hash=~a",
        "PasswordHash=a",
        "USERNAME=ann",
        "a.actor=ann",
        "username__startswith=a",
        "username;DROP TABLE principal=1",
        "username=ann,Username=bob",
        "username=~",
        "username=[a]",
        "username=[a~b~c]",
        "username=[~]",
        "username=[ ~ ]",
        "username=[a~b",
        "username={a b",
        "username={}",
        "username={ '' }",
        "username=(",
        "username=a%00b",
        "username=%ff",
        "project_id=x",
        "project_id=~1",
        "project_id=1.5",
        "project_id=9223372036854775808",
        "project_id={1 x}",
        "op_time=yesterday",
        "op_time=[2026-13-01T00:00:00~]",
        "public=perhaps",
        "public=[0~1]",
        &list(101),
        &long(1025),
    ];
    for q in cases {
        let answer = read(q).expect_err(q).into_response();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{q}");
    }
}

#[test]
fn lists_are_sorted_by_what_they_offer_only() {
    assert_eq!(sorted("").unwrap(), []);
    assert_eq!(sorted("username").unwrap(), [("a.actor", false)]);
    assert_eq!(sorted("-op_time,Username").unwrap(), [("a.at", true), ("a.actor", false)]);
    assert_eq!(sorted("op_time,-OpTime").unwrap(), [("a.at", false)]);
    for sort in ["-", ",", "username,", "password_hash", "--username", "a.at", "labels", "1"] {
        let answer = sorted(sort).expect_err(sort).into_response();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{sort}");
    }
}

#[test]
fn every_column_goes_by_harbors_two_names() {
    for (key, name) in [
        ("id", "ID"),
        ("project_id", "ProjectID"),
        ("creation_time", "CreationTime"),
        ("url", "URL"),
    ] {
        assert_eq!(go_name(key), name);
    }
}
