//! Long lists: that a page costs what it costs wherever it is, that it is the right one, and that
//! what is shown beside its rows is read for all of them at once.

mod cost;
mod fill;
mod right;
mod statements;

use roadstead_tests::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_at_the_end_of_a_long_list_is_right_and_costs_what_the_first_does() {
    let port = roadstead_tests::free_port();
    let mut server = Setup::new()
        // Nothing else runs meanwhile.
        .env("ROADSTEAD_JOB_INTERVAL", "1h")
        .env("ROADSTEAD_SCRUB_INTERVAL", "off")
        .env("ROADSTEAD_LOG", "warn")
        .env("ROADSTEAD_ADMIN_LISTEN", format!("127.0.0.1:{port}"))
        .start();
    fill::fill(&mut server).await;
    statements::do_not_depend_on_the_rows(&server, port).await;
    right::pages_are_right(&server).await;
    cost::pages_cost_the_same(&server).await;
    right::totals_follow_every_change(&server).await;
}
