#!/usr/bin/env bash
# SAM (aws-sam-translator 1.115.0): AutoPublishAliasAllProperties publishes no version when a parameter's value changes.
#
# Valid input: a function with AutoPublishAlias and AutoPublishAliasAllProperties, whose environment refers to a template
# parameter, deployed twice with different values. SAM's documentation says that a new version is then published for a
# change of any property of the function. SAM derives the version's logical id from the text of the template, in which
# the variable is {"Ref": "Retention"} both times. The second deployment changes $LATEST alone; the alias, which routes
# and event sources call, goes on serving the old value. The same change as a text in the template is noticed.
#
# Output on 2026-11-28:
#   value by parameter, 30 and 7: same version
#   value in the template, 30 and 7: another version
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet aws-sam-translator==1.115.0

cat > "$work/versions.py" <<'PYTHON'
"""Compare the versions that SAM publishes for two deployments."""

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator


def version(value, **parameters):
    """The logical id of the version of the function whose environment has this value."""
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Parameters": {"Retention": {"Type": "String", "Default": "30"}},
        "Resources": {
            "F": {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "Runtime": "python3.13",
                    "Handler": "handler.handler",
                    "CodeUri": "s3://bucket/key",
                    "AutoPublishAlias": "live",
                    "AutoPublishAliasAllProperties": True,
                    "Environment": {"Variables": {"RETENTION": value}},
                },
            }
        },
    }
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="us-east-1"))
    resources = translator.translate(template, parameters)["Resources"]
    return next(name for name, resource in resources.items() if resource["Type"] == "AWS::Lambda::Version")


def compared(first, second):
    return "same version" if first == second else "another version"


reference = {"Ref": "Retention"}
print("value by parameter, 30 and 7:", compared(version(reference, Retention="30"), version(reference, Retention="7")))
print("value in the template, 30 and 7:", compared(version("30"), version("7")))
PYTHON

found=$("$work/venv/bin/python" "$work/versions.py" 2>/dev/null)
echo "$found"
[[ $found == "value by parameter, 30 and 7: same version
value in the template, 30 and 7: another version" ]]
