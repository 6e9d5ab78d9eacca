//! A repository that nothing was ever pushed to.

use roadstead_tests::content::{random_bytes, rng};

use crate::client::{ONE, server, with_tokens};
use crate::cycle::manifests_of;
use crate::data::Algorithm;

#[tokio::test]
async fn an_empty_repository_has_no_tags_and_an_empty_list_of_referrers() {
    let (server, mut rng) = (server().await, rng());
    let client = with_tokens(&server);
    client.get(&format!("/v2/{ONE}/tags/list")).await.refuses(404, "NAME_UNKNOWN");
    for algorithm in Algorithm::ALL {
        let subject = algorithm.digest(&random_bytes(&mut rng, 100));
        let path = format!("/v2/{ONE}/referrers/{subject}");
        let answer = client.get(&path).await.expect(200).lacks("link");
        assert!(manifests_of(&answer).is_empty());
        let filtered = client.get(&format!("{path}?artifactType=a%2Fb")).await.expect(200);
        assert!(manifests_of(&filtered).is_empty());
        assert_eq!(filtered.header("oci-filters-applied"), "artifactType");
        client.head(&path).await.expect(200);
    }
}
