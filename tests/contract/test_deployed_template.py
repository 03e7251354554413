"""Properties of the resources that SAM makes of the template, with and without each optional parameter."""

import json
import re
from typing import Any

import pytest

from dev.template import ROOT, Route, Template
from tests.deployed_template import DeployedTemplate
from tracestore.storage import keys

DEFAULT = DeployedTemplate()
TOPIC = "arn:aws:sns:us-east-1:000000000000:alarms"
WITH_ALARMS = DeployedTemplate(AlarmTopicArn=TOPIC)


def functions(deployed: DeployedTemplate) -> dict[str, dict[str, Any]]:
    return deployed.of_type("AWS::Lambda::Function")


def alarms(deployed: DeployedTemplate) -> dict[str, dict[str, Any]]:
    return deployed.of_type("AWS::CloudWatch::Alarm")


def everything(node: Any) -> list[Any]:
    """Every node below `node`, itself included."""
    below = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    return [node, *(found for child in below for found in everything(child))]


def api(deployed: DeployedTemplate) -> dict[str, Any]:
    """The body of the HTTP API, in OpenAPI."""
    ((_, properties),) = deployed.of_type("AWS::ApiGatewayV2::Api").items()
    body: dict[str, Any] = properties["Body"]
    return body


def test_sam_takes_the_origins_for_origins_and_nothing_else() -> None:
    origins = "https://a.example,https://b.example"
    local = Template(parameters={"CorsOrigins": origins}).cors
    assert api(DeployedTemplate(CorsOrigins=origins))["x-amazon-apigateway-cors"] == {
        "allowOrigins": list(local.origins),
        "allowMethods": list(local.methods),
        "allowHeaders": list(local.headers),
        "exposeHeaders": list(local.expose),
        "maxAge": local.max_age_s,
    }
    assert local.origins == tuple(origins.split(","))


def test_without_origins_the_gateway_has_no_cors() -> None:
    assert "x-amazon-apigateway-cors" not in api(DEFAULT)


def test_every_route_of_the_template_is_one_of_the_gateway() -> None:
    paths = api(DEFAULT)["paths"]
    served = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    wanted = {route.key if route.path else "X-AMAZON-APIGATEWAY-ANY-METHOD /$default" for route in Template().routes}
    assert served == wanted


@pytest.mark.parametrize("route", Template().routes, ids=lambda route: route.key)
def test_the_gateway_may_call_the_function_of_a_route(route: Route) -> None:
    """SAM permits the function behind $default every path, and the others their own."""
    permissions = DEFAULT.of_type("AWS::Lambda::Permission").values()
    allowed = {p["SourceArn"].partition("/")[2] for p in permissions if p["FunctionName"] == route.function}
    own = f"*/{route.method}{re.sub('{[^}]*}', '*', route.path)}" if route.path else "*/*"
    assert {own, f"*/{route.method}{route.path}", "*/*"} & allowed
    assert "*/*" not in allowed or route.function == "DocsFunction"


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARN", "ERROR"])
def test_the_log_level_reaches_each_function_with_its_own_group(level: str) -> None:
    for name, function in functions(DeployedTemplate(LogLevel=level)).items():
        assert function["LoggingConfig"] == {
            "LogFormat": "JSON",
            "ApplicationLogLevel": level,
            "SystemLogLevel": "WARN",
            "LogGroup": name.replace("Function", "LogGroup"),
        }


def test_the_log_levels_are_those_that_lambda_accepts() -> None:
    """*source*: CloudFormation reference, AWS::Lambda::Function LoggingConfig."""
    accepted = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}
    assert set(DEFAULT.body["Parameters"]["LogLevel"]["AllowedValues"]) < accepted


def test_each_log_group_is_deleted_with_its_stack_and_forgets() -> None:
    groups = DeployedTemplate(LogRetentionDays="30").of_type("AWS::Logs::LogGroup")
    assert {group["RetentionInDays"] for group in groups.values()} == {"30"}


