//! Preheating of caches that share among themselves.

use http::Method;
use roadstead_model::Action::{Create, Delete, List, Read, Update};
use roadstead_model::Resource::{PreheatInstance, PreheatPolicy};

use super::shapes::{self, PreheatMetadata, ProviderUnderProject};
use super::{Answer, Operation, of_project, of_system};
use crate::openapi::Description;

const NO_INSTANCE: Answer = Answer::NotFound("preheat instance", "preheat_instance_name");
const NO_POLICY: Answer = Answer::NotFound("preheat policy", "preheat_policy_name");
const NO_INSTANCES: Answer = Answer::NotHere("there is no preheating here yet");

pub(super) const OPERATIONS: &[Operation] = &[
    of_system(
        (&Method::GET, "/p2p/preheat/providers"),
        ["ListProviders", "List the kinds of preheat instances"],
        (PreheatInstance, List),
        Answer::EmptyList(Description::answers_list::<PreheatMetadata>),
    ),
    of_system(
        (&Method::POST, "/p2p/preheat/instances/ping"),
        ["PingInstances", "Ask whether a preheat instance is there"],
        (PreheatInstance, Read),
        NO_INSTANCES,
    ),
    of_system(
        (&Method::GET, "/p2p/preheat/instances"),
        ["ListInstances", "List the preheat instances"],
        (PreheatInstance, List),
        Answer::EmptyPage(Description::answers_list::<shapes::PreheatInstance>),
    ),
    of_system(
        (&Method::POST, "/p2p/preheat/instances"),
        ["CreateInstance", "Make a preheat instance known"],
        (PreheatInstance, Create),
        NO_INSTANCES,
    ),
    of_system(
        (&Method::GET, "/p2p/preheat/instances/{preheat_instance_name}"),
        ["GetInstance", "Find a preheat instance"],
        (PreheatInstance, Read),
        NO_INSTANCE,
    ),
    of_system(
        (&Method::DELETE, "/p2p/preheat/instances/{preheat_instance_name}"),
        ["DeleteInstance", "Forget a preheat instance"],
        (PreheatInstance, Delete),
        NO_INSTANCE,
    ),
    of_system(
        (&Method::PUT, "/p2p/preheat/instances/{preheat_instance_name}"),
        ["UpdateInstance", "Change a preheat instance"],
        (PreheatInstance, Update),
        NO_INSTANCE,
    ),
    of_project(
        (&Method::POST, "/projects/{project_name}/preheat/policies"),
        ["CreatePolicy", "Make a policy of preheating"],
        (PreheatPolicy, Create),
        NO_INSTANCES,
    ),
    of_project(
        (&Method::GET, "/projects/{project_name}/preheat/policies"),
        ["ListPolicies", "List the policies of preheating of a project"],
        (PreheatPolicy, List),
        Answer::EmptyPage(Description::answers_list::<shapes::PreheatPolicy>),
    ),
    of_project(
        (&Method::GET, "/projects/{project_name}/preheat/policies/{preheat_policy_name}"),
        ["GetPolicy", "Find a policy of preheating"],
        (PreheatPolicy, Read),
        NO_POLICY,
    ),
    of_project(
        (&Method::PUT, "/projects/{project_name}/preheat/policies/{preheat_policy_name}"),
        ["UpdatePolicy", "Change a policy of preheating"],
        (PreheatPolicy, Update),
        NO_POLICY,
    ),
    of_project(
        (&Method::POST, "/projects/{project_name}/preheat/policies/{preheat_policy_name}"),
        ["ManualPreheat", "Preheat now"],
        (PreheatPolicy, Read),
        NO_POLICY,
    ),
    of_project(
        (&Method::DELETE, "/projects/{project_name}/preheat/policies/{preheat_policy_name}"),
        ["DeletePolicy", "Delete a policy of preheating"],
        (PreheatPolicy, Delete),
        NO_POLICY,
    ),
    of_project(
        (
            &Method::GET,
            "/projects/{project_name}/preheat/policies/{preheat_policy_name}/executions",
        ),
        ["ListExecutions", "List the executions of a policy of preheating"],
        (PreheatPolicy, List),
        NO_POLICY,
    ),
    of_project(
        (
            &Method::GET,
            "/projects/{project_name}/preheat/policies/{preheat_policy_name}/executions/{execution_id}",
        ),
        ["GetExecution", "Find an execution of preheating"],
        (PreheatPolicy, Read),
        NO_POLICY,
    ),
    of_project(
        (
            &Method::PATCH,
            "/projects/{project_name}/preheat/policies/{preheat_policy_name}/executions/{execution_id}",
        ),
        ["StopExecution", "Stop an execution of preheating"],
        (PreheatPolicy, Update),
        NO_POLICY,
    ),
    of_project(
        (
            &Method::GET,
            "/projects/{project_name}/preheat/policies/{preheat_policy_name}/executions/{execution_id}/tasks",
        ),
        ["ListTasks", "List the tasks of an execution of preheating"],
        (PreheatPolicy, List),
        NO_POLICY,
    ),
    of_project(
        (
            &Method::GET,
            "/projects/{project_name}/preheat/policies/{preheat_policy_name}/executions/{execution_id}/tasks/{task_id}/logs",
        ),
        ["GetPreheatLog", "Read what a task of preheating did"],
        (PreheatPolicy, Read),
        NO_POLICY,
    ),
    of_project(
        (&Method::GET, "/projects/{project_name}/preheat/providers"),
        ["ListProvidersUnderProject", "List the preheat instances that a project can use"],
        (PreheatPolicy, List),
        Answer::EmptyList(Description::answers_list::<ProviderUnderProject>),
    ),
];
