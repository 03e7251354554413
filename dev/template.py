"""Read template.yaml: routes, functions, environment, CORS, stream subscriptions and the table.

It resolves the intrinsic functions of the template (Ref, Sub, GetAtt, If, Join, Equals, Not, And, Or, Condition)
with the parameters' defaults. It neither serves requests nor accesses the table.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
PYTHON_PATH = os.pathsep.join(map(str, (ROOT, ROOT / "cli", ROOT / "layers" / "common")))
"""PYTHONPATH of processes that run this checkout, whatever is installed."""

ACCOUNT_ID = "000000000000"
PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT_ID,
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::StackName": "local",
    "AWS::URLSuffix": "localhost",
}
_ABSENT = object()  # the value of AWS::NoValue


@dataclass(frozen=True)
class Route:
    """One route of the API. `key` is the `routeKey` of its events, and `name` is that of its event in the template."""

    key: str
    function: str
    name: str = ""

    @property
    def method(self) -> str:
        """Empty for `$default`."""
        return self.key.partition(" ")[0] if " " in self.key else ""

    @property
    def path(self) -> str:
        """With its `{parameters}`; empty for `$default`."""
        return self.key.partition(" ")[2]

    @property
    def is_one_path(self) -> bool:
        """Whether each of its parameters is one segment. Others, and `$default`, cannot be written in OpenAPI."""
        return bool(self.path) and not self.path.endswith("+}")


@dataclass(frozen=True)
class Subscription:
    """A function's subscription to the table's stream.

    *absent*: without `patterns` it receives every record; with a `tumbling_window_s` of 0 it has no windows.
    """

    function: str
    batch_size: int = 100
    batching_window_s: float = 0
    tumbling_window_s: int = 0
    from_latest: bool = False
    patterns: tuple[dict[str, Any], ...] = ()
    reports_item_failures: bool = False


@dataclass(frozen=True)
class Function:
    """One Lambda function, by its logical name."""

    name: str
    file: Path
    attribute: str
    environment: dict[str, str]
    timeout_s: int
    memory_mb: int


@dataclass(frozen=True)
class Cors:
    """The gateway's CORS configuration. *absent*: without origins nothing is allowed."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...]
    expose: tuple[str, ...]
    max_age_s: int


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags, read into their long forms."""


def _tagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.MappingNode)
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _tagged)


class Template:
    """The template as deployed with `parameters`, and else with the defaults.

    *absent*: a parameter without a default is the empty string; the local server sets those of authentication.
    """

    def __init__(
        self,
        path: Path = ROOT / "template.yaml",
        parameters: Mapping[str, str] | None = None,
        table: str = "tracestore",
    ) -> None:
        self.path = path
        self.table_name = table
        self.body: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
        self._parameters = {name: str(p.get("Default", "")) for name, p in self.body.get("Parameters", {}).items()}
        self._parameters.update(parameters or {})

    @cached_property
    def functions(self) -> dict[str, Function]:
        """By logical name, in the template's order."""
        shared = self.body.get("Globals", {}).get("Function", {})
        return {name: self._function(name, shared, own) for name, own in self._functions_as_written()}

    @cached_property
    def routes(self) -> tuple[Route, ...]:
        """Every HTTP route, with its function."""
        routes = []
        for name, properties in self._functions_as_written():
            for event_name, event in properties.get("Events", {}).items():
                if event["Type"] == "HttpApi":
                    stated = event.get("Properties", {})
                    key = f"{stated['Method'].upper()} {stated['Path']}" if "Path" in stated else "$default"
                    routes.append(Route(key, name, event_name))
        return tuple(routes)

    @cached_property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """The subscriptions of functions to the table's stream."""
        subscriptions = []
        for name, properties in self._functions_as_written():
            for event in properties.get("Events", {}).values():
                if event["Type"] == "DynamoDB":
                    stated = self.resolve(event["Properties"])
                    filters = stated.get("FilterCriteria", {}).get("Filters", [])
                    subscriptions.append(
                        Subscription(
                            function=name,
                            batch_size=int(stated.get("BatchSize", 100)),
                            batching_window_s=float(stated.get("MaximumBatchingWindowInSeconds", 0)),
                            tumbling_window_s=int(stated.get("TumblingWindowInSeconds", 0)),
                            from_latest=stated.get("StartingPosition") == "LATEST",
                            patterns=tuple(json.loads(entry["Pattern"]) for entry in filters),
                            reports_item_failures="ReportBatchItemFailures" in stated.get("FunctionResponseTypes", []),
                        )
                    )
        return tuple(subscriptions)

    @cached_property
    def cors(self) -> Cors:
        """The CORS configuration of the HTTP API."""
        (api,) = (r for r in self.body["Resources"].values() if r["Type"] == "AWS::Serverless::HttpApi")
        stated = self.resolve(api.get("Properties", {})).get("CorsConfiguration", {})
        return Cors(
            origins=tuple(stated.get("AllowOrigins", ())),
            methods=tuple(stated.get("AllowMethods", ())),
            headers=tuple(stated.get("AllowHeaders", ())),
            expose=tuple(stated.get("ExposeHeaders", ())),
            max_age_s=int(stated.get("MaxAge", 0)),
        )

    @cached_property
    def environment(self) -> dict[str, str]:
        """The environment of all functions together: locally, they share one process.

        *raises*: ValueError when two functions have different values for one name.
        """
        merged: dict[str, str] = {}
        for function in self.functions.values():
            for name, value in function.environment.items():
                if merged.setdefault(name, value) != value:
                    raise ValueError(f"{name} differs between functions, which share one environment here")
        return merged

    @cached_property
    def table(self) -> dict[str, Any]:
        """The arguments of CreateTable."""
        stated = self.resolve(self._table_as_written())
        names = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
        stream = {"StreamEnabled": True, **stated["StreamSpecification"]}
        return {"TableName": self.table_name, **{k: stated[k] for k in names}, "StreamSpecification": stream}

    @cached_property
    def ttl(self) -> dict[str, Any]:
        """The TimeToLiveSpecification of UpdateTimeToLive."""
        stated: dict[str, Any] = self.resolve(self._table_as_written()["TimeToLiveSpecification"])
        return stated

    def resolve(self, value: Any) -> Any:
        """`value` without intrinsic functions. *raises*: ValueError for a function that is not implemented here."""
        if isinstance(value, list):
            return [r for r in map(self.resolve, value) if r is not _ABSENT]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if (name in ("Ref", "Condition") and isinstance(argument, str)) or name.startswith("Fn::"):
                return self._intrinsic(name, argument)
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not _ABSENT}

    def _intrinsic(self, name: str, argument: Any) -> Any:
        match name:
            case "Ref":
                return self._ref(argument)
            case "Fn::GetAtt":
                return self._attribute(*argument)
            case "Fn::Sub":
                text, own = (argument, {}) if isinstance(argument, str) else argument
                values = self.resolve(own)

                def value(name: str) -> Any:
                    return values[name] if name in values else self._ref_or_attribute(name)

                return re.sub(r"\$\{([^!}]+)\}", lambda match: str(value(match[1])), text)
            case "Fn::If":
                return self.resolve(argument[1] if self._holds(argument[0]) else argument[2])
            case "Fn::Join":
                return argument[0].join(self.resolve(argument[1]))
            case "Fn::Equals":
                return self.resolve(argument[0]) == self.resolve(argument[1])
            case "Fn::Not":
                return not self.resolve(argument[0])
            case "Fn::And":
                return all(map(self.resolve, argument))
            case "Fn::Or":
                return any(map(self.resolve, argument))
            case "Condition":
                return self._holds(argument)
        raise ValueError(f"{name} is not implemented: add it to dev/template.py")

    def _holds(self, condition: str) -> bool:
        return bool(self.resolve(self.body["Conditions"][condition]))

    def _ref_or_attribute(self, name: str) -> Any:
        resource, dot, attribute = name.partition(".")
        return self._attribute(resource, attribute) if dot else self._ref(name)

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _ABSENT
        if name in PSEUDO_PARAMETERS:
            return PSEUDO_PARAMETERS[name]
        if name in self._parameters:
            value = self._parameters[name]
            is_list = self.body["Parameters"][name]["Type"] == "CommaDelimitedList"
            return [part.strip() for part in value.split(",")] if is_list else value
        if self.body["Resources"][name]["Type"] == "AWS::DynamoDB::Table":
            return self.table_name
        return name

    def _attribute(self, resource: str, attribute: str) -> str:
        if self.body["Resources"][resource]["Type"] == "AWS::DynamoDB::Table":
            arn = f"arn:aws:dynamodb:{PSEUDO_PARAMETERS['AWS::Region']}:{ACCOUNT_ID}:table/{self.table_name}"
            return {"Arn": arn, "StreamArn": f"{arn}/stream/local"}[attribute]
        return f"{resource}.{attribute}"

    def _table_as_written(self) -> dict[str, Any]:
        (table,) = (r for r in self.body["Resources"].values() if r["Type"] == "AWS::DynamoDB::Table")
        properties: dict[str, Any] = table["Properties"]
        return properties

    def _functions_as_written(self) -> list[tuple[str, dict[str, Any]]]:
        resources: dict[str, Any] = self.body["Resources"]
        return [(n, r["Properties"]) for n, r in resources.items() if r["Type"] == "AWS::Serverless::Function"]

    def _function(self, name: str, shared: dict[str, Any], own: dict[str, Any]) -> Function:
        module, _, attribute = own["Handler"].rpartition(".")
        variables = [part.get("Environment", {}).get("Variables", {}) for part in (shared, own)]
        return Function(
            name=name,
            file=self.path.parent / own["CodeUri"] / f"{module}.py",
            attribute=attribute,
            environment={key: str(value) for key, value in self.resolve({**variables[0], **variables[1]}).items()},
            timeout_s=int({**shared, **own}["Timeout"]),
            memory_mb=int({**shared, **own}["MemorySize"]),
        )
