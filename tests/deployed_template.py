"""The template as CloudFormation would create it: transformed by SAM's own translator, for given parameters.

`dev.template` reads the template as it is written. What SAM makes of it, such as roles, permissions and event source
mappings, is only in the result.
"""

import copy
import json
from functools import cached_property
from typing import Any

import boto3
from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]

from dev.template import Template


class DeployedTemplate(Template):
    """The resources that exist with `parameters`, and else with the defaults, by logical name.

    A parameter of the type CommaDelimitedList is one text with commas, as for `sam deploy`.
    """

    def __init__(self, **parameters: str) -> None:
        super().__init__(parameters=parameters)
        # Through JSON, as a deployment sends it: SAM changes what it is given, and YAML shares what has anchors.
        written = json.loads(json.dumps(copy.deepcopy(self.body)))
        for resource in written["Resources"].values():  # SAM accepts only code that is uploaded
            for name in {"CodeUri", "ContentUri"} & resource.get("Properties", {}).keys():
                resource["Properties"][name] = "s3://bucket/key"
        translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="us-east-1"))
        self.body = translator.translate(written, {name: self._ref(name) for name in self.body["Parameters"]})

    @cached_property
    def resources(self) -> dict[str, dict[str, Any]]:
        """The resources whose conditions hold, without intrinsic functions."""
        stated = self.body["Resources"].items()
        existing = {name: r for name, r in stated if "Condition" not in r or self._holds(r["Condition"])}
        return {name: self.resolve({k: v for k, v in r.items() if k != "Condition"}) for name, r in existing.items()}

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of the resources of one type."""
        return {name: r.get("Properties", {}) for name, r in self.resources.items() if r["Type"] == kind}

    @cached_property
    def violated_rules(self) -> set[str]:
        """The rules that refuse these parameters."""
        violated = set()
        for name, rule in self.body.get("Rules", {}).items():
            applies = self.resolve(rule.get("RuleCondition", True))
            if applies and not all(self.resolve(each["Assert"]) for each in rule["Assertions"]):
                violated.add(name)
        return violated

    def role_of(self, function: str) -> str:
        """The logical name of the role that a function acts with."""
        role: str = self.of_type("AWS::Lambda::Function")[function]["Role"]
        return role.partition(".")[0]

    def statements_of(self, role: str) -> list[dict[str, Any]]:
        """The statements of a role: of its own policies, and of the template's policies that it names."""
        stated, shared = self.of_type("AWS::IAM::Role")[role], self.of_type("AWS::IAM::ManagedPolicy")
        documents = [policy["PolicyDocument"] for policy in stated.get("Policies", [])]
        documents += [shared[name]["PolicyDocument"] for name in stated["ManagedPolicyArns"] if name in shared]
        return [statement for document in documents for statement in document["Statement"]]

    @cached_property
    def outputs(self) -> dict[str, Any]:
        """The values of the outputs whose conditions hold."""
        stated = self.body.get("Outputs", {}).items()
        return {n: self.resolve(o["Value"]) for n, o in stated if "Condition" not in o or self._holds(o["Condition"])}
