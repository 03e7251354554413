"""Properties that a change of the template could break: cost at rest, permissions, storage, routes."""

import json
import re
import sys
from typing import Any

import pytest

from dev.functions import load_handler
from dev.streams import matches
from dev.template import ROOT, Function, Template
from tracestore.api.agent_tools.protocol import METHOD_HEADER, NAME_HEADER, VERSION_HEADER
from tracestore.http.identity import OWNER_HEADER
from tracestore.http.settings import settings_from

TEMPLATE = Template()
RESOURCES: dict[str, Any] = TEMPLATE.body["Resources"]
FUNCTIONS = list(TEMPLATE.functions.values())
ANSWERING = {route.function for route in TEMPLATE.routes}
"""The functions behind the API. The others are handed the table's stream."""
FREE_AT_REST = {
    "AWS::DynamoDB::Table",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Role",
    "AWS::Logs::LogGroup",
    "AWS::Serverless::Function",
    "AWS::Serverless::HttpApi",
    "AWS::Serverless::LayerVersion",
    "AWS::SQS::Queue",
}
"""Resource types that bill by use alone. Others only on a condition that no default meets."""

BILLS_AT_REST = ("ProvisionedConcurrencyConfig", "SnapStart", "KmsKeyArn", "SSESpecification", "ProvisionedThroughput")


def of_type(kind: str) -> dict[str, Any]:
    return {name: r.get("Properties", {}) for name, r in RESOURCES.items() if r["Type"] == kind}


def everything(node: Any) -> list[Any]:
    """Every node of the template below `node`, itself included."""
    below = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    return [node, *(found for child in below for found in everything(child))]


@pytest.mark.parametrize("name", RESOURCES)
def test_no_resource_bills_while_nothing_calls_it(name: str) -> None:
    resource = RESOURCES[name]
    unconditional = "Condition" not in resource or TEMPLATE.resolve(TEMPLATE.body["Conditions"][resource["Condition"]])
    assert resource["Type"] in FREE_AT_REST or not unconditional


@pytest.mark.parametrize("setting", BILLS_AT_REST)
def test_nothing_is_configured_that_bills_while_idle(setting: str) -> None:
    assert not any(isinstance(node, dict) and setting in node for node in everything(TEMPLATE.body))


def test_the_table_bills_by_request_and_its_backups_are_opt_in() -> None:
    (table,) = (TEMPLATE.resolve(t) for t in of_type("AWS::DynamoDB::Table").values())
    backups = table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
    assert (table["BillingMode"], backups) == ("PAY_PER_REQUEST", "false")


def test_indexes_hold_keys_only() -> None:
    assert {i["Projection"]["ProjectionType"] for i in TEMPLATE.table["GlobalSecondaryIndexes"]} == {"KEYS_ONLY"}


def test_no_policy_has_a_wildcard_action() -> None:
    actions = [a for node in everything(RESOURCES) if isinstance(node, dict) for a in node.get("Action", [])]
    assert actions
    assert not [a for a in actions if "*" in a]


def test_the_secret_parameter_may_be_read_only_where_one_is_named() -> None:
    assert RESOURCES["JwtSecretPolicy"]["Condition"] == "HasJwtSecretParameter"
    others = [r for name, r in RESOURCES.items() if name != "JwtSecretPolicy"]
    assert not [node for node in everything(others) if node == "ssm:GetParameter"]


@pytest.mark.parametrize("function", [f.name for f in FUNCTIONS])
def test_each_function_logs_to_a_group_of_its_own(function: str) -> None:
    group = RESOURCES[function]["Properties"]["LoggingConfig"]["LogGroup"]
    assert group == {"Ref": function.replace("Function", "LogGroup")}


@pytest.mark.parametrize("group", of_type("AWS::Logs::LogGroup"))
def test_each_log_group_forgets(group: str) -> None:
    assert int(TEMPLATE.resolve(RESOURCES[group]["Properties"])["RetentionInDays"]) > 0


def test_access_logs_name_the_route_and_neither_path_nor_query() -> None:
    (api,) = of_type("AWS::Serverless::HttpApi").values()
    variables = set(re.findall(r"\$context\.([A-Za-z.]+)", api["AccessLogSettings"]["Format"]))
    assert "routeKey" in variables
    assert not variables & {"path", "domainName", "authorizer", "identity.userAgent"}


def test_the_api_is_throttled() -> None:
    (api,) = (TEMPLATE.resolve(p) for p in of_type("AWS::Serverless::HttpApi").values())
    assert int(api["DefaultRouteSettings"]["ThrottlingRateLimit"]) > 0


def test_no_origin_may_call_unless_the_deployer_names_it() -> None:
    assert TEMPLATE.cors.origins == ()


def test_named_origins_may_call() -> None:
    named = Template(parameters={"CorsOrigins": "https://a.example,https://b.example"})
    assert named.cors.origins == ("https://a.example", "https://b.example")


def test_a_page_on_a_named_origin_may_send_every_header_that_the_functions_read() -> None:
    named = Template(parameters={"CorsOrigins": "https://a.example"})
    assert set(named.cors.headers) >= {"authorization", "x-api-key", "content-encoding", OWNER_HEADER}
    assert set(named.cors.headers) >= {VERSION_HEADER, METHOD_HEADER, NAME_HEADER}