def test_without_a_topic_there_is_no_alarm() -> None:
    assert not alarms(DEFAULT)


def test_each_alarm_reports_to_the_topic_and_is_quiet_without_requests() -> None:
    for alarm in alarms(WITH_ALARMS).values():
        assert (alarm["AlarmActions"], alarm["TreatMissingData"]) == ([TOPIC], "notBreaching")


@pytest.mark.parametrize("index", [None, *(i["IndexName"] for i in Template().table["GlobalSecondaryIndexes"])])
def test_throttling_is_seen_on_the_table_and_on_each_index(index: str | None) -> None:
    """DynamoDB reports the throttling of an index with the index's dimension alone."""
    dimensions = [{"Name": "TableName", "Value": "tracestore"}]
    dimensions += [{"Name": "GlobalSecondaryIndexName", "Value": index}] if index else []
    watched = []
    for alarm in alarms(WITH_ALARMS).values():
        metrics = {m["Id"]: m["MetricStat"]["Metric"] for m in alarm.get("Metrics", ()) if "MetricStat" in m}
        if metrics and all(metric["Dimensions"] == dimensions for metric in metrics.values()):
            watched += [metric["MetricName"] for metric in metrics.values()]
            (returned,) = (m["Expression"] for m in alarm.get("Metrics", ()) if m.get("ReturnData", True))
            assert all(f"FILL({name}, 0)" in returned for name in metrics)
    assert sorted(watched) == ["ReadThrottleEvents", "WriteThrottleEvents"]


ISSUER = {"JwtIssuer": "https://issuer.example/", "JwtAudience": "app"}
POOL = {"UserPoolDomain": "acme-traces", "PageOrigin": "https://traces.example.com"}


def environments(deployed: DeployedTemplate) -> list[dict[str, str]]:
    return [function["Environment"]["Variables"] for function in functions(deployed).values()]


@pytest.mark.parametrize(
    ("parameters", "violated"),
    [
        ({}, set()),
        (ISSUER, set()),
        (POOL, set()),
        ({"JwtIssuer": "https://issuer.example"}, {"IssuerHasAudience"}),
        ({**ISSUER, **POOL}, {"OneIssuer"}),
        ({**POOL, "OidcClientId": "page"}, {"OneIssuer"}),
    ],
)
def test_parameters_that_contradict_each_other_are_refused_before_the_deployment(
    parameters: dict[str, str], violated: set[str]
) -> None:
    assert DeployedTemplate(**parameters).violated_rules == violated


def test_no_parameter_needs_an_answer() -> None:
    assert not [name for name, p in DEFAULT.body["Parameters"].items() if "Default" not in p]


def test_without_an_issuer_the_functions_get_none_and_there_is_no_user_pool() -> None:
    assert {(e["JWT_ISSUER"], e["JWT_AUDIENCE"]) for e in environments(DEFAULT)} == {("", "")}
    assert not [r for r in DEFAULT.resources.values() if r["Type"].startswith("AWS::Cognito")]


def test_an_issuer_reaches_every_function() -> None:
    assert {(e["JWT_ISSUER"], e["JWT_AUDIENCE"]) for e in environments(DeployedTemplate(**ISSUER))} == {
        ("https://issuer.example/", "app")
    }


def test_the_functions_accept_tokens_of_the_page_of_a_user_pool_alone() -> None:
    deployed = DeployedTemplate(**POOL)
    assert {(e["JWT_ISSUER"], e["JWT_AUDIENCE"]) for e in environments(deployed)} == {
        ("https://cognito-idp.us-east-1.amazonaws.com/UserPool", "PageClient")
    }
    page = functions(deployed)["PageFunction"]["Environment"]["Variables"]
    assert page["OIDC_CLIENT_ID"] == "PageClient"
    assert page["OIDC_CONNECT_ORIGINS"] == "https://acme-traces.auth.us-east-1.amazoncognito.com"


