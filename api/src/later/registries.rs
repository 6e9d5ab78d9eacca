//! Other registries, and replication to and from them.

use http::Method;
use roadstead_model::Action::{Create, Delete, List, Read, Update};
use roadstead_model::Resource::{Registry, Replication, ReplicationAdapter, ReplicationPolicy};

use super::shapes::{self, RegistryProviderInfo, ReplicationExecution};
use super::{Answer, Operation, of_system};
use crate::openapi::Description;

const NO_REGISTRY: Answer = Answer::NotFound("registry", "id");
const NO_POLICY: Answer = Answer::NotFound("replication policy", "id");
const NO_EXECUTION: Answer = Answer::NotFound("replication execution", "id");
const NO_REGISTRIES: Answer = Answer::NotHere("other registries cannot be made known here yet");
const NO_REPLICATION: Answer = Answer::NotHere("there is no replication here yet");

pub(super) const REGISTRIES: &[Operation] = &[
    of_system(
        (&Method::GET, "/replication/adapters"),
        ["listRegistryProviderTypes", "List the kinds of registries"],
        (ReplicationAdapter, List),
        Answer::EmptyList(Description::answers_list::<String>),
    ),
    of_system(
        (&Method::GET, "/replication/adapterinfos"),
        ["listRegistryProviderInfos", "Describe the kinds of registries"],
        (ReplicationAdapter, List),
        Answer::EmptyMap(Description::answers_map::<RegistryProviderInfo>),
    ),
    of_system(
        (&Method::POST, "/registries"),
        ["createRegistry", "Make another registry known"],
        (Registry, Create),
        NO_REGISTRIES,
    ),
    of_system(
        (&Method::GET, "/registries"),
        ["listRegistries", "List the other registries"],
        (Registry, List),
        Answer::EmptyPage(Description::answers_list::<shapes::Registry>),
    ),
    of_system(
        (&Method::POST, "/registries/ping"),
        ["pingRegistry", "Ask whether another registry is there"],
        (Registry, Read),
        NO_REGISTRIES,
    ),
    of_system(
        (&Method::GET, "/registries/{id}"),
        ["getRegistry", "Find another registry"],
        (Registry, Read),
        NO_REGISTRY,
    ),
    of_system(
        (&Method::DELETE, "/registries/{id}"),
        ["deleteRegistry", "Forget another registry"],
        (Registry, Delete),
        NO_REGISTRY,
    ),
    of_system(
        (&Method::PUT, "/registries/{id}"),
        ["updateRegistry", "Change what is known of another registry"],
        (Registry, Update),
        NO_REGISTRY,
    ),
    of_system(
        (&Method::GET, "/registries/{id}/info"),
        ["getRegistryInfo", "Ask what another registry can do"],
        (Registry, Read),
        NO_REGISTRY,
    ),
];

pub(super) const REPLICATION: &[Operation] = &[
    of_system(
        (&Method::GET, "/replication/policies"),
        ["listReplicationPolicies", "List the policies of replication"],
        (ReplicationPolicy, List),
        Answer::EmptyPage(Description::answers_list::<shapes::ReplicationPolicy>),
    ),
    of_system(
        (&Method::POST, "/replication/policies"),
        ["createReplicationPolicy", "Make a policy of replication"],
        (ReplicationPolicy, Create),
        NO_REPLICATION,
    ),
    of_system(
        (&Method::GET, "/replication/policies/{id}"),
        ["getReplicationPolicy", "Find a policy of replication"],
        (ReplicationPolicy, Read),
        NO_POLICY,
    ),
    of_system(
        (&Method::DELETE, "/replication/policies/{id}"),
        ["deleteReplicationPolicy", "Delete a policy of replication"],
        (ReplicationPolicy, Delete),
        NO_POLICY,
    ),
    of_system(
        (&Method::PUT, "/replication/policies/{id}"),
        ["updateReplicationPolicy", "Change a policy of replication"],
        (ReplicationPolicy, Update),
        NO_POLICY,
    ),
    of_system(
        (&Method::GET, "/replication/executions"),
        ["listReplicationExecutions", "List the executions of replication"],
        (Replication, List),
        Answer::EmptyPage(Description::answers_list::<ReplicationExecution>),
    ),
    of_system(
        (&Method::POST, "/replication/executions"),
        ["startReplication", "Replicate now"],
        (Replication, Create),
        NO_REPLICATION,
    ),
    of_system(
        (&Method::GET, "/replication/executions/{id}"),
        ["getReplicationExecution", "Find an execution of replication"],
        (Replication, Read),
        NO_EXECUTION,
    ),
    of_system(
        (&Method::PUT, "/replication/executions/{id}"),
        ["stopReplication", "Stop an execution of replication"],
        (Replication, Create),
        NO_EXECUTION,
    ),
    of_system(
        (&Method::GET, "/replication/executions/{id}/tasks"),
        ["listReplicationTasks", "List the tasks of an execution"],
        (Replication, List),
        NO_EXECUTION,
    ),
    of_system(
        (&Method::GET, "/replication/executions/{id}/tasks/{task_id}/log"),
        ["getReplicationLog", "Read what a task did"],
        (Replication, Read),
        NO_EXECUTION,
    ),
];
