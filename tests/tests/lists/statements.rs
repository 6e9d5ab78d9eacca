//! How many statements a list takes, as the server counts them.

use roadstead_tests::Server;
use roadstead_tests::figures::statements;
use roadstead_tests::http::Person;

use super::fill::digest;

const ALL_FLAGS: &str = "with_tag=true&with_label=true&with_scan_overview=true\
    &with_sbom_overview=true&with_immutable_status=true&with_accessory=true\
    &with_inherited_accessory=true";

/// How many statements a GET takes; the least of some, should something else run meanwhile.
async fn of(person: &Person, port: u16, path: &str) -> u64 {
    let mut least = u64::MAX;
    for _ in 0..8 {
        let before = statements(port).await;
        person.read(path).await;
        least = least.min(statements(port).await - before);
    }
    least
}

pub async fn do_not_depend_on_the_rows(server: &Server, port: u16) {
    let admin = server.admin();
    let subject = digest(7);
    let lists = [
        "/projects/library/repositories/many/artifacts".to_owned(),
        "/projects/wide/artifacts".to_owned(),
        format!("/projects/library/repositories/tagged/artifacts/{subject}/tags"),
        format!("/projects/library/repositories/subject/artifacts/{subject}/accessories"),
        "/repositories".to_owned(),
        "/projects/wide/repositories".to_owned(),
        "/auditlog-exts".to_owned(),
    ];
    for list in &lists {
        let few = of(&admin, port, &format!("{list}?page=3&page_size=20&{ALL_FLAGS}")).await;
        let many = of(&admin, port, &format!("{list}?page=3&page_size=100&{ALL_FLAGS}")).await;
        let none = of(&admin, port, &format!("{list}?page=3&page_size=100&with_tag=false")).await;
        println!("{list}: {none} statements, {many} with everything");
        assert!(none > 0 && none <= many, "{list}");
        assert_eq!(few, many, "{list}: the number of statements depends on the number of rows");
        assert!(many - none <= 8, "{list}: {none} statements, {many} with everything");
    }
}
