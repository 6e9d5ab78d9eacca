"""What schemathesis sends is changed a little before it leaves, so that it finds more and breaks
nothing under its own feet. See tests/tests/document."""

import hashlib
import json
import os

import schemathesis

# Names and ids that are there, by the names of parameters.
SAMPLES = json.loads(os.environ["ROADSTEAD_SAMPLES"])

# Where addresses lead that a server would connect to: nobody listens there, and nothing leaves the
# machine.
NOWHERE = {
    "ldap_url": "ldap://127.0.0.1:9/",
    "oidc_endpoint": "http://127.0.0.1:9/",
    "audit_log_forward_endpoint": "tcp://127.0.0.1:9",
    "url": "http://127.0.0.1:9/",
    "address": "http://127.0.0.1:9/",
}

# What would end a run early. An administrator who is none any more, or whose password is another,
# sees only refusals from then on; so does everybody when nothing may be changed, or when accounts
# come from a directory that is not there.
GROUND = {
    "/configurations": {"read_only", "auth_mode", "primary_auth_mode"},
}


def chance(value, of):
    """The same for the same value, so that a seed repeats a run."""
    return hashlib.sha256(repr(value).encode("utf-8", "replace")).digest()[0] % of == 0


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """A field that the document does not have is a mistake of the document."""
    for schema in raw_schema["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)


@schemathesis.hook
def before_call(context, case, kwargs):
    path = case.operation.path.removeprefix("/api/v2.0")
    named(case, path)
    if isinstance(case.query, dict):
        for name, sample in (("policy_id", "webhook_policy_id"), ("project_id", "id")):
            if name in case.query and not chance((path, name, case.query[name]), 3):
                case.query[name] = SAMPLES[sample]
    if isinstance(case.body, dict):
        case.body = tame(path, case.body)
        if "immutable_rule_id" in path and "id" in case.body and chance(case.body, 2):
            rule = str(case.path_parameters.get("immutable_rule_id"))
            case.body["id"] = int(rule) if rule.isdigit() else rule


def named(case, path):
    """Two of three times a parameter names what is there."""
    parameters = case.path_parameters
    if not isinstance(parameters, dict):
        return
    samples = SAMPLES | ({"id": SAMPLES["retention_id"]} if path.startswith("/retentions") else {})
    for name in parameters:
        if name in samples and not chance((path, name, parameters[name]), 3):
            parameters[name] = samples[name]
    # Neither is one's own account changed to another person's.
    if path.startswith("/users/{user_id}") and case.operation.method != "get":
        if str(parameters.get("user_id")) == "1":
            parameters["user_id"] = SAMPLES["user_id"]


def tame(path, body):
    body = {key: value for key, value in body.items() if key not in GROUND.get(path, ())}
    for key, address in NOWHERE.items():
        if isinstance(body.get(key), str):
            body[key] = address + body[key] if key in ("url", "address") else address
    targets = body.get("targets")
    if isinstance(targets, list):
        body["targets"] = [tame(path, one) if isinstance(one, dict) else one for one in targets]
    schedule = body.get("schedule")
    if isinstance(schedule, dict) and schedule.get("type", "") in ("None", ""):
        # Without a schedule Harbor answers 200 with nothing, which no schema can say.
        body["schedule"] = schedule | {"type": "Daily"}
    return body