def test_people_come_into_a_user_pool_by_invitation_and_return_to_the_page_alone() -> None:
    deployed = DeployedTemplate(**POOL)
    (pool,) = deployed.of_type("AWS::Cognito::UserPool").values()
    (client,) = deployed.of_type("AWS::Cognito::UserPoolClient").values()
    assert pool["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}
    assert client["CallbackURLs"] == ["https://traces.example.com/traces/callback"]
    assert (client["AllowedOAuthFlows"], client["GenerateSecret"]) == (["code"], False)
    assert deployed.outputs["UserPoolId"] == "UserPool"


@pytest.mark.parametrize("parameters", [{}, POOL])
def test_what_people_would_lose_outlives_the_stack(parameters: dict[str, str]) -> None:
    deployed = DeployedTemplate(**parameters)
    kept = [r for r in deployed.resources.values() if r["Type"] in ("AWS::DynamoDB::Table", "AWS::Cognito::UserPool")]
    assert len(kept) == (2 if parameters else 1)
    assert {(r["DeletionPolicy"], r["UpdateReplacePolicy"]) for r in kept} == {("RetainExceptOnCreate", "Retain")}


EXISTING = {"ExistingTable": "restored", "StreamArn": "arn:aws:dynamodb:us-east-1:000000000000:table/restored/stream/a"}


def tables_named(node: Any) -> set[str]:
    """The names of the tables in the ARNs and the metrics below a node of a template."""
    found = set()
    for part in everything(node):
        if isinstance(part, str):
            found |= set(re.findall(r"^arn:aws:dynamodb:[^:]*:[^:]*:table/([^/]+)", part))
        if isinstance(part, dict) and part.get("Name") == "TableName":
            found.add(part["Value"])
    return found


def test_the_table_is_protected_from_its_deletion() -> None:
    (table,) = DEFAULT.of_type("AWS::DynamoDB::Table").values()
    assert table["DeletionProtectionEnabled"] is True


def test_an_existing_table_takes_the_place_of_a_new_one_everywhere() -> None:
    deployed = DeployedTemplate(**EXISTING, AlarmTopicArn=TOPIC)
    assert not deployed.of_type("AWS::DynamoDB::Table")
    assert {e["TABLE_NAME"] for e in environments(deployed)} == {"restored"}
    assert tables_named(deployed.resources) == {"restored"}
    assert deployed.outputs["TableName"] == "restored"
    mappings = deployed.of_type("AWS::Lambda::EventSourceMapping").values()
    assert {mapping["EventSourceArn"] for mapping in mappings} == {EXISTING["StreamArn"]}


def test_a_new_table_is_the_only_one() -> None:
    assert tables_named(WITH_ALARMS.resources) == {"tracestore"}


@pytest.mark.parametrize(
    ("name", "rule"), [("ExistingTable", "ExistingTableHasStream"), ("StreamArn", "StreamHasTable")]
)
def test_an_existing_table_comes_with_its_stream(name: str, rule: str) -> None:
    assert DeployedTemplate(**{name: EXISTING[name]}).violated_rules == {rule}
    assert not DeployedTemplate(**EXISTING).violated_rules


LIMITS = {
    "IngestConcurrency": {"CaptureFunction", "SdkProtocolsFunction"},
    "ReadConcurrency": {"QueryFunction", "AnalyticsFunction", "AgentToolsFunction", "LessonTracesFunction"},
    "StreamConcurrency": {"RollupFunction", "PurgeFunction"},
}


def test_no_concurrency_is_reserved_unless_it_is_asked_for() -> None:
    assert not [f for f in functions(DEFAULT).values() if "ReservedConcurrentExecutions" in f]


@pytest.mark.parametrize("parameter", LIMITS)
def test_a_limit_of_concurrency_is_that_of_its_functions(parameter: str) -> None:
    limited = functions(DeployedTemplate(**{parameter: "7"}))
    reserved = {
        name: f["ReservedConcurrentExecutions"] for name, f in limited.items() if "ReservedConcurrentExecutions" in f
    }
    assert reserved == dict.fromkeys(LIMITS[parameter], "7")


@pytest.mark.parametrize(
    ("parameters", "limits"),
    [
        ({}, None),
        ({"MaxReadUnits": "100"}, {"MaxReadRequestUnits": "100"}),
        ({"MaxWriteUnits": "50"}, {"MaxWriteRequestUnits": "50"}),
        (
            {"MaxReadUnits": "100", "MaxWriteUnits": "50"},
            {"MaxReadRequestUnits": "100", "MaxWriteRequestUnits": "50"},
        ),
    ],
)
def test_the_table_and_each_index_have_the_limits_of_throughput(
    parameters: dict[str, str], limits: dict[str, str] | None
) -> None:
    (table,) = DeployedTemplate(**parameters).of_type("AWS::DynamoDB::Table").values()
    limited = [table, *table["GlobalSecondaryIndexes"]]
    assert [each.get("OnDemandThroughput") for each in limited] == [limits] * 4


def test_a_budget_sends_to_its_address() -> None:
    assert not DEFAULT.of_type("AWS::Budgets::Budget")
    assert DeployedTemplate(MonthlyBudget="20").violated_rules == {"BudgetHasEmail"}
    deployed = DeployedTemplate(MonthlyBudget="20", BudgetEmail="ops@example.com")
    (budget,) = deployed.of_type("AWS::Budgets::Budget").values()
    assert budget["Budget"]["BudgetLimit"] == {"Amount": "20", "Unit": "USD"}
    subscribers = [s for n in budget["NotificationsWithSubscribers"] for s in n["Subscribers"]]
    assert {s["Address"] for s in subscribers} == {"ops@example.com"}


def allowed(deployed: DeployedTemplate, function: str) -> list[dict[str, Any]]:
    """The statements of a function's role that are not AWS's own."""
    return deployed.statements_of(deployed.role_of(function))


STRICT = DeployedTemplate(StrictIsolation="true")

MAY = {
    "CaptureFunction": {
        *("dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem"),
        *("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"),
    },
    "SdkProtocolsFunction": {
        *("dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem"),
        *("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"),
    },
    "QueryFunction": {
        *("dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem"),
        *("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"),
    },
    "RollupFunction": {
        *("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"),
        "sqs:SendMessage",
        *("dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:GetItem", "dynamodb:PutItem"),
        "dynamodb:Query",
    },
    "PurgeFunction": {
        *("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"),
        "sqs:SendMessage",
        *("dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem"),
        *("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"),
    },
    "LessonTracesFunction": {
        *("dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem"),
        *("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"),
    },
    "AnalyticsFunction": {"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"},
    "DocsFunction": set(),
    "PageFunction": set(),
    "AgentToolsFunction": {"dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"},
    "AccountFunction": {"dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"},
}
"""The most that each function may do. A function that is not here may do nothing."""

WITH_STRICT_ISOLATION = {"AccountFunction": {"dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"}}
"""What functions may do in addition to the data of the user whom they serve: they share a role with others."""


@pytest.mark.parametrize("function", Template().functions)
def test_a_function_may_do_what_its_list_says_and_no_more(function: str) -> None:
    assert {action for s in allowed(DEFAULT, function) for action in s["Action"]} <= MAY[function]
    of_users = [statement for role in roles_of(function) for statement in STRICT.statements_of(role)]
    most = MAY[function] | WITH_STRICT_ISOLATION.get(function, set())
    assert {action for s in (*allowed(STRICT, function), *of_users) for action in s["Action"]} <= most


def roles_of(function: str) -> list[str]:
    """The roles of users that a function may assume with strict isolation."""
    role = f"{STRICT.role_of(function)}.Arn"
    trusts = {name: r["AssumeRolePolicyDocument"]["Statement"] for name, r in STRICT.of_type("AWS::IAM::Role").items()}
    return [name for name, (trust,) in trusts.items() if role in trust["Principal"].get("AWS", ())]


STREAM_FUNCTIONS = {subscription.function for subscription in Template().subscriptions}
TABLE = "arn:aws:dynamodb:us-east-1:000000000000:table/tracestore"


@pytest.mark.parametrize("function", Template().functions)
def test_a_role_reaches_this_table_its_stream_and_its_queue_alone(function: str) -> None:
    reached = {statement["Resource"] for statement in allowed(DEFAULT, function)}
    own = {f"{TABLE}/stream/*", "FailureQueue.Arn"} if function in STREAM_FUNCTIONS else set()
    assert reached <= {TABLE, f"{TABLE}/index/*", *own}
    assert own <= reached


@pytest.mark.parametrize("function", Template().functions)
def test_a_role_has_no_policy_of_aws_except_for_logs(function: str) -> None:
    """AWSLambdaDynamoDBExecutionRole, which SAM would add, lets a function read every stream of the account."""
    logs = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    named = DEFAULT.of_type("AWS::IAM::Role")[DEFAULT.role_of(function)]["ManagedPolicyArns"]
    assert [name for name in named if name not in DEFAULT.of_type("AWS::IAM::ManagedPolicy")] == [logs]


@pytest.mark.parametrize("function", ["AnalyticsFunction", "AgentToolsFunction"])
def test_a_function_that_only_reads_may_put_nothing_but_the_secret_of_cursors(function: str) -> None:
    (put,) = (s for s in allowed(DEFAULT, function) if "dynamodb:PutItem" in s["Action"])
    assert put["Action"] == ["dynamodb:PutItem"]
    assert put["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [keys.SECRET[0]]}}


ISOLATED = {
    "AccountFunction": "UserRole",
    "AgentToolsFunction": "UserReadRole",
    "AnalyticsFunction": "UserReadRole",
    "LessonTracesFunction": "UserRole",
    "QueryFunction": "UserRole",
    "SdkProtocolsFunction": "UserRole",
}
"""The functions that return stored data, and the role that each assumes for a user."""


@pytest.mark.parametrize("function", Template().functions)
def test_with_strict_isolation_a_function_that_returns_data_assumes_a_role(function: str) -> None:
    role = ISOLATED.get(function)
    variable = functions(STRICT)[function]["Environment"]["Variables"]["USER_ROLE_ARN"]
    assert variable == (f"{role}.Arn" if role else "")
    assert roles_of(function) == ([role] if role else [])
    assert functions(DEFAULT)[function]["Environment"]["Variables"]["USER_ROLE_ARN"] == ""


@pytest.mark.parametrize("function", ISOLATED)
def test_with_strict_isolation_a_function_itself_reaches_credentials_alone(function: str) -> None:
    for statement in allowed(STRICT, function):
        ((_, condition),) = statement["Condition"].items()
        of_users = [key for key in condition["dynamodb:LeadingKeys"] if key.startswith("U#")]
        assert not of_users or set(statement["Action"]) == {"dynamodb:DeleteItem", "dynamodb:PutItem"}
        assert set(of_users) <= {"U#*#K", "U#*#SH"}


def test_without_strict_isolation_there_is_no_role_of_users() -> None:
    assert set(DEFAULT.of_type("AWS::IAM::Role")) == {DEFAULT.role_of(function) for function in Template().functions}


def test_what_a_stream_function_fails_at_leaves_before_the_stream_forgets_it() -> None:
    mappings = DEFAULT.of_type("AWS::Lambda::EventSourceMapping").values()
    assert len(mappings) == len(STREAM_FUNCTIONS)
    for mapping in mappings:
        assert mapping["DestinationConfig"] == {"OnFailure": {"Destination": "FailureQueue.Arn"}}
        assert mapping["MaximumRecordAgeInSeconds"] < 24 * 3600 / 2


def test_nothing_polls_the_queue_of_failures() -> None:
    mappings = DEFAULT.of_type("AWS::Lambda::EventSourceMapping").values()
    assert {mapping["EventSourceArn"] for mapping in mappings} == {f"{TABLE}/stream/local"}


def test_each_alarm_has_a_section_of_the_runbook() -> None:
    runbook = (ROOT / "docs" / "runbook.md").read_text()
    assert set(re.findall(r"(?m)^### `(\w+)`$", runbook)) == set(alarms(WITH_ALARMS))


@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_errors_and_throttles_are_watched_of_every_function_that_works_on_the_table(metric: str) -> None:
    watched: set[str] = set()
    for alarm in alarms(WITH_ALARMS).values():
        metrics = [m["MetricStat"]["Metric"] for m in alarm.get("Metrics", ()) if "MetricStat" in m]
        watched |= {m["Dimensions"][0]["Value"] for m in metrics if m["MetricName"] == metric}
    assert watched == set(Template().functions) - {"PageFunction", "DocsFunction"}


def test_an_alarm_computes_with_no_more_metrics_than_cloudwatch_accepts() -> None:
    """*source*: CloudWatch user guide, "Create an alarm based on a metric math expression": ten metrics."""
    for alarm in alarms(WITH_ALARMS).values():
        assert len([m for m in alarm.get("Metrics", ()) if "MetricStat" in m]) <= 10


@pytest.mark.parametrize(("name", "pattern"), [("DeadLettersCount", "dead_letters"), ("FailedJobsCount", "state")])
def test_an_alarm_counts_lines_that_a_stream_function_writes(name: str, pattern: str) -> None:
    assert not DEFAULT.of_type("AWS::Logs::MetricFilter")
    assert f"$.{pattern} " in WITH_ALARMS.of_type("AWS::Logs::MetricFilter")[name]["FilterPattern"]


def test_a_changed_parameter_reaches_what_routes_and_the_stream_call() -> None:
    """They call functions, not versions: SAM publishes none when only the value of a parameter changes."""
    assert not DEFAULT.of_type("AWS::Lambda::Alias")
    mappings = DEFAULT.of_type("AWS::Lambda::EventSourceMapping").values()
    permissions = DEFAULT.of_type("AWS::Lambda::Permission").values()
    assert {each["FunctionName"] for each in (*mappings, *permissions)} == set(Template().functions)


WITH_METRICS = DeployedTemplate(Metrics="true", Dashboard="true")


def test_without_being_asked_for_there_are_no_metrics_and_no_dashboard() -> None:
    kinds = {resource["Type"] for resource in DEFAULT.resources.values()}
    assert not kinds & {"AWS::Logs::MetricFilter", "AWS::CloudWatch::Dashboard"}


def test_metrics_are_taken_from_the_lines_of_the_function_that_stores_spans() -> None:
    filters = WITH_METRICS.of_type("AWS::Logs::MetricFilter").values()
    taken = {
        transformation["MetricName"]: (each["LogGroupName"], transformation["MetricValue"])
        for each in filters
        for transformation in each["MetricTransformations"]
    }
    assert taken == {
        "spans": ("CaptureLogGroup", "$.span_count"),
        "rejected_spans": ("CaptureLogGroup", "$.rejected_count"),
        "busy_requests": ("CaptureLogGroup", "1"),
    }


def test_the_dashboard_shows_resources_of_the_stack() -> None:
    ((_, dashboard),) = WITH_METRICS.of_type("AWS::CloudWatch::Dashboard").items()
    body = json.loads(dashboard["DashboardBody"])
    shown = {
        value
        for node in everything(body["widgets"])
        if isinstance(node, list)
        for value in node
        if isinstance(value, str)
    }
    assert {"Api", "RollupFunction", "PurgeFunction", "tracestore"} <= shown
    assert {index["IndexName"] for index in Template().table["GlobalSecondaryIndexes"]} <= shown
    assert "${" not in dashboard["DashboardBody"]