def test_the_functions_get_the_origins_that_the_gateway_allows() -> None:
    named = Template(parameters={"CorsOrigins": "https://a.example, https://b.example"})
    configured = settings_from({"TABLE_NAME": "t", "CORS_ORIGINS": named.environment["CORS_ORIGINS"]})
    assert configured.cors_origins == named.cors.origins


def test_no_authorizer_of_the_gateway_rewrites_the_claims_of_a_token() -> None:
    """API Gateway would pass a list of teams on as the text `[a b]`. The functions verify the token themselves."""
    (api,) = of_type("AWS::Serverless::HttpApi").values()
    assert api["Auth"] == {"EnableIamAuthorizer": False}
    events = [event for f in FUNCTIONS for event in RESOURCES[f.name]["Properties"]["Events"].values()]
    assert not [event for event in events if "Auth" in event["Properties"]]


def test_the_gateway_gives_up_after_the_function() -> None:
    assert {f.timeout_s for f in FUNCTIONS if f.name in ANSWERING} == {29}


def test_a_function_answers_requests_or_is_handed_the_stream_and_not_both() -> None:
    subscribed = [s.function for s in TEMPLATE.subscriptions]
    assert sorted([*ANSWERING, *subscribed]) == sorted(f.name for f in FUNCTIONS)


@pytest.mark.parametrize("function", [s.function for s in TEMPLATE.subscriptions])
def test_a_stream_function_begins_with_the_oldest_record_and_repeats_what_fails(function: str) -> None:
    (mapping,) = (
        TEMPLATE.resolve(event["Properties"]) for event in RESOURCES[function]["Properties"]["Events"].values()
    )
    assert (mapping["StartingPosition"], mapping["MaximumRetryAttempts"]) == ("TRIM_HORIZON", -1)


@pytest.mark.parametrize("function", [s.function for s in TEMPLATE.subscriptions])
def test_a_stream_function_is_called_for_what_it_asks_for_alone(function: str) -> None:
    (subscription,) = (s for s in TEMPLATE.subscriptions if s.function == function)
    assert subscription.patterns
    segment = {"dynamodb": {"Keys": {"pk": {"S": "U#user#T#trace"}, "sk": {"S": "S#generation#digest"}}}}
    assert not any(matches({"eventName": "INSERT", **segment}, pattern) for pattern in subscription.patterns)


def test_no_region_and_no_account_is_written_down() -> None:
    assert not re.search(r"\b(us|eu|ap|sa|ca|me|af|il)-[a-z]+-\d\b|\b\d{12}\b", TEMPLATE.path.read_text())


@pytest.mark.parametrize("name", ["DYNAMODB_ENDPOINT", "JWT_SECRET"])
def test_what_only_a_developers_machine_sets_is_empty_when_deployed(name: str) -> None:
    assert {f.environment[name] for f in FUNCTIONS} == {""}


def test_handler_modules_have_names_of_their_own() -> None:
    names = [f.file.stem for f in FUNCTIONS]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.name)
def test_a_function_is_named_after_its_folder(function: Function) -> None:
    folder = function.file.parent.name
    title = "".join(word.capitalize() for word in folder.split("_"))
    assert (function.name, function.file.stem) == (f"{title}Function", f"{folder}_handler")


@pytest.mark.parametrize("function", [f for f in FUNCTIONS if f.name in ANSWERING], ids=lambda f: f.name)
def test_the_template_and_the_handler_name_the_same_routes(function: Function) -> None:
    wanted = {r.key for r in TEMPLATE.routes if r.function == function.name}
    load_handler(function)
    assert set(sys.modules[function.file.stem].app.routes) == wanted


def test_each_route_has_one_function() -> None:
    keys = [r.key for r in TEMPLATE.routes]
    assert sorted(keys) == sorted(set(keys))


@pytest.mark.parametrize(
    "lock",
    [
        *("layers/common/requirements.txt", "requirements-dev.txt", "requirements-viewer.txt"),
        *("requirements-sdks.txt", "requirements-langfuse.txt"),
    ],
)
def test_a_lock_has_hashes_and_names_no_host(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert len(re.findall(r"(?m)^[a-z0-9][^\s]*==[^\n]* \\$", text)) == len(re.findall(r"(?m)^[a-z0-9]", text))
    assert "://" not in text


@pytest.mark.parametrize("folder", ["client-js", "tests/clients", "tests/inspector", "tests/sdks-js", "web"])
def test_a_lock_of_javascript_has_hashes_and_names_no_host(folder: str) -> None:
    packages = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]
    assert len(packages) > 1
    assert [name for name, package in packages.items() if name and not package.get("integrity")] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []


def test_what_is_deployed_is_what_was_tested() -> None:
    def pinned(path: str) -> set[str]:
        return set(re.findall(r"(?m)^[a-z0-9][^\s]*==\S+", (ROOT / path).read_text()))

    assert pinned("layers/common/requirements.txt") <= pinned("requirements-dev.txt")
