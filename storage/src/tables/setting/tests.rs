use super::*;
use crate::tables::stage::Stage;

#[tokio::test]
async fn a_setting_has_one_value_and_prefixes_mean_bytes() {
    crate::testing::on_both_engines(async || {
        let stage = Stage::new().await;
        let mut tx = stage.begin().await;
        assert_eq!(get(&mut tx, "t.a").await.unwrap(), None);
        assert_eq!(get_or_set(&mut tx, "t.a", "1").await.unwrap(), "1");
        assert_eq!(get_or_set(&mut tx, "t.a", "2").await.unwrap(), "1");
        set(&mut tx, "t.a", "3").await.unwrap();
        assert_eq!(get(&mut tx, "t.a").await.unwrap().as_deref(), Some("3"));
        for name in ["t.b_1", "t.B", "t_a", "T.a", "t", "t.", "u"] {
            set(&mut tx, name, "x").await.unwrap();
        }
        let found = with_prefix(&mut tx, "t.").await.unwrap();
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["", "B", "a", "b_1"]);
        assert!(with_prefix(&mut tx, "t.%").await.unwrap().is_empty());
    })
    .await;
}
