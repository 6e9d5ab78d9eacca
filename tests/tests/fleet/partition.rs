//! Servers in networks of their own, whose cables are pulled while clients push and pull.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use roadstead_tests::Setup;
use roadstead_tests::content::{rng, sha256};
use roadstead_tests::net::{Hub, Switch, left_out};
use roadstead_tests::postgres::Cluster;
use roadstead_tests::stores::Radosgw;

use crate::crew::{Crew, PROJECT};
use crate::fleet::{Fleet, Shared};
use crate::proxy::Proxy;
use crate::witness::Witness;

const SERVERS: u8 = 3;
const PORT: u16 = 8080;
const HEALTH: u16 = 8081;
/// How long a cable is out.
const OUT: Duration = Duration::from_secs(6);
/// How soon a server is left out: it looks every second, for at most two.
const NOTICED: Duration = Duration::from_secs(5);
/// How soon a server works again.
const RECOVERY: Duration = Duration::from_secs(5);
/// How long clients are waited for on a busy machine.
const LONG: Duration = Duration::from_mins(1);

/// Everything in its network.
struct Stage<'a> {
    hub: &'a Hub,
    proxy: Proxy,
    fleet: Fleet,
    _store: Radosgw,
    _cluster: Cluster,
}

impl<'a> Stage<'a> {
    fn new(hub: &'a Hub) -> Self {
        let cluster = Cluster::start_at(&Switch::Database.hub().to_string());
        let store = Radosgw::start(&Switch::Store.hub().to_string());
        let shared = Shared::of(cluster.url(&cluster.create_database()), store.place());
        let trusted = Switch::Front.hub().to_string();
        let setup = |server: u8| -> Setup {
            let address = hub.address(Switch::Front, server);
            shared
                .setup(&[("ROADSTEAD_TRUSTED_PROXIES", &trusted)])
                .env("ROADSTEAD_ADMIN_LISTEN", format!("{address}:{HEALTH}"))
                .at(SocketAddr::from((address, PORT)))
                .within(hub.server(server))
        };
        let setups = (0..SERVERS).map(setup).collect();
        let fleet = Fleet::of(shared, setups, vec![HEALTH; usize::from(SERVERS)]);
        let places: Vec<_> = fleet.servers.iter().map(|server| (server.host(), HEALTH)).collect();
        let proxy = Proxy::start(Switch::Front.hub(), &places);
        Self { hub, proxy, fleet, _store: store, _cluster: cluster }
    }

    /// Cuts a server off, waits until nobody is sent there, and plugs it in again.
    async fn cut_off(&self, server: u8, switches: &[Switch], witness: &Arc<Witness>) {
        let (number, before) = (usize::from(server), self.proxy.said(server.into(), "is DOWN"));
        for switch in switches {
            self.hub.cut(*switch, server);
        }
        let since = Instant::now();
        while self.proxy.said(number, "is DOWN") == before {
            assert!(since.elapsed() < NOTICED, "{switches:?}: still sent there{}", self.logs());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let noticed = since.elapsed();
        let reachable = !switches.contains(&Switch::Front);
        // Whoever asks it all the same is told to come back later, and is served in the end.
        let insisting = reachable
            .then(|| tokio::spawn(witness.clone().insist(self.fleet.servers[number].host())));
        let (back, images) = (self.proxy.said(number, "is UP"), witness.acknowledged());
        while since.elapsed() < OUT || witness.acknowledged() == images {
            let readiness = self.fleet.readiness(number).await;
            // Slower than a second is not ready, either.
            let red = readiness.is_none() || (reachable && readiness == Some(503));
            assert!(red, "{switches:?}: {readiness:?}{}", self.logs());
            assert!(since.elapsed() < LONG, "the others do not go on{}", self.logs());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(self.proxy.said(number, "is UP"), back, "{switches:?}{}", self.logs());
        for switch in switches {
            self.hub.heal(*switch, server);
        }
        let since = Instant::now();
        while self.proxy.said(number, "is UP") == back || !self.works(number).await {
            assert!(since.elapsed() < RECOVERY, "{switches:?}: not back{}", self.logs());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        println!("{switches:?}: left out after {noticed:?}, back after {:?}", since.elapsed());
        if let Some(insisting) = insisting {
            insisting.await.expect("right answers");
        }
    }

    /// Whether a server serves a blob, for which it needs the database and the store.
    async fn works(&self, server: usize) -> bool {
        let person = self.fleet.servers[server].admin();
        let path = format!("/v2/{PROJECT}/before/blobs/{}", sha256(b"before"));
        let answer = person.send("GET", &path).timeout(RECOVERY).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
            && self.fleet.readiness(server).await == Some(200)
    }

    fn logs(&self) -> String {
        format!("; the proxy says:\n{}", self.proxy.log())
    }
}

async fn pull_cables(hub: &Hub) {
    let since = Instant::now();
    let (mut rng, stage) = (rng(), Stage::new(hub));
    println!("all is there after {:?}", since.elapsed());
    let crew = Crew::start(&stage.fleet, Some(stage.proxy.host()), &mut rng).await;
    let cuts: [(u8, &[Switch]); 3] =
        [(0, &[Switch::Database]), (1, &[Switch::Store]), (2, &Switch::ALL)];
    for (server, switches) in cuts {
        crew.wait_for_images(6).await;
        stage.cut_off(server, switches, &crew.witness).await;
    }
    crew.finish(&stage.fleet).await;
}

#[test]
fn a_server_that_is_cut_off_is_left_out_and_comes_back_by_itself_and_nothing_is_lost() {
    if left_out() {
        return;
    }
    Hub::work(SERVERS, |hub| {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(4).enable_all().build().expect("a runtime");
        runtime.block_on(pull_cables(hub));
    });
}
